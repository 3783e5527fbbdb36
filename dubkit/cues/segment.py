"""Recognised words -> cues that are easy to read, and the check of any track against a profile.

Every choice has a cost and the cheapest whole is taken (dynamic programming), as a paragraph is
set in type: so no cue is filled at the price of an orphan word in the next. Costs are in the scale
of :mod:`dubkit.cues.phrases`: 0 breaks at the end of a sentence, 30 anywhere, 75 inside a phrase.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace

from dubkit.types import Cue, Media, Track, Word

from . import phrases
from .lines import EPSILON, Units, break_lines, cut_text
from .lines import tokens as _tokens
from .profiles import DEFAULT, Limits, Profile
from .profiles import limits as limits_of
from .text import unwrap

ASSUMED_FRAME_RATE = 24.0
"""Frames a second when the video's are not known: its frames are the longest in common use."""
TICK = 0.01
"""Least seconds between the starts of two words, and from start to end of a cue."""
PAUSE = 0.3
"""Seconds of silence from which speech begins to invite a new cue ..."""
WALL = 2.0
"""... and from which no cue spans it."""

_CUE = 10.0  # a cue more, so that two do not stand where one does
_SENTENCE_INSIDE = 14.0  # a sentence that ends inside a cue ...
_SENTENCE_TORN = 16.0  # ... whose own edges are not sentences' ends
_PAUSE_INSIDE = 50.0  # a second of pause inside a cue, beyond PAUSE
_ORPHAN = 30.0  # a cue of a word or two that is no sentence
_FLASH = 80.0  # a cue too short to be seen, and the same for each second it lacks
_HURRY = 25.0  # a second of reading time that is not there
_SHORTNESS = 15.0  # an almost empty cue, by the square


# Lines


# Cues


def from_words(
    track: Track, profile: Profile | str = DEFAULT, frame_rate: float | None = None
) -> Track:
    """Cut recognised speech into cues that can be read.

    Takes the segments of a transcript with their words, and their speakers where known. Every word
    is in exactly one cue, in order; only a word too wide for any cue is shared between two, as
    pieces. Times that run backwards or overlap are put in order; a segment without words shares
    its time among the words of its text. What comes out passes :func:`check`, except where the
    speech itself is too fast to be read.
    """
    limits = limits_of(profile, track.language)
    gap = limits.gap_frames / (frame_rate or ASSUMED_FRAME_RATE)
    atoms: list[Word] = []
    origins: list[int] = []  # which word each atom is of: nearly always, all of it
    speakers: list[str | None] = []
    for cue in track.cues:
        for word in cue.words or _share(cue, track.language):
            pieces = _pieces(word, track.language, limits)
            origins += [origins[-1] + 1 if origins else 0] * len(pieces)
            speakers += [cue.speaker] * len(pieces)
            atoms += pieces
    atoms = _in_order(atoms)
    runs = [list(run) for _, run in itertools.groupby(range(len(atoms)), speakers.__getitem__)]
    cues: list[Cue] = []
    for run in runs:
        first, last = run[0], run[-1] + 1
        following = atoms[last].start if last < len(atoms) else math.inf
        speech = _Speech(
            atoms[first:last], origins[first:last], track.language, limits, gap, following
        )
        cues += (replace(cue, speaker=speakers[first]) for cue in speech.cues())
    return Track(track.language, tuple(_timed(cues, limits, gap)))


def fitted(
    track: Track, profile: Profile | str = DEFAULT, frame_rate: float | None = None
) -> Track:
    """The track made readable without moving where a cue begins.

    For text that did not come with words of its own, such as a translation: ``cue.end`` is when
    its speech ends. A cue whose text does not fit is shared between several, one after the other
    in its time; each stays on the screen as long as reading needs and the next one lets.
    """
    limits = limits_of(profile, track.language)
    gap = limits.gap_frames / (frame_rate or ASSUMED_FRAME_RATE)
    shown: list[Cue] = []
    for cue in track.cues:
        text = break_lines(cue.text, track.language, limits)
        if len(text.splitlines()) <= limits.lines:
            shown.append(replace(cue, text=text))
        else:
            alone = from_words(
                Track(track.language, (replace(cue, words=()),)), profile, frame_rate
            )
            shown += (
                replace(part, words=(), speaker=cue.speaker, end=part.words[-1].end)
                for part in alone.cues
            )
    return Track(track.language, tuple(_timed(shown, limits, gap)))


def _share(cue: Cue, language: str) -> list[Word]:
    """Words for a cue that has only text: its time shared out by their length."""
    tokens = _tokens(unwrap(cue.text, language), language)
    lead = " " if phrases.spaced(language) else ""
    reach = itertools.accumulate(map(len, tokens), initial=0)
    pace = (cue.end - cue.start) / max(1, sum(map(len, tokens)))
    times = [cue.start + pace * done for done in reach]
    return [
        Word(start, end, lead + token.strip() if lead else token)
        for token, (start, end) in zip(tokens, itertools.pairwise(times), strict=True)
    ]


def _in_order(words: Sequence[Word]) -> list[Word]:
    """The words with times that rise: most stay as they are, the odd ones go between neighbours."""
    # Less a tick a word, times that rise by a tick are times that do not fall: the longest such
    # row is what can be trusted. Below zero there would be no room for the words before.
    keys = [word.start - TICK * k for k, word in enumerate(words)]
    tails: list[float] = []
    rows: list[int] = []
    links = [-1] * len(words)
    for k, key in enumerate(keys):
        if 0 <= key < math.inf:
            place = bisect_right(tails, key)
            links[k] = rows[place - 1] if place else -1
            tails[place : place + 1] = [key]
            rows[place : place + 1] = [k]
    anchors: list[int] = []
    k = rows[-1] if rows else -1
    while k >= 0:
        anchors.append(k)
        k = links[k]
    anchors.reverse()
    starts = _between(anchors, keys, words)
    ordered = []
    for k, word in enumerate(words):
        limit = starts[k + 1] if k + 1 < len(words) else math.inf
        end = word.end if math.isfinite(word.end) else starts[k]
        end = max(starts[k], min(end, limit))
        same = starts[k] == word.start and end == word.end
        ordered.append(word if same else replace(word, start=starts[k], end=end))
    return ordered


def _between(anchors: Sequence[int], keys: Sequence[float], words: Sequence[Word]) -> list[float]:
    """Start times that hold at the anchors and run evenly in between."""
    if not anchors:
        return [TICK * k for k in range(len(words))]
    starts = []
    first, last = anchors[0], anchors[-1]
    place = 0
    for k, word in enumerate(words):
        while place < len(anchors) and anchors[place] < k:
            place += 1
        if place < len(anchors) and anchors[place] == k:
            starts.append(word.start)
        elif k < first:
            starts.append(keys[first] + TICK * k)
        elif k > last:
            starts.append(keys[last] + TICK * k)
        else:
            a, b = anchors[place - 1], anchors[place]
            share = (k - a) / (b - a)
            starts.append(keys[a] + (keys[b] - keys[a]) * share + TICK * k)
    return starts


def _spoken_until(word: Word, width: float) -> float:
    """When the word is really over: recognisers let a word's end run on through silence."""
    return min(word.end, word.start + 0.8 + 0.1 * width)


class _Speech:
    """One speaker's words without interruption, cut into cues."""

    def __init__(
        self,
        atoms: Sequence[Word],
        origins: Sequence[int],
        language: str,
        limits: Limits,
        gap: float,
        following: float,
    ) -> None:
        self.atoms, self.origins = atoms, origins
        self.language, self.limits, self.gap = language, limits, gap
        self.bounds = self._bounds()
        spans = list(itertools.pairwise(self.bounds))
        pieces = ["".join(atom.text for atom in self.atoms[a:b]) for a, b in spans]
        self.units = Units(pieces, language, limits)
        self.starts = [self.atoms[a].start for a, _ in spans] + [following]
        self.stops = [
            _spoken_until(self.atoms[b - 1], limits.width(self.atoms[b - 1].text)) for _, b in spans
        ]

    def _bounds(self) -> list[int]:
        """Indexes of the atoms that begin a unit, and the number of atoms."""
        atoms, limits = self.atoms, self.limits
        spaced = phrases.spaced(self.language)
        joints: set[int] = set()
        if not spaced:
            text = "".join(atom.text for atom in atoms)
            parts = phrases.phrases(text, self.language)
            joints = set(itertools.accumulate(map(len, parts)))
        bounds: list[int] = []
        place, filled, blank = 0, 0.0, True
        for k, atom in enumerate(atoms):
            extra = limits.width(atom.text)
            apart = atom.text[:1].isspace() or (k > 0 and atoms[k - 1].text[-1:].isspace())
            quiet = k > 0 and atom.start - _spoken_until(atoms[k - 1], 0.0) > 0.5
            joint = apart or quiet or place in joints
            full = filled + extra > limits.line_width
            if not bounds or (atom.text.strip() and not blank and (joint or full)):
                bounds.append(k)
                filled, blank = 0.0, True
            filled += extra
            blank = blank and not atom.text.strip()
            place += len(atom.text)
        return [*bounds, len(atoms)]

    def cues(self) -> Iterator[Cue]:
        """The cues, each from its first word to the end of its last."""
        for i, j in self._cuts():
            _, breaks = self.units.layout(i, j, math.inf)
            text = self.units.text(i, j, breaks)
            first, last = self.bounds[i], self.bounds[j]
            words = tuple(self._whole(first, last))
            if text:
                yield Cue(self.starts[i], self.stops[j - 1], text, words)

    def _whole(self, first: int, last: int) -> Iterator[Word]:
        """The words of these atoms, put together again where they were cut."""
        for _, group in itertools.groupby(range(first, last), self.origins.__getitem__):
            atoms = [self.atoms[k] for k in group]
            if len(atoms) == 1:
                yield atoms[0]
            else:
                text = "".join(atom.text for atom in atoms)
                yield replace(atoms[0], end=atoms[-1].end, text=text)

    def _cuts(self) -> list[tuple[int, int]]:
        """The cheapest way to cut the units into cues: pairs of first and one past the last."""
        units, limits, gap = self.units, self.limits, self.gap
        starts, stops = self.starts, self.stops
        count = len(units.texts)
        edges, ties, inside = self._joints()
        sentences = [0, *(cost == phrases.SENTENCE for cost in units.costs[1:])]
        ended = [0, *itertools.accumulate(sentences)]
        capacity = limits.line_width * limits.lines
        most_words = limits.max_words if phrases.spaced(self.language) else None
        best = [0.0] * (count + 1)
        back = [0] * (count + 1)
        for j in range(1, count + 1):
            last, following = stops[j - 1], starts[j]
            # A gap that would be closed belongs to the cue: the cue has to last until there.
            until = following - gap if following - last < limits.joined_below + gap else last
            until = max(until, last)
            # Where speech goes on at once, the gap is taken from the end of this cue.
            room = min(following - gap, last + limits.late)
            best[j] = math.inf
            for i in range(j - 1, -1, -1):
                width = units.width(i, j)
                alone = i == j - 1
                if not alone and (
                    width > capacity + EPSILON
                    or until - starts[i] > limits.max_duration
                    or (most_words and j - i > most_words)
                    or inside[j] - inside[i + 1] >= math.inf
                ):
                    break
                if not alone and starts[i + 1] - stops[i] > WALL:
                    break
                lines, _ = units.layout(i, j, limits.lines)
                if lines < math.inf:
                    cost = best[i] + _CUE + edges[j] + inside[j] - inside[i + 1] + lines
                    cost += self._haste(width, j - i, room - starts[i])
                    fill = width / capacity
                    cost += _SHORTNESS * (1 - fill) ** 2 if fill < 1 else 0.0
                    if (edges[i] or edges[j]) and ended[j] > ended[i + 1]:
                        cost += _SENTENCE_TORN
                    if fill < 0.2:
                        tie = max(ties[i], ties[j])
                        cost += tie * (_ORPHAN if j - i <= 2 else _ORPHAN / 2)
                    if cost < best[j]:
                        best[j], back[j] = cost, i
        cuts = []
        j = count
        while j:
            cuts.append((back[j], j))
            j = back[j]
        return cuts[::-1]

    def _haste(self, width: float, words: int, room: float) -> float:
        """What it costs that the cue is on the screen for less time than it takes."""
        limits = self.limits
        cost = 0.0
        if room < limits.min_duration:
            cost += _FLASH * (1 + limits.min_duration - room)
        need = max(width / limits.reading_speed, words * limits.word_time)
        return cost + _HURRY * (need - room) if need > room else cost

    def _joints(self) -> tuple[list[float], list[float], list[float]]:
        """Before each unit: the cost of a cue's edge there; how far speech goes on across it,
        from 0 to 1; and the running cost of all that stays inside a cue."""
        edges, ties, inside = [0.0], [0.0], [0.0, 0.0]
        costs = self.units.costs
        for k in range(1, len(costs)):
            pause = max(0.0, self.starts[k] - self.stops[k - 1])
            tie = max(0.25, 1 - pause)
            # A rest after "the" is a hesitation, and no reason to end there.
            edges.append(costs[k] * (tie if costs[k] < phrases.BOUND else max(tie, 0.5)))
            ties.append(tie if costs[k] else 0.0)
            kept = _PAUSE_INSIDE * (pause - PAUSE) if pause > PAUSE else 0.0
            if costs[k] == phrases.SENTENCE:
                kept += _SENTENCE_INSIDE
            inside.append(inside[-1] + kept)
        return [*edges, 0.0], [*ties, 0.0], inside


def _pieces(word: Word, language: str, limits: Limits) -> list[Word]:
    """The word, cut where it is wider than a line; the pieces share its time by their length."""
    parts = cut_text(word.text, language, limits)
    if len(parts) == 1:
        return [word]
    reach = itertools.accumulate(map(len, parts), initial=0)
    pace = (word.end - word.start) / sum(map(len, parts))
    times = [word.start + pace * done for done in reach]
    times[0], times[-1] = word.start, word.end
    return [
        replace(word, start=start, end=end, text=part)
        for part, (start, end) in zip(parts, itertools.pairwise(times), strict=True)
    ]


def _timed(cues: Sequence[Cue], limits: Limits, gap: float) -> Iterator[Cue]:
    """Give each cue its out time: past its speech as far as reading needs and the next one lets."""
    for k, cue in enumerate(cues):
        following = cues[k + 1].start if k + 1 < len(cues) else math.inf
        # Where speech is too fast even for the gap, half of the time is the cue's.
        room = max(following - gap, (cue.start + following) / 2)
        need = max(limits.min_duration, limits.reading_time(cue.text))
        end = max(cue.end + limits.linger, min(cue.start + need, cue.end + limits.late))
        end = max(end, cue.start + limits.min_duration)
        end = min(end, cue.start + limits.max_duration)
        if following - end < limits.joined_below + EPSILON:
            if room - cue.start <= limits.max_duration:
                end = room
            else:  # too long to be joined: leave a gap that is one
                apart = following - limits.joined_below - EPSILON
                end = min(max(cue.end, apart), cue.start + limits.max_duration, room)
        yield replace(cue, end=end)


# The check


def clip_to_media(track: Track, found: Media | None) -> Track:
    """The track with its last cue not outlasting the file: it would make a video longer."""
    if not (track.cues and found and found.duration):
        return track
    *rest, last = track.cues
    end = max(min(last.end, found.duration), last.words[-1].end if last.words else last.start)
    return replace(track, cues=(*rest, replace(last, end=end)))
