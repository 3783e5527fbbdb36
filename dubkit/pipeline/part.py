"""The part of the film or the text that is worked on, ``--range``: its start and end in seconds."""

from __future__ import annotations

import math
from dataclasses import replace

from dubkit.errors import UsageError
from dubkit.subtitles.source import SourceText


def end_with(
    part: tuple[float, float], end: float, name: str
) -> tuple[tuple[float, float], tuple[str, ...]]:
    """The part within a film or a text that ends at ``end``, and warnings. Raises UsageError if it
    begins after that."""
    begin, last = part
    if begin >= end:
        raise UsageError(
            f"--range begins at {begin:.1f} s, after the end of {name} at {end:.1f} s",
            "--range 1:00-3:30, within it",
        )
    if end < last < math.inf:
        warning = f"{name} ends at {end:.1f} s, and so does what --range takes of it"
        return (begin, end), (warning,)
    return (begin, min(last, end)), ()


def text_within(text: SourceText, part: tuple[float, float], name: str) -> SourceText:
    """The cues that begin in the part, with a warning if there are none. ``name`` is of the text
    if it is the whole input, which ends with it; else empty."""
    warnings = text.warnings
    if name and text.track.cues:
        part, more = end_with(part, max(cue.end for cue in text.track.cues), name)
        warnings += more
    within = text.within_part(part)
    if text.track.cues and not within.track.cues:
        warnings += ("no cue of the text begins in the part that --range names",)
    return replace(within, warnings=warnings)
