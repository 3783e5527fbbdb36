"""Times as files have them: the only place with milliseconds, where each is rounded once."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from dubkit.cues.text import without_marks
from dubkit.types import Cue, Track

from .interface import Flaw
from .markup import clean

SHORTEST, LONGEST, PACE = 1.0, 7.0, 15.0
"""Seconds that a cue without an end is shown for, at this many columns a second, ..."""
LEAST = 0.5
"""... up to the next one, unless that leaves less than this."""

REVERSED = "the cue ends before it begins, so it is shown until the next one"
NO_TIME = "the cue takes no time, so it is shown until the next one"
HALF_A_TIME = "one of the two times cannot be read, so it was set by the cues around it"
NEGATIVE = "the cue begins before 0, so it begins at 0 now"
NEVER_SHOWN = "the cue ends before 0, so it is left out"


def spans(track: Track, step: int = 1) -> list[tuple[int, int]]:
    """Start and end of each cue in milliseconds, multiples of ``step``.

    A cue lasts at least one step; cues that did not overlap do not overlap after rounding.
    """
    found: list[tuple[int, int]] = []
    for k, cue in enumerate(track.cues):
        start = max(0, round(cue.start * 1000 / step) * step)
        if k and track.cues[k - 1].end <= cue.start:
            start = max(start, found[-1][1])
        found.append((start, max(start + step, round(cue.end * 1000 / step) * step)))
    return found


def timed_cues(track: Track, step: int = 1) -> Iterator[tuple[int, int, Cue]]:
    """Start, end and cue of all cues that have text, cleaned; times as in :func:`spans`."""
    for (start, end), cue in zip(spans(track, step), track.cues, strict=True):
        text = clean(cue.text)
        if without_marks(text).strip():
            yield start, end, replace(cue, text=text)


def clock(milliseconds: int) -> tuple[int, int, int, int]:
    """Hours, minutes, seconds and milliseconds."""
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    return minutes // 60, minutes % 60, seconds, milliseconds


class Stated(NamedTuple):
    """The times of a cue as its file states them."""

    line: int
    """Where it does, counted from 1."""
    start: float | None
    """Seconds; None if it cannot be read."""
    end: float | None
    columns: int
    """Of the cue's text."""


def mended(cues: Sequence[Stated], flaws: list[Flaw]) -> Iterator[tuple[float, float] | None]:
    """Start and end of each cue as a player can show it, None for one that ends before 0; what had
    to be changed is added to ``flaws``."""
    starts = sorted({one.start for one in cues if one.start is not None})
    before = 0.0
    for line, start, end, columns in cues:
        if start is None or end is None:
            flaws.append(Flaw(line, HALF_A_TIME))
        reading = min(max(columns / PACE, SHORTEST), LONGEST)
        if start is None:
            assert end is not None
            start = end - reading if before > end else max(before, end - reading)
        if start < 0:
            if end is not None and end <= 0:
                flaws.append(Flaw(line, NEVER_SHOWN))
                yield None
                continue
            flaws.append(Flaw(line, NEGATIVE))
            start = 0.0
        if end is not None and end <= start:
            flaws.append(Flaw(line, REVERSED if end < start else NO_TIME))
            end = None
        if end is None:
            later = bisect.bisect_right(starts, start)
            room = starts[later] - start if later < len(starts) else LONGEST
            end = round(start + max(min(reading, room), LEAST), 3)
        yield round(start, 3), end
        before = end
