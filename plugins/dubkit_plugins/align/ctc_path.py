"""The likeliest path of known characters through what a CTC network hears (Viterbi).

torchaudio has a function for it, ``forced_align``; but its builds follow torch's later and are only
kept up, and it knows no character that may be left out, as the one between words here: some
networks emit it everywhere, some only in pauses. All states of a frame are computed at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

NONE = -1
"""Of a frame that belongs to no character: the network emits a blank, or what is between words."""
IMPOSSIBLE = np.float32(-1e30)
REACH = 4
"""States that a step goes on by at most."""


def best_path(
    scores: Floats, words: Sequence[Sequence[int]], *, blank: int, between: int | None
) -> npt.NDArray[np.intp] | None:
    """For each frame which of the words' characters it belongs to, counted through all words, or
    :data:`NONE`; None if there are too few frames for them, or no characters.

    ``scores`` are logarithms of probabilities, of shape (frames, characters); ``words`` are columns
    of it, as are ``blank`` and ``between``, which may come or not around words.
    """
    columns, owners, begins = _states(words, blank, between)
    characters = np.flatnonzero(owners != NONE)
    if not len(characters) or len(scores) < len(characters):
        return None
    count = len(columns)
    closed = np.full((REACH + 1, count), IMPOSSIBLE, np.float32)
    closed[0] = closed[1, 1:] = 0
    for state in range(2, count):
        if columns[state] not in (blank, columns[state - 2]):
            closed[2, state] = 0
        if state in begins and between is not None:  # what is between words may be left out
            closed[3, state] = 0 if state >= 3 else IMPOSSIBLE
            if state >= 4 and columns[state] != columns[state - 4]:
                closed[4, state] = 0
    gains = scores[:, columns]
    best = np.where(np.arange(count) <= characters[0], gains[0], IMPOSSIBLE)
    came = np.zeros((len(scores), count), np.int8)
    options = np.full((REACH + 1, count), IMPOSSIBLE, np.float32)
    for frame in range(1, len(scores)):
        options[0] = best
        for step in range(1, REACH + 1):
            options[step, step:] = best[:-step] if step < count else IMPOSSIBLE
        options += closed
        came[frame] = options.argmax(axis=0)
        best = options.max(axis=0) + gains[frame]
    state = int(characters[-1] + best[characters[-1] :].argmax())
    if best[state] < IMPOSSIBLE / 2:
        return None
    path = np.empty(len(scores), np.intp)
    for frame in range(len(scores) - 1, -1, -1):
        path[frame] = owners[state]
        state -= int(came[frame, state])
    return path


def _states(
    words: Sequence[Sequence[int]], blank: int, between: int | None
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], set[int]]:
    """The states that a path goes through: the column of each, which character it belongs to, and
    the states in which words begin."""
    columns, owners, begins = [blank], [NONE], set()
    number = 0
    for word in words:
        if between is not None and word:
            columns += [between, blank]
            owners += [NONE, NONE]
        if word:
            begins.add(len(columns))
        for character in word:
            columns += [character, blank]
            owners += [number, NONE]
            number += 1
    if between is not None:
        columns += [between, blank]
        owners += [NONE, NONE]
    return np.array(columns), np.array(owners), begins
