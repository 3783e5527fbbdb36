"""The plugin contract, and the only door to an engine.

An engine is a dataclass whose fields are its settings (set by ``-o name.field=value``) and that has
the methods of its kind's protocol below. It is found by an entry point in the group named after
its kind, the same for ours and for anyone's, or by ``./file.py:ClassName``. Listing names imports
nothing; loading imports exactly one module. Plugins import only dubkit's public names.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Protocol

from .errors import DubkitError, MissingDependency, PluginError, UsageError
from .types import Transcription

VERSION = 1
"""Of this contract; it grows when a protocol changes in a way that breaks plugins."""

Progress = Callable[[str, float, float], None]
"""``progress(stage, done, total)``; seconds of media, or bytes for a download. ``total`` may be 0
when it is not known."""


class Transcriber(Protocol):
    """Turns sound into words with times. Entry-point group ``dubkit.transcribers``."""

    def check(self) -> Sequence[str]:
        """What is missing for this engine to work here, a sentence each with what to type; empty
        when it is ready. Must not download anything."""

    def transcribe(
        self,
        audio: Path,
        *,
        language: str | None,
        prompt: str,
        hotwords: Sequence[str],
        work: Path,
        progress: Progress,
    ) -> Transcription:
        """The words of ``audio``, a 16 kHz mono 16-bit WAV file that the engine must not change.

        ``language`` is a BCP-47 tag, or None to find out. ``prompt`` is text that the speech is
        like, ``hotwords`` are names and terms to expect. ``work`` is a folder of the engine's own
        that is still there when the run is taken up again after a stop. Times in the result are
        seconds from the start of ``audio``; the core checks that they are inside it and in order.
        Raises :class:`~dubkit.errors.DubkitError` kinds; anything else is reported as the
        engine's failure.
        """


KINDS: Mapping[str, str] = {"transcribers": "dubkit.transcribers"}
"""Entry-point group by kind."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """An engine that is installed, not imported."""

    kind: str
    name: str
    distribution: str
    """Name and version of the package that brings it."""
    entry_point: importlib.metadata.EntryPoint


def plugins(kind: str) -> tuple[Plugin, ...]:
    """The installed engines of a kind, by name, from metadata alone."""
    found = []
    for point in importlib.metadata.entry_points(group=KINDS[kind]):
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
        try:
            engine = plugin.entry_point.load()
        except ModuleNotFoundError as missing:
            package = plugin.distribution.split()[0]
            raise MissingDependency(
                f"{spec} needs the package {missing.name}, which is not installed",
                f'pip install "{package}[{spec}]"',
            ) from missing
        except DubkitError:
            raise
        except (Exception, SystemExit) as failure:
            raise PluginError(
                f"{kind[:-1]} {spec} ({plugin.distribution}) cannot be imported: {failure}",
                "pip install --upgrade --force-reinstall " + plugin.distribution.split()[0],
            ) from failure
    try:
        return engine(**_values(engine, own_name(spec), settings or {}))
    except DubkitError:
        raise
    except (Exception, SystemExit) as failure:
        raise PluginError(
            f"{kind[:-1]} {spec} does not start: {failure}", "look at its settings (-o)"
        ) from failure


def own_name(spec: str) -> str:
    """The name that an engine's settings go by: ``ClassName`` for ``./file.py:ClassName``."""
    return spec.rpartition(":")[2]


def identity(kind: str, spec: str, settings: Mapping[str, str]) -> dict[str, object]:
    """What the engine is, for the keys of the workspace, without importing it.

    A setting that names a file or folder stands for what is in it, told by sizes and times.
    """
    if ":" in spec:
        path, _ = _split(spec)
        origin = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"
    else:
        origin = find(kind, spec).distribution
    values: dict[str, object] = dict(sorted(settings.items()))
    for key, value in settings.items():
        # Not a file's name at all: too long for one, ~nobody, a folder that may not be read.
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            path = Path(value).expanduser()
            if value and path.exists():
                files = [path] if path.is_file() else sorted(path.iterdir())
                values[key] = [
                    [file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files
                ]
    return {"engine": own_name(spec), "origin": origin, "settings": values}


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
    try:
        module_spec.loader.exec_module(module)
    except ModuleNotFoundError as missing:
        raise MissingDependency(
            f"{path.name} needs the package {missing.name}", f"pip install {missing.name}"
        ) from missing
    except (Exception, SystemExit) as failure:
        raise PluginError(
            f"{path} cannot be imported: {failure}", f"python {path} shows where it fails"
        ) from failure
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
