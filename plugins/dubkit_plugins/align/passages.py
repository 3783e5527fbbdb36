"""One passage after the other: what aligners share that look at each by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from dubkit import Passage, Progress, Word
from dubkit_plugins.whisper.boundaries import settle
from dubkit_plugins.whisper.engine import Samples

SHORTEST = 0.1
"""Seconds of a passage in which a word may be."""


def one_by_one(
    passages: Sequence[Passage], align: Callable[[Passage], Sequence[Word]], progress: Progress
) -> list[Sequence[Word]]:
    """The words of each passage, with progress in seconds of sound."""
    found = []
    done, total = 0.0, sum(one.end - one.start for one in passages)
    for passage in passages:
        found.append(align(passage))
        done += passage.end - passage.start
        progress("align", done, total)
    return found


def between(
    gaps: Sequence[tuple[float, float]],
    spoken: Sequence[bool],
    samples: Samples,
    begin: float,
) -> Iterator[tuple[float, float]]:
    """When each word starts and ends, for gaps before, between and after those that are
    ``spoken``, in seconds of which ``begin`` is the passage's start: where exactly in a gap, the
    sound says. The others take no time, after the word before them."""
    edges = iter(pairwise(settle(gaps, samples, begin)))
    start, end = begin, begin
    for is_spoken in spoken:
        start = end
        if is_spoken:
            (_, start), (end, _) = next(edges)
        end = max(start, end)
        yield start, end
