"""Edits of a track, as pure functions: a track in, another track out; and undo.

Cues are numbered from 1, like the check's violations. An edit never makes two cues overlap more
than they did, never makes a cue without duration, and keeps the times of words if the words still
match the text. What it makes of two cues, or of one, keeps to :class:`Rules`. :func:`apply_edit`
applies an edit in JSON, :func:`companion` what follows from it in another language; edits that
mend are in :mod:`.mending`, drafts of edited cues in :mod:`.drafts`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dubkit.cues import profiles
from dubkit.cues.lines import break_lines, split_tokens
from dubkit.cues.phrases import break_cost, uses_spaces
from dubkit.cues.profiles import Limits, Profile
from dubkit.cues.segment import ASSUMED_FRAME_RATE
from dubkit.cues.sentences import carry_marks
from dubkit.cues.text import unwrap, without_marks
from dubkit.languages import is_tag

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
SAME = 0.05
"""Seconds by which the times of a cue and of its translation may differ."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What an edit keeps to."""

    profile: Profile | str = profiles.DEFAULT
    frame_rate: float | None = None
    """The video's; None if it is unknown."""

    def limits(self, language: str) -> Limits:
        """Those of a text in a language."""
        return profiles.limits(self.profile, language)

    def gap(self, language: str) -> float:
        """Seconds left empty between two cues."""
        return self.limits(language).gap_frames / (self.frame_rate or ASSUMED_FRAME_RATE)


@dataclass(frozen=True, slots=True)
class History:
    """A track with its earlier states, and those that were undone."""

    present: Track
    past: tuple[Track, ...] = ()
    future: tuple[Track, ...] = ()
    stamps: tuple[int, ...] = field(default=(), compare=False)
    """Which edit came after each of ``past``; one of several languages has the same in all."""
    undone: tuple[int, ...] = field(default=(), compare=False)
    """The same of ``future``: the edit that gave each."""

    @property
    def last(self) -> int:
        """The edit that undo would take back; 0 if there is none."""
        return self.stamps[-1] if self.stamps else 0

    @property
    def next(self) -> int:
        """The edit that redo would do; 0 if there is none."""
        return self.undone[0] if self.undone else 0

    def record(self, track: Track, stamp: int = 0) -> History:
        """The history after an edit that gave ``track``."""
        if track == self.present:
            return self
        past = (*self.past, self.present)[-MAX_UNDO:]
        return History(track, past, (), (*self.stamps, stamp)[-MAX_UNDO:])

    def undo(self) -> History:
        """The history before the last edit."""
        if not self.past:
            return self
        future, undone = (self.present, *self.future), (self.last, *self.undone)
        return History(self.past[-1], self.past[:-1], future, self.stamps[:-1], undone)

    def redo(self) -> History:
        """The history after the edit that was undone last."""
        if not self.future:
            return self
        past, stamps = (*self.past, self.present), (*self.stamps, self.next)
        return History(self.future[0], past, self.future[1:], stamps, self.undone[1:])


def set_text(track: Track, number: int, text: str) -> Track:
    """Give the cue the text ``text``."""
    cue = _cue(track, number)
    text = _clean(text)
    return _with(track, number, [replace(cue, text=text, words=_words(cue, text))])


def set_texts(track: Track, texts: Mapping[str, Any]) -> Track:
    """Give several cues other texts, by their numbers."""
    for number, text in texts.items():
        if not number.isdecimal() or not isinstance(text, str):
            raise UsageError("those are no texts by number", '{"3": "..."}')
        track = set_text(track, int(number), text)
    return track


def set_speaker(track: Track, number: int, speaker: str) -> Track:
    """Set who speaks in the cue; empty for nobody in particular."""
    return _with(track, number, [replace(_cue(track, number), speaker=speaker.strip() or None)])


def set_language(track: Track, number: int, language: str) -> Track:
    """Set the language of the cue's text; empty for the track's own. Raises UsageError if it is no
    tag."""
    if language and not is_tag(language):
        raise UsageError(f"{language!r} is not the tag of a language", "such as pt, or pt-BR")
    own = None if language in ("", track.language) else language
    return _with(track, number, [replace(_cue(track, number), language=own)])


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


def shift(track: Track, number: int, seconds: float) -> Track:
    """Move the cue and all after it, as far back as the cue before it allows."""
    return nudge(track, number, seconds, to=len(track.cues))


def split(
    track: Track, number: int, at: int | None = None, time: float | None = None, *, rules: Rules
) -> Track:
    """Split the cue in two, the second with the text from the character ``at`` on. ``time`` is
    where the second begins; without it, that is inferred from the words or the lengths of the
    texts, and without ``at`` the place in the text from the time. Between the two is the profile's
    gap, and both are as long as reading takes if the cue is long enough for that.
    """
    cue = _cue(track, number)
    language = track.language_of(cue)
    if at is None and time is None:
        raise UsageError("split lacks a value", "it takes at or time")
    if at is None:
        assert time is not None
        texts = _divided(cue, _share(cue, time), language, rules)
    else:
        texts = (cue.text[:at], cue.text[at:]) if at > 0 else ("", cue.text)
    first, second = (_clean(text) for text in carry_marks(text.strip() for text in texts))
    if not without_marks(first).strip() or not without_marks(second).strip():
        raise UsageError(f"cue {number} cannot be split there", "put the cursor inside its text")
    gap = min(rules.gap(language), (cue.end - cue.start) / 4)
    if cue.end - cue.start < 2 * SHORTEST + gap:
        raise UsageError(f"cue {number} is too short to be split", "make it longer first")
    left = _words_until(cue.words, without_marks(first))
    if time is None:
        share = len(first) / (len(first) + len(second))
        length = cue.end - cue.start
        time = cue.words[left].start if 0 < left < len(cue.words) else cue.start + length * share
    limits = rules.limits(language)
    time = round(_readable_cut(cue, time, gap, (first, second), limits), 3)
    parts = _cut(cue, left, time, round(time - gap, 3), (first, second), language, rules)
    return _with(track, number, parts)


def _cut(
    cue: Cue, left: int, time: float, end: float, texts: tuple[str, str], language: str,
    rules: Rules,
) -> list[Cue]:  # fmt: skip
    """The cue in two: until ``end`` with the first ``left`` words, and from ``time`` on."""
    first, second = (_fitted(text, language, rules) for text in texts)
    return [
        replace(cue, end=end, text=first, words=_clamp(cue.words[:left], cue.start, end)),
        replace(cue, start=time, text=second, words=_clamp(cue.words[left:], time, cue.end)),
    ]


def _readable_cut(
    cue: Cue, time: float, gap: float, texts: tuple[str, str], limits: Limits
) -> float:
    """The time nearest to ``time`` at which both parts can be read, if there is any."""
    least = max(SHORTEST, min(limits.min_duration, (cue.end - cue.start - gap) / 2))
    needs = [max(limits.min_duration, limits.reading_time(without_marks(text))) for text in texts]
    if sum(needs) + gap > cue.end - cue.start:
        needs = [least, least]
    return max(min(time, cue.end - needs[1]), cue.start + needs[0] + gap)


def _share(cue: Cue, time: float) -> float:
    """How much of the cue's text is spoken before a time, 0 to 1."""
    if cue.words:
        before = sum(len(word.text) for word in cue.words if word.start < time - EPSILON)
        return before / max(sum(len(word.text) for word in cue.words), 1)
    return (time - cue.start) / max(cue.end - cue.start, SHORTEST)


def _divided(cue: Cue, share: float, language: str, rules: Rules) -> tuple[str, str]:
    """The cue's text in two, the first with about a share of it, at the end of a phrase if one is
    near. The second is empty if the text cannot be divided."""
    flat, limits = unwrap(cue.text, language), rules.limits(language)
    tokens = split_tokens(flat, language)
    widths = [limits.width("".join(tokens[:k])) for k in range(len(tokens) + 1)]

    def cost(k: int) -> float:
        off = 2 * (widths[k] - share * widths[-1]) / limits.line_width
        return 0.6 * break_cost(tokens[k - 1], tokens[k], language) + off * off * 14 * 4

    at = min(range(1, len(tokens)), key=cost, default=len(tokens))
    return "".join(tokens[:at]), "".join(tokens[at:])


def merge(track: Track, number: int, *, rules: Rules) -> Track:
    """Merge the cue with the next one; what both say is broken into lines again. Of two languages
    it is in that of the longer text."""
    cue = _cue(track, number)
    following = _cue(track, number + 1)
    longer = max(cue, following, key=lambda one: len(without_marks(one.text)))
    language = track.language_of(longer)
    both = bool(cue.words and following.words)
    words = (*cue.words, *following.words) if both else ()
    if both and uses_spaces(language) and not following.words[0].text.startswith(" "):
        joint = replace(following.words[0], text=" " + following.words[0].text)
        words = (*cue.words, joint, *following.words[1:])
    texts = [text for text in (cue.text, following.text) if text]
    same = cue.speaker == following.speaker
    if same:
        text = _fitted("\n".join(texts), language, rules)
    else:  # as in a dialog
        bare = (unwrap(text, language) for text in texts)
        text = "\n".join(text if text.startswith("-") else f"- {text}" for text in bare)
    one = replace(
        cue,
        end=max(cue.end, following.end),
        text=text,
        words=words,
        speaker=cue.speaker if same else None,
        language=longer.language,
    )
    cues = (*track.cues[: number - 1], one, *track.cues[number + 1 :])
    return replace(track, cues=cues)


def rebreak(track: Track, number: int, *, rules: Rules) -> Track:
    """Break the cue's text into lines as the command would."""
    cue = _cue(track, number)
    language = track.language_of(cue)
    text = break_lines(cue.text, language, rules.limits(language))
    return _with(track, number, [replace(cue, text=text)])


def _fitted(text: str, language: str, rules: Rules) -> str:
    """A text of several lines, or of one that is too long, broken into lines again."""
    limits = rules.limits(language)
    if "\n" not in text and limits.width(text) <= limits.line_width:
        return text
    return break_lines(text, language, limits)


def rename_speaker(track: Track, speaker: str, name: str) -> Track:
    """Give all cues of a speaker another name; if that is another speaker's, they are one."""
    name = name.strip()
    if not name:
        raise UsageError("a speaker needs a name", "type one")
    cues = (replace(cue, speaker=name) if cue.speaker == speaker else cue for cue in track.cues)
    return replace(track, cues=tuple(cues))


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
    "texts": (set_texts, {"texts": dict}),
    "speaker": (set_speaker, {"number": int, "speaker": str}),
    "language": (set_language, {"number": int, "language": str}),
    "times": (set_times, {"number": int, "start": float, "end": float}),
    "nudge": (nudge, {"number": int, "seconds": float, "edge": str, "to": int}),
    "shift": (shift, {"number": int, "seconds": float}),
    "split": (split, {"number": int, "at": int, "time": float}),
    "merge": (merge, {"number": int}),
    "break": (rebreak, {"number": int}),
    "rename": (rename_speaker, {"speaker": str, "name": str}),
    "add": (add, {"start": float, "end": float, "text": str}),
    "delete": (delete, {"number": int}),
    "replace": (
        find_and_replace,
        {"find": str, "replacement": str, "case": bool, "whole": bool},
    ),
}
"""The edits by name, with their parameters."""
RULED = ("split", "merge", "break")
"""Those that keep to the rules of a profile."""


def apply_edit(track: Track, edit: Mapping[str, Any], keep: Rules | None = None) -> Track:
    """The track after an edit in JSON: ``{"edit": "split", "number": 3, "at": 12}``; ``keep`` are
    the rules that it keeps to, without them those of the default profile.

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
    if name in RULED:
        values["rules"] = keep or Rules()
    try:
        return function(track, **values)
    except TypeError as missing:
        raise UsageError(f"{name} lacks a value", f"it takes {', '.join(takes)}") from missing


def companion(
    edit: Mapping[str, Any], before: Track, after: Track, other: Track, keep: Rules
) -> Track:
    """Another language after an edit that led from ``before`` to ``after``: a cue that was split
    is split there, too, at the same time, its text in proportion; cues are merged, moved together
    and their speakers renamed. The same if nothing follows."""
    name, number = edit.get("edit"), edit.get("number", 0)
    if name == "rename":
        return apply_edit(other, edit)
    if name not in ("split", "merge", "shift") or after == before:
        return other
    cue = before.cues[number - 1]
    if name == "shift":
        moved = round(after.cues[number - 1].start - cue.start, 3)
        first = next((n for n, one in enumerate(other.cues, 1) if one.start > cue.start - SAME), 0)
        return shift(other, first, moved) if first else other
    beside = _beside(cue, other)
    if name == "merge":
        following = _beside(before.cues[number], other)
        return merge(other, beside, rules=keep) if 0 < beside == following - 1 else other
    if not beside:
        return other
    old, (begin, second) = other.cues[beside - 1], after.cues[number - 1 : number + 1]
    if not old.start + SHORTEST <= begin.end <= second.start <= old.end - SHORTEST:
        return other
    share = len(begin.text) / (len(begin.text) + len(second.text))
    language = other.language_of(old)
    divided = _divided(old, share, language, keep)
    if not all(divided):
        return other
    one, two = (_clean(text) for text in carry_marks(text.strip() for text in divided))
    left = _words_until(old.words, without_marks(one))
    parts = _cut(old, left, second.start, begin.end, (one, two), language, keep)
    return _with(other, beside, parts)


def _beside(cue: Cue, other: Track) -> int:
    """The number of the cue of another language that is shown when ``cue`` is; 0 if none is."""
    for number, one in enumerate(other.cues, 1):
        common = _overlap(cue.start, cue.end, one)
        if common > max(cue.end - cue.start, one.end - one.start) / 2:
            return number
    return 0


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
