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

MEDIAN_WIDTH = 7
"""Encoder positions (20 ms each) that attention is smoothed over."""
MEDIAN_OF_SEVEN = (
    *((0, 5), (0, 3), (1, 6), (2, 4), (0, 1), (3, 5), (2, 6)),
    *((2, 3), (3, 6), (4, 5), (1, 4), (1, 3), (3, 4)),
)
"""Which of seven values to compare and put into order, so that the fourth is their median (N.
Devillard, "Fast median search"): many times faster than sorting them."""


def attention_to_cost(attention: Tensor, tokens: Tensor, positions: Tensor) -> Tensor:
    """The cost of each token at each time, of shape (windows, tokens, positions), float32.

    ``attention`` is that before the softmax, (windows, heads, tokens, positions). Of window ``i``
    the first ``tokens[i]`` and ``positions[i]`` are its own; beyond them the cost is 0.
    """
    places = torch.arange(attention.shape[-1], device=attention.device)
    silent = (places >= positions[:, None])[:, None, None]
    own = torch.arange(attention.shape[-2], device=attention.device) < tokens[:, None]
    own, count = own[:, None, :, None], tokens[:, None, None, None]
    weights = attention.float().masked_fill(silent, -torch.inf).softmax(dim=-1)
    mean = (weights * own).sum(dim=-2, keepdim=True) / count
    weights = (weights - mean) * own
    spread = (weights.square().sum(dim=-2, keepdim=True) / count).sqrt()
    weights = weights / spread.clamp_min(torch.finfo(torch.float32).tiny)
    return -_smooth(weights, positions).masked_fill(silent, 0.0).mean(dim=1)


def _smooth(weights: Tensor, positions: Tensor) -> Tensor:
    """The median over :data:`MEDIAN_WIDTH` positions, mirrored at both ends of a window's own; a
    window of no more than half as many is left as it is."""
    side = MEDIAN_WIDTH // 2
    width = weights.shape[-1]
    last = positions[:, None] - 1
    around = torch.arange(-side, width + side, device=weights.device).abs()
    around = (last - (last - around).abs()).clamp_min(0)
    padded = weights.take_along_dim(around[:, None, None], dim=-1)
    v = [padded[..., offset : offset + width] for offset in range(MEDIAN_WIDTH)]
    for i, j in MEDIAN_OF_SEVEN:
        v[i], v[j] = torch.minimum(v[i], v[j]), torch.maximum(v[i], v[j])
    return torch.where((positions > side)[:, None, None, None], v[side], weights)


def warp(
    cost: Tensor, tokens: Sequence[int], positions: Sequence[int]
) -> list[npt.NDArray[np.intp]]:
    """The position at which each token begins, on the cheapest monotonic path (DTW).

    ``cost`` is of shape (windows, tokens, positions), of which window ``i`` uses the first
    ``tokens[i]`` and ``positions[i]``. The path steps to the next token, the next position or
    both, so a token covers a run of positions. The cost up to (token, position) is then that of
    the best position to enter the token at, plus the sum of the run, and the best entry so far is
    a running minimum: the device handles all windows and positions of a token at once.
    """
    if cost.device.type == "mps":  # Apple's have no float64
        cost = cost.cpu()
    cost = cost.double()
    windows, rows, columns = cost.shape
    places = torch.zeros((windows, rows, columns), dtype=torch.int16, device=cost.device)
    above = torch.zeros((windows, rows, columns), dtype=torch.bool, device=cost.device)
    before_first = cost.new_full((windows, 1), torch.inf)
    best = cost[:, 0].cumsum(dim=1)
    for row in range(1, rows):
        diagonal = torch.cat([before_first, best[:, :-1]], dim=1)
        above[:, row] = best < diagonal
        run = cost[:, row].cumsum(dim=1)
        lowest, places[:, row] = (torch.minimum(diagonal, best) - (run - cost[:, row])).cummin(1)
        best = run + lowest
    # The device is waited for here alone.
    entered, from_above = places.cpu().numpy(), above.cpu().numpy()
    starts = []
    for window, (count, end) in enumerate(zip(tokens, positions, strict=True)):
        begins = np.zeros(count, dtype=np.intp)
        position = end - 1
        for row in range(count - 1, 0, -1):
            position = begins[row] = entered[window, row, position]
            position -= not from_above[window, row, position]
        starts.append(begins)
    return starts
