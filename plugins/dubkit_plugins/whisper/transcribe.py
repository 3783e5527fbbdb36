"""From the settings of a Whisper plugin to a transcript: language, model, engine, words.

The decoding itself is in :mod:`.recognize`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from faster_whisper.tokenizer import _LANGUAGE_CODES

from dubkit import (
    Cue,
    Progress,
    Track,
    TranscribeProgress,
    Transcription,
    UsageError,
    in_script,
    primary_language,
)

from . import models
from .decode import DecodedWindow, Finding
from .engine import Clock, Decoding, Engine, MultilingualEngine
from .languages import are_close, ease
from .models import Weights
from .recognize import Sound, detect_language, prompt_tokens, recognize

log = logging.getLogger("dubkit")

E = TypeVar("E", bound=Engine)

OTHER_CODES = {"nb": "no", "iw": "he", "fil": "tl", "cmn": "zh", "jv": "jw", "in": "id", "ji": "yi"}
"""Whisper's codes for languages whose BCP-47 tags differ."""
CHINESE = ("zh", "yue")
SURE = 0.5
"""Probability below which a detected language is worth a warning."""
DETECTORS = ("tiny", "base", "small")
"""Models that can detect a language, the smallest first."""
SMALL = DETECTORS[::-1]
"""The same, the one that transcribes best first."""
READERS = ("base", "small", "large-v3-turbo", "medium", "large-v3", "large-v2", "tiny")
"""Models that can read speech back, the one that is preferred for it first."""


_LOADING = threading.RLock()
"""Who needs a model that another thread is loading waits for it."""


def hold(held: dict[str, E], name: str, load: Callable[[], E]) -> E:
    """The model ``name``, loaded unless it is held already; another one first makes room for it."""
    with _LOADING:
        if name not in held:
            held.clear()
            held[name] = load()
        return held[name]


@dataclass(frozen=True, slots=True)
class Family:
    """What differs between the plugins: their models and how one is loaded."""

    catalogue: Mapping[str, str]
    """Repositories by model name."""
    english: tuple[str, ...]
    """Models for English if none is requested, best first."""
    other: tuple[str, ...]
    """Models for any other language."""
    load: Callable[[Weights], Engine]
    load_detector: Callable[[Progress], Engine]
    """Loads a small multilingual model, for when the language must be detected before a model can
    be chosen."""
    load_beside: Callable[[], MultilingualEngine | None]
    """Loads a multilingual model that is on this machine, besides the one that is in use; None if
    there is none."""
    packages: bool
    """Whether it can read the ``offline`` extra's model."""


def transcribe(
    make_family: Callable[[], Family],
    model: str,
    audio: Path,
    *,
    languages: Sequence[str],
    prompt: str,
    hotwords: Sequence[str],
    beam_size: int,
    work: Path,
    progress: TranscribeProgress,
) -> Transcription:
    """Transcribe a 16 kHz mono WAV file; see :class:`dubkit.hooks.Transcriber`.

    ``make_family`` may take long, as it imports libraries; speech is looked for meanwhile.
    ``model`` is a name, a folder or ``auto``. ``languages`` are the tags of those that may be
    spoken: one, several, of which each stretch of speech is in one, or none for any.
    """

    def report(done: float, total: float, cues: Sequence[Cue]) -> None:
        progress("transcribe", done, total, cues=cues)

    clock = Clock()
    check_languages(languages, model)
    tags = {whisper_code(language): language for language in languages}
    with Sound(audio, clock) as sound:
        with clock("model"):
            family = make_family()
            loaded = _prepare(family, model, sound, tuple(tags), progress, clock)
        other = _Other(family.load_beside)
        finding = None
        if len(tags) != 1 and loaded.engine.tokenizer:
            finding = Finding(tuple(tags), None if loaded.knows_all else other.engine)
        # As sentences: after a bare word Whisper leaves out full stops.
        names = f"{', '.join(hotwords)}." if hotwords else ""
        text = " ".join(part for part in (names, prompt) if part)
        windows = recognize(
            loaded.engine,
            sound,
            Decoding(loaded.code, prompt_tokens(loaded.engine, text), beam_size),
            work=work,
            progress=report,
            clock=clock,
            finding=finding,
        )
        doubts = _doubts(loaded, sound, windows) if len(tags) == 1 else ()
    return Transcription(
        _track(windows, loaded.code, tags),
        loaded.model,
        clock.timings,
        (
            *loaded.warnings,
            *doubts,
            *other.warnings(loaded.model, family.other[0]),
            *(fault_warning(window) for window in windows if window.fault),
        ),
    )


CERTAIN = 0.9
"""Probability of another language than the one that was named from which the user is asked."""
UNEASY = -0.15
"""Mean logarithm of the words' probabilities under which a language may have been named wrongly:
clear speech in the one that was named has -0.05, in another one -0.2 and less."""


def _doubts(loaded: _Loaded, sound: Sound, windows: Sequence[DecodedWindow]) -> tuple[str, ...]:
    """What the user should know if the only language that was named seems not to be spoken."""
    words = [word for one in windows for word in one.words]
    if not loaded.knows_all or not words or ease(words) > UNEASY:
        return ()
    code, probability = detect_language(loaded.engine, sound)
    if code == loaded.code or are_close(code, loaded.code) or probability < CERTAIN:
        return ()
    return (
        f"the language sounds like {bcp47(code)} ({probability:.0%} sure), and is set to "
        f"{bcp47(loaded.code)}; without --language it is found",
    )


class _Other:
    """The multilingual model beside one that knows one language, loaded when it is first needed,
    if one is on this machine."""

    def __init__(self, load: Callable[[], MultilingualEngine | None]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._engine: MultilingualEngine | None = None
        self._is_missing = False

    def engine(self) -> MultilingualEngine | None:
        """The model, or None; from any thread."""
        with self._lock:
            if not self._engine and not self._is_missing:
                self._engine = self._load()
                self._is_missing = not self._engine
            return self._engine

    def warnings(self, model: str, better: str) -> Sequence[str]:
        """What the user should know if it was needed and is not here."""
        if not self._is_missing:
            return ()
        return (
            f"{model} is unsure of some of it and knows one language: if there are others, "
            f"--model {better} finds them",
        )


def _track(windows: Sequence[DecodedWindow], main: str, tags: Mapping[str, str]) -> Track:
    """The words in the language in which most is spoken, cues in others with theirs. ``main`` is
    the code of what was expected, ``tags`` are those that were asked for, by their codes."""
    seconds = {main: 0.0}
    for window in windows:
        length = sum(word.end - word.start for word in window.words)
        seconds[window.language] = seconds.get(window.language, 0.0) + length
    most = max(seconds, key=lambda code: seconds[code])
    cues: list[Cue] = []
    for code in seconds:
        own = tuple(one.cue for one in windows if one.words and one.language == code)
        tag = tags.get(code) or bcp47(code)
        if code in CHINESE:
            from .chinese import in_one_script

            own = in_one_script(own, tag)
        elif code in tags:
            own = tuple(_in_script(cue, tag) for cue in own)
        cues += own if code == most else (replace(cue, language=tag) for cue in own)
    return Track(tags.get(most) or bcp47(most), tuple(sorted(cues, key=lambda cue: cue.start)))


def _in_script(cue: Cue, language: str) -> Cue:
    """A cue in the script that the tag of its language asks for."""
    words = tuple(replace(word, text=in_script(word.text, language)) for word in cue.words)
    return replace(cue, text=in_script(cue.text, language), words=words)


def preload(family: Family, model: str, language: str | None) -> None:
    """Load the model that :func:`transcribe` will begin with, if it is on this machine."""
    if model != "auto":
        weights = models.find_here(model, family.catalogue, packages=family.packages)
    elif language:
        names = family.english if whisper_code(language) == "en" else family.other
        weights = models.choose_here(names, family.catalogue, packages=family.packages)
    else:
        return
    if weights:
        family.load(weights)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """An engine that is ready, the language it will transcribe, and what is doubtful about that."""

    engine: Engine
    model: str
    code: str
    knows_all: bool
    """Whether it knows other languages, too, and can tell them apart."""
    warnings: tuple[str, ...]


def _prepare(
    family: Family,
    model: str,
    sound: Sound,
    codes: tuple[str, ...],
    progress: Progress,
    clock: Clock,
) -> _Loaded:
    """Detect the language unless one is given, and load the model that suits it."""
    code = codes[0] if len(codes) == 1 else None
    weights: Weights | None = None
    engine: Engine | None = None
    warnings: tuple[str, ...] = ()
    progress("load", 0.0, 0.0)
    if model != "auto":
        weights = models.find(model, family.catalogue, progress, packages=family.packages)
        if weights.languages:
            code = _known_language(weights, code)
        elif weights.english_only and "en" in codes:
            code = "en"
        engine = family.load(weights)
    if code is None:
        multilingual = engine and engine.multilingual and weights and not weights.english_only
        with clock("language"):
            chosen = engine if engine and multilingual else family.load_detector(progress)
            code, warnings = detect(chosen, sound, codes)
    if engine is None or weights is None:
        names = family.english if code == "en" and len(codes) < 2 else family.other
        weights = models.choose(names, family.catalogue, progress, packages=family.packages)
        if weights.package:
            log.info("using Whisper base from the offline extra; --model selects larger models")
        engine = family.load(weights)
    if code != "en" and (weights.english_only or not engine.multilingual):
        raise _english_only_error(weights.name, code, family.other[0])
    knows_all = engine.multilingual and not weights.english_only and not weights.languages
    return _Loaded(engine, weights.name, code, knows_all, warnings)


def _known_language(weights: Weights, code: str | None) -> str:
    """Whisper's code for the language, for a model that knows few: if it knows one, that need not
    be detected. Raises UsageError for another language."""
    codes = [whisper_code(language) for language in weights.languages]
    if code and code not in codes:
        raise UsageError(
            f"{weights.name} knows only {', '.join(weights.languages)}, not {bcp47(code)!r}",
            "use the model that it was distilled from, or another one",
        )
    return code or codes[0]


def detect(engine: Engine, sound: Sound, among: Sequence[str] = ()) -> tuple[str, tuple[str, ...]]:
    """Whisper's code for the language of the first speech, if any are named one of them, and
    warnings if that is doubtful."""
    code, probability = detect_language(engine, sound, among)
    if probability:
        log.info("the language is %s (%.0f %%)", code, probability * 100)
    if not 0 < probability < SURE:
        return code, ()
    return code, (f"the language may not be {code} ({probability:.0%} sure); --language sets it",)


def language_of(audio: Path, load: Callable[[], Engine]) -> tuple[str, float]:
    """See :class:`dubkit.hooks.DetectsLanguage`; ``load`` returns a multilingual model."""
    with Sound(audio, Clock()) as sound:
        code, probability = detect_language(load(), sound)
    return bcp47(code), probability


def settings_to_read_back(
    catalogue: Mapping[str, str], language: str, *, packages: bool
) -> Mapping[str, str] | None:
    """See :class:`dubkit.hooks.ReadsBack`: the smallest model here that reads most languages well
    enough, greedily."""
    try:
        whisper_code(language)
    except UsageError:
        return None
    for name in READERS:
        packaged = packages and name == models.OFFLINE_NAME and models.find_packaged()
        if packaged or models.find_here(name, catalogue, packages=packages):
            return {"model": name, "beam_size": "1"}
    return None


def whisper_code(language: str) -> str:
    """Whisper's code for a BCP-47 tag; UsageError for a language it does not know."""
    primary = primary_language(language)
    code = OTHER_CODES.get(primary, primary)
    if code not in _LANGUAGE_CODES:
        raise UsageError(
            f"Whisper does not know the language {language!r}",
            "it knows " + ", ".join(sorted(_LANGUAGE_CODES)),
        )
    return code


def check_languages(languages: Sequence[str], model: str) -> None:
    """Raise UsageError for a language that Whisper does not know, or if none is English and the
    model knows no other. Beside an English model, a multilingual one transcribes the rest."""
    codes = [whisper_code(language) for language in languages]
    if codes and "en" not in codes and models.ENGLISH_ONLY.search(model.rstrip("/")):
        raise _english_only_error(model, languages[0], SMALL[0])


def bcp47(code: str) -> str:
    """The BCP-47 tag for Whisper's code."""
    return {"no": "nb", "jw": "jv"}.get(code, code)


def _english_only_error(model: str, language: str, other: str) -> UsageError:
    """The error for an English model and another language, naming what to use instead."""
    return UsageError(f"{model} knows only English, and this is {language!r}: use --model {other}")


def fault_warning(window: DecodedWindow) -> str:
    """What is wrong with a window, for the user."""
    meaning = {
        "unsure": "the engine was unsure of the words",
        "skipped": "some words may be missing",
        "empty": "somebody seems to speak, but no words were recognized",
        "repetitive": "the words repeat themselves",
        "loop": "the words repeated themselves and were cut",
        "too fast": "there are more words than anybody can speak in that time",
    }
    span = f"{_minutes(window.start)} to {_minutes(window.end)}"
    return f"{span}: {meaning.get(window.fault or '', window.fault)}"


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
