"""The text of a run, where it is not recognised: a subtitle file, or a text track of the video."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from dubkit import languages, subtitles
from dubkit.errors import InputError
from dubkit.languages import is_tag
from dubkit.types import Cue, Track, Word

DETECTED = 0.5
"""Probability under which a language that was found out is worth a warning."""


@dataclass(frozen=True, slots=True)
class SourceText:
    """The cues that all else is made from."""

    track: Track
    format: str | None = None
    """Of the file that they came from; None for recognised speech."""
    like: str | None = None
    """The whole of that file, when it is ASS: its styles and drawings are kept."""
    warnings: tuple[str, ...] = ()
    edited: bool = False
    """Whether somebody changed it in the workspace, so that the file does not say it."""


def format_of(path: Path) -> str | None:
    """The subtitle format that a file's name tells, of those that have times; None for others."""
    suffix = path.suffix.lower()
    return next(
        (
            name
            for name, format in subtitles.FORMATS.items()
            if format.parse and suffix in format.suffixes and name != "json"
        ),
        None,
    )


def language_in_name(path: Path) -> str | None:
    """``es`` of ``talk.es.srt``, ``pt-BR`` of ``talk.pt-BR.srt``."""
    tag = path.stem.rpartition(".")[2]
    known = "." in path.stem and is_tag(tag) and languages.name(tag) != tag
    return languages.canonical(tag) if known else None


def stem_of(path: Path) -> str:
    """The name that results get: ``talk`` for ``talk.es.srt``."""
    return path.stem.rpartition(".")[0] if language_in_name(path) else path.stem


def read(path: Path, language: str | None) -> SourceText:
    """The text of a subtitle file, in the order of its times.

    Its language is what is given, else what its name, then the file itself, then its words tell.
    Raises InputError for what cannot be read, naming the line.
    """
    format = format_of(path) or "json"
    known = language or language_in_name(path)
    track = subtitles.read(path, known)
    check_times(track)
    track = replace(track, cues=tuple(sorted(track.cues, key=lambda cue: cue.start)))
    warnings: tuple[str, ...] = ()
    if not is_tag(track.language) or track.language == subtitles.UNKNOWN:
        ranked = languages.detect(track.text)
        tag, probability = ranked[0] if ranked else (subtitles.UNKNOWN, 0.0)
        track = replace(track, language=tag)
        if probability < DETECTED:
            warnings = (
                f"the language of {path.name} may not be {languages.name(tag)}; "
                "--language says which it is",
            )
    if not track.cues:
        warnings += (f"{path.name} has no cues",)
    like = None
    if format == "ass":
        like = subtitles.decode(path.read_bytes(), known)
    return SourceText(track, format, like, warnings)


def read_edited(path: Path) -> Track:
    """A track of the workspace, which people may have edited."""
    try:
        track = subtitles.parse(path.read_text("utf-8", "replace"), "json")
        if not is_tag(track.language) or track.language == subtitles.UNKNOWN:
            raise ValueError(f"{track.language!r} is not a language tag")
        check_times(track)
        return track
    except (InputError, OSError, TypeError, ValueError, AttributeError) as failure:
        raise InputError(
            f"{path} is damaged: {failure}", "mend it, or delete it to have it made again"
        ) from failure


def check_times(track: Track) -> None:
    """Raise InputError for times that are none, as JSON can hold them."""
    items: tuple[Cue | Word, ...] = (*track.cues, *track.words)
    for item in items:
        if not (math.isfinite(item.start) and math.isfinite(item.end)):
            raise InputError(f"{item.text!r} has no time", "mend it in a text editor")
