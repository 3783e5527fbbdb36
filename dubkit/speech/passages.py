"""The passages in which a voice is recorded best. What the voice is like is :mod:`.voiceprint`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from . import pauses
from .voiceprint import RATE

if TYPE_CHECKING:
    import numpy as np

    Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]


GAP = 0.4
"""Seconds of pause across which a stretch of speech continues."""
MARGIN = 0.1
"""Seconds of distance kept from somebody else's speech."""
SHORT = 0.5
"""Seconds below which a stretch says nothing about a voice."""
CLIPPED = 0.985
"""Samples of at least this magnitude count as clipped."""


def find_cleanest(
    samples: Floats,
    spans: Sequence[tuple[float, float]],
    seconds: tuple[float, float] = (3.0, 10.0),
    *,
    others: Sequence[tuple[float, float]] = (),
) -> list[tuple[float, float]]:
    """Where the voice that speaks in ``spans`` is recorded best, the best passage first.

    ``samples`` are 16 kHz mono; spans and results are start and end in seconds. One stretch if one
    is long enough, else several; their total is between the two ``seconds``, or less if there is
    less speech. They are loud against the noise around them, not clipped, and keep clear of
    ``others``, the spans of other speakers.
    """
    least, most = seconds
    stretches = [
        piece
        for stretch in _without_others(spans, others)
        for piece in _split(samples, stretch, most)
    ]
    stretches.sort(key=lambda stretch: -quality(samples, stretch, least))
    chosen: list[tuple[float, float]] = []
    total = 0.0
    for start, end in stretches:
        end = min(end, start + most - total)
        if total >= least or end - start < SHORT:
            break
        chosen.append((round(start, 3), round(end, 3)))
        total += end - start
    return chosen


def find_calm(
    samples: Floats, spans: Sequence[tuple[float, float]], seconds: float = 3.0
) -> list[tuple[float, float]]:
    """The quieter half of somebody's ``spans``, in which they neither shout nor call; more of them,
    the quietest first, where those are less than so many seconds. Spans too short to say anything
    about a voice are left out, unless there are no others."""
    import numpy as np

    def loudness(span: tuple[float, float]) -> float:
        levels = _levels(samples, *span)
        return float(np.quantile(levels, 0.8)) if len(levels) else math.inf

    long = [span for span in spans if span[1] - span[0] >= SHORT] or list(spans)
    chosen: list[tuple[float, float]] = []
    for span in sorted(long, key=loudness):
        if 2 * len(chosen) >= len(long) and sum(end - start for start, end in chosen) >= seconds:
            break
        chosen.append(span)
    return sorted(chosen)


def _without_others(
    spans: Sequence[tuple[float, float]], others: Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    """The spans joined across short pauses, without parts in which somebody else speaks."""
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


def _split(samples: Floats, stretch: tuple[float, float], most: float) -> list[tuple[float, float]]:
    """A stretch in about equal parts of at most ``most`` seconds, split where it is quietest."""
    import numpy as np

    start, end = stretch
    count = math.ceil((end - start) / most)
    if count < 2:
        return [stretch]
    length = (end - start) / (count + 1)  # shorter than necessary, so that the cuts can move
    cuts = [start]
    while end - cuts[-1] > most:
        near = cuts[-1] + length
        levels = _levels(samples, near, min(near + most - length, end - SHORT))
        cuts.append(near + float(np.argmin(levels)) / 50 if len(levels) else near)
    cuts.append(end)
    return list(itertools.pairwise(cuts))


def level(samples: Floats, stretch: tuple[float, float]) -> float:
    """The level in dB of the speech in a stretch of 16 kHz audio."""
    import numpy as np

    levels = _levels(samples, *stretch)
    return float(np.quantile(levels, 0.7)) if len(levels) else -math.inf


def quality(
    samples: Floats,
    stretch: tuple[float, float],
    least: float,
    background: Floats | None = None,
) -> float:
    """How well a voice is recorded in a stretch of 16 kHz audio, in dB of speech over noise, minus
    penalties for clipping and for what it lacks to ``least`` seconds.

    ``background`` are the :func:`.pauses.levels` of all but the speech, if that is known."""
    import numpy as np

    start, end = stretch
    levels = _levels(samples, start, end)
    if not len(levels):
        return -math.inf
    # Its own pauses show the noise; those around it may belong to another scene. Beyond 40 dB
    # nobody can hear a difference, and length counts for more.
    noise = float(np.quantile(levels, 0.05))
    if background is not None:
        around = background[round(start / pauses.HOP) : round(end / pauses.HOP)]
        noise = float(np.quantile(around, 0.7)) if len(around) else noise
    above = min(40.0, float(np.quantile(levels, 0.7)) - noise)
    sound = samples[round(start * RATE) : round(end * RATE)]
    clipped = float(np.mean(np.abs(sound) >= CLIPPED))
    short = max(0.0, math.log2(least / (end - start)))
    return above - 20 * short - 20 * min(1.0, clipped * 1000) + 0.5 * min(10.0, end - start)


def _levels(samples: Floats, start: float, end: float) -> Floats:
    """Levels in dB, one per 20 ms."""
    import numpy as np

    hop = RATE // 50
    sound = samples[round(max(0.0, start) * RATE) : round(max(0.0, end) * RATE)]
    frames = np.asarray(sound[: len(sound) // hop * hop], dtype=np.float32).reshape(-1, hop)
    levels: Floats = 10 * np.log10(np.mean(np.square(frames), axis=1) + np.float32(1e-8))
    return levels
