"""The text of a cue: what marks it may hold, and what no format can hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from dubkit.languages import right_to_left

TAG = re.compile(r"(</?[ibu]>)")
UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1b\x1f\x7f\ufffe\uffff\ufdd0-\ufdef\ud800-\udfff]")

_RLE, _PDF = "\u202b", "\u202c"
"""Right-to-left embedding, and its end."""
_HEAD = re.compile(rf"(?:[\s{_RLE}]|</?[ibu]>)*")


def clean(text: str) -> str:
    """The text as every format can hold it: no empty lines, no control characters.

    Its marks are in pairs, each closed in the reverse order of its opening. Lines are not embedded
    as :func:`embed` does it.
    """
    text = UNPRINTABLE.sub("", text)
    lines = (_released(line) for line in text.splitlines())
    return "".join(_paired(TAG.split("\n".join(filter(None, lines)))))


def _released(line: str) -> str:
    """The line less the embedding, right to left, that its ends put around all of it."""
    line = line.strip()
    head = _HEAD.match(line)
    count = head[0].count(_RLE) if head else 0
    if not head or not count:
        return line
    end = len(line)
    while end > head.end():
        if line[end - 1].isspace() or line[end - 1] == _PDF:
            end -= 1
        elif mark := re.search(r"</?[ibu]>$", line[max(0, end - 4) : end]):
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


def _paired(parts: Sequence[str]) -> Iterator[str]:
    """Text and marks in turn, less closing marks without an opening one, plus the missing ones."""
    opened: list[str] = []
    for k, part in enumerate(parts):
        if k % 2 == 0:
            yield part
        elif not part.startswith("</"):
            opened.append(part)
            yield part
        elif part.replace("/", "") in opened:
            while True:
                mark = opened.pop()
                yield mark.replace("<", "</")
                if mark == part.replace("/", ""):
                    break
    yield from (mark.replace("<", "</") for mark in reversed(opened))


def embed(text: str, language: str) -> str:
    """The text with each line embedded right to left where its language is written so.

    Many players take every line for left to right, which puts the full stop and Latin words of a
    line on its wrong side. SRT, WebVTT and ASS have no other way to say it.
    """
    if not right_to_left(language):
        return text
    return "\n".join(_RLE + line + _PDF for line in text.split("\n"))


def plain(text: str) -> str:
    """The text without its marks."""
    return TAG.sub("", text)


def marked(text: str, say: Callable[[str], str], mark: Callable[[str], str]) -> str:
    """The text with each stretch passed through ``say`` and each mark through ``mark``."""
    parts = TAG.split(text)
    return "".join(mark(part) if k % 2 else say(part) for k, part in enumerate(parts))


def lower_tags(text: str) -> str:
    """The text with marks such as ``< I >`` as they are written here."""
    tag = r"<\s{0,3}(/?)\s{0,3}([ibu])\s{0,3}>"
    return re.sub(tag, lambda m: f"<{m[1]}{m[2].lower()}>", text, flags=re.IGNORECASE)
