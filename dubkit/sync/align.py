"""Which times fit: cues against the speech of a film, or against other cues. Pure; numbers only.

Each cue is scored at every shift (:mod:`.score`). The best path over the cues (:mod:`.path`) is
found for each ratio of frame rates; its pieces become lines (:mod:`.lines`). What such a search
finds in shuffled cues says how sure that is. The ideas of scoring speech by correlation, and of a
price for a cut, are those of ffsubsync and alass.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from .fit import HARMLESS, SAME, Anchor, Cue, Fit, Piece, ratios
from .lines import lines_through
from .path import CUT, assign, best_path, likely_ratios
from .score import NEAREST, Line, Problem, Speech, scores_on, with_words

LEAD = 0.05
"""Seconds by which people have a cue begin before the speech, as voice activity finds it."""
FEWEST, MOST = 4, 8000
"""Cues that it takes to find anything, and that can be searched in a minute or two."""
SHIFT = 1.5
"""The score that a shift of the whole must gain. For good files, short ones as well, hardly any
shift gains anything (at most 0.1 for 180 of them), so it needs much less than a cut."""
RATIO = 4.0
"""The score that another frame rate must gain."""
SURE = 4.0
"""Standard deviations over what chance finds, from which a result is one."""
SHUFFLES = 12


def align(
    cues: Sequence[Cue],
    spans: Sequence[tuple[float, float]],
    *,
    anchors: Sequence[Anchor] = (),
    length: float | None = None,
    lead: float = LEAD,
    sharp: float = 0.12,
    progress: Callable[[float], object] = lambda share: None,
) -> Fit:
    """How the times of ``cues`` must be changed to fit the ``spans`` of speech (start and end in
    seconds, in order), and the words in ``anchors``.

    ``cues`` are in order of their starts. ``length`` is that of the film in seconds. ``lead`` is
    how much cues begin before the spans, ``sharp`` how exactly, in seconds; ``progress`` is called
    with the share that is done.
    """
    spoken = [k for k, one in enumerate(cues) if one.length and one.end > one.start]
    index = {k: n for n, k in enumerate(spoken)}
    if len(spoken) < FEWEST:
        return Fit((), False, False, reason=f"it has fewer than {FEWEST} cues with speech")
    if not spans:
        return Fit((), False, False, reason="nobody speaks there")
    if len(spoken) > MOST:
        return Fit((), False, False, reason=f"it has more than {MOST} cues")
    end = spans[-1][1] if length is None else length
    shown = cues[spoken[-1]].end - cues[spoken[0]].start
    if shown > 2 * end + NEAREST:
        why = f"its cues go on for {shown / 60:.0f} minutes, and the film for {end / 60:.0f}"
        return Fit((), False, False, reason=why)
    kept = [replace(one, cue=index[one.cue]) for one in anchors if one.cue in index]
    speech = Speech(spans, lead, sharp)
    problem = Problem([cues[k] for k in spoken], speech, kept, end)
    candidates = likely_ratios(problem)
    progress(0.4)
    best: tuple[float, list[Line], list[int]] | None = None
    for n, scale in enumerate(candidates):
        found = best_path(problem, scale)
        fits = [lines_through(problem, scale, found, drift=True)]
        if fits[0][0].scale != scale:  # a few cues fit as well with some drift as without
            fits.append(lines_through(problem, scale, found, drift=False))
        for lines in fits:
            if abs(lines[0].scale - 1) < 1e-9:
                lines.append(Line(1.0, 0.0))
            path, score = assign(problem, lines)
            used = sorted({*path} - {-1})
            score -= RATIO * (lines[0].scale != 1.0) + 2 * RATIO * (lines[0].scale not in ratios())
            if best is None or score > best[0]:
                own = [used.index(k) if k >= 0 else -1 for k in path]
                best = score, [lines[k] for k in used], own
        progress(0.4 + 0.4 * (n + 1) / len(candidates))
    assert best
    fit = _judged(problem, *best)
    return replace(fit, left_out=tuple(spoken[k] for k in fit.left_out))


def _judged(problem: Problem, total: float, lines: list[Line], path: list[int]) -> Fit:
    """The pieces of a solution, and whether they are one."""
    import numpy as np

    same_score = max(
        float(scores_on(problem, Line(1.0, x)).sum()) for x in np.arange(-HARMLESS, 0.21, 0.05)
    )
    pieces = _pieces(problem.cues, lines, path)
    fit = Fit(pieces, False, False)
    moved = [abs(fit(one.start) - one.start) for one in problem.cues]
    off = sum(one > HARMLESS for one in moved) / len(moved)
    scores = []
    sure = 0
    for n, line in enumerate(lines):
        own = [k for k, used in enumerate(path) if used == n]
        score = _certainty(problem, line, own)
        scores.append(score)
        if score >= SURE:
            sure += len(own)
    placed = sum(used >= 0 for used in path)
    whole = float(np.average(scores, weights=[path.count(n) for n in range(len(lines))]))
    is_shift = len(lines) == 1 and lines[0].scale == 1.0
    if total - same_score < (SHIFT if is_shift else CUT) or off < 0.01:
        known = _against_others(problem)
        if known >= SURE or (off < 0.01 and whole >= SURE):
            return Fit(SAME, True, True, max(known, whole))
        return Fit(SAME, False, False, known, "too little of it can be recognized in the sound")
    if sure < 0.75 * placed or placed < 0.5 * len(path):
        return Fit(pieces, False, False, whole, "several other times fit about as well")
    left_out = tuple(k for k, used in enumerate(path) if used < 0)
    return Fit(pieces, True, False, whole, left_out=left_out)


def _pieces(cues: Sequence[Cue], lines: Sequence[Line], path: Sequence[int]) -> tuple[Piece, ...]:
    """Lines as pieces of the old times: a cut is in the middle between two cues, and after those
    that are left out."""
    placed = [k for k, used in enumerate(path) if used >= 0]
    found = [Piece(-math.inf, lines[path[placed[0]]].scale, lines[path[placed[0]]].shift)]
    for before, k in itertools.pairwise(placed):
        if path[k] != path[before]:
            line = lines[path[k]]
            middle = (min(cues[k - 1].end, cues[k].start) + cues[k].start) / 2
            found.append(Piece(round(middle, 3), line.scale, line.shift))
    return tuple(found)


CONSIDERED = 150
"""Cues of a piece of which it is asked how certain it is."""


def _certainty(problem: Problem, line: Line, own: Sequence[int]) -> float:
    """By how many standard deviations cues on their line fit better than the same cues, shuffled,
    fit anywhere."""
    import numpy as np

    exact = {one.cue for one in problem.anchors
             if abs(line.scale * one.old + line.shift - one.new) < 0.5}  # fmt: skip
    if len(exact & set(own)) >= max(4, len(own) / 4):
        return 10.0
    own = own[:: max(1, len(own) // CONSIDERED)] if len(own) > 2 * CONSIDERED else own[:CONSIDERED]
    cues = [problem.cues[k] for k in own]
    mine = float(scores_on(problem, line)[list(own)].sum())
    shifts = problem.shifts(line.scale)
    rng = np.random.default_rng(0)
    found = []
    for _ in range(SHUFFLES):
        rows = problem.rows(_shuffled(cues, rng), line.scale, shifts)
        found.append(float(sum(rows, np.zeros(len(shifts))).max()))
    return (mine - float(np.mean(found))) / max(float(np.std(found)), 0.5)


def _shuffled(cues: Sequence[Cue], rng: Any) -> list[Cue]:
    """The cues with their lengths and the pauses between them in another order."""
    lengths = [one.end - one.start for one in cues]
    pauses = [b.start - a.end for a, b in itertools.pairwise(cues)]
    order, gaps = rng.permutation(len(cues)), rng.permutation(len(pauses))
    at, found = cues[0].start, []
    for n, k in enumerate(order):
        found.append(Cue(at, at + lengths[k], cues[k].length))
        at += lengths[k] + (pauses[gaps[n]] if n < len(pauses) else 0.0)
    return found


def _against_others(problem: Problem) -> float:
    """By how many standard deviations the cues fit where they are better than elsewhere."""
    import numpy as np

    shifts, words = problem.shifts(1.0), problem.words_at(1.0)
    row = np.zeros(len(shifts))
    for k, own in enumerate(problem.rows(problem.cues, 1.0, shifts)):
        row += with_words(own, shifts, words.get(k))
    here = np.abs(shifts) <= HARMLESS + 1e-6
    others = row[np.abs(shifts) > 2]
    return float((row[here].max() - others.mean()) / max(float(others.std()), 1e-6))
