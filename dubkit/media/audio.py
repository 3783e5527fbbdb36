"""The sound of a media file, sample by sample, each where the video's timeline has it.

It is decoded by PyAV, rather than by an ffmpeg command: each frame's own time is what puts it on
the timeline, and a command cannot tell of gaps, jumps or changes of format on the way.
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

from .probe import JUMP, clock_restarts, opened, start_of

if TYPE_CHECKING:
    import av.container
    from av.audio.frame import AudioFrame
    from av.filter import Graph
    from numpy.typing import NDArray

TOLERANCE = 0.02
"""Seconds that a frame may be off before silence is added or sound is cut. Containers round times
to a millisecond or so; a real gap is a lost packet at least."""

_TIMED_BY_HEADER = {"mov", "matroska", "avi", "asf", "flv", "wav"}


@dataclass(frozen=True, slots=True)
class Form:
    """What samples come out as."""

    rate: int
    """Hz."""
    layout: str
    sample: str
    """ffmpeg's name of a packed sample format."""
    rules: str = ""
    """Further options of ffmpeg's aresample."""

    @property
    def channels(self) -> int:
        return 1 if self.layout == "mono" else 2


# In surround sound people speak in the centre: ffmpeg's own downmix leaves it 11 dB low.
SPEECH = Form(16_000, "mono", "s16", ":clev=1.414:slev=0.3")
"""What Whisper and its relatives hear."""
FULL = Form(48_000, "stereo", "flt")
"""What is mixed. In float a downmix is as loud as its source; it may go beyond full scale."""


@dataclass(slots=True)
class Heard:
    """What was met while reading a file, for the warnings."""

    damaged: int = 0
    jumps: int = 0
    end: float = 0.0


def extract_audio(
    media: Media,
    stream: AudioStream,
    out: Path,
    progress: Callable[[float], None] = lambda _: None,
    *,
    form: Form = SPEECH,
) -> list[str]:
    """Write ``stream`` to ``out`` as a 16-bit WAV file (RF64 beyond 4 GB), and return warnings.

    Second 0 of the WAV is second 0 of the video as a player shows it: late starts and gaps become
    silence, sound from before the start is cut. ``progress`` gets the seconds done. Raises
    InputError when nothing can be decoded, OutputError when ``out`` cannot be written.
    """
    import numpy as np

    heard = Heard()
    written = 0
    told = 0.0
    with replacing(out) as temporary, temporary.open("wb") as file:
        file.write(wav_header(0, form))
        for block in samples(media, stream, form, heard):
            if block.dtype != np.int16:
                block = np.rint(np.clip(block, -1, 1) * 32767)
            file.write(block.astype("<i2").tobytes())
            written += len(block)
            if form is SPEECH and 2 * written > 0xFFFF_FF00:  # its readers know no RF64
                raise InputError(f"{media.path} has more than 37 hours of sound.", "Split it.")
            if written / form.rate - told >= 1:
                told = written / form.rate
                progress(told)
        if not written:
            raise InputError(
                f"{media.path}: audio track {media.audio.index(stream) + 1} ({stream.codec}) "
                "holds no sound that can be decoded.",
                "Choose another audio track, or convert the file with ffmpeg first.",
            )
        file.seek(0)
        file.write(wav_header(written, form))
    progress(written / form.rate)
    return _warnings(media, heard)


def _warnings(media: Media, heard: Heard) -> list[str]:
    warnings = []
    if heard.damaged:
        warnings.append(
            f"{media.path.name}: {heard.damaged} damaged pieces of sound were left out."
        )
    if heard.jumps:
        warnings.append(
            f"{media.path.name}: its clock jumps {heard.jumps} times; subtitles after that fit the "
            "video that dubkit writes, but may be off beside the original."
        )
    lacking = media.duration - heard.end
    if media.container.split(",")[0] in _TIMED_BY_HEADER and lacking > max(1.0, heard.end / 100):
        warnings.append(
            f"{media.path.name}: the file ends at {heard.end:.1f} s of {media.duration:.1f} s; "
            "it was probably cut off while copying or downloading."
        )
    return warnings


# ---------------------------------------------------------------- on the timeline


@dataclass(slots=True)
class _Timeline:
    """Samples put at their places, one block after the other."""

    form: Form
    length: int | None
    written: int = 0
    surplus: int = 0
    """Samples still to be cut, because the timeline already has sound there."""

    def silence(self, place: int) -> Iterator[NDArray[Any]]:
        """Silence up to a sample's place; what comes is cut where that is passed already."""
        import numpy as np

        kind = np.int16 if self.form.sample == "s16" else np.float32
        self.surplus = max(0, self.written - place)
        gap = (place if self.length is None else min(place, self.length)) - self.written
        while gap > 0:
            count = min(gap, self.form.rate)
            yield np.zeros((count, self.form.channels), kind)
            self.written += count
            gap -= count

    def placed(self, block: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """The block, less what is before its place or after the end."""
        cut = min(self.surplus, len(block))
        self.surplus -= cut
        block = block[cut:]
        if self.length is not None:
            block = block[: self.length - self.written]
        self.written += len(block)
        if len(block):
            yield block


def samples(
    media: Media,
    stream: AudioStream,
    form: Form,
    heard: Heard | None = None,
    *,
    length: int | None = None,
) -> Iterator[NDArray[Any]]:
    """The stream's samples from the video's second 0, in blocks of (samples, channels): 16-bit
    integers for ``s16``, finite floats for ``flt``; ``length`` samples at most.

    Frames that follow each other go through one converter. Where they don't, or where their
    format changes, that converter is emptied and a new one starts at the new place.
    """
    heard = Heard() if heard is None else heard
    limit = media.duration + 60 if media.duration else float("inf")
    line = _Timeline(form, length)
    due = 0.0  # seconds at which the next frame belongs if nothing is amiss
    shape = None
    graph = None
    with opened(media.path, media.container) as container:
        for frame, time in _frames(container, stream.index, heard):
            # A time that cannot be true (far back, or past the end of the file) is a damaged one.
            if time is None or (graph and time < due - JUMP) or time > limit:
                time = due
            now = (frame.format.name, frame.layout.name, frame.sample_rate)
            if graph is None or now != shape or abs(time - due) > TOLERANCE:
                if graph:
                    yield from line.placed(_converted(graph, None, form))
                shape, graph, due = now, _converter(frame, form), time
                yield from line.silence(round(time * form.rate))
            yield from line.placed(_converted(graph, frame, form))
            due += frame.samples / frame.sample_rate
            if length is not None and line.written >= length:
                return
        if graph:
            yield from line.placed(_converted(graph, None, form))


def _frames(
    container: av.container.InputContainer, index: int, heard: Heard
) -> Iterator[tuple[AudioFrame, float | None]]:
    """The frames of audio stream ``index``, each with its second on the player's timeline.

    All streams are read, since a clock that was set anew shows in whichever comes first.
    """
    import av.error

    base = start_of(container)
    may_jump = clock_restarts(container)
    expected: dict[int, float] = {}
    for packet in _packets(container, heard):
        if packet.dts is not None and packet.time_base:
            at = float(packet.dts * packet.time_base)
            if may_jump and packet.stream.type in ("audio", "video"):
                leap = at - base - expected.get(packet.stream_index, at - base)
                if leap > JUMP or leap < -0.1:
                    base += leap
                    heard.jumps += 1
            after = at - base + float((packet.duration or 0) * packet.time_base)
            expected[packet.stream_index] = after
            heard.end = max(heard.end, after)
        if packet.stream_index != index:
            continue
        heard.damaged += bool(packet.is_corrupt)
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            heard.damaged += not packet.is_corrupt
            continue
        for frame in frames:
            if frame.samples and frame.sample_rate:
                time = None if frame.pts is None else float(frame.pts * frame.time_base) - base
                yield frame, time


def _packets(container: av.container.InputContainer, heard: Heard) -> Iterator[Any]:
    """All packets to the end of the file, over what cannot be read."""
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
            heard.damaged += failures == 1


def _converter(frame: AudioFrame, form: Form) -> Graph:
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
    if re.fullmatch(r"\d+ channels.*", layout.name):  # no word of where they belong
        steps.append(graph.add("pan", _mixed_down(layout.nb_channels, form)))
    rules = f"osr={form.rate}:osf={form.sample}:ochl={form.layout}{form.rules}"
    steps += [graph.add("aresample", rules), graph.add("abuffersink")]
    for left, right in itertools.pairwise(steps):
        left.link_to(right)
    graph.configure()
    return graph


def _mixed_down(count: int, form: Form) -> str:
    """A pan of channels that might be anything: all alike, and as loud as before; two are what they
    always are."""
    if form.channels == 1:
        return "mono|c0=" + "+".join(f"{1 / count:.6f}*c{channel}" for channel in range(count))
    half = "+".join(f"{0.5**0.5 / count:.6f}*c{channel}" for channel in range(count))
    left, right = ("c0", "c1") if count == 2 else (half, half)
    return f"stereo|c0={left}|c1={right}"


def _converted(graph: Graph, frame: AudioFrame | None, form: Form) -> NDArray[Any]:
    """Push a frame (None: the end) and take all that comes out."""
    import av.error
    import numpy as np

    graph.push(frame)
    taken: list[bytes] = []
    while True:
        try:
            out: Any = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            break
        taken.append(out.to_ndarray().tobytes())
    if form.sample == "s16":
        return np.frombuffer(b"".join(taken), np.int16).reshape(-1, form.channels)
    found = np.frombuffer(b"".join(taken), np.float32).reshape(-1, form.channels)
    # A float stream may hold anything.
    return np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0)


# ---------------------------------------------------------------- WAV


def wav_header(samples: int, form: Form) -> bytes:
    """The header of a 16-bit WAV file: 44 bytes for speech, which its readers expect; else 80, as
    RF64 (EBU Tech 3306) beyond 4 GB."""
    frame = 2 * form.channels
    size = frame * samples
    kind = struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, 1, form.channels, form.rate, frame * form.rate, frame, 16
    )
    if form is SPEECH:
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
