"""When each spoken line begins, and how much faster it is played. Pure.

A line that is too long for its slot takes the silence after it, then a little of that before it;
then it is sped up; as a last resort the next line begins later. No line is ever cut or dropped.
(The translator and the synthesizer have been asked for a length before.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

MAX_EARLY = 0.2
"""Seconds that a line may begin before its time."""
MAX_EARLY_AT_END = 3.0
"""Seconds more that it may begin early rather than be spoken on after the end of the media."""
QUIET_STRETCH = 1.15
"""Stretch that listeners do not notice."""
MAX_STRETCH = 1.3
"""Stretch beyond which speech is unpleasant; a line that is longer still causes drift."""
CATCH_UP_DRIFT = 3.0
"""Seconds of drift from which lines catch up ..."""
CATCH_UP_STRETCH = 1.5
"""... with this stretch, which is still intelligible."""
GAP = 2 / 24
"""Seconds between two lines of one speaker."""
NOTABLE_SHIFT = 0.3
"""Seconds of shift that are reported."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a line belongs, and how long its clip is."""

    start: float
    end: float
    """Seconds between which the original is spoken."""
    seconds: float
    """Of the line as the engine spoke it, without silence at its ends."""
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """Where a line goes."""

    start: float
    seconds: float
    """After stretching."""
    stretch: float
    """1.15 for speech that is 15 % faster than it was spoken."""
    shift: float
    """Seconds by which it begins later than its time; negative for earlier."""
    steps: tuple[str, ...]
    """What was done, in order: ``fits``, ``silence after``, ``early``, ``stretched``, ``shifted``,
    ``drifts``."""
    room: float = field(default=0.0, compare=False)
    """Seconds that were available for it, including early ones."""

    @property
    def end(self) -> float:
        """Seconds at which it ends."""
        return self.start + self.seconds


def fit(slots: Sequence[Slot], end: float) -> list[Fit]:
    """A place for each line, in the order of their starts; ``end`` is the end of the media.

    A line may overlap another speaker's, as in real speech, but never the same speaker's next one.
    """
    fits: list[Fit] = []
    limits: list[float] = []
    later: dict[str | None, float] = {}
    for slot in reversed(slots):
        limits.append(min(later.get(slot.speaker, end + GAP), end + GAP) - GAP)
        later[slot.speaker] = slot.start
    free: dict[str | None, float] = {}
    for slot, limit in zip(slots, reversed(limits), strict=True):
        fitted = _place(slot, free.get(slot.speaker, 0.0), limit, last=limit >= end)
        free[slot.speaker] = fitted.end + GAP
        fits.append(fitted)
    return fits


def _place(slot: Slot, free: float, limit: float, *, last: bool) -> Fit:
    start = max(slot.start, free)
    steps = ["shifted"] if start - slot.start > NOTABLE_SHIFT else []
    room = limit - start
    if slot.seconds <= room:
        steps.append("fits" if start + slot.seconds <= slot.end else "silence after")
        return Fit(start, slot.seconds, 1.0, start - slot.start, tuple(steps), room)
    steps.append("silence after")
    early = min(MAX_EARLY, max(0.0, start - max(free, 0.0)), slot.seconds - room)
    if early > 0:
        start, room = start - early, room + early
        steps.append("early")
    stretch = 1.0
    if slot.seconds > room:
        most = MAX_STRETCH if start - slot.start <= CATCH_UP_DRIFT else CATCH_UP_STRETCH
        stretch = min(slot.seconds / room, most) if room > 0 else most
        steps.append("stretched")
    seconds = slot.seconds / stretch
    if last and seconds > room:  # nothing else is spoken there, and nothing is shown after it
        early = min(seconds - room, max(0.0, start - max(free, 0.0)), MAX_EARLY_AT_END)
        start, room = start - early, room + early
        steps += ["early"] if early > 0 and "early" not in steps else []
    if seconds > room + 0.01:
        steps.append("drifts")
    return Fit(start, seconds, stretch, start - slot.start, tuple(steps), max(0.0, room))
