"""The format in which a film's picture is re-encoded, as close to the film's own as possible, and
frames in that format."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from dubkit.errors import InputError
from dubkit.media import mux
from dubkit.media.probe import open_media
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
"""Pixel formats that are kept, by encoder; any other becomes the first."""


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """The properties of a film's picture to keep when it is re-encoded."""

    shape: Shape
    encoder: str
    pixel_format: str
    full_range: bool
    """Whether it uses all 256 levels."""
    color_tags: tuple[tuple[str, int], ...]
    """Names of the encoder's fields for the color space, and ffmpeg's numbers for them."""
    pixel_aspect: Fraction | None
    deep: bool
    """Whether the film has more than 8 bits a channel."""
    rate: Fraction
    """Frames a second, on average."""

    def prepare(self, frame: VideoFrame) -> VideoFrame:
        """The frame upright, in the pixel format to encode; the same object if it is so already."""
        import av

        width, height = self.shape.width, self.shape.height
        if (frame.width, frame.height, frame.format.name) != (width, height, self.pixel_format):
            frame = frame.reformat(
                width=width,
                height=height,
                format=self.pixel_format,
                dst_colorspace=self._matrix(frame),
            )
        if (width, height) == self.shape.size and not self._turned:
            return frame
        upright = av.VideoFrame(*self.shape.size, self.pixel_format)
        wide, high = width // 2 * 2, height // 2 * 2
        for plane, into in zip(planes(frame), planes(upright), strict=True):
            kept = plane[: high * plane.shape[0] // height, : wide * plane.shape[1] // width]
            turned = self.shape.turn(kept)
            into[:] = turned[: into.shape[0], : into.shape[1]]
        upright.pts, upright.time_base = frame.pts, frame.time_base
        return upright

    def to_engine(self, window: VideoFrame, size: tuple[int, int]) -> VideoFrame:
        """A part of a frame, in the format that every engine reads."""
        return window.reformat(
            width=size[0],
            height=size[1],
            format="yuv420p",
            src_colorspace=5,
            dst_colorspace=5,
            src_color_range=2 if self.full_range else 1,
            dst_color_range=1,
        )

    def from_engine(self, window: VideoFrame, size: tuple[int, int]) -> VideoFrame:
        """The reverse of :meth:`to_engine`."""
        return window.reformat(
            width=size[0],
            height=size[1],
            format=self.pixel_format,
            src_colorspace=5,
            dst_colorspace=5,
            src_color_range=1,
            dst_color_range=2 if self.full_range else 1,
        )

    @property
    def loses_depth(self) -> bool:
        """Whether the film has more bits a channel than the encoder supports."""
        return self.deep and self.encoder != "libx265"

    @property
    def _turned(self) -> bool:
        return self.shape.transposed or self.shape.mirrored or self.shape.flipped

    def _matrix(self, frame: VideoFrame) -> int | None:
        """The matrix for RGB, to match the color tags; None to keep any other."""
        return 1 if int(frame.colorspace) == 0 else None


def picture_format(film: Media) -> PictureFormat:
    """The format for a film's picture; InputError when no frame of it can be decoded."""
    frame = next((frame for frame, _ in frames.decode_frames(film)), None)
    if frame is None:
        raise InputError(f"{film.path}: its picture cannot be decoded.", "Leave --lipsync out.")
    shape = frames.shape_of(film, frame)
    with open_media(film.path, film.container) as container:
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
    if shape.transposed and "422" in kept:  # transposed, 4:2:2 would be 4:4:0
        kept = _FORMATS[encoder][0]
    full_range = kept.startswith("yuvj") or (own == kept and int(frame.color_range) == 2)
    matrix = int(frame.colorspace)
    color_tags = (
        ("color_range", 2 if full_range else 1),
        ("color_primaries", int(frame.color_primaries)),
        ("color_trc", int(frame.color_trc)),
        ("colorspace", 1 if matrix == 0 else matrix),
    )
    if aspect and shape.transposed:
        aspect = 1 / Fraction(aspect)
    return PictureFormat(shape, encoder, kept, full_range, color_tags, aspect or None, deep, rate)


# ---------------------------------------------------------------- pieces of a frame


def planes(frame: VideoFrame) -> list[NDArray[Any]]:
    """The planes of a frame in one of the formats above, as views into the frame."""
    import numpy as np

    kind = np.uint16 if frame.format.components[0].bits > 8 else np.uint8
    views = []
    for plane in frame.planes:
        whole = np.frombuffer(plane, kind)  # type: ignore[call-overload]
        rows = whole[: plane.height * (plane.line_size // kind().itemsize)]
        views.append(rows.reshape(plane.height, -1)[:, : plane.width])
    return views


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


def in_sent_format(frame: VideoFrame, size: tuple[int, int]) -> VideoFrame:
    """An engine's frame in the size, pixel format and color space that was sent to it."""
    matrix = int(frame.colorspace)
    return frame.reformat(
        width=size[0],
        height=size[1],
        format="yuv420p",
        src_colorspace=matrix if matrix in (1, 7, 9) else 5,
        dst_colorspace=5,
    )
