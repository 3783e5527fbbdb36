"""Times for the words of a script, from those of the words that were recognized.

A word that agrees with a recognized one (:mod:`.match`) has its time. Words between two such share
the time between them if they are spoken there: where the recognizer misread a few, or where what it
read is spelled much like them. Else they are not spoken, and what it read there is not in the
script. An aligner can then do better.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rapidfuzz.distance import Indel, Levenshtein

from dubkit.cues import phrases
from dubkit.types import Cue, Track, Word

from .match import key_of_word, match
from .read import Part, ScriptWord, words_of

SECONDS_A_LETTER = 0.065
"""As most people speak, in most languages ..."""
SECONDS_A_WIDE_LETTER = 0.2
"""... and those whose characters are syllables."""
FEW, FEW_READ = 3, 6
"""Words that are taken for what was read in their place, whatever that is."""
SKIPPED = 2
"""Words of which the recognizer reads nothing that are taken to be spoken nevertheless."""
LIKE = 0.6
"""Similarity of letters from which a text is a misreading of another: two texts of one language
that have nothing to do with each other have 0.5."""
SOUNDING = 0.5
"""Share of the time that words take that has to sound where nothing was recognized."""
AGREED = 0.6
"""Share of an optional part whose words agree from which it is spoken."""
LISTED = 3
"""Words of speech from which it is worth a mention that they are not in the script."""

_JOINTS = re.compile(r"[-‐‑–—/'’]+")
"""Between the pieces of a word."""

Sounding = Callable[[float, float], float]
"""Seconds of sound between two times."""


@dataclass(frozen=True, slots=True)
class Unspoken:
    """A piece of a script that nobody speaks."""

    text: str
    line: int | None = None
    """Of the script, from 1, if it has lines ..."""
    page: int | None = None
    """... or pages."""


@dataclass(frozen=True, slots=True)
class Timed:
    """A script with its times."""

    track: Track
    """A cue for each part of the script that is spoken, in the order of the speech."""
    unspoken: tuple[Unspoken, ...]
    extra: tuple[Cue, ...]
    """Speech that is not in the script."""
    found: float
    """Share of the script's words that were recognized."""
    covered: float
    """Share of the recognized words that are in the script."""


@dataclass(frozen=True, slots=True)
class _Anchor:
    """A word of the script that was recognized."""

    word: int
    start: float
    end: float
    first: int
    last: int
    """Indices of recognized words."""


def time_script(parts: Sequence[Part], recognized: Track, sounding: Sounding) -> Timed:
    """Times for the words of a script from the words that were recognized."""
    language = recognized.language
    words = words_of(parts, language)
    spoken = [word for word in recognized.words if key_of_word(word.text, language)]
    anchors = list(_anchors(words, spoken, language))
    timer = _Timer(parts, words, recognized, spoken, anchors, sounding)
    timer.run()
    return Timed(
        Track(language, tuple(timer.cues())),
        tuple(timer.unspoken()),
        tuple(timer.extra),
        len(timer.agreed) / max(1, len(words)),
        sum(anchor.last + 1 - anchor.first for anchor in anchors) / max(1, len(spoken)),
    )


def _anchors(
    words: Sequence[ScriptWord], spoken: Sequence[Word], language: str
) -> Iterator[_Anchor]:
    """The words of the script that were recognized, in the order of the speech."""
    spaced = phrases.uses_spaces(language)
    script = [
        (key, k) for k, word in enumerate(words) for key in _keys(word.text, language, spaced)
    ]
    read = []
    for k, one in enumerate(spoken):
        keys = _keys(one.text, language, spaced)
        step = (one.end - one.start) / len(keys)
        read += [
            (key, k, one.start + n * step, one.start + (n + 1) * step) for n, key in enumerate(keys)
        ]
    found = match([key for key, _ in script], [key for key, *_ in read])
    for stretch in found:
        for word, pairs in itertools.groupby(stretch.pairs, lambda pair: script[pair[0]][1]):
            own = [read[j] for _, j in pairs]
            yield _Anchor(word, own[0][2], own[-1][3], own[0][1], own[-1][1])


def _keys(text: str, language: str, spaced: bool) -> Sequence[str]:
    """What a word is compared by: its pieces, since a recognizer may take each for a word; where
    there are no spaces between words, its characters."""
    key = key_of_word(text, language)
    if key.startswith("#"):
        return [key]
    if not spaced:
        return key
    pieces = (key_of_word(piece, language) for piece in _JOINTS.split(text))
    return [piece for piece in pieces if piece] or [key]


class _Timer:
    """Gives times to words, gap by gap."""

    def __init__(
        self,
        parts: Sequence[Part],
        words: Sequence[ScriptWord],
        recognized: Track,
        spoken: Sequence[Word],
        anchors: Sequence[_Anchor],
        sounding: Sounding,
    ) -> None:
        self.parts, self.words, self.spoken = parts, words, spoken
        self.anchors, self.sounding = anchors, sounding
        self.language = language = recognized.language
        self.speech = sorted(recognized.cues, key=lambda cue: cue.start)
        self.starts = [cue.start for cue in self.speech]
        self.timed: list[tuple[int, Word]] = []
        """Words of the script in the order of the speech; twice if they are spoken twice."""
        self.extra: list[Cue] = []
        self.agreed = {anchor.word for anchor in anchors}
        texts = [*(word.text for word in words), ""]
        ends = [phrases.ends_sentence(*pair, language) for pair in itertools.pairwise(texts)]
        self.sentences = [
            (word.part, number)
            for word, number in zip(words, itertools.accumulate(ends, initial=0), strict=False)
        ]
        """Of each word, which sentence it is in."""

    def run(self) -> None:
        """Time all words."""
        begin = _Anchor(-1, 0.0, 0.0, -1, -1)
        last = self.spoken[-1].end if self.spoken else 0.0
        end = _Anchor(len(self.words), last, last, len(self.spoken), len(self.spoken))
        previous = begin
        for anchor in [*self.anchors, end]:
            self._gap(previous, anchor)
            if anchor is not end:
                word = self._word(anchor.word, anchor.start, anchor.end)
                self.timed.append((anchor.word, word))
            previous = anchor

    def _gap(self, before: _Anchor, after: _Anchor) -> None:
        """Time what is between two words that agree."""
        read = range(before.last + 1, after.first)
        ending, opening = self._rest(before.word, 1), self._rest(after.word, -1)
        # The rest of a sentence and the beginning of the next may be spoken, and what is between
        # them not; if the speech goes on elsewhere in the script, there is nothing between them.
        between = range(before.word + 1, after.word)
        if before.word < after.word:
            ending = range(ending.start, min(ending.stop, between.stop))
            opening = range(max(opening.start, between.start), opening.stop)
        choices = [between, [*ending, *opening], ending, opening]
        for choice in choices:
            own = [k for k in dict.fromkeys(choice) if not self._is_unwanted(k)]
            if self._is_elsewhere(own, before, after):
                continue
            goes_on = choice is between and before.word < after.word
            if own and self._are_spoken(own, read, before.end, after.start, goes_on=goes_on):
                self._share(own, read, before.end, after.start)
                return
        # A whole sentence between two that were recognized is at one of the edges.
        edges = (ending or between, opening or between)
        self._list(self._at_edges(*edges, read, before.end, after.start))

    def _is_elsewhere(self, own: Sequence[int], before: _Anchor, after: _Anchor) -> bool:
        """Whether any of these words is spoken elsewhere. A sentence that is spoken twice has all
        of its words both times."""
        inner = range(before.word + 1, after.word)
        is_one = inner and inner[-1] in self._rest(before.word, 1)
        return not is_one and not self.agreed.isdisjoint(own)

    def _at_edges(
        self, ending: range, opening: range, read: range, start: float, end: float
    ) -> range:
        """Time the rest of a sentence, and the beginning of one, that were misread at an edge of
        other speech; and return what is left of that."""
        taken: set[int] = set()
        for edge, at_end in ((ending, False), (opening, True)):
            own = [k for k in edge if k not in self.agreed and k not in taken]
            most = min(len(own) + FEW, len(read))
            if not own or len(own) > FEW or not most:
                continue
            pieces = (
                range(read.stop - n, read.stop) if at_end else range(read.start, read.start + n)
                for n in range(1, most + 1)
            )
            best = max(pieces, key=lambda piece: self._likeness(own, piece))
            if self._likeness(own, best) >= LIKE:
                self._share(own, best, start, end)
                taken.update(own)
                read = range(read.start, best.start) if at_end else range(best.stop, read.stop)
        return read

    def _share(self, own: Sequence[int], read: range, start: float, end: float) -> None:
        """Give words of the script the time of those recognized in their place, or divide the time
        between two among them."""
        words = [self.words[k].text for k in own]
        keys = [key_of_word(word, self.language) or word for word in words]
        there = [
            (key_of_word(word.text, self.language), max(start, word.start), word.end)
            for word in self.spoken[read.start : read.stop]
        ]
        for k, times in zip(own, _times_of(keys, there or [("", start, end)]), strict=True):
            self.timed.append((k, self._word(k, *times, probability=0.0)))

    def _rest(self, word: int, step: int) -> range:
        """The other words of a word's sentence, after it or before it."""
        if not 0 <= word < len(self.words):
            return range(0)
        edge = word
        while (
            0 <= edge + step < len(self.words)
            and self.sentences[edge + step] == self.sentences[word]
        ):
            edge += step
        return range(word + 1, edge + 1) if step > 0 else range(edge, word)

    def _are_spoken(
        self, own: Sequence[int], read: range, start: float, end: float, *, goes_on: bool
    ) -> bool:
        """Whether words of the script are spoken where others, or none, were recognized: a few are
        if the text ``goes_on`` after them, whatever was recognized, and a sentence has others."""
        if read:
            few = goes_on and len(own) <= FEW and len(read) <= FEW_READ
            return few or self._likeness(own, read) >= LIKE
        if goes_on and len(own) <= SKIPPED and not self._is_sentence(own):
            return True
        letters = "".join(self.words[k].text for k in own)
        needed = sum(
            SECONDS_A_WIDE_LETTER if ord(char) > 0x2E80 else SECONDS_A_LETTER for char in letters
        )
        return self.sounding(start, end) >= SOUNDING * needed

    def _is_sentence(self, own: Sequence[int]) -> bool:
        """Whether words begin and end one."""
        first, last = own[0], own[-1]
        return not self._rest(first, -1) and not self._rest(last, 1)

    def _likeness(self, own: Sequence[int], read: range) -> float:
        wanted = "".join(key_of_word(self.words[k].text, self.language) for k in own)
        found = "".join(key_of_word(self.spoken[k].text, self.language) for k in read)
        return float(Indel.normalized_similarity(wanted, found))

    def _list(self, read: range) -> None:
        """Note speech that is not in the script, if it is more than a word or two."""
        if len(read) >= LISTED:
            first, last = self.spoken[read[0]], self.spoken[read[-1]]
            text = "".join(self.spoken[k].text for k in read).strip()
            self.extra.append(Cue(first.start, last.end, text))

    def _word(self, k: int, start: float, end: float, probability: float | None = None) -> Word:
        return Word(round(start, 3), round(max(start, end), 3), self.words[k].text, probability)

    def cues(self) -> Iterator[Cue]:
        """The words in cues, one for each part of the script that is spoken, or each language in
        one."""
        kept = [one for one in self.timed if not self._is_unwanted(one[0])]
        latest = 0.0
        groups: list[list[tuple[int, Word]]] = []
        languages: list[str | None] = []
        for k, word in kept:
            last = groups[-1][-1][0] if groups else None
            language = self._spoken_in(word)
            goes_on = last is not None and k > last and self.words[k].part == self.words[last].part
            if not goes_on or language != languages[-1]:
                groups.append([])
                languages.append(language)
            start = max(word.start, latest)
            latest = max(word.end, start)
            groups[-1].append((k, replace(word, start=start, end=latest)))
        before = ""
        for group, language in zip(groups, languages, strict=True):
            words = tuple(word for _, word in group)
            text = "".join(word.text for word in words).strip()
            speaker = self.parts[self.words[group[0][0]].part].speaker
            ended = not before or phrases.ends_sentence(before, words[0].text, self.language)
            new = not ended and self._opens(group[0][0])
            yield Cue(words[0].start, words[-1].end, text, words, speaker,
                      language=language, new_sentence=new)  # fmt: skip
            before = words[-1].text

    def _opens(self, k: int) -> bool:
        """Whether a sentence begins with a word because a paragraph does. Where a text has empty
        lines within sentences, what follows them begins with a small letter."""
        is_first = k == 0 or self.words[k - 1].part != self.words[k].part
        small = next(filter(str.isalpha, self.words[k].text), "").islower()
        return is_first and self.parts[self.words[k].part].opens and not small

    def _spoken_in(self, word: Word) -> str | None:
        """The language of what was recognized when a word is spoken, if it is another one than that
        of all of it."""
        at = bisect.bisect_right(self.starts, (word.start + word.end) / 2) - 1
        return self.speech[at].language if at >= 0 else None

    def _is_unwanted(self, k: int) -> bool:
        """Whether a word belongs to a part that may be for readers alone, and mostly is."""
        part = self.words[k].part
        if not self.parts[part].optional:
            return False
        own = [n for n in range(max(0, k - 60), min(len(self.words), k + 60))
               if self.words[n].part == part]  # fmt: skip
        return sum(n in self.agreed for n in own) < AGREED * len(own)

    def unspoken(self) -> Iterator[Unspoken]:
        """What nobody speaks, in the order of the script."""
        timed = {k for k, _ in self.timed}
        missing = [
            k
            for k, word in enumerate(self.words)
            if k not in timed and not self.parts[word.part].optional
        ]
        for _, group in itertools.groupby(
            enumerate(missing), lambda one: (one[1] - one[0], self.words[one[1]].part)
        ):
            own = [k for _, k in group]
            text = "".join(self.words[k].text for k in own).strip()
            part = self.parts[self.words[own[0]].part]
            yield Unspoken(text, part.line, part.page)


def _times_of(
    keys: Sequence[str], read: Sequence[tuple[str, float, float]]
) -> Iterator[tuple[float, float]]:
    """When each of some words is spoken, from what was read in place of them all, with its times:
    letter by letter as far as they agree, so that a pause between words stays one."""
    wanted, found = "".join(keys), "".join(text for text, *_ in read)
    if not found:
        found, read = wanted, [(wanted, read[0][1], read[-1][2])]
    letters = [
        (start + (end - start) * n / len(text), start + (end - start) * (n + 1) / len(text))
        for text, start, end in read
        for n in range(len(text))
    ]
    # Of each wanted letter, the first and the last of those that were found in its place; nothing
    # there is the pause before the next one.
    places: list[tuple[int, int]] = []
    for step in Levenshtein.opcodes(wanted, found):
        at, many = step.dest_start, step.src_end - step.src_start
        if step.tag == "delete":
            places += [(at, at - 1)] * many
        else:  # as many letters on both sides, or none that are wanted
            places += [(at + n, at + n) for n in range(many)]
    last = len(letters) - 1
    for begin, after in itertools.pairwise(itertools.accumulate(map(len, keys), initial=0)):
        a = letters[min(places[begin][0], last)][0]
        b = letters[max(places[after - 1][1], 0)][1]
        yield min(a, b), max(a, b)
