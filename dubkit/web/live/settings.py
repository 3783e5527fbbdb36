"""What a client of a stream may ask for: the sessions of OpenAI's realtime API for transcription.

Both ways of writing them are understood: ``session.update`` of today, and
``transcription_session.update`` from before. What says how sound is listened to there and has no
use here (``noise_reduction``, the ``threshold`` of turns) is accepted and shown back; any other
field is refused by its name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dubkit.errors import UsageError
from dubkit.speech.turns import Rules

from .sound import CODECS, Format

LONGEST = 20_000
"""Characters of a prompt."""
MOST = 100
"""Keywords, or languages."""
SHORT = LONGEST // MOST
"""Characters that each of them has fewer than."""
FORMATS_BEFORE = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
THRESHOLD = 0.5
"""What is shown for it."""
PADDING, PAUSE = (0, 3000), (200, 3000)
"""Milliseconds of ``prefix_padding_ms`` and ``silence_duration_ms``, from and to."""


class Unfit(UsageError):
    """What a client asks for cannot be; its session stays as it was."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message, "see the guide about live captions")
        self.param = param
        self.code = code


@dataclass(frozen=True, slots=True)
class Settings:
    """A session."""

    format: Format = field(default_factory=Format)
    model: str = ""
    """Empty for the default."""
    languages: tuple[str, ...] = ()
    """As the client writes them; none to find out."""
    prompt: str = ""
    keywords: tuple[str, ...] = ()
    rules: Rules | None = field(default_factory=Rules)
    """None if the client itself says where a turn ends."""
    threshold: float = THRESHOLD
    noise_reduction: Mapping[str, Any] | None = None


def updated(settings: Settings, session: object) -> Settings:
    """The settings after ``session.update``: what it leaves out stays. Raises Unfit."""
    found = _object(session, "session", ("type", "audio", "include"))
    if found.get("type", "transcription") != "transcription":
        raise Unfit("a session here is of the type transcription", "session.type")
    _no_extras(found.get("include"), "session.include")
    audio = _object(found.get("audio", {}), "session.audio", ("input",))
    name = "session.audio.input"
    known = ("format", "noise_reduction", "transcription", "turn_detection")
    given = _object(audio.get("input", {}), name, known)
    if given.get("format") is not None:
        settings = replace(settings, format=_format(given["format"], f"{name}.format"))
    return _with_rest(settings, given, name)


def updated_before(settings: Settings, session: object) -> Settings:
    """The settings after ``transcription_session.update``. Raises Unfit."""
    known = (
        "input_audio_format", "input_audio_transcription", "input_audio_noise_reduction",
        "turn_detection", "include", "modalities", "client_secret",
    )  # fmt: skip
    found = _object(session, "session", known)
    _no_extras(found.get("include"), "session.include")
    if found.get("input_audio_format") is not None:
        name = found["input_audio_format"]
        if not isinstance(name, str) or name not in FORMATS_BEFORE:
            names = ", ".join(FORMATS_BEFORE)
            raise Unfit(f"the format is one of {names}", "session.input_audio_format")
        settings = replace(settings, format=_format({"type": FORMATS_BEFORE[name]}, ""))
    short = {"input_audio_transcription": "transcription",
             "input_audio_noise_reduction": "noise_reduction"}  # fmt: skip
    given = {short.get(name, name): value for name, value in found.items()}
    return _with_rest(settings, given, "session")


def shown(settings: Settings, id: str, *, before: bool = False) -> dict[str, Any]:
    """A session as the client is shown it."""
    rules = settings.rules
    turns = rules and {
        "type": "server_vad",
        "threshold": settings.threshold,
        "prefix_padding_ms": round(rules.before * 1000),
        "silence_duration_ms": round(rules.pause * 1000),
    }
    transcription: dict[str, Any] = {"model": settings.model, "prompt": settings.prompt}
    transcription["language"] = settings.languages[0] if len(settings.languages) == 1 else None
    if len(settings.languages) > 1:
        transcription["languages"] = list(settings.languages)
    if settings.keywords:
        transcription["keywords"] = list(settings.keywords)
    if before:
        names = {new: old for old, new in FORMATS_BEFORE.items()}
        return {
            "id": id,
            "object": "realtime.transcription_session",
            "input_audio_format": names[settings.format.name],
            "input_audio_transcription": transcription,
            "input_audio_noise_reduction": settings.noise_reduction,
            "turn_detection": turns,
        }
    format: dict[str, Any] = {"type": settings.format.name}
    if settings.format.name == "audio/pcm":
        format["rate"] = settings.format.rate
    given = {
        "format": format,
        "noise_reduction": settings.noise_reduction,
        "transcription": transcription,
        "turn_detection": turns,
    }
    return {
        "id": id,
        "object": "realtime.transcription_session",
        "type": "transcription",
        "audio": {"input": given},
        "include": None,
    }


def _with_rest(settings: Settings, given: Mapping[str, Any], name: str) -> Settings:
    """The settings with what both ways of writing them have in common."""
    if "noise_reduction" in given:
        noise = _noise_reduction(given["noise_reduction"], f"{name}.noise_reduction")
        settings = replace(settings, noise_reduction=noise)
    if given.get("transcription") is not None:
        settings = _transcription(settings, given["transcription"], f"{name}.transcription")
    if "turn_detection" in given:
        settings = _turns(settings, given["turn_detection"], f"{name}.turn_detection")
    return settings


def _format(given: object, name: str) -> Format:
    found = _object(given, name, ("type", "rate"))
    kind = found.get("type")
    if not isinstance(kind, str) or kind not in CODECS:
        raise Unfit(f"the format is one of {', '.join(CODECS)}", f"{name}.type")
    _, usual, least, most = CODECS[kind]
    rate = _number(found, "rate", name, (least, most), usual)
    return Format(kind, int(rate))


def _noise_reduction(given: object, name: str) -> Mapping[str, Any] | None:
    if given is None:
        return None
    found = _object(given, name, ("type", "strength"))
    for one, value in found.items():
        if not isinstance(value, str | int | float | None) or len(str(value)) >= SHORT:
            raise Unfit(f"{one} is a short text or a number", f"{name}.{one}")
    return found


def _transcription(settings: Settings, given: object, name: str) -> Settings:
    known = ("model", "language", "languages", "prompt", "keywords")
    found = _object(given, name, known)
    for text in ("model", "language", "prompt"):
        value = found.get(text)
        if value is not None and not (isinstance(value, str) and len(value) <= LONGEST):
            raise Unfit(f"{text} is a text", f"{name}.{text}")
    languages = settings.languages
    if "language" in found:
        languages = (found["language"],) if found["language"] else ()
    if "languages" in found:
        languages = _texts(found["languages"], f"{name}.languages")
    return replace(
        settings,
        model=found.get("model", settings.model) or "",
        prompt=found.get("prompt", settings.prompt) or "",
        languages=languages,
        keywords=_texts(found["keywords"], f"{name}.keywords")
        if "keywords" in found
        else settings.keywords,
    )


def _turns(settings: Settings, given: object, name: str) -> Settings:
    if given is None:
        return replace(settings, rules=None)
    about_responses = ("create_response", "interrupt_response")
    known = ("type", "threshold", "prefix_padding_ms", "silence_duration_ms", *about_responses)
    found = _object(given, name, known)
    if found.get("type", "server_vad") != "server_vad":
        raise Unfit("turns are found by server_vad, or by the client: null", f"{name}.type")
    usual = Rules()
    padding = _number(found, "prefix_padding_ms", name, PADDING, usual.before * 1000)
    pause = _number(found, "silence_duration_ms", name, PAUSE, usual.pause * 1000)
    rules = replace(usual, before=padding / 1000, pause=pause / 1000)
    threshold = _number(found, "threshold", name, (0, 1), THRESHOLD)
    return replace(settings, rules=rules, threshold=threshold)


def _number(
    found: Mapping[str, Any], number: str, name: str, limits: tuple[float, float], usual: float
) -> float:
    value = found.get(number)
    if value is None:
        return usual
    least, most = limits
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise Unfit(f"{number} is from {least:g} to {most:g}", f"{name}.{number}")
    return float(value)


def _texts(given: object, name: str) -> tuple[str, ...]:
    values = [] if given is None else given
    if (
        not isinstance(values, list)
        or len(values) > MOST
        or not all(isinstance(one, str) and len(one) < SHORT for one in values)
    ):
        raise Unfit(f"{name.rpartition('.')[2]} are at most {MOST} short texts", name)
    return tuple(values)


def _no_extras(given: object, name: str) -> None:
    if given:
        raise Unfit("nothing can be included: leave it out", name)


def _object(given: object, name: str, known: Collection[str]) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise Unfit(f"{name} is an object", name)
    for one in given:
        if one not in known:
            path = f"{name}.{''.join(char for char in one[:80] if char.isprintable())}"
            raise Unfit(f"there is no parameter {path}", path, "unknown_parameter")
    return given
