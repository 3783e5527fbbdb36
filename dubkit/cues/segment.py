"""Recognized words -> cues that are easy to read.

Every choice has a cost and the cheapest whole is taken (dynamic programming), as a paragraph is
typeset: so no cue is filled at the price of an orphan word in the next. Costs use the scale of
:mod:`.phrases`: 0 for a break at the end of a sentence, 30 anywhere, 75 inside a phrase. Whether a
finished track keeps to a profile is :mod:`.check`'s.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from dubkit.types import Cue, Track, Word

from . import phrases
from .lines import EPSILON, Units, split_tokens, split_wide
from .profiles import DEFAULT, Limits, Profile
from .profiles import limits as limits_of
from .text import unwrap
from .word_times import WALL, order_times, speech_end, with_late_openers

ASSUMED_FRAME_RATE = 24.0
"""Frames per second if the video's are unknown: the lowest rate, so the longest frames, in use."""
PAUSE = 0.3
"""Seconds of silence from which a new cue becomes attractive."""

_CUE = 10.0  # each cue, so that two are not used where one will do
_SENTENCE_INSIDE = 14.0  # a sentence that ends inside a cue ...
_SENTENCE_TORN = 16.0  # ... whose own edges are not the ends of sentences
_PAUSE_INSIDE = 50.0  # a second of pause inside a cue, beyond PAUSE
_ORPHAN = 30.0  # a cue of a word or two that is not a sentence
_FLASH = 80.0  # a cue too short to be seen, and the same for each second it lacks
_HURRY = 25.0  # a missing second of reading time
_SHORTNESS = 15.0  # an almost empty cue, by the square


def from_words(
    track: Track, profile: Profile | str = DEFAULT, frame_rate: float | None = None
) -> Track:
    """Cut recognized speech into readable cues.

    Takes the segments of a transcript with their words, and their speakers if known. Every word
    is in exactly one cue, in order; only a word too wide for any cue is split between two. Times
    that run backwards or overlap are put in order; a segment without words shares its time among
    the words of its text. The result passes :func:`.check.check`, except where the speech itself
    is too fast to read.
    """
    gap = limits_of(profile, track.language).gap_frames / (frame_rate or ASSUMED_FRAME_RATE)
    atoms: list[Word] = []
    origins: list[int] = []  # the word each atom belongs to: nearly always the whole of it
    # The speaker and the language of each atom, and how many sentences have begun, of those that
    # the text does not show.
    kinds: list[tuple[str | None, str | None, int]] = []
    begun = 0
    for cue in track.cues:
        begun += cue.new_sentence
        language = track.language_of(cue)
        for word in cue.words or _words_from_text(cue, language):
            pieces = _split_word(word, language, limits_of(profile, language))
            origins += [origins[-1] + 1 if origins else 0] * len(pieces)
            kinds += [(cue.speaker, cue.language, begun)] * len(pieces)
            atoms += pieces
    atoms = with_late_openers(order_times(atoms), track.language)
    cues: list[Cue] = []
    before = 0
    for (speaker, foreign, number), run in itertools.groupby(range(len(atoms)), kinds.__getitem__):
        indexes = list(run)
        first, last = indexes[0], indexes[-1] + 1
        following = atoms[last].start if last < len(atoms) else math.inf
        language = foreign or track.language
        speech = _SpeakerRun(
            atoms[first:last],
            origins[first:last],
            language,
            limits_of(profile, language),
            gap,
            following,
        )
        for cue in speech.cues():
            new = number > before
            before = number
            cues.append(replace(cue, speaker=speaker, language=foreign, new_sentence=new))
    made = Track(track.language, tuple(cues))
    return replace(made, cues=tuple(set_end_times(made, profile, gap)))


def _words_from_text(cue: Cue, language: str) -> list[Word]:
    """Words for a cue that has only text: its time divided among them by length."""
    tokens = split_tokens(unwrap(cue.text, language), language)
    lead = " " if phrases.uses_spaces(language) else ""
    reach = itertools.accumulate(map(len, tokens), initial=0)
    pace = (cue.end - cue.start) / max(1, sum(map(len, tokens)))
    times = [cue.start + pace * done for done in reach]
    return [
        Word(start, end, lead + token.strip() if lead else token)
        for token, (start, end) in zip(tokens, itertools.pairwise(times), strict=True)
    ]


class _SpeakerRun:
    """Consecutive words of one speaker, cut into cues."""

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
            speech_end(self.atoms[b - 1], limits.width(self.atoms[b - 1].text)) for _, b in spans
        ]

    def _bounds(self) -> list[int]:
        """Indexes of the atoms that begin a unit, then the number of atoms."""
        atoms, limits = self.atoms, self.limits
        joints: set[int] = set()
        if not phrases.uses_spaces(self.language):
            text = "".join(atom.text for atom in atoms)
            parts = phrases.phrases(text, self.language)
            joints = set(itertools.accumulate(map(len, parts)))
        bounds: list[int] = []
        place, filled, blank = 0, 0.0, True
        for k, atom in enumerate(atoms):
            extra = limits.width(atom.text)
            apart = atom.text[:1].isspace() or (k > 0 and atoms[k - 1].text[-1:].isspace())
            quiet = k > 0 and atom.start - speech_end(atoms[k - 1], 0.0) > 0.5
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
        """The cues, each from the start of its first word to the end of its last."""
        for i, j in self._cuts():
            _, breaks = self.units.layout(i, j, math.inf)
            text = self.units.text(i, j, breaks)
            first, last = self.bounds[i], self.bounds[j]
            words = tuple(self._rejoin(first, last))
            if text:
                yield Cue(self.starts[i], self.stops[j - 1], text, words)

    def _rejoin(self, first: int, last: int) -> Iterator[Word]:
        """The words of these atoms, joined again where they were split."""
        for _, group in itertools.groupby(range(first, last), self.origins.__getitem__):
            atoms = [self.atoms[k] for k in group]
            if len(atoms) == 1:
                yield atoms[0]
            else:
                text = "".join(atom.text for atom in atoms)
                yield replace(atoms[0], end=atoms[-1].end, text=text)

    def _cuts(self) -> list[tuple[int, int]]:
        """The cheapest way to cut the units into cues: pairs of first and one past last."""
        units, limits, gap = self.units, self.limits, self.gap
        starts, stops = self.starts, self.stops
        count = len(units.texts)
        edges, ties, inside = self._joints()
        sentences = [0, *(cost == phrases.SENTENCE for cost in units.costs[1:])]
        ended = [0, *itertools.accumulate(sentences)]
        capacity = limits.line_width * limits.lines
        most_words = limits.max_words if phrases.uses_spaces(self.language) else None
        best = [0.0] * (count + 1)
        back = [0] * (count + 1)
        for j in range(1, count + 1):
            last, following = stops[j - 1], starts[j]
            # A gap that would be closed belongs to the cue, which must then last through it.
            until = following - gap if following - last < limits.joined_below + gap else last
            until = max(until, last)
            # If speech continues at once, the gap is taken from the end of this cue.
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
        """The cost of showing the cue for less time than it needs."""
        limits = self.limits
        cost = 0.0
        if room < limits.min_duration:
            cost += _FLASH * (1 + limits.min_duration - room)
        need = max(width / limits.reading_speed, words * limits.word_time)
        return cost + _HURRY * (need - room) if need > room else cost

    def _opens(self, k: int) -> bool:
        """Whether a unit opens a sentence that goes on with the next."""
        texts, spaces = self.units.texts, self.units.spaces
        before = texts[k - 1] if k else ""
        return phrases.opens_sentence(before, texts[k], spaces[k + 1] + texts[k + 1], self.language)

    def _joints(self) -> tuple[list[float], list[float], list[float]]:
        """Before each unit: the cost of a cue's edge there; how closely speech continues across it,
        from 0 to 1; and the running cost of everything kept inside a cue."""
        edges, ties, inside = [0.0], [0.0], [0.0, 0.0]
        costs = self.units.costs
        for k in range(1, len(costs)):
            pause = max(0.0, self.starts[k] - self.stops[k - 1])
            tie = max(0.25, 1 - pause)
            # A pause after "the" is a hesitation, not a reason to end there.
            edge = costs[k] * (tie if costs[k] < phrases.BOUND else max(tie, 0.5))
            kept = _PAUSE_INSIDE * (pause - PAUSE) if pause > PAUSE else 0.0
            if pause > PAUSE and self._opens(k - 1):
                edge, kept = phrases.BOUND, 0.0  # "But ... nobody": it goes with the rest
            edges.append(edge)
            ties.append(tie if costs[k] else 0.0)
            if costs[k] == phrases.SENTENCE:
                kept += _SENTENCE_INSIDE
            inside.append(inside[-1] + kept)
        return [*edges, 0.0], [*ties, 0.0], inside


def _split_word(word: Word, language: str, limits: Limits) -> list[Word]:
    """The word, split if it is wider than a line; the pieces share its time by length."""
    parts = split_wide(word.text, language, limits)
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


def set_end_times(track: Track, profile: Profile | str, gap: float) -> Iterator[Cue]:
    """Give each cue its end: past its speech as far as reading takes and the next cue allows."""
    cues = track.cues
    for k, cue in enumerate(cues):
        limits = limits_of(profile, track.language_of(cue))
        following = cues[k + 1].start if k + 1 < len(cues) else math.inf
        # If speech is too fast even for the gap, the cue gets half of the time.
        room = max(following - gap, (cue.start + following) / 2)
        need = max(limits.min_duration, limits.reading_time(cue.text))
        end = max(cue.end + limits.linger, min(cue.start + need, cue.end + limits.late))
        end = max(end, cue.start + limits.min_duration)
        end = min(end, cue.start + limits.max_duration)
        if following - end < limits.joined_below + EPSILON:
            if room - cue.start <= limits.max_duration:
                end = room
            else:  # too long to be joined: leave a gap wide enough to see
                apart = following - limits.joined_below - EPSILON
                end = min(max(cue.end, apart), cue.start + limits.max_duration, room)
        yield replace(cue, end=end)
