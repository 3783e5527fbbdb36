"""The film's picture with other mouths in it, encoded anew.

Of a tool's picture only the lower face is taken, with a soft edge, and laid into the film's own
frame at its full size; all else of a frame is what was decoded.
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
from dubkit.media import mux
from dubkit.media.probe import opened
from dubkit.types import Media

from .encoding import Look, as_sent, planes
from .faces import Seen
from .frames import pictures
from .spans import Span
from .tracks import place

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

CENTRE = 1.2
"""Middle of the lower face, down from the eyes, in distances from eyes to mouth ..."""
HALF_HEIGHT = 0.72
"""... so that it reaches from the nose to under the chin, in the same unit ..."""
HALF_WIDTH = 0.85
"""... and over most of the cheeks."""
EDGE = 0.3
"""Share of its radius over which it turns into the film's own picture."""
FADE = 0.12
"""Seconds over which it does where the speech begins and ends in a shot."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A span that a tool has redrawn."""

    span: Span
    path: Path
    rate: Fraction
    times: tuple[float, ...]
    """For each of its frames, the second in the film of the frame that it was drawn from."""
    colour: tuple[float, ...]
    """What it takes, of 255, to bring light and colours back to the film's."""


# ---------------------------------------------------------------- one frame


def distance(
    here: Seen, span: Span, size: tuple[int, int], region: tuple[int, int, int, int] | None = None
) -> NDArray[Any]:
    """For each pixel of a span's window in some size, or of a ``region`` of the picture, how far
    from the middle of the lower face it is: 1 where that ends."""
    import numpy as np

    left, top, width, height = region or span.window
    x = left + (np.arange(size[0], dtype=np.float32) + 0.5) * width / size[0]
    y = top + (np.arange(size[1], dtype=np.float32)[:, None] + 0.5) * height / size[1]
    down = here.mouth[0] - here.eyes[0], here.mouth[1] - here.eyes[1]
    unit = max(1.0, math.hypot(*down))
    x = x - (here.eyes[0] + CENTRE * down[0])
    y = y - (here.eyes[1] + CENTRE * down[1])
    along = (x * down[0] + y * down[1]) / unit**2 / HALF_HEIGHT
    across = (x * down[1] - y * down[0]) / unit**2 / HALF_WIDTH
    return np.hypot(along, across)


def _region(here: Seen, window: tuple[int, int, int, int], shift: tuple[int, int]) -> Any:
    """The part of the picture that the lower face takes and that the tool's window has, once it is
    moved; even, and None where there is nothing."""
    down = here.mouth[0] - here.eyes[0], here.mouth[1] - here.eyes[1]
    reach = math.hypot(*down) * max(HALF_HEIGHT, HALF_WIDTH)
    bounds = []
    for axis in (0, 1):
        middle = here.eyes[axis] + CENTRE * down[axis]
        first, last = window[axis], window[axis] + window[2 + axis]
        low = max(first, first + shift[axis], math.floor(middle - reach))
        high = min(last, last + shift[axis], math.ceil(middle + reach))
        low, high = low + low % 2, high - high % 2
        if high <= low:
            return None
        bounds.append((low, high - low))
    (left, width), (top, height) = bounds
    return left, top, width, height


def _laid_in(frame: VideoFrame, drawn: Drawn, patch: VideoFrame, index: int, time: float) -> None:
    """Lay the mouth of a tool's frame into the film's frame at ``time``."""
    import numpy as np

    span = drawn.span
    here, there = place(span.face, time), place(span.face, drawn.times[index])
    # Where the tool's rate is another than the film's, the head has moved a little in between.
    shift = tuple(2 * round((a - b) / 2) for a, b in zip(here.mouth, there.mouth, strict=True))
    region = _region(here, span.window, (shift[0], shift[1]))
    if region is None:
        return
    left, top, width, height = region
    inside = distance(here, span, (width, height), region)
    smooth = ((1 - inside) / EDGE).clip(0, 1)
    alpha = smooth * smooth * (3 - 2 * smooth) * _strength(span, time)
    deep = frame.format.components[0].bits - 8
    across, down = left - span.window[0] - shift[0], top - span.window[1] - shift[1]
    for number, (plane, new) in enumerate(zip(planes(frame), planes(patch), strict=True)):
        wide, high = frame.width // plane.shape[1], frame.height // plane.shape[0]
        part = plane[top // high : (top + height) // high, left // wide : (left + width) // wide]
        rows = slice(down // high, down // high + part.shape[0])
        theirs = new[rows, across // wide : across // wide + part.shape[1]].astype(np.float32)
        theirs += drawn.colour[number] * 2**deep
        share = alpha[::high, ::wide]
        mixed = part + share * (theirs - part)
        part[:] = np.rint(mixed).clip(0, 2 ** (8 + deep) - 1)


def _strength(span: Span, time: float) -> float:
    """1, and less at those ends where the film's own mouth goes on."""
    before = (time - span.start) / FADE if span.fades_in else 1.0
    after = (span.end - time) / FADE if span.fades_out else 1.0
    return max(0.0, min(1.0, before, after))


def _mouths(drawn: Drawn, look: Look) -> Callable[[int], VideoFrame | None]:
    """What gives a tool's frame by its number, which never falls; the last one stays."""
    frames = _frames(drawn.path)
    held: VideoFrame | None = None
    at = -1

    def mouth(index: int) -> VideoFrame | None:
        nonlocal held, at
        new = None
        while at < index and (following := next(frames, None)):
            new, at = following, at + 1
        if new:
            held = look.from_tools(as_sent(new, drawn.span.size), drawn.span.window[2:])
        return held

    return mouth


def _frames(path: Path) -> Iterator[VideoFrame]:
    with opened(path) as container:
        yield from container.decode(container.streams.video[0])


# ---------------------------------------------------------------- the whole film


def encode(film: Media, look: Look, drawn: Sequence[Drawn], out: Path, progress: Progress) -> None:
    """Write the film's picture with what was redrawn to ``out`` (mp4), each frame at its time."""
    import av
    import av.error

    if look.encoder not in av.codecs_available:
        raise MissingDependency(
            f"PyAV was built without {look.encoder}", "pip install --force-reinstall av"
        )
    with replacing(out) as temporary:
        try:
            scale = look.shape.tick.denominator
            finer = {"movie_timescale": str(scale if scale >= 1000 else scale * 1000)}
            with av.open(str(temporary), "w", format="mp4", options=finer) as written:
                _encode(film, look, drawn, written, progress)
        except av.error.FFmpegError as failure:
            if failure.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
                raise cannot_write(out, OSError(failure.errno, failure.strerror)) from None
            raise MediaError(
                f"The picture of {film.path.name} cannot be encoded: {failure.strerror}"
            ) from failure


def _encode(
    film: Media, look: Look, drawn: Sequence[Drawn], written: Any, progress: Progress
) -> None:
    stream = written.add_stream(look.encoder, rate=look.rate)
    context = stream.codec_context
    stream.width, stream.height = look.shape.size
    stream.pix_fmt = look.format
    context.time_base = stream.time_base = look.shape.tick
    context.thread_type = "FRAME"
    context.options = {"crf": str(mux.CRF[look.encoder])}
    if look.encoder == "libvpx-vp9":
        context.options |= {"b": "0", "row-mt": "1", "cpu-used": "2"}
    if look.encoder == "libx265":
        context.options |= {"x265-params": "log-level=none"}
        context.codec_tag = "hvc1"  # Apple's players know no other name for it
    if look.aspect:
        context.sample_aspect_ratio = look.aspect
    for name, value in look.tags:
        setattr(context, name, value)
    waiting = list(drawn)
    mouth: Callable[[int], VideoFrame | None] | None = None
    last: int | None = None
    told = 0.0
    for frame, time in pictures(film):
        while waiting and time >= waiting[0].span.end:
            waiting.pop(0)
            mouth = None
        frame = look.prepared(frame)
        if waiting and time >= waiting[0].span.start:
            now = waiting[0]
            mouth = mouth or _mouths(now, look)
            index = min(round((time - now.times[0]) * now.rate), len(now.times) - 1)
            if patch := mouth(index):
                frame.make_writable()
                _laid_in(frame, now, patch, index, time)
        tick = round((time + look.shape.offset) / look.shape.tick)
        last = tick if last is None else max(tick, last + 1)
        frame.pts, frame.time_base = last, look.shape.tick
        frame.pict_type = 0  # or the encoder would choose as the film's did
        written.mux(stream.encode(frame))
        if time - told >= 1:
            told = time
            progress("picture", min(time, film.duration or time), film.duration)
    written.mux(stream.encode(None))
    progress("picture", film.duration, film.duration)
