"""Speech of people and of espeak-ng, as samples."""

import subprocess
from pathlib import Path

import av
import numpy as np

from dubkit.speech.voiceprint import RATE

ROOT = Path(__file__).parent.parent


AUSTEN = ROOT / "examples/data/austen.mp4"

TALK = ROOT.parent / "shared/media/talk_en.mp4"

JFK = ROOT.parent / "shared/media/jfk.flac"


def decoded(path) -> np.ndarray:
    """The sound of a file at the rate that voices are compared at."""
    with av.open(str(path)) as media:
        resampler = av.AudioResampler("s16", "mono", RATE)
        frames = [*media.decode(audio=0), None]
        parts = [part.to_ndarray().ravel() for one in frames for part in resampler.resample(one)]
    return np.concatenate(parts).astype(np.float32) / 32768


def synthesized(tmp_path, text: str, voice: str) -> np.ndarray:
    """By espeak-ng, a separate program."""
    out = tmp_path / f"{voice}.wav"
    subprocess.run(["espeak-ng", "-v", voice, "-w", out, text], check=True)
    return decoded(out)
