"""How what a recognizer read in a clip differs from the text of its line."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from dubkit.translate.number_words import without_numbers


@dataclass(frozen=True, slots=True)
class Comparison:
    """A text and what was read of it, as shares of the text's letters."""

    error: float
    """Letters to change, at most 1."""
    missing: float
    """The longest piece of the text that was not read."""
    extra: float
    """The longest piece that was read and is not in the text."""
    letters: int
    """Of the text."""


@functools.lru_cache(maxsize=10_000)
def compare(text: str, read: str, language: str) -> Comparison:
    """How what was read differs from a text: letters alone, numbers the same in digits and in
    words."""
    wanted, found = (
        [char for char in without_numbers(one, language) if char.isalnum() or char == "#"]
        for one in (text, read)
    )
    steps = _edits(wanted, found)
    size = max(1, len(wanted))
    changed = sum(step != "=" for step in steps)
    return Comparison(
        min(1.0, changed / size),
        _longest_run(steps, "-") / size,
        _longest_run(steps, "+") / size,
        len(wanted),
    )


def _edits(wanted: Sequence[str], found: Sequence[str]) -> str:
    """The cheapest way from one to the other: ``=`` kept, ``~`` changed, ``-`` removed, ``+``
    added."""
    rows = [list(range(len(found) + 1))]
    for i, one in enumerate(wanted, 1):
        above, row = rows[-1], [i]
        for j, other in enumerate(found, 1):
            least = above[j - 1] + (one != other)
            row.append(min(least, above[j] + 1, row[j - 1] + 1))
        rows.append(row)
    i, j = len(wanted), len(found)
    steps = []
    while i or j:
        cost = rows[i][j]
        if i and j and cost == rows[i - 1][j - 1] + (wanted[i - 1] != found[j - 1]):
            i, j = i - 1, j - 1
            steps.append("=" if wanted[i] == found[j] else "~")
        elif i and cost == rows[i - 1][j] + 1:
            i -= 1
            steps.append("-")
        else:
            j -= 1
            steps.append("+")
    return "".join(reversed(steps))


def _longest_run(steps: str, kind: str) -> int:
    """Letters of the longest piece that is mostly of one kind: single letters of words that are
    not there are always found somewhere."""
    best = here = 0
    for step in steps:
        here = max(0, here + (1 if step == kind else -1 if step == "=" else 0))
        best = max(best, here)
    return best
