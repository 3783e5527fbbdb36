"""Which words of a script are which of the words that were recognized.

Both are sequences of keys (:func:`key_of_word`). They are aligned as a whole by Levenshtein's
distance; where the text of one is not in the other, that alignment still finds small words in
common, so only stretches that agree well enough count. What is recognized and not yet found is then
looked for anywhere in the script: paragraphs may be spoken in another order, or twice.
"""

from __future__ import annotations

import functools
import itertools
import unicodedata
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from dubkit.translate.number_words import read, without_numbers

DIFFERENCE = 0.45
"""What a word that differs takes from a stretch, as a share of what one that agrees adds."""
DROP = 4.0
"""How far below its best a stretch may fall before it ends there: nine words that differ."""
LEAST = 2.0
"""Words that agree from which a stretch counts ..."""
LEAST_ELSEWHERE = 4.0
"""... and from which it does at another place than where the text goes on."""
SEED = 3
"""Words in a row by which a place in the script is found."""
COMMON = 50
"""Places of one seed above which it shows nothing."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of the script that is spoken: which of its words are which recognized ones."""

    pairs: tuple[tuple[int, int], ...]
    """Indices of words that agree, in the script and in what was recognized; both rise."""

    @property
    def recognized(self) -> range:
        """The recognized words from the first that agrees to the last."""
        return range(self.pairs[0][1], self.pairs[-1][1] + 1)


@functools.lru_cache(maxsize=100_000)
def key_of_word(word: str, language: str) -> str:
    """What is the same for two spellings of a word: its letters without accents and case, or its
    value if it is a number."""
    plain = unicodedata.normalize("NFKD", word.casefold())
    letters = "".join(char for char in plain if char.isalnum())
    bare = word.strip()
    if letters and "#" in (spelled := without_numbers(bare, language)):
        rest = "".join(char for char in spelled if char.isalnum())
        values = [min(number.values) for number in read(bare, language).numbers]
        if not rest and values:
            return f"#{values[0]:g}"
    return letters


def match(script: Sequence[str], recognized: Sequence[str]) -> list[Stretch]:
    """The stretches of a script that were recognized, in the order of the speech. No recognized
    word is in two of them; a word of the script is, if it is spoken twice."""
    least = min(LEAST, 0.5 * sum(map(_weight, script)))
    found = [
        one
        for pairs, score in _agreeing(script, recognized)
        if score >= least
        for one in _stretches(pairs)
    ]
    places = _places(script)
    missing = deque(_free(found, range(len(recognized))))
    while missing:
        part = missing.popleft()
        place = _likeliest_place([recognized[j] for j in part], places)
        if place is None:
            continue
        first = max(0, place - len(part) // 2)
        window = script[first : place + len(part) + len(part) // 2]
        pieces = _agreeing(window, [recognized[j] for j in part])
        pairs, score = max(pieces, key=lambda piece: piece[1], default=([], 0.0))
        if score >= LEAST_ELSEWHERE:
            own = _stretches([(first + i, part.start + j) for i, j in pairs])
            found += own
            missing += _free(own, part)
    return sorted(found, key=lambda one: one.recognized.start)


def _weight(key: str) -> float:
    """What a word shows: short ones are found everywhere, Chinese characters are words."""
    wide = sum(2 if ord(char) > 0x2E80 else 1 for char in key)
    return min(1.0, 0.25 * wide)


def _agreeing(
    script: Sequence[str], recognized: Sequence[str]
) -> list[tuple[list[tuple[int, int]], float]]:
    """Pairs of words that agree, in stretches that agree well, each with its score."""
    found: list[tuple[list[tuple[int, int]], float]] = []
    pairs: list[tuple[int, int]] = []
    score = best = 0.0
    kept = 0

    def finish() -> None:
        nonlocal pairs, score, best, kept
        if kept:
            found.append((pairs[:kept], best))
        pairs, score, best, kept = [], 0.0, 0.0, 0

    for step in Levenshtein.opcodes(script, recognized):
        if step.tag == "equal":
            for i, j in zip(
                range(step.src_start, step.src_end),
                range(step.dest_start, step.dest_end),
                strict=True,
            ):
                pairs.append((i, j))
                score += _weight(script[i])
                if score > best:
                    best, kept = score, len(pairs)
            continue
        own = sum(map(_weight, script[step.src_start : step.src_end]))
        other = sum(map(_weight, recognized[step.dest_start : step.dest_end]))
        score -= DIFFERENCE * max(own, other)
        if score <= 0 or best - score > DROP:
            finish()
    finish()
    return found


def _stretches(pairs: Sequence[tuple[int, int]]) -> list[Stretch]:
    """Pairs as stretches, which end where several recognized words have no pair: these may be from
    elsewhere in the script."""
    cuts = [k for k in range(1, len(pairs)) if pairs[k][1] - pairs[k - 1][1] > SEED]
    return [Stretch(tuple(pairs[a:b])) for a, b in itertools.pairwise([0, *cuts, len(pairs)])]


def _free(found: Sequence[Stretch], part: range) -> list[range]:
    """What of a part of the recognized words is in no stretch."""
    edges = [part.start]
    for one in sorted(found, key=lambda one: one.recognized.start):
        edges += [one.recognized.start, one.recognized.stop]
    edges.append(part.stop)
    return [range(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= SEED]


def _places(script: Sequence[str]) -> Mapping[tuple[str, ...], list[int]]:
    """Where in the script each few words in a row are."""
    places: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for i in range(len(script) - SEED + 1):
        places[tuple(script[i : i + SEED])].append(i)
    return places


def _likeliest_place(
    recognized: Sequence[str], places: Mapping[tuple[str, ...], list[int]]
) -> int | None:
    """Where in the script a part of the speech begins, by the words in a row that it shares."""
    votes: Counter[int] = Counter()
    for j in range(len(recognized) - SEED + 1):
        there = places.get(tuple(recognized[j : j + SEED]), ())
        if len(there) <= COMMON:
            votes.update({i - j: 1 for i in there})
    if not votes:
        return None
    near: Counter[int] = Counter()
    for place, count in votes.items():
        for shift in range(-3, 4):  # a word more or less is no other place
            near[place + shift] += count * (4 - abs(shift))
    return max(0, near.most_common(1)[0][0])
