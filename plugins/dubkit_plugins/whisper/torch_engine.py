"""Whisper and Distil-Whisper on torch: fp16 on CUDA, fp32 on a CPU.

Windows are decoded in batches without timestamp tokens and without padding to 30 s. One more
pass of the decoder over the finished texts gives each token its probability and, from the
cross-attention of the alignment heads, its time.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import groupby
from math import ceil
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
import tokenizers
import torch
from torch import Tensor
from torch.nn import functional as F

from dubkit import PluginError, UsageError

from .alignment import attention_to_cost, warp
from .engine import (
    FRAMES_PER_SECOND,
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
from .torch_beam import BeamSearch
from .torch_model import (
    Config,
    TextDecoder,
    Whisper,
    read_config,
    read_decoder,
    read_model,
    read_tensors,
)
from .torch_network import HOP, Decoder, cache_cross_attention, encode, log_mel, mel_filters

Stretches: TypeAlias = Sequence[tuple[float, float]]
"""Of a window, in seconds from its start."""
S = TypeVar("S")
T = TypeVar("T")

SILENCE_AFTER = 2.0
"""Seconds of silence added after each window at least. Without it the decoder goes on inventing
words."""
FRAMES_MULTIPLE = 50
"""Spectrogram frames to a multiple of which a batch is padded, so that CUDA sees few shapes."""
MAX_TOKENS = 448
"""Positions of the decoder."""
TOKENS_PER_SECOND = 20
"""More than anybody speaks in any language; with :data:`SPARE_TOKENS` it bounds the cost of a
window that loops."""
SPARE_TOKENS = 40
LONG_WINDOW, SHORT_WINDOW = 25.0, 15.0
"""Seconds that a model transcribes well; the first distilled ones drift past the shorter."""
CPU_BATCH = 8
MAX_CUDA_BATCH = 64
"""Windows; with more, most of them only wait for the longest one."""
MEMORY_SHARE = 0.6
"""Share of the free GPU memory for a batch; the rest is fragmentation and other programs."""
ENCODER_COPIES = 16
"""Encoder states alive at once (its widest layer is four of them, in and out of the GELU)."""
ALIGNED_AT_ONCE = 4
"""Windows whose word times are computed together: the probabilities of every word of the vocabulary
at every token take much memory."""
FIRST_SPAN = 64
"""Tokens that the first recorded step attends over."""
FIRST_GUESS, LONGEST_GUESS = 5, 20
"""Tokens that a draft runs ahead."""
DRAFTS = {
    (51_866, 1280): "distil-large-v3.5 or distil-large-v3 for large-v3",
    (51_865, 1280): "distil-large-v2 for large-v2",
    (51_864, 1024): "distil-medium.en for medium.en",
    (51_864, 768): "distil-small.en for small.en",
}
"""Which distilled model drafts for which, by the teacher's vocabulary and width (source: the cards
of the distil-whisper models; all of them keep their teacher's encoder unchanged)."""


class TorchEngine:
    """A loaded Whisper model; see :class:`~.engine.Engine` and :func:`load`."""

    workers = 1

    def __init__(
        self,
        model: Whisper,
        tokenizer: tokenizers.Tokenizer,
        *,
        draft: TextDecoder | None = None,
        batch_size: int = 0,
        cuda_graphs: bool = True,
    ) -> None:
        config = model.config
        self.tokenizer = tokenizer
        self.multilingual = config.vocab_size >= 51_865
        distilled = config.decoder_layers < config.encoder_layers
        self.max_seconds = SHORT_WINDOW if distilled and config.num_mel_bins == 80 else LONG_WINDOW
        self.device = model.proj_out.weight.device
        self.model = model
        self._draft = draft
        self._graphs = cuda_graphs and self.on_gpu
        self._filters = mel_filters(config.num_mel_bins, self.device)
        self._eot = self._token("<|endoftext|>")
        self._sot = self._token("<|startoftranscript|>")
        self._no_timestamps = self._token("<|notimestamps|>")
        # The rows of the text and end tokens, rounded up to 8, with which tensor cores are faster.
        words = ceil((self._eot + 1) / 8) * 8
        self._words = model.proj_out.weight[:words]
        banned = [*(config.suppress_tokens or ()), *range(self._eot + 1, words)]
        self._allowed = _bias(words, banned, self.device)
        first_banned = config.begin_suppress_tokens or ()
        self._allowed_first = self._allowed + _bias(words, first_banned, self.device)
        self._alignment_heads = select_alignment_heads(config)
        self.batch_size = 1 if draft else batch_size or self._fit_batch_size()
        self.draft_passes = 0
        """How often the model has read what the draft guessed ..."""
        self.draft_tokens = 0
        """... and the tokens that came of it: 1 a pass is what greedy decoding has."""

    @property
    def on_gpu(self) -> bool:
        """See :class:`~.engine.Engine`."""
        return self.device.type == "cuda"

    @torch.inference_mode()
    def recognize(
        self, windows: Sequence[Samples], decoding: Decoding, clock: Clock
    ) -> list[Decoded]:
        """See :class:`~.engine.Engine`. A batch that does not fit into the GPU's memory is halved,
        and so are those after it. Raises PluginError if a single window does not fit."""

        def work(part: Sequence[tuple[Samples, Stretches]]) -> list[Decoded]:
            asked = [stretches for _, stretches in part] if decoding.stretches else []
            return self._recognize_batch([one for one, _ in part], asked, decoding, clock)

        asked = decoding.stretches or [()] * len(windows)
        return self._in_batches(
            list(zip(windows, asked, strict=True)), work, rows=decoding.beam_size
        )

    @torch.inference_mode()
    def detect_language(self, windows: Sequence[Samples]) -> Mapping[str, float]:
        def work(part: Sequence[Samples]) -> list[Mapping[str, float]]:
            return self._probabilities(self._encode(self._mel(part, full_length=False)))

        found = self._in_batches(windows, work)
        return {code: float(np.mean([one[code] for one in found])) for code in found[0]}

    @torch.inference_mode()
    def detect_languages(
        self, windows: Sequence[Samples], stretches: Sequence[Stretches]
    ) -> list[tuple[Mapping[str, float], ...]]:
        def work(
            part: Sequence[tuple[Samples, Stretches]],
        ) -> list[tuple[Mapping[str, float], ...]]:
            sounds = [one for one, _ in part]
            encoded = self._encode(self._mel(sounds, full_length=False))
            return self._languages(encoded, [asked for _, asked in part], sounds)

        return self._in_batches(list(zip(windows, stretches, strict=True)), work)

    def _languages(
        self, encoded: Tensor, stretches: Sequence[Stretches], windows: Sequence[Samples]
    ) -> list[tuple[Mapping[str, float], ...]]:
        """Probability by language code in each stretch of each window: a step of the decoder over
        that part of the encoded sound, which costs little and knows what is around it."""
        found: list[list[Mapping[str, float]]] = [[] for _ in stretches]
        own = [ceil(len(window) / HOP / 2) for window in windows]
        for rows, places in stretch_positions(stretches, own, encoded.shape[1]):
            row = torch.tensor(rows, device=self.device)[:, None]
            parts = encoded[row, torch.tensor(places, device=self.device)]
            for number, languages in zip(rows, self._probabilities(parts), strict=True):
                found[number].append(languages)
        return [tuple(one) for one in found]

    def _probabilities(self, encoded: Tensor) -> list[Mapping[str, float]]:
        """The probability by language code of each row of encoded sound."""
        first, last = self._sot + 1, self._token("<|translate|>")
        codes = [str(self.tokenizer.id_to_token(i)).strip("<|>") for i in range(first, last)]
        states, _ = self._decoder(encoded, 1)(
            torch.full((len(encoded), 1), self._sot, device=self.device)
        )
        logits = F.linear(states[:, -1], self.model.proj_out.weight[first:last])
        rows: list[list[float]] = logits.float().softmax(-1).tolist()
        return [dict(zip(codes, row, strict=True)) for row in rows]

    def _in_batches(
        self, windows: Sequence[S], work: Callable[[Sequence[S]], list[T]], rows: int = 1
    ) -> list[T]:
        """Call ``work`` on batches of the windows, each of which takes ``rows`` rows of a batch."""
        done: list[T] = []
        while len(done) < len(windows):
            most = max(1, self.batch_size // rows)
            done += self._in_halves(windows[len(done) :][:most], work, rows)
        return done

    def _in_halves(
        self, windows: Sequence[S], work: Callable[[Sequence[S]], list[T]], rows: int
    ) -> list[T]:
        """Call ``work`` on a batch, or on smaller and smaller parts of it while memory runs out."""
        try:
            return work(windows)
        except torch.OutOfMemoryError as failure:
            if len(windows) == 1:
                raise PluginError(
                    "the model and one window do not fit into the GPU's memory",
                    "choose a smaller model, close other programs that use the GPU, or use the CPU",
                ) from failure
        # Outside the handler, whose traceback keeps the batch's tensors alive.
        if self.on_gpu:
            torch.cuda.empty_cache()
        half = (len(windows) + 1) // 2
        self.batch_size = min(self.batch_size, half * rows)
        first = self._in_halves(windows[:half], work, rows)
        return first + self._in_halves(windows[half:], work, rows)

    def _recognize_batch(
        self,
        windows: Sequence[Samples],
        stretches: Sequence[Stretches],
        decoding: Decoding,
        clock: Clock,
    ) -> list[Decoded]:
        task = [self._sot]
        if self.multilingual:
            task += [self._token(f"<|{decoding.language}|>"), self._token(f"<|{decoding.task}|>")]
        task.append(self._no_timestamps)
        before = decoding.before(self._token("<|startofprev|>"))
        start = torch.tensor([before + task], device=self.device)
        seconds = max(len(window) for window in windows) / SAMPLE_RATE
        room = SPARE_TOKENS + int(TOKENS_PER_SECOND * seconds)
        capacity = min(MAX_TOKENS, start.shape[1] + room)
        with self._timed(clock, "features"):
            mel = self._mel(windows, full_length=decoding.full_length)
        with self._timed(clock, "encoder"):
            encoded = self._encode(mel)
        languages: list[tuple[Mapping[str, float], ...]] = []
        if stretches and self.multilingual:
            with self._timed(clock, "language"):
                languages = self._languages(encoded, stretches, windows)
        with self._timed(clock, "decoder"):
            decoder = self._decoder(encoded, capacity)
            if decoding.beam_size > 1:
                tokens = self._beam_search(decoder, start, decoding.beam_size)
            elif self._draft and len(windows) == 1:
                cross = cache_cross_attention(self._draft, encoded)
                draft = Decoder(self._draft, cross, capacity)
                tokens = self._speculate(decoder, draft, start)
            else:
                tokens = self._greedy(decoder, start)
            texts = [
                row[: row.index(self._eot)] if self._eot in row else row
                for row in tokens[:, start.shape[1] :].tolist()
            ]
        with self._timed(clock, "alignment"):
            found = self._align(decoder, task, texts, windows)
        if not languages:
            return found
        return [replace(one, languages=own) for one, own in zip(found, languages, strict=True)]

    def _mel(self, windows: Sequence[Samples], *, full_length: bool) -> Tensor:
        """Spectrograms of shape (windows, mels, frames) with silence after each, float32."""
        frames = int(MAX_SECONDS * FRAMES_PER_SECOND)
        if not full_length:
            sound = ceil(max(len(window) for window in windows) / HOP)
            wanted = frames_to_encode(sound, SILENCE_AFTER)
            frames = ceil(wanted / FRAMES_MULTIPLE) * FRAMES_MULTIPLE
        return log_mel(windows, frames, self._filters)

    def _encode(self, mel: Tensor) -> Tensor:
        return encode(self.model.encoder, mel.to(self._words.dtype))

    def _decoder(self, encoded: Tensor, capacity: int) -> Decoder:
        network = self.model.decoder
        return Decoder(network, cache_cross_attention(network, encoded), capacity)

    def _choose(self, states: Tensor, bias: Tensor) -> Tensor:
        """The likeliest allowed token after each state."""
        return (F.linear(states, self._words) + bias).argmax(-1)

    def _greedy(self, decoder: Decoder, start: Tensor) -> Tensor:
        """Tokens of shape (rows, capacity): ``start`` (1, tokens), the text, end tokens."""
        rows = decoder.cross.keys[0].shape[0]
        tokens = start.new_full((rows, decoder.capacity), self._eot)
        tokens[:, : start.shape[1]] = start
        states, _ = decoder(tokens[:, : start.shape[1]])
        tokens[:, start.shape[1]] = self._choose(states[:, -1], self._allowed_first)
        if self._graphs:
            return self._greedy_recorded(decoder, tokens, start.shape[1])
        active = torch.arange(rows, device=self.device)
        for last in range(start.shape[1], decoder.capacity - 1):
            unfinished = tokens[active, last] != self._eot
            count = int(unfinished.sum())
            if not count:
                break
            if count <= len(active) / 2:
                # Copying the caches pays off once half of the windows have ended.
                decoder, active = decoder.keep(unfinished), active[unfinished]
                unfinished = unfinished[unfinished]
            states, _ = decoder(tokens[active, last, None])
            chosen = self._choose(states[:, -1], self._allowed)
            tokens[active, last + 1] = chosen.where(unfinished, self._eot)
        return tokens

    def _greedy_recorded(self, decoder: Decoder, tokens: Tensor, last: int) -> Tensor:
        """The same with a step recorded as a CUDA graph: one launch per step instead of hundreds,
        which take most of the time of a deep decoder."""
        at = torch.tensor([last], device=self.device)

        def step(places: Tensor) -> None:
            token = tokens.index_select(1, at)
            states, _ = decoder.read(token, at, len(places), (places <= at)[None], {})
            chosen = self._choose(states, self._allowed).where(token != self._eot, self._eot)
            at.add_(1)
            tokens.index_copy_(1, at, chosen)

        def over(index: int) -> bool:
            return not bool((tokens[:, index] != self._eot).any())

        self._advance(step, over, last, decoder.capacity)
        return tokens

    def _advance(
        self,
        step: Callable[[Tensor], None],
        over: Callable[[int], bool],
        last: int,
        capacity: int,
    ) -> None:
        """Call ``step`` for each token from number ``last`` on, until ``over`` or the capacity.

        A step gets the positions that it attends to, of which a mask hides those still to come, so
        that every step is the same and can be recorded; once they are full, a step over twice as
        many is recorded."""
        end = capacity - 1
        while last < end:
            span = min(capacity, max(FIRST_SPAN, 2 * last))
            advance: Callable[[], None] = partial(step, torch.arange(span, device=self.device))
            for index in range(last, min(span, end)):
                if over(index):
                    return
                advance()
                if index == last and self._graphs:
                    # After one unrecorded step, which warms up the libraries.
                    advance = _record(advance, self.device)
            last = span

    def _speculate(self, decoder: Decoder, draft: Decoder, start: Tensor) -> Tensor:
        """As :meth:`_greedy`, for one window, with a draft model that guesses the next few tokens,
        which the model then reads at once and keeps as far as it would have chosen the same
        (speculative decoding, arXiv 2211.17192)."""
        states, _ = decoder(start)
        tokens = torch.cat([start, self._choose(states[:, -1:], self._allowed_first)], dim=1)
        count = FIRST_GUESS
        while tokens.shape[1] < decoder.capacity and int(tokens[0, -1]) != self._eot:
            guess = tokens
            for _ in range(min(count, decoder.capacity - tokens.shape[1])):
                states, _ = draft(guess[:, draft.length :])
                guess = torch.cat([guess, self._choose(states[:, -1:], self._allowed)], dim=1)
            known = tokens.shape[1]
            states, _ = decoder(guess[:, known - 1 :])
            chosen = self._choose(states, self._allowed)
            right = (chosen[0, :-1] == guess[0, known:]).cumprod(0)
            same = int(right.sum())
            count = min(count + 2, LONGEST_GUESS) if same == len(right) else max(1, count - 1)
            self.draft_passes += 1
            self.draft_tokens += same + 1
            tokens = torch.cat([tokens, chosen[:, : same + 1]], dim=1)
            ends = (tokens[0, known:] == self._eot).nonzero()
            if len(ends):
                tokens = tokens[:, : known + int(ends[0]) + 1]
            decoder.length = min(decoder.length, tokens.shape[1] - 1)
            draft.length = min(draft.length, tokens.shape[1] - 1)
        return tokens[:, : decoder.capacity]

    def _beam_search(self, decoder: Decoder, start: Tensor, beams: int) -> Tensor:
        rows = decoder.cross.keys[0].shape[0]
        search = BeamSearch(
            decoder,
            start.expand(rows, -1),
            beams,
            self._eot,
            lambda states: F.linear(states, self._words) + self._allowed,
            lambda states: F.linear(states, self._words) + self._allowed_first,
        )
        self._advance(search.step, lambda _: search.over(), start.shape[1], decoder.capacity)
        return search.best()

    def _align(
        self,
        decoder: Decoder,
        task: list[int],
        texts: list[list[int]],
        windows: Sequence[Samples],
    ) -> list[Decoded]:
        """Probabilities and times of finished texts: the decoder reads them all at once."""
        longest = max(map(len, texts))
        rows = [task + text + [self._eot] * (longest + 1 - len(text)) for text in texts]
        tokens = torch.tensor(rows, device=self.device)
        decoder.length = 0
        states, attention = decoder(tokens[:, :-1], self._alignment_heads)
        first = len(task) - 1
        """Index of the state that predicts the first token of the text."""
        logits = F.linear(states[:, 0], self.model.proj_out.weight).float()
        no_speech = logits.softmax(-1)[:, self._no_timestamps - 1]
        most = attention[0].shape[-1]
        positions = [min(max(1, ceil(len(window) / HOP / 2)), most) for window in windows]
        read = torch.tensor([len(task) + len(text) for text in texts], device=self.device)
        sound = torch.tensor(positions, device=self.device)
        logprobs = states.new_empty((len(texts), longest + 1), dtype=torch.float32)
        grid = states.new_empty((len(texts), longest + 1, max(positions)), dtype=torch.float32)
        for start in range(0, len(texts), ALIGNED_AT_ONCE):
            some = slice(start, start + ALIGNED_AT_ONCE)
            own = states[some, first:].contiguous()  # a product with a part of a tensor is slow
            logits = F.linear(own, self._words[: self._eot + 1]).float()
            chosen = logits.gather(2, tokens[some, len(task) :, None])[..., 0]
            logprobs[some] = chosen - logits.logsumexp(-1)
            heads = torch.cat([layer[some, :, :, : max(positions)] for layer in attention], dim=1)
            grid[some] = attention_to_cost(heads, read[some], sound[some])[:, first:]
        starts = warp(grid, [len(text) + 1 for text in texts], positions)
        table = logprobs.cpu().numpy()
        return [
            Decoded(
                tokens=tuple(text),
                probabilities=tuple(np.exp(logprob[: len(text)]).tolist()),
                times=token_times(np.arange(len(text) + 1), begins, len(text)),
                avg_logprob=float(np.mean(logprob[: len(text) + 1])),
                no_speech_prob=silence,
            )
            for text, logprob, begins, silence in zip(
                texts, table, starts, no_speech.tolist(), strict=True
            )
        ]

    def _fit_batch_size(self) -> int:
        """How many 30-second windows fit into the free memory of the device."""
        if not self.on_gpu:
            return CPU_BATCH
        config = self.model.config
        cached = 2 * config.decoder_layers
        heads = sum(map(len, self._alignment_heads.values()))
        positions = config.max_source_positions
        window = config.d_model * 2 * (positions * (cached + ENCODER_COPIES) + MAX_TOKENS * cached)
        window += heads * MAX_TOKENS * positions * 2
        free, _ = torch.cuda.mem_get_info(self.device)
        return max(1, min(MAX_CUDA_BATCH, int(free * MEMORY_SHARE) // window))

    def _token(self, text: str) -> int:
        number: int | None = self.tokenizer.token_to_id(text)
        if number is None:
            raise UsageError(f"the model does not know {text}", "choose a language it knows")
        return number

    @contextmanager
    def _timed(self, clock: Clock, part: str) -> Iterator[None]:
        """CUDA runs asynchronously: wait for it, or its time counts towards the next part."""
        with clock(part):
            yield
            if self.on_gpu:
                torch.cuda.synchronize(self.device)


def free_memory() -> None:
    """Give back what models that nobody holds any more took of the GPU."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def load(
    folder: Path | str,
    *,
    device: str = "auto",
    dtype: torch.dtype | None = None,
    draft: Path | str | None = None,
    batch_size: int = 0,
    cuda_graphs: bool = True,
) -> TorchEngine:
    """Load the Whisper checkpoint in ``folder`` (``config.json``, ``tokenizer.json``,
    ``*.safetensors``), which is in transformers' layout.

    ``device`` is torch's, ``auto`` being CUDA if available; ``dtype`` is float16 on CUDA and
    float32 elsewhere unless given. ``draft`` is the folder of a model distilled from this one: the
    text stays exactly the same and comes faster, a window at a time. ``batch_size`` 0 fits the
    free memory. ``cuda_graphs`` records the decoder's step on CUDA.

    Raises UsageError for a folder without such a model, or a draft that was not distilled from it.
    """
    folder = Path(folder)
    config = read_config(folder)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    place = torch.device(device)
    if dtype is None:
        dtype = torch.float16 if place.type == "cuda" else torch.float32
    drafter = None
    if draft is not None:
        drafting = _check_draft(folder, config, Path(draft))
        drafter = read_decoder(Path(draft), drafting, place, dtype)
    return TorchEngine(
        read_model(folder, config, place, dtype),
        tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")),
        draft=drafter,
        batch_size=batch_size,
        cuda_graphs=cuda_graphs,
    )


def _check_draft(folder: Path, config: Config, draft: Path) -> Config:
    """The draft's configuration. A draft reads the output of the teacher's encoder, so it must have
    that same encoder; UsageError if it has not."""
    theirs = read_config(draft)

    def shape(one: Config) -> tuple[int, ...]:
        return one.vocab_size, one.num_mel_bins, one.d_model, one.encoder_layers

    if shape(config) == shape(theirs):
        ours, other = _encoder_norm(folder), _encoder_norm(draft)
        if torch.allclose(ours, other, rtol=1e-3, atol=1e-3):
            return theirs
    right = DRAFTS.get((config.vocab_size, config.d_model))
    raise UsageError(
        f"{draft.name} cannot draft for {folder.name}: it was not distilled from it",
        f"use {right}" if right else "there is no draft for this model: leave it out",
    )


def _encoder_norm(folder: Path) -> Tensor:
    """The scale of the encoder's last norm, which distinguishes one encoder from another."""
    (norm,) = read_tensors(folder, ["model.encoder.layer_norm.weight"]).values()
    return norm.float()


def _bias(size: int, banned: Iterable[int], device: torch.device) -> Tensor:
    """Added to the logits of ``size`` tokens so that banned ones are never chosen."""
    bias = torch.zeros(size, device=device)
    bias[[token for token in banned if 0 <= token < size]] = -torch.inf
    return bias


def select_alignment_heads(config: Config) -> dict[int, list[int]]:
    """Alignment heads by layer: the checkpoint's or, as in openai/whisper, all of the upper half
    of the layers. Some distilled checkpoints name layers that only their teacher has."""
    layers, heads = config.decoder_layers, config.decoder_attention_heads
    pairs = config.alignment_heads
    if not pairs or any(layer >= layers for layer, _ in pairs):
        return {layer: list(range(heads)) for layer in range(layers // 2, layers)}
    by_layer = groupby(sorted(map(tuple, pairs)), key=lambda pair: pair[0])
    return {layer: [head for _, head in group] for layer, group in by_layer}


def _record(step: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """A CUDA graph of ``step``, or ``step`` itself if it cannot be recorded."""
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.device(device), torch.cuda.graph(graph):
            step()
    except torch.OutOfMemoryError:
        raise
    except RuntimeError:
        return step
    replay: Callable[[], None] = graph.replay
    return replay
