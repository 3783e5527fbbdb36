"""Keep stereo from cancelling itself out when it is mixed down to one channel.

A left and a right channel of opposite polarity, a common fault of recordings, mix down to silence,
and a channel with nothing on it, or with noise alone, takes half of the other one's level. What to
do is decided from the sound, every tenth of a second; where nothing is wrong, no sample is changed.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from numpy.typing import NDArray

BLOCK = 0.1
"""Seconds of a block, the unit of what is measured. One mix fades into another over one block.
"""
AROUND = 50
"""Blocks before and after one that count for whether a channel has nothing to say: five seconds, so
that people who take turns, one on each channel, stay at one level."""
NEAR = 5
"""Blocks before and after one that count for whether channels cancel."""
MARGIN = 8
"""Blocks before and after channels that cancel for which the left one is taken alone, which neither
silences what is of opposite polarity nor what is not. More than NEAR: then no word is lost."""
CANCELS = 10**-0.8
"""Channels cancel if their sum has less than this part of the energy of their difference: 8 dB."""
SILENT = 1e-6
"""A channel is silent if no block of it has a higher mean square (-60 dBFS), and the other one has
a block of a hundred times that."""
STEADY, LIVELY = 10**0.6, 10**1.5
"""A channel is noise if its loud blocks have at most STEADY times the energy of its quiet ones, and
the other channel, louder and of different sound, is no noise: at least LIVELY times."""
RESIDUE = 10**-2.5
"""What lossy codecs leave of channels that cancel has less than this part of their energy (25 dB).
"""

PLAIN, LEFT, RIGHT, DIFFERENCE = (0.5, 0.5), (1.0, 0.0), (0.0, 1.0), (0.5, -0.5)
"""Kinds of mix: how much is taken of the left and of the right channel."""


def mended(frames: Iterator[AudioFrame]) -> Iterator[AudioFrame]:
    """Contiguous frames of one format, of a second at most each. Where left and right would cancel,
    or one of them is only in the way, both become what there is to hear: ready to be mixed down.

    Layouts without left and right stay as they are, and the center channel always does.
    """
    import numpy as np

    mix: NDArray[Any] | None = None
    past = np.empty((0, 4))
    waiting: deque[tuple[AudioFrame, NDArray[Any]]] = deque()
    for frame in itertools.chain(frames, [None]):
        if frame and not _places(frame):
            yield frame
            continue
        if frame:
            waiting.append((frame, _levels(frame)))
        while waiting and (not frame or sum(len(levels) for _, levels in waiting) > 2 * AROUND):
            current, levels = waiting.popleft()
            coming = [later for _, later in waiting]
            around = np.concatenate([past, levels, *coming])[: len(past) + len(levels) + AROUND]
            mixes = _mixes(around, "FC" in _names(current))[len(past) :][: len(levels)]
            yield _mixed(current, np.vstack([mixes[0] if mix is None else mix, mixes]))
            mix = mixes[-1]
            past = np.concatenate([past, levels])[-AROUND:]


def _names(frame: AudioFrame) -> list[str]:
    return [channel.name for channel in frame.layout.channels]


def _places(frame: AudioFrame) -> tuple[int, int] | None:
    """Which channels are left and right."""
    names = _names(frame)
    if len(names) == 2:
        return 0, 1
    return (names.index("FL"), names.index("FR")) if {"FL", "FR"} <= {*names} else None


def _channels(frame: AudioFrame) -> tuple[NDArray[Any], NDArray[Any]]:
    """The frame's samples in its own format, as ``AudioFrame.from_ndarray`` takes them, and a view
    of them of shape (channels, samples)."""
    samples = frame.to_ndarray()
    if frame.format.is_planar:
        return samples, samples
    return samples, samples.reshape(-1, frame.layout.nb_channels).T


def _levels(frame: AudioFrame) -> NDArray[Any]:
    """For each block the mean square of left and right, the mean of their product, and the mean
    square of the center channel."""
    import numpy as np

    places, names = _places(frame), _names(frame)
    _, channels = _channels(frame)
    left, right = (_floats(channels[place]) for place in places or (0, 0))
    center = _floats(channels[names.index("FC")]) if "FC" in names else np.zeros_like(left)
    size = round(frame.sample_rate * BLOCK)
    starts = np.arange(0, len(left), size)
    counts = np.diff(starts, append=len(left))
    with np.errstate(all="ignore"):  # a float stream may hold anything
        products = (left * left, right * right, left * right, center * center)
        return np.stack([np.add.reduceat(one, starts) / counts for one in products], axis=1)


def _floats(samples: NDArray[Any]) -> NDArray[Any]:
    """Samples of any format as floats of full scale 1."""
    import numpy as np

    if samples.dtype.kind == "f":
        return samples.astype(np.float32, copy=False)
    zero = 128 if samples.dtype.kind == "u" else 0
    return (samples.astype(np.float32) - zero) * 2.0 ** (1 - 8 * samples.dtype.itemsize)


# ---------------------------------------------------------------- deciding


def _mixes(levels: NDArray[Any], surround: bool) -> NDArray[Any]:
    """The kind of mix of each block, of shape (blocks, 2)."""
    import numpy as np

    left, right, product, center = levels.T
    mixes = np.tile(PLAIN, (len(levels), 1))
    if not surround:
        for kind, channel, other in ((LEFT, left, right), (RIGHT, right, left)):
            if _has_nothing_to_say(other, channel, product):
                mixes[:] = kind
    with np.errstate(all="ignore"):
        together = left + right + 2 * product + 4 * center
        apart = left + right - 2 * product
        cancel = _nearby(together, NEAR) < CANCELS * _nearby(apart, NEAR)
        if _is_of_its_own(together[cancel], apart[cancel]):
            cancel[:] = False
    mixes[_nearby(cancel, MARGIN) > 0] = LEFT
    mixes[cancel] = DIFFERENCE
    return mixes


def _nearby(blocks: NDArray[Any], reach: int) -> NDArray[Any]:
    """For each block the sum of those up to ``reach`` before and after it."""
    import numpy as np

    return np.convolve(blocks, np.ones(2 * reach + 1))[reach : len(blocks) + reach]


def _has_nothing_to_say(levels: NDArray[Any], others: NDArray[Any], products: NDArray[Any]) -> bool:
    """Whether a channel is silent or only noise beside the other one, over all blocks."""
    if others.max() > 100 * levels.max() and levels.max() < SILENT:
        return True
    (quiet, loud), (low, high) = (_range(one) for one in (levels, others))
    unlike = products.sum() ** 2 < 0.1 * levels.sum() * others.sum()
    return bool(loud < STEADY * quiet and high > LIVELY * low and high > loud and unlike)


def _is_of_its_own(levels: NDArray[Any], others: NDArray[Any]) -> bool:
    """Whether a sound is not what is left of another, but speech, say, in the middle of music that
    is meant to vanish: it goes loud and quiet, not with the other, and is no mere residue."""
    import numpy as np

    if len(levels) < 2 / BLOCK:
        return False
    quiet, loud = _range(levels)
    alike = np.corrcoef(np.sqrt([levels.clip(0), others.clip(0)]))[0, 1]
    return bool(loud > LIVELY * quiet and loud > RESIDUE * _range(others)[1] and alike < 0.5)


def _range(levels: NDArray[Any]) -> tuple[float, float]:
    """How loud quiet and loud blocks are."""
    ordered = sorted(levels.tolist())
    return ordered[len(ordered) // 10], ordered[len(ordered) * 19 // 20]


# ---------------------------------------------------------------- mixing


def _mixed(frame: AudioFrame, mixes: NDArray[Any]) -> AudioFrame:
    """The frame with its pair of channels mixed: ``mixes`` has the kind before its first block and
    that at each block's end."""
    import av
    import numpy as np

    if (mixes == PLAIN).all():
        return frame
    size = round(frame.sample_rate * BLOCK)
    ends = np.minimum(np.arange(len(mixes)) * size, frame.samples)
    at = np.arange(1, frame.samples + 1)
    left, right = (np.interp(at, ends, mixes[:, side]) for side in (0, 1))
    changed = (left != PLAIN[0]) | (right != PLAIN[1])
    samples: Any
    samples, channels = _channels(frame)
    pair = list(_places(frame) or ())
    zero = 128 if samples.dtype.kind == "u" else 0
    sound = left * (channels[pair[0]] - float(zero)) + right * (channels[pair[1]] - float(zero))
    if samples.dtype.kind != "f":
        sound = np.rint(sound) + zero
    channels[np.ix_(pair, changed)] = sound[changed].astype(samples.dtype)
    mixed = av.AudioFrame.from_ndarray(samples, frame.format.name, frame.layout)
    mixed.sample_rate = frame.sample_rate
    mixed.time_base = frame.time_base
    return mixed
