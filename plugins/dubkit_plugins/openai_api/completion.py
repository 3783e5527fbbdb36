"""What a server's answer says: the text of its first completion, apart from the model's thoughts.

Servers put thoughts into a field of their own, or leave them in the text between marks that differ
from model to model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .event_stream import text_of
from .server import Answer

THOUGHTS = (
    ("<think>", "</think>"),  # DeepSeek, Qwen, GLM, ...
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),  # Gemini
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),  # Magistral
    ("◁think▷", "◁/think▷"),  # Kimi
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),  # Command
    ("<|channel>thought", "<channel|>"),  # Gemma 4
    ("<unused94>", "<unused95>"),  # MedGemma
    ("<|channel|>analysis", "<|channel|>final<|message|>"),  # gpt-oss
)
"""What stands before and after thoughts. The first may be in a model's template, and then is not in
its text."""
_WRAPPING = re.compile(r"<\|[\w ]+\|>(?:assistant\b)?|</?(?:answer|response|output|result)>")


def _patterns(begin: str, end: str) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """A whole thought, its closing mark, and an opening one at the start of a line: elsewhere it
    may be a text about it."""
    flags = re.MULTILINE | re.DOTALL
    if re.match("<[a-z]", begin):  # models write <think> in capitals, too
        flags |= re.IGNORECASE
    begin, end = re.escape(begin), re.escape(end)
    forms = f"{begin}.*?{end}", end, rf"^[ \t]*{begin}"
    whole, closing, unclosed = (re.compile(form, flags) for form in forms)
    return whole, closing, unclosed


_PATTERNS = [_patterns(begin, end) for begin, end in THOUGHTS]
_WRAPPED = re.compile(rf"(?:{_WRAPPING.pattern})+$")


@dataclass(frozen=True, slots=True)
class Completion:
    """One reply of a model."""

    text: str
    thoughts: str
    """What a server puts beside the text."""
    ending: str
    """Why it ended: ``stop``, ``length``, ``content_filter``, ...; "" if that is not known."""
    refused: bool
    """Whether the model says that it will not reply."""


def first(answer: Answer) -> Completion | None:
    """The first completion in an answer; None if it has none."""
    choices = answer.json.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict) or not choice:
        return None
    message = choice.get("message")
    if not isinstance(message, dict):
        message = {"content": choice.get("text")}
    thoughts = text_of(message.get("reasoning_content")) or text_of(message.get("reasoning"))
    ending = choice.get("finish_reason")
    return Completion(
        without_thoughts(text_of(message.get("content"))),
        thoughts.strip(),
        ending if isinstance(ending, str) else "",
        bool(message.get("refusal")),
    )


def without_thoughts(text: str) -> str:
    """A text without the thoughts before, in and after it, and without marks around it."""
    for whole, closing, unclosed in _PATTERNS:
        # Beyond the last closing mark no whole thought is searched for: each opening one would
        # search to the end.
        last = _end_of_last(closing, text)
        closed, rest = whole.sub("", text[:last]), text[last:]
        opened = unclosed.search(rest)
        text = closed[_end_of_last(closing, closed) :] + rest[: opened and opened.start()]
    begun = _WRAPPING.match(text := text.strip())
    text = text[begun.end() :].strip() if begun else text
    ended = _WRAPPED.search(text, max(0, len(text) - 200))
    return text[: ended.start()].strip() if ended else text


def _end_of_last(pattern: re.Pattern[str], text: str) -> int:
    return max((found.end() for found in pattern.finditer(text)), default=0)


def model_of(answer: Answer, requested: str) -> str:
    """The model that answered, as the server names it."""
    model = answer.json.get("model")
    if not (isinstance(model, str) and model and model.isprintable()):
        model = requested
    return re.sub(r"^.*[/\\](?=[^/\\]+\.gguf$)", "", model)  # llama.cpp gives the whole path


def count(answer: Answer, name: str) -> int:
    """How many tokens an answer counts as ``name``; 0 if it does not say."""
    counts: Any = answer.json.get("usage")
    value = counts.get(name) if isinstance(counts, dict) else None
    return max(0, value) if isinstance(value, int) else 0
