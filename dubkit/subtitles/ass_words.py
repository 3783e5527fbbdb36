"""The text of one ASS event with other words and the same overrides."""

from __future__ import annotations

import functools
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from dubkit.cues import phrases
from dubkit.cues.text import LOOK_MARK, MARK, without_marks
from dubkit.languages import right_to_left
from dubkit.types import Cue

from .ass_events import WHOLE_LINES, escape, from_event, to_override, tokens
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
    if clean(from_event(raw)) == clean(LOOK_MARK.sub("", cue.text)):
        return raw
    parts = tokens(raw)
    first, last = 0, len(parts)
    while last - first > 2 and not parts[first] and parts[first + 1].startswith("{"):
        first += 2
    while last - first > 2 and not parts[last - 1] and parts[last - 2].startswith("{"):
        last -= 2
    leading, trailing = "".join(parts[:first]), "".join(parts[last:])
    blocks = [] if cut else list(_blocks(parts[first:last]))
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


def _blocks(parts: list[str]) -> Iterator[_Block]:
    """The overrides other than italics and the like, which the cue has as marks, and karaoke, which
    makes no sense with other words. ``parts`` are as in :func:`.ass_events.tokens`."""
    written: list[str] = []
    found: list[tuple[int, str]] = []
    at = 0
    for k, part in enumerate(parts):
        if k % 2 and part.startswith("{"):
            rest = _KARAOKE.sub("", _SWITCH.sub("", part))
            if rest.strip("{} "):
                found.append((at, rest))
        else:
            written.append(from_event(part) if k % 2 else part)
            at += len(written[-1])
    text = "".join(written)
    starts = _line_starts(text)
    for at, overrides in found:
        line = bisect_right(starts, at) - 1
        end = starts[line + 1] - 1 if line + 1 < len(starts) else len(text)
        yield _Block(
            overrides,
            line=line,
            lines=len(starts),
            share=(at - starts[line]) / max(1, end - starts[line]),
            whole=at / max(1, len(text)),
            opens=not (at == len(text) or text[at].isspace()),
        )


def _line_starts(text: str) -> list[int]:
    return [0, *(match.end() for match in re.finditer("\n", text))]


def _place(blocks: list[_Block], plain: str, language: str) -> Iterator[tuple[int, _Block]]:
    """Each block with its place in the new text: where a word begins or ends, in order."""
    starts = _line_starts(plain)
    words = functools.cache(lambda start, line: _words(line, language))
    floor = 0
    for block in blocks:
        start, line = 0, plain
        target = block.whole * len(plain)
        if block.lines == len(starts):
            start, *following = starts[block.line : block.line + 2]
            line = plain[start : following[0] - 1] if following else plain[start:]
            target = start + block.share * len(line)
        edges = words(start, line)[0 if block.opens else 1]
        # The nearest that is not before the floor: of those around the target, or the first.
        k = bisect_left(edges, target - start)
        least = bisect_left(edges, floor - start)
        near = edges[max(least, k - 1) : max(least, k) + 1]
        at = min(
            (start + edge for edge in near),
            key=lambda edge: abs(edge - target),
            default=max(floor, start),
        )
        yield at, block
        floor = at + block.opens if at < len(plain) else at


def _words(line: str, language: str) -> tuple[list[int], list[int]]:
    """Starts and ends of the words, or of the phrases in languages without spaces."""
    spans = [match.span() for match in re.finditer(r"\S+", line)]
    if not phrases.uses_spaces(language):
        spans, at = [], 0
        for phrase in phrases.phrases(line, language):
            spans.append((at, at + len(phrase.rstrip())))
            at += len(phrase)
    return [start for start, _ in spans], [end for _, end in spans]


def _switches(text: str, leading: str, trailing: str) -> Iterator[tuple[int, int, str]]:
    """The overrides that the marks of a text need, beyond those in the blocks around it."""
    on = {mark for mark in "ibu" if _last_switch(leading, mark) == "1"}
    parts = MARK.split(text)
    head = "".join(parts[: next((k for k in range(0, len(parts), 2) if parts[k]), 0)])
    at, current = 0, set(on)
    after = {mark: _last_switch(trailing, mark) for mark in "ibu"}
    end = max((k for k in range(0, len(parts), 2) if parts[k]), default=0)
    """The last part that is text."""
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
        if LOOK_MARK.fullmatch(part):  # the file has its own
            continue
        if not part.startswith("</"):
            if mark not in current:
                current.add(mark)
                yield at, 2, to_override(part)
        elif mark in current and not (k > end and (mark in on or after[mark] == "0")):
            current.discard(mark)
            yield at, 0, to_override(part)


def _last_switch(blocks: str, mark: str) -> str:
    """The value of the last override of a mark, ``0`` or ``1``; empty if there is none."""
    values: list[str] = re.findall(rf"\\{mark}([01])(?![0-9])", blocks)
    return values[-1] if values else ""
