"""When an engine draws a whole picture of its own, and where in the film it is shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from .spans import SIDE, Span, cut_in_pauses

LONGEST = 60.0
"""Seconds for which an engine draws at once; it may begin in another pose each time."""
HEIGHT = 0.3
"""Of an avatar in a corner, in heights of the picture ..."""
MARGIN = 0.03
"""... and its distance from the edges."""
CORNER = "avatar-corner"


def plan(
    duration: float, speech: Sequence[tuple[float, float]], size: tuple[int, int], mode: str
) -> list[Span]:
    """The spans in which the engine draws: all of a film of that many seconds and pixels, cut where
    nobody speaks."""
    scale = min(1.0, SIDE / max(size))
    sent = (round(size[0] * scale / 2) * 2, round(size[1] * scale / 2) * 2)
    return [
        Span(start, end, (), (0, 0, *size), sent, alone=mode != CORNER)
        for start, end in cut_in_pauses(0.0, duration, speech, LONGEST)
    ]


def place(span: Span, size: tuple[int, int]) -> Span:
    """The span with the place of an avatar of ``size``: as large as the film's picture, or at its
    bottom right."""
    _, _, width, height = span.window
    room = (width, height) if span.alone else (width / 2, HEIGHT * height)
    scale = min(room[0] / size[0], room[1] / size[1])
    wide, high = (max(2, int(side * scale) // 2 * 2) for side in size)
    if span.alone:
        left, top = (width - wide) // 2, (height - high) // 2
    else:
        left, top = (
            side - own - int(MARGIN * height) for side, own in ((width, wide), (height, high))
        )
    window = (left // 2 * 2, top // 2 * 2, wide, high)
    return dataclasses.replace(span, window=window, size=size)
