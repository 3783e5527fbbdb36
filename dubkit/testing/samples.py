"""Make small audio and video files for engines, and read the files that they return."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from dubkit.errors import MediaError
from dubkit.files import at_home
from dubkit.media.ffmpeg import file_url
from dubkit.media.run_ffmpeg import run_ffmpeg

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Sound: TypeAlias = npt.NDArray[np.float64]
    """Samples from -1 to 1, a row for each channel."""


def write_silence(path: Path, seconds: float, rate: int = 16_000) -> Path:
    """A silent WAV file."""
    import numpy as np

    return _write(path, np.zeros((1, round(seconds * rate))), rate)


def write_babble(path: Path, seconds: float, rate: int, channels: int = 1) -> Path:
    """Something like distant speech: a buzz in syllables, with pauses between phrases. With two
    channels there is a chord beneath it, like a film's music."""
    import numpy as np

    time = np.arange(round(seconds * rate)) / rate
    pitch = 2 * np.pi * np.cumsum(120 + 20 * np.sin(2 * np.pi * 0.7 * time)) / rate
    buzz = sum(np.sin(k * pitch) / k for k in range(1, 20))
    syllables = np.clip(np.sin(2 * np.pi * 4 * time), 0, 1) * (time % 2 < 1.5)
    sound = np.tile(0.2 * buzz * syllables, (channels, 1))
    if channels == 2:
        notes = [[220.0, 277.2], [220.0, 329.6]]
        sound += [sum(0.05 * np.sin(2 * np.pi * note * time) for note in ear) for ear in notes]
    return _write(path, sound, rate)


def _write(path: Path, sound: Sound, rate: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(sound))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((32767 * sound.clip(-1, 1)).T.astype("<i2").tobytes())
    return path


def write_converted(given: str | Path, path: Path, rate: int, channels: int = 1) -> Path:
    """The audio of the user's file, whatever its format, as the core passes it to engines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    source = file_url(at_home(given))
    _ffmpeg(["-i", source, "-vn", "-ar", str(rate), "-ac", str(channels)], path)
    return path


def write_video(path: Path, seconds: float, rate: float) -> Path:
    """A moving test pattern."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = f"testsrc2=size=320x240:rate={rate}:duration={seconds}"
    _ffmpeg(["-f", "lavfi", "-i", picture, "-pix_fmt", "yuv420p"], path)
    return path


def _ffmpeg(arguments: list[str], path: Path) -> None:
    try:
        run_ffmpeg(["-v", "error", *arguments, str(path)], doing=f"write {path.name}", writes=path)
    except MediaError as failure:
        raise ValueError(f"the sample cannot be read: {failure.message}") from failure


def seconds_of(path: Path) -> float:
    """The length of a WAV file that this module wrote."""
    with wave.open(str(path), "rb") as sound:
        return sound.getnframes() / sound.getframerate()


def read_wav(path: Path) -> tuple[Sound, int]:
    """The samples and the rate of a WAV file, of integers or floats; ValueError for anything else,
    with a message that continues the file's name (``is empty``)."""
    import av
    import numpy as np

    if not path.is_file():
        raise ValueError("does not exist")
    if not path.stat().st_size:
        raise ValueError("is empty")
    with path.open("rb") as file:
        head = file.read(12)
    if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        raise ValueError("is not a WAV file")
    try:
        with av.open(str(path)) as container:
            stream = container.streams.audio[0]
            rate = int(stream.rate)
            planar = av.AudioResampler(format="dblp")
            parts = [
                part.to_ndarray()
                for frame in container.decode(stream)
                for part in planar.resample(frame)
            ]
    except (av.FFmpegError, OSError, IndexError, ValueError) as failure:
        raise ValueError(f"cannot be read: {failure}") from failure
    if not parts:
        raise ValueError("holds no sound")
    return np.concatenate(parts, axis=1), rate


def is_silent(sound: Sound) -> bool:
    """Whether it is inaudible: nowhere above 60 dB below full scale."""
    return bool(abs(sound).max(initial=0.0) < 0.001)


def frame_count_and_size(path: Path) -> tuple[int, tuple[int, int]]:
    """How many frames a video has, and their width and height; ValueError as :func:`read_wav`."""
    import av

    if not path.is_file():
        raise ValueError("does not exist")
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            count = sum(1 for _ in container.decode(stream))
            return count, (stream.width, stream.height)
    except (av.FFmpegError, OSError, IndexError) as failure:
        raise ValueError(f"cannot be read as a video: {failure}") from failure
