"""Where a stretch of speech pauses, by how loud it is. Pure."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

HOP = 0.01
"""Seconds of a level."""
PAUSE = 0.3
"""Seconds of silence that end a phrase."""
BRIEF = 0.08
"""Seconds below which a sound is a click, or a breath."""
CONTRAST = 18.0
"""Decibels of speech over the noise around it from which its pauses can be seen."""
BELOW, ABOVE = 20.0, 6.0
"""Decibels below the speech, or over the noise, of a pause: a voice fades slowly in a room."""
FAR_BELOW = 30.0
"""Decibels below the speech of the softest sound that counts as one: a sigh."""
BREATH = 0.15, 1.2
"""Seconds of a breath."""
BREATHS_BELOW = 12.0, 40.0
"""Decibels below the speech of a loud and of the softest breath."""
DIP = 0.05
"""Seconds of silence between how a word ends and a breath."""
AROUND = 2.0
"""Seconds before and after in which the noise is looked for."""
EARLY, LATE, AFTER = 0.2, 0.6, 0.3
"""How much earlier and later than its time speech may begin, and how much later it may end."""
_SMOOTHED = 4
"""Levels over which power is averaged."""


def levels(blocks: Iterable[Floats], rate: int) -> Floats:
    """Levels of a sound in dBFS, one each :data:`HOP`; ``blocks`` are its samples, one channel of
    ``rate`` Hz."""
    import numpy as np

    size = round(HOP * rate)
    found: list[Floats] = []
    rest = np.zeros(0, np.float32)
    for block in blocks:
        sound = np.concatenate([rest, block])
        count = len(sound) // size * size
        found.append(np.mean(np.square(sound[:count].reshape(-1, size)), axis=1))
        rest = sound[count:]
    power = np.concatenate(found) if found else rest
    if len(power) >= _SMOOTHED:
        power = np.convolve(power, np.full(_SMOOTHED, 1 / _SMOOTHED, np.float32), "same")
    decibels: Floats = 10 * np.log10(np.maximum(power, 0) + np.float32(1e-12))
    return decibels


def find_phrases(sound: Floats, start: float, end: float) -> tuple[tuple[float, float], ...]:
    """The phrases of what is spoken between two times, in seconds: what pauses of at least
    :data:`PAUSE` divide it into. Empty if the ``levels`` of the sound do not show that: there is
    too much noise, or the speech is elsewhere."""
    threshold = _threshold(sound, start, end)
    if threshold is None:
        return ()
    begin, stop = max(0.0, start - EARLY), end + AFTER
    found = [(a, b) for a, b in _loud(sound, begin, stop, threshold, PAUSE) if b - a >= BRIEF]
    # What ends as this begins, or begins as it ends, is somebody else's.
    found = [(a, b) for a, b in found if b > start + BRIEF and a < end - BRIEF]
    if not found or found[0][0] > start + LATE:
        return ()
    if found[0][0] <= begin + HOP:  # somebody was speaking before
        found[0] = start, found[0][1]
    if found[-1][1] >= stop - HOP:
        found[-1] = found[-1][0], end
    return tuple((round(a, 3), round(b, 3)) for a, b in found if b > a)


def find_pauses(
    sound: Floats, start: float, end: float, shortest: float
) -> list[tuple[float, float]]:
    """Seconds between which it is quiet for at least ``shortest``, within speech between two."""
    threshold = _threshold(sound, start, end)
    if threshold is None:
        return []
    loud = list(_loud(sound, start, end, threshold, shortest))
    return [(b, a) for (_, b), (a, _) in itertools.pairwise(loud)]


def find_sounds(
    sound: Floats, speech: Sequence[tuple[float, float]], shortest: float, longest: float
) -> list[tuple[float, float]]:
    """Seconds between which it is about as loud as in the spans of ``speech``, though none of them
    is near: laughter, a sob, a shout, or words that nobody recognized."""
    loud = _level_of(sound, speech)
    if loud is None:
        return []
    threshold = loud - FAR_BELOW
    edges = [-math.inf, *itertools.chain.from_iterable(sorted(speech)), math.inf]
    found = []
    for start, end in _loud(sound, 0.0, len(sound) * HOP, threshold, PAUSE):
        at = bisect.bisect_left(edges, start)
        apart = at % 2 == 1 and edges[at - 1] < start - PAUSE and end + PAUSE < edges[at]
        if apart and shortest <= end - start <= longest:
            found.append((round(start, 3), round(end, 3)))
    return found


def find_breaths(sound: Floats, speech: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Seconds between which there may be a breath, by its length and level: something soft in a
    pause between the spans of ``speech``, however near to them, but not how the word before ends.
    """
    import numpy as np

    loud = _level_of(sound, speech)
    if loud is None:
        return []
    length = len(sound) * HOP
    edges = [(0.0, 0.0), *sorted(speech), (length, length)]
    found = []
    for (_, start), (end, _) in itertools.pairwise(edges):
        pause = sound[_hop(start) : _hop(end)]
        if not len(pause):
            continue
        threshold = max(loud - BREATHS_BELOW[1], float(np.quantile(pause, 0.05)) + ABOVE)
        sounds = list(_loud(sound, start, end, threshold, DIP))
        if sounds and sounds[0][0] <= start + HOP:
            del sounds[0]
        # What goes on after a break is one sound: words that nobody recognized are no breaths.
        for a, b in joined(sounds):
            level = float(np.quantile(sound[_hop(a) : _hop(b)], 0.9))  # a word may begin early
            if BREATH[0] <= b - a <= BREATH[1] and level < loud - BREATHS_BELOW[0]:
                found.append((round(a, 3), round(b, 3)))
    return found


def _level_of(sound: Floats, speech: Sequence[tuple[float, float]]) -> float | None:
    """Decibels of what is loud in the spans of ``speech``; None if there is nothing."""
    import numpy as np

    spoken = [sound[_hop(start) : _hop(end)] for start, end in speech]
    return float(np.quantile(np.concatenate(spoken), 0.9)) if any(map(len, spoken)) else None


def joined(words: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """The phrases that words make up, by the times of each."""
    phrases: list[tuple[float, float]] = []
    for start, end in words:
        if phrases and start - phrases[-1][1] < PAUSE:
            phrases[-1] = phrases[-1][0], max(end, phrases[-1][1])
        else:
            phrases.append((start, end))
    return tuple(phrases)


def _threshold(sound: Floats, start: float, end: float) -> float | None:
    """The level that divides the speech between two times from its pauses; None if none does."""
    import numpy as np

    speech = sound[_hop(start) : _hop(end)]
    if len(speech) < 2 * _SMOOTHED:
        return None
    loud = float(np.quantile(speech, 0.9))
    noise = float(np.quantile(sound[_hop(start - AROUND) : _hop(end + AROUND)], 0.05))
    if loud - noise < CONTRAST:
        return None
    return max(loud - BELOW, noise + ABOVE)


def _loud(
    sound: Floats, start: float, end: float, threshold: float, pause: float
) -> Iterator[tuple[float, float]]:
    """Seconds between which it is louder than the threshold, pauses below ``pause`` included."""
    import numpy as np

    first = _hop(start)
    flags = sound[first : _hop(end)] > threshold
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0)) + first
    current: tuple[float, float] | None = None
    for a, b in edges.reshape(-1, 2):
        if current and a * HOP - current[1] < pause:
            current = current[0], float(b * HOP)
        else:
            if current:
                yield current
            current = float(a * HOP), float(b * HOP)
    if current:
        yield current


def _hop(seconds: float) -> int:
    return max(0, round(seconds / HOP))
