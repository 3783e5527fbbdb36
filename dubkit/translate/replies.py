"""The reply of an engine to a request, in the right shape whatever it returned."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

from dubkit.engines import guarded
from dubkit.hooks import TranslationReply, TranslationRequest, Translator
from dubkit.types import Usage

from . import checks

LONGEST_FAULT = 500
"""Characters of an engine's words about what went wrong."""


def ask_engine(engine: Translator, name: str, request: TranslationRequest) -> TranslationReply:
    """The engine's reply, with texts for lines of the request alone; ``name`` is the engine's.

    Raises PluginError when the engine fails.
    """
    with guarded(f"translator {name} failed", "--debug shows where"):
        reply = engine.translate(request)
        if not isinstance(reply, TranslationReply):
            raise TypeError(f"it returned {type(reply).__name__}, not a TranslationReply")
        asked = {line.id for line in request.lines}
        texts = {str(id): text for id, text in reply.texts.items() if isinstance(text, str)}
        return replace(
            reply,
            texts={id: _printable(text) for id, text in texts.items() if id in asked},
            summary=_printable(str(reply.summary)),
            fault=str(reply.fault)[:LONGEST_FAULT],
            model=str(reply.model),
            usage=reply.usage + Usage(),
        )


def _printable(text: str) -> str:
    """The text on one line, without what no file can hold: lone surrogates, control characters.

    One that is too long to be a line's is cut, as it will be rejected.
    """
    flat = " ".join(text[: 2 * checks.LONGEST_TEXT].split())
    return "".join(char for char in flat if unicodedata.category(char) not in ("Cc", "Cs", "Cn"))
