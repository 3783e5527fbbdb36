"""Cues -> sentences, which are translated whole, and their translations divided among the cues.

A cue often ends in the middle of a sentence, and half a sentence cannot be translated. So pieces
of cues are first joined into whole sentences; the translation is then divided again, at phrase
boundaries, so that each cue shows about the same part as before. Translating itself is
:mod:`dubkit.translate`.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from dubkit.types import Cue, Track

from . import phrases, spoken
from .lines import split_tokens
from .profiles import Limits
from .text import MARK, closing, unwrap, width, without_marks

LONGEST = 6
"""Cues that one sentence may span; a longer one is split."""
APART = 2.0
"""Seconds of silence across which no sentence is taken to continue."""
OVERLAP = 0.1
"""Seconds; cues shown together for longer are not parts of one sentence."""
WEIGHED = 500
"""Words of a translation up to which every way to divide it is weighed; it is no text to read."""
PUNCTUATED = 0.2
"""Share of cues ending a sentence below which a text is taken to have no full stops at all."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The part of a sentence in one cue."""

    cue: int
    """Index of the cue in its track."""
    text: str
    """On one line; ``<i>`` and the like only inside it."""
    lead: str = ""
    """What precedes it and is not text: a speaker's dash or label, a mark around the whole."""
    tail: str = ""
    speaker: str | None = None
    is_speech: bool = True
    """False for a sound and a song."""
    joint: str = "\n"
    """What is between it and the piece before it in its cue: a line break or a space."""
    place: int = 0
    """Its number among the pieces of its cue, from 0."""
    share: float = 1.0
    """The share of the cue's time in which it is spoken."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One or more whole sentences of one language, and where they are."""

    pieces: tuple[Piece, ...]
    text: str
    language: str
    speaker: str | None
    start: float
    end: float

    @property
    def has_words(self) -> bool:
        """Whether there is anything to translate; ``♪`` and ``1984`` are the same everywhere."""
        return _has_letters(self.text)


def _has_letters(text: str) -> bool:
    return any(char.isalpha() for char in without_marks(text))


def sentences(track: Track) -> list[Sentence]:
    """The text of a track in whole sentences with their cues; every cue with text is in one."""
    names = spoken.find_names(track)
    pieces = [
        piece
        for k, cue in enumerate(track.cues)
        for piece in _split_cue(k, cue, track.language_of(cue), names)
    ]
    by_language: dict[str, list[Piece]] = {}
    for piece in pieces:
        by_language.setdefault(track.language_of(track.cues[piece.cue]), []).append(piece)
    joinable = {tag for tag, own in by_language.items() if _has_full_stops(own, tag)}
    groups: list[list[Piece]] = []
    open_: dict[str | None, list[Piece]] = {}
    for piece in pieces:
        # A sign that comes between the halves of a sentence does not separate them.
        style = track.cues[piece.cue].style
        group = open_.get(style)
        if not piece.is_speech:  # a sound does not separate them either
            groups.append([piece])
        elif group and _continues(group, piece, track, joinable):
            group.append(piece)
        else:
            open_[style] = [piece]
            groups.append(open_[style])
    return [_sentence(group, track) for group in groups]


def _sentence(group: Sequence[Piece], track: Track) -> Sentence:
    first, last = track.cues[group[0].cue], track.cues[group[-1].cue]
    language = track.language_of(first)
    text = unwrap("\n".join(piece.text for piece in group), language)
    return Sentence(tuple(group), text, language, group[0].speaker, first.start, last.end)


def _split_cue(index: int, cue: Cue, language: str, names: Collection[str]) -> Iterator[Piece]:
    """The cue as one piece, or as one for each person who speaks in it and each sound."""
    found = spoken.with_speakers(spoken.passages(cue.text, language, names), cue)
    total = sum(width(one.text) for one in found if one.is_speech)
    for place, one in enumerate(found):
        share = width(one.text) / total if one.is_speech and total else 1.0
        yield Piece(
            index, one.text, one.lead, one.tail, one.speaker, one.is_speech, one.joint, place, share
        )


def _has_full_stops(pieces: Sequence[Piece], language: str) -> bool:
    """Whether full stops show where sentences end. Chinese subtitles, for one, rarely have any."""
    ends = sum(ends_sentence(piece.text, "", language) for piece in pieces)
    return ends >= PUNCTUATED * len(pieces)


def ends_sentence(text: str, following: str, language: str) -> bool:
    """Whether a sentence ends with a text of a cue, before the text of the next."""
    left, right = without_marks(text).split()[-1:], without_marks(following).split()[:1]
    return phrases.ends_sentence("".join(left), "".join(right), language)


def _continues(
    group: Sequence[Piece], piece: Piece, track: Track, joinable: Collection[str]
) -> bool:
    """Whether the sentence of ``group`` continues in ``piece``; one in a language that is not
    ``joinable`` never does."""
    last = group[-1]
    before, after = track.cues[last.cue], track.cues[piece.cue]
    language = track.language_of(before)
    return (
        len(group) < LONGEST
        and language in joinable
        and track.language_of(after) == language
        and piece.cue > last.cue
        and not after.new_sentence
        and before.end - OVERLAP <= after.start < before.end + APART
        and _has_letters(last.text)
        and _has_letters(piece.text)
        and piece.speaker in (last.speaker, None)
        and not without_marks(piece.lead)
        and not without_marks(last.tail)
        and not without_marks(piece.text).startswith(tuple("[(（【<>"))
        and not last.text.endswith((")", "]", "）", "】"))
        and not ends_sentence(last.text, piece.text, language)
    )


# ---------------------------------------------------------------- translations to cues


def divide(
    sentence: Sentence, translation: str, track: Track, language: str, limits: Limits
) -> list[str]:
    """The translation in as many parts as the sentence has pieces, for its cues in ``track``.

    Each part takes about the same share of the text as its cue had, is broken at a phrase boundary,
    and preferably can be read in its time. If there are fewer words than cues, all cues show the
    whole: the viewer sees one text that stays. ``language`` and ``limits`` are the translation's.
    """
    flat = unwrap(translation, language)
    count = len(sentence.pieces)
    parts = [flat]
    if count > 1:
        tokens = split_tokens(flat, language)
        if len(tokens) < count:
            parts = [flat] * count
        else:
            weigh = _bounds if len(tokens) <= WEIGHED else _even_bounds
            bounds = weigh(sentence, tokens, track, language, limits)
            parts = ["".join(tokens[i:j]).strip() for i, j in itertools.pairwise(bounds)]
    return [
        f"{piece.lead}{part}{piece.tail}"
        for piece, part in zip(sentence.pieces, carry_marks(parts), strict=True)
    ]


def _even_bounds(
    sentence: Sentence, tokens: Sequence[str], track: Track, language: str, limits: Limits
) -> list[int]:
    """As :func:`_bounds`, by the shares of the text alone: for texts that no cue can show."""
    shares = [max(1, len(without_marks(piece.text))) for piece in sentence.pieces]
    count, rest = len(tokens), len(shares)
    bounds = [0]
    for done in itertools.accumulate(shares):
        rest -= 1
        wanted = round(count * done / sum(shares))
        bounds.append(min(max(wanted, bounds[-1] + 1), count - rest))
    return bounds


def _bounds(
    sentence: Sentence, tokens: Sequence[str], track: Track, language: str, limits: Limits
) -> list[int]:
    """Indexes of the tokens that begin a part, then their number: the cheapest way to divide."""
    widths = [limits.width(without_marks(token)) for token in tokens]
    reach = [0.0, *itertools.accumulate(widths)]
    total = reach[-1] or 1.0
    shares = [max(1, len(without_marks(piece.text))) for piece in sentence.pieces]
    wanted = [total * part / sum(shares) for part in itertools.accumulate(shares)]
    costs = [phrases.break_cost(a, b, language) for a, b in itertools.pairwise(tokens)]
    capacity = limits.line_width * limits.lines
    cues = [track.cues[piece.cue] for piece in sentence.pieces]
    count = len(tokens)
    best = [0.0] + [math.inf] * count
    back: list[list[int]] = []
    for k, cue in enumerate(cues):
        row, links = [math.inf] * (count + 1), [0] * (count + 1)
        readable = (cue.end - cue.start) * limits.reading_speed
        rest = len(cues) - 1 - k
        for j in range(k + 1, count - rest + 1):
            if rest == 0 and j < count:
                continue
            astray = (reach[j] - wanted[k]) / total * len(cues)
            edge = astray * astray * 40 + (costs[j - 1] if j < count else 0.0)
            for i in range(k, j):
                if best[i] == math.inf:
                    continue
                width = reach[j] - reach[i]
                over = max(0.0, width - capacity) * 5 + max(0.0, width - readable) / 2
                if best[i] + edge + over < row[j]:
                    row[j], links[j] = best[i] + edge + over, i
        best = row
        back.append(links)
    bounds = [count]
    for links in reversed(back):
        bounds.append(links[bounds[-1]])
    return bounds[::-1]


def carry_marks(parts: Iterable[str]) -> Iterator[str]:
    """The parts, each mark left open at the end of one closed there and reopened in the next."""
    opened: list[str] = []
    for part in parts:
        reopened = "".join(opened)
        for mark in MARK.findall(part):
            if not mark.startswith("</"):
                opened.append(mark)
            elif opened and closing(opened[-1]) == mark:
                opened.pop()
        yield reopened + part + "".join(map(closing, reversed(opened)))


# ---------------------------------------------------------------- marks


def restore_marks(original: str, text: str) -> str:
    """``text``, a translation of ``original`` without its marks, with the marks put back at about
    the same places: for engines that would garble them."""
    parts = MARK.split(original)
    length = sum(map(len, parts[::2])) or 1
    words = re.findall(r"\S+", text)
    if len(parts) == 1 or not words:
        return text
    before: list[list[str]] = [[] for _ in words]
    after: list[list[str]] = [[] for _ in words]
    seen = at = 0
    for k, part in enumerate(parts):
        if k % 2 == 0:
            seen += len(part)
            continue
        closes = part.startswith("</")
        # Never before the preceding mark, so that pairs stay pairs.
        at = max(at, min(round(seen / length * len(words)) - closes, len(words) - 1))
        if closes:
            after[at].append(part)
        else:
            before[at].append(part)
    return " ".join(
        "".join([*opened, word, *closed])
        for opened, word, closed in zip(before, words, after, strict=True)
    )
