"""``python -m dubkit.web.catalog``: the engines that are installed, a line of JSON for each kind.

A separate program, because an engine must be imported to list its settings, and the server should
not spend its memory on torch.

    {"transcribers": {"faster-whisper": {..., "models": ["base"], "knows": ["af", "am", ...]}}}
    {"synthesizers": {"kokoro": {"distribution": "dubkit 0.1.0", "about": "...", "problem": "",
        "settings": [{"name": "speed", "type": "float", "default": "1.0", "help": "..."}],
        "voices": {"pt": ["pf_dora", "pm_alex"]}}}}
    {"translators": {"argos": {..., "into": ["en", "pt"]}}}
"""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import itertools
import json
import os
import string
import sys
import textwrap
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

from dubkit import engines, hooks
from dubkit.errors import DubkitError, UsageError
from dubkit.languages import name

TYPES: Mapping[Any, str] = {bool: "bool", int: "int", float: "float", str: "str"}
"""Types of settings that can be shown; those that name files are not among them."""


Catalog: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Facts by kind and by name of an engine."""


def best_first(installed: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The names of the engines of a kind, in the order in which ``auto`` tries them."""
    return sorted(installed, key=lambda name: -int(installed[name].get("priority", 0)))


def describe(kind: str) -> dict[str, Any]:
    """The installed engines of a kind by name; one that cannot be imported has a ``problem``."""
    return {plugin.name: _engine(kind, plugin) for plugin in engines.plugins(kind)}


def _engine(kind: str, plugin: engines.Plugin) -> dict[str, Any]:
    entry: dict[str, Any] = {"distribution": plugin.distribution, "settings": [], "problem": ""}
    try:
        with engines.guarded(""):
            protocol = hooks.KINDS[kind]
            # Of the class, since the page must know it also if the engine does not start.
            entry["open_ended"] = engines.engine_class(protocol, plugin.name).open_ended
            entry["suits"] = engines.engine_class(protocol, plugin.name).suits("")
            engine = engines.load(protocol, plugin.name)
            entry["about"] = (inspect.getdoc(type(engine)) or "").partition("\n\n")[0]
            entry["settings"] = settings(type(engine))
            entry["problem"] = "; ".join(engine.check())
            entry["priority"] = engine.priority
            if isinstance(engine, hooks.HasModels):
                entry["models"] = list(map(str, engine.models()))
            if isinstance(engine, hooks.KnowsLanguages):
                entry["knows"] = [tag for tag in codes() if _knows(engine, tag)]
            if kind == "translators":
                translator = cast(hooks.Translator, engine)
                entry["into"] = [tag for tag in known() if translator.supports(None, tag)]
            if kind == "synthesizers":
                synthesizer = cast(hooks.Synthesizer, engine)
                voices = {tag: list(map(str, synthesizer.voices(tag))) for tag in known()}
                entry["voices"] = {tag: names for tag, names in voices.items() if names}
                entry["clones"] = bool(synthesizer.clones)
    except DubkitError as failure:
        entry["problem"] = f"{failure.message}: {failure.hint}" if failure.hint else failure.message
    return entry


def codes() -> Iterator[str]:
    """All that a language's tag may begin with: two letters, or three."""
    for letters in (2, 3):
        yield from map("".join, itertools.product(string.ascii_lowercase, repeat=letters))


@functools.cache
def known() -> tuple[str, ...]:
    """The tags of all languages that have one of two letters."""
    return tuple(tag for tag in codes() if len(tag) == 2 and name(tag) != tag)


def _knows(engine: hooks.KnowsLanguages, tag: str) -> bool:
    try:
        engine.check_languages([tag], "")
    except UsageError:
        return False
    return True


def settings(engine: type) -> list[dict[str, Any]]:
    """The settings of an engine's class that a form can show."""
    if not is_dataclass(engine):
        return []
    hints = typing.get_type_hints(engine)
    helps = _helps(engine)
    found = []
    for field in fields(engine):
        choices = [one for one in typing.get_args(hints[field.name]) if one is not type(None)]
        type_ = TYPES.get(choices[0] if choices else hints[field.name])
        if field.init and not field.name.startswith("_") and type_ and not _is_address(field):
            default = "" if field.default in (MISSING, None) else str(field.default)
            described = {"name": field.name, "type": type_, "default": default}
            found.append({**described, "help": helps.get(field.name, "")})
    return found


def _is_address(field: Field[Any]) -> bool:
    """Whether it is an address to send things to: the server's keys would be sent there."""
    return field.name.endswith(("url", "host", "address", "endpoint"))


def _helps(engine: type) -> dict[str, str]:
    """The docstring below each field."""
    found: dict[str, str] = {}
    for owner in reversed(engine.__mro__):
        with contextlib.suppress(OSError, TypeError, SyntaxError):
            tree = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
            body = tree.body if isinstance(tree, ast.ClassDef) else []
            for node, after in itertools.pairwise(body):
                text = after.value if isinstance(after, ast.Expr) else None
                if (
                    isinstance(node, ast.AnnAssign)
                    and isinstance(node.target, ast.Name)
                    and isinstance(text, ast.Constant)
                    and isinstance(text.value, str)
                ):
                    found[node.target.id] = " ".join(text.value.replace("``", "").split())
    return found


def main() -> None:
    # Engines may print while they are imported.
    out = sys.stdout
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        for kind in hooks.KINDS:
            print(json.dumps({kind: describe(kind)}, ensure_ascii=False), file=out, flush=True)


if __name__ == "__main__":
    main()
