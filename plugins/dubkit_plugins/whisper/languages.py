"""Which language is spoken where: Whisper's opinion of short stretches of speech, made consistent.

The network judges each stretch from what it has encoded anyway. Where that may be another language,
what is around it is judged as well, and the stretch alone: in noise and in acted speech each of the
three is often wrong, but seldom in the same way. Here is what is done with that. A language is
changed to only if what speaks for it outweighs the cost of a change, so that a name or a shout
changes nothing; languages that are easily confused need twice as much, and one that is spoken
elsewhere in the sound, half.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from math import ceil, exp, log
from statistics import mean

import numpy as np

from .engine import SAMPLE_RATE, Samples
from .speech_activity import Span
from .windows import Window

SHORTEST, LONGEST = 1.5, 4.0
"""Seconds of a stretch: spans are gathered until the first, and divided beyond the second."""
APART = 0.8
"""Seconds of a pause after which another may speak: a stretch ends there."""
FULL = 2.0
"""Seconds of speech of which what the network says counts fully: twice of twice as many."""
FLOOR = 0.01
"""No language is less probable than this: a single stretch proves nothing."""
AROUND = 3.0
"""Seconds before and after a stretch that are judged with it."""
CANDIDATE = 0.2
"""Probability of a language in some stretch from which on it is considered at all."""
CHANGE = {"main": 0.5, "known": 2.0, "new": 6.0}
"""Cost, in nats, of changing to the main language, one that is spoken elsewhere, and another: what
a few seconds of clear speech outweigh."""
KNOWN_SECONDS = 5.0
"""Seconds of speech in a language after which it counts as spoken elsewhere."""
CONFUSED = (
    {"nn", "no", "da", "sv"}, {"es", "gl", "pt", "ca", "oc"}, {"ur", "hi", "pa"}, {"cs", "sk"},
    {"ru", "uk", "be", "bg"}, {"sr", "hr", "bs", "sl", "mk"}, {"id", "ms", "jw", "su"},
    {"zh", "yue"}, {"nl", "af"}, {"tr", "az"}, {"it", "la"}, {"de", "lb"},
)  # fmt: skip
"""Languages that Whisper confuses with each other."""
CUT_WITHIN = 1.0
"""Seconds around a change without a pause within which the quietest moment is taken for it."""

Probabilities = Mapping[str, float]
"""By Whisper's code of the language."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of speech, the probability of each language in it."""

    speech: tuple[Span, ...]
    languages: Probabilities

    @property
    def seconds(self) -> float:
        """How long somebody speaks in it."""
        return sum(span.end - span.start for span in self.speech)


def stretches(window: Window) -> list[tuple[Span, ...]]:
    """The speech of a window in stretches of a few seconds, each of spans or a part of one."""
    found: list[list[Span]] = []
    for span in (part for whole in window.speech for part in _divide(whole)):
        last = found[-1] if found else []
        spoken = sum(one.end - one.start for one in last)
        near = bool(last) and span.start - last[-1].end < APART
        if near and spoken < SHORTEST and spoken + span.end - span.start <= LONGEST:
            last.append(span)
        else:
            found.append([span])
    return [tuple(spans) for spans in found]


def _divide(span: Span) -> list[Span]:
    """A span in equal parts of at most LONGEST seconds."""
    count = max(1, ceil((span.end - span.start) / LONGEST))
    edges = np.linspace(span.start, span.end, count + 1).tolist()
    return [Span(start, end) for start, end in pairwise(edges)]


def ranges(window: Window) -> tuple[tuple[float, float], ...]:
    """What is to be judged of a window, in seconds from its start: each stretch, and then each with
    what is around it."""
    edges = [(speech[0].start, speech[-1].end) for speech in stretches(window)]
    wider = [(max(window.start, a - AROUND), min(window.end, b + AROUND)) for a, b in edges]
    return tuple((a - window.start, b - window.start) for a, b in [*edges, *wider])


def combined(opinions: Sequence[Probabilities]) -> Probabilities:
    """Several opinions of the same stretch as one (the geometric mean)."""
    return {
        code: exp(mean(log(max(FLOOR, one.get(code, 0.0))) for one in opinions))
        for code in {code for one in opinions for code in one}
    }


def limited(languages: Probabilities, among: Collection[str]) -> Probabilities:
    """The probabilities if only these languages are spoken; all of them if none are named."""
    if not among:
        return languages
    total = sum(languages.get(code, 0.0) for code in among) or 1.0
    return {code: languages.get(code, 0.0) / total for code in among}


def spoken(found: Sequence[Stretch], main: str, known: Collection[str] = ()) -> list[str]:
    """The language of each stretch, in order: the likeliest sequence, in which each change to
    another one has its cost. ``main`` is the one that is expected, ``known`` those that are spoken
    elsewhere; those that are spoken here for long enough are added to them."""
    first = _likeliest(found, main, known)
    seconds: dict[str, float] = {}
    for code, stretch in zip(first, found, strict=True):
        seconds[code] = seconds.get(code, 0.0) + stretch.seconds
    more = {code for code, count in seconds.items() if count >= KNOWN_SECONDS} - {main}
    return _likeliest(found, main, {*known, *more}) if more - {*known} else first


def is_doubtful(found: Sequence[Stretch], main: str) -> bool:
    """Whether any of this may be in another language, if that is spoken elsewhere."""
    every = {code for stretch in found for code in stretch.languages}
    return any(code != main for code in _likeliest(found, main, every))


def _likeliest(found: Sequence[Stretch], main: str, known: Collection[str]) -> list[str]:
    """The cheapest path through the stretches (Viterbi)."""
    likely = {
        code
        for stretch in found
        for code, probability in stretch.languages.items()
        if probability >= CANDIDATE
    }
    codes = [main, *sorted(likely - {main})]
    enter = np.array(
        [CHANGE["main" if c == main else "known" if c in known else "new"] for c in codes]
    )
    cost = np.where(np.arange(len(codes)) == 0, 0.0, enter)
    before: list[np.ndarray] = []
    for stretch in found:
        # From each language to each: for nothing if it is the same.
        ways = cost[:, None] + enter[None, :]
        np.fill_diagonal(ways, cost)
        before.append(ways.argmin(axis=0))
        cost = ways.min(axis=0) - np.array([_evidence(stretch, code, main) for code in codes])
    path: list[int] = [int(cost.argmin())] if found else []
    for back in reversed(before[1:]):
        path.append(int(back[path[-1]]))
    return [codes[index] for index in reversed(path)]


def _evidence(stretch: Stretch, code: str, main: str) -> float:
    """What speaks for a language in a stretch and against the main one, in nats."""
    weight = stretch.seconds / FULL
    own, other = (
        log(max(FLOOR, min(1.0, stretch.languages.get(one, 0.0)))) for one in (code, main)
    )
    close = any(code in group and main in group for group in CONFUSED)
    return weight * (own - other) * (0.5 if close and own > other else 1.0)


def parts(
    window: Window, found: Sequence[Stretch], codes: Sequence[str], samples: Samples
) -> list[tuple[Window, str]]:
    """A window as one for each run of stretches in the same language, which ``codes`` are, cut in
    the middle of the pause between them or, where there is none, at the quietest moment near."""
    runs = [
        (code, [span for stretch, _ in run for span in stretch.speech])
        for code, run in groupby(zip(found, codes, strict=True), key=lambda one: one[1])
    ]
    cuts = [window.start]
    for (_, before), (_, after) in pairwise(runs):
        last, first = before[-1], after[0]
        if last.end < first.start:
            cuts.append((last.end + first.start) / 2)
            continue
        cut = _quietest(
            samples,
            window.start,
            max((last.start + last.end) / 2, last.end - CUT_WITHIN),
            min((first.start + first.end) / 2, first.end, first.start + CUT_WITHIN),
        )
        before[-1], after[0] = replace(last, end=cut), replace(first, start=cut)
        cuts.append(cut)
    cuts.append(window.end)
    return [
        (Window(round(start, 3), round(end, 3), _joined(spans)), code)
        for (code, spans), (start, end) in zip(runs, pairwise(cuts), strict=True)
    ]


def _joined(spans: Sequence[Span]) -> tuple[Span, ...]:
    """The spans, those that touch as one."""
    joined: list[Span] = []
    for span in spans:
        if joined and span.start <= joined[-1].end:
            joined[-1] = replace(joined[-1], end=span.end)
        else:
            joined.append(span)
    return tuple(joined)


def _quietest(samples: Samples, begin: float, start: float, end: float) -> float:
    """The quietest moment between two times, of samples that begin at ``begin``."""
    step = SAMPLE_RATE // 50
    piece = samples[round((start - begin) * SAMPLE_RATE) : round((end - begin) * SAMPLE_RATE)]
    if len(piece) < 5 * step:
        return (start + end) / 2
    power = np.square(piece[: len(piece) // step * step]).reshape(-1, step).mean(axis=1)
    smooth = np.convolve(power, np.ones(3) / 3, mode="valid")
    return start + (int(smooth.argmin()) + 1.5) * step / SAMPLE_RATE
