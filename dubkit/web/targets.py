"""Languages as people type them, and what nothing here can make of them.

What is typed is understood by its tag and by its name in any language, also by the beginning of its
name in English, its own or the page's. What no engine of this server can recognize, translate to,
or speak, is known before anything runs.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

from dubkit import languages
from dubkit.languages import primary

from ..errors import MissingDependency, UsageError
from . import texts
from .catalog import Catalog, best_first

Lack = Literal["not_recognized", "not_translated", "not_spoken"]
"""The keys of the page's texts that say what is missing."""
SHORTEST = 3
"""Characters of a beginning of a name."""


class Unavailable(MissingDependency):
    """Nothing here can do what is asked for in a language."""

    def __init__(self, message: str, hint: str, field: str) -> None:
        super().__init__(message, hint)
        self.field = field
        """The option that names the language."""


def tags(given: Any) -> list[str]:
    """The tags in an option of a job, ``to`` or ``language``, as a page or a program gave it."""
    parts = given.split(",") if isinstance(given, str) else given
    if not isinstance(parts, list | tuple):
        return []
    return [str(one).strip() for one in parts]


def name(tag: str, language: str = "en") -> str:
    """The name of a language in the page's, ``Alemão`` for ``de`` in ``pt``."""
    from langcodes import Language
    from langcodes.tag_parser import LanguageTagError

    try:
        found = str(Language.get(tag, normalize=False).display_name(language))
    except LanguageTagError:
        return tag
    return found[:1].upper() + found[1:]


def label(tag: str, language: str = "en") -> str:
    """How a language is offered: its name and its tag."""
    return f"{name(tag, language)} ({tag})"


def find(typed: str, language: str = "en") -> str | None:
    """The tag of what somebody typed, None if it is no language."""
    text = typed.strip().removesuffix(")").rpartition("(")[2] if typed.endswith(")") else typed
    for part in (typed, text):
        tag = languages.understand(part)
        if languages.is_tag(tag) and languages.name(tag) != tag:
            return tag
    start = _plain(typed)
    if len(start) < SHORTEST:
        return None
    found = {tag for known, tag in _names(language) if known.startswith(start)}
    exact = {tag for known, tag in _names(language) if known == start}
    return next(iter(exact or found)) if len(exact or found) == 1 else None


def split(typed: Iterable[str], language: str = "en") -> tuple[list[str], list[str]]:
    """The tags of what was typed, each once, and what of it is no language."""
    found = [(text, find(text, language)) for text in typed]
    tags = dict.fromkeys(tag for _, tag in found if tag)
    return list(tags), [text for text, tag in found if not tag]


def require(typed: Iterable[str], language: str = "en") -> list[str]:
    """The tags of what was typed. Raises UsageError if something is no language."""
    tags, unknown = split(typed, language)
    if unknown:
        raise UsageError(
            f"{unknown[0]!r} is not the name of a language",
            "type its name, such as Portuguese, or its tag, such as pt",
        )
    return tags


def understood(typed: Any, language: str) -> Any:
    """The tags of one or several languages as they were typed. Raises UsageError for others."""
    if isinstance(typed, str):
        return next(iter(require([typed], language)), "") if typed else ""
    return require(typed, language)


def refuse_languages(
    requested: Mapping[str, Any], engines: Catalog, shown: str = "", *, is_text: bool = False
) -> None:
    """Raise Unavailable for a language of a job that nothing here recognizes, translates to, or
    speaks; in the language in which the page is ``shown``. Of a text nothing is recognized."""
    if requested.get("dry_run"):
        return
    found: list[tuple[str, str, Lack]] = []
    if not is_text and not requested.get("subs_from"):
        known = engines.get("transcribers", {})
        wanted = requested.get("transcriber", "auto")
        if wanted == "auto":  # which does not look at the language
            wanted = next((one for one in best_first(known) if known[one].get("suits")), "")
        chosen = known.get(wanted, {})
        found += [
            ("language", tag, "not_recognized")
            for tag in tags(requested.get("language"))
            if primary(tag) not in chosen.get("knows", (primary(tag),))
        ]
    to = lacking(
        engines,
        tags(requested.get("to")),
        requested.get("translator", "auto"),
        requested.get("tts", "auto") if requested.get("dub") else "",
        requested.get("clone"),
    )
    found += [("to", tag, why) for tag, why in to.items()]
    for field, tag, why in found:
        hint = texts.texts(texts.best(shown))["other_language"]
        raise Unavailable(without(tag, why, shown), hint, field)


def without(tag: str, why: Lack, shown: str) -> str:
    """A sentence that says what cannot be made of a language here."""
    text = texts.texts(texts.best(shown))[why]
    return text.replace("{language}", name(tag, texts.best(shown)))


def lacking(
    engines: Catalog,
    tags: Collection[str],
    translator: str = "auto",
    tts: str = "",
    clone: Any = "",
) -> dict[str, Lack]:
    """What nothing here can make of languages: ``not_translated`` if no translator that is ready
    has them, ``not_spoken`` if no synthesizer does (where ``tts`` names one, or ``auto``).

    Empty while the engines are not known; the catalog asks them for languages of two letters.
    """
    found: dict[str, Lack] = {}
    for tag in tags:
        if not engines or len(primary(tag)) != 2:
            continue
        if not _has(engines.get("translators", {}), translator, primary(tag)):
            found[tag] = "not_translated"
        elif tts and not _has(engines.get("synthesizers", {}), tts, primary(tag), clone):
            found[tag] = "not_spoken"
    return found


def _has(
    known: Mapping[str, Mapping[str, Any]], chosen: str, language: str, clone: Any = ""
) -> bool:
    """Whether the chosen engine, or for ``auto`` one that is ready, has a language. One that could
    not be described may have it."""
    if chosen in ("", "auto"):
        engines = [one for one in known.values() if not one.get("problem")]
    else:
        engines = [known.get(chosen, {})]
    return any(
        language in one.get("into", one.get("voices", (language,))) or (clone and one.get("clones"))
        for one in engines
    )


@functools.cache
def _own_name(tag: str) -> str:
    from langcodes import Language

    return str(Language.get(tag, normalize=False).autonym())


@functools.cache
def _names(language: str) -> tuple[tuple[str, str], ...]:
    """The names of the languages that the page offers, plain, with their tags."""
    every = {
        (_plain(one), tag)
        for tag in texts.LANGUAGES
        for one in (languages.name(tag), _own_name(tag), name(tag, language))
    }
    return tuple(sorted(every))


def _plain(text: str) -> str:
    """Without case and accents."""
    letters = unicodedata.normalize("NFD", text.strip().casefold())
    return "".join(one for one in letters if not unicodedata.combining(one))
