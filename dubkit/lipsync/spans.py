"""Which spans of a film are redrawn, and what of the picture is cut out for them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from . import faces, tracks
from .faces import Seen
from .tracks import Shot

MARGIN = 0.2
"""Seconds before and after speech in which the mouth is redrawn, too."""
JOIN = 0.6
"""Seconds of a pause that is not left out."""
LONGEST = 20.0
"""Seconds of a span; tools keep all its frames in memory, and work is kept span by span."""
SHORTEST = 0.4
"""Seconds of a span that are worth a redrawn mouth."""
SIDE = 1024
"""Pixels of the longer side that a tool is given at most; it draws a mouth of 96 to 512."""
_ROUND = 16
"""Pixels to which a window is rounded, so that it comes out the same when little has changed."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a shot, with one face that speaks all the while."""

    start: float
    end: float
    face: tuple[Seen, ...]
    window: tuple[int, int, int, int]
    """What is cut out of the upright picture: left, top, width, height; all even."""
    size: tuple[int, int]
    """Width and height of what the tool is given of it."""
    fades_in: bool = True
    fades_out: bool = True
    """Whether the film's own mouth is to be seen before, and after, in the same shot."""

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start


def stretches(speech: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The speech with a margin, and without short pauses."""
    joined: list[tuple[float, float]] = []
    for start, end in sorted((max(0.0, a - MARGIN), b + MARGIN) for a, b in speech if b > a):
        if joined and start - joined[-1][1] < JOIN - 2 * MARGIN:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def plan(
    cuts: Sequence[Shot],
    stretches: Sequence[tuple[float, float]],
    speech: Sequence[tuple[float, float]],
    size: tuple[int, int],
) -> tuple[list[Span], list[tuple[float, float]]]:
    """The spans to redraw, and those of the speech in which there is nobody to be seen."""
    spans: list[Span] = []
    empty: list[tuple[float, float]] = []
    for shot in cuts:
        for start, end in stretches:
            start, end = max(start, shot.start), min(end, shot.end)
            if end - start < SHORTEST:
                continue
            rest = start
            for piece in _pieces(start, end, speech):
                for span in _spans(shot, piece, speech, size):
                    _add_empty(empty, rest, span.start)
                    if spans and spans[-1].end > shot.start and _goes_on(spans[-1], span):
                        spans[-1] = dataclasses.replace(spans[-1], fades_out=False)
                        span = dataclasses.replace(span, fades_in=False)
                    spans.append(span)
                    rest = span.end
            _add_empty(empty, rest, end)
    return spans, empty


def _goes_on(one: Span, other: Span) -> bool:
    """Whether a span is of the same face as the one right before it."""
    now = [tracks.place(span.face, other.start).box for span in (one, other)]
    return other.start - one.end < 1e-6 and faces.overlap(*now) > faces.SAME


def _add_empty(empty: list[tuple[float, float]], start: float, end: float) -> None:
    if end - start >= SHORTEST:
        empty.append((start, end))


def _pieces(
    start: float, end: float, speech: Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    """A stretch in pieces that are not too long, cut in the longest pauses that do."""
    if end - start <= LONGEST:
        return [(start, end)]
    low, high = start + LONGEST / 2, min(start + LONGEST, end - SHORTEST)
    pauses = [
        (after - before, (before + after) / 2)
        for (_, before), (after, _) in itertools.pairwise(sorted(speech))
        if low <= (before + after) / 2 <= high
    ]
    at = max(pauses)[1] if pauses else high
    return [(start, at), *_pieces(at, end, speech)]


def _spans(
    shot: Shot,
    piece: tuple[float, float],
    speech: Sequence[tuple[float, float]],
    size: tuple[int, int],
) -> list[Span]:
    found = []
    near = 1.5 / tracks.RATE  # it was there before it was first looked for, and after
    for way in tracks.stretches(tracks.speaker(shot, piece, speech)):
        start, end = max(piece[0], way[0].time - near), min(piece[1], way[-1].time + near)
        if end - start < SHORTEST:
            continue
        face = tracks.smoothed(way)
        ends = tracks.place(face, start), tracks.place(face, end)
        window, sent = _window([ends[0], *face, ends[1]], (start, end), size)
        first, last = start <= shot.start + 1e-6, end >= shot.end - 1e-6
        found.append(Span(start, end, face, window, sent, not first, not last))
    return found


def _window(
    face: Sequence[Seen], span: tuple[float, float], size: tuple[int, int]
) -> tuple[tuple[int, int, int, int], tuple[int, int]]:
    """All that the face takes up during a span, with room for a tool to find it in, and the size
    in which it is sent. It does not move with the face: a tool follows that by itself, and pixels
    that are not scaled stay as they are."""
    here = [one for one in face if span[0] <= one.time <= span[1]] or list(face)
    tall = max(one.height for one in here)
    wide = max(one.box[2] - one.box[0] for one in here)
    bounds = (
        min(one.box[0] for one in here) - 0.6 * wide,
        min(one.box[1] for one in here) - 0.5 * tall,
        max(one.box[2] for one in here) + 0.6 * wide,
        max(one.box[3] for one in here) + 0.5 * tall,
    )
    left, top = (max(0, int(side // _ROUND * _ROUND)) for side in bounds[:2])
    right, bottom = (
        min(most, int(-(-side // _ROUND) * _ROUND))
        for side, most in zip(bounds[2:], size, strict=True)
    )
    width, height = right - left, bottom - top
    scale = min(1.0, SIDE / max(width, height))
    sent = (round(width * scale / 2) * 2, round(height * scale / 2) * 2)
    return (left, top, width, height), sent
