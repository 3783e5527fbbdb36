"""Whether translations belong to their own lines, judged by what translation does not change.

A language model that splits a line, joins two or drops one continues under the wrong ids, and each
translation looks right by itself. Numbers, names, question marks and lengths give it away.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from statistics import median

from dubkit.cues.text import width

from .numerals import find_numbers
from .wrong_language import words

RUN = 4
"""Minimum lines in a row that indicate a shift."""
GAIN = 3.0
"""By how much better they must fit one line off, in total ..."""
MEAN = 0.5
"""... and per line on average."""
SWAPPED = 2.0
"""By how much better two neighbors must fit when exchanged."""


def find_misplaced(sources: Sequence[str], texts: Sequence[str]) -> set[int]:
    """Indexes of lines whose translations clearly belong to another line nearby.

    ``texts`` has "" for a line without a translation.
    """
    bias = _length_bias(sources, texts)
    count = len(sources)

    def fit(k: int, shift: int) -> float:
        return _likeness(sources[k], texts[k + shift], bias) if 0 <= k + shift < count else 0.0

    own = [fit(k, 0) for k in range(count)]
    found: set[int] = set()
    for shift in (1, -1):
        gains = [fit(k, shift) - own[k] for k in range(count)]
        first, last, gain = _best_run(gains)
        if last - first >= RUN and gain >= GAIN and gain >= MEAN * (last - first):
            found.update(range(max(0, first - 1), min(count, last + 1)))
    for k in range(count - 1):
        crossed = fit(k, 1) + fit(k + 1, -1) - own[k] - own[k + 1]
        if crossed >= SWAPPED and max(own[k], own[k + 1]) < min(fit(k, 1), fit(k + 1, -1)):
            found |= {k, k + 1}
    return found


def _best_run(gains: Sequence[float]) -> tuple[int, int, float]:
    """First, one past last, and sum of the stretch with the greatest sum."""
    best = (0, 0, 0.0)
    first, total = 0, 0.0
    for k, gain in enumerate(gains):
        if total <= 0:
            first, total = k, 0.0
        total += gain
        if total > best[2]:
            best = (first, k + 1, total)
    return best


def _length_bias(sources: Sequence[str], texts: Sequence[str]) -> float:
    """How much longer translations between these languages are, as a logarithm."""
    pairs = [(source, text) for source, text in zip(sources, texts, strict=True) if text]
    return median([_log_ratio(*pair) for pair in pairs] or [0.0])


def _log_ratio(source: str, text: str) -> float:
    return math.log((width(text) + 8) / (width(source) + 8))


def _likeness(source: str, text: str, bias: float) -> float:
    """How much a text looks like the translation of another; below 0 if they contradict."""
    if not text:
        return 0.0
    score = 0.0
    for evidence in (find_numbers, _names, _endings):
        ours, theirs = evidence(source), evidence(text)
        shared = (ours & theirs).total()
        score += min(2, shared) - 0.5 * min(2, (ours | theirs).total() - shared)
    return score + max(-1.0, 0.5 - 1.5 * abs(_log_ratio(source, text) - bias))


def _names(text: str) -> Counter[str]:
    return Counter(word for word in set(words(text)[1:]) if word[0].isupper() and len(word) > 2)


def _endings(text: str) -> Counter[str]:
    marks = {"？": "?", "؟": "?", "！": "!"}
    return Counter(marks.get(char, char) for char in text if char in "?!？！؟")
