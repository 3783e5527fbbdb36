"""SubRip (SRT)."""

from __future__ import annotations

import re

from dubkit.errors import InputError
from dubkit.types import Cue, Track

from .blocks import parse_timing, write_blocks
from .interface import Contents, WriteOptions
from .markup import clean, embed_rtl, lower_tags


def write(track: Track, options: WriteOptions) -> str:
    # SRT has no escapes, and most readers split at any arrow.
    def text(cue: Cue) -> str:
        return embed_rtl(cue.text.replace("-->", "→"), track.language)

    return write_blocks(track, "srt", text)


def parse(text: str) -> Contents:
    lines = text.split("\n")
    times = {k: time for k, line in enumerate(lines) if (time := parse_timing(line, k + 1))}
    starts = sorted(times)
    for k, line in enumerate(lines[: starts[0] if starts else None]):
        if line.strip() and not _is_number(line):
            raise InputError(
                f"line {k + 1}: a cue's number or time should be here, not {line[:80]!r}"
            )
    # Some files have an empty line after every line.
    double_spaced = bool(starts and starts[0] >= 2 and not lines[starts[0] - 1].strip())
    cues = []
    for k, begin in enumerate(starts):
        body = lines[begin + 1 : starts[k + 1] if k + 1 < len(starts) else None]
        while double_spaced and body and not body[-1].strip():
            body.pop()
        if k + 1 < len(starts) and body and _is_number(body[-1]):
            body.pop()  # the next cue's number
        content = re.sub(r"</?font[^<>]*>|\{\\[^{}]*\}", "", "\n".join(body), flags=re.IGNORECASE)
        cues.append(Cue(*times[begin], clean(lower_tags(content))))
    return None, cues


def _is_number(line: str) -> bool:
    return line.strip().strip("\ufeff").isdigit()
