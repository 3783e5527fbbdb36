"""``whisper``: a translator from speech in any language straight to English, by Whisper itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from dubkit import (
    Progress,
    TranslationReply,
    TranslationRequest,
    Translator,
    UsageError,
    Word,
    primary_language,
)

from . import guards, models
from .ct2_device import device_of, device_problems
from .ct2_engine import CT2Engine
from .engine import LONGEST, SAMPLE_RATE, Clock, Decoded, Decoding
from .faster_whisper import CATALOGUE
from .speech_activity import Recording, open_wav, speech_probabilities, speech_spans
from .transcribe import whisper_code
from .windows import Window, samples_of, windows

MARGIN = 0.2
"""Seconds of audio added before and after a line: times are rarely exact, words' edges soft."""
TRANSCRIBES_ONLY = re.compile(r"turbo")
"""Multilingual models that were not trained to translate: large-v3-turbo (see its model card)."""
REMEDY = "use --model small, medium, large-v2 or large-v3"


@dataclass(frozen=True)
class WhisperEnglish(Translator):
    """Whisper's own translation of speech into English.

    Rough: it listens to one line at a time, so it recognizes again what the transcript already
    has, knows no context, and drops or smooths over what it does not understand, the more so the
    smaller the model. It needs no second model, and no internet if Whisper is already installed.
    """

    model: str = "auto"
    """A name, ``owner/name`` on the hub, a folder, or ``auto``."""
    device: str = "auto"
    """``cpu``, ``cuda`` or ``auto``."""
    beam_size: int = 5
    """Hypotheses kept while decoding; 1 is greedy."""
    _loaded: dict[str, CT2Engine] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """The model, by its name, from the first request on."""

    contract = 2
    priority = -10
    caveat = (
        "translated by Whisper itself, which is rough; a language model does better "
        "(set OPENAI_API_KEY, or OPENAI_BASE_URL for one of your own)"
    )
    needs_audio = True
    batch = 40

    def check(self) -> Sequence[str]:
        """Problems that keep it from working here."""
        return device_problems("whisper", self.device)

    def close(self) -> None:
        """Unload the model."""
        self._loaded.clear()

    def supports(self, source: str | None, target: str) -> bool:
        """Whether this is from a language that Whisper knows into English."""
        if primary_language(target) != "en":
            return False
        if source is None:
            return True
        try:
            return whisper_code(source) != "en"
        except UsageError:
            return False

    def prepare(self, source: str | None, target: str, progress: Progress) -> None:
        """Download the model if necessary, and load it."""
        self._engine(progress)

    def translate(self, request: TranslationRequest) -> TranslationReply:
        """See :class:`dubkit.hooks.Translator`."""
        if request.audio is None:
            raise UsageError(
                "the translator whisper listens to the speech, and there is none",
                "use the video, not a subtitle file, or choose another translator",
            )
        engine = self._engine(lambda *_: None)
        sound = open_wav(request.audio)
        pieces = [
            (line.id, window)
            for line in request.lines
            for window in _windows(sound, line.start, line.end, LONGEST)
        ]
        # At full length, unlike a transcript: in shorter windows Whisper repeats things or does not
        # translate them (seen in Spanish and French with base).
        decoding = Decoding(
            whisper_code(request.source), (), self.beam_size, task="translate", full_length=True
        )
        translated = _decode(engine, sound, [window for _, window in pieces], decoding)
        texts: dict[str, list[str]] = {}
        for (line, _), text in zip(pieces, translated, strict=True):
            if text:
                texts.setdefault(line, []).append(text)
        return TranslationReply(
            {line: " ".join(found) for line, found in texts.items()},
            fault="" if len(texts) == len(request.lines) else "no speech was understood there",
            model=f"Whisper {next(iter(self._loaded))}",
        )

    def _engine(self, progress: Progress) -> CT2Engine:
        if not self._loaded:
            if problems := self.check():
                raise UsageError(*problems)
            device = device_of("whisper", self.device)
            if self.model == "auto":
                names = ("large-v3", "large-v2", "medium") if device == "cuda" else ("small",)
                weights = models.choose(names, CATALOGUE, progress, packages=True)
            else:
                _refuse(models.Weights(self.model))
                weights = models.find(self.model, CATALOGUE, progress, packages=True)
            _refuse(weights)
            engine = CT2Engine(weights, device=device)
            if not engine.multilingual:
                raise UsageError(f"{weights.name} knows only English: it cannot translate", REMEDY)
            self._loaded[weights.name] = engine
        return next(iter(self._loaded.values()))


def _refuse(weights: models.Weights) -> None:
    """Raise UsageError for a model whose name says that it cannot translate."""
    if weights.english_only:
        raise UsageError(f"{weights.name} knows only English: it cannot translate", REMEDY)
    if TRANSCRIBES_ONLY.search(weights.name):
        raise UsageError(f"{weights.name} was not trained to translate", REMEDY)


def _windows(sound: Recording, start: float, end: float, longest: float) -> list[Window]:
    """The windows of a line: one, or several, split at pauses, if it is longer than ``longest``
    seconds; none if nobody speaks in it."""
    first = max(0.0, start - MARGIN)
    last = min(len(sound) / SAMPLE_RATE, end + MARGIN)
    piece = sound[round(first * SAMPLE_RATE) : round(last * SAMPLE_RATE)]
    if not len(piece):
        return []
    spans = tuple(speech_spans(speech_probabilities(piece)))
    if not spans:
        return []
    if last - first <= longest:
        found = [Window(0.0, last - first, spans)]
    else:
        found = list(windows(speech_probabilities(piece), longest, last - first, whole=True))
    return [Window(first + part.start, first + part.end, part.speech) for part in found]


def _decode(
    engine: CT2Engine,
    sound: Recording,
    pieces: Sequence[Window],
    decoding: Decoding,
) -> list[str]:
    """The English of each window; "" if nobody speaks or the text is not credible."""
    size = engine.batch_size

    def decode(batch: Sequence[Window]) -> list[str]:
        sounds = [samples_of(sound, piece) for piece in batch]
        decoded = engine.recognize(sounds, decoding, Clock())
        return [_credible_text(engine, *both) for both in zip(decoded, batch, strict=True)]

    with ThreadPoolExecutor(engine.workers, thread_name_prefix="whisper") as pool:
        batches = pool.map(decode, [pieces[i : i + size] for i in range(0, len(pieces), size)])
        return [text for batch in batches for text in batch]


def _credible_text(engine: CT2Engine, decoded: Decoded, window: Window) -> str:
    """The text of a window, without hallucinations."""
    text = str(engine.tokenizer.decode(list(decoded.tokens))).strip()
    if guards.has_no_speech(decoded, text, window.speech):
        return ""
    texts = text.split()
    texts = texts[: guards.loop_start(texts)]
    # The words of a translation have no times: they are spread over the window.
    step = (window.end - window.start) / max(1, len(texts))
    words = [
        Word(window.start + i * step, window.start + (i + 1) * step, f" {word}")
        for i, word in enumerate(texts)
    ]
    if guards.fault(decoded, words, window) in ("repetitive", "too fast"):
        return ""
    return " ".join(texts)
