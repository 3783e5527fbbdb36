"""Voices as numbers: tells speakers apart, and finds the voice that is most like somebody's.

A voice is 256 numbers (an embedding), computed by the speaker encoder of Resemblyzer (``data/``).
Two pieces of speech by one person give vectors of nearly the same direction, whatever is spoken.

This is voice matching, not cloning: the result is the nearest of an engine's own voices. Which
passages to use for it is :mod:`.passages`.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

RATE = 16_000
"""Sample rate, in Hz, of all audio here; it is mono, from -1 to 1."""
SIZE = 256
"""Numbers in an embedding."""

WINDOW, HOP, MELS = 400, 160, 40
"""Samples per spectrum, samples from one spectrum to the next, and bands. The network was trained
with these, FRAMES and LOUDNESS."""
FRAMES = 160
"""Spectra that the network takes at once: 1.6 s."""
STEP = 77
"""Spectra from one such piece to the next."""
COVERED = 0.75
"""Share of the last piece that must be audio."""
LOUDNESS = 10 ** (-30 / 20)
"""Root mean square that quiet audio is raised to."""
BATCH = 64
"""Pieces that go through the network at once; it limits memory, and how long Ctrl-C waits."""


# ---------------------------------------------------------------- embedding


def embed(samples: Floats) -> Floats:
    """The voice in some speech (16 kHz mono): 256 numbers, of length 1; zeros if all is silent.

    It is usable from 1.6 s of speech, and good from 3 s.
    """
    return embed_each([samples])[0]  # type: ignore[no-any-return]


def embed_each(pieces: Iterable[Floats]) -> Floats:
    """The voices in several pieces of speech, one per row; faster than one by one."""
    import numpy as np

    rows: list[Floats] = []
    waiting: list[Floats] = []
    counts: list[int] = []

    def flush() -> None:
        if waiting:
            batches = (waiting[at : at + BATCH] for at in range(0, len(waiting), BATCH))
            done = np.concatenate([_forward(np.stack(batch)) for batch in batches])
            for part in np.split(done, np.cumsum(counts)[:-1]):
                rows.append(_unit(part.mean(axis=0)))
            waiting.clear()
            counts.clear()

    for piece in pieces:
        parts = _partials(piece)
        waiting += parts
        counts.append(len(parts))
        if len(waiting) >= BATCH:
            flush()
    flush()
    return np.array(rows, dtype=np.float32).reshape(-1, SIZE)


def similarity(a: Floats, b: Floats) -> float:
    """Cosine similarity of voices, 0 to 1: mostly over 0.8 for one person, under 0.7 for two."""
    return float(_unit(a) @ _unit(b))


def _unit(vector: Floats) -> Floats:
    import numpy as np

    length = float(np.linalg.norm(vector))
    return (vector / length if length else vector).astype(np.float32)


def _partials(samples: Floats) -> list[Floats]:
    """The spectra of a piece of audio, cut into the length that the network takes."""
    import numpy as np

    samples = np.asarray(samples, dtype=np.float32)
    strength = float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0
    if 0 < strength < LOUDNESS:
        samples = samples * np.float32(LOUDNESS / strength)
    if 0 < len(samples) < FRAMES * HOP:
        # Resemblyzer pads with silence, which makes all short words alike: half a second identifies
        # its speaker in 64 % of cases that way, and in 91 % if it is repeated instead.
        samples = np.resize(samples, FRAMES * HOP)
    frames = math.ceil((len(samples) + 1) / HOP)
    starts = list(range(0, max(1, frames - FRAMES + STEP + 1), STEP))
    if len(starts) > 1 and (len(samples) / HOP - starts[-1]) / FRAMES < COVERED:
        starts.pop()
    wanted = (starts[-1] + FRAMES) * HOP
    samples = np.pad(samples, (0, max(0, wanted - len(samples))))
    spectra = mel_spectra(samples)
    return [spectra[start : start + FRAMES] for start in starts]


def mel_spectra(samples: Floats) -> Floats:
    """Power in MELS bands, every 10 ms; the same as librosa.feature.melspectrogram."""
    import numpy as np

    padded = np.pad(samples, WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    bell = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    power = np.empty((len(frames), MELS), dtype=np.float32)
    filters = _mel_filters()
    for first in range(0, len(frames), 1000):  # the windows overlap, so copy only some at once
        part = frames[first : first + 1000] * bell
        power[first : first + 1000] = np.square(np.abs(np.fft.rfft(part))) @ filters
    return power


@functools.cache
def _mel_filters() -> Floats:
    """Triangles on Slaney's mel scale (linear below 1 kHz), each of area 1: librosa's default."""
    import numpy as np

    step = math.log(6.4) / 27

    def mel(hertz: float) -> float:
        return hertz * 3 / 200 if hertz < 1000 else 15 + math.log(hertz / 1000) / step

    mels = np.linspace(0, mel(RATE / 2), MELS + 2)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(step * (mels - 15)))
    bins = np.fft.rfftfreq(WINDOW, 1 / RATE)[:, None]
    rising = (bins - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - bins) / np.diff(edges)[1:]
    filters = np.maximum(0, np.minimum(rising, falling)) * 2 / (edges[2:] - edges[:-2])
    return filters.astype(np.float32)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class _Layer:
    """An LSTM: weights from its input and from its last state to its four gates."""

    input: Floats
    recurrent: Floats
    bias: Floats


@functools.cache
def _network() -> tuple[tuple[_Layer, ...], Floats, Floats]:
    """The three LSTMs, and the weights and bias of the layer after them."""
    import numpy as np

    with np.load(Path(__file__).parent / "data/voiceprint.npz", allow_pickle=False) as file:
        stored = {name: file[name].astype(np.float32) for name in file.files}
    layers = tuple(
        _Layer(
            np.ascontiguousarray(stored[f"lstm.weight_ih_l{n}"].T),
            np.ascontiguousarray(stored[f"lstm.weight_hh_l{n}"].T),
            stored[f"lstm.bias_ih_l{n}"] + stored[f"lstm.bias_hh_l{n}"],
        )
        for n in range(3)
    )
    return layers, np.ascontiguousarray(stored["linear.weight"].T), stored["linear.bias"]


def _forward(spectra: Floats) -> Floats:
    """From (pieces, FRAMES, MELS) to (pieces, SIZE), each of length 1."""
    import numpy as np

    layers, weight, bias = _network()
    hidden = np.ascontiguousarray(spectra.transpose(1, 0, 2))
    for layer in layers:
        count = hidden.shape[1]
        projected = hidden.reshape(-1, hidden.shape[2]) @ layer.input + layer.bias
        gates = projected.reshape(len(hidden), count, -1)
        state = np.zeros((count, SIZE), dtype=np.float32)
        memory = np.zeros_like(state)
        hidden = np.empty((len(gates), count, SIZE), dtype=np.float32)
        for time, gate in enumerate(gates):
            gate += state @ layer.recurrent
            # The sigmoid via tanh, which never overflows.
            open_, forget, out = (
                np.tanh(gate[:, at * SIZE : (at + 1) * SIZE] / 2) / 2 + 0.5 for at in (0, 1, 3)
            )
            memory = forget * memory + open_ * np.tanh(gate[:, 2 * SIZE : 3 * SIZE])
            state = hidden[time] = out * np.tanh(memory)
    embeddings = np.maximum(0, hidden[-1] @ weight + bias)
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    silent = ~np.any(spectra, axis=(1, 2))[:, None]
    return np.where(silent | (lengths == 0), 0, embeddings / np.maximum(lengths, 1e-9))


# ---------------------------------------------------------------- pitch


def pitch(samples: Floats) -> float:
    """The median pitch of some speech in Hz, by autocorrelation; 0.0 if there is no voice."""
    import numpy as np

    length, lowest, highest = RATE // 20, RATE // 60, RATE // 400
    samples = np.asarray(samples, dtype=np.float32)
    if len(samples) < length:
        return 0.0
    frames = np.lib.stride_tricks.sliding_window_view(samples, length)[:: RATE // 100]
    levels = np.sqrt(np.mean(np.square(frames), axis=1))
    frames = frames[levels > 0.3 * np.quantile(levels, 0.95)][:3000]
    if not len(frames):
        return 0.0
    frames = frames - frames.mean(axis=1, keepdims=True)
    power = np.square(np.abs(np.fft.rfft(frames, 2 * length)))
    # A larger shift overlaps less; dividing by the overlap makes all shifts comparable.
    alike = np.fft.irfft(power)[:, : lowest + 1] / (1 - np.arange(lowest + 1) / length)
    alike = alike / np.maximum(alike[:, :1], 1e-12)
    part = alike[:, highest:]
    best = part.max(axis=1)
    # The first peak nearly as high as the highest: a shift of two periods fits as well as one.
    first = np.argmax(part >= 0.9 * best[:, None], axis=1)
    rising = np.take_along_axis(
        part, np.minimum(first[:, None] + np.arange(8), part.shape[1] - 1), 1
    )
    shifts = highest + first + np.argmax(rising, axis=1)
    voiced = best > 0.5
    return float(RATE / np.median(shifts[voiced])) if voiced.any() else 0.0


# ---------------------------------------------------------------- matching

PITCH_WEIGHT = 0.05
"""Similarity that an octave between two pitches costs. With eight recordings and Kokoro's pairs of
a woman's and a man's voice, similarity alone chose the right one of a pair in 84 % of cases, with
this weight in 92 %, and pitch alone in 78 %: a man who shouts across a square is not a woman."""
RAISED = 230.0
"""Median pitch in Hz from which somebody does not talk but calls, to a crowd or across a square.
Men do, too (254 in Kennedy's inaugural address), so it does not tell who it is."""


@dataclass(frozen=True, slots=True)
class Voiceprint:
    """What somebody sounds like."""

    embedding: Floats
    pitch: float
    """Median in Hz; 0.0 if unknown."""

    def to_json(self) -> dict[str, object]:
        """As a value for a JSON file."""
        return {"embedding": [round(float(one), 5) for one in self.embedding], "pitch": self.pitch}

    @staticmethod
    def from_json(value: Any) -> Voiceprint:
        """The reverse of :meth:`to_json`. Raises ValueError, TypeError or LookupError for what it
        did not return."""
        import numpy as np

        embedding = np.array(value["embedding"], np.float32)
        pitch = float(value["pitch"])
        if embedding.shape != (SIZE,) or not np.isfinite(embedding).all() or not pitch >= 0:
            raise ValueError("not a voiceprint")
        return Voiceprint(embedding, pitch)


def voiceprint(samples: Floats) -> Voiceprint:
    """What the person who speaks in ``samples`` (16 kHz mono) sounds like."""
    return Voiceprint(embed(samples), pitch(samples))


def ordinary_pitch(lines: Iterable[Floats]) -> float:
    """The pitch in Hz of somebody who speaks some lines (16 kHz mono): the median of theirs, which
    a few shouted or squeaked ones do not change; 0.0 if there is no voice."""
    import numpy as np

    known = [hertz for line in lines if (hertz := pitch(line))]
    return float(np.median(known)) if known else 0.0


def voiceprints(names: Iterable[str], speak: Callable[[str], Floats]) -> dict[str, Voiceprint]:
    """What an engine's voices sound like; ``speak(name)`` returns a sentence in that voice, the
    same for all. A voice that is silent is left out."""
    prints = {name: voiceprint(speak(name)) for name in names}
    return {name: one for name, one in prints.items() if one.embedding.any()}


def is_pitch_doubtful(original: Voiceprint) -> bool:
    """Whether somebody's pitch does not say what their voice is like: they call, or it is not
    known."""
    return not 0 < original.pitch < RAISED


def match(a: Voiceprint, b: Voiceprint) -> float:
    """How well the voice ``b`` can stand in for somebody's ``a``: 1 at best."""
    apart = abs(math.log2(a.pitch / b.pitch)) if a.pitch and b.pitch else 0.0
    return similarity(a.embedding, b.embedding) - PITCH_WEIGHT * apart


def rank_voices(original: Voiceprint, voices: Mapping[str, Voiceprint]) -> list[str]:
    """The names of ``voices``, the most similar first."""
    original = _with_neutral_pitch(original, voices)
    return sorted(voices, key=lambda name: -match(original, voices[name]))


def _with_neutral_pitch(original: Voiceprint, voices: Mapping[str, Voiceprint]) -> Voiceprint:
    """Somebody with the pitch in the middle of all voices where their own is doubtful, so that what
    decides is similarity, and voices at either end are not preferred."""
    if not is_pitch_doubtful(original):
        return original
    known = [math.log2(one.pitch) for one in voices.values() if one.pitch]
    return replace(original, pitch=2 ** statistics.median(known) if known else 0.0)


def assign_voices(
    originals: Mapping[str, Voiceprint], voices: Mapping[str, Voiceprint]
) -> dict[str, str]:
    """A voice for each speaker: all different if there are enough, and the best match overall.

    If there are too few, the speakers named first share theirs with those named last.
    """
    assigned: dict[str, str] = {}
    originals = {name: _with_neutral_pitch(one, voices) for name, one in originals.items()}
    people, names = list(originals), list(voices)
    while names and (some := people[len(assigned) : len(assigned) + len(names)]):
        costs = [[-match(originals[one], voices[name]) for name in names] for one in some]
        assigned |= {one: names[at] for one, at in zip(some, _cheapest_columns(costs), strict=True)}
    return assigned


def _cheapest_columns(costs: Sequence[Sequence[float]]) -> list[int]:
    """A column for each row, all different, with the least sum of costs (the Hungarian method, by
    shortest augmenting paths). There must be at least as many columns as rows."""
    rows, columns = len(costs), len(costs[0])
    row_price, column_price = [0.0] * (rows + 1), [0.0] * (columns + 1)
    owner = [0] * (columns + 1)  # rows and columns count from 1; 0 means none
    for row in range(1, rows + 1):
        owner[0], at = row, 0
        slack, came, seen = [math.inf] * (columns + 1), [0] * (columns + 1), set[int]()
        while owner[at]:
            seen.add(at)
            for column in set(range(1, columns + 1)) - seen:
                one = owner[at]
                cost = costs[one - 1][column - 1] - row_price[one] - column_price[column]
                if cost < slack[column]:
                    slack[column], came[column] = cost, at
            after = min(set(range(1, columns + 1)) - seen, key=slack.__getitem__)
            step = slack[after]
            for column in range(columns + 1):
                if column in seen:
                    row_price[owner[column]] += step
                    column_price[column] -= step
                else:
                    slack[column] -= step
            at = after
        while at:
            owner[at] = owner[came[at]]
            at = came[at]
    chosen = [0] * rows
    for column in range(1, columns + 1):
        if owner[column]:
            chosen[owner[column] - 1] = column - 1
    return chosen
