"""The film's picture, frame by frame: each at its time, upright, and where the shots begin.

PyAV decodes it here, rather than an ffmpeg command, because a frame's own time must come with it:
by it a redrawn mouth is laid into the one frame that it was drawn for.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from dubkit.media.probe import JUMP, clock_restarts, opened, start_of
from dubkit.types import Media

if TYPE_CHECKING:
    from av.filter import Graph
    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

SIDE = 640
"""Pixels of the longer side of the small frames in which cuts and faces are looked for."""
CUT = 10.0
"""Score of ffmpeg's ``scdet`` from which a frame begins a new shot; its own default."""
SKIP = 10.0
"""Seconds from which it is quicker to seek than to decode what is not wanted."""
_BEFORE = 1.0
"""Seconds before the place wanted to seek to: the frames right after a seek may be damaged."""
_UNTIMED = ("avi", "mpeg", "h264", "hevc", "m4v", "mpegvideo")
"""Demuxers of formats that lack the time of a frame: it shows only from the start on."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How the frames of a film are to be turned to be upright, and what they are then."""

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
    """Seconds in which the film counts."""
    offset: float = 0.0
    """Seconds from the file's first moment to second 0 of a player; seldom other than 0."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright picture. Even, as encoders want it; a line less is less
        visible than a black one more."""
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
    """What the film's first frame tells of all."""
    import numpy as np

    with opened(film.path, film.container) as container:
        tick = container.streams[film.video[0].index].time_base or Fraction(1, 90_000)
        offset = start_of(container) - (container.start_time or 0) / 1_000_000
    shape = frame.width, frame.height
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Shape(*shape, tick=tick, offset=offset)
    # libavutil/display.h: x' = ax + cy and y' = bx + dy
    a, b, _, c, d = np.frombuffer(bytes(matrix)[:20], np.int32).tolist()
    if abs(a) >= abs(b):
        return Shape(*shape, False, a < 0, d < 0, tick, offset)
    return Shape(*shape, True, c < 0, b < 0, tick, offset)


def pictures(
    film: Media, wanted: Iterable[tuple[float, float]] = ((-math.inf, math.inf),)
) -> Iterator[tuple[VideoFrame, float]]:
    """The frames of the film and the second of each, as a player counts; those in the ``wanted``
    spans alone, which must be in order. What cannot be decoded is left out."""
    with opened(film.path, film.container) as container:
        stream: Any = container.streams[film.video[0].index]
        stream.thread_type = "AUTO"
        zero = start_of(container)
        seekable = not clock_restarts(container) and film.container.split(",")[0] not in _UNTIMED
        frames = _timed(container, stream, zero)
        held: tuple[VideoFrame, float] | None = None
        now = 0.0
        for start, end in wanted:
            if seekable and start - now > SKIP:
                seekable = _sought(container, stream, start + zero - _BEFORE)
                frames = _timed(container, stream, zero)
                held = next(frames, None)
                if seekable and (held is None or held[1] > start):  # its index is wrong
                    seekable = False
                    _sought(container, stream, zero)
                    frames, held = _timed(container, stream, zero), None
            while one := held or next(frames, None):
                held, now = None, one[1]
                if now >= end:
                    held = one
                    break
                if now >= start:
                    yield one


def _sought(container: Any, stream: Any, time: float) -> bool:
    """Go to the last key frame before a second of the file's clock, if the file can."""
    import av.error

    try:
        container.seek(int(time / stream.time_base), stream=stream)
    except av.error.FFmpegError:
        return False
    return True


def _timed(container: Any, stream: Any, zero: float) -> Iterator[tuple[VideoFrame, float]]:
    """What is decoded from where the container stands, with times that a player shows."""
    import av.error

    step = 1 / float(stream.average_rate or stream.guessed_rate or 25)
    jumps = clock_restarts(container)
    time, leapt = -step, 0  # the latter in ticks
    due: int | None = None
    packets = container.demux(stream)
    failures = 0
    while failures < 100:
        try:
            packet = next(packets)
            if jumps and packet.dts is not None:
                leap = 0 if due is None else (packet.dts - leapt - due) * stream.time_base
                if leap > JUMP or leap < -0.1:
                    leapt = packet.dts - due
                due = packet.dts - leapt + (packet.duration or 0)
            if leapt:
                packet.dts = None if packet.dts is None else packet.dts - leapt
                packet.pts = None if packet.pts is None else packet.pts - leapt
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


def looked_through(film: Media) -> Iterator[tuple[VideoFrame, float, bool]]:
    """Each frame of the film, small and as it is stored; its second; whether a shot begins with
    it, as ffmpeg's ``scdet`` finds."""
    graph: Graph | None = None
    known = None
    for frame, time in pictures(film):
        kind = frame.width, frame.height, frame.format.name
        if graph is None or kind != known:
            graph, known = _graph(frame), kind
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
