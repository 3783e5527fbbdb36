"""Where each token is spoken, from the cross-attention of the alignment heads.

The steps are openai/whisper's (``timing.find_alignment``): softmax over the window's own audio,
normalization over the tokens, smoothing over time, averaging over the heads, then dynamic time
warping. Only the warping is implemented differently: a row at a time for a whole batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

MEDIAN_WIDTH = 7
"""Encoder positions (20 ms each) that attention is smoothed over."""


def attention_to_cost(attention: Tensor) -> Tensor:
    """The cost of each token at each time, of shape (tokens, positions), float32.

    ``attention`` is one window's, before the softmax: (heads, tokens, positions), without padding
    beyond its tokens and its audio.
    """
    weights = attention.float().softmax(dim=-1)
    spread, mean = torch.std_mean(weights, dim=-2, keepdim=True, correction=0)
    weights = (weights - mean) / spread.clamp_min(torch.finfo(torch.float32).tiny)
    side = MEDIAN_WIDTH // 2
    if weights.shape[-1] > side:
        padded = F.pad(weights, (side, side), mode="reflect")
        weights = padded.unfold(-1, MEDIAN_WIDTH, 1).sort(dim=-1).values[..., side]
    return -weights.mean(dim=0)


def warp(
    cost: npt.NDArray[np.float32], tokens: Sequence[int], positions: Sequence[int]
) -> list[npt.NDArray[np.intp]]:
    """The position at which each token begins, on the cheapest monotonic path (DTW).

    ``cost`` is of shape (windows, tokens, positions), of which window ``i`` uses the first
    ``tokens[i]`` and ``positions[i]``. The path steps to the next token, the next position or
    both, so a token covers a run of positions. The cost up to (token, position) is then that of
    the best position to enter the token at, plus the sum of the run, and the best entry so far is
    a running minimum: numpy handles all windows and positions of a token at once.
    """
    windows, rows, columns = cost.shape
    entered = np.zeros((windows, rows, columns), dtype=np.intp)
    from_above = np.zeros((windows, rows, columns), dtype=bool)
    before_first = np.full((windows, 1), np.inf)
    column = np.arange(columns)
    best = cost[:, 0].cumsum(axis=1, dtype=np.float64)
    for row in range(1, rows):
        diagonal = np.concatenate([before_first, best[:, :-1]], axis=1)
        from_above[:, row] = best < diagonal
        run = cost[:, row].cumsum(axis=1, dtype=np.float64)
        entry = np.minimum(diagonal, best) - (run - cost[:, row])
        lowest = np.minimum.accumulate(entry, axis=1)
        entered[:, row] = np.maximum.accumulate(np.where(entry <= lowest, column, 0), axis=1)
        best = run + lowest
    starts = []
    for window, (count, end) in enumerate(zip(tokens, positions, strict=True)):
        begins = np.zeros(count, dtype=np.intp)
        position = end - 1
        for row in range(count - 1, 0, -1):
            position = begins[row] = entered[window, row, position]
            position -= not from_above[window, row, position]
        starts.append(begins)
    return starts
