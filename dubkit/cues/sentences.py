"""Cues -> sentences, which are translated whole, and their translations back over the cues.

A cue often ends in the middle of a sentence, and half a sentence cannot be translated. So pieces
of cues are joined to whole sentences first; the translation is then cut again, at places where
phrases meet, so that each cue shows about the part that it showed before.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dubkit.types import Cue, Track

from . import phrases
from .profiles import Limits
from .text import MARK, unwrap

LONGEST = 6
"""Cues that one sentence may span; a longer one is parted."""
APART = 2.0
"""Seconds of silence over which no sentence is taken to go on."""
OVERLAP = 0.1
"""Seconds; what is shown longer together is no sentence in two parts."""
PUNCTUATED = 0.2
"""Share of cues ending a sentence under which a text is taken to have no full stops at all."""

_DASH = re.compile(r"\s*[-–—‐]\s*")
_NOTE = re.compile(r"[♪♫🎵#]+\s*")
_NOTE_AFTER = re.compile(r"\s*[♪♫🎵#]+$")
_LABEL = re.compile(r"[\[(（【<>]|[A-ZÀ-Þ][\w.'’-]*(?: [\w.'’-]+){0,2}:(?:\s|$)")
"""What begins a text of its own: a sound in brackets, the name of who speaks."""
_OPENING = re.compile(r"(?:<[ibu]>\s*)+")
_CLOSING = re.compile(r"(?:\s*</[ibu]>)+$")


@dataclass(frozen=True, slots=True)
class Piece:
    """What of a sentence stands in one cue."""

    cue: int
    """Index of the cue in its track."""
    text: str
    """On one line; ``<i>`` and the like only inside it."""
    lead: str = ""
    """What stands before it and is no text: the dash of a speaker, a mark around the whole."""
    tail: str = ""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One or more whole sentences, and where they stand."""

    pieces: tuple[Piece, ...]
    text: str
    speaker: str | None
    start: float
    end: float

    @property
    def has_words(self) -> bool:
        """Whether there is anything to translate; ``♪`` and ``1984`` are the same anywhere."""
        return _has_letters(self.text)


def _has_letters(text: str) -> bool:
    return any(char.isalpha() for char in MARK.sub("", text))


def sentences(track: Track) -> list[Sentence]:
    """The text of a track in whole sentences, each with its cues; every cue with text is in one."""
    found = [piece for k, cue in enumerate(track.cues) for piece in _pieces(k, cue, track.language)]
    joined = _punctuated(found, track.language)
    groups: list[list[Piece]] = []
    open_: dict[str | None, list[Piece]] = {}
    for piece in found:
        # A sign that comes between two halves of a sentence does not part them.
        style = track.cues[piece.cue].style
        group = open_.get(style)
        if group and joined and _goes_on(group, piece, track):
            group.append(piece)
        else:
            open_[style] = [piece]
            groups.append(open_[style])
    return [_sentence(group, track) for group in groups]


def _sentence(group: Sequence[Piece], track: Track) -> Sentence:
    first, last = track.cues[group[0].cue], track.cues[group[-1].cue]
    text = unwrap("\n".join(piece.text for piece in group), track.language)
    return Sentence(tuple(group), text, first.speaker, first.start, last.end)


def _pieces(index: int, cue: Cue, language: str) -> Iterator[Piece]:
    """The cue in one piece, or in one for each person who speaks in it."""
    lines = [line for line in cue.text.splitlines() if MARK.sub("", line).strip()]
    dialogue = len(lines) > 1 and all(_DASH.match(MARK.sub("", line)) for line in lines)
    for text in lines if dialogue else [unwrap(cue.text, language)] if lines else []:
        lead = tail = ""
        opening, closing = _OPENING.match(text), _CLOSING.search(text)
        if opening and closing and not MARK.search(text[opening.end() : closing.start()]):
            lead, tail = opening[0], closing[0]
            text = text[opening.end() : closing.start()]
        for outside in (_DASH, _NOTE):
            before = outside.match(text)
            if before and before.end() < len(text):
                lead, text = lead + before[0], text[before.end() :]
        if (after := _NOTE_AFTER.search(text)) and after.start():
            text, tail = text[: after.start()], after[0] + tail
        yield Piece(index, text.strip(), lead, tail)


def _punctuated(pieces: Sequence[Piece], language: str) -> bool:
    """Whether full stops tell where sentences end. Chinese subtitles, for one, rarely have any."""
    ends = sum(_ends(piece.text, "", language) for piece in pieces)
    return ends >= PUNCTUATED * len(pieces)


def _ends(text: str, following: str, language: str) -> bool:
    left, right = MARK.sub("", text).split()[-1:], MARK.sub("", following).split()[:1]
    return phrases.ends_sentence("".join(left), "".join(right), language)


def _goes_on(group: Sequence[Piece], piece: Piece, track: Track) -> bool:
    """Whether the sentence of ``group`` goes on in ``piece``."""
    last = group[-1]
    before, after = track.cues[last.cue], track.cues[piece.cue]
    return (
        len(group) < LONGEST
        and piece.cue > last.cue
        and before.end - OVERLAP <= after.start < before.end + APART
        and _has_letters(last.text)
        and _has_letters(piece.text)
        and before.speaker == after.speaker
        and not MARK.sub("", piece.lead)
        and not MARK.sub("", last.tail)
        and not _LABEL.match(MARK.sub("", piece.text))
        and not last.text.endswith((")", "]", "）", "】"))
        and not _ends(last.text, piece.text, track.language)
    )


# ---------------------------------------------------------------- and back


def divide(
    sentence: Sentence, translation: str, track: Track, language: str, limits: Limits
) -> list[str]:
    """The translation in as many parts as the sentence has pieces, for its cues in ``track``.

    Each part is about as long as the share of what its cue showed, broken where phrases meet, and
    rather one that can be read in its time. Where there are fewer words than cues, all cues show
    the whole: the viewer sees one text that stays. ``language`` and ``limits`` are the
    translation's.
    """
    flat = unwrap(translation, language)
    count = len(sentence.pieces)
    parts = [flat]
    if count > 1:
        tokens = _tokens(flat, language)
        if len(tokens) < count:
            parts = [flat] * count
        else:
            bounds = _bounds(sentence, tokens, track, language, limits)
            parts = ["".join(tokens[i:j]).strip() for i, j in itertools.pairwise(bounds)]
    return [
        f"{piece.lead}{part}{piece.tail}"
        for piece, part in zip(sentence.pieces, _marks_carried(parts), strict=True)
    ]


def _tokens(text: str, language: str) -> list[str]:
    """Words with the space before them, or phrases where words have none between."""
    if phrases.spaced(language):
        return re.findall(r"\s*\S+", text)
    return phrases.phrases(text, language)


def _bounds(
    sentence: Sentence, tokens: Sequence[str], track: Track, language: str, limits: Limits
) -> list[int]:
    """Indexes of the tokens that begin a part, and their number: the cheapest way to cut."""
    widths = [limits.width(MARK.sub("", token)) for token in tokens]
    reach = [0.0, *itertools.accumulate(widths)]
    total = reach[-1] or 1.0
    shares = [max(1, len(MARK.sub("", piece.text))) for piece in sentence.pieces]
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


def _marks_carried(parts: Iterable[str]) -> Iterator[str]:
    """The parts, with a mark that is open at the end of one closed there and opened in the next."""
    opened: list[str] = []
    for part in parts:
        begun = "".join(opened)
        for mark in MARK.findall(part):
            if not mark.startswith("</"):
                opened.append(mark)
            elif opened and opened[-1] == mark.replace("/", ""):
                opened.pop()
        yield begun + part + "".join(mark.replace("<", "</") for mark in reversed(opened))


# ---------------------------------------------------------------- marks


def with_marks_of(original: str, text: str) -> str:
    """``text``, a translation of ``original`` less its marks, with them at about the same places:
    for engines that would garble them."""
    parts = MARK.split(original)
    length = sum(map(len, parts[::2])) or 1
    words = re.findall(r"\S+", text)
    if len(parts) == 1 or not words:
        return text
    before, after = [""] * len(words), [""] * len(words)
    seen = at = 0
    for k, part in enumerate(parts):
        if k % 2 == 0:
            seen += len(part)
            continue
        closes = part.startswith("</")
        # Never before the mark that stands before it, so that pairs stay pairs.
        at = max(at, min(round(seen / length * len(words)) - closes, len(words) - 1))
        if closes:
            after[at] += part
        else:
            before[at] += part
    return " ".join(map("".join, zip(before, words, after, strict=True)))
