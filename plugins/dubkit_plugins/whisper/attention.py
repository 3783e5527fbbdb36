"""``attention``: the aligner that is always there. Whisper reads a text that is known while it
listens, and where it looks in the sound for each word is where that is spoken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dubkit import Aligner, Passage, Progress, UsageError, Word

from . import models
from .faster_whisper import CATALOGUE

if TYPE_CHECKING:
    from pathlib import Path

    from .ct2_engine import CT2Engine

MODELS = ("base", "small", "large-v3-turbo", "medium", "large-v2", "large-v3", "tiny")
"""Models that know all languages, the one that is preferred first: a larger one is not more exact
here."""
MOST_TOKENS = 440
"""Of a passage: what the decoder has positions for."""


@dataclass(frozen=True)
class Attention(Aligner):
    """Word times from the attention of Whisper, in any language that it knows."""

    model: str = "auto"
    """A name, ``owner/name`` on the hub, a folder in CTranslate2's layout, or ``auto``."""
    device: str = "auto"
    """``cpu``, ``cuda`` or ``auto``."""
    _loaded: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The model, by its name, from the first file on."""

    contract = 2

    def close(self) -> None:
        """Unload the model."""
        self._loaded.clear()

    def check(self) -> Sequence[str]:
        """Problems that keep it from working here."""
        from .ct2_device import device_problems

        return device_problems("attention", self.device)

    def supports(self, language: str) -> bool:
        """Whether Whisper knows it."""
        from .transcribe import whisper_code

        try:
            return bool(whisper_code(language))
        except UsageError:
            return False

    def align(
        self, audio: Path, passages: Sequence[Passage], *, language: str, progress: Progress
    ) -> Sequence[Sequence[Word]]:
        """See :class:`dubkit.hooks.Aligner`."""
        from .boundaries import move_to_sound
        from .engine import LONGEST
        from .speech_activity import open_wav
        from .transcribe import whisper_code
        from .windows import samples_between

        engine = self._engine(progress)
        sound = open_wav(audio)
        code = whisper_code(language)
        found: list[Sequence[Word]] = [()] * len(passages)
        texts = [[_tokens(engine, word) for word in one.words] for one in passages]
        fitting = [
            k
            for k, one in enumerate(passages)
            if 0 < sum(map(len, texts[k])) <= MOST_TOKENS and 0 < one.end - one.start <= LONGEST
        ]
        fitting.sort(key=lambda k: passages[k].start - passages[k].end)
        size = engine.batch_size
        batches = [fitting[n : n + size] for n in range(0, len(fitting), size)]
        total = sum(passages[k].end - passages[k].start for k in fitting)

        def run(batch: Sequence[int]) -> Iterator[tuple[int, tuple[Word, ...]]]:
            windows = [samples_between(sound, passages[k].start, passages[k].end) for k in batch]
            flat = [[token for word in texts[k] for token in word] for k in batch]
            aligned = engine.align(windows, flat, code)
            for k, window, one in zip(batch, windows, aligned, strict=True):
                begin = max(0.0, passages[k].start)
                words = list(_words(passages[k], texts[k], one.times, one.probabilities))
                yield k, tuple(move_to_sound(words, window, begin))

        done = 0.0
        with ThreadPoolExecutor(engine.workers, thread_name_prefix="attention") as pool:
            for result in pool.map(lambda batch: list(run(batch)), batches):
                for k, words in result:
                    found[k] = words
                    done += passages[k].end - passages[k].start
                progress("align", done, total)
        return found

    def _engine(self, progress: Progress) -> CT2Engine:
        from .ct2_device import device_of
        from .ct2_engine import CT2Engine
        from .transcribe import hold

        if self.model == "auto":
            weights = models.choose(MODELS, CATALOGUE, progress, packages=True)
        else:
            weights = models.find(self.model, CATALOGUE, progress, packages=True)
        device = device_of("attention", self.device)
        engine: CT2Engine = hold(
            self._loaded, weights.name, lambda: CT2Engine(weights, device=device)
        )
        return engine


def _tokens(engine: CT2Engine, word: str) -> list[int]:
    ids: list[int] = engine.tokenizer.encode(word, add_special_tokens=False).ids
    return ids


def _words(
    passage: Passage,
    texts: Sequence[Sequence[int]],
    times: Sequence[float],
    probabilities: Sequence[float],
) -> Iterator[Word]:
    """The words of a passage with the times of their tokens."""
    first = 0
    for text, tokens in zip(passage.words, texts, strict=True):
        after = first + len(tokens)
        own = probabilities[first:after]
        probability = sum(own) / len(own) if own else None
        yield Word(passage.start + times[first], passage.start + times[after], text, probability)
        first = after
