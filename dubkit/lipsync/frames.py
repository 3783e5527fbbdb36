"""Decode the film's frames at their times, know how to turn them upright, and find its cuts.

This uses PyAV instead of an ffmpeg command, because each frame's own timestamp is needed: by it a
redrawn mouth is blended into the one frame that it was rendered for.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from dubkit.media.probe import JUMP, clock_restarts, open_media, start_of
from dubkit.types import Media

if TYPE_CHECKING:
    from av.filter import Graph
    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

SIDE = 640
"""Pixels of the longer side of the small frames in which cuts and faces are detected."""
CUT = 10.0
"""Score of ffmpeg's ``scdet`` from which a frame begins a new shot; ffmpeg's default."""
SKIP = 10.0
"""Seconds from which seeking is quicker than decoding unneeded frames."""
_BEFORE = 1.0
"""Seconds to seek before the wanted time: the frames right after a seek may be damaged."""
_UNTIMED = ("avi", "mpeg", "h264", "hevc", "m4v", "mpegvideo")
"""Demuxers of formats without frame times: these are known only when reading from the start."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How to turn the frames of a film upright, and their size then."""

    width: int
    height: int
    """Pixels of a frame as it is stored."""
    transposed: bool = False
    """Rows are columns; done first."""
    mirrored: bool = False
    """Left is right."""
    flipped: bool = False
    """Up is down."""
    tick: Fraction = Fraction(1, 90_000)
    """Unit of the film's timestamps, in seconds."""
    offset: float = 0.0
    """Seconds from the file's start to second 0 of a player; rarely other than 0."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright picture. Even, as encoders need; a missing line is less
        visible than an extra black one."""
        wide, high = self.width // 2 * 2, self.height // 2 * 2
        return (high, wide) if self.transposed else (wide, high)

    def turn(self, rows: NDArray[Any]) -> NDArray[Any]:
        """A view of a plane of a frame, upright."""
        if self.transposed:
            rows = rows.swapaxes(0, 1)
        if self.mirrored:
            rows = rows[:, ::-1]
        return rows[::-1] if self.flipped else rows


def shape_of(film: Media, frame: VideoFrame) -> Shape:
    """The shape of all frames, from the film's first."""
    import numpy as np

    with open_media(film.path, film.container) as container:
        tick = container.streams[film.video[0].index].time_base or Fraction(1, 90_000)
        offset = start_of(container) - (container.start_time or 0) / 1_000_000
    size = frame.width, frame.height
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Shape(*size, tick=tick, offset=offset)
    # libavutil/display.h: x' = ax + cy and y' = bx + dy
    a, b, _, c, d = np.frombuffer(bytes(matrix)[:20], np.int32).tolist()
    if abs(a) >= abs(b):
        return Shape(*size, False, a < 0, d < 0, tick, offset)
    return Shape(*size, True, c < 0, b < 0, tick, offset)


def decode_frames(
    film: Media, wanted: Iterable[tuple[float, float]] = ((-math.inf, math.inf),)
) -> Iterator[tuple[VideoFrame, float]]:
    """The frames of the film, each with its second on the player's timeline; only those in the
    ``wanted`` spans, which must be in order. What cannot be decoded is skipped."""
    with open_media(film.path, film.container) as container:
        stream: Any = container.streams[film.video[0].index]
        stream.thread_type = "AUTO"
        zero = start_of(container)
        seekable = not clock_restarts(container) and film.container.split(",")[0] not in _UNTIMED
        frames = _decode(container, stream, zero)
        held: tuple[VideoFrame, float] | None = None
        now = 0.0
        for start, end in wanted:
            if seekable and start - now > SKIP:
                seekable = _seek(container, stream, start + zero - _BEFORE)
                frames = _decode(container, stream, zero)
                held = next(frames, None)
                if seekable and (held is None or held[1] > start):  # its index is wrong
                    seekable = False
                    _seek(container, stream, zero)
                    frames, held = _decode(container, stream, zero), None
            while one := held or next(frames, None):
                held, now = None, one[1]
                if now >= end:
                    held = one
                    break
                if now >= start:
                    yield one


def _seek(container: Any, stream: Any, time: float) -> bool:
    """Seek to the last key frame before a second of the file's clock; False if that fails."""
    import av.error

    try:
        container.seek(int(time / stream.time_base), stream=stream)
    except av.error.FFmpegError:
        return False
    return True


def _decode(container: Any, stream: Any, zero: float) -> Iterator[tuple[VideoFrame, float]]:
    """Decode from the container's position on, with times on the player's timeline."""
    import av.error

    step = 1 / float(stream.average_rate or stream.guessed_rate or 25)
    may_jump = clock_restarts(container)
    time, jumped = -step, 0  # the latter in ticks
    due: int | None = None
    packets = container.demux(stream)
    failures = 0
    while failures < 100:
        try:
            packet = next(packets)
            if may_jump and packet.dts is not None:
                jump = 0 if due is None else (packet.dts - jumped - due) * stream.time_base
                if jump > JUMP or jump < -0.1:
                    jumped = packet.dts - due
                due = packet.dts - jumped + (packet.duration or 0)
            if jumped:
                packet.dts = None if packet.dts is None else packet.dts - jumped
                packet.pts = None if packet.pts is None else packet.pts - jumped
            frames = packet.decode()
        except StopIteration:
            return
        except av.error.FFmpegError:
            failures += 1
            continue
        failures = 0
        for frame in frames:
            time = time + step if frame.pts is None else float(frame.pts * stream.time_base) - zero
            yield frame, time


def detect_cuts(film: Media) -> Iterator[tuple[VideoFrame, float, bool]]:
    """Each frame of the film, scaled down and as stored (not upright); its second; whether a shot
    begins with it, according to ffmpeg's ``scdet``."""
    graph: Graph | None = None
    configured = None
    for frame, time in decode_frames(film):
        kind = frame.width, frame.height, frame.format.name
        if graph is None or kind != configured:
            graph, configured = _graph(frame), kind
        graph.push(frame)
        small: Any = graph.pull()
        yield small, time, "lavfi.scd.time" in small.metadata


def _graph(frame: VideoFrame) -> Graph:
    import av.filter

    scale = min(1.0, SIDE / max(frame.width, frame.height))
    wide, high = (max(2, round(side * scale / 2) * 2) for side in (frame.width, frame.height))
    graph = av.filter.Graph()
    steps: list[Any] = [
        graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=frame.time_base or Fraction(1, 90_000),
        ),
        graph.add("scale", f"w={wide}:h={high}:flags=area"),
        graph.add("format", "yuv420p"),
        graph.add("scdet", f"t={CUT:g}"),
        graph.add("buffersink"),
    ]
    for left, right in itertools.pairwise(steps):
        left.link_to(right)
    graph.configure()
    return graph
