"""The lines of a dub: what is spoken in one go, from the cues of a track.

Sentences are found in :mod:`dubkit.cues.sentences`; lines are spoken in :mod:`.speak`.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from dubkit.cues.sentences import Sentence, sentences
from dubkit.cues.spoken import Utterance, utterances
from dubkit.cues.text import without_marks
from dubkit.speech import pauses
from dubkit.types import Cue, Track, Voice

NEAR = 0.01
"""Seconds within which a cue and its translation begin."""


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
    phrases: tuple[tuple[float, float], ...] = ()
    """Seconds between which the original is spoken without a pause; empty if that is unknown."""
    overlap: bool = False
    """Whether somebody else speaks, too, during a part of the original."""
    language: str = ""
    """The original's."""
    original: bool = False
    """Whether it is left to the original voice, see :mod:`dubkit.cues.foreign`."""


def split_into_lines(
    track: Track,
    source: Track,
    voices: Callable[[str | None], Voice],
    left: Collection[int] = (),
) -> list[Line]:
    """The sentences of a track, each a line to speak; ``source`` is the track that it translates.

    ``voices`` gives the voice of a speaker, ``left`` are numbers of cues that are left to the
    original voice. A text that stays on the screen over several cues is spoken once; sounds, songs
    and labels are not spoken.
    """
    merged: list[Cue] = []
    members: list[list[Utterance]] = []
    spoken = list(utterances(track))
    for one in spoken:
        last = merged[-1] if merged else None
        same = last and (members[-1][0].number in left) == (one.number in left)
        if last and same and last.text == one.cue.text and one.cue.start - last.end < 0.5:
            merged[-1] = replace(last, end=one.cue.end)
            members[-1].append(one)
        else:
            merged.append(one.cue)
            members.append([one])
    lines: list[Line] = []
    originals = _Originals(source)
    last_places = {one.number: one.place for one in spoken}
    for own, sentence in _sentences(track, merged, members, left):
        if not sentence.has_words and not any(map(str.isdigit, sentence.text)):
            continue
        first, final = own[0], own[-1]
        original = originals.between(
            (track.cues[first.number - 1].start, first.place),
            track.cues[final.number - 1],
            final.place if last_places[final.number] > final.place else None,
        )
        word_ends = [one.words[-1].end for one in original if one.words]
        words = [(word.start, word.end) for one in original for word in one.words]
        lines.append(
            Line(
                len(lines) + 1,
                tuple(dict.fromkeys(one.number for one in own)),
                sentence.start,
                max(word_ends[-1] if word_ends else sentence.end, sentence.start + 0.1),
                " ".join(without_marks(sentence.text).split()),
                " ".join(" ".join(without_marks(one.text).split()) for one in original),
                sentence.speaker,
                voices(sentence.speaker),
                phrases=pauses.joined(words) if all(one.words for one in original) else (),
                overlap=any(one.overlap for one in original),
                language=source.language_of(original[0]) if original else source.language,
                original=first.number in left,
            )
        )
    return lines


def _sentences(
    track: Track,
    cues: Sequence[Cue],
    members: Sequence[Sequence[Utterance]],
    left: Collection[int],
) -> Iterator[tuple[list[Utterance], Sentence]]:
    """The sentences with what is in each. None has both what is left to the original voice, and
    what is not."""
    for _, run in itertools.groupby(range(len(cues)), lambda k: members[k][0].number in left):
        indexes = list(run)
        for sentence in sentences(replace(track, cues=tuple(cues[k] for k in indexes))):
            pieces = [members[indexes[piece.cue]] for piece in sentence.pieces]
            yield [one for piece in pieces for one in piece], sentence


class _Originals:
    """What is spoken in the original, to look up what a line translates."""

    def __init__(self, source: Track) -> None:
        found = [(source.cues[one.number - 1].start, one) for one in utterances(source)]
        self._found = sorted(found, key=lambda pair: pair[0])
        self._starts = [start for start, _ in self._found]

    def between(self, first: tuple[float, int], last: Cue, place: int | None) -> list[Cue]:
        """What begins from ``first``, the start of a cue and the place of an utterance in it, to
        the end of the cue ``last``, or to the utterance at ``place`` in it."""
        start, least = first
        low = bisect.bisect_left(self._starts, start - NEAR)
        high = bisect.bisect_left(self._starts, last.end)
        return [
            one.cue
            for at, one in self._found[low:high]
            if (at >= start + NEAR or one.place >= least)
            and (place is None or at < last.start - NEAR or one.place <= place)
        ]
