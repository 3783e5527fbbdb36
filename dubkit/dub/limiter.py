"""A limiter that looks ahead: true peaks, those between samples as well, stay under a ceiling."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .clip import RATE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .clip import Samples

_HALF_WINDOW = RATE // 100
"""Samples of half the smoothing window, which is applied twice: the gain falls over the 20 ms
before a peak and recovers over the 20 ms after."""


def reduction(block: Samples, ceiling: float) -> Samples:
    """A smooth gain for each sample of a stereo block that lets no true peak above ``ceiling``
    through. The first and the last ``REACH`` samples depend on what is beyond the block, too."""
    import numpy as np

    peaks = np.abs(block).max(axis=1)
    for channel in block.T:
        for taps in _PHASES:
            np.maximum(peaks, np.abs(np.convolve(channel, taps, "same")), out=peaks)
    # A peak between two samples is reduced at both.
    peaks[:-1] = np.maximum(peaks[:-1], peaks[1:])
    peaks[1:] = np.maximum(peaks[1:], peaks[:-1])
    if peaks.max() <= ceiling:
        return np.ones(len(block), np.float32)
    wanted = np.minimum(1.0, ceiling / np.maximum(peaks, 1e-9)).astype(np.float64)
    # A sliding minimum, averaged over the same reach, is nowhere above the wanted gain.
    held = _sliding_minimum(wanted, 2 * _HALF_WINDOW)
    for _ in range(2):
        padded = np.pad(held, _HALF_WINDOW, mode="edge").cumsum()
        padded = np.concatenate([[0.0], padded])
        size = 2 * _HALF_WINDOW + 1
        held = (padded[size:] - padded[:-size]) / size
    return held.astype(np.float32)


def _sliding_minimum(values: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """The minimum of all values within ``reach`` on both sides."""
    import numpy as np

    size = 2 * reach + 1
    found = np.pad(values, reach, constant_values=1.0)
    width = 1
    while width < size:
        step = min(width, size - width)
        found = np.minimum(found[:-step], found[step:])
        width += step
    return found


def _phases() -> list[list[float]]:
    """Filters that delay by 1/4, 1/2 and 3/4 of a sample (a windowed sinc)."""
    half = 12
    found = []
    for phase in (0.25, 0.5, 0.75):
        places = [k - phase for k in range(-half + 1, half + 1)]
        taps = [
            math.sin(math.pi * x) / (math.pi * x) * (0.5 + 0.5 * math.cos(math.pi * x / half))
            for x in places
        ]
        found.append([tap / sum(taps) for tap in taps])
    return found


_PHASES = _phases()
REACH = 4 * _HALF_WINDOW + len(_PHASES[0])
"""Samples on both sides of a block on which its gain depends."""
