"""Spoken lines -> when each begins and how much it is hurried. Pure.

A line that is too long for its slot takes the silence after it, then a little of that before it, is
then spoken faster, and at last begins the next one later. It is never cut and never lost. (The
translator and the speaker were asked for a length before.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

EARLY = 0.2
"""Seconds that a line may begin before its time."""
QUIET = 1.15
"""Stretch that nobody notices."""
MOST = 1.3
"""Stretch beyond which speech is no pleasure; what is longer still drifts."""
DRIFT = 3.0
"""Seconds of drift from which lines catch up ..."""
UTMOST = 1.5
"""... by this stretch, which can still be understood."""
GAP = 2 / 24
"""Seconds between two lines of one speaker."""
TOLD = 0.3
"""Seconds of shift that are worth a word."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a line belongs, and how long it came out."""

    start: float
    end: float
    """Seconds between which the original is spoken."""
    seconds: float
    """Of the line as the engine spoke it, without the silence around it."""
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
    """Seconds that there were for it, early ones among them."""

    @property
    def end(self) -> float:
        return self.start + self.seconds


def fit(slots: Sequence[Slot], end: float) -> list[Fit]:
    """A place for each line, in the order of their starts; ``end`` is the end of the media.

    A line may speak into another speaker's, as people do, and never into its own speaker's next.
    """
    found: list[Fit] = []
    free: dict[str | None, float] = {}
    for k, slot in enumerate(slots):
        later = (other.start for other in slots[k + 1 :] if other.speaker == slot.speaker)
        limit = min(next(later, end + GAP), end + GAP) - GAP
        fitted = _place(slot, free.get(slot.speaker, 0.0), limit)
        free[slot.speaker] = fitted.end + GAP
        found.append(fitted)
    return found


def _place(slot: Slot, free: float, limit: float) -> Fit:
    start = max(slot.start, free)
    steps = ["shifted"] if start - slot.start > TOLD else []
    room = limit - start
    if slot.seconds <= room:
        steps.append("fits" if start + slot.seconds <= slot.end else "silence after")
        return Fit(start, slot.seconds, 1.0, start - slot.start, tuple(steps), room)
    steps.append("silence after")
    early = min(EARLY, max(0.0, start - max(free, 0.0)), slot.seconds - room)
    if early > 0:
        start, room = start - early, room + early
        steps.append("early")
    stretch = 1.0
    if slot.seconds > room:
        most = MOST if start - slot.start <= DRIFT else UTMOST
        stretch = min(slot.seconds / room, most) if room > 0 else most
        steps.append("stretched")
    seconds = slot.seconds / stretch
    if seconds > room + 0.01:
        steps.append("drifts")
    return Fit(start, seconds, stretch, start - slot.start, tuple(steps), max(0.0, room))
