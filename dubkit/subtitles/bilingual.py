"""Two languages in one cue."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate

from dubkit.types import Cue, Track


def combine(original: Track, translation: Track, order: str) -> Track:
    """The translation's cues with the original's text in each, in the given order (see
    :data:`dubkit.options.BILINGUAL`).

    A person may have removed, joined or split cues of the translation: then each gets the text that
    is spoken in its time. Untranslated text is not shown twice.
    """
    cues = []
    for text, cue in zip(_texts(original, translation), translation.cues, strict=True):
        texts = [cue.text, text] if order == "translation-first" else [text, cue.text]
        flat = [" ".join(one.split()) for one in texts]
        shown = texts[:1] if flat[0] == flat[1] else filter(None, texts)
        cues.append(replace(cue, text="\n".join(shown)))
    return replace(translation, cues=tuple(cues))


def _texts(original: Track, translation: Track) -> Iterator[str]:
    """The original's text for each cue of the translation."""
    pairs = list(zip(original.cues, translation.cues, strict=False))
    lengths = len(original.cues), len(translation.cues)
    if lengths[0] == lengths[1] and all(_overlap(*pair) for pair in pairs):
        yield from (cue.text for cue in original.cues)
        return
    cues = sorted(original.cues, key=lambda cue: cue.start)
    starts = [cue.start for cue in cues]
    ends = list(accumulate((cue.end for cue in cues), max))
    for cue in translation.cues:
        near = cues[bisect_left(ends, cue.start) : bisect_left(starts, cue.end)]
        yield "\n".join(other.text for other in near if _overlap(other, cue))


def _overlap(one: Cue, other: Cue) -> bool:
    """Whether two cues are shown at the same time, for at least half of the shorter one."""
    return one.seconds_with(other) >= max(
        0.0, min(one.end - one.start, other.end - other.start) / 2
    )
