"""Ask a translator to say the same in less time, for lines of a dub that are too long even fast."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dubkit.cues.text import width
from dubkit.errors import DubkitError
from dubkit.hooks import Line, TranslationRequest
from dubkit.translate import checks, translation
from dubkit.types import Usage
from dubkit.workspace import key_of

log = logging.getLogger("dubkit")


@dataclass(frozen=True, slots=True)
class TooLong:
    """A line that does not fit into its time."""

    number: int
    source: str
    text: str
    start: float
    end: float
    seconds: float
    """It takes to say ..."""
    room: float
    """... and there is."""
    speaker: str | None = None


@dataclass
class Shortener:
    """A translator that can be asked for other words; what it said is kept in its journal."""

    job: translation.TranslationJob
    source: str
    """Language of the original."""
    journal: Path
    usage: Usage = field(default_factory=lambda: Usage(cost=0.0))

    def __call__(self, lines: Sequence[TooLong]) -> Mapping[int, str]:
        """Shorter texts by line number; a line for which there is none is left out."""
        known = translation.read_journal(self.journal)
        keys = {line.number: self._key(line) for line in lines}
        found = {line.number: known[key] for line in lines if (key := keys[line.number]) in known}
        todo = [line for line in lines if line.number not in found]
        size = max(1, self.job.engine.batch)
        for at in range(0, len(todo), size):
            batch = todo[at : at + size]
            try:
                texts = self._ask(batch)
            except DubkitError as failure:
                log.debug("no shorter words: %s", failure.message)
                break
            records = [(keys[one.number], one.source, texts.get(one.number, "")) for one in batch]
            translation.append_journal(self.journal, [one for one in records if one[2]])
            found |= texts
        return found

    def _key(self, line: TooLong) -> str:
        return key_of(
            engine=self.job.identity,
            languages=[self.source, self.job.target],
            shorter=line.text,
            of=line.source,
            most=_most(line),
        )

    def _ask(self, lines: Sequence[TooLong]) -> dict[int, str]:
        request = TranslationRequest(
            source=self.source,
            target=self.job.target,
            lines=tuple(
                Line(
                    str(line.number), line.source, line.start, line.end, line.speaker, _most(line),
                    fault=f"it takes {line.seconds:.1f} s to say and there are {line.room:.1f} s: "
                    f"say the same shorter, in at most {_most(line)} characters",
                    rejected=line.text,
                )
                for line in lines
            ),
            tone=self.job.tone if self.job.asks("tone") else "",
            context=self.job.context if self.job.asks("context") else "",
            glossary=translation.entries(self.job, [line.source for line in lines]),
            purpose="dub",
        )  # fmt: skip
        reply = translation.answered(self.job, request)
        self.usage += reply.usage
        asked = {line.id: line for line in request.lines}
        texts = {
            id: checks.tidied(asked[id], text) for id, text in reply.texts.items() if id in asked
        }
        wrong = checks.faults(request, texts, self.job.engine.follows)
        return {
            line.number: text
            for line in lines
            if (text := texts.get(str(line.number), ""))
            and str(line.number) not in wrong
            and width(text) < width(line.text)
        }


def _most(line: TooLong) -> int:
    """Characters that there is time for, at the pace at which the line was spoken."""
    return max(1, int(width(line.text) * line.room / line.seconds))
