"""What plays under the lines of a dub: the original, and what replaces it where its speech was
separated from it.

It is written to a file of stereo samples (48 kHz, float), in which :mod:`.mix` then ducks it and
adds the lines.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from dubkit.errors import InputError
from dubkit.media.audio import FULL, decode_audio
from dubkit.media.probe import probe
from dubkit.types import AudioStream, Media

from . import clip as clips
from . import room_tone
from .clip import RATE
from .room_tone import Room

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .clip import Samples

RAMP = 0.15
"""Seconds of the ramps down, before speech begins, and back up after it."""
FADE = 0.05
"""Seconds in which the background and what is kept of the original fade into each other."""
FRAME_BYTES = 8
"""Bytes of a stereo sample in the file."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a background does not replace the original, in seconds."""

    always: Sequence[tuple[float, float]]
    between_lines: Sequence[tuple[float, float]]
    """Only as far as none of ``lines`` is spoken there."""
    lines: Sequence[tuple[float, float]]

    def replaced(self, at: int, count: int) -> NDArray[np.float64]:
        """How much of each of ``count`` samples from ``at`` on is the background's, 0 to 1."""
        import numpy as np

        spoken = 1 - outside(at, count, self.lines, FADE)
        free = np.maximum(outside(at, count, self.between_lines, FADE), spoken)
        return np.minimum(free, outside(at, count, self.always, FADE))


def decode_under(
    film: Media,
    stream: AudioStream | None,
    length: int,
    speech: Sequence[tuple[float, float]],
    background: Path | None,
    part: tuple[float, float] | None,
    kept: Kept,
    file: IO[bytes],
    progress: Callable[[float], None],
) -> tuple[int, NDArray[np.float64]]:
    """Write what plays under the dub; return the samples written, and the original's speech power:
    the mean power of each 0.1 s, of both channels' average, NaN outside the spans.
    """
    import numpy as np

    size = RATE // 10
    share = 0.25 if background else 0.5
    inside = _tenths(speech)
    powers = np.full(len(inside), np.nan)
    written = at = 0
    if stream:
        report = scaled(progress, film.duration, 0.0, share)
        for block in _blocks(decode_audio(film, stream, FULL, length=length or None)):
            file.write(block.tobytes())
            written += len(block)
            speaking = inside[at // size : at // size + RATE // size]
            if speaking.any():
                tenths = clips.powers(block.mean(axis=1), RATE)[: len(speaking)]
                here = powers[at // size :][: len(tenths)]
                np.copyto(here, tenths, where=speaking[: len(tenths)])
            at += len(block)
            report(at / RATE)
    if background:
        report = scaled(progress, film.duration, 0.25, 0.5)
        media, at = probe(background), 0
        if not media.audio:
            raise InputError(f"{background} has no sound.", "It should be the film's background.")
        rooms = _rooms(file, written, speech, part)
        for block in _blocks(decode_audio(media, media.audio[0], FULL, length=length or None)):
            _replace(file, at, block, part, kept)
            at += len(block)
            report(at / RATE)
        written = max(written, at) if part or not stream else at
        _fill_rooms(file, rooms, written, part, kept)
    return written, powers


def _replace(
    file: IO[bytes],
    at: int,
    block: Samples,
    part: tuple[float, float] | None,
    kept: Kept,
) -> None:
    """Let what the file holds from the sample ``at`` on fade to ``block`` within ``part``, or
    everywhere, and back; but not where the original is ``kept``."""
    import numpy as np

    share = kept.replaced(at, len(block))
    if part:
        begin, end = part
        times = np.arange(at, at + len(block)) / RATE
        share *= np.interp(times, [begin, begin + RAMP, end - RAMP, end], [0, 1, 1, 0])
    if not share.any():
        return
    before = np.zeros_like(block)
    there = _read(file, at, at + len(block))
    before[: len(there)] = there
    file.seek(at * FRAME_BYTES)
    file.write((before + (block - before) * share[:, None].astype(np.float32)).tobytes())


def outside(
    at: int, count: int, spans: Sequence[tuple[float, float]], ramp: float
) -> NDArray[np.float64]:
    """For each of ``count`` samples from ``at`` on, 0 within the spans and 1 outside of them, with
    ramps of that many seconds before and after."""
    import numpy as np

    times = np.arange(at, at + count) / RATE
    share = np.ones(count)
    for start, end in spans:
        if count and start - ramp < times[-1] and end + ramp > times[0]:
            corners = [start - ramp, start, end, end + ramp]
            share = np.minimum(share, np.interp(times, corners, [1, 0, 0, 1]))
    return share


def _rooms(
    file: IO[bytes],
    total: int,
    speech: Sequence[tuple[float, float]],
    part: tuple[float, float] | None,
) -> list[tuple[float, float, Room]]:
    """Where the original in the file speaks, in seconds, each with the noise of the room there."""
    begin, end = part or (0.0, total / RATE)
    end = min(end, total / RATE)
    spans = [(max(a, begin), min(b, end)) for a, b in speech if a < end and b > begin]
    rooms = [
        room_tone.room_in(_read(file, round(a * RATE), round(b * RATE))) if b > a else None
        for a, b in room_tone.pauses_around(spans, begin, end)
    ]
    found = []
    for (a, b), (before, after) in zip(spans, itertools.pairwise(rooms), strict=True):
        if room := room_tone.room_between(before, after):
            found.append((a, b, room))
    return found


def _fill_rooms(
    file: IO[bytes],
    rooms: Sequence[tuple[float, float, Room]],
    total: int,
    part: tuple[float, float] | None,
    kept: Kept,
) -> None:
    """Let the noise of the room go on in the background where the speech was taken out of it."""
    import numpy as np

    begin, end = (part[0] + RAMP, part[1] - RAMP) if part else (0.0, total / RATE)
    for a, b, room in rooms:
        first = round(max(begin, a - room_tone.AROUND) * RATE)
        last = round(min(end, total / RATE, b + room_tone.AROUND) * RATE)
        for low, high in room_tone.parts(first, last):
            span = _read(file, low, high)
            if len(span) >= room_tone.FRAME:
                share = kept.replaced(low, len(span))[:, None].astype(np.float32)
                filled = span + (room_tone.fill(span, room, seed=low) - span) * share
                file.seek(low * FRAME_BYTES)
                file.write(filled.astype(np.float32).tobytes())


def _read(file: IO[bytes], first: int, last: int) -> Samples:
    import numpy as np

    file.seek(first * FRAME_BYTES)
    size = max(0, last - first) * FRAME_BYTES
    return np.frombuffer(file.read(size), np.float32).reshape(-1, 2)


def _tenths(speech: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
    """Which tenths of a second are entirely within a span, up to the end of the last span."""
    import numpy as np

    inside = np.zeros(max((round(end * 10) for _, end in speech if end > 0), default=0), np.bool_)
    for start, end in speech:
        # A hundredth of a second outside does no harm.
        inside[max(0, math.ceil(start * 10 - 0.1)) : max(0, math.floor(end * 10 + 0.1))] = True
    return inside


def _blocks(pieces: Iterator[Samples]) -> Iterator[Samples]:
    """The same samples in blocks of a second, except for the last."""
    import numpy as np

    kept: list[Samples] = []
    count = 0
    for piece in pieces:
        kept.append(piece)
        count += len(piece)
        if count >= RATE:
            whole = np.concatenate(kept)
            for at in range(0, count - RATE + 1, RATE):
                yield whole[at : at + RATE]
            kept, count = [whole[count - count % RATE :]], count % RATE
    if count:
        yield np.concatenate(kept)


def scaled(
    progress: Callable[[float], None], seconds: float, begin: float, end: float
) -> Callable[[float], None]:
    """Report one part of the work as seconds of the whole."""
    return lambda done: progress(
        seconds * begin + min(1.0, done / seconds if seconds else 1.0) * seconds * (end - begin)
    )
