"""Who speaks when, and how many people there are: the voiceprint diarizer on known conversations.

    python benchmarks/diarization.py --made 24 --seed 1
    python benchmarks/diarization.py FOLDER

The first line makes conversations of one to four people out of the Debian packages that
``corpus.py`` names, each person at a level of their own, some over the telephone or in noise, a
twelfth of the turns overlapping. The second takes each ``NAME.wav`` in a folder that has a
``NAME.rttm`` beside it. Printed are, for each number of people, in how many recordings the number
was found, the share of speech that is given to another person (confusion), and the diarization
error rate, with a collar of 0.25 s around each turn and without; beside them the same if all is
given to one person, and if the number is given.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import corpus
import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.signal import butter, sosfilt

from dubkit import Turn
from dubkit.speech.diarization import read
from dubkit_plugins.diarize.voiceprint import VoiceprintDiarizer

PEOPLE = (
    "prompts-en", "prompts-fr", "prompts-it", "prompts-ru", "readers",
    "dialogue-cs-big", "dialogue-cs-small", "dialogue-nl-big", "dialogue-nl-small",
)  # fmt: skip
FRAMES = 100
"""A second, for the comparison."""
COLLARS = (0.25, 0.0)


def main() -> int:
    """Measure what is asked for and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--made", type=int, default=0, help="conversations to make")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        if given.made:
            make(Path(made), given.made, random.Random(given.seed))
        files = [path for folder in (*given.folders, Path(made)) for path in folder.glob("*.rttm")]
        show(sorted(files))
    return 0


def show(files: Sequence[Path]) -> None:
    """Print a row for each number of people."""
    rows: dict[int, list[list[np.ndarray]]] = {}
    right: dict[int, list[bool]] = {}
    for path in files:
        turns, sound = read(path), path.with_suffix(".wav")
        people = len({turn.speaker for turn in turns})
        found = _diarize(sound, None)
        right.setdefault(people, []).append(len({turn.speaker for turn in found}) == people)
        one = [Turn(turn.start, turn.end, "S1") for turn in found]
        ways = (found, one, _diarize(sound, people))
        seconds = max(turn.end for turn in (*turns, *found)) + 1
        rows.setdefault(people, []).append(
            [compare(turns, way, seconds, collar) for way in ways for collar in COLLARS]
        )
    print(
        "people  right number  confusion and DER at 0.25, at 0: found | one person | number given"
    )
    for people, measured in sorted(rows.items()):
        line = f"{people:>6}{sum(right[people]):>8}/{len(measured):<5}"
        for missed, invented, confused, total in np.sum(measured, axis=0):
            wrong = missed + invented + confused
            line += f"{100 * confused / total:>7.1f}{100 * wrong / total:>6.1f}"
        print(line)


def _diarize(sound: Path, speakers: int | None) -> Sequence[Turn]:
    return VoiceprintDiarizer().diarize(sound, speakers=speakers, progress=lambda *_: None)


def compare(
    turns: Sequence[Turn], found: Sequence[Turn], seconds: float, collar: float
) -> np.ndarray:
    """Frames of speech that are missed, invented, given to another person, and all of them; people
    are matched so that as much as possible is right."""
    asked = np.ones(round(seconds * FRAMES), bool)
    for turn in turns:
        for time in (turn.start, turn.end) if collar else ():
            asked[max(0, round((time - collar) * FRAMES)) : round((time + collar) * FRAMES)] = False
    truth, guess = (_grid(one, len(asked))[:, asked].astype(int) for one in (turns, found))
    shared = truth @ guess.T
    right = shared[linear_sum_assignment(-shared)].sum()
    speaking, guessed = truth.sum(axis=0), guess.sum(axis=0)
    missed = np.maximum(speaking - guessed, 0).sum()
    invented = np.maximum(guessed - speaking, 0).sum()
    confused = np.minimum(speaking, guessed).sum() - right
    return np.array([missed, invented, confused, truth.sum()])


def _grid(turns: Sequence[Turn], frames: int) -> np.ndarray:
    names = sorted({turn.speaker for turn in turns})
    grid = np.zeros((len(names), frames), bool)
    for turn in turns:
        row = grid[names.index(turn.speaker)]
        row[round(turn.start * FRAMES) : round(turn.end * FRAMES)] = True
    return grid


# ---------------------------------------------------------------- conversations


def make(folder: Path, count: int, rng: random.Random) -> None:
    """Write conversations, of one to four people in turn."""
    for number in range(count):
        people = rng.sample(PEOPLE, 1 + number % 4)
        sound, turns = _conversation(people, rng.choice((60, 120, 180)), rng)
        effects: tuple[Callable[[corpus.Sound], corpus.Sound], ...] = (_as_is, _telephone, _noisy)
        corpus.write(np.clip(rng.choice(effects)(sound), -1, 1), folder / f"{number}.wav")
        lines = (
            f"SPEAKER {number} 1 {turn.start:.3f} {turn.end - turn.start:.3f} <NA> <NA>"
            f" {turn.speaker} <NA> <NA>\n"
            for turn in turns
        )
        (folder / f"{number}.rttm").write_text("".join(lines))


def _conversation(
    people: Sequence[str], seconds: float, rng: random.Random
) -> tuple[corpus.Sound, list[Turn]]:
    clips = {name: _voiced_clips(name, rng) for name in people}
    level = {name: 10 ** (rng.uniform(-6, 6) / 20) for name in people}
    weights = {name: rng.choice((0.5, 1, 1, 2)) for name in people}
    pieces: list[tuple[float, corpus.Sound]] = []
    turns: list[Turn] = []
    at, last = 0.3, ""
    while at < seconds:
        others = [name for name in people if name != last] or list(people)
        last = rng.choices(others, [weights[name] for name in others])[0]
        for _ in range(rng.choice((1, 1, 2, 3))):
            sound = next(clips[last], None)
            if sound is None:
                return _mixed(pieces), turns
            pieces.append((at, sound * level[last]))
            turns.append(Turn(at, at + len(sound) / corpus.RATE, last))
            at = turns[-1].end + rng.uniform(0.1, 0.7)
        if rng.random() < 1 / 12:
            at -= 0.8
    return _mixed(pieces), turns


def _mixed(pieces: Sequence[tuple[float, corpus.Sound]]) -> corpus.Sound:
    ends = [round(at * corpus.RATE) + len(sound) for at, sound in pieces]
    mixed = np.zeros(max(ends) + corpus.RATE // 2, np.float32)
    for end, (_, sound) in zip(ends, pieces, strict=True):
        mixed[end - len(sound) : end] += sound
    return mixed


def _voiced_clips(source: str, rng: random.Random) -> Iterator[corpus.Sound]:
    """The clips of a person at one level, without silence at their ends."""
    clips, _ = corpus.clips_of(source)
    rng.shuffle(clips)
    for path, _ in clips:
        sound = corpus.samples_of(path)[: 8 * corpus.RATE]
        loud = np.flatnonzero(np.abs(sound) > 0.02 * np.abs(sound).max(initial=0))
        if len(loud) and loud[-1] - loud[0] > corpus.RATE // 2:
            voiced = sound[loud[0] : loud[-1]]
            yield voiced * (0.06 / np.sqrt(np.mean(np.square(voiced))))


def _as_is(sound: corpus.Sound) -> corpus.Sound:
    return sound


def _telephone(sound: corpus.Sound) -> corpus.Sound:
    band = butter(4, (300, 3400), "band", fs=corpus.RATE, output="sos")
    return np.asarray(sosfilt(band, sound), np.float32)


def _noisy(sound: corpus.Sound) -> corpus.Sound:
    noise = np.random.default_rng(len(sound)).normal(0, 0.004, len(sound))
    return sound + noise.astype(np.float32)


if __name__ == "__main__":
    raise SystemExit(main())
