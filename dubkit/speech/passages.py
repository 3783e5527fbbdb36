"""The passages in which a voice is heard best. What a voice is like is :mod:`.voiceprint`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from .voiceprint import RATE

if TYPE_CHECKING:
    import numpy as np

    Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]


GAP = 0.4
"""Seconds of pause over which a stretch of speech goes on."""
MARGIN = 0.1
"""Seconds kept from where somebody else speaks."""
SHORT = 0.5
"""Seconds below which a stretch tells nothing of a voice."""
CLIPPED = 0.985
"""Samples as large as that were cut off."""


def cleanest(
    samples: Floats,
    spans: Sequence[tuple[float, float]],
    seconds: tuple[float, float] = (3.0, 10.0),
    *,
    others: Sequence[tuple[float, float]] = (),
) -> list[tuple[float, float]]:
    """Where somebody who speaks in ``spans`` is heard best, the best first.

    One stretch where one is long enough, else several; together between the two ``seconds``, or
    less where there is less. They are loud against the noise around, not clipped, and free of
    ``others``, who speak then.
    """
    least, most = seconds
    stretches = [
        piece for stretch in _free(spans, others) for piece in _cut(samples, stretch, most)
    ]
    stretches.sort(key=lambda stretch: -worth(samples, stretch, least))
    found: list[tuple[float, float]] = []
    total = 0.0
    for start, end in stretches:
        end = min(end, start + most - total)
        if total >= least or end - start < SHORT:
            break
        found.append((round(start, 3), round(end, 3)))
        total += end - start
    return found


def _free(
    spans: Sequence[tuple[float, float]], others: Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    """The spans joined over short pauses, without what somebody else speaks into."""
    joined: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if joined and start - joined[-1][1] <= GAP:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    for other_start, other_end in others:
        before = [(start, min(end, other_start - MARGIN)) for start, end in joined]
        after = [(max(start, other_end + MARGIN), end) for start, end in joined]
        joined = sorted({piece for piece in (*before, *after) if piece[1] > piece[0]})
    return [(start, end) for start, end in joined if end - start >= SHORT]


def _cut(samples: Floats, stretch: tuple[float, float], most: float) -> list[tuple[float, float]]:
    """A stretch in equal parts of at most ``most`` seconds, parted where it is most quiet."""
    import numpy as np

    start, end = stretch
    count = math.ceil((end - start) / most)
    if count < 2:
        return [stretch]
    length = (end - start) / (count + 1)  # shorter than need be, for room to move the cuts
    cuts = [start]
    while end - cuts[-1] > most:
        near = cuts[-1] + length
        levels = _levels(samples, near, min(near + most - length, end - SHORT))
        cuts.append(near + float(np.argmin(levels)) / 50 if len(levels) else near)
    cuts.append(end)
    return list(itertools.pairwise(cuts))


def worth(samples: Floats, stretch: tuple[float, float], least: float) -> float:
    """How well a voice is heard in a stretch of 16 kHz sound, in dB of speech over noise, less what
    is wrong with it: clipping, and what it lacks to ``least`` seconds."""
    import numpy as np

    start, end = stretch
    levels = _levels(samples, start, end)
    if not len(levels):
        return -math.inf
    # Its own pauses tell the noise; those around may be another scene's. Beyond 40 dB no ear
    # hears a difference, and length counts for more.
    above = min(40.0, float(np.quantile(levels, 0.7) - np.quantile(levels, 0.05)))
    sound = samples[round(start * RATE) : round(end * RATE)]
    clipped = float(np.mean(np.abs(sound) >= CLIPPED))
    short = max(0.0, math.log2(least / (end - start)))
    return above - 20 * short - 20 * min(1.0, clipped * 1000) + 0.5 * min(10.0, end - start)


def _levels(samples: Floats, start: float, end: float) -> Floats:
    """Levels in dB, every 20 ms."""
    import numpy as np

    hop = RATE // 50
    sound = samples[round(max(0.0, start) * RATE) : round(max(0.0, end) * RATE)]
    frames = np.asarray(sound[: len(sound) // hop * hop], dtype=np.float32).reshape(-1, hop)
    levels: Floats = 10 * np.log10(np.mean(np.square(frames), axis=1) + np.float32(1e-8))
    return levels
