"""What SRT and WebVTT share: a line with two times, and text below it.

What can be read of a file is read, however it was damaged; what is not as it should be is listed
with its line. A line with times begins a cue wherever it is, so that nothing before it can hide it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from dubkit.cues.text import width, without_marks
from dubkit.types import Cue, Track

from .interface import Flaw
from .stamps import Timing, parse_timing
from .timing import Stated, mended, timed_cues

TEXT_AFTER_BLANK = "there is text after an empty line, which was taken as the cue's"
STRAY_NUMBER = "there is a number where a cue should be, so it is left out"

# pysubs2 interprets "\N", "{" and "}" in any text as ASS does. Noncharacters, which clean() removes
# from all text, stand for them on the way through.
_SHIELD = {ord("\\"): "\ufdd0", ord("{"): "\ufdd1", ord("}"): "\ufdd2"}
_UNSHIELD = {ord(stand_in): chr(char) for char, stand_in in _SHIELD.items()}


def write_blocks(track: Track, format: str, text: Callable[[Cue], str]) -> str:
    """The file that pysubs2 writes, with ``text(cue)`` for each cue."""
    import pysubs2  # 70 ms

    subs = pysubs2.SSAFile()
    for start, end, cue in timed_cues(track):
        shielded = text(cue).translate(_SHIELD)
        subs.append(pysubs2.SSAEvent(start=start, end=end, text=shielded))
    return subs.to_string(format, keep_ssa_tags=True).translate(_UNSHIELD)


@dataclass
class Block:
    """One cue as it is in a file."""

    line: int
    """Of its times, counted from 1."""
    timing: Timing
    body: list[str] = field(default_factory=list)
    """The lines of its text; the empty ones among them were found to be part of it."""


@dataclass
class Blocks:
    """The cues of a file, and what is wrong with them."""

    found: list[Block] = field(default_factory=list)
    flaws: list[Flaw] = field(default_factory=list)


def read_blocks(
    lines: Sequence[str], asides: Collection[int] = (), *, named: bool = False
) -> Blocks:
    """Divide a file into its cues.

    ``asides`` are the indexes of lines that are no part of a cue and end the one before. ``named``:
    any line above the times may be the cue's name, if there is none above it; otherwise only a
    number is one.
    """
    timings = read_timings(lines, asides)
    blocks = Blocks()
    spacing = _Spacing.of(lines, list(timings), named)
    head = list(range(next(iter(timings), len(lines))))
    number = spacing.drop_name(head, None) if timings else None
    for k in head:
        line = lines[k].strip("\ufeff \t")
        if line and k not in asides and (timings or _number(line) is None):
            what = f"a cue's number or time should be here, not {line[:80]!r}"
            blocks.flaws.append(Flaw(k + 1, f"{what}, which is left out" if timings else what))
    for at, following in itertools.pairwise([*timings, len(lines)]):
        body, own, number = list(range(at + 1, following)), number, None
        if following < len(lines):
            number = spacing.drop_name(body, own)
        spacing.drop_blank(body)
        while spacing.has_stray_number(body, own, number):
            blocks.flaws.append(Flaw(body.pop() + 1, STRAY_NUMBER))
            spacing.drop_blank(body)
        if place := spacing.find_timeless(body, own, number):
            quoted = " ".join(" ".join(lines[k] for k in body[place + 1 :]).split())[:80]
            what = f"the cue has no times, so it is left out: {quoted!r}"
            blocks.flaws.append(Flaw(body[place] + 1, what))
            body = body[:place]
            spacing.drop_blank(body)
        ended = next((k for k in body if k in asides), following)
        for k in body:
            if k > ended and k not in asides and lines[k].strip():
                what = f"{lines[k].strip()[:80]!r} belongs to no cue, so it is left out"
                blocks.flaws.append(Flaw(k + 1, what))
        body = [k for k in body if k < ended]
        spacing.drop_blank(body)
        timing, text = timings[at], [lines[k] for k in body]
        if not spacing.double_spaced and "" in text:
            blank = max(k for k in body if not lines[k])
            blocks.flaws.append(Flaw(blank + 2, TEXT_AFTER_BLANK))
        if timing.text:
            text.insert(0, timing.text)
        if timing.start is None and timing.end is None:
            quoted = " ".join(" ".join(text).split())[:80]
            lost = f"its text is left out: {quoted!r}" if quoted else "it is left out"
            what = f"{lines[at].strip()[:80]!r} is not a time, so {lost}"
            blocks.flaws.append(Flaw(at + 1, what))
        else:
            blocks.flaws += [Flaw(at + 1, what) for what in timing.flaws]
            blocks.found.append(Block(at + 1, timing, text))
    return blocks


def read_timings(lines: Sequence[str], asides: Collection[int] = ()) -> dict[int, Timing]:
    """The lines with times by their indexes, but for the ``asides``."""
    timings: dict[int, Timing] = {}
    for k, line in enumerate(lines):
        if k not in asides:
            below = k > 0 and _number(lines[k - 1]) is not None
            if timing := parse_timing(line, is_numbered=below):
                timings[k] = timing
    return timings


@dataclass(frozen=True)
class _Spacing:
    """How a file separates its cues, which tells a number that is text from one that is not."""

    lines: Sequence[str]
    numbered: bool
    named: bool
    double_spaced: bool
    """Whether there is an empty line after every line."""

    @staticmethod
    def of(lines: Sequence[str], timings: Sequence[int], named: bool) -> _Spacing:
        filled = [k for k, line in enumerate(lines) if line.strip()]
        above = dict(zip(filled[1:], filled, strict=False))
        spaced = not named and all(b - a > 1 for a, b in itertools.pairwise(filled))
        near = [above[k] for k in timings if k in above and (spaced or above[k] == k - 1)]
        numbers = sum(_number(lines[k]) is not None for k in near)
        return _Spacing(lines, numbers * 2 > len(timings), named, spaced)

    def drop_blank(self, body: list[int]) -> None:
        while body and not self.lines[body[-1]].strip():
            body.pop()

    def drop_name(self, body: list[int], own: int | None) -> int | None:
        """Take the next cue's number or name from the end of the lines before its times; returns
        the number. ``own`` is the number of the cue before."""
        touches = bool(body and self.lines[body[-1]].strip())
        self.drop_blank(body)
        if not body:
            return None
        number = _number(self.lines[body[-1]])
        begins = len(body) == 1 or not self.lines[body[-2]].strip()
        follows = begins and (own is None or own <= (number or 0) <= own + 2)
        if number is not None and self.numbered:
            if touches or self.double_spaced or follows:
                body.pop()
                return number
        elif self.named and touches and begins and (body[-1] == 0 or len(body) > 1):
            body.pop()
        return None

    def find_timeless(self, body: list[int], own: int | None, following: int | None) -> int:
        """The place in ``body`` of the number of a cue that has no times; 0 if there is none."""
        if not self.numbered or self.double_spaced or own is None:
            return 0
        latest = own + 2 if following is None else following
        for place in range(1, len(body) - 1):
            above, line = self.lines[body[place] - 1], self.lines[body[place]]
            number = None if above.strip() else _number(line)
            if number is not None and own < number < latest and self.lines[body[place] + 1].strip():
                return place
        return 0

    def has_stray_number(self, body: list[int], own: int | None, following: int | None) -> bool:
        """Whether the last line of a cue is a number that has lost its cue."""
        if len(body) < 2 or not self.numbered or self.double_spaced or own is None:
            return False
        number = _number(self.lines[body[-1]])
        latest = own + 1 if following is None else following
        # Right below text it may be part of it.
        return number is not None and not self.lines[body[-2]].strip() and own <= number <= latest


def mend_times(cues: Sequence[tuple[Block, Cue]], flaws: list[Flaw]) -> Iterator[Cue]:
    """The cues with times that a player can show them at. Their own are those of their blocks, of
    which one may be missing; what had to be changed is added to ``flaws``."""
    stated = [
        Stated(block.line, block.timing.start, block.timing.end, width(without_marks(cue.text)))
        for block, cue in cues
    ]
    for (_, cue), shown in zip(cues, mended(stated, flaws), strict=True):
        if shown:
            yield replace(cue, start=shown[0], end=shown[1])


def _number(line: str) -> int | None:
    """The number of a cue; None if the line is none."""
    text = line.strip().strip("\ufeff\u200e\u200f\u202a\u202b\u202c").rstrip(".:").strip()
    return int(text) if text.isdecimal() and len(text) <= 9 else None
