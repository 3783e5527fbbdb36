"""Translated sentences back to cues: each cue with its part, and with the language of its text."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from dubkit import languages
from dubkit.cues import phrases
from dubkit.cues.profiles import Limits
from dubkit.cues.sentences import Piece, Sentence, divide, restore_marks
from dubkit.cues.text import LOOK_MARK
from dubkit.errors import contained
from dubkit.types import Cue, Track

OTHER_MARK = re.compile("</?[ibu]>")
"""Marks that a translator puts where they belong."""


def assemble(
    track: Track,
    lines: Sequence[Sentence],
    texts: Mapping[int, str],
    target: str,
    limits: Limits,
    follows: Callable[[str], Collection[str]],
    warn: Callable[[Sequence[int], str], object],
) -> Track:
    """The cues of ``track`` with the translations ``texts`` of its sentences, by their indexes in
    ``lines``, each cue on one line.

    A sentence without one stays as it is, and its cues say which language that is, unless it is
    the target. ``limits`` are those of the target, ``follows`` gives what the translator of a
    language supports, ``warn`` gets what goes wrong with a sentence.
    """
    pieces: list[tuple[Piece, str]] = []
    kept: dict[int, str | None] = {}
    for k, sentence in enumerate(lines):
        text = texts.get(k)
        if text is None:
            shown = [f"{piece.lead}{piece.text}{piece.tail}" for piece in sentence.pieces]
        else:
            if "markup" not in follows(sentence.language):
                text = restore_marks(sentence.text, text)
            elif LOOK_MARK.search(sentence.text):
                text = restore_marks(OTHER_MARK.sub("", sentence.text), text)
            shown = [f"{piece.lead}{text}{piece.tail}" for piece in sentence.pieces]
            with contained(functools.partial(warn, [k]), "not divided among its cues"):
                shown = divide(sentence, text, track, target, limits)
        if sentence.has_words:
            left = text is None and not languages.is_in(sentence.language, target)
            for piece in sentence.pieces:
                own = sentence.language if left else None
                kept[piece.cue] = own if kept.get(piece.cue, own) == own else None
        pieces += zip(sentence.pieces, shown, strict=True)
    # A sentence may go on behind a sound that has a place of its own in the list of sentences.
    pieces.sort(key=lambda one: (one[0].cue, one[0].place))
    spaced = phrases.uses_spaces(target)
    parts: dict[int, str] = {}
    for piece, part in pieces:
        joint = piece.joint if piece.joint == "\n" or spaced else ""
        parts[piece.cue] = f"{parts[piece.cue]}{joint}{part}" if piece.cue in parts else part

    def made(k: int, cue: Cue) -> Cue:
        return replace(cue, text=parts.get(k, cue.text), words=(), language=kept.get(k))

    return Track(target, tuple(made(k, cue) for k, cue in enumerate(track.cues)))
