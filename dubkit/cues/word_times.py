"""The times of recognized words, where they cannot be as a recognizer gives them."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from dubkit.types import Word

from . import phrases

TICK = 0.01
"""Minimum seconds between the starts of two words, and from start to end of a cue."""
WALL = 2.0
"""Seconds of silence that no cue spans."""
OPENER = 0.5
"""Seconds before the rest of its sentence at which a word is put that opens it."""


def speech_end(word: Word, width: float) -> float:
    """When the word is really over: recognizers let a word's end run on into silence."""
    return min(word.end, word.start + 0.8 + 0.1 * width)


def order_times(words: Sequence[Word]) -> list[Word]:
    """The words with rising times: most are unchanged, the odd ones go between their neighbors."""
    # Subtracting a tick per word turns "rises by at least a tick" into "does not fall": the longest
    # such subsequence is what can be trusted. Below zero, earlier words would have no room.
    keys = [word.start - TICK * k for k, word in enumerate(words)]
    tails: list[float] = []
    ends: list[int] = []
    links = [-1] * len(words)
    for k, key in enumerate(keys):
        if 0 <= key < math.inf:
            place = bisect_right(tails, key)
            links[k] = ends[place - 1] if place else -1
            tails[place : place + 1] = [key]
            ends[place : place + 1] = [k]
    anchors: list[int] = []
    k = ends[-1] if ends else -1
    while k >= 0:
        anchors.append(k)
        k = links[k]
    anchors.reverse()
    starts = _interpolate_starts(anchors, keys, words)
    ordered = []
    for k, word in enumerate(words):
        limit = starts[k + 1] if k + 1 < len(words) else math.inf
        end = word.end if math.isfinite(word.end) else starts[k]
        end = max(starts[k], min(end, limit))
        same = starts[k] == word.start and end == word.end
        ordered.append(word if same else replace(word, start=starts[k], end=end))
    return ordered


def with_late_openers(words: Sequence[Word], language: str) -> list[Word]:
    """The words, those that open a sentence shortly before the rest of it where a long silence lies
    between: recognizers give such a word the time of the sentence before."""
    moved = list(words)
    for k, (word, following) in enumerate(itertools.pairwise(words)):
        silence = following.start - speech_end(word, 0.0)
        before = words[k - 1].text if k else ""
        if silence > WALL and phrases.opens_sentence(before, word.text, following.text, language):
            seconds = min(word.end - word.start, silence - WALL + OPENER)
            start = following.start - max(TICK, min(seconds, OPENER))
            moved[k] = replace(word, start=start, end=following.start)
    return moved


def _interpolate_starts(
    anchors: Sequence[int], keys: Sequence[float], words: Sequence[Word]
) -> list[float]:
    """Start times that are the words' own at the anchors and evenly spaced in between."""
    if not anchors:
        return [TICK * k for k in range(len(words))]
    starts = []
    first, last = anchors[0], anchors[-1]
    place = 0
    for k, word in enumerate(words):
        while place < len(anchors) and anchors[place] < k:
            place += 1
        if place < len(anchors) and anchors[place] == k:
            starts.append(word.start)
        elif k < first:
            starts.append(keys[first] + TICK * k)
        elif k > last:
            starts.append(keys[last] + TICK * k)
        else:
            a, b = anchors[place - 1], anchors[place]
            share = (k - a) / (b - a)
            starts.append(keys[a] + (keys[b] - keys[a]) * share + TICK * k)
    return starts
