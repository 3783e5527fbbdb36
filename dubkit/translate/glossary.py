"""Glossaries: terms of a text, and how each must be translated."""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from dubkit.cues.text import without_marks
from dubkit.errors import InputError

Glossary: TypeAlias = tuple[tuple[str, str], ...]
"""Pairs of a term and its translation."""

_HEADINGS = ({"source", "term", "from"}, {"target", "translation", "to"})


def read(path: Path) -> Glossary:
    """The glossary in a file of two columns, source and target, separated by commas, semicolons,
    tabs or ``|``, with or without a line of headings; lines that begin with ``#`` are ignored. A
    term without a translation stays as it is.

    Raises InputError naming the line that cannot be read.
    """
    from dubkit.subtitles import decode

    try:
        text = decode(path.read_bytes(), None).text
    except OSError as failure:
        raise InputError(
            f"the glossary {path} cannot be read: {failure.strerror or failure}",
            "check its name and permissions",
        ) from failure
    except InputError as failure:
        raise InputError(f"the glossary {path}: {failure.message}", "save it as UTF-8") from failure
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    delimiter = next((mark for mark in "\t;,|" if mark in first), ",")
    entries: dict[str, str] = {}
    rows = csv.reader(text.splitlines(), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        for number, row in enumerate(rows, 1):
            cells = [" ".join(cell.split()) for cell in row]
            if not any(cells) or cells[0].startswith("#"):
                continue
            if not entries and len(cells) > 1 and _is_heading(cells):
                continue
            if not cells[0] or any(cells[2:]) or not re.search(r"\w", cells[0]):
                raise InputError(
                    f"the glossary {path}, line {number}: not a term and its translation",
                    'write them as: term,translation (in "quotes" if they contain a comma)',
                )
            entries[cells[0]] = (cells[1] if len(cells) > 1 else "") or cells[0]
    except csv.Error as failure:
        raise InputError(
            f"the glossary {path}, line {rows.line_num}: {failure}", "fix its quotes"
        ) from failure
    if not entries:
        raise InputError(f"the glossary {path} contains no terms", "write lines: term,translation")
    return tuple(entries.items())


def _is_heading(cells: Sequence[str]) -> bool:
    return all(cell.lower() in names for cell, names in zip(cells, _HEADINGS, strict=False))


@dataclass(frozen=True, slots=True)
class Index:
    """The terms of a glossary by how they begin, so that a text is searched for all at once."""

    entries: Glossary
    numbers: Mapping[str, Sequence[int]]
    """Those of its entries, by term in lower case."""
    lengths: Mapping[str, Sequence[int]]
    """Those of the terms, by first character."""


@functools.lru_cache(maxsize=4)
def index(glossary: Glossary) -> Index:
    """The index of a glossary."""
    numbers: dict[str, list[int]] = {}
    lengths: dict[str, set[int]] = {}
    for number, (term, _) in enumerate(glossary):
        plain = term.casefold()
        numbers.setdefault(plain, []).append(number)
        lengths.setdefault(plain[0], set()).add(len(plain))
    return Index(glossary, numbers, {char: sorted(some) for char, some in lengths.items()})


def find_terms(text: str, index: Index) -> set[int]:
    """The numbers of the entries whose terms occur in the text, as whole words, in any case."""
    plain = without_marks(text).casefold()
    found: set[int] = set()
    for start, char in enumerate(plain):
        lengths = index.lengths.get(char, ())
        if lengths and (not _has_edge(char) or not _is_word(plain[start - 1 : start])):
            for length in lengths:
                end = start + length
                numbers = index.numbers.get(plain[start:end]) if end <= len(plain) else None
                if numbers and _ends_term(plain, end):
                    found.update(numbers)
    return found


def entries_in(text: str, glossary: Sequence[tuple[str, str]]) -> Glossary:
    """The entries whose terms occur in the text."""
    terms = index(tuple(glossary))
    return tuple(terms.entries[number] for number in sorted(find_terms(text, terms)))


def _ends_term(text: str, end: int) -> bool:
    """Whether a word ends at ``end``, perhaps after a plural's or a genitive's s."""
    if not _has_edge(text[end - 1]):
        return True
    more = re.compile("['’]?s").match(text, end)
    return not _is_word(text[end : end + 1]) or bool(
        more and not _is_word(text[more.end() : more.end() + 1])
    )


def _has_edge(char: str) -> bool:
    """Whether a character belongs to a script that separates words."""
    return char.isascii() and char.isalnum()


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


def has_term(text: str, wanted: str) -> bool:
    """Whether the text contains the term, perhaps inflected: each word is matched by its stem."""
    plain = without_marks(text).casefold()
    if wanted.casefold() in plain:
        return True
    stems = [word[: max(4, len(word) * 3 // 4)] for word in wanted.casefold().split()]
    return all(stem in plain for stem in stems)
