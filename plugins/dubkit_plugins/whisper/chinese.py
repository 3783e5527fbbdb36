"""Chinese in one script: Whisper writes some windows in simplified characters, others in
traditional ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

import langcodes

from dubkit import Cue, in_script

SCRIPTS = ("Hans", "Hant")
"""By ISO 15924: simplified and traditional."""


def in_one_script(cues: Sequence[Cue], language: str) -> tuple[Cue, ...]:
    """The cues in the script that the language tag names (``zh-Hant``, ``zh-TW``, ``zh-CN``), or
    for ``zh`` alone in the one that most of them are in; words keep their times."""
    named = langcodes.get(language).maximize().script if "-" in language else None
    wanted = named if named in SCRIPTS else _prevailing("".join(cue.text for cue in cues))
    return tuple(_converted(cue, wanted) for cue in cues)


def _prevailing(text: str) -> str:
    """The script of most characters that differ between the two."""
    counts = {
        name: sum(a != b for a, b in zip(text, _convert(text, other), strict=False))
        for name, other in (("Hans", "Hant"), ("Hant", "Hans"))
    }
    return max(counts, key=lambda name: counts[name])


def _converted(cue: Cue, wanted: str) -> Cue:
    texts = [word.text for word in cue.words]
    edges = [0, *accumulate(map(len, texts))]
    # As a whole first: which character is right may depend on the next word.
    whole = _convert("".join(texts), wanted)
    if len(whole) == edges[-1]:
        texts = [whole[start:end] for start, end in pairwise(edges)]
    else:
        texts = [_convert(text, wanted) for text in texts]
    words = tuple(replace(word, text=text) for word, text in zip(cue.words, texts, strict=True))
    return replace(cue, text=_convert(cue.text, wanted), words=words)


def _convert(text: str, wanted: str) -> str:
    return in_script(text, f"zh-{wanted}")
