"""The interface between the shared front end and a network: what an engine gets and returns."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
import tokenizers

from dubkit import Word

SAMPLE_RATE = 16_000
"""Hz; what Whisper was trained on."""
FRAMES_PER_SECOND = 100
"""Columns of the mel spectrogram a second."""
TIME_STEPS_PER_SECOND = 50
"""Positions of the encoder a second: the resolution of word times, 20 ms."""
MAX_SECONDS = 30.0
"""The longest window that a Whisper encoder has positions for."""
LONGEST = 28.0
"""Seconds of a window that leave it some silence at the end, without which it invents words."""
LEAST_ENCODED = 10.0
"""Seconds as which every window is encoded at least, with silence after its sound: in less, a
single word is written several times (``benchmarks/``)."""
STRETCH_POSITIONS = 100
"""About how many positions of the encoder are used to detect the language of a stretch: of a longer
one every second or third. Neighbors are much alike, and all of them would be much work."""
SILENCE_POSITIONS = 25
"""Positions after a window's own, spread over all of its silence, that follow those of a stretch:
as after any window, the decoder expects silence. Without it, or with one part of it, it often takes
a stretch for any language."""
STRETCHES_AT_ONCE = 16
"""Stretches whose language is detected together: enough to keep a processor busy, few enough for
the memory that the larger models take."""

Samples: TypeAlias = npt.NDArray[np.float32]
"""Mono audio at 16 kHz, shape (samples,), -1 to 1."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How to decode a batch of windows."""

    language: str
    """Whisper's code for the language, such as ``en``."""
    prompt: tuple[int, ...] = ()
    """Text tokens of what came before (names, spelling); at most 223."""
    beam_size: int = 1
    task: str = "transcribe"
    """``transcribe``, or ``translate`` (into English; models trained for it)."""
    no_repeat: int = 0
    """The length in tokens of a run that must not come twice in a window, or 0; used for windows
    that looped. An engine may ignore it."""
    full_length: bool = False
    """Pad every window to the 30 s that the network was trained on, instead of to its own length
    and a little silence: twice the work or more, used for windows that went wrong."""
    stretches: tuple[tuple[tuple[float, float], ...], ...] = ()
    """For each window the stretches, in seconds from its start, whose language is asked for; empty
    for none. An engine may ignore it."""

    def before(self, start_of_previous: int) -> list[int]:
        """Tokens that precede the task's."""
        return [start_of_previous, *self.prompt] if self.prompt else []


@dataclass(frozen=True, slots=True)
class Decoded:
    """What an engine decoded from one window."""

    tokens: tuple[int, ...]
    """Text tokens only: no language, timestamp or end tokens."""
    probabilities: tuple[float, ...]
    """One per token, 0 to 1."""
    times: tuple[float, ...]
    """Seconds from the window's start: where each token begins, and one more for where the last
    ends (so one longer than ``tokens``). Never decreasing."""
    avg_logprob: float
    """Mean natural log-probability of the tokens and the end token."""
    no_speech_prob: float
    words: tuple[Word, ...] = ()
    """From an engine without a tokenizer, instead of tokens: its words, in seconds from the
    window's start, in order."""
    languages: tuple[Mapping[str, float], ...] = ()
    """The probability by language code in each stretch that was asked for, if the engine knows."""


class Clock:
    """Adds up the seconds of work by part, from any thread."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self._seconds[part] += time.perf_counter() - started

    @property
    def timings(self) -> Mapping[str, float]:
        """Seconds by part, in the order in which the parts first ended."""
        with self._lock:
            return dict(self._seconds)


class Engine(Protocol):
    """A loaded network, Whisper's or another. ``recognize`` is called from ``workers`` threads at
    once."""

    @property
    def tokenizer(self) -> tokenizers.Tokenizer | None:
        """Whisper's. None for a network that decodes the sound alone, without a prompt, context or
        beam, so that decoding a window again gives the same."""

    multilingual: bool
    """Whether the vocabulary has language tokens (the ``.en`` models have none)."""
    batch_size: int
    """The most windows in one call of ``recognize``."""
    workers: int
    """Calls of ``recognize`` that may run at once."""
    max_seconds: float
    """The longest window that the model transcribes well."""

    @property
    def on_gpu(self) -> bool:
        """Whether it leaves the processor's cores to others."""

    def recognize(
        self, windows: Sequence[Samples], decoding: Decoding, clock: Clock
    ) -> list[Decoded]:
        """Decode each window, in the order given, greedily or by beam search, without timestamp
        tokens (they make batched decoding drop words)."""

    def detect_language(self, windows: Sequence[Samples]) -> Mapping[str, float]:
        """Probability by language code, averaged over the windows; multilingual models only."""


@runtime_checkable
class MultilingualEngine(Engine, Protocol):
    """An engine that can be asked for :attr:`Decoding.stretches`."""

    def detect_languages(
        self, windows: Sequence[Samples], stretches: Sequence[Sequence[tuple[float, float]]]
    ) -> list[tuple[Mapping[str, float], ...]]:
        """What :attr:`Decoded.languages` has, without decoding."""


def frames_to_encode(sound: int, silence_after: float) -> int:
    """How many frames of the spectrogram the encoder gets: those of the sound and of the silence
    after it (seconds), but no fewer than LEAST_ENCODED and no more than MAX_SECONDS."""
    wanted = sound + int(silence_after * FRAMES_PER_SECOND)
    least, most = (int(seconds * FRAMES_PER_SECOND) for seconds in (LEAST_ENCODED, MAX_SECONDS))
    return min(max(wanted, least), most)


def stretch_positions(
    stretches: Sequence[Sequence[tuple[float, float]]], own: Sequence[int], positions: int
) -> Iterator[tuple[list[int], npt.NDArray[np.intp]]]:
    """Which of the encoder's positions show the language of each stretch, batch by batch: for each
    batch the numbers of the windows, and an array of shape (stretches, positions) for them.

    ``stretches`` are those of each window, in seconds from its start; the first ``own`` positions
    of a window are of its sound, and all the others up to ``positions`` of the silence after it.
    """
    rows, places = [], []
    for row, (asked, first_silent) in enumerate(zip(stretches, own, strict=True)):
        first_silent = min(first_silent, positions - 1)
        silence = np.unique(
            np.linspace(first_silent, positions - 1, SILENCE_POSITIONS).astype(np.intp)
        )
        for start, end in asked:
            first = min(int(start * TIME_STEPS_PER_SECOND), positions - 1)
            last = min(max(first + 1, int(end * TIME_STEPS_PER_SECOND)), positions)
            rows.append(row)
            places.append(
                (np.arange(first, last, 1 + (last - first) // STRETCH_POSITIONS), silence)
            )
    for at in range(0, len(rows), STRETCHES_AT_ONCE):
        batch = places[at : at + STRETCHES_AT_ONCE]
        longest = max(len(sound) + len(silence) for sound, silence in batch)
        padded = [
            np.concatenate([sound, np.resize(silence, longest - len(sound))])
            for sound, silence in batch
        ]
        yield rows[at : at + STRETCHES_AT_ONCE], np.array(padded)


def token_times(
    text_steps: npt.NDArray[np.integer], time_steps: npt.NDArray[np.integer], tokens: int
) -> tuple[float, ...]:
    """Where each token begins, from an alignment path of (token, encoder position) pairs.

    The path runs over ``tokens`` text tokens and the end token, so ``tokens + 1`` times in seconds
    are returned (source: openai/whisper ``timing.find_alignment``).
    """
    if not len(text_steps):
        return (0.0,) * (tokens + 1)
    jumps = np.pad(np.diff(text_steps), (1, 0), constant_values=1).astype(bool)
    starts = (time_steps[jumps] / TIME_STEPS_PER_SECOND).tolist()
    starts += [starts[-1]] * (tokens + 1 - len(starts))
    return tuple(starts[: tokens + 1])
