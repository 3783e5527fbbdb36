"""The front end of every Whisper engine: sound in, words on the timeline out.

Windows of like length are decoded together by several workers, and each batch is written down
when it is done, so that a run that was stopped goes on where it was. What goes into a batch
depends on the sound alone: the text is the same however often a run was stopped.
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
enough that memory stays flat and little is lost when a run is stopped."""
PROBES = 3
"""Windows that the language is told from ..."""
PROBE_SECONDS = 8.0
"""... and how much of each is listened to; Whisper itself looks at 30 seconds."""
SAFE_BEAM = 5
HARD = -0.115
"""Median log-probability of the windows so far under which the speech is hard to understand ..."""
EASY = -0.08
"""... and that of a window above which it is not worth another look. Clean English read to Whisper
base has -0.09, a telephone line in Russian -0.14, 8 dB of noise -0.18."""
HISTORY = 8
"""Windows whose text is the context of the next."""
PREPENDED = "\"'“¿([{-"
APPENDED = "\"'.。,，!！?？:：”)]}、"
"""Marks that belong to the word after and before them (openai/whisper)."""
EDGE = 0.1
"""Seconds that a word may reach into silence: voice activity is late on soft sounds."""
SHORTEST_WORD = 0.02
"""Seconds."""
PROMPT_TOKENS = 223
"""Half the decoder's positions less one (openai/whisper)."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A finished window."""

    start: float
    end: float
    words: tuple[Word, ...]
    fault: str | None
    """What was wrong and could not be mended."""
    avg_logprob: float
    """How sure the network was at first sight; see :class:`~.engine.Decoded`."""

    @property
    def text(self) -> str:
        """The words as they were said, with the first one's leading space."""
        return "".join(word.text for word in self.words)

    @property
    def cue(self) -> Cue:
        """The window's words as one cue, timed by its first and last word."""
        return Cue(self.words[0].start, self.words[-1].end, self.text.strip(), self.words)


@dataclass(frozen=True, slots=True)
class _Job:
    """What decoding needs beside the windows, the same for all windows of a run."""

    engine: Engine
    sound: npt.NDArray[np.int16]
    decoding: Decoding
    tokenizer: Tokenizer
    clock: Clock


class Sound:
    """A 16 kHz mono WAV file that is being listened to, from the moment this is made to the end
    of the ``with`` block."""

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
    """Whisper's code of the language that the first speech is most likely in, and its
    probability; ``("en", 0.0)`` when nobody speaks."""
    probes = list(islice(sound.windows(engine.max_seconds), PROBES))
    if not probes:
        return "en", 0.0
    most = int(PROBE_SECONDS * SAMPLE_RATE)
    odds = engine.detect_language([samples_of(sound.samples, probe)[:most] for probe in probes])
    return max(odds.items(), key=lambda item: item[1])


def recognize(
    engine: Engine,
    sound: Sound,
    decoding: Decoding,
    *,
    work: Path,
    progress: Callable[[float, float, Sequence[Cue]], None],
    clock: Clock,
) -> list[Heard]:
    """Every window of ``sound`` that somebody speaks in, in order.

    ``work`` is a folder in which finished batches are kept; ``progress`` gets seconds of media
    done and in all, and the cues that have just been heard.
    """
    duration = sound.duration
    language = decoding.language if engine.multilingual else None
    tokenizer = Tokenizer(engine.tokenizer, engine.multilingual, "transcribe", language)
    job = _Job(engine, sound.samples, decoding, tokenizer, clock)
    journal = work / "windows.jsonl"
    known = _read_journal(journal)
    _trim(journal)
    finished: list[Heard] = []
    seconds = 0.0

    heard_before: list[Cue] = []

    def advance(batch: Sequence[Window], heard: Sequence[_Attempt], *, tell: bool = True) -> None:
        nonlocal seconds
        seconds += sum(part.end - part.start for part in batch)
        if tell:
            told = [attempt.cue for attempt in heard if attempt.words and not attempt.fault]
            progress(min(seconds, duration), duration, [*heard_before, *told])
            heard_before.clear()

    pool = ThreadPoolExecutor(engine.workers, thread_name_prefix="whisper")
    try:
        with journal.open("a", encoding="utf-8") as log:
            begun: deque[_Begun] = deque()

            def finish() -> None:
                group = _finish(job, begun.popleft(), finished, pool, advance)
                log.write("".join(_to_json(heard) for heard in group))
                log.flush()
                finished.extend(group)

            for group in _groups(sound.windows(engine.max_seconds), engine):
                heard = [known.get((window.start, window.end)) for window in group]
                if all(heard):
                    finished.extend(h for h in heard if h)
                    # Not work of this run: the speed must not show it.
                    advance(group, (), tell=False)
                    heard_before.extend(h.cue for h in heard if h and h.words)
                    continue
                if not begun:
                    advance((), ())
                begun.append(_begin(job, group, pool))
                # The next group is at work while one is finished, so that no worker waits.
                if len(begun) > 1:
                    finish()
            while begun:
                finish()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    progress(duration, duration, heard_before)
    # A journal damaged in its middle makes a later group known before an earlier one is finished.
    return sorted(finished, key=lambda heard: heard.start)


def prompt_tokens(engine: Engine, text: str, most: int = PROMPT_TOKENS) -> tuple[int, ...]:
    """Tokens of ``text`` (names, spelling, what was said before) for :class:`Decoding`, the last
    ``most`` where there are more."""
    if not text.strip() or most <= 0:
        return ()
    encoded = engine.tokenizer.encode(" " + text.strip(), add_special_tokens=False)
    return tuple(encoded.ids[-most:])


def _groups(found: Iterable[Window], engine: Engine) -> Iterator[list[Window]]:
    """Windows in order, so many together as are finished together."""
    queue = iter(found)
    while group := list(islice(queue, engine.batch_size * engine.workers * BATCHES_AHEAD)):
        yield group


@dataclass(frozen=True, slots=True)
class _Begun:
    """A group at work: its windows in order, and batches of their places with the attempts."""

    windows: list[Window]
    batches: list[tuple[list[int], Future[list[_Attempt]]]]


def _begin(job: _Job, group: list[Window], pool: ThreadPoolExecutor) -> _Begun:
    """Start to decode a group: windows of like length together, the longest first, so that little
    is padded and the workers end at about the same time."""
    order = sorted(range(len(group)), key=lambda i: group[i].start - group[i].end)
    # As many batches for each worker, of about the same size: a short file is shared, too.
    rounds = -(-len(group) // (job.engine.workers * job.engine.batch_size))
    count = min(len(group), rounds * job.engine.workers)
    edges = [len(group) * i // count for i in range(count + 1)]
    batches = [order[start:end] for start, end in pairwise(edges)]
    return _Begun(
        group,
        [(batch, pool.submit(_decode, job, [group[i] for i in batch])) for batch in batches],
    )


def _finish(
    job: _Job,
    begun: _Begun,
    before: Sequence[Heard],
    pool: ThreadPoolExecutor,
    advance: Callable[[Sequence[Window], Sequence[_Attempt]], None],
) -> list[Heard]:
    """Wait for a group and, where it is hard to understand, decode it again in context."""
    found: dict[int, _Attempt] = {}
    for batch, future in begun.batches:
        found.update(zip(batch, future.result(), strict=True))
        advance([begun.windows[i] for i in batch], [found[i] for i in batch])
    attempts = firsts = [found[i] for i in range(len(begun.windows))]
    sure = [heard.avg_logprob for heard in before if heard.words]
    sure += [attempt.avg_logprob for attempt in attempts if attempt.words]
    if sure and median(sure) < HARD:
        texts = [heard.text for heard in before[-HISTORY:]]
        texts += [attempt.text for attempt in attempts]
        chains = _chains(len(attempts), job.engine)
        share = -(-len(chains) // job.engine.workers)
        parts = [
            pool.submit(_in_context, job, begun.windows, attempts, texts, chains[i : i + share])
            for i in range(0, len(chains), share)
        ]
        again = {place: attempt for part in parts for place, attempt in part.result().items()}
        attempts = [again.get(place, first) for place, first in enumerate(attempts)]
    return [
        Heard(window.start, window.end, *_salvage(attempt), round(first.avg_logprob, 4))
        for window, attempt, first in zip(begun.windows, attempts, firsts, strict=True)
    ]


def _chains(count: int, engine: Engine) -> list[range]:
    """The places of ``count`` windows, cut into runs that are decoded side by side: as many as
    there are workers, each with so many as take the memory of a batch."""
    at_once = engine.workers * max(1, engine.batch_size // SAFE_BEAM)
    size = -(-count // at_once)
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def _in_context(
    job: _Job,
    group: Sequence[Window],
    attempts: Sequence[_Attempt],
    texts: Sequence[str],
    chains: Sequence[range],
) -> dict[int, _Attempt]:
    """Decode the windows of ``chains`` again, those of each one after the other, with what was
    said before it in mind; the better attempts by place in ``group``. ``texts`` are those of the
    windows before the group and of the group's.

    That costs as much as all the rest, and spells names alike and picks words by what the talk
    is about; so it is for speech that was hard to understand.
    """
    offset = len(texts) - len(group)
    said = [list(texts) for _ in chains]  # each as it is in its own chain
    most = PROMPT_TOKENS - len(job.decoding.prompt)
    better: dict[int, _Attempt] = {}
    for step in range(max(map(len, chains))):
        unsure = [
            (at, chain[step])
            for at, chain in enumerate(chains)
            if step < len(chain) and _unsure(attempts[chain[step]])
        ]
        # Only contexts of one length can be read side by side; nearly all are as long as may be.
        alike: dict[int, list[tuple[int, int, tuple[int, ...]]]] = {}
        for at, place in unsure:
            before = "".join(said[at][: offset + place][-HISTORY:])
            context = prompt_tokens(job.engine, before, most)
            alike.setdefault(len(context), []).append((at, place, context))
        for side_by_side in alike.values():
            contexts = tuple(context for _, _, context in side_by_side)
            decoding = replace(job.decoding, contexts=contexts, beam_size=SAFE_BEAM)
            heard = _attempt(job, [group[place] for _, place, _ in side_by_side], decoding)
            for (at, place, _), again in zip(side_by_side, heard, strict=True):
                if not again.fault or attempts[place].fault:
                    better[place] = again
                    said[at][offset + place] = again.text
    return better


def _unsure(attempt: _Attempt) -> bool:
    """Whether a window of hard speech is worth another look."""
    return bool(attempt.words) and attempt.avg_logprob < EASY


def _decode(job: _Job, batch: Sequence[Window]) -> list[_Attempt]:
    """Decode a batch, and what went wrong in it again, more and more carefully."""
    attempts = _attempt(job, batch, job.decoding)
    wrong = [i for i, attempt in enumerate(attempts) if attempt.fault]
    if wrong:
        safer = replace(job.decoding, beam_size=SAFE_BEAM, full_length=True)
        for i, again in zip(wrong, _attempt(job, [batch[i] for i in wrong], safer), strict=True):
            attempts[i] = min(attempts[i], again, key=_badness)
            if attempts[i].fault and len(batch[i].speech) > 1:
                halves = _attempt(job, _halve(batch[i]), safer)
                attempts[i] = min(attempts[i], _joined(halves), key=_badness)
    return attempts


@dataclass(frozen=True, slots=True)
class _Attempt:
    words: tuple[Word, ...]
    fault: str | None
    avg_logprob: float

    @property
    def text(self) -> str:
        return "" if self.fault == "silent" else "".join(word.text for word in self.words)

    @property
    def cue(self) -> Cue:
        return Cue(self.words[0].start, self.words[-1].end, self.text.strip(), self.words)


def _attempt(job: _Job, batch: Sequence[Window], decoding: Decoding) -> list[_Attempt]:
    sounds = [samples_of(job.sound, window) for window in batch]
    attempts = []
    for window, decoded in zip(
        batch, job.engine.recognize(sounds, decoding, job.clock), strict=True
    ):
        words = _words(job.tokenizer, decoded, window)
        text = "".join(word.text for word in words)
        silent = guards.nobody_spoke(decoded, text)
        fault = "silent" if silent else guards.fault(decoded, words, window)
        attempts.append(_Attempt(words, fault, decoded.avg_logprob))
    return attempts


def _badness(attempt: _Attempt) -> tuple[int, float]:
    """Sorts attempts: a clean one first, then one that lost nothing, then by confidence."""
    order = {None: 0, "unsure": 1, "skipped": 2, "silent": 3}
    return order.get(attempt.fault, 4), -attempt.avg_logprob


def _joined(attempts: Sequence[_Attempt]) -> _Attempt:
    return _Attempt(
        tuple(word for attempt in attempts for word in attempt.words if attempt.fault != "silent"),
        max(attempts, key=_badness).fault,
        min(attempt.avg_logprob for attempt in attempts),
    )


def _halve(window: Window) -> list[Window]:
    """The window in two, parted at its longest pause."""
    spans = window.speech
    pauses = [after.start - before.end for before, after in pairwise(spans)]
    cut = pauses.index(max(pauses)) + 1
    middle = (spans[cut - 1].end + spans[cut].start) / 2
    return [Window(window.start, middle, spans[:cut]), Window(middle, window.end, spans[cut:])]


def _salvage(attempt: _Attempt) -> tuple[tuple[Word, ...], str | None]:
    """What is kept of the best attempt, and what was wrong with it."""
    if attempt.fault in ("silent", "empty"):
        return (), None if attempt.fault == "silent" else attempt.fault
    loop = guards.loop_start([word.text for word in attempt.words])
    return attempt.words[:loop], attempt.fault


def _words(tokenizer: Tokenizer, decoded: Decoded, window: Window) -> tuple[Word, ...]:
    """Tokens as words, on the timeline, kept out of the pauses around them."""
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
    words: list[Word] = []
    for item in found:
        if not item["word"].strip():
            continue
        start, end = _settle(window.start + item["start"], window.start + item["end"], window)
        start = max(start, words[-1].end if words else 0.0)
        end = max(end, start + SHORTEST_WORD)
        words.append(
            Word(round(start, 3), round(end, 3), item["word"], round(item["probability"], 3))
        )
    return tuple(words)


def _settle(start: float, end: float, window: Window) -> tuple[float, float]:
    """Attention smears a word over the pause beside it: keep it to the speech it is most in."""

    def shared(span: Span) -> float:
        return min(end, span.end + EDGE) - max(start, span.start - EDGE)

    span = max(window.speech, key=shared)
    if shared(span) <= 0:
        return start, end
    return max(start, span.start - EDGE), min(end, span.end + EDGE)


def _to_json(heard: Heard) -> str:
    words = [[word.start, word.end, word.text, word.probability] for word in heard.words]
    record = {
        "window": [heard.start, heard.end],
        "fault": heard.fault,
        "avg_logprob": heard.avg_logprob,
        "words": words,
    }
    return json.dumps(record, ensure_ascii=False) + "\n"


def _trim(journal: Path) -> None:
    """Take away a last line that a kill cut off, so that the next one does not run into it."""
    if journal.exists():
        content = journal.read_bytes()
        if not content.endswith(b"\n"):
            journal.write_bytes(content[: content.rfind(b"\n") + 1])


def _read_journal(journal: Path) -> dict[tuple[float, float], Heard]:
    """Finished windows by their times; a last line that was cut off is passed over."""
    known: dict[tuple[float, float], Heard] = {}
    if not journal.exists():
        return known
    for line in journal.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
            start, end = record["window"]
            words = tuple(Word(*word) for word in record["words"])
            known[start, end] = Heard(start, end, words, record["fault"], record["avg_logprob"])
        except (ValueError, KeyError, TypeError):
            continue
    return known
