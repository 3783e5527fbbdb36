"""What is known of a clip of a dub alone: its sound, its voice, and what was read in it.

What follows from it, beside the other clips of its track, is in :mod:`.verify`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dubkit.speech import voiceprint

from . import repeats

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

RATE = voiceprint.RATE
"""Hz of all samples here; they are mono, from -1 to 1."""

FRAME, HOP = RATE // 20, RATE // 40
"""Samples of a frame, and from one to the next."""
PITCHES = 60, 500
"""Hz of voices."""
PERIODIC = 0.5
"""Correlation of a frame with itself, a period later, from which it is voiced."""
SILENT_DB = 40.0
"""Decibels below the loudest from which a frame is a pause."""
FULL_SCALE = 0.99
"""Share of the largest sample that is at the limit, if that is 1 or nearly."""


@dataclass(frozen=True, slots=True)
class Signals:
    """The sound of a clip."""

    seconds: float
    """Of speech, without silence at the ends."""
    voiced: float
    """Share of the loud frames that are periodic, as vowels are."""
    flatness: float
    """Of the spectrum of loud frames: 0.56 for white noise, under 0.2 for speech."""
    range_db: float
    """Decibels between the level that a tenth of the frames exceeds and the one that 90 % do."""
    pause: float
    """Seconds of the longest silence inside."""
    clipped: float
    """Share of samples at full scale."""
    repeated: float = 0.0
    """How alike a part of it and what follows that are, from 0 to 1 (:mod:`.repeats`)."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What is known of a clip alone."""

    signals: Signals
    voice: tuple[float, ...]
    """Its embedding; empty if there is too little speech."""
    read: str | None
    """What a recognizer read in it; None if none did."""
    alone: bool = False
    """Whether it was read by itself, too."""
    halves: str = ""
    """What was read in its halves, each by itself; empty if that was not done."""
    quality: tuple[float, ...] = ()
    """Mean opinion scores of the speech, of what is behind it, and overall, from 1 to 5; empty if
    they are not known."""

    def to_json(self) -> dict[str, Any]:
        """As a value for a JSON file."""
        names = Signals.__slots__
        signals = [round(float(getattr(self.signals, name)), 4) for name in names]
        return {
            "signals": signals,
            "voice": list(self.voice),
            "read": self.read,
            "alone": self.alone,
            "halves": self.halves,
            "quality": list(self.quality),
        }

    @staticmethod
    def from_json(value: Any) -> Measurement:
        """The reverse of :meth:`to_json`. Raises ValueError, TypeError or LookupError for what it
        did not return."""
        signals = Signals(*map(float, value["signals"]))
        voice = tuple(map(float, value["voice"]))
        read = value["read"]
        quality = tuple(map(float, value.get("quality", ())))
        numbers = (*voice, *quality, *map(float, value["signals"]))
        sizes = (len(voice) in (0, voiceprint.SIZE), len(quality) in (0, 3))
        if not (all(sizes) and all(map(math.isfinite, numbers))):
            raise ValueError("not a measurement")
        text = None if read is None else str(read)
        alone, halves = bool(value["alone"]), str(value["halves"])
        return Measurement(signals, voice, text, alone, halves, quality)


def signals(samples: Samples) -> Signals:
    """The sound of a clip, at RATE."""
    import numpy as np

    samples = np.asarray(samples, np.float32)
    peak = float(np.abs(samples).max(initial=0.0))
    clipped = float(np.mean(np.abs(samples) >= FULL_SCALE * peak)) if peak >= 0.98 else 0.0
    samples = _whole_frame(samples)
    levels, loudest, loud = _frames(samples)
    sounding = np.flatnonzero(levels > loudest - SILENT_DB)
    first, last = int(sounding[0]), int(sounding[-1])
    gaps = np.diff(sounding)
    inside = levels[first : last + 1]
    spread = float(np.quantile(inside, 0.9) - np.quantile(inside, 0.1))
    return Signals(
        seconds=(last - first) * HOP / RATE + FRAME / RATE,
        voiced=_voiced(loud),
        flatness=_flatness(loud),
        range_db=spread,
        pause=max(0, int(gaps.max(initial=1)) - 1) * HOP / RATE,
        clipped=clipped,
        repeated=repeats.likeness(samples[first * HOP : last * HOP + FRAME]),
    )


def voiced_share(samples: Samples) -> float:
    """The one of :class:`Signals`, alone."""
    _, _, loud = _frames(_whole_frame(samples))
    return _voiced(loud)


def quietest(samples: Samples) -> int:
    """The quietest place near the middle of a clip, between two words as a rule."""
    import numpy as np

    first, last = int(0.4 * len(samples)), int(0.6 * len(samples))
    size = HOP
    starts = np.arange(first, max(first + 1, last - size), size)
    powers = [float(np.mean(np.square(samples[at : at + 2 * size]))) for at in starts]
    return int(starts[int(np.argmin(powers))]) + size


def _whole_frame(samples: Samples) -> Samples:
    """The samples, with silence after them if there are fewer than a frame has."""
    import numpy as np

    return np.pad(samples, (0, max(0, FRAME - len(samples))))


def _frames(samples: Samples) -> tuple[Samples, float, Samples]:
    """The levels of frames in decibels, the loudest of them, and the loud frames themselves."""
    import numpy as np

    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    levels = 10 * np.log10(np.mean(np.square(frames), axis=1) + 1e-12)
    loudest = float(np.quantile(levels, 0.95))
    return levels, loudest, frames[levels > loudest - 12]


def _voiced(frames: Samples) -> float:
    import numpy as np

    power = np.square(np.abs(np.fft.rfft(frames, 2 * FRAME)))
    shifts = np.arange(RATE // PITCHES[1], RATE // PITCHES[0] + 1)
    alike = np.fft.irfft(power)[:, : shifts[-1] + 1]
    alike = alike[:, shifts] / (1 - shifts / FRAME) / np.maximum(alike[:, :1], 1e-12)
    return float(np.mean(alike.max(axis=1) > PERIODIC))


def _flatness(frames: Samples) -> float:
    import numpy as np

    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(FRAME)))) + 1e-12
    power = power[:, FRAME * 100 // RATE : FRAME * 7000 // RATE]
    return float(np.median(np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1)))
