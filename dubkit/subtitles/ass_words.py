"""The text of one ASS event with other words and the same overrides."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dubkit.cues import phrases
from dubkit.cues.text import MARK, without_marks
from dubkit.languages import right_to_left
from dubkit.types import Cue

from .ass_events import TOKEN, WHOLE_LINES, escape, from_event, to_override
from .markup import clean, embed_rtl


@dataclass(frozen=True, slots=True)
class _Block:
    """Overrides in the middle of a text."""

    overrides: str
    line: int
    lines: int
    """Lines in the text."""
    share: float
    """Its position in its line, 0 to 1 ..."""
    whole: float
    """... and in the whole text."""
    opens: bool
    """Whether a word begins after it; otherwise one ends before it."""


def reword(raw: str, cue: Cue, language: str, cut: bool) -> str:
    """The text of an event with the words of a cue; unchanged if the words are the same.

    ``cut`` means that the cue is only a part of the event, so that overrides in the middle and at
    the end have no place in it.
    """
    if clean(from_event(raw)) == clean(cue.text):
        return raw
    tokens = TOKEN.split(raw)  # text and tokens in turn
    first, last = 0, len(tokens)
    while last - first > 2 and not tokens[first] and tokens[first + 1].startswith("{"):
        first += 2
    while last - first > 2 and not tokens[last - 1] and tokens[last - 2].startswith("{"):
        last -= 2
    leading, trailing = "".join(tokens[:first]), "".join(tokens[last:])
    blocks = [] if cut else list(_blocks(tokens[first:last]))
    if cut:
        trailing = ""
    text = embed_rtl(clean(cue.text), language)
    plain = without_marks(text)
    inserts = [
        *((at, 1, block.overrides) for at, block in _place(blocks, plain, language)),
        *_switches(text, leading, trailing),
    ]
    # At the same place, overrides that end something come first, those that begin something last.
    inserts.sort(key=lambda insert: insert[:2])
    written, done = "", 0
    if inserts and right_to_left(language) and f"\\fe{WHOLE_LINES}" not in leading:
        leading += f"{{\\fe{WHOLE_LINES}}}"
    for at, _, overrides in inserts:
        written += escape(plain[done:at]) + overrides
        done = at
    return leading + written + escape(plain[done:]) + trailing


_SWITCH = re.compile(r"\\[ibu][01](?![0-9])")
_KARAOKE = re.compile(r"\\[kK][fot]?[0-9.]*")


def _blocks(tokens: list[str]) -> Iterator[_Block]:
    """The overrides other than italics and the like, which the cue has as marks, and karaoke, which
    makes no sense with other words."""
    text = ""
    found: list[tuple[int, str]] = []
    for k, token in enumerate(tokens):
        if k % 2 and token.startswith("{"):
            rest = _KARAOKE.sub("", _SWITCH.sub("", token))
            if rest.strip("{} "):
                found.append((len(text), rest))
        else:
            text += from_event(token) if k % 2 else token
    lines = text.split("\n")
    for at, overrides in found:
        line = text.count("\n", 0, at)
        start = text.rfind("\n", 0, at) + 1
        yield _Block(
            overrides,
            line=line,
            lines=len(lines),
            share=(at - start) / max(1, len(lines[line])),
            whole=at / max(1, len(text)),
            opens=not (at == len(text) or text[at].isspace()),
        )


def _place(blocks: list[_Block], plain: str, language: str) -> Iterator[tuple[int, _Block]]:
    """Each block with its place in the new text: where a word begins or ends, in order."""
    lines = plain.split("\n")
    floor = 0
    for block in blocks:
        start, line = 0, plain
        target = block.whole * len(plain)
        if block.lines == len(lines):
            line = lines[block.line]
            start = sum(len(above) + 1 for above in lines[: block.line])
            target = start + block.share * len(line)
        edges = [
            start + edge[0 if block.opens else 1]
            for edge in _words(line, language)
            if start + edge[0 if block.opens else 1] >= floor
        ]
        at = min(edges, key=lambda edge: abs(edge - target), default=max(floor, start))
        yield at, block
        floor = at + block.opens if at < len(plain) else at


def _words(line: str, language: str) -> list[tuple[int, int]]:
    """Start and end of each word, or of each phrase in languages without spaces."""
    if phrases.uses_spaces(language):
        return [match.span() for match in re.finditer(r"\S+", line)]
    found, at = [], 0
    for row in line.splitlines(keepends=True):
        for phrase in phrases.phrases(row, language):
            found.append((at, at + len(phrase.rstrip())))
            at += len(phrase)
    return found


def _switches(text: str, leading: str, trailing: str) -> Iterator[tuple[int, int, str]]:
    """The overrides that the marks of a text need, beyond those in the blocks around it."""
    on = {mark for mark in "ibu" if _last_switch(leading, mark) == "1"}
    parts = MARK.split(text)
    head = "".join(parts[: next((k for k in range(0, len(parts), 2) if parts[k]), 0)])
    at, current = 0, set(on)
    for mark in sorted(on):
        # A text without the mark is assumed to have lost it, unless only a part of it is marked.
        if f"<{mark}>" in text and f"<{mark}>" not in head:
            current.discard(mark)
            yield 0, 0, to_override(f"</{mark}>")
    for k, part in enumerate(parts):
        if k % 2 == 0:
            at += len(part)
            continue
        mark = part[-2]
        if not part.startswith("</"):
            if mark not in current:
                current.add(mark)
                yield at, 2, to_override(part)
        elif mark in current:
            ended = not any(parts[k + 1 :: 2])
            if not (ended and (mark in on or _last_switch(trailing, mark) == "0")):
                current.discard(mark)
                yield at, 0, to_override(part)


def _last_switch(blocks: str, mark: str) -> str:
    """The value of the last override of a mark, ``0`` or ``1``; empty if there is none."""
    values: list[str] = re.findall(rf"\\{mark}([01])(?![0-9])", blocks)
    return values[-1] if values else ""
