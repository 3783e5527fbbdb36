"""Who speaks, in the styles in which scripts say so, written as one of them: ``NAME: ``.

That ``KING. Good morrow`` or ``Bob - Well`` begins with a label shows only where others do: a style
counts if enough paragraphs begin in it, and a name in small letters if it does so repeatedly.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

LONGEST_NAME = 4
"""Words of a speaker's name."""
OFTEN, MOSTLY = 0.2, 0.5
"""Shares of the paragraphs from which a style counts: of names that cannot be much else, being in
capitals, and of others."""
NO_PEOPLE = frozenset(
    (
        "sfx", "fx", "sound", "sound effect", "sound effects", "music", "visual", "visuals",
        "video", "image", "picture", "screen", "on screen", "on-screen", "super", "text",
        "title", "caption", "graphic", "graphics", "b-roll", "broll", "lower third", "camera",
        "action", "scene", "setting", "note", "notes", "duration", "length", "credit", "author",
        "authors", "source", "draft date", "date", "contact", "copyright", "revision",
    )
)  # fmt: skip
"""What stands before a colon like a speaker, before what is for readers."""

TIME = r"\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?"
STAMP = re.compile(rf"\s*[\[(]?{TIME}[\])]?(?:\s*(?:-->|[-–—])\s*{TIME})?\s*")
"""A time, or two, at the start of a line."""

_NAME = r"\s*([^\W\d_](?:[\w'’&/ -]{0,38}[\w'’])?)"
_MANNER = r"(?:\s*[\[(][^\[\]():]{1,40}[\])])?"
_STYLES = (
    (re.compile(rf"{_NAME}[\s,]+(?:[\[(]{TIME}[\])]\s*[:–—-]?|{TIME}\s*:)\s+(?=\S)"), True),
    (re.compile(r"\s*([^\W\d_][^\W_]{0,9})「(?=.*」\s*$)"), True),
    (re.compile(rf"{_NAME}{_MANNER}\.\s*[–—-]?\s+(?=\S)"), False),
    (re.compile(rf"{_NAME}{_MANNER}\s+[–—-]{{1,2}}\s+(?=\S)"), False),
    (re.compile(rf"{_NAME}{_MANNER}\t+(?=\S)"), False),
)
"""What a line begins with that may be a label, and whether it can hardly be anything else."""


def with_colons(lines: Sequence[str]) -> tuple[list[str], set[str]]:
    """The lines with their labels as ``NAME: ``, and the names that were found, case-folded."""
    bare = [line[_stamp_end(line) :] for line in lines]
    begins = [not before.strip() for before in ["", *bare[:-1]]]
    written, names = list(lines), set[str]()
    for pattern, is_sure in _STYLES:
        matches = {k: match for k, line in enumerate(bare) if (match := pattern.match(line))}
        paragraphs = sum(begins[k] or k in matches for k, line in enumerate(bare) if line.strip())
        own = set(_names([match[1] for match in matches.values()], paragraphs, is_sure=is_sure))
        for k, match in matches.items():
            if match[1] in own:
                rest = bare[k][match.end() :]
                if match[0].endswith("「"):
                    rest = rest.rstrip().removesuffix("」")
                stamp = lines[k][: _stamp_end(lines[k])]
                written[k] = f"{stamp}{' '.join(match[1].split())}: {rest}"
        names |= {" ".join(one.casefold().split()) for one in own}
    return written, names


def is_capitalized(name: str) -> bool:
    """Whether no word of it begins with a small letter; not all scripts have any."""
    return not any(word[0].islower() for word in name.split())


def _stamp_end(line: str) -> int:
    found = STAMP.match(line)
    return found.end() if found else 0


def _names(found: Sequence[str], paragraphs: int, *, is_sure: bool) -> Iterator[str]:
    """Which of these are names, each as often as a line begins with it."""
    counts = Counter(one for one in found if len(one.split()) <= LONGEST_NAME)
    capitals = [
        one
        for one in counts
        if (is_capitalized(one) if is_sure else one.isupper() and len(one) > 1)
    ]
    several = [one for one in counts if counts[one] > 1]
    is_style = set(capitals) & set(several) or (is_sure and len(capitals) > 1)
    if is_style and _sum(counts, capitals) >= OFTEN * paragraphs:
        yield from capitals
    others = [one for one in several if all(word[0].isupper() for word in one.split())]
    if len(others) > 1 and _sum(counts, others) >= MOSTLY * paragraphs:
        yield from others


def _sum(counts: Counter[str], names: Collection[str]) -> int:
    return sum(counts[one] for one in names)
