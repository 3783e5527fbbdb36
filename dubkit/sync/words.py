"""Words that two texts have in common, in the same order. Pure."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dubkit.cues.text import without_marks
from dubkit.types import Cue, Word

from .fit import Anchor
from .score import CHARS

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+")
LONGEST, SHORTEST = 4, 2
"""Words in a row that must be the only ones of their kind to be looked for."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word and its time."""

    text: str
    time: float
    """Seconds."""
    cue: int
    """The index of the cue that it is in."""
    exact: bool
    """Whether the time is known, and not estimated from the cue's."""


def tokens_of(cues: Sequence[Cue]) -> list[Token]:
    """The words of subtitles; those that begin a cue have its time."""
    found: list[Token] = []
    for k, cue in enumerate(cues):
        text = without_marks(cue.text).casefold()
        spoken = min(cue.end - cue.start, max(0.6, len(text) / CHARS))
        for n, match in enumerate(_WORD.finditer(text)):
            time = cue.start + spoken * match.start() / max(len(text), 1)
            found.append(Token(match[0], time if n else cue.start, k, n == 0))
    return found


def tokens_spoken(words: Sequence[Word]) -> list[Token]:
    """The words of a transcript."""
    return [
        Token(match[0], word.start, k, n == 0)
        for k, word in enumerate(words)
        for n, match in enumerate(_WORD.finditer(word.text.casefold()))
    ]


def find_anchors(old: Sequence[Token], new: Sequence[Token]) -> list[Anchor]:
    """The words of subtitles among those that were spoken."""
    pairs = sorted(_matched([one.text for one in old], [one.text for one in new]))
    return [
        Anchor(old[i].cue, old[i].time, new[j].time, old[i].exact and new[j].exact)
        for i, j in pairs
    ]


def _matched(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The pairs of equal words: those in rows that both texts have once, in the longest order that
    they share; between them, the same again with shorter rows."""
    todo = [(0, len(old), 0, len(new), LONGEST)]
    while todo:
        first, last, begin, end, size = todo.pop()
        if last - first < size or end - begin < size:
            continue
        mine, theirs = _once(old, first, last, size), _once(new, begin, end, size)
        common = sorted((at, theirs[row]) for row, at in mine.items() if row in theirs)
        rows = [common[k] for k in _increasing([at for _, at in common])]
        if not rows:
            if size > SHORTEST:
                todo.append((first, last, begin, end, size - 1))
            continue
        before = first, begin
        for i, j in [*rows, (last, end)]:
            if i - before[0] > 0 and j - before[1] > 0 and size > SHORTEST:
                todo.append((before[0], i, before[1], j, size - 1))
            before = max(before[0], i + size), max(before[1], j + size)
        yield from {(i + n, j + n) for i, j in rows for n in range(size)}


def _once(words: Sequence[str], first: int, last: int, size: int) -> dict[tuple[str, ...], int]:
    """Where each row of words begins that occurs once."""
    found: dict[tuple[str, ...], int] = {}
    several: set[tuple[str, ...]] = set()
    for at in range(first, last - size + 1):
        row = tuple(words[at : at + size])
        if row in found:
            several.add(row)
        found[row] = at
    return {row: at for row, at in found.items() if row not in several}


def _increasing(values: Sequence[int]) -> list[int]:
    """The places of a longest increasing run among values."""
    ends: list[int] = []
    tails: list[int] = []
    before: list[int] = []
    for place, value in enumerate(values):
        at = bisect.bisect_left(tails, value)
        before.append(ends[at - 1] if at else -1)
        tails[at : at + 1], ends[at : at + 1] = [value], [place]
    place, run = ends[-1] if ends else -1, []
    while place >= 0:
        run.append(place)
        place = before[place]
    return run[::-1]
