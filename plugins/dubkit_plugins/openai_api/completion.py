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
_WRAPPING = re.compile(r"<\|[\w ]+\|>|</?(?:answer|response|output|result)>")
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
    """A text without the thoughts before it, and without marks around it."""
    for begin, end in THOUGHTS:
        _, closed, rest = text.rpartition(end)
        if closed:
            text = rest
        elif text.lstrip().startswith(begin):
            return ""
    begun = _WRAPPING.match(text := text.strip())
    text = text[begun.end() :].strip() if begun else text
    ended = _WRAPPED.search(text, max(0, len(text) - 200))
    return text[: ended.start()].strip() if ended else text


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
