"""Who speaks when, and how many people there are: the voiceprint diarizer on known conversations.

    python benchmarks/diarization.py --made 24 --seed 1
    python benchmarks/diarization.py --made 12 --seed 1 --overlaps 0.35
    python benchmarks/diarization.py --made 24 --brief --most 6 --voices VOICES
    python benchmarks/diarization.py FOLDER

The first line makes conversations of one to four people out of the Debian packages that
``corpus.py`` names, each person at a level of their own, some over the telephone or in noise, a
twelfth of the turns overlapping. In the second, that share of turns begins 0.5 to 3 s before the
end of the turn before; 0 is for none. ``--brief`` is for half a minute to a minute of turns of 1 to
3 s, ``--most`` for more people, and each folder in ``--voices`` has recordings of one more person.
The last line takes each ``NAME.wav`` in a folder that has a ``NAME.rttm`` beside it. Printed are,
for each number of people, in how many recordings the number was found, the share of speech that is
given to another person (confusion), and the diarization error rate, with a collar of 0.25 s around
each turn and without; beside them the same if all is given to one person, if a fixed distance
decides how many there are, and if their number is given.
Then, of the overlaps: how much of what is marked is one (precision), how much of them is marked
(recall), and the share of all seconds that is marked wrongly.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

import corpus
import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.signal import butter, sosfilt

from dubkit import Progress, Turn
from dubkit.speech.diarization import read
from dubkit_plugins.diarize import voiceprint
from dubkit_plugins.diarize.voiceprint import VoiceprintDiarizer

PEOPLE = (
    "prompts-en", "prompts-fr", "prompts-it", "prompts-ru", "readers",
    "dialogue-cs-big", "dialogue-cs-small", "dialogue-nl-big", "dialogue-nl-small",
)  # fmt: skip
FRAMES = 100
"""A second, for the comparison."""
COLLARS = (0.25, 0.0)
SECONDS, BRIEF_SECONDS = (60, 120, 180), (25, 40, 60)
"""How long conversations are."""


def main() -> int:
    """Measure what is asked for and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--made", type=int, default=0, help="conversations to make")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--overlaps", type=float, help="share of turns that begin early")
    parser.add_argument("--brief", action="store_true", help="few turns, of 1 to 3 s")
    parser.add_argument("--most", type=int, default=4, help="people")
    parser.add_argument("--voices", type=Path, help="a folder with a folder for each person")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        if given.made:
            make(Path(made), given, random.Random(given.seed))
        files = [path for folder in (*given.folders, Path(made)) for path in folder.glob("*.rttm")]
        show(sorted(files))
    return 0


def show(files: Sequence[Path]) -> None:
    """Print a row for each number of people."""
    rows: dict[int, list[list[np.ndarray]]] = {}
    overlaps: dict[int, list[list[np.ndarray]]] = {}
    right: dict[int, list[bool]] = {}
    for path in files:
        turns, sound = read(path), path.with_suffix(".wav")
        people = len({turn.speaker for turn in turns})
        with _embedded_once():
            found, given = _diarize(sound, None), _diarize(sound, people)
            with _set(voiceprint, "SPECTRAL", sys.maxsize):
                fixed = _diarize(sound, None)
        right.setdefault(people, []).append(len({turn.speaker for turn in found}) == people)
        one = [Turn(start, end, "S1") for start, end in _spans(found)]
        seconds = max(turn.end for turn in (*turns, *found)) + 1
        rows.setdefault(people, []).append(
            [
                compare(turns, way, seconds, collar)
                for way in (found, one, fixed, given)
                for collar in COLLARS
            ]
        )
        overlaps.setdefault(people, []).append(
            [compare_overlaps(turns, way, seconds) for way in (found, given)]
        )
    print(
        "people  right number  confusion and DER at 0.25, at 0: "
        "found | one person | fixed distance | number given"
    )
    for people, measured in sorted(rows.items()):
        line = f"{people:>6}{sum(right[people]):>8}/{len(measured):<5}"
        for missed, invented, confused, total in np.sum(measured, axis=0):
            wrong = missed + invented + confused
            line += f"{100 * confused / total:>7.1f}{100 * wrong / total:>6.1f}"
        print(line)
    print("people  seconds of overlap  precision, recall, wrongly marked: found | number given")
    for people, measured in sorted(overlaps.items()):
        whole = np.sum(measured, axis=0)
        line = f"{people:>6}{whole[0][0] / FRAMES:>20.1f}"
        for true, marked, both, total in whole:
            shares = both / max(marked, 1), both / max(true, 1), (marked - both) / total
            line += "  " + "".join(f"{100 * share:>7.1f}" for share in shares)
        print(line)


def _diarize(sound: Path, speakers: int | None) -> Sequence[Turn]:
    return VoiceprintDiarizer().diarize(sound, speakers=speakers, progress=lambda *_: None)


def _spans(turns: Sequence[Turn]) -> Iterator[tuple[float, float]]:
    """When anybody speaks."""
    grid = np.any(_grid(turns, round(max((t.end for t in turns), default=0) * FRAMES) + 2), axis=0)
    edges = np.flatnonzero(np.diff(np.r_[0, grid.astype(int), 0])) / FRAMES
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


@contextlib.contextmanager
def _set(module: ModuleType, name: str, value: object) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


@contextlib.contextmanager
def _embedded_once() -> Iterator[None]:
    """The windows of a recording have the same voices each time: have them computed once."""
    embed, known = voiceprint._embed, dict[int, np.ndarray]()

    def cached(
        sound: object, windows: Sequence[object], seconds: float, progress: Progress
    ) -> np.ndarray:
        if 0 not in known:
            known[0] = embed(sound, windows, seconds, progress)
        return known[0]

    with _set(voiceprint, "_embed", cached):
        yield


def compare_overlaps(turns: Sequence[Turn], found: Sequence[Turn], seconds: float) -> np.ndarray:
    """Frames in which two people speak at once, that are marked so, both, and all frames."""
    frames = round(seconds * FRAMES)
    truth, marked = (
        _grid(one, frames).sum(axis=0) > 1 if one else np.zeros(frames, bool)
        for one in (turns, found)
    )
    return np.array([truth.sum(), marked.sum(), (truth & marked).sum(), frames])


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


def make(folder: Path, given: argparse.Namespace, rng: random.Random) -> None:
    """Write conversations, of one and more people in turn; ``overlaps`` is the share of turns that
    begin 0.5 to 3 s early, None for a twelfth by 0.8 s."""
    names = [*PEOPLE, *(sorted(given.voices.iterdir()) if given.voices else ())]
    for number in range(given.made):
        people = rng.sample(names, 1 + number % given.most)
        sound, turns = _conversation(people, rng, given.overlaps, brief=given.brief)
        effects: tuple[Callable[[corpus.Sound], corpus.Sound], ...] = (_as_is, _telephone, _noisy)
        corpus.write(np.clip(rng.choice(effects)(sound), -1, 1), folder / f"{number}.wav")
        lines = (
            f"SPEAKER {number} 1 {turn.start:.3f} {turn.end - turn.start:.3f} <NA> <NA>"
            f" {turn.speaker} <NA> <NA>\n"
            for turn in turns
        )
        (folder / f"{number}.rttm").write_text("".join(lines))


def _conversation(
    people: Sequence[str | Path], rng: random.Random, overlaps: float | None, *, brief: bool
) -> tuple[corpus.Sound, list[Turn]]:
    seconds = rng.choice(BRIEF_SECONDS if brief else SECONDS)
    clips = {name: _voiced_clips(name, rng) for name in people}
    if brief:
        clips = {name: _brief(found, rng) for name, found in clips.items()}
    level = {name: 10 ** (rng.uniform(-6, 6) / 20) for name in people}
    weights = {name: rng.choice((0.5, 1, 1, 2)) for name in people}
    pieces: list[tuple[float, corpus.Sound]] = []
    turns: list[Turn] = []
    at, last = 0.3, people[0]
    while at < seconds:
        others = [name for name in people if name != last] or list(people)
        last = rng.choices(others, [weights[name] for name in others])[0]
        for _ in range(1 if brief else rng.choice((1, 1, 2, 3))):
            sound = next(clips[last], None)
            if sound is None:
                return _mixed(pieces), turns
            pieces.append((at, sound * level[last]))
            name = Path(last).name
            turns.append(Turn(at, at + len(sound) / corpus.RATE, name))
            at = turns[-1].end + rng.uniform(0.1, 0.7)
        if overlaps is None and rng.random() < 1 / 12:
            at -= 0.8
        elif overlaps and rng.random() < overlaps:
            at = max(turns[-1].start + 0.3, turns[-1].end - rng.uniform(0.5, 3))
    return _mixed(pieces), turns


def _brief(clips: Iterator[corpus.Sound], rng: random.Random) -> Iterator[corpus.Sound]:
    """Clips, cut where they are quietest within half a second into pieces of 1 to 3 s."""
    half = corpus.RATE // 2
    for sound in clips:
        while len(sound) >= half:
            size = int(rng.uniform(1, 3) * corpus.RATE)
            if size < len(sound):
                power = np.convolve(np.square(sound[size - half : size]), np.ones(400), "same")
                size += int(power.argmin()) - half
            yield sound[:size]
            sound = sound[size:]


def _mixed(pieces: Sequence[tuple[float, corpus.Sound]]) -> corpus.Sound:
    ends = [round(at * corpus.RATE) + len(sound) for at, sound in pieces]
    mixed = np.zeros(max(ends) + corpus.RATE // 2, np.float32)
    for end, (_, sound) in zip(ends, pieces, strict=True):
        mixed[end - len(sound) : end] += sound
    return mixed


def _voiced_clips(source: str | Path, rng: random.Random) -> Iterator[corpus.Sound]:
    """The clips of a person at one level, without silence at their ends."""
    if isinstance(source, Path):
        paths = sorted(source.iterdir())
    else:
        paths = [path for path, _ in corpus.clips_of(source)[0]]
    rng.shuffle(paths)
    for path in paths:
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
