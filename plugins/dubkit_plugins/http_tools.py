"""``http``: speakers and converters that are servers, by a preset (see :mod:`.presets`)."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import os
import re
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urljoin

import numpy as np

from dubkit import Converter, DubkitError, PluginError, Speaker, UsageError, Voice

from . import presets
from .command import needed, speech_inputs, voice_inputs, voices
from .http_client import Answer, Question, ask, ask_once, multipart, origin, where
from .presets import Http, Preset
from .presets_media import stage_sound, take_sound, write_wav

HEALTH_SECONDS = 10.0
"""How long to wait for an answer that is only to show whether the server is there."""
VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass
class _State:
    """What the calls of one engine share."""

    healthy: bool = False
    places: threading.Semaphore = field(default_factory=threading.Semaphore)


@dataclass(frozen=True)
class _Http:
    """What the two have in common."""

    preset: Path | None = None
    """The server's TOML file, or the name of one that comes with dubkit."""
    speaker: Path | None = None
    """The same where both kinds are in use at once, for each kind its own."""
    converter: Path | None = None
    set: str = ""
    """The preset's own settings: ``key=value,key=value``, ``converter.key=value`` for one kind."""
    timeout: float | None = None
    """Seconds for an item; the preset's where not given."""
    retries: int | None = None
    """Further tries for what passes by itself; the preset's where not given."""
    _kind: str = field(default="", init=False, repr=False, compare=False)
    _tool: Preset | None = field(default=None, init=False, repr=False, compare=False)
    _state: _State = field(default_factory=_State, init=False, repr=False, compare=False)

    def _load(self, kind: str) -> Preset | None:
        path = getattr(self, kind) or self.preset
        tool = presets.load(path, kind, "http", self.set) if path else None
        object.__setattr__(self, "_kind", kind)
        object.__setattr__(self, "_tool", tool)
        if tool and tool.http:
            self._state.places = threading.Semaphore(max(1, tool.http.parallel))
        return tool

    def check(self) -> Sequence[str]:
        """What is not set. The server is not asked."""
        if self._tool is None or self._tool.http is None:
            return [presets.none_set("http", self._kind, "http")]
        names = VARIABLE.findall(" ".join(map(str, self._tool.http.headers.values())))
        return [
            f"{self._tool.name} needs ${name}: set it in the environment"
            for name in dict.fromkeys(names)
            if not os.environ.get(name)
        ]

    def _made(self, inputs: Mapping[str, Any], out: Path) -> None:
        """Have the server do one item and write its sound to ``out``."""
        tool = self._tool
        if tool is None or tool.http is None:
            message, _, hint = self.check()[0].partition(": ")
            raise UsageError(message, hint)
        needed(tool, inputs)
        limits = (
            self.timeout or tool.http.timeout,
            tool.http.retries if self.retries is None else self.retries,
        )
        with self._state.places, tempfile.TemporaryDirectory(prefix="dubkit-") as temporary:
            try:
                make(tool, tool.http, inputs, out, self._state, limits, Path(temporary).resolve())
            except DubkitError as failure:
                raise type(failure)(f"{tool.name}: {failure.message}", failure.hint) from None


@dataclass(frozen=True)
class HttpSpeaker(_Http, Speaker):
    """A server that speaks (GPT-SoVITS, CosyVoice, ...), by a preset."""

    clones: bool = field(default=False, init=False, compare=False)

    def __post_init__(self) -> None:
        if tool := self._load("speaker"):
            object.__setattr__(self, "clones", tool.speech.clones)

    def voices(self, language: str) -> Sequence[str]:
        """Those that the preset lists."""
        return voices(self._tool, language)

    def speak(
        self,
        text: str,
        out: Path,
        *,
        language: str,
        voice: Voice,
        seconds: float | None,
        seed: int,
    ) -> None:
        """Ask for one text."""
        self._made(speech_inputs(self._tool, text, language, voice, seconds, seed), out)


@dataclass(frozen=True)
class HttpConverter(_Http, Converter):
    """A server that changes voices, by a preset."""

    def __post_init__(self) -> None:
        self._load("converter")

    def convert(self, audio: Path, out: Path, *, voice: Voice) -> None:
        """Ask for one sound."""
        self._made({"audio": audio.absolute(), **voice_inputs(self._tool, voice)}, out)


# ---------------------------------------------------------------- one item


def make(
    tool: Preset,
    how: Http,
    inputs: Mapping[str, Any],
    out: Path,
    state: _State,
    limits: tuple[float, int],
    work: Path,
) -> None:
    """Ask for one item, with ``limits`` of seconds and of further tries."""
    values = {**presets.known(tool), **inputs}
    values |= {"id": work.name, "work": work, "out_dir": work, "out": work / "out.wav"}
    for stage in tool.stage:
        if values.get(stage.input):
            to = (work / str(presets.fill(stage.to, values))).resolve()
            if not to.is_relative_to(work):
                raise UsageError(f"{to} is no place for a copy", "stage.to begins with {work}")
            stage_sound(values[stage.input], to, stage.rate, stage.channels, stage.pad)
            values[stage.input] = to
    if how.health and not state.healthy:
        health = Question(address(how.health, values), headers=headers(how, values))
        answer = ask_once(health, HEALTH_SECONDS, 1_000_000)
        if answer.passes:
            raise PluginError(
                f"the server at {where(health.url)} is not ready ({answer.words})",
                tool.needs.install.strip() or f"see {tool.homepage}",
            )
        state.healthy = True
    timeout, retries = limits
    largest = how.reply.largest * 1_000_000
    question = asked(how, values)
    answer = ask(question, timeout=timeout, largest=largest, retries=retries)
    _refuse(answer, question.url)
    if how.reply.kind == "url":
        link = urljoin(question.url, _in_json(answer, how.reply.path))
        same = origin(link) == origin(question.url)
        if not same and not how.reply.other_hosts:
            raise PluginError(
                f"its answer is at another server, {where(link)}",
                "reply.other_hosts = true in the preset, if that is right",
            )
        # The key is for the one server alone.
        follow = Question(link, headers=headers(how, values) if same else {})
        answer = ask(follow, timeout=timeout, largest=largest, retries=retries)
        _refuse(answer, link)
    take_reply(how, answer, int(presets.fill(how.reply.rate, values)), work, out)


def _refuse(answer: Answer, url: str) -> None:
    if answer.status in (401, 403):
        raise UsageError(
            f"the server at {where(url)} refuses the key ({answer.words})",
            "look at what the preset's headers take from the environment",
        )
    if not 200 <= answer.status < 300:
        raise PluginError(f"the server at {where(url)} refuses ({answer.words})", "")


def asked(how: Http, values: Mapping[str, Any]) -> Question:
    """The request for an item."""
    url = address(how.url, values)
    if how.query:
        query = presets.fill(how.query, values)
        pairs = {name: presets.shown(value) for name, value in query.items()}
        url += ("&" if "?" in url else "?") + urlencode(pairs)
    told = headers(how, values)
    body: bytes | None = None
    if how.json:
        body = json.dumps(presets.fill(how.json, values), default=str).encode()
        told["Content-Type"] = "application/json"
    elif how.form or how.files:
        filled = presets.fill(how.form, values)
        fields = [(name, presets.shown(value)) for name, value in filled.items()]
        files = [(name, Path(presets.fill(at, values))) for name, at in how.files.items()]
        body, kind = multipart(fields, files)
        if not files:
            body, kind = urlencode(fields).encode(), "application/x-www-form-urlencoded"
        told["Content-Type"] = kind
    return Question(url, how.method, told, body)


def address(text: str, values: Mapping[str, Any]) -> str:
    """A URL in which what is said stands as text, not as a part of the address."""
    safe = {
        name: value if name.startswith("settings.") else quote(presets.shown(value), safe="")
        for name, value in values.items()
    }
    return str(presets.fill(text, safe))


def headers(how: Http, values: Mapping[str, Any]) -> dict[str, str]:
    """The headers, with what is secret taken from the environment."""
    filled = presets.fill(how.headers, values)

    def variable(found: re.Match[str]) -> str:
        if value := os.environ.get(found[1], "").strip():
            return value
        raise UsageError(f"${found[1]} is not set", "it is the key of the server")

    return {name: VARIABLE.sub(variable, presets.shown(text)) for name, text in filled.items()}


def take_reply(how: Http, answer: Answer, rate: int, work: Path, out: Path) -> None:
    """Write the sound in an answer to ``out``."""
    body = answer.body
    if how.reply.kind == "base64":
        text = _in_json(answer, how.reply.path)
        try:
            body = base64.b64decode(text.rpartition("base64,")[2], validate=True)
        except (binascii.Error, ValueError):
            raise PluginError(f"{how.reply.path} in its answer is no base64", "") from None
    if how.reply.kind == "pcm16":
        # Anything can be heard as bare samples, an error page, too.
        if answer.kind.startswith("text/") or answer.kind.endswith(("json", "xml")):
            raise PluginError(f"its answer is {answer.kind}, not sound: {answer.words}", "")
        if rate <= 0:
            raise UsageError("the preset does not say its rate", "reply.rate = 24000")
        if len(body) < 2 or len(body) % 2:
            raise PluginError(f"its answer has {len(body)} bytes: no 16-bit samples", "")
        write_wav(np.frombuffer(body, "<i2").reshape(-1, 1), rate, out)
        return
    file = work / "reply"
    file.write_bytes(body)
    try:
        take_sound(file, out, rate)
    except PluginError as failure:
        said = answer.kind or "something without a type"
        raise PluginError(f"its answer, {said}, is no sound: {failure.message}", "") from None


def _in_json(answer: Answer, path: str) -> str:
    """The text at ``data.0.audio`` in a JSON answer."""
    found: Any = None
    with contextlib.suppress(ValueError, RecursionError, LookupError, TypeError):
        found = json.loads(answer.body)
        for key in path.split("."):
            found = found[int(key)] if isinstance(found, list) else found[key]
    if not isinstance(found, str) or not found:
        raise PluginError(f"its answer has no text at {path}: {answer.words}", "")
    return found
