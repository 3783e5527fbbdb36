"""Check that a synthesizer or a converter keeps its contract."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dubkit.hooks import BatchConverter, BatchSynthesizer, ConversionRequest, Utterance
from dubkit.languages import primary
from dubkit.system.scratch import scratch_folder
from dubkit.types import Reference, Voice

from . import samples
from .findings import (
    Findings,
    abbreviate,
    attempt,
    attempt_many,
    attempt_watched,
    is_ready,
    verdict,
)
from .translators import SENTENCES

SHORTEST = 0.1
"""Seconds; speech never takes less."""
LENGTH_TOLERANCE = 0.05
"""Seconds by which converted speech may be longer or shorter."""
UNKNOWN = "qaa"
"""A tag that ISO 639 assigns to no language."""


def check_synthesizer(
    engine: Any,
    *,
    language: str = "en",
    text: str = "",
    references: Sequence[Reference] = (),
) -> None:
    """Have it speak ``text`` (everyday sentences if none is given), twice with the same seed, then
    aiming at a length; several texts at once if it supports that. ``references`` are clips for an
    engine that clones; without any it gets a voice-like buzz."""
    text = text or " ".join(SENTENCES.get(primary(language), ())[:2])
    if not text:
        raise ValueError(f"there are no sentences in {language!r} here: pass one, text=...")
    with verdict("synthesizers", engine) as wrong, scratch_folder() as folder:
        if not is_ready("synthesizers", engine):
            return
        if not isinstance(engine.clones, bool):
            wrong.append(f"clones is {engine.clones!r}; it must be True or False")
        names = _voices(wrong, engine, language)
        if _voices(wrong, engine, UNKNOWN):
            wrong.append(f"voices({UNKNOWN!r}) names voices for a language that nobody speaks")
        voices = [Voice(name) for name in names[:2]]
        if engine.clones:
            voices.append(_cloned_voice(folder, references))
        if not voices:
            wrong.append(f"it has no voice for {language!r} and clones none: it cannot be checked")
        for number, voice in enumerate(voices):
            name = f"the voice {voice.name}" if voice.name else "a cloned voice"
            out = folder / f"out {number}"
            lengths = [
                _speak(wrong, f"speak() with {name}{how}", engine, text, folder, out / file,
                        language=language, voice=voice, seconds=seconds, seed=seed)
                for file, how, seconds, seed in (
                    ("1.wav", "", None, 1),
                    ("2.wav", " and the same seed again", None, 1),
                    ("3.wav", " and a length to aim at", 3.0, 2),
                )
            ]  # fmt: skip
            if None not in lengths and lengths[0] != lengths[1]:
                wrong.append(
                    f"speak() with {name} and the same seed is {lengths[0]:.3f} s long, then "
                    f"{lengths[1]:.3f} s; the same seed must give the same sound"
                )
            word, what = text.split()[0], f"speak() of a single word with {name}"
            _speak(wrong, what, engine, word, folder, out / "4.wav",
                    language=language, voice=voice, seconds=None, seed=1)  # fmt: skip
            if isinstance(engine, BatchSynthesizer) and lengths[0]:
                texts = [
                    Utterance(one, out / f"many {file}.wav", language, voice, None, 1)
                    for file, one in enumerate((text, word, text))
                ]
                _speak_all(wrong, f"speak_all() with {name}", engine, texts, folder, lengths[0])


def _voices(wrong: Findings, engine: Any, language: str) -> list[str]:
    what = f"voices({language!r})"
    before = len(wrong)
    names = attempt(wrong, what, engine.voices, language)
    if len(wrong) > before:
        return []
    if isinstance(names, str) or not isinstance(names, Sequence):
        wrong.append(f"{what} returns {abbreviate(names)}, not a list or tuple of names")
        return []
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        wrong.append(f"{what} returns {abbreviate(names)}; each voice needs its own name")
        return []
    return list(names)


def _cloned_voice(folder: Path, references: Sequence[Reference]) -> Voice:
    """The voice of the clips, which the engine gets as copies."""
    clips = []
    for number, clip in enumerate(references):
        path = samples.write_converted(clip.path, folder / f"clips/{number}.wav", 24_000)
        clips.append(Reference(path, clip.text, clip.language))
    if not clips:
        path = samples.write_babble(folder / "clips/0.wav", 4.0, 24_000)
        clips.append(Reference(path, "Good morning. Where is the station?", "en"))
    return Voice(references=tuple(clips))


def _speak(
    wrong: Findings,
    what: str,
    engine: Any,
    text: str,
    folder: Path,
    out: Path,
    **arguments: Any,
) -> float | None:
    """The length of the speech in seconds; None if it failed."""
    out.parent.mkdir(exist_ok=True)
    before = len(wrong)
    attempt_watched(wrong, what, folder, [out], engine.speak, text, out, **arguments)
    if len(wrong) > before:
        return None
    return _check_sound(wrong, what, out)


def _speak_all(
    wrong: Findings,
    what: str,
    engine: BatchSynthesizer,
    texts: Sequence[Utterance],
    folder: Path,
    seconds: float,
) -> None:
    """Have texts spoken with as few calls as it allows; alone, the first took ``seconds``."""
    for one in attempt_many(wrong, what, folder, engine, texts, engine.speak_all):
        length = _check_sound(wrong, what, one.out)
        if length is not None and one.text == texts[0].text and length != seconds:
            wrong.append(
                f"{what} speaks for {length:.3f} s and speak() for {seconds:.3f} s; the same "
                "seed must give the same sound"
            )


def _check_sound(wrong: Findings, what: str, out: Path) -> float | None:
    """The length of a WAV file that it wrote; None if it is unusable."""
    try:
        sound, rate = samples.read_wav(out)
    except ValueError as fault:
        wrong.append(f"{what} returns, but the file that it should write {fault}")
        return None
    seconds = sound.shape[1] / rate
    if seconds < SHORTEST:
        wrong.append(f"{what} writes {seconds:.3f} s of sound, too short for speech")
    elif samples.is_silent(sound):
        wrong.append(f"{what} writes silence")
    return float(seconds)


def check_converter(
    engine: Any, *, speech: str | Path | None = None, references: Sequence[Reference] = ()
) -> None:
    """Have it convert ``speech`` (any file with sound) to the voice of ``references``, several
    recordings at once if it supports that; a voice-like buzz stands in for either if it is not
    given."""
    with verdict("converters", engine) as wrong, scratch_folder() as folder:
        if not is_ready("converters", engine):
            return
        long, short = folder / "in/long.wav", folder / "in/short.wav"
        if speech:
            samples.write_converted(speech, long, 24_000)
        else:
            samples.write_babble(long, 4.0, 24_000)
        samples.write_babble(short, 0.5, 24_000)
        voice = _cloned_voice(folder, references)
        for audio, what in ((long, "convert()"), (short, "convert() of half a second")):
            out = folder / f"out/{audio.name}"
            out.parent.mkdir(exist_ok=True)
            before = len(wrong)
            attempt_watched(wrong, what, folder, [out], engine.convert, audio, out, voice=voice)
            if len(wrong) > before:
                continue
            _check_length(wrong, what, audio, out)
        if isinstance(engine, BatchConverter) and not wrong:
            requests = [
                ConversionRequest(audio, folder / f"out/many {n}.wav", voice)
                for n, audio in enumerate((long, short, long))
            ]
            what, call = "convert_all()", engine.convert_all
            for one in attempt_many(wrong, what, folder, engine, requests, call):
                _check_length(wrong, what, one.audio, one.out)


def _check_length(wrong: Findings, what: str, audio: Path, out: Path) -> None:
    wanted, seconds = samples.seconds_of(audio), _check_sound(wrong, what, out)
    if seconds is not None and abs(seconds - wanted) > LENGTH_TOLERANCE:
        wrong.append(f"{what} writes {seconds:.3f} s for {wanted:.3f} s; it must be equally long")
