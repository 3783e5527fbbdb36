"""A track as the page shows it: its cues with what the check finds in each, and a version.

A state is made from an earlier one by what differs, since an edit of one cue in thousands must not
look at all of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dubkit import subtitles
from dubkit.cues.check import check

from ..types import Cue, Track

Fault = tuple[str, str, str]
"""Rule, severity and message of a violation."""


@dataclass(frozen=True, slots=True)
class State:
    """A track, and for each of its cues what the check finds and a hash."""

    track: Track
    profile: str
    rate: float | None
    faults: tuple[tuple[Fault, ...], ...]
    hashes: tuple[str, ...]

    @property
    def version(self) -> str:
        """Identifies the track, also after a restart."""
        text = "".join((self.track.language, *self.hashes))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def state(track: Track, profile: str, rate: float | None, known: State | None = None) -> State:
    """The state of a track; ``known`` is one that differs in little."""
    if known is None or (known.profile, known.rate) != (profile, rate):
        known = State(Track(track.language, ()), profile, rate, (), ())
    first, last, end = difference(known.track.cues, track.cues)
    tail = len(known.track.cues) - last
    hashes = (
        *known.hashes[:first],
        *(_hash(one) for one in segments(track, first, end)),
        *known.hashes[last:],
    )
    # The gap before the first of them belongs to the cue before it.
    begin, stop = max(first - 1, 0), min(end + 1, len(track.cues))
    found: list[list[Fault]] = [[] for _ in range(begin, stop)]
    for one in check(Track(track.language, track.cues[begin:stop]), profile, rate):
        found[one.cue - 1].append((one.rule, one.severity, one.message))
    fresh = tuple(map(tuple, found[: end - begin]))
    faults = (*known.faults[:begin], *fresh, *known.faults[len(known.faults) - tail :])
    return State(track, profile, rate, faults, hashes)


def difference(before: Sequence[Any], after: Sequence[Any]) -> tuple[int, int, int]:
    """Where two sequences differ: ``after`` is ``before`` with the items ``first`` to ``last``
    replaced by its own ``first`` to ``end``."""
    shortest = min(len(before), len(after))
    first = 0
    while first < shortest and (before[first] is after[first] or before[first] == after[first]):
        first += 1
    same = 0
    while same < shortest - first:
        one, other = before[-1 - same], after[-1 - same]
        if not (one is other or one == other):
            break
        same += 1
    return first, len(before) - same, len(after) - same


def segments(track: Track, first: int, end: int) -> list[dict[str, Any]]:
    """Some of its cues as the workspace keeps them."""
    if first == end:
        return []
    part = subtitles.render(Track(track.language, track.cues[first:end]), "json")
    kept: list[dict[str, Any]] = json.loads(part)["segments"]
    return kept


def shown(cue: Cue, faults: Sequence[Fault]) -> dict[str, Any]:
    """A cue as the page gets it."""
    named = [{"rule": f[0], "severity": f[1], "message": f[2]} for f in faults]
    return {"start": cue.start, "end": cue.end, "text": cue.text, "speaker": cue.speaker,
            "language": cue.language, "faults": named}  # fmt: skip


def change(before: State, after: State) -> dict[str, Any]:
    """What the page must know to show ``after`` if it shows ``before``."""
    old, new = (list(zip(one.track.cues, one.faults, strict=True)) for one in (before, after))
    first, last, end = difference(old, new)
    return {"from": first, "removed": last - first, "cues": [shown(*one) for one in new[first:end]]}


def _hash(segment: dict[str, Any]) -> str:
    own = {key: value for key, value in segment.items() if key not in ("id", "seek")}
    return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:16]
