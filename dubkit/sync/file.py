"""A subtitle file as numbers for :mod:`.align`, and the same file with new times."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from dubkit import subtitles
from dubkit.cues import spoken
from dubkit.errors import InputError
from dubkit.files import LARGEST_TEXT
from dubkit.subtitles import retime
from dubkit.subtitles import source as source_text
from dubkit.types import Cue, Track

from . import align
from .fit import Cue as Times
from .fit import Fit

FRAME = 0.05
"""Seconds to which all formats have times."""


@dataclass(frozen=True, slots=True)
class Subtitle:
    """A subtitle file that was read."""

    path: Path
    data: bytes
    format: str
    """That its text is in, whatever its name says."""
    encoding: str | None
    track: Track
    """Its cues in the order of their starts."""
    warnings: tuple[str, ...]

    def cues(self) -> list[Times]:
        """Its cues as numbers; those that nobody speaks, sounds and signs in the picture, have no
        length of text."""
        tag = self.track.language
        # Typeset signs have places of their own, and may be thousands.
        signs = [bool(one.style and one.style.startswith("line ")) for one in self.track.cues]
        if signs.count(False) < align.FEWEST:
            signs = [False] * len(signs)
        return [
            Times(one.start, one.end, 0 if sign else len(spoken.speakable(one.text, tag)))
            for one, sign in zip(self.track.cues, signs, strict=True)
        ]

    def lines(self) -> list[Cue]:
        """Its cues without what nobody speaks."""
        tag = self.track.language
        return [replace(one, text=spoken.speakable(one.text, tag)) for one in self.track.cues]

    def spans(self) -> list[tuple[float, float]]:
        """When something is spoken, as far as the cues show that."""
        own = [(one.start, one.end) for one in self.cues() if one.length and one.end > one.start]
        return own or [(one.start, one.end) for one in self.track.cues]


def read(path: Path, language: str | None = None, encoding: str | None = None) -> Subtitle:
    """Read a subtitle file. Raises InputError for what is none, has no cues, or is too large."""
    if path.is_dir():
        raise InputError(f"{path} is a folder", "name a subtitle file in it")
    if source_text.format_of(path) is None and path.suffix.lower() != ".json":
        known = ", ".join(
            suffix for one in subtitles.FORMATS.values() if one.parse for suffix in one.suffixes
        )
        raise InputError(f"{path} is not a subtitle file", f"the suffixes are: {known}")
    try:
        if path.stat().st_size > LARGEST_TEXT:
            most = f"{LARGEST_TEXT / 2**20:.0f} MB"
            raise InputError(f"{path} is larger than {most}", "subtitles are much smaller")
        data = path.read_bytes()
    except OSError as error:
        why = error.strerror or error
        raise InputError(f"{path} cannot be read: {why}", "check its name") from error
    text = source_text.read(path, language, encoding)
    if not text.track.cues:
        raise InputError(f"{path} has no cues", "is it the right file?")
    format = subtitles.format_within(path, data, language, encoding)
    return Subtitle(path, data, format, encoding, text.track, text.warnings)


def with_times(
    subtitle: Subtitle, fit: Fit, warn: Callable[[str], object], end: float = math.inf
) -> bytes:
    """The file with its times moved by a fit; cues keep their lengths, in frames of the film, whose
    ``end`` is for a warning."""

    def moved(start: float, end: float) -> tuple[float, float]:
        first, scale = fit(start), fit.piece_at(start).scale
        last = max(first + scale * (end - start), 0.001)
        return max(first, 0.0), last

    early = sum(fit(one.end) <= 0 for one in subtitle.track.cues)
    if early:
        warn(f"{early} cues are before the beginning of the film now, and will not be seen")
    if late := sum(fit(one.start) >= end for one in subtitle.track.cues):
        warn(f"{late} cues begin after the end of the film")
    times = [moved(one.start, one.end) for one in subtitle.track.cues]
    cues = [
        replace(one, start=start, end=end)
        for one, (start, end) in zip(subtitle.track.cues, times, strict=True)
    ]
    track = replace(subtitle.track, cues=tuple(cues))
    with contextlib.suppress(retime.UnmovableError, InputError, ValueError):
        data = retime.retime(
            subtitle.data,
            subtitle.format,
            moved,
            language=subtitle.track.language,
            encoding=subtitle.encoding,
        )
        if _reads_as(data, subtitle, track):
            return data
    name = subtitle.path.name
    warn(f"{name} is damaged, or its times depend on each other: it is written again, simpler")
    return subtitles.render(track, subtitle.format).encode()


def _reads_as(data: bytes, subtitle: Subtitle, track: Track) -> bool:
    """Whether the bytes of a file are read as the track."""
    text = subtitles.decode(data, track.language, subtitle.encoding).text
    found = subtitles.parse(text, subtitle.format, track.language).cues
    texts = (Counter(one.text for one in cues) for cues in (found, track.cues))
    starts = (sorted(one.start for one in cues) for cues in (found, track.cues))
    return next(texts) == next(texts) and all(
        abs(a - b) < FRAME for a, b in zip(*starts, strict=True)
    )
