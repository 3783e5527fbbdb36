"""What was found about the times of a subtitle file, in words."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from .fit import HARMLESS, RATES, Cue, Fit, Piece


def describe(fit: Fit) -> str:
    """``25 -> 23.976 fps, 1.2 s later, then 3.6 s later from 00:31:12 on``."""
    return ", then ".join(_parts(fit)) or "the same times"


def describe_strangers(fit: Fit, cues: Sequence[Cue]) -> str:
    """What to know about cues of scenes that the film has not; "" if there are none."""
    found = []
    for k in fit.left_out:
        start = cues[k].start
        following = next((one for one in fit.pieces if one.start > start), None)
        # They have no place where what follows comes earlier than they.
        if following and following.scale * following.start + following.shift <= fit(start) + 1e-6:
            found.append(start)
    if len(found) < 2:
        return ""
    when = f"from {clock(found[0])} to {clock(found[-1])}"
    return f"{len(found)} cues {when} are of scenes that the film has not, and are kept"


def _parts(fit: Fit) -> Iterator[str]:
    first, *others = fit.pieces
    rate = _rate(first.scale)
    before = _shift(first)
    yield ", ".join(filter(None, (rate, before or ("" if rate else "unchanged"))))
    for one in others:
        changed = "" if one.scale == first.scale else f"{_rate(one.scale) or 'the same rate'}, "
        yield f"{changed}{_shift(one) or 'unchanged'} from {clock(one.start)} on"


def rates_of(scale: float) -> tuple[float, float] | None:
    """The frame rates, old and new, whose ratio makes times so much longer; None if none do."""
    for new, old in itertools.permutations(RATES, 2):
        if abs(old / new - scale) < 1e-6:
            return old, new
    return None


def _rate(scale: float) -> str:
    if scale == 1.0:
        return ""
    if rates := rates_of(scale):
        return f"{rates[0]:g} -> {rates[1]:g} fps"
    return f"{abs(scale - 1):.3%} {'slower' if scale > 1 else 'faster'}"


def _shift(piece: Piece) -> str:
    if abs(piece.shift) < (HARMLESS if piece.scale == 1.0 else 0.05):
        return ""
    digits = 1 if abs(piece.shift) >= 1 else 2
    return f"{abs(piece.shift):.{digits}f} s {'later' if piece.shift > 0 else 'earlier'}"


def clock(seconds: float) -> str:
    """``00:31:12``."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}"
