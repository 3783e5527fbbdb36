"""Settings that stay: ``dubkit.toml`` of the user and of a folder, and how they join what is typed.

A file of a folder may have come with the videos in it, so it is not trusted: by itself it sets only
what :data:`HARMLESS` names. For anything else the user must have agreed to the file as it is now.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import os
import re
import reprlib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dubkit import engines, hooks
from dubkit.engines import choose
from dubkit.engines.registry import own_name
from dubkit.errors import OutputError, UsageError
from dubkit.files import cannot_write, config_folder, read_bytes, replacing, state_folder
from dubkit.options import (
    EMBEDDED,
    SITE,
    Option,
    Options,
    checked_value,
    from_keywords,
    list_options,
)
from dubkit.subtitles.source import format_of

from .inputs import ADDRESS

NAME = "dubkit.toml"
VARIABLE = "DUBKIT_CONFIG"
"""The environment variable that names a file in place of the user's own."""
LEAVE_OUT = "--no-config leaves it out"
HARMLESS = frozenset(
    """
    audio_track bilingual burn cps crf encoding formats language max_line_width max_lines
    max_words_per_cue one_file profile retime sdh skip_existing speaker_labels speaker_names
    speakers strict style subs video
    """.split()
)
"""The options that any file may set: they run no program and no engine that was not asked for,
name no file, reach no server, cost no money, and put no words into anybody's mouth."""
ONE_RUN = frozenset("adopt consent dry_run force redo".split())
"""Answers to a question about one run, which no file may give to all."""
NEEDS_VIDEO = frozenset("burn dub subs_from".split())
"""What cannot be had of a subtitle file alone."""
NEEDS_TEXT = frozenset("encoding strict".split())
"""How the text of a file is read."""
LARGEST = 2**16
"""Bytes of a file."""
MOST_TRUSTED = 1000
"""Files that are remembered as trusted."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A value that a file sets."""

    key: str
    """As it stands in the file: ``no-video``, ``openai.model``."""
    name: str
    """Of the option, or of the engine's field."""
    value: Any
    """As the option's type; text for a setting of an engine."""
    given: Any
    """The value as it stands there."""
    line: int
    """From 1; 0 if it was not found."""
    engine: str = ""
    """The engine whose setting it is; "" for an option."""

    @property
    def is_harmless(self) -> bool:
        """Whether a file that nobody has agreed to may set it."""
        return not self.engine and self.name in HARMLESS

    @property
    def text(self) -> str:
        """Key and value as they stand there, on one line."""
        return f"{self.key} = {json.dumps(self.given, ensure_ascii=False)}"


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file and what it sets."""

    path: Path
    settings: tuple[Setting, ...]
    is_trusted: bool
    """The user's own, or one of a folder that the user has agreed to as it is now."""
    fingerprint: str
    """Of its place and content."""

    @property
    def refused(self) -> tuple[Setting, ...]:
        """What it sets and may not."""
        return tuple(one for one in self.settings if not (self.is_trusted or one.is_harmless))

    @property
    def accepted(self) -> tuple[Setting, ...]:
        """What it sets and may."""
        return tuple(one for one in self.settings if self.is_trusted or one.is_harmless)


# ---------------------------------------------------------------- finding


def user_file() -> Path | None:
    """Where the user's own file is, or would be. Raises UsageError for a ``DUBKIT_CONFIG`` that is
    none."""
    if named := os.environ.get(VARIABLE):
        path = Path(named).absolute()
        if not path.is_file():
            raise UsageError(
                f"{VARIABLE} names {path}, which is no file", f"name a file, or unset {VARIABLE}"
            )
        return path
    with contextlib.suppress(RuntimeError):  # there is no home folder
        return config_folder() / NAME
    return None


def folder_file() -> Path | None:
    """The file in the current folder or, if that has none, in the nearest folder around it, up to
    the home folder; outside of that, up to the top."""
    try:
        folder = Path.cwd()
    except FileNotFoundError:  # it has been deleted
        return None
    home: Path | None = None
    with contextlib.suppress(RuntimeError, OSError):
        home = Path.home().resolve()
    for place in (folder, *folder.parents):
        if os.path.lexists(place / NAME):
            return place / NAME
        if place == home:
            break
    return None


def read_all() -> tuple[ConfigFile, ...]:
    """The files that hold here, the one that counts most first. Raises UsageError."""
    own, near = user_file(), folder_file()
    if own and not os.path.lexists(own):
        own = None
    if own and near:
        with contextlib.suppress(OSError):
            near = None if own.samefile(near) else near
    found = [read(near, own=False)] if near else []
    return (*found, read(own, own=True)) if own else tuple(found)


# ---------------------------------------------------------------- reading


def read(path: Path, *, own: bool) -> ConfigFile:
    """A file; ``own`` is the user's. Raises UsageError that names the file, and the line if it is
    known, for what cannot be read, unknown keys and wrong values."""
    try:
        content = read_bytes(Path(os.path.realpath(path)), LARGEST)  # some people link theirs
        text = content.decode("utf-8-sig")
        settings = tuple(_settings(path, text, tomllib.loads(text)))
    except OSError as failure:
        raise UsageError(
            f"{path} cannot be read: {failure.strerror or failure}", LEAVE_OUT
        ) from failure
    except UnicodeDecodeError as failure:
        raise UsageError(f"{path} is not UTF-8", f"save it as UTF-8; {LEAVE_OUT}") from failure
    except RecursionError as failure:
        raise UsageError(f"{path} is nested too deeply", LEAVE_OUT) from failure
    except ValueError as failure:  # also of a number that Python does not write out
        raise UsageError(f"{path} is not TOML: {failure}", LEAVE_OUT) from failure
    fingerprint = hashlib.sha256(os.fsencode(path) + b"\0" + content).hexdigest()
    trusted = own or fingerprint in _trusted()
    return ConfigFile(path, settings, trusted, fingerprint)


def key_of(one: Option) -> str:
    """What an option is called in a file: its flag without the dashes."""
    return one.flag.removeprefix("--")


def _settings(path: Path, text: str, table: Mapping[str, Any]) -> Iterator[Setting]:
    known = {key_of(one): one for one in list_options(Options) if one.group}
    for key, value in table.items():
        if key in known:
            line = _line_of(text, key)
            converted = _converted(known[key], value, path, line)
            yield Setting(key, known[key].name, converted, value, line)
        elif isinstance(value, dict):
            if hint := _engine_hint(key):
                line = _line_of(text, key)
                raise UsageError(f"{_at(path, line)}there is no engine {key[:60]!r}", hint)
            for field, own in value.items():
                line = _line_of(text, field, key)
                if not isinstance(own, str | int | float):
                    raise UsageError(
                        f"{_at(path, line)}{key}.{field} cannot be {reprlib.repr(own)}",
                        "a setting of an engine is a text, a number, true or false",
                    )
                plain = str(own).lower() if isinstance(own, bool) else str(own)
                yield Setting(f"{key}.{field}", field, plain, own, line, engine=key)
        else:
            raise _unknown(path, _line_of(text, key), key, known)


def _at(path: Path, line: int) -> str:
    return f"{path}, line {line}: " if line else f"{path}: "


def _unknown(path: Path, line: int, key: str, known: Mapping[str, Option]) -> UsageError:
    wanted = key[:30].replace("_", "-").lower()
    names = {name: name for name in known}
    for name, one in known.items():
        for other in (one.name, *one.former_names, *one.other_names):
            names.setdefault(other.replace("_", "-"), name)
    near = [wanted] if wanted in names else difflib.get_close_matches(wanted, names, 1)
    return UsageError(
        f"{_at(path, line)}there is no option {key[:60]!r}",
        f"did you mean {names[near[0]]}?" if near else f"known: {', '.join(known)}",
    )


def _engine_hint(name: str) -> str:
    """What to say about a name that no installed engine has; "" for one that may be the class of an
    engine in a file."""
    installed = list(_installed())
    if name in installed or any(choose.tool(kind, name) for kind in choose.TOOL_KINDS):
        return ""
    if near := difflib.get_close_matches(name[:30].lower(), installed, 1):
        return f"did you mean [{near[0]}]?"
    if name.isidentifier() and name[0].isupper():
        return ""
    return f"known: {', '.join(installed)}"


def _installed() -> dict[str, None]:
    return {one.name: None for kind in hooks.KINDS for one in engines.plugins(kind)}


def _converted(one: Option, value: Any, path: Path, line: int) -> Any:
    key = key_of(one)
    if one.name in ONE_RUN:
        raise UsageError(
            f"{_at(path, line)}{key} is for one run, and no file can set it for all",
            f"type {one.flag} where you need it",
        )
    if one.type is bool:
        if not isinstance(value, bool):
            raise _wrong_type(one, value, path, line, "it is true or false")
        return value != one.default
    texts = value if one.type is tuple and isinstance(value, list) else [value]
    if not all(isinstance(text, str | int | float) for text in texts):
        raise _wrong_type(one, value, path, line, "a text, a number, or a list of texts")
    try:
        converted = checked_value(one, value)
    except UsageError as wrong:
        if wrong.message.startswith(f"{one.name} cannot be "):
            raise _wrong_type(one, value, path, line, wrong.hint) from wrong
        raise UsageError(f"{_at(path, line)}{wrong.message}", wrong.hint) from wrong
    if one.name == "formats" and not converted:
        raise _wrong_type(one, value, path, line, 'format = ["srt"]')
    no_file = EMBEDDED.fullmatch(str(converted)) or SITE.fullmatch(str(converted))
    if one.type is Path or (one.file and not no_file):
        return type(converted)(_placed(str(converted), path.parent))
    if one.engine and ":" in converted:  # ./file.py:ClassName
        file, _, name = converted.rpartition(":")
        return f"{_placed(file, path.parent)}:{name}"
    if one.name == "model" and re.match(r"~|\.{0,2}[/\\]", converted):
        return _placed(converted, path.parent)
    return converted


def _wrong_type(one: Option, value: Any, path: Path, line: int, hint: str) -> UsageError:
    return UsageError(f"{_at(path, line)}{key_of(one)} cannot be {reprlib.repr(value)}", hint)


def _placed(name: str, folder: Path) -> str:
    """A path as a file in ``folder`` means it."""
    path = Path(name)
    with contextlib.suppress(RuntimeError):  # ~nobody
        path = path.expanduser()
    return str(folder.absolute() / path)


def _line_of(text: str, key: str, table: str = "") -> int:
    """The line at which a key begins, or the header of its table; 0 if it is written in another
    way than most people write it."""
    name = rf"\s*([\"']?){re.escape(key)}\1\s*"
    inside = ""
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\s*([\"']?)(.*?)\1\s*\]", line)
        if header:
            inside = header[2]
            if not table and inside == key:
                return number
        elif (inside == table and re.match(rf"{name}[=.]", line)) or (
            table and re.match(rf"\s*{re.escape(table)}\s*\.{name}=", line)
        ):
            return number
    return 0


# ---------------------------------------------------------------- trust


def trust(file: ConfigFile) -> ConfigFile:
    """Remember that the user agrees to a file as it is now. Raises OutputError."""
    try:
        path = state_folder() / "trusted"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError) as failure:
        raise OutputError(f"it cannot be remembered: {failure}", LEAVE_OUT) from failure
    known = [one for one in _trusted() if one != file.fingerprint][-MOST_TRUSTED + 1 :]
    with replacing(path) as part:
        part.write_text("".join(f"{one}\n" for one in (*known, file.fingerprint)), "ascii")
    return replace(file, is_trusted=True)


def _trusted() -> list[str]:
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        return read_bytes(state_folder() / "trusted").decode("ascii").split()
    return []


def untrusted(file: ConfigFile) -> UsageError:
    """The error for a file of a folder that sets more than any file may."""
    keys = ", ".join(one.key[:60] for one in file.refused[:20])
    return UsageError(
        f"{file.path} sets {keys}, which the file of a folder may do only if you trust it",
        f"read it, then: dubkit config trust; {LEAVE_OUT}",
    )


# ---------------------------------------------------------------- joining


def combined(
    typed: Mapping[str, Any], files: Sequence[ConfigFile], inputs: Sequence[str] = ()
) -> dict[str, Any]:
    """The keywords of a run: what was typed, then what the files set, the one that counts most
    first.

    What a file sets and cannot go with what counts more is left out: ``tone`` where nothing is
    translated, ``no-video`` where ``--burn`` was typed, the subtitles of a site where no address
    was.
    """
    only_texts = bool(inputs) and all(format_of(Path(name)) for name in inputs)
    without = {*typed, *(NEEDS_VIDEO if only_texts else ())}
    values = [
        {one.name: one.value for one in file.accepted if not one.engine and one.name not in without}
        for file in files
    ]
    if not any(map(ADDRESS.match, inputs)):
        for own in values:
            if SITE.fullmatch(str(own.get("subs_from"))):
                del own["subs_from"]
    found = _with_all(typed, values)
    if _problem(found):
        found = dict(typed)
        for own in values:
            found = _with_most(found, own)
    if not only_texts and not found.get("subs_from"):
        for name in NEEDS_TEXT - {*typed}:
            found.pop(name, None)
    named = (own_name(str(found.get(one.name))) for one in list_options(Options) if one.engine)
    settings = _engine_settings(typed.get("settings", {}), files, {*_installed(), *named})
    return {**found, "settings": settings} if settings else found


def _with_all(typed: Mapping[str, Any], values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What was typed and all that the files set, but for what lacks the option that it needs."""
    found = {name: one for own in reversed(values) for name, one in own.items()} | dict(typed)
    needs = {one.name: one.needs for one in list_options(Options) if one.needs}
    while lacking := [
        name for name in found if name in needs and name not in typed and not found.get(needs[name])
    ]:
        for name in lacking:
            del found[name]
    return found


def _with_most(found: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """What was found and, of what a file sets, all that causes no problem that was not there."""
    found, left = dict(found), -1
    # In the order of the options: what to make comes first, and what needs it after that.
    waiting = [one.name for one in list_options(Options) if one.name in values]
    while left != len(waiting):
        left = len(waiting)
        for name in [one for one in waiting if one not in found]:
            then = _problem({**found, name: values[name]})
            if then in ("", _problem(found)):
                found[name] = values[name]
        waiting = [one for one in waiting if one not in found]
    return found


def _problem(keywords: Mapping[str, Any]) -> str:
    try:
        from_keywords(keywords)
    except UsageError as wrong:
        return wrong.message
    return ""


def _engine_settings(
    typed: Mapping[str, Mapping[str, str]], files: Sequence[ConfigFile], known: set[str]
) -> dict[str, dict[str, str]]:
    """The settings of engines; a file may have some for an engine of a file that is not in use."""
    found: dict[str, dict[str, str]] = {}
    for file in reversed(files):
        for one in file.accepted:
            if any(choose.same_name(one.engine, name) for name in known):
                found.setdefault(one.engine, {})[one.name] = one.value
    for engine, own in typed.items():
        found.setdefault(engine, {}).update(own)
    return found


# ---------------------------------------------------------------- of one tool


def settings_of(name: str) -> dict[str, str]:
    """What the files that hold here set of an engine, or of a tool by its own name."""
    own = _engine_settings({}, read_all(), {name}).values()
    return {key: value for one in own for key, value in one.items()}


def write_settings(path: Path, table: str, settings: Mapping[str, str]) -> None:
    """Set keys of a table in a file, and change nothing else in it; it may not exist yet.

    Raises UsageError if it is not TOML or writes the table in another way than most people do,
    OutputError if it cannot be written.
    """
    path = Path(os.path.realpath(path))
    lines: list[str] = []
    try:
        lines = read_bytes(path, LARGEST).decode("utf-8-sig").splitlines()
        before = tomllib.loads("\n".join(lines))
    except FileNotFoundError:
        before = {}
    except (OSError, ValueError) as failure:
        raise UsageError(f"{path} cannot be read: {failure}", "correct it") from failure
    heads = [n for n, line in enumerate(lines) if re.match(r"\s*\[", line)]
    own = [n for n in heads if re.fullmatch(rf"\s*\[\s*{re.escape(table)}\s*\]\s*(#.*)?", lines[n])]
    if own:
        end = next((n for n in heads if n > own[0]), len(lines))
        body = lines[own[0] + 1 : end]
        body = [one for one in body if not any(_sets(one, key) for key in settings)]
    else:
        own, end, body = [len(lines)], len(lines), []
    head = lines[own[0]] if own[0] < len(lines) else f"[{table}]"
    added = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in settings.items()]
    lines[own[0] : end] = [head, *added, *body]
    text = "\n".join(lines) + "\n"
    wanted = {**before, table: {**before.get(table, {}), **settings}}
    with contextlib.suppress(ValueError):
        if tomllib.loads(text) == wanted:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as failure:
                raise cannot_write(path, failure) from failure
            with replacing(path) as part:
                part.write_text(text, "utf-8")
            return
    raise UsageError(f"{path} could not be changed", f"write this into it: {'; '.join(added)}")


def _sets(line: str, key: str) -> bool:
    return bool(re.match(rf"\s*([\"']?){re.escape(key)}\1\s*=", line))
