"""The text of a cue in a file: its marks, its direction, and what no format can hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from dubkit.cues.text import CLOSING_MARK, MARK, OPENING_MARK, closing
from dubkit.languages import right_to_left

UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1b\x1f\x7f-\x9f\ufffe\uffff\ufdd0-\ufdef\ud800-\udfff]")

_FROM_LATIN_1 = {byte: bytes([byte]).decode("cp1252", "ignore") for byte in range(0x80, 0xA0)}
"""What control characters were meant as where cp1252 was taken for Latin-1: ``…`` for U+0085, which
would otherwise end a line."""

_RLE, _PDF = "\u202b", "\u202c"
"""The start and the end of a right-to-left embedding."""
_HEAD = re.compile(rf"(?:[\s{_RLE}]|{OPENING_MARK}|{CLOSING_MARK})*")
_LAST_MARK = re.compile(rf"(?:{OPENING_MARK}|{CLOSING_MARK})$")


def clean(text: str) -> str:
    """The text as every format can hold it: no empty lines, no control characters.

    Its marks are in pairs, closed in the reverse order of their opening. An embedding of whole
    lines, as by :func:`embed_rtl`, is removed.
    """
    text = UNPRINTABLE.sub("", text.translate(_FROM_LATIN_1))
    lines = (_strip_embedding(line) for line in text.splitlines())
    paired = "".join(_pair_marks(MARK.split("\n".join(filter(None, lines)))))
    return re.sub(r"<c\.[^<>\s]{1,60}></c>", "", paired)


def _strip_embedding(line: str) -> str:
    """The line without a right-to-left embedding around all of it."""
    line = line.strip()
    head = _HEAD.match(line)
    count = head[0].count(_RLE) if head else 0
    if not head or not count:
        return line
    end = len(line)
    while end > head.end():
        if line[end - 1].isspace() or line[end - 1] == _PDF:
            end -= 1
        elif line[end - 1] == ">" and (mark := _LAST_MARK.search(line[max(0, end - 64) : end])):
            end -= len(mark[0])
        else:
            break
    depth = 0
    for char in line[head.end() : end]:
        depth += (char in "\u202a\u202b\u202d\u202e") - (char == _PDF)
        if depth < 0:  # it ends within the line
            return line
    return (
        head[0].replace(_RLE, "") + line[head.end() : end] + line[end:].replace(_PDF, "", count)
    ).strip()


def _pair_marks(parts: Sequence[str]) -> Iterator[str]:
    """Text and marks in turn, without marks inside the same and unopened closing ones, and with
    missing ones added."""
    opened: list[str] = []
    inside: Counter[str] = Counter()
    """How often each is opened again, by the mark that closes it."""
    for k, part in enumerate(parts):
        if k % 2 == 0:
            yield part
        elif part in opened:
            inside[closing(part)] += 1
        elif not part.startswith("</"):
            opened.append(part)
            yield part
        elif inside[part]:
            inside[part] -= 1
        elif part in map(closing, opened):
            while True:
                end = closing(opened.pop())
                yield end
                if end == part:
                    break
    yield from map(closing, reversed(opened))


def join_stretches(stretches: Iterable[tuple[str, Sequence[str]]]) -> str:
    """One text of stretches, each with the names of its marks (``i``, ``c.#ffff00``), the outermost
    first."""
    written, opened = [], list[str]()
    for text, marks in (*stretches, ("", ())):
        while opened and opened != list(marks[: len(opened)]):
            written.append(f"</{opened.pop()[0]}>")
        for mark in marks[len(opened) :]:
            opened.append(mark)
            written.append(f"<{mark}>")
        written.append(text)
    return "".join(written)


def embed_rtl(text: str, language: str) -> str:
    """The text with each line embedded right to left, if its language is written that way.

    Many players take every line for left to right, which puts the full stop and Latin words on the
    wrong side of a line. SRT, WebVTT and ASS have no other way to state the direction.
    """
    if not right_to_left(language):
        return text
    return "\n".join(_RLE + line + _PDF for line in text.split("\n"))


def map_parts(text: str, on_text: Callable[[str], str], on_mark: Callable[[str], str]) -> str:
    """The text with each stretch passed through ``on_text`` and each mark through ``on_mark``."""
    parts = MARK.split(text)
    return "".join(on_mark(part) if k % 2 else on_text(part) for k, part in enumerate(parts))


def lower_tags(text: str) -> str:
    """The text with marks such as ``< I >`` normalized to ``<i>``."""
    tag = r"<\s{0,3}(/?)\s{0,3}([ibu])\s{0,3}>"
    return re.sub(tag, lambda m: f"<{m[1]}{m[2].lower()}>", text, flags=re.IGNORECASE)
