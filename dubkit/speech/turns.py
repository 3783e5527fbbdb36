"""Speech that is still going on: where its turns begin and end, and which words are sure already.

What finds speech and what recognizes it are engines; nothing here knows of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dubkit.types import Word

SHORTEST = 0.5
"""Of the longest turn: where one must be cut, it is at the last pause after this part of it."""
REPEATED = 5
"""Words that a second look may give once more, since the time of a word is not exact."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a turn is. Seconds."""

    before: float = 0.5
    """Kept before its speech: engines find soft consonants late."""
    pause: float = 0.5
    """Of silence that ends it, and is kept after it."""
    longest: float = 23.0
    """Without such a silence it is cut at a shorter one, and without any just so. Whisper takes so
    much speech, with what it is given before and after it, in one look on a CPU."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of sound in which somebody speaks. Seconds."""

    start: float
    end: float | None
    """None while it goes on."""


def first_turn(
    speech: Sequence[tuple[float, float]],
    since: float,
    until: float,
    rules: Rules,
    *,
    begun: bool = False,
) -> Turn | None:
    """The first turn between two times, ``until`` being all that is known so far.

    ``speech`` are the stretches of speech, in order. A turn that has ``begun`` starts at ``since``,
    also if its speech turns out to be none.
    """
    found = [(max(start, since), end) for start, end in speech if end > since]
    if not begun and not found:
        return None
    start = since if begun else max(since, found[0][0] - rules.before)
    last = start + rules.before
    """Where speech has ended so far."""
    for begin, end in found:
        if begin - last >= rules.pause:
            break
        if end - start > rules.longest:
            if last - start >= rules.longest * SHORTEST:
                return Turn(start, (last + begin) / 2)
            return Turn(start, start + rules.longest)
        last = max(last, end)
    ended = until - last >= rules.pause
    return Turn(start, last + rules.pause if ended else None)


@dataclass(frozen=True, slots=True)
class Draft:
    """The words of a turn that goes on, as two looks in a row agree on them (local agreement:
    Liu et al. 2020, arXiv 2005.11185; of Whisper: Macháček et al. 2023, arXiv 2307.14743)."""

    sure: tuple[Word, ...] = ()
    """Those that do not change any more."""
    unsure: tuple[Word, ...] = ()
    """What the last look has after them."""

    @property
    def until(self) -> float:
        """Seconds up to which the words are sure; 0 if none are."""
        return self.sure[-1].end if self.sure else 0.0

    def looked(self, words: Sequence[Word]) -> Draft:
        """The draft after another look, whose words may begin anywhere before the unsure ones."""
        fresh = [one for one in words if (one.start + one.end) / 2 > self.until]
        for count in range(min(REPEATED, len(fresh), len(self.sure)), 0, -1):
            if _same(self.sure[-count:], fresh[:count]) == count:
                fresh = fresh[count:]
                break
        agreed = _same(self.unsure, fresh)
        return Draft((*self.sure, *fresh[:agreed]), tuple(fresh[agreed:]))


def text_of(words: Sequence[Word]) -> str:
    """The text of words, which have their leading spaces."""
    return "".join(one.text for one in words)


def _same(some: Sequence[Word], others: Sequence[Word]) -> int:
    """How many words are the same, from the first on, but for case and punctuation."""
    count = 0
    for one, other in zip(some, others, strict=False):
        if _bare(one.text) != _bare(other.text):
            break
        count += 1
    return count


def _bare(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum()) or text.strip()
