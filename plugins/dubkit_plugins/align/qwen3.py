"""``qwen3``: word times by Qwen3-ForcedAligner (Apache-2.0), in the eleven languages it was made
for.

It reads the text, with two places after each word, beside the sound, and answers with a time for
each place, in steps of 80 ms; where exactly in a step an edge is, the sound says. The
network and how text is cut for it are transformers' own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dubkit import Aligner, MissingDependency, Passage, Progress, Word
from dubkit import primary_language as primary
from dubkit_plugins import libraries
from dubkit_plugins.whisper.engine import SAMPLE_RATE, Samples

from . import hub
from .passages import SHORTEST, between, one_by_one

if TYPE_CHECKING:
    from dubkit_plugins.whisper.models import Weights

LANGUAGES = {
    "de": "German", "en": "English", "es": "Spanish", "fr": "French", "it": "Italian",
    "ja": "Japanese", "ko": "Korean", "pt": "Portuguese", "ru": "Russian", "yue": "Cantonese",
    "zh": "Chinese",
}  # fmt: skip
"""By their codes, as transformers calls them."""
SPLITTERS = {"ja": "nagisa", "ko": "soynlp"}
"""The packages by which transformers cuts text into words where it has no spaces."""
LONGEST = 300.0
"""Seconds of a passage: what the network was trained on."""
STEP = 0.08
"""Seconds of a step of its answers."""


@dataclass(frozen=True)
class Qwen3(Aligner):
    """Word times by Qwen3-ForcedAligner, in eleven languages."""

    model: str = "Qwen/Qwen3-ForcedAligner-0.6B-hf"
    """``owner/name`` on the hub, or a folder, in transformers' layout."""
    device: str = "auto"
    """``cpu``, ``cuda``, ``cuda:1`` or ``auto``."""
    _loaded: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The network, by its name, from the first file on."""

    contract = 2
    priority = 4

    def __post_init__(self) -> None:
        # Versions of transformers before the one that the extra asks for may lack the network.
        libraries.has_libraries("torch", "transformers", "transformers.models.qwen3_asr")

    def close(self) -> None:
        """Unload the network."""
        self._loaded.clear()

    def check(self) -> Sequence[str]:
        """Problems that keep it from working here."""
        return hub.device_problems("qwen3", self.device)

    def supports(self, language: str) -> bool:
        """Whether it was made for it."""
        return primary(language) in LANGUAGES

    def has_model(self, language: str) -> bool:
        """See :class:`dubkit.hooks.NeedsModels`."""
        splitter = SPLITTERS.get(primary(language))
        has_splitter = splitter is None or find_spec(splitter) is not None
        return has_splitter and hub.find_here(self.model) is not None

    def models(self) -> Sequence[str]:
        """See :class:`dubkit.hooks.HasModels`."""
        return [self.model] if hub.find_here(self.model) else []

    def align(
        self, audio: Path, passages: Sequence[Passage], *, language: str, progress: Progress
    ) -> Sequence[Sequence[Word]]:
        """See :class:`dubkit.hooks.Aligner`."""
        from dubkit_plugins.whisper.speech_activity import open_wav
        from dubkit_plugins.whisper.windows import samples_between

        code = primary(language)
        splitter = SPLITTERS.get(code)
        if splitter and find_spec(splitter) is None:
            raise MissingDependency(
                f"qwen3 needs the package {splitter} for {LANGUAGES[code]}, which is not installed",
                f"pip install {splitter}",
            )
        if self.model not in self._loaded:
            weights = hub.find("qwen3", self.model, progress)
            self._loaded[self.model] = Network(weights, self.device)
        network: Network = self._loaded[self.model]
        sound = open_wav(audio)

        def words(passage: Passage) -> Sequence[Word]:
            samples = samples_between(sound, passage.start, passage.end)
            if not SHORTEST <= len(samples) / SAMPLE_RATE <= LONGEST:
                return ()
            found = network.words(passage, samples, LANGUAGES[code])
            return settled(found, samples, max(0.0, passage.start))

        return one_by_one(passages, words, progress)


class Network:
    """Qwen3-ForcedAligner with what prepares text and sound for it."""

    def __init__(self, weights: Weights, device: str) -> None:
        """Raises InputError for files that are no such network."""
        import torch
        from transformers import AutoModelForTokenClassification, AutoProcessor

        from dubkit_plugins.separate.stems import device_of

        on = device_of("qwen3", device)
        dtype = torch.float32 if on.type == "cpu" else torch.bfloat16
        self._network = hub.load(AutoModelForTokenClassification, weights, on, dtype=dtype)
        self._processor = hub.read(AutoProcessor, weights)
        self._place = self._network.config.timestamp_token_id

    def words(self, passage: Passage, samples: Samples, language: str) -> list[Word]:
        """The words of a passage, with a probability if anything of them is spoken; none if its
        text is cut in a way that loses characters."""
        import torch

        made, (pieces,) = self._processor.prepare_forced_aligner_inputs(
            audio=[samples], transcript=["".join(passage.words)], language=[language]
        )
        # How many characters each word has in the text as the network got it.
        sizes = [len("".join(self._processor.split_words_for_alignment(w))) for w in passage.words]
        if not pieces or sum(sizes) != len("".join(pieces)):
            return []
        made = made.to(self._network.device, self._network.dtype)
        with torch.inference_mode():
            logits = self._network(**made).logits.float()
            # Nothing is spoken after the end of the sound.
            seconds = len(samples) / SAMPLE_RATE
            logits[..., int(seconds * 1000 / self._processor.timestamp_segment_time) + 1 :] = -1e30
        (times,) = self._processor.decode_forced_alignment(
            logits=logits,
            input_ids=made["input_ids"],
            word_lists=[pieces],
            timestamp_token_id=self._place,
        )
        sure = logits[0][made["input_ids"][0] == self._place].softmax(dim=-1).amax(dim=-1).cpu()
        edges: list[float] = []
        """The start and end of each character: a piece may be of several words, or a word of
        several pieces."""
        chances: list[float] = []
        for k, (piece, time) in enumerate(zip(pieces, times, strict=True)):
            places = np.linspace(time["start_time"], time["end_time"], len(piece) + 1)
            edges += [edge for pair in pairwise(places) for edge in pair]
            chances += [float(sure[2 * k : 2 * k + 2].mean())] * len(piece)
        edges = np.minimum(np.maximum.accumulate(edges), seconds).tolist()
        begin, last, at = max(0.0, passage.start), 0.0, 0
        found = []
        for text, size in zip(passage.words, sizes, strict=True):
            start = edges[2 * at] if size else last
            last = edges[2 * (at + size) - 1] if size else last
            chance = float(np.mean(chances[at : at + size])) if size else None
            at += size
            found.append(Word(begin + start, begin + last, text, chance))
        return found


def settled(words: Sequence[Word], samples: Samples, begin: float) -> list[Word]:
    """The words with edges that are within a step of where they were, by the sound."""
    spoken = [word for word in words if word.probability is not None]
    if not spoken:
        return list(words)
    middles = [(word.start + word.end) / 2 for word in spoken]
    gaps = [(spoken[0].start - STEP, min(spoken[0].start + STEP, middles[0]))]
    for (one, middle), (other, next_middle) in pairwise(zip(spoken, middles, strict=True)):
        low = max(min(one.end, other.start) - STEP, middle)
        gaps.append((low, min(max(one.end, other.start) + STEP, next_middle)))
    gaps.append((max(spoken[-1].end - STEP, middles[-1]), spoken[-1].end + STEP))
    times = between(gaps, [word.probability is not None for word in words], samples, begin)
    return [
        replace(word, start=start, end=end) for word, (start, end) in zip(words, times, strict=True)
    ]
