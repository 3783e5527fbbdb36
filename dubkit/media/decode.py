"""Decode an audio stream in parts, several side by side.

The file is read once, in order, by one thread. What it reads is cut into parts of some seconds,
which other threads decode, each with a new decoder that first decodes the end of the part before.
Where the cuts are depends on the file alone, so the samples do not depend on the number of cores.

Where the samples belong on the timeline is in :mod:`.audio`.
"""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from dubkit.system.cores import usable_cores
from dubkit.types import AudioStream, Media

from .probe import JUMP, clock_restarts, open_media, start_of

if TYPE_CHECKING:
    import av.container
    from av.audio.codeccontext import AudioCodecContext
    from av.audio.frame import AudioFrame
    from av.filter import Graph
    from av.packet import Packet, PacketSideData

LEAST_RATE = 1000
"""Hz. Below it nothing of speech is left (telephones have 8,000), and a small file of a forged rate
would become days of sound."""
MOST_THREADS = 8
"""Threads that decode; with more, the reading is what takes the time."""

AROUND = 10.0
"""Seconds before and after those that are asked for that are decoded, too: what their first and
last samples depend on, in decoders, in converters and in :mod:`.downmix`."""

_PART = 20.0
"""Seconds of a part: short, since as many parts as there are threads are held in memory."""
_PART_PACKETS = 2000
"""A part ends there in any case: short packets, or packets that do not say how long they last."""
_WARM_UP = 20
"""A decoder is warmed up by a 20th of the packets of the part before, and by 8 at least: in general
a second. MP3 needs ten packets, Opus four, the others fewer; HE-AAC has a header to wait for."""
_IN_PARTS = {"aac", "ac3", "alac", "eac3", "flac", "mp2", "mp3", "opus", "vorbis"}
"""Codecs whose decoders may start anywhere after a warm-up. For all others one decoder decodes part
after part, beside the thread that reads."""
_CAN_SKIP = ("mov", "matroska")
"""Demuxers that leave out streams without a change to the others. Films are in these."""


@dataclass(slots=True)
class DecodeStats:
    """What went wrong while decoding a file, for the warnings."""

    damaged: int = 0
    """Packets that could not be decoded."""
    jumps: int = 0
    """Times that the file's clock was reset."""
    end: float = 0.0
    """Seconds at which the last packet that was read ends."""

    def add(self, other: DecodeStats) -> None:
        """Add what was found in a later part."""
        self.damaged += other.damaged
        self.jumps += other.jumps
        self.end = max(self.end, other.end)


@dataclass(frozen=True, slots=True)
class Run:
    """Decoded frames of one format, in the order of the file."""

    times: list[tuple[float | None, int]]
    """For each frame of the codec its second on the player's timeline, if it has a valid one, and
    its samples."""
    sound: list[AudioFrame]
    """The same samples as frames of a second each (the last one shorter)."""


def decode_runs(
    media: Media,
    stream: AudioStream,
    stats: DecodeStats,
    within: tuple[float, float] | None = None,
) -> Generator[Run, None, None]:
    """Everything that can be decoded of a stream, on all cores, up to MOST_THREADS; or what is
    ``within`` two seconds of the player's timeline and AROUND, if :func:`can_start_anywhere`.

    What went wrong in a part is added to ``stats`` before its runs are yielded, without what is
    only around.
    """
    threads = min(usable_cores(), MOST_THREADS)
    with open_media(media.path, media.container) as container:
        decoder: Any = container.streams[stream.index].codec_context
        another = _copier(decoder)
        parts = _parts(container, stream, within)
        waiting: deque[tuple[_Part, Future[list[Run]]]] = deque()
        last: Future[list[Run]] | None = None  # to use the file's own decoder
        pool = ThreadPoolExecutor(threads + 1, "dubkit-decode")
        try:
            reading = pool.submit(next, parts, None)
            while part := reading.result():
                reading = pool.submit(next, parts, None)
                if part.own:
                    last = decoding = pool.submit(_decode, part, decoder, last)
                else:
                    decoding = pool.submit(_decode, part, another())
                waiting.append((part, decoding))
                if len(waiting) > threads:
                    yield from _finished(*waiting.popleft(), stats)
            while waiting:
                yield from _finished(*waiting.popleft(), stats)
        finally:
            pool.shutdown(cancel_futures=True)


def can_start_anywhere(media: Media, stream: AudioStream) -> bool:
    """Whether the sound can be read and decoded from any second on."""
    return media.container.startswith(_CAN_SKIP) and stream.codec in _IN_PARTS


def end_of(media: Media) -> float:
    """Seconds at which the last packet of any stream ends, on a clock without resets."""
    end = 0.0
    with open_media(media.path, media.container) as container:
        start = start_of(container)
        for packet in _readable(container):
            if packet and packet.dts is not None and packet.time_base:
                after = packet.dts + (packet.duration or 0)
                end = max(end, float(after * packet.time_base) - start)
    return end


def _finished(part: _Part, decoding: Future[list[Run]], stats: DecodeStats) -> list[Run]:
    runs = decoding.result()
    stats.add(part.stats)
    return runs


# ---------------------------------------------------------------- reading


@dataclass(slots=True)
class _Part:
    """Packets that one decoder decodes one after the other."""

    own: bool
    """Whether by the file's own decoder, not by a new one."""
    warm_up: list[Packet[Any]] = field(default_factory=list)
    """Packets to decode first, for the state of the decoder alone."""
    packets: list[tuple[Packet[Any], float, bool]] = field(default_factory=list)
    """Each with the second of the file's clock that is the player's second 0, and whether it counts
    if it is damaged."""
    stats: DecodeStats = field(default_factory=DecodeStats)


def _parts(
    container: av.container.InputContainer,
    stream: AudioStream,
    within: tuple[float, float] | None = None,
) -> Iterator[_Part]:
    """The packets of a stream, in parts; all, or those ``within`` two seconds of the timeline, and
    AROUND.

    Where the clock may be reset, all streams are read, since that shows in whichever comes first.
    """
    base = start_of(container)
    may_jump = clock_restarts(container)
    if not may_jump and container.format.name.startswith(_CAN_SKIP):
        _skip_others(container, stream)
    begin, end = within or (-math.inf, math.inf)
    if begin > AROUND:
        own = container.streams[stream.index]
        container.seek(int((begin - AROUND + base) / (own.time_base or 1)), stream=own)
    in_parts = stream.codec in _IN_PARTS
    scales: dict[int, tuple[int, int]] = {}
    expected: dict[int, float] = {}
    part = _Part(own=True)
    seconds = 0.0
    inside = begin <= 0
    for packet in _readable(container):
        if packet is None:
            part.stats.damaged += inside
            continue
        index, dts = packet.stream.index, packet.dts  # stream_index is 0 in the packets that flush
        lasts = 0.0
        if dts is not None and packet.time_base:
            if index not in scales:
                scales[index] = packet.time_base.as_integer_ratio()
            numerator, denominator = scales[index]
            at = dts * numerator / denominator
            lasts = (packet.duration or 0) * numerator / denominator
            if may_jump and packet.stream.type in ("audio", "video"):
                leap = at - base - expected.get(index, at - base)
                if leap > JUMP or leap < -0.1:
                    base += leap
                    part.stats.jumps += 1
            expected[index] = after = at - base + lasts
            part.stats.end = max(part.stats.end, after)
        if index != stream.index:
            continue
        if within and dts is not None:
            if at - base >= end + AROUND:
                break
            inside = begin <= at - base < end
        full = seconds >= _PART or len(part.packets) >= _PART_PACKETS
        odd = in_parts and any(map(_is_odd, packet.iter_sidedata()))
        if part.packets and (full or odd):
            count = max(8, len(part.packets) // _WARM_UP) if in_parts else 0
            before = part.packets[max(0, len(part.packets) - count) :]
            in_parts = in_parts and not odd
            yield part  # from here on it belongs to the thread that decodes it
            part = _Part(not in_parts, [packet for packet, *_ in before])
            seconds = 0.0
        part.stats.damaged += inside and packet.is_corrupt
        part.packets.append((packet, base, inside))
        seconds += lasts
    yield part


def _is_odd(data: PacketSideData) -> bool:
    """Whether a packet with such side data is for the file's own decoder, and so is what follows:
    new parameters, or an edit that cuts the start of the packet and so moves it in time."""
    if data.data_type == "skip_samples":
        return bytes(data)[:4] != bytes(4)
    return data.data_type in ("new_extradata", "param_change")


def _skip_others(container: av.container.InputContainer, stream: AudioStream) -> None:
    """Have the demuxer skip all other streams: it need not even read the pictures."""
    import av.stream

    if hasattr(av.stream, "Discard"):  # since PyAV 18
        for other in container.streams:
            if other.index != stream.index:
                other.discard = av.stream.Discard.all


def _readable(container: av.container.InputContainer) -> Iterator[Packet[Any] | None]:
    """All packets to the end of the file; None where something cannot be read."""
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
            if failures == 1:
                yield None


# ---------------------------------------------------------------- decoding


def _copier(decoder: AudioCodecContext) -> Callable[[], AudioCodecContext]:
    """A function that makes decoders like this one, which was not used yet: use changes it."""
    import av

    codec, tag = decoder.codec, decoder.codec_tag
    extradata, rate, layout = decoder.extradata, decoder.sample_rate, decoder.layout

    def another() -> AudioCodecContext:
        new: Any = av.CodecContext.create(codec)
        new.codec_tag, new.extradata, new.sample_rate, new.layout = tag, extradata, rate, layout
        return new  # type: ignore[no-any-return]

    return another


def _decode(
    part: _Part, decoder: AudioCodecContext, before: Future[list[Run]] | None = None
) -> list[Run]:
    """The part's sound, by a decoder that is free once ``before`` has ended."""
    import av.error

    if before:
        before.result()
    if part.warm_up:
        decoder.flush_buffers()
    for packet in part.warm_up:
        with contextlib.suppress(av.error.FFmpegError):
            decoder.decode(packet)
    runs: list[Run] = []
    graphs: list[Graph] = []
    now = None
    for packet, base, counts in part.packets:
        try:
            frames = decoder.decode(packet)
        except av.error.FFmpegError:
            part.stats.damaged += counts and not packet.is_corrupt
            continue
        for frame in frames:
            if frame.sample_rate < LEAST_RATE:
                part.stats.damaged += counts
                continue
            if not frame.samples:
                continue
            kind = (frame.format.name, frame.layout.name, frame.sample_rate)
            if kind != now:
                now = kind
                numerator, denominator = (frame.time_base or Fraction(0)).as_integer_ratio()
                runs.append(Run([], []))
                graphs.append(_joiner(frame))
            graphs[-1].push(frame)
            time = None if frame.pts is None else frame.pts * numerator / denominator - base
            runs[-1].times.append((time, frame.samples))
    part.packets.clear()
    for run, graph in zip(runs, graphs, strict=True):
        run.sound.extend(_joined(graph))
    return runs


def _joiner(frame: AudioFrame) -> Graph:
    """A filter graph that joins frames like this one to frames of a second."""
    import av.filter

    graph = av.filter.Graph()
    graph.link_nodes(
        graph.add_abuffer(
            format=frame.format.name,
            sample_rate=frame.sample_rate,
            layout=frame.layout.name,
            time_base=frame.time_base,
        ),
        graph.add("asetnsamples", f"n={frame.sample_rate}:p=0"),
        graph.add("abuffersink"),
    ).configure()
    return graph


def _joined(graph: Graph) -> list[AudioFrame]:
    import av.error

    graph.push(None)
    frames: list[Any] = []
    with contextlib.suppress(av.error.EOFError):
        while True:
            frames.append(graph.pull())
    return frames
