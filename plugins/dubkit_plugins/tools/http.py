"""``http``: speakers and converters that are servers, by a preset (see :mod:`.presets`)."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

import numpy as np

from dubkit import DubkitError, PluginError, UsageError

from . import presets
from .engines import State, Tool, ToolConverter, ToolSynthesizer, needed, numbered
from .http_client import Answer, Question, ask, ask_once, multipart, origin, where
from .media import stage_sound, take_sound, write_wav
from .presets import Http, Preset

HEALTH_SECONDS = 10.0
"""How long to wait for an answer that is only to show whether the server is there."""
VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class _Http(Tool):
    """What the two have in common."""

    ENGINE = "http"
    WAY = "http"

    def _missing(self, tool: Preset) -> list[str]:
        assert tool.http
        names = VARIABLE.findall(" ".join(map(str, tool.http.headers.values())))
        return [
            f"{tool.name} needs ${name}: set it in the environment"
            for name in dict.fromkeys(names)
            if not os.environ.get(name)
        ]

    def reach(self) -> Sequence[str]:
        """As :meth:`check`, and whether the server answers."""
        if self._tool is None or self.check():
            return self.check()
        try:
            ready(self._tool, presets.known(self._tool))
        except DubkitError as failure:
            return [f"{self._tool.name}: {failure.message}: {failure.hint}"]
        return []

    def _made(self, inputs: Mapping[str, Any], out: Path) -> None:
        tool = self._loaded()
        assert tool.http
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
class HttpSynthesizer(_Http, ToolSynthesizer):
    """A server that speaks (GPT-SoVITS, CosyVoice, ...), by a preset."""


@dataclass(frozen=True)
class HttpConverter(_Http, ToolConverter):
    """A server that changes voices, by a preset."""


def ready(tool: Preset, values: Mapping[str, Any]) -> None:
    """PluginError unless its server answers, whatever that be where no address is for that."""
    assert tool.http
    url = address(tool.http.health, values)
    if not url:  # its root, which need not be there
        parts = urlsplit(address(tool.http.url, values))
        url = f"{parts.scheme}://{parts.netloc}/"
    answer = ask_once(Question(url, headers=headers(tool.http, values)), HEALTH_SECONDS, 1_000_000)
    if answer.passes if tool.http.health else answer.status == 0:
        raise PluginError(
            f"the server at {where(url)} is not ready ({answer.words})",
            "start it; to install it: " + (tool.needs.install.strip() or f"see {tool.homepage}"),
        )


# ---------------------------------------------------------------- one item


def make(
    tool: Preset,
    how: Http,
    inputs: Mapping[str, Any],
    out: Path,
    state: State,
    limits: tuple[float, int],
    work: Path,
) -> None:
    """Ask for one item, with ``limits`` of seconds and of further tries."""
    values = {**presets.known(tool), **inputs}
    values |= {"id": work.name, "work": work, "out_dir": work, "out": work / "out.wav"}
    for stage in tool.stage:
        if given := values.get(stage.input):
            to = (work / str(presets.fill(stage.to, values))).resolve()
            if not to.is_relative_to(work):
                raise UsageError(f"{to} is no place for a copy", "stage.to begins with {work}")
            several = given if isinstance(given, list) else [given]
            places = numbered(to, len(several)) if isinstance(given, list) else [to]
            for source, place in zip(several, places, strict=True):
                stage_sound(source, place, stage.rate, stage.channels, stage.pad)
            values[stage.input] = places if isinstance(given, list) else to
    if how.health and not state.kept:
        ready(tool, values)
        state.kept = True
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
