"""What the page may ask of the command: wishes of a form or of the API to the command's arguments.

``wishes`` are fields of :class:`dubkit.Options`, by name. They make the same ``Options``, checked
by the same code, so that what is wrong is told in the same words; then they become arguments again,
by the command's own table. What would reach beyond the video's folder is refused here: engines that
are not installed ones, settings that name files or addresses, models that are folders.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from dubkit.cli import parser
from dubkit.errors import UsageError
from dubkit.options import EMBEDDED, Options, from_keywords
from dubkit.subtitles.source import format_of

from .store import Video

FREE = frozenset(
    """
    subs to formats video burn crf style profile language transcriber model device prompt hotwords
    audio_track dub tts voice redo clone convert convert_to consent lipsync separate one_file
    speakers diarizer translator tone context bilingual retime dry_run force settings
    """.split()
)
"""Fields that come from the page as they are."""
ADDED = frozenset({"subs_from", "glossary", "speakers_from"})
"""Fields that name a file which was added to the video."""
LOCAL_ENGINES = frozenset({"command", "http"})
"""Engines that run or ask whatever their settings say."""
FLAGS = {"formats": "format", "consent": "i_have_consent"}
"""The command's names where they are not the fields'."""
PLACE = re.compile(r"\s*[~./\\]|[A-Za-z]:[\\/]|\w+://|(.*[/\\])?\.\.([/\\]|$)", re.DOTALL)
"""What a value looks like that is a file's name or an address."""
NO_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
"""Characters that no program can be told, or no file can hold."""
LONGEST = 20_000
"""Characters of one wish."""


def arguments(
    wishes: Mapping[str, Any],
    video: Video,
    engines: Mapping[str, Mapping[str, Any]],
    *,
    local_plugins: bool = False,
) -> list[str]:
    """The command's arguments for a video, to be run in its folder.

    ``engines`` are those that :mod:`dubkit.web.catalog` tells of; ``local_plugins`` lets pass
    what ``--allow-local-plugins`` does. Raises UsageError as the command does, InputError when a
    file is not there.
    """
    given = {name: value for name, value in wishes.items() if value not in (None, "", [], {}, ())}
    for name, value in given.items():
        if name not in FREE | ADDED:
            raise UsageError(f"the page has no option {name!r}", "leave it out")
        if len(str(value)) > LONGEST:
            raise UsageError(f"{name} is too long", f"it may have {LONGEST} characters")
        if _has_no_text(value):
            raise UsageError(f"{name} has a character that is no text", "type it anew")
        if name != "settings":
            given[name] = _typed(name, value)
    for name in ADDED & set(given):
        if not (name == "subs_from" and EMBEDDED.fullmatch(str(given[name]))):
            given[name] = video.beside(str(given[name]))
    own = format_of(Path(video.name))
    if own and not given.get("to"):  # a text that is only to be looked at and edited
        given.setdefault("formats", own)
    given["settings"] = _settings(given.get("settings", {}), engines, local_plugins)
    options = from_keywords(given)
    if not local_plugins:
        _refuse_local(options)
    # A file may be called "doctor", which is a command's name, too.
    return [os.path.join(".", video.source.name), *_flags(options)]  # noqa: PTH118 - Path drops it


def _has_no_text(value: Any) -> bool:
    """Whether there is something else than text in a wish, or in a part of it."""
    if isinstance(value, Mapping):
        return any(_has_no_text(one) for pair in value.items() for one in pair)
    if isinstance(value, list | tuple):
        return any(map(_has_no_text, value))
    return isinstance(value, str) and bool(NO_TEXT.search(value))


def _typed(name: str, value: Any) -> Any:
    """A value as the option's type; JSON from anywhere may hold any other."""
    default = next(field.default for field in fields(Options) if field.name == name)
    if isinstance(default, bool):
        good = isinstance(value, bool)
    elif name == "crf":
        good = isinstance(value, int) and not isinstance(value, bool)
    elif isinstance(value, list | tuple):
        value = tuple(value)
        good = all(isinstance(one, str) for one in value)
    elif value is True:
        good = name in ("bilingual", "separate")  # which have a value of their own for it
    else:
        good = isinstance(value, str | int)
        value = str(value)
    if not good:
        raise UsageError(f"{name} cannot be {value!r}", f"it is like {default!r}")
    return value


def _settings(
    given: Any, engines: Mapping[str, Mapping[str, Any]], local_plugins: bool
) -> dict[str, dict[str, str]]:
    """Settings by engine, as text; only those that its form shows."""
    if not isinstance(given, Mapping) or not all(
        isinstance(one, Mapping) for one in given.values()
    ):
        raise UsageError("settings are fields by engine", '{"kokoro": {"speed": 1.1}}')
    if local_plugins:
        return {str(e): {str(k): str(v) for k, v in own.items()} for e, own in given.items()}
    shown: dict[str, set[str]] = {}
    for kind in engines.values():
        for name, engine in kind.items():
            shown.setdefault(name, set()).update(one["name"] for one in engine["settings"])
    found: dict[str, dict[str, str]] = {}
    for engine, own in given.items():
        for field, value in own.items():
            if value is None or value == "":
                continue
            if field not in shown.get(engine, ()) or engine in LOCAL_ENGINES:
                known = ", ".join(sorted(shown.get(engine, ()))) or "none"
                raise UsageError(
                    f"{engine} has no setting {field!r} that the page may change",
                    f"its settings: {known}",
                )
            _refuse_place(f"{engine}.{field}", str(value))
            found.setdefault(engine, {})[field] = str(value)
    return found


def _refuse_local(options: Options) -> None:
    for kind, name in options.named_engines:
        if ":" in name or "/" in name or "\\" in name:
            raise UsageError(
                f"the {kind[:-1]} {name!r} is a file, and the page takes only engines that are "
                "installed",
                "choose one from the list; the server's --allow-local-plugins lets files pass",
            )
        if name in LOCAL_ENGINES:
            raise UsageError(
                f"the {kind[:-1]} {name} runs programs, which this server does not let the page do",
                "the server's --allow-local-plugins lets it",
            )
    _refuse_place("model", options.model)
    if options.model.count("/") > 1 or "\\" in options.model:
        raise UsageError(f"there is no model {options.model!r}", "name it, or its hub's owner/name")


def _refuse_place(what: str, value: str) -> None:
    if PLACE.match(value):
        raise UsageError(f"{what} names a file or an address", "the page takes names alone")


def _flags(options: Options) -> list[str]:
    """Options as the command's arguments."""
    actions = {action.dest: action for action in parser.build_parser()._actions}
    found: list[str] = []
    for field in fields(options):
        value = getattr(options, field.name)
        if field.name == "settings":
            for engine, own in value.items():
                found += [f"--output={engine}.{key}={text}" for key, text in own.items()]
        elif field.name == "video":
            found += [] if value else ["--no-video"]
        elif value not in (field.default, None, ""):
            action = actions[FLAGS.get(field.name, field.name)]
            flag = action.option_strings[-1]
            if value is True:
                found.append(flag)
            elif isinstance(value, Sequence) and not isinstance(value, str):
                parts = list(map(str, value))
                appended = type(action).__name__ == "_AppendAction"
                found += [f"{flag}={part}" for part in (parts if appended else [",".join(parts)])]
            else:
                found.append(f"{flag}={value}")
    return found
