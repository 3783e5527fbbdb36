"""``http``: synthesizers and converters that are servers, driven by a preset (:mod:`.presets`)."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

import numpy as np

from dubkit import DubkitError, PluginError, UsageError, scratch_folder

from . import presets
from .engines import (
    State,
    Tool,
    ToolConverter,
    ToolSynthesizer,
    numbered_paths,
    require_voice,
)
from .http_client import Answer, Question, ask, ask_once, origin, where
from .installation import install_notes, start_command
from .media import save_sound, stage_sound, write_wav
from .placeholders import as_text, fill
from .presets import Endpoint, Preset

HEALTH_SECONDS = 60.0
"""How long to wait for an answer that only shows whether the server is running: many speak one text
at a time, and answer when they have."""
VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class _Http(Tool):
    """What the two engines share."""

    ENGINE = "http"
    TABLE = "http"

    def _missing(self, tool: Preset) -> list[str]:
        assert tool.http
        names = VARIABLE.findall(" ".join(map(str, tool.http.headers.values())))
        return [
            f"{tool.name} needs ${name}: set it in the environment"
            for name in dict.fromkeys(names)
            if not os.environ.get(name)
        ]

    def reach(self) -> Sequence[str]:
        """The same as :meth:`check`, and whether the server answers."""
        if self._tool is None or self.check():
            return self.check()
        try:
            require_ready(self._tool, presets.fixed_values(self._tool))
        except DubkitError as failure:
            return [f"{self._tool.name}: {failure.message}: {failure.hint}"]
        return []

    def _run_item(self, inputs: Mapping[str, Any], out: Path) -> None:
        tool = self._require_preset()
        assert tool.http
        require_voice(tool, inputs)
        limits = (
            self.timeout or tool.http.timeout,
            tool.http.retries if self.retries is None else self.retries,
        )
        with self._state.slot(), scratch_folder() as temporary:
            try:
                work = temporary.resolve()
                request_item(tool, tool.http, inputs, out, self._state, limits, work)
            except DubkitError as failure:
                raise type(failure)(f"{tool.name}: {failure.message}", failure.hint) from None


@dataclass(frozen=True)
class HttpSynthesizer(_Http, ToolSynthesizer):
    """A server that speaks (GPT-SoVITS, CosyVoice, ...), driven by a preset."""


@dataclass(frozen=True)
class HttpConverter(_Http, ToolConverter):
    """A server that converts voices, driven by a preset."""


def require_ready(tool: Preset, values: Mapping[str, Any]) -> None:
    """Raise PluginError unless the server is ready by its ``health`` address or, without one,
    answers at all."""
    assert tool.http
    url = address(tool.http.health, values)
    if not url:  # its root, even if that is 404
        parts = urlsplit(address(tool.http.url, values))
        url = f"{parts.scheme}://{parts.netloc}/"
    answer = ask_once(Question(url, headers=headers(tool.http, values)), HEALTH_SECONDS, 1_000_000)
    if answer.passes if tool.http.health else answer.status == 0:
        command = start_command(tool)
        start = f"start it: {command}" if command else "start it"
        raise PluginError(
            f"the server at {where(url)} is not ready ({answer.words})",
            f"{start}; to install it: {install_notes(tool)}",
        )


# ---------------------------------------------------------------- one item


def request_item(
    tool: Preset,
    endpoint: Endpoint,
    inputs: Mapping[str, Any],
    out: Path,
    state: State,
    limits: tuple[float, int],
    work: Path,
) -> None:
    """Request one item and write its sound to ``out``.

    ``limits`` are the seconds that it may take and the number of further attempts.
    """
    values = {**presets.fixed_values(tool), **inputs}
    values |= {"id": work.name, "work": work, "out_dir": work, "out": work / "out.wav"}
    for stage in tool.stage:
        if given := values.get(stage.input):
            to = (work / str(fill(stage.to, values))).resolve()
            if not to.is_relative_to(work):
                raise UsageError(f"{to} is no place for a copy", "begin stage.to with {work}")
            sources = given if isinstance(given, list) else [given]
            copies = numbered_paths(to, len(sources)) if isinstance(given, list) else [to]
            for source, copy in zip(sources, copies, strict=True):
                stage_sound(source, copy, stage.rate, stage.channels, stage.pad)
            values[stage.input] = copies if isinstance(given, list) else to
    if endpoint.health and not state.ready:
        require_ready(tool, values)
        state.ready = True
    for name in presets.ENCODED:  # of the copies, in the form that the server wants
        path = values.get(name.removesuffix("_base64"))
        values[name] = base64.b64encode(Path(path).read_bytes()).decode() if path else ""
    timeout, retries = limits
    largest = endpoint.reply.largest * 1_000_000
    question = build_request(endpoint, values)
    answer = ask(question, timeout=timeout, largest=largest, retries=retries)
    names_voice = bool(values.get("speaker")) or not values.get("reference")
    _raise_for_status(answer, question.url, names_voice=names_voice)
    if endpoint.reply.kind == "url":
        link = urljoin(question.url, _json_text(answer, endpoint.reply.path))
        same = origin(link) == origin(question.url)
        if not same and not endpoint.reply.other_hosts:
            raise PluginError(
                f"its answer is at another server, {where(link)}",
                "set reply.other_hosts = true in the preset if that is right",
            )
        # The key is only for the one server.
        follow = Question(link, headers=headers(endpoint, values) if same else {})
        answer = ask(follow, timeout=timeout, largest=largest, retries=retries)
        _raise_for_status(answer, link, names_voice=names_voice)
    save_reply(endpoint, answer, int(fill(endpoint.reply.rate, values)), work, out)


def _raise_for_status(answer: Answer, url: str, *, names_voice: bool) -> None:
    if answer.status in (401, 403):
        raise UsageError(
            f"the server at {where(url)} refuses the key ({answer.words})",
            "check what the preset's headers take from the environment",
        )
    if answer.no_voice and names_voice:  # else it may hear no voice in a clip
        raise UsageError(
            f"the server at {where(url)} does not have the voice ({answer.words})",
            "--voice NAME names another",
        )
    if answer.must_be_set_up:
        raise UsageError(
            f"the server at {where(url)} is not set up ({answer.words})",
            "do what it says, then run the same command again",
        )
    if not 200 <= answer.status < 300:
        raise PluginError(f"the server at {where(url)} refuses ({answer.words})", "")


def build_request(endpoint: Endpoint, values: Mapping[str, Any]) -> Question:
    """The request for one item."""
    url = address(endpoint.url, values)
    if endpoint.query:
        query = fill(endpoint.query, values)
        pairs = {name: as_text(value) for name, value in query.items()}
        url += ("&" if "?" in url else "?") + urlencode(pairs)
    sent = headers(endpoint, values)
    if endpoint.json:
        sent["Content-Type"] = "application/json"
        body = json.dumps(fill(endpoint.json, values), default=str).encode()
        return Question(url, endpoint.method, sent, body)
    if endpoint.form or endpoint.files:  # the client sets the type, with the boundary of the parts
        sent = {name: text for name, text in sent.items() if name.lower() != "content-type"}
    form = {name: as_text(value) for name, value in fill(endpoint.form, values).items()}
    filled = {name: fill(at, values) for name, at in endpoint.files.items()}
    files = {name: Path(at) for name, at in filled.items() if at}
    return Question(url, endpoint.method, sent, form=form, files=files)


def address(text: str, values: Mapping[str, Any]) -> str:
    """Fill in a URL; inputs are quoted, so that no text becomes part of the address."""
    safe = {
        name: value if name.startswith("settings.") else quote(as_text(value), safe="")
        for name, value in values.items()
    }
    return str(fill(text, safe))


def headers(endpoint: Endpoint, values: Mapping[str, Any]) -> dict[str, str]:
    """The headers, with secrets taken from the environment. Raises UsageError for one not set."""
    filled = fill(endpoint.headers, values)

    def variable(found: re.Match[str]) -> str:
        if value := os.environ.get(found[1], "").strip():
            return value
        raise UsageError(f"${found[1]} is not set", "it is the server's key")

    return {name: VARIABLE.sub(variable, as_text(text)) for name, text in filled.items()}


def save_reply(endpoint: Endpoint, answer: Answer, rate: int, work: Path, out: Path) -> None:
    """Write the sound in an answer to ``out``."""
    body = answer.body
    if endpoint.reply.kind == "base64":
        text = _json_text(answer, endpoint.reply.path)
        try:
            body = base64.b64decode(text.rpartition("base64,")[2], validate=True)
        except (binascii.Error, ValueError):
            raise PluginError(f"{endpoint.reply.path} in its answer is not base64", "") from None
    if endpoint.reply.kind == "pcm16":
        # Any bytes can be played as raw samples, even an error page.
        if answer.kind.startswith("text/") or answer.kind.endswith(("json", "xml")):
            raise PluginError(f"its answer is {answer.kind}, not sound: {answer.words}", "")
        if rate <= 0:
            raise UsageError("the preset does not give the sample rate", "add reply.rate = 24000")
        if len(body) < 2 or len(body) % 2:
            raise PluginError(f"its answer has {len(body)} bytes, which are not 16-bit samples", "")
        write_wav(np.frombuffer(body, "<i2").reshape(-1, 1), rate, out)
        return
    file = work / "reply"
    file.write_bytes(body)
    try:
        save_sound(file, out, rate)
    except PluginError as failure:
        kind = answer.kind or "of no stated type"
        raise PluginError(f"its answer, {kind}, is not sound: {failure.message}", "") from None


def _json_text(answer: Answer, path: str) -> str:
    """The string at a path such as ``data.0.audio`` in a JSON answer; PluginError if none."""
    value: Any = None
    with contextlib.suppress(ValueError, RecursionError, LookupError, TypeError):
        value = json.loads(answer.body)
        for key in path.split("."):
            value = value[int(key)] if isinstance(value, list) else value[key]
    if not isinstance(value, str) or not value:
        raise PluginError(f"its answer has no text at {path}: {answer.words}", "")
    return value
