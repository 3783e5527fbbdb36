"""How many bad clips of a dub the check finds, how many good ones it blames, and what it takes.

    python benchmarks/verify.py kokoro-es kokoro-fr kokoro-en
    DUBKIT_SPEECH=FOLDER python benchmarks/verify.py prompts-it prompts-ru

``kokoro-LANGUAGE``: the lines of ``verify_lines.json``, spoken by two voices in turn.
``prompts-LANGUAGE`` and the other sets of ``corpus.py``: recordings of people with their texts;
there is one speaker, and another voice is the same recording with pitch and formants moved. Of the
clips 1, 5 and 20 % are corrupted, each of those in one of five ways: noise of the same length and
level, half of the line, a third of it spoken twice, another voice, another line's clip. Printed are
the share of them that is found, the share of the others that is blamed, and the CPU time of the
check against that of speaking. Clips are kept in ``--clips DIR`` from one run to the next.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import tempfile
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from corpus import RATE, Sound, clips_of, samples_of

from dubkit.dub import clip
from dubkit.dub.lines import Line
from dubkit.engines import EngineRoom, load
from dubkit.hooks import Synthesizer
from dubkit.options import Options
from dubkit.pipeline.context import Context
from dubkit.pipeline.verify import Verifier
from dubkit.types import Voice
from dubkit.workspace import open_workspace

HERE = Path(__file__).parent
KINDS = ("noise", "half", "doubled", "other voice", "other text")
SHARES = (0.01, 0.05, 0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--clips", type=Path, default=Path(tempfile.gettempdir()) / "verify-clips")
    parser.add_argument("--lines", type=int, default=30)
    parser.add_argument("--films", type=int, default=30, help="mixes of each share")
    parser.add_argument("-v", action="store_true", help="every clip that is judged wrongly")
    given = parser.parse_args()
    for name in given.sets:
        folder = given.clips / name
        folder.mkdir(parents=True, exist_ok=True)
        measure(name, folder, given.lines, given.films, verbose=given.v)


def measure(name: str, folder: Path, count: int, films: int, *, verbose: bool) -> None:
    source, _, language = name.partition("-")
    speak = kokoro if source == "kokoro" else recorded
    lines, spent = speak(name, language, folder, count)
    good = {line.number: folder / f"{line.number:02}.good.wav" for line in lines}
    seconds = sum(clip.measure(path).seconds for path in good.values())
    rng = random.Random(1)
    bad = {line.number: dict(corrupted(line.number, good, folder, rng)) for line in lines}
    film = HERE.parent / "examples/data/austen.mp4"
    options = Options(subs_from=film.with_suffix(".srt").name, dub=True)
    found: dict[tuple[float, str], list[bool]] = collections.defaultdict(list)
    wrong: collections.Counter[tuple[str, str]] = collections.Counter()
    with EngineRoom() as room, open_workspace(folder / "work.dubkit") as work:
        context = Context(film, options, lambda *_: None, room)
        verifier = Verifier(context, work, language)
        started, cpu = time.perf_counter(), time.process_time()
        for verdict, line in zip(
            verifier([(line, clip.measure(good[line.number])) for line in lines]), lines,
            strict=True,
        ):  # fmt: skip
            found[0.0, "good"].append(not verdict.faults)
            if verdict.faults:
                wrong[f"{line.number} good", "; ".join(verdict.faults)] += 1
        check = time.perf_counter() - started, time.process_time() - cpu
        for kind in KINDS:  # measured together: that takes less time
            verifier([
                (line, clip.measure(bad[line.number].get(kind, good[line.number])))
                for line in lines
            ])  # fmt: skip
        for share in SHARES:
            for seed in range(films):
                rng = random.Random(f"{share} {seed}")
                chosen = rng.sample(lines, max(1, round(share * len(lines))))
                kinds = {one.number: rng.choice(list(bad[one.number])) for one in chosen}
                mixed = [
                    (line, clip.measure(bad[line.number][kinds[line.number]]
                                        if line.number in kinds else good[line.number]))
                    for line in lines
                ]  # fmt: skip
                for verdict, line in zip(verifier(mixed), lines, strict=True):
                    kind = kinds.get(line.number, "good")
                    right = bool(verdict.faults) == (line.number in kinds)
                    found[share, kind].append(right)
                    if not right:
                        wrong[f"{line.number} {kind}", "; ".join(verdict.faults)] += 1
        again = time.perf_counter()
        verifier(mixed)
        again = time.perf_counter() - again
        for text in context.warnings:
            print("  warning:", text)
    print(f"{name}: {len(lines)} lines, {seconds:.0f} s")
    print(
        f"  check of the good ones {check[0]:.1f} s, CPU {check[1]:.1f} s ({check[1] / seconds:.3f}"
        f" a second); speaking CPU {spent * seconds:.1f} s; check/speaking "
        f"{check[1] / (spent * seconds) if spent else float('nan'):.2f}; again {again:.2f} s"
    )
    for share in (0.0, *SHARES):
        parts = [
            f"{kind} {sum(rights)}/{len(rights)}"
            for kind in ("good", *KINDS)
            if (rights := found[share, kind])
        ]
        every = [right for kind in KINDS for right in found[share, kind]]
        goods = found[share, "good"]
        rate = f"found {np.mean(every):.1%}, " if every else ""
        rate += f"blamed {1 - np.mean(goods):.1%}: "
        print(f"  {share:.0%} bad: {rate}{', '.join(parts)}")
    if verbose:
        for (which, faults), times in wrong.most_common():
            number = int(which.split()[0])
            print(f"    {times} x {which}: {faults or 'not found'} | {lines[number - 1].text}")


def _line(number: int, text: str, voice: str) -> Line:
    start = 5.0 * number
    return Line(number, (number,), start, start + 4, text, "", voice, Voice(voice))


def kokoro(name: str, language: str, folder: Path, count: int) -> tuple[list[Line], float]:
    """Lines that are spoken, each by one voice and then by the other, and the CPU seconds of a
    second of the first."""
    texts = json.loads((HERE / "verify_lines.json").read_text())[language][:count]
    engine = load(Synthesizer, "kokoro")
    voices = engine.voices(language)[:2]
    lines = []
    times = folder / "speaking.json"
    known = json.loads(times.read_text()) if times.exists() else {}
    for number, text in enumerate(texts, 1):
        line = _line(number, text, voices[(number - 1) % 2])
        lines.append(line)
        own, other = voices[(number - 1) % 2], voices[number % 2]
        for kind, voice in (("good", own), ("other voice", other)):
            path = folder / f"{number:02}.{kind}.wav"
            if not path.exists():
                began = time.process_time()
                engine.speak(
                    text, path, language=language, voice=Voice(voice), seconds=None, seed=0
                )
                if kind == "good":
                    known[str(number)] = time.process_time() - began
                    times.write_text(json.dumps(known))
    engine.close()
    timed = [number for number in known if int(number) <= len(lines)]
    length = sum(clip.measure(folder / f"{int(number):02}.good.wav").seconds for number in timed)
    return lines, sum(known[number] for number in timed) / length if timed else 0.0


def recorded(name: str, language: str, folder: Path, count: int) -> tuple[list[Line], float]:
    """Recordings with their texts."""
    found, _ = clips_of(name)
    random.Random(0).shuffle(found)
    lines = []
    for number, (path, text) in enumerate(found[:count], 1):
        lines.append(_line(number, text, "somebody"))
        good = folder / f"{number:02}.good.wav"
        if not good.exists():
            _write(samples_of(path), good)
            high = number % 2
            moved = 1.25 if high else 0.8
            _write(
                samples_of(path, "-af", f"aresample=16000,asetrate={16000 * moved:.0f},"
                                      f"aresample=16000,atempo={1 / moved}"),
                folder / f"{number:02}.other voice.wav",
            )  # fmt: skip
    return lines, 0.0


def corrupted(
    number: int, good: dict[int, Path], folder: Path, rng: random.Random
) -> Iterator[tuple[str, Path]]:
    """The clips that stand in for a line's own, by kind."""
    sound = clip.load(good[number], RATE)
    loud = np.flatnonzero(np.abs(sound) > 0.02 * np.abs(sound).max())
    sound = sound[loud[0] : loud[-1] + 1]
    noise = np.random.default_rng(number).normal(size=len(sound)).astype(np.float32)
    strength = float(np.sqrt(np.mean(np.square(sound))))
    made = {"noise": noise / np.float32(3.2) * np.float32(min(strength * 3.2, 0.9) / 1)}
    if len(sound) > 1.0 * RATE:
        middle = _quiet(sound, 0.5)
        made["half"] = sound[:middle] if rng.random() < 0.5 else sound[middle:]
        first, last = _quiet(sound, 0.3), _quiet(sound, 0.65)
        made["doubled"] = np.concatenate([sound[:last], sound[first:]])
    for kind, samples in made.items():
        path = folder / f"{number:02}.{kind}.wav"
        if not path.exists():
            _write(samples, path)
        yield kind, path
    yield "other voice", folder / f"{number:02}.other voice.wav"
    # Another line of the same voice, of another length or not.
    yield "other text", good[(number + 1) % len(good) + 1]


def _quiet(sound: Sound, share: float) -> int:
    """The quietest place near a share of a sound: between words, mostly."""
    size = RATE // 50
    first, last = int((share - 0.08) * len(sound)), int((share + 0.08) * len(sound))
    steps = range(first, last, size // 2)
    powers = [float(np.sum(np.square(sound[at : at + size]))) for at in steps]
    return first + int(np.argmin(powers)) * (size // 2) + size // 2


def _write(sound: Sound, path: Path) -> None:
    part = path.with_suffix(".part")
    with wave.open(str(part), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(np.rint(np.clip(sound, -1, 1) * 32_767).astype("<i2").tobytes())
    part.replace(path)


if __name__ == "__main__":
    main()
