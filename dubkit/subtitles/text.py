"""Plain text, for people to read; it is only written."""

from __future__ import annotations

from dubkit.cues.text import unwrap, without_marks
from dubkit.types import Cue, Track

from .interface import WriteOptions
from .markup import clean

PARAGRAPH_PAUSE = 2.0
"""Seconds of silence that begin a paragraph."""


def write(track: Track, options: WriteOptions) -> str:
    """Paragraphs, a new one at each change of speaker and after a long pause."""
    paragraphs: list[list[str]] = []
    before: Cue | None = None
    for cue in track.cues:
        text = unwrap(without_marks(clean(cue.text)), track.language)
        if text:
            pause = cue.start - before.end if before else PARAGRAPH_PAUSE
            if before and before.speaker == cue.speaker and paragraphs and pause < PARAGRAPH_PAUSE:
                paragraphs[-1].append(text)
            else:
                paragraphs.append([f"{cue.speaker}: {text}" if cue.speaker else text])
        before = cue
    flat = [unwrap("\n".join(lines), track.language) for lines in paragraphs]
    return "\n\n".join(flat) + "\n" if flat else ""
