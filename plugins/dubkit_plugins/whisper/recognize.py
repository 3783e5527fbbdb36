"""The front end of every engine here: audio in, words on the timeline out.

Windows of similar length are decoded together by several workers, and each finished group of
batches is written to a journal, so that a run that was stopped resumes where it was. What goes
into a batch depends on the audio alone: the text is the same however often a run was stopped.

Where another language than the expected one is spoken (:mod:`.multilingual`), a window is divided
and decoded again, each part in its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Protocol, Self

from dubkit import Cue, usable_cores

from . import journal, languages, multilingual
from .decode import (
    DecodedWindow,
    DecodingTask,
    Finding,
    Hypothesis,
    decode,
    decode_with_fallback,
    finish_window,
    repair,
    split_evenly,
    tokenizer_for,
)
from .engine import SAMPLE_RATE, Clock, Decoding, Engine
from .speech_activity import Recording, VoiceActivity, open_wav
from .windows import Window, windows, without_pauses
from .word_times import setting_words

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
SOUND_PER_PROCESS = 300.0
"""Seconds of sound for each process that sets words. One takes half a second to start, as long as a
thread takes for the words of two minutes; live captions are of seconds."""
PROMPT_TOKENS = 223
"""Half of the decoder's positions, less one (openai/whisper)."""


class Recognizable(Protocol):
    """Sound, and where in it somebody speaks."""

    @property
    def samples(self) -> Recording: ...

    @property
    def duration(self) -> float:
        """Seconds."""
        ...

    def windows(self, longest: float, /) -> Iterator[Window]:
        """Windows of speech, in order, of which the network gets at most ``longest`` seconds."""
        ...


class Sound:
    """A 16 kHz mono WAV file and its voice activity, which is detected in the background from the
    moment this is created to the end of the ``with`` block."""

    def __init__(self, audio: Path, clock: Clock) -> None:
        self.samples = open_wav(audio)
        self.duration = len(self.samples) / SAMPLE_RATE
        """Seconds."""
        self._activity = VoiceActivity(self.samples, clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._activity.stop()

    def windows(self, longest: float, *, whole: bool = False) -> Iterator[Window]:
        """The windows of speech, in order; see :func:`.windows.gather`."""
        return windows(self._activity, longest, self.duration, whole=whole)


def detect_language(engine: Engine, sound: Sound, among: Sequence[str] = ()) -> tuple[str, float]:
    """Whisper's code for the most likely language of the first speech, if any are named the
    likeliest of them, and its probability; ``("en", 0.0)``, or the first of them, if nobody
    speaks."""
    longest = int(PROBE_SECONDS * SAMPLE_RATE)
    sums: dict[str, float] = {}
    for count, probe in enumerate(islice(sound.windows(engine.max_seconds), PROBES), 1):
        samples = without_pauses(sound.samples, probe)[:longest]
        found = languages.limited(engine.detect_language([samples]), among)
        for code, probability in found.items():
            sums[code] = sums.get(code, 0.0) + probability
        best = max(sums, key=lambda code: sums[code])
        if sums[best] / count >= SURE:
            break
    return (best, sums[best] / count) if sums else ([*among, "en"][0], 0.0)


def recognize(
    engine: Engine,
    sound: Recognizable,
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
    apart = _processes(engine, duration)
    finishers = ThreadPoolExecutor(max(1, apart), thread_name_prefix="word times")
    try:
        with (
            file.open("a", encoding="utf-8") as log,
            setting_words(sound.samples, apart) as set_words,
        ):
            pending: deque[_PendingGroup] = deque()

            def keep(group: Iterable[Sequence[DecodedWindow]]) -> None:
                for window in (part for parts in group for part in parts):
                    finished.append(window)
                    length = window.end - window.start
                    spoken[window.language] = spoken.get(window.language, 0.0) + length

            def finish_all(
                parts: Iterable[tuple[Window, Hypothesis]],
            ) -> list[list[DecodedWindow]]:
                begun = [finishers.submit(finish_window, *part, set_words) for part in parts]
                return [one.result() for one in begun]

            def finish() -> None:
                waiting = pending.popleft()
                known = {code for code, sum in spoken.items() if sum >= languages.KNOWN_SECONDS}
                group = _collect(task, waiting, pool, finish_all, known, advance)
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
    finally:
        finishers.shutdown(cancel_futures=True)
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
    batches = split_evenly([window.seconds for window in group], task.engine)
    return _PendingGroup(
        group,
        [(batch, pool.submit(_first_look, task, [group[i] for i in batch])) for batch in batches],
    )


def _processes(engine: Engine, seconds: float) -> int:
    """How many processes set words: the cores are free while a GPU decodes, and what decodes on
    them needs them all."""
    if not engine.on_gpu:
        return 0
    return min(max(1, usable_cores() // 2), int(seconds / SOUND_PER_PROCESS))


def _collect(
    task: DecodingTask,
    pending: _PendingGroup,
    pool: ThreadPoolExecutor,
    finish_all: Callable[[Iterable[tuple[Window, Hypothesis]]], list[list[DecodedWindow]]],
    known: Collection[str],
    advance: Callable[[Sequence[Window], Sequence[DecodedWindow]], None],
) -> list[list[DecodedWindow]]:
    """Wait for a group: the parts of each window, mostly one. ``known`` are the languages that were
    spoken before; ``finish_all`` sets the words of windows to the sound."""
    windows = pending.windows
    firsts: dict[int, Hypothesis] = {}
    found: dict[int, list[DecodedWindow]] = {}
    for batch, future in pending.batches:
        firsts.update(zip(batch, future.result(), strict=True))
        clear = [i for i in batch if not firsts[i].is_doubtful]
        done = finish_all((windows[i], firsts[i]) for i in clear)
        found.update(zip(clear, done, strict=True))
        advance([windows[i] for i in batch], [part for row in done for part in row])
    if task.finding:
        decoded = [firsts[i] for i in range(len(windows))]
        changed = multilingual.divide(task, windows, decoded, pool, known)
        found |= {
            i: [part for own in finish_all(row) for part in own] for i, row in changed.items()
        }
        advance((), [part for i in changed for part in found[i]])
    return [found[i] for i in range(len(windows))]


def _first_look(task: DecodingTask, batch: Sequence[Window]) -> list[Hypothesis]:
    """Decode a batch. Windows in which another language may be spoken are left as they are: whether
    it is, is decided for the whole group."""
    if not task.finding:
        return decode_with_fallback(task, batch)
    asked = [languages.ranges(window) for window in batch]
    other = task.finding.other
    decoding = task.decoding if other else replace(task.decoding, stretches=tuple(asked))
    best = decode(task, batch, decoding, second=False)
    if other:
        unsure = [i for i, one in enumerate(best) if one.fault or one.avg_logprob < UNSURE]
        found = other() if unsure else None
        if found:
            with task.clock("language"):
                detected = found.detect_languages(
                    [without_pauses(task.sound, batch[i]) for i in unsure],
                    [asked[i] for i in unsure],
                )
            for i, one in zip(unsure, detected, strict=True):
                best[i] = replace(best[i], languages=one)
    for i, window in enumerate(batch):
        best[i] = _judged(task, window, best[i])
    clear = [i for i, hypothesis in enumerate(best) if not hypothesis.is_doubtful]
    repaired = repair(task, [batch[i] for i in clear], [best[i] for i in clear])
    for i, hypothesis in zip(clear, repaired, strict=True):
        best[i] = replace(hypothesis, languages=best[i].languages)
    return best


def _judged(task: DecodingTask, window: Window, hypothesis: Hypothesis) -> Hypothesis:
    """A hypothesis with the languages that may be spoken, and whether others may be."""
    assert task.finding
    among, main = task.finding.among, task.decoding.language
    found = tuple(
        languages.limited(one, among) if among else languages.likely(one, main)
        for one in hypothesis.languages
    )
    judged = replace(hypothesis, languages=found)
    stretches = multilingual.stretches_of(window, judged)
    return replace(judged, is_doubtful=languages.is_doubtful(stretches, main))
