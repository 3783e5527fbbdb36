"""Captions that roll up, as those of YouTube and of live television, with each phrase once.

Such a file repeats the line before in each cue, above the new one, or repeats a line that grows by
a word; between them may be cues of 10 ms. Whoever reads it as it is translates and speaks every
phrase two or three times.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dubkit.types import Cue, Track

from .text import MARK, without_marks

GAP = 3.0
"""Seconds after a cue in which its line is still there to roll up."""
ROLLS = 2
"""Cues that roll up one after another from which this is taken to be the manner of a file."""
INSTANT = 0.05
"""Seconds below which nobody can read a cue."""
TWO_ROWS = 8
"""Cues, ..."""
OVERLAPPING = 0.6
"""... and share of cues, still shown when the next begins, from which a file has two rows."""


@dataclass(frozen=True, slots=True)
class _Step:
    """How a cue relates to the one before it."""

    repeated: int = 0
    """Words at its start that were shown before; 0 if it has nothing to do with it."""
    is_new: bool = False
    """Whether it has further words ..."""
    is_line: bool = False
    """... and these begin a line, or belong to another phrase; else they continue the line."""
    is_sign: bool = False
    """Whether only captions that roll up do this."""


def unroll(track: Track) -> Track:
    """The track with each phrase once, from when it appears to when the next does; unchanged if its
    captions do not roll up."""
    cues = [cue for cue in track.cues if without_marks(cue.text).strip()]
    steps = [_Step(), *(_step(a, b) for a, b in itertools.pairwise(cues))]
    rolling = _runs(steps)
    if any(rolling):
        track = replace(track, cues=tuple(_phrases(cues, steps, rolling)))
    return replace(track, cues=tuple(_in_turn(track.cues)))


def _words(text: str) -> list[str]:
    return without_marks(text).casefold().split()


def _step(before: Cue, cue: Cue) -> _Step:
    if cue.start - before.end > GAP or cue.start <= before.start or before.speaker != cue.speaker:
        return _Step()
    shown, words = _words(before.text), _words(cue.text)
    most = min(len(shown), len(words))
    for count in range(most, 0, -1):
        if shown[-count:] == words[:count]:
            break
    else:
        return _Step()
    # Lines are repeated whole; without line breaks two words show it.
    ends = set(itertools.accumulate(len(_words(line)) for line in cue.text.splitlines()))
    whole = count in ends and _is_lines(before.text, count)
    if not (whole or count == len(shown) or count >= 2):
        return _Step()
    is_new = count < len(words)
    is_line = is_new and (count in ends or count < len(shown))
    return _Step(count, is_new, is_line, is_new or cue.end - cue.start < INSTANT)


def _is_lines(text: str, count: int) -> bool:
    """Whether the last words of a text are one or more of its lines."""
    lengths = [len(_words(line)) for line in text.splitlines()]
    return count in set(itertools.accumulate(reversed(lengths)))


def _runs(steps: Sequence[_Step]) -> list[bool]:
    """For each cue whether it belongs to captions that roll up."""
    rolling = [False] * len(steps)
    related = sum(step.repeated > 0 for step in steps)
    manner = related >= max(ROLLS, (len(steps) - 1) / 2)
    k = 0
    while k < len(steps):
        end = k + 1
        while end < len(steps) and steps[end].repeated:
            end += 1
        rolls = sum(step.is_sign for step in steps[k + 1 : end])
        if rolls >= ROLLS or (manner and end - k > 1):
            rolling[k:end] = [True] * (end - k)
        k = end
    taken = [step for step, on in zip(steps, rolling, strict=True) if on]
    certain = sum(step.is_sign for step in taken) >= ROLLS and any(step.is_new for step in taken)
    return rolling if certain else [False] * len(steps)


def _phrases(cues: Sequence[Cue], steps: Sequence[_Step], rolling: Sequence[bool]) -> list[Cue]:
    found: list[Cue] = []
    for cue, step, is_rolling in zip(cues, steps, rolling, strict=True):
        if is_rolling:  # it was shown where it rolled up from
            cue = replace(cue, layout=None)
        if not (is_rolling and step.repeated):
            found.append(cue)
        elif step.is_new:
            text = _after_words(cue.text, step.repeated)
            last = found[-1]
            if step.is_line:
                found.append(replace(cue, text=text))
            else:
                found[-1] = replace(last, text=f"{last.text} {text}", end=cue.end)
    return found


def _after_words(text: str, count: int) -> str:
    """The text behind its first words, with the marks that are open there."""
    left, opened, parts = count, list[str](), MARK.split(text)
    for k, part in enumerate(parts):
        words = [] if k % 2 else list(re.finditer(r"\S+", part))
        if len(words) > left:
            rest = part[words[left].start() :] + "".join(parts[k + 1 :])
            return "".join(opened) + rest.strip()
        left -= len(words)
        if k % 2 and part.startswith("</"):
            del opened[-1:]  # a text from a stranger may close what was not open
        elif k % 2:
            opened.append(part)
    return ""


def _in_turn(cues: Sequence[Cue]) -> list[Cue]:
    """The cues, each ending when the next begins if a file shows two of them at a time throughout:
    the second row appears while the first stays."""
    over = [
        k
        for k in range(len(cues) - 1)
        if cues[k].start < cues[k + 1].start < cues[k].end - 0.01
        and (k + 2 >= len(cues) or cues[k].end <= cues[k + 2].start + 0.1)
    ]
    if len(over) < TWO_ROWS or len(over) < OVERLAPPING * (len(cues) - 1):
        return list(cues)
    result = list(cues)
    for k in over:
        result[k] = replace(cues[k], end=cues[k + 1].start)
    return result
