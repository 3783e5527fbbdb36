"""Speech of people and of espeak-ng, as samples."""

import subprocess
from pathlib import Path

import av
import numpy as np

from dubkit.speech.voiceprint import RATE

ROOT = Path(__file__).parent.parent


AUSTEN = ROOT / "examples/data/austen.mp4"
SPOKEN = (
    (0.64, 3.78, "And Mr. John Dashwood had then leisure to consider"),
    (3.86, 7.82, "how much there might be prudently in his power to do for them."),
    (8.48, 11.42, "He was not an ill-disposed young man,"),
    (11.96, 17.34, "unless to be rather cold-hearted and rather selfish is to be ill-disposed."),
    (18.14, 20.40, "Had he married a more amiable woman,"),
    (20.48, 23.88, "he might have been made still more respectable than he was."),
)
"""What is spoken in it: start and end in seconds, and the words."""

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
