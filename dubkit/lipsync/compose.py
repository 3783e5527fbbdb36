"""Blend rendered mouths into the film's picture, and re-encode it.

Of an engine's picture only the lower face is used, with a soft edge, blended into the film's own
frame at full resolution; the rest of the frame is as decoded.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubkit.errors import MediaError, MissingDependency
from dubkit.files import cannot_write, replacing
from dubkit.hooks import Progress
from dubkit.media.integrity import Contents
from dubkit.media.picture import CRF
from dubkit.media.probe import open_media
from dubkit.media.run_ffmpeg import check_written
from dubkit.types import Media

from .encoding import PictureFormat, in_sent_format, planes
from .faces import Detection
from .frames import decode_frames
from .spans import Span
from .tracks import position_at

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

CENTER = 1.2
"""Middle of the lower face, down from the eyes, in distances from eyes to mouth ..."""
HALF_HEIGHT = 0.72
"""... so that it reaches from the nose to under the chin, in the same unit ..."""
HALF_WIDTH = 0.85
"""... and over most of the cheeks."""
EDGE = 0.3
"""Share of its radius over which it blends into the film's own picture."""
OCCLUDED = 30.0
"""Difference of luma, or half of that of chroma, of 255, from which a drawn pixel of a cheek is not
the film's."""
MOUTH = 0.6
"""Distance from the middle of the lower face within which the two differ as the mouth moves."""
THICK = 0.15
"""Half of the thickness, in distances from eyes to mouth, of what is taken for an object."""
FADE = 0.12
"""Seconds over which it does so when speech begins or ends within a shot."""


@dataclass(frozen=True, slots=True)
class RenderedClip:
    """A span that an engine has rendered."""

    span: Span
    path: Path
    rate: Fraction
    """Frames a second."""
    times: tuple[float, ...]
    """For each of its frames, the second in the film of the frame that it was rendered from."""
    color: tuple[float, ...]
    """The correction, of 255, of luma and the two chroma channels to match the film's."""


# ---------------------------------------------------------------- one frame


def distance(
    here: Detection,
    span: Span,
    size: tuple[int, int],
    region: tuple[int, int, int, int] | None = None,
) -> NDArray[Any]:
    """For each pixel of a span's window scaled to ``size``, or of a ``region`` of the picture, how
    far from the middle of the lower face it is; 1 is at its edge. Shape (height, width)."""
    import numpy as np

    left, top, width, height = region or span.window
    x = left + (np.arange(size[0], dtype=np.float32) + 0.5) * width / size[0]
    y = top + (np.arange(size[1], dtype=np.float32)[:, None] + 0.5) * height / size[1]
    down = here.mouth[0] - here.eyes[0], here.mouth[1] - here.eyes[1]
    unit = max(1.0, math.hypot(*down))
    x = x - (here.eyes[0] + CENTER * down[0])
    y = y - (here.eyes[1] + CENTER * down[1])
    along = (x * down[0] + y * down[1]) / unit**2 / HALF_HEIGHT
    across = (x * down[1] - y * down[0]) / unit**2 / HALF_WIDTH
    return np.hypot(along, across)


def _region(here: Detection, window: tuple[int, int, int, int], shift: tuple[int, int]) -> Any:
    """The part of the picture that the lower face covers and the shifted window has: left, top,
    width, height, all even; None if it is empty."""
    down = here.mouth[0] - here.eyes[0], here.mouth[1] - here.eyes[1]
    reach = math.hypot(*down) * max(HALF_HEIGHT, HALF_WIDTH)
    bounds = []
    for axis in (0, 1):
        middle = here.eyes[axis] + CENTER * down[axis]
        first, last = window[axis], window[axis] + window[2 + axis]
        low = max(first, first + shift[axis], math.floor(middle - reach))
        high = min(last, last + shift[axis], math.ceil(middle + reach))
        low, high = low + low % 2, high - high % 2
        if high <= low:
            return None
        bounds.append((low, high - low))
    (left, width), (top, height) = bounds
    return left, top, width, height


def _blend(
    frame: VideoFrame, clip: RenderedClip, patch: VideoFrame, index: int, time: float
) -> None:
    """Blend the mouth of an engine's frame, ``patch``, into the film's frame at ``time``."""
    import numpy as np

    span = clip.span
    if not span.face:
        _place(frame, span, patch)
        return
    here, there = position_at(span.face, time), position_at(span.face, clip.times[index])
    # If the engine's rate differs from the film's, the head has moved a little in between.
    moved = tuple(a - b for a, b in zip(here.mouth, there.mouth, strict=True))
    shift = tuple(2 * round(by / 2) for by in moved)
    region = _region(here, span.window, (shift[0], shift[1]))
    if region is None:
        return
    left, top, width, height = region
    inside = distance(here, span, (width, height), region)
    smooth = ((1 - inside) / EDGE).clip(0, 1)
    alpha = smooth * smooth * (3 - 2 * smooth) * _strength(span, time)
    extra_bits = frame.format.components[0].bits - 8
    across, down = left - span.window[0] - shift[0], top - span.window[1] - shift[1]
    parts = []
    for number, (plane, new) in enumerate(zip(planes(frame), planes(patch), strict=True)):
        wide, high = frame.width // plane.shape[1], frame.height // plane.shape[0]
        part = plane[top // high : (top + height) // high, left // wide : (left + width) // wide]
        rows = slice(down // high, down // high + part.shape[0])
        theirs = new[rows, across // wide : across // wide + part.shape[1]].astype(np.float32)
        theirs = _move(theirs, (moved[0] - shift[0]) / wide, (moved[1] - shift[1]) / high)
        theirs += clip.color[number] * 2**extra_bits
        parts.append((part, theirs, high, wide))
    if span.person:
        # An engine that never saw the frame draws over whatever is before the face.
        unit = math.hypot(here.mouth[0] - here.eyes[0], here.mouth[1] - here.eyes[1])
        own, drawn = ([_full(one[k], one[2:]) / 2**extra_bits for one in parts] for k in (0, 1))
        alpha *= 1 - find_occlusion(own, drawn, inside, unit)
    for part, theirs, high, wide in parts:
        share = alpha[::high, ::wide]
        mixed = part + share * (theirs - part)
        part[:] = np.rint(mixed).clip(0, 2 ** (8 + extra_bits) - 1)


def _move(values: NDArray[Any], across: float, down: float) -> NDArray[Any]:
    """A part of a plane moved by up to a pixel to the right and down."""
    import numpy as np

    for axis, by in ((1, across), (0, down)):
        if abs(by) < 0.05:
            continue
        margin = [(1, 1) if axis == k else (0, 0) for k in (0, 1)]
        wide = np.pad(values, margin, mode="edge")
        at = 0 if by > 0 else 2
        beside = np.take(wide, range(at, at + values.shape[axis]), axis)
        values = values + np.float32(min(1.0, abs(by))) * (beside - values)
    return values


def _full(plane: NDArray[Any], steps: tuple[int, int]) -> NDArray[Any]:
    """A plane at the size of luma."""
    import numpy as np

    return np.repeat(np.repeat(plane, steps[0], 0), steps[1], 1).astype(np.float32)


def find_occlusion(
    own: Sequence[NDArray[Any]],
    drawn: Sequence[NDArray[Any]],
    inside: NDArray[Any],
    unit: float,
) -> NDArray[Any]:
    """How much of each pixel something before the face covers, 0 to 1; shape (height, width).

    ``own`` and ``drawn`` are luma and two chroma channels, of 255, of a face in the film and as an
    engine drew it, ``inside`` its :func:`distance`, ``unit`` pixels from eyes to mouth. Around the
    mouth the two must be alike, except for the thin band by which a jaw moves; within it they
    differ anyway, so there only what has the color of what covers the cheeks or chin counts.
    """
    import numpy as np

    luma, *chroma = (np.abs(a - b) for a, b in zip(own, drawn, strict=True))
    apart = _mean(np.maximum(luma, 2 * np.maximum(*chroma)), round(0.04 * unit))
    unlike = apart > OCCLUDED
    mouth = inside < MOUTH
    thick = round(THICK * unit)
    core = _mean((unlike & ~mouth).astype(np.float32), thick) > 0.99
    if not core.any():
        return np.zeros_like(inside)
    mask = unlike & ~mouth & (_mean(core.astype(np.float32), thick) > 0)
    colors = [plane[core] for plane in own]
    near = [
        np.abs(plane - np.median(color)) < 15 + 2 * color.std()
        for plane, color in zip(own, colors, strict=True)
    ]
    mask |= mouth & unlike & near[0] & near[1] & near[2]
    soft = round(0.05 * unit)
    # Widened first, so that its soft edge lies outside.
    return _mean((_mean(mask.astype(np.float32), soft) > 0.01).astype(np.float32), soft)


def _mean(values: NDArray[Any], radius: int) -> NDArray[Any]:
    """The mean of the square around each value."""
    import numpy as np

    if radius < 1:
        return values
    wide = 2 * radius + 1
    for axis in (0, 1):
        margin = [(radius + 1, radius) if axis == k else (0, 0) for k in (0, 1)]
        sums = np.pad(values.astype(np.float64), margin, mode="edge").cumsum(axis)
        after = np.take(sums, range(wide, sums.shape[axis]), axis)
        values = (after - np.take(sums, range(sums.shape[axis] - wide), axis)) / wide
    return values


def _place(frame: VideoFrame, span: Span, patch: VideoFrame) -> None:
    """Show an engine's picture in its window."""
    left, top, width, height = span.window
    extra_bits = frame.format.components[0].bits - 8
    black = 0 if int(frame.color_range) == 2 or frame.format.name.startswith("yuvj") else 16
    for number, (plane, new) in enumerate(zip(planes(frame), planes(patch), strict=True)):
        wide, high = frame.width // plane.shape[1], frame.height // plane.shape[0]
        if span.alone:
            plane[:] = (128 if number else black) << extra_bits
        part = plane[top // high : (top + height) // high, left // wide : (left + width) // wide]
        part[:] = new[: part.shape[0], : part.shape[1]]


def _strength(span: Span, time: float) -> float:
    """1, but less at those ends where the film's own mouth continues."""
    before = (time - span.start) / FADE if span.fades_in else 1.0
    after = (span.end - time) / FADE if span.fades_out else 1.0
    return max(0.0, min(1.0, before, after))


def _frame_reader(clip: RenderedClip, picture: PictureFormat) -> Callable[[int], VideoFrame | None]:
    """A function that returns an engine's frame by its index, which must never decrease; beyond the
    end it returns the last one."""
    frames = _frames(clip.path)
    held: VideoFrame | None = None
    at = -1

    def read(index: int) -> VideoFrame | None:
        nonlocal held, at
        new = None
        while at < index and (following := next(frames, None)):
            new, at = following, at + 1
        if new:
            sent = in_sent_format(new, clip.span.size)
            held = picture.from_engine(sent, clip.span.window[2:])
        return held

    return read


def _frames(path: Path) -> Iterator[VideoFrame]:
    with open_media(path) as container:
        yield from container.decode(container.streams.video[0])


# ---------------------------------------------------------------- the whole film


def encode(
    film: Media,
    picture: PictureFormat,
    clips: Sequence[RenderedClip],
    out: Path,
    progress: Progress,
) -> None:
    """Write the film's picture with the rendered clips to ``out`` (mp4), each frame at its time.

    Raises MissingDependency without the encoder, MediaError when a frame cannot be encoded,
    OutputError when ``out`` cannot be written.
    """
    import av
    import av.error

    if picture.encoder not in av.codecs_available:
        raise MissingDependency(
            f"PyAV was built without {picture.encoder}", "pip install --force-reinstall av"
        )
    with replacing(out) as temporary:
        try:
            scale = picture.shape.tick.denominator
            options = {"movie_timescale": str(scale if scale >= 1000 else scale * 1000)}
            with av.open(str(temporary), "w", format="mp4", options=options) as target:
                frames = _encode(film, picture, clips, target, progress)
        except av.error.FFmpegError as failure:
            if failure.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
                raise cannot_write(out, OSError(failure.errno, failure.strerror)) from None
            raise MediaError(
                f"The picture of {film.path.name} cannot be encoded: {failure.strerror}"
            ) from failure
        doing = f"encode the picture of {film.path.name}"
        check_written(temporary, Contents(video=1, packets=frames), doing=doing, out=out)


def _encode(
    film: Media,
    picture: PictureFormat,
    clips: Sequence[RenderedClip],
    target: Any,
    progress: Progress,
) -> int:
    """Encode the whole film into ``target``, and return how many frames that were."""
    stream = target.add_stream(picture.encoder, rate=picture.rate)
    context = stream.codec_context
    stream.width, stream.height = picture.shape.size
    stream.pix_fmt = picture.pixel_format
    context.time_base = stream.time_base = picture.shape.tick
    context.thread_type = "FRAME"
    context.options = {"crf": str(CRF[picture.encoder])}
    if picture.encoder == "libvpx-vp9":
        context.options |= {"b": "0", "row-mt": "1", "cpu-used": "2"}
    if picture.encoder == "libx265":
        context.options |= {"x265-params": "log-level=none"}
        context.codec_tag = "hvc1"  # Apple's players know no other name for it
    if picture.pixel_aspect:
        context.sample_aspect_ratio = picture.pixel_aspect
    for name, value in picture.color_tags:
        setattr(context, name, value)
    waiting = list(clips)
    read: Callable[[int], VideoFrame | None] | None = None
    last: int | None = None
    reported = 0.0
    count = 0
    for frame, time in decode_frames(film):
        while waiting and time >= waiting[0].span.end:
            waiting.pop(0)
            read = None
        frame = picture.prepare(frame)
        if waiting and time >= waiting[0].span.start:
            clip = waiting[0]
            read = read or _frame_reader(clip, picture)
            index = round((time - clip.times[0]) * clip.rate)
            index = max(0, min(index, len(clip.times) - 1))
            if patch := read(index):
                frame.make_writable()
                _blend(frame, clip, patch, index, time)
        tick = round((time + picture.shape.offset) / picture.shape.tick)
        last = tick if last is None else max(tick, last + 1)
        frame.pts, frame.time_base = last, picture.shape.tick
        frame.pict_type = 0  # or the encoder would copy the film's choice of key frames
        target.mux(stream.encode(frame))
        count += 1
        if time - reported >= 1:
            reported = time
            progress("picture", min(time, film.duration or time), film.duration)
    target.mux(stream.encode(None))
    progress("picture", film.duration, film.duration)
    return count
