"""Which models a request may name, and the options that stand for each.

``whisper-1`` and ``tts-1`` are the defaults, so that programs made for OpenAI need no change. There
are also the models that are on this machine, and those that the server's owner allows.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from dubkit.web import targets
from dubkit.web.catalog import best_first

from .calls import Api, in_thread
from .errors import Refusal

WHISPER, TTS = "whisper-1", "tts-1"


async def transcription_options(
    api: Api, *, model: str = "", language: str = "", prompt: str = "", target: str = ""
) -> dict[str, Any]:
    """The options for a request about speech, whose result :func:`.calls.read_result` reads: the
    text in the language spoken, or in the ``target`` one. Raises Refusal."""
    found: dict[str, Any] = {"video": False, "formats": "json"}
    found |= {"to": target} if target else {"subs": True}
    found = api.with_defaults(found) | await transcriber_options(api, model)
    if language:
        found["language"] = understood(language)
    if prompt:
        found["prompt"] = prompt
    await check_languages(api, found)
    return found


def understood(language: str, param: str = "language") -> str:
    """The tag of a language that is given by its tag or its name. Raises Refusal."""
    tag = targets.find(language)
    if not tag:
        raise Refusal(400, f"{param}: {language[:80]!r} is not a language: en, pt, ...", param)
    return tag


async def check_languages(api: Api, requested: Mapping[str, Any], *, is_text: bool = False) -> None:
    """Raise Refusal if nothing here can do what is requested in its languages; ``is_text`` if
    nothing has to be recognized."""
    kinds = {"language": "transcribers", "to": "translators", "dub": "synthesizers"}
    engines: Mapping[str, Any] = {}
    for kind in (kind for field, kind in kinds.items() if requested.get(field)):
        engines = await in_thread(functools.partial(api.server.engines, kind=kind))
    try:
        targets.refuse_languages(requested, engines, is_text=is_text)
    except targets.Unavailable as failure:
        raise Refusal(400, f"{failure.field}: {failure.message}", failure.field) from failure


async def transcriber_options(api: Api, name: str) -> dict[str, str]:
    """The options for a model that recognizes speech. Raises Refusal for another name."""
    default = {"model": api.models[0]} if api.models else {}
    if name in ("", WHISPER):
        return default
    if name in api.models:
        return {"model": name}
    return _one(name, {**await _known(api, "transcribers")})


async def synthesizer_options(api: Api, name: str) -> dict[str, str]:
    """The options for a model that speaks. Raises Refusal for another name."""
    return {} if name in ("", TTS) else _one(name, await _known(api, "synthesizers"))


async def names(api: Api) -> list[str]:
    """All that a request may name."""
    transcribers = await _known(api, "transcribers")
    synthesizers = await _known(api, "synthesizers")
    return list(dict.fromkeys([WHISPER, *api.models, *transcribers, TTS, *synthesizers]))


def missing(name: str) -> Refusal:
    """The refusal of a model that is not here."""
    shown = "".join(char for char in name[:80] if char.isprintable())
    return Refusal(
        404,
        f"the model {shown!r} is not installed here: GET /v1/models lists those that are",
        "model",
        "model_not_found",
    )


def _one(name: str, known: Mapping[str, dict[str, str]]) -> dict[str, str]:
    if name not in known:
        raise missing(name)
    return known[name]


async def _known(api: Api, kind: str) -> dict[str, dict[str, str]]:
    """The options for each installed model of a kind of engines; the best engine's come first."""
    catalog = await in_thread(functools.partial(api.server.engines, kind=kind))
    if kind not in catalog:
        message = "the engines of this server are not known yet: send it again"
        raise Refusal(503, message, headers={"Retry-After": "10"})
    engines = catalog[kind]
    found: dict[str, dict[str, str]] = {}
    for name in best_first(engines):
        facts = engines[name]
        if facts.get("problem") or facts.get("open_ended", True):
            continue
        if kind == "synthesizers":
            found[name] = {"tts": name}
        for model in facts.get("models", ()) if kind == "transcribers" else ():
            found.setdefault(model, {"transcriber": name, "model": model})
    return found
