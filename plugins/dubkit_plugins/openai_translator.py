"""``openai``: a language model on any server that speaks OpenAI's protocol.

The client's own retries are off. It has three tries for each thread by itself, takes a spent
account for a full queue, and neither tries again nor gives up where an answer arrives broken or
drop by drop; here all threads wait together, and never longer than is told.
"""

from __future__ import annotations

import contextlib
import difflib
import email.utils
import json
import math
import os
import random
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from openai import APIConnectionError, APIStatusError, APITimeoutError, OpenAI, Timeout

from dubkit import (
    MissingDependency,
    PluginError,
    Progress,
    TranslationReply,
    TranslationRequest,
    Translator,
    Usage,
    UsageError,
)

from . import openai_prompt as prompts

OPENAI = "https://api.openai.com/v1"
DEFAULT_MODEL = "gpt-4.1-mini"
FORMATS = ("auto", "schema", "numbered")
PRICES = {
    "gpt-4.1": (2.0, 8.0),
    "gpt-4.1-mini": (0.4, 1.6),
    "gpt-4.1-nano": (0.1, 0.4),
    "gpt-4o": (2.5, 10.0),
    "gpt-4o-mini": (0.15, 0.6),
    "gpt-5": (1.25, 10.0),
    "gpt-5-mini": (0.25, 2.0),
    "gpt-5-nano": (0.05, 0.4),
    "o3": (2.0, 8.0),
    "o3-mini": (1.1, 4.4),
    "o4-mini": (1.1, 4.4),
}
"""OpenAI's list prices as of August 2025, US dollars for a million tokens in and out. What it
takes off for input that it has seen before is not reckoned with, so a bill may be lower."""
PROBE_SECONDS = 15.0
"""How long ``prepare`` waits for an answer."""
QUEUE_SECONDS = 75.0
"""How long to wait for a place in a full queue, for each of ``retries``."""
LONGEST_REPLY = 4_000_000
"""Bytes; a server that sends more is not answering."""

# What servers say, as words and as codes; each has its own.
REFUSED = re.compile(
    r"content.{0,12}(filter|polic|management|exists risk)|flagged|moderation|usage.polic|"
    r"inappropriate|data_inspection|responsible.?ai|safety",
    re.I,
)
TOO_LONG = re.compile(
    r"context.{0,20}(length|size|window)|too long|too many tokens|too large", re.I
)
NO_SUCH_MODEL = re.compile(
    r"model_not_(found|exist)|invalid_model|(unknown|invalid|no such) model|not a valid model|"
    r"model\b.{0,120}?(not found|not exist|n't exist|not have access)",
    re.I,
)
ABOUT_FORMAT = re.compile(r"response.?format|json|schema|structured|grammar", re.I)
NO_CREDIT = re.compile(r"insufficient.?(quota|balance|credit|funds)", re.I)
MAY_NOT_LOOK = re.compile("scope|permission", re.I)
"""A key of OpenAI's may be good for completions alone."""
NO_TEXT_MODEL = re.compile(r"(embed|rerank|whisper|\btts\b)[^/]*$", re.I)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came back over the network."""

    status: int
    """Of HTTP; 0 where no answer came."""
    text: str
    """Its body, or why there is none."""
    wait: float = 0.0
    """Seconds that the server asks to wait."""
    final: bool = False
    """Whether the server says that trying again is no use."""
    there: bool = True
    """Whether there is a server at all."""

    @property
    def json(self) -> dict[str, Any]:
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(self.text)
            return value if isinstance(value, dict) else {}
        return {}

    @property
    def choice(self) -> dict[str, Any]:
        """What a model said; empty where the answer holds nothing of the kind."""
        choices = self.json.get("choices")
        first = choices[0] if isinstance(choices, list) and choices else None
        return first if isinstance(first, dict) else {}

    @property
    def passes(self) -> bool:
        """Whether it is of the kind that passes by itself."""
        if self.status == 429 and NO_CREDIT.search(self.text):
            return False
        return self.status in (0, 408, 409, 425, 429) or self.status >= 500


@dataclass
class _Shared:
    """What the threads of a run know together."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    client: OpenAI | None = None
    model: str = ""
    schema: bool | None = None
    """Whether the server keeps to a schema; None until it was tried."""
    worked: bool = False
    """Whether a model has said anything yet."""
    not_before: float = 0.0
    """When the server wants to be asked again, by the monotonic clock."""


@dataclass(frozen=True)
class OpenAITranslator(Translator):
    """Large language models: OpenAI's, another provider's, or one's own (Ollama, vLLM, ...)."""

    model: str = ""
    """Its name; "" for $OPENAI_MODEL, else ``gpt-4.1-mini`` on OpenAI's own server and the first
    model that another one lists."""
    base_url: str = ""
    """Of the server, mostly up to ``/v1``; "" for $OPENAI_BASE_URL, else OpenAI's own."""
    parallel: int = 4
    """Requests at once."""
    batch: int = 20
    """Lines a request, at most."""
    timeout: float = 120.0
    """Seconds that one answer may take."""
    retries: int = 4
    """Further tries after a fault of the network or the server."""
    temperature: float | None = None
    """0 for the likeliest words, more for less likely ones; the server's own where not given."""
    format: str = "auto"
    """``schema``: JSON that the server enforces, ``numbered``: plain text, ``auto``: the first
    where the server has it, found out by trying."""
    input_price: float | None = None
    """US dollars for a million tokens of what is asked, to reckon the cost."""
    output_price: float | None = None
    """The same of what is answered."""
    prompt: Path | None = None
    """A text file with instructions to the model, added to dubkit's own."""
    _shared: _Shared = field(default_factory=_Shared, init=False, repr=False, compare=False)

    follows = ("glossary", "tone", "context", "length", "markup", "fault")

    def check(self) -> Sequence[str]:
        """Problems that keep it from working here."""
        problems = []
        if not re.match("https?://[^/]", self._url):
            problems.append(
                f"the server's address {self._where!r} does not begin with http:// or https://: "
                "set OPENAI_BASE_URL to one like http://localhost:11434/v1"
            )
        if not self._key and self._is_openai:
            problems.append(
                "there is no key for OpenAI: set OPENAI_API_KEY, or OPENAI_BASE_URL to the "
                "address of a server of your own"
            )
        if not (self._key.isascii() and self._key.isprintable()):
            problems.append("OPENAI_API_KEY holds what no key can hold: copy the key again")
        if self.format not in FORMATS:
            problems.append(f"openai.format is one of {', '.join(FORMATS)}, not {self.format!r}")
        if self.prompt and not self.prompt.expanduser().is_file():
            problems.append(f"there is no file {self.prompt} for openai.prompt: look at its name")
        return problems

    def supports(self, source: str | None, target: str) -> bool:
        """Any two languages; how well is the model's affair."""
        return (source or "").lower() != target.lower()

    def prepare(self, source: str | None, target: str, progress: Progress) -> None:
        """Find out whether server, key and model are there; once, and quickly."""
        model = self._model()
        if model == self._shared.model:  # from the server's own list
            return
        answer = self._get(f"/models/{quote(model, safe='')}")
        if not answer.there:
            raise self._absent(answer)
        if answer.status in (401, 403) and not MAY_NOT_LOOK.search(answer.text):
            self._raise_if_hopeless(answer)
        if answer.status == 0 or "id" in answer.json:
            return
        # Many servers have no such page, and some take any name: ask for a word instead.
        hello = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
        self._raise_if_hopeless(self._post({**hello, "max_tokens": 1}, PROBE_SECONDS))

    def translate(self, request: TranslationRequest) -> TranslationReply:
        """Ask once, or twice where the server turns out not to keep to a schema."""
        shared, spent = self._shared, Usage()
        if self.format == "schema" or (self.format == "auto" and shared.schema is not False):
            answer = self._ask(request, schema=True)
            if answer.status in (400, 404, 422, 501) and ABOUT_FORMAT.search(answer.text):
                if self.format == "schema":
                    raise UsageError(
                        f"the server at {self._where} knows no schemas: {self._words(answer)}",
                        "-o openai.format=numbered",
                    )
                with shared.lock:
                    shared.schema = shared.schema or False
            else:
                reply, kept = self._reply(request, answer)
                with shared.lock:
                    # A model that has kept to one before will again; each slips once in a while.
                    shared.schema = kept if shared.schema is None else shared.schema
                    known = shared.schema
                if kept is not False or known or self.format == "schema":
                    return reply
                spent = reply.usage
        reply, _ = self._reply(request, self._ask(request, schema=False))
        return replace(reply, usage=spent + reply.usage)

    def estimate(self, request: TranslationRequest) -> Usage:
        """Tokens by the length of the real prompt, and what they cost."""
        schema = self.format != "numbered"
        asked = sum(prompts.tokens(part["content"]) for part in self._messages(request, schema))
        said = prompts.tokens("".join(line.text for line in request.lines))
        model = self._named or (DEFAULT_MODEL if self._is_openai else "")
        # A translation is a little longer than its text; an id in JSON is 12 tokens, a summary 80.
        said = round(1.2 * said) + 12 * len(request.lines) + 80
        return self._usage(model, asked + 80 * schema, said)

    # ------------------------------------------------------------ settings and environment

    @property
    def _key(self) -> str:
        return os.environ.get("OPENAI_API_KEY", "").strip()

    @property
    def _named(self) -> str:
        return self.model or os.environ.get("OPENAI_MODEL", "").strip()

    @property
    def _url(self) -> str:
        return (self.base_url or os.environ.get("OPENAI_BASE_URL", "") or OPENAI).strip()

    @property
    def _where(self) -> str:
        """The server's address for people, without a password that is in it."""
        return re.sub("//[^/@]*@", "//", self._url).partition("?")[0].rstrip("/")

    @property
    def _is_openai(self) -> bool:
        return bool(re.match(r"https?://api\.openai\.com(:|/|$)", self._where))

    def _client(self) -> OpenAI:
        with self._shared.lock:
            if not self._shared.client:
                if problems := self.check():
                    raise UsageError(problems[0])
                try:
                    self._shared.client = OpenAI(
                        base_url=self._url, api_key=self._key or "none", max_retries=0
                    )
                except Exception as wrong:  # the client's own: an address with a port that is none
                    raise UsageError(
                        f"the server's address {self._where!r} cannot be read: {wrong}",
                        "set OPENAI_BASE_URL to one like http://localhost:11434/v1",
                    ) from None
            return self._shared.client

    def _model(self) -> str:
        """The model's name; from a server of one's own, the first that it lists."""
        if self._named or self._is_openai:
            return self._named or DEFAULT_MODEL
        with self._shared.lock:
            if not self._shared.model:
                answer, names = self._listed()
                if not answer.there:
                    raise self._absent(answer)
                if answer.passes:
                    raise self._failure(answer)
                if answer.status >= 400:
                    self._raise_if_hopeless(answer)
                names = [name for name in names if not NO_TEXT_MODEL.search(name)] or names
                if not names:
                    raise UsageError(
                        f"the server at {self._where} lists no models",
                        "name one: -o openai.model=NAME, or OPENAI_MODEL",
                    )
                self._shared.model = names[0]
            return self._shared.model

    def _listed(self) -> tuple[_Answer, list[str]]:
        answer = self._get("/models")
        data = answer.json.get("data")
        models = data if isinstance(data, list) else []
        names = [str(one["id"]) for one in models if isinstance(one, dict) and "id" in one]
        return answer, [name for name in names if name.isprintable()]

    def _messages(self, request: TranslationRequest, schema: bool) -> list[dict[str, str]]:
        extra = ""
        if self.prompt:
            try:
                extra = self.prompt.expanduser().read_text("utf-8")
            except (OSError, ValueError) as wrong:
                raise UsageError(
                    f"{self.prompt} cannot be read: {wrong}", "openai.prompt is a UTF-8 text file"
                ) from wrong
        return prompts.messages(request, schema=schema, extra=extra)

    def _usage(self, model: str, asked: int, said: int) -> Usage:
        listed = PRICES.get(re.sub(r"-\d{4}-\d\d-\d\d$", "", model)) if self._is_openai else None
        price_in = self.input_price if self.input_price is not None else listed and listed[0]
        price_out = self.output_price if self.output_price is not None else listed and listed[1]
        if price_in is None or price_out is None:
            return Usage(1, asked, said)
        return Usage(1, asked, said, (asked * price_in + said * price_out) / 1e6)

    # ------------------------------------------------------------ asking

    def _ask(self, request: TranslationRequest, *, schema: bool) -> _Answer:
        """An answer, whatever it is, once all that passes by itself has passed."""
        body: dict[str, Any] = {
            "model": self._model(),
            "messages": self._messages(request, schema),
        }
        if schema:
            body["response_format"] = prompts.RESPONSE_FORMAT
        if self.temperature is not None:
            body["temperature"] = self.temperature
        faults = queued = 0
        patience = QUEUE_SECONDS * self.retries
        while True:
            patience -= self._wait_turn(patience)
            began = time.monotonic()
            answer = self._post(body, self.timeout)
            broken = answer.status == 200 and not answer.choice
            if not (answer.passes or broken):
                return answer
            if answer.status == 429:
                queued += 1
                patience -= time.monotonic() - began
            else:
                faults += 1
            if broken and (faults > 1 or not self.retries):  # what a text does, it does again
                return answer
            delay = answer.wait or min(0.5 * 2 ** min(faults + queued - 1, 9), 8.0)
            if answer.final or faults > self.retries or delay > patience:
                raise self._failure(answer)
            if answer.status == 429 or answer.wait:
                with self._shared.lock:
                    later = time.monotonic() + delay
                    self._shared.not_before = max(self._shared.not_before, later)
            else:
                patience -= delay
                time.sleep(delay * random.uniform(0.75, 1.0))

    def _wait_turn(self, patience: float) -> float:
        """Wait until the server wants to be asked, whichever thread it told; the seconds slept."""
        began = time.monotonic()
        while (delay := self._shared.not_before - time.monotonic()) > 0:
            if time.monotonic() - began + delay > patience:
                raise self._failure(_Answer(429, "", wait=delay))
            # Not all at the same moment.
            time.sleep(delay + random.uniform(0.0, 0.1))
        return time.monotonic() - began

    def _post(self, body: dict[str, Any], seconds: float) -> _Answer:
        def call(client: OpenAI) -> _Answer:
            until = time.monotonic() + seconds
            read = bytearray()
            create = client.chat.completions.with_streaming_response.create
            limits = Timeout(seconds, connect=min(seconds, 10.0))
            with create(**body, timeout=limits) as response:
                # The client's own limit is for each byte; a server that drips would never end.
                for chunk in response.iter_bytes():
                    read += chunk
                    if time.monotonic() > until or len(read) > LONGEST_REPLY:
                        return _Answer(0, f"its answer was not complete after {seconds:g} s")
            answer = _Answer(200, read.decode("utf-8", "replace"))
            if (error := answer.json.get("error")) and not answer.choice:
                # OpenRouter says 200 to what failed later, LM Studio to any path.
                code = error.get("code") if isinstance(error, dict) else None
                if "unexpected endpoint" in answer.text.lower():
                    code = 404
                return replace(
                    answer, status=code if isinstance(code, int) and 400 <= code < 600 else 502
                )
            return answer

        return self._tried(call, seconds)

    def _get(self, path: str) -> _Answer:
        limits = Timeout(PROBE_SECONDS, connect=10.0)

        def call(client: OpenAI) -> _Answer:
            value = client.get(path, cast_to=object, options={"timeout": limits})
            return _Answer(200, json.dumps(value))

        return self._tried(call, PROBE_SECONDS)

    def _tried(self, call: Callable[[OpenAI], _Answer], seconds: float) -> _Answer:
        """The answer to a call, or what became of it."""
        try:
            return call(self._client())
        except APIStatusError as error:
            headers = error.response.headers
            final = headers.get("x-should-retry") == "false"
            return _Answer(error.status_code, error.response.text, _wait_asked(headers), final)
        except APIConnectionError as error:
            # By name, as it is httpx or httpx2, depending on the client's version.
            there = type(error.__cause__).__name__ not in ("ConnectError", "ConnectTimeout")
            slow = isinstance(error, APITimeoutError)
            why = f"no answer within {seconds:g} s" if slow else str(error.__cause__ or error)
            return _Answer(0, why, there=there)
        except (ValueError, RecursionError):
            return _Answer(200, "")  # called JSON, and is not
        except Exception as error:
            kinds = {kind.__name__ for kind in type(error).__mro__}
            if "RequestError" not in kinds:
                raise
            slow = "TimeoutException" in kinds
            return _Answer(0, f"no answer within {seconds:g} s" if slow else str(error))

    # ------------------------------------------------------------ judging

    def _reply(
        self, request: TranslationRequest, answer: _Answer
    ) -> tuple[TranslationReply, bool | None]:
        """What an answer holds, and whether it is JSON (None where that cannot be told)."""
        if answer.status != 200:
            return TranslationReply({}, fault=self._fault(answer)), None
        if not answer.choice:
            return TranslationReply({}, fault="the server's answer could not be read"), None
        self._shared.worked = True
        whole, choice = answer.json, answer.choice
        model = whole.get("model")
        if not (isinstance(model, str) and model and model.isprintable()):
            model = self._model()
        model = re.sub(r".*[/\\](?=[^/\\]+\.gguf$)", "", model)  # llama.cpp tells the whole path
        message = choice.get("message")
        message = message if isinstance(message, dict) else {}
        content = prompts.content(message)
        ids = [line.id for line in request.lines]
        ending = choice.get("finish_reason")
        said = prompts.read(content, ids, cut=ending == "length")
        fault = ""
        kept: bool | None = said.json or None
        if ending == "content_filter" or message.get("refusal"):
            fault = "the server refused the text (content filter)"
        elif ending == "length":
            fault = "the reply was cut off"
        elif not content:
            fault = "the reply was empty"
        else:
            kept = said.json
            if not said.texts:
                fault = "the model did not reply in the form that was asked for"
        counts = whole.get("usage")
        counts = counts if isinstance(counts, dict) else {}
        reply = TranslationReply(
            said.texts,
            said.summary,
            fault if len(said.texts) < len(ids) else "",
            self._usage(
                self._model(), _count(counts, "prompt_tokens"), _count(counts, "completion_tokens")
            ),
            model,
        )
        return reply, kept

    def _fault(self, answer: _Answer) -> str:
        """What is wrong with a request, where asking in another way may help."""
        if answer.status in (400, 403, 422, 451) and REFUSED.search(answer.text):
            return "the server refused the text (content filter)"
        if answer.status == 413 or (answer.status in (400, 422) and TOO_LONG.search(answer.text)):
            return "the request is too long for the model"
        self._raise_if_hopeless(answer)
        words = self._words(answer)
        # Where others went well, it is about this text, and a part of it may still do.
        if self._shared.worked:
            return f"the server refused the request ({words})"
        raise UsageError(
            f"the server at {self._where} does not take the request ({answer.status}: {words})",
            "look at the model and the settings (-o openai.NAME=VALUE)",
        )

    def _raise_if_hopeless(self, answer: _Answer) -> None:
        """Raise for what no other request would change: the key, the account, the model."""
        status, text = answer.status, answer.text
        if status in (402, 403, 429) and (status == 402 or NO_CREDIT.search(text)):
            raise UsageError(
                f"the account at {self._where} has no credit left",
                "see its billing page, or set OPENAI_BASE_URL to another server",
            )
        if status in (400, 403, 404, 422) and (
            NO_SUCH_MODEL.search(text) or (status == 404 and re.search(r"\bmodel\b", text, re.I))
        ):
            model = self._named or self._shared.model or DEFAULT_MODEL
            names = difflib.get_close_matches(model, self._listed()[1], 5, 0.0)
            raise UsageError(
                f"the server at {self._where} has no model {model!r}",
                "-o openai.model=NAME" + (f"; it has {', '.join(names)}" if names else ""),
            )
        if status in (401, 403):
            raise UsageError(
                f"the server at {self._where} "
                + ("refuses the key" if self._key else "wants a key")
                + (f" ({self._words(answer)})" if status == 403 else ""),
                "set OPENAI_API_KEY to a key of that server",
            )
        if status in (404, 405):
            raise UsageError(
                f"there is no OpenAI-compatible server at {self._where} ({status})",
                "set OPENAI_BASE_URL to its address, which mostly ends with /v1",
            )

    def _absent(self, answer: _Answer) -> MissingDependency:
        return MissingDependency(f"no server answers at {self._where} ({answer.text})", self._hint)

    @property
    def _hint(self) -> str:
        """For a server that is not there."""
        if self._is_openai:
            return "is there a way to the internet? A server of your own: OPENAI_BASE_URL"
        return "is it running? Its address is set by OPENAI_BASE_URL"

    def _failure(self, answer: _Answer) -> PluginError:
        """For what did not pass."""
        again = "the same command goes on from here later"
        if not answer.there:
            return PluginError(f"no server answers at {self._where} ({answer.text})", self._hint)
        if answer.status == 0:
            return PluginError(
                f"the server at {self._where} does not answer ({answer.text})",
                f"{again}; for a slow one: -o openai.timeout=600 -o openai.batch=5",
            )
        if answer.status == 429:
            asked = f"; it asks to wait {answer.wait:.0f} s" if answer.wait else ""
            return PluginError(
                f"the server at {self._where} takes no more requests now{asked}",
                f"{again}; -o openai.parallel=1 asks for less at once",
            )
        words = self._words(answer)
        return PluginError(f"the server at {self._where} fails ({answer.status}: {words})", again)

    def _words(self, answer: _Answer) -> str:
        """What the server says, short, and never with the key in it."""
        value: Any = answer.json
        for name in ("error", "message", "detail"):
            value = value.get(name, value) if isinstance(value, dict) else value
        text = value if isinstance(value, str) else re.sub("<[^>]*>", " ", answer.text)
        text = text.replace(self._key, "...") if self._key else text
        text = re.sub(r"\b(sk-|Bearer )\S+", "...", " ".join(text.split()))
        text = "".join(char for char in text if char.isprintable())
        return text if len(text) <= 200 else text[:197] + "..."


def _wait_asked(headers: Mapping[str, str]) -> float:
    """Seconds in a Retry-After header: a number, or a date; 0 where there is none."""
    value = headers.get("retry-after", "")
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, _finite(float(milliseconds) / 1000))
        if re.fullmatch(r"\s*[\d.]+\s*", value):
            return _finite(float(value))
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    return 0.0


def _finite(seconds: float) -> float:
    return seconds if math.isfinite(seconds) else 0.0


def _count(counts: dict[str, Any], name: str) -> int:
    value = counts.get(name)
    return max(0, value) if isinstance(value, int) else 0
