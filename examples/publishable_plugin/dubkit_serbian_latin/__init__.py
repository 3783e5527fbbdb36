"""``serbian-latin``: Serbian from Cyrillic to Latin letters."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dubkit import TranslationReply, TranslationRequest, Translator

LETTERS = dict(
    zip(
        "абвгдђежзијклљмнњопрстћуфхцчџш",
        "a b v g d đ e ž z i j k l lj m n nj o p r s t ć u f h c č dž š".split(),
        strict=True,
    )
)


@dataclass(frozen=True)
class SerbianLatin(Translator):
    """A lossless transliteration: each Cyrillic letter is one or two Latin ones."""

    contract = 2

    follows = ("markup",)
    batch = 200
    parallel = 4

    def supports(self, source: str | None, target: str) -> bool:
        """From Serbian that is not already in Latin letters to Serbian that is."""
        to_latin = target.lower().split("-")[:2] == ["sr", "latn"]
        tags = (source or "sr").lower().split("-")
        return to_latin and tags[0] == "sr" and "latn" not in tags

    def translate(self, request: TranslationRequest) -> TranslationReply:
        """Transliterate all lines; what is not Cyrillic is kept."""
        return TranslationReply({line.id: latin(line.text) for line in request.lines})


def latin(text: str) -> str:
    """Transliterate a text: ``Љубав`` becomes ``Ljubav``, ``ЉУБАВ`` becomes ``LJUBAV``."""
    return re.sub(r"[^\W\d_]+", _word, text)


def _word(found: re.Match[str]) -> str:
    word = found[0]
    if not LETTERS.keys() >= set(word.lower()):  # a word of another language
        return word
    pairs = ((letter, LETTERS[letter.lower()]) for letter in word)
    result = "".join(new.capitalize() if old.isupper() else new for old, new in pairs)
    return result.upper() if word.isupper() and len(word) > 1 else result
