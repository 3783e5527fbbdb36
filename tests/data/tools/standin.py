"""What the stand-ins for external tools share. They are run as programs, each in its own folder."""

import math
import os
import shlex
import subprocess
import wave
from pathlib import Path
from typing import BinaryIO

import numpy as np


def read_wav(path: str | Path | BinaryIO) -> tuple[np.ndarray, int]:
    """Mono samples from -1 to 1, and their rate in Hz."""
    with wave.open(path if hasattr(path, "read") else str(path), "rb") as sound:
        assert sound.getsampwidth() == 2
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2") / 32768
        return samples.reshape(-1, sound.getnchannels()).mean(axis=1), sound.getframerate()


def write_wav(path: str | Path | BinaryIO, samples: np.ndarray, rate: int) -> None:
    """Write a mono 16-bit WAV file."""
    with wave.open(path if hasattr(path, "write") else str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes((32767 * np.clip(samples, -1, 1)).astype("<i2").tobytes())


def resampled(samples: np.ndarray, rate: int, to: int) -> np.ndarray:
    """The same sound at another rate."""
    count = round(len(samples) * to / rate)
    return np.interp(np.arange(count) * rate / to, np.arange(len(samples)), samples)


def converted(samples: np.ndarray, gain: float = -0.5) -> np.ndarray:
    """Another voice, easily distinguished from the first."""
    return gain * samples


def spoken(text: str, rate: int, like: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    """A buzz as long as the text would take, its pitch derived from the voice of ``like``."""
    seconds = max(0.3, 0.07 * len(text))
    pitch = 110 + 40 * (seed % 3)
    if like is not None:
        pitch += 400 * float(np.abs(like).mean())
    time = np.arange(round(seconds * rate)) / rate
    return 0.3 * np.sin(2 * math.pi * pitch * time) * (np.sin(2 * math.pi * 4 * time) > -0.5)


def shell(command: str) -> int:
    """Run a command line that was composed without quotes, split as a shell splits it."""
    return subprocess.run(shlex.split(command), check=False).returncode


def frames_of(video: str) -> tuple[int, float, int, int]:
    """The number of frames, the frame rate, width and height."""
    import av

    with av.open(video) as media:
        stream = media.streams.video[0]
        size = stream.width, stream.height
        return sum(1 for _ in media.decode(stream)), float(stream.average_rate), *size


def redraw(video: str, audio: str, out: str, frames: int) -> int:
    """Draw a box over the lower middle of each frame, where a mouth would be, for a number of
    frames; a video that has too few is looped."""
    box = "drawbox=x=iw/3:y=ih*0.6:w=iw/3:h=ih/4:c=red:t=fill"
    return shell(
        f"ffmpeg -y -nostdin -v error -stream_loop -1 -i {video} -i {audio} -map 0:v -map 1:a "
        f"-vf {box} -frames:v {frames} -c:v libx264 -pix_fmt yuv420p -c:a aac {out}"
    )


def must_exist(*paths: str) -> None:
    """Fail like a program whose files are missing."""
    for path in paths:
        if not Path(path).exists():
            raise FileNotFoundError(2, "No such file or directory", path)


def loading(what: str) -> None:
    """Note in the file that the test names that something was loaded."""
    if log := os.environ.get("LOADED"):
        with Path(log).open("a") as file:
            file.write(f"{what}\n")
