"""Beam search over several windows in parallel.

The hypotheses of a window share its cross-attention cache, which is most of the memory, and no part
of a step depends on Python, so that it can be recorded as a CUDA graph. Length penalty and stopping
are as in transformers (``generation/utils.py``, length penalty 1, no early stopping).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .torch_network import Decoder


class BeamSearch:
    """The hypotheses of a batch of windows during decoding."""

    def __init__(
        self,
        decoder: Decoder,
        start: Tensor,
        beams: int,
        end: int,
        logits: Callable[[Tensor], Tensor],
        first_logits: Callable[[Tensor], Tensor],
    ) -> None:
        """``decoder`` has read nothing yet; ``start``, of shape (windows, tokens), is the prefix of
        every hypothesis; ``end`` is the token that ends one. ``logits`` maps states of shape
        (rows, width) to the logits of the next token, ``first_logits`` to those of the first."""
        windows, count = start.shape
        self._end = end
        self._logits = logits
        self._given = count
        states, _ = decoder(start)
        self._decoder = decoder.fork(beams)
        self._tokens = start.new_full((windows, beams, decoder.capacity), end)
        self._tokens[:, :, :count] = start[:, None]
        # One hypothesis per window at first; the others branch off it.
        self._scores = torch.full((windows, beams), -torch.inf, device=start.device)
        self._scores[:, 0] = 0.0
        self._ended = self._tokens.clone()
        self._quality = torch.full_like(self._scores, -torch.inf)
        """Of the hypotheses that have ended: the mean log-probability of their tokens."""
        self._at = torch.tensor([count - 1], device=start.device)
        first = first_logits(states[:, -1])
        self._choose(first[:, None].expand(-1, beams, -1), count)

    def step(self, places: Tensor) -> None:
        """Add a token to every hypothesis; ``places`` are the positions attended to, from 0."""
        token = self._tokens.index_select(2, self._at).flatten(0, 1)
        past = (places <= self._at)[None]
        states, _ = self._decoder.read(token, self._at, len(places), past, {})
        windows, beams, _ = self._tokens.shape
        self._choose(self._logits(states[:, -1]).view(windows, beams, -1), len(places))

    def over(self) -> bool:
        """Whether no open hypothesis can become better than the worst that has ended."""
        length = (self._at + 1 - self._given).clamp_min(1)
        return bool((self._scores[:, 0] / length <= self._quality.amin(dim=1)).all())

    def best(self) -> Tensor:
        """The best hypothesis of each window, (windows, capacity), filled up with end tokens."""
        at = self._quality.argmax(dim=1)
        rows = torch.arange(len(at), device=at.device)
        ended = self._quality[rows, at] > -torch.inf
        return torch.where(ended[:, None], self._ended[rows, at], self._tokens[:, 0])

    def _choose(self, logits: Tensor, span: int) -> None:
        windows, beams, words = logits.shape
        totals = self._scores[:, :, None] + logits.float().log_softmax(-1)
        # Twice as many as are kept, since as many as are kept may end.
        scores, flat = totals.flatten(1).topk(2 * beams)
        source, token = flat // words, flat % words
        ends = token == self._end
        length = self._at + 2 - self._given
        rows = torch.arange(windows, device=flat.device)[:, None]

        quality = (scores / length).masked_fill(~ends, -torch.inf)[:, :beams]
        finished = self._tokens[rows, source[:, :beams]]
        self._quality[:], kept = torch.cat([self._quality, quality], dim=1).topk(beams)
        self._ended[:] = torch.cat([self._ended, finished], dim=1)[rows, kept]

        self._scores[:], kept = scores.masked_fill(ends, -torch.inf).topk(beams)
        source, token = source[rows, kept], token[rows, kept]
        self._tokens[:] = self._tokens[rows, source]
        self._at.add_(1)
        self._tokens.index_copy_(2, self._at, token[:, :, None])
        self._decoder.follow((rows * beams + source).flatten(), span)
