"""Put a media file's audio onto the video's timeline, sample by sample, in the wanted format.

This uses PyAV instead of an ffmpeg command, because each frame's own timestamp places it on the
timeline, and a command cannot report gaps, clock jumps or format changes on the way. Opening files
and choosing a stream is in :mod:`.probe`, decoding in :mod:`.decode`, writing in :mod:`.extract`.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import re
import struct
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubkit.errors import InputError
from dubkit.types import AudioStream, Media

from .decode import DecodeStats, Run, can_start_anywhere, decode_runs
from .downmix import mended
from .probe import JUMP

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.filter import Graph
    from numpy.typing import NDArray

TOLERANCE = 0.02
"""Seconds by which a frame may be off before silence is inserted or samples are cut. Containers
round times to a millisecond or so; a real gap is at least one lost packet."""

LONGEST = 0xFFFF_FF00 // 2 / 16_000
"""Seconds: 37 hours. As speech that is 4 GB, and its readers do not know RF64."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """The format to decode to."""

    rate: int
    """Hz."""
    layout: str
    """``mono`` or ``stereo``."""
    sample_format: str
    """ffmpeg's name of a packed sample format: ``s16`` or ``flt``."""
    resampling: str = ""
    """Further options for ffmpeg's aresample, each after a colon."""

    @property
    def channels(self) -> int:
        """1 or 2."""
        return 1 if self.layout == "mono" else 2


# Surround sound has dialogue in the center channel; ffmpeg's own downmix leaves it 11 dB too low.
SPEECH = AudioFormat(16_000, "mono", "s16", ":clev=1.414:slev=0.3")
"""What Whisper and its relatives take as input."""
FULL = AudioFormat(48_000, "stereo", "flt")
"""What is mixed. As floats, a downmix stays as loud as its source and may exceed full scale."""


# ---------------------------------------------------------------- on the timeline


@dataclass(slots=True)
class _Timeline:
    """Places samples on the timeline, one block after the other."""

    format: AudioFormat
    length: int | None
    path: Path
    """Of the media, for the error."""
    written: int = 0
    surplus: int = 0
    """Samples still to cut, because the timeline is already filled there."""

    def seek(self, position: int) -> Iterator[NDArray[Any]]:
        """Silence up to ``position`` (a sample); if that has passed, what follows will be cut."""
        import numpy as np

        if self.length is None:
            self._refuse_beyond_longest(position)  # before any of it is written
        kind = np.int16 if self.format.sample_format == "s16" else np.float32
        self.surplus = max(0, self.written - position)
        gap = (position if self.length is None else min(position, self.length)) - self.written
        while gap > 0:
            count = min(gap, self.format.rate)
            yield np.zeros((count, self.format.channels), kind)
            self.written += count
            gap -= count

    def append(self, block: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """The block without the samples that overlap earlier ones or exceed ``length``."""
        cut = min(self.surplus, len(block))
        self.surplus -= cut
        block = block[cut:]
        if self.length is not None:
            block = block[: self.length - self.written]
        self.written += len(block)
        self._refuse_beyond_longest(self.written)
        if len(block):
            yield block

    def _refuse_beyond_longest(self, position: int) -> None:
        if position > LONGEST * self.format.rate:
            hours = f"{LONGEST / 3600:.0f} hours"
            raise InputError(f"{self.path} has more than {hours} of sound.", "Split it.")


def cut(blocks: Iterable[NDArray[Any]], spans: Sequence[tuple[int, int]]) -> list[NDArray[Any]]:
    """The parts of a sound, whose samples come in ``blocks``, from one sample to another; what is
    after its end is missing."""
    import numpy as np

    parts: list[list[NDArray[Any]]] = [[] for _ in spans]
    waiting = sorted(range(len(spans)), key=lambda k: spans[k][0], reverse=True)
    open_: list[int] = []
    at = 0
    empty: NDArray[Any] | None = None
    for block in blocks:
        empty = block[:0] if empty is None else empty
        while waiting and spans[waiting[-1]][0] < at + len(block):
            open_.append(waiting.pop())
        for k in open_:
            first, last = spans[k]
            parts[k].append(block[max(0, first - at) : max(0, last - at)].copy())
        at += len(block)
        open_ = [k for k in open_ if spans[k][1] > at]
        if not open_ and not waiting:
            break
    nothing = np.zeros((0, 1), np.int16) if empty is None else empty
    return [np.concatenate(part) if part else nothing for part in parts]


def decode_audio(
    media: Media,
    stream: AudioStream,
    format: AudioFormat,
    stats: DecodeStats | None = None,
    *,
    first: int = 0,
    length: int | None = None,
) -> Iterator[NDArray[Any]]:
    """The stream's samples from the video's second 0, in blocks of (samples, channels): 16-bit
    integers for ``s16``, finite floats for ``flt``; ``length`` samples at most. Raises InputError
    if they would go on for longer than LONGEST.

    If :func:`.decode.can_start_anywhere`, they may be from the sample ``first`` on, which is read
    from a little before that, and up to ``length``.

    Contiguous frames go through one converter. At a gap, or when the frame format changes, that
    converter is flushed and a new one starts at the new position.
    """
    stats = DecodeStats() if stats is None else stats
    timeline = _Timeline(format, length, media.path, written=first)
    within = None
    if first or (length is not None and can_start_anywhere(media, stream)):
        within = (
            first / format.rate if first else -math.inf,
            math.inf if length is None else length / format.rate,
        )
    with contextlib.closing(decode_runs(media, stream, stats, within)) as runs:
        pieces = _contiguous(runs, media.duration)
        if first:
            pieces = _in_step(pieces, format.rate)
        for (_, start), frames in itertools.groupby(pieces, key=lambda piece: piece[:2]):
            yield from timeline.seek(round(start * format.rate))
            sound = (frame for *_, frame in frames)
            for block in _converted(mended(sound) if format.channels == 1 else sound, format):
                yield from timeline.append(block)
                if length is not None and timeline.written >= length:
                    return


def _contiguous(runs: Iterator[Run], duration: float) -> Iterator[tuple[int, float, AudioFrame]]:
    """The sound of all runs, each frame with the number of the contiguous stretch that it is part
    of, and with the second at which that stretch starts."""
    limit = duration + 60 if duration else float("inf")
    kind = None
    number = 0
    start = 0.0
    due = 0.0  # seconds at which the next frame starts unless there is a gap
    for run in runs:
        first = run.sound[0]
        now = (first.format.name, first.layout.name, first.sample_rate)
        starts: deque[tuple[int, float]] = deque()
        end = 0
        for time, samples in run.times:
            # A time that cannot be right (far back, or past the end of the file) is damaged.
            if time is None or (kind and time < due - JUMP) or time > limit:
                time = due
            if now != kind or abs(time - due) > TOLERANCE:
                starts.append((end, time))
                kind, due = now, time
            due += samples / first.sample_rate
            end += samples
        done = 0
        for frame in run.sound:
            at = 0
            while starts and starts[0][0] < done + frame.samples:
                until, time = starts.popleft()
                if until - done > at:
                    yield number, start, _sliced(frame, at, until - done)
                at, number, start = until - done, number + 1, time
            yield number, start, _sliced(frame, at, frame.samples)
            done += frame.samples


def _in_step(
    pieces: Iterator[tuple[int, float, AudioFrame]], rate: int
) -> Iterator[tuple[int, float, AudioFrame]]:
    """The pieces from that sample of the first one on that is nearest to one at ``rate``, so that
    what is converted from there has its samples at the same times as what is before."""
    import numpy as np

    skipped: tuple[int, float] | None = None
    for number, start, frame in pieces:
        if skipped is None:
            places = (start + np.arange(frame.samples) / frame.sample_rate) * rate
            skip = int(np.abs(places - np.rint(places)).argmin())
            skipped = number, skip / frame.sample_rate
            frame = _sliced(frame, skip, frame.samples)
        yield number, start + skipped[1] if number == skipped[0] else start, frame


def _sliced(frame: AudioFrame, start: int, end: int) -> AudioFrame:
    """The samples from ``start`` up to ``end``; if these are all, the frame itself."""
    import av
    import numpy as np

    if end - start == frame.samples:
        return frame
    step = 1 if frame.format.is_planar else frame.layout.nb_channels
    part: Any = np.ascontiguousarray(frame.to_ndarray()[:, start * step : end * step])
    cut = av.AudioFrame.from_ndarray(part, frame.format.name, frame.layout)
    cut.sample_rate = frame.sample_rate
    cut.time_base = frame.time_base
    return cut


def _converted(frames: Iterator[AudioFrame], format: AudioFormat) -> Iterator[NDArray[Any]]:
    """Contiguous frames of one format, resampled and mixed to ``format``."""
    graph = None
    for frame in frames:
        graph = graph or _converter(frame, format)
        yield _convert(graph, frame, format)
    if graph:
        yield _convert(graph, None, format)


def _converter(frame: AudioFrame, format: AudioFormat) -> Graph:
    """A filter graph from the frame's format to ``format``."""
    import av.filter

    layout = frame.layout
    graph = av.filter.Graph()
    steps: list[Any] = [
        graph.add_abuffer(
            format=frame.format.name,
            sample_rate=frame.sample_rate,
            layout=layout.name,
            time_base=frame.time_base,
        )
    ]
    if re.fullmatch(r"\d+ channels.*", layout.name):  # of unknown position
        steps.append(graph.add("pan", _downmix(layout.nb_channels, format)))
    options = f"osr={format.rate}:osf={format.sample_format}:ochl={format.layout}"
    steps += [graph.add("aresample", options + format.resampling), graph.add("abuffersink")]
    for left, right in itertools.pairwise(steps):
        left.link_to(right)
    graph.configure()
    return graph


def _downmix(count: int, format: AudioFormat) -> str:
    """A pan filter for channels of unknown position: all get equal weight, at the same loudness;
    two are left and right."""
    if format.channels == 1:
        return "mono|c0=" + "+".join(f"{1 / count:.6f}*c{channel}" for channel in range(count))
    half = "+".join(f"{0.5**0.5 / count:.6f}*c{channel}" for channel in range(count))
    left, right = ("c0", "c1") if count == 2 else (half, half)
    return f"stereo|c0={left}|c1={right}"


def _convert(graph: Graph, frame: AudioFrame | None, format: AudioFormat) -> NDArray[Any]:
    """Push a frame (None to flush) and return all samples that come out."""
    import av.error
    import numpy as np

    graph.push(frame)
    pulled: list[bytes] = []
    while True:
        try:
            out: Any = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            break
        pulled.append(out.to_ndarray().tobytes())
    if format.sample_format == "s16":
        return np.frombuffer(b"".join(pulled), np.int16).reshape(-1, format.channels)
    floats = np.frombuffer(b"".join(pulled), np.float32).reshape(-1, format.channels)
    # A float stream may hold anything.
    return np.nan_to_num(floats, nan=0.0, posinf=0.0, neginf=0.0)


# ---------------------------------------------------------------- WAV


def wav_header(samples: int, format: AudioFormat) -> bytes:
    """The header of a 16-bit WAV file: 44 bytes for speech, as its readers expect; otherwise 80, as
    RF64 (EBU Tech 3306) beyond 4 GB, which Python's ``wave`` cannot write."""
    frame = 2 * format.channels
    size = frame * samples
    rate = format.rate
    kind = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, format.channels, rate, frame * rate, frame, 16)
    if format == SPEECH:
        return struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + kind + _data(size)
    if size + 72 < 0xFFFF_FFFF:
        return (
            struct.pack("<4sI4s4sI28x", b"RIFF", size + 72, b"WAVE", b"JUNK", 28)
            + kind
            + _data(size)
        )
    big = 0xFFFF_FFFF
    first = struct.pack(
        "<4sI4s4sIQQQI", b"RF64", big, b"WAVE", b"ds64", 28, size + 72, size, samples, 0
    )
    return first + kind + _data(big)


def _data(size: int) -> bytes:
    return struct.pack("<4sI", b"data", size)
