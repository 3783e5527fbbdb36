"""Text in the code page of an old file."""

from __future__ import annotations

import unicodedata


def encoded(text: str, page: str) -> bytes:
    """In a code page; Vietnamese's has the marks of tones apart."""
    if page == "cp1258":
        text = "".join(map(_without_tone, text))
    return text.encode(page, "replace")


def _without_tone(char: str) -> str:
    parts = unicodedata.normalize("NFD", char)
    tone = "".join(mark for mark in parts if mark in "\u0300\u0301\u0303\u0309\u0323")
    return unicodedata.normalize("NFC", "".join(part for part in parts if part not in tone)) + tone
