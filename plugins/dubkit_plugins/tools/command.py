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
import shlex
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from filelock import FileLock

from dubkit import (
    ConversionRequest,
    DubkitError,
    LipSyncer,
    LipSyncRequest,
    PluginError,
    Progress,
    UsageError,
    Utterance,
    scratch_folder,
)

from . import presets
from .engines import (
    Slot,
    State,
    Tool,
    ToolConverter,
    ToolSynthesizer,
    numbered_paths,
    primary,
    require_voice,
    slots,
    speech_inputs,
    voice_inputs,
)
from .installation import install_notes
from .media import save_picture, save_shot, save_sound, stage_sound
from .presets import Preset, Program, StagedInput
from .process import Worker, last_lines, run, stop_running

Save: TypeAlias = Callable[[Path], None]
"""Turns a tool's file into the one that the core asked for."""
Report: TypeAlias = Callable[[float], None]
"""Called with the share that is done, 0 to 1."""
Item: TypeAlias = tuple[Mapping[str, Any], Save]
"""The inputs of an item, and what to do with the tool's file."""


@dataclass(frozen=True)
class _Command(Tool):
    """What the three engines share."""

    ENGINE = "command"
    TABLE = "run"

    lipsyncer: Path | None = None
    """The preset of the lip-syncer, if several kinds of tool are in use at once."""
    args: str = ""
    """Further arguments of the program, as in a shell; for one of several kinds of tool it is
    ``converter.args=...`` in ``set``."""
    devices: str = ""
    """GPUs to use at once, one run of the program on each: ``0,1``. It finds them by
    ``CUDA_VISIBLE_DEVICES``."""

    def _load(self, kind: str) -> Preset | None:
        tool = super()._load(kind)
        if tool and tool.run and tool.run.exclusive and len(self.gpus) > 1:
            raise UsageError(
                f"{tool.name} does one thing at a time in its folder, on whatever devices",
                f"name one: devices={self.gpus[0]}",
            )
        return tool

    @property
    def gpus(self) -> tuple[str, ...]:
        """The GPUs to use, one run on each."""
        return tuple(name.strip() for name in self.devices.split(",") if name.strip())

    def close(self) -> None:
        """End the workers that are running."""
        for worker in self._state.workers.values():
            worker.stop()

    def _missing(self, tool: Preset) -> list[str]:
        return missing_requirements(tool)

    @property
    def at_once(self) -> int:
        """Items per call of many: a batch on each device, or as many as may run in parallel."""
        if not self._tool or not self._tool.run:
            return 1
        program = self._tool.run
        runs = len(slots(self._tool, self.gpus))
        return runs * max(1, program.batch) if program.how == "batch" else runs

    def _run_item(self, inputs: Mapping[str, Any], out: Path) -> None:
        """Run the tool on one item whose file is sound."""
        self._run((inputs, _saving_to(out, self._require_preset().output.rate)))

    def _run(self, item: Item, report: Report | None = None) -> None:
        """Run the tool on one item; raises what goes wrong. ``report`` is called with the share
        that is done, if the tool shows it."""
        (fault,) = self._run_all([item], report=report)
        if fault:
            raise fault

    def _run_all(
        self,
        items: Sequence[Item],
        progress: Callable[[int], None] = lambda done: None,
        report: Report | None = None,
    ) -> list[PluginError | None]:
        """Run the tool on items, as many runs at once as there are slots, and pass each one's file
        to its ``save``; retry those that failed. Returns what finally went wrong with each.

        ``progress`` is called with the number of items that are done.
        """
        tool = self._require_preset()
        assert tool.run
        for inputs, _ in items:
            require_voice(tool, inputs)
        faults: dict[int, PluginError | None] = dict.fromkeys(range(len(items)))
        left = list(faults)
        for _ in range(1 + max(0, tool.run.retries if self.retries is None else self.retries)):
            runs = _share_out(tool.run, items, left, len(slots(tool, self.gpus)))
            for done, (numbers, latest) in enumerate(self._run_each(tool, items, runs, report), 1):
                faults.update(zip(numbers, latest, strict=True))
                progress(len(items) * done // len(runs))
            if not (left := [n for n in left if faults[n]]):
                break
        return [
            PluginError(f"{tool.name}: {one.message}", one.hint) if one else None
            for one in faults.values()
        ]

    def _run_each(
        self,
        tool: Preset,
        items: Sequence[Item],
        runs: Sequence[Sequence[int]],
        report: Report | None,
    ) -> Iterator[tuple[Sequence[int], list[PluginError | None]]]:
        """Do the runs, as many at once as there are slots; as each ends, what went wrong."""
        if len(runs) == 1:
            yield runs[0], self._run_once(tool, [items[n] for n in runs[0]], report)
            return
        pool = ThreadPoolExecutor(len(slots(tool, self.gpus)))
        try:
            futures = {
                pool.submit(self._run_once, tool, [items[n] for n in run]): run for run in runs
            }
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException as stop:  # or the tools of the other threads would run on
            self._state.stopped = not isinstance(stop, DubkitError)
            stop_running()
            self.close()
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _run_once(
        self, tool: Preset, items: Sequence[Item], report: Report | None = None
    ) -> list[PluginError | None]:
        with self._state.slot() as slot:
            if self._state.stopped:
                raise PluginError(f"{tool.name} was stopped", "")
            extra = str(tool.settings.get("args") or self.args)
            return run_items(tool, items, self._state, self.timeout, slot, extra, report)


def _share_out(
    program: Program, items: Sequence[Item], left: Sequence[int], runs: int
) -> list[list[int]]:
    """The items of each run, by number: one, or for a batch as many as have enough in common."""
    if program.how != "batch":
        return [[number] for number in left]
    groups: dict[tuple[str, ...], list[int]] = {}
    for number in left:
        groups.setdefault(presets.batch_key(program, items[number][0]), []).append(number)
    size = min(max(1, program.batch), -(-len(left) // runs))
    return [group[at : at + size] for group in groups.values() for at in range(0, len(group), size)]


@dataclass(frozen=True)
class CommandSynthesizer(_Command, ToolSynthesizer):
    """A program that speaks (XTTS, F5-TTS, ...), driven by a preset."""

    def offer(self, language: str, *, clone: bool) -> str:
        """A tool that clones and speaks the language."""
        names = presets.list_cloners(primary(language))
        if not names:
            return ""
        how = "" if clone else "--clone "
        return f"{how}--tts {names[0]} after dubkit setup {names[0]}"

    def speak_all(self, texts: Sequence[Utterance]) -> Sequence[str]:
        """Run the tool on many texts, several runs at once."""
        tool = self._require_preset()
        rate = tool.output.rate
        return _sentences(
            self._run_all(
                [(speech_inputs(tool, text), _saving_to(text.out, rate)) for text in texts]
            )
        )


@dataclass(frozen=True)
class CommandConverter(_Command, ToolConverter):
    """A program that converts voices (so-vits-svc, RVC, ...), driven by a preset."""

    def convert_all(self, requests: Sequence[ConversionRequest]) -> Sequence[str]:
        """Run the tool on many recordings, several runs at once."""
        tool = self._require_preset()
        rate = tool.output.rate
        return _sentences(
            self._run_all(
                [
                    (
                        {"audio": one.audio.absolute(), **voice_inputs(tool, one.voice)},
                        _saving_to(one.out, rate),
                    )
                    for one in requests
                ]
            )
        )


@dataclass(frozen=True)
class CommandLipSyncer(_Command, LipSyncer):
    """A program that redraws mouths (Wav2Lip, MuseTalk, ...), driven by a preset."""

    frame_rate: float | None = field(default=None, init=False, compare=False)
    trained: bool = field(default=False, init=False, compare=False)
    """Whether the tool draws frames of crops that it was trained on."""

    def __post_init__(self) -> None:
        if tool := self._load("lipsyncer"):
            object.__setattr__(self, "frame_rate", tool.frame_rate)
            object.__setattr__(self, "trained", presets.takes(tool, "first_frame"))

    def lipsync(self, video: Path, audio: Path, out: Path, *, progress: Progress) -> None:
        """Run the tool on one shot."""
        self._draw(_shot(LipSyncRequest(video, audio, out)), progress)

    def lipsync_all(
        self, requests: Sequence[LipSyncRequest], *, progress: Progress
    ) -> Sequence[str]:
        """Run the tool on many shots, several runs at once."""

        def report(done: int) -> None:
            progress("lip-sync", done, len(requests))

        return _sentences(self._run_all([_shot(one) for one in requests], report))

    def knows(self, person: str) -> bool:
        """Whether what the preset names as the model of a person is there."""
        return not self._tool or not missing_model(self._tool, person)

    def lipsync_crop(
        self, video: Path, audio: Path, out: Path, *, person: str, frames: range, progress: Progress
    ) -> None:
        """Have the tool draw frames of a crop that it was trained on."""
        self._draw(_shot(LipSyncRequest(video, audio, out), person, frames), progress)

    def draw_avatar(self, video: Path, audio: Path, out: Path, *, progress: Progress) -> None:
        """Have the tool draw a picture of its own."""
        inputs, _ = _shot(LipSyncRequest(video, audio, out))
        self._draw((inputs, lambda made: save_picture(made, out)), progress)

    def _draw(self, item: Item, progress: Progress) -> None:
        self._run(item, lambda share: progress("lip-sync", share, 1.0))


def _shot(one: LipSyncRequest, person: str = "", frames: range = range(0)) -> Item:
    inputs = {
        "video": one.video.absolute(),
        "audio": one.audio.absolute(),
        "person": person,
        # As text: the number 0 would count as no value.
        "first_frame": str(frames.start) if frames else "",
        "last_frame": str(frames.stop) if frames else "",
    }
    return inputs, lambda made: save_shot(made, one.video, one.out)


def _sentences(faults: Sequence[PluginError | None]) -> list[str]:
    """What went wrong with each, in words."""
    return [fault.message if fault else "" for fault in faults]


def _saving_to(out: Path, rate: int) -> Save:
    return lambda made: save_sound(made, out, rate)


# ---------------------------------------------------------------- requirements


def missing_model(tool: Preset, person: str) -> str:
    """Where the model of a person should be and is not; "" if it is there, or the preset does not
    say where."""
    if not tool.run or not tool.needs.person:
        return ""
    values = {**presets.fixed_values(tool), "person": person}
    cwd = Path(presets.expand_home(presets.fill(tool.run.cwd, values)))
    path = cwd / presets.expand_home(presets.as_text(presets.fill(tool.needs.person, values)))
    return "" if path.exists() else str(path)


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
    if not lacking:
        return []
    return [f"{tool.name} lacks {'; '.join(lacking)}. To install it: {install_notes(tool)}"]


def _find_program(name: str, cwd: Path) -> str | None:
    """The path of a program as it will be run; None if there is none."""
    if Path(name).name == name:
        return shutil.which(name)
    return shutil.which(cwd / name)


# ---------------------------------------------------------------- running items


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
    common["python"] = presets.expand_home(presets.fill(program.python, common))
    # A worker outlives the item's folder.
    outlives = program.how == "worker" and "{work}" in program.cwd
    folder = tempfile.gettempdir() if outlives else presets.fill(program.cwd, common)
    cwd = Path(presets.expand_home(folder)).resolve()
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
    request = presets.fill(program.request, values)
    if program.item_key:
        request |= {
            str(presets.fill(program.item_key, one.values)): presets.fill(program.item, one.values)
            for one in prepared
        }
    elif program.item:
        request["items"] = [presets.fill(program.item, item.values) for item in prepared]
    if request and program.how != "worker":
        values["request"] = work / "request.json"
        values["request"].write_text(json.dumps(request, default=str), "utf-8")
    argv = presets.build_argv(program.argv, values, [item.values for item in prepared])
    argv += [str(presets.expand_home(part)) for part in _split(extra)]
    if executable := _find_program(argv[0], cwd):
        argv[0] = executable
    added = {key: presets.as_text(presets.fill(v, values)) for key, v in program.env.items()}
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
        source, to = values.get(stage.input), cwd / str(presets.fill(stage.to, values))
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
