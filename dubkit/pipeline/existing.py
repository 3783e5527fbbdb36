"""``--skip-existing``: which of the languages asked for are there already, whoever made them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from dubkit import languages
from dubkit.errors import DubkitError
from dubkit.files import at_home
from dubkit.languages import primary
from dubkit.media import subtitle_streams
from dubkit.media.probe import pick_audio, probe
from dubkit.options import EMBEDDED, Options, list_options
from dubkit.subtitles import source as source_text
from dubkit.subtitles.source import DETECTED, format_of, name_parts

from .context import place_of
from .source import TRANSCRIPT


class _Present(NamedTuple):
    """A text that is there."""

    language: str
    """Empty if nothing says."""
    named: bool
    """Whether its name or its tag says so, not only its words."""


def remaining(source: Path, options: Options) -> Options | None:
    """The options without what is there already; None if nothing is left to make.

    A language is there if a subtitle file of the video's name has it, or a subtitle track of the
    video, neither for forced lines alone; a dub, if its report is. The language spoken is that of
    ``--language``, else the audio track's. Where neither says, it takes a transcript to know it
    (see :func:`is_there`); until then only a text that names no language counts for it. Raises
    InputError for an input that cannot be read.
    """
    if options.dub:
        dubbed = set(_dubbed(source, options))
        to = tuple(one for one in options.to if one not in dubbed)
        if to or not (options.to or dubbed):
            return replace(options, to=to)
        if not options.subs:
            return None
        options = replace(_without(options, "dub", "convert", "to"), video=False)
    present = set(_subtitled(source, options))
    to = tuple(one for one in options.to if not any(_same(one, own.language) for own in present))
    subs = options.original  # --burn and --subs-from ask for it, too
    if subs and (spoken := _spoken(source, options)):
        subs = not _has(present, spoken)
    elif subs:
        # Nobody translates into the language that is spoken.
        own = [one for one in present if not any(_same(one.language, tag) for tag in options.to)]
        subs = all(one.named for one in own)
    if to:
        return replace(options, subs=subs, to=to)
    return replace(_without(options, "to"), subs=True) if subs else None


def is_there(source: Path, options: Options, language: str) -> bool:
    """Whether the text is there in the language that it turned out to be in."""
    return _has(set(_subtitled(source, options)), language)


def _has(present: set[_Present], language: str) -> bool:
    """Whether one of the texts is in a language, or may be: if it says nothing, it is taken for the
    film's own."""
    return any(not one.language or _same(language, one.language) for one in present)


def _without(options: Options, *unused: str) -> Options:
    """The options without some, and without those that would be refused without them."""
    dropped = [
        one for one in list_options(type(options)) if one.name in unused or one.needs in unused
    ]
    values = {one.name: one.default for one in dropped}
    if "to" in unused and not options.subs_from:  # recognized speech is timed for reading anyway
        values["retime"] = False
    return replace(options, **values)


def _same(tag: str, other: str) -> bool:
    """Whether two tags are of one language, in one variety if both say which."""
    return tag == other or (primary(tag) == primary(other) and primary(tag) in (tag, other))


def _spoken(source: Path, options: Options) -> str:
    """The language of the text that everything is made from, as far as it is known without
    transcribing; else empty."""
    if options.spoken:
        return options.spoken
    embedded = EMBEDDED.fullmatch(options.subs_from or "")
    if format_of(source) or (options.subs_from and not embedded):
        file = at_home(options.subs_from) if options.subs_from else source
        return name_parts(file).language or _detected(file, options)
    media = probe(source)
    if embedded:
        return subtitle_streams.pick(media, embedded[1] or "").language or ""
    tag = pick_audio(media, options.audio_track).language if media.audio else None
    if tag:
        return tag
    transcript = place_of(source, options)[2] / TRANSCRIPT
    if not options.audio_track and transcript.is_file():
        with contextlib.suppress(DubkitError):  # it is damaged, and will be made again
            return source_text.read_edited(transcript).language
    return ""


def _detected(file: Path, options: Options) -> str:
    """The language that the words of a subtitle file are in; empty if they leave it open."""
    with contextlib.suppress(DubkitError):  # what cannot be read may be in any
        text = source_text.read(file, None, options.encoding).track.text
        tag, probability = languages.detect(text)[0]
        return tag if probability >= DETECTED else ""
    return ""


def _subtitled(source: Path, options: Options) -> Iterator[_Present]:
    stem = source.stem
    if format_of(source):
        stem = name_parts(source).stem
    else:
        for stream in probe(source).subtitles:
            if not stream.forced:
                yield _Present(stream.language or "", stream.language is not None)
    for path in _beside(source, options):
        if path != source and format_of(path):
            name = name_parts(path)
            if name.stem == stem and not source_text.is_forced(path):
                known = name.language
                yield _Present(known or _detected(path, options), known is not None)


def _dubbed(source: Path, options: Options) -> Iterator[str]:
    for path in _beside(source, options):
        stem, _, language = path.name.removesuffix(".dub.json").rpartition(".")
        if path.name.endswith(".dub.json") and stem == source.stem:
            yield language


def _beside(source: Path, options: Options) -> Iterator[Path]:
    """Files in the folder of the results, and in the input's own."""
    for folder in dict.fromkeys((options.output_dir or source.parent, source.parent)):
        if folder.is_dir():
            yield from folder.iterdir()
