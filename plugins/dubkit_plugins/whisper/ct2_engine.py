"""Whisper on CTranslate2: int8 on a CPU, fp16 on CUDA.

CTranslate2 is called directly rather than through faster-whisper's pipelines, for three reasons
that were measured (``benchmarks/``): its encoder accepts windows shorter than 30 s, so little is
spent on padding; decoding without timestamp tokens keeps words that batched decoding drops with
them; and several single-threaded workers are faster than one worker with several threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ctranslate2
import numpy as np
import numpy.typing as npt
import tokenizers
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import Tokenizer

from dubkit import usable_cores
from dubkit_plugins.packaged_models import contents

from .engine import (
    FRAMES_PER_SECOND,
    LONGEST,
    MAX_SECONDS,
    SAMPLE_RATE,
    Clock,
    Decoded,
    Decoding,
    Samples,
    frames_to_encode,
    stretch_positions,
    token_times,
)
from .models import Weights

SILENCE_AFTER = 1.5
"""Seconds of silence added after each window at least. Without it the decoder goes on inventing
words."""
FLOOR = 2.0
"""How far below its loudest point Whisper clips a scaled log-mel spectrogram: silence."""
MAX_TOKENS = 448
"""Positions of the decoder."""
TOKENS_PER_SECOND = 20
"""More than anybody speaks in any language; bounds the cost of a window that loops."""
MAX_WORKERS = 8
CPU_BATCH = 4
"""Windows that are decoded together; with 8 the decoder takes no less."""
CUDA_BATCH = 16
CPU_SECONDS = 24.0
"""Of a window. With four more a CPU takes an eighth longer, as the cost of the encoder's attention
grows with their square, for an error less in thirty (``benchmarks/``); a GPU has LONGEST."""


class CT2Engine:
    """A loaded CTranslate2 Whisper model; see :class:`~.engine.Engine`."""

    def __init__(
        self,
        weights: Weights,
        *,
        device: str = "cpu",
        compute_type: str = "auto",
        threads: int = 0,
        batch_size: int = 0,
    ) -> None:
        """Load a model (``model.bin``, ``tokenizer.json``, ...) from a folder or from memory.

        ``device`` is ``cpu`` or ``cuda``; ``compute_type`` is CTranslate2's, with ``auto`` for
        int8 on a CPU and float16 on CUDA; ``threads`` 0 uses every core this process may use.
        """
        files = contents(weights.package) if weights.package else {}
        cores = threads or usable_cores()
        on_cpu = device == "cpu"
        if compute_type == "auto":
            compute_type = "int8" if on_cpu else "float16"
        self.workers = min(cores, MAX_WORKERS) if on_cpu else 1
        self.on_gpu = not on_cpu
        self.batch_size = batch_size or (CPU_BATCH if on_cpu else CUDA_BATCH)
        self.max_seconds = CPU_SECONDS if on_cpu else LONGEST
        self._model = ctranslate2.models.Whisper(
            str(weights.folder or weights.name),
            files=dict(files) or None,
            device=device,
            compute_type=compute_type,
            inter_threads=self.workers,
            intra_threads=max(1, cores // self.workers) if on_cpu else 0,
        )
        self.multilingual = self._model.is_multilingual
        self.tokenizer = _tokenizer(weights, files)
        self._features = FeatureExtractor(feature_size=self._model.n_mels)

    def recognize(
        self, windows: Sequence[Samples], decoding: Decoding, clock: Clock
    ) -> list[Decoded]:
        language = decoding.language if self.multilingual else None
        tokenizer = Tokenizer(self.tokenizer, self.multilingual, decoding.task, language)
        start = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        prompt = [*decoding.before(tokenizer.sot_prev), *start]
        seconds = max(len(window) for window in windows) / SAMPLE_RATE
        encoded, frames = self._encode(windows, clock, full_length=decoding.full_length)
        languages: list[tuple[Mapping[str, float], ...]] = [()] * len(windows)
        if decoding.stretches and self.multilingual:
            with clock("language"):
                languages = self._languages(encoded, decoding.stretches, frames)
        with clock("decoder"):
            limit = len(prompt) + 40 + int(TOKENS_PER_SECOND * seconds)
            results = self._model.generate(
                encoded,
                [prompt] * len(windows),
                beam_size=decoding.beam_size,
                no_repeat_ngram_size=decoding.no_repeat,
                max_length=min(MAX_TOKENS, limit),
                return_scores=True,
                return_no_speech_prob=True,
            )
            texts = [
                [token for token in result.sequences_ids[0] if token < tokenizer.eot]
                for result in results
            ]
        with clock("alignment"):
            alignments = self._model.align(encoded, tokenizer.sot_sequence, texts, frames)
        return [
            _decoded(tokens, alignment, result.scores[0], result.no_speech_prob, found)
            for tokens, result, alignment, found in zip(
                texts, results, alignments, languages, strict=True
            )
        ]

    def align(
        self, windows: Sequence[Samples], texts: Sequence[Sequence[int]], language: str
    ) -> list[Decoded]:
        """Each window as if it had been decoded to a text that is known, in tokens."""
        tokenizer = Tokenizer(
            self.tokenizer, self.multilingual, "transcribe", language if self.multilingual else None
        )
        encoded, frames = self._encode(windows, Clock())
        wanted = [list(tokens) for tokens in texts]
        found = self._model.align(encoded, tokenizer.sot_sequence, wanted, frames)
        return [
            _decoded(tokens, alignment, avg_logprob=0.0, no_speech_prob=0.0)
            for tokens, alignment in zip(wanted, found, strict=True)
        ]

    def detect_language(self, windows: Sequence[Samples]) -> Mapping[str, float]:
        encoded, _ = self._encode(windows, Clock())
        sums: dict[str, float] = {}
        for ranking in self._model.detect_language(encoded):
            for token, probability in ranking:
                code = token.strip("<|>")
                sums[code] = sums.get(code, 0.0) + probability / len(windows)
        return sums

    def detect_languages(
        self, windows: Sequence[Samples], stretches: Sequence[Sequence[tuple[float, float]]]
    ) -> list[tuple[Mapping[str, float], ...]]:
        encoded, frames = self._encode(windows, Clock())
        return self._languages(encoded, stretches, frames)

    def _languages(
        self,
        encoded: ctranslate2.StorageView,
        stretches: Sequence[Sequence[tuple[float, float]]],
        frames: Sequence[int],
    ) -> list[tuple[Mapping[str, float], ...]]:
        """Probability by language code in each stretch of each window: a step of the decoder over
        that part of the encoded sound, which costs little and knows what is around it."""
        found: list[list[Mapping[str, float]]] = [[] for _ in stretches]
        states = np.array(encoded.to_device(ctranslate2.Device.cpu))
        own = [-(-count // 2) for count in frames]
        for rows, places in stretch_positions(stretches, own, states.shape[1]):
            parts = np.ascontiguousarray(states[np.array(rows)[:, None], places])
            rankings = self._model.detect_language(ctranslate2.StorageView.from_array(parts))
            for row, ranking in zip(rows, rankings, strict=True):
                found[row].append({token.strip("<|>"): chance for token, chance in ranking})
        return [tuple(one) for one in found]

    def _encode(
        self, windows: Sequence[Samples], clock: Clock, *, full_length: bool = False
    ) -> tuple[ctranslate2.StorageView, list[int]]:
        """The windows encoded, and the number of frames of each before the padding."""
        with clock("features"):
            features, frames = self._mel(windows, full_length=full_length)
        with clock("encoder"):
            # On a core four windows together take a quarter longer than one after another, since
            # what their attention writes leaves the cache.
            parts = [features] if self.on_gpu else np.split(features, len(features))
            encoded = [
                self._model.encode(ctranslate2.StorageView.from_array(part)) for part in parts
            ]
            if len(encoded) > 1:
                joined = np.concatenate([np.asarray(part) for part in encoded])
                return ctranslate2.StorageView.from_array(joined), frames
        return encoded[0], frames

    def _mel(
        self, windows: Sequence[Samples], *, full_length: bool
    ) -> tuple[npt.NDArray[np.float32], list[int]]:
        """Log-mel features of shape (windows, mels, frames), padded with silence, and the number of
        frames of each window before the padding."""
        features = [self._features(window, padding=0) for window in windows]
        frames = [feature.shape[1] for feature in features]
        longest = int(MAX_SECONDS * FRAMES_PER_SECOND)
        if not full_length:
            longest = (frames_to_encode(max(frames), SILENCE_AFTER) + 1) // 2 * 2
        batch = np.empty((len(features), features[0].shape[0], longest), dtype=np.float32)
        for row, feature in zip(batch, features, strict=True):
            count = min(feature.shape[1], longest)
            row[:, :count] = feature[:, :count]
            row[:, count:] = feature.max() - FLOOR
        return batch, [min(count, longest) for count in frames]


def _decoded(
    tokens: Sequence[int],
    alignment: Any,
    avg_logprob: float,
    no_speech_prob: float,
    languages: tuple[Mapping[str, float], ...] = (),
) -> Decoded:
    """What CTranslate2 returns for a window."""
    path = np.array(alignment.alignments, dtype=np.int64).reshape(-1, 2)
    return Decoded(
        tokens=tuple(tokens),
        probabilities=tuple(alignment.text_token_probs[: len(tokens)]),
        times=token_times(path[:, 0], path[:, 1], len(tokens)),
        avg_logprob=avg_logprob,
        no_speech_prob=no_speech_prob,
        languages=languages,
    )


def _tokenizer(weights: Weights, files: Mapping[str, bytes]) -> tokenizers.Tokenizer:
    if weights.folder:
        return tokenizers.Tokenizer.from_file(str(weights.folder / "tokenizer.json"))
    return tokenizers.Tokenizer.from_buffer(files["tokenizer.json"])
