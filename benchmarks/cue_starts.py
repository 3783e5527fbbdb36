"""How exactly subtitles begin with the voice: films of lines whose first sound is known.

    DUBKIT_SPEECH=FOLDER python benchmarks/cue_starts.py dialogue-cs prompts-es prompts-ru+noise20

The lines of a set of ``corpus.py`` follow each other after pauses of 0.4 to 2 s; ``+noiseN`` lays
its noise over all, N dB below the speech. ``dubkit --subs`` makes subtitles, as a person would. The
starts of cues that are within half a second of a line's first sound are compared with that; cues
that begin within a line have no known start.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import tempfile
from pathlib import Path

import corpus
import numpy as np
from corpus import RATE, Sound
from sync_films import voiced

from dubkit import subtitles
from dubkit.__main__ import main as dubkit

PAUSES = (0.4, 0.6, 1.0, 2.0)
NEAR, CLOSE = 0.5, 0.1


def film_of(name: str, seconds: float) -> tuple[Sound, list[float], str]:
    """The sound of a film, when its lines begin, and its language."""
    source, _, noise = name.partition("+noise")
    rng = random.Random(name)
    clips, language = corpus.clips_of(source)
    rng.shuffle(clips)
    pieces: list[Sound] = []
    starts: list[float] = []
    at = 0.0
    for path, _text in clips:
        sound = corpus.samples_of(path)
        first, last = voiced(sound)
        if last - first < 0.8:
            continue
        pause = np.zeros(int(rng.choice(PAUSES) * RATE), np.float32)
        starts.append(at + len(pause) / RATE + first)
        pieces += [pause, sound]
        at += (len(pause) + len(sound)) / RATE
        if at > seconds:
            break
    whole = np.concatenate(pieces)
    if noise:
        whole = corpus._noise(float(noise))(whole, np.random.default_rng(1))
    return whole, starts, language


def errors_of(name: str, seconds: float, folder: Path) -> tuple[np.ndarray, int]:
    """How much later cues begin than the lines they begin with, and how many lines there are."""
    sound, starts, language = film_of(name, seconds)
    corpus.write(sound, folder / f"{name}.wav")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        dubkit([str(folder / f"{name}.wav"), "--subs", "--language", language, "-q"])
    track = subtitles.read(folder / f"{name}.{language}.srt")
    apart = np.array([[cue.start - start for start in starts] for cue in track.cues])
    nearest = apart[np.arange(len(apart)), np.abs(apart).argmin(1)]
    return nearest[np.abs(nearest) < NEAR], len(starts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--seconds", type=float, default=75.0)
    given = parser.parse_args()
    every = []
    print("| | lines | cues that begin one | median, ms | within 100 ms | 5 % and 95 %, ms |")
    print("|---|---|---|---|---|---|")
    for name in given.sets:
        with tempfile.TemporaryDirectory() as folder:
            errors, lines = errors_of(name, given.seconds, Path(folder))
        every.append(errors)
        low, high = np.quantile(errors, [0.05, 0.95]) * 1000
        close = (np.abs(errors) <= CLOSE).mean()
        print(f"| {name} | {lines} | {len(errors)} | {np.median(errors) * 1000:.0f} | {close:.0%} "
              f"| {low:.0f}, {high:.0f} |", flush=True)  # fmt: skip
    whole = np.concatenate(every)
    print(f"| all | | {len(whole)} | | {(np.abs(whole) <= CLOSE).mean():.0%} | |")


if __name__ == "__main__":
    main()
