"""Write what a lip-sync engine is given, a clip of one face and its speech, and check what it
returns."""

from __future__ import annotations

import hashlib
import wave
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubkit.errors import InputError, PluginError
from dubkit.media.probe import open_media

from . import encoding
from .compose import distance
from .encoding import PictureFormat
from .spans import Span
from .tracks import position_at

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

RATE = 16_000
"""Samples a second of the speech; mono, 16 bits."""
NOISE = 2
"""Peak of the added noise, of 32768: -84 dBFS, which is inaudible. Digital silence becomes NaN in
the spectrogram of more than one engine."""
FRAME_TOLERANCE = 2
"""Frames that an engine may drop or add at the end."""
MAX_DIFFERENCE = 25.0
"""Mean difference, of 255, outside the mouth, from which it is not the same picture."""
MAX_COLOR_SHIFT = 16.0
"""Difference of luma or chroma around the mouth, of 255, up to which it is corrected: engines
interpret color spaces differently. A larger one was drawn."""
LARGEST_AVATAR = 4096
"""Pixels of a side of a picture that an engine draws by itself."""
MISSING = 0.4
"""Seconds by which that may be shorter than the speech; its last frame then stays."""
_STEP = 5
"""Every nth frame is compared."""


# ---------------------------------------------------------------- the engine's input


def at_rate(
    frames: Iterable[tuple[VideoFrame, float]], rate: Fraction
) -> Iterator[tuple[VideoFrame, float]]:
    """The frames that a player shows at a constant rate from the first on, each with its second in
    the film."""
    first: float | None = None
    before: tuple[VideoFrame, float] | None = None
    count = 0
    for frame, time in frames:
        first = time if first is None else first
        # A quarter of a frame's tolerance, since times in files are rounded.
        while before and first + (count + 0.25) / rate < time:
            yield before
            count += 1
        before = frame, time
    while before and first is not None and count <= (before[1] - first) * rate + 0.25:
        yield before
        count += 1


def at_times(
    frames: Iterable[tuple[VideoFrame, float]], times: Sequence[float]
) -> Iterator[tuple[VideoFrame, float]]:
    """The frames of certain seconds of the film, as :func:`at_rate` chose them before; for those
    that can no longer be decoded, the frame beside."""
    count = 0
    for frame, time in frames:
        while count < len(times) and times[count] < time + 0.001:
            yield frame, times[count]
            count += 1
        last = frame
    for time in times[count:]:
        yield last, time


def cut_window(
    frames: Iterable[tuple[VideoFrame, float]],
    window: tuple[int, int, int, int],
    size: tuple[int, int],
    picture: PictureFormat,
) -> Iterator[tuple[VideoFrame, float]]:
    """A part of each frame, as engines read it."""
    held: tuple[VideoFrame, VideoFrame] | None = None  # a frame that is shown twice is cut once
    for frame, time in frames:
        if held is None or held[0] is not frame:
            whole = picture.prepare(frame)
            held = frame, picture.to_engine(encoding.cut(whole, window), size)
        yield held[1], time


def write_clip(
    frames: Iterable[tuple[VideoFrame, float]],
    size: tuple[int, int],
    rate: Fraction,
    path: Path,
    speech: Callable[[], NDArray[Any]] | None = None,
) -> list[float]:
    """Write what :func:`cut_window` cut, nearly lossless, and return for each frame the second in
    the film that it shows. ``speech``, called when all are written, is the sound to go with it."""
    import av

    times: list[float] = []
    with av.open(str(path), "w", format="mp4") as clip:
        stream: Any = clip.add_stream("libx264", rate=rate)
        sound: Any = clip.add_stream("aac", rate=RATE, layout="mono") if speech else None
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        # The film's sample values are passed on unchanged, tagged with the color space that is
        # assumed for untagged files, so that engines that read the tag and those that don't agree.
        context = stream.codec_context
        context.colorspace, context.color_range = 6, 1
        context.options = {"crf": "8", "preset": "veryfast"}
        for window, time in frames:
            window.pts, window.time_base = len(times), 1 / rate
            window.pict_type = 0
            clip.mux(stream.encode(window))
            times.append(time)
        clip.mux(stream.encode(None))
        if speech:
            samples = av.AudioFrame.from_ndarray(speech().reshape(1, -1), "s16", "mono")
            samples.rate, samples.pts = RATE, 0
            clip.mux(sound.encode(samples))
            clip.mux(sound.encode(None))
    return times


def read_speech(audio: Path, start: float, end: float) -> NDArray[Any]:
    """The audio between two seconds as 16-bit mono at ``RATE``; silence beyond the file's ends."""
    import av
    import av.error
    import numpy as np

    length = max(1, round((end - start) * RATE))
    samples = np.zeros(length, np.int16)
    with open_media(audio) as container:
        if not container.streams.audio:
            raise InputError(f"{audio} has no audio.")
        stream: Any = container.streams.audio[0]
        container.seek(max(0, int((start - 0.1) / stream.time_base)), stream=stream)
        resampler = av.AudioResampler("s16", "mono", RATE)
        at: int | None = None
        for frame in container.decode(stream):
            if frame.pts is None or frame.time > end:
                break
            at = round((frame.time - start) * RATE) if at is None else at
            for part in resampler.resample(frame):
                at = _copy(part, samples, at)
        if at is not None:
            for part in resampler.resample(None):
                at = _copy(part, samples, at)
    return samples


def digest(speech: NDArray[Any]) -> str:
    """A hash of the samples."""
    return hashlib.sha256(speech.tobytes()).hexdigest()


def _copy(part: Any, samples: NDArray[Any], at: int) -> int:
    """Copy resampled audio to its position, and return the next position."""
    piece = part.to_ndarray().reshape(-1)
    left, right = max(0, at), min(len(samples), at + len(piece))
    if right > left:
        samples[left:right] = piece[left - at : right - at]
    return at + len(piece)


def write_speech(speech: NDArray[Any], seconds: Fraction, path: Path) -> None:
    """Write speech as a WAV file exactly as long as the clip, and nowhere digitally silent."""
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


# ---------------------------------------------------------------- the engine's output


def check_rendered(clip: Path, rendered: Path, span: Span, times: Sequence[float]) -> list[float]:
    """How much the luma and the two chroma channels of what an engine rendered differ from the
    clip's, around the mouth. PluginError if it is not the clip with another mouth."""
    import av.error
    import numpy as np

    wide, high = span.size
    if not rendered.is_file() or rendered.is_symlink() or not rendered.stat().st_size:
        raise PluginError("it wrote no file")
    count = 0
    around: list[list[float]] = []
    differences: list[float] = []
    try:
        with open_media(rendered) as theirs, open_media(clip) as ours:
            if not theirs.streams.video:
                raise PluginError("what it wrote holds no picture")
            own = ours.decode(ours.streams.video[0])
            for frame in theirs.decode(theirs.streams.video[0]):
                _check_size(frame, wide, high)
                count += 1
                if count > len(times) + FRAME_TOLERANCE:
                    raise PluginError(f"wrong length: more than {len(times)} frames")
                if count > len(times):
                    continue
                sent = next(own)
                if (count - 1) % _STEP:
                    continue
                here = position_at(span.face, times[count - 1])
                new = encoding.in_sent_format(frame, span.size)
                far = distance(here, span, (wide, high))
                planes = zip(encoding.planes(sent), encoding.planes(new), strict=True)
                apart = [a.astype(np.float32) - b for a, b in planes]
                # An engine that was trained draws a background of its own.
                kept = (far > 1) & (far < 2) if span.person else far > 1.5
                rest = np.abs(apart[0][kept])
                differences.append(float(rest.mean()) if rest.size else 0.0)
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
    if count < len(times) - FRAME_TOLERANCE:
        raise PluginError(f"wrong length: {count} frames for {len(times)}")
    median = sorted(differences)[len(differences) // 2] if differences else 0.0
    if median > MAX_DIFFERENCE:
        raise PluginError(
            f"it shows something else than the clip that it was given (they differ by {median:.0f})"
        )
    shift = np.median(around, axis=0) if around else np.zeros(3)
    return [float(value) if abs(value) < MAX_COLOR_SHIFT else 0.0 for value in shift]


def check_avatar(rendered: Path, seconds: float) -> tuple[tuple[int, int], Fraction, int]:
    """The size, frame rate and number of frames of a picture that an engine drew by itself for so
    many seconds. PluginError if it is none."""
    import av.error

    if not rendered.is_file() or rendered.is_symlink() or not rendered.stat().st_size:
        raise PluginError("it wrote no file")
    try:
        with open_media(rendered) as media:
            if not media.streams.video:
                raise PluginError("what it wrote holds no picture")
            stream: Any = media.streams.video[0]
            size, rate = (stream.width, stream.height), Fraction(stream.average_rate or 25)
            count = 0
            for frame in media.decode(stream):
                if (frame.width, frame.height) != size or max(size) > LARGEST_AVATAR:
                    raise PluginError(f"wrong size: {frame.width}x{frame.height}")
                count += 1
    except InputError:
        raise PluginError("what it wrote cannot be read as video") from None
    except (av.error.FFmpegError, ValueError) as failure:
        raise PluginError(f"what it wrote cannot be read to its end: {failure}") from None
    if count / rate < seconds - MISSING:
        raise PluginError(f"wrong length: {float(count / rate):.1f} s for {seconds:.1f}")
    return size, rate, min(count, round(seconds * rate) + 1)


def _check_size(frame: VideoFrame, wide: int, high: int) -> None:
    """Accept the same size, or the same aspect ratio at another size."""
    same_shape = abs(frame.width * high - wide * frame.height) <= 0.02 * wide * frame.height
    if not same_shape or frame.width > 4 * wide:
        raise PluginError(f"wrong size: {frame.width}x{frame.height} for {wide}x{high}")
