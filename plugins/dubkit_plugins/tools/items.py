"""Run the program of a preset on one item or a batch: its folders and arguments, and what it made.

Each item, or batch of them, gets a folder of its own that is deleted afterwards. Of what the tool
leaves there or in its own folder, one file per item is used, and only if it is new, not too large
and really inside one of these folders. Which items are run when is for :mod:`.command`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from filelock import FileLock

from dubkit import PluginError, UsageError, scratch_folder

from . import presets
from .engines import Slot, State, numbered_paths
from .media import stage_sound
from .placeholders import as_text, build_argv, expand_home, fill
from .presets import Preset, Program, StagedInput
from .process import Worker, last_lines, run
from .requirements import find_program

Save: TypeAlias = Callable[[Path], None]
"""Turns a tool's file into the one that the core asked for."""
Report: TypeAlias = Callable[[float], None]
"""Called with the share that is done, 0 to 1."""
Item: TypeAlias = tuple[Mapping[str, Any], Save]
"""The inputs of an item, and what to do with the tool's file."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """The values of an item's placeholders, and what to do with the tool's file."""

    values: dict[str, Any]
    save: Save


def run_items(
    tool: Preset,
    items: Sequence[Item],
    state: State,
    timeout: float | None,
    slot: Slot,
    extra: str,
    report: Report | None = None,
) -> list[PluginError | None]:
    """Run a tool on items (several only for a batch) in a slot, with ``extra`` arguments, save
    their files, and return what went wrong with each."""
    assert tool.run
    with scratch_folder() as temporary:
        work = temporary.resolve()
        if tool.run.plain_paths and not re.fullmatch(r"[\w./:\\-]+", str(work)):
            raise UsageError(
                f"{tool.name} cannot work in {work}: it allows no spaces or signs in paths",
                "set TMPDIR to a folder with a plain name",
            )
        with contextlib.ExitStack() as cleaning:
            try:
                return _run_items(
                    tool, tool.run, items, state, timeout, slot, extra, work, cleaning, report
                )
            except PluginError as failure:
                return [failure] * len(items)


def _run_items(
    tool: Preset,
    program: Program,
    items: Sequence[Item],
    state: State,
    timeout: float | None,
    slot: Slot,
    extra: str,
    work: Path,
    cleaning: contextlib.ExitStack,
    report: Report | None = None,
) -> list[PluginError | None]:
    common = presets.fixed_values(tool) | {"work": work, "out_dir": work, "run_dir": work}
    common["python"] = expand_home(fill(program.python, common))
    # A worker outlives the item's folder.
    outlives = program.how == "worker" and "{work}" in program.cwd
    folder = tempfile.gettempdir() if outlives else fill(program.cwd, common)
    cwd = Path(expand_home(folder)).resolve()
    if not cwd.is_dir():
        raise UsageError(f"there is no folder {cwd}", "check the preset's settings")
    alone = program.exclusive or (program.parallel <= 1 and not slot.device)
    if alone and program.how != "worker" and cwd != work:
        cleaning.enter_context(_folder_lock(cwd))
    prepared = []
    for number, (inputs, save) in enumerate(items, 1):
        own = work if len(items) == 1 else work / str(number)
        own.mkdir(exist_ok=True)
        prepared.append(_Prepared(_prepare(tool, {**common, **inputs}, own, cwd, cleaning), save))
    first = prepared[0].values
    values = first
    if program.how == "batch":
        values = common | {name: first[name] for name in presets.OF_A_VOICE if name in first}
    request = fill(program.request, values)
    if program.item_key:
        request |= {
            str(fill(program.item_key, one.values)): fill(program.item, one.values)
            for one in prepared
        }
    elif program.item:
        request["items"] = [fill(program.item, item.values) for item in prepared]
    if request and program.how != "worker":
        values["request"] = work / "request.json"
        values["request"].write_text(json.dumps(request, default=str), "utf-8")
    argv = build_argv(program.argv, values, [item.values for item in prepared])
    argv += [str(expand_home(part)) for part in _split(extra)]
    if executable := find_program(argv[0], cwd):
        argv[0] = executable
    added = {key: as_text(fill(v, values)) for key, v in program.env.items()}
    if slot.device:
        added.setdefault("CUDA_VISIBLE_DEVICES", slot.device)
    env = {**os.environ, **added}
    before = [_snapshot(tool, item.values, cwd) for item in prepared]
    seconds = timeout or program.timeout
    status, ending = 0, ""
    if program.how == "worker":
        state.workers.setdefault(slot, Worker()).ask(
            json.loads(json.dumps({**request, "id": values["id"]}, default=str)),
            argv,
            cwd=cwd,
            env=env,
            timeout=seconds,
            start_timeout=program.start_timeout,
        )
    else:
        if program.how == "batch":
            seconds = program.start_timeout + len(items) * seconds
        largest = len(items) * tool.output.largest * 1_000_000
        done = run(
            argv,
            cwd=cwd,
            env=env,
            timeout=seconds,
            folder=work,
            largest=largest,
            report=report,
            bar=program.bar,
        )
        status, ending = done.status, last_lines(done.tail.splitlines())
    failed = PluginError(f"it failed with status {status}{ending}", "") if status else None
    if failed and program.how == "once":
        raise failed
    faults: list[PluginError | None] = []  # a batch that failed may have done some items before
    for item, old in zip(prepared, before, strict=True):
        try:
            file = _find_output(tool, item.values, cwd, work, old, ending)
            if not file.is_relative_to(work):  # leave the tool's own folder as it was
                cleaning.callback(file.unlink, missing_ok=True)
            item.save(file)
            faults.append(None)
        except PluginError as fault:
            faults.append(failed or fault)
    return faults


def _prepare(
    tool: Preset, values: dict[str, Any], own: Path, cwd: Path, cleaning: contextlib.ExitStack
) -> dict[str, Any]:
    """The values of an item's placeholders, with its files written where the tool expects them."""
    values |= {
        "id": uuid.uuid4().hex[:12],
        "work": own,
        "out_dir": own,
        "out": own / ("out.mp4" if tool.kind == "lipsyncer" else "out.wav"),
    }
    if "text" in values:
        values["text_file"] = own / "text.txt"
        values["text_file"].write_text(str(values["text"]), "utf-8")
    for stage in tool.stage:
        source, to = values.get(stage.input), cwd / str(fill(stage.to, values))
        if isinstance(source, list):
            pairs = zip(source, numbered_paths(to, len(source)), strict=True)
            values[stage.input] = [_stage(stage, one, at, cleaning) for one, at in pairs]
        elif source:
            values[stage.input] = _stage(stage, source, to, cleaning)
    return values


def _split(text: str) -> list[str]:
    """Arguments as a shell would read them."""
    try:
        return shlex.split(text)
    except ValueError as wrong:
        raise UsageError(f"the arguments {text!r} cannot be read: {wrong}", "quote them") from None


def _folder_lock(folder: Path) -> FileLock:
    """A lock that keeps every other dubkit on this machine out of a tool's folder: Wav2Lip, for
    one, writes all its frames to the same file there, and would mix up those of two shots."""
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    return FileLock(Path(tempfile.gettempdir(), f"dubkit-{name}.lock"))


def _stage(stage: StagedInput, source: Path, to: Path, cleaning: contextlib.ExitStack) -> Path:
    """Copy an input to where the tool expects it, until the item is done."""
    if to.exists():
        raise UsageError(f"{to} exists already", "put {id} into the preset's stage.to")
    to.parent.mkdir(parents=True, exist_ok=True)
    cleaning.callback(to.unlink, missing_ok=True)
    if stage.rate or stage.channels or stage.pad:
        stage_sound(source, to, stage.rate, stage.channels, stage.pad)
    else:
        shutil.copyfile(source, to)
    return to


def _pattern(tool: Preset, values: Mapping[str, Any], cwd: Path) -> str:
    """The absolute path or pattern of the tool's file."""
    wanted = tool.output.path or tool.output.glob
    return str(cwd / str(fill(wanted, values)))


def _matches(tool: Preset, values: Mapping[str, Any], cwd: Path) -> list[Path]:
    path = Path(_pattern(tool, values, cwd))
    if tool.output.path:
        return [path] if os.path.lexists(path) else []
    return list(path.parent.glob(path.name)) if path.parent.is_dir() else []


def _snapshot(tool: Preset, values: Mapping[str, Any], cwd: Path) -> dict[Path, tuple[int, int]]:
    """Time and size of matching files, by which a file of an earlier run is recognized."""
    return {p: (s.st_mtime_ns, s.st_size) for p in _matches(tool, values, cwd) for s in [p.lstat()]}


def _find_output(
    tool: Preset,
    values: Mapping[str, Any],
    cwd: Path,
    work: Path,
    before: Mapping[Path, tuple[int, int]],
    ending: str,
) -> Path:
    """The tool's file: new, inside its folders, neither empty nor too large; else PluginError."""
    now = _snapshot(tool, values, cwd)
    new = [path for path, state in now.items() if before.get(path) != state]
    if not new:
        where = _pattern(tool, values, cwd)
        raise PluginError(f"it ended without error but wrote nothing to {where}{ending}", "")
    newest = max(new, key=lambda path: now[path][0])
    real = newest.resolve()
    if not (real.is_relative_to(work) or real.is_relative_to(cwd)):
        raise PluginError(f"its file {newest.name} lies outside its folder, at {real}", "")
    if not real.is_file():
        raise PluginError(f"what it wrote, {newest.name}, is not a file", "")
    size = real.stat().st_size
    if size > tool.output.largest * 1_000_000:
        raise PluginError(f"its file {newest.name} has {size // 1_000_000} MB", "")
    if not size:
        raise PluginError(f"its file {newest.name} is empty{ending}", "")
    return real
