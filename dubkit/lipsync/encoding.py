"""How a film looks, and what of it stays when its picture is encoded anew."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from dubkit.errors import InputError
from dubkit.media import mux
from dubkit.media.probe import opened
from dubkit.types import Media

from . import frames
from .frames import Shape

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

_FORMATS = {
    "libx264": ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"),
    "libx265": ("yuv420p10le", "yuv422p10le", "yuv444p10le", "yuv420p12le"),
    "libvpx-vp9": ("yuv420p",),
}
"""What is kept as it is; anything else becomes the first."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a film looks: what of it must stay when it is encoded anew."""

    shape: Shape
    encoder: str
    format: str
    full: bool
    """Whether it uses all 256 levels."""
    tags: tuple[tuple[str, int], ...]
    """Names of the encoder's fields, and ffmpeg's numbers, for the colours."""
    aspect: Fraction | None
    """Of a pixel."""
    deep: bool
    """Whether the film has more than 8 bits a colour."""
    rate: Fraction
    """Frames a second, on the average."""

    def prepared(self, frame: VideoFrame) -> VideoFrame:
        """The frame upright, in the format that is encoded; the same one where it is so."""
        import av

        width, height = self.shape.width, self.shape.height
        if (frame.width, frame.height, frame.format.name) != (width, height, self.format):
            frame = frame.reformat(
                width=width, height=height, format=self.format, dst_colorspace=self._matrix(frame)
            )
        if (width, height) == self.shape.size and not self._turned:
            return frame
        upright = av.VideoFrame(*self.shape.size, self.format)
        wide, high = width // 2 * 2, height // 2 * 2
        for plane, into in zip(planes(frame), planes(upright), strict=True):
            kept = plane[: high * plane.shape[0] // height, : wide * plane.shape[1] // width]
            turned = self.shape.turn(kept)
            into[:] = turned[: into.shape[0], : into.shape[1]]
        upright.pts, upright.time_base = frame.pts, frame.time_base
        return upright

    def for_tools(self, window: VideoFrame, size: tuple[int, int]) -> VideoFrame:
        """What was cut out of a frame, in the format that every tool reads."""
        return window.reformat(
            width=size[0],
            height=size[1],
            format="yuv420p",
            src_colorspace=5,
            dst_colorspace=5,
            src_color_range=2 if self.full else 1,
            dst_color_range=1,
        )

    def from_tools(self, window: VideoFrame, size: tuple[int, int]) -> VideoFrame:
        """And back again."""
        return window.reformat(
            width=size[0],
            height=size[1],
            format=self.format,
            src_colorspace=5,
            dst_colorspace=5,
            src_color_range=1,
            dst_color_range=2 if self.full else 1,
        )

    @property
    def loses_depth(self) -> bool:
        """Whether the film has more than the encoder can take."""
        return self.deep and self.encoder != "libx265"

    @property
    def _turned(self) -> bool:
        return self.shape.transposed or self.shape.mirrored or self.shape.flipped

    def _matrix(self, frame: VideoFrame) -> int | None:
        """RGB becomes what the tags will say."""
        return 1 if int(frame.colorspace) == 0 else None


def look_at(film: Media) -> Look:
    """What there is to keep of a film; InputError when no frame of it can be decoded."""
    frame = next((frame for frame, _ in frames.pictures(film)), None)
    if frame is None:
        raise InputError(f"{film.path}: its picture cannot be decoded.", "Leave --lipsync out.")
    shape = frames.shape_of(film, frame)
    with opened(film.path, film.container) as container:
        stream: Any = container.streams[film.video[0].index]
        aspect = stream.sample_aspect_ratio
        rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
    deep = frame.format.components[0].bits > 8
    if mux.subtitle_container(film)[0] == ".webm":
        encoder = "libvpx-vp9"
    else:
        encoder = "libx265" if deep else "libx264"
    own = frame.format.name
    kept = own if own in _FORMATS[encoder] else _FORMATS[encoder][0]
    if shape.transposed and "422" in kept:  # there is no such format lying on its side
        kept = _FORMATS[encoder][0]
    full = kept.startswith("yuvj") or (own == kept and int(frame.color_range) == 2)
    matrix = int(frame.colorspace)
    tags = (
        ("color_range", 2 if full else 1),
        ("color_primaries", int(frame.color_primaries)),
        ("color_trc", int(frame.color_trc)),
        ("colorspace", 1 if matrix == 0 else matrix),
    )
    if aspect and shape.transposed:
        aspect = 1 / Fraction(aspect)
    return Look(shape, encoder, kept, full, tags, aspect or None, deep, rate)


# ---------------------------------------------------------------- pieces of a frame


def planes(frame: VideoFrame) -> list[NDArray[Any]]:
    """The planes of a frame in one of the formats above; what is written to them is in it."""
    import numpy as np

    kind = np.uint16 if frame.format.components[0].bits > 8 else np.uint8
    found = []
    for plane in frame.planes:
        whole = np.frombuffer(plane, kind)  # type: ignore[call-overload]
        rows = whole[: plane.height * (plane.line_size // kind().itemsize)]
        found.append(rows.reshape(plane.height, -1)[:, : plane.width])
    return found


def cut(frame: VideoFrame, window: tuple[int, int, int, int]) -> VideoFrame:
    """A copy of a part of a frame."""
    import av

    left, top, width, height = window
    part = av.VideoFrame(width, height, frame.format.name)
    for plane, into in zip(planes(frame), planes(part), strict=True):
        wide, high = frame.width // plane.shape[1], frame.height // plane.shape[0]
        rows = slice(top // high, top // high + into.shape[0])
        into[:] = plane[rows, left // wide : left // wide + into.shape[1]]
    return part


def as_sent(frame: VideoFrame, size: tuple[int, int]) -> VideoFrame:
    """A tool's frame in the size, format and colours of what it was given."""
    matrix = int(frame.colorspace)
    return frame.reformat(
        width=size[0],
        height=size[1],
        format="yuv420p",
        src_colorspace=matrix if matrix in (1, 7, 9) else 5,
        dst_colorspace=5,
    )
