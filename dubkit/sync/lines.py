"""Lines through a path: the scale and the shift of each piece, by a robust fit to the onsets of
speech and the words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .fit import ratios
from .score import STEP, Line, Problem

if TYPE_CHECKING:
    from .score import Floats

NEAR = 0.5
"""Seconds within which the onset of a cue's speech is looked for."""


def lines_through(problem: Problem, scale: float, path: Floats, *, drift: bool) -> list[Line]:
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
        found.append(Line(whole, shift))
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

    def __init__(self, problem: Problem, scale: float) -> None:
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
