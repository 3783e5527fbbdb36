"""``openai``: a language model on any server with OpenAI's API, as a translator.

This module decides settings, model, form and price of a request. Prompts and replies are in
:mod:`.prompt`, the connection is in :mod:`.server`.
"""

from __future__ import annotations

import functools
import json
import os
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dubkit import (
    Progress,
    TranslationReply,
    TranslationRequest,
    Translator,
    Usage,
    UsageError,
    at_home,
)

from . import completion, reply
from . import prompt as prompts
from .server import Answer, Server, address, key

CHAT = "/chat/completions"
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
"""OpenAI's list prices as of August 2025, US dollars per million tokens of input and of output. The
discount for cached input is ignored, so a bill may be lower."""
ABOUT_FORMAT = re.compile(r"response.?format|json|schema|structured|grammar", re.I)
REFUSALS = (400, 404, 405, 415, 422, 500, 501, 502, 503)
"""Statuses with which servers refuse the form of a request: a template that fails in one is a fault
of the server's own."""
ABOUT_ROLES = re.compile(
    r"\b(system|developer)\b.{0,60}\b(roles?|messages?|prompts?|instructions?)\b"
    r"|\b(roles?|messages?)\b.{0,80}\b(system|developer|alternat\w+)\b"
    r"|only\s.{0,20}\buser\b.{0,20}\bassistant\b|chat.?template|jinja",
    re.I | re.S,
)
"""The model has no role for instructions, or wants the user's and its own by turns."""
ABOUT_STREAMS = re.compile(r"\bstream(s|ed|ing)?\b", re.I)
ABOUT_COUNTS = re.compile(r"stream_options|include_usage", re.I)
NO_TEXT_MODEL = re.compile(
    r"(embed|rerank|whisper|transcribe|\btts\b|audio|realtime|moderation|dall-e|gpt-image|\bsora\b)"
    r"[^/]*$",
    re.I,
)


@dataclass
class _ServerFacts:
    """What has been found out about the server, shared by all threads."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    model: str = ""
    """The first that it lists."""
    schema: bool | None = None
    """Whether its replies follow a schema; None until tried."""
    system: bool = True
    """Whether its model has a role for instructions."""
    streams: bool = False
    """Whether it has to be asked for a stream."""
    counts: bool = True
    """Whether it can be asked to count the tokens of a stream."""


@dataclass(frozen=True)
class OpenAITranslator(Translator):
    """Large language models: OpenAI's, another provider's, or self-hosted (Ollama, vLLM, ...)."""

    model: str = ""
    """Name of the model; "" for $OPENAI_MODEL, else ``gpt-4.1-mini`` on OpenAI's own server and
    the first model that any other server lists."""
    base_url: str = ""
    """Address of the server, usually up to ``/v1``; "" for $OPENAI_BASE_URL, else OpenAI's."""
    parallel: int = 4
    """Requests at once."""
    batch: int = 20
    """Lines per request, at most."""
    timeout: float = 120.0
    """Seconds to wait for an answer."""
    retries: int = 4
    """Further attempts after a network or server error."""
    temperature: float | None = None
    """0 for the most likely words, higher for less likely ones; by default the server's."""
    format: str = "auto"
    """``schema``: JSON enforced by the server; ``numbered``: plain text; ``auto``: the first if the
    server supports it, which is found out by trying."""
    input_price: float | None = None
    """US dollars per million input tokens, to calculate the cost."""
    output_price: float | None = None
    """US dollars per million output tokens."""
    prompt: Path | None = None
    """A text file with instructions for the model, in addition to dubkit's."""
    extra: str = ""
    """Further fields of each request, as a JSON object: ``{"enable_thinking": false}``."""
    _server: Server = field(init=False, repr=False, compare=False)
    _facts: _ServerFacts = field(
        default_factory=_ServerFacts, init=False, repr=False, compare=False
    )

    contract = 2
    priority = 30
    follows = ("glossary", "tone", "context", "length", "markup", "fault")

    def __post_init__(self) -> None:
        server = Server(
            address(self.base_url),
            key(),
            self.timeout,
            self.retries,
            if_slow="-o openai.timeout=600 -o openai.batch=5",
            if_full="-o openai.parallel=1 sends one request at a time",
        )
        object.__setattr__(self, "_server", server)

    def check(self) -> Sequence[str]:
        """Problems that keep it from working here."""
        problems = self._server.check()
        if self.format not in FORMATS:
            problems.append(f"openai.format is one of {', '.join(FORMATS)}, not {self.format!r}")
        if self.prompt and not at_home(self.prompt).is_file():
            problems.append(f"there is no file {self.prompt} for openai.prompt: check its name")
        if self._extra is None:
            problems.append(
                "openai.extra is a JSON object of further fields, as in "
                f"-o 'openai.extra={{\"enable_thinking\": false}}', not {self.extra!r}"
            )
        return problems

    @property
    def _extra(self) -> dict[str, Any] | None:
        """The further fields of a request; None if they are no JSON object."""
        try:
            value = json.loads(self.extra or "{}")
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) and "messages" not in value else None

    def configured(self) -> bool:
        """A key, or the address of a server, is set."""
        return bool(key() or self.base_url or os.environ.get("OPENAI_BASE_URL"))

    def offer(self, source: str | None, target: str) -> str:
        """A language model translates between any two languages."""
        return "set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own (Ollama, vLLM, ...)"

    def supports(self, source: str | None, target: str) -> bool:
        """Any two languages; how well depends on the model."""
        return (source or "").lower() != target.lower()

    def prepare(self, source: str | None, target: str, progress: Progress) -> None:
        """Check that the server answers and accepts key and model, which takes little time."""
        self._raise_problems()
        model = self._model()
        if model == self._facts.model or self._server.knows(model):
            return
        # Many servers have no pages about models, and some take any name: request a token instead.
        hello: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
        hello |= {"max_tokens": 1, **(self._extra or {})}
        self._server.raise_if_hopeless(self._server.post(CHAT, hello), model)

    def translate(self, request: TranslationRequest) -> TranslationReply:
        """Send one request, or two if the server turns out not to follow a schema, or does not for
        a single line."""
        self._raise_problems()
        spent = Usage()
        if self._may_use_schema():
            answer, schema = self._request(request, schema=True)
            if not (schema and answer.says(ABOUT_FORMAT, 400, 404, 422, 501)):
                given, followed = self._reply(request, answer)
                able = self._record_schema(followed) if schema else None
                if not schema or followed is not False or self.format == "schema":
                    return given
                if able and len(request.lines) > 1:  # a slip; its lines will be requested by halves
                    return given
                spent = given.usage
            elif self.format == "schema":
                raise UsageError(
                    f"the server at {self._server.where} does not support schemas: "
                    f"{self._server.words(answer)}",
                    "-o openai.format=numbered",
                )
            else:
                self._record_schema(False)
        given, _ = self._reply(request, self._request(request, schema=False)[0])
        return replace(given, usage=spent + given.usage)

    def estimate(self, request: TranslationRequest) -> Usage:
        """Tokens, estimated from the length of the actual prompt, and their cost."""
        schema = self.format != "numbered"
        sent = sum(prompts.tokens(part["content"]) for part in self._messages(request, schema))
        text = prompts.tokens("".join(line.text for line in request.lines))
        # A translation is a little longer than its text; an id in JSON and the beginning of its
        # line take 20 tokens, a summary 80.
        received = round(1.2 * text) + (20 if schema else 5) * len(request.lines) + 80
        return self._usage(self._configured_model, sent + 90 * schema, received)

    # ------------------------------------------------------------ model and form

    def _raise_problems(self) -> None:
        if problems := self.check():
            raise UsageError(problems[0])

    @property
    def _configured_model(self) -> str:
        """The model's name if it is known without asking; "" if the server has to be asked."""
        named = self.model or os.environ.get("OPENAI_MODEL", "").strip()
        return named or (DEFAULT_MODEL if self._server.is_openai else "")

    def _model(self) -> str:
        """The model's name; by default, on any server but OpenAI's, the first that it lists."""
        if self._configured_model:
            return self._configured_model
        with self._facts.lock:
            if not self._facts.model:
                names = self._server.models()
                names = [name for name in names if not NO_TEXT_MODEL.search(name)] or names
                if not names:
                    raise UsageError(
                        f"the server at {self._server.where} lists no models",
                        "name one: -o openai.model=NAME, or OPENAI_MODEL",
                    )
                self._facts.model = names[0]
            return self._facts.model

    def _may_use_schema(self) -> bool:
        # What has no role for instructions are small models, which do better with plain text.
        facts = self._facts
        return self.format == "schema" or (
            self.format == "auto" and facts.system and facts.schema is not False
        )

    def _record_schema(self, followed: bool | None) -> bool | None:
        """Record whether a reply followed the schema; return whether the server supports schemas.

        A server that has followed one before still does: every model slips now and then.
        """
        with self._facts.lock:
            if self._facts.schema is None:
                self._facts.schema = followed
            return self._facts.schema

    # ------------------------------------------------------------ a request and its reply

    def _messages(self, request: TranslationRequest, schema: bool) -> list[dict[str, str]]:
        extra = ""
        if self.prompt:
            try:
                extra = at_home(self.prompt).read_text("utf-8")
            except (OSError, ValueError) as wrong:
                raise UsageError(
                    f"{self.prompt} cannot be read: {wrong}", "openai.prompt is a UTF-8 text file"
                ) from wrong
        return prompts.messages(request, schema=schema, extra=extra, system=self._facts.system)

    def _request(self, request: TranslationRequest, *, schema: bool) -> tuple[Answer, bool]:
        """The answer to a request in a form that the server takes, which is found out by trying;
        and whether it was to follow a schema.

        The body is made again for each try, since other threads find out, too.
        """
        while True:
            body = self._body(request, schema=schema and self._may_use_schema())
            learn = functools.partial(self._learn, body)
            answer = self._server.ask(
                CHAT, body, lambda answer: completion.first(answer) is not None, learn
            )
            if fact := learn(answer):
                with self._facts.lock:
                    setattr(self._facts, *fact)
            if not fact or self._body(request, schema=schema and self._may_use_schema()) == body:
                # If the body is the same, openai.extra asks for that form.
                return answer, "response_format" in body

    def _body(self, request: TranslationRequest, *, schema: bool) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model(),
            "messages": self._messages(request, schema),
        }
        if schema:
            body["response_format"] = prompts.RESPONSE_FORMAT
        if self.temperature is not None:
            body["temperature"] = self.temperature
        if self._facts.streams:
            body["stream"] = True
            if self._facts.counts:
                body["stream_options"] = {"include_usage": True}
        return body | (self._extra or {})

    def _learn(self, body: Mapping[str, Any], answer: Answer) -> tuple[str, bool] | None:
        """What a server shows of itself that refuses a request for something that need not be in
        it: a field of :class:`_ServerFacts` and its value."""
        if "stream_options" in body and self._says(answer, ABOUT_COUNTS):
            return "counts", False
        if not body.get("stream") and self._says(answer, ABOUT_STREAMS):
            return "streams", True
        if len(body["messages"]) > 1 and self._says(answer, ABOUT_ROLES):
            return "system", False
        return None

    def _says(self, answer: Answer, what: re.Pattern[str]) -> bool:
        """Whether a server's refusal is about something, by its words: the names in its JSON are
        roles and messages, too."""
        return answer.status in REFUSALS and bool(what.search(self._server.words(answer)))

    def _reply(
        self, request: TranslationRequest, answer: Answer
    ) -> tuple[TranslationReply, bool | None]:
        """What an answer contains, and whether it is JSON (None if that cannot be judged)."""
        model, done = self._model(), completion.first(answer)
        if answer.status != 200 or not done:
            return TranslationReply({}, fault=self._server.fault(answer, model)), None
        parsed = reply.read(done.text, request, cut=done.ending == "length")
        if not done.text and done.ending == "stop":  # some servers take all of it for thoughts
            thoughts = reply.read(done.thoughts, request)
            parsed = thoughts if len(thoughts.texts) == len(request.lines) else parsed
        fault = ""
        if done.ending == "content_filter" or done.refused:
            fault = "the server refused the text (content filter)"
        elif done.ending == "length":
            fault = "the reply was cut off"
        elif not (done.text or parsed.texts):
            fault = "the reply was empty" + (", but for thoughts" if done.thoughts else "")
        elif parsed.misplaced:
            fault = "the translations had the wrong ids"
        followed = parsed.json or (None if fault else False)
        if not (fault or parsed.texts):
            fault = "the model did not reply in the requested form"
        given = TranslationReply(
            parsed.texts,
            parsed.summary,
            fault if len(parsed.texts) < len(request.lines) else "",
            self._usage(
                model,
                completion.count(answer, "prompt_tokens"),
                completion.count(answer, "completion_tokens"),
            ),
            completion.model_of(answer, model),
        )
        return given, followed

    def _usage(self, model: str, sent: int, received: int) -> Usage:
        dateless = re.sub(r"-\d{4}-\d\d-\d\d$", "", model)
        listed = PRICES.get(dateless) if self._server.is_openai else None
        price_in = self.input_price if self.input_price is not None else listed and listed[0]
        price_out = self.output_price if self.output_price is not None else listed and listed[1]
        if price_in is None or price_out is None:
            return Usage(1, sent, received)
        return Usage(1, sent, received, (sent * price_in + received * price_out) / 1e6)
