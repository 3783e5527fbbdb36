"""Some lines of a translation made once more, for somebody who wants them in other words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path

from dubkit.cues.sentences import Sentence
from dubkit.errors import PluginError
from dubkit.hooks import Progress
from dubkit.types import Track

from . import translation
from .translation import Plan, TranslationJob

WANTED = "somebody wants it in other words"
"""The fault of what is translated once more."""


def translate_again(
    jobs: Sequence[TranslationJob],
    track: Track,
    cues: Set[int],
    earlier: Mapping[int, str],
    journal_path: Path,
    progress: Progress,
) -> dict[int, str]:
    """The texts of the sentences in some cues, translated once more, by index of the cue and each
    on one line; none if nobody speaks there.

    ``earlier`` is what the cues are in the other language, by index, so that an engine that can
    finds other words. The other sentences are what the journal knows of them, and the new ones are
    written to it. Raises PluginError if there is no good answer, and what
    :func:`.translation.translate` does.
    """
    plans = [_again(translation.plan(job, track, journal_path), cues, earlier) for job in jobs]
    made = translation.translate(jobs, track, journal_path, progress, plans=plans)
    if made.failed:
        raise PluginError(f"{made.translator} did not translate it: {made.failed[0].reason}")
    touched = {cue for one in plans for k in one.todo for cue in _cues_of(one.sentences[k])}
    return {cue: made.track.cues[cue].text for cue in sorted(touched)}


def _again(planned: Plan, cues: Set[int], earlier: Mapping[int, str]) -> Plan:
    """A plan of nothing but the sentences in some cues."""
    wanted = {k: one for k, one in enumerate(planned.sentences)
              if k in planned.keys and cues & _cues_of(one)
              and len(one.text) <= translation.LONGEST_LINE}  # fmt: skip
    before = {k: " ".join(earlier.get(cue, "") for cue in sorted(_cues_of(one)))
              for k, one in wanted.items()}  # fmt: skip
    known = {k: text for k, text in planned.known.items() if k not in wanted}
    again = {k: (WANTED, text) for k, text in before.items() if text.strip()}
    return replace(planned, known=known, todo=tuple(wanted), overlong=(), again=again)


def _cues_of(sentence: Sentence) -> set[int]:
    return {piece.cue for piece in sentence.pieces}
