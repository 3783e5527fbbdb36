"""What every format module takes and returns: ``parse(text)`` and ``write(track, options)``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dubkit.types import Cue

from .style import Style

UNKNOWN = "und"
"""The language tag of a file that does not state its language."""

NEWLINE = re.compile("(\r{0,2}\n|\r)")
"""The end of a line; two CRs come from converting a file to DOS line ends twice."""

Contents = tuple[str | None, list[Cue]]
"""The language that a file states, if any, and its cues."""


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """What a writer may need besides the track."""

    title: str | None
    style: Style
    play_res: tuple[int, int]
    """Width and height of the video in pixels."""
    like: str | None
    """The text of a file of the same format, whose styles are kept."""
