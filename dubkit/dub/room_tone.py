"""The noise of the room under the words, where a separator has taken it away with them.

Separators keep the room's noise in pauses, and lower it by 5 to 15 dB while somebody speaks: under
a dub, whose words are elsewhere, the room comes and goes. So noise of the same spectrum is added
where there is less of it than in the original's pauses before and after.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dubkit.media.audio import FULL

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]
    Spectrum = NDArray[np.float64]
    """The power of each frequency and channel, of shape (bins, 2)."""

RATE = FULL.rate
FRAME = 2048
"""Samples of a spectrum; each overlaps the next by half."""
EDGE = 0.15
"""Seconds around speech that may still be part of it."""
AROUND = 0.4
"""Seconds around speech in which the background may lack noise as well."""
SHORTEST, LONGEST = 0.3, 2.0
"""Seconds of a pause from which its noise is known, and that are looked at."""
MISSING_DB = 3.0
"""What is less than this below the room's noise is that noise."""
STEADY = 4.0
"""How many times as much power as in the first quarter of its frames noise has in the last."""
QUIET = 0.75
"""The power of noise in the first quarter of its frames, as a share of its mean."""
_SMOOTHED = 9
"""Frequencies over which power is averaged."""
_AT_ONCE = 5 * RATE


@dataclass(frozen=True, slots=True)
class Room:
    """The steady noise of a room."""

    powers: Spectrum
    """Infinite where that is unknown, as the sound is not steady."""
    likeness: float
    """Of its two channels, 0 to 1."""


def pauses_around(
    speech: Sequence[tuple[float, float]], begin: float, end: float
) -> Iterator[tuple[float, float]]:
    """What is looked at of the pauses before, between and after the spans of speech from ``begin``
    to ``end``, in seconds: one more than spans, which end before they start where there is none."""
    edges = [(begin - EDGE, begin - EDGE), *speech, (end + EDGE, end + EDGE)]
    for number, ((_, before), (after, _)) in enumerate(itertools.pairwise(edges)):
        start, stop = before + EDGE, after - EDGE
        if number:
            yield start, min(stop, start + LONGEST)
        else:  # what is nearest to the speech
            yield max(start, stop - LONGEST), stop


def room_in(pause: Samples) -> Room | None:
    """The steady noise in a pause, (samples, 2); None if it is too short."""
    import numpy as np

    if len(pause) < SHORTEST * RATE:
        return None
    low, high = np.quantile(_smooth(_powers(_frames(pause))), [0.25, 0.75], axis=0)
    powers = np.where(high < STEADY * low, low / QUIET, np.inf)
    left, right = pause.T.astype(np.float64)
    likeness = np.dot(left, right) / max(1e-12, np.sqrt(np.dot(left, left) * np.dot(right, right)))
    return Room(powers, min(1.0, max(0.0, float(likeness))))


def room_between(before: Room | None, after: Room | None) -> Room | None:
    """The noise of the room in a span, by that in the pauses around it: no more than in both."""
    import numpy as np

    known = [one for one in (before, after) if one]
    if not known:
        return None
    powers = np.minimum(known[0].powers, known[-1].powers)
    powers = np.where(np.isfinite(powers), powers, 0.0)
    return Room(powers, min(known[0].likeness, known[-1].likeness))


def fill(span: Samples, room: Room, seed: int) -> Samples:
    """``span``, (samples, 2), with the noise that it lacks. The first and last 43 ms fade."""
    import numpy as np

    pieces = _frames(span)
    powers = _smooth(_powers(pieces))
    lacking = np.where(powers < room.powers * 10 ** (-MISSING_DB / 10), room.powers - powers, 0.0)
    random = np.random.default_rng(seed)
    white = random.standard_normal((*pieces.shape[:2], 3))
    # Two channels that have as much in common as the room's have.
    shared = math.sqrt(room.likeness)
    white = shared * white[..., :1] + math.sqrt(1 - room.likeness) * white[..., 1:]
    noise = np.fft.rfft(white, axis=1)
    added = np.fft.irfft(noise * np.sqrt(lacking), FRAME, axis=1) * _window()[:, None]
    filled = span.copy()
    for k, piece in enumerate(added.astype(np.float32)):
        at = k * FRAME // 2
        filled[at : at + FRAME] += piece
    return filled


def parts(first: int, last: int) -> Iterator[tuple[int, int]]:
    """The samples from ``first`` to ``last`` in parts that overlap by half a frame, as what is
    added in one fades out where it fades in in the next."""
    while last - first > _AT_ONCE + FRAME:
        yield first, first + _AT_ONCE + FRAME // 2
        first += _AT_ONCE
    yield first, last


def _frames(sound: Samples) -> Samples:
    """Overlapping frames, of shape (frames, FRAME, 2)."""
    import numpy as np

    views = np.lib.stride_tricks.sliding_window_view(sound, FRAME, axis=0)[:: FRAME // 2]
    return np.moveaxis(views, 1, 2)


def _window() -> NDArray[np.float32]:
    """Half a sine: the powers of two that overlap add up to one."""
    import numpy as np

    window: NDArray[np.float32] = np.sin(np.pi * (np.arange(FRAME, dtype=np.float32) + 0.5) / FRAME)
    return window


def _powers(frames: Samples) -> NDArray[np.float64]:
    """The power of each frame's frequencies; that of white noise is its variance everywhere."""
    import numpy as np

    spectra = np.fft.rfft(frames * _window()[:, None], axis=1)
    powers: NDArray[np.float64] = np.square(np.abs(spectra)) / (FRAME / 2)
    return powers


def _smooth(powers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Averaged over neighboring frequencies."""
    import numpy as np

    half = _SMOOTHED // 2
    padded = np.pad(powers, ((0, 0), (half + 1, half), (0, 0)), mode="edge").cumsum(axis=1)
    smooth: NDArray[np.float64] = (padded[:, _SMOOTHED:] - padded[:, :-_SMOOTHED]) / _SMOOTHED
    return smooth
