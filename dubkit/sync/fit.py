"""What is known of a cue, and what was found about the times of all of them. Plain data."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

RATES = (23.976, 24.0, 25.0, 29.97, 30.0)
"""Frames a second of films and of what subtitles are made for."""
HARMLESS = 0.2
"""Seconds by which a good file may be off: nobody sees less."""


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
