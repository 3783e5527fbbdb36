"""Edits that a person made in a result, ``talk.en.srt``, taken into the cue file behind it.

From there they go wherever that file's cues go: into the other formats, the video, the
translations and the dub. The result itself stays as the person left it.
"""

from __future__ import annotations

import bisect
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from dubkit import subtitles
from dubkit.errors import InputError
from dubkit.files import cannot_write, read_json, write_json
from dubkit.subtitles.source import check_times, read_edited
from dubkit.types import Cue, Track
from dubkit.workspace import Workspace, key_of

from . import edits
from .context import Context


def edited(context: Context, work: Workspace, name: str, track: Track) -> Track | None:
    """What a person has made of a track, in the cue file ``name`` that it is written to, or in a
    result that was written from that; None if nobody has edited it."""
    content = subtitles.render(track, "json")
    key = key_of(text=content)
    take(context, work, name)

    def make(path: Path) -> tuple[()]:
        path.write_text(content, "utf-8")
        return ()

    if whole := edits.edited_whole(context, work, name):
        return whole
    path = edits.step(work, name, key, make, part=context.part)
    return read_edited(path) if work.is_edited(name, key) else None


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
    before = kept.cues if len(kept.cues) == len(written.cues) else written.cues
    same: dict[tuple[object, ...], list[Cue]] = {}
    for cue, shown in zip(reversed(before), reversed(written.cues), strict=True):
        same.setdefault(_shown(shown), []).append(cue)
    found = (same.get(_shown(cue)) for cue in edited.cues)
    unchanged = [cues.pop() if cues else None for cues in found]
    changed = [cue for cue, one in zip(edited.cues, unchanged, strict=True) if not one]
    completed = _completed(changed, kept)
    merged = [one or next(completed) for one in unchanged]
    return replace(kept, cues=tuple(sorted(merged, key=lambda cue: cue.start)))


NEAR = 50
"""Cues before the end of an edited one that are looked at for the one that was there."""


def _completed(cues: Sequence[Cue], kept: Track) -> Iterator[Cue]:
    """The cues, each with the speaker, the style and the language of the one that was there for
    most of its time."""
    ordered = sorted(kept.cues, key=lambda other: other.start)
    starts = [other.start for other in ordered]
    last = list(itertools.accumulate(ordered, _later))
    """Of the cues up to each, the one that ends last."""
    for cue in cues:
        following = bisect.bisect_left(starts, cue.end)
        near = [*ordered[max(0, following - NEAR) : following], *last[following - 1 : following]]
        there = max(near, key=lambda other: _likeness(cue, other), default=None)
        if there and cue.seconds_with(there) > 0:
            cue = replace(
                cue,
                speaker=cue.speaker or there.speaker,
                style=cue.style or there.style,
                language=cue.language or there.language,
            )
        yield cue


def _later(first: Cue, second: Cue) -> Cue:
    return second if second.end > first.end else first


def _likeness(cue: Cue, other: Cue) -> float:
    """A sign may be there for all of the cue's time, and longer."""
    both = max(cue.end, other.end) - min(cue.start, other.start)
    return cue.seconds_with(other) / max(both, 0.001)


def _replace(work: Workspace, cue_file: Path, track: Track) -> None:
    try:
        part = work.part(cue_file.name)
        whole = read_json(cue_file)
        write_json(part, {**whole, **json.loads(subtitles.render(track, "json"))})
        part.replace(cue_file)
    except OSError as failure:
        raise cannot_write(cue_file, failure) from failure
