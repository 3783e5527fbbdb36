"""Windows in which several languages may be spoken: which, where, and each part decoded in its own.

What the network takes for another language is decoded in those that it may be in, the likeliest
first, and how easily it reads in each decides (:mod:`.languages`). Where nothing is taken for
another, nothing is decoded again; nor is what reads as easily as usual beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby
from statistics import median
from typing import TypeAlias

from dubkit import Word

from . import guards, languages
from .decode import (
    LOOPING,
    DecodingTask,
    Hypothesis,
    decode_without_loops,
    repair,
    split_evenly,
)
from .languages import Stretch
from .windows import Window

MUTE = -2.0
"""Ease of what has no words, or those of a loop."""
SLACK = 0.2
"""How much less easily than usual speech in the main language may read, in nats a word."""
EASIER, HARDER = 0.2, 1.5
"""How much more easily than that it reads at most, and how much less, for what is made of it."""
SKIPPED = 0.5
"""How much less easily what has no words, or too few."""
SURE = 0.5
"""Probability of the main language from which on a stretch shows how easily it usually reads."""

Part: TypeAlias = tuple[Window, str]
"""A window, or a part of one, and Whisper's code of the language in which it is decoded."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Stretches of a window in one language, one after another."""

    window: int
    """Its number."""
    part: Window
    code: str
    stretches: range
    """Which of all."""


def stretches_of(window: Window, decoded: Hypothesis) -> list[Stretch]:
    """The stretches of a window with the language of each, if that was asked for."""
    if not decoded.languages:
        return []
    return list(map(Stretch, languages.stretches(window), decoded.languages))


def divide(
    task: DecodingTask,
    windows: Sequence[Window],
    firsts: Sequence[Hypothesis],
    pool: ThreadPoolExecutor,
    known: Collection[str],
) -> dict[int, list[tuple[Window, Hypothesis]]]:
    """The windows, by their numbers, that were doubtful or are in another language than expected:
    as they were decoded first, or in parts, each decoded in its own language. ``known`` are the
    languages that were spoken before."""
    main = task.decoding.language
    rows = [stretches_of(*both) for both in zip(windows, firsts, strict=True)]
    found = [stretch for row in rows for stretch in row]
    eases = [
        _ease_of(stretch, first) for row, first in zip(rows, firsts, strict=True) for stretch in row
    ]
    usual = _usual(found, eases, main)
    found = [
        replace(one, strain=_strain(ease, usual)) for one, ease in zip(found, eases, strict=True)
    ]
    tried: dict[Part, Hypothesis] = {}
    gains: list[dict[str, float]] = [{} for _ in found]

    def decode(wanted: Iterable[Part]) -> None:
        tried.update(_decode(task, pool, [one for one in wanted if one not in tried]))

    def settle(found: Sequence[Stretch], known: Collection[str]) -> list[str]:
        """The language of each stretch, after what seems to be in another has been tried."""
        codes = languages.spoken(found, main, known)
        for run in _runs(task, windows, rows, codes):
            if not languages.is_worth_trying([found[i] for i in run.stretches], run.code, main):
                for i in run.stretches:
                    codes[i] = main
        foreign = [run for run in _runs(task, windows, rows, codes) if run.code != main]
        own = [[found[i] for i in run.stretches] for run in foreign]
        here = {*known, *codes}
        rivals = []
        for run, part in zip(foreign, own, strict=True):
            before, after = run.stretches.start - 1, run.stretches.stop
            beside = {*codes[max(0, before) : before + 1], *codes[after : after + 1]}
            rivals.append(languages.rivals(part, run.code, main, here, beside))
        decode((run.part, run.code) for run in foreign)
        for run, some in zip(foreign, rivals, strict=True):
            one = tried[run.part, run.code]
            if not one.fault and _is_easy([found[i] for i in run.stretches], one, usual):
                del some[1:]
                continue
            # Amid other languages Whisper often leaves out what it does not understand.
            first, window = firsts[run.window], windows[run.window]
            is_whole = (run.part.start, run.part.end) == (window.start, window.end)
            is_lacking = first.fault or not _within(first, run.part.start, run.part.end)
            if first.fault in LOOPING or (is_lacking and not is_whole):
                some.append(main)
        decode((run.part, code) for run, some in zip(foreign, rivals, strict=True) for code in some)
        trials = []
        for run, part, some in zip(foreign, own, rivals, strict=True):
            decoded = {main: firsts[run.window], **{code: tried[run.part, code] for code in some}}
            eases = {
                code: _ease(_within(one, run.part.start, run.part.end), one.fault)
                - SKIPPED * (one.fault == "skipped")
                + languages.OPINION * languages.opinion(part, code)
                for code, one in decoded.items()
            }
            trials.append(languages.Trial(sum(one.seconds for one in part), eases))
            for i in run.stretches:
                gains[i] |= _gains(found[i], decoded, main, usual)
        for run, code in zip(foreign, languages.settled(trials, main, known), strict=True):
            for i in run.stretches:
                codes[i] = code
        return codes

    codes = settle(found, known)
    spoken = {*known, *codes} - {main}
    if spoken:
        # Once more, now that it is known which there are: by what the network takes what is in the
        # main language for, and by how easily the stretches of the others read in theirs.
        codes = settle(
            [
                replace(one, languages=languages.limited(one.languages, {main, *spoken}), gains=own)
                if code == main
                else replace(
                    one, languages=_agreeing(one, main, code, spoken), strain=-EASIER, gains=own
                )
                for one, code, own in zip(found, codes, gains, strict=True)
            ],
            spoken,
        )
    divided: dict[int, list[Part]] = {}
    for run in _runs(task, windows, rows, codes):
        divided.setdefault(run.window, []).append((run.part, run.code))
        first, own = firsts[run.window], [found[i] for i in run.stretches]
        if run.code == main and _is_easy(own, first, usual) and (kept := _kept(first, run.part)):
            tried.setdefault((run.part, main), kept)
    for i, first in enumerate(firsts):
        if all(code == main for _, code in divided.get(i, ())):
            divided.pop(i, None)
            if first.is_doubtful:
                divided[i] = [(windows[i], main)]
                tried[windows[i], main] = first
    wanted = [part for row in divided.values() for part in row]
    decode(wanted)
    tried.update(_repair(task, pool, {part: tried[part] for part in wanted if tried[part].fault}))
    return {i: [(part, tried[part, code]) for part, code in row] for i, row in divided.items()}


def _runs(
    task: DecodingTask,
    windows: Sequence[Window],
    rows: Sequence[Sequence[Stretch]],
    codes: Sequence[str],
) -> list[_Run]:
    """The windows, in parts where the language changes; ``codes`` has that of each stretch."""
    found = []
    first = 0
    for number, (window, row) in enumerate(zip(windows, rows, strict=True)):
        own = codes[first : first + len(row)]
        cut = languages.parts(window, row, own, task.sound) if row else []
        for (part, code), (_, run) in zip(cut, groupby(own), strict=True):
            after = first + len(list(run))
            found.append(_Run(number, part, code, range(first, after)))
            first = after
    return found


def _decode(
    task: DecodingTask, pool: ThreadPoolExecutor, parts: Sequence[Part]
) -> dict[Part, Hypothesis]:
    """Decode each part in its language."""

    def work(own: DecodingTask, batch: Sequence[Part]) -> list[Hypothesis]:
        return decode_without_loops(own, [window for window, _ in batch])

    return _in_batches(task, pool, parts, work)


def _repair(
    task: DecodingTask, pool: ThreadPoolExecutor, parts: Mapping[Part, Hypothesis]
) -> dict[Part, Hypothesis]:
    """Decode what went wrong again."""

    def work(own: DecodingTask, batch: Sequence[Part]) -> list[Hypothesis]:
        return repair(own, [window for window, _ in batch], [parts[part] for part in batch])

    return _in_batches(task, pool, list(parts), work)


def _in_batches(
    task: DecodingTask,
    pool: ThreadPoolExecutor,
    parts: Sequence[Part],
    work: Callable[[DecodingTask, Sequence[Part]], Sequence[Hypothesis]],
) -> dict[Part, Hypothesis]:
    """Do some work on parts, those in one language and of similar length together."""
    waiting: list[tuple[list[Part], Future[Sequence[Hypothesis]]]] = []
    for code in sorted({code for _, code in parts}):
        own = task.into(code)
        some = [part for part in dict.fromkeys(parts) if part[1] == code]
        for batch in split_evenly([window.seconds for window, _ in some], own.engine):
            chosen = [some[i] for i in batch]
            waiting.append((chosen, pool.submit(work, own, chosen)))
    return {
        part: hypothesis
        for chosen, future in waiting
        for part, hypothesis in zip(chosen, future.result(), strict=True)
    }


def _within(hypothesis: Hypothesis, start: float, end: float) -> tuple[Word, ...]:
    """The words of a hypothesis between two times."""
    return tuple(word for word in hypothesis.words if start <= (word.start + word.end) / 2 < end)


def _kept(first: Hypothesis, part: Window) -> Hypothesis | None:
    """What was decoded of a part of a window that has others in other languages, if nothing is
    wrong with it: faults of the whole may be those of the others."""
    words = _within(first, part.start, part.end)
    if first.fault in LOOPING or guards.skips(words, part):
        return None
    return replace(first, words=words, fault=None, is_doubtful=False)


def _ease(words: Sequence[Word], fault: str | None) -> float:
    """How easily words read, also where there are none, or those of a loop."""
    return MUTE if not words or fault in LOOPING else languages.ease(words)


def _usual(found: Sequence[Stretch], eases: Sequence[float | None], main: str) -> float | None:
    """How easily stretches that are surely in the main language read in it, each with its ease, or
    all if none are; None if none have words. A loop is no sign."""
    known = [
        (one.languages.get(main, 0.0) >= SURE, ease)
        for one, ease in zip(found, eases, strict=True)
        if ease is not None and ease > MUTE
    ]
    if not known:
        return None
    return median([ease for sure, ease in known if sure] or [ease for _, ease in known])


def _strain(ease: float | None, usual: float | None) -> float:
    """How much less easily a stretch reads than it may."""
    if usual is None:
        return 0.0
    if ease is None or ease <= MUTE:
        return SKIPPED * (ease is None)
    return max(-EASIER, min(HARDER, usual - SLACK - ease))


def _is_easy(part: Sequence[Stretch], hypothesis: Hypothesis, usual: float | None) -> bool:
    """Whether a part reads as easily as is usual, and something of each of its stretches."""
    eases = [_ease_of(one, hypothesis) for one in part]
    if usual is None or None in eases:
        return False
    return (
        sum(one.seconds * _strain(ease, usual) for one, ease in zip(part, eases, strict=True)) <= 0
    )


def _agreeing(stretch: Stretch, main: str, code: str, spoken: Collection[str]) -> dict[str, float]:
    """What the network takes a stretch for of the languages that are ``spoken``, if it is amid
    speech that reads most easily in ``code``: that, another, or it does not know."""
    chances = {one: stretch.languages.get(one, 0.0) for one in (main, *spoken)}
    return {**chances, code: max(chances[main], chances[code])}


def _gains(
    stretch: Stretch, decoded: Mapping[str, Hypothesis], main: str, usual: float | None
) -> dict[str, float]:
    """How much more easily a stretch reads in each other language than in the main one, or with
    less strain."""
    before = _ease_of(stretch, decoded[main])
    strain = max(0.0, _strain(before, usual)) / 2
    gains = {}
    for code, hypothesis in decoded.items():
        ease = _ease_of(stretch, hypothesis)
        if ease is None or before is None:
            gains[code] = SKIPPED * ((before is None) - (ease is None))
        else:
            gains[code] = max(-HARDER, min(HARDER, ease - before + strain))
    return gains


def _ease_of(stretch: Stretch, hypothesis: Hypothesis) -> float | None:
    """How easily a stretch reads; None if it has no words."""
    words = _within(hypothesis, stretch.speech[0].start, stretch.speech[-1].end)
    return _ease(words, hypothesis.fault) if words else None
