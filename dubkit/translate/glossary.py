"""Glossaries: terms of a text, and how each must be translated."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
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
        text = decode(path.read_bytes(), None).removeprefix("\ufeff")
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


def entries_in(text: str, glossary: Sequence[tuple[str, str]]) -> Glossary:
    """The entries whose terms occur in the text, as whole words, in any case."""
    plain = without_marks(text)
    return tuple(
        (term, wanted)
        for term, wanted in glossary
        if re.search(
            rf"{_edge(term[0])}{re.escape(term)}(?:['’]?s)?{_edge(term[-1])}", plain, re.IGNORECASE
        )
    )


def _edge(char: str) -> str:
    """A word boundary, if ``char`` belongs to a script that has them."""
    return r"\b" if char.isascii() and char.isalnum() else ""


def has_term(text: str, wanted: str) -> bool:
    """Whether the text contains the term, perhaps inflected: each word is matched by its stem."""
    plain = without_marks(text).casefold()
    if wanted.casefold() in plain:
        return True
    stems = [word[: max(4, len(word) * 3 // 4)] for word in wanted.casefold().split()]
    return all(stem in plain for stem in stems)
