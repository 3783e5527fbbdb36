"""``--skip-existing``: which of the languages asked for are there already, whoever made them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from dubkit.languages import primary
from dubkit.media.probe import probe
from dubkit.options import Options, list_options
from dubkit.subtitles.source import format_of, name_parts


def remaining(source: Path, options: Options) -> Options | None:
    """The options without what is there already; None if nothing is left to make.

    A language is there if a subtitle file of the video's name has it, or a subtitle track of the
    video that is not for forced lines; a dub, if its report is. Raises InputError for an input that
    cannot be read.
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
    to = tuple(one for one in options.to if not any(_same(one, other) for other in present))
    spoken = options.language
    subs = options.subs and not any(
        _same(spoken, one) if spoken else not any(_same(one, target) for target in options.to)
        for one in present
    )
    if to:
        return replace(options, subs=subs, to=to)
    return replace(_without(options, "to"), retime=False) if subs else None


def _without(options: Options, *unused: str) -> Options:
    """The options without some, and without those that would be refused without them."""
    dropped = [
        one for one in list_options(type(options)) if one.name in unused or one.needs in unused
    ]
    return replace(options, **{one.name: one.default for one in dropped})


def _same(tag: str, other: str) -> bool:
    """Whether two tags are of one language, in one variety if both say which."""
    return tag == other or (primary(tag) == primary(other) and primary(tag) in (tag, other))


def _subtitled(source: Path, options: Options) -> Iterator[str]:
    stem = source.stem
    if format_of(source):
        stem = name_parts(source).stem
    else:
        for stream in probe(source).subtitles:
            if not stream.forced:
                yield stream.language or ""
    for path in _beside(source, options):
        if path != source and format_of(path):
            name = name_parts(path)
            if name.stem == stem and not {"forced", "foreign"} & set(name.flags.lower().split(".")):
                yield name.language or ""


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
