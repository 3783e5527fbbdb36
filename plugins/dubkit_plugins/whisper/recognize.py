"""The front end of every engine here: audio in, words on the timeline out.

Windows of similar length are decoded together by several workers, and each finished group of
batches is written to a journal, so that a run that was stopped resumes where it was. What goes
into a batch depends on the audio alone: the text is the same however often a run was stopped.

Where another language than the expected one is spoken (:mod:`.languages`), a window is divided and
decoded again, each part in its own.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import merge_punctuations

from dubkit import Cue, Word

from . import guards, languages
from .boundaries import move_to_sound
from .engine import SAMPLE_RATE, Clock, Decoded, Decoding, Engine, MultilingualEngine, Samples
from .speech_activity import Recording, Span, VoiceActivity, even_level, open_wav
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
UNEVEN = 20.0
"""Decibels between the spans of a window from which on its level is evened: one speaker's sentences
differ by half of that."""
SAFE_BEAM = 5
"""Hypotheses kept when a window is decoded again."""
HALVINGS = 3
"""Times that what goes wrong is halved."""
LOOPING = ("repetitive", "loop", "too fast")
"""Faults of text that nobody spoke."""
NO_REPEAT = 6
"""Tokens of a run that may not come twice after a loop: it ends there."""
UNSURE = -0.5
"""Mean log-probability below which an engine that knows one language may have met another."""
GAIN, GAIN_OVER_ENGLISH = 0.05, -0.15
"""How much likelier words must be in the language that they were taken for than in the expected
one, as the mean of their log-probabilities. Whisper does not only misread what is spoken in another
language as English: it may translate it, and that reads easily."""
ROOM = 0.1
"""Seconds around a stretch that is judged alone: voice activity is late on soft sounds."""
PREPENDED = "\"'“¿([{-"
APPENDED = "\"'.。,，!！?？:：”)]}、"
"""Punctuation that belongs to the word after it and before it (openai/whisper)."""
EDGE = 0.1
"""Seconds that a word may extend into silence: voice activity is late on soft sounds."""
SHORTEST_WORD = 0.02
"""Seconds."""
PROMPT_TOKENS = 223
"""Half of the decoder's positions, less one (openai/whisper)."""


@dataclass(frozen=True, slots=True)
class DecodedWindow:
    """A finished window, or a part of one: its words, and what is wrong with them."""

    start: float
    end: float
    words: tuple[Word, ...]
    fault: str | None
    """What was wrong and could not be repaired; see :func:`.guards.fault`."""
    language: str
    """Whisper's code for the language in which it was decoded."""

    @property
    def text(self) -> str:
        """The words as decoded, with the first one's leading space."""
        return "".join(word.text for word in self.words)

    @property
    def cue(self) -> Cue:
        """The window's words as one cue, from its first word to its last."""
        return Cue(self.words[0].start, self.words[-1].end, self.text.strip(), self.words)


@dataclass(frozen=True, slots=True)
class Finding:
    """How the language of each stretch of speech is found, and what decodes another one."""

    among: tuple[str, ...] = ()
    """Whisper's codes of the languages that may be spoken; empty for any."""
    other: Callable[[], MultilingualEngine | None] | None = None
    """For an engine that knows one language: a multilingual one, if there is any, which then looks
    at windows of which that engine is unsure."""


@dataclass(frozen=True, slots=True)
class _DecodingTask:
    """What decoding needs besides the windows, the same for all windows of a run."""

    engine: Engine
    sound: Recording
    decoding: Decoding
    tokenizer: Tokenizer | None
    """None for an engine without one, for which decoding a window again would give the same."""
    clock: Clock
    finding: Finding | None = None

    def into(self, language: str) -> _DecodingTask:
        """The same in another language, without the prompt, which is in the expected one."""
        if language == self.decoding.language:
            return self
        other = self.finding.other() if self.finding and self.finding.other else None
        engine = other or self.engine
        decoding = replace(self.decoding, language=language, prompt=())
        return _DecodingTask(engine, self.sound, decoding, _tokenizer(engine, language), self.clock)


def _tokenizer(engine: Engine, language: str) -> Tokenizer | None:
    code = language if engine.multilingual else None
    return engine.tokenizer and Tokenizer(engine.tokenizer, engine.multilingual, "transcribe", code)


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
    tokenizer = _tokenizer(engine, decoding.language)
    task = _DecodingTask(engine, sound.samples, decoding, tokenizer, clock, finding)
    journal = work / "windows.jsonl"
    known = _read_journal(journal)
    _trim(journal)
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
        with journal.open("a", encoding="utf-8") as log:
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
                log.write("".join(map(_to_json, waiting.windows, group)))
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
    batches: list[tuple[list[int], Future[list[_Hypothesis]]]]


def _submit(task: _DecodingTask, group: list[Window], pool: ThreadPoolExecutor) -> _PendingGroup:
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
    task: _DecodingTask,
    pending: _PendingGroup,
    pool: ThreadPoolExecutor,
    known: Collection[str],
    advance: Callable[[Sequence[Window], Sequence[DecodedWindow]], None],
) -> list[list[DecodedWindow]]:
    """Wait for a group: the parts of each window, mostly one. ``known`` are the languages that were
    spoken before."""
    windows = pending.windows
    firsts: dict[int, _Hypothesis] = {}
    found: dict[int, list[DecodedWindow]] = {}
    for batch, future in pending.batches:
        firsts.update(zip(batch, future.result(), strict=True))
        clear = [i for i in batch if not firsts[i].is_doubtful]
        found.update({i: [_finished(task, windows[i], firsts[i])] for i in clear})
        advance([windows[i] for i in batch], [found[i][0] for i in clear])
    if task.finding:
        decoded = [firsts[i] for i in range(len(windows))]
        changed = _divided(task, windows, decoded, pool, known)
        found |= {i: [_finished(task, *part) for part in row] for i, row in changed.items()}
        advance((), [part for i in changed for part in found[i]])
    return [found[i] for i in range(len(windows))]


def _divided(
    task: _DecodingTask,
    windows: Sequence[Window],
    firsts: Sequence[_Hypothesis],
    pool: ThreadPoolExecutor,
    known: Collection[str],
) -> dict[int, list[tuple[Window, _Hypothesis]]]:
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
            waiting.append((chosen, pool.submit(_decode_with_fallback, own, windows_of_batch)))
    made: dict[int, list[tuple[Window, _Hypothesis]]] = {
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
        i: pool.submit(_repaired, task, [windows[i]], [firsts[i]])
        for i, row in better.items()
        if firsts[i].fault and row == [(windows[i], firsts[i])]
    }
    return better | {i: [(windows[i], one.result()[0])] for i, one in repairs.items()}


def _better(
    first: tuple[Window, _Hypothesis], parts: list[tuple[Window, _Hypothesis]]
) -> list[tuple[Window, _Hypothesis]]:
    """The parts of a window, those that are no better in another language as they were decoded at
    first."""
    main = first[1].language
    kept = []
    for window, part in parts:
        if part.language != main and not _gains(window, first[1], part):
            part = replace(first[1], words=_words_within(first[1], window))
        kept.append((window, part))
    return kept if any(part.language != main for _, part in kept) else [first]


def _gains(window: Window, first: _Hypothesis, part: _Hypothesis) -> bool:
    """Whether a part of a window was decoded better in the language that it was taken for: what is
    spoken in one reads more easily in it than in any other."""
    if part.fault or not part.words:
        return bool(first.fault)
    before = _words_within(first, window)
    if not before or (first.fault and first.fault != "silent"):
        return True
    least = GAIN_OVER_ENGLISH if first.language == "en" else GAIN
    return _ease(part.words) - _ease(before) > least


def _words_within(hypothesis: _Hypothesis, window: Window) -> tuple[Word, ...]:
    """The words of a hypothesis that are in a part of its window."""
    return tuple(
        word
        for word in hypothesis.words
        if window.start <= (word.start + word.end) / 2 < window.end
    )


def _ease(words: Sequence[Word]) -> float:
    """The mean logarithm of the words' probabilities, at most 0."""
    return float(np.mean([np.log(max(word.probability or 0.0, 1e-3)) for word in words]))


def _stretches(window: Window, decoded: _Hypothesis) -> list[languages.Stretch]:
    """The stretches of a window with the language of each, if that was asked for."""
    if not decoded.languages:
        return []
    return list(map(languages.Stretch, languages.stretches(window), decoded.languages))


def _first_look(task: _DecodingTask, batch: Sequence[Window]) -> list[_Hypothesis]:
    """Decode a batch. Windows in which another language may be spoken are left as they are: whether
    it is, is decided for the whole group."""
    if not task.finding:
        return _decode_with_fallback(task, batch)
    asked = [languages.ranges(window) for window in batch]
    other = task.finding.other
    decoding = task.decoding if other else replace(task.decoding, stretches=tuple(asked))
    best = _decode(task, batch, decoding, second=False)
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
    repaired = _repaired(task, [batch[i] for i in clear], [best[i] for i in clear])
    for i, hypothesis in zip(clear, repaired, strict=True):
        best[i] = replace(hypothesis, languages=best[i].languages)
    return best


def _judged(
    task: _DecodingTask,
    window: Window,
    hypothesis: _Hypothesis,
    found: Sequence[Mapping[str, float]],
) -> _Hypothesis:
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


def _decode_with_fallback(task: _DecodingTask, batch: Sequence[Window]) -> list[_Hypothesis]:
    """Decode a batch, and what went wrong in it again."""
    return _repaired(task, batch, _decode(task, batch, task.decoding, second=False))


def _repaired(
    task: _DecodingTask, batch: Sequence[Window], hypotheses: Sequence[_Hypothesis]
) -> list[_Hypothesis]:
    """What went wrong in a batch decoded again: in halves and their halves, then at full length;
    the best of what was found is kept."""
    best = list(hypotheses)
    pieces = [[(window, hypothesis)] for window, hypothesis in zip(batch, best, strict=True)]
    safer = replace(task.decoding, beam_size=max(SAFE_BEAM, task.decoding.beam_size))
    for _ in range(HALVINGS):
        wrong = [i for i, hypothesis in enumerate(best) if hypothesis.fault]
        _halve_again(task, [pieces[i] for i in wrong], safer)
        for i in wrong:
            best[i] = min(best[i], _join([one for _, one in pieces[i]]), key=_rank)
    if task.tokenizer:  # without one, the same sound gives the same words
        wrong = [i for i, hypothesis in enumerate(best) if hypothesis.fault]
        found = _look_again(
            task, [(batch[i], best[i].fault) for i in wrong], replace(safer, full_length=True)
        )
        for i, hypothesis in zip(wrong, found, strict=True):
            best[i] = min(best[i], hypothesis, key=_rank)
    return best


def _halve_again(
    task: _DecodingTask, rows: Sequence[list[tuple[Window, _Hypothesis]]], decoding: Decoding
) -> None:
    """Decode the halves of every piece that went wrong and has a pause, in the place of it."""

    def parts_of(piece: tuple[Window, _Hypothesis]) -> list[Window]:
        window, hypothesis = piece
        return _halve(window) if hypothesis.fault and len(window.speech) > 1 else []

    halves = [(part, piece[1].fault) for row in rows for piece in row for part in parts_of(piece)]
    found = zip((part for part, _ in halves), _look_again(task, halves, decoding), strict=True)
    for row in rows:
        row[:] = [
            new for piece in row for new in (list(islice(found, len(parts_of(piece)))) or [piece])
        ]


def _look_again(
    task: _DecodingTask, windows: Sequence[tuple[Window, str | None]], decoding: Decoding
) -> list[_Hypothesis]:
    """Decode windows with what was wrong in them: after a loop, no run of words may come twice;
    what was skipped may have been a sentence that somebody repeats."""
    found: dict[int, _Hypothesis] = {}
    for looping in (False, True):
        chosen = iter([i for i, (_, fault) in enumerate(windows) if (fault in LOOPING) == looping])
        safe = replace(decoding, no_repeat=NO_REPEAT) if looping else decoding
        while few := list(islice(chosen, task.engine.batch_size)):
            again = _decode(task, [windows[i][0] for i in few], safe, second=True)
            found.update(zip(few, again, strict=True))
    return [found[i] for i in range(len(windows))]


@dataclass(frozen=True, slots=True)
class _Hypothesis:
    """What one decoding of a window gave."""

    words: tuple[Word, ...]
    fault: str | None
    avg_logprob: float
    language: str
    languages: tuple[Mapping[str, float], ...] = ()
    """Of each stretch of the window, if that was asked for."""
    is_doubtful: bool = False
    """Whether another language may be spoken in it; then nothing was decoded again."""


def _decode(
    task: _DecodingTask, batch: Sequence[Window], decoding: Decoding, *, second: bool
) -> list[_Hypothesis]:
    """Decode a batch, for the first time or as a ``second`` look."""
    sounds = []
    for window in batch:
        samples = samples_of(task.sound, window)
        # Of loud and quiet speech in one window Whisper leaves out the quiet.
        even = second or _level_range(samples, window) > UNEVEN
        sounds.append(even_level(samples) if even else samples)
    hypotheses = []
    for window, decoded in zip(
        batch, task.engine.recognize(sounds, decoding, task.clock), strict=True
    ):
        words = _to_words(task.tokenizer, decoded, window)
        text = "".join(word.text for word in words)
        silent = guards.has_no_speech(decoded, text)
        fault = "silent" if silent else guards.fault(decoded, words, window)
        hypotheses.append(
            _Hypothesis(words, fault, decoded.avg_logprob, decoding.language, decoded.languages)
        )
    return hypotheses


def _level_range(samples: Samples, window: Window) -> float:
    """The decibels between the loudest span of a window and the quietest."""
    powers = []
    for span in window.speech:
        start, end = (int((at - window.start) * SAMPLE_RATE) for at in (span.start, span.end))
        if len(piece := samples[max(0, start) : end]):
            powers.append(float(np.mean(np.square(piece))) + 1e-12)
    return 10 * float(np.log10(max(powers) / min(powers))) if powers else 0.0


def _rank(hypothesis: _Hypothesis) -> tuple[int, float]:
    """Sorts hypotheses: a clean one first, then one that lost nothing, then by log-probability."""
    order = {None: 0, "unsure": 1, "skipped": 2, "silent": 3}
    return order.get(hypothesis.fault, 4), -hypothesis.avg_logprob


def _join(parts: Sequence[_Hypothesis]) -> _Hypothesis:
    parts = [part for part in parts if part.fault != "silent"] or parts
    return _Hypothesis(
        tuple(word for part in parts for word in part.words),
        max(parts, key=_rank).fault,
        min(part.avg_logprob for part in parts),
        parts[0].language,
    )


def _halve(window: Window) -> list[Window]:
    """The window split in two at its longest pause."""
    spans = window.speech
    pauses = [after.start - before.end for before, after in pairwise(spans)]
    cut = pauses.index(max(pauses)) + 1
    middle = (spans[cut - 1].end + spans[cut].start) / 2
    return [Window(window.start, middle, spans[:cut]), Window(middle, window.end, spans[cut:])]


def _salvage(hypothesis: _Hypothesis, window: Window) -> tuple[tuple[Word, ...], str | None]:
    """What is kept of the best hypothesis, and what is wrong with it."""
    if hypothesis.fault in ("silent", "empty"):
        return (), None if hypothesis.fault == "silent" else hypothesis.fault
    invented = guards.invented_from(hypothesis.words, window.speech)
    return hypothesis.words[:invented], hypothesis.fault


def _finished(task: _DecodingTask, window: Window, best: _Hypothesis) -> DecodedWindow:
    """The window with its words at the times of the sound. Only now, since what is wrong with them
    is judged by the times of attention, which show what was skipped or squeezed."""
    words, fault = _salvage(best, window)
    moved = move_to_sound(words, samples_of(task.sound, window), window.start, window.speech)
    return DecodedWindow(window.start, window.end, _in_order(moved), fault, best.language)


def _to_words(tokenizer: Tokenizer | None, decoded: Decoded, window: Window) -> tuple[Word, ...]:
    """What was decoded as words on the timeline, kept out of the pauses around them."""
    words = []
    for word in _split(tokenizer, decoded) if tokenizer else decoded.words:
        if word.text.strip():
            times = _fit_to_speech(window.start + word.start, window.start + word.end, window)
            words.append(Word(*times, word.text, round(word.probability or 0.0, 3)))
    return _in_order(words)


def _in_order(words: Iterable[Word]) -> tuple[Word, ...]:
    """The words with times in milliseconds, none before the end of the one before it."""
    ordered: list[Word] = []
    for word in words:
        start = max(word.start, ordered[-1].end if ordered else 0.0)
        end = max(word.end, start + SHORTEST_WORD)
        ordered.append(replace(word, start=round(start, 3), end=round(end, 3)))
    return tuple(ordered)


def _split(tokenizer: Tokenizer, decoded: Decoded) -> list[Word]:
    """Whisper's tokens as words, with times from the window's start; a word whose text has moved
    to a neighbor is empty."""
    texts, pieces = tokenizer.split_to_word_tokens([*decoded.tokens, tokenizer.eot])
    found = []
    first = 0
    for text, tokens in zip(texts[:-1], pieces[:-1], strict=True):
        after = first + len(tokens)
        found.append(
            {
                "word": text,
                "tokens": tokens,
                "start": decoded.times[first],
                "end": decoded.times[after],
                "probability": float(np.mean(decoded.probabilities[first:after])),
            }
        )
        first = after
    merge_punctuations(found, PREPENDED, APPENDED)
    return [Word(one["start"], one["end"], one["word"], one["probability"]) for one in found]


def _fit_to_speech(start: float, end: float, window: Window) -> tuple[float, float]:
    """Attention smears a word over the pause next to it: keep it to the span it is mostly in."""

    def overlap(span: Span) -> float:
        return min(end, span.end + EDGE) - max(start, span.start - EDGE)

    span = max(window.speech, key=overlap)
    if overlap(span) <= 0:
        return start, end
    return max(start, span.start - EDGE), min(end, span.end + EDGE)


def _to_json(window: Window, parts: Sequence[DecodedWindow]) -> str:
    record = {
        "window": [window.start, window.end],
        "parts": [
            {
                "start": part.start,
                "end": part.end,
                "language": part.language,
                "fault": part.fault,
                "words": [
                    [word.start, word.end, word.text, word.probability] for word in part.words
                ],
            }
            for part in parts
        ],
    }
    return json.dumps(record, ensure_ascii=False) + "\n"


def _trim(journal: Path) -> None:
    """Remove a last line that was cut off by a kill, so that the next one does not run into it."""
    if journal.exists():
        content = journal.read_bytes()
        if not content.endswith(b"\n"):
            journal.write_bytes(content[: content.rfind(b"\n") + 1])


def _read_journal(journal: Path) -> dict[tuple[float, float], list[DecodedWindow]]:
    """Finished windows by their times, each in its parts; lines that cannot be read are skipped."""
    known: dict[tuple[float, float], list[DecodedWindow]] = {}
    if not journal.exists():
        return known
    for line in journal.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
            start, end = record["window"]
            known[start, end] = [
                DecodedWindow(
                    part["start"],
                    part["end"],
                    tuple(Word(*word) for word in part["words"]),
                    part["fault"],
                    part["language"],
                )
                for part in record["parts"]
            ]
        except (ValueError, KeyError, TypeError):
            continue
    return known
