"""Who speaks when: turns read from files, and speakers assigned to the words and cues of a track.

Finding the turns in a recording is a plugin's work (:class:`dubkit.hooks.Diarizer`).
"""

from __future__ import annotations

import itertools
import json
import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from dubkit.cues import phrases
from dubkit.errors import InputError
from dubkit.files import at_home
from dubkit.types import Cue, Track, Turn, Word

PAUSE = 0.3
"""Seconds of silence after which another person may begin to speak within a sentence."""
ANSWER = 1.5
"""Seconds of somebody else's speech that split a phrase even without a pause."""
AT_ONCE = 0.2
"""Seconds that two people's turns share where they speak at once; turns are rarely exact."""
NEAR = 1.0
"""Seconds from a turn within which words still belong to its speaker."""
LARGEST = 50_000_000
"""Bytes; a larger file of turns is refused."""


def read(path: Path) -> list[Turn]:
    """The turns in an RTTM file, or in JSON: a list of objects with start, end and speaker, or an
    object that has such a list as ``segments``, ``turns`` or ``diarization`` (whisperX, pyannote).

    Returns them in order of their starts. Raises InputError naming the line or turn.
    """
    path = at_home(path)
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path} is too large to be a file of turns", "is it the right one?")
        text = path.read_text("utf-8-sig", "replace")
    except OSError as failure:
        raise InputError(
            f"{path} cannot be read: {failure.strerror or failure}", "--speakers-from FILE"
        ) from failure
    turns = _from_json(path, text) if text.lstrip()[:1] in ("[", "{") else _from_rttm(path, text)
    return sorted(turns, key=lambda turn: turn.start)


def _from_json(path: Path, text: str) -> list[Turn]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as failure:
        raise InputError(
            f"{path} is not valid JSON: {failure}", "RTTM can be read, too"
        ) from failure
    if isinstance(value, dict):
        named = (value.get(name) for name in ("segments", "turns", "diarization"))
        value = next((one for one in named if isinstance(one, list)), None)
    if not isinstance(value, list):
        raise InputError(f"{path} has no list of turns", '[{"start": 0, "end": 2, "speaker": "A"}]')
    turns = []
    for number, one in enumerate(value, 1):
        try:
            if one.get("speaker") is not None:  # whisperX leaves it out if it found nobody
                turns.append(_turn(float(one["start"]), float(one["end"]), str(one["speaker"])))
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as failure:
            raise InputError(
                f"{path}: turn {number} has no start, end and speaker", "fix it in a text editor"
            ) from failure
    return turns


def _from_rttm(path: Path, text: str) -> list[Turn]:
    turns = []
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields or fields[0] != "SPEAKER":  # comments, SPKR-INFO
            if fields and not fields[0].startswith((";", "#", "SPKR-INFO")):
                raise InputError(
                    f"{path}, line {number}: {line.strip()[:60]!r} is not a turn",
                    "an RTTM line is: SPEAKER file 1 START LENGTH <NA> <NA> NAME <NA> <NA>",
                )
            continue
        try:
            start, seconds = float(fields[3]), float(fields[4])
            turns.append(_turn(start, start + seconds, fields[7]))
        except (IndexError, ValueError) as failure:
            raise InputError(
                f"{path}, line {number}: a turn has no start, length and name",
                "an RTTM line is: SPEAKER file 1 START LENGTH <NA> <NA> NAME <NA> <NA>",
            ) from failure
    return turns


def _turn(start: float, end: float, speaker: str) -> Turn:
    name = " ".join(speaker.split())
    if not (math.isfinite(start) and math.isfinite(end) and name):
        raise ValueError("not a turn")
    return Turn(start, max(start, end), name)


def find_speaker(who: str, speakers: Iterable[str]) -> str | None:
    """The speaker of that name or, for ``1``, of that number: ``S1``; None if there is none."""
    known = list(speakers)
    if who in known or not (who.isascii() and who.isdigit()):
        return who if who in known else None
    number = who.lstrip("0") or "0"
    found = [one for one in known if re.fullmatch(rf"\D*0*{number}", one, re.ASCII)]
    return found[0] if len(found) == 1 else None


def find_overlaps(turns: Iterable[Turn]) -> list[tuple[float, float]]:
    """When two people or more speak at once, in seconds, in order."""
    found: list[tuple[float, float]] = []
    speaking: list[Turn] = []
    for turn in sorted(turns, key=lambda one: one.start):
        speaking = [one for one in speaking if one.end > turn.start]
        ends = [min(one.end, turn.end) for one in speaking if one.speaker != turn.speaker]
        speaking.append(turn)
        if ends and found and turn.start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], *ends))
        elif ends:
            found.append((turn.start, max(ends)))
    return [(start, end) for start, end in found if end - start >= AT_ONCE]


def mark_overlaps(track: Track, turns: Sequence[Turn]) -> Track:
    """The track with each cue's ``overlap``: whether two people speak at once during it."""
    if not turns:
        return track
    overlaps = find_overlaps(turns)
    ends = [end for _, end in overlaps]

    def marked(cue: Cue) -> Cue:
        start, end = (cue.words[0].start, cue.words[-1].end) if cue.words else (cue.start, cue.end)
        first = bisect_right(ends, start)
        overlap = first < len(overlaps) and overlaps[first][0] < end
        return replace(cue, overlap=overlap) if overlap != cue.overlap else cue

    return replace(track, cues=tuple(map(marked, track.cues)))


def assign_speakers(track: Track, turns: Sequence[Turn]) -> Track:
    """The track with the speakers of its cues; a cue of two speakers is split between them.

    Speakers change at the end of a sentence or at a pause, and turns are rarely exact: so a phrase
    belongs to the one who speaks most of it. A cue that names its speaker keeps it, and one without
    words belongs to the one who speaks most of it.
    """
    if not turns:
        return track
    timeline = _Timeline(turns)
    cues: list[Cue] = []
    for cue in track.cues:
        if cue.speaker or not cue.words:
            speaker = cue.speaker or timeline.speaker(cue.start, cue.end)
            cues.append(replace(cue, speaker=speaker))
        else:
            cues += _split_by_speaker(cue, timeline, track.language_of(cue))
    return replace(track, cues=tuple(cues))


def _split_by_speaker(cue: Cue, timeline: _Timeline, language: str) -> Iterator[Cue]:
    """The cue with its speaker, or one cue for each stretch by one speaker."""
    assigned = _word_speakers(cue.words, timeline, language)
    for speaker, group in itertools.groupby(assigned, key=lambda pair: pair[1]):
        words = tuple(word for word, _ in group)
        if len(words) == len(cue.words):
            yield replace(cue, speaker=speaker)
        else:
            text = "".join(word.text for word in words).strip()
            start = cue.start if words[0] is cue.words[0] else words[0].start
            end = cue.end if words[-1] is cue.words[-1] else words[-1].end
            yield replace(cue, start=start, end=end, text=text, words=words, speaker=speaker)


def _word_speakers(
    words: Sequence[Word], timeline: _Timeline, language: str
) -> Iterator[tuple[Word, str | None]]:
    """Each word with its speaker."""
    for phrase in _phrases(words, language):
        parts: list[tuple[str | None, list[Word]]] = []
        for word in phrase:
            speaker = timeline.speaker(word.start, word.end)
            if parts and parts[-1][0] == speaker:
                parts[-1][1].append(word)
            else:
                parts.append((speaker, [word]))
        long = [part for part in parts if part[1][-1].end - part[1][0].start >= ANSWER]
        if len({speaker for speaker, _ in long}) > 1:
            current: str | None = long[0][0]
            for part in parts:
                current = part[0] if part in long else current
                yield from ((word, current) for word in part[1])
        else:
            main = timeline.speaker(phrase[0].start, phrase[-1].end)
            yield from ((word, main) for word in phrase)


def _phrases(words: Sequence[Word], language: str) -> Iterator[list[Word]]:
    """The words in groups, split at pauses and the ends of sentences."""
    phrase: list[Word] = []
    for word, after in itertools.zip_longest(words, words[1:]):
        phrase.append(word)
        following = after.text.strip() if after else ""
        if (
            after is None
            or after.start - word.end >= PAUSE
            or phrases.ends_sentence(word.text.strip(), following, language)
        ):
            yield phrase
            phrase = []


class _Timeline:
    """Turns, at least one, to look up the speaker of a time."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = sorted(turns, key=lambda turn: turn.start)
        self._starts = [turn.start for turn in self._turns]
        self._longest = max(turn.end - turn.start for turn in turns)

    def speaker(self, start: float, end: float) -> str | None:
        """Who speaks most of a time, of two who speak all of it the one whose turns there are
        longer; if nobody does, the speaker of a turn within ``NEAR``."""
        first = bisect_left(self._starts, start - self._longest - NEAR)
        last = bisect_right(self._starts, end + NEAR)
        shares: dict[str, float] = {}
        lengths: dict[str, float] = {}
        distances: list[tuple[float, str]] = []
        for turn in self._turns[first:last]:
            shared = min(turn.end, end) - max(turn.start, start)
            if shared > 0:
                shares[turn.speaker] = shares.get(turn.speaker, 0.0) + shared
                lengths[turn.speaker] = lengths.get(turn.speaker, 0.0) + turn.end - turn.start
            distances.append((-shared, turn.speaker))
        if shares:
            return max(shares, key=lambda name: (round(shares[name], 3), lengths[name]))
        distance, name = min(distances, default=(math.inf, ""))
        return name if distance <= NEAR else None
