"""Tracks for scripts that use pysrt, which is GPL and therefore not part of dubkit."""

from __future__ import annotations

import importlib
from typing import Any

from dubkit.errors import MissingDependency
from dubkit.types import Cue, Track

from .colors import from_fonts, to_fonts
from .interface import UNKNOWN
from .markup import clean, lower_tags
from .timing import timed_cues


def to_pysrt(track: Track) -> Any:
    """The track as a ``pysrt.SubRipFile``, for scripts that use pysrt.

    Raises MissingDependency if pysrt is not installed.
    """
    pysrt = _pysrt()
    items = [
        pysrt.SubRipItem(number, pysrt.SubRipTime(0, 0, 0, start), pysrt.SubRipTime(0, 0, 0, end),
                         to_fonts(cue.text))
        for number, (start, end, cue) in enumerate(timed_cues(track), 1)
    ]  # fmt: skip
    return pysrt.SubRipFile(items)


def from_pysrt(subs: Any, language: str = UNKNOWN) -> Track:
    """The track in a ``pysrt.SubRipFile`` (or in some of its items)."""

    def text(item: Any) -> str:
        return clean(lower_tags(from_fonts(item.text)))

    cues = (Cue(item.start.ordinal / 1000, item.end.ordinal / 1000, text(item)) for item in subs)
    return Track(language, tuple(cues))


def _pysrt() -> Any:
    try:
        return importlib.import_module("pysrt")
    except ImportError as error:
        hint = 'pip install "dubkit[pysrt]"'
        raise MissingDependency("pysrt is not installed", hint) from error
