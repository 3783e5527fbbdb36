"""A parser for the replies of language models, in whatever form they come.

Models lose count: they split one line or merge two, and every translation after that has the wrong
id. In the ``schema`` form each translation therefore identifies its line twice, by its id and by
how the line begins, and is accepted if both agree.
"""

from __future__ import annotations

import contextlib
import html
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any

from dubkit import TranslationRequest

from . import near_json
from .prompt import flat

LETTERS = 40
"""Letters of a beginning that are compared; some models copy the whole line."""
TEXTS = ("translation", "translated_text", "translated", "target", "text")
"""Names that models give to a translation; the last may be that of its source beside another."""
NAMES = (
    *(*TEXTS, "id", "begins", "lines", "translations", "summary"),
    *("source", "original", "speaker", "max_chars", "rejected", "fault", "note"),
)
"""The names in a reply, and those that models repeat from the request."""
ALIKE = 0.75
"""Similarity (1 is identical) from which a beginning counts as copied from a line with typos."""


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """What could be read from a reply."""

    texts: dict[str, str]
    """Translations by line id."""
    summary: str = ""
    json: bool = False
    """Whether it was JSON."""
    misplaced: bool = False
    """Whether texts had the wrong ids; those that could not be corrected are left out."""


@dataclass(frozen=True, slots=True)
class _Item:
    """One translation in a reply."""

    id: str
    text: str
    begins: str = ""
    """The beginning of the line that it translates; "" if the model does not give it."""


def read(content: str, request: TranslationRequest, *, cut: bool = False) -> ParsedReply:
    """The translations in a reply of any form, fenced or surrounded by prose.

    A truncated reply gives the lines before the cut. An id that occurs twice is left out, as it is
    not known which one is right, and so is one that was not requested.
    """
    ids = [line.id for line in request.lines]
    content = _decoded(content)
    values = list(_objects(content))
    items = _best(values, ids)
    if not set(ids) <= {item.id for item in items}:
        values, items = _or_near_json(content, values, items, ids)
    items = _with_requested_ids(items, ids) or _by_position(content, values, ids)
    if items:
        summaries = [value["summary"] for value in values if isinstance(value.get("summary"), str)]
        summary = flat(summaries[-1]) if summaries else ""
        items, misplaced = _realign(items, request)
        return ParsedReply(_unique_texts(items, ids), summary, json=True, misplaced=misplaced)
    for items in (list(_bracketed(content)), _rows(content, ids)):
        if cut:  # the last line may be incomplete
            items = items[:-1]
        summary = " ".join(item.text for item in items if item.id.lower() == "summary")
        items = [item for item in items if item.id.lower() != "summary"]
        if texts := _unique_texts(_renumbered(items, ids), ids):
            break
    return ParsedReply(texts, summary)


def _decoded(content: str) -> str:
    """A reply without another encoding around it: a string of JSON, entities of HTML."""
    if content.startswith('"{') or content.startswith('"['):
        with contextlib.suppress(ValueError, RecursionError):
            inner = json.loads(content)
            return inner if isinstance(inner, str) else content
    return html.unescape(content) if "&quot;" in content and '"' not in content else content


def _best(values: Sequence[dict[str, Any]], ids: Sequence[str]) -> list[_Item]:
    """The translations in the last object that has all of them, else in all objects: a model may
    have written a draft before."""
    found = [list(_items(value, ids)) for value in values]
    whole = [items for items in found if Counter(item.id for item in items) == Counter(ids)]
    return whole[-1] if whole else [item for items in found for item in items]


def _or_near_json(
    content: str, values: list[dict[str, Any]], items: list[_Item], ids: Sequence[str]
) -> tuple[list[dict[str, Any]], list[_Item]]:
    """The objects and items of a reply that is not quite JSON, where that gives more of them."""
    summary = {}
    near: list[_Item] = []
    entry: dict[str, str | None] = {}
    for name, value, opens in near_json.pairs(content, {*ids, *NAMES}):
        if name == "summary":
            summary = {"summary": value}
        elif name in ids:
            near += [_Item(name, value)] if value is not None else []
        else:
            if opens or name in entry:  # the next object
                near += _items(entry, ids)
                entry = {}
            entry[name] = value
    near += _items(entry, ids)
    fewer = len(_unique_texts(near, ids)) <= len(_unique_texts(items, ids))
    return (values, items) if fewer else ([summary], near)


def _unique_texts(items: Sequence[_Item], ids: Collection[str]) -> dict[str, str]:
    times = Counter(item.id for item in items)
    return {item.id: flat(item.text) for item in items if item.id in ids and times[item.id] == 1}


def _with_requested_ids(items: list[_Item], ids: Sequence[str]) -> list[_Item]:
    """The items under the requested ids, if they have others and the mapping is unambiguous."""
    if len(items) == len(ids) == 1:
        return [replace(items[0], id=ids[0])]
    return _renumbered(items, ids)


def _renumbered(items: list[_Item], ids: Sequence[str]) -> list[_Item]:
    """The items under the requested ids, if the model numbered them from 1 instead."""
    counted = [str(number) for number in range(1, len(ids) + 1)]
    if len(ids) < 2 or [item.id for item in items] != counted:
        return items
    return [replace(item, id=name) for item, name in zip(items, ids, strict=True)]


# ---------------------------------------------------------------- matching items to lines


def _realign(items: list[_Item], request: TranslationRequest) -> tuple[list[_Item], bool]:
    """The items under the ids of the lines whose beginnings they give; whether any id was wrong.

    Once one is wrong, an item is kept only if it gives the beginning of exactly one line and is
    followed by the translation of the next line: an item before a gap may be half a line, or two.
    """
    ids = [line.id for line in request.lines]
    lines = _beginnings(request)
    matches = [_matching_lines(item, lines) for item in items]
    right = [item.id in ids and _has_right_id(item, ids.index(item.id), lines) for item in items]
    if not (any(matches) or any(right)):  # this model does not understand "begins"
        return items, False
    if not any(
        item.id in ids and not ok and _is_misplaced(item, places)
        for item, places, ok in zip(items, matches, right, strict=True)
    ):
        return items, False
    times = Counter(places[0] for places in matches if len(places) == 1)
    sure = [p[0] if len(p) == 1 and times[p[0]] == 1 and p[0] < len(ids) else None for p in matches]
    return [
        replace(item, id=ids[place])
        for item, place, following in zip(items, sure, [*sure[1:], len(ids)], strict=True)
        if place is not None and following == place + 1
    ], True


def _beginnings(request: TranslationRequest) -> list[tuple[str, str]]:
    """The letters of each line, alone and joined with the next; first the requested lines, then the
    neighbors.

    Some models insist on three words and take them from the next line if one is shorter.
    """
    before, lines, after = (
        [_letters(line.text) for line in part]
        for part in (request.before, request.lines, request.after)
    )
    following = [*lines[1:], after[0] if after else ""]
    run_on = [(line, line and line + more) for line, more in zip(lines, following, strict=True)]
    return [*run_on, *((line, line) for line in (*before, *after))]


def _matching_lines(item: _Item, lines: Sequence[tuple[str, str]]) -> list[int]:
    """The indexes of the lines that begin exactly as an item says."""
    begins = _letters(item.begins)[:LETTERS]
    if not begins:
        return []
    alone = [place for place, (line, _) in enumerate(lines) if line.startswith(begins)]
    return alone or [place for place, (_, line) in enumerate(lines) if line.startswith(begins)]


def _has_right_id(item: _Item, place: int, lines: Sequence[tuple[str, str]]) -> bool:
    """Whether an item gives the beginning of the line of its id, and no other line fits better."""
    begins = _letters(item.begins)[:LETTERS]
    if (matches := _matching_lines(item, lines)) or not begins:
        return place in matches
    # Shorter or longer by an article, which is easily dropped.
    heads = {lines[place][1][: len(begins) + more] for more in range(-2, 6)}
    return any(SequenceMatcher(None, head, begins).ratio() >= ALIKE for head in heads)


def _is_misplaced(item: _Item, matches: Sequence[int]) -> bool:
    """Whether an item that does not match the line of its id is the translation of another."""
    begins = _letters(item.begins)
    # Some models give the beginning of the translation, which proves nothing.
    return bool(matches) or (bool(begins) and not _letters(item.text).startswith(begins))


def _letters(text: str) -> str:
    """Only the letters and digits of a text, in lower case and without accents."""
    plain = re.sub("</?[A-Za-z]{1,4}>", "", html.unescape(text))
    folded = unicodedata.normalize("NFKD", plain).casefold()
    return "".join(char for char in folded if char.isalnum())


# ---------------------------------------------------------------- formats of replies


def _objects(content: str) -> Iterator[dict[str, Any]]:
    """Every complete JSON object in a text, outermost ones only."""
    # Not strictly: a text may hold line breaks as they are.
    decoder = json.JSONDecoder(object_pairs_hook=_drop_duplicates, strict=False)
    at, failures = content.find("{"), 0
    while at >= 0 and failures < 500:  # a text full of braces would take minutes
        try:
            value, end = decoder.raw_decode(content, at)
        except (ValueError, RecursionError):
            end, failures = at + 1, failures + 1
        else:
            yield value
        at = content.find("{", end)


def _drop_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object in which a key that occurs twice has no value."""
    times = Counter(key for key, _ in pairs)
    return {key: value if times[key] == 1 else None for key, value in pairs}


def _items(value: object, ids: Collection[str], depth: int = 6) -> Iterator[_Item]:
    """Ids with texts: ``{"id": .., "text": ..}`` or ``{id: text}``, at any depth."""
    if not depth:
        return
    if isinstance(value, list):
        for item in value:
            yield from _items(item, ids, depth - 1)
    elif isinstance(value, dict):
        texts = (value[name] for name in TEXTS if name in value)
        text = next((text for text in texts if isinstance(text, str)), None)
        if text is not None and ("id" in value or len(ids) == 1):
            begins = value.get("begins")
            name = str(value.get("id"))
            bare = name.strip("[]()#:. ")
            name = bare if name not in ids and bare in ids else name
            yield _Item(name, text, begins if isinstance(begins, str) else "")
            return
        for key, item in value.items():
            if isinstance(item, str) and (key in ids or key.isdecimal()):
                yield _Item(key, item)
            yield from _items(item, ids, depth - 1)


def _by_position(content: str, values: Sequence[object], ids: Sequence[str]) -> list[_Item]:
    """The texts of a list without ids, if it has exactly as many as were requested."""
    lists = [value.get("lines") for value in values if isinstance(value, dict)]
    for found in (*lists, _array(content)):
        if isinstance(found, list) and len(found) == len(ids):
            texts = [text for text in found if isinstance(text, str)]
            if len(texts) == len(ids):
                return [_Item(name, text) for name, text in zip(ids, texts, strict=True)]
    return []


def _array(content: str) -> object:
    """A reply that is JSON as a whole; None if it is not."""
    fenced = re.fullmatch(r"\s*```\w*\n(.*)```\s*", content, re.DOTALL)
    try:
        return json.loads(fenced[1] if fenced else content)
    except (ValueError, RecursionError):
        return None


def _bracketed(content: str) -> Iterator[_Item]:
    """``[id] text``, which may continue on the next lines up to an empty one."""
    name, text = "", ""
    for line in [*content.splitlines(), ""]:
        begun = re.match(r"[\s*>-]*\[(?:id:? ?)?([^\[\]\s]+)\][*:.]*\s*(.*)", line)
        if name and (begun or not line.strip()):
            yield _Item(name, text)
            name = ""
        if begun:
            name, text = begun.groups()
        elif name:
            text += " " + line


BRACKETS = re.compile(r"[\s*>-]*\[(?:id:? ?)?([^\[\]\s]+)\][*:.]*\s*(.+)")
CELLS = re.compile(r"\s*\|[\s*]*\[?([\w-]+)\]?[\s*]*\|((?:[^|\\]|\\.)*+)\|?\s*")
DOTTED = re.compile(r"[\s*>-]*+([\w-]+)(?:[.:)]\**\s|\t)(.+)")
# Possessive where a line of megabytes would otherwise be tried at each of its places.
RULE = re.compile(r"\s*\|[\s:|-]+")
"""What separates the heading of a table from its rows."""


def _rows(content: str, ids: Sequence[str]) -> list[_Item]:
    """``[3] text``, ``3. text``, ``3: text``, ``3) text``, ``3<tab>text`` or ``| 3 | text |``.

    Prose has such lines, too. Therefore the reply must contain nothing else but a summary at its
    end, and every id exactly once.
    """
    lines = [line for line in content.splitlines() if line.strip()]
    lines = [line for line in lines if not line.lstrip().startswith("```")]
    if len(lines) > 1 and RULE.fullmatch(lines[1]) and lines[0].lstrip().startswith("|"):
        lines = lines[2:]
    rows: list[_Item] = []
    summary: list[_Item] = []
    for line in lines:
        row = BRACKETS.fullmatch(line) or CELLS.fullmatch(line) or DOTTED.fullmatch(line)
        if row and row[1].lower() == "summary":
            summary = [_Item("summary", row[2])]
        elif summary:
            summary = [_Item("summary", f"{summary[0].text} {line}")]
        elif row:
            rows.append(_Item(row[1], row[2].replace("\\|", "|")))
        else:
            return []
    # "1. Kapitel" may be the entire translation of a single line.
    if not lines or not DOTTED.fullmatch(lines[0]) or len(ids) > 1:
        numbers = all(row.id.isdecimal() or row.id in ids for row in rows)
        rows = _with_requested_ids(rows, ids) if numbers else []
    return [*rows, *summary] if Counter(row.id for row in rows) == Counter(ids) else []
