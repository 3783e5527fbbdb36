"""The command's sentences as the page says them: in its own language, and without a shell.

Most are in ``texts/sentences.json``: ``is`` is the command's sentence, with ``{names}`` for what
varies in it, and the others are the page's. What is not there stays English; flags become the names
of the form's fields, and advice about what to type in a shell is left out.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from dubkit import languages

from . import targets, texts
from .fields import FIELDS, LABELS

PLACE = re.compile(r"^(?:[A-Za-z]{2,3}(?:-\w+)*: )?(?:cue \d+: )?")
"""What a warning begins with: its language, and its cue."""
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
SHELL = re.compile(
    r"(?<![\w-])--[a-z]|(?<!\w)-o \S|\bpip install\b"
    r"|\bdubkit (?:doctor|setup|models|plugins|config|clean|check|distill|FILM|--?\w)"
)
"""What only somebody at a shell can use."""


def sentence(text: str, language: str) -> str:
    """A sentence of the command in the page's language; unchanged if ``language`` is empty, as for
    programs."""
    if not language or not text:
        return text
    tag = texts.best(language)
    before = PLACE.match(text)
    place = before[0] if before else ""
    return place + (_known(text[len(place) :], tag) or _without_flags(text[len(place) :], tag))


def advice(text: str, language: str) -> str:
    """A hint in the page's language, without what only somebody at a shell can use."""
    if not language or not text:
        return text
    tag = texts.best(language)
    if whole := _known(text, tag):
        return whole
    parts = [_known(one, tag) or _without_flags(one, tag) for one in re.split(r"; (?:or )?", text)]
    left = [one for one in parts if not SHELL.search(one)]
    if left:
        return "; ".join(left)
    return texts.texts(tag)["ask_operator"]


def error(failure: Mapping[str, Any], language: str) -> dict[str, Any]:
    """A failure, or an event, with its ``message`` and ``hint`` as the page says them."""
    found = dict(failure)
    if "message" in found:
        found["message"] = sentence(str(found["message"]), language)
    if "hint" in found:
        found["hint"] = advice(str(found["hint"]), language)
    return found


def of_cues(answer: Mapping[str, Any], language: str) -> dict[str, Any]:
    """An answer about cues, with the faults of each as the page says them."""
    found = dict(answer)
    if "changes" in found:
        found["changes"] = {tag: of_cues(one, language) for tag, one in found["changes"].items()}
    if "cues" in found:
        found["cues"] = [
            {**cue, "faults": [error(one, language) for one in cue["faults"]]}
            for cue in found["cues"]
        ]
    return found


def of_request(headers: Mapping[str, str]) -> str:
    """The language that a browser asks for first; empty for a program, which states none."""
    return headers.get("accept-language", "").split(",")[0].split(";")[0]


def _known(text: str, tag: str) -> str:
    """A sentence that is listed, in a language of the page; empty if it is not."""
    plain = text.strip().removesuffix(".")
    for pattern, words in _sentences():
        if match := pattern.fullmatch(plain):
            found = words[tag]
            for name, value in match.groupdict().items():
                named = name in ("language", "from")
                found = found.replace(f"{{{name}}}", _language(value, tag) if named else value)
            end = "." if text.endswith(".") and found[-1] != "." else ""
            return (found[:1].upper() + found[1:] if text[:1].isupper() else found) + end
    return ""


def _language(name: str, tag: str) -> str:
    """The name of a language that the command names in English."""
    known = languages.tag_of(name)
    return targets.name(known, tag) if known else name


def _without_flags(text: str, tag: str) -> str:
    say = texts.texts(tag)

    def label(match: re.Match[str]) -> str:
        key = _labels().get(match[0], "")
        return f"“{say[key]}”" if key in say else match[0]

    return FLAG.sub(label, text)


@functools.cache
def _labels() -> Mapping[str, str]:
    """The keys of the form's labels by flag."""
    return {one.flag: LABELS.get(one.name, one.name) for one in FIELDS.values()}


@functools.cache
def _sentences() -> tuple[tuple[re.Pattern[str], Mapping[str, str]], ...]:
    """The sentences of the command, as patterns, with what the page says."""
    listed = json.loads((texts.FOLDER / "sentences.json").read_text("utf-8"))
    return tuple(
        (re.compile(_pattern(one["is"]), re.DOTALL | re.IGNORECASE), one) for one in listed
    )


def _pattern(sentence: str) -> str:
    def parts() -> Iterator[str]:
        for part in re.split(r"(\{\w+\})", sentence):
            yield f"(?P<{part[1:-1]}>.+?)" if re.fullmatch(r"\{\w+\}", part) else re.escape(part)

    return "".join(parts())
