"""Load a preset: its file checked key by key, and the user's settings in place of its defaults.

An unknown key or placeholder is refused, with the names of the valid ones.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from dubkit import UsageError, at_home

from . import presets
from .placeholders import PLACEHOLDER, expand_home, fill, strings, with_settings
from .presets import COMMON, ENCODED, FILES, INPUTS, OF_A_VOICE, Preset, Program

OF_SETUP = ("bin", "repo")
"""Placeholders that [needs] may have in ``settings``, and that name what was set up."""
NO_KEYS = ("here", "stem", "unfilled")
"""Fields of a preset that are no keys of the file."""


def load(given: Path, kind: str, table: str, overrides: str = "") -> Preset:
    """Load a preset by name or file, with the user's settings applied.

    ``table`` is the one that the preset must have: ``run`` or ``http``. Raises UsageError for
    anything wrong with the file or the settings.
    """
    path = at_home(given)
    if path.name == str(path) and not path.suffix and not path.is_file():
        shipped = presets.shipped_files()
        named = [file for file in shipped if file.stem == path.name.replace("-", "_")]
        if not named:
            near = difflib.get_close_matches(path.name, [file.stem for file in shipped], 1)
            known = ", ".join(presets.list_shipped(kind, table))
            raise UsageError(
                f"there is no preset named {path.name!r}",
                (f"did you mean {near[0]}? " if near else "")
                + f"There are {known}; a file ends with .toml",
            )
        path = named[0]
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(
            f"the preset {path} cannot be read: {error.strerror}",
            f"dubkit has {', '.join(presets.list_shipped(kind, table))}",
        ) from None
    except ValueError as error:
        raise UsageError(f"the preset {path.name} is not TOML: {error}", "correct it") from None
    _add_needs(content, path)
    preset = typing.cast(Preset, _parse_table(Preset, content, path.name, ""))
    _validate(preset, path.name, kind, table)
    chosen = _apply_settings(preset, path.name, kind, overrides)
    return dataclasses.replace(
        preset,
        settings=filled_settings(chosen),
        unfilled=chosen,
        here=path.absolute().parent,
        stem=path.stem,
    )


def _add_needs(content: dict[str, Any], path: Path) -> None:
    """Add to [needs] what the preset has there that it is ``like``. Raises UsageError."""
    needs = content.get("needs")
    if not isinstance(needs, dict) or not (other := needs.get("like")):
        return
    file = path.with_name(f"{other}.toml")
    try:
        its = tomllib.loads(file.read_text("utf-8")).get("needs", {})
    except (OSError, ValueError) as wrong:
        raise UsageError(
            f"{path.name}: needs.like: {file} cannot be read: {wrong}", "name a preset beside it"
        ) from None
    if not isinstance(its, dict) or "like" in its:
        raise UsageError(
            f"{path.name}: needs.like: {file.name} has no [needs] of its own", "name another"
        )
    content["needs"] = {**its, **needs}


def _parse_table(kind: Any, table: Any, file: str, where: str) -> Any:
    """A dataclass of type ``kind`` from a TOML table; ``where`` is its name in messages."""
    if not isinstance(table, dict):
        raise UsageError(f"{file}: [{where}] is not a table", f"write [{where}] and its keys below")
    fields = {f.name: f for f in dataclasses.fields(kind) if f.name not in NO_KEYS}
    title = f"[{where}]" if where else "the top of a preset"
    for key in table:
        if key not in fields:
            raise UsageError(
                f"{file}: {title} has no key {key!r}", f"its keys: {', '.join(sorted(fields))}"
            )
    for name, known in fields.items():
        needed = known.default is MISSING and known.default_factory is MISSING
        if needed and name not in table:
            raise UsageError(f"{file}: {title} lacks {name!r}", f"add {name} = ...")
    hints = typing.get_type_hints(kind)
    if isinstance(listed := table.get("languages"), list):
        table = {**table, "languages": {str(tag): tag for tag in listed}}
    values = {
        key: _parse_value(hints[key], value, file, f"{where}.{key}".lstrip("."))
        for key, value in table.items()
    }
    return kind(**values)


def _parse_value(hint: Any, value: Any, file: str, where: str) -> Any:
    """A TOML value, checked against a type annotation."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next(choice for choice in typing.get_args(hint) if choice is not type(None))
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        return _parse_table(hint, value, file, where)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise UsageError(f"{file}: {where} is not a list", f"write {where} = [...]")
        inner = typing.get_args(hint)[0]
        return tuple(_parse_value(inner, each, file, where) for each in value)
    if hint is float and type(value) is int:
        value = float(value)
    wanted = dict if typing.get_origin(hint) is not None else hint
    if type(value) is not wanted:
        names = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}
        raise UsageError(
            f"{file}: {where} is {names.get(wanted, 'a table')}, not {value!r}", "correct it"
        )
    return value


def _validate(preset: Preset, file: str, kind: str, table: str) -> None:
    """Raise UsageError for what the types cannot rule out."""

    def one_of(what: str, value: str, known: tuple[str, ...]) -> None:
        if value not in known:
            raise UsageError(f"{file}: {what} is {value!r}", f"it is one of {', '.join(known)}")

    one_of("kind", preset.kind, tuple(INPUTS))
    if preset.kind != kind:
        raise UsageError(f"{file} is for a {preset.kind}, not for a {kind}", "use another preset")
    if (table == "run" and not preset.run) or (table == "http" and not preset.http):
        other = "http" if table == "run" else "command"
        raise UsageError(f"{file} has no [{table}]", f"it may be a preset for the {other} engine")
    if preset.run:
        one_of("run.how", preset.run.how, ("once", "worker", "batch"))
        if bool(preset.output.path) == bool(preset.output.glob):
            raise UsageError(f"{file}: [output] must have either path or glob", "write path = ...")
        if not preset.run.argv:
            raise UsageError(f"{file}: run.argv is empty", 'write argv = ["{python}", ...]')
        for part in preset.run.argv:
            if not _is_argument(part):
                raise UsageError(
                    f"{file}: run.argv contains {part!r}",
                    'it takes strings, lists of strings, {when = "...", args = [...]} and '
                    "{each = [...]}",
                )
    if preset.http:
        one_of("http.method", preset.http.method, ("GET", "POST", "PUT"))
        one_of("http.reply.kind", preset.http.reply.kind, ("audio", "pcm16", "base64", "url"))
        if preset.http.reply.kind in ("base64", "url") and not preset.http.reply.path:
            raise UsageError(f"{file}: http.reply has no path", 'write path = "data.audio"')
        if preset.http.json and (preset.http.form or preset.http.files):
            raise UsageError(f"{file}: [http] has both json and form", "remove one of them")
    for stage in preset.stage:
        one_of("stage.input", stage.input, tuple(n for n in FILES if n in INPUTS[kind]))
        for name in ("rate", "channels", "pad"):
            if (value := getattr(stage, name)) < 0:
                raise UsageError(f"{file}: stage.{name} is {value}", "0 leaves it unchanged")
    settings = {f"settings.{name}" for name in preset.settings}
    for name in preset.needs.settings:
        if name not in preset.settings:
            raise UsageError(
                f"{file}: needs.settings has {name!r}, which is no setting",
                f"[settings] has {', '.join(preset.settings) or 'none'}",
            )
    if preset.run:
        _validate_start(preset.run, file, settings)
    names = {*INPUTS[kind], *COMMON, *settings}
    if preset.http:
        names |= {name for name in ENCODED if name.removesuffix("_base64") in names}
    of_setup = set(strings(preset.needs.settings))
    for text in strings(dataclasses.asdict(preset)):
        for name in PLACEHOLDER.findall(text):
            if name in OF_SETUP and text in of_setup:
                continue
            if name == "references" and text != "{references}":
                raise UsageError(
                    f"{file}: {{references}} stands for several files",
                    "it must be a string of its own",
                )
            if name not in names:
                raise UsageError(
                    f"{file}: there is no placeholder {{{name}}}",
                    "there are " + ", ".join(sorted(names)),
                )


def _validate_start(run: Program, file: str, settings: set[str]) -> None:
    """Raise UsageError if what starts a program for many items refers to one of them."""
    known = settings | {"python", "here"}
    argv = [part for part in run.argv if not (isinstance(part, dict) and "each" in part)]
    each = len(argv) < len(run.argv)
    table = "run.request"
    if run.how == "batch":
        known = known | {"request", "work", "out_dir", "run_dir", *OF_A_VOICE}
        table = "run.item, or each"
        text = " ".join(strings(run.argv))
        if not (each or "{run_dir}" in text or ("{request}" in text and run.item)):
            raise UsageError(
                f"{file}: nothing says where a batch finds its items",
                "put {each = [...]}, or {run_dir} with copies of them (stage.to), or {request} "
                "(with a [run.item]) into run.argv",
            )
    elif run.item or each:
        raise UsageError(f"{file}: [run.item] and each are only for a batch", 'write how = "batch"')
    started = [argv, run.env, run.request] if run.how == "batch" else [argv, run.env]
    for text in strings(started) if run.how != "once" else ():
        if of_item := {*PLACEHOLDER.findall(text)} - known:
            raise UsageError(
                f"{file}: a {run.how} is started once, so its argv cannot contain {of_item}",
                f"move it to [{table}]",
            )


def _is_argument(part: Any) -> bool:
    if isinstance(part, dict) and set(part) == {"each"}:
        return _is_argument(part["each"])
    if isinstance(part, dict):
        return set(part) == {"when", "args"} and _is_argument(part["args"])
    if isinstance(part, list):
        return bool(part) and all(isinstance(text, str) for text in part)
    return isinstance(part, str)


def _apply_settings(preset: Preset, file: str, kind: str, overrides: str) -> dict[str, Any]:
    """The preset's defaults, overridden by the user's ``key=value,key=value``.

    ``converter.key=value`` is for the preset of that kind only, if several are in use.
    """
    settings = dict(preset.settings)
    if preset.run:
        settings.setdefault("args", "")  # every program takes more of them
    known = dict(settings)
    # A comma is part of the value unless another key follows.
    for pair in re.split(r",(?=[\w.]+=)", overrides) if overrides else []:
        key, equals, text = pair.partition("=")
        owner, dot, name = key.strip().rpartition(".")
        if dot and owner != kind:
            if owner not in INPUTS:
                raise UsageError(
                    f"set: there is no kind of tool {owner!r}", f"it is one of {', '.join(INPUTS)}"
                )
            continue
        if name not in settings or not equals:
            form = "" if equals else "; set=key=value,key=value"
            raise UsageError(
                f"{file} has no setting {name!r}",
                f"its settings: {', '.join(settings) or 'none'}{form}",
            )
        settings[name] = _convert(text, known[name], name)
    return settings


def filled_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings whose references to those before them are replaced."""
    filled: dict[str, Any] = {}
    for name, value in settings.items():
        filled[name] = expand_home(fill(value, with_settings({}, filled)))
    return filled


def _convert(text: str, default: Any, name: str) -> Any:
    """A setting that the user typed, as the type of its default."""
    try:
        if isinstance(default, bool):
            return {"true": True, "yes": True, "false": False, "no": False}[text.lower()]
        return type(default)(text) if isinstance(default, int | float) else text
    except (KeyError, ValueError):
        what = "true or false" if isinstance(default, bool) else "a number"
        raise UsageError(
            f"the setting {name} must be {what}, not {text!r}", f"{name}={default}"
        ) from (None)
