"""What a student is worth beside its teacher, on recordings that neither was trained on here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dubkit_plugins.whisper import guards
from dubkit_plugins.whisper.engine import SAMPLE_RATE, Clock, Decoding, Samples
from dubkit_plugins.whisper.torch_engine import TorchEngine

from .labels import SPACELESS, error_rate, normalize

if TYPE_CHECKING:
    from collections.abc import Mapping

NOISE_DB = (20, 10, 5, 0)
"""Decibels from speech down to the noise that is added to it."""
EMPTY_SECONDS = 20.0
"""Seconds of each sound in which nobody speaks."""
INVENTED_LOGPROB = -1.0
"""Mean log-probability under which Whisper's authors take what is read in silence for invented."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Windows to evaluate on."""

    samples: tuple[Samples, ...]
    references: tuple[str, ...]
    """What is spoken in each."""
    language: str
    """Whisper's code."""

    @property
    def seconds(self) -> float:
        """The length of all of them."""
        return sum(map(len, self.samples)) / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Score:
    """How one model did."""

    name: str
    error: float
    """Word error rate."""
    speed: float
    """Seconds of sound recognized in a second."""
    decoder: float
    """Seconds of work of the decoder."""
    invented: int
    """Words found in sounds in which nobody speaks."""
    noise: Mapping[int, float] = field(default_factory=dict)
    """Word error rate by decibels from speech down to added noise."""


@dataclass(frozen=True, slots=True)
class DraftScore:
    """What a model brings as the draft of its teacher."""

    tokens: float
    """Tokens that come of one pass of the teacher, the teacher's own included."""
    seconds: float
    """Seconds of the teacher's decoding with the draft ..."""
    without: float
    """... and without, a window at a time, too."""


def measure_error(engine: TorchEngine, held_out: HeldOut, clock: Clock | None = None) -> float:
    """The word error rate of an engine, of which a loop (of letters, without spaces) is cut off as
    in a run: else a single word that is repeated to the end of a window outweighs all others."""
    found = engine.recognize(list(held_out.samples), Decoding(held_out.language), clock or Clock())
    wrong = words = 0.0
    for one, reference in zip(found, held_out.references, strict=True):
        whole = engine.tokenizer.decode(list(one.tokens))
        units, gap = ([*whole], "") if held_out.language in SPACELESS else (whole.split(), " ")
        text = gap.join(units[: guards.loop_start(units)])
        count = len(normalize(reference, held_out.language))
        wrong += error_rate(text, reference, held_out.language) * count
        words += count
    return wrong / max(1.0, words)


def evaluate(name: str, engine: TorchEngine, held_out: HeldOut) -> Score:
    """The score of an engine: its errors as it is and in noise, its speed, what it invents."""
    clock = Clock()
    error = measure_error(engine, held_out, clock)
    spent = clock.timings
    noisy = {
        level: measure_error(
            engine,
            HeldOut(
                tuple(_in_noise(one, level, seed) for seed, one in enumerate(held_out.samples)),
                held_out.references,
                held_out.language,
            ),
        )
        for level in NOISE_DB
    }
    return Score(
        name,
        error,
        held_out.seconds / max(1e-9, sum(spent.values())),
        spent.get("decoder", 0.0),
        _count_invented(engine, held_out.language),
        noisy,
    )


def time_decoding(engine: TorchEngine, held_out: HeldOut) -> float:
    """Seconds of the decoder's work, a window at a time."""
    clock = Clock()
    for one in held_out.samples:
        engine.recognize([one], Decoding(held_out.language), clock)
    return clock.timings["decoder"]


def evaluate_draft(with_draft: TorchEngine, held_out: HeldOut, without: float) -> DraftScore:
    """What the draft of an engine brings; ``without`` is :func:`time_decoding` of its teacher."""
    seconds = time_decoding(with_draft, held_out)
    tokens = with_draft.draft_tokens / max(1, with_draft.draft_passes)
    return DraftScore(tokens, seconds, without)


def _in_noise(samples: Samples, level: int, seed: int) -> Samples:
    """Speech with pink noise ``level`` decibels below it."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(len(samples)))
    spectrum /= np.sqrt(np.arange(len(spectrum)) + 1)
    noise = np.fft.irfft(spectrum, len(samples))
    share = np.sqrt(np.mean(np.square(samples)) / max(1e-12, float(np.mean(np.square(noise)))))
    noisy = samples + noise * share * 10 ** (-level / 20)
    mixed: Samples = np.clip(noisy, -1, 1).astype(np.float32)
    return mixed


def _count_invented(engine: TorchEngine, language: str) -> int:
    """Words that are found in silence, noise, a hum and music."""
    count = 0
    found = engine.recognize(list(_without_speech()), Decoding(language), Clock())
    for one in found:
        text = engine.tokenizer.decode(list(one.tokens))
        if not guards.has_no_speech(one, text):
            count += len(normalize(text, language))
    return count


def _without_speech() -> Sequence[Samples]:
    """Silence, hiss, a mains hum, and a tune of chords."""
    count = int(EMPTY_SECONDS * SAMPLE_RATE)
    time = np.arange(count) / SAMPLE_RATE
    hiss = np.random.default_rng(0).standard_normal(count) * 0.03
    hum = _harmonics(2 * np.pi * 50 * time, 1.0) * 0.1
    notes = np.array([220.0, 277.2, 329.6, 246.9, 311.1, 370.0])[(time * 2).astype(int) % 6]
    phase = 2 * np.pi * np.cumsum(notes) / SAMPLE_RATE
    tune = _harmonics(phase, 1.5) * np.exp(-(time % 0.5) * 4) * 0.2
    return [one.astype(np.float32) for one in (np.zeros(count), hiss, hum, tune)]


def _harmonics(phase: npt.NDArray[Any], slope: float) -> npt.NDArray[Any]:
    """A tone and three more at multiples of its frequency, each softer by the power ``slope``."""
    tone: npt.NDArray[Any] = np.sum([np.sin(phase * k) / k**slope for k in (1, 2, 3, 4)], axis=0)
    return tone
