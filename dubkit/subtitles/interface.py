"""What every format module takes and returns: ``parse(text)`` and ``write(track, options)``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dubkit.types import Cue

from .style import Style

UNKNOWN = "und"
"""The language tag of a file that does not state its language."""

NEWLINE = re.compile("(\r{0,2}\n|\r)")
"""The end of a line; two CRs come from converting a file to DOS line ends twice."""

SHOWN = 3
"""Lines that a warning lists, and texts that are quoted one by one."""


class Flaw(NamedTuple):
    """Something in a file that is not as its format has it, and was read as well as possible."""

    line: int
    """Counted from 1."""
    what: str
    """What is wrong and what was made of it, a sentence without its full stop."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file contains."""

    language: str | None
    """The language that it states, if any."""
    cues: Sequence[Cue]
    flaws: Sequence[Flaw] = ()


def describe_flaws(flaws: Sequence[Flaw]) -> Iterator[str]:
    """A warning for each kind of flaw, with the lines where it is."""
    kinds: dict[str, list[int]] = {}
    for flaw in sorted(flaws):
        kinds.setdefault(flaw.what, []).append(flaw.line)
    single = [f"line {lines[0]}: {what}" for what, lines in kinds.items() if len(lines) == 1]
    yield from single[: 3 * SHOWN]
    if len(single) > 3 * SHOWN:
        yield f"the same is true of {len(single) - 3 * SHOWN} more lines, as --strict shows"
    for what, lines in kinds.items():
        if len(lines) > 1:
            listed = ", ".join(map(str, lines[:SHOWN]))
            more = f" and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
            yield f"lines {listed}{more}: {what}"


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """What a writer may need besides the track."""

    title: str | None
    style: Style
    play_res: tuple[int, int]
    """Width and height of the video in pixels."""
    like: str | None
    """The text of a file of the same format, whose styles are kept."""
