"""Calls an aligner and validates what it returns; the aligners themselves are plugins."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from dubkit.engines import guarded
from dubkit.engines.choose import can_align
from dubkit.hooks import Aligner, Passage, Progress
from dubkit.types import Cue, Track, Word

LONGEST_PASSAGE = 20.0
"""Seconds of a passage ..."""
MARGIN = 0.3
"""... and of what is around its words."""


def align_words(
    aligners: Iterable[tuple[str, Aligner]], audio: Path, track: Track, progress: Progress
) -> tuple[Track, int]:
    """The track with the times that aligners, each with its name, find for its words in ``audio``:
    each gets the passages that those before it could not align. And how many words none could,
    which keep their times.

    Raises PluginError when one fails or returns what is not its words.
    """
    passages = list(passages_of(track))
    found: dict[int, Sequence[Word]] = {}
    for name, aligner in aligners:
        left = [k for k in range(len(passages)) if k not in found]
        if not left:
            break
        for language in sorted({passages[k][1] for k in left}):
            own = [k for k in left if passages[k][1] == language]
            main = language == track.language
            with guarded(f"aligner {name} failed", "--aligner names another"):
                if not main and not can_align(aligner, language):
                    continue
                words = aligner.align(
                    audio,
                    [passages[k][0] for k in own],
                    language=language,
                    progress=progress if main else lambda *_: None,
                )
                if len(words) != len(own):
                    raise ValueError(f"it returned {len(words)} passages for {len(own)}")
                pieces = [
                    _validate(passages[k][0], part) for k, part in zip(own, words, strict=True)
                ]
            found |= {k: piece for k, piece in zip(own, pieces, strict=True) if piece}
    given: list[Word | None] = []
    for k, (one, _) in enumerate(passages):
        given += found.get(k) or [None] * len(one.words)
    return replace(track, cues=tuple(_with_times(track, iter(given)))), given.count(None)


def passages_of(track: Track) -> Iterator[tuple[Passage, str]]:
    """The words of a track in passages of at most :data:`LONGEST_PASSAGE`, cut where it pauses
    longest, each with its language."""
    words = track.words
    spoken = [cue.language or track.language for cue in track.cues for _ in cue.words]
    edges = [k for k in range(1, len(words)) if spoken[k] != spoken[k - 1]]
    pending = [range(*pair) for pair in itertools.pairwise([0, *edges, len(words)])][::-1]
    pending = pending if words else []
    while pending:
        part = pending.pop()
        if words[part[-1]].end - words[part[0]].start > LONGEST_PASSAGE and len(part) > 1:
            # Not near the ends, so that no passage is a word or two.
            edge = len(part) // 4
            middle = range(part.start + max(1, edge), max(part.stop - edge, part.start + 2))
            cut = max(middle, key=lambda k: words[k].start - words[k - 1].end)
            pending += [range(cut, part.stop), range(part.start, cut)]
            continue
        before = words[part[0] - 1].end if part[0] else 0.0
        after = words[part[-1] + 1].start if part[-1] + 1 < len(words) else math.inf
        first, last = words[part[0]].start, words[part[-1]].end
        start = max(0.0, first - MARGIN, min((before + first) / 2, first))
        end = min(last + MARGIN, max((after + last) / 2, last))
        yield Passage(start, end, tuple(words[k].text for k in part)), spoken[part[0]]


def _validate(passage: Passage, words: Sequence[Word]) -> list[Word]:
    """The words of a passage within its times and in order. Raises ValueError for others."""
    if not words:
        return []
    if [word.text for word in words] != list(passage.words):
        raise ValueError(f"it returned other words than {''.join(passage.words).strip()!r}")
    last = passage.start
    kept = []
    for word in words:
        if not (math.isfinite(word.start) and math.isfinite(word.end)):
            raise ValueError(f"{word.text!r} has no time")
        start = min(max(word.start, last), passage.end)
        last = min(max(word.end, start), passage.end)
        sure = word.probability is not None and 0 <= word.probability <= 1
        probability = round(float(word.probability or 0), 3) if sure else None
        kept.append(Word(round(start, 3), round(last, 3), word.text, probability))
    return kept


def _with_times(track: Track, given: Iterator[Word | None]) -> Iterator[Cue]:
    """The cues with the words that are given for theirs."""
    latest = 0.0
    for cue in track.cues:
        words = []
        for word, other in zip(cue.words, itertools.islice(given, len(cue.words)), strict=True):
            one = other or word
            start = max(one.start, latest)
            latest = max(one.end, start)
            words.append(replace(one, start=start, end=latest))
        yield (
            replace(cue, start=words[0].start, end=words[-1].end, words=tuple(words))
            if words
            else cue
        )
