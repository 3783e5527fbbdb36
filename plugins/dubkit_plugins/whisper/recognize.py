"""The front end of every engine here: audio in, words on the timeline out.

Windows of similar length are decoded together by several workers, and each finished group of
batches is written to a journal, so that a run that was stopped resumes where it was. What goes
into a batch depends on the audio alone: the text is the same however often a run was stopped.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import merge_punctuations

from dubkit import Cue, Word

from . import guards
from .engine import SAMPLE_RATE, Clock, Decoded, Decoding, Engine
from .speech_activity import Span, VoiceActivity, open_wav
from .windows import Window, samples_of, windows

BATCHES_AHEAD = 2
"""Batches per worker that are formed and finished together: enough windows to sort by length, few
enough that memory stays constant and little is lost when a run is stopped."""
PROBES = 3
"""Windows from which the language is detected ..."""
PROBE_SECONDS = 8.0
"""... and how much of each is used; Whisper itself uses 30 seconds."""
SAFE_BEAM = 5
"""Hypotheses kept when a window is decoded again."""
HARD_LOGPROB = -0.115
"""Median log-probability of the windows so far below which the speech is hard to understand ..."""
EASY_LOGPROB = -0.08
"""... and that of a window above which decoding it again does not pay. With Whisper base, English
read aloud has -0.09, Russian over a telephone line -0.14, and 8 dB of noise -0.18."""
HISTORY = 8
"""Windows whose text is the context of the next one."""
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
    """A finished window: its words, and what is wrong with them."""

    start: float
    end: float
    words: tuple[Word, ...]
    fault: str | None
    """What was wrong and could not be repaired; see :func:`.guards.fault`."""
    avg_logprob: float
    """Of the first decoding; see :class:`~.engine.Decoded`."""

    @property
    def text(self) -> str:
        """The words as decoded, with the first one's leading space."""
        return "".join(word.text for word in self.words)

    @property
    def cue(self) -> Cue:
        """The window's words as one cue, from its first word to its last."""
        return Cue(self.words[0].start, self.words[-1].end, self.text.strip(), self.words)


@dataclass(frozen=True, slots=True)
class _DecodingTask:
    """What decoding needs besides the windows, the same for all windows of a run."""

    engine: Engine
    sound: npt.NDArray[np.int16]
    decoding: Decoding
    tokenizer: Tokenizer | None
    """None for an engine without one, for which decoding a window again would give the same."""
    clock: Clock


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


def detect_language(engine: Engine, sound: Sound) -> tuple[str, float]:
    """Whisper's code for the most likely language of the first speech, and its probability;
    ``("en", 0.0)`` if nobody speaks."""
    probes = list(islice(sound.windows(engine.max_seconds), PROBES))
    if not probes:
        return "en", 0.0
    longest = int(PROBE_SECONDS * SAMPLE_RATE)
    samples = [samples_of(sound.samples, probe)[:longest] for probe in probes]
    probabilities = engine.detect_language(samples)
    return max(probabilities.items(), key=lambda item: item[1])


def recognize(
    engine: Engine,
    sound: Sound,
    decoding: Decoding,
    *,
    work: Path,
    progress: Callable[[float, float, Sequence[Cue]], None],
    clock: Clock,
) -> list[DecodedWindow]:
    """Decode every window of ``sound`` in which somebody speaks, in order.

    ``work`` is a folder in which finished windows are kept; ``progress`` gets the seconds of media
    done and in total, and the cues that have just been decoded.
    """
    duration = sound.duration
    language = decoding.language if engine.multilingual else None
    tokenizer = engine.tokenizer and Tokenizer(
        engine.tokenizer, engine.multilingual, "transcribe", language
    )
    task = _DecodingTask(engine, sound.samples, decoding, tokenizer, clock)
    journal = work / "windows.jsonl"
    known = _read_journal(journal)
    _trim(journal)
    finished: list[DecodedWindow] = []
    seconds = 0.0

    resumed: list[Cue] = []
    """Cues of an earlier run that have not been reported yet."""

    def advance(
        batch: Sequence[Window], hypotheses: Sequence[_Hypothesis], *, report: bool = True
    ) -> None:
        nonlocal seconds
        seconds += sum(part.end - part.start for part in batch)
        if report:
            cues = [one.cue for one in hypotheses if one.words and not one.fault]
            progress(min(seconds, duration), duration, [*resumed, *cues])
            resumed.clear()

    pool = ThreadPoolExecutor(engine.workers, thread_name_prefix="whisper")
    try:
        with journal.open("a", encoding="utf-8") as log:
            pending: deque[_PendingGroup] = deque()

            def finish() -> None:
                group = _collect(task, pending.popleft(), finished, pool, advance)
                log.write("".join(_to_json(window) for window in group))
                log.flush()
                finished.extend(group)

            for group in _group(sound.windows(engine.max_seconds), engine):
                journaled = [known.get((window.start, window.end)) for window in group]
                if all(journaled):
                    finished.extend(window for window in journaled if window)
                    # Not this run's work: it must not count towards the speed.
                    advance(group, (), report=False)
                    resumed.extend(window.cue for window in journaled if window and window.words)
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
    # If a journal is damaged in its middle, a later group is known before an earlier one is done.
    return sorted(finished, key=lambda window: window.start)


def prompt_tokens(engine: Engine, text: str, most: int = PROMPT_TOKENS) -> tuple[int, ...]:
    """Tokens of ``text`` (names, spelling, the preceding speech) for :class:`Decoding`; the last
    ``most`` if there are more."""
    if not text.strip() or most <= 0 or not engine.tokenizer:
        return ()
    encoded = engine.tokenizer.encode(" " + text.strip(), add_special_tokens=False)
    return tuple(encoded.ids[-most:])


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
    order = sorted(range(len(group)), key=lambda i: group[i].start - group[i].end)
    # The same number of batches for each worker, of about equal size: a short file is shared, too.
    rounds = -(-len(group) // (task.engine.workers * task.engine.batch_size))
    count = min(len(group), rounds * task.engine.workers)
    edges = [len(group) * i // count for i in range(count + 1)]
    batches = [order[start:end] for start, end in pairwise(edges)]
    return _PendingGroup(
        group,
        [
            (batch, pool.submit(_decode_with_fallback, task, [group[i] for i in batch]))
            for batch in batches
        ],
    )


def _collect(
    task: _DecodingTask,
    pending: _PendingGroup,
    before: Sequence[DecodedWindow],
    pool: ThreadPoolExecutor,
    advance: Callable[[Sequence[Window], Sequence[_Hypothesis]], None],
) -> list[DecodedWindow]:
    """Wait for a group and, if it is hard to understand, decode it again in context."""
    found: dict[int, _Hypothesis] = {}
    for batch, future in pending.batches:
        found.update(zip(batch, future.result(), strict=True))
        advance([pending.windows[i] for i in batch], [found[i] for i in batch])
    best = firsts = [found[i] for i in range(len(pending.windows))]
    logprobs = [window.avg_logprob for window in before if window.words]
    logprobs += [first.avg_logprob for first in firsts if first.words]
    if task.tokenizer and logprobs and median(logprobs) < HARD_LOGPROB:
        texts = [window.text for window in before[-HISTORY:]]
        texts += [first.text for first in firsts]
        chains = _split_into_chains(len(firsts), task.engine)
        share = -(-len(chains) // task.engine.workers)
        parts = [
            pool.submit(
                _decode_in_context, task, pending.windows, firsts, texts, chains[i : i + share]
            )
            for i in range(0, len(chains), share)
        ]
        better = {index: second for part in parts for index, second in part.result().items()}
        best = [better.get(index, first) for index, first in enumerate(firsts)]
    return [
        DecodedWindow(window.start, window.end, *_salvage(chosen), round(first.avg_logprob, 4))
        for window, chosen, first in zip(pending.windows, best, firsts, strict=True)
    ]


def _split_into_chains(count: int, engine: Engine) -> list[range]:
    """The indices of ``count`` windows, cut into runs that are decoded side by side: for each
    worker, as many runs as take the memory of a batch."""
    at_once = engine.workers * max(1, engine.batch_size // SAFE_BEAM)
    size = -(-count // at_once)
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def _decode_in_context(
    task: _DecodingTask,
    group: Sequence[Window],
    firsts: Sequence[_Hypothesis],
    texts: Sequence[str],
    chains: Sequence[range],
) -> dict[int, _Hypothesis]:
    """Decode the windows of ``chains`` again, those of each chain one after the other, conditioned
    on the text before them; the better hypotheses by index into ``group``. ``texts`` are those of
    the windows before the group and of the group itself.

    This costs as much as everything else together. It makes the spelling of names consistent and
    picks words that suit the topic, so it is reserved for speech that is hard to understand.
    """
    offset = len(texts) - len(group)
    texts_of = [list(texts) for _ in chains]  # each chain sees its own new texts alone
    most = PROMPT_TOKENS - len(task.decoding.prompt)
    better: dict[int, _Hypothesis] = {}
    for step in range(max(map(len, chains))):
        uncertain = [
            (number, chain[step])
            for number, chain in enumerate(chains)
            if step < len(chain) and _is_uncertain(firsts[chain[step]])
        ]
        # Only contexts of equal length fit into a batch; nearly all have the greatest length.
        by_length: dict[int, list[tuple[int, int, tuple[int, ...]]]] = {}
        for number, index in uncertain:
            before = "".join(texts_of[number][: offset + index][-HISTORY:])
            context = prompt_tokens(task.engine, before, most)
            by_length.setdefault(len(context), []).append((number, index, context))
        for batch in by_length.values():
            contexts = tuple(context for _, _, context in batch)
            decoding = replace(task.decoding, contexts=contexts, beam_size=SAFE_BEAM)
            seconds = _decode(task, [group[index] for _, index, _ in batch], decoding)
            for (number, index, _), second in zip(batch, seconds, strict=True):
                if not second.fault or firsts[index].fault:
                    better[index] = second
                    texts_of[number][offset + index] = second.text
    return better


def _is_uncertain(hypothesis: _Hypothesis) -> bool:
    """Whether a window of hard speech is worth decoding again."""
    return bool(hypothesis.words) and hypothesis.avg_logprob < EASY_LOGPROB


def _decode_with_fallback(task: _DecodingTask, batch: Sequence[Window]) -> list[_Hypothesis]:
    """Decode a batch, and those of its windows that went wrong again, more and more carefully."""
    best = _decode(task, batch, task.decoding)
    wrong = [i for i, hypothesis in enumerate(best) if hypothesis.fault]
    safer = replace(task.decoding, beam_size=SAFE_BEAM, full_length=True)
    if wrong and task.tokenizer:
        for i, second in zip(wrong, _decode(task, [batch[i] for i in wrong], safer), strict=True):
            best[i] = min(best[i], second, key=_rank)
    for i in wrong:
        if best[i].fault and len(batch[i].speech) > 1:
            halves = _decode(task, _halve(batch[i]), safer)
            best[i] = min(best[i], _join(halves), key=_rank)
    return best


@dataclass(frozen=True, slots=True)
class _Hypothesis:
    """What one decoding of a window gave."""

    words: tuple[Word, ...]
    fault: str | None
    avg_logprob: float

    @property
    def text(self) -> str:
        return "" if self.fault == "silent" else "".join(word.text for word in self.words)

    @property
    def cue(self) -> Cue:
        return Cue(self.words[0].start, self.words[-1].end, self.text.strip(), self.words)


def _decode(task: _DecodingTask, batch: Sequence[Window], decoding: Decoding) -> list[_Hypothesis]:
    sounds = [samples_of(task.sound, window) for window in batch]
    hypotheses = []
    for window, decoded in zip(
        batch, task.engine.recognize(sounds, decoding, task.clock), strict=True
    ):
        words = _to_words(task.tokenizer, decoded, window)
        text = "".join(word.text for word in words)
        silent = guards.has_no_speech(decoded, text)
        fault = "silent" if silent else guards.fault(decoded, words, window)
        hypotheses.append(_Hypothesis(words, fault, decoded.avg_logprob))
    return hypotheses


def _rank(hypothesis: _Hypothesis) -> tuple[int, float]:
    """Sorts hypotheses: a clean one first, then one that lost nothing, then by log-probability."""
    order = {None: 0, "unsure": 1, "skipped": 2, "silent": 3}
    return order.get(hypothesis.fault, 4), -hypothesis.avg_logprob


def _join(parts: Sequence[_Hypothesis]) -> _Hypothesis:
    return _Hypothesis(
        tuple(word for part in parts for word in part.words if part.fault != "silent"),
        max(parts, key=_rank).fault,
        min(part.avg_logprob for part in parts),
    )


def _halve(window: Window) -> list[Window]:
    """The window split in two at its longest pause."""
    spans = window.speech
    pauses = [after.start - before.end for before, after in pairwise(spans)]
    cut = pauses.index(max(pauses)) + 1
    middle = (spans[cut - 1].end + spans[cut].start) / 2
    return [Window(window.start, middle, spans[:cut]), Window(middle, window.end, spans[cut:])]


def _salvage(hypothesis: _Hypothesis) -> tuple[tuple[Word, ...], str | None]:
    """What is kept of the best hypothesis, and what is wrong with it."""
    if hypothesis.fault in ("silent", "empty"):
        return (), None if hypothesis.fault == "silent" else hypothesis.fault
    loop = guards.loop_start([word.text for word in hypothesis.words])
    return hypothesis.words[:loop], hypothesis.fault


def _to_words(tokenizer: Tokenizer | None, decoded: Decoded, window: Window) -> tuple[Word, ...]:
    """What was decoded as words on the timeline, kept out of the pauses around them."""
    words: list[Word] = []
    for word in _split(tokenizer, decoded) if tokenizer else decoded.words:
        if not word.text.strip():
            continue
        start, end = _fit_to_speech(window.start + word.start, window.start + word.end, window)
        start = max(start, words[-1].end if words else 0.0)
        end = max(end, start + SHORTEST_WORD)
        probability = round(word.probability or 0.0, 3)
        words.append(Word(round(start, 3), round(end, 3), word.text, probability))
    return tuple(words)


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


def _to_json(window: DecodedWindow) -> str:
    words = [[word.start, word.end, word.text, word.probability] for word in window.words]
    record = {
        "window": [window.start, window.end],
        "fault": window.fault,
        "avg_logprob": window.avg_logprob,
        "words": words,
    }
    return json.dumps(record, ensure_ascii=False) + "\n"


def _trim(journal: Path) -> None:
    """Remove a last line that was cut off by a kill, so that the next one does not run into it."""
    if journal.exists():
        content = journal.read_bytes()
        if not content.endswith(b"\n"):
            journal.write_bytes(content[: content.rfind(b"\n") + 1])


def _read_journal(journal: Path) -> dict[tuple[float, float], DecodedWindow]:
    """Finished windows by their times; lines that cannot be read are skipped."""
    known: dict[tuple[float, float], DecodedWindow] = {}
    if not journal.exists():
        return known
    for line in journal.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
            start, end = record["window"]
            words = tuple(Word(*word) for word in record["words"])
            fault, avg_logprob = record["fault"], record["avg_logprob"]
            known[start, end] = DecodedWindow(start, end, words, fault, avg_logprob)
        except (ValueError, KeyError, TypeError):
            continue
    return known
