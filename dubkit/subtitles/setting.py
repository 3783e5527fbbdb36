"""What a reader returns, and what a writer is told besides the track."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dubkit.types import Cue

from .style import Style

UNKNOWN = "und"
"""The language tag of a file that does not tell its language."""

NEWLINE = re.compile("(\r{0,2}\n|\r)")
"""The end of a line; two CRs are what a file gets that was made into a DOS file twice."""

Parsed = tuple[str | None, list[Cue]]
"""The language that a file tells, and its cues."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a writer may want besides the track."""

    title: str | None
    style: Style
    play_res: tuple[int, int]
    like: str | None
    """The text of a file of the same format, whose looks are kept."""
