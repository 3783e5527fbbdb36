"""What may be wrong with a translation. Pure: a line and its translation in, a sentence out.

No translator is trusted: language models skip lines, answer in another language, lose a number or
add "Sure, here it is". Each fault is described in a sentence that a model can act on and a person
can read. Doubt is resolved in favor of the translation: a good line that is rejected stays
untranslated.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Collection, Mapping

from dubkit import languages
from dubkit.cues.text import MARK, width, without_marks
from dubkit.hooks import Line, TranslationRequest
from dubkit.languages import primary

from . import glossary, numerals
from .misplaced import find_misplaced
from .wrong_language import count_letters, find_wrong_language, is_wrong_language, words

LONG, LONG_MORE = 2.5, 30
"""A translation is too long beyond this multiple of its source's columns, plus this many ..."""
SHORT, SHORT_FROM = 0.15, 60
"""... and too short below this fraction, if the source has at least this many columns."""

_KEPT = re.compile(
    r"\{\{?\w[\w.]*\}?\}|%\(\w+\)[sd]|%\d*\$?[sd](?![A-Za-z])"
    r"|https?://[!-;=?-~]*[A-Za-z0-9/]|[A-Za-z0-9.+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
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


def find_faults(
    request: TranslationRequest, texts: Mapping[str, str], follows: Collection[str]
) -> dict[str, str]:
    """What is wrong with the reply ``texts`` to ``request``: a sentence by line id.

    Lines that are not in the result are fine. Ids that were not requested are ignored.
    """
    asked = {line.id: line for line in request.lines}
    given = {id: texts[id].strip() for id in asked if id in texts}
    related = primary(request.source) == primary(request.target)  # en and en-GB hardly differ
    faults: dict[str, str] = {}
    for id, line in asked.items():
        if id not in given:
            faults[id] = "it was left out"
        elif fault := _fault(line, given[id], request, follows, related=related):
            faults[id] = fault
    ids = list(asked)
    sources = [line.text for line in request.lines]
    if "fault" in follows and len(ids) > 2 and _ends_early(ids, given):
        return {
            id: faults.get(id, "a line was left out, so this one may be another's") for id in ids
        }
    for k in find_misplaced(sources, [given.get(id, "") for id in ids]):
        faults.setdefault(ids[k], "it seems to be the translation of the line before or after")
    for id in _find_duplicates(asked, given):
        faults.setdefault(id, "the same translation was given for another line")
    if not related:
        rest = {id: text for id, text in given.items() if id not in faults}
        for id in find_wrong_language(rest, {id: asked[id].text for id in rest}, request.target):
            faults[id] = f"it is not in {languages.name(request.target)}"
    return faults


def _fault(
    line: Line, text: str, request: TranslationRequest, follows: Collection[str], *, related: bool
) -> str | None:
    if not any(char.isalnum() for char in without_marks(text)):
        return "it was empty"
    if Counter(MARK.findall(line.text)) != Counter(MARK.findall(text)):
        return "the marks <i>, <b>, <u> are not those of the line"
    if changed := Counter(_KEPT.findall(line.text)) - Counter(_KEPT.findall(text)):
        return f"{', '.join(changed)} must stay as it is"
    if lost := numerals.find_lost(_KEPT.sub(" ", line.text), _KEPT.sub(" ", text)):
        return f"the number {', '.join(lost)} is missing"
    if not related and _is_copy(line.text, text, request.source):
        return "it was copied, not translated"
    columns, given = width(line.text), width(text)
    if given > LONG * columns + LONG_MORE:
        return "it is far too long"
    if columns >= SHORT_FROM and given < SHORT * columns:
        return "much of it is missing"
    if _LOOP.search(text) and not _LOOP.search(line.text):
        return "it repeats the same words again and again"
    if _REMARK.search(text) and not re.search(r"[(（\[【]", line.text):
        return "it has a remark in brackets"
    if "glossary" in follows:
        for term, wanted in glossary.entries_in(line.text, request.glossary):
            if not glossary.has_term(text, wanted):
                return f"the glossary says {wanted!r} for {term!r}"
    return None


def _is_copy(source: str, text: str, language: str) -> bool:
    """Whether the line came back unchanged, unless it is a name, a song's la la la, or was in
    another language to begin with (``Ave Maria``)."""
    own = [word.casefold() for word in words(source)]
    small = sum(word[0].islower() or word.isupper() for word in words(source) if len(word) > 1)
    if own != [word.casefold() for word in words(text)] or len(set(own)) < 3 or small < 2:
        return False
    return not (count_letters(source) >= 12 and is_wrong_language(source, primary(language)))


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
