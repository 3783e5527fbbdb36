"""How well cues fit the speech of a film, each at every shift: speech where it is shown, silence
around it, an onset of speech where it begins, and where words are known, its words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from .fit import Anchor, Cue

if TYPE_CHECKING:
    import numpy as np

    Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

STEP = 0.1
"""Seconds between the shifts that are tried."""
NEAREST, FARTHEST = 180.0, 600.0
"""Seconds of shift that are tried beyond the difference of the lengths, in a short film and in a
long one."""
CHARS = 14.0
"""Characters spoken in a second, slowly."""


@dataclass(frozen=True, slots=True)
class Line:
    """Times of which each new one is ``scale`` times the old one, plus ``shift``."""

    scale: float
    shift: float


class Speech:
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


def _score(cue: _Shape, speech: Speech, shift: Floats) -> Floats:
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
class Problem:
    """Cues, and what they are to fit."""

    cues: Sequence[Cue]
    speech: Speech
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

        speech, every = self.speech, round(STEP / Speech.grid)
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


def with_words(
    row: Floats, shifts: Floats, words: Sequence[tuple[float, float, float]] | None
) -> Floats:
    """A cue's scores, and those of its words."""
    import numpy as np

    for shift, worth, sharp in words or ():
        row = row + worth / len(words or ()) * np.exp(-0.5 * ((shifts - shift) / sharp) ** 2)
    return row


def scores_on(problem: Problem, line: Line) -> Floats:
    """The score of each cue on a line."""
    import numpy as np

    row = _score(
        _Shape.of(problem.cues, line.scale), problem.speech, np.full(len(problem.cues), line.shift)
    )
    for k, words in problem.words_at(line.scale).items():
        row[k : k + 1] = with_words(row[k : k + 1], np.array([line.shift]), words)
    return row
