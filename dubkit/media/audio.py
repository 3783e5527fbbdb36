"""Decode a media file's audio onto the video's timeline, sample by sample.

This uses PyAV instead of an ffmpeg command, because each frame's own timestamp places it on the
timeline, and a command cannot report gaps, clock jumps or format changes on the way. Opening files
and choosing a stream is in :mod:`.probe`.
"""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubkit.errors import InputError
from dubkit.files import replacing
from dubkit.types import AudioStream, Media

from .probe import JUMP, clock_restarts, open_media, start_of

if TYPE_CHECKING:
    import av.container
    from av.audio.frame import AudioFrame
    from av.filter import Graph
    from numpy.typing import NDArray

TOLERANCE = 0.02
"""Seconds by which a frame may be off before silence is inserted or samples are cut. Containers
round times to a millisecond or so; a real gap is at least one lost packet."""

LEAST_RATE = 1000
"""Hz. Below it nothing of speech is left (telephones have 8,000), and a small file of a forged rate
would become days of sound."""
LONGEST = 0xFFFF_FF00 // 2 / 16_000
"""Seconds: 37 hours. As speech that is 4 GB, and its readers do not know RF64."""

_TIMED_BY_HEADER = {"mov", "matroska", "avi", "asf", "flv", "wav"}
"""Demuxers that take the duration from a header, which a truncated file does not live up to."""


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


@dataclass(slots=True)
class DecodeStats:
    """What went wrong while decoding a file, for the warnings."""

    damaged: int = 0
    """Packets that could not be decoded."""
    jumps: int = 0
    """Times that the file's clock was reset."""
    end: float = 0.0
    """Seconds at which the last packet ends."""


def extract_audio(
    media: Media,
    stream: AudioStream,
    out: Path,
    progress: Callable[[float], None] = lambda _: None,
    *,
    format: AudioFormat = SPEECH,
) -> list[str]:
    """Write ``stream`` to ``out`` as a 16-bit WAV file (RF64 beyond 4 GB), and return warnings.

    Second 0 of the WAV is second 0 of the video as a player shows it: late starts and gaps become
    silence, samples from before the start are cut. ``progress`` is called with the seconds done.
    Raises InputError when nothing can be decoded, or it goes on for longer than LONGEST;
    OutputError when ``out`` cannot be written.
    """
    import numpy as np

    stats = DecodeStats()
    written = 0
    reported = 0.0
    with replacing(out) as temporary, temporary.open("wb") as file:
        file.write(wav_header(0, format))
        for block in decode_audio(media, stream, format, stats):
            if block.dtype != np.int16:
                block = np.rint(np.clip(block, -1, 1) * 32767)
            file.write(block.astype("<i2").tobytes())
            written += len(block)
            if written / format.rate - reported >= 1:
                reported = written / format.rate
                progress(reported)
        if not written:
            refuse_low_rate(media, stream)
            raise InputError(
                f"{media.path}: audio track {media.audio.index(stream) + 1} ({stream.codec}) "
                "has no audio that can be decoded.",
                "Choose another audio track, or convert the file with ffmpeg first.",
            )
        file.seek(0)
        file.write(wav_header(written, format))
    progress(written / format.rate)
    return _warnings(media, stats)


def refuse_low_rate(media: Media, stream: AudioStream) -> None:
    """Raise InputError if the rate that a stream claims is too low for speech."""
    if 0 < stream.sample_rate < LEAST_RATE:
        raise InputError(
            f"{media.path}: audio track {media.audio.index(stream) + 1} has a sample rate of "
            f"{stream.sample_rate} Hz, which is too low to hold speech.",
            "Choose another audio track; if its header is wrong, correct the rate there.",
        )


def _warnings(media: Media, stats: DecodeStats) -> list[str]:
    warnings = []
    if stats.damaged:
        warnings.append(
            f"{media.path.name}: {stats.damaged} damaged pieces of sound were left out."
        )
    if stats.jumps:
        warnings.append(
            f"{media.path.name}: its clock jumps {stats.jumps} times; subtitles after that fit the "
            "video that dubkit writes, but may be off next to the original."
        )
    lacking = media.duration - stats.end
    if media.container.split(",")[0] in _TIMED_BY_HEADER and lacking > max(1.0, stats.end / 100):
        warnings.append(
            f"{media.path.name}: the file ends at {stats.end:.1f} s of {media.duration:.1f} s; "
            "it was probably cut off while copying or downloading."
        )
    return warnings


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


def decode_audio(
    media: Media,
    stream: AudioStream,
    format: AudioFormat,
    stats: DecodeStats | None = None,
    *,
    length: int | None = None,
) -> Iterator[NDArray[Any]]:
    """The stream's samples from the video's second 0, in blocks of (samples, channels): 16-bit
    integers for ``s16``, finite floats for ``flt``; ``length`` samples at most. Raises InputError
    if they would go on for longer than LONGEST.

    Contiguous frames go through one converter. At a gap, or when the frame format changes, that
    converter is flushed and a new one starts at the new position.
    """
    stats = DecodeStats() if stats is None else stats
    limit = media.duration + 60 if media.duration else float("inf")
    timeline = _Timeline(format, length, media.path)
    due = 0.0  # seconds at which the next frame starts unless there is a gap
    converting = None
    graph = None
    with open_media(media.path, media.container) as container:
        for frame, time in _frames(container, stream.index, stats):
            # A time that cannot be right (far back, or past the end of the file) is damaged.
            if time is None or (graph and time < due - JUMP) or time > limit:
                time = due
            now = (frame.format.name, frame.layout.name, frame.sample_rate)
            if graph is None or now != converting or abs(time - due) > TOLERANCE:
                if graph:
                    yield from timeline.append(_convert(graph, None, format))
                converting, graph, due = now, _converter(frame, format), time
                yield from timeline.seek(round(time * format.rate))
            yield from timeline.append(_convert(graph, frame, format))
            due += frame.samples / frame.sample_rate
            if length is not None and timeline.written >= length:
                return
        if graph:
            yield from timeline.append(_convert(graph, None, format))


def _frames(
    container: av.container.InputContainer, index: int, stats: DecodeStats
) -> Iterator[tuple[AudioFrame, float | None]]:
    """The frames of audio stream ``index``, each with its second on the player's timeline.

    All streams are read, since a clock reset shows in whichever comes first.
    """
    import av.error

    base = start_of(container)
    may_jump = clock_restarts(container)
    expected: dict[int, float] = {}
    for packet in _packets(container, stats):
        if packet.dts is not None and packet.time_base:
            at = float(packet.dts * packet.time_base)
            if may_jump and packet.stream.type in ("audio", "video"):
                leap = at - base - expected.get(packet.stream_index, at - base)
                if leap > JUMP or leap < -0.1:
                    base += leap
                    stats.jumps += 1
            after = at - base + float((packet.duration or 0) * packet.time_base)
            expected[packet.stream_index] = after
            stats.end = max(stats.end, after)
        if packet.stream_index != index:
            continue
        stats.damaged += bool(packet.is_corrupt)
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            stats.damaged += not packet.is_corrupt
            continue
        for frame in frames:
            if frame.sample_rate < LEAST_RATE:
                stats.damaged += 1
            elif frame.samples:
                time = None if frame.pts is None else float(frame.pts * frame.time_base) - base
                yield frame, time


def _packets(container: av.container.InputContainer, stats: DecodeStats) -> Iterator[Any]:
    """All packets to the end of the file, skipping what cannot be read."""
    import av.error

    failures = 0
    while failures < 100:
        try:
            for packet in container.demux():
                failures = 0
                yield packet
            return
        except av.error.FFmpegError:
            failures += 1
            stats.damaged += failures == 1


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
    if format is SPEECH:
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
