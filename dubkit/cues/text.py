"""The text of a cue in itself: width, marks, lines joined. Breaking it is :mod:`.lines`."""

from __future__ import annotations

import re
import unicodedata

from . import phrases

OPENING_MARK = r"<[ibu]>|<[cv]\.[^<>\s]{1,60}>"
CLOSING_MARK = r"</[ibucv]>"
MARK = re.compile(rf"({OPENING_MARK}|{CLOSING_MARK})")
"""A mark that a text may contain; in a group, so that ``split`` keeps it."""
LOOK_MARK = re.compile(r"<[cv]\.[^<>\s]{1,60}>|</[cv]>")
"""A mark of a color or of a voice, which no translator needs to see."""
SPACE = "␣"
"""What stands for a space in the name of a voice, ``<v.Ann␣Lee>``."""


def closing(mark: str) -> str:
    """The mark that closes one: ``</c>`` for ``<c.yellow>``."""
    return f"</{mark[1]}>"


def width(text: str) -> int:
    """Columns of a text: 2 for a full-width character, 0 for a combining mark, else 1.

    Thai vowels above and below the line, Arabic and Hindi vowel signs and joiners take no room,
    nor do marks.
    """
    if "<" in text:
        text = MARK.sub("", text)
    if text.isascii():
        return len(text)
    columns = 0
    for char in unicodedata.normalize("NFC", text):
        if unicodedata.category(char) not in ("Mn", "Me", "Cf"):
            columns += 2 if unicodedata.east_asian_width(char) in "WF" else 1
    return columns


def unwrap(text: str, language: str) -> str:
    """The text on one line: line breaks become spaces in languages that write them."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    spaced, parts = phrases.uses_spaces(language), [""]
    for line in filter(None, lines):
        last = parts[-1][-1:]
        space = last and (spaced or (last.isascii() and line[0].isascii()))
        parts += [" ", line] if space else [line]
    return "".join(parts)


def without_marks(text: str) -> str:
    """The text without ``<i>``, ``<b>``, ``<u>``, colors (``<c.yellow>``) and voices."""
    return MARK.sub("", text)
