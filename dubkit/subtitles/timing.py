"""Times as files have them: the only place with milliseconds, where each is rounded once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dubkit.cues.text import without_marks
from dubkit.types import Cue, Track

from .markup import clean


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
