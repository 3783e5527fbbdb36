"""What SRT and WebVTT share: a line with two times, and text below it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from dubkit.errors import InputError
from dubkit.types import Cue, Track

from .timing import timed_cues

# Spaces around the colons are left by machine translation of a whole file.
_SECONDS = r"(?:(\d{1,6})\ ?:\ ?)?(\d{1,2})\ ?:\ ?(\d{1,2})"
_STAMP = rf"{_SECONDS}\ ?[.,]\ ?(\d{{1,3}})"
_SHORT = rf"{_SECONDS}(?:\ ?[.,]\ ?(\d{{1,3}}))?"  # some files have whole seconds alone
_TIMING = re.compile(rf"{_SHORT}\s*--?>\s*{_SHORT}(?:\s.*)?$", re.ASCII)
_NO_ARROW = re.compile(rf"{_STAMP}\s+{_STAMP}\s*$")

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


def parse_timing(line: str, number: int) -> tuple[float, float] | None:
    """Start and end in seconds; None if this is not a timing line. Raises InputError."""
    line = line.strip().strip("\ufeff")  # in the middle if files were concatenated
    match = _TIMING.match(line)
    if match:
        groups = match.groups(default="0")
        return _stamp(groups[:4]), _stamp(groups[4:])
    left, arrow, right = line.partition("-->")
    clock = re.search(r"\d:\d", f"{left[-30:]} {right[:30]}") or re.fullmatch(
        r"-?[\d:.,\s]*\d", left[:30].rstrip()
    )
    if (arrow and clock) or _NO_ARROW.match(line):
        raise InputError(f"line {number}: {line[:80]!r} is not a time")
    return None


def _stamp(groups: Sequence[str]) -> float:
    hours, minutes, seconds = (int(group) for group in groups[:3])
    milliseconds = int(groups[3].ljust(3, "0"))
    return (((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds) / 1000
