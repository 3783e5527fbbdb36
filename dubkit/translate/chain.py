"""Two translators in a row as one, by way of a language that both have.

Only the final text is checked, like any engine's. A line that the first engine does not translate
is left out, with its reason, so that it is requested again and reported as any other.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from dubkit import languages
from dubkit.hooks import VERSION, Metered, TranslationReply, TranslationRequest, Translator
from dubkit.types import Usage

from .replies import ask_engine

PASSED_ON = frozenset(("tone", "context", "length", "fault"))
"""What the second engine can follow without the source text: a glossary's terms are in that."""


@dataclass(frozen=True)
class Chain(Translator):
    """Both engines; see :func:`chain`, which builds it."""

    first: Translator
    second: Translator
    names: tuple[str, str]
    pivot: str
    """The language between them."""
    follows: Collection[str]
    batch: int
    parallel: int
    needs_audio: bool

    contract = VERSION

    def supports(self, source: str | None, target: str) -> bool:
        """Whether each has its half."""
        return self.first.supports(source, self.pivot) and self.second.supports(self.pivot, target)

    def translate(self, request: TranslationRequest) -> TranslationReply:
        """See :class:`dubkit.hooks.Translator`."""
        name = self.names[0]
        half = ask_engine(self.first, name, self._first_request(request))
        known = {id: text for id, text in half.texts.items() if text}
        fault = ""
        if len(known) < len(request.lines):
            reason = half.fault or f"it has no {languages.name(self.pivot)} for it"
            fault = f"{name}: {reason}"
        if not known:
            return replace(half, texts={}, summary="", fault=fault)
        reply = ask_engine(self.second, self.names[1], self._second_request(request, known))
        return replace(
            reply,
            fault="; ".join(filter(None, (fault, reply.fault))),
            usage=half.usage + reply.usage,
            model=", then ".join(filter(None, (half.model, reply.model))),
        )

    def estimate(self, request: TranslationRequest) -> Usage:
        """Both requests, the second as if the first left the text as long as it is."""
        known = {line.id: line.text for line in request.lines}
        usage = Usage(cost=0.0)
        for engine, part in (
            (self.first, self._first_request(request)),
            (self.second, self._second_request(request, known)),
        ):
            usage += engine.estimate(part) if isinstance(engine, Metered) else Usage(1, cost=0.0)
        return usage

    def _first_request(self, request: TranslationRequest) -> TranslationRequest:
        lines = (replace(one, max_chars=None, fault="", rejected="") for one in request.lines)
        return replace(
            request,
            target=self.pivot,
            lines=tuple(lines),
            before=(),
            after=(),
            summary="",
            glossary=(),
            tone="",
            context=request.context if "context" in self.first.follows else "",
            audio=request.audio if self.first.needs_audio else None,
        )

    def _second_request(
        self, request: TranslationRequest, known: dict[str, str]
    ) -> TranslationRequest:
        lines = (replace(one, text=known[one.id]) for one in request.lines if one.id in known)
        return replace(
            request, source=self.pivot, lines=tuple(lines), before=(), after=(), audio=None
        )


def chain(first: Translator, second: Translator, names: tuple[str, str], pivot: str) -> Chain:
    """One translator of two: what ``first`` makes of a text in ``pivot``, ``second`` translates on.

    ``names`` are theirs, for people to read.
    """
    follows = PASSED_ON & set(second.follows)
    if "markup" in first.follows and "markup" in second.follows:
        follows |= {"markup"}
    if first.needs_audio:  # a line of a dub is reworded from its text, without its sound
        follows -= {"length"}
    return Chain(
        first,
        second,
        names,
        pivot,
        follows,
        min(first.batch, second.batch),
        min(first.parallel, second.parallel),
        first.needs_audio,
    )
