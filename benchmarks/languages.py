"""Films in several languages: is each stretch of speech recognized in its own?

    DUBKIT_SPEECH=FOLDER python benchmarks/languages.py mixes alone --errors --json found.json

- ``mixes``: films of real speech (``corpus.py``) in which the language changes every 2 to 20 s.
  Prints seconds of speech by the language that is spoken and the one that was found (``-``: no
  words), the share that is right, of those with words, by the length of the stretch, and with
  ``--errors`` the errors of words beside those of the same clips alone, with ``--language``
- ``others``: the same of films in languages that nothing was chosen by
- ``alone``: films in one language, clean and noisy. Prints the seconds that were taken for another
  language, and CPU seconds, as a ratio to those with ``--language``

The model is Whisper base of the ``offline`` extra, or ``--model``; ``--torch`` is for the other
engine. Nothing is known of the film: ``--language`` is not given, or with ``--among`` the languages
that are spoken are.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import corpus
import numpy as np
from recognition import errors

import dubkit

MIXES = (
    ("readers", "prompts-es", "prompts-en", "dialogue-cs"),
    ("dialogue-cs", "prompts-en", "prompts-ru"),
    ("prompts-fr", "prompts-it", "stamps-es"),
    ("dialogue-nl", "prompts-fr", "readers"),
    ("prompts-ru", "dialogue-nl", "prompts-it"),
)
"""The sources of each film; in the first most is spoken."""
OTHERS = (
    ("readers", "stamps-el", "stamps-ro"),
    ("prompts-it", "stamps-bg", "prompts-en"),
    ("prompts-fr", "stamps-ca", "stamps-el"),
    ("stamps-ro", "prompts-es", "prompts-ru"),
)
"""The same, looked at only at the end."""
LENGTHS = (2, 3, 4, 6, 8, 10, 14, 20)
"""Seconds of a stretch, at least; whole clips are taken."""
ALONE = (
    "readers", "prompts-en+noise5", "prompts-es+far", "prompts-fr+music", "prompts-it+fast",
    "prompts-ru+pauses", "dialogue-cs", "dialogue-cs+noise10", "dialogue-nl", "dialogue-nl+music",
    "stamps-fr", "stamps-ro",
)  # fmt: skip
LONG = 6.0
"""Seconds from which on a stretch should be found."""
FRAME = 0.05
"""Seconds between two looks at which language it is."""


@dataclass(frozen=True)
class Clip:
    """A clip in a film."""

    start: float
    end: float
    language: str
    text: str
    stretch: int
    """The number of the stretch of one language that it is in."""


def mix(sources: Sequence[str], seconds: float, seed: int) -> tuple[corpus.Sound, list[Clip]]:
    """A film in which the language changes."""
    rng = random.Random(seed)
    queues = {source: _endless(source, rng.randrange(1000)) for source in sources}
    pieces: list[corpus.Sound] = []
    clips: list[Clip] = []
    at, number, source = 0.0, 0, sources[0]
    while at < seconds:
        wanted, begin = rng.choice(LENGTHS), at
        while at - begin < wanted:
            sound, language, text = next(queues[source])
            pause = np.zeros(int(rng.choice(corpus.PAUSES) * corpus.RATE), np.float32)
            clips.append(Clip(at, at + len(sound) / corpus.RATE, language, text, number))
            pieces += [sound, pause]
            at += (len(sound) + len(pause)) / corpus.RATE
        number += 1
        others = [one for one in sources if one != source]
        source = sources[0] if source != sources[0] and rng.random() < 0.7 else rng.choice(others)
    return np.concatenate(pieces), clips


def _endless(source: str, seed: int) -> Iterator[tuple[corpus.Sound, str, str]]:
    clips, language = corpus.clips_of(source)
    while True:
        random.Random(seed).shuffle(clips)
        for path, text in clips:
            yield corpus.samples_of(path), language, text


def recognize(engine: Any, sound: corpus.Sound, languages: Sequence[str]) -> tuple[Any, float]:
    """The track, and CPU seconds."""
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder, "film.wav")
        corpus.write(np.clip(sound, -1, 1), wav)
        began = time.process_time()
        found = engine.transcribe_among(
            wav, languages=languages, prompt="", hotwords=(), work=Path(folder),
            progress=lambda *_, **__: None,
        )  # fmt: skip
        return found.track, time.process_time() - began


def language_at(track: dubkit.Track, time: float) -> str | None:
    """The language that was found there; None where no words were."""
    near = [one for one in track.cues if one.start - 0.3 <= time <= one.end + 0.3]
    best = min(near, key=lambda one: max(one.start - time, time - one.end), default=None)
    return dubkit.primary_language(best.language or track.language) if best else None


def judge_mix(engine: Any, sources: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    """What was found in a film in several languages."""
    sound, clips = mix(sources, options.seconds, options.seed)
    spoken = list(dict.fromkeys(clip.language for clip in clips))
    track, cpu = recognize(engine, sound, spoken if options.among else ())
    table: Counter[str] = Counter()
    lengths: dict[int, float] = defaultdict(float)
    judged: dict[int, float] = defaultdict(float)
    right: dict[int, float] = defaultdict(float)
    for clip in clips:
        lengths[clip.stretch] += clip.end - clip.start
        for at in np.arange(clip.start, clip.end, FRAME):
            found = language_at(track, float(at))
            table[f"{clip.language} {found or '-'}"] += 1
            judged[clip.stretch] += FRAME * (found is not None)
            right[clip.stretch] += FRAME * (found == clip.language)
    wrong = {}
    for language in spoken if options.errors else ():
        own = [clip for clip in clips if clip.language == language]
        text = " ".join(clip.text for clip in own)
        gap = np.zeros(corpus.RATE // 2, np.float32)
        cuts = [(round(c.start * corpus.RATE), round(c.end * corpus.RATE)) for c in own]
        apart = np.concatenate([part for a, b in cuts for part in (sound[a:b], gap)])
        single, _ = recognize(engine, apart, (language,))
        cues = [cue for cue in track.cues if (cue.language or track.language) == language]
        wrong[language] = {
            "mixed": errors(text, " ".join(cue.text for cue in cues), language),
            "alone": errors(text, " ".join(cue.text for cue in single.cues), language),
        }
    return {
        "table": {key: round(count * FRAME, 2) for key, count in table.items()},
        "stretches": [[lengths[i], judged[i], right[i]] for i in lengths],
        "errors": wrong,
        "cpu": cpu,
        "seconds": len(sound) / corpus.RATE,
        "main": track.language,
    }


def judge_alone(engine: Any, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """What was taken for another language in a film in one, and what looking for it took."""
    one = corpus.build(name, seconds=options.seconds, seed=options.seed)
    track, finding = recognize(engine, one.sound, ())
    fixed, cpu = recognize(engine, one.sound, (one.language,))
    finding = min(finding, recognize(engine, one.sound, ())[1])
    cpu = min(cpu, recognize(engine, one.sound, (one.language,))[1])
    foreign = [
        cue for cue in track.cues
        if dubkit.primary_language(cue.language or track.language) != one.language
    ]  # fmt: skip
    return {
        "foreign": round(sum(cue.end - cue.start for cue in foreign), 2),
        "as": sorted({cue.language or track.language for cue in foreign}),
        "seconds": round(sum(cue.end - cue.start for cue in track.cues), 2),
        "same": track.text == fixed.text,
        "cpu": [round(finding, 2), round(cpu, 2)],
    }


def show_mixes(found: dict[str, Any]) -> None:
    """Print what was found in all films together."""
    table: Counter[str] = Counter()
    wrong: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for one in found.values():
        table.update(one["table"])
        for language, both in one["errors"].items():
            for kind, (errors_, words) in both.items():
                wrong[language, kind][0] += errors_
                wrong[language, kind][1] += words
    spoken = sorted({key.split()[0] for key in table})
    columns = [*spoken, *sorted({key.split()[1] for key in table} - {*spoken, "-"}), "-"]
    print("seconds of speech, as: " + "".join(f"{column:>8}" for column in columns))
    for own in spoken:
        row = "".join(f"{table[f'{own} {column}']:>8.1f}" for column in columns)
        print(f"{'spoken: ' + own:>22}  {row}")
    stretches = [tuple(pair) for one in found.values() for pair in one["stretches"]]
    for low, high in ((0, 3), (3, LONG), (LONG, 12), (12, 99), (LONG, 99)):
        some = [pair for pair in stretches if low <= pair[0] < high]
        total, right = (sum(pair[i] for pair in some) for i in (1, 2))
        print(
            f"stretches of {low:g} to {high:g} s: {len(some)}, {total:.0f} s, "
            f"{100 * right / max(total, 1e-9):.1f} % right"
        )
    for language in sorted({language for language, _ in wrong}):
        rates = [100 * a / max(b, 1) for a, b in (wrong[language, k] for k in ("mixed", "alone"))]
        print(f"errors of words in {language}: {rates[0]:.1f} % mixed, {rates[1]:.1f} % alone")


def show_alone(found: dict[str, Any]) -> None:
    """Print what was found in each film in one language, and in all."""
    for name, one in found.items():
        ratio = one["cpu"][0] / one["cpu"][1]
        print(
            f"{name:<22}{one['foreign']:>7.1f} s of {one['seconds']:.0f} foreign "
            f"{','.join(one['as']):<8} CPU {ratio:.3f}  {'same text' if one['same'] else ''}"
        )
    totals = [sum(one["cpu"][i] for one in found.values()) for i in (0, 1)]
    print(f"CPU seconds in all: {totals[0]:.1f} / {totals[1]:.1f} = {totals[0] / totals[1]:.3f}")


def main() -> int:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", nargs="+", choices=["mixes", "others", "alone"])
    parser.add_argument("--sets", nargs="*", help="of alone, instead of all")
    parser.add_argument("--seconds", type=float, default=150, help="of each film")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="base")
    parser.add_argument("--torch", action="store_true", help="a folder in transformers' layout")
    parser.add_argument("--among", action="store_true", help="name the languages")
    parser.add_argument("--errors", action="store_true", help="of words, too")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.torch:
        from dubkit_plugins.whisper.distil_whisper import DistilWhisper as Engine
    else:
        from dubkit_plugins.whisper.faster_whisper import FasterWhisper as Engine
    engine = Engine(model=options.model, device="cpu")
    recognize(engine, np.zeros(corpus.RATE, np.float32), ("en",))  # loads it
    results: dict[str, dict[str, Any]] = {}
    for what in options.what:
        results[what] = {}
        films: dict[str, Sequence[Any]] = {"mixes": MIXES, "others": OTHERS}
        jobs = films.get(what, options.sets or ALONE)
        for job in jobs:
            name = job if isinstance(job, str) else " ".join(job)
            judge = judge_mix if what in films else judge_alone
            results[what][name] = judge(engine, job, options)
            print(name, "done", file=sys.stderr, flush=True)
            if options.json:
                options.json.write_text(json.dumps(results, indent=1) + "\n")
        (show_mixes if what in films else show_alone)(results[what])
    return 0


if __name__ == "__main__":
    sys.exit(main())
