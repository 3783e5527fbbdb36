"""Who speaks, in the styles in which scripts say so, written as one of them: ``NAME: ``.

That ``KING. Good morrow`` or ``Bob - Well`` begins with a label shows only where others do: a style
counts if enough paragraphs begin in it, and a name in small letters if it does so repeatedly. With
a full stop after it that is none: ``Ann. Never`` looks the same as ``No. Never``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

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
NO_NAMES = frozenset(
    (
        "mr", "mrs", "ms", "miss", "dr", "prof", "rev", "st", "mme", "mlle", "sr", "sra", "srta",
        "dra", "hr", "fr", "herr", "frau", "sig", "dott", "dhr", "mevr",
        "yes", "no", "ok", "okay", "yeah", "oh", "ah", "well", "oui", "non", "ja", "nein", "nee",
        "nej", "sí", "si", "sim", "não", "tak", "nie", "ano", "ne", "да", "нет", "ναι", "όχι",
        "igen", "nem", "evet", "hayır",
    )
)  # fmt: skip
"""Titles before a name, and answers: they are spoken."""
INTERVIEW = frozenset("QA")
"""Names of one letter; what else has a full stop after one is an initial."""

TIME = r"\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?"
STAMP = re.compile(rf"\s*[\[(]?{TIME}[\])]?(?:\s*(?:-->|[-–—])\s*{TIME})?\s*")
"""A time, or two, at the start of a line."""

_NAME = r"\s*([^\W\d_](?:[\w'’&/ -]{0,38}[\w'’])?)"
_MANNER = r"(?:\s*[\[(][^\[\]():]{1,40}[\])])?"
_KANJI_NAME = (
    r"[^\W\d_][^\W_]{0,9}(?:(?<![ぁ-ん说說道问問喊叫答曰])|(?<=さん)|(?<=くん)|(?<=ちゃん))"
)
"""Before words in ``「」``; it ends like no verb or particle, with which a sentence goes on."""
_KANA_NAME = re.compile("[ぁ-ん]+")
"""May be one if it is repeated."""


class _Style(NamedTuple):
    """What a line begins with that may be a label."""

    pattern: re.Pattern[str]
    is_sure: bool = False
    """Whether it can hardly be anything else."""
    has_stop: bool = False
    """Whether sentences of one word look the same, so that names are in capitals, two at least."""


_STYLES = (
    _Style(
        re.compile(rf"{_NAME}[\s,]+(?:[\[(]{TIME}[\])]\s*[:–—-]?|{TIME}\s*:)\s+(?=\S)"),
        is_sure=True,
    ),
    _Style(re.compile(rf"\s*({_KANJI_NAME}|[ぁ-ん]{{2,10}})「(?=.*」\s*$)"), is_sure=True),
    _Style(re.compile(rf"{_NAME}{_MANNER}\.\s*[–—-]?\s+(?=\S)"), has_stop=True),
    _Style(re.compile(rf"{_NAME}{_MANNER}\s+[–—-]{{1,2}}\s+(?=\S)")),
    _Style(re.compile(rf"{_NAME}{_MANNER}\t+(?=\S)")),
)
_LONG_WORD = re.compile(r"[^\W\d_]{2,}")


def with_colons(lines: Sequence[str]) -> tuple[list[str], set[str]]:
    """The lines with their labels as ``NAME: ``, and the names that were found, case-folded."""
    bare = [line[_stamp_end(line) :] for line in lines]
    begins = [not before.strip() for before in ["", *bare[:-1]]]
    written, names = list(lines), set[str]()
    for style in _STYLES:
        matches = {k: match for k, line in enumerate(bare) if (match := style.pattern.match(line))}
        paragraphs = sum(begins[k] or k in matches for k, line in enumerate(bare) if line.strip())
        own = set(_names(list(matches.values()), paragraphs, style))
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


def _names(matches: Sequence[re.Match[str]], paragraphs: int, style: _Style) -> Iterator[str]:
    """Which of these begin with names, each as often as a line begins with it."""
    found = (match[1] for match in matches if not (style.has_stop and _continues(match)))
    counts = Counter(
        one for one in found if len(one.split()) <= LONGEST_NAME and one.casefold() not in NO_NAMES
    )
    capitals = _capitals(counts, style)
    several = [one for one in counts if counts[one] > 1]
    is_style = len(capitals) > style.has_stop and bool(set(capitals) & set(several))
    is_style = is_style or (style.is_sure and len(capitals) > 1)
    if is_style and _sum(counts, capitals) >= OFTEN * paragraphs:
        yield from capitals
    others = [one for one in several if all(word[0].isupper() for word in one.split())]
    if not style.has_stop and len(others) > 1 and _sum(counts, others) >= MOSTLY * paragraphs:
        yield from others


def _capitals(counts: Counter[str], style: _Style) -> list[str]:
    """Those that can hardly be anything but names in this style."""
    if style.is_sure:
        enough = (one for one in counts if counts[one] > 1 or not _KANA_NAME.fullmatch(one))
        return [one for one in enough if is_capitalized(one)]
    letters = INTERVIEW if style.has_stop and counts.keys() >= INTERVIEW else ()
    return [one for one in counts if one.isupper() and (len(one) > 1 or one in letters)]


def _continues(match: re.Match[str]) -> bool:
    """Whether what follows is in capitals, too: ``DR. SMITH``, or all of the text."""
    word = _LONG_WORD.search(match.string, match.end())
    return word is not None and word[0].isupper()


def _sum(counts: Counter[str], names: Collection[str]) -> int:
    return sum(counts[one] for one in names)
