"""Which lines of a film in several languages a viewer needs, and which of them a dub speaks.

The rules, each with its reason; T is the language that somebody translates or dubs a film to:

- A *translation* to T shows all that is spoken: a deaf viewer reads every line. What is spoken in T
  is shown as it is.
- A *dub* to T speaks what has a translation to T, and leaves to the original voice what is spoken
  in T already, since nobody can say it better (``--dub-all`` speaks it, too, so that a speaker has
  one voice throughout). A line without a translation is left, too: a voice of T would mangle it.
- The *forced* track is for viewers who hear and speak T. With the film as it is, if that is mainly
  in T, they need the lines that are spoken in another language. With its dub to T, they need what
  the dub leaves in another language: songs, and lines that no engine could speak. A text that is
  not in T is not among them, as they cannot read it, nor is the name of a sound, as they hear it.
- Of a film that is mainly in another language they need all, so there is no forced track.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Collection
from dataclasses import replace

from dubkit.languages import is_in
from dubkit.types import Cue, Track

from . import spoken

SAME = 0.01
"""Seconds within which a cue and its translation begin."""


def languages_spoken(shown: Track, source: Track) -> list[str]:
    """For each cue of a translation, the language that is spoken while it is shown: that of the cue
    of ``source`` that is there for most of its time."""
    if len(shown.cues) == len(source.cues) and all(
        abs(one.start - other.start) < SAME
        for one, other in zip(shown.cues, source.cues, strict=True)
    ):
        return [source.language_of(cue) for cue in source.cues]
    cues = sorted(source.cues, key=lambda cue: cue.start)
    starts = [cue.start for cue in cues]
    ends = list(itertools.accumulate((cue.end for cue in cues), max))

    def spoken_in(cue: Cue) -> str:
        near = cues[bisect.bisect_right(ends, cue.start) : bisect.bisect_left(starts, cue.end)]
        there = max(near, key=cue.seconds_with, default=None)
        return source.language_of(there) if there else source.language

    return list(map(spoken_in, shown.cues))


def left_to_original(track: Track, source: Track | None, *, dub_all: bool = False) -> set[int]:
    """The numbers, from 1, of the cues of ``track`` that its dub leaves to the original voice.

    ``source`` is what it translates; None if it is the text itself that is spoken.
    """
    target = track.language
    found = {k for k, cue in enumerate(track.cues, 1) if not is_in(track.language_of(cue), target)}
    if source and not dub_all:
        spoken_there = languages_spoken(track, source)
        found |= {k for k, language in enumerate(spoken_there, 1) if is_in(language, target)}
    return found


def forced_track(
    track: Track, source: Track, shown: Track, dubbed: Collection[int] | None = None
) -> Track | None:
    """Of ``shown``, ``track`` as it is written, what viewers need who hear and speak its language;
    None if there is nothing that they need, or they need all of it.

    They watch the film as it is, whose text is ``source``; or, with ``dubbed``, its dub, which
    speaks the cues of these numbers.
    """
    target = track.language
    if dubbed is None and not is_in(source.language, target):
        return None
    words, _ = spoken.without_sounds(track)
    kept = set(map(id, words.cues))
    needed = [
        not is_in(language, target)
        and is_in(track.language_of(cue), target)
        and id(cue) in kept
        and number not in (dubbed or ())
        for number, (cue, language) in enumerate(
            zip(track.cues, languages_spoken(track, source), strict=True), 1
        )
    ]
    if not any(needed) or (dubbed is None and all(needed)):
        return None
    cues = tuple(cue for cue, own in zip(shown.cues, needed, strict=True) if own and cue.text)
    return replace(shown, cues=cues) if cues else None
