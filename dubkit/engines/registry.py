"""Find, load and configure engines: the only module that imports plugins.

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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar, cast

from dubkit import hooks
from dubkit.errors import DubkitError, MissingDependency, PluginError, UsageError
from dubkit.files import at_home
from dubkit.system.faults import MORE_MEMORY, SECRET, is_out_of_memory, words_of

log = logging.getLogger("dubkit")

NEUTRAL_SETTINGS = re.compile(r"parallel|batch|threads|devices|timeout|retries|\w+_price")
"""Names of settings that affect how an engine works and not its result: if one of them changes,
nothing is made again."""


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
    return _installed(kind, tuple(map(_state, sys.path)))


def _state(folder: str) -> tuple[str, int, int]:
    """A folder, and what changes when something is installed into it."""
    with contextlib.suppress(OSError, ValueError):
        found = os.stat(folder or os.curdir)  # noqa: PTH116 - an entry of sys.path, as it is
        return folder, found.st_ino, found.st_mtime_ns
    return folder, 0, 0


@functools.lru_cache(maxsize=64)  # every package's metadata is read for it
def _installed(kind: str, folders: tuple[tuple[str, int, int], ...]) -> tuple[Plugin, ...]:
    found = []
    for point in importlib.metadata.entry_points(group=group_of(kind)):
        owner = f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"
        found.append(Plugin(kind, point.name, owner, point))
    return tuple(sorted(set(found), key=lambda plugin: (plugin.name, plugin.distribution)))


def find(kind: str, name: str) -> Plugin:
    """The one engine of that name; :class:`UsageError` when there is none, or more than one.

    ``openai`` also finds ``openai-speech`` if no other engine of the kind begins like that.
    """
    installed = plugins(kind)
    named = [plugin for plugin in installed if plugin.name == name] or [
        plugin for plugin in installed if plugin.name.startswith(f"{name}-")
    ]
    if not named:
        known = ", ".join(dict.fromkeys(plugin.name for plugin in installed)) or "none"
        raise UsageError(
            f"there is no {kind[:-1]} named {name!r}",
            f"installed: {known}; an engine in a single file is ./file.py:ClassName",
        )
    if len(named) > 1:
        owners = " and ".join(plugin.distribution for plugin in named)
        raise UsageError(f"{name!r} is claimed by {owners}", "uninstall one of them")
    return named[0]


def is_installed(kind: str, name: str) -> bool:
    """Whether :func:`find` finds something."""
    return any(one.name == name or one.name.startswith(f"{name}-") for one in plugins(kind))


def kind_of(protocol: type) -> str:
    """The kind that a protocol of :mod:`dubkit.hooks` describes: ``translators``."""
    return next(kind for kind, known in hooks.KINDS.items() if known is protocol)


E = TypeVar("E", bound=hooks.Engine)

Key: TypeAlias = tuple[type, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class Choice(Generic[E]):
    """An engine that was chosen, whether it is built yet or not."""

    protocol: type[E]
    spec: str
    """A name, or ``./file.py:ClassName``."""
    settings: Mapping[str, str] = field(default_factory=dict)
    caveat: str = ""
    """What the user should know about this choice."""
    first: Choice[E] | None = None
    """The translator whose results, in the language ``pivot``, this one translates on."""
    pivot: str = ""

    @property
    def kind(self) -> str:
        """Its kind, as in ``translators``."""
        return kind_of(self.protocol)

    @property
    def name(self) -> str:
        """The name that people know it by, the tool's if it is set to use one; both names where
        there are two."""
        name = self.tool or own_name(self.spec)
        return f"{self.first.name}, then {name}" if self.first else name

    @property
    def tool(self) -> str:
        """The tool that an engine is set to use by a preset, as it can be typed; "" if none."""
        preset = self.settings.get(self.kind[:-1]) or self.settings.get("preset")
        if not preset:
            return ""
        with contextlib.suppress(DubkitError):  # raised where the engine is used
            if issubclass(engine_class(self.protocol, self.spec), hooks.External):
                return Path(preset).stem.replace("_", "-")
        return ""

    @property
    def identity(self) -> dict[str, object]:
        """What it is, for the keys of the workspace; see :func:`identity`."""
        own = identity(self.kind, self.spec, self.settings)
        return {**own, "first": self.first.identity, "by": self.pivot} if self.first else own

    @property
    def key(self) -> Key:
        """Equal for choices of the same engine with the same settings."""
        return self.protocol, self.spec, tuple(sorted(self.settings.items()))


def load(protocol: type[E], spec: str, settings: Mapping[str, str] | None = None) -> E:
    """Import the engine ``spec`` (a name, or ``./file.py:ClassName``) and build it.

    Raises :class:`UsageError` for an unknown name or setting, :class:`MissingDependency` when its
    libraries are not installed, :class:`PluginError` when its module or its class fails, or when it
    was written for another version of the contract.
    """
    return build(engine_class(protocol, spec), protocol, spec, settings)


def build(
    engine: type[E], protocol: type[E], spec: str, settings: Mapping[str, str] | None = None
) -> E:
    """Build an engine of which :func:`engine_class` is the class. Raises as :func:`load` does."""
    kind = kind_of(protocol)
    with guarded(f"{kind[:-1]} {spec} does not start", "check its settings (-o)"):
        try:
            return engine(**_values(engine, own_name(spec), settings or {}))
        except ModuleNotFoundError as missing:
            raise _not_installed(kind, spec, missing) from missing


def engine_class(protocol: type[E], spec: str) -> type[E]:
    """Import the class of an engine without building it. Raises as :func:`load` does."""
    kind = kind_of(protocol)
    if ":" in spec:
        engine = _class_in_file(spec)
    else:
        plugin = find(kind, spec)
        with guarded(
            f"{kind[:-1]} {spec} ({plugin.distribution}) cannot be imported",
            f"pip install --upgrade --force-reinstall {_package(plugin)}",
        ):
            try:
                engine = plugin.entry_point.load()
            except ModuleNotFoundError as missing:
                raise _not_installed(kind, spec, missing) from missing
    _check_contract(engine, protocol, spec)
    return cast("type[E]", engine)


def _check_contract(engine: Any, protocol: type, spec: str) -> None:
    """Raise PluginError for a class that is of another kind, or written for another version."""
    kind, written_for = kind_of(protocol), getattr(engine, "contract", None)
    if written_for not in (None, hooks.VERSION):
        newer = isinstance(written_for, int) and written_for > hooks.VERSION
        raise PluginError(
            f"{spec} was written for version {written_for} of dubkit's plugin contract, "
            f"and this is version {hooks.VERSION}",
            "upgrade dubkit"
            if newer
            else "look for a newer release of it, or see what is new in plugins/README.md",
        )
    if lacking := [name for name in _members(kind) if not hasattr(engine, name)]:
        raise PluginError(
            f"{spec} is not a {kind[:-1]}: it has no {', '.join(lacking)}",
            f"dubkit.{protocol.__name__} says what it needs; a subclass inherits what is optional",
        )
    if written_for is None:
        raise PluginError(
            f"{spec} does not say which version of dubkit's plugin contract it was written for",
            f"this is version {hooks.VERSION}: plugins/README.md says what is new; "
            f"then write contract = {hooks.VERSION} in its class",
        )


def _package(plugin: Plugin) -> str:
    return plugin.distribution.split()[0]


def _not_installed(kind: str, spec: str, missing: ModuleNotFoundError) -> MissingDependency:
    hint = f"pip install {missing.name}"
    if ":" not in spec:
        hint = f'pip install "{_package(find(kind, spec))}[{spec}]"'
    return MissingDependency(
        f"{spec} needs the package {missing.name}, which is not installed", hint
    )


@contextlib.contextmanager
def guarded(
    what: str,
    hint: str = "",
    *,
    instead: Callable[[BaseException], DubkitError | None] = lambda failure: None,
) -> Iterator[None]:
    """Around every call of a plugin: whatever it raises becomes a PluginError.

    ``what`` has happened, as in ``translator x failed``; with "" the message is the failure's own.
    dubkit's own errors stay what they are. ``instead`` may name a better error for some failures.
    """
    try:
        yield
    except (DubkitError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as failure:  # SystemExit, and whatever a plugin has made up
        log.debug("%s", what or "a plugin failed", exc_info=True)
        if better := instead(failure):
            raise better from failure
        if is_out_of_memory(failure):
            text = "there is not enough memory"
            hint = MORE_MEMORY
        else:
            text = words_of(failure) or type(failure).__name__
        raise PluginError(f"{what}: {text}" if what else text, hint) from failure


def own_name(spec: str) -> str:
    """The name in an engine's settings: ``ClassName`` for ``./file.py:ClassName``."""
    return spec.rpartition(":")[2]


def identity(kind: str, spec: str, settings: Mapping[str, str]) -> dict[str, object]:
    """What the engine is, for the keys of the workspace, without importing it.

    That is its package's version, the source of its module and of those that it imports from its
    own package (a prompt may change in a checkout, too), its settings, and its environment
    variables without secrets. A setting that names a file or folder stands for its content, by
    sizes and times.
    """
    name = own_name(spec)
    if ":" in spec:
        origin, source = "", _split(spec)[0]
    else:
        plugin = find(kind, spec)
        origin, source = plugin.distribution, _source_of(plugin.entry_point.module)
    try:
        code = hashlib.sha256(b"".join(file.read_bytes() for file in _sources(source))).hexdigest()
    except OSError as failure:
        raise PluginError(
            f"{spec} cannot be read: {failure.strerror or failure}", "check its permissions"
        ) from failure
    prefix = re.split(r"\W", name)[0].upper() + "_"  # openai's for openai-speech, too
    environment = {
        variable: value
        for variable, value in sorted(os.environ.items())
        if variable.startswith(prefix) and value and not SECRET.search(variable)
    }
    values: dict[str, object] = {
        key: value for key, value in sorted(settings.items()) if not NEUTRAL_SETTINGS.fullmatch(key)
    }
    for key, value in list(values.items()):
        # Not a file name at all: too long, ~nobody, a folder without permission to read.
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            path = at_home(str(value))
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
    top = module.parent
    while (top.parent / "__init__.py").is_file():
        top = top.parent
    while left:
        file = left.pop()
        if file in found:
            continue
        found[file] = None
        with contextlib.suppress(OSError, IndexError):  # no folder is so far up
            for level, name, names in _imports(file.read_bytes()):
                path = name.split(".")
                if level:
                    base = file.parents[level - 1]
                elif path[0] == top.name:
                    base = top.parent
                else:
                    continue
                folder = base.joinpath(*path)
                modules = [folder, *(folder / name for name in names)]
                near = (
                    p for name in modules for p in (name.with_suffix(".py"), name / "__init__.py")
                )
                left += (path for path in near if path.is_file())
    return sorted(found)


@functools.lru_cache(maxsize=256)  # several times in each run
def _imports(source: bytes) -> tuple[tuple[int, str, tuple[str, ...]], ...]:
    """Level, module and names of each ``from ... import ...`` in a source; none if it is none."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return ()
    return tuple(
        (node.level, node.module or "", tuple(alias.name for alias in node.names))
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    )


@functools.cache
def _members(kind: str) -> tuple[str, ...]:
    """The names that an engine of the kind must have, besides ``contract``."""
    protocols = [c for c in hooks.KINDS[kind].__mro__ if c.__module__ == hooks.__name__]
    names = {name for c in protocols for name in (*vars(c), *inspect.get_annotations(c))}
    return tuple(sorted(name for name in names - {"contract"} if not name.startswith("_")))


def _split(spec: str) -> tuple[Path, str]:
    file, _, name = spec.rpartition(":")
    return at_home(file), name


class _Uncached(SourceFileLoader):
    """The file as it is: kept bytecode would hide an edit within a second to the same size."""

    def get_code(self, fullname: str) -> types.CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _class_in_file(spec: str) -> Any:
    path, name = _split(spec)
    if not path.is_file():
        raise UsageError(f"there is no file {path}", "write it as ./file.py:ClassName")
    module_spec = importlib.util.spec_from_file_location(f"dubkit_file_{path.stem}", path)
    if module_spec is None or module_spec.loader is None:
        raise UsageError(f"{path} is not a Python file", "write it as ./file.py:ClassName")
    if isinstance(module_spec.loader, SourceFileLoader):
        module_spec.loader = _Uncached(module_spec.name, str(path))
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


def setting_names(engine: Any) -> set[str]:
    """The names of an engine's settings."""
    return {field.name for field in fields(engine) if field.init} if is_dataclass(engine) else set()


def _values(engine: Any, name: str, settings: Mapping[str, str]) -> dict[str, object]:
    """Settings as the types of the engine's fields."""
    known = setting_names(engine)
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
