"""Which times fit: cues against the speech of a film, or against other cues. Pure; numbers only.

Each cue is scored at every shift (:func:`_scores`): speech where it is shown, silence around it, an
onset of speech where it begins, and where words are known, its words. The best path over the
cues, with a price for each cut (:func:`_best_path`), is found for each ratio of frame rates; its
pieces become lines by a robust fit to the onsets. What such a search finds in shuffled cues says
how sure that is. The ideas of scoring speech by correlation, and of a price for a cut, are those of
ffsubsync and alass.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

RATES = (23.976, 24.0, 25.0, 29.97, 30.0)
"""Frames a second of films and of what subtitles are made for."""
STEP = 0.1
"""Seconds between the shifts that are tried."""
NEAREST, FARTHEST = 180.0, 600.0
"""Seconds of shift that are tried beyond the difference of the lengths, in a short film and in a
long one."""
HARMLESS = 0.2
"""Seconds by which a good file may be off: nobody sees less."""
LEAD = 0.05
"""Seconds by which people have a cue begin before the speech, as voice activity finds it."""
FEWEST, MOST = 4, 8000
"""Cues that it takes to find anything, and that can be searched in a minute or two."""
CHARS = 14.0
"""Characters spoken in a second, slowly."""
NEAR = 0.5
"""Seconds within which the onset of a cue's speech is looked for."""
CUT = 9.0
"""The score that a cut must gain."""
SHIFT = 1.5
"""The score that a shift of the whole must gain. For good files, short ones as well, hardly any
shift gains anything (at most 0.1 for 180 of them), so it needs much less than a cut."""
SLIDE = 1.2
"""The score that a slide by one step must gain, of which a drift has many."""
RATIO = 4.0
"""The score that another frame rate must gain."""
SURE = 4.0
"""Standard deviations over what chance finds, from which a result is one."""
SHUFFLES = 12


@dataclass(frozen=True, slots=True)
class Cue:
    """What of a cue is known before its words are."""

    start: float
    end: float
    length: int = 30
    """Characters of its text that are spoken; 0 if it describes sounds."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A word of a cue that was found in the film."""

    cue: int
    """The cue's index."""
    old: float
    """Seconds at which the cue has it."""
    new: float
    """Seconds at which it is spoken."""
    exact: bool
    """Whether it is the cue's first word, whose time is its start; others are estimated."""


@dataclass(frozen=True, slots=True)
class Piece:
    """From the second ``start`` of the old times on, ``new = scale * old + shift``."""

    start: float
    scale: float
    shift: float


@dataclass(frozen=True, slots=True)
class Fit:
    """What was found."""

    pieces: tuple[Piece, ...]
    """In order of their starts; the first begins at minus infinity. Empty if nothing fits."""
    sure: bool
    """Whether the pieces can be relied on."""
    in_sync: bool
    """Whether the old times are right, so that nothing need be changed."""
    score: float = 0.0
    """Standard deviations of the whole over what chance finds."""
    reason: str = ""
    """Why it is not sure."""
    left_out: tuple[int, ...] = ()
    """The indexes of cues whose speech is not in the film: those of a scene that was cut."""

    def __call__(self, old: float) -> float:
        """The new time of an old one."""
        piece = self.piece_at(old)
        return piece.scale * old + piece.shift

    def piece_at(self, old: float) -> Piece:
        """The piece in which an old time is."""
        return next(one for one in reversed(self.pieces) if one.start <= old)


SAME = (Piece(-math.inf, 1.0, 0.0),)


def ratios() -> list[float]:
    """The ratios of two frame rates, 1 first."""
    found = {round(b / a, 6) for a, b in itertools.permutations(RATES, 2)}
    return [1.0, *sorted(found - {1.0}, key=lambda ratio: abs(math.log(ratio)))]


# ---------------------------------------------------------------- the film


class _Speech:
    """Speech as functions of time, sampled each ``grid`` seconds from ``first`` on."""

    grid = 0.02

    def __init__(self, spans: Sequence[tuple[float, float]], lead: float, sharp: float) -> None:
        import numpy as np

        self.onsets = np.array([start - lead for start, _ in spans])
        end = max((stop for _, stop in spans), default=0.0)
        count = int(end / self.grid) + 2
        voiced = np.zeros(count)
        for start, stop in spans:
            voiced[max(0, int(start / self.grid)) : max(0, int(stop / self.grid)) + 1] = 1.0
        self.share = float(voiced.mean()) if count else 0.0
        self.total = np.concatenate([[0.0], np.cumsum(voiced)]) * self.grid
        onset = np.zeros(count)
        wide = np.arange(-25, 26) * self.grid
        kernel = np.exp(-0.5 * (wide / sharp) ** 2)
        at = np.clip((self.onsets / self.grid).round().astype(int), 0, count - 1)
        np.add.at(onset, at, 1.0)
        self.onset = np.minimum(np.convolve(onset, kernel, "same"), 1.0)
        self.onset_share = float(self.onset.mean()) if count else 0.0

    def seconds(self, start: Floats, end: Floats) -> Floats:
        """Seconds of speech between two times each."""
        import numpy as np

        last = len(self.total) - 1
        a = np.clip(start / self.grid, 0, last).astype(np.int32)
        b = np.clip(end / self.grid, 0, last).astype(np.int32)
        found: Floats = self.total[b] - self.total[a]
        return found

    def onset_at(self, time: Floats) -> Floats:
        """0 to 1: how well speech begins at each time."""
        import numpy as np

        at = (time / self.grid).astype(np.int32)
        inside = (at >= 0) & (at < len(self.onset))
        found: Floats = np.where(inside, self.onset[np.clip(at, 0, len(self.onset) - 1)], 0.0)
        return found


@dataclass(frozen=True, slots=True)
class _Shape:
    """What is scored of cues, an array of seconds each: where silence begins before a cue, where it
    begins and its speech ends, where it ends, and where silence ends after it."""

    before: Floats
    start: Floats
    spoken: Floats
    end: Floats
    after: Floats

    @classmethod
    def of(cls, cues: Sequence[Cue], scale: float = 1.0) -> _Shape:
        import numpy as np

        start = np.array([one.start for one in cues])
        end = np.array([one.end for one in cues])
        spoken = np.minimum(end, start + np.maximum(0.6, [one.length / CHARS for one in cues]))
        before = np.maximum(start - AROUND, np.minimum(start, np.roll(end, 1)))
        after = np.minimum(end + AROUND, np.maximum(end, np.roll(start, -1)))
        if len(cues):
            before[0], after[-1] = start[0] - AROUND, end[-1] + AROUND
        return cls(*(scale * one for one in (before, start, spoken, end, after)))


AROUND = 0.8
"""Seconds before and after a cue in which it should be silent, if no other cue is there."""
_IN, _OUT, _ONSET, _WORD, _FIRST = 2.2, 1.2, 1.6, 2.0, 4.0
"""What a second of speech in a cue, of silence around it, an onset, a word and a first word are
worth."""
_SECONDS = 2.5
"""Seconds of a cue that count."""


def _score(cue: _Shape, speech: _Speech, shift: Floats) -> Floats:
    """How well cues fit the speech with a shift each; 0 is what chance gives."""
    import numpy as np

    length = np.maximum(cue.spoken - cue.start, 0.1)
    spoken = speech.seconds(cue.start + shift, cue.spoken + shift) - speech.share * length
    around = (cue.start - cue.before) + (cue.after - cue.end)
    noise = speech.seconds(cue.before + shift, cue.start + shift)
    noise = noise + speech.seconds(cue.end + shift, cue.after + shift) - speech.share * around
    onset = speech.onset_at(cue.start + shift) - speech.onset_share
    worth = np.minimum(length, _SECONDS) / length
    result: Floats = _IN * worth * spoken - _OUT * noise + _ONSET * onset
    return result


HOURS = 1800.0
"""Seconds from which on nobody expects the times to be right as they are: those of a broadcast,
which begins at 10:00:00, say."""


@dataclass(frozen=True, slots=True)
class _Problem:
    """Cues, and what they are to fit."""

    cues: Sequence[Cue]
    speech: _Speech
    anchors: Sequence[Anchor]
    length: float
    """Seconds of the film."""

    def shifts(self, scale: float) -> Floats:
        import numpy as np

        # Between those at which both begin and both end together, and 0 if that is not far.
        ends = -scale * self.cues[0].start, self.length - scale * self.cues[-1].end
        beyond = min(FARTHEST, NEAREST + self.length / 8)
        low, high = min(ends), max(ends)
        if low - beyond < HOURS and high + beyond > -HOURS:
            low, high = min(0.0, low), max(0.0, high)
        low, high = low - beyond, high + beyond
        found: Floats = STEP * np.arange(
            math.floor(low / STEP), math.ceil(high / STEP) + 1, dtype=np.float64
        )
        return found

    def rows(self, cues: Sequence[Cue], scale: float, shifts: Floats) -> Iterator[Floats]:
        """For each cue what :func:`_score` returns for it at all shifts, much faster."""
        import numpy as np

        speech, every = self.speech, round(STEP / _Speech.grid)
        shape = _Shape.of(cues, scale)
        first = float(shape.before.min() + shifts[0]) - 1.0
        count = int((float(shape.after.max() + shifts[-1]) + 1.0 - first) / speech.grid)
        at = np.arange(count) + round(first / speech.grid)
        total = speech.total[np.clip(at, 0, len(speech.total) - 1)]
        inside = (at >= 0) & (at < len(speech.onset))
        onset = np.where(inside, speech.onset[np.clip(at, 0, len(speech.onset) - 1)], 0.0)
        totals = [np.ascontiguousarray(total[n::every], np.float32) for n in range(every)]
        onsets = [np.ascontiguousarray(onset[n::every], np.float32) for n in range(every)]

        def row(of: Sequence[Any], time: float) -> Any:
            place = round((time + float(shifts[0]) - first) / speech.grid)
            begin = place // every
            return of[place % every][begin : begin + len(shifts)]

        for k in range(len(cues)):
            before, start, spoken = shape.before[k], shape.start[k], shape.spoken[k]
            end, after = shape.end[k], shape.after[k]
            length = max(spoken - start, 0.1)
            worth = _IN * min(length, _SECONDS) / length
            # The sums of speech.seconds and of what chance gives, with each total taken once.
            own = (worth + _OUT) * row(totals, start)
            found = worth * row(totals, spoken) - own + _OUT * row(totals, before)
            if after > end:
                found += _OUT * (row(totals, end) - row(totals, after))
            found += _ONSET * row(onsets, start)
            chance = speech.share * (worth * length - _OUT * (start - before + after - end))
            found -= chance + _ONSET * speech.onset_share
            yield found

    def words_at(self, scale: float) -> dict[int, list[tuple[float, float, float]]]:
        """For each cue with known words, the shift of each, its worth, and how exact it is."""
        found: dict[int, list[tuple[float, float, float]]] = {}
        for one in self.anchors:
            about = (_FIRST, 0.15) if one.exact else (_WORD, 0.4)
            found.setdefault(one.cue, []).append((one.new - scale * one.old, *about))
        return found


def _with_words(
    row: Floats, shifts: Floats, words: Sequence[tuple[float, float, float]] | None
) -> Floats:
    """A cue's scores, and those of its words."""
    import numpy as np

    for shift, worth, sharp in words or ():
        row = row + worth / len(words or ()) * np.exp(-0.5 * ((shifts - shift) / sharp) ** 2)
    return row


# ---------------------------------------------------------------- the path


def _best_path(problem: _Problem, scale: float) -> Floats:
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
        best = best + _with_words(row, shifts, words.get(k))
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


def _likely_ratios(problem: _Problem) -> list[float]:
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
                row += _with_words(own, shifts, words.get(k))
            total += float(row.max())
        totals[scale] = total
    ranked = sorted(totals, key=lambda scale: -totals[scale])
    near = [one for one in ranked if totals[one] > 0.75 * totals[ranked[0]]][:5]
    return list(dict.fromkeys([1.0, *near]))


# ---------------------------------------------------------------- lines


@dataclass(frozen=True, slots=True)
class _Line:
    scale: float
    shift: float


def _lines(problem: _Problem, scale: float, path: Floats, *, drift: bool) -> list[_Line]:
    """The lines that a path consists of, fitted to the onsets of speech and the words; with
    ``drift``, their slopes as well."""
    import numpy as np

    starts = np.array([one.start for one in problem.cues])
    placed = np.flatnonzero(~np.isnan(path))
    cuts = np.flatnonzero(np.abs(np.diff(path[placed])) > 1.5 * STEP) + 1
    parts = np.split(placed, cuts)
    # A slide of several cues is a line with a slope of its own.
    slopes = [_slope(starts[part], path[part]) for part in parts]
    weight = sum(float(np.var(starts[part])) * len(part) for part in parts)
    slope = sum(
        one * float(np.var(starts[part])) * len(part)
        for one, part in zip(slopes, parts, strict=True)
    ) / (weight or 1.0)
    slope *= drift
    seen = _Observed(problem, scale)
    shifts = [float(np.median(path[part] - slope * starts[part])) for part in parts]
    error = math.inf
    for near in (NEAR, NEAR, 0.35, 0.3, 0.3, 0.3):
        top = bottom = 0.0
        spread: list[Floats] = []
        for n, part in enumerate(parts):
            where, residual, weight_of = seen.residuals(part, slope, shifts[n], near)
            if not len(where):
                continue
            mean = float(np.average(residual, weights=weight_of))
            shifts[n] += mean
            centered = starts[where] - np.average(starts[where], weights=weight_of)
            top += float(np.sum(weight_of * centered * (residual - mean)))
            bottom += float(np.sum(weight_of * centered**2))
            spread.append((residual - mean) * np.sqrt(weight_of))
        if drift and bottom > 0:
            change = top / bottom
            for n, part in enumerate(parts):
                shifts[n] -= change * float(np.mean(starts[part]))
            slope += change
            error = math.sqrt(float(np.mean(np.concatenate(spread) ** 2)) / bottom)
    whole = _known(scale + slope, 3.0 * error + 2e-5)
    change = whole - scale - slope
    found = []
    for n, part in enumerate(parts):
        shift = shifts[n] - change * float(np.mean(starts[part]))
        for near in (0.35, 0.3, 0.3):
            where, residual, weight_of = seen.residuals(part, whole - scale, shift, near)
            if len(where):
                shift += float(np.average(residual, weights=weight_of))
        found.append(_Line(whole, shift))
    return found


def _slope(x: Floats, y: Floats) -> float:
    import numpy as np

    x = x - x.mean()
    return float(np.sum(x * (y - y.mean())) / max(float(np.sum(x * x)), 1e-9))


def _known(scale: float, error: float) -> float:
    """The ratio of frame rates that a measured one is, if it may be one."""
    nearest = min(ratios(), key=lambda one: abs(one - scale))
    return nearest if abs(nearest - scale) <= min(error, 4e-4) else scale


class _Observed:
    """Where the speech of cues is seen to begin."""

    def __init__(self, problem: _Problem, scale: float) -> None:
        import numpy as np

        self.scale = scale
        self.starts = np.array([one.start for one in problem.cues])
        self.onsets = np.sort(problem.speech.onsets)
        self.first = {one.cue: one for one in problem.anchors if one.exact}

    def residuals(
        self, part: Any, slope: float, shift: float, near: float
    ) -> tuple[Any, Floats, Floats]:
        """Of the cues ``part`` those of which it is seen, by how much it is later than a line has
        it, and weights."""
        import numpy as np

        expected = (self.scale + slope) * self.starts[part] + shift
        if len(self.onsets):
            at = np.clip(np.searchsorted(self.onsets, expected), 1, max(1, len(self.onsets) - 1))
            left = self.onsets[at - 1]
            right = self.onsets[np.minimum(at, len(self.onsets) - 1)]
            nearest = np.where(expected - left < right - expected, left, right)
            residual = nearest - expected
        else:
            residual = np.full(len(part), np.inf)
        for n, k in enumerate(part):
            # Recognition begins words less exactly than speech does after a pause.
            one = self.first.get(int(k))
            if one and abs(residual[n]) >= near > abs(one.new - expected[n]):
                residual[n] = one.new - expected[n]
        kept = np.abs(residual) < near
        residual = residual[kept]
        middle = float(np.median(residual)) if len(residual) else 0.0
        weight = 1.0 / (1.0 + ((residual - middle) / 0.12) ** 2)
        return part[kept], residual, weight


def _assign(problem: _Problem, lines: Sequence[_Line]) -> tuple[list[int], float]:
    """The line of each cue, in order of time, or -1 if it is left out; and the score of all: what
    :func:`_best_path` finds, among lines."""
    import numpy as np

    scores = np.stack([_scores_on(problem, line) for line in lines])
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


def _scores_on(problem: _Problem, line: _Line) -> Floats:
    """The score of each cue on a line."""
    import numpy as np

    row = _score(
        _Shape.of(problem.cues, line.scale), problem.speech, np.full(len(problem.cues), line.shift)
    )
    for k, words in problem.words_at(line.scale).items():
        row[k : k + 1] = _with_words(row[k : k + 1], np.array([line.shift]), words)
    return row


# ---------------------------------------------------------------- all


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
    speech = _Speech(spans, lead, sharp)
    problem = _Problem([cues[k] for k in spoken], speech, kept, end)
    candidates = _likely_ratios(problem)
    progress(0.4)
    best: tuple[float, list[_Line], list[int]] | None = None
    for n, scale in enumerate(candidates):
        found = _best_path(problem, scale)
        fits = [_lines(problem, scale, found, drift=True)]
        if fits[0][0].scale != scale:  # a few cues fit as well with some drift as without
            fits.append(_lines(problem, scale, found, drift=False))
        for lines in fits:
            if abs(lines[0].scale - 1) < 1e-9:
                lines.append(_Line(1.0, 0.0))
            path, score = _assign(problem, lines)
            used = sorted({*path} - {-1})
            score -= RATIO * (lines[0].scale != 1.0) + 2 * RATIO * (lines[0].scale not in ratios())
            if best is None or score > best[0]:
                own = [used.index(k) if k >= 0 else -1 for k in path]
                best = score, [lines[k] for k in used], own
        progress(0.4 + 0.4 * (n + 1) / len(candidates))
    assert best
    fit = _judged(problem, *best)
    return replace(fit, left_out=tuple(spoken[k] for k in fit.left_out))


def _judged(problem: _Problem, total: float, lines: list[_Line], path: list[int]) -> Fit:
    """The pieces of a solution, and whether they are one."""
    import numpy as np

    same_score = max(
        float(_scores_on(problem, _Line(1.0, x)).sum()) for x in np.arange(-HARMLESS, 0.21, 0.05)
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


def _pieces(cues: Sequence[Cue], lines: Sequence[_Line], path: Sequence[int]) -> tuple[Piece, ...]:
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


def _certainty(problem: _Problem, line: _Line, own: Sequence[int]) -> float:
    """By how many standard deviations cues on their line fit better than the same cues, shuffled,
    fit anywhere."""
    import numpy as np

    exact = {one.cue for one in problem.anchors
             if abs(line.scale * one.old + line.shift - one.new) < 0.5}  # fmt: skip
    if len(exact & set(own)) >= max(4, len(own) / 4):
        return 10.0
    own = own[:: max(1, len(own) // CONSIDERED)] if len(own) > 2 * CONSIDERED else own[:CONSIDERED]
    cues = [problem.cues[k] for k in own]
    mine = float(_scores_on(problem, line)[list(own)].sum())
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


def _against_others(problem: _Problem) -> float:
    """By how many standard deviations the cues fit where they are better than elsewhere."""
    import numpy as np

    shifts, words = problem.shifts(1.0), problem.words_at(1.0)
    row = np.zeros(len(shifts))
    for k, own in enumerate(problem.rows(problem.cues, 1.0, shifts)):
        row += _with_words(own, shifts, words.get(k))
    here = np.abs(shifts) <= HARMLESS + 1e-6
    others = row[np.abs(shifts) > 2]
    return float((row[here].max() - others.mean()) / max(float(others.std()), 1e-6))
