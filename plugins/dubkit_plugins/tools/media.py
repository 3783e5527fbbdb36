"""Sound and picture on their way to an outside tool and back, by PyAV alone.

What comes back is anybody's: it is decoded and written anew, so that the core gets a WAV file, or
as many frames as it gave, whatever the tool left.
"""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import av
import numpy as np
import numpy.typing as npt
from av.audio.resampler import AudioResampler

from dubkit import PluginError

Samples: TypeAlias = npt.NDArray[np.int16]
"""A row for each moment, a column for each channel."""

FORMATS = "wav,w64,aiff,au,caf,mp3,flac,ogg,aac,mov,matroska,avi"
"""Demuxers that read one file, and never a second that it names."""
LONGEST = 3600.0
"""Seconds of sound that one item may have."""
MISSING_FRAMES = 6
"""Frames that a tool may leave out at the end, where the last one then stays."""


def read_sound(path: Path, rate: int = 0, channels: int = 0) -> tuple[Samples, int]:
    """Samples and their rate; raises PluginError for what is no sound."""
    try:
        with _opened(path) as media:
            if not media.streams.audio:
                raise PluginError(f"{path.name} holds no sound", "")
            stream = media.streams.audio[0]
            rate = rate or stream.rate
            layout = {1: "mono", 2: "stereo"}.get(channels or stream.channels, "mono")
            resampler = AudioResampler(format="s16", layout=layout, rate=rate)
            pieces: list[npt.NDArray[Any]] = []
            length = 0
            for frame in _frames(media, stream):
                for part in resampler.resample(frame):
                    piece = part.to_ndarray().reshape(-1, len(part.layout.channels))
                    pieces.append(piece)
                    length += len(piece)
                    if length > LONGEST * rate:
                        raise PluginError(f"{path.name} is longer than {LONGEST:g} s", "")
    except (av.FFmpegError, ValueError, OSError) as error:
        raise PluginError(f"{path.name} cannot be read as sound: {error}", "") from None
    if not length:
        raise PluginError(f"{path.name} holds no sound", "")
    return np.concatenate(pieces).astype(np.int16), rate


def _frames(media: Any, stream: Any) -> Iterator[Any]:
    for frame in media.decode(stream):
        frame.pts = None  # one piece after the other, whatever their times say
        yield frame
    yield None


def write_wav(samples: Samples, rate: int, path: Path) -> None:
    """A WAV file with 16 bits."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())


def stage_sound(source: Path, to: Path, rate: int, channels: int, pad: float) -> None:
    """A copy as a tool wants it. What is added at its end is not quite silent."""
    samples, rate = read_sound(source, rate, channels)
    if pad:
        more = np.zeros((round(pad * rate), samples.shape[1]), np.int16)
        more[::2], more[1::2] = 1, -1
        samples = np.concatenate([samples, more])
    write_wav(samples, rate, to)


def take_sound(found: Path, out: Path, rate: int = 0) -> None:
    """Write the sound that a tool made to ``out``; ``rate`` is what it must have, if not 0."""
    samples, has = read_sound(found)
    if rate and has != rate:
        raise PluginError(f"its sound has {has} Hz; the preset says {rate}", "")
    write_wav(samples, has, out)


def take_shot(found: Path, video: Path, out: Path) -> None:
    """Write the pictures that a tool made to ``out``, at the rate of ``video`` and as many."""
    try:
        _take_shot(found, video, out)
    except BaseException:
        out.unlink(missing_ok=True)  # a part of it would be taken for the whole
        raise


def _take_shot(found: Path, video: Path, out: Path) -> None:
    with _opened(video) as given:
        shape = given.streams.video[0]
        rate, width, height = shape.average_rate, shape.width, shape.height
        count = sum(1 for _ in given.decode(shape))
    last: Any = None
    made = 0
    try:
        with _opened(found) as tool, av.open(str(out), "w", format="mp4") as written:
            target: Any = written.add_stream("libx264", rate=rate)
            target.width, target.height, target.pix_fmt = width, height, "yuv420p"
            target.options = {"crf": "12", "preset": "fast"}
            for frame in tool.decode(tool.streams.video[0]):
                if (frame.width, frame.height) != (width, height):
                    raise PluginError(
                        f"its picture is {frame.width}x{frame.height}, the shot's {width}x{height}",
                        "",
                    )
                if made == count:
                    break
                last = frame.reformat(format="yuv420p")
                _put(written, target, last, made)
                made += 1
            if made < count - MISSING_FRAMES or last is None:
                raise PluginError(f"it made {made} frames of {count}", "")
            for number in range(made, count):
                _put(written, target, last, number)
            written.mux(target.encode(None))
    except (av.FFmpegError, ValueError, OSError, IndexError) as error:
        raise PluginError(f"{found.name} cannot be read as video: {error}", "") from None


def _opened(path: Path) -> Any:
    return av.open(
        f"file:{path.absolute()}",
        container_options={"protocol_whitelist": "file", "format_whitelist": FORMATS},
    )


def _put(written: Any, target: Any, frame: Any, number: int) -> None:
    frame.pts, frame.time_base = number, 1 / target.codec_context.framerate
    written.mux(target.encode(frame))
