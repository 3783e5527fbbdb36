"""Ask a translator for shorter texts, for lines of a dub that are too long even when sped up."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dubkit.cues.text import width
from dubkit.errors import DubkitError
from dubkit.hooks import Line, TranslationRequest
from dubkit.translate import checks, journal, translation
from dubkit.translate.replies import ask_engine
from dubkit.types import Usage
from dubkit.workspace import key_of

log = logging.getLogger("dubkit")


@dataclass(frozen=True, slots=True)
class OverlongLine:
    """A line that does not fit into its time."""

    number: int
    source: str
    text: str
    start: float
    end: float
    seconds: float
    """How long it takes to speak ..."""
    room: float
    """... and how long it may take."""
    speaker: str | None = None
    language: str = ""
    """Of ``source``."""


@dataclass
class Shortener:
    """Asks translators for shorter texts; their replies are kept in a journal."""

    jobs: Mapping[str, translation.TranslationJob]
    """By language of the original; its lines in others stay as they are."""
    journal: Path
    usage: Usage = field(default_factory=lambda: Usage(cost=0.0))

    def __call__(self, lines: Sequence[OverlongLine]) -> Mapping[int, str]:
        """Shorter texts by line number; a line for which there is none is left out."""
        known = journal.read(self.journal)
        lines = [line for line in lines if line.language in self.jobs]
        keys = {line.number: self._key(line) for line in lines}
        texts = {line.number: known[key] for line in lines if (key := keys[line.number]) in known}
        for language, job in self.jobs.items():
            todo = [one for one in lines if one.language == language and one.number not in texts]
            size = max(1, job.engine.batch)
            for at in range(0, len(todo), size):
                batch = todo[at : at + size]
                try:
                    new = self._ask(job, batch)
                except DubkitError as failure:
                    log.debug("no shorter texts: %s", failure.message)
                    break
                records = [(keys[one.number], one.source, new.get(one.number, "")) for one in batch]
                journal.append(self.journal, [one for one in records if one[2]])
                texts |= new
        return texts

    def _key(self, line: OverlongLine) -> str:
        job = self.jobs[line.language]
        return key_of(
            engine=job.identity,
            languages=[line.language, job.target],
            shorter=line.text,
            of=line.source,
            most=_max_characters(line),
        )

    def _ask(
        self, job: translation.TranslationJob, lines: Sequence[OverlongLine]
    ) -> dict[int, str]:
        request = TranslationRequest(
            source=job.source,
            target=job.target,
            lines=tuple(
                Line(
                    str(line.number), line.source, line.start, line.end, line.speaker,
                    _max_characters(line),
                    fault=f"it takes {line.seconds:.1f} s to say and there are {line.room:.1f} s: "
                    f"say the same shorter, in at most {_max_characters(line)} characters",
                    rejected=line.text,
                )
                for line in lines
            ),
            tone=job.tone if job.follows("tone") else "",
            context=job.context if job.follows("context") else "",
            glossary=translation.entries(job, [line.source for line in lines]),
            purpose="dub",
        )  # fmt: skip
        reply = ask_engine(job.engine, job.name, request)
        self.usage += reply.usage
        texts, wrong = checks.review(request, reply.texts, job.engine.follows, _warn)
        return {
            line.number: text
            for line in lines
            if (text := texts.get(str(line.number), ""))
            and str(line.number) not in wrong
            and width(text) < width(line.text)
        }


def _warn(ids: Sequence[str], text: str) -> None:
    log.warning("shorter texts of lines %s: %s", ", ".join(ids), text)


def _max_characters(line: OverlongLine) -> int:
    """Characters that fit into the time, at the pace at which the line was spoken."""
    return max(1, int(width(line.text) * line.room / line.seconds))
