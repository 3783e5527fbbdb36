"""Whether what makes a voice, a speaker or a converter, keeps its contract."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dubkit.hooks import BatchSynthesizer, Utterance
from dubkit.languages import primary
from dubkit.types import Reference, Voice

from . import samples
from .findings import Findings, is_ready, shown, tried, verdict, watched
from .translators import SENTENCES

SHORTEST = 0.1
"""Seconds; nothing that is said takes less."""
OFF = 0.05
"""Seconds by which a converted sound may be longer or shorter."""
UNKNOWN = "qaa"
"""A tag that ISO 639 gives to no language."""


def check_synthesizer(
    engine: Any,
    *,
    language: str = "en",
    text: str = "",
    references: Sequence[Reference] = (),
) -> None:
    """Have it speak ``text`` (everyday sentences where none is given), twice with the same seed,
    and aim at a length; several texts at once where it gains by that. ``references`` are clips for
    an engine that clones; without any it gets a buzz that is like a voice."""
    text = text or " ".join(SENTENCES.get(primary(language), ())[:2])
    if not text:
        raise ValueError(f"there are no sentences in {language!r} here: give one, text=...")
    with verdict("synthesizers", engine) as wrong, tempfile.TemporaryDirectory() as temporary:
        if not is_ready("synthesizers", engine):
            return
        folder = Path(temporary)
        if not isinstance(engine.clones, bool):
            wrong.append(f"clones is {engine.clones!r}; it must be True or False")
        names = _voices(wrong, engine, language)
        if _voices(wrong, engine, UNKNOWN):
            wrong.append(f"voices({UNKNOWN!r}) names voices for a language that nobody speaks")
        voices = [Voice(name) for name in names[:2]]
        if engine.clones:
            voices.append(_voice_like(folder, references))
        if not voices:
            wrong.append(f"it has no voice for {language!r} and clones none: it cannot be tried")
        for number, voice in enumerate(voices):
            name = f"the voice {voice.name}" if voice.name else "a cloned voice"
            out = folder / f"out {number}"
            lengths = [
                _spoken(wrong, f"speak() with {name}{how}", engine, text, folder, out / file,
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
                    f"{lengths[1]:.3f} s; the same seed gives the same sound"
                )
            word, what = text.split()[0], f"speak() of a single word with {name}"
            _spoken(wrong, what, engine, word, folder, out / "4.wav",
                    language=language, voice=voice, seconds=None, seed=1)  # fmt: skip
            if isinstance(engine, BatchSynthesizer) and lengths[0]:
                texts = [
                    Utterance(said, out / f"many {file}.wav", language, voice, None, 1)
                    for file, said in enumerate((text, word, text))
                ]
                _spoken_at_once(
                    wrong, f"speak_all() with {name}", engine, texts, folder, lengths[0]
                )


def _voices(wrong: Findings, engine: Any, language: str) -> list[str]:
    what = f"voices({language!r})"
    before = len(wrong)
    names = tried(wrong, what, engine.voices, language)
    if len(wrong) > before:
        return []
    if isinstance(names, str) or not isinstance(names, Sequence):
        wrong.append(f"{what} returns {shown(names)}, not a list or tuple of names")
        return []
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        wrong.append(f"{what} returns {shown(names)}; each voice needs a name of its own")
        return []
    return list(names)


def _voice_like(folder: Path, references: Sequence[Reference]) -> Voice:
    """The voice of the clips, of which the engine gets copies."""
    clips = []
    for number, clip in enumerate(references):
        path = samples.write_given(clip.path, folder / f"clips/{number}.wav", 24_000)
        clips.append(Reference(path, clip.text, clip.language))
    if not clips:
        path = samples.write_babble(folder / "clips/0.wav", 4.0, 24_000)
        clips.append(Reference(path, "Good morning. Where is the station?", "en"))
    return Voice(references=tuple(clips))


def _spoken(
    wrong: Findings,
    what: str,
    engine: Any,
    text: str,
    folder: Path,
    out: Path,
    **wishes: Any,
) -> float | None:
    """How long it speaks; None where that is not to be known."""
    out.parent.mkdir(exist_ok=True)
    before = len(wrong)
    watched(wrong, what, folder, [out], engine.speak, text, out, **wishes)
    if len(wrong) > before:
        return None
    return _sounding(wrong, what, out)


def _spoken_at_once(
    wrong: Findings,
    what: str,
    engine: BatchSynthesizer,
    texts: Sequence[Utterance],
    folder: Path,
    seconds: float,
) -> None:
    """Have the same said as before, in ``seconds``, by one call; and by one for each if it takes
    no more at once."""
    if type(engine.at_once) is not int or engine.at_once < 1:
        wrong.append(f"at_once is {engine.at_once!r}; it must be a number from 1")
        return
    for begin in range(0, len(texts), engine.at_once):
        part = texts[begin : begin + engine.at_once]
        before = len(wrong)
        faults = watched(
            wrong, what, folder, [one.out for one in part], engine.speak_all, list(part)
        )
        if len(wrong) > before:
            return
        if (
            isinstance(faults, str)
            or not isinstance(faults, Sequence)
            or len(faults) != len(part)
            or not all(isinstance(fault, str) for fault in faults)
        ):
            wrong.append(f"{what} returns {shown(faults)}, not a text for each of {len(part)}")
            return
        for one, fault in zip(part, faults, strict=True):
            if fault:
                wrong.append(f"{what} fails: {fault}; alone it was spoken")
                continue
            made = _sounding(wrong, what, one.out)
            if made is not None and one.text == texts[0].text and made != seconds:
                wrong.append(
                    f"{what} speaks for {made:.3f} s where speak() took {seconds:.3f} s; the same "
                    "seed gives the same sound"
                )


def _sounding(wrong: Findings, what: str, out: Path) -> float | None:
    try:
        sound, rate = samples.read_wav(out)
    except ValueError as fault:
        wrong.append(f"{what} returns, and the file that it was to write {fault}")
        return None
    seconds = sound.shape[1] / rate
    if seconds < SHORTEST:
        wrong.append(f"{what} writes {seconds:.3f} s of sound; nothing said is as short")
    elif samples.is_silent(sound):
        wrong.append(f"{what} writes silence")
    return float(seconds)


def check_converter(
    engine: Any, *, speech: str | Path | None = None, references: Sequence[Reference] = ()
) -> None:
    """Have it turn ``speech`` (any file with sound) into the voice of ``references``; a buzz that
    is like a voice stands in for each that is not given."""
    with verdict("converters", engine) as wrong, tempfile.TemporaryDirectory() as temporary:
        if not is_ready("converters", engine):
            return
        folder = Path(temporary)
        long, short = folder / "in/long.wav", folder / "in/short.wav"
        if speech:
            samples.write_given(speech, long, 24_000)
        else:
            samples.write_babble(long, 4.0, 24_000)
        samples.write_babble(short, 0.5, 24_000)
        voice = _voice_like(folder, references)
        for audio, what in ((long, "convert()"), (short, "convert() of half a second")):
            out = folder / f"out/{audio.name}"
            out.parent.mkdir(exist_ok=True)
            before = len(wrong)
            watched(wrong, what, folder, [out], engine.convert, audio, out, voice=voice)
            if len(wrong) > before:
                continue
            wanted, seconds = samples.seconds_of(audio), _sounding(wrong, what, out)
            if seconds is not None and abs(seconds - wanted) > OFF:
                wrong.append(
                    f"{what} writes {seconds:.3f} s for {wanted:.3f} s; it must be equally long"
                )
