"""What a lip-sync tool is given, a clip of one face and its speech, and what it gives back."""

from __future__ import annotations

import hashlib
import wave
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubkit.errors import InputError, PluginError
from dubkit.media.probe import opened

from . import encoding
from .compose import distance
from .encoding import Look
from .spans import Span
from .tracks import place

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

RATE = 16_000
"""Samples a second of the speech; mono, 16 bits."""
NOISE = 2
"""Loudest sample of the noise that is added, of 32768: -84 dBFS, which nobody hears. Digital
silence becomes NaN in the spectrogram of more than one tool."""
MENDED = 2
"""Frames that a tool may leave out or add at the end."""
FOREIGN = 25.0
"""Mean difference, of 255, of what is not the mouth, from which it is not the same picture."""
SHIFT = 16.0
"""Difference of light or colours around the mouth, of 255, up to which it is taken back: a tool
reads colours in another way. What is more was drawn."""
_STEP = 5
"""Every so many frames are compared."""


# ---------------------------------------------------------------- given


def write_clip(
    frames: Iterable[tuple[VideoFrame, float]],
    span: Span,
    look: Look,
    rate: Fraction,
    path: Path,
) -> list[float]:
    """Write the span's window at a constant rate, nearly without loss, and return for each frame
    of the clip the second in the film of what it shows."""
    import av

    times: list[float] = []
    with av.open(str(path), "w", format="mp4") as clip:
        stream: Any = clip.add_stream("libx264", rate=rate)
        stream.width, stream.height = span.size
        stream.pix_fmt = "yuv420p"
        # The film's numbers are passed on as they are and are labelled in the way in which those
        # are read that have no label, so that tools that heed it and tools that don't agree.
        context = stream.codec_context
        context.colorspace, context.color_range = 6, 1
        context.options = {"crf": "8", "preset": "veryfast"}

        def put(window: VideoFrame, time: float) -> None:
            window.pts, window.time_base = len(times), 1 / rate
            window.pict_type = 0
            clip.mux(stream.encode(window))
            times.append(time)

        first: float | None = None
        before: tuple[VideoFrame, float] | None = None
        for frame, time in frames:
            first = time if first is None else first
            # A quarter of a frame's leeway: times in files are rounded.
            while before and first + (len(times) + 0.25) / rate < time:
                put(*before)
            cut = encoding.cut(look.prepared(frame), span.window)
            before = look.for_tools(cut, span.size), time
        while before and first is not None and len(times) <= (before[1] - first) * rate + 0.25:
            put(*before)
        clip.mux(stream.encode(None))
    return times


def samples(sound: Path, start: float, end: float) -> NDArray[Any]:
    """The sound between two seconds, as tools want it; silence where the file has none."""
    import av
    import av.error
    import numpy as np

    length = max(1, round((end - start) * RATE))
    found = np.zeros(length, np.int16)
    with opened(sound) as container:
        if not container.streams.audio:
            raise InputError(f"{sound} holds no sound.")
        stream: Any = container.streams.audio[0]
        container.seek(max(0, int((start - 0.1) / stream.time_base)), stream=stream)
        resampler = av.AudioResampler("s16", "mono", RATE)
        at: int | None = None
        for frame in container.decode(stream):
            if frame.pts is None or frame.time > end:
                break
            at = round((frame.time - start) * RATE) if at is None else at
            for part in resampler.resample(frame):
                at = _lay(part, found, at)
        if at is not None:
            for part in resampler.resample(None):
                at = _lay(part, found, at)
    return found


def digest(speech: NDArray[Any]) -> str:
    """What tells whether it is the same speech."""
    return hashlib.sha256(speech.tobytes()).hexdigest()


def _lay(part: Any, found: NDArray[Any], at: int) -> int:
    """Put resampled sound where it belongs, and return where the next belongs."""
    piece = part.to_ndarray().reshape(-1)
    left, right = max(0, at), min(len(found), at + len(piece))
    if right > left:
        found[left:right] = piece[left - at : right - at]
    return at + len(piece)


def write_speech(speech: NDArray[Any], seconds: Fraction, path: Path) -> None:
    """Write it as long as the clip, to the sample, and nowhere quite silent."""
    import numpy as np

    length = round(seconds * RATE)
    whole = np.zeros(length, np.int32)
    whole[: min(length, len(speech))] = speech[:length]
    noise = np.random.default_rng(0).integers(1, NOISE + 1, length)
    noise[1::2] *= -1
    whole = (whole + noise).clip(-32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(whole.tobytes())


# ---------------------------------------------------------------- given back


def compared(given: Path, made: Path, span: Span, times: list[float]) -> list[float]:
    """How much the light and the two colours of what a tool made differ from the clip's, around
    the mouth. PluginError where it made something else than the clip with another mouth."""
    import av.error
    import numpy as np

    wide, high = span.size
    if not made.is_file() or made.is_symlink() or not made.stat().st_size:
        raise PluginError("it wrote no file")
    count = 0
    around: list[list[float]] = []
    foreign: list[float] = []
    try:
        with opened(made) as theirs, opened(given) as ours:
            if not theirs.streams.video:
                raise PluginError("what it wrote holds no picture")
            own = ours.decode(ours.streams.video[0])
            for frame in theirs.decode(theirs.streams.video[0]):
                _check_size(frame, wide, high)
                count += 1
                if count > len(times) + MENDED:
                    raise PluginError(f"wrong length: more than {len(times)} frames")
                if count > len(times):
                    continue
                sent = next(own)
                if (count - 1) % _STEP:
                    continue
                here = place(span.face, times[count - 1])
                drawn = encoding.as_sent(frame, span.size)
                far = distance(here, span, (wide, high))
                planes = zip(encoding.planes(sent), encoding.planes(drawn), strict=True)
                apart = [a.astype(np.float32) - b for a, b in planes]
                rest = np.abs(apart[0][far > 1.5])
                foreign.append(float(rest.mean()) if rest.size else 0.0)
                near = (far > 1) & (far < 1.4)
                if near.any():
                    rings = near, near[::2, ::2], near[::2, ::2]
                    around.append(
                        [float(np.median(a[ring])) if ring.any() else 0.0
                         for a, ring in zip(apart, rings, strict=True)]
                    )  # fmt: skip
    except InputError:
        raise PluginError("what it wrote cannot be read as video") from None
    except (av.error.FFmpegError, ValueError) as failure:
        raise PluginError(f"what it wrote cannot be read to its end: {failure}") from None
    if count < len(times) - MENDED:
        raise PluginError(f"wrong length: {count} frames for {len(times)}")
    if foreign and (most := sorted(foreign)[len(foreign) // 2]) > FOREIGN:
        raise PluginError(f"it shows something else than it was given (they differ by {most:.0f})")
    shift = np.median(around, axis=0) if around else np.zeros(3)
    return [float(value) if abs(value) < SHIFT else 0.0 for value in shift]


def _check_size(frame: VideoFrame, wide: int, high: int) -> None:
    """The same size, or the same shape in another one."""
    same_shape = abs(frame.width * high - wide * frame.height) <= 0.02 * wide * frame.height
    if not same_shape or frame.width > 4 * wide:
        raise PluginError(f"wrong size: {frame.width}x{frame.height} for {wide}x{high}")
