"""Cues whose words change color as they are spoken: ASS overrides from the words' times."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import accumulate, count, pairwise

from dubkit.cues.text import without_marks
from dubkit.types import Cue, Word

from .ass_events import escape, to_override
from .markup import map_parts
from .style import Style

HOLD = 500
"""Milliseconds of silence for which a word stays highlighted, so that nothing flickers."""

_Span = tuple[int, int]
"""When something is spoken: milliseconds from the beginning of the event."""


def karaoke(cue: Cue, text: str, start: int, end: int, style: Style) -> str:
    """``text``, that of ``cue`` with its marks, as the text of an event from ``start`` to ``end``
    (milliseconds) whose words change color as they are spoken.

    Where it differs from the cue's words, as after an edit, the letters share their time; a cue
    without words, as in a translation, is taken for one word.
    """
    words = [word for word in cue.words if _letters(word.text)]
    words = words or [Word(cue.start, cue.end, without_marks(text))]
    firsts = _first_letters(without_marks(text))
    letters, spoken = _letters(without_marks(text)), [_letters(word.text) for word in words]
    if letters == "".join(spoken):  # in languages without spaces, words are those recognized
        firsts |= set(list(accumulate(map(len, spoken)))[:-1])
    times = _letter_times(words, len(letters), start, end)
    bounds = [*sorted(firsts), len(letters)]
    spans = [(times[a][0], times[b - 1][1]) for a, b in pairwise(bounds)]
    write = _fill if style.words == "fill" else _highlight
    overrides = dict(zip(bounds, write(spans, style), strict=False))
    index = count()

    def on_text(stretch: str) -> str:
        return "".join(
            (overrides.get(next(index), "") if _is_letter(char) else "") + escape(char)
            for char in stretch
        )

    return map_parts(text, on_text, to_override)


def _is_letter(char: str) -> bool:
    """Whether it is neither a space nor a joiner or a direction, which nobody sees."""
    return not char.isspace() and unicodedata.category(char) != "Cf"


def _letters(text: str) -> str:
    return "".join(filter(_is_letter, text))


def _first_letters(text: str) -> set[int]:
    """The first letter of each word that spaces divide, counted in letters."""
    firsts, letters, within = set(), 0, False
    for char in text:
        if _is_letter(char):
            if not within:
                firsts.add(letters)
            letters, within = letters + 1, True
        elif char.isspace():
            within = False
    return firsts


def _letter_times(words: Sequence[Word], letters: int, start: int, end: int) -> list[_Span]:
    """When each of ``letters`` is spoken: those of a word share its time evenly."""
    spoken: list[tuple[float, float]] = []
    for word in words:
        size = len(_letters(word.text))
        step = (word.end - word.start) / max(size, 1)
        spoken += [(word.start + i * step, word.start + (i + 1) * step) for i in range(size)]

    def within(seconds: float) -> int:
        return min(max(round(seconds * 1000) - start, 0), end - start)

    picked = (spoken[i * len(spoken) // letters] for i in range(letters))
    return [(within(first), within(last)) for first, last in picked]


def _fill(spans: Sequence[_Span], style: Style) -> list[str]:
    """Each word fills with the color while it is spoken: ``\\kf``, in hundredths of a second."""
    written, at = [], 0
    for first, last in spans:
        first, last = max(first // 10, at), max(last // 10, at)
        pause = f"\\k{first - at}" if first > at else ""
        written.append(f"{{{pause}\\kf{last - first}}}")
        at = last
    return written


def _highlight(spans: Sequence[_Span], style: Style) -> list[str]:
    """Each word has the color while it is spoken, and through a short silence after it."""
    usual, spoken = to_override(f"<c.{style.color}>"), to_override(f"<c.{style.word_color}>")
    followings = [*(first for first, _ in spans[1:]), *(last for _, last in spans[-1:])]
    written = []
    for (first, last), following in zip(spans, followings, strict=True):
        off = following if following - last < HOLD else last
        changes = ((first, spoken), (off, usual))
        moves = "".join(f"\\t({at},{at + 1},{color[1:-1]})" for at, color in changes)
        written.append(f"{{{usual[1:-1]}{moves}}}")
    return written
