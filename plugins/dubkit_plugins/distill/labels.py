"""The teacher's transcripts of an archive, and which of them are good enough to learn from."""

from __future__ import annotations

import functools
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Self

import numpy as np

from dubkit import Progress, Track, Word
from dubkit_plugins.number_rules import number_rules
from dubkit_plugins.whisper.decode import DecodedWindow
from dubkit_plugins.whisper.engine import SAMPLE_RATE, Clock, Decoding, Engine
from dubkit_plugins.whisper.guards import is_mark
from dubkit_plugins.whisper.recognize import Sound, recognize
from dubkit_plugins.whisper.speech_activity import Recording, open_wav
from dubkit_plugins.whisper.windows import Window

BEAM = 5
"""Hypotheses of the decoding that a greedy one is compared with where there is no reference."""
TOGETHER = 240.0
"""Seconds of short recordings that are transcribed together: many batches, and little memory."""
SLACK = 2.0
"""Seconds around a window in which words of its reference may lie: subtitles are early or late."""
SPACELESS = ("zh", "yue", "ja", "th", "lo", "my", "km", "bo")
"""Whisper's codes of languages written without spaces: their letters are counted, not words."""

STRESS = "\u0300\u0301"
"""Grave and acute accent ..."""
STRESSED = ("es", "it", "pt", "ca", "gl", "el", "ru", "uk", "bg")
"""... and the languages in which they tell how a vowel is stressed, and are often left out. In
others they make other letters (Polish ``ć``), vowels (French ``é``) or tones (Vietnamese)."""
MOST_DIGITS = 18
"""Digits of the longest numbers that have a name."""
_THOUSANDS = re.compile(
    r"(?<![\d.,])(?:[0-9]{1,3}([.,'’])[0-9]{3}(\1[0-9]{3})*"
    r"|(?<!\d )[1-9][0-9]{0,2}( [0-9]{3})+(?! ?\d))(?!\d)"
)
"""Numbers with marks or spaces between thousands; with spaces not the groups of a telephone number,
which begins with a zero or has others beside it."""


@dataclass(frozen=True, slots=True)
class Label:
    """A window of speech, and what the teacher wrote for it."""

    recording: int
    """Index of the recording."""
    start: float
    end: float
    words: tuple[Word, ...]
    """On the recording's timeline."""
    reference: str
    """What else says what was spoken: the reference's words that fit best or, without a
    reference, a second decoding's."""
    error: float
    """Word error rate between the two, 0 to 1 and beyond; infinite for a window at fault."""
    referenced: bool = True
    """Whether there is a reference."""

    @property
    def text(self) -> str:
        """What the teacher wrote."""
        return "".join(word.text for word in self.words).strip()

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Source:
    """A recording that is to be transcribed."""

    number: int
    """Its index."""
    audio: Path
    """16 kHz mono."""
    reference: Track | None
    """What is spoken in it, with or without true times."""
    seconds: float


class Reel:
    """Recordings one after the other, with no window across the end of one: so that short ones are
    decoded side by side. Voice activity is detected once, however often they are decoded."""

    def __init__(self, audio: Sequence[Path]) -> None:
        self._audio = audio
        sounds = [open_wav(path) for path in audio]
        ends = list(accumulate(len(sound) / SAMPLE_RATE for sound in sounds))
        self.starts = [0.0, *ends[:-1]]
        """Of each recording, in seconds."""
        self.duration = ends[-1]
        # A long recording is alone, and is not read into memory.
        self.samples: Recording = (
            np.concatenate([one[:] for one in sounds]) if audio[1:] else sounds[0]
        )
        self._sounds: list[Sound] = []
        """Those that have been reached."""
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def windows(self, longest: float) -> Iterator[Window]:
        """See :meth:`.recognize.Sound.windows`; with their pauses, which examples have, too."""
        for number, (start, path) in enumerate(zip(self.starts, self._audio, strict=True)):
            if number == len(self._sounds):
                self._sounds.append(self._open.enter_context(Sound(path, Clock())))
            for one in self._sounds[number].windows(longest, whole=True):
                spans = tuple(
                    replace(span, start=span.start + start, end=span.end + start)
                    for span in one.speech
                )
                yield replace(one, start=one.start + start, end=one.end + start, speech=spans)


def group(sources: Sequence[Source]) -> list[list[Source]]:
    """Neighbors that are labelled together."""
    groups: list[list[Source]] = []
    for source in sources:
        last = groups[-1] if groups else []
        alike = last and bool(last[0].reference) == bool(source.reference)
        if alike and sum(one.seconds for one in last) + source.seconds <= TOGETHER:
            last.append(source)
        else:
            groups.append([source])
    return groups


def label(
    engine: Engine, sources: Sequence[Source], language: str, *, work: Path, progress: Progress
) -> list[Label]:
    """The windows of a :func:`group` in which somebody speaks, with the teacher's words.

    Without references greedy decoding is compared with beam search. Finished windows are kept in
    ``work``.
    """
    decoding = Decoding(language)
    with Reel([source.audio for source in sources]) as reel:

        def decode(decoding: Decoding) -> list[DecodedWindow]:
            folder = work / f"beam-{decoding.beam_size}"
            folder.mkdir(parents=True, exist_ok=True)
            return recognize(
                engine, reel, decoding, work=folder, clock=Clock(),
                progress=lambda done, total, _: progress("transcribe", done, total),
            )  # fmt: skip

        windows = decode(decoding)
        others = [] if sources[0].reference else decode(replace(decoding, beam_size=BEAM))
    texts = {(one.start, one.end): one.text for one in others}
    places = [bisect_right(reel.starts, (one.start + one.end) / 2) - 1 for one in windows]
    found = []
    for window, at in zip(windows, places, strict=True):
        if not window.words:
            continue
        source, offset = sources[at], reel.starts[at]
        start, end = window.start - offset, window.end - offset
        if source.reference and _has_no_times(source.reference) and places.count(at) == 1:
            # All of the text is spoken here, also what the teacher left out.
            fitting = source.reference.cues[0].text
            error = error_rate(window.text, fitting, language)
        elif source.reference:
            near = _words_near(source.reference, start, end, source.seconds)
            error, fitting = compare_within(window.text, near, language)
        else:
            fitting = texts.get((window.start, window.end), "")
            error = error_rate(window.text, fitting, language)
        words = tuple(
            replace(word, start=word.start - offset, end=word.end - offset) for word in window.words
        )
        found.append(
            Label(
                source.number, start, end, words, fitting.strip(),
                float("inf") if window.fault else error, bool(source.reference),
            )
        )  # fmt: skip
    return found


def _words_near(reference: Track, start: float, end: float, duration: float) -> str:
    """The reference's words from around a window; of a cue the words are spread over its time."""
    near = []
    for cue in reference.cues:
        words = cue.text.split()
        step = (min(cue.end, max(duration, cue.start)) - cue.start) / max(1, len(words))
        if _has_no_times(reference):
            return cue.text
        near += [
            word
            for index, word in enumerate(words)
            if start - SLACK <= cue.start + (index + 0.5) * step <= end + SLACK
        ]
    return " ".join(near)


def _has_no_times(reference: Track) -> bool:
    return len(reference.cues) == 1


def normalize(text: str, language: str) -> list[str]:
    """The words of a text, without case, punctuation and, where they are no more than that, marks
    of stress, and with numbers spelled out, since Whisper writes digits where others write words;
    the letters in a language that is written without spaces."""
    plain = _spell_numbers(_join_thousands(text), language)
    if language in STRESSED:  # ``numero`` is what many write for ``número``
        bare = unicodedata.normalize("NFD", plain).translate(dict.fromkeys(map(ord, STRESS)))
        plain = unicodedata.normalize("NFC", bare)
    kept = "".join(
        char if char.isalnum() or is_mark(char) else "" if char in "'’" else " "
        for char in plain.casefold()
    )
    return [*kept.replace(" ", "")] if language in SPACELESS else kept.split()


def _join_thousands(text: str) -> str:
    """A text in NFKC, so with plain digits and spaces, and with nothing between thousands."""
    plain = unicodedata.normalize("NFKC", text)
    return _THOUSANDS.sub(lambda found: re.sub(r"\D", "", found[0]), plain)


def _spell_numbers(text: str, language: str) -> str:
    """A text with words for its whole numbers, as far as the CLDR knows those of the language; one
    that begins with a zero, or is longer than any that has a name, is read digit by digit."""

    def spell(found: re.Match[str]) -> str:
        number = found[0]
        named = number[0] != "0" and len(number) <= MOST_DIGITS
        whole = _number_words(int(number), language) if named else ""
        digits = (_number_words(int(digit), language) or digit for digit in number)
        return f" {whole or ' '.join(digits)} "

    return re.sub(r"[0-9]+", spell, text)


@functools.lru_cache(maxsize=10_000)
def _number_words(number: int, language: str) -> str:
    """A number in words, or nothing if they are not known."""
    from unicode_rbnf.engine import RbnfError

    try:
        words: str = number_rules(language).format_number(number).text
    except (ValueError, RbnfError):  # no rules for the language, or for so large a number
        return ""
    return words.replace("\u00ad", "")


def error_rate(text: str, reference: str, language: str) -> float:
    """Edits between the words of two texts, as a share of the reference's words."""
    wanted = normalize(reference, language)
    costs, _ = _distances(normalize(text, language), wanted)
    return float(costs[-1]) / max(1, len(wanted))


def compare_within(text: str, longer: str, language: str) -> tuple[float, str]:
    """The word error rate between a text and the part of a longer one that fits best, and that
    part."""
    plain = _join_thousands(longer)
    words, around = normalize(text, language), plain.split()
    if language in SPACELESS:
        around = re.findall(r"(?:[0-9]+(?:[.,][0-9]+)*|[^\W_])[^\w\s]*", plain)
    parts = [normalize(word, language) for word in around]
    index = [i for i, part in enumerate(parts) for _ in part]
    costs, begins = _distances(words, [one for part in parts for one in part], anywhere=True)
    end = int(np.argmin(costs))
    begin = int(begins[end])
    if end <= begin:
        return float("inf") if words else 0.0, ""
    joined = ("" if language in SPACELESS else " ").join(around[index[begin] : index[end - 1] + 1])
    return float(costs[end]) / (end - begin), joined


def _distances(
    words: Sequence[str], others: Sequence[str], *, anywhere: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The edits from ``words`` to each beginning of ``others``, shape (others + 1,), and where that
    beginning begins: at 0 or, ``anywhere``, where it fits best."""
    ids = {word: number for number, word in enumerate({*words, *others})}
    theirs = np.array([ids[word] for word in others], dtype=np.int64)
    places = np.arange(len(others) + 1)
    costs = np.zeros(len(others) + 1) if anywhere else places.astype(float)
    begins = places.copy() if anywhere else np.zeros_like(places)
    for word in words:
        removed = costs + 1
        changed = np.append(np.inf, costs[:-1] + (theirs != ids[word]))
        moved = np.append(0, begins[:-1])
        best = np.minimum(changed, removed)
        begins = np.where(changed <= removed, moved, begins)
        # Words of the other text that are in between: the cheapest way from any place before.
        least = np.minimum.accumulate(best - places)
        source = np.maximum.accumulate(np.where(best - places <= least, places, 0))
        costs, begins = least + places, begins[source]
    return costs, begins
