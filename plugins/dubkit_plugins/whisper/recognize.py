"""The front end of every engine here: audio in, words on the timeline out.

Windows of similar length are decoded together by several workers, and each finished group of
batches is written to a journal, so that a run that was stopped resumes where it was. What goes
into a batch depends on the audio alone: the text is the same however often a run was stopped.

Where another language than the expected one is spoken (:mod:`.languages`), a window is divided and
decoded again, each part in its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from dubkit import Cue, Word

from . import journal, languages
from .decode import (
    DecodedWindow,
    DecodingTask,
    Finding,
    Hypothesis,
    decode,
    decode_with_fallback,
    finish_window,
    repair,
    tokenizer_for,
)
from .engine import SAMPLE_RATE, Clock, Decoding, Engine, MultilingualEngine
from .speech_activity import Recording, VoiceActivity, open_wav
from .windows import Window, samples_between, samples_of, windows

BATCHES_AHEAD = 2
"""Batches per worker that are formed and finished together: enough windows to sort by length, few
enough that memory stays constant and little is lost when a run is stopped."""
PROBES = 3
"""Windows from which the language is detected ..."""
PROBE_SECONDS = 8.0
"""... and how much of each is used; Whisper itself uses 30 seconds."""
SURE = 0.9
"""Probability of a language above which no more windows are looked at."""
UNSURE = -0.5
"""Mean log-probability below which an engine that knows one language may have met another."""
GAIN, GAIN_OVER_ENGLISH = 0.05, -0.15
"""How much likelier words must be in the language that they were taken for than in the expected
one, as the mean of their log-probabilities. Whisper does not only misread what is spoken in another
language as English: it may translate it, and that reads easily."""
ROOM = 0.1
"""Seconds around a stretch that is judged alone: voice activity is late on soft sounds."""
PROMPT_TOKENS = 223
"""Half of the decoder's positions, less one (openai/whisper)."""


class Sound:
    """A 16 kHz mono WAV file and its voice activity, which is detected in the background from the
    moment this is created to the end of the ``with`` block."""

    def __init__(self, audio: Path, clock: Clock) -> None:
        self.samples = open_wav(audio)
        self.duration = len(self.samples) / SAMPLE_RATE
        """Seconds."""
        self._activity = VoiceActivity(self.samples, clock)

    def __enter__(self) -> Sound:
        return self

    def __exit__(self, *_: object) -> None:
        self._activity.stop()

    def windows(self, longest: float) -> Iterator[Window]:
        """The windows of speech, in order."""
        return windows(self._activity, longest, self.duration)


def detect_language(engine: Engine, sound: Sound, among: Sequence[str] = ()) -> tuple[str, float]:
    """Whisper's code for the most likely language of the first speech, if any are named the
    likeliest of them, and its probability; ``("en", 0.0)``, or the first of them, if nobody
    speaks."""
    longest = int(PROBE_SECONDS * SAMPLE_RATE)
    sums: dict[str, float] = {}
    for count, probe in enumerate(islice(sound.windows(engine.max_seconds), PROBES), 1):
        samples = samples_of(sound.samples, probe)[:longest]
        found = languages.limited(engine.detect_language([samples]), among)
        for code, probability in found.items():
            sums[code] = sums.get(code, 0.0) + probability
        best = max(sums, key=lambda code: sums[code])
        if sums[best] / count >= SURE:
            break
    return (best, sums[best] / count) if sums else ([*among, "en"][0], 0.0)


def recognize(
    engine: Engine,
    sound: Sound,
    decoding: Decoding,
    *,
    work: Path,
    progress: Callable[[float, float, Sequence[Cue]], None],
    clock: Clock,
    finding: Finding | None = None,
) -> list[DecodedWindow]:
    """Decode every window of ``sound`` in which somebody speaks, in order.

    ``work`` is a folder in which finished windows are kept; ``progress`` gets the seconds of media
    done and in total, and the cues that have just been decoded. With ``finding``, the language of
    ``decoding`` is only the expected one, and windows in which others are spoken are divided.
    """
    duration = sound.duration
    tokenizer = tokenizer_for(engine, decoding.language)
    task = DecodingTask(engine, sound.samples, decoding, tokenizer, clock, finding)
    file = work / "windows.jsonl"
    known = journal.read(file)
    journal.trim(file)
    finished: list[DecodedWindow] = []
    spoken: dict[str, float] = {}
    """Seconds of windows by language, of all finished groups before the one that is finished."""
    seconds = 0.0

    resumed: list[Cue] = []
    """Cues of an earlier run that have not been reported yet."""

    def advance(
        batch: Sequence[Window], decoded: Sequence[DecodedWindow], *, report: bool = True
    ) -> None:
        nonlocal seconds
        seconds += sum(part.end - part.start for part in batch)
        if report:
            cues = [one.cue for one in decoded if one.words and not one.fault]
            progress(min(seconds, duration), duration, [*resumed, *cues])
            resumed.clear()

    pool = ThreadPoolExecutor(engine.workers, thread_name_prefix="whisper")
    try:
        with file.open("a", encoding="utf-8") as log:
            pending: deque[_PendingGroup] = deque()

            def keep(group: Iterable[Sequence[DecodedWindow]]) -> None:
                for window in (part for parts in group for part in parts):
                    finished.append(window)
                    length = window.end - window.start
                    spoken[window.language] = spoken.get(window.language, 0.0) + length

            def finish() -> None:
                waiting = pending.popleft()
                known = {code for code, sum in spoken.items() if sum >= languages.KNOWN_SECONDS}
                group = _collect(task, waiting, pool, known, advance)
                log.write("".join(map(journal.to_line, waiting.windows, group)))
                log.flush()
                keep(group)

            for group in _group(sound.windows(engine.max_seconds), engine):
                journaled = [known.get((window.start, window.end)) for window in group]
                if all(parts is not None for parts in journaled):
                    while pending:
                        finish()
                    keep(parts or () for parts in journaled)
                    # Not this run's work: it must not count towards the speed.
                    advance(group, (), report=False)
                    kept = [part for parts in journaled for part in parts or ()]
                    resumed.extend(part.cue for part in kept if part.words)
                    continue
                if not pending:
                    advance((), ())
                pending.append(_submit(task, group, pool))
                # The next group is decoded while one is finished, so that no worker waits.
                if len(pending) > 1:
                    finish()
            while pending:
                finish()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    progress(duration, duration, resumed)
    return finished


def prompt_tokens(engine: Engine, text: str) -> tuple[int, ...]:
    """Tokens of ``text`` (names, spelling) for :class:`Decoding`; the last PROMPT_TOKENS if there
    are more."""
    if not text.strip() or not engine.tokenizer:
        return ()
    encoded = engine.tokenizer.encode(" " + text.strip(), add_special_tokens=False)
    return tuple(encoded.ids[-PROMPT_TOKENS:])


def _group(found: Iterable[Window], engine: Engine) -> Iterator[list[Window]]:
    """Windows in order, in groups that are finished together."""
    queue = iter(found)
    while group := list(islice(queue, engine.batch_size * engine.workers * BATCHES_AHEAD)):
        yield group


@dataclass(frozen=True, slots=True)
class _PendingGroup:
    """A group that is being decoded: its windows in order, and each batch as indices into them
    with its hypotheses."""

    windows: list[Window]
    batches: list[tuple[list[int], Future[list[Hypothesis]]]]


def _submit(task: DecodingTask, group: list[Window], pool: ThreadPoolExecutor) -> _PendingGroup:
    """Start decoding a group: windows of similar length together, the longest first, so that there
    is little padding and the workers finish at about the same time."""
    batches = _split_evenly([window.end - window.start for window in group], task.engine)
    return _PendingGroup(
        group,
        [(batch, pool.submit(_first_look, task, [group[i] for i in batch])) for batch in batches],
    )


def _split_evenly(seconds: Sequence[float], engine: Engine) -> list[list[int]]:
    """Indices of windows in batches of similar windows, and of about as many seconds each: the same
    number of batches for every worker, so that also a short file keeps all of them busy."""
    order = sorted(range(len(seconds)), key=lambda i: -seconds[i])
    rounds = -(-len(order) // (engine.workers * engine.batch_size))
    share = sum(seconds) / (rounds * engine.workers)
    batches: list[list[int]] = []
    left = 0.0
    for i in order:
        if left <= 0 or len(batches[-1]) == engine.batch_size:
            batches.append([])
            left += share
        batches[-1].append(i)
        left -= seconds[i]
    return batches


def _collect(
    task: DecodingTask,
    pending: _PendingGroup,
    pool: ThreadPoolExecutor,
    known: Collection[str],
    advance: Callable[[Sequence[Window], Sequence[DecodedWindow]], None],
) -> list[list[DecodedWindow]]:
    """Wait for a group: the parts of each window, mostly one. ``known`` are the languages that were
    spoken before."""
    windows = pending.windows
    firsts: dict[int, Hypothesis] = {}
    found: dict[int, list[DecodedWindow]] = {}
    for batch, future in pending.batches:
        firsts.update(zip(batch, future.result(), strict=True))
        clear = [i for i in batch if not firsts[i].is_doubtful]
        found.update({i: [finish_window(task, windows[i], firsts[i])] for i in clear})
        advance([windows[i] for i in batch], [found[i][0] for i in clear])
    if task.finding:
        decoded = [firsts[i] for i in range(len(windows))]
        changed = _divided(task, windows, decoded, pool, known)
        found |= {i: [finish_window(task, *part) for part in row] for i, row in changed.items()}
        advance((), [part for i in changed for part in found[i]])
    return [found[i] for i in range(len(windows))]


def _divided(
    task: DecodingTask,
    windows: Sequence[Window],
    firsts: Sequence[Hypothesis],
    pool: ThreadPoolExecutor,
    known: Collection[str],
) -> dict[int, list[tuple[Window, Hypothesis]]]:
    """The windows, by their numbers, that were doubtful or are in another language than expected:
    as they were decoded first, or in parts that are decoded again, each in its own language."""
    main = task.decoding.language
    found = [_stretches(*both) for both in zip(windows, firsts, strict=True)]
    codes = iter(languages.spoken([one for row in found for one in row], main, known))
    divided = [
        languages.parts(
            window, row, [next(codes) for _ in row], samples_of(task.sound, window)
        ) if row else [(window, main)]
        for window, row in zip(windows, found, strict=True)
    ]  # fmt: skip
    again: dict[str, list[tuple[int, Window]]] = {}
    waiting = []
    for i, row in enumerate(divided):
        if row != [(windows[i], main)]:
            for window, code in row:
                again.setdefault(code, []).append((i, window))
    for code, some in sorted(again.items()):
        own = task.into(code)
        for batch in _split_evenly([part.end - part.start for _, part in some], own.engine):
            chosen = [some[i] for i in batch]
            windows_of_batch = [part for _, part in chosen]
            waiting.append((chosen, pool.submit(decode_with_fallback, own, windows_of_batch)))
    made: dict[int, list[tuple[Window, Hypothesis]]] = {
        i: [] for i, first in enumerate(firsts) if first.is_doubtful
    }
    for chosen, future in waiting:
        for (i, part), hypothesis in zip(chosen, future.result(), strict=True):
            made.setdefault(i, []).append((part, hypothesis))
    better = {
        i: _better((windows[i], firsts[i]), sorted(parts, key=lambda one: one[0].start))
        for i, parts in made.items()
    }
    repairs = {
        i: pool.submit(repair, task, [windows[i]], [firsts[i]])
        for i, row in better.items()
        if firsts[i].fault and row == [(windows[i], firsts[i])]
    }
    return better | {i: [(windows[i], one.result()[0])] for i, one in repairs.items()}


def _better(
    first: tuple[Window, Hypothesis], parts: list[tuple[Window, Hypothesis]]
) -> list[tuple[Window, Hypothesis]]:
    """The parts of a window, those that are no better in another language as they were decoded at
    first."""
    main = first[1].language
    kept = []
    for window, part in parts:
        if part.language != main and not _gains(window, first[1], part):
            part = replace(first[1], words=_words_within(first[1], window))
        kept.append((window, part))
    return kept if any(part.language != main for _, part in kept) else [first]


def _gains(window: Window, first: Hypothesis, part: Hypothesis) -> bool:
    """Whether a part of a window was decoded better in the language that it was taken for: what is
    spoken in one reads more easily in it than in any other."""
    if part.fault or not part.words:
        return bool(first.fault)
    before = _words_within(first, window)
    if not before or (first.fault and first.fault != "silent"):
        return True
    least = GAIN_OVER_ENGLISH if first.language == "en" else GAIN
    return _ease(part.words) - _ease(before) > least


def _words_within(hypothesis: Hypothesis, window: Window) -> tuple[Word, ...]:
    """The words of a hypothesis that are in a part of its window."""
    return tuple(
        word
        for word in hypothesis.words
        if window.start <= (word.start + word.end) / 2 < window.end
    )


def _ease(words: Sequence[Word]) -> float:
    """The mean logarithm of the words' probabilities, at most 0."""
    return float(np.mean([np.log(max(word.probability or 0.0, 1e-3)) for word in words]))


def _stretches(window: Window, decoded: Hypothesis) -> list[languages.Stretch]:
    """The stretches of a window with the language of each, if that was asked for."""
    if not decoded.languages:
        return []
    return list(map(languages.Stretch, languages.stretches(window), decoded.languages))


def _first_look(task: DecodingTask, batch: Sequence[Window]) -> list[Hypothesis]:
    """Decode a batch. Windows in which another language may be spoken are left as they are: whether
    it is, is decided for the whole group."""
    if not task.finding:
        return decode_with_fallback(task, batch)
    asked = [languages.ranges(window) for window in batch]
    other = task.finding.other
    decoding = task.decoding if other else replace(task.decoding, stretches=tuple(asked))
    best = decode(task, batch, decoding, second=False)
    detector = task.engine
    if other:
        unsure = [i for i, one in enumerate(best) if one.fault or one.avg_logprob < UNSURE]
        found = other() if unsure else None
        if found:
            detector = found
            with task.clock("language"):
                detected = found.detect_languages(
                    [samples_of(task.sound, batch[i]) for i in unsure], [asked[i] for i in unsure]
                )
            for i, one in zip(unsure, detected, strict=True):
                best[i] = replace(best[i], languages=one)
    for i, window in enumerate(batch):
        half = len(best[i].languages) // 2
        own, wider = best[i].languages[:half], best[i].languages[half:]
        best[i] = _judged(task, window, best[i], own)
        if best[i].is_doubtful:
            with task.clock("language"):
                alone = _alone(detector, task.sound, window)
            opinions = map(languages.combined, zip(own, wider, alone, strict=True))
            best[i] = _judged(task, window, best[i], tuple(opinions))
    clear = [i for i, hypothesis in enumerate(best) if not hypothesis.is_doubtful]
    repaired = repair(task, [batch[i] for i in clear], [best[i] for i in clear])
    for i, hypothesis in zip(clear, repaired, strict=True):
        best[i] = replace(hypothesis, languages=best[i].languages)
    return best


def _judged(
    task: DecodingTask,
    window: Window,
    hypothesis: Hypothesis,
    found: Sequence[Mapping[str, float]],
) -> Hypothesis:
    """A hypothesis with the languages that were found in the window's stretches."""
    assert task.finding
    kept = tuple(languages.limited(one, task.finding.among) for one in found)
    judged = replace(hypothesis, languages=kept)
    doubtful = languages.is_doubtful(_stretches(window, judged), task.decoding.language)
    return replace(judged, is_doubtful=doubtful)


def _alone(engine: Engine, sound: Recording, window: Window) -> list[Mapping[str, float]]:
    """The languages of the window's stretches as the network judges each alone."""
    assert isinstance(engine, MultilingualEngine)
    pieces = [
        samples_between(sound, speech[0].start - ROOM, speech[-1].end + ROOM)
        for speech in languages.stretches(window)
    ]
    found: list[Mapping[str, float]] = []
    for at in range(0, len(pieces), engine.batch_size):
        some = pieces[at : at + engine.batch_size]
        asked = [[(0.0, len(piece) / SAMPLE_RATE)] for piece in some]
        found += (own for (own,) in engine.detect_languages(some, asked))
    return found
