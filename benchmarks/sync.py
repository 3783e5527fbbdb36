"""``dubkit sync`` on subtitles that were damaged in known ways, and ffsubsync beside it.

    DUBKIT_SPEECH=FOLDER python benchmarks/sync.py WORK [--ffsubsync PROGRAM] [--clips N]

The films and their good subtitles are those of ``sync_films.py``. Each good file, in the language
of the film or translated, is damaged in one way after another (:data:`KINDS`); the command puts all
files of a film right, as a person would type it. Of each cue whose scene is in the film it is known
when it begins; it is right if that is met within 0.2 s. Cues of a file that is refused as not sure
count as they are. WORK keeps the films and all files.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import corpus
import sync_films
from sync_films import Film

from dubkit import subtitles
from dubkit.__main__ import main as dubkit
from dubkit.types import Cue, Track

FILMS = (
    ("dialogue-cs", 8, 1, False), ("dialogue-cs", 10, 2, True), ("dialogue-nl", 8, 3, True),
    ("dialogue-nl", 6, 4, False), ("prompts-en", 6, 5, True), ("prompts-es", 6, 6, False),
    ("prompts-fr", 6, 7, True), ("prompts-it", 6, 8, False), ("prompts-ru", 6, 9, True),
)  # fmt: skip
CLIPS = ("prompts-es", "dialogue-nl", "prompts-ru", "dialogue-cs", "prompts-en", "prompts-fr",
         "prompts-it", "dialogue-cs")  # fmt: skip
"""What short clips are made of, in turn."""
FEWEST = 4
"""Cues that a clip has."""
RIGHT = 0.2
"""Seconds."""
SOUNDS = ("[door opens]", "[music]", "(laughs)", "♪ ♪", "[sighs]")


@dataclass(frozen=True, slots=True)
class Damaged:
    """A cue of a damaged file."""

    start: float
    end: float
    text: str
    right: float | None
    """When it begins in the film; None if its scene is not in it, or it describes a sound."""


Damage = Callable[[list[Damaged], random.Random, float], list[Damaged]]
"""Damages cues, by chance, of a film of so many seconds."""


def moved(cues: Sequence[Damaged], to: Callable[[float], float]) -> list[Damaged]:
    """The cues at other times, and as long as the speed there makes them."""
    found = []
    for one in cues:
        start, speed = to(one.start), (to(one.start + 1e-6) - to(one.start)) / 1e-6
        if start >= 0:
            end = round(start + speed * (one.end - one.start), 3)
            found.append(replace(one, start=round(start, 3), end=end))
    return found


def shifted(seconds: float) -> Damage:
    return lambda cues, rng, length: moved(cues, lambda time: time + seconds)


def at_rate(old: float, new: float) -> Damage:
    def damage(cues: list[Damaged], rng: random.Random, length: float) -> list[Damaged]:
        late = rng.uniform(-3, 20)
        return moved(cues, lambda time: time * old / new + late)

    return damage


def drifting(cues: list[Damaged], rng: random.Random, length: float) -> list[Damaged]:
    rate = 1 + rng.choice([-1, 1]) * rng.uniform(0.0007, 0.005)
    return moved(cues, lambda time: time * rate)


def _cuts(
    count: int, rng: random.Random, length: float, longest: float
) -> list[tuple[float, float]]:
    starts = sorted(rng.uniform(0.12, 0.8) * length for _ in range(count))
    return [(start, start + rng.uniform(4, longest)) for start in starts]


def scenes_more(count: int) -> Damage:
    """The film has scenes that the subtitles' version has not."""

    def damage(cues: list[Damaged], rng: random.Random, length: float) -> list[Damaged]:
        cuts = _cuts(count, rng, length, 40)
        kept = [one for one in cues if not any(a <= one.start < b for a, b in cuts)]
        return moved(kept, lambda time: time - sum(b - a for a, b in cuts if time >= b))

    return damage


def scenes_less(count: int) -> Damage:
    """The film lacks scenes that the subtitles' version has, with their cues."""

    def damage(cues: list[Damaged], rng: random.Random, length: float) -> list[Damaged]:
        cuts = _cuts(count, rng, length, 60)
        later = moved(cues, lambda time: time + sum(b - a for a, b in cuts if time >= a))
        before = 0.0
        for start, end in cuts:
            at = start + before + 0.5
            while at < end + before - 3:
                shown = rng.uniform(1, 3)
                text = rng.choice(cues).text
                later.append(Damaged(round(at, 3), round(at + shown, 3), text, None))
                at += shown + rng.choice([0.2, 0.8, 2.5, 6.0])
            before += end - start
        return sorted(later, key=lambda one: one.start)

    return damage


def with_missing(cues: list[Damaged], rng: random.Random, length: float) -> list[Damaged]:
    kept = [one for one in cues if rng.random() > 0.35]
    return shifted(rng.choice([-8.3, 1.4, 33.0]))(kept, rng, length)


def with_sounds(cues: list[Damaged], rng: random.Random, length: float) -> list[Damaged]:
    """For the deaf: sounds are described in pauses and in cues, and speakers are named."""
    found = []
    for one, following in zip(cues, [*cues[1:], None], strict=True):
        text = one.text
        if rng.random() < 0.2:
            text = f"{rng.choice(SOUNDS[:3])} {text}"
        if rng.random() < 0.2:
            text = f"MAN: {text}"
        found.append(replace(one, text=text))
        if following and following.start - one.end > 1.5 and rng.random() < 0.6:
            until = min(one.end + 2, following.start - 0.1)
            found.append(Damaged(one.end + 0.1, until, rng.choice(SOUNDS), None))
    return shifted(rng.choice([-4.2, 0.7, 12.5]))(found, rng, length)


def merged(cues: list[Damaged], rng: random.Random, length: float) -> list[Damaged]:
    """Another hand: cues are joined, and stay longer."""
    found: list[Damaged] = []
    for one in cues:
        last = found[-1] if found else None
        if last and one.start - last.end < 0.8 and one.end - last.start < 7 and rng.random() < 0.5:
            found[-1] = replace(last, end=one.end, text=f"{last.text}\n{one.text}")
        else:
            found.append(one)
    return shifted(rng.choice([-3.0, 1.9, 21.0]))(found, rng, length)


def rate_and_cut(cues: list[Damaged], rng: random.Random, length: float) -> list[Damaged]:
    cut = scenes_less(1)(cues, rng, length)
    return at_rate(25, 23.976)(cut, rng, length)


KINDS: dict[str, Sequence[Damage]] = {
    "good": [shifted(0.0), shifted(0.0)],
    "0.3 to 1 s": [shifted(0.3), shifted(-0.5), shifted(1.0)],
    "2 to 15 s": [shifted(-2.4), shifted(7.0), shifted(-15.0)],
    "40 to 120 s": [shifted(40.0), shifted(-50.0), shifted(120.0)],
    "frame rates": [
        at_rate(25, 23.976), at_rate(23.976, 25), at_rate(24, 23.976), at_rate(24, 25),
        at_rate(29.97, 25), at_rate(23.976, 29.97),
    ],
    "drift": [drifting],
    "scenes more": [scenes_more(1), scenes_more(2)],
    "scenes less": [scenes_less(1), scenes_less(2)],
    "rate and a scene less": [rate_and_cut],
    "a third missing": [with_missing],
    "sounds, speakers": [with_sounds],
    "cues joined": [merged],
}  # fmt: skip


CLIP_KINDS: dict[str, Sequence[Damage]] = {
    "good": [shifted(0.0)],
    "0.4 s": [shifted(0.4)],
    "0.7 s": [shifted(0.7)],
    "1.2 to 14 s": [shifted(1.2), shifted(-2.0), shifted(3.4), shifted(-5.0), shifted(14.0)],
}
"""Clips are too short for more."""


def write_srt(path: Path, cues: Sequence[Damaged]) -> None:
    track = Track("und", tuple(
        Cue(one.start, one.end, one.text) for one in cues
    ))  # fmt: skip
    path.write_text(subtitles.render(track, "srt"), "utf-8")


@dataclass
class File:
    """A damaged file, and what came of it."""

    kind: str
    path: Path
    language: str
    cues: list[Damaged]
    ours: tuple[str, float] = ("", 0.0)
    """What dubkit says of it, and the share of cues that are right."""
    theirs: float = 0.0


def damaged_files(film: Film, folder: Path, kinds: dict[str, Sequence[Damage]]) -> list[File]:
    rng = random.Random(film.name)
    others = [tag for tag in film.cues if tag != film.language]
    found = []
    for kind, damages in kinds.items():
        for n, damage in enumerate(damages):
            tag = rng.choice(others) if others and (n % 2 or rng.random() < 0.3) else film.language
            cues = [Damaged(one.start, one.end, one.text, one.start) for one in film.cues[tag]]
            cues = damage(cues, rng, film.seconds)
            path = folder / f"{kind.replace(' ', '-')}-{n}.{tag}.srt"
            write_srt(path, cues)
            found.append(File(kind, path, tag, cues))
    return found


def share_right(path: Path, cues: Sequence[Damaged]) -> float:
    """The share of cues of a file that are where they should be."""
    times = sorted(one.start for one in subtitles.read(path).cues)
    kept = sorted((one.start, one.right) for one in cues)
    # Cues without a place may change places with others: each right one is looked for.
    known = [right for _, right in kept if right is not None]
    by_order = [abs(time - right) <= RIGHT for time, (_, right) in zip(times, kept, strict=True)
                if right is not None] if len(times) == len(kept) else []  # fmt: skip
    near = [min(abs(time - right) for time in times) <= RIGHT for right in known]
    has_strangers = len(known) < len(kept)
    right = near if has_strangers or not by_order else by_order
    return sum(right) / len(right)


def put_right(film: Path, files: Sequence[File], out: Path) -> float:
    """Run the command on all files of a film; returns the seconds that it took."""
    began = time.perf_counter()
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(io.StringIO()):
        dubkit(["sync", *(str(one.path) for one in files), str(film), "-o", str(out), "--json",
                "--by", "speech", "--force"])  # fmt: skip
    spent = time.perf_counter() - began
    states = {one["source"]: one for one in json.loads(text.getvalue())["files"]}
    for one in files:
        answer = states[str(one.path)]
        result = Path(answer["output"] or one.path)
        if one.kind == "good" and result.read_bytes() != one.path.read_bytes():
            answer["state"] = "HARMED"
        one.ours = answer["state"], share_right(result, one.cues)
    return spent


def put_right_by(program: str, film: Path, files: Sequence[File], out: Path) -> float:
    """The same with ffsubsync, which gets the film's speech from a file after the first time."""
    began = time.perf_counter()
    speech = film.with_suffix(".npz")
    for one in files:
        result = out / one.path.name
        reference = speech if speech.exists() else film
        command = [program, str(reference), "-i", str(one.path), "-o", str(result)]
        command += ["--max-offset-seconds", "180"]
        command += [] if speech.exists() else ["--serialize-speech"]
        subprocess.run(command, capture_output=True, check=False)
        one.theirs = share_right(result if result.exists() else one.path, one.cues)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--ffsubsync", metavar="PROGRAM")
    parser.add_argument("--films", type=int, default=len(FILMS))
    parser.add_argument("--clips", type=int, help="so many clips of half a minute to two instead")
    given = parser.parse_args()
    films, kinds = FILMS[: given.films], KINDS
    if given.clips:
        lengths = random.Random(0).choices([0.5, 0.8, 1.2, 2.0], k=given.clips)
        films = tuple(
            (CLIPS[n % len(CLIPS)], length, 200 + n, n % 3 == 0) for n, length in enumerate(lengths)
        )
        kinds = CLIP_KINDS
    every: list[File] = []
    ours = theirs = seconds = 0.0
    for source, minutes, seed, noisy in films:
        film = sync_films.make(source, minutes=minutes, seed=seed, noisy=noisy)
        if len(film.cues[film.language]) < FEWEST:
            continue
        folder = given.work / film.name
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "ours").mkdir(parents=True)
        (folder / "theirs").mkdir()
        corpus.write(film.sound, folder / "film.wav")
        files = damaged_files(film, folder, kinds)
        ours += put_right(folder / "film.wav", files, folder / "ours")
        if given.ffsubsync:
            theirs += put_right_by(given.ffsubsync, folder / "film.wav", files, folder / "theirs")
        every += files
        seconds += film.seconds
        for one in files:
            print(film.name, one.path.name, len(one.cues), *one.ours, one.theirs, flush=True)
    print(f"\n{len(every)} files of {seconds / 60:.0f} minutes; {ours:.0f} s, {theirs:.0f} s\n")
    print("| damage | files | cues right | not sure | files right | ffsubsync: cues right |")
    print("|---|---|---|---|---|---|")
    for kind in [*kinds, ""]:
        own = [one for one in every if kind in (one.kind, "")]
        cues = sum(len(one.cues) for one in own)
        right = sum(one.ours[1] * len(one.cues) for one in own) / cues
        other = sum(one.theirs * len(one.cues) for one in own) / cues
        unsure = sum(one.ours[0] == "not sure" for one in own)
        whole = sum(one.ours[1] >= 0.95 for one in own)
        print(f"| {kind or 'all'} | {len(own)} | {right:.1%} | {unsure} | {whole} | {other:.1%} |")
    good = [one for one in every if one.kind == "good"]
    same = sum(one.ours[0] == "in sync" for one in good)
    harmed = sum(one.ours[0] in ("HARMED", "synced") for one in good)
    print(
        f"\nof {len(good)} good files {same} came back as they were, {harmed} were harmed;"
        f" ffsubsync moved {sum(one.theirs < 1 for one in good)} by more than 0.2 s somewhere"
    )


if __name__ == "__main__":
    main()
