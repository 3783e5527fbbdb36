"""A completion that arrives in parts, as server-sent events, joined into one answer.

Some servers send one in parts whether or not that was asked for, and some models send none in any
other way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

BEGINNINGS = (b"data:", b"event:", b"id:", b"retry:", b":")


def joined(body: bytes) -> bytes:
    """The JSON of a whole completion, for a body that is a stream of its parts.

    Any other body is returned as it is, and so is a stream that breaks off.
    """
    if not body[:1000].lstrip().startswith(BEGINNINGS):
        return body
    try:
        answer = _join(_events(body.decode("utf-8", "replace")))
    except (ValueError, RecursionError):
        return body
    return json.dumps(answer).encode() if answer else body


def _events(text: str) -> Iterator[str]:
    """The data of each event; fields other than ``data`` are ignored."""
    data: list[str] = []
    for line in [*text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), ""]:
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            yield "\n".join(data)
            data = []


def _join(events: Iterator[str]) -> dict[str, Any] | None:
    """One answer out of the parts; None if it has no end. Raises ValueError for what is no JSON."""
    answer: dict[str, Any] = {}
    texts: dict[str, str] = {}
    ending, complete = None, False
    for event in events:
        if not event.strip():  # a sign of life
            continue
        if event.strip() == "[DONE]":
            complete = True
            break
        part = json.loads(event)
        if not isinstance(part, dict):
            raise ValueError("an event is no object")
        if part.get("error"):
            return {"error": part["error"]}
        answer |= {name: part[name] for name in ("model", "usage") if part.get(name)}
        choices = part.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, dict) or choice.get("index"):
                continue
            ending = choice.get("finish_reason") or ending
            if isinstance(whole := choice.get("message"), dict):
                texts = {name: text for name, text in whole.items() if isinstance(text, str)}
            delta = choice.get("delta")
            for name, text in delta.items() if isinstance(delta, dict) else ():
                if name != "role" and (more := text_of(text)):
                    texts[name] = texts.get(name, "") + more
    if not (complete or ending):
        return None
    return {**answer, "choices": [{"index": 0, "finish_reason": ending, "message": texts}]}


def text_of(content: object) -> str:
    """The text of a message's content, which some servers send in parts."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""
