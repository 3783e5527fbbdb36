"""SubRip (SRT)."""

from __future__ import annotations

import re

from dubkit.types import Cue, Track

from .blocks import mend_times, read_blocks, write_blocks
from .interface import Contents, WriteOptions
from .markup import clean, embed_rtl, lower_tags


def write(track: Track, options: WriteOptions) -> str:
    # SRT has no escapes, and most readers split at any arrow.
    def text(cue: Cue) -> str:
        return embed_rtl(cue.text.replace("-->", "→"), track.language)

    return write_blocks(track, "srt", text)


def parse(text: str) -> Contents:
    blocks = read_blocks(text.split("\n"))
    cues = []
    for block in blocks.found:
        body = re.sub(r"</?font[^<>]*>|\{\\[^{}]*\}", "", "\n".join(block.body), flags=re.I)
        cues.append((block, Cue(0.0, 0.0, clean(lower_tags(body)))))
    return Contents(None, tuple(mend_times(cues, blocks.flaws)), blocks.flaws)
