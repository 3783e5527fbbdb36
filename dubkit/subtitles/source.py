"""The text of a run that comes from subtitles: a file, or a text stream of the video."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from dubkit import languages, subtitles
from dubkit.cues.media_end import within_media, within_part
from dubkit.errors import InputError
from dubkit.files import read_bytes
from dubkit.languages import is_tag
from dubkit.types import Cue, Media, Track, Word

from . import ass_like

FLAGS = frozenset("cc default forced foreign hi sdh".split())
"""What media servers read in the names of subtitle files besides the language."""
DETECTED = 0.5
"""Probability below which a detected language is worth a warning."""


@dataclass(frozen=True, slots=True)
class SourceText:
    """The cues that everything else is made from."""

    track: Track
    format: str | None = None
    """Of the file that they came from; None for recognized speech."""
    like: str | None = None
    """The text of that file if it has styles: ASS, of which drawings are kept, too, and WebVTT."""
    warnings: tuple[str, ...] = ()
    cue_file: str = ""
    """Where the workspace keeps the cues, for people to edit."""
    edited: bool = False
    """Whether somebody edited it in the workspace, so that it differs from the file."""

    def within(self, media: Media | None) -> SourceText:
        """The text without what is after the end of ``media``: a file may be longer than the film,
        while speech that was recognized is never after its end."""
        if self.format is None or not media or not media.duration:
            return self
        like = self.like
        if like and self.format == "ass":
            like = ass_like.events_between(like, -math.inf, media.duration)
        return replace(self, track=within_media(self.track, media), like=like)

    def within_part(self, part: tuple[float, float] | None) -> SourceText:
        """The text with what begins in ``part`` (start and end in seconds; None is all) alone."""
        like = self.like
        if part and like and self.format == "ass":
            like = ass_like.events_between(like, *part)
        return replace(self, track=within_part(self.track, part), like=like)


def format_of(path: Path) -> str | None:
    """The subtitle format that a file's name indicates, if it is one with times; else None."""
    suffix = path.suffix.lower()
    return next(
        (
            name
            for name, format in subtitles.FORMATS.items()
            if format.parse and suffix in format.suffixes and name != "json"
        ),
        None,
    )


class NameParts(NamedTuple):
    """What a subtitle file's name says, by the rules of media servers (Jellyfin, Plex)."""

    stem: str
    """What the results' names begin with: ``talk`` for ``talk.eng.sdh.srt``."""
    language: str | None
    """``en``; None if none is named."""
    flags: str
    """``.sdh``; empty if there are none."""


def name_parts(path: Path) -> NameParts:
    """The stem, the language and the flags in the name of a subtitle file.

    ``hi`` is for the hard of hearing beside a language, and Hindi without one.
    """
    stem, *words = path.stem.split(".")
    flags: list[str] = []
    while words and words[-1].lower() in FLAGS:
        flags.insert(0, words.pop())
    language = languages.in_name(words[-1]) if words else None
    if language:
        words.pop()
        while words and words[-1].lower() in FLAGS - {"hi"}:
            flags.insert(0, words.pop())
    elif flags and flags[0].lower() == "hi":
        language = flags.pop(0).lower()
    return NameParts(".".join([stem, *words]), language, "".join(f".{flag}" for flag in flags))


def is_forced(path: Path) -> bool:
    """Whether a subtitle file's name says that it has only what viewers need who hear its
    language."""
    return not {"forced", "foreign"}.isdisjoint(name_parts(path).flags.lower().split("."))


def read(
    path: Path, language: str | None, encoding: str | None = None, *, strict: bool = False
) -> SourceText:
    """The text of a subtitle file, in the order of its times.

    Its language is ``language``, else the one in its name, then the one stated in the file, then
    the one that its words are in. Its encoding is detected if it is not given. Raises InputError,
    naming the line, if nothing of it can be read, or, if ``strict``, not all of it.
    """
    format = format_of(path) or "json"
    known = language or name_parts(path).language
    loaded = subtitles.load(path, known, encoding, strict=strict)
    check_times(loaded.track)
    cues = tuple(sorted(loaded.track.cues, key=lambda cue: cue.start))
    track, warnings = replace(loaded.track, cues=cues), loaded.warnings
    if not is_tag(track.language) or track.language == subtitles.UNKNOWN:
        ranked = languages.detect(track.text)
        tag, probability = ranked[0] if ranked else (subtitles.UNKNOWN, 0.0)
        track = replace(track, language=tag)
        if probability < DETECTED:
            warnings += (
                f"the language of {path.name} may not be {languages.name(tag)}; "
                "--language says which it is",
            )
    if not track.cues:
        warnings += (f"{path.name} has no cues",)
    like = loaded.text if format in ("ass", "vtt") else None
    return SourceText(track, format, like, warnings)


def read_edited(path: Path) -> Track:
    """A track in the workspace, which people may have edited.

    Raises InputError if it is damaged.
    """
    try:
        track = subtitles.parse(read_bytes(path).decode("utf-8", "replace"), "json")
        if not is_tag(track.language) or track.language == subtitles.UNKNOWN:
            raise ValueError(f"{track.language!r} is not a language tag")
        check_times(track)
        return track
    except (InputError, OSError, TypeError, ValueError, AttributeError) as failure:
        raise InputError(
            f"{path} is damaged: {failure}", "fix it, or delete it to have it made again"
        ) from failure


def check_times(track: Track) -> None:
    """Raise InputError for times that are not finite, which JSON can contain."""
    items: tuple[Cue | Word, ...] = (*track.cues, *track.words)
    for item in items:
        if not (math.isfinite(item.start) and math.isfinite(item.end)):
            raise InputError(f"{item.text!r} has no time", "fix it in a text editor")
