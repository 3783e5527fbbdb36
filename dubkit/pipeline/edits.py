"""Cue files that people may edit, and what they wrote in them kept when the files are made anew.

Beside each ``cues.<language>.json`` lies what the command itself had made, and of which text. So
when that text changes in one place, the edits everywhere else are carried over to the new cues, and
those in that place, too, as long as a cue is shown there: nobody's words are written over.
"""

from __future__ import annotations

import bisect
import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from dubkit import subtitles
from dubkit.cues.sentences import sentences
from dubkit.errors import InputError
from dubkit.files import write_json
from dubkit.subtitles.source import read_edited
from dubkit.types import Cue, Track
from dubkit.workspace import Make, Workspace

TOLD_SINGLY = 5
"""Cues that are warned of one by one."""
SAME = 0.05
"""Seconds by which the times of a cue may differ that is taken to be the same."""


Part: TypeAlias = tuple[int, int, list[Cue], bool]
"""Places of the source from and to, the cues that are there, and whether somebody edited them."""


@dataclass(frozen=True, slots=True)
class Made:
    """Cues as they were made, before anybody edited them."""

    source: Track
    """The cues that they were made of; where they were made of none, they themselves."""
    track: Track


@dataclass(frozen=True, slots=True)
class Carried:
    """New cues with the edits of old ones."""

    track: Track
    outdated: tuple[int, ...] = ()
    """Numbers, from 1, of the cues with an edit whose source says something else now."""
    lost: int = 0
    """Edits that had no place any more."""


def step(
    work: Workspace,
    name: str,
    key: str,
    make: Make,
    *,
    source: Track | None = None,
    partial: bool = False,
) -> Path:
    """The cue file ``name`` by :meth:`Workspace.step`, with what people wrote in it carried over
    when it is made anew. ``source`` are the cues that it is made of."""
    beside = work.folder / f".{name}.made"
    before = _remembered(beside, work.key_for(name)) if work.outdated(name, key) else None

    def make_and_remember(part: Path) -> Sequence[str]:
        warnings = make(part)
        about = {"key": key, "track": _plain(read_edited(part))}
        write_json(beside, {**about, "source": _plain(source)} if source else about)
        return warnings

    def keep(edited: Path, part: Path) -> tuple[bool, Sequence[str]]:
        if before is None:
            return False, ()
        fresh = read_edited(part)
        try:
            found = carried(before, read_edited(edited), Made(source or fresh, fresh))
        except InputError:  # what stands there is damaged
            return False, ()
        whole = json.loads(part.read_text("utf-8"))
        write_json(part, {**whole, **_plain(found.track)})
        return not found.lost, list(_told(fresh.language, found.outdated))

    return work.step(name, key, make_and_remember, partial, keep)


def _told(language: str, outdated: Sequence[int]) -> Iterator[str]:
    for number in outdated[:TOLD_SINGLY]:
        yield (
            f"{language}: cue {number}: what was written by hand stays, though the original has "
            "changed; look whether it still fits"
        )
    if len(outdated) > TOLD_SINGLY:
        more = len(outdated) - TOLD_SINGLY
        yield f"{language}: and so do {more} more that were written by hand"


def _plain(track: Track) -> dict[str, Any]:
    return dict(json.loads(subtitles.render(track, "json")))


def _remembered(beside: Path, key: str | None) -> Made | None:
    """What was made under a key, if that is what lies there."""
    try:
        told = json.loads(beside.read_text("utf-8"))
        if told["key"] != key:
            return None
        track = subtitles.parse(json.dumps(told["track"]), "json")
        source = subtitles.parse(json.dumps(told["source"]), "json") if "source" in told else track
        return Made(source, track)
    except (OSError, InputError, ValueError, KeyError, TypeError):
        return None


def carried(before: Made, edited: Track, now: Made) -> Carried:
    """The cues of ``now`` with those of ``edited`` in the places where these differ from what was
    made ``before``.

    Cues are held together by the cue of their source that they begin in: a cue may have been
    parted to be readable, or a person may have joined two. What belongs to one such place is taken
    from either side as a whole. And a sentence that goes over several places, and says something
    else now, stays as it was in all of them: half of either would be no sentence.
    """
    places = _matched(before.source, now.source)
    old = _by_place(before.track.cues, before.source)
    new = _by_place(now.track.cues, now.source)
    result = dict(new)
    outdated: list[int] = []
    lost = 0
    for first, last, cues in _with_sentences(before, now, places, _parts(before, edited, old)):
        found = _spot(places, first, last)
        if not found:
            lost += 1
            continue
        was = [cue for place in range(first, last + 1) for cue in old.get(place, ())]
        fresh = [cue for place in found for cue in new.get(place, ())]
        shift = now.source.cues[found[0]].start - before.source.cues[first].start
        for place in found:
            result[place] = []
        result[found[0]] = list(_timed(cues, was, fresh, shift))
        if _says_else(before, now, first, found):
            outdated.append(found[0])
    cues_now: list[Cue] = []
    numbers = []
    for place in sorted(result):
        if place in outdated and result[place]:
            numbers.append(len(cues_now) + 1)
        cues_now += result[place]
    return Carried(replace(now.track, cues=tuple(cues_now)), tuple(numbers), lost)


def _matched(old: Track, new: Track) -> dict[int, int]:
    """Index by index, the cues of ``new`` that are those of ``old``: with the same text in the same
    order, or with another one at the same time."""
    before, after = ([cue.text for cue in track.cues] for track in (old, new))
    found = {}
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        for i, j in zip(range(a, b), range(c, d), strict=False):
            one, other = old.cues[i], new.cues[j]
            near = abs(one.start - other.start) < SAME and abs(one.end - other.end) < SAME
            if kind == "equal" or (b - a == d - c and near):
                found[i] = j
    return found


def _by_place(cues: Sequence[Cue], source: Track) -> dict[int, list[Cue]]:
    starts = [cue.start for cue in source.cues]
    found: dict[int, list[Cue]] = {}
    for cue in cues:
        place = max(0, bisect.bisect_right(starts, cue.start + SAME) - 1)
        found.setdefault(place, []).append(cue)
    return found


def _spot(places: dict[int, int], first: int, last: int) -> list[int]:
    """Where some places in a row are now, if they are in a row still."""
    found = [places[place] for place in range(first, last + 1) if place in places]
    whole = len(found) == last - first + 1
    return found if whole and found == list(range(found[0], found[0] + len(found))) else []


def _says_else(before: Made, now: Made, first: int, found: Sequence[int]) -> bool:
    """Whether the source has another text in the places ``found`` than it had from ``first`` on."""
    return any(
        before.source.cues[old].text != now.source.cues[new].text
        for old, new in enumerate(found, first)
    )


def _with_sentences(
    before: Made, now: Made, places: dict[int, int], parts: list[Part]
) -> Iterator[tuple[int, int, list[Cue]]]:
    """Places from and to with somebody's edit, and the cues that are there; the places of a
    sentence together, if it says something else now."""
    reach: dict[int, tuple[int, int]] = {}
    for sentence in sentences(before.source):
        numbers = [piece.cue for piece in sentence.pieces]
        for number in numbers:
            low, high = reach.get(number, (number, number))
            reach[number] = min(low, *numbers), max(high, *numbers)
    wide: list[Part] = []
    for first, last, cues, changed in parts:
        low, high = reach.get(first, (first, first))[0], reach.get(last, (last, last))[1]
        found = _spot(places, low, high)
        if changed and found and _says_else(before, now, low, found):
            wide.append((low, high, [], True))
        wide.append((first, last, cues, changed))
    wide.sort(key=lambda part: part[0])
    for first, last, cues, changed in _joined(wide):
        if changed:
            yield first, last, cues


def _parts(before: Made, edited: Track, old: dict[int, list[Cue]]) -> list[Part]:
    """All places with the cues that are there after somebody's edits."""
    places = [place for place, cues in sorted(old.items()) for _ in cues]
    made = [cue for _, cues in sorted(old.items()) for cue in cues]
    parts: list[Part] = []
    matcher = difflib.SequenceMatcher(
        None, list(map(_looks, made)), list(map(_looks, edited.cues)), autojunk=False
    )
    for kind, a, b, c, d in matcher.get_opcodes():
        theirs = edited.cues[c:d]
        if kind == "equal" or b - a == d - c:
            parts += [
                (place, place, [cue], kind != "equal")
                for place, cue in zip(places[a:b], theirs, strict=True)
            ]
        elif a == b:  # added: to what stands before it
            place = places[a - 1] if a else 0
            parts.append((place, place, list(theirs), True))
        else:
            parts.append((places[a], places[b - 1], list(theirs), True))
    return _joined(parts)


def _joined(parts: Sequence[Part]) -> list[Part]:
    """Parts that have a place in common as one."""
    groups: list[Part] = []
    for first, last, cues, changed in parts:
        if groups and first <= groups[-1][1]:
            before = groups.pop()
            first, cues = before[0], [*before[2], *cues]
            last, changed = max(last, before[1]), changed or before[3]
        groups.append((first, last, cues, changed))
    return groups


def _looks(cue: Cue) -> tuple[float, float, str, str | None]:
    return round(cue.start, 3), round(cue.end, 3), cue.text, cue.speaker


def _timed(
    cues: Sequence[Cue], was: Sequence[Cue], fresh: Sequence[Cue], shift: float
) -> Iterator[Cue]:
    """Edited cues with the times that cues have there now; with their own, as far from the
    source's as they were, where somebody changed these."""
    untouched = [(cue.start, cue.end) for cue in cues] == [(cue.start, cue.end) for cue in was]
    if untouched and len(fresh) == len(cues):
        for cue, other in zip(cues, fresh, strict=True):
            yield replace(cue, start=other.start, end=other.end)
    else:
        for cue in cues:
            yield replace(cue, start=cue.start + shift, end=cue.end + shift)
