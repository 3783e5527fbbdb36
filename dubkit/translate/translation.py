"""A track in one language to the same track in another, line by line, and no line lost.

The text is cut into sentences, these into requests. Requests run in lanes, several at once; within
a lane each request sees what the one before it made. Every reply is checked; what is wrong is asked
for again with the fault named, then in halves down to single lines. What still fails keeps its
source text and is told. Each good line is written to a journal at once, under a key of all that
matters to it, so nothing is asked for twice and an edit asks for its neighbourhood only.
"""

from __future__ import annotations

import itertools
import json
import logging
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from dubkit import engines
from dubkit.cues.profiles import Limits
from dubkit.cues.sentences import Sentence, divide, restore_marks, sentences
from dubkit.cues.text import without_marks
from dubkit.errors import OutputError, PluginError
from dubkit.hooks import (
    Line,
    Metered,
    Neighbour,
    Progress,
    TranslationReply,
    TranslationRequest,
    Translator,
)
from dubkit.types import Track, Translation, UntranslatedLine, Usage
from dubkit.workspace import key_of

from . import checks
from . import glossary as glossaries

log = logging.getLogger("dubkit")

BEFORE, AFTER = 6, 3
"""Lines of context that a request carries."""
NEAR = 2
"""Lines to either side that a line's key depends on. What stands further off colours it little,
and a key that held the translations before it would let one edit run to the end of the text."""
LANE = 3
"""Least requests in a lane: a short text is rather translated in order than at once."""
GIVE_UP = 10
"""Lines failed in a row, none before them done, after which the rest is not asked for (five times
as many where some were done: a server may refuse a whole scene), ..."""
UNREACHABLE = 2
"""... and requests in a row that did not get through, each of them after its own patience."""


SPOKEN_PACE = 15.0
"""Columns a second of unhurried speech."""


@dataclass(frozen=True, slots=True)
class TranslationJob:
    """A translation to be made: into what, by whom, and how."""

    target: str
    engine: Translator
    name: str
    """The engine's, for people."""
    identity: Mapping[str, object]
    """Of the engine, see :func:`dubkit.engines.identity`."""
    limits: Limits
    """The profile's in the target language."""
    glossary: glossaries.Glossary = ()
    tone: str = ""
    context: str = ""
    purpose: Literal["subtitles", "dub"] = "subtitles"
    audio: Path | None = None

    def asks(self, wish: str) -> bool:
        """Whether the engine can honour a wish."""
        return wish in self.engine.follows


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is to do: the sentences of a text, and which of them are known already."""

    track: Track
    sentences: tuple[Sentence, ...]
    keys: Mapping[int, str]
    """By index of each sentence that has words."""
    known: Mapping[int, str]
    """Translations in the journal."""

    @property
    def todo(self) -> list[int]:
        """Sentences to be asked for, in order."""
        return [k for k in self.keys if k not in self.known]


def plan(job: TranslationJob, track: Track, journal: Path) -> Plan:
    """Look up what of ``track`` has been translated, in the same way, before."""
    found = tuple(sentences(track))
    keys = {k: _key(job, track, found, k) for k, one in enumerate(found) if one.has_words}
    entries = read_journal(journal)
    return Plan(track, found, keys, {k: entries[key] for k, key in keys.items() if key in entries})


def _key(job: TranslationJob, track: Track, found: Sequence[Sentence], k: int) -> str:
    near = range(max(0, k - NEAR), min(len(found), k + NEAR + 1))
    texts = [found[i].text for i in near] if job.asks("context") else [found[k].text]
    return key_of(
        engine=job.identity,
        languages=[track.language, job.target],
        texts=texts,
        place=k - near[0],
        speaker=found[k].speaker,
        span=[found[k].start, found[k].end] if job.engine.needs_audio else None,
        purpose=job.purpose,
        tone=job.tone if job.asks("tone") else "",
        context=job.context if job.asks("context") else "",
        glossary=entries(job, texts),
    )


def entries(job: TranslationJob, texts: Sequence[str]) -> glossaries.Glossary:
    return glossaries.entries_in("\n".join(texts), job.glossary) if job.asks("glossary") else ()


def estimate(job: TranslationJob, track: Track, journal: Path) -> tuple[Plan, Usage]:
    """What translating ``track`` will take if all goes well. Asks nobody."""
    planned = plan(job, track, journal)
    run = _State(job, planned, journal, lambda *_: None)
    usage = Usage(cost=0.0)
    for lane in _lanes(planned.todo, job):
        for batch in _batches(run, lane):
            request = run.request(batch, {}, "")
            if isinstance(job.engine, Metered):
                usage += job.engine.estimate(request)
            else:
                usage += Usage(1, cost=0.0)
    return planned, usage


def translate(job: TranslationJob, track: Track, journal: Path, progress: Progress) -> Translation:
    """Translate ``track``, with what ``journal`` has of it, and write down there what is new.

    The result has the same cues with the same times. ``progress`` gets seconds of what is shown.
    Raises UsageError and MissingDependency when the engine cannot work at all (what is done is in
    the journal), OutputError when the journal cannot be written; never for a line.
    """
    planned = plan(job, track, journal)
    run = _State(job, planned, journal, progress)
    if planned.todo:
        _run_lanes(run, _lanes(planned.todo, job))
    return Translation(
        track=_assembled(run),
        translator=job.name,
        model=run.model,
        lines=len(planned.keys),
        cached=len(planned.known),
        failed=tuple(
            UntranslatedLine(
                tuple(dict.fromkeys(piece.cue + 1 for piece in planned.sentences[k].pieces)),
                planned.sentences[k].text,
                reason,
            )
            for k, reason in sorted(run.failed.items())
        ),
        usage=run.usage,
        warnings=tuple(_ignored(job)),
    )


def _ignored(job: TranslationJob) -> Iterator[str]:
    """Wishes that the engine does not honour."""
    given = {"glossary": job.glossary, "tone": job.tone, "context": job.context}
    for wish, value in given.items():
        if value and not job.asks(wish):
            yield f"{job.name} takes no notice of --{wish}; a language model does"


# ---------------------------------------------------------------- lanes and requests


@dataclass
class _State:
    """One translation at work, shared by its lanes."""

    job: TranslationJob
    plan: Plan
    journal: Path
    progress: Progress
    done: dict[int, str] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)
    usage: Usage = field(default_factory=lambda: Usage(cost=0.0))
    model: str = ""
    in_a_row: int = 0
    """Lines that failed one after the other."""
    unreachable: int = 0
    hopeless: str = ""
    """Why nothing more is asked for; empty while there is hope."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def request(
        self, batch: Sequence[int], wrong: Mapping[int, tuple[str, str]], summary: str
    ) -> TranslationRequest:
        """The request for some sentences; ``wrong`` has fault and text of an earlier try."""
        job, found = self.job, self.plan.sentences
        first, last = batch[0], batch[-1]
        context = job.asks("context")
        return TranslationRequest(
            source=self.plan.track.language,
            target=job.target,
            lines=tuple(self._line(k, *wrong.get(k, ("", ""))) for k in batch),
            before=tuple(map(self._neighbour, range(max(0, first - BEFORE), first)))
            if context
            else (),
            after=tuple(
                Neighbour(self._text(k), "", found[k].speaker)
                for k in range(last + 1, min(len(found), last + 1 + AFTER))
            )
            if context
            else (),
            summary=summary if context else "",
            glossary=entries(job, [found[k].text for k in batch]),
            tone=job.tone if job.asks("tone") else "",
            context=job.context if context else "",
            purpose=job.purpose,
            audio=job.audio,
        )

    def _text(self, k: int) -> str:
        text = self.plan.sentences[k].text
        return text if self.job.asks("markup") else without_marks(text)

    def _neighbour(self, k: int) -> Neighbour:
        known = self.done.get(k) or self.plan.known.get(k, "")
        return Neighbour(self._text(k), known, self.plan.sentences[k].speaker)

    def _line(self, k: int, fault: str, rejected: str) -> Line:
        sentence = self.plan.sentences[k]
        limits = self.job.limits
        spans = [self.plan.track.cues[piece.cue] for piece in sentence.pieces]
        if self.job.purpose == "dub":
            fits = [(cue.end - cue.start) * SPOKEN_PACE for cue in spans]
        else:
            most = limits.line_width * limits.lines
            fits = [min((cue.end - cue.start) * limits.reading_speed, most) for cue in spans]
        room = max(1, round(sum(fits))) if self.job.asks("length") else None
        return Line(
            str(k + 1),
            self._text(k),
            sentence.start,
            sentence.end,
            sentence.speaker,
            room,
            fault if self.job.asks("fault") else "",
            rejected if self.job.asks("fault") else "",
        )

    def keep(self, texts: Mapping[int, str]) -> None:
        """Write good lines down, and tell how far it is."""
        with self.lock:
            self.done.update(texts)
            sentences = self.plan.sentences
            records = [(self.plan.keys[k], sentences[k].text, text) for k, text in texts.items()]
            append_journal(self.journal, records)
            if texts:
                self.in_a_row = 0
            self.tell()

    def fail(self, k: int, reason: str) -> None:
        """Leave a line in its own language."""
        with self.lock:
            self.failed[k] = reason
            self.in_a_row += 1
            some = self.done or self.plan.known
            if self.in_a_row >= (GIVE_UP * 5 if some else GIVE_UP):
                self.hopeless = self.hopeless or reason
            self.tell()

    def tell(self) -> None:
        """Report the seconds of text that are settled."""
        spans = {
            k: self.plan.sentences[k].end - self.plan.sentences[k].start for k in self.plan.todo
        }
        settled = sum(span for k, span in spans.items() if k in self.done or k in self.failed)
        self.progress(f"translate {self.job.target}", settled, sum(spans.values()))


def _lanes(todo: Sequence[int], job: TranslationJob) -> list[Sequence[int]]:
    """The lines to do in as many rows as are translated at once, each in order."""
    requests = -(-len(todo) // max(1, job.engine.batch))
    count = max(1, min(job.engine.parallel, requests // LANE))
    edges = [len(todo) * i // count for i in range(count + 1)]
    return [todo[a:b] for a, b in itertools.pairwise(edges) if b > a]


def _batches(run: _State, lane: Sequence[int]) -> Iterator[list[int]]:
    """The lines of a lane by requests; what stands far apart in the text is not asked together."""
    batch: list[int] = []
    for k in lane:
        if batch and (len(batch) >= max(1, run.job.engine.batch) or k - batch[-1] > BEFORE):
            yield batch
            batch = []
        batch.append(k)
    if batch:
        yield batch


def _run_lanes(run: _State, lanes: Sequence[Sequence[int]]) -> None:
    run.tell()
    pool = ThreadPoolExecutor(len(lanes), thread_name_prefix="translate")
    try:
        futures = [pool.submit(_run_lane, run, lane) for lane in lanes]
        for future in wait(futures, return_when=FIRST_EXCEPTION).done:
            future.result()
    except BaseException as stop:
        run.hopeless = "stopped"
        # Whoever pressed Ctrl-C does not wait for what is under way; an error does, so that
        # nothing is written to a workspace that is closed.
        pool.shutdown(wait=isinstance(stop, Exception), cancel_futures=True)
        raise
    pool.shutdown()


def _run_lane(run: _State, lane: Sequence[int]) -> None:
    summary = ""
    for batch in _batches(run, lane):
        summary = _solve(run, batch, summary)


def _solve(run: _State, batch: Sequence[int], summary: str) -> str:
    """Translate some lines by all means that there are; returns the summary so far."""
    wrong, after = _ask(run, batch, {}, summary)
    # What got no answer at all is rather asked for in halves than once more.
    if wrong and run.job.asks("fault") and (len(wrong) < len(batch) or len(batch) == 1):
        wrong, _ = _ask(run, sorted(wrong), wrong, summary)
    left = sorted(wrong)
    if len(batch) == 1:
        for k in left:
            run.fail(k, wrong[k][0])
    elif left:
        middle = (len(left) + 1) // 2
        for half in (left[:middle], left[middle:]):
            if half:
                _solve(run, half, summary)
    return after


def _ask(
    run: _State, batch: Sequence[int], wrong: Mapping[int, tuple[str, str]], summary: str
) -> tuple[dict[int, tuple[str, str]], str]:
    """Make one request; returns fault and text of each line that is not good, and the summary."""
    if run.hopeless:
        for k in batch:
            run.fail(k, f"not asked for, since others failed: {run.hopeless}")
        return {}, summary
    request = run.request(batch, wrong, summary)
    try:
        reply = answered(run.job, request)
    except PluginError as failure:
        with run.lock:
            run.unreachable += 1
            if run.unreachable >= UNREACHABLE:
                run.hopeless = failure.message
        for k in batch:
            run.fail(k, failure.message)
        return {}, summary
    with run.lock:
        run.unreachable = 0
        run.usage += reply.usage
        run.model = reply.model or run.model
    asked = {line.id: line for line in request.lines}
    texts = {id: checks.tidied(asked[id], text) for id, text in reply.texts.items() if id in asked}
    found = checks.faults(request, texts, run.job.engine.follows)
    numbers = {line.id: k for k, line in zip(batch, request.lines, strict=True)}
    run.keep({k: texts[id] for id, k in numbers.items() if id not in found})
    left = {}
    for id, fault in found.items():
        reason = reply.fault if reply.fault and id not in texts else fault
        left[numbers[id]] = (reason, texts.get(id, ""))
        log.debug("%s, line %s: %s", run.job.target, id, reason)
    return left, reply.summary or summary


def answered(job: TranslationJob, request: TranslationRequest) -> TranslationReply:
    """The engine's answer, of the right shape whatever the engine is."""
    with engines.guarded(f"translator {job.name} failed", "-v shows where"):
        reply = job.engine.translate(request)
        if not isinstance(reply, TranslationReply):
            raise TypeError(f"it returned {type(reply).__name__}, not a TranslationReply")
        texts = {str(id): text for id, text in reply.texts.items() if isinstance(text, str)}
        return replace(
            reply,
            texts={id: _printable(text) for id, text in texts.items()},
            summary=_printable(str(reply.summary)),
            fault=str(reply.fault),
            model=str(reply.model),
            usage=reply.usage + Usage(),
        )


def _printable(text: str) -> str:
    """The text on one line, less what no file could hold: half characters, control characters."""
    flat = " ".join(text.split())
    return "".join(char for char in flat if unicodedata.category(char) not in ("Cc", "Cs", "Cn"))


# ---------------------------------------------------------------- results


def _assembled(run: _State) -> Track:
    """The cues with their translations, on one line each; text without one stays as it is."""
    track, job = run.plan.track, run.job
    parts: dict[int, list[str]] = {}
    for k, sentence in enumerate(run.plan.sentences):
        text = run.done.get(k) or run.plan.known.get(k)
        if text is None:
            shown = [f"{piece.lead}{piece.text}{piece.tail}" for piece in sentence.pieces]
        else:
            if not job.asks("markup"):
                text = restore_marks(sentence.text, text)
            shown = divide(sentence, text, track, job.target, job.limits)
        for piece, part in zip(sentence.pieces, shown, strict=True):
            parts.setdefault(piece.cue, []).append(part)
    cues = (
        replace(cue, text="\n".join(parts.get(k, [cue.text])), words=())
        for k, cue in enumerate(track.cues)
    )
    return Track(job.target, tuple(cues))


def read_journal(journal: Path) -> dict[str, str]:
    """Translations by key; a line that a kill cut off, or somebody damaged, is passed over."""
    entries: dict[str, str] = {}
    try:
        content = journal.read_bytes()
    except OSError:
        return entries
    if content and not content.endswith(b"\n"):
        # Or the next line would run into the one that was cut off.
        journal.write_bytes(content[: content.rfind(b"\n") + 1])
    for line in content.decode("utf-8", "replace").splitlines():
        try:
            record = json.loads(line)
            if isinstance(record["translation"], str) and record["translation"].strip():
                entries[str(record["key"])] = record["translation"]
        except (ValueError, KeyError, TypeError):
            continue
    return entries


def append_journal(journal: Path, records: Iterable[tuple[str, str, str]]) -> None:
    """Write down key, text and translation of lines. Raises OutputError."""
    try:
        with journal.open("a", encoding="utf-8") as file:
            for key, text, translated in records:
                record = {"key": key, "text": text, "translation": translated}
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
    except OSError as failure:
        raise OutputError(
            f"{journal} cannot be written: {failure.strerror}",
            "free some space, or choose another folder",
        ) from failure
