"""``pocketsphinx``: word times from the sounds of English, by CMU's recognizer (BSD).

Its package carries the model and a dictionary of pronunciations, so nothing is downloaded. A word
that is not in the dictionary is pronounced letter by letter, roughly: enough to find where it ends.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from dubkit import Aligner, Passage, Progress, Word, primary_language
from dubkit_plugins.number_rules import number_rules
from dubkit_plugins.whisper.engine import SAMPLE_RATE
from dubkit_plugins.whisper.speech_activity import open_wav

from .passages import SHORTEST, one_by_one

FRAME = 0.01
"""Seconds of a frame of the decoder."""
LETTERS = {
    "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH",
    "j": "JH", "k": "K", "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P", "q": "K", "r": "R",
    "s": "S", "t": "T", "u": "AH", "v": "V", "w": "W", "x": "K S", "y": "IY", "z": "Z",
    "ch": "CH", "ck": "K", "ee": "IY", "ea": "IY", "ng": "NG", "oo": "UW", "ou": "AW", "ph": "F",
    "sh": "SH", "th": "TH", "ai": "EY", "ay": "EY", "oi": "OY", "ow": "OW", "qu": "K W",
}  # fmt: skip
"""How letters sound, in the phones of the dictionary."""
BEAM = 1e-60
"""How unlikely a path may be beside the best; wider ones underflow."""

_LETTERS = re.compile("|".join(sorted(LETTERS, key=len, reverse=True)))
_PIECES = re.compile(r"\d+(?:[.,]\d+)*|[a-z]+(?:'[a-z]+)*", re.IGNORECASE)


@dataclass(frozen=True)
class PocketSphinx(Aligner):
    """Word times in English, by pocketsphinx."""

    _loaded: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)
    """The decoder, from the first file on."""

    contract = 2
    priority = 5

    def __post_init__(self) -> None:
        import_module("pocketsphinx")  # a missing library is reported from here

    def close(self) -> None:
        """Unload the model."""
        self._loaded.clear()

    def supports(self, language: str) -> bool:
        """Whether it is English."""
        return primary_language(language) == "en"

    def align(
        self, audio: Path, passages: Sequence[Passage], *, language: str, progress: Progress
    ) -> Sequence[Sequence[Word]]:
        """See :class:`dubkit.hooks.Aligner`."""
        sound = open_wav(audio)

        def words(passage: Passage) -> Sequence[Word]:
            first = max(0, round(passage.start * SAMPLE_RATE))
            samples = sound[first : round(passage.end * SAMPLE_RATE)]
            return self._align(passage, samples.astype("<i2").tobytes())

        return one_by_one(passages, words, progress)

    def _align(self, passage: Passage, samples: bytes) -> Sequence[Word]:
        decoder = self._decoder()
        pieces = [list(_pieces(word)) for word in passage.words]
        flat = [one for word in pieces for one in word]
        if not flat or len(samples) < 2 * SHORTEST * SAMPLE_RATE:
            return ()
        for one in set(flat):
            if decoder.lookup_word(one) is None:
                decoder.add_word(one, _pronounced(one), True)
        try:
            decoder.set_align_text(" ".join(flat))
            decoder.start_utt()
            decoder.process_raw(samples, full_utt=True)
            decoder.end_utt()
            segments = list(decoder.seg() or ())
        except RuntimeError:  # the words do not fit into the sound
            return ()
        spans = [
            (one.start_frame * FRAME, (one.end_frame + 1) * FRAME)
            for one in segments
            if not one.word.startswith(("<", "["))
        ]
        if len(spans) != len(flat):
            return ()
        return list(_words(passage, pieces, spans))

    def _decoder(self) -> Any:
        if not self._loaded:
            from pocketsphinx import Decoder

            decoder = Decoder(lm=None, loglevel="FATAL", beam=BEAM, wbeam=BEAM, pbeam=BEAM)
            self._loaded.append(decoder)
        return self._loaded[0]


def _pieces(word: str) -> Iterator[str]:
    """The words of the dictionary that a word of the text consists of; none for punctuation."""
    plain = unicodedata.normalize("NFKD", word.replace("’", "'"))
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    for piece in _PIECES.findall(plain):
        yield from _spelled(piece) if piece[0].isdigit() else [piece.lower()]


def _spelled(number: str) -> list[str]:
    from unicode_rbnf.engine import RbnfError

    bare = number.replace(",", "")
    try:
        value = int(bare) if "." not in bare else float(bare)
        year = isinstance(value, int) and 1100 <= value < 2000 and "," not in number
        halves = [value // 100, value % 100] if year and value % 100 else [value]
        text = " ".join(number_rules("en").format_number(one).text for one in halves)
    except (ValueError, OverflowError, RbnfError):
        text = " ".join(number)
    return re.findall("[a-z]+", text.lower()) or ["number"]


def _pronounced(word: str) -> str:
    return " ".join(LETTERS[part] for part in _LETTERS.findall(word)) or "AH"


def _words(
    passage: Passage, pieces: Sequence[Sequence[str]], spans: Sequence[tuple[float, float]]
) -> Iterator[Word]:
    """The words of a passage, each from the start of its first piece to the end of its last."""
    at, last = 0, 0.0
    begin = max(0.0, passage.start)
    for text, own in zip(passage.words, pieces, strict=True):
        start = spans[at][0] if own else last
        last = spans[at + len(own) - 1][1] if own else last
        at += len(own)
        yield Word(round(begin + start, 3), round(begin + last, 3), text)
