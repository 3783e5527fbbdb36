"""``dubkit plugins`` and ``dubkit doctor``: what is installed, and what is missing.

What an engine needs, it reports itself (:meth:`dubkit.hooks.Engine.check`).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dubkit import engines, hooks
from dubkit.engines import choose
from dubkit.engines.registry import own_name
from dubkit.errors import DubkitError, UsageError
from dubkit.media import process
from dubkit.media.ffmpeg import find_ffmpeg, inspect_ffmpeg
from dubkit.options import Options, list_options
from dubkit.system.terminal import as_json, printable

from . import config

LOW_DISK = 2 * 2**30
"""Bytes of free space below which a long video may not fit."""
SCRIPTS = {
    "Latin": "A",
    "Chinese": "中",
    "Japanese": "あ",
    "Korean": "한",
    "Arabic": "ع",
    "Thai": "ก",
}
"""A letter of each script that fonts are checked for."""
PURPOSES = {
    "aligners": "to find exact times with it",
    "translators": "to translate with it",
    "synthesizers": "to speak with it",
    "separators": "to separate speech from music with it",
    "diarizers": "to tell speakers apart with it",
}
"""What the engines are for that dubkit's main job does not need."""


FLAGS = {one.engine: one.flag for one in list_options(Options) if one.engine}
"""The option that names an engine of each kind."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    name: str
    state: str
    """What the check found."""
    problem: str = ""
    """What to do about it; empty when all is well."""
    optional: bool = False
    """Whether dubkit does its main job without it."""


def plugins_command(arguments: Sequence[str]) -> int:
    """``dubkit plugins``: list the engines with kind, name, distribution and state."""
    given = _parse(plugins_parser(), arguments)
    rows: list[dict[str, Any]] = []
    tools: list[choose.Tool] = []
    for kind in hooks.KINDS:
        tools += choose.tools(kind)
        for plugin in engines.plugins(kind):
            row: dict[str, Any] = {
                "kind": kind,
                "name": plugin.name,
                "distribution": plugin.distribution,
                "state": _state(kind, plugin.name, _settings_of(given, plugin.name)),
            }
            own = {one.preset: one.words for one in _of_engine(tools, kind, plugin.name)}
            if own:
                row["presets"] = own
            rows.append(row)
    if given.json:
        print(as_json({"plugins": rows}))
    else:
        for row in rows:
            line = f"{row['kind']:<14} {row['name']:<16} {row['distribution']:<18} {row['state']}"
            print(printable(line))
            for tool in _of_engine(tools, row["kind"], row["name"]):
                print(printable(f"{'':<14} {FLAGS[tool.kind]} {tool.name:<20} {tool.words}"))
    return 0


def _of_engine(tools: Sequence[choose.Tool], kind: str, name: str) -> list[choose.Tool]:
    return [one for one in tools if (one.kind, one.engine) == (kind, name)]


READY = "ready"
NO_MODEL = "ready, but its model is not here: the first use downloads it"
"""The states of an engine in which nothing is missing."""


def _state(
    kind: str, name: str, settings: Mapping[str, str] | None = None, *, reach: bool = False
) -> str:
    """:data:`READY`, :data:`NO_MODEL`, or what is missing; with ``reach`` its server is contacted,
    too."""
    try:
        with engines.guarded("its check fails"):
            engine = engines.load(hooks.KINDS[kind], name, settings)
            if reach and isinstance(engine, hooks.External):
                problems = engine.reach()
            else:
                problems = engine.check()
            has_model = not isinstance(engine, hooks.HasModels) or bool(engine.models())
    except DubkitError as failure:
        return f"{failure.message}: {failure.hint}" if failure.hint else failure.message
    return "; ".join(problems) or (READY if has_model else NO_MODEL)


def doctor_command(arguments: Sequence[str]) -> int:
    """``dubkit doctor``: check everything that dubkit needs; the exit status is 1 if the main job
    would fail."""
    given = _parse(doctor_parser(), arguments)
    named = {kind: name for kind in FLAGS if (name := getattr(given, kind))}
    if given.presets:
        findings = list(check_presets())
    elif named:
        findings = list(check_named(named, given.settings))
    else:
        findings = list(check_configured(given.settings) if given.settings else check_machine())
    if given.json:
        print(
            as_json(
                {
                    "checks": [
                        {
                            "name": f.name,
                            "state": f.state,
                            "problem": f.problem,
                            "optional": f.optional,
                        }
                        for f in findings
                    ]
                }
            )
        )
    else:
        for finding in findings:
            mark = "ok  " if not finding.problem else "note" if finding.optional else "FAIL"
            print(printable(f"{mark}  {finding.name:<16} {finding.state}"))
            if finding.problem:
                print(printable(f"      {'':<16} {finding.problem}"))
    return int(any(finding.problem and not finding.optional for finding in findings))


def check_machine() -> Iterator[Finding]:
    """Check ffmpeg, engines, GPU, models, fonts and disk."""
    yield from _ffmpeg()
    default = choose.transcriber(Options(subs=True)).spec
    for plugin in engines.plugins("transcribers"):
        state = _state("transcribers", plugin.name)
        yield _finding(plugin.name, state, optional=plugin.name != default)
    for kind, purpose in PURPOSES.items():
        external = {tool.engine for tool in choose.tools(kind)}  # checked only on request
        for plugin in engines.plugins(kind):
            if plugin.name not in external:
                yield _finding(plugin.name, _state(kind, plugin.name), purpose, optional=True)
    yield _gpu()
    yield _models()
    yield from _fonts()
    free = shutil.disk_usage(Path.cwd()).free
    short = "free some: a long video needs as much as its own size" if free < LOW_DISK else ""
    yield Finding("disk", f"{free / 2**30:.1f} GiB free here", short, optional=True)


def check_named(
    named: Mapping[str, str], settings: Mapping[str, Mapping[str, str]]
) -> Iterator[Finding]:
    """Check engines, or outside tools by their own names, by kind, with the settings that hold for
    them here. Raises UsageError for an unknown one."""
    for kind, name in named.items():
        own = {
            **config.settings_of(own_name(name)),
            **{
                key: value
                for other, values in settings.items()
                if choose.same_name(other, own_name(name))
                for key, value in values.items()
            },
        }
        tool = None if ":" in name or _is_installed(kind, name) else choose.tool(kind, name)
        if tool:
            yield _finding(tool.name, _tool_state(tool, own))
        elif ":" in name:
            yield _finding(own_name(name), _state(kind, name, own, reach=True))
        else:
            full = engines.find(kind, name).name
            yield _finding(full, _state(kind, full, own, reach=True))


def check_configured(settings: Mapping[str, Mapping[str, str]]) -> Iterator[Finding]:
    """Check the engines that settings are given for, of every kind. Raises UsageError for an
    unknown engine."""
    for name, values in settings.items():
        kinds = [kind for kind in hooks.KINDS if _is_installed(kind, name)]
        if not kinds:
            kinds = list(choose.TOOL_KINDS)
            tools = {kind: tool.name for kind in kinds if (tool := choose.tool(kind, name))}
            if tools:
                yield from check_named(tools, settings)
                continue
            known = {plugin.name for kind in hooks.KINDS for plugin in engines.plugins(kind)}
            raise UsageError(
                f"there is no engine {name!r} to configure",
                f"installed: {', '.join(sorted(known))}",
            )
        # A preset is for one kind of the engine; the other kinds report the same problem for every
        # preset that is not theirs.
        matching = [kind for kind in kinds if _accepts(kind, name, values)]
        if not matching:
            engines.load(hooks.KINDS[kinds[0]], name, values)  # raises what is wrong with them
        for kind in matching or kinds:
            label = engines.Choice(hooks.KINDS[kind], name, values).name
            title = f"{label} ({kind[:-1]})" if len(kinds) > 1 else label
            yield _finding(title, _state(kind, name, values, reach=True))


def check_presets() -> Iterator[Finding]:
    """Check each external tool that has a preset, with the settings that hold for it here."""
    for kind in hooks.KINDS:
        for tool in choose.tools(kind):
            state = _tool_state(tool, config.settings_of(tool.name))
            yield _finding(tool.name, state, f"{FLAGS[kind]} {tool.name}", optional=True)


def _tool_state(tool: choose.Tool, own: Mapping[str, str]) -> str:
    return _state(tool.kind, tool.engine, tool.settings(own), reach=True)


def _finding(name: str, state: str, purpose: str = "", *, optional: bool = False) -> Finding:
    """The finding for the state of an engine."""
    if state == READY:
        return Finding(name, state, optional=optional)
    if state == NO_MODEL:
        first, _, rest = state.partition(": ")
        return Finding(name, first, rest, optional=True)
    return Finding(name, "not ready", f"{purpose}: {state}" if purpose else state, optional)


def _is_installed(kind: str, name: str) -> bool:
    return any(plugin.name == name for plugin in engines.plugins(kind))


def _accepts(kind: str, name: str, settings: Mapping[str, str]) -> bool:
    """Whether the settings seem to be for this kind of the engine: it accepts them, and they change
    what is missing."""
    try:
        engines.load(hooks.KINDS[kind], name, settings)
    except UsageError:
        return False
    except DubkitError:
        return True
    state = _state(kind, name, settings)
    return state in (READY, NO_MODEL) or state != _state(kind, name)


_REPLACE_FFMPEG = "pip install imageio-ffmpeg, and unset DUBKIT_FFMPEG"


def _ffmpeg() -> Iterator[Finding]:
    try:
        program = find_ffmpeg()
        state = f"{program.version} ({program.path})"
        problem = f"it {program.problem}; {_REPLACE_FFMPEG}" if program.problem else ""
        yield Finding("ffmpeg", state + _passed_over(program.path), problem, optional=True)
        filters: list[str] = []
        process.run([program.path, "-hide_banner", "-filters"], on_line=filters.append, timeout=20)
        has_ass = any(line.split()[1:2] == ["ass"] for line in filters)
        problem = (
            "" if has_ass else "--burn needs an ffmpeg with libass: pip install imageio-ffmpeg"
        )
        yield Finding("libass", "built in" if has_ass else "missing", problem, optional=True)
    except (DubkitError, OSError, TimeoutError) as failure:
        yield Finding("ffmpeg", str(failure), "pip install imageio-ffmpeg")


def _passed_over(used: str) -> str:
    """What is wrong with the ffmpeg on PATH, if that is why another is used."""
    path = shutil.which("ffmpeg")
    other = inspect_ffmpeg(path) if path and not Path(path).samefile(used) else None
    if not other or not other.problem:
        return ""
    return f"; not {other.path}, which {other.problem}"


def _gpu() -> Finding:
    program = shutil.which("nvidia-smi")
    if not program:
        return Finding("gpu", "none found; the CPU is used")
    cards: list[str] = []
    try:
        argv = [program, "--query-gpu=name,memory.total", "--format=csv,noheader"]
        process.run(argv, on_line=cards.append, timeout=20)
    except (OSError, TimeoutError):
        pass
    listed = "; ".join(filter(None, cards))
    if not listed:
        return Finding("gpu", "nvidia-smi does not answer", "check the driver", optional=True)
    usable = all(importlib.util.find_spec(name) for name in ("torch", "safetensors"))
    problem = "" if usable else 'pip install "dubkit[gpu]" uses it'
    return Finding("gpu", listed, problem, optional=True)


def _models() -> Finding:
    """Which speech models can be used without the internet."""
    models: list[str] = []
    for plugin in engines.plugins("transcribers"):
        with contextlib.suppress(DubkitError), engines.guarded(f"{plugin.name} has no models"):
            engine = engines.load(hooks.Transcriber, plugin.name)
            models += engine.models() if isinstance(engine, hooks.HasModels) else ()
    if models:
        return Finding("models", ", ".join(dict.fromkeys(models)))
    return Finding(
        "models",
        "none installed; the first run downloads one",
        'without internet: pip install "dubkit[offline]"',
        optional=True,
    )


def _fonts() -> Iterator[Finding]:
    from dubkit.media.fonts import missing_glyphs

    try:
        missing = missing_glyphs("".join(SCRIPTS.values()))
    except (DubkitError, OSError, TimeoutError):
        return
    lacking = [script for script, letter in SCRIPTS.items() if letter in missing]
    yield Finding(
        "fonts",
        "missing: " + ", ".join(lacking) if lacking else "all scripts that were checked have one",
        "--burn needs Noto fonts for these (fonts-noto-cjk, fonts-noto-core)" if lacking else "",
        optional=True,
    )


def plugins_parser() -> argparse.ArgumentParser:
    """What ``dubkit plugins`` takes."""
    return _parser("dubkit plugins", "List the engines that are installed.")


def doctor_parser() -> argparse.ArgumentParser:
    """What ``dubkit doctor`` takes."""
    parser = _parser(
        "dubkit doctor",
        "Check what dubkit needs on this machine; with the name of an engine or of an outside tool "
        "(--tts f5-tts), or settings of one, only that: its server is asked, the tool run to see "
        "whether it starts.",
    )
    for kind, flag in FLAGS.items():
        parser.add_argument(flag, dest=kind, metavar="NAME", help=f"check this {kind[:-1]}")
    parser.add_argument(
        "--presets", action="store_true", help="check the external tools that have a preset"
    )
    return parser


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=name, description=description, exit_on_error=False)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument(
        "-o",
        dest="set",
        action="append",
        default=[],
        metavar="NAME.FIELD=VALUE",
        help="a setting of an engine, as for the command itself",
    )
    return parser


def _parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    name = parser.prog
    try:
        given, unknown = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as wrong:
        raise UsageError(f"{name}: {wrong}", f"{name} --help") from None
    if unknown:
        raise UsageError(f"{name} has no option {unknown[0]!r}", f"{name} --help")
    given.settings = {}
    for text in given.set:
        setting, equals, value = text.partition("=")
        engine, dot, key = setting.partition(".")
        if not (equals and dot and engine and key):
            raise UsageError(f"-o {text} sets nothing", "-o NAME.FIELD=VALUE")
        given.settings.setdefault(engine, {})[key] = value
    return given


def _settings_of(given: argparse.Namespace, name: str) -> Mapping[str, str]:
    settings: Mapping[str, Mapping[str, str]] = given.settings
    return settings.get(name, {})
