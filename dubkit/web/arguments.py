"""From the options that the page or a program asks for to the command's arguments.

A request is a mapping of fields of :class:`dubkit.Options`, by name. It is made ``Options`` by the
code that the command uses, so that what is wrong is reported in the same words, and then arguments
by the same table. What would reach beyond the video's folder is refused here: engines that are not
installed ones, settings that name files or addresses, models that are folders.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dubkit.engines import choose, find
from dubkit.errors import UsageError
from dubkit.options import EMBEDDED, Options, from_keywords, list_options, unknown_option
from dubkit.subtitles.source import format_of

from .catalog import Catalog
from .store import Video

PLACE = re.compile(r"\s*[~./\\]|[A-Za-z]:[\\/]|\w+://|(.*[/\\])?\.\.([/\\]|$)", re.DOTALL)
"""What a value looks like that is a file's name or an address."""
NO_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
"""Characters that cannot be passed to a program, or stored in a file."""
EMPTY: tuple[object, ...] = (None, "", [], {}, ())
"""Values of fields that are left open."""
LONGEST = 20_000
"""Characters of one value."""


def arguments(
    requested: Mapping[str, Any],
    video: Video,
    engines: Callable[[], Catalog],
    *,
    local_plugins: bool = False,
    languages: int = 0,
    options: type[Options] = Options,
) -> list[str]:
    """The command's arguments for a video, to be run in its folder.

    ``engines`` returns what :mod:`dubkit.web.catalog` describes, and is called only if that
    matters, since it may take seconds; ``local_plugins`` is what ``--allow-local-plugins`` is for;
    ``languages`` is how many a job may translate to, 0 for any number.
    Raises UsageError as the command does, InputError when a file does not exist.
    """
    known = {one.name: one for one in list_options(options)}
    given = {name: value for name, value in requested.items() if value not in EMPTY}
    for name, value in given.items():
        if name not in known:
            raise unknown_option(name, value, options)
        if not known[name].page:
            raise UsageError(f"the page has no option {name!r}", "leave it out")
        if len(str(value)) > LONGEST:
            raise UsageError(f"{name} is too long", f"it may have {LONGEST} characters")
        if _has_no_text(value):
            raise UsageError(f"{name} has a character that is not text", "type it again")
    for name, value in given.items():
        embedded = name == "subs_from" and EMBEDDED.fullmatch(str(value))
        if known[name].file and not embedded:
            given[name] = video.beside(str(value))
    own = format_of(Path(video.name))
    if own and not given.get("to"):  # a text that is only to be viewed and edited
        given.setdefault("formats", own)
    given["settings"] = _settings(given.get("settings", {}), engines, local_plugins)
    checked = from_keywords(given, options)
    if 0 < languages < len(checked.to):
        raise UsageError(
            f"{len(checked.to)} languages are requested, and a job may have {languages}",
            "start a job for some of them, then another; the server's --max-languages sets the "
            "limit",
        )
    if not local_plugins:
        _refuse_local(checked, engines)
    # A file may be called "doctor", which is a command's name, too.
    return [os.path.join(".", video.source.name), *flags_of(checked)]  # noqa: PTH118 - Path drops it


def _has_no_text(value: Any) -> bool:
    """Whether a value, or a part of it, has characters that are not text."""
    if isinstance(value, Mapping):
        return any(_has_no_text(one) for pair in value.items() for one in pair)
    if isinstance(value, list | tuple):
        return any(map(_has_no_text, value))
    return isinstance(value, str) and bool(NO_TEXT.search(value))


def _settings(
    given: Any, engines: Callable[[], Catalog], local_plugins: bool
) -> dict[str, dict[str, str]]:
    """Settings by engine, as text; only those that its form shows."""
    if not isinstance(given, Mapping) or not all(
        isinstance(one, Mapping) for one in given.values()
    ):
        raise UsageError("settings are fields by engine", '{"ENGINE": {"FIELD": "VALUE"}}')
    if local_plugins:
        return {str(e): {str(k): str(v) for k, v in own.items()} for e, own in given.items()}
    if not given:
        return {}
    catalog = engines()
    shown: dict[str, set[str]] = {}
    for kind in catalog.values():
        for name, engine in kind.items():
            shown.setdefault(name, set()).update(one["name"] for one in engine["settings"])
    found: dict[str, dict[str, str]] = {}
    for engine, own in given.items():
        for field, value in own.items():
            if value is None or value == "":
                continue
            if field not in shown.get(engine, ()) or _is_open_ended(engine, catalog):
                known = ", ".join(sorted(shown.get(engine, ()))) or "none"
                raise UsageError(
                    f"{engine} has no setting {field!r} that the page may change",
                    f"its settings: {known}",
                )
            _refuse_place(f"{engine}.{field}", str(value))
            found.setdefault(engine, {})[field] = str(value)
    return found


def _is_open_ended(name: str, catalog: Catalog) -> bool:
    """Whether an engine of that name, of any kind, runs programs or calls servers that its settings
    name. One that could not be described is taken for such."""
    entries = [kind[name] for kind in catalog.values() if name in kind]
    return not entries or any(entry.get("open_ended", True) for entry in entries)


def _refuse_local(options: Options, engines: Callable[[], Catalog]) -> None:
    options = choose.with_presets(options)  # the name of a tool stands for an engine that runs it
    for kind, name in options.named_engines:
        if ":" in name or "/" in name or "\\" in name:
            raise UsageError(
                f"the {kind[:-1]} {name!r} is a file, and the page takes only engines that are "
                "installed",
                "choose one from the list; the server's --allow-local-plugins allows files",
            )
        try:
            entry = engines().get(kind, {}).get(find(kind, name).name, {})
        except UsageError:  # there is no such engine, as the command will say
            continue
        if entry.get("problem") and "open_ended" not in entry:  # it cannot even be imported
            raise UsageError(f"{kind[:-1]} {name} cannot be used", str(entry["problem"]))
        # One that is not described is refused, too.
        if entry.get("open_ended", True):
            raise UsageError(
                f"the {kind[:-1]} {name} runs programs, which this server does not allow the page",
                "the server's --allow-local-plugins allows it",
            )
    _refuse_place("model", options.model)
    if options.model.count("/") > 1 or "\\" in options.model:
        raise UsageError(f"there is no model {options.model!r}", "name it, or its hub's owner/name")


def _refuse_place(what: str, value: str) -> None:
    if PLACE.match(value):
        raise UsageError(f"{what} names a file or an address", "the page takes only names")


def flags_of(options: Options) -> list[str]:
    """Options as the command's arguments."""
    found: list[str] = []
    for one in list_options(type(options)):
        value = getattr(options, one.name)
        if value in (one.default, None, ""):
            continue
        if one.type is Mapping:
            for engine, own in value.items():
                found += [f"--output={engine}.{key}={text}" for key, text in own.items()]
        elif one.type is bool:
            found.append(one.flag)
        elif one.type is tuple:
            found += [f"{one.flag}={part}" for part in (value if one.repeat else [",".join(value)])]
        else:
            found.append(f"{one.flag}={value}")
    return found
