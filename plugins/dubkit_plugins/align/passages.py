"""One passage after the other: what aligners share that look at each by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dubkit import Passage, Progress, Word

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
