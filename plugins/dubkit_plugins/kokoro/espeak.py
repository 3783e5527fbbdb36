"""Text to phonemes by espeak-ng, which is under the GPL and therefore only an optional extra."""

from __future__ import annotations

import functools
from collections.abc import Callable

SYMBOLS = (
    ("a^ɪ", "I"), ("a^ʊ", "W"), ("d^z", "ʣ"), ("d^ʒ", "ʤ"), ("e^ɪ", "A"), ("o^ʊ", "O"),
    ("ə^ʊ", "Q"),
    ("s^s", "S"), ("t^s", "ʦ"), ("t^ʃ", "ʧ"), ("ɔ^ɪ", "Y"), ("^", ""), ("-", ""),
)  # fmt: skip
"""Pairs of espeak's symbols for which the model has a single one."""
ENGLISH = (
    ("ɚ", "əɹ"), ("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("ɪə", "iə"), ("ː", ""), ("r", "ɹ"), ("o", "ɔ"),
    ("ɐ", "ə"), ("e", "A"),
)  # fmt: skip
"""Where the model's English was not trained on espeak's symbols: what it has instead."""


@functools.cache
def espeak(voice: str) -> Callable[[str], str]:
    """The phonemizer of a language, by espeak-ng's name for it."""
    import espeakng_loader
    from phonemizer.backend import EspeakBackend
    from phonemizer.backend.espeak.wrapper import EspeakWrapper

    EspeakWrapper.set_library(espeakng_loader.get_library_path())
    EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
    backend = EspeakBackend(voice, preserve_punctuation=True, with_stress=True, tie="^")

    def phones(text: str) -> str:
        phonemes = str(backend.phonemize([text])[0])
        for old, new in SYMBOLS + (ENGLISH if voice.startswith("en") else ()):
            phonemes = phonemes.replace(old, new)
        return phonemes

    return phones
