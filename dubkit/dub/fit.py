"""When each spoken line begins, and how much faster it is played. Pure.

A line that is too long for its slot takes the silence after it, then a little of that before it;
then it is sped up; as a last resort the next line begins later. No line is ever cut or dropped.
(The translator and the synthesizer have been asked for a length before.)

Then a line that is not hurried is spread over the time that the original takes, as far as what is
there leaves room: its phrases begin where the original's do, and it is spoken more slowly if the
original is.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

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
TOUCHING = 0.1
"""Seconds by which lines may overlap that do not in the original: their times are not so exact."""
NOTABLE_SHIFT = 0.3
"""Seconds of shift that are reported."""
BRIEFEST_PAUSE = 0.1
"""Seconds to which a pause within a line is shortened for its next phrase to begin in time."""
NOTABLE_STRETCH = 0.03
"""Difference in speed that is worth a change of the sound."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A part of a line between two pauses."""

    start: float
    end: float
    """Seconds between which the original speaks it."""
    first: float
    last: float
    """The same in the line's clip, from where its speech begins."""


@dataclass(frozen=True, slots=True)
class PlacedPhrase:
    """Where a phrase goes."""

    phrase: Phrase
    at: float
    """Seconds from the start of its line."""
    stretch: float

    @property
    def end(self) -> float:
        """Seconds from the start of its line at which it ends."""
        return self.at + (self.phrase.last - self.phrase.first) / self.stretch


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a line belongs, and how long its clip is."""

    start: float
    end: float
    """Seconds between which the original is spoken."""
    seconds: float
    """Of the line as the engine spoke it, without silence at its ends."""
    speaker: str | None = None
    phrases: tuple[Phrase, ...] = ()
    """Empty if it is unknown when the original speaks."""


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
    ``drifts``; ``phrased``, ``slowed``."""
    room: float = field(default=0.0, compare=False)
    """Seconds that were available for it, including early ones."""
    phrases: tuple[PlacedPhrase, ...] = ()
    """Empty if it is played in one piece, with its own pauses."""

    @property
    def end(self) -> float:
        """Seconds at which it ends."""
        return self.start + self.seconds


def fit(slots: Sequence[Slot], end: float, kept: Sequence[tuple[float, float]] = ()) -> list[Fit]:
    """A place for each line, in the order of their starts; ``end`` is the end of the media.

    A line may overlap another speaker's, as in real speech, but never the same speaker's next one,
    nor what is ``kept`` of the original's speech (seconds), unless it does in the original.
    """
    fits: list[Fit] = []
    limits: list[float] = []
    later: dict[str | None, float] = {}
    rooms = _rooms(slots, kept)
    for slot, (_, until) in zip(reversed(slots), reversed(rooms), strict=True):
        limits.append(min(later.get(slot.speaker, end + GAP), end + GAP, until) - GAP)
        later[slot.speaker] = slot.start
    free: dict[str | None, float] = {}
    for slot, (since, _), limit in zip(slots, rooms, reversed(limits), strict=True):
        earliest = max(free.get(slot.speaker, 0.0), since)
        fitted = _place(slot, earliest, limit, last=limit >= end)
        free[slot.speaker] = fitted.end + GAP
        fits.append(fitted)
    return _spread_all(slots, fits, end, rooms)


def _rooms(slots: Sequence[Slot], kept: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """For each line, when the speech ends that is kept before it, and when that after it begins."""
    spans: list[tuple[float, float]] = []
    for start, end in sorted(kept):
        if spans and start <= spans[-1][1]:
            spans[-1] = spans[-1][0], max(spans[-1][1], end)
        else:
            spans.append((start, end))
    starts, ends = [start for start, _ in spans], [end for _, end in spans]
    rooms = []
    for slot in slots:
        before = bisect.bisect_right(ends, slot.start + TOUCHING)
        after = bisect.bisect_left(starts, slot.end - TOUCHING)
        since = ends[before - 1] if before else 0.0
        rooms.append((since, starts[after] if after < len(starts) else math.inf))
    return rooms


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


# ---------------------------------------------------------------- phrases and pace


def _spread_all(
    slots: Sequence[Slot],
    fits: Sequence[Fit],
    end: float,
    rooms: Sequence[tuple[float, float]],
) -> list[Fit]:
    """The lines, each spread over the time of the original's in what the others leave free."""
    found: list[Fit] = []
    limits: list[float] = []
    others: dict[str | None, float] = {}
    for slot, fitted, (_, until) in zip(*map(reversed, (slots, fits, rooms)), strict=True):
        own = others.get(slot.speaker, end + GAP) - GAP
        # Somebody else may speak into a line if they do in the original.
        anybody = min(others.values(), default=end + GAP) - GAP
        limits.append(min(own, max(anybody, slot.end), until - GAP))
        others[slot.speaker] = min(others.get(slot.speaker, end + GAP), fitted.start)
    busy = 0.0
    for slot, fitted, (since, _), limit in zip(slots, fits, rooms, reversed(limits), strict=True):
        busy = max(busy, since)
        hurried = fitted.stretch > 1 or fitted.shift > NOTABLE_SHIFT
        if slot.phrases and not hurried and fitted.end <= limit:
            fitted = _spread(slot, fitted, busy, limit)
        busy = max(busy, fitted.end + GAP)
        found.append(fitted)
    return found


def _spread(slot: Slot, place: Fit, free: float, limit: float) -> Fit:
    """A line at ``place`` spread between ``free``, or its start if that is earlier, and
    ``limit``."""
    phrases = slot.phrases
    lengths = [one.last - one.first for one in phrases]
    pauses = [b.first - a.last for a, b in itertools.pairwise(phrases)] + [0.0]
    # When each must begin for the rest to be spoken as it is.
    latest = [limit - (phrases[-1].last - one.first) for one in phrases]
    earliest = max(slot.start - MAX_EARLY, min(free, place.start))
    at = min(max(phrases[0].start, earliest), latest[0])
    start = at
    placed: list[PlacedPhrase] = []
    for k, (phrase, length, pause) in enumerate(zip(phrases, lengths, pauses, strict=True)):
        pause = min(pause, BRIEFEST_PAUSE)
        following = phrases[k + 1].start if k + 1 < len(phrases) else math.inf
        room = (latest[k + 1] if k + 1 < len(phrases) else limit) - pause - at
        seconds = min(phrase.end - max(at, phrase.start), length * QUIET_STRETCH, room)
        if seconds < length:  # it is sped up a little if only that lets the next begin in time
            seconds = min(length, max(following - pause - at, length / QUIET_STRETCH))
        if abs(seconds / length - 1) < NOTABLE_STRETCH:
            seconds = length
        placed.append(PlacedPhrase(phrase, at - start, length / seconds))
        if k + 1 < len(phrases):
            at = min(max(following, at + seconds + pause), latest[k + 1])
    seconds = placed[-1].end
    steps = (*place.steps, *(["phrased"] if len(placed) > 1 else []))
    steps += ("slowed",) if any(one.stretch < 1 for one in placed) else ()
    stretch = sum(lengths) / sum(one.end - one.at for one in placed)
    return replace(
        place,
        start=start,
        seconds=seconds,
        stretch=stretch,
        shift=start - slot.start,
        steps=steps,
        phrases=tuple(placed),
    )
