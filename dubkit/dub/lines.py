"""The lines of a dub: what is spoken in one go, from the cues of a track.

Sentences are found in :mod:`dubkit.cues.sentences`; lines are spoken in :mod:`.speak`.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable
from dataclasses import dataclass, replace

from dubkit.cues.sentences import sentences
from dubkit.cues.text import without_marks
from dubkit.types import Cue, Track, Voice


@dataclass(frozen=True, slots=True)
class Line:
    """What is spoken in one go."""

    number: int
    """Counted from 1."""
    cues: tuple[int, ...]
    """Numbers of its cues, counted from 1."""
    start: float
    end: float
    """Seconds between which the original is spoken."""
    text: str
    source: str
    """The same in the original's language; empty if there is none."""
    speaker: str | None
    voice: Voice
    before: tuple[str, ...] = ()
    """Earlier texts, if the translator has found shorter ones."""


def split_into_lines(
    track: Track, source: Track, voices: Callable[[str | None], Voice]
) -> list[Line]:
    """The sentences of a track, each a line to speak; ``source`` is the track that it translates.

    ``voices`` gives the voice of a speaker. A text that stays on the screen over several cues is
    spoken once.
    """
    merged: list[Cue] = []
    members: list[list[int]] = []
    for number, cue in enumerate(track.cues, 1):
        last = merged[-1] if merged else None
        if last and last.text == cue.text and cue.start - last.end < 0.5:
            merged[-1] = replace(last, end=cue.end)
            members[-1].append(number)
        else:
            merged.append(cue)
            members.append([number])
    lines: list[Line] = []
    originals = sorted(source.cues, key=_start)
    for sentence in sentences(Track(track.language, tuple(merged))):
        if not sentence.has_words and not any(map(str.isdigit, sentence.text)):
            continue
        numbers = [n for piece in sentence.pieces for n in members[piece.cue]]
        start, end = sentence.start, sentence.end
        first = bisect.bisect_left(originals, start - 0.01, key=_start)
        original = originals[first : bisect.bisect_left(originals, end, key=_start)]
        word_ends = [cue.words[-1].end for cue in original if cue.words]
        lines.append(
            Line(
                len(lines) + 1,
                tuple(dict.fromkeys(numbers)),
                start,
                max(word_ends[-1] if word_ends else end, start + 0.1),
                " ".join(without_marks(sentence.text).split()),
                " ".join(" ".join(without_marks(cue.text).split()) for cue in original),
                sentence.speaker,
                voices(sentence.speaker),
            )
        )
    return lines


def _start(cue: Cue) -> float:
    return cue.start
