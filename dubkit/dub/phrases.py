"""A clip divided where the original's line pauses: which pause of one is which of the other. Pure.

A clip is divided only at pauses that the engine made, at a mark or a conjunction of its text, so
that no word is cut and every phrase has the intonation that it was spoken with. Where the phrases
then go is :mod:`.fit`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from dubkit.cues.lines import split_tokens
from dubkit.cues.phrases import CONJUNCTION, break_cost
from dubkit.cues.text import width
from dubkit.speech import pauses

from .fit import Phrase

SHORTEST = 0.1
"""Seconds of a pause at which a clip is divided: a shorter one may be within a word."""
NEAR = 0.12
"""How far from its place in the text a pause may be, as a share of the line ..."""
NEAR_SECONDS = 0.3
"""... or in seconds, if that is more."""
ALIKE = 0.2
"""How different the shares of a line before a pause may be in the original and the clip."""

Span = tuple[float, float]


def divide(
    original: Sequence[Span], text: str, language: str, sound: pauses.Floats | None, speech: Span
) -> tuple[Phrase, ...]:
    """The phrases of a clip, each with the phrases of the original that it stands for.

    ``original`` are the original's phrases, at least one; ``sound`` are the levels of the clip,
    whose ``speech`` is between two seconds; None for one that is not divided.
    """
    start, end = speech
    cuts: list[Span] = []
    if sound is not None and len(original) > 1:
        cuts = _at_breaks(pauses.find_pauses(sound, start, end, SHORTEST), text, language, speech)
    pairs = _match(_shares(cuts, speech), _shares(_between(original), _whole(original)))
    chosen = [cuts[k] for k, _ in pairs]
    firsts = [start, *(after for _, after in chosen)]
    lasts = [*(before for before, _ in chosen), end]
    bounds = [0, *(n + 1 for _, n in pairs), len(original)]
    return tuple(
        Phrase(original[low][0], original[high - 1][1], first - start, last - start)
        for (low, high), first, last in zip(itertools.pairwise(bounds), firsts, lasts, strict=True)
    )


def _at_breaks(found: Sequence[Span], text: str, language: str, speech: Span) -> list[Span]:
    """The pauses that are at breaks of the text, by how much of it is spoken before each."""
    tokens = split_tokens(text, language)
    widths = [width(token.strip()) for token in tokens]
    total = sum(widths) or 1
    breaks = [
        before / total
        for before, (left, right) in zip(
            itertools.accumulate(widths), itertools.pairwise(tokens), strict=False
        )
        if break_cost(left, right, language) <= CONJUNCTION
    ]
    spoken = speech[1] - speech[0] - sum(b - a for a, b in found)
    near = max(NEAR * spoken, NEAR_SECONDS)
    shares = _shares(found, speech)
    chosen: set[int] = set()
    for share in breaks:
        off = [abs(share - one) * spoken for one in shares]
        # The longest, unless it is farther away.
        scores = [
            (b - a - off[k] / 4, k)
            for k, (a, b) in enumerate(found)
            if off[k] <= near and k not in chosen
        ]
        if scores:
            chosen.add(max(scores)[1])
    return [found[k] for k in sorted(chosen)]


def _between(spans: Sequence[Span]) -> list[Span]:
    return [(a, b) for (_, a), (b, _) in itertools.pairwise(spans)]


def _whole(spans: Sequence[Span]) -> Span:
    return spans[0][0], spans[-1][1]


def _shares(found: Sequence[Span], whole: Span) -> list[float]:
    """How much of what is spoken comes before each of the pauses."""
    spoken = max(0.01, whole[1] - whole[0] - sum(b - a for a, b in found))
    before = itertools.accumulate((b - a for a, b in found), initial=whole[0])
    return [(a - past) / spoken for (a, _), past in zip(found, before, strict=False)]


def _match(cuts: Sequence[float], wanted: Sequence[float]) -> list[tuple[int, int]]:
    """Pairs of both, in order: the most alike in all."""
    best: list[list[tuple[float, list[tuple[int, int]]]]] = [[(0.0, [])] * (len(wanted) + 1)]
    for k, cut in enumerate(cuts):
        row = [best[k][0]]
        for n, share in enumerate(wanted):
            gain, pairs = best[k][n]
            alike = ALIKE - abs(cut - share)
            options = [best[k][n + 1], row[n]]
            if alike > 0:
                options.append((gain + alike, [*pairs, (k, n)]))
            row.append(max(options, key=lambda option: option[0]))
        best.append(row)
    return best[-1][-1][1]
