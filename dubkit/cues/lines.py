"""Text broken into the lines of a cue, at phrase boundaries. Timing is :mod:`.segment`'s."""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from dubkit.types import Cue, Track

from . import phrases, spoken
from .profiles import DEFAULT, Limits, Profile
from .profiles import limits as limits_of
from .text import unwrap

EPSILON = 1e-6
_STUB = 40.0  # a word or two in a much shorter first line, without punctuation after them


def break_lines(text: str, language: str, limits: Limits, names: Collection[str] = ()) -> str:
    """Break a text into lines: one if it fits, else as few as possible, at phrase boundaries.

    Of two lines the lower is preferably the longer (Netflix Timed Text Style Guide). A word wider
    than a line is split. A text too long for ``limits.lines`` gets more lines, which
    :func:`.check.check` reports. Different speakers' lines, and sounds, stay separate; ``names``
    are labels that show this, as in :func:`.spoken.turns`.
    """
    turns = spoken.turns(text, names) if "\n" in text else [[text]]
    return "\n".join(_break("\n".join(turn), language, limits) for turn in turns)


def _break(text: str, language: str, limits: Limits) -> str:
    flat = unwrap(text, language)
    pieces = [
        piece
        for token in split_tokens(flat, language)
        for piece in split_wide(token, language, limits)
    ]
    if not pieces:
        return ""
    units = Units(pieces, language, limits)
    _, breaks = units.layout(0, len(pieces), math.inf)
    return units.text(0, len(pieces), breaks)


def split_tokens(text: str, language: str) -> list[str]:
    """Words, each with the space before it, or phrases in languages without spaces."""
    if phrases.uses_spaces(language):
        return re.findall(r"\s*\S+", text.rstrip())  # linear only without spaces at the end
    return phrases.phrases(text, language)


def split_wide(token: str, language: str, limits: Limits) -> list[str]:
    """The token in pieces that each fit on a line; nearly always the token itself."""
    if limits.width(token.strip()) <= limits.line_width:
        return [token]
    finer = split_tokens(token, language)
    if len(finer) == 1:
        finer = _clusters(token)
    if len(finer) == 1:
        return [token]
    pieces: list[str] = []
    for part in finer:
        if pieces and limits.width((pieces[-1] + part).strip()) <= limits.line_width:
            pieces[-1] += part
        else:
            pieces.append(part)
    if len(pieces) == 1:
        return pieces
    return [piece for part in pieces for piece in split_wide(part, language, limits)]


def _clusters(text: str) -> list[str]:
    """The text in characters, each with its combining marks."""
    starts: list[int] = []
    blank = False
    for k, char in enumerate(text):
        mark = unicodedata.category(char) in ("Mn", "Me", "Mc", "Cf")
        # In Burmese a consonant with a killer ends a syllable, and one under another stays there.
        coda = text[k + 1 : k + 2] in ("\u103a", "\u1039") or text[k - 1] == "\u1039"
        bound = mark or coda or blank or text[k - 1] in "\u200dເແໂໃໄเแโใไ"
        if not starts or not bound:
            starts.append(k)
            blank = True
        blank = blank and char.isspace()
    return [text[a:b] for a, b in itertools.pairwise([*starts, len(text)])]


class Units:
    """Pieces of text that are never broken inside, and the cost of a break between them."""

    def __init__(self, pieces: Sequence[str], language: str, limits: Limits) -> None:
        self.limits = limits
        self.texts = [" ".join(piece.split()) for piece in pieces]
        self.spaces = [""] * len(pieces)
        self.costs = [0.0] * len(pieces)
        """Cost of a break before each unit."""
        for k in range(1, len(pieces)):
            if pieces[k][:1].isspace() or pieces[k - 1][-1:].isspace():
                self.spaces[k] = " "
            self.costs[k] = phrases.break_cost(pieces[k - 1], pieces[k], language)
        space = limits.width(" ")
        self.space_widths = [space if char else 0.0 for char in self.spaces]
        self.ends = [0.0]
        """Width from the start of the first unit to the end of each."""
        for text, gap in zip(self.texts, self.space_widths, strict=True):
            self.ends.append(self.ends[-1] + gap + limits.width(text))

    def width(self, i: int, j: int) -> float:
        """Width of units ``i`` to ``j`` (exclusive) on one line."""
        return self.ends[j] - self.ends[i] - self.space_widths[i]

    def layout(self, i: int, j: int, lines: float) -> tuple[float, tuple[int, ...]]:
        """Cost and breaks of the best lines for units ``i`` to ``j``; infinite if none fit."""
        if self.width(i, j) <= self.limits.line_width + EPSILON:
            return 0.0, ()
        if lines >= 2:
            cost, k = self._pair(i, j)
            if k:
                return cost, (k,)
        return self._column(i, j) if lines > 2 else (math.inf, ())

    def _pair(self, i: int, j: int) -> tuple[float, int]:
        """Two lines: a good break near the middle, preferably with the lower line longer."""
        full, ends, gaps = self.limits.line_width, self.ends, self.space_widths
        before = ends[i] + gaps[i]
        best, best_k = math.inf, 0
        for k in range(j - 1, i, -1):
            bottom = ends[j] - ends[k] - gaps[k]
            if bottom > full + EPSILON:
                break
            top = ends[k] - before
            if top > full + EPSILON:
                continue
            lean = (top - bottom) / full
            cost = self.costs[k] * 0.6 + lean * lean * 14 + (lean * 5 if lean > 0 else 0)
            if k - i <= 2 and self.costs[k] > phrases.COMMA and top < 0.75 * bottom:
                cost += _STUB
            if cost < best:
                best, best_k = cost, k
        return best, best_k

    def _column(self, i: int, j: int) -> tuple[float, tuple[int, ...]]:
        """As few lines as possible, however many that is."""
        full = self.limits.line_width
        best: dict[int, tuple[int, float, int]] = {i: (0, 0.0, i)}
        for end in range(i + 1, j + 1):
            options = []
            for k in range(end - 1, i - 1, -1):
                line = self.width(k, end)
                if line > full + EPSILON and k < end - 1:
                    break
                count, cost, _ = best[k]
                slack = 1 - line / full
                broken = self.costs[k] * 0.6 if k > i else 0.0
                options.append((count + 1, cost + broken + slack * slack * 14, k))
            best[end] = min(options)
        breaks: list[int] = []
        k = best[j][2]
        while k > i:
            breaks.append(k)
            k = best[k][2]
        return best[j][1], tuple(reversed(breaks))

    def text(self, i: int, j: int, breaks: Iterable[int]) -> str:
        """The text of units ``i`` to ``j``, with a line break before each unit in ``breaks``."""
        starts = set(breaks)
        out = self.texts[i]
        for k in range(i + 1, j):
            out += ("\n" if k in starts else self.spaces[k]) + self.texts[k]
        return "\n".join(filter(None, (line.strip() for line in out.split("\n"))))


def with_lines(track: Track, profile: Profile | str = DEFAULT) -> Track:
    """The track with the text of each cue broken into lines again, its times unchanged."""
    names = spoken.find_names(track)

    def broken(cue: Cue) -> Cue:
        language = track.language_of(cue)
        return replace(
            cue, text=break_lines(cue.text, language, limits_of(profile, language), names)
        )

    return replace(track, cues=tuple(map(broken, track.cues)))
