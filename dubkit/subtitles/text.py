"""Plain text, for people to read; it is only written."""

from __future__ import annotations

from dubkit.cues.text import unwrap, without_marks
from dubkit.types import Track

from .interface import WriteOptions
from .markup import clean

PARAGRAPH_PAUSE = 2.0
"""Seconds of silence that begin a paragraph."""


def write(track: Track, options: WriteOptions) -> str:
    """Paragraphs, a new one at each change of speaker and after a long pause."""
    paragraphs: list[str] = []
    for k, cue in enumerate(track.cues):
        text = unwrap(without_marks(clean(cue.text)), track.language)
        before = track.cues[k - 1] if k else None
        if not text:
            continue
        if (
            before
            and paragraphs
            and before.speaker == cue.speaker
            and cue.start - before.end < PARAGRAPH_PAUSE
        ):
            paragraphs[-1] = unwrap(paragraphs[-1] + "\n" + text, track.language)
        else:
            paragraphs.append(f"{cue.speaker}: {text}" if cue.speaker else text)
    return "\n\n".join([*paragraphs, ""]).rstrip("\n") + "\n" if paragraphs else ""
