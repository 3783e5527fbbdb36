"""Find, load and configure engines: the only door to a plugin.

Listing names reads metadata and imports nothing; loading imports exactly one module.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import inspect
import logging
import os
import re
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from dubkit import hooks
from dubkit.errors import DubkitError, MissingDependency, PluginError, UsageError

log = logging.getLogger("dubkit")

SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|AUTH|PROXY)$")
"""Ends of the names of environment variables whose values are nobody's business."""
HOW = re.compile(r"parallel|batch|threads|timeout|retries|\w+_price")
"""Names of settings that say how an engine works and not what it makes: when one of them changes,
nothing is made anew."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """An engine that is installed, not imported."""

    kind: str
    name: str
    distribution: str
    """Name and version of the package that brings it."""
    entry_point: importlib.metadata.EntryPoint


def group_of(kind: str) -> str:
    """The entry-point group of a kind."""
    return f"dubkit.{kind}"


def plugins(kind: str) -> tuple[Plugin, ...]:
    """The installed engines of a kind, by name, from metadata alone."""
    found = []
    for point in importlib.metadata.entry_points(group=group_of(kind)):
        owner = f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"
        found.append(Plugin(kind, point.name, owner, point))
    return tuple(sorted(set(found), key=lambda plugin: (plugin.name, plugin.distribution)))


def find(kind: str, name: str) -> Plugin:
    """The one engine of that name; :class:`UsageError` when there is none, or more than one."""
    named = [plugin for plugin in plugins(kind) if plugin.name == name]
    if not named:
        known = ", ".join(dict.fromkeys(plugin.name for plugin in plugins(kind))) or "none"
        raise UsageError(
            f"there is no {kind[:-1]} named {name!r}",
            f"installed: {known}; one file's own is ./file.py:ClassName",
        )
    if len(named) > 1:
        owners = " and ".join(plugin.distribution for plugin in named)
        raise UsageError(f"{name!r} is claimed by {owners}", "uninstall one of them")
    return named[0]


def load(kind: str, spec: str, settings: Mapping[str, str] | None = None) -> Any:
    """Import the engine ``spec`` (a name, or ``./file.py:ClassName``) and build it.

    Raises :class:`UsageError` for an unknown name or setting, :class:`MissingDependency` when its
    libraries are not installed, :class:`PluginError` when its module or its class fails.
    """
    if ":" in spec:
        engine = _class_in_file(spec)
    else:
        plugin = find(kind, spec)
        package = plugin.distribution.split()[0]
        with guarded(
            f"{kind[:-1]} {spec} ({plugin.distribution}) cannot be imported",
            f"pip install --upgrade --force-reinstall {package}",
        ):
            try:
                engine = plugin.entry_point.load()
            except ModuleNotFoundError as missing:
                raise MissingDependency(
                    f"{spec} needs the package {missing.name}, which is not installed",
                    f'pip install "{package}[{spec}]"',
                ) from missing
    if lacking := [name for name in _contract(kind) if not hasattr(engine, name)]:
        protocol = hooks.KINDS[kind].__name__
        raise PluginError(
            f"{spec} is no {kind[:-1]}: it has no {', '.join(lacking)}",
            f"dubkit.{protocol} says what it needs; a subclass inherits what may be left out",
        )
    with guarded(f"{kind[:-1]} {spec} does not start", "look at its settings (-o)"):
        return engine(**_values(engine, own_name(spec), settings or {}))


@contextlib.contextmanager
def guarded(what: str, hint: str) -> Iterator[None]:
    """Around a call of anybody's code: whatever it raises becomes a PluginError that says ``what``
    has happened. dubkit's own errors stay what they are."""
    try:
        yield
    except DubkitError:
        raise
    except (Exception, SystemExit) as failure:
        log.debug("%s", what, exc_info=True)
        raise PluginError(f"{what}: {str(failure) or type(failure).__name__}", hint) from failure


def own_name(spec: str) -> str:
    """The name that an engine's settings go by: ``ClassName`` for ``./file.py:ClassName``."""
    return spec.rpartition(":")[2]


def identity(kind: str, spec: str, settings: Mapping[str, str]) -> dict[str, object]:
    """What the engine is, for the keys of the workspace, without importing it.

    That is its package's version, the source of its module and of those that it imports from beside
    it (a prompt changes in a checkout, too), its settings, and what it is told through the
    environment, secrets left out. A setting that names a file or folder stands for what is in it,
    told by sizes and times.
    """
    name = own_name(spec)
    if ":" in spec:
        origin, source = "", _split(spec)[0]
    else:
        plugin = find(kind, spec)
        origin, source = plugin.distribution, _source_of(plugin.entry_point.module)
    code = hashlib.sha256(b"".join(file.read_bytes() for file in _sources(source))).hexdigest()
    prefix = re.split(r"\W", name)[0].upper() + "_"  # openai's for openai-speech, too
    environment = {
        variable: value
        for variable, value in sorted(os.environ.items())
        if variable.startswith(prefix) and value and not SECRET.search(variable)
    }
    values: dict[str, object] = {
        key: value for key, value in sorted(settings.items()) if not HOW.fullmatch(key)
    }
    for key, value in list(values.items()):
        # Not a file's name at all: too long for one, ~nobody, a folder that may not be read.
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            path = Path(str(value)).expanduser()
            if value and path.exists():
                files = [path] if path.is_file() else sorted(path.iterdir())
                values[key] = [
                    [file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files
                ]
    return {
        "engine": name,
        "origin": [origin, code],
        "settings": values,
        "environment": environment,
    }


def _source_of(module: str) -> Path:
    """The file of a module that is not imported for that (its package is)."""
    with contextlib.suppress(Exception):  # anybody's package
        found = importlib.util.find_spec(module)
        if found and found.origin:
            return Path(found.origin)
    return Path(os.devnull)


def _sources(module: Path) -> list[Path]:
    """The file of a module and, found by reading and not by importing, of all modules of its own
    package that it needs."""
    found: dict[Path, None] = {}
    left = [module] if module.is_file() else []
    while left:
        file = left.pop()
        if file in found:
            continue
        found[file] = None
        with contextlib.suppress(SyntaxError, ValueError, OSError):
            for node in ast.walk(ast.parse(file.read_bytes())):
                if isinstance(node, ast.ImportFrom) and node.level:
                    folder = file.parents[node.level - 1].joinpath(*(node.module or "").split("."))
                    names = [folder, *(folder / alias.name for alias in node.names)]
                    near = (
                        p for name in names for p in (name.with_suffix(".py"), name / "__init__.py")
                    )
                    left += (path for path in near if path.is_file())
    return sorted(found)


@functools.cache
def _contract(kind: str) -> tuple[str, ...]:
    """The names that an engine of the kind must have."""
    protocols = [c for c in hooks.KINDS[kind].__mro__ if c.__module__ == hooks.__name__]
    names = {name for c in protocols for name in (*vars(c), *inspect.get_annotations(c))}
    return tuple(sorted(name for name in names if not name.startswith("_")))


def _split(spec: str) -> tuple[Path, str]:
    file, _, name = spec.rpartition(":")
    return Path(file).expanduser(), name


def _class_in_file(spec: str) -> Any:
    path, name = _split(spec)
    if not path.is_file():
        raise UsageError(f"there is no file {path}", "write it as ./file.py:ClassName")
    module_spec = importlib.util.spec_from_file_location(f"dubkit_file_{path.stem}", path)
    if module_spec is None or module_spec.loader is None:
        raise UsageError(f"{path} is not a Python file", "write it as ./file.py:ClassName")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[module_spec.name] = module  # dataclasses look their module up by name
    with guarded(f"{path} cannot be imported", f"python {path} shows where it fails"):
        try:
            module_spec.loader.exec_module(module)
        except ModuleNotFoundError as missing:
            raise MissingDependency(
                f"{path.name} needs the package {missing.name}", f"pip install {missing.name}"
            ) from missing
    if not inspect.isclass(getattr(module, name, None)):
        classes = [key for key, value in vars(module).items() if inspect.isclass(value)]
        raise UsageError(f"{path} has no class {name}", f"it has {', '.join(classes) or 'none'}")
    return getattr(module, name)


def _values(engine: Any, name: str, settings: Mapping[str, str]) -> dict[str, object]:
    """Settings as the types of the engine's fields."""
    known = (
        {field.name for field in fields(engine) if field.init} if is_dataclass(engine) else set()
    )
    hints = typing.get_type_hints(engine) if known else {}
    for key in settings:
        if key not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise UsageError(f"{name} has no setting {key!r}", f"its settings: {listed}")
    return {key: _value(f"{name}.{key}", text, hints[key]) for key, text in settings.items()}


def _value(setting: str, text: str, hint: Any) -> object:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        choices = [choice for choice in typing.get_args(hint) if choice is not type(None)]
        if not text and len(choices) < len(typing.get_args(hint)):
            return None
        hint = choices[0]
    if hint is bool:
        if text.lower() in ("1", "true", "yes", "on"):
            return True
        if text.lower() in ("0", "false", "no", "off"):
            return False
        raise UsageError(f"{setting} is yes or no, not {text!r}", f"-o {setting}=yes")
    try:
        return hint(text) if hint in (int, float, Path) else text
    except ValueError as wrong:
        raise UsageError(f"{setting} is a number, not {text!r}", f"-o {setting}=1") from wrong
