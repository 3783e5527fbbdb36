"""Edits that a person made in a result, ``talk.en.srt``, taken into the cue file behind it.

From there they go wherever that file's cues go: into the other formats, the video, the
translations and the dub. The result itself stays as the person left it.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from dubkit import subtitles
from dubkit.errors import InputError
from dubkit.files import cannot_write, read_json, write_json
from dubkit.subtitles.source import check_times, read_edited
from dubkit.types import Cue, Track
from dubkit.workspace import Workspace

from .context import Context


def take(context: Context, work: Workspace, name: str) -> None:
    """Take the edits in the results that were written from the cue file ``name`` into it.

    Of several edited ones, the last counts. With ``--force`` none does: they are written again.
    Raises InputError if it cannot be read.
    """
    cue_file = work.folder / name
    edited = [path for path in work.edited_results(name) if format_of(path)]
    if not edited or context.options.force or not cue_file.exists():
        return
    result = max(edited, key=lambda path: path.stat().st_mtime_ns)
    kept = read_edited(cue_file)
    if not same_cues(kept, result):
        merged = _merge(kept, _written(kept, format_of(result)), _read(result, kept.language))
        _replace(work, cue_file, merged)
    # One with other edits is not written over: it is refused when its turn comes.
    taken = read_edited(cue_file)
    context.edited_results |= {one for one in edited if one == result or same_cues(taken, one)}
    context.warnings.append(f"{result.name} has been edited: its text is used")


def format_of(path: Path) -> str:
    """The format of a result, if it has cues with times to be read; else an empty text."""
    format = subtitles.FORMATS.get(path.suffix[1:])
    return path.suffix[1:] if format and format.parse else ""


def same_cues(track: Track, result: Path) -> bool:
    """Whether a result shows what it would if it were written from ``track``."""
    shown = _read(result, track.language)
    return list(map(_shown, shown.cues)) == list(
        map(_shown, _written(track, format_of(result)).cues)
    )


def _read(result: Path, language: str) -> Track:
    try:
        track = subtitles.load(result, language, strict=True).track
        if not track.cues:
            raise InputError("it has no cues")
        check_times(track)
        return track
    except InputError as failure:
        raise InputError(
            f"{result.name} has been edited, and cannot be read: {failure}",
            "mend it; or --force writes it again, without the edits",
        ) from failure


def _written(track: Track, format: str) -> Track:
    """The track as it comes back from a file."""
    return subtitles.parse(subtitles.render(track, format), format, track.language)


def _shown(cue: Cue) -> tuple[object, ...]:
    place = cue.layout and replace(
        cue.layout,
        x=None if cue.layout.x is None else round(cue.layout.x),
        y=None if cue.layout.y is None else round(cue.layout.y),
    )
    return round(cue.start, 2), round(cue.end, 2), cue.text, cue.speaker, place


def _merge(kept: Track, written: Track, edited: Track) -> Track:
    """``edited``, in which the cues that are as they were ``written`` are those that were kept,
    with their words; the others have the speaker of what was there."""
    before = list(kept.cues) if len(kept.cues) == len(written.cues) else list(written.cues)
    matcher = difflib.SequenceMatcher(
        None, list(map(_shown, written.cues)), list(map(_shown, edited.cues)), autojunk=False
    )

    def merged() -> Iterator[Cue]:
        for kind, a, b, c, d in matcher.get_opcodes():
            if kind == "equal":
                yield from before[a:b]
            else:
                yield from (_completed(cue, kept) for cue in edited.cues[c:d])

    return replace(kept, cues=tuple(sorted(merged(), key=lambda cue: cue.start)))


def _completed(cue: Cue, kept: Track) -> Cue:
    """A cue with the speaker and the style of the one that was there for most of its time."""

    def overlap(other: Cue) -> float:
        return min(cue.end, other.end) - max(cue.start, other.start)

    def likeness(other: Cue) -> float:  # a sign may be there for all of the cue's time, and longer
        return overlap(other) / max(max(cue.end, other.end) - min(cue.start, other.start), 0.001)

    there = max(kept.cues, key=likeness, default=None)
    if not there or overlap(there) <= 0:
        return cue
    return replace(cue, speaker=cue.speaker or there.speaker, style=cue.style or there.style)


def _replace(work: Workspace, cue_file: Path, track: Track) -> None:
    try:
        part = work.part(cue_file.name)
        whole = read_json(cue_file)
        write_json(part, {**whole, **json.loads(subtitles.render(track, "json"))})
        part.replace(cue_file)
    except OSError as failure:
        raise cannot_write(cue_file, failure) from failure
