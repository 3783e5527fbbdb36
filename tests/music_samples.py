"""Speech over music at known levels, and how well the two were separated."""

import subprocess
from pathlib import Path

import av
import numpy as np

from dubkit.media.ffmpeg import ffmpeg_path

AUSTEN = Path(__file__).parent.parent / "examples/data/austen.mp4"
RATE = 48_000


def decode(path: Path) -> np.ndarray:
    """A file's audio at 48 kHz, a row for each channel."""
    with av.open(str(path)) as container:
        planar = av.AudioResampler("fltp", rate=RATE)
        frames = [*container.decode(container.streams.audio[0]), None]
        return np.concatenate([p.to_ndarray() for f in frames for p in planar.resample(f)], axis=1)


def speech(seconds: float | None = None) -> np.ndarray:
    """The reader of austen.mp4 in stereo, at -26 dBFS."""
    sound = np.tile(decode(AUSTEN)[:1], (2, 1))[:, : round(seconds * RATE) if seconds else None]
    return sound * (0.05 / np.sqrt(np.mean(sound**2)))


def music(length: int) -> np.ndarray:
    """Chords struck twice a second, a bass drum and a cymbal, at -26 dBFS."""
    rng = np.random.default_rng(0)
    chords = ((220, 277.2, 329.6), (174.6, 220, 261.6), (196, 246.9, 293.7), (164.8, 207.7, 246.9))
    time = np.arange(RATE // 2) / RATE
    sound = np.zeros((2, length + len(time)))
    for beat in range(length // len(time) + 1):
        struck = np.minimum(1, time / 0.01) * np.exp(-1.5 * time)
        notes = [
            sum(
                np.sin(2 * np.pi * note * k * time + rng.uniform(0, 6)) / k**1.5
                for k in range(1, 8)
            )
            for note in chords[beat // 4 % 4]
        ]
        drum = 1.5 * np.sin(2 * np.pi * (50 * time - 5 * np.exp(-30 * time))) * np.exp(-12 * time)
        cymbal = 0.5 * rng.normal(size=len(time)) * np.exp(-(25 if beat % 2 else 60) * time)
        both = cymbal + (0 if beat % 2 else drum)
        place = slice(beat * len(time), (beat + 1) * len(time))
        for ear, balance in enumerate(((0.4, 0.7, 0.4), (0.7, 0.4, 0.7))):
            played = sum(share * note for share, note in zip(balance, notes, strict=True))
            sound[ear, place] = played * struck + both
    sound = sound[:, :length]
    return sound * (0.05 / np.sqrt(np.mean(sound**2)))


def gain(part: np.ndarray, before: np.ndarray, after: np.ndarray) -> float:
    """Decibels by which ``after`` is more like ``part`` than ``before`` was (SI-SDR)."""
    return _si_sdr(part, after) - _si_sdr(part, before)


def _si_sdr(part: np.ndarray, sound: np.ndarray) -> float:
    target = part * (np.sum(part * sound) / np.sum(part * part))
    return float(10 * np.log10(np.sum(target**2) / np.sum((sound - target) ** 2)))


def write(path: Path, sound: np.ndarray, codec: str = "pcm_s16le", rate: int = RATE) -> Path:
    """A WAV file, by the ffmpeg program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    given = ["-f", "f32le", "-ar", str(rate), "-ac", str(len(sound)), "-i", "pipe:0"]
    command = [ffmpeg_path(), "-v", "error", *given, "-c:a", codec, "-y", str(path)]
    subprocess.run(command, input=sound.T.astype("<f4").tobytes(), check=True)
    return path
