"""Cue files that people may edit, and their edits carried over when the files are made again.

Beside each ``cues.<language>.json`` lies its baseline: the cues as dubkit made them, and the text
that they were made from. When that text changes in one place, the edits everywhere else are carried
over to the new cues; and those in that place, too, if a cue is still shown there: nobody's words
are overwritten. Nor are they when only a part of the film is worked on: what is edited of the whole
serves for it.

A *place*, below, is the index of a cue of that text, the source.
"""

from __future__ import annotations

import bisect
import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from dubkit import subtitles
from dubkit.cues.media_end import within_part
from dubkit.cues.sentences import sentences
from dubkit.errors import InputError
from dubkit.files import read_json, write_json
from dubkit.subtitles.source import read_edited
from dubkit.types import Cue, Track
from dubkit.workspace import Make, Workspace

from .context import Context

WARNED_SINGLY = 5
"""Cues that get a warning each; more of them share one."""
PART = "part"
"""Field of a cue file: start and end of the part of the film that it is of."""
SAME_TIME = 0.05
"""Seconds by which times may differ and still count as the same."""
TOGETHER = 0.8
"""Share of the longer of two cues that both are shown, from which they are at one time."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Cues as dubkit made them, before anybody edited them."""

    source: Track
    """The cues that they were made from; they themselves if they were made from none."""
    track: Track


@dataclass(frozen=True, slots=True)
class MergeResult:
    """New cues with the edits of old ones."""

    track: Track
    outdated: tuple[int, ...] = ()
    """Numbers, from 1, of the edited cues whose source has another text now."""
    lost: int = 0
    """Edits whose place does not exist any more."""


class _Section(NamedTuple):
    """Consecutive places, the cues that are in them after a person's edits, and whether these
    differ from the baseline."""

    first: int
    last: int
    cues: list[Cue]
    edited: bool


def step(
    work: Workspace,
    name: str,
    key: str,
    make: Make,
    *,
    source: Track | None = None,
    partial: bool = False,
    part: tuple[float, float] | None = None,
) -> Path:
    """:meth:`Workspace.step` for the cue file ``name``, whose edits are carried over when it is
    made again. ``source`` are the cues that it is made from, ``part`` is that of the film, if it is
    not of all."""
    beside = work.folder / f".{name}.made"
    before = _read_baseline(beside, work.key_for(name)) if work.outdated(name, key) else None

    def make_with_baseline(new: Path) -> Sequence[str]:
        warnings = make(new)
        if part:
            write_json(new, {**read_json(new), PART: part})
        baseline = {"key": key, "track": _to_json(read_edited(new))}
        whole = {**baseline, "source": _to_json(source)} if source else baseline
        work.write_json(beside.name, whole)
        return warnings

    def merge(edited: Path, made: Path) -> tuple[bool, Sequence[str]]:
        if before is None:
            return False, ()
        new = read_edited(made)
        try:
            merged = merge_edits(before, read_edited(edited), Baseline(source or new, new))
        except InputError:  # the edited file is damaged
            return False, ()
        write_json(made, {**read_json(made), **_to_json(merged.track)})
        return not merged.lost, list(_warnings(new.language, merged.outdated))

    return work.step(name, key, make_with_baseline, partial, merge)


def edited_whole(context: Context, work: Workspace, name: str) -> Track | None:
    """What is in the part that is worked on of the cue file ``name`` of the whole film, if a person
    has edited that: what is made of a part would replace the edits elsewhere."""
    path = work.folder / name
    if not context.part or not work.is_edited(name, work.key_for(name) or ""):
        return None
    track = read_edited(path)
    if PART in read_json(path):
        return None
    context.warnings.append(f"{name} has been edited: its text is used")
    return within_part(track, context.part)


def _warnings(language: str, outdated: Sequence[int]) -> Iterator[str]:
    for number in outdated[:WARNED_SINGLY]:
        yield (
            f"{language}: cue {number}: your edit is kept, although the original has changed; "
            "check whether it still fits"
        )
    if len(outdated) > WARNED_SINGLY:
        more = len(outdated) - WARNED_SINGLY
        yield f"{language}: the same is true of {more} more cues that you edited"


def _to_json(track: Track) -> dict[str, Any]:
    return dict(json.loads(subtitles.render(track, "json")))


def _read_baseline(path: Path, key: str | None) -> Baseline | None:
    """The baseline in a file, if it was made under that key."""
    try:
        whole = read_json(path)
        if whole["key"] != key:
            return None
        track = subtitles.parse(json.dumps(whole["track"]), "json")
        source = track
        if "source" in whole:
            source = subtitles.parse(json.dumps(whole["source"]), "json")
        return Baseline(source, track)
    except (OSError, InputError, ValueError, KeyError, TypeError):
        return None


# ---------------------------------------------------------------- merging


def merge_edits(before: Baseline, edited: Track, now: Baseline) -> MergeResult:
    """The cues of ``now``, with those of ``edited`` where these differ from the baseline
    ``before``.

    A cue belongs to the place in which it begins: a cue may have been split to be readable, and a
    person may have joined two. What belongs to one place is taken from either side as a whole. A
    sentence that extends over several places, and has another text now, stays as it was in all of
    them: half of each would be no sentence.
    """
    places = _match_places(before.source, now.source)
    old = _by_place(before.track.cues, before.source)
    new = _by_place(now.track.cues, now.source)
    result = dict(new)
    outdated: list[int] = []
    lost = 0
    sections = _sections(before, edited, old)
    for first, last, cues in _edited_sections(before, now, places, sections):
        current = _current_places(places, first, last)
        if not current:
            lost += 1
            continue
        old_cues = [cue for place in range(first, last + 1) for cue in old.get(place, ())]
        new_cues = [cue for place in current for cue in new.get(place, ())]
        shift = now.source.cues[current[0]].start - before.source.cues[first].start
        for place in current:
            result[place] = []
        result[current[0]] = list(_retime(cues, old_cues, new_cues, shift))
        if _source_changed(before, now, first, current):
            outdated.append(current[0])
    merged: list[Cue] = []
    numbers = []
    for place in sorted(result):
        if place in outdated and result[place]:
            numbers.append(len(merged) + 1)
        merged += result[place]
    return MergeResult(replace(now.track, cues=tuple(merged)), tuple(numbers), lost)


def _match_places(old: Track, new: Track) -> dict[int, int]:
    """The place in ``new`` of each place in ``old`` that still exists: one with the same text in
    the same order, or with another text at the same time."""
    before, after = ([cue.text for cue in track.cues] for track in (old, new))
    places = {}
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        for i, j in zip(range(a, b), range(c, d), strict=False):
            one, other = old.cues[i], new.cues[j]
            if kind == "equal" or (b - a == d - c and _at_same_time(one, other)):
                places[i] = j
    return places


def _at_same_time(one: Cue, other: Cue) -> bool:
    """Whether two cues are shown at one time, or nearly: recognizing or aligning speech another way
    moves them by a little."""
    shift = max(abs(one.start - other.start), abs(one.end - other.end))
    longer = max(one.end - one.start, other.end - other.start)
    return shift < SAME_TIME or one.seconds_with(other) >= TOGETHER * longer


def _by_place(cues: Sequence[Cue], source: Track) -> dict[int, list[Cue]]:
    starts = [cue.start for cue in source.cues]
    by_place: dict[int, list[Cue]] = {}
    for cue in cues:
        place = max(0, bisect.bisect_right(starts, cue.start + SAME_TIME) - 1)
        by_place.setdefault(place, []).append(cue)
    return by_place


def _current_places(places: dict[int, int], first: int, last: int) -> list[int]:
    """Where consecutive places are now; empty if they are not all there, or not consecutive."""
    current = [places[place] for place in range(first, last + 1) if place in places]
    complete = len(current) == last - first + 1
    return current if complete and current == list(range(current[0], current[-1] + 1)) else []


def _source_changed(before: Baseline, now: Baseline, first: int, current: Sequence[int]) -> bool:
    """Whether the source has another text in the places ``current`` than it had from ``first``
    on."""
    return any(
        before.source.cues[old].text != now.source.cues[new].text
        for old, new in enumerate(current, first)
    )


def _edited_sections(
    before: Baseline, now: Baseline, places: dict[int, int], sections: list[_Section]
) -> Iterator[tuple[int, int, list[Cue]]]:
    """First and last place and the cues of each section with an edit; all places of a sentence in
    one section if its text has changed."""
    reach: dict[int, tuple[int, int]] = {}
    for sentence in sentences(before.source):
        numbers = [piece.cue for piece in sentence.pieces]
        for number in numbers:
            low, high = reach.get(number, (number, number))
            reach[number] = min(low, *numbers), max(high, *numbers)
    wide: list[_Section] = []
    for section in sections:
        low = reach.get(section.first, (section.first, section.first))[0]
        high = reach.get(section.last, (section.last, section.last))[1]
        current = _current_places(places, low, high)
        if section.edited and current and _source_changed(before, now, low, current):
            wide.append(_Section(low, high, [], True))
        wide.append(section)
    wide.sort(key=lambda section: section.first)
    for section in _join_overlapping(wide):
        if section.edited:
            yield section.first, section.last, section.cues


def _sections(before: Baseline, edited: Track, old: dict[int, list[Cue]]) -> list[_Section]:
    """All places, with the cues that are in them after a person's edits."""
    places = [place for place, cues in sorted(old.items()) for _ in cues]
    generated = [cue for _, cues in sorted(old.items()) for cue in cues]
    sections: list[_Section] = []
    matcher = difflib.SequenceMatcher(
        None, list(map(_content, generated)), list(map(_content, edited.cues)), autojunk=False
    )
    for kind, a, b, c, d in matcher.get_opcodes():
        theirs = edited.cues[c:d]
        if kind == "equal" or b - a == d - c:
            sections += [
                _Section(place, place, [cue], kind != "equal")
                for place, cue in zip(places[a:b], theirs, strict=True)
            ]
        elif a == b:  # an added cue belongs to the one before it
            place = places[a - 1] if a else 0
            sections.append(_Section(place, place, list(theirs), True))
        else:
            sections.append(_Section(places[a], places[b - 1], list(theirs), True))
    return _join_overlapping(sections)


def _join_overlapping(sections: Sequence[_Section]) -> list[_Section]:
    """Sections, in the order of their first places, with those joined that share a place."""
    joined: list[_Section] = []
    for section in sections:
        if joined and section.first <= joined[-1].last:
            previous = joined.pop()
            section = _Section(
                previous.first,
                max(section.last, previous.last),
                [*previous.cues, *section.cues],
                section.edited or previous.edited,
            )
        joined.append(section)
    return joined


def _content(cue: Cue) -> tuple[float, float, str, str | None, str | None]:
    return round(cue.start, 3), round(cue.end, 3), cue.text, cue.speaker, cue.language


def _retime(
    cues: Sequence[Cue], old: Sequence[Cue], new: Sequence[Cue], shift: float
) -> Iterator[Cue]:
    """Edited cues with the times of the new cues there; if a person changed the times, with these,
    moved by ``shift`` seconds as their source was. Unless a person changed the speaker or the
    language, they are the new ones."""
    untouched = [(cue.start, cue.end) for cue in cues] == [(cue.start, cue.end) for cue in old]
    for k, cue in enumerate(cues):
        if untouched and len(new) == len(cues):
            moved = replace(cue, start=new[k].start, end=new[k].end)
        else:
            moved = replace(cue, start=cue.start + shift, end=cue.end + shift)
        was, now = _shown_with(cue, old), _shown_with(moved, new)
        if now and cue.speaker == (was and was.speaker):
            moved = replace(moved, speaker=now.speaker)
        if now and cue.language == (was and was.language):
            moved = replace(moved, language=now.language)
        yield moved


def _shown_with(cue: Cue, cues: Sequence[Cue]) -> Cue | None:
    """The one of the cues that is shown with ``cue`` for longest."""
    return max(cues, key=cue.seconds_with, default=None)
