"""Cut audio of any length into windows at pauses, in constant memory.

Voice activity detection (:mod:`.speech_activity`) yields spans of speech; the spans are gathered
into windows that a network can take at once. Whisper invents words in silence and drops words that
a cut goes through, so both matter more than anything the decoder does (whisperX calls this VAD cut
and merge, arXiv 2303.00747).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from .engine import SAMPLE_RATE, Samples
from .speech_activity import Recording, Span, speech_spans

LEAD = 0.50
"""Seconds of audio kept before a span: Silero reacts late to soft initial consonants."""
TAIL = 0.50
"""Seconds of audio kept after a span."""
MAX_SILENCE = 3.0
"""Seconds of a pause, in which Whisper would invent words, after which a ``whole`` window ends. The
speech on either side of such a pause is set to the sound, reported and shown apart."""
PAUSE = 0.8
"""Seconds of a pause that the network gets, half of them after a span and half before the next. All
of a longer one would cost as much as speech, and with less the edges of words are lost
(``benchmarks/``)."""
REACH = 0.1
"""Seconds of the speech after a pause over which the last word before it may seem to last: a word
lasts until the next one, as far as attention tells. One that lasts longer is the first after it."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of audio for the network, in seconds, and the speech inside it."""

    start: float
    end: float
    speech: tuple[Span, ...]
    whole: bool = False
    """Whether the network gets its pauses, too."""

    @property
    def pieces(self) -> list[tuple[float, float]]:
        """What the network gets of it, in seconds on the timeline: all but the middle of pauses."""
        cuts = [self.start]
        for before, after in pairwise(self.speech):
            if after.start - before.end > PAUSE and not self.whole:
                cuts += before.end + PAUSE / 2, after.start - PAUSE / 2
        return list(zip(cuts[::2], [*cuts[1::2], self.end], strict=True))

    @property
    def seconds(self) -> float:
        """How much the network gets."""
        return sum(end - start for start, end in self.pieces)

    def on_timeline(self, start: float, end: float) -> tuple[float, float]:
        """The times of the sound between which a word is, from its times in what the network gets:
        both in the piece that has its middle, or in the next if it reaches into the speech there,
        for nobody speaks a word on both sides of a pause."""
        middle, before = (start + end) / 2, 0.0
        for first, last in self.pieces:
            join = before + last - first
            reaches = end > join + PAUSE / 2 + REACH
            if last == self.end or (middle <= join and not reaches):
                break
            before = join
        start, end = (first + min(max(at - before, 0.0), last - first) for at in (start, end))
        return start, end

    def runs(self) -> list[Window]:
        """The window divided at pauses of more than MAX_SILENCE, in which nobody speaks."""
        first, found = 0, []
        for count, (before, after) in enumerate(pairwise(self.speech), 1):
            if after.start - before.end > MAX_SILENCE:
                found.append(self.part(first, count))
                first = count
        return [*found, self.part(first, len(self.speech))]

    def part(self, first: int, last: int) -> Window:
        """The part with the spans from ``first`` up to, and without, ``last``: at most LEAD before
        them and TAIL after them of the pauses that it is cut in."""
        spans = self.speech
        start, end = self.start, self.end
        if first:
            _, start = around_pause(spans[first - 1], spans[first])
        if last < len(spans):
            end, _ = around_pause(spans[last - 1], spans[last])
        return replace(self, start=start, end=end, speech=spans[first:last])

    def in_pieces(self, at: float) -> float:
        """Where in what the network gets a time of the sound is, in seconds from its beginning."""
        return sum(min(max(at - start, 0.0), end - start) for start, end in self.pieces)


def around_pause(before: Span, after: Span) -> tuple[float, float]:
    """Where, of a pause in which sound is cut, that before it ends and that after it begins: at
    most TAIL and LEAD seconds from the speech, and at most at its middle."""
    middle = (before.end + after.start) / 2
    return min(middle, before.end + TAIL), max(middle, after.start - LEAD)


def samples_of(sound: Recording, window: Window) -> Samples:
    """A window's audio, in the form that the network takes."""
    return samples_between(sound, window.start, window.end)


def without_pauses(sound: Recording, window: Window) -> Samples:
    """What the network gets of a window: its audio without the middle of longer pauses."""
    return np.concatenate([samples_between(sound, *piece) for piece in window.pieces])


def samples_between(sound: Recording, start: float, end: float) -> Samples:
    """The audio between two times, in seconds, in that form."""
    piece = sound[max(0, round(start * SAMPLE_RATE)) : round(end * SAMPLE_RATE)]
    return piece.astype(np.float32) / np.float32(32_768)


def gather(
    spans: Iterable[Span], longest: float, duration: float, *, whole: bool = False
) -> Iterator[Window]:
    """Windows around the spans, each span in exactly one, of which the network gets at most
    ``longest`` seconds.

    A window takes all spans that fit, however long nobody speaks between them: what is before and
    after it helps to recognize speech, more than it harms if a window ends within a sentence
    (``benchmarks/``). A ``whole`` one has its pauses, none of them over MAX_SILENCE.
    """
    room = longest - LEAD - TAIL
    open_spans: list[Span] = []
    previous_end = 0.0

    def close(next_start: float) -> Window:
        nonlocal previous_end
        speech = tuple(open_spans)
        open_spans.clear()
        # Neighbors get half of the pause between them each, so that no audio is in two windows
        # and decoded twice.
        start = max(speech[0].start - LEAD, previous_end, 0.0)
        middle = (speech[-1].end + next_start) / 2
        end = min(speech[-1].end + TAIL, max(middle, speech[-1].end), duration)
        previous_end = end
        return Window(round(start, 3), round(end, 3), speech, whole)

    most = MAX_SILENCE if whole else float("inf")
    for span in spans:
        following = (*open_spans, span)
        length = Window(following[0].start, span.end, following, whole).seconds
        if open_spans and (span.start - open_spans[-1].end > most or length > room):
            yield close(span.start)
        open_spans.append(span)
    if open_spans:
        yield close(float("inf"))


def windows(
    activity: Iterable[npt.NDArray[np.float32]],
    longest: float,
    duration: float,
    *,
    whole: bool = False,
) -> Iterator[Window]:
    """The windows of audio of ``duration`` seconds, in order, computed lazily; see
    :func:`gather`."""
    return gather(speech_spans(activity, longest - LEAD - TAIL), longest, duration, whole=whole)
