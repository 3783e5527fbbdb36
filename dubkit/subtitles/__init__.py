"""Track <-> SRT, WebVTT, ASS, TTML, Whisper's JSON and plain text. Pure, except :func:`read`.

The text of a cue is plain, except that it may contain ``<i>``, ``<b>`` and ``<u>`` as in SRT, and
colors (``<c.#ffff00>``, ``<c.yellow>``); each format expresses these in its own way and escapes
what it would take for markup.

- ``srt``, ``vtt``, ``ass``, ``ttml``, ``whisper_json``, ``text``: one module per format.
- ``interface``: what each of them takes and returns.
- ``blocks``: what SRT and WebVTT share; ``stamps``: the line with the two times of a cue.
- ``ass_events``, ``ass_like``, ``ass_words``: new words in an existing ASS file.
- ``layout``, ``colors``: where and in which color a text is shown, for all formats.
- ``retime``: new times in an existing file of any format.
- ``markup``, ``timing``: the text and the times of cues, for all formats.
- ``encodings``: the text of a file of unknown encoding; ``code_pages``: which old one it is in.
- ``style``: the font, size and color of burned-in text and ASS files.
- ``bilingual``: two languages in one cue.
- ``source``: a subtitle file as the text of a run.
- ``pysrt_bridge``: tracks for scripts that use pysrt.

pysubs2 writes SRT, WebVTT and ASS. It reads none of them here because its readers name no line
that they cannot read, and take a number in the last line of an SRT cue for the number of the next;
it does not write TTML because it writes no ``xml:lang`` and loses italics and ``dur``.

Subtitle streams inside media files are :mod:`dubkit.media.subtitle_streams`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dubkit.cues.rolling import unroll
from dubkit.cues.spoken import name_speakers
from dubkit.errors import InputError, UsageError
from dubkit.languages import bcp47, is_tag
from dubkit.types import Track

from . import ass, srt, text, ttml, vtt, whisper_json
from .encodings import Decoded, decode
from .interface import NEWLINE, UNKNOWN, Contents, Flaw, WriteOptions, describe_flaws
from .markup import clean
from .pysrt_bridge import from_pysrt, to_pysrt
from .style import Style, parse_style
from .text import PARAGRAPH_PAUSE

__all__ = [
    "FORMATS",
    "PARAGRAPH_PAUSE",
    "UNKNOWN",
    "Decoded",
    "Format",
    "Loaded",
    "clean",
    "decode",
    "find_unheld",
    "format_within",
    "from_pysrt",
    "load",
    "parse",
    "read",
    "render",
    "to_pysrt",
]


@dataclass(frozen=True, slots=True)
class Format:
    """One file format."""

    name: str
    suffixes: tuple[str, ...]
    write: Callable[[Track, WriteOptions], str]
    parse: Callable[[str], Contents] | None
    """None if the format has no times to read."""


FORMATS: Mapping[str, Format] = {
    format.name: format
    for format in (
        Format("srt", (".srt",), srt.write, srt.parse),
        Format("vtt", (".vtt",), vtt.write, vtt.parse),
        Format("ass", (".ass", ".ssa"), ass.write, ass.parse),
        Format("ttml", (".ttml", ".dfxp", ".xml"), ttml.write, ttml.parse),
        Format("json", (".json",), whisper_json.write, whisper_json.parse),
        Format("txt", (".txt",), text.write, None),
    )
}


def render(
    track: Track,
    format: str,
    *,
    title: str | None = None,
    style: Style | Mapping[str, object] | None = None,
    play_res: tuple[int, int] = (1920, 1080),
    like: str | None = None,
) -> str:
    """The track as the text of a subtitle file.

    ``title`` names it in formats that have a title (ass, ttml). ``style`` and ``play_res``, the
    video's width and height in pixels, are for ass. So is ``like``, the text of an ass file: it is
    returned with the track's cues in place of those that :func:`parse` finds in it, and everything
    else (styles, drawings, overrides, fonts) unchanged; ``style`` and ``title`` are then ignored.
    Raises UsageError for an unknown format or style, InputError when ``like`` cannot be read.
    """
    writer = _format(format).write
    if style is None:
        style = Style()
    elif not isinstance(style, Style):
        style = parse_style(style)
    return writer(track, WriteOptions(title, style, play_res, like))


def find_unheld(track: Track, like: str | None, format: str) -> str:
    """What of a track from another format, and of the text ``like`` of its file, a format cannot
    hold: a few words, or nothing."""
    placed = [cue.layout for cue in track.cues if cue.layout]
    exact = [one for one in placed if one.x is not None or one.y is not None]
    if format == "vtt":
        exact = [one for one in exact if not one.settings]
    elif format == "ass":
        exact = [one for one in exact if one.x is None or one.y is None]
    found = [
        ("styles", any(cue.style for cue in track.cues) or bool(like and ass.is_colored(like))),
        ("style sheets, regions", bool(like and vtt.styling(like))),
        ("exact places", bool(exact)),
    ]
    return " and ".join(what for what, is_lost in found if is_lost)


def parse(
    text: str,
    format: str,
    language: str | None = None,
    *,
    strict: bool = False,
    warn: Callable[[str], object] = lambda warning: None,
) -> Track:
    """The track in the text of a subtitle file.

    ``language`` overrides the file's own tag (json, ttml, ass, vtt); without either it is ``und``.
    What can be read is read, and ``warn`` gets a sentence, with the line, for whatever is not as it
    should be. Raises InputError naming the line if nothing can be read, or, if ``strict``, at the
    first such thing; UsageError for an unknown format.
    """
    if _format(format).parse is None:
        raise InputError(f"{format} has no times, so it cannot be read as subtitles")
    lines = NEWLINE.sub("\n", text.removeprefix("\ufeff"))
    actual = _sniff(lines) or format if format != "json" else format
    reader = FORMATS[actual].parse
    assert reader
    contents = reader(lines)
    flaws = sorted(contents.flaws)
    if actual != format:
        flaws.insert(0, Flaw(1, f"this is {actual}, not {format}, and was read as such"))
    if flaws and (strict or not contents.cues):
        raise InputError(f"line {flaws[0].line}: {flaws[0].what}")
    for warning in describe_flaws(flaws):
        warn(warning)
    track = _with_languages(contents, language, each=actual == "json")
    if actual in ("srt", "vtt", "ttml"):  # in others a text that stays is meant to
        track = unroll(track)
    return track if actual == "json" else name_speakers(track)


def _with_languages(contents: Contents, language: str | None, *, each: bool) -> Track:
    """The track, with the tags of those of its cues that are in another language. In files of
    others a tag that all cues have is the track's; ``each`` cue has its own in ours."""
    tags = [bcp47(cue.language) if is_tag(cue.language) else None for cue in contents.cues]
    common = tags[0] if tags and len(set(tags)) == 1 and not each else None
    whole = language or common or contents.language or UNKNOWN
    cues = (
        replace(cue, language=None if tag in (whole, common) else tag) if cue.language else cue
        for cue, tag in zip(contents.cues, tags, strict=True)
    )
    return Track(whole, tuple(cues))


def format_within(
    path: Path, data: bytes, language: str | None = None, encoding: str | None = None
) -> str:
    """The format of a file's bytes, as :func:`load` reads them: that which they begin like, else
    the one that its suffix indicates."""
    suffix = path.suffix.lower()
    named = next(name for name, format in FORMATS.items() if suffix in format.suffixes)
    text = decode(data, language, encoding).text
    return named if named == "json" else _sniff(text.removeprefix("\ufeff")) or named


def _sniff(text: str) -> str | None:
    """The format that a file begins like; None if that does not show."""
    heads = {
        "vtt": r"WEBVTT(?:\s|$)",
        "ass": r"\[Script Info\]",
        "ttml": r"(?:<\?xml[^>]*>\s*)?<tt\s",
    }
    head = text[:500].lstrip()
    return next((name for name, begins in heads.items() if re.match(begins, head)), None)


def read(path: str | Path, language: str | None = None, encoding: str | None = None) -> Track:
    """The track in a subtitle file, whose suffix determines the format.

    Its encoding is detected if it is not given. Raises InputError naming the file and, if it is
    the fault of one, the line. :func:`load` also says what was not as it should be.
    """
    return load(path, language, encoding).track


@dataclass(frozen=True, slots=True)
class Loaded:
    """A track, and the file that it was in."""

    track: Track
    text: str
    """Of the file, decoded."""
    warnings: tuple[str, ...]
    """What may be wrong with how it was read, with the name of the file."""


def load(
    path: str | Path,
    language: str | None = None,
    encoding: str | None = None,
    *,
    strict: bool = False,
) -> Loaded:
    """As :func:`read`, with the text of the file and what to know about it."""
    path = Path(path)
    suffix = path.suffix.lower()
    named = [name for name, format in FORMATS.items() if suffix in format.suffixes]
    if not named:
        known = ", ".join(suffix for format in FORMATS.values() for suffix in format.suffixes)
        raise InputError(f"{path} is not a subtitle file", hint=f"the suffixes are: {known}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}",
            "check its name and permissions",
        ) from error
    try:
        decoded = decode(data, language, encoding)
        warnings: list[str] = []
        track = parse(decoded.text, named[0], language, strict=strict, warn=warnings.append)
    except InputError as error:
        hint = error.hint or f"fix it in a text editor, or export {named[0]} again"
        raise InputError(f"{path}: {error.message}", hint) from error
    notes = [f"{path.name}, {warning}" for warning in warnings]
    if decoded.doubt:
        notes.insert(0, f"{path.name} {decoded.doubt}; --encoding says which it is")
    return Loaded(track, decoded.text, tuple(notes))


def _format(name: str) -> Format:
    if name not in FORMATS:
        known = ", ".join(FORMATS)
        raise UsageError(f"{name!r} is not a subtitle format", hint=f"the formats are: {known}")
    return FORMATS[name]
