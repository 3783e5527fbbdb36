"""Distinguish speech from what Whisper hallucinated.

Each rule checks one decoded window. A window that breaks one is decoded again with safer settings;
what is still wrong then is cut or left out (see ``recognize``). Thresholds marked openai/whisper
are those of its ``transcribe``.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from itertools import pairwise
from math import log
from statistics import fmean, median
from unicodedata import category

from dubkit import Word

from .engine import Decoded
from .speech_activity import Span
from .windows import Window

MAX_COMPRESSION = 2.4
"""Text that zlib shrinks by more than this repeats itself (openai/whisper)."""
MIN_LOGPROB = -1.0
"""A mean log-probability below this is guessing (openai/whisper)."""
NO_SPEECH = 0.6
"""A no-speech probability above this, if the text is uncertain too, is silence (the same)."""
LIKELY_SPEECH = 0.5
"""The least probability at which Silero, by its own threshold, takes sound for speech."""
MAX_CHARACTERS_PER_SECOND = 36.0
"""Of speech, in any script; auctioneers reach 30."""
SLACK = 0.5
"""Seconds by which the times of a few words may be wrong."""
LEAST_EMPTY = 1.0
"""Seconds of speech that has words, or else is worth a second look."""
MAX_SKIPPED = 2.0
"""Seconds of speech under a single word, or under none: the decoder has skipped some there."""
LOOPS = ((1, 8), (2, 5), (3, 4), (5, 3), (12, 2))
"""(words, times): a run of this many words or more, repeated this many times in a row, is a
loop."""
SQUEEZED = 0.5
"""Words that take less than this much of the time of those before them were not spoken."""

VARIATIONS = "\ufe0e\ufe0f"
"""Marks that choose how a symbol is drawn, as text or as a picture."""
_WORD = re.compile(r"\w")
_ANNOTATION = re.compile(r"[\[(（【*♪♫][^\])）】*♪♫]*[\])）】*♪♫]?")
_HALLUCINATIONS = frozenset(
    phrase.strip()
    for phrase in """
    thank you | thanks for watching | thank you for watching | you | bye | please subscribe
    subtitles by the amara org community | subtitles by | the end | merci | sous titrage st 501
    sous titres réalisés para la communauté d amara org | vielen dank
    untertitel der amara org community
    untertitel im auftrag des zdf für funk 2017 | gracias | gracias por ver el video
    subtítulos realizados por la comunidad de amara org | obrigado
    legendas pela comunidade amara org
    sottotitoli creati dalla comunità amara org | продолжение следует | спасибо за просмотр
    субтитры сделал dimatorzok | редактор субтитров а семкин корректор а егорова
    谢谢大家 | 謝謝大家
    ご視聴ありがとうございました | 谢谢观看 | 시청해주셔서 감사합니다 | mbc 뉴스 이덕영입니다
    """.replace("\n", "|").split("|")
    if phrase.strip()
)
"""Whole windows that Whisper makes of noise, learned from captions at the silent ends of videos.
People say these things too, so they are removed only if the network itself was uncertain."""


def is_mark(char: str) -> bool:
    """Whether it is a part of the letter before it, as vowels are in Hindi and Thai."""
    return category(char) in ("Mn", "Mc") and char not in VARIATIONS


def _normalize(text: str) -> str:
    """The words alone."""
    kept = (char if _WORD.match(char) or is_mark(char) else " " for char in text.lower())
    return " ".join("".join(kept).split())


def loop_start(words: Sequence[str]) -> int | None:
    """Index of the first word that only repeats a loop, or None.

    >>> loop_start("so it goes on and on and on and on and on and on".split())
    5
    """
    found = _find_loop(words)
    return found and found[0]


def invented_from(words: Sequence[Word], speech: Sequence[Span]) -> int | None:
    """Index of the first word that repeats a loop and was not spoken, or None.

    People do say a sentence twice; then the second one takes its time, too. And a teacher says it
    many times, with a pause before each.
    """
    found = _find_loop([word.text for word in words])
    if not found or _are_apart(words, *found, speech):
        return None
    start, size = found
    once, again = (
        median(word.end - word.start for word in part)
        for part in (words[start - size : start], words[start : start + size])
    )
    return start if size < LOOPS[-1][0] or again < SQUEEZED * once else None


def _are_apart(words: Sequence[Word], start: int, size: int, speech: Sequence[Span]) -> bool:
    """Whether each run of a loop is in a span of speech of its own, by the word in its middle: the
    times of the first and the last are less sure."""
    units = [_normalize(word.text) for word in words]
    spans = []
    first = start - size
    while first < len(units) and units[first : first + size] == units[start - size : start]:
        word = words[first + size // 2]
        spans.append(sum(span.start <= (word.start + word.end) / 2 for span in speech))
        first += size
    return len(set(spans)) == len(spans)


def _find_loop(words: Sequence[str]) -> tuple[int, int] | None:
    """The first word that only repeats, and how many words make the loop."""
    units = [_normalize(word) for word in words]
    for size in range(1, len(units) // 2 + 1):
        times = next(times for least, times in reversed(LOOPS) if size >= least)
        run = 0
        for i in range(size, len(units)):
            run = run + 1 if units[i] == units[i - size] else 0
            if run >= size * (times - 1):
                return i - run + 1, size
    return None


def fault(decoded: Decoded, words: Sequence[Word], window: Window) -> str | None:
    """What is wrong with a window's text, as a keyword, or None."""
    text = "".join(word.text for word in words).strip()
    speech = sum(span.end - span.start for span in window.speech)
    if not text:
        return "empty" if speech >= LEAST_EMPTY else None
    if decoded.avg_logprob < MIN_LOGPROB:
        return "unsure"
    encoded, loop = text.encode(), _find_loop([word.text for word in words])
    if not (loop and _are_apart(words, *loop, window.speech)):
        if len(encoded) / len(zlib.compress(encoded)) > MAX_COMPRESSION:
            return "repetitive"
        if invented_from(words, window.speech) is not None:
            return "loop"
    if len(text) > MAX_CHARACTERS_PER_SECOND * (speech + SLACK) or _has_burst(words):
        return "too fast"
    if skips(words, window):
        return "skipped"
    return None


def is_at_fault(fault: str | None, words: Sequence[Word], run: Window) -> bool:
    """Whether what is wrong with a window is wrong with the words of this run of it, as far as that
    can be known."""
    if fault == "skipped":
        return skips(words, run)
    if fault == "unsure" and words:
        return fmean(log(max(word.probability or 0.0, 1e-6)) for word in words) < MIN_LOGPROB
    return fault is not None


def _has_burst(words: Sequence[Word]) -> bool:
    """Whether any stretch of words has more characters than anybody speaks in its time."""
    excess = 0.0
    """Characters too many in the stretch that ends here and has the most of them."""
    last = 0.0
    for word in words:
        excess = max(0.0, excess - MAX_CHARACTERS_PER_SECOND * (word.start - last))
        excess += len(word.text.strip()) - MAX_CHARACTERS_PER_SECOND * (word.end - word.start)
        if excess > MAX_CHARACTERS_PER_SECOND * SLACK:
            return True
        last = word.end
    return False


def skips(words: Sequence[Word], window: Window) -> bool:
    """Whether there is more speech under one word, or before, between or after words, than there
    may be."""
    edges = [window.start, *(at for word in words for at in (word.start, word.end)), window.end]
    stretches = list(pairwise(edges))

    def speech_in(start: float, end: float) -> float:
        return sum(max(0.0, min(end, s.end) - max(start, s.start)) for s in window.speech)

    return max(speech_in(*stretch) for stretch in stretches) > MAX_SKIPPED


def has_no_speech(decoded: Decoded, text: str, speech: Sequence[Span] = ()) -> bool:
    """Whether a window that voice activity took for speech is silence, noise or music after all;
    ``speech`` are its spans, where they are known."""
    hardly_voiced = all(span.likeliest < LIKELY_SPEECH for span in speech)
    if speech and hardly_voiced and decoded.avg_logprob < MIN_LOGPROB:
        return True  # of an animal's call Whisper makes a sentence
    if decoded.no_speech_prob > NO_SPEECH and decoded.avg_logprob < MIN_LOGPROB / 2:
        return True
    if text.strip() and not _normalize(_ANNOTATION.sub("", text)):
        return True
    uncertain = decoded.no_speech_prob > NO_SPEECH / 3 or decoded.avg_logprob < -0.7
    return uncertain and _normalize(text) in _HALLUCINATIONS
