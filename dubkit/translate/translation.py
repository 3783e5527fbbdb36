"""A track in one language to the same track in another, line by line, without losing a line.

The text is divided into sentences, and these into requests. Requests run in lanes, several at once;
within a lane each request sees the results of the one before it. Every reply is checked; what is
wrong is requested again with the fault named, then in halves down to single lines. A line that
still fails keeps its source text and is reported. Each good line is written to a journal at once,
under a key of all that matters to it, so that nothing is requested twice and an edit causes
requests only for its neighborhood.

What is sent and what is read is bounded, so that the work grows with the text and no faster.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dubkit import engines, languages
from dubkit.cues.profiles import Limits
from dubkit.cues.sentences import Sentence, sentences
from dubkit.cues.text import LOOK_MARK, without_marks
from dubkit.errors import PluginError
from dubkit.hooks import (
    Line,
    Metered,
    Neighbor,
    Progress,
    TranslationRequest,
    Translator,
)
from dubkit.types import Track, Translation, UntranslatedLine, Usage
from dubkit.workspace import key_of

from . import checks, journal
from . import glossary as glossaries
from .assemble import assemble
from .replies import ask_engine

log = logging.getLogger("dubkit")

BEFORE, AFTER = 6, 3
"""Lines of context in a request."""
NEAR = 2
"""Lines on either side that a line's key depends on. Those further away hardly affect it, and if a
key included earlier translations, one edit would invalidate the text to its end."""
LONGEST_LINE = 4_000
"""Characters of a line beyond which it is no line of subtitles and stays as it is."""
LONGEST_BATCH = 20_000
"""Characters of the lines in a request, from which there is no further one."""
LONGEST_NEIGHBOR = 500
"""Characters of a line of context, of an earlier translation, or of what is wrong with one."""
LONGEST_SUMMARY = 2_000
"""Characters of the summary of the text so far."""
LANE = 3
"""Minimum requests in a lane: a short text is better translated in order than in parallel."""
GIVE_UP = 10
"""Consecutive failed lines, with none translated before, after which the rest is not requested
(five times as many if some were translated: a server may refuse a whole scene), ..."""
UNREACHABLE = 2
"""... and consecutive requests that failed entirely, each after the engine's own retries."""

SHOWN = 10
"""Cues that a warning lists."""
SPEECH_PACE = 15.0
"""Columns per second of unhurried speech."""


@dataclass(frozen=True, slots=True)
class TranslationJob:
    """A translation to make: into which language, by which engine, and how."""

    target: str
    engine: Translator
    name: str
    """The engine's, for people to read."""
    identity: Mapping[str, object]
    """The engine's, see :func:`dubkit.engines.identity`."""
    limits: Limits
    """The profile's, in the target language."""
    glossary: glossaries.Glossary = ()
    tone: str = ""
    context: str = ""
    purpose: Literal["subtitles", "dub"] = "subtitles"
    source: str = ""
    """The language of the sentences that it is for; empty for the track's."""
    audio: Path | None = None
    audio_begins: float = 0.0
    """Seconds on the track's timeline of the sound's first sample."""

    def follows(self, feature: str) -> bool:
        """Whether the engine supports a feature of requests, see ``Translator.follows``."""
        return feature in self.engine.follows


@dataclass(frozen=True, slots=True)
class Plan:
    """What remains to do: the sentences of a text, and those already translated."""

    track: Track
    source: str
    """The language that is translated from."""
    sentences: tuple[Sentence, ...]
    """Of the whole text, in whatever language."""
    keys: Mapping[int, str]
    """By index of the sentence, for those that have words, and are in that language."""
    known: Mapping[int, str]
    """Translations from the journal, by index."""
    terms: Mapping[int, set[int]]
    """The numbers of the glossary's entries in each sentence, by index."""
    todo: tuple[int, ...]
    """Indexes of the sentences to request, in order."""
    overlong: tuple[int, ...]
    """Indexes of those that are too long to be requested."""
    again: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    """What is wrong with an earlier translation, and its text, of those requested once more."""


def plan(job: TranslationJob, track: Track, journal_path: Path) -> Plan:
    """Look up what part of ``track`` has already been translated in the same way."""
    source = job.source or track.language
    lines = tuple(sentences(track))
    terms = _find_terms(job, lines)
    keys = {
        k: _key(job, lines, terms, k)
        for k, one in enumerate(lines)
        if one.has_words and one.language == source
    }
    journaled = journal.read(journal_path)
    known = {k: journaled[key] for k, key in keys.items() if key in journaled}
    left = [k for k in keys if k not in known]
    overlong = tuple(k for k in left if len(lines[k].text) > LONGEST_LINE)
    todo = tuple(k for k in left if len(lines[k].text) <= LONGEST_LINE)
    return Plan(track, source, lines, keys, known, terms, todo, overlong)


def _find_terms(job: TranslationJob, lines: Sequence[Sentence]) -> dict[int, set[int]]:
    if not (job.glossary and job.follows("glossary")):
        return {}
    terms = glossaries.index(job.glossary)
    found = {k: glossaries.find_terms(line.text, terms) for k, line in enumerate(lines)
             if len(line.text) <= LONGEST_LINE}  # fmt: skip
    return {k: numbers for k, numbers in found.items() if numbers}


def _entries_of(
    job: TranslationJob, terms: Mapping[int, set[int]], lines: Iterable[int]
) -> glossaries.Glossary:
    """The glossary entries in some sentences, by what was found in each."""
    numbers = set[int]().union(*(terms.get(k, ()) for k in lines))
    return tuple(job.glossary[number] for number in sorted(numbers))


def _key(
    job: TranslationJob,
    lines: Sequence[Sentence],
    terms: Mapping[int, set[int]],
    k: int,
) -> str:
    near = range(max(0, k - NEAR), min(len(lines), k + NEAR + 1))
    place = k - near[0]
    near = near if job.follows("context") else range(k, k + 1)
    return key_of(
        engine=job.identity,
        languages=[lines[k].language, job.target],
        texts=[lines[i].text for i in near],
        place=place,
        speaker=lines[k].speaker,
        span=[lines[k].start, lines[k].end] if job.engine.needs_audio else None,
        purpose=job.purpose,
        tone=job.tone if job.follows("tone") else "",
        context=job.context if job.follows("context") else "",
        glossary=_entries_of(job, terms, near),
    )


def entries(job: TranslationJob, texts: Sequence[str]) -> glossaries.Glossary:
    """The glossary entries to send with ``texts``; none if the engine does not support them."""
    return glossaries.entries_in("\n".join(texts), job.glossary) if job.follows("glossary") else ()


def estimate(job: TranslationJob, track: Track, journal_path: Path) -> tuple[Plan, Usage]:
    """What translating ``track`` will take if all goes well. Sends no request."""
    planned = plan(job, track, journal_path)
    state = _State(job, planned, journal_path, lambda *_: None, dict(planned.known))
    usage = Usage(cost=0.0)
    for lane in _lanes(planned.todo, job):
        for batch in _batches(state, lane):
            request = state.request(batch, {}, "")
            if isinstance(job.engine, Metered):
                with engines.guarded(f"translator {job.name} failed to estimate", "-v shows where"):
                    usage += job.engine.estimate(request)
            else:
                usage += Usage(1, cost=0.0)
    return planned, usage


def sources(track: Track, target: str) -> list[str]:
    """The languages of a text that have to be translated to be in ``target``, its main one first;
    none if all of it is in that language."""
    found = dict.fromkeys(
        track.language_of(cue)
        for cue in track.cues
        if any(char.isalpha() for char in without_marks(cue.text))
    )
    foreign = [one for one in found if not languages.is_in(one, target)]
    return sorted(foreign, key=lambda one: one != track.language)


def translate(
    jobs: Sequence[TranslationJob],
    track: Track,
    journal_path: Path,
    progress: Progress,
    refused: Mapping[str, str] | None = None,
    plans: Sequence[Plan] | None = None,
) -> Translation:
    """Translate ``track`` by jobs with the same target, one for each language of :func:`sources`;
    reusing what its journal contains and adding what is new.

    ``refused`` are languages for which there is no job, with the reason: their sentences fail;
    ``plans``, one for each job, are what remains to do, if that is not all that is new. The result
    has the same cues with the same times. ``progress`` gets seconds of text.
    Raises UsageError and MissingDependency when an engine cannot work at all (finished lines are
    in the journal), OutputError when the journal cannot be written; never for single lines.
    """
    first, plans = jobs[0], plans or [plan(job, track, journal_path) for job in jobs]
    lines, texts = plans[0].sentences, dict[int, str]()
    for one in plans:
        texts.update(one.known)
    length = sum(_length(lines, {*one.todo, *one.known}) for one in plans)
    states = [
        _State(job, one, journal_path, progress, texts, total=length)
        for job, one in zip(jobs, plans, strict=True)
    ]
    without = {
        k: (refused or {})[one.language]
        for k, one in enumerate(lines)
        if one.has_words and one.language in (refused or {})
    }
    failed, settled = dict(without), _length(lines, texts)
    for state in states:
        state.settled = settled
        state.run()
        settled = state.settled
        failed |= state.failed
    follows = {one.source: job.engine.follows for job, one in zip(jobs, plans, strict=True)}
    made = assemble(
        track, lines, texts, first.target, first.limits, follows.__getitem__, states[0].warn
    )
    return Translation(
        track=made,
        translator=_joined(job.name for job in jobs),
        model=_joined(state.model for state in states),
        lines=sum(len(one.keys) for one in plans) + len(without),
        cached=sum(len(one.known) for one in plans),
        failed=tuple(
            UntranslatedLine(
                tuple(dict.fromkeys(piece.cue + 1 for piece in lines[k].pieces)),
                lines[k].text,
                reason,
            )
            for k, reason in sorted(failed.items())
        ),
        usage=sum((state.usage for state in states), Usage(cost=0.0)),
        warnings=tuple(
            dict.fromkeys(
                warning
                for job, state in zip(jobs, states, strict=True)
                for warning in (*_unsupported(job), *state.unchecked_warnings())
            )
        ),
    )


def _joined(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(filter(None, names)))


def _length(lines: Sequence[Sentence], indexes: Iterable[int]) -> int:
    """Milliseconds of some sentences."""
    return sum(round((lines[k].end - lines[k].start) * 1000) for k in indexes)


def _unsupported(job: TranslationJob) -> Iterator[str]:
    """Warnings about options that the engine does not support."""
    given = {"glossary": job.glossary, "tone": job.tone, "context": job.context}
    for option, value in given.items():
        if value and not job.follows(option):
            yield f"{job.name} ignores --{option}; a language model follows it"


# ---------------------------------------------------------------- lanes and requests


@dataclass
class _State:
    """A translation in progress, shared by its lanes."""

    job: TranslationJob
    plan: Plan
    journal_path: Path
    progress: Progress
    texts: dict[int, str]
    """All translations so far, those by other jobs, too."""
    total: int = 0
    """Milliseconds of text to translate, and of what an earlier run has translated."""
    worked: bool = False
    """Whether a line was translated."""
    failed: dict[int, str] = field(default_factory=dict)
    usage: Usage = field(default_factory=lambda: Usage(cost=0.0))
    model: str = ""
    failures_in_a_row: int = 0
    """Consecutive lines that have failed."""
    unreachable: int = 0
    """Consecutive requests that have failed."""
    hopeless: str = ""
    """Why nothing more is requested; empty while requests go on."""
    unchecked: dict[str, list[int]] = field(default_factory=dict)
    """Numbers of the cues in which a check could not be made, by what went wrong."""
    settled: int = 0
    """Milliseconds of text that is translated or has failed."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def run(self) -> None:
        """Translate what is left to do."""
        lines = self.plan.sentences
        for k in self.plan.overlong:
            self.failed[k] = (
                f"it has {len(lines[k].text):,} characters, and at most {LONGEST_LINE:,} are a "
                "line: divide it into several cues"
            )
        self.worked = bool(self.plan.known)
        if self.plan.todo:
            self.report()  # before any work: what an earlier run did is no speed of this one's
            _run_lanes(self, _lanes(self.plan.todo, self.job))

    def request(
        self, batch: Sequence[int], wrong: Mapping[int, tuple[str, str]], summary: str
    ) -> TranslationRequest:
        """The request for some sentences; ``wrong`` has fault and text of an earlier attempt."""
        job, lines = self.job, self.plan.sentences
        first, last = batch[0], batch[-1]
        context = job.follows("context")
        before = range(max(0, first - BEFORE), first) if context else ()
        after = range(last + 1, min(len(lines), last + 1 + AFTER)) if context else ()
        return TranslationRequest(
            source=self.plan.source,
            target=job.target,
            lines=tuple(self._line(k, *wrong.get(k, ("", ""))) for k in batch),
            before=tuple(map(self._neighbor, before)),
            after=tuple(
                Neighbor(self._text(k)[:LONGEST_NEIGHBOR], "", lines[k].speaker) for k in after
            ),
            summary=summary[:LONGEST_SUMMARY] if context else "",
            glossary=_entries_of(job, self.plan.terms, batch),
            tone=job.tone if job.follows("tone") else "",
            context=job.context if context else "",
            purpose=job.purpose,
            audio=job.audio,
        )

    def _text(self, k: int) -> str:
        text = self.plan.sentences[k].text
        # Colors are put back where they were: what they stand for changes no translation.
        return LOOK_MARK.sub("", text) if self.job.follows("markup") else without_marks(text)

    def _neighbor(self, k: int) -> Neighbor:
        known = self.texts.get(k, "")
        text, speaker = self._text(k), self.plan.sentences[k].speaker
        return Neighbor(text[:LONGEST_NEIGHBOR], known[:LONGEST_NEIGHBOR], speaker)

    def _line(self, k: int, fault: str, rejected: str) -> Line:
        sentence = self.plan.sentences[k]
        limits = self.job.limits
        cues = self.plan.track.cues
        spans = [
            (cues[piece.cue].end - cues[piece.cue].start) * piece.share for piece in sentence.pieces
        ]
        if self.job.purpose == "dub":
            fits = [span * SPEECH_PACE for span in spans]
        else:
            most = limits.line_width * limits.lines
            fits = [min(span * limits.reading_speed, most) for span in spans]
        room = max(1, round(sum(fits))) if self.job.follows("length") else None
        return Line(
            str(k + 1),
            self._text(k),
            sentence.start - self.job.audio_begins,
            sentence.end - self.job.audio_begins,
            sentence.speaker,
            room,
            fault[:LONGEST_NEIGHBOR] if self.job.follows("fault") else "",
            rejected[:LONGEST_NEIGHBOR] if self.job.follows("fault") else "",
        )

    def accept(self, texts: Mapping[int, str]) -> None:
        """Write good lines to the journal and report progress."""
        with self.lock:
            self.texts.update(texts)
            lines = self.plan.sentences
            records = [(self.plan.keys[k], lines[k].text, text) for k, text in texts.items()]
            journal.append(self.journal_path, records)
            if texts:
                self.failures_in_a_row, self.worked = 0, True
            self.settled += _length(lines, texts)
            self.report()

    def fail(self, k: int, reason: str) -> None:
        """Leave a line in the source language."""
        with self.lock:
            self.failed[k] = reason
            self.failures_in_a_row += 1
            self.settled += _length(self.plan.sentences, [k])
            if self.failures_in_a_row >= (GIVE_UP * 5 if self.worked else GIVE_UP):
                self.hopeless = self.hopeless or reason
            self.report()

    def report(self) -> None:
        """Report progress: the seconds of text that are translated or have failed."""
        self.progress(f"translate {self.job.target}", self.settled / 1000, self.total / 1000)

    def warn(self, lines: Iterable[int], text: str) -> None:
        """Note that a check of some lines could not be made."""
        pieces = (piece for k in lines for piece in self.plan.sentences[k].pieces)
        with self.lock:
            self.unchecked.setdefault(text, []).extend(piece.cue + 1 for piece in pieces)

    def unchecked_warnings(self) -> Iterator[str]:
        """What the user should know about lines that could not be checked."""
        for text, cues in self.unchecked.items():
            numbers = list(dict.fromkeys(sorted(cues)))
            more = ", ..." if len(numbers) > SHOWN else ""
            listed = ", ".join(map(str, numbers[:SHOWN]))
            yield f"{self.job.target}: cue {listed}{more}: {text}; the translation is kept"


def _lanes(todo: Sequence[int], job: TranslationJob) -> list[Sequence[int]]:
    """The lines to translate, in as many runs as are translated in parallel, each in order."""
    requests = -(-len(todo) // max(1, job.engine.batch))
    count = max(1, min(job.engine.parallel, requests // LANE))
    edges = [len(todo) * i // count for i in range(count + 1)]
    return [todo[a:b] for a, b in itertools.pairwise(edges) if b > a]


def _batches(state: _State, lane: Sequence[int]) -> Iterator[list[int]]:
    """The lines of a lane by request; lines far apart in the text do not share one."""
    batch: list[int] = []
    size = 0
    for k in lane:
        full = len(batch) >= max(1, state.job.engine.batch) or size >= LONGEST_BATCH
        if batch and (full or k - batch[-1] > BEFORE):
            yield batch
            batch, size = [], 0
        batch.append(k)
        size += len(state.plan.sentences[k].text)
    if batch:
        yield batch


def _run_lanes(state: _State, lanes: Sequence[Sequence[int]]) -> None:
    state.report()
    pool = ThreadPoolExecutor(len(lanes), thread_name_prefix="translate")
    try:
        futures = [pool.submit(_run_lane, state, lane) for lane in lanes]
        for future in wait(futures, return_when=FIRST_EXCEPTION).done:
            future.result()
    except BaseException as stop:
        state.hopeless = "stopped"
        # Ctrl-C does not wait for requests under way; an error does, so that nothing is written to
        # a workspace that is already closed.
        pool.shutdown(wait=isinstance(stop, Exception), cancel_futures=True)
        raise
    pool.shutdown()


def _run_lane(state: _State, lane: Sequence[int]) -> None:
    summary = ""
    for batch in _batches(state, lane):
        summary = _translate_batch(state, batch, summary)


def _translate_batch(state: _State, batch: Sequence[int], summary: str) -> str:
    """Translate some lines, with retries and in halves if need be; returns the summary so far."""
    again = {k: state.plan.again[k] for k in batch if k in state.plan.again}
    wrong, after = _request(state, batch, again, summary)
    # If no line at all was answered well, they are requested in halves instead of once more.
    if wrong and state.job.follows("fault") and (len(wrong) < len(batch) or len(batch) == 1):
        wrong, _ = _request(state, sorted(wrong), wrong, summary)
    left = sorted(wrong)
    if len(batch) == 1:
        for k in left:
            state.fail(k, wrong[k][0])
    elif left:
        middle = (len(left) + 1) // 2
        for half in (left[:middle], left[middle:]):
            if half:
                _translate_batch(state, half, summary)
    return after


def _request(
    state: _State, batch: Sequence[int], wrong: Mapping[int, tuple[str, str]], summary: str
) -> tuple[dict[int, tuple[str, str]], str]:
    """Make one request; returns the fault and text of each rejected line, and the summary."""
    if state.hopeless:
        for k in batch:
            state.fail(k, f"not requested, since others failed: {state.hopeless}")
        return {}, summary
    request = state.request(batch, wrong, summary)
    try:
        reply = ask_engine(state.job.engine, state.job.name, request)
    except PluginError as failure:
        with state.lock:
            state.unreachable += 1
            if state.unreachable >= UNREACHABLE:
                state.hopeless = failure.message
        for k in batch:
            state.fail(k, failure.message)
        return {}, summary
    with state.lock:
        state.unreachable = 0
        state.usage += reply.usage
        state.model = reply.model or state.model
    indexes = {line.id: k for k, line in zip(batch, request.lines, strict=True)}

    def warn(ids: Iterable[str], text: str) -> None:
        state.warn([indexes[id] for id in ids], text)

    texts, faults = checks.review(request, reply.texts, state.job.engine.follows, warn)
    state.accept({k: texts[id] for id, k in indexes.items() if id not in faults})
    rejected = {}
    for id, fault in faults.items():
        reason = reply.fault if reply.fault and id not in texts else fault
        rejected[indexes[id]] = (reason, texts.get(id, ""))
        log.debug("%s, line %s: %s", state.job.target, id, reason)
    return rejected, reply.summary or summary
