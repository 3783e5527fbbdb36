"""Sound and video on their way to an external tool and back, by PyAV alone.

Nothing that comes back is trusted: it is decoded and encoded again, so that the core gets a WAV
file, or as many frames as it gave, whatever the tool left.
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
"""Shape (samples, channels)."""

FORMATS = "wav,w64,aiff,au,caf,mp3,flac,ogg,aac,mov,matroska,avi"
"""Demuxers that read a single file, and never another one that it names."""
LONGEST = 3600.0
"""Seconds of sound in one item, at most."""
MISSING_FRAMES = 6
"""Frames that a tool may leave out at the end; the last one is then repeated."""


def read_sound(path: Path, rate: int = 0, channels: int = 0) -> tuple[Samples, int]:
    """Decode a file to samples and their rate in Hz; ``rate`` and ``channels`` convert it, 0 keeps
    the file's own.

    Raises PluginError if it cannot be decoded, has no sound, or is too long.
    """
    try:
        with _open(path) as media:
            if not media.streams.audio:
                raise PluginError(f"{path.name} contains no sound", "")
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
        raise PluginError(f"{path.name} contains no sound", "")
    return np.concatenate(pieces).astype(np.int16), rate


def _frames(media: Any, stream: Any) -> Iterator[Any]:
    for frame in media.decode(stream):
        frame.pts = None  # one after the other, whatever their timestamps are
        yield frame
    yield None


def write_wav(samples: Samples, rate: int, path: Path) -> None:
    """Write a 16-bit WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())


def stage_sound(source: Path, to: Path, rate: int, channels: int, pad: float) -> None:
    """Copy a sound in the form that a tool wants, with ``pad`` seconds added at its end.

    The padding is not quite silent, as some tools fail on digital silence.
    """
    samples, rate = read_sound(source, rate, channels)
    if pad:
        padding = np.zeros((round(pad * rate), samples.shape[1]), np.int16)
        padding[::2], padding[1::2] = 1, -1
        samples = np.concatenate([samples, padding])
    write_wav(samples, rate, to)


def save_sound(made: Path, out: Path, rate: int = 0) -> None:
    """Write the sound in a tool's file to ``out`` as WAV; PluginError unless it has ``rate`` Hz,
    where 0 stands for any."""
    samples, actual = read_sound(made)
    if rate and actual != rate:
        raise PluginError(f"its sound has {actual} Hz; the preset says {rate}", "")
    write_wav(samples, actual, out)


def save_shot(made: Path, video: Path, out: Path) -> None:
    """Write the frames in a tool's file to ``out``, as many as ``video`` has and at its rate.

    Raises PluginError for another frame size or too few frames.
    """
    try:
        _save_shot(made, video, out)
    except BaseException:
        out.unlink(missing_ok=True)  # a part would be taken for the whole
        raise


def _save_shot(made: Path, video: Path, out: Path) -> None:
    with _open(video) as given:
        stream = given.streams.video[0]
        rate, width, height = stream.average_rate, stream.width, stream.height
        count = sum(1 for _ in given.decode(stream))
    last: Any = None
    done = 0
    try:
        with _open(made) as tool, av.open(str(out), "w", format="mp4") as container:
            target: Any = container.add_stream("libx264", rate=rate)
            target.width, target.height, target.pix_fmt = width, height, "yuv420p"
            target.options = {"crf": "12", "preset": "fast"}
            for frame in tool.decode(tool.streams.video[0]):
                if (frame.width, frame.height) != (width, height):
                    raise PluginError(
                        f"its frames are {frame.width}x{frame.height}, the shot's {width}x{height}",
                        "",
                    )
                if done == count:
                    break
                last = frame.reformat(format="yuv420p")
                _encode(container, target, last, done)
                done += 1
            if done < count - MISSING_FRAMES or last is None:
                raise PluginError(f"it made {done} frames of {count}", "")
            for number in range(done, count):
                _encode(container, target, last, number)
            container.mux(target.encode(None))
    except (av.FFmpegError, ValueError, OSError, IndexError) as error:
        raise PluginError(f"{made.name} cannot be read as video: {error}", "") from None


def save_picture(made: Path, out: Path) -> None:
    """Write the picture in a tool's file to ``out``, of the size and at the rate that it has.

    Raises PluginError if there is none, or it has no constant size.
    """
    try:
        with _open(made) as tool, av.open(str(out), "w", format="mp4") as container:
            source = tool.streams.video[0]
            target: Any = container.add_stream("libx264", rate=source.average_rate or 25)
            # Encoders need even sides.
            width, height = source.width // 2 * 2, source.height // 2 * 2
            target.width, target.height, target.pix_fmt = width, height, "yuv420p"
            target.options = {"crf": "12", "preset": "fast"}
            for number, frame in enumerate(tool.decode(source)):
                if (frame.width, frame.height) != (source.width, source.height):
                    raise PluginError("its frames change their size", "")
                even = frame.reformat(width=width, height=height, format="yuv420p")
                _encode(container, target, even, number)
            container.mux(target.encode(None))
    except (av.FFmpegError, ValueError, OSError, IndexError) as error:
        out.unlink(missing_ok=True)
        raise PluginError(f"{made.name} cannot be read as video: {error}", "") from None
    except BaseException:
        out.unlink(missing_ok=True)
        raise


def _open(path: Path) -> Any:
    return av.open(
        f"file:{path.absolute()}",
        container_options={"protocol_whitelist": "file", "format_whitelist": FORMATS},
    )


def _encode(container: Any, target: Any, frame: Any, number: int) -> None:
    frame.pts, frame.time_base = number, 1 / target.codec_context.framerate
    container.mux(target.encode(frame))
