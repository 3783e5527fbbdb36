"""What may be wrong with a translation. Pure: a line and its translation in, a sentence out.

No translator is trusted: language models skip lines, answer in another language, lose a number or
add "Sure, here it is". Each fault is described in a sentence that a model can act on and a person
can read. Doubt is resolved in favor of the translation: a good line that is rejected stays
untranslated.
"""

from __future__ import annotations

import functools
import html
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from dubkit import languages
from dubkit.cues.text import MARK, width, without_marks
from dubkit.errors import contained
from dubkit.hooks import Line, TranslationRequest
from dubkit.languages import primary

from . import glossary, numerals
from .misplaced import find_misplaced
from .wrong_language import count_letters, find_wrong_language, is_wrong_language, words

LONG, LONG_MORE = 2.5, 30
"""A translation is too long beyond this multiple of its source's columns, plus this many ..."""
SHORT, SHORT_FROM = 0.15, 60
"""... and too short below this fraction, if the source has at least this many columns."""
LONGEST_TEXT = 20_000
"""Characters beyond which no text is a line's translation."""

_KEPT = re.compile(
    r"\{\{?\w[\w.]*\}?\}|%\(\w+\)[sd]|%\d*\$?[sd](?![A-Za-z])"
    r"|https?://[!-;=?-~]*[A-Za-z0-9/]"
    r"|(?<![A-Za-z0-9.+-])[A-Za-z0-9.+-]++@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
)
"""Placeholders and addresses."""
_LOOP = re.compile(r"(\w.{10,80}?)(?:[\s,.;!]+\1){2,}", re.IGNORECASE)
_REMARK = re.compile(r"[(（\[【][^()（）\[\]【】]{3,}[)）\]】]\W*$")
_QUOTES = {'"': '"', "“": "”", "«": "»", "„": "“", "「": "」", "'": "'", "‘": "’"}


def tidy(line: Line, text: str) -> str:
    """A translation without what engines leave around it: HTML entities, a literal ``\\n``, the id
    of its line, quotes around the whole; each only if the line itself has none."""
    if "&" in text and not re.search(r"&#?\w+;", line.text):
        text = html.unescape(text)
    if "\\n" not in line.text:
        text = text.replace("\\n", " ")
    own = rf"(?:\[{re.escape(line.id)}\]|{re.escape(line.id)}\s?[.:)])\s+"
    if not re.match(r"\W*\d", line.text):
        text = re.sub(rf"^\s*{own}", "", text)
    if not re.match(r"\W*translat", line.text, re.IGNORECASE):
        text = re.sub(r"^\W*translat(?:ion|ed)\s*:\s*", "", text, flags=re.IGNORECASE)
    text = " ".join(text.split())
    plain = line.text.strip()
    close = _QUOTES.get(text[:1])
    if close and len(text) > 2 and text[-1] == close and text[:1] not in text[1:-1]:
        quoted = plain[:1] in _QUOTES or plain[-1:] in _QUOTES.values()
        text = text if quoted else text[1:-1].strip()
    return text


Warn: TypeAlias = Callable[[Sequence[str], str], object]
"""Gets the ids of lines, and what could not be checked in them."""


def review(
    request: TranslationRequest, texts: Mapping[str, str], follows: Collection[str], warn: Warn
) -> tuple[dict[str, str], dict[str, str]]:
    """The reply ``texts`` to ``request``, tidied and in the script that its target's tag asks for,
    and what is wrong with it: both by line id.

    Never raises: a check that cannot be made is reported, and the lines count as good.
    """
    tidied = {}
    for line in request.lines:
        if line.id in texts:
            tidied[line.id] = texts[line.id]
            with contained(functools.partial(warn, [line.id]), "the text was not tidied"):
                text = tidy(line, texts[line.id])
                tidied[line.id] = languages.in_script(text, request.target)
    return tidied, find_faults(request, tidied, follows, warn)


def find_faults(
    request: TranslationRequest,
    texts: Mapping[str, str],
    follows: Collection[str],
    warn: Warn = lambda ids, text: None,
) -> dict[str, str]:
    """What is wrong with the reply ``texts`` to ``request``: a sentence by line id.

    Lines that are not in the result are fine. Ids that were not requested are ignored. This is
    where all checks are made, each of them so that a fault in it is only reported by ``warn``.
    """
    given = {line.id: texts[line.id].strip() for line in request.lines if line.id in texts}
    faults = {line.id: "it was left out" for line in request.lines if line.id not in given}
    for line in request.lines:
        if line.id not in given:
            continue
        one = Translated(line, given[line.id], request, follows)
        for name, check in LINE_CHECKS.items():
            with contained(functools.partial(warn, [line.id]), f"not checked: {name}"):
                if fault := check(one):
                    faults[line.id] = fault
                    break
    ids = [line.id for line in request.lines]
    for name, check_reply in REPLY_CHECKS.items():
        with contained(functools.partial(warn, ids), f"not checked: {name}"):
            faults = {**check_reply(Answered(request, given, faults, follows)), **faults}
    return {id: faults[id] for id in ids if id in faults}


# ---------------------------------------------------------------- checks of a line


@dataclass(frozen=True, slots=True)
class Translated:
    """A line to check."""

    line: Line
    text: str
    """Its translation."""
    request: TranslationRequest
    follows: Collection[str]
    """What the translator can be asked to do."""


def _check_size(one: Translated) -> str | None:
    if len(one.text) > LONGEST_TEXT or width(one.text) > LONG * width(one.line.text) + LONG_MORE:
        return "it is far too long"
    return None


def _check_words(one: Translated) -> str | None:
    if not any(char.isalnum() for char in without_marks(one.text)):
        return "it was empty"
    return None


def _check_marks(one: Translated) -> str | None:
    if Counter(MARK.findall(one.line.text)) != Counter(MARK.findall(one.text)):
        return "the marks <i>, <b>, <u> are not those of the line"
    return None


def _check_placeholders(one: Translated) -> str | None:
    if changed := Counter(_KEPT.findall(one.line.text)) - Counter(_KEPT.findall(one.text)):
        return f"{', '.join(changed)} must stay as it is"
    return None


def _check_numbers(one: Translated) -> str | None:
    if len(one.line.text) > LONGEST_TEXT:
        return None
    source, text = (_KEPT.sub(" ", text) for text in (one.line.text, one.text))
    if lost := numerals.find_lost(source, text, (one.request.source, one.request.target)):
        return f"the number {', '.join(lost)} is missing"
    return None


def _check_copy(one: Translated) -> str | None:
    if not _are_related(one.request) and _is_copy(one.line.text, one.text, one.request.source):
        return "it was copied, not translated"
    return None


def _check_whole(one: Translated) -> str | None:
    columns = width(one.line.text)
    if columns >= SHORT_FROM and width(one.text) < SHORT * columns:
        return "much of it is missing"
    return None


def _check_repetition(one: Translated) -> str | None:
    if _LOOP.search(one.text) and not _LOOP.search(one.line.text):
        return "it repeats the same words again and again"
    return None


def _check_remarks(one: Translated) -> str | None:
    if _REMARK.search(one.text) and not re.search(r"[(（\[【]", one.line.text):
        return "it has a remark in brackets"
    return None


def _check_glossary(one: Translated) -> str | None:
    if "glossary" in one.follows:
        for term, wanted in glossary.entries_in(one.line.text, one.request.glossary):
            if not glossary.has_term(one.text, wanted):
                return f"the glossary says {wanted!r} for {term!r}"
    return None


LINE_CHECKS: dict[str, Callable[[Translated], str | None]] = {
    "size": _check_size,
    "words": _check_words,
    "marks": _check_marks,
    "placeholders": _check_placeholders,
    "numbers": _check_numbers,
    "copied text": _check_copy,
    "completeness": _check_whole,
    "repetition": _check_repetition,
    "remarks": _check_remarks,
    "glossary": _check_glossary,
}
"""By what they are about: each returns what is wrong with a line, if anything is. The first that
finds a fault is the last for its line."""


def _is_copy(source: str, text: str, language: str) -> bool:
    """Whether the line came back unchanged, unless it is a name, a song's la la la, or was in
    another language to begin with (``Ave Maria``)."""
    own = [word.casefold() for word in words(source)]
    small = sum(word[0].islower() or word.isupper() for word in words(source) if len(word) > 1)
    if own != [word.casefold() for word in words(text)] or len(set(own)) < 3 or small < 2:
        return False
    return not (count_letters(source) >= 12 and is_wrong_language(source, primary(language)))


def _are_related(request: TranslationRequest) -> bool:
    """Whether the languages hardly differ, as en and en-GB."""
    return primary(request.source) == primary(request.target)


# ---------------------------------------------------------------- checks of a reply


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply to check."""

    request: TranslationRequest
    given: Mapping[str, str]
    """The translations by id."""
    faults: Mapping[str, str]
    """What was found before, by id."""
    follows: Collection[str]
    """What the translator can be asked to do."""


def _check_ending(reply: Answered) -> Mapping[str, str]:
    ids = [line.id for line in reply.request.lines]
    if "fault" in reply.follows and len(ids) > 2 and _ends_early(ids, reply.given):
        return dict.fromkeys(ids, "a line was left out, so this one may be another's")
    return {}


def _check_places(reply: Answered) -> Mapping[str, str]:
    ids = [line.id for line in reply.request.lines]
    misplaced = find_misplaced(
        [line.text for line in reply.request.lines],
        [reply.given.get(id, "") for id in ids],
    )
    return {ids[k]: "it seems to be the translation of the line before or after" for k in misplaced}


def _check_duplicates(reply: Answered) -> Mapping[str, str]:
    found = _find_duplicates({line.id: line for line in reply.request.lines}, reply.given)
    return dict.fromkeys(found, "the same translation was given for another line")


def _check_language(reply: Answered) -> Mapping[str, str]:
    if _are_related(reply.request):
        return {}
    rest = {id: text for id, text in reply.given.items() if id not in reply.faults}
    sources = {line.id: line.text for line in reply.request.lines if line.id in rest}
    found = find_wrong_language(rest, sources, reply.request.target)
    return dict.fromkeys(found, f"it is not in {languages.name(reply.request.target)}")


REPLY_CHECKS: dict[str, Callable[[Answered], Mapping[str, str]]] = {
    "lines left out": _check_ending,
    "order of lines": _check_places,
    "equal lines": _check_duplicates,
    "language": _check_language,
}
"""By what they are about: each returns further faults, by id."""


def _ends_early(ids: list[str], given: Mapping[str, str]) -> bool:
    """Whether only the last lines were left out, as by a model that joined two earlier ones."""
    missing = [id not in given for id in ids]
    count = sum(missing)
    return 0 < count <= 2 and all(missing[-count:]) and count < len(ids) - 1


def _find_duplicates(asked: Mapping[str, Line], given: Mapping[str, str]) -> list[str]:
    """Lines that share a translation of some length with a line whose source differs."""
    first: dict[str, str] = {}
    duplicates = []
    for id, text in given.items():
        if width(text) < 25:  # "Muchas gracias" may well be right twice
            continue
        other = first.setdefault(text.casefold(), id)
        if words(asked[other].text.casefold()) != words(asked[id].text.casefold()):
            duplicates += [other, id]
    return duplicates
