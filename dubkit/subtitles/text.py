"""Plain text, for people to read; it is only written."""

from __future__ import annotations

from dubkit.cues import spoken
from dubkit.cues.text import unwrap, without_marks
from dubkit.types import Cue, Track

from .interface import WriteOptions
from .markup import clean

PARAGRAPH_PAUSE = 2.0
"""Seconds of silence that begin a paragraph."""


def write(track: Track, options: WriteOptions) -> str:
    """Paragraphs, a new one at each change of speaker or language and after a long pause."""
    names = spoken.find_names(track)
    paragraphs: list[tuple[str, list[str]]] = []
    before: Cue | None = None
    for cue in track.cues:
        language = track.language_of(cue)
        text = unwrap(without_marks(clean(cue.text)), language)
        label = spoken.leading_label(text, names)
        if text:
            pause = cue.start - before.end if before else PARAGRAPH_PAUSE
            goes_on = before and (before.speaker, before.language) == (cue.speaker, cue.language)
            if goes_on and paragraphs and pause < PARAGRAPH_PAUSE:
                paragraphs[-1][1].append(text[len(label) :])
            else:
                named = cue.speaker and not label
                paragraphs.append((language, [f"{cue.speaker}: {text}" if named else text]))
        before = cue
    flat = [unwrap("\n".join(lines), language) for language, lines in paragraphs]
    return "\n\n".join(flat) + "\n" if flat else ""
