"""``command``: synthesizers, converters and lip-syncers that are external programs.

A preset (see :mod:`.presets`, and ``examples/presets``) describes how one is run. Each item, or
batch of them, gets a folder of its own that is deleted afterwards. Of what the tool leaves there or
in its own folder, one file per item is used, and only if it is new, not too large and really
inside one of these folders.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from filelock import FileLock

from dubkit import LipSyncer, PluginError, Progress, UsageError, Utterance, scratch_folder

from . import presets
from .engines import (
    State,
    Tool,
    ToolConverter,
    ToolSynthesizer,
    numbered_paths,
    require_voice,
    speech_inputs,
)
from .media import save_shot, save_sound, stage_sound
from .presets import Preset, Program, StagedInput
from .process import Worker, last_lines, run, stop_running

Save: TypeAlias = Callable[[Path], None]
"""Turns a tool's file into the one that the core asked for."""


@dataclass(frozen=True)
class _Command(Tool):
    """What the three engines share."""

    ENGINE = "command"
    TABLE = "run"

    lipsyncer: Path | None = None
    """The preset of the lip-syncer, if several kinds of tool are in use at once."""

    def close(self) -> None:
        """End the worker, if one is running."""
        if self._state.kept is not None:
            self._state.kept.stop()

    def _missing(self, tool: Preset) -> list[str]:
        return missing_requirements(tool)

    def _run_item(self, inputs: Mapping[str, Any], out: Path) -> None:
        """Run the tool on one item whose file is sound."""
        self._run([(inputs, _saving_to(out, self._require_preset().output.rate))])

    def _run(self, items: Sequence[tuple[Mapping[str, Any], Save]]) -> list[str]:
        """Run the tool on items and pass each one's file to its ``save``; retry those that failed.

        Returns what finally went wrong with each, "" if nothing. Raises it for a single item.
        """
        tool = self._require_preset()
        assert tool.run
        for inputs, _ in items:
            require_voice(tool, inputs)
        faults: dict[int, PluginError | None] = dict.fromkeys(range(len(items)))
        left = list(faults)
        with self._state.slots:
            for _ in range(1 + max(0, tool.run.retries if self.retries is None else self.retries)):
                if self._state.stopped:
                    raise PluginError(f"{tool.name} was stopped", "")
                latest = run_items(tool, [items[n] for n in left], self._state, self.timeout)
                faults.update(zip(left, latest, strict=True))
                if not (left := [n for n in left if faults[n]]):
                    break
        if len(items) == 1 and (fault := faults[0]):
            raise PluginError(f"{tool.name}: {fault.message}", fault.hint)
        return [f"{tool.name}: {one.message}" if one else "" for one in faults.values()]


@dataclass(frozen=True)
class CommandSynthesizer(_Command, ToolSynthesizer):
    """A program that speaks (XTTS, F5-TTS, ...), driven by a preset."""

    def offer(self, language: str, *, clone: bool) -> str:
        """The presets of tools that clone."""
        if not clone:
            return ""
        return (
            "examples/presets has XTTS, F5-TTS, CosyVoice and GPT-SoVITS: "
            "--tts command -o command.preset=f5-tts"
        )

    @property
    def at_once(self) -> int:
        """Texts per call of :meth:`speak_all`: a batch, or as many as may run in parallel."""
        program = self._tool.run if self._tool else None
        return program.batch if program and program.how == "batch" else super().at_once

    def speak_all(self, texts: Sequence[Utterance]) -> Sequence[str]:
        """Run the tool on many texts: once for a batch, otherwise several runs in parallel."""
        tool = self._require_preset()
        if tool.run and tool.run.how == "batch":
            rate = tool.output.rate
            return self._run(
                [(speech_inputs(tool, text), _saving_to(text.out, rate)) for text in texts]
            )
        try:
            return super().speak_all(texts)
        except BaseException:  # Ctrl-C included: otherwise the other threads' tools would run on
            self._state.stopped = True
            stop_running()
            raise


@dataclass(frozen=True)
class CommandConverter(_Command, ToolConverter):
    """A program that converts voices (so-vits-svc, RVC, ...), driven by a preset."""


@dataclass(frozen=True)
class CommandLipSyncer(_Command, LipSyncer):
    """A program that redraws mouths (Wav2Lip, MuseTalk, ...), driven by a preset."""

    frame_rate: float | None = field(default=None, init=False, compare=False)

    def __post_init__(self) -> None:
        if tool := self._load("lipsyncer"):
            object.__setattr__(self, "frame_rate", tool.frame_rate)

    def lipsync(self, video: Path, audio: Path, out: Path, *, progress: Progress) -> None:
        """Run the tool on one shot."""
        inputs = {"video": video.absolute(), "audio": audio.absolute()}
        self._run([(inputs, lambda made: save_shot(made, video, out))])


def _saving_to(out: Path, rate: int) -> Save:
    return lambda made: save_sound(made, out, rate)


# ---------------------------------------------------------------- requirements


def missing_requirements(tool: Preset) -> list[str]:
    """What a tool still needs on this machine, one sentence each."""
    if tool.run is None:
        return []
    values = presets.fixed_values(tool)
    python = str(presets.expand_home(presets.fill(tool.run.python, values)))
    cwd = Path(presets.expand_home(presets.fill(tool.run.cwd, values)))
    lacking = []
    if "{" not in str(cwd) and not cwd.is_dir():
        lacking.append(f"the folder {cwd}")
        cwd = Path(os.devnull)  # do not list the files in it as well
    elif python and not _find_program(python, cwd):
        lacking.append(f"its Python, {python}")
    for name in tool.needs.files:
        path = cwd / presets.expand_home(presets.as_text(presets.fill(name, values)))
        if not cwd.is_char_device() and not path.exists():
            lacking.append(str(path))
    lacking += [f"{name} on PATH" for name in tool.needs.programs if not shutil.which(name)]
    first = presets.build_argv(tool.run.argv, {**values, "python": python})[0]
    if first not in (python, *tool.needs.programs) and "{" not in first:
        lacking += [] if _find_program(first, cwd) else [f"the program {first}"]
    steps = tool.needs.install.strip() or f"see {tool.homepage}"
    return [f"{tool.name} lacks {'; '.join(lacking)}. To install it: {steps}"] if lacking else []


def _find_program(name: str, cwd: Path) -> str | None:
    """The path of a program as it will be run; None if there is none."""
    if Path(name).name == name:
        return shutil.which(name)
    return shutil.which(cwd / name)


# ---------------------------------------------------------------- running items


@dataclass(frozen=True, slots=True)
class _Item:
    """The values of an item's placeholders, and what to do with the tool's file."""

    values: dict[str, Any]
    save: Save


def run_items(
    tool: Preset,
    items: Sequence[tuple[Mapping[str, Any], Save]],
    state: State,
    timeout: float | None,
) -> list[PluginError | None]:
    """Run a tool on items (several only for a batch), save their files, and return what went wrong
    with each."""
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
                return _run_items(tool, tool.run, items, state, timeout, work, cleaning)
            except PluginError as failure:
                return [failure] * len(items)


def _run_items(
    tool: Preset,
    program: Program,
    items: Sequence[tuple[Mapping[str, Any], Save]],
    state: State,
    timeout: float | None,
    work: Path,
    cleaning: contextlib.ExitStack,
) -> list[PluginError | None]:
    common = presets.fixed_values(tool) | {"work": work, "out_dir": work}
    common["python"] = presets.expand_home(presets.fill(program.python, common))
    # A worker outlives the item's folder.
    outlives = program.how == "worker" and "{work}" in program.cwd
    folder = tempfile.gettempdir() if outlives else presets.fill(program.cwd, common)
    cwd = Path(presets.expand_home(folder)).resolve()
    if not cwd.is_dir():
        raise UsageError(f"there is no folder {cwd}", "check the preset's settings")
    if program.parallel <= 1 and program.how != "worker" and cwd != work:
        cleaning.enter_context(_folder_lock(cwd))
    prepared = []
    for number, (inputs, save) in enumerate(items, 1):
        own = work if len(items) == 1 else work / str(number)
        own.mkdir(exist_ok=True)
        prepared.append(_Item(_prepare(tool, {**common, **inputs}, own, cwd, cleaning), save))
    values = common if program.how == "batch" else prepared[0].values
    request = presets.fill(program.request, values)
    if program.how == "batch":
        request["items"] = [presets.fill(program.item, item.values) for item in prepared]
    if request and program.how != "worker":
        values["request"] = work / "request.json"
        values["request"].write_text(json.dumps(request, default=str), "utf-8")
    argv = presets.build_argv(program.argv, values)
    if executable := _find_program(argv[0], cwd):
        argv[0] = executable
    added = {key: presets.as_text(presets.fill(v, values)) for key, v in program.env.items()}
    env = {**os.environ, **added}
    before = [_snapshot(tool, item.values, cwd) for item in prepared]
    seconds = timeout or program.timeout
    status, ending = 0, ""
    if program.how == "worker":
        state.kept = state.kept or Worker()
        state.kept.ask(
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
        done = run(argv, cwd=cwd, env=env, timeout=seconds, folder=work, largest=largest)
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
        source, to = values.get(stage.input), cwd / str(presets.fill(stage.to, values))
        if isinstance(source, list):
            pairs = zip(source, numbered_paths(to, len(source)), strict=True)
            values[stage.input] = [_stage(stage, one, at, cleaning) for one, at in pairs]
        elif source:
            values[stage.input] = _stage(stage, source, to, cleaning)
    return values


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
    return str(cwd / str(presets.fill(wanted, values)))


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
