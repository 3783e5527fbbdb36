"""``dubkit setup``: install an outside tool into an environment of its own, and set it up here.

What is to be installed, an engine says (:class:`dubkit.hooks.Installation`). Here that becomes
steps, which are shown before anything is fetched, run one after the other, and skipped where they
are done already; so a setup that was interrupted goes on where it stopped. A file written at the
end says that the installation is whole.
"""

from __future__ import annotations

import collections
import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dubkit import engines, hooks
from dubkit.engines import choose
from dubkit.engines.choose import Tool
from dubkit.errors import DubkitError, MissingDependency, OutputError, PluginError, UsageError
from dubkit.files import cannot_write, data_folder, read_bytes, replacing
from dubkit.hooks import Installable, Installation, Weights
from dubkit.system import environments, terminal
from dubkit.system.programs import start_program, stop_program
from dubkit.system.terminal import as_json, print_error, printable

from . import config
from .console import Console
from .doctor import FLAGS
from .parser import Parser

WHOLE = "installed.json"
"""In the folder of a tool, what is installed there, written when all of it is."""
LAST_LINES = 3
"""Of the output of a step that failed, which has been shown: the reason comes last."""


MOST_LANGUAGES = 12
"""Of a tool that are listed."""


@dataclass(frozen=True, slots=True)
class Step:
    """A program to run."""

    title: str
    argv: tuple[str, ...]
    cwd: Path | None = None
    clears: Path | None = None
    """What an earlier attempt has left, to be removed before."""
    becomes: tuple[Path, Path] | None = None
    """A folder that gets its own name when the step is done."""


def setup_parser() -> Parser:
    """What ``dubkit setup`` takes."""
    parser = Parser(
        prog="dubkit setup",
        description="Install an outside tool (f5-tts, so-vits-svc, wav2lip, ...) into a Python "
        "environment of its own, and set it up for dubkit; without a name, list the tools. It "
        "shows what it would fetch, and under which licence, and asks.",
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument(
        "preset", nargs="?", metavar="PRESET", help="the tool, by its preset's name"
    )
    parser.add_argument("--yes", "-y", action="store_true", help="install it without a question")
    parser.add_argument(
        "--weights", action="store_true", help="get its models, too, under their licences"
    )
    parser.add_argument("--dry-run", action="store_true", help="only show what would be done")
    parser.add_argument("--json", action="store_true", help="list the tools as one JSON object")
    parser.add_argument("-h", "--help", action="help", help="show this")
    return parser


def setup_command(arguments: Sequence[str]) -> int:
    """``dubkit setup``: list the tools; ``dubkit setup PRESET``: install one."""
    given = setup_parser().parse_args(list(arguments))
    if not given.preset:
        _list(json_too=given.json)
        return 0
    tool = _find(given.preset)
    what = _installation(tool)
    if not what.pythons:
        raise UsageError(f"{what.tool} cannot be installed from here", what.notes)
    folder = _folder(what.name)
    steps = [] if _is_whole(folder, what) else list(plan(what, folder))
    missing = [one for one in what.weights if not _is_there(one)]
    settings = _all_settings(what.name)
    for line in describe(what, folder, steps, missing, settings):
        print(printable(line))
    if given.dry_run:
        return 0
    if steps:
        _require_yes(given.yes, "Install it?")
        _install(what, folder, steps)
    weights = [one for one in missing if not one.by_hand and _wanted(one, given)]
    for one in weights:
        _get(one)
    _check(tool, what)
    _configure(settings)
    return _finish(tool, what)


# ---------------------------------------------------------------- which tools there are


def _tools() -> Iterator[Tool]:
    for kind in choose.TOOL_KINDS:
        yield from choose.tools(kind)


def _find(name: str) -> Tool:
    found = [one for one in _tools() if choose.same_name(one.preset, name)]
    if not found:
        known = ", ".join(dict.fromkeys(one.name for one in _tools()))
        raise UsageError(f"there is no tool named {name!r}", f"dubkit knows {known}")
    return found[0]


def _folder(name: str) -> Path:
    try:
        return data_folder() / "tools" / name
    except RuntimeError as failure:
        raise OutputError(f"there is no folder for tools: {failure}", "set HOME") from failure


def _engine(tool: Tool, settings: Mapping[str, str]) -> Installable | None:
    """The engine that uses a tool, with the tool's own settings; None if it says nothing of how
    that is installed."""
    own = tool.settings(settings)
    with engines.guarded(f"{tool.name} cannot be asked"):
        engine = engines.load(hooks.KINDS[tool.kind], tool.engine, own)
        return engine if isinstance(engine, Installable) else None


def _installation(tool: Tool) -> Installation:
    engine = _engine(tool, {})
    if engine is None:
        raise UsageError(f"{tool.engine} does not say how {tool.name} is installed", "")
    with engines.guarded(f"{tool.name} cannot be asked"):
        return engine.installation(_folder(engine.installation(Path()).name))


def _all_settings(name: str) -> dict[str, Mapping[str, str]]:
    """The settings of all tools that share an installation, by tool."""
    found: dict[str, Mapping[str, str]] = {}
    for tool in _tools():
        with suppress(DubkitError):
            what = _installation(tool)
            if what.name == name and what.settings:
                found[tool.name] = what.settings
    return found


def _list(*, json_too: bool) -> None:
    rows = [_row(tool) for tool in _tools()]
    if json_too:
        print(as_json({"tools": rows}))
        return
    print("NAME                  STATE            SIZE     COMMERCIAL USE  LANGUAGES; LICENCE")
    for row in rows:
        gigabytes = f"{row['megabytes'] / 1000:.1f} GB" if row["megabytes"] else ""
        use = {True: "yes", False: "no", None: "see licence"}[row["commercial"]]
        languages = " ".join(row["languages"][:MOST_LANGUAGES])
        if len(row["languages"]) > MOST_LANGUAGES:
            languages += f" and {len(row['languages']) - MOST_LANGUAGES} more"
        words = "; ".join(filter(None, (languages, row["licence"])))
        line = f"{row['name']:<21} {row['state']:<16} {gigabytes:<8} {use:<15} {words}"
        print(printable(line))
    print("\nSizes are of programs and models together. dubkit setup NAME installs one.")


def _row(tool: Tool) -> dict[str, Any]:
    what = _installation(tool)
    settings = config.settings_of(tool.name)
    state = "not set up"
    if _is_whole(_folder(what.name), what):
        state = "set up"
    elif not what.is_server:
        with suppress(DubkitError):
            engine = engines.load(hooks.KINDS[tool.kind], tool.engine, tool.settings(settings))
            state = state if engine.check() else "ready"
    if not what.pythons and state != "ready":
        state = "by hand"
    return {
        "name": tool.name,
        "tool": what.tool,
        "kind": tool.kind,
        "state": state,
        "languages": what.languages,
        "licence": what.licence,
        "commercial": what.commercial,
        # Of the models alone it would say little: a program with torch takes gigabytes.
        "megabytes": what.megabytes and what.megabytes + sum(one.megabytes for one in what.weights),
    }


# ---------------------------------------------------------------- the plan


def plan(what: Installation, folder: Path) -> Iterator[Step]:
    """The steps that are left to do. Raises MissingDependency for a Python or a git that is not
    here."""
    environment, uv = folder / "env", environments.uv()
    python = environments.python_of(environment)
    if not environments.has_version(environment, what.pythons, with_pip=not uv):
        found = environments.find_python(what.pythons, with_pip=not uv)
        if not found and not uv:
            raise _no_python(what)
        if not found and uv:
            yield Step(f"get Python {what.pythons[0]}", (uv, "python", "install", what.pythons[0]))
        base = str(found or what.pythons[0])
        make = (uv, "venv", "--python", base) if uv else (base, "-m", "venv")
        yield Step("make its Python environment", (*make, str(environment)), clears=environment)
    repository = folder / "repo"
    if what.git and not repository.is_dir():
        yield from _clone(what, repository)
    install = (
        (uv, "pip", "install", "--compile-bytecode", "--python", str(python))
        if uv
        else (str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input")
    )
    yield Step(
        "install its packages",
        (*install, *what.packages),
        cwd=repository if what.git else None,
    )


def _no_python(what: Installation) -> MissingDependency:
    versions = " or ".join(what.pythons)
    return MissingDependency(
        f"{what.tool} needs Python {versions}, with venv and pip, and there is none here",
        f"install Python {what.pythons[0]}; or pip install uv, by which dubkit setup gets one",
    )


def _clone(what: Installation, repository: Path) -> Iterator[Step]:
    git = shutil.which("git")
    if not git:
        raise MissingDependency(
            f"{what.tool} is a git repository, and there is no git here", "install git"
        )
    address, _, commit = what.git.rpartition("@")
    part = repository.with_name("repo.part")
    at = (git, "-C", str(part))
    yield Step(
        "clone its repository",
        (git, "clone", "--no-checkout", "--filter=blob:none", address, str(part)),
        clears=part,
    )
    yield Step("check out the commit", (*at, "checkout", "--quiet", "--detach", commit))
    yield Step(
        "get the repositories in it",
        (*at, "submodule", "update", "--init", "--recursive"),
        becomes=(part, repository),
    )


def describe(
    what: Installation,
    folder: Path,
    steps: Sequence[Step],
    missing: Sequence[Weights],
    settings: Mapping[str, Mapping[str, str]],
) -> Iterator[str]:
    """What is going to happen, in lines for people."""
    yield f"{what.tool}: {what.licence}"
    if what.commercial is False:
        yield "  NOT for commercial use."
    if steps:
        size = f" (about {_size(what.megabytes)})" if what.megabytes else ""
        free = _free(folder)
        whole = what.megabytes + sum(one.megabytes for one in missing if not one.by_hand)
        short = ", which may not be enough" if free < whole else ""
        yield f"To install into {folder}{size}; {_size(free)} are free{short}:"
        yield from (f"  {shlex.join(step.argv)}" for step in steps)
    else:
        yield f"Its program is installed in {folder}."
    for one in missing:
        how = ", which you have to get by hand" if one.by_hand else ""
        to = f" to {one.to}" if one.to else ""
        yield f"It needs the model {one.name}, about {_size(one.megabytes)}{how}: {one.licence}"
        yield f"  from {one.source}{to}"
        if one.get:
            yield f"  {shlex.join(one.get)}"
    if steps and what.notes:
        yield f"To know before: {what.notes}"
    if settings:
        yield f"Settings to write to {config.user_file()}:"
    for tool, own in settings.items():
        yield from (f"  {tool}.{key} = {value}" for key, value in own.items())


def _size(megabytes: float) -> str:
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB"


def _free(folder: Path) -> float:
    """Megabytes that are free where a folder is, or will be."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free / 1e6


def _require_yes(given: bool, question: str) -> None:
    if given:
        return
    if not terminal.can_ask():
        raise UsageError(
            "nothing is installed without your word, and there is no terminal to ask at",
            "--yes goes on with what is shown above; --dry-run only shows it",
        )
    if not terminal.agrees(question):
        raise UsageError("nothing was installed, as you did not agree", "")


# ---------------------------------------------------------------- doing it


def _install(what: Installation, folder: Path, steps: Sequence[Step]) -> None:
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        with lock.acquire(timeout=0):
            (folder / WHOLE).unlink(missing_ok=True)
            for number, step in enumerate(steps, 1):
                print_error(f"dubkit: {step.title} ({number} of {len(steps)})")
                if step.clears and step.clears.exists():
                    shutil.rmtree(step.clears)
                _run(what.tool, step.title, step.argv, step.cwd)
                if step.becomes:
                    step.becomes[0].rename(step.becomes[1])
            with replacing(folder / WHOLE) as part:
                part.write_text(json.dumps(_facts(what)), "utf-8")
    except Timeout as busy:
        raise UsageError(f"another dubkit is installing {what.tool}", "wait for it") from busy
    except OSError as failure:
        raise cannot_write(folder, failure) from failure


def _run(tool: str, title: str, argv: Sequence[str], cwd: Path | None = None) -> None:
    """Run an installer and show its lines. Raises PluginError with its last ones."""
    tail: collections.deque[str] = collections.deque(maxlen=LAST_LINES)
    try:
        child = start_program(
            argv, stderr=subprocess.STDOUT, cwd=cwd, env=environments.environment_variables()
        )
    except OSError as failure:
        raise PluginError(f"{argv[0]} cannot be run: {failure}", "") from failure
    try:
        assert child.stdout
        with child.stdout:
            for raw in child.stdout:
                if line := raw.decode("utf-8", "replace").rstrip().rpartition("\r")[2]:
                    tail.append(line)
                    print_error(f"  {line}")
        status = child.wait()
    finally:
        stop_program(child)
    if status:
        raise PluginError(
            f"{tool} could not be set up: to {title} failed with status {status}: "
            + " / ".join(tail)[-1500:],
            "when that is mended, the same command goes on where it stopped",
        )


def _facts(what: Installation) -> dict[str, Any]:
    return {"packages": list(what.packages), "git": what.git, "pythons": list(what.pythons)}


def _is_whole(folder: Path, what: Installation) -> bool:
    """Whether all of a tool is installed, as it would be installed now."""
    with suppress(OSError, ValueError):
        return bool(json.loads(read_bytes(folder / WHOLE)) == _facts(what))
    return False


def _marker(weights: Weights) -> Path:
    """The file that says that a model was got to a place of the tool's own."""
    return _folder("models") / f"{weights.name.replace(os.sep, '-')}.json"


def _is_there(weights: Weights) -> bool:
    return weights.to.exists() if weights.to else _marker(weights).exists()


def _wanted(weights: Weights, given: Any) -> bool:
    """Whether to get a model: only if somebody says so."""
    if given.weights and given.yes:
        return True
    question = (
        f"Get {weights.name} (about {_size(weights.megabytes)}) and agree to its licence "
        f"({weights.licence})?"
    )
    if given.weights and not terminal.can_ask():
        raise UsageError(
            f"{weights.name} is not got without your word: {weights.licence}",
            "--weights --yes if you agree to its licence",
        )
    return not given.yes and terminal.agrees(question)


def _get(weights: Weights) -> None:
    print_error(f"dubkit: get {weights.name} ({_size(weights.megabytes)})")
    try:
        if weights.get:
            _run(weights.name, "get it", weights.get)
        elif weights.to:
            weights.to.parent.mkdir(parents=True, exist_ok=True)
            _download(weights.source, weights.to)
        if not weights.to:
            _marker(weights).parent.mkdir(parents=True, exist_ok=True)
            with replacing(_marker(weights)) as part:
                part.write_text(json.dumps({"source": weights.source}), "utf-8")
    except OSError as failure:
        raise cannot_write(weights.to or _marker(weights), failure) from failure


def _download(address: str, to: Path) -> None:
    """Fetch a file. Raises PluginError if that fails; nothing is left of it then."""
    import httpx

    with Console(quiet=False, verbose=False) as console, console.job(""), replacing(to) as part:
        try:
            with httpx.stream("GET", address, follow_redirects=True, timeout=60) as answer:
                answer.raise_for_status()
                total, done = int(answer.headers.get("content-length", 0)), 0
                with part.open("wb") as file:
                    for block in answer.iter_bytes(1 << 20):
                        done += file.write(block)
                        console.progress(f"download {to.name}", done, total)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as failure:
            raise PluginError(f"{address} cannot be fetched: {failure}", "try again") from failure


def _check(tool: Tool, what: Installation) -> None:
    """Have the tool show that it starts. Raises PluginError."""
    print_error(f"dubkit: see whether {what.tool} starts")
    engine = _engine(tool, what.settings)
    with engines.guarded(f"{tool.name} cannot be started"):
        problems = engine.try_start() if engine else ()
    if problems:
        raise PluginError(
            "; ".join(problems),
            f"dubkit setup {tool.name} tries again; delete {_folder(what.name)} to begin from "
            "nothing",
        )


def _configure(settings: Mapping[str, Mapping[str, str]]) -> None:
    path = config.user_file()
    if path is None:
        raise OutputError("there is no home folder for the settings", "set HOME")
    for tool, own in settings.items():
        config.write_settings(path, tool, own)


def _finish(tool: Tool, what: Installation) -> int:
    """Say what is left to do; returns the exit status."""
    missing = [one for one in what.weights if not _is_there(one)]
    for one in missing:
        how = f"dubkit setup {tool.name} --weights gets it"
        if one.by_hand:
            how = f"get it from {one.source}" + (f" to {one.to}" if one.to else "")
        elif not one.to:
            how = f"it is got at first use, or by dubkit setup {tool.name} --weights"
        print(printable(f"{one.name} is not here yet: {how}"))
    if what.start:
        print(printable(f"Start it: {what.start}"))
    if what.notes:
        print(printable(what.notes))
    clone = " --clone" if tool.kind == "synthesizers" else ""
    print(printable(f"{what.tool} is set up: --dub{clone} {FLAGS[tool.kind]} {tool.name}"))
    return 0
