"""Edits of a track, as pure functions: a track in, another track out; and undo.

Cues are numbered from 1, like the check's violations. An edit never makes two cues overlap more
than they did, never makes a cue without duration, and keeps the times of words if the words still
match the text. :func:`apply_edit` applies an edit in JSON; drafts of edited cues are in
:mod:`.drafts`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dubkit.cues.phrases import uses_spaces

from ..errors import UsageError
from ..types import Cue, Track, Word

SHORTEST = 0.1
"""Seconds that a cue lasts at least after an edit."""
EPSILON = 0.0005
MAX_UNDO = 200
"""Edits that can be undone."""
LONGEST_TEXT = 5_000
LATEST = 360_000.0
"""Seconds; a hundred hours."""


@dataclass(frozen=True, slots=True)
class History:
    """A track with its earlier states, and those that were undone."""

    present: Track
    past: tuple[Track, ...] = ()
    future: tuple[Track, ...] = ()

    def record(self, track: Track) -> History:
        """The history after an edit that gave ``track``."""
        if track == self.present:
            return self
        return History(track, (*self.past, self.present)[-MAX_UNDO:])

    def undo(self) -> History:
        """The history before the last edit."""
        if not self.past:
            return self
        return History(self.past[-1], self.past[:-1], (self.present, *self.future))

    def redo(self) -> History:
        """The history after the edit that was undone last."""
        if not self.future:
            return self
        return History(self.future[0], (*self.past, self.present), self.future[1:])


def set_text(track: Track, number: int, text: str) -> Track:
    """Give the cue the text ``text``."""
    cue = _cue(track, number)
    text = _clean(text)
    return _with(track, number, [replace(cue, text=text, words=_words(cue, text))])


def set_speaker(track: Track, number: int, speaker: str) -> Track:
    """Set who speaks in the cue; empty for nobody in particular."""
    return _with(track, number, [replace(_cue(track, number), speaker=speaker.strip() or None)])


def set_times(track: Track, number: int, start: float, end: float) -> Track:
    """Show the cue from ``start`` to ``end``. Raises UsageError if those times are invalid or
    overlap another cue."""
    cue = _cue(track, number)
    _check(start, end)
    for other, neighbor in _other_cues(track, number):
        more = _overlap(start, end, neighbor) - _overlap(cue.start, cue.end, neighbor)
        if more > EPSILON:
            raise UsageError(
                f"cue {number} would overlap cue {other}, which is shown from "
                f"{neighbor.start:.2f} to {neighbor.end:.2f} s",
                f"move cue {other} first, or end before it begins",
            )
    words = cue.words
    if words and (words[0].start < start - EPSILON or words[-1].end > end + EPSILON):
        words = ()
    return _sorted(_with(track, number, [replace(cue, start=start, end=end, words=words)]))


def nudge(
    track: Track, number: int, seconds: float, edge: str = "both", *, to: int | None = None
) -> Track:
    """Move the cue, or only its ``start`` or ``end``, as far as its neighbors allow; with ``to``,
    all cues from ``number`` to that one together."""
    if edge not in ("both", "start", "end"):
        raise UsageError(f"a cue has no {edge}", "use both, start or end")
    if not math.isfinite(seconds):
        raise UsageError("a cue cannot be moved by that", "give seconds")
    last = number if to is None else to
    first, final = _cue(track, number), _cue(track, last)
    if last < number:
        raise UsageError("the last cue comes before the first", "name them in order")
    before = track.cues[number - 2] if number > 1 else None
    after = track.cues[last] if last < len(track.cues) else None
    low = min(before.end if before else 0.0, first.start)
    high = max(after.start if after else LATEST, final.end)
    if edge == "both":
        seconds = min(max(seconds, low - first.start), high - final.end)
        moved = [_shift(cue, seconds) for cue in track.cues[number - 1 : last]]
        return replace(track, cues=(*track.cues[: number - 1], *moved, *track.cues[last:]))
    if edge == "start":
        start = min(max(first.start + seconds, low), max(first.end - SHORTEST, first.start))
        return set_times(track, number, round(start, 3), first.end)
    end = max(min(first.end + seconds, high), min(first.start + SHORTEST, first.end))
    return set_times(track, number, first.start, round(end, 3))


def split(track: Track, number: int, at: int, time: float | None = None) -> Track:
    """Split the cue in two, the second with the text from the character ``at`` on. ``time`` is
    where they meet; without it, that is inferred from the words or the lengths of the texts."""
    cue = _cue(track, number)
    first, second = _clean(cue.text[:at]), _clean(cue.text[at:])
    if at <= 0 or not first or not second:
        raise UsageError(f"cue {number} cannot be split there", "put the cursor inside its text")
    length = cue.end - cue.start
    if length < 2 * SHORTEST:
        raise UsageError(f"cue {number} is too short to be split", "make it longer first")
    left = _words_until(cue.words, first)
    if time is None:
        share = len(first) / (len(first) + len(second))
        time = cue.words[left].start if 0 < left < len(cue.words) else cue.start + length * share
    time = round(min(max(time, cue.start + SHORTEST), cue.end - SHORTEST), 3)
    parts = [
        replace(cue, end=time, text=first, words=_clamp(cue.words[:left], cue.start, time)),
        replace(cue, start=time, text=second, words=_clamp(cue.words[left:], time, cue.end)),
    ]
    return _with(track, number, parts)


def merge(track: Track, number: int) -> Track:
    """Merge the cue with the next one."""
    cue = _cue(track, number)
    following = _cue(track, number + 1)
    both = bool(cue.words and following.words)
    words = (*cue.words, *following.words) if both else ()
    if both and uses_spaces(track.language) and not following.words[0].text.startswith(" "):
        joint = replace(following.words[0], text=" " + following.words[0].text)
        words = (*cue.words, joint, *following.words[1:])
    one = replace(
        cue,
        end=max(cue.end, following.end),
        text="\n".join(filter(None, (cue.text, following.text))),
        words=words,
    )
    cues = (*track.cues[: number - 1], one, *track.cues[number + 1 :])
    return replace(track, cues=cues)


def add(track: Track, start: float, end: float, text: str = "") -> Track:
    """Add a cue if there is room for it. Raises UsageError if there is another cue."""
    _check(start, end)
    for number, cue in enumerate(track.cues, 1):
        if _overlap(start, end, cue) > EPSILON:
            raise UsageError(
                f"cue {number} is already shown there, from {cue.start:.2f} to {cue.end:.2f} s",
                "add one where there is none",
            )
    return _sorted(replace(track, cues=(*track.cues, Cue(start, end, _clean(text)))))


def delete(track: Track, number: int) -> Track:
    """Remove the cue."""
    _cue(track, number)
    return _with(track, number, [])


def find_and_replace(
    track: Track, find: str, replacement: str, *, case: bool = False, whole: bool = False
) -> Track:
    """Replace every ``find`` in the texts; ``case`` makes it case-sensitive, ``whole`` matches only
    whole words."""
    if not find:
        raise UsageError("there is nothing to find", "enter what to find")
    pattern = re.escape(find)
    if whole:
        pattern = rf"(?<!\w){pattern}(?!\w)"
    compiled = re.compile(pattern, 0 if case else re.IGNORECASE)
    for number, cue in enumerate(track.cues, 1):
        text = compiled.sub(lambda _: replacement, cue.text)
        if text != cue.text:
            track = set_text(track, number, text)
    return track


EDITS: Mapping[str, tuple[Callable[..., Track], Mapping[str, type]]] = {
    "text": (set_text, {"number": int, "text": str}),
    "speaker": (set_speaker, {"number": int, "speaker": str}),
    "times": (set_times, {"number": int, "start": float, "end": float}),
    "nudge": (nudge, {"number": int, "seconds": float, "edge": str, "to": int}),
    "split": (split, {"number": int, "at": int, "time": float}),
    "merge": (merge, {"number": int}),
    "add": (add, {"start": float, "end": float, "text": str}),
    "delete": (delete, {"number": int}),
    "replace": (
        find_and_replace,
        {"find": str, "replacement": str, "case": bool, "whole": bool},
    ),
}
"""The edits by name, with their parameters."""


def apply_edit(track: Track, edit: Mapping[str, Any]) -> Track:
    """The track after an edit in JSON: ``{"edit": "split", "number": 3, "at": 12}``.

    Raises UsageError for one that is invalid or impossible.
    """
    name = edit.get("edit")
    if not isinstance(name, str) or name not in EDITS:
        raise UsageError(f"there is no edit {name!r}", f"known: {', '.join(EDITS)}")
    function, takes = EDITS[name]
    values: dict[str, Any] = {}
    for key, value in edit.items():
        if key == "edit" or value is None:
            continue
        kind = takes.get(key)
        number = isinstance(value, int) and not isinstance(value, bool)
        fits = number if kind is int else isinstance(value, kind) if kind else False
        if kind is float and (number or isinstance(value, float)):
            fits, value = True, float(value)
        if not fits:
            raise UsageError(f"{name} cannot take {key} as {value!r}", f"it takes {dict(takes)}")
        values[key] = value
    try:
        return function(track, **values)
    except TypeError as missing:
        raise UsageError(f"{name} lacks a value", f"it takes {', '.join(takes)}") from missing


def _cue(track: Track, number: int) -> Cue:
    if not 1 <= number <= len(track.cues):
        raise UsageError(f"there is no cue {number}", f"there are {len(track.cues)}")
    return track.cues[number - 1]


def _with(track: Track, number: int, cues: Sequence[Cue]) -> Track:
    return replace(track, cues=(*track.cues[: number - 1], *cues, *track.cues[number:]))


def _sorted(track: Track) -> Track:
    return replace(track, cues=tuple(sorted(track.cues, key=lambda cue: (cue.start, cue.end))))


def _check(start: float, end: float) -> None:
    if not (math.isfinite(start) and math.isfinite(end)) or not 0 <= start < LATEST >= end:
        raise UsageError("that is not a valid time", "give seconds from the start of the video")
    if end - start < SHORTEST - EPSILON:
        raise UsageError(
            f"a cue from {start:.2f} to {end:.2f} s is too short", f"at least {SHORTEST} s"
        )


def _other_cues(track: Track, number: int) -> list[tuple[int, Cue]]:
    return [(other, cue) for other, cue in enumerate(track.cues, 1) if other != number]


def _overlap(start: float, end: float, cue: Cue) -> float:
    return max(0.0, min(end, cue.end) - max(start, cue.start))


def _clean(text: str) -> str:
    """Lines without surrounding space, none of them empty: a blank line ends a cue in .srt."""
    if len(text) > LONGEST_TEXT:
        raise UsageError("the text is too long for a cue", f"at most {LONGEST_TEXT} characters")
    lines = ("".join(c for c in line if c >= " " or c == "\t") for line in text.splitlines())
    return "\n".join(line.strip() for line in lines if line.strip())


def _words(cue: Cue, text: str) -> tuple[Word, ...]:
    """The cue's words for a new text: with their times if there are as many, else none."""
    texts = text.split()
    if len(texts) != len(cue.words):
        return ()
    return tuple(
        replace(word, text=(" " if word.text.startswith(" ") else "") + new)
        for word, new in zip(cue.words, texts, strict=True)
    )


def _words_until(words: Sequence[Word], text: str) -> int:
    """How many of the words make up ``text``, the beginning of their text."""
    length = len("".join(text.split()))
    reached = 0
    for number, word in enumerate(words):
        if reached >= length:
            return number
        reached += len("".join(word.text.split()))
    return len(words)


def _clamp(words: Sequence[Word], start: float, end: float) -> tuple[Word, ...]:
    return tuple(
        replace(word, start=min(max(word.start, start), end), end=min(max(word.end, start), end))
        for word in words
    )


def _shift(cue: Cue, seconds: float) -> Cue:
    def shift(time: float) -> float:
        return round(time + seconds, 3)

    words = tuple(replace(word, start=shift(word.start), end=shift(word.end)) for word in cue.words)
    return replace(cue, start=shift(cue.start), end=shift(cue.end), words=words)
