"""Decode windows: what went wrong is decoded again, and words get the times of the sound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import merge_punctuations

from dubkit import Cue, Word

from . import guards
from .engine import SAMPLE_RATE, Clock, Decoded, Decoding, Engine, MultilingualEngine, Samples
from .speech_activity import Recording, Span, even_level
from .windows import Window, without_pauses
from .word_times import SetsWords

UNEVEN = 20.0
"""Decibels between the spans of a window from which on its level is evened: one speaker's sentences
differ by half of that."""
SAFE_BEAM = 5
"""Hypotheses kept when a window is decoded again."""
HALVINGS = 5
"""Times that what goes wrong is halved."""
LOOPING = ("repetitive", "loop", "too fast")
"""Faults of text that nobody spoke."""
NO_REPEAT = 6
"""Tokens of a run that may not come twice after a loop: it ends there."""
PREPENDED = "\"'“¿([{-"
APPENDED = "\"'.。,，!！?？:：”)]}、"
"""Punctuation that belongs to the word after it and before it (openai/whisper)."""
EDGE = 0.1
"""Seconds that a word may extend into silence: voice activity is late on soft sounds."""
SHORTEST_WORD = 0.02
"""Seconds."""


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
class DecodingTask:
    """What decoding needs besides the windows, the same for all windows of a run."""

    engine: Engine
    sound: Recording
    decoding: Decoding
    tokenizer: Tokenizer | None
    """None for an engine without one, for which decoding a window again would give the same."""
    clock: Clock
    finding: Finding | None = None

    def into(self, language: str) -> DecodingTask:
        """The same in another language, without the prompt, which is in the expected one."""
        if language == self.decoding.language:
            return self
        other = self.finding.other() if self.finding and self.finding.other else None
        engine = other or self.engine
        decoding = replace(self.decoding, language=language, prompt=())
        return DecodingTask(
            engine, self.sound, decoding, tokenizer_for(engine, language), self.clock
        )


def tokenizer_for(engine: Engine, language: str) -> Tokenizer | None:
    """The tokenizer of an engine that has one, for a transcript in a language."""
    code = language if engine.multilingual else None
    return engine.tokenizer and Tokenizer(engine.tokenizer, engine.multilingual, "transcribe", code)


def split_evenly(seconds: Sequence[float], engine: Engine) -> list[list[int]]:
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


def decode_with_fallback(task: DecodingTask, batch: Sequence[Window]) -> list[Hypothesis]:
    """Decode a batch, and what went wrong in it again."""
    return repair(task, batch, decode(task, batch, task.decoding, second=False))


def repair(
    task: DecodingTask, batch: Sequence[Window], hypotheses: Sequence[Hypothesis]
) -> list[Hypothesis]:
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
    task: DecodingTask, rows: Sequence[list[tuple[Window, Hypothesis]]], decoding: Decoding
) -> None:
    """Decode the halves of every piece that went wrong and has a pause, in the place of it."""

    def parts_of(piece: tuple[Window, Hypothesis]) -> list[Window]:
        window, hypothesis = piece
        return _halve(window) if hypothesis.fault and len(window.speech) > 1 else []

    halves = [(part, piece[1].fault) for row in rows for piece in row for part in parts_of(piece)]
    found = zip((part for part, _ in halves), _look_again(task, halves, decoding), strict=True)
    for row in rows:
        row[:] = [
            new for piece in row for new in (list(islice(found, len(parts_of(piece)))) or [piece])
        ]


def _look_again(
    task: DecodingTask, windows: Sequence[tuple[Window, str | None]], decoding: Decoding
) -> list[Hypothesis]:
    """Decode windows with what was wrong in them: after a loop, no run of words may come twice;
    what was skipped may have been a sentence that somebody repeats."""
    found: dict[int, Hypothesis] = {}
    for looping in (False, True):
        chosen = iter([i for i, (_, fault) in enumerate(windows) if (fault in LOOPING) == looping])
        safe = replace(decoding, no_repeat=NO_REPEAT) if looping else decoding
        while few := list(islice(chosen, task.engine.batch_size)):
            again = decode(task, [windows[i][0] for i in few], safe, second=True)
            found.update(zip(few, again, strict=True))
    return [found[i] for i in range(len(windows))]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What one decoding of a window gave."""

    words: tuple[Word, ...]
    fault: str | None
    avg_logprob: float
    language: str
    languages: tuple[Mapping[str, float], ...] = ()
    """Of each stretch of the window, if that was asked for."""
    is_doubtful: bool = False
    """Whether another language may be spoken in it; then nothing was decoded again."""


def decode(
    task: DecodingTask, batch: Sequence[Window], decoding: Decoding, *, second: bool
) -> list[Hypothesis]:
    """Decode a batch, for the first time or as a ``second`` look."""
    sounds = []
    for window in batch:
        samples = without_pauses(task.sound, window)
        # Of loud and quiet speech in one window Whisper leaves out the quiet.
        even = second or _level_range(samples, window) > UNEVEN
        sounds.append(even_level(samples) if even else samples)
    hypotheses = []
    for window, decoded in zip(
        batch, task.engine.recognize(sounds, decoding, task.clock), strict=True
    ):
        words = _to_words(task.tokenizer, decoded, window)
        text = "".join(word.text for word in words)
        silent = guards.has_no_speech(decoded, text, window.speech)
        fault = "silent" if silent else guards.fault(decoded, words, window)
        hypotheses.append(
            Hypothesis(words, fault, decoded.avg_logprob, decoding.language, decoded.languages)
        )
    return hypotheses


def decode_without_loops(task: DecodingTask, batch: Sequence[Window]) -> list[Hypothesis]:
    """Decode a batch, and what loops once more without repeats, which read easily in any
    language."""
    best = decode(task, batch, task.decoding, second=False)
    looping = [i for i, hypothesis in enumerate(best) if hypothesis.fault in LOOPING]
    found = _look_again(task, [(batch[i], best[i].fault) for i in looping], task.decoding)
    for i, hypothesis in zip(looping, found, strict=True):
        best[i] = min(best[i], hypothesis, key=_rank)
    return best


def _level_range(samples: Samples, window: Window) -> float:
    """The decibels between the loudest span of a window and the quietest; ``samples`` are those
    that the network gets."""
    powers = []
    for span in window.speech:
        start, end = (int(window.in_pieces(at) * SAMPLE_RATE) for at in (span.start, span.end))
        if len(piece := samples[start:end]):
            powers.append(float(np.mean(np.square(piece))) + 1e-12)
    return 10 * float(np.log10(max(powers) / min(powers))) if powers else 0.0


def _rank(hypothesis: Hypothesis) -> tuple[int, int, float]:
    """Sorts hypotheses: a clean one first, then one that lost nothing, then those that lost least,
    then by log-probability."""
    order = {None: 0, "unsure": 1, "skipped": 2, "silent": 3}
    kept = len(hypothesis.words) if hypothesis.fault == "skipped" else 0
    return order.get(hypothesis.fault, 4), -kept, -hypothesis.avg_logprob


def _join(parts: Sequence[Hypothesis]) -> Hypothesis:
    parts = [part for part in parts if part.fault != "silent"] or parts
    words = tuple(word for part in parts for word in part.words)
    fault = max(parts, key=_rank).fault
    if fault == "empty" and words:
        fault = next((one.fault for one in parts if one.fault in LOOPING), "skipped")
    return Hypothesis(
        words,
        fault,
        min(part.avg_logprob for part in parts),
        parts[0].language,
    )


def _halve(window: Window) -> list[Window]:
    """The window split in two at the longest pause of its middle half, or of all of it if there is
    none."""
    spans = window.speech
    cuts = range(1, len(spans))
    quarter = window.seconds / 4
    inner = [i for i in cuts if quarter <= window.in_pieces(spans[i].start) <= 3 * quarter]
    cut = max(inner or cuts, key=lambda i: spans[i].start - spans[i - 1].end)
    return [window.part(0, cut), window.part(cut, len(spans))]


def _salvage(hypothesis: Hypothesis, window: Window) -> tuple[tuple[Word, ...], str | None]:
    """What is kept of the best hypothesis, and what is wrong with it."""
    if hypothesis.fault in ("silent", "empty"):
        return (), None if hypothesis.fault == "silent" else hypothesis.fault
    invented = guards.invented_from(hypothesis.words, window.speech)
    return hypothesis.words[:invented], hypothesis.fault


def finish_window(window: Window, best: Hypothesis, set_words: SetsWords) -> list[DecodedWindow]:
    """The window with its words at the times of the sound, divided where nobody speaks for long.
    Only now, since what is wrong with them is judged by the times of attention, which show what was
    skipped or squeezed."""
    rest, fault = _salvage(best, window)
    found = []
    runs = window.runs()
    for run, after in zip(runs, [*runs[1:], None], strict=True):
        border = (run.end + after.start) / 2 if after else float("inf")
        own = tuple(word for word in rest if (word.start + word.end) / 2 < border)
        rest = rest[len(own) :]
        wrong = fault if guards.is_at_fault(fault, own, run) else None
        moved = _in_order(set_words(own, run))
        found.append(DecodedWindow(run.start, run.end, moved, wrong, best.language))
    return found


def _to_words(tokenizer: Tokenizer | None, decoded: Decoded, window: Window) -> tuple[Word, ...]:
    """What was decoded as words on the timeline, kept out of the pauses around them."""
    words = []
    for word in _split(tokenizer, decoded) if tokenizer else decoded.words:
        if word.text.strip():
            start, end = window.on_timeline(word.start, word.end)
            times = _fit_to_speech(start, end, window)
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
