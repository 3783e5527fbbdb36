"""Letters to sounds by espeak-ng, which is under the GPL and so never a part of dubkit's own."""

from __future__ import annotations

import functools
from collections.abc import Callable

SIGNS = (
    ("a^ɪ", "I"), ("a^ʊ", "W"), ("d^z", "ʣ"), ("d^ʒ", "ʤ"), ("e^ɪ", "A"), ("o^ʊ", "O"),
    ("ə^ʊ", "Q"),
    ("s^s", "S"), ("t^s", "ʦ"), ("t^ʃ", "ʧ"), ("ɔ^ɪ", "Y"), ("^", ""), ("-", ""),
)  # fmt: skip
"""Two letters of espeak's that the model has one sign for."""
ENGLISH = (
    ("ɚ", "əɹ"), ("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("ɪə", "iə"), ("ː", ""), ("r", "ɹ"), ("o", "ɔ"),
    ("ɐ", "ə"), ("e", "A"),
)  # fmt: skip
"""What the model's English, which is not espeak's, has instead."""


@functools.cache
def espeak(voice: str) -> Callable[[str], str]:
    """What writes the sounds of a language, by espeak-ng's name for it."""
    import espeakng_loader
    from phonemizer.backend import EspeakBackend
    from phonemizer.backend.espeak.wrapper import EspeakWrapper

    EspeakWrapper.set_library(espeakng_loader.get_library_path())
    EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
    backend = EspeakBackend(voice, preserve_punctuation=True, with_stress=True, tie="^")

    def phones(text: str) -> str:
        written = str(backend.phonemize([text])[0])
        for old, new in SIGNS + (ENGLISH if voice.startswith("en") else ()):
            written = written.replace(old, new)
        return written

    return phones
