"""Which spans of a film to redraw, and which part of the picture to cut out for them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from . import faces, tracks
from .faces import Detection
from .tracks import Shot

MARGIN = 0.2
"""Seconds before and after speech in which the mouth is redrawn as well."""
JOIN = 0.6
"""Seconds of a pause below which the mouth is redrawn throughout."""
LONGEST = 20.0
"""Seconds of a span; engines keep all its frames in memory, and results are saved span by span."""
SHORTEST = 0.4
"""Seconds below which a span is not redrawn."""
SIDE = 1024
"""Maximum pixels of the longer side for an engine, which renders mouths of 96 to 512 pixels."""
_ROUND = 16
"""Pixels to which a window is rounded, so that small changes leave it the same."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a shot with one face that speaks throughout."""

    start: float
    end: float
    face: tuple[Detection, ...]
    window: tuple[int, int, int, int]
    """The part cut out of the upright picture: left, top, width, height; all even."""
    size: tuple[int, int]
    """Width and height at which the engine gets it."""
    fades_in: bool = True
    fades_out: bool = True
    """Whether the film's own mouth is visible before, and after, in the same shot."""
    person: str = ""
    """Whose crop it is of, if the engine was trained on one ..."""
    frames: range = range(0)
    """... the numbers of its frames in that ..."""
    times: tuple[float, ...] = ()
    """... and for each of them, the second in the film that it shows."""
    alone: bool = False
    """Whether what is drawn is shown in place of the film, and the rest is black."""

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start


def join_speech(speech: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The stretches of speech, in seconds, with a margin and with short pauses filled."""
    joined: list[tuple[float, float]] = []
    for start, end in sorted((max(0.0, a - MARGIN), b + MARGIN) for a, b in speech if b > a):
        if joined and start - joined[-1][1] < JOIN - 2 * MARGIN:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def plan(
    shots: Sequence[Shot],
    stretches: Sequence[tuple[float, float]],
    speech: Sequence[tuple[float, float]],
    size: tuple[int, int],
) -> tuple[list[Span], list[tuple[float, float]]]:
    """The spans to redraw, and the spans of speech without a visible face.

    ``stretches`` are from :func:`join_speech`, ``size`` is that of the upright picture.
    """
    spans: list[Span] = []
    empty: list[tuple[float, float]] = []
    for shot in shots:
        for start, end in stretches:
            start, end = max(start, shot.start), min(end, shot.end)
            if end - start < SHORTEST:
                continue
            rest = start
            for piece in cut_in_pauses(start, end, speech):
                for span in _spans(shot, piece, speech, size):
                    _add_empty(empty, rest, span.start)
                    if spans and spans[-1].end > shot.start and _continues(spans[-1], span):
                        spans[-1] = dataclasses.replace(spans[-1], fades_out=False)
                        span = dataclasses.replace(span, fades_in=False)
                    spans.append(span)
                    rest = span.end
            _add_empty(empty, rest, end)
    return spans, empty


def _continues(one: Span, other: Span) -> bool:
    """Whether a span has the same face as the one right before it."""
    now = [tracks.position_at(span.face, other.start).box for span in (one, other)]
    return other.start - one.end < 1e-6 and faces.overlap(*now) > faces.SAME_FACE


def _add_empty(empty: list[tuple[float, float]], start: float, end: float) -> None:
    if end - start >= SHORTEST:
        empty.append((start, end))


def cut_in_pauses(
    start: float, end: float, speech: Sequence[tuple[float, float]], longest: float = LONGEST
) -> list[tuple[float, float]]:
    """A stretch in pieces that are not too long, cut in the longest suitable pauses."""
    if end - start <= longest:
        return [(start, end)]
    low, high = start + longest / 2, min(start + longest, end - SHORTEST)
    pauses = [
        (after - before, (before + after) / 2)
        for (_, before), (after, _) in itertools.pairwise(sorted(speech))
        if low <= (before + after) / 2 <= high
    ]
    at = max(pauses)[1] if pauses else high
    return [(start, at), *cut_in_pauses(at, end, speech, longest)]


def _spans(
    shot: Shot,
    piece: tuple[float, float],
    speech: Sequence[tuple[float, float]],
    size: tuple[int, int],
) -> list[Span]:
    spans = []
    margin = 1.5 / tracks.RATE  # a face appears between two detections, and is lost between two
    for track in tracks.split_at_gaps(tracks.speaking_face(shot, piece, speech)):
        start = max(piece[0], track[0].time - margin)
        end = min(piece[1], track[-1].time + margin)
        if end - start < SHORTEST:
            continue
        face = tracks.smooth(track)
        ends = tracks.position_at(face, start), tracks.position_at(face, end)
        window, sent = _window([ends[0], *face, ends[1]], (start, end), size)
        first, last = start <= shot.start + 1e-6, end >= shot.end - 1e-6
        spans.append(Span(start, end, face, window, sent, not first, not last))
    return spans


def _window(
    face: Sequence[Detection], span: tuple[float, float], size: tuple[int, int]
) -> tuple[tuple[int, int, int, int], tuple[int, int]]:
    """The area that the face covers during a span, with a margin for an engine's own detector, and
    the size at which it is sent. It does not move with the face: engines track that themselves,
    and pixels that are not scaled stay unchanged."""
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
