"""The best path over the cues: what shift each has, with a price for each cut and each slide."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .fit import Cue, ratios
from .score import STEP, Line, Problem, scores_on, with_words

if TYPE_CHECKING:
    from .score import Floats

CUT = 9.0
"""The score that a cut must gain."""
SLIDE = 1.2
"""The score that a slide by one step must gain, of which a drift has many."""


def best_path(problem: Problem, scale: float) -> Floats:
    """The shift of each cue, in order of time, on the path with the highest score; not a number for
    a cue that is left out.

    A path stays, slides, or is cut. After a cut any number of cues may be left out, of a scene that
    the film has not. Then the next cue may be anywhere that is not before the last one.
    """
    import numpy as np

    shifts, words = problem.shifts(scale), problem.words_at(scale)
    count, many = len(problem.cues), len(shifts)
    steps = np.array([round(scale * one.start / STEP) for one in problem.cues])
    steps = np.maximum.accumulate(steps - steps[0])
    ways = np.zeros((count, many), np.int8)
    tops: list[Any] = []
    cuts: list[Any] = []
    # By the time in the film up to which everything is placed, for as many steps as there are
    # shifts from where the cue would be at the first: the best of paths that were cut. It rises.
    cut = np.full(many, -CUT - LEFT_OUT, np.float32)
    best: Any = np.zeros(many, np.float32)
    for k, row in enumerate(problem.rows(problem.cues, scale, shifts)):
        if k:
            highest = np.maximum.accumulate(best)
            tops.append(np.flatnonzero(np.diff(highest, prepend=-np.inf) > 0))
            cut -= LEFT_OUT
            leaving = highest - _price(problem.cues, k)
            cuts.append(np.packbits(leaving > cut))
            np.maximum(cut, leaving, out=cut)
            passed = min(int(steps[k] - steps[k - 1]), many - 1)
            cut = np.concatenate([cut[passed:], np.full(passed, cut[-1], np.float32)])
            options = np.stack([
                best,
                np.concatenate([best[1:], [-np.inf]]) - SLIDE,
                np.concatenate([[-np.inf], best[:-1]]) - SLIDE,
                cut,
            ])  # fmt: skip
            ways[k] = options.argmax(0)
            best = options.max(0)
        best = best + with_words(row, shifts, words.get(k))
    path: Floats = np.full(count, np.nan)
    at, k = int(best.argmax()), count - 1
    if cut[-1] - LEFT_OUT > best[at]:  # the last cues are of another scene
        k, at = _last_cut(cuts, tops, steps, count - 1, int(steps[-1]) + many, many)
    while k >= 0:
        path[k] = shifts[at]
        if ways[k][at] == 3:
            k, at = _last_cut(cuts, tops, steps, k, at + int(steps[k]), many)
        else:
            at += (0, 1, -1)[ways[k][at]]
            k -= 1
    return path


LEFT_OUT = 0.3
"""The score that it costs to leave a cue out after a cut."""


def _price(cues: Sequence[Cue], k: int) -> float:
    """The score that a cut before a cue must gain: where there is a pause it is likelier."""
    return CUT + 2.0 - min(max(0.0, cues[k].start - cues[k - 1].end), 4.0)


def _last_cut(
    cuts: Sequence[Any], tops: Sequence[Any], steps: Any, k: int, time: int, size: int
) -> tuple[int, int]:
    """The cue, and its shift, before the last cut before cue ``k``; -1 if nothing was placed."""
    import numpy as np

    for before in range(k - 1, -1, -1):
        limit = min(time - int(steps[before]), size - 1)
        if np.unpackbits(cuts[before], count=size)[limit]:
            return before, int(tops[before][np.searchsorted(tops[before], limit, "right") - 1])
    return -1, 0


BLOCK, BLOCKS = 30, 12
"""Cues that are tried together to find the frame rate, and how often."""


def likely_ratios(problem: Problem) -> list[float]:
    """The ratios worth a search: those at which blocks of cues fit best, each by itself."""
    import numpy as np

    firsts = range(0, max(1, len(problem.cues) - BLOCK // 2), BLOCK)
    chosen = [firsts[k] for k in sorted({int(x) for x in np.linspace(0, len(firsts) - 1, BLOCKS)})]
    totals = {}
    for scale in ratios():
        shifts, words = problem.shifts(scale), problem.words_at(scale)
        total = 0.0
        for first in chosen:
            row = np.zeros(len(shifts))
            block = problem.cues[first : first + BLOCK]
            for k, own in enumerate(problem.rows(block, scale, shifts), first):
                row += with_words(own, shifts, words.get(k))
            total += float(row.max())
        totals[scale] = total
    ranked = sorted(totals, key=lambda scale: -totals[scale])
    near = [one for one in ranked if totals[one] > 0.75 * totals[ranked[0]]][:5]
    return list(dict.fromkeys([1.0, *near]))


def assign(problem: Problem, lines: Sequence[Line]) -> tuple[list[int], float]:
    """The line of each cue, in order of time, or -1 if it is left out; and the score of all: what
    :func:`best_path` finds, among lines."""
    import numpy as np

    scores = np.stack([scores_on(problem, line) for line in lines])
    starts = np.array([one.start for one in problem.cues])
    times = np.stack([line.scale * starts + line.shift for line in lines])
    count, many = len(problem.cues), len(lines)
    best = scores[:, 0].copy()
    # Paths that were cut: the film's time at their last cue, their score (as if nothing had been
    # left out up to the first cue), that cue and its line. A later one has a higher score.
    since, worth, origins = [-math.inf], [-CUT - LEFT_OUT], [(-1, -1)]
    back: list[list[tuple[int, int]]] = [[(-1, -1)] * many]
    for k in range(1, count):
        for m in range(many):
            time, value = times[m, k - 1], best[m] - _price(problem.cues, k) + LEFT_OUT * k
            at = bisect.bisect_right(since, time)
            if value > worth[at - 1]:
                end = bisect.bisect_right(worth, value, lo=at)
                since[at:end], worth[at:end], origins[at:end] = [time], [value], [(k - 1, m)]
        found: list[tuple[int, int]] = []
        for m in range(many):
            at = bisect.bisect_right(since, times[m, k] + 0.05) - 1
            landed = worth[at] - LEFT_OUT * k
            found.append((k - 1, m) if best[m] >= landed else origins[at])
            best[m] = max(best[m], landed) + scores[m, k]
        back.append(found)
    at, total = int(best.argmax()), float(best.max())
    k, at = (count - 1, at) if total >= worth[-1] - LEFT_OUT * count else origins[-1]
    path = [-1] * count
    while k >= 0:
        path[k] = at
        k, at = back[k][at]
    return path, max(total, worth[-1] - LEFT_OUT * count)
