"""Which language is spoken where: Whisper's opinion of short stretches of speech, made consistent.

The network judges each stretch from what it has encoded anyway (:func:`spoken`). A language is
changed to only if what speaks for it outweighs the cost of a change, so that a name or a shout
changes nothing; languages that are easily confused need twice as much, and one that is spoken
elsewhere in the sound, a third.

In noise and in acted speech that opinion is often wrong. So whatever it takes for another language
is decoded in the few that it may be in (:func:`rivals`), and :func:`settled` keeps those in which
it reads most easily, all of the sound together: scraps of Polish amid Czech are Czech.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from math import ceil, log

import numpy as np

from dubkit import Word

from .engine import SAMPLE_RATE
from .speech_activity import Recording, Span
from .windows import Window, around_pause, samples_between

SHORTEST, LONGEST = 1.5, 4.0
"""Seconds of a stretch: spans are gathered until the first, and divided beyond the second."""
APART = 0.8
"""Seconds of a pause after which another may speak: a stretch ends there."""
FULL = 2.0
"""Seconds of speech of which what the network says counts fully: twice of twice as many."""
FLOOR, FLOOR_KNOWN = 0.01, 0.05
"""No language is less probable than this, none that is spoken elsewhere than that: a single stretch
proves nothing."""
FLOOR_OF_PART = 0.002
"""The same where it is asked which languages are worth a try."""
CANDIDATE = 0.2
"""Probability of a language in some stretch from which on it is considered at all."""
CHANGE = {"main": 0.5, "known": 2.0, "new": 6.0}
"""Cost, in nats, of changing to the main language, one that is spoken elsewhere, and another: what
a few seconds of clear speech outweigh."""
PAUSE, WITHIN = 0.1, 3.0
"""Seconds of silence without which people seldom change it, and how many times as much that
costs."""
KNOWN_SECONDS = 5.0
"""Seconds of speech in a language after which it counts as spoken elsewhere."""
STRAIN = 8.0
"""What speaks against the main language, in nats for FULL seconds that read by one nat a word less
easily than the main language does elsewhere in the sound."""
CLEAR = 0.7
"""Probability from which on a language is tried even where the main one reads as easily as usual:
in Russian, Whisper may write English as English."""
RIVALS = 3
"""Languages in which a part is decoded besides the main one, at most ..."""
RIVAL = 2.5
"""... and how much less likely than the one that it seems to be they may be, in nats."""
HERE = 1.0
"""What it counts, in nats, that a language seems to be spoken elsewhere in the sound."""
OPINION = 0.05
"""Nats of ease by which the opinion of the network counts, for each of its own."""
GAIN, GAIN_OVER_ENGLISH = 0.05, -0.15
"""How much more easily speech must read in another language than in the main one. Whisper does not
only misread what is spoken in another language as English: it may translate it, and that reads
easily."""
NEW = 1.0
"""Seconds of speech, times how much more easily they read in a language than in all others, that
make it one that is spoken here."""
CONFUSED = (
    {"nn", "no", "da", "sv"}, {"es", "gl", "pt", "ca", "oc"}, {"ur", "hi", "pa"},
    {"cs", "sk", "pl"}, {"ru", "uk", "be", "bg"}, {"sr", "hr", "bs", "sl", "mk"},
    {"id", "ms", "jw", "su"}, {"zh", "yue"}, {"nl", "af"}, {"tr", "az"}, {"it", "la"}, {"de", "lb"},
)  # fmt: skip
"""Languages that Whisper confuses with each other."""
UNLEARNED = frozenset(
    "am as ba bo br fo ha haw jw la ln lo mg mi my nn oc sa sd sn so su tg tk tt yo".split()
)
"""Languages of which Whisper has transcribed less than half an hour in training (arXiv 2212.04356,
appendix E): what it takes for one of them amid another language is nearly always a third one, or
noise."""
CUT_WITHIN = 1.0
"""Seconds around a change without a pause within which the quietest moment is taken for it."""

Probabilities = Mapping[str, float]
"""By Whisper's code of the language."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of speech, the probability of each language in it."""

    speech: tuple[Span, ...]
    languages: Probabilities
    strain: float = 0.0
    """How much less easily it reads in the main language than that may, in nats a word."""
    gains: Mapping[str, float] = field(default_factory=dict)
    """How much more easily than in the main one it reads in others, those that were tried."""

    @property
    def seconds(self) -> float:
        """How long somebody speaks in it."""
        return sum(span.end - span.start for span in self.speech)

    def gain(self, code: str) -> float:
        """How much more easily it reads in another language than in the main one, or may."""
        return self.gains.get(code, self.strain)


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
    """The stretches of a window, in seconds of what the network gets of it."""
    edges = [(speech[0].start, speech[-1].end) for speech in stretches(window)]
    return tuple((window.in_pieces(start), window.in_pieces(end)) for start, end in edges)


def likely(languages: Probabilities, main: str) -> Probabilities:
    """The probabilities without those of the languages that Whisper hardly knows, unless it is the
    ``main`` one."""
    return {code: p for code, p in languages.items() if code == main or code not in UNLEARNED}


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
    return any(code != main for code in _likeliest(found, main, _candidates(found)))


def _candidates(found: Sequence[Stretch]) -> set[str]:
    """The languages that are likely somewhere."""
    return {
        code
        for stretch in found
        for code, probability in stretch.languages.items()
        if probability >= CANDIDATE
    }


def _likeliest(found: Sequence[Stretch], main: str, known: Collection[str]) -> list[str]:
    """The cheapest path through the stretches (Viterbi)."""
    codes = [main, *sorted({*_candidates(found), *known} - {main})]
    enter = np.array(
        [CHANGE["main" if c == main else "known" if c in known else "new"] for c in codes]
    )
    cost = np.where(np.arange(len(codes)) == 0, 0.0, enter)
    before: list[np.ndarray] = []
    for last, stretch in zip([None, *found], found, strict=False):
        goes_on = last is not None and stretch.speech[0].start - last.speech[-1].end < PAUSE
        # From each language to each: for nothing if it is the same.
        ways = cost[:, None] + enter[None, :] * (WITHIN if goes_on else 1.0)
        np.fill_diagonal(ways, cost)
        before.append(ways.argmin(axis=0))
        gain = [_evidence(stretch, code, main, code in known) for code in codes]
        cost = ways.min(axis=0) - np.array(gain)
    path: list[int] = [int(cost.argmin())] if found else []
    for back in reversed(before[1:]):
        path.append(int(back[path[-1]]))
    return [codes[index] for index in reversed(path)]


def _evidence(stretch: Stretch, code: str, main: str, known: bool) -> float:
    """What speaks for a language in a stretch and against the main one, in nats."""
    weight = stretch.seconds / FULL
    floor = FLOOR_KNOWN if known and code != main else FLOOR
    own, other = (
        log(max(least, min(1.0, stretch.languages.get(one, 0.0))))
        for one, least in ((code, floor), (main, FLOOR))
    )
    close = are_close(code, main)
    ease = STRAIN * stretch.gain(code) if code != main else 0.0
    return weight * ((own - other) * (0.5 if close and own > other else 1.0) + ease)


def ease(words: Sequence[Word]) -> float:
    """How easily words read: the mean logarithm of their probabilities, at most 0. Two that were
    there in a row before do not count: what is repeated reads easily in any language."""
    texts = [word.text.strip(" .,!?").casefold() for word in words]
    seen: set[tuple[str, str]] = set()
    new = []
    for word, pair in zip(words, pairwise(["", *texts]), strict=True):
        if pair not in seen:
            new.append(log(max(word.probability or 0.0, 1e-3)))
        seen.add(pair)
    return sum(new) / len(new)


def are_close(code: str, other: str) -> bool:
    """Whether Whisper confuses two languages."""
    return any({code, other} <= group for group in CONFUSED)


def opinion(part: Sequence[Stretch], code: str) -> float:
    """The mean logarithm of the probability of a language in several stretches."""
    chances = [max(FLOOR_OF_PART, stretch.languages.get(code, 0.0)) for stretch in part]
    seconds = [stretch.seconds for stretch in part]
    return float(np.average(np.log(chances), weights=seconds))


def is_worth_trying(part: Sequence[Stretch], code: str, main: str) -> bool:
    """Whether a part that seems to be in a language should be decoded in it: it reads less easily
    than usual in the main one, or there is little doubt of most of it, whatever the rest is."""
    gain = sum(one.seconds * one.gain(code) for one in part)
    clear = sum(one.seconds for one in part if one.languages.get(code, 0.0) >= CLEAR)
    return code != main and (gain > 0.0 or clear >= sum(one.seconds for one in part) / 2)


def rivals(
    part: Sequence[Stretch],
    code: str,
    main: str,
    here: Collection[str],
    beside: Collection[str] = (),
) -> list[str]:
    """The languages in which a part that seems to be in ``code`` is tried, besides the main one:
    that, those that seem to be spoken right ``beside`` it, then the likeliest, rather those that
    seem to be spoken ``here``."""
    codes = {*here, *(other for stretch in part for other in stretch.languages)} - {main, code}
    chances = {other: opinion(part, other) + HERE * (other in here) for other in codes}
    least = opinion(part, code) - RIVAL
    order = sorted(codes, key=lambda other: (other not in beside, -chances[other], other))
    likely = (other for other in order if other in beside or chances[other] >= least)
    return [code, *likely][:RIVALS]


@dataclass(frozen=True, slots=True)
class Trial:
    """How a part of a window reads in each language that it may be in."""

    seconds: float
    """Of speech."""
    ease: Mapping[str, float]
    """By language, the main one among them: the mean logarithm of the words' probabilities, at
    most 0, with what else speaks for it."""


def settled(trials: Sequence[Trial], main: str, known: Collection[str]) -> list[str]:
    """The language of each part: in which it reads most easily, of those that are spoken at all.
    One that is not ``known`` to be must read more easily than any other by NEW, all parts
    together."""
    margin = GAIN_OVER_ENGLISH if main == "en" else GAIN
    spoken = {code for trial in trials for code in trial.ease} | {main}

    def ranked(trial: Trial) -> list[tuple[float, str]]:
        ease = {code: value for code, value in trial.ease.items() if code in spoken}
        ease[main] = trial.ease[main] + margin
        return sorted(((value, code) for code, value in ease.items()), reverse=True)

    while True:
        gains = dict.fromkeys(sorted(spoken - {main, *known}), 0.0)
        rows = [(trial, ranked(trial)) for trial in trials]
        for trial, ((best, code), *others) in rows:
            if code in gains:
                gains[code] += trial.seconds * (best - others[0][0])
        least = min(gains, key=lambda code: gains[code], default=main)
        if gains.get(least, NEW) >= NEW:
            return [first for _, ((_, first), *_) in rows]
        spoken -= {least}


def parts(
    window: Window, found: Sequence[Stretch], codes: Sequence[str], sound: Recording
) -> list[tuple[Window, str]]:
    """A window as one for each run of stretches in the same language, which ``codes`` are, cut in
    the pause between them or, where there is none, at the quietest moment near."""
    runs = [
        (code, [span for stretch, _ in run for span in stretch.speech])
        for code, run in groupby(zip(found, codes, strict=True), key=lambda one: one[1])
    ]
    starts, ends = [window.start], []
    for (_, before), (_, after) in pairwise(runs):
        last, first = before[-1], after[0]
        if last.end < first.start:
            end, start = around_pause(last, first)
        else:
            end = start = _quietest(
                sound,
                max((last.start + last.end) / 2, last.end - CUT_WITHIN),
                min((first.start + first.end) / 2, first.end, first.start + CUT_WITHIN),
            )
            before[-1], after[0] = replace(last, end=end), replace(first, start=start)
        ends.append(end)
        starts.append(start)
    ends.append(window.end)
    return [
        (replace(window, start=round(start, 3), end=round(end, 3), speech=_joined(spans)), code)
        for (code, spans), (start, end) in zip(runs, zip(starts, ends, strict=True), strict=True)
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


def _quietest(sound: Recording, start: float, end: float) -> float:
    """The quietest moment between two times."""
    step = SAMPLE_RATE // 50
    piece = samples_between(sound, start, end)
    if len(piece) < 5 * step:
        return (start + end) / 2
    power = np.square(piece[: len(piece) // step * step]).reshape(-1, step).mean(axis=1)
    smooth = np.convolve(power, np.ones(3) / 3, mode="valid")
    return start + (int(smooth.argmin()) + 1.5) * step / SAMPLE_RATE
