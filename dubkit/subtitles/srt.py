"""SubRip (SRT)."""

from __future__ import annotations

import re

from dubkit.types import Cue, Track

from . import layout
from .blocks import mend_times, read_blocks, write_blocks
from .colors import from_fonts, to_fonts
from .interface import Contents, WriteOptions
from .markup import clean, embed_rtl, lower_tags


def write(track: Track, options: WriteOptions) -> str:
    # SRT has no escapes, and most readers split at any arrow. Players read the override of ASS.
    def text(cue: Cue) -> str:
        marked = to_fonts(cue.text.replace("-->", "→"))
        body = embed_rtl(marked, track.language_of(cue))
        return layout.to_override(cue.layout) + body

    return write_blocks(track, "srt", text)


def parse(text: str) -> Contents:
    blocks = read_blocks(text.split("\n"))
    cues = []
    for block in blocks.found:
        raw = "\n".join(block.body)
        body = re.sub(r"\{\\[^{}]*\}", "", from_fonts(raw))
        place = layout.from_overrides(raw)
        cues.append((block, Cue(0.0, 0.0, clean(lower_tags(body)), layout=place)))
    return Contents(None, tuple(mend_times(cues, blocks.flaws)), blocks.flaws)
