"""The text of one ASS event with other words, its overrides kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dubkit.cues import phrases
from dubkit.languages import right_to_left
from dubkit.types import Cue

from .ass_events import TOKEN, WHOLE_LINES, escaped, spoken, switch
from .markup import TAG, clean, embed, plain


@dataclass(frozen=True, slots=True)
class _Block:
    """Overrides in the middle of a text."""

    overrides: str
    line: int
    lines: int
    """Of how many."""
    share: float
    """How far in its line, 0 to 1 ..."""
    whole: float
    """... and in the whole text."""
    opens: bool
    """Whether a word begins after it, rather than one ending before it."""


def reworded(raw: str, cue: Cue, language: str, cut: bool) -> str:
    """The text of an event with the words of a cue; as it was where the words are the same."""
    if clean(spoken(raw)) == clean(cue.text):
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
    text = embed(clean(cue.text), language)
    shown = plain(text)
    inserts = [
        *((at, 1, block.overrides) for at, block in _placed(blocks, shown, language)),
        *_switches(text, leading, trailing),
    ]
    # Where they meet, what ends comes first, and what begins comes last.
    inserts.sort(key=lambda insert: insert[:2])
    said, done = "", 0
    if inserts and right_to_left(language) and f"\\fe{WHOLE_LINES}" not in leading:
        leading += f"{{\\fe{WHOLE_LINES}}}"
    for at, _, overrides in inserts:
        said += escaped(shown[done:at]) + overrides
        done = at
    return leading + said + escaped(shown[done:]) + trailing


_SWITCH = re.compile(r"\\[ibu][01](?![0-9])")
_KARAOKE = re.compile(r"\\[kK][fot]?[0-9.]*")


def _blocks(tokens: list[str]) -> Iterator[_Block]:
    """The overrides that are neither plain switches, which the cue has as marks, nor karaoke,
    which has no sense with other words."""
    said = ""
    found: list[tuple[int, str]] = []
    for k, token in enumerate(tokens):
        if k % 2 and token.startswith("{"):
            rest = _KARAOKE.sub("", _SWITCH.sub("", token))
            if rest.strip("{} "):
                found.append((len(said), rest))
        else:
            said += spoken(token) if k % 2 else token
    lines = said.split("\n")
    for at, overrides in found:
        line = said.count("\n", 0, at)
        start = said.rfind("\n", 0, at) + 1
        yield _Block(
            overrides,
            line=line,
            lines=len(lines),
            share=(at - start) / max(1, len(lines[line])),
            whole=at / max(1, len(said)),
            opens=not (at == len(said) or said[at].isspace()),
        )


def _placed(blocks: list[_Block], shown: str, language: str) -> Iterator[tuple[int, _Block]]:
    """Each block with its place in the new text: where a word begins or ends, in their order."""
    lines = shown.split("\n")
    floor = 0
    for block in blocks:
        start, line = 0, shown
        target = block.whole * len(shown)
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
        floor = at + block.opens if at < len(shown) else at


def _words(line: str, language: str) -> list[tuple[int, int]]:
    """Where each word begins and ends; each phrase where words are written without spaces."""
    if phrases.uses_spaces(language):
        return [match.span() for match in re.finditer(r"\S+", line)]
    found, at = [], 0
    for row in line.splitlines(keepends=True):
        for phrase in phrases.phrases(row, language):
            found.append((at, at + len(phrase.rstrip())))
            at += len(phrase)
    return found


def _switches(text: str, leading: str, trailing: str) -> Iterator[tuple[int, int, str]]:
    """What the marks of a text need beside what the blocks around it already switch."""
    on = {mark for mark in "ibu" if _last(leading, mark) == "1"}
    parts = TAG.split(text)
    head = "".join(parts[: next((k for k in range(0, len(parts), 2) if parts[k]), 0)])
    at, current = 0, set(on)
    for mark in sorted(on):
        # A text without the mark is taken to have lost it, unless only a part of it is marked.
        if f"<{mark}>" in text and f"<{mark}>" not in head:
            current.discard(mark)
            yield 0, 0, switch(f"</{mark}>")
    for k, part in enumerate(parts):
        if k % 2 == 0:
            at += len(part)
            continue
        mark = part[-2]
        if not part.startswith("</"):
            if mark not in current:
                current.add(mark)
                yield at, 2, switch(part)
        elif mark in current:
            ended = not any(parts[k + 1 :: 2])
            if not (ended and (mark in on or _last(trailing, mark) == "0")):
                current.discard(mark)
                yield at, 0, switch(part)


def _last(blocks: str, mark: str) -> str:
    """What the last switch of a mark says; empty where there is none."""
    said: list[str] = re.findall(rf"\\{mark}([01])(?![0-9])", blocks)
    return said[-1] if said else ""
