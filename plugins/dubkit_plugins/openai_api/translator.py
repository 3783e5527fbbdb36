"""``openai``: a language model on any server that speaks OpenAI's protocol, as a translator.

What is said to it and how it is read is in ``openai_prompt.py``, the server in
``openai_server.py``; here is what lies between: settings, model, form and price of a request.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dubkit import Progress, TranslationReply, TranslationRequest, Translator, Usage, UsageError

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
"""OpenAI's list prices as of August 2025, US dollars for a million tokens in and out. What it
takes off for input that it has seen before is not reckoned with, so a bill may be lower."""
ABOUT_FORMAT = re.compile(r"response.?format|json|schema|structured|grammar", re.I)
NO_TEXT_MODEL = re.compile(
    r"(embed|rerank|whisper|transcribe|\btts\b|audio|realtime|moderation|dall-e|gpt-image|\bsora\b)"
    r"[^/]*$",
    re.I,
)


@dataclass
class _Found:
    """What the threads of a run have found out together."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    model: str = ""
    """The first that the server lists."""
    schema: bool | None = None
    """Whether the server keeps to a schema; None until it was tried."""


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
    _server: Server = field(init=False, repr=False, compare=False)
    _found: _Found = field(default_factory=_Found, init=False, repr=False, compare=False)

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
            if_full="-o openai.parallel=1 asks for less at once",
        )
        object.__setattr__(self, "_server", server)

    def check(self) -> Sequence[str]:
        """Problems that keep it from working here."""
        problems = self._server.check()
        if self.format not in FORMATS:
            problems.append(f"openai.format is one of {', '.join(FORMATS)}, not {self.format!r}")
        if self.prompt and not self.prompt.expanduser().is_file():
            problems.append(f"there is no file {self.prompt} for openai.prompt: look at its name")
        return problems

    def configured(self) -> bool:
        """A key, or the address of a server, is set."""
        return bool(key() or self.base_url or os.environ.get("OPENAI_BASE_URL"))

    def offer(self, source: str | None, target: str) -> str:
        """A language model translates between any two languages."""
        return "set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own (Ollama, vLLM, ...)"

    def supports(self, source: str | None, target: str) -> bool:
        """Any two languages; how well is the model's affair."""
        return (source or "").lower() != target.lower()

    def prepare(self, source: str | None, target: str, progress: Progress) -> None:
        """Find out whether server, key and model are there; once, and quickly."""
        self._raise_problems()
        model = self._model()
        if model == self._found.model or self._server.knows(model):
            return
        # Many servers have no pages about models, and some take any name: ask for a word instead.
        hello = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
        self._server.raise_if_hopeless(self._server.post(CHAT, {**hello, "max_tokens": 1}), model)

    def translate(self, request: TranslationRequest) -> TranslationReply:
        """Ask once, or twice where the server turns out not to keep to a schema."""
        self._raise_problems()
        spent = Usage()
        if self.format == "schema" or (self.format == "auto" and self._found.schema is not False):
            answer = self._ask(request, schema=True)
            if answer.says(ABOUT_FORMAT, 400, 404, 422, 501):
                if self.format == "schema":
                    raise UsageError(
                        f"the server at {self._server.where} knows no schemas: "
                        f"{self._server.words(answer)}",
                        "-o openai.format=numbered",
                    )
                self._learn(False)
            else:
                reply, kept = self._reply(request, answer)
                if self._learn(kept) or kept is not False or self.format == "schema":
                    return reply
                spent = reply.usage
        reply, _ = self._reply(request, self._ask(request, schema=False))
        return replace(reply, usage=spent + reply.usage)

    def estimate(self, request: TranslationRequest) -> Usage:
        """Tokens by the length of the real prompt, and what they cost."""
        schema = self.format != "numbered"
        asked = sum(prompts.tokens(part["content"]) for part in self._messages(request, schema))
        said = prompts.tokens("".join(line.text for line in request.lines))
        # A translation is a little longer than its text; an id in JSON and how its line begins are
        # 20 tokens, a summary 80.
        said = round(1.2 * said) + (20 if schema else 5) * len(request.lines) + 80
        return self._usage(self._named, asked + 90 * schema, said)

    # ------------------------------------------------------------ model and form

    def _raise_problems(self) -> None:
        if problems := self.check():
            raise UsageError(problems[0])

    @property
    def _named(self) -> str:
        """The model's name where it is known without asking; "" where the server is to tell."""
        named = self.model or os.environ.get("OPENAI_MODEL", "").strip()
        return named or (DEFAULT_MODEL if self._server.is_openai else "")

    def _model(self) -> str:
        """The model's name; from a server of one's own, the first that it lists."""
        if self._named:
            return self._named
        with self._found.lock:
            if not self._found.model:
                names = self._server.models()
                names = [name for name in names if not NO_TEXT_MODEL.search(name)] or names
                if not names:
                    raise UsageError(
                        f"the server at {self._server.where} lists no models",
                        "name one: -o openai.model=NAME, or OPENAI_MODEL",
                    )
                self._found.model = names[0]
            return self._found.model

    def _learn(self, kept: bool | None) -> bool | None:
        """Whether the server keeps to a schema, now that it was tried once more.

        One that has kept to it before will again: each model slips once in a while.
        """
        with self._found.lock:
            if self._found.schema is None:
                self._found.schema = kept
            return self._found.schema

    # ------------------------------------------------------------ a request and its reply

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

    def _ask(self, request: TranslationRequest, *, schema: bool) -> Answer:
        body: dict[str, Any] = {
            "model": self._model(),
            "messages": self._messages(request, schema),
        }
        if schema:
            body["response_format"] = prompts.RESPONSE_FORMAT
        if self.temperature is not None:
            body["temperature"] = self.temperature
        return self._server.ask(CHAT, body, lambda answer: bool(_choice(answer)))

    def _reply(
        self, request: TranslationRequest, answer: Answer
    ) -> tuple[TranslationReply, bool | None]:
        """What an answer holds, and whether it is JSON (None where that cannot be told)."""
        model, choice = self._model(), _choice(answer)
        if answer.status != 200 or not choice:
            return TranslationReply({}, fault=self._server.fault(answer, model)), None
        message = choice.get("message")
        message = message if isinstance(message, dict) else {}
        content, ending = prompts.content(message), choice.get("finish_reason")
        said = prompts.read(content, request, cut=ending == "length")
        fault = ""
        if ending == "content_filter" or message.get("refusal"):
            fault = "the server refused the text (content filter)"
        elif ending == "length":
            fault = "the reply was cut off"
        elif not content:
            fault = "the reply was empty"
        elif said.astray:
            fault = "the translations stood with the wrong ids"
        kept = said.json or (None if fault else False)
        if not (fault or said.texts):
            fault = "the model did not reply in the form that was asked for"
        reply = TranslationReply(
            said.texts,
            said.summary,
            fault if len(said.texts) < len(request.lines) else "",
            self._usage(
                model, _count(answer, "prompt_tokens"), _count(answer, "completion_tokens")
            ),
            _answering(answer, model),
        )
        return reply, kept

    def _usage(self, model: str, asked: int, said: int) -> Usage:
        dateless = re.sub(r"-\d{4}-\d\d-\d\d$", "", model)
        listed = PRICES.get(dateless) if self._server.is_openai else None
        price_in = self.input_price if self.input_price is not None else listed and listed[0]
        price_out = self.output_price if self.output_price is not None else listed and listed[1]
        if price_in is None or price_out is None:
            return Usage(1, asked, said)
        return Usage(1, asked, said, (asked * price_in + said * price_out) / 1e6)


def _choice(answer: Answer) -> dict[str, Any]:
    """What a model said; empty where the answer holds nothing of the kind."""
    choices = answer.json.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else {}


def _answering(answer: Answer, asked: str) -> str:
    """The model that answered, by its own word."""
    model = answer.json.get("model")
    if not (isinstance(model, str) and model and model.isprintable()):
        model = asked
    return re.sub(r".*[/\\](?=[^/\\]+\.gguf$)", "", model)  # llama.cpp tells the whole path


def _count(answer: Answer, name: str) -> int:
    counts = answer.json.get("usage")
    value = counts.get(name) if isinstance(counts, dict) else None
    return max(0, value) if isinstance(value, int) else 0
