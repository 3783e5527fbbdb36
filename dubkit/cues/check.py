"""What a profile does not allow in finished cues. It only reports; :mod:`.segment` makes cues."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from dubkit.types import Cue, Track

from . import phrases
from .lines import EPSILON
from .profiles import DEFAULT, Limits, Profile
from .profiles import limits as limits_of
from .segment import ASSUMED_FRAME_RATE
from .text import without_marks

TOLERANCE = 0.011
"""Seconds that a format's rounding (hundredths in ASS) may take from a duration or a gap."""
RULES_OF_TEXT = ("empty", "lines", "line-length", "words", "reading-speed")
"""The rules that a text can break when its times are fixed."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule of one cue."""

    cue: int
    """Counted from 1."""
    rule: str
    """``empty``, ``times``, ``overlap``, ``lines``, ``line-length``, ``words``, ``min-duration``,
    ``max-duration``, ``reading-speed`` or ``gap``."""
    severity: Literal["error", "warning"]
    message: str
    """The value found and the limit."""


def check(
    track: Track, profile: Profile | str = DEFAULT, frame_rate: float | None = None
) -> list[Violation]:
    """What a profile does not allow in a track, in the order of its cues.

    Errors are what a viewer cannot read or a player may not show; warnings are what a careful
    subtitler would fix. ``frame_rate`` is the video's; if unknown, 24 is assumed.
    """
    found: list[Violation] = []
    for number, cue in enumerate(track.cues, 1):
        language = track.language_of(cue)
        limits = limits_of(profile, language)
        following = track.cues[number].start if number < len(track.cues) else None
        found += _check_text(number, cue, limits, phrases.uses_spaces(language))
        found += _check_times(number, cue, following, limits, frame_rate or ASSUMED_FRAME_RATE)
    return found


def _check_text(number: int, cue: Cue, limits: Limits, has_spaces: bool) -> Iterator[Violation]:
    text = without_marks(cue.text)
    lines = text.splitlines()
    if not text.strip():
        yield Violation(number, "empty", "error", "there is no text")
    if len(lines) > limits.lines:
        message = f"{len(lines)} lines, at most {limits.lines}"
        yield Violation(number, "lines", "error", message)
    for line in lines:
        width = limits.width(line.strip())
        if width > limits.line_width + EPSILON:
            message = f"a line of {width:g} characters, at most {limits.line_width:g}"
            yield Violation(number, "line-length", "error", message)
    words = len(text.split())
    if limits.max_words and has_spaces and words > limits.max_words:
        yield Violation(number, "words", "warning", f"{words} words, at most {limits.max_words}")


def _check_times(
    number: int, cue: Cue, following: float | None, limits: Limits, frame_rate: float
) -> Iterator[Violation]:
    text = without_marks(cue.text)
    duration = cue.end - cue.start
    if not duration > 0:
        message = f"starts at {cue.start:.3f} s and ends at {cue.end:.3f} s"
        yield Violation(number, "times", "error", message)
        return
    if duration < limits.min_duration - TOLERANCE:
        message = f"shown for {duration:.3f} s, at least {limits.min_duration:.3f} s"
        yield Violation(number, "min-duration", "error", message)
    if duration > limits.max_duration + TOLERANCE:
        message = f"shown for {duration:.3f} s, at most {limits.max_duration:.3f} s"
        yield Violation(number, "max-duration", "error", message)
    need = limits.reading_time(text)
    if need > duration + TOLERANCE:
        speed = limits.width(" ".join(text.split())) / duration
        message = (
            f"{speed:.1f} characters a second, at most {limits.reading_speed:g}:"
            f" shown for {duration:.3f} s, reading takes {need:.3f} s"
        )
        severe = need > duration * 1.2 + TOLERANCE
        yield Violation(number, "reading-speed", "error" if severe else "warning", message)
    if following is None:
        return
    gap = following - cue.end
    least = limits.gap_frames / frame_rate
    if gap < -EPSILON:
        message = f"ends {-gap:.3f} s after the next cue starts"
        yield Violation(number, "overlap", "error", message)
    elif gap < least - TOLERANCE:
        message = f"a gap of {gap:.3f} s, at least {limits.gap_frames} frames ({least:.3f} s)"
        yield Violation(number, "gap", "error", message)
    elif least + TOLERANCE < gap < limits.joined_below - 1 / frame_rate / 2:
        message = f"a gap of {gap:.3f} s: either {least:.3f} s or {limits.joined_below:g} s"
        yield Violation(number, "gap", "warning", message)
