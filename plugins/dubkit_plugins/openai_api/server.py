"""A server that speaks OpenAI's protocol: asking it, waiting for it, and what its answers mean.

What is asked is not its business: that is in ``translator.py`` and ``speech.py``. The package
``openai`` knows the protocol, and :mod:`dubkit_plugins.http` bounds each answer. Retries stay by
hand, since the package's own count for each thread alone, take a spent account for a full queue,
and do not repeat an answer that arrives broken or drop by drop. Here all threads wait together, and
never longer than they are set to.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import json
import os
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import httpx
from openai import APIConnectionError, APIStatusError, OpenAI, Stream

from dubkit import MissingDependency, PluginError, Proxy, UsageError, find_proxy
from dubkit_plugins.http import (
    NO_SUCH_VOICE,
    ProxyFault,
    Unfinished,
    client,
    must_be_set_up,
    retry_after,
)

from .event_stream import joined

OPENAI = "https://api.openai.com/v1"
PROBE_SECONDS = 15.0
"""How long to wait for an answer that only shows whether server and model are available."""
QUEUE_SECONDS = 75.0
"""How long to wait for a place in a full queue, for each of ``retries``."""
LONGEST_ANSWER = 4_000_000
"""Bytes of text; more is not an answer."""

# The words and codes of errors; each server has its own.
REFUSED = re.compile(
    r"content.{0,12}(filter|polic|management|exists risk)|flagged|moderation|usage.polic|"
    r"inappropriate|data_inspection|responsible.?ai|safety",
    re.I,
)
TOO_LONG = re.compile(
    r"context.{0,20}(length|size|window)|too.?long|too many tokens|too large|"
    r"at most \d+ characters|above.max.length",
    re.I,
)
NO_SUCH_MODEL = re.compile(
    r"model_not_(found|exist)|invalid_model|(unknown|invalid|no such) model|not a valid model|"
    r"model\b.{0,120}?(not found|not exist|n't exist|not have access)",
    re.I,
)
NO_CREDIT = re.compile(r"insufficient.?(quota|balance|credit|funds)", re.I)
ABOUT_MODEL = re.compile(r"\bmodel\b", re.I)
MAY_NOT_LOOK = re.compile("scope|permission", re.I)
"""A key of OpenAI's may be good for one kind of work alone."""


def address(setting: str, engine: str = "openai") -> str:
    """A server's address: the setting, else the engine's ``..._BASE_URL``, else
    $OPENAI_BASE_URL, else OpenAI's own."""
    named = setting or os.environ.get(f"{variables(engine)}_BASE_URL", "")
    return (named or os.environ.get("OPENAI_BASE_URL", "") or OPENAI).strip()


def key(url: str = "", engine: str = "openai") -> str:
    """The key in the environment; "" if there is none, as for a self-hosted server.

    An engine with its own server does not get $OPENAI_API_KEY, which belongs to another.
    """
    own = os.environ.get(f"{variables(engine)}_API_KEY", "").strip()
    if own or (engine != "openai" and url != address("")):
        return own
    return os.environ.get("OPENAI_API_KEY", "").strip()


def variables(engine: str) -> str:
    """What the names of an engine's environment variables begin with."""
    return re.sub(r"\W", "_", engine).upper()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over the network."""

    status: int
    """Of HTTP; 0 if no answer came."""
    body: bytes = b""
    why: str = ""
    """Why no answer came."""
    wait: float = 0.0
    """Seconds that the server asks to wait."""
    final: bool = False
    """Whether the server says that trying again is useless."""
    reachable: bool = True
    """Whether there is a server at all."""
    late: bool = False
    """Whether it did not come in time."""
    proxy: Proxy | None = None
    """The proxy that is at fault."""

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def json(self) -> dict[str, Any]:
        """Its JSON object; empty if it is not one."""
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(self.text)
            return value if isinstance(value, dict) else {}
        return {}

    def says(self, what: re.Pattern[str], *statuses: int) -> bool:
        """Whether it has one of these statuses and its text matches."""
        return self.status in statuses and bool(what.search(self.text))

    @property
    def no_credit(self) -> bool:
        return self.status == 402 or self.says(NO_CREDIT, 403, 429)

    @property
    def passes(self) -> bool:
        """Whether it is a fault that passes by itself."""
        passing = self.status in (0, 408, 409, 425, 429) or self.status >= 500
        # Some servers report an empty account as a full queue, and a missing voice as a crash.
        return passing and not (self.no_credit or self.no_voice or self.must_be_set_up)

    @property
    def no_voice(self) -> bool:
        return self.status >= 400 and bool(NO_SUCH_VOICE.search(self.text[:2000]))

    @property
    def must_be_set_up(self) -> bool:
        return must_be_set_up(self.status, self.text[:2000])


@dataclass
class _State:
    """What the threads of a run know together."""

    worked: bool = False
    """Whether the server has fulfilled any request yet."""
    fails: bool = False
    """Whether it crashed (500) or was late as often as it was asked, and did nothing since."""
    not_before: float = 0.0
    """The earliest time for the next request, by the monotonic clock."""


@dataclass(frozen=True)
class Server:
    """OpenAI's, another provider's, or a self-hosted one (Ollama, vLLM, ...).

    Any number of threads may use it. Call :meth:`check` first: the other methods assume that
    address and key are valid.
    """

    url: str
    """Usually up to ``/v1``."""
    key: str = field(repr=False)
    """"" for none."""
    timeout: float
    """Seconds that one answer may take."""
    retries: int
    """Further tries after a fault of the network or the server."""
    engine: str = "openai"
    """The engine whose settings and environment variables the messages name."""
    accept: str = "application/json"
    """The ``Accept`` header."""
    largest: int = LONGEST_ANSWER
    """Bytes of an answer."""
    if_slow: str = ""
    """What the user can set if the server takes too long; "" for a longer timeout."""
    if_full: str = ""
    """The same if it takes no more requests, with the effect."""
    _state: _State = field(default_factory=_State, init=False, repr=False, compare=False)

    @property
    def where(self) -> str:
        """Its address for people, without a password."""
        return re.sub("//[^/]*@", "//", self.url).partition("?")[0].rstrip("/")

    @property
    def worked(self) -> bool:
        """Whether it has fulfilled any request yet."""
        return self._state.worked

    @property
    def fails(self) -> bool:
        """Whether it failed with the last request, and may do so with any other."""
        return self._state.fails

    @property
    def is_openai(self) -> bool:
        return bool(re.match(r"https?://api\.openai\.com(:|/|$)", self.where))

    def check(self) -> list[str]:
        """What is wrong with address and key, without a request."""
        problems = []
        if not re.match("https?://[^/]", self.url):
            problems.append(
                f"the server's address {self.where!r} does not begin with http:// or https://: "
                f"set {self._address} to one like http://localhost:11434/v1"
            )
        if not self.key and self.is_openai:
            problems.append(
                f"there is no key for OpenAI: set OPENAI_API_KEY, or {self._address} to the "
                "address of a server of your own"
            )
        if not (self.key.isascii() and self.key.isprintable()):
            problems.append("OPENAI_API_KEY holds characters that no key has: copy the key again")
        return problems

    @property
    def _address(self) -> str:
        return f"{variables(self.engine)}_BASE_URL"

    # ------------------------------------------------------------ models

    def models(self) -> list[str]:
        """The names of those that it lists; raises if it cannot be reached."""
        answer = self.get("/models")
        if answer.passes:
            raise self._failure(answer)
        self.raise_if_hopeless(answer)
        return _names(answer)

    def knows(self, model: str) -> bool:
        """Whether it has a page about a model; without an answer, it has.

        Raises if there is no server, or if it refuses the key.
        """
        answer = self.get(f"/models/{quote(model, safe='')}")
        if answer.status in (401, 403) and not MAY_NOT_LOOK.search(answer.text):
            self.raise_if_hopeless(answer, model)
        return answer.status == 0 or "id" in answer.json

    # ------------------------------------------------------------ asking

    def get(self, path: str) -> Answer:
        """The answer of a path, whatever its status; one try. MissingDependency for no server."""
        answer = self._call(PROBE_SECONDS, path)
        if not answer.reachable:
            raise MissingDependency(*self._absence(answer))
        return answer

    def post(self, path: str, body: dict[str, Any], seconds: float = PROBE_SECONDS) -> Answer:
        """The answer to a request, whatever its status; one try."""
        return self._call(seconds, path, body)

    def ask(
        self,
        path: str,
        body: dict[str, Any],
        readable: Callable[[Answer], bool],
        refused: Callable[[Answer], object] = lambda answer: False,
    ) -> Answer:
        """The answer to a request, once the faults that pass by themselves have passed.

        ``readable`` decides whether an answer with status 200 is what was asked for. One that stays
        unreadable is returned all the same, and so is every refusal: see :meth:`fault`. ``refused``
        knows refusals that look like faults. Raises PluginError for a fault that does not pass.
        """
        tries = faults = 0
        patience = QUEUE_SECONDS * self.retries
        while True:
            patience -= self._wait_turn(patience)
            began = time.monotonic()
            answer = self.post(path, body, self.timeout)
            broken = answer.status == 200 and not readable(answer)
            if not (answer.passes or broken) or refused(answer):
                if answer.status == 200:
                    self._state.worked, self._state.fails = True, False
                return answer
            tries += 1
            if answer.status == 429:  # not a fault, but it may last
                patience -= time.monotonic() - began
            else:
                faults += 1
            if broken and (faults > 1 or not self.retries):  # the same text gives the same answer
                return answer
            delay = answer.wait or 0.5 * 2 ** min(tries - 1, 4)
            lasting = answer.status == 500 or answer.late
            # What never passed once will not pass for the next request either, and waiting for a
            # server that hangs takes long.
            most = 0 if lasting and self._state.fails else self.retries
            if answer.late:
                most = min(most, 1)
            if answer.final or faults > most or delay > patience:
                self._state.fails |= lasting
                raise self._failure(answer)
            if answer.status == 429 or answer.wait:
                self._state.not_before = max(self._state.not_before, time.monotonic() + delay)
            else:
                patience -= delay
                time.sleep(delay * random.uniform(0.75, 1.0))

    def _wait_turn(self, patience: float) -> float:
        """Wait as long as the server asked any of the threads to; returns the seconds slept."""
        began = time.monotonic()
        while (delay := self._state.not_before - time.monotonic()) > 0:
            if time.monotonic() - began + delay > patience:
                raise self._failure(Answer(429, wait=delay))
            # Not all at the same moment.
            time.sleep(delay + random.uniform(0.0, 0.1))
        return time.monotonic() - began

    @functools.cached_property
    def _client(self) -> OpenAI:
        # In place of the package's own, which bounds nothing and is httpx or httpx2 by its version.
        connection: Any = client(self.timeout, self.largest, redirects=True)
        try:
            return OpenAI(
                base_url=self.url,
                api_key=self.key or "none",
                max_retries=0,
                http_client=connection,
            )
        except Exception as wrong:  # the package's own: an address with an invalid port
            raise UsageError(
                f"the server's address {self.where!r} cannot be read: {wrong}",
                f"set {self._address} to one like http://localhost:11434/v1",
            ) from None

    def _call(self, seconds: float, path: str, body: dict[str, Any] | None = None) -> Answer:
        """One call: its answer, or why there is none."""
        api = self._client
        limits = httpx.Timeout(seconds, connect=min(seconds, 10.0))
        # As a stream, since the package would look for JSON in it.
        how: Any = {"cast_to": object, "stream": True, "stream_cls": Stream[object]}
        accept = "text/event-stream" if body and body.get("stream") else self.accept
        how["options"] = {"timeout": limits, "headers": {"Accept": accept}}
        try:
            with api.post(path, body=body, **how) if body else api.get(path, **how) as stream:
                answer = Answer(200, joined(stream.response.read()))
        except APIStatusError as error:
            headers, text = error.response.headers, error.response.text.encode()
            final = headers.get("x-should-retry") == "false"
            return Answer(error.status_code, text, wait=retry_after(headers), final=final)
        except UnicodeError:  # a lone surrogate in what is asked; it was never sent
            return Answer(200)
        except (APIConnectionError, httpx.RequestError) as error:
            return _no_answer(error, seconds)
        return replace(answer, status=_true_status(answer))

    # ------------------------------------------------------------ judging

    def fault(self, answer: Answer, model: str) -> str:
        """What is wrong with an answer of :meth:`ask`, if another request may help.

        Raises UsageError if none can.
        """
        if answer.status == 200:
            return "the server's answer could not be read"
        if answer.says(REFUSED, 400, 403, 422, 451):
            return "the server refused the text (content filter)"
        if answer.status == 413 or answer.says(TOO_LONG, 400, 422):
            return "the request is too long for the model"
        self.raise_if_hopeless(answer, model)
        words = self.words(answer)
        # If others succeeded, it is about this text, and a part of it may still succeed.
        if self._state.worked:
            return f"the server refused the request ({words})"
        raise UsageError(
            f"the server at {self.where} does not take the request ({answer.status}: {words})",
            f"look at the model and the settings (-o {self.engine}.NAME=VALUE)",
        )

    def raise_if_hopeless(self, answer: Answer, model: str = "") -> None:
        """Raise UsageError for a fault that no other request would avoid: key, account, model."""
        if answer.no_credit:
            raise UsageError(
                f"the account at {self.where} has no credit left",
                f"see its billing page, or set {self._address} to another server",
            )
        unknown = answer.says(NO_SUCH_MODEL, 400, 403, 404, 422) or answer.says(ABOUT_MODEL, 404)
        if model and unknown:
            names = difflib.get_close_matches(model, _names(self.get("/models")), 5, 0.0)
            raise UsageError(
                f"the server at {self.where} has no model {model!r}",
                f"-o {self.engine}.model=NAME" + (f"; it has {', '.join(names)}" if names else ""),
            )
        if answer.must_be_set_up:
            raise UsageError(
                f"the server at {self.where} is not set up ({answer.status}: {self.words(answer)})",
                "do what it says, then run the same command again",
            )
        if answer.status == 407 and (proxy := find_proxy(self.url)):
            raise UsageError(f"the proxy {proxy.where} wants a user and a password", proxy.hint)
        if answer.status in (401, 403):
            raise UsageError(
                f"the server at {self.where} "
                + ("refuses the key" if self.key else "wants a key")
                + (f" ({self.words(answer)})" if answer.status == 403 else ""),
                f"set {variables(self.engine)}_API_KEY to a key of that server",
            )
        if answer.status in (404, 405):
            raise UsageError(
                f"there is no OpenAI-compatible server at {self.where} ({answer.status})",
                f"set {self._address} to its address, which usually ends with /v1",
            )

    def _absence(self, answer: Answer) -> tuple[str, str]:
        """The message and the hint for a server that cannot be reached."""
        if answer.proxy:
            return f"the server at {self.where} is not reached: {answer.why}", answer.proxy.hint
        if self.is_openai:
            hint = f"is there a connection to the internet? Your own server: {self._address}"
        else:
            hint = f"is it running? Its address is set by {self._address}"
        return f"no server answers at {self.where} ({answer.why})", hint

    def _failure(self, answer: Answer) -> PluginError:
        """The error for a fault that did not pass."""
        again = "run the same command later to resume"
        if not answer.reachable:
            return PluginError(*self._absence(answer))
        if answer.status == 0:
            return PluginError(
                f"the server at {self.where} does not answer ({answer.why})",
                f"{again}; for a slow one: {self.if_slow or f'-o {self.engine}.timeout=600'}",
            )
        if answer.status == 429:
            asked = f"; it asks to wait {answer.wait:.0f} s" if answer.wait else ""
            return PluginError(
                f"the server at {self.where} takes no more requests now{asked}",
                f"{again}; {self.if_full}" if self.if_full else again,
            )
        proxy = find_proxy(self.url)  # which answers in the server's place if it does not get there
        via = f" or the proxy {proxy.where}" if proxy else ""
        words = self.words(answer)
        return PluginError(
            f"the server at {self.where}{via} fails ({answer.status}: {words})", again
        )

    def words(self, answer: Answer) -> str:
        """The server's message, shortened, and never with the key in it."""
        value: Any = answer.json
        for name in ("error", "message", "detail"):
            value = value.get(name, value) if isinstance(value, dict) else value
        text = value if isinstance(value, str) else re.sub("<[^<>]*>", " ", answer.text)
        text = text.replace(self.key, "...") if self.key else text
        text = re.sub(r"\b(sk-|Bearer )\S+", "...", " ".join(text.split()))
        text = "".join(char for char in text if char.isprintable())
        return text if len(text) <= 200 else text[:197] + "..."


# ---------------------------------------------------------------- reading


def _true_status(answer: Answer) -> int:
    """OpenRouter answers 200 for what fails later, LM Studio for any path."""
    error = answer.json.get("error")
    if not error or answer.json.get("choices"):
        return answer.status
    if "unexpected endpoint" in answer.text.lower():
        return 404
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 502


def _no_answer(error: Exception, seconds: float) -> Answer:
    """Why there is none, by the package's error or by httpx's own."""
    cause = error.__cause__ if isinstance(error, APIConnectionError) else error
    late = isinstance(cause, httpx.TimeoutException)
    if late and not isinstance(cause, Unfinished):
        why = f"no answer within {seconds:g} s"
    else:
        why = str(cause or error)
    if isinstance(cause, ProxyFault):
        return Answer(0, why=why, reachable=False, proxy=cause.proxy)
    absent = isinstance(cause, (httpx.ConnectError, httpx.ConnectTimeout))
    return Answer(0, why=why, reachable=not absent, late=late and not absent)


def _names(answer: Answer) -> list[str]:
    """The models in a list of them."""
    data = answer.json.get("data")
    models = data if isinstance(data, list) else []
    names = [str(one["id"]) for one in models if isinstance(one, dict) and "id" in one]
    return [name for name in names if name.isprintable()]
