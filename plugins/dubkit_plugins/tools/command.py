"""``command``: speakers, converters and lip-syncers that are programs of their own.

A preset (see :mod:`.presets`, and ``examples/presets``) says how one is run. Each item, or batch of
them, gets a folder of its own, thrown away afterwards; of what the tool leaves there or in its own
folder, one file for each item is taken, if it is new, of a bearable size and really there.
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

from dubkit import LipSyncer, PluginError, Progress, UsageError, Utterance

from . import presets
from .engines import State, Tool, ToolConverter, ToolSynthesizer, needed, numbered, speech_inputs
from .media import stage_sound, take_shot, take_sound
from .presets import Preset, Run, Stage
from .process import Worker, run, said, stop_running

Take: TypeAlias = Callable[[Path], None]
"""Makes what the core wants of a tool's file."""


@dataclass(frozen=True)
class _Command(Tool):
    """What the three have in common."""

    ENGINE = "command"
    WAY = "run"

    lipsyncer: Path | None = None
    """As ``synthesizer`` and ``converter``."""

    def close(self) -> None:
        """End the worker, if one is running."""
        if self._state.kept is not None:
            self._state.kept.stop()

    def _missing(self, tool: Preset) -> list[str]:
        return missing(tool)

    def _made(self, inputs: Mapping[str, Any], out: Path) -> None:
        """Run the tool on one item whose file is sound."""
        rate = self._loaded().output.rate
        self._run([(inputs, lambda found: take_sound(found, out, rate))])

    def _run(self, items: Sequence[tuple[Mapping[str, Any], Take]]) -> list[str]:
        """Run the tool on items and hand each one's file to its ``take``; what failed is tried
        again. For each what went wrong at last; raised where there is but one."""
        tool = self._loaded()
        assert tool.run
        for inputs, _ in items:
            needed(tool, inputs)
        faults: dict[int, PluginError | None] = dict.fromkeys(range(len(items)))
        left = list(faults)
        with self._state.places:
            for _ in range(1 + max(0, tool.run.retries if self.retries is None else self.retries)):
                if self._state.ended:
                    raise PluginError(f"{tool.name} was stopped", "")
                told = make(tool, [items[n] for n in left], self._state, self.timeout)
                faults.update(zip(left, told, strict=True))
                if not (left := [n for n in left if faults[n]]):
                    break
        if len(items) == 1 and (fault := faults[0]):
            raise PluginError(f"{tool.name}: {fault.message}", fault.hint)
        return [f"{tool.name}: {one.message}" if one else "" for one in faults.values()]


@dataclass(frozen=True)
class CommandSynthesizer(_Command, ToolSynthesizer):
    """A program that speaks (XTTS, F5-TTS, ...), by a preset."""

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
        """Texts a call of :meth:`speak_all`: a batch, or as many as may run beside each other."""
        how = self._tool.run if self._tool else None
        return how.batch if how and how.how == "batch" else super().at_once

    def speak_all(self, texts: Sequence[Utterance]) -> Sequence[str]:
        """Run the tool on many texts: once, where it is told of many, else beside each other."""
        tool = self._loaded()
        if tool.run and tool.run.how == "batch":
            # What is to be taken is bound now: each text has a file of its own.
            return self._run(
                [(speech_inputs(tool, text), _to(text.out, tool.output.rate)) for text in texts]
            )
        try:
            return super().speak_all(texts)
        except BaseException:  # Ctrl-C included: nobody waits for what runs in other threads
            self._state.ended = True
            stop_running()
            raise


@dataclass(frozen=True)
class CommandConverter(_Command, ToolConverter):
    """A program that changes voices (so-vits-svc, RVC, ...), by a preset."""


@dataclass(frozen=True)
class CommandLipSyncer(_Command, LipSyncer):
    """A program that redraws mouths (Wav2Lip, MuseTalk, ...), by a preset."""

    frame_rate: float | None = field(default=None, init=False, compare=False)

    def __post_init__(self) -> None:
        if tool := self._load("lipsyncer"):
            object.__setattr__(self, "frame_rate", tool.frame_rate)

    def lipsync(self, video: Path, audio: Path, out: Path, *, progress: Progress) -> None:
        """Run the tool on one shot."""
        inputs = {"video": video.absolute(), "audio": audio.absolute()}
        self._run([(inputs, lambda found: take_shot(found, video, out))])


def _to(out: Path, rate: int) -> Take:
    return lambda found: take_sound(found, out, rate)


# ---------------------------------------------------------------- what must be here


def missing(tool: Preset) -> list[str]:
    """What a tool still needs here, in sentences."""
    if tool.run is None:
        return []
    values = presets.known(tool)
    python = str(presets.expanded(presets.fill(tool.run.python, values)))
    cwd = Path(presets.expanded(presets.fill(tool.run.cwd, values)))
    lacking = []
    if "{" not in str(cwd) and not cwd.is_dir():
        lacking.append(f"the folder {cwd}")
        cwd = Path(os.devnull)  # of what is in it, nothing need be said
    elif python and not _program(python, cwd):
        lacking.append(f"its Python, {python}")
    for name in tool.needs.files:
        path = cwd / presets.expanded(presets.shown(presets.fill(name, values)))
        if not cwd.is_char_device() and not path.exists():
            lacking.append(str(path))
    lacking += [f"{name} on PATH" for name in tool.needs.programs if not shutil.which(name)]
    first = presets.arguments(tool.run.argv, {**values, "python": python})[0]
    if first not in (python, *tool.needs.programs) and "{" not in first:
        lacking += [] if _program(first, cwd) else [f"the program {first}"]
    steps = tool.needs.install.strip() or f"see {tool.homepage}"
    return [f"{tool.name} lacks {'; '.join(lacking)}. To install it: {steps}"] if lacking else []


def _program(name: str, cwd: Path) -> str | None:
    """Where a program is, as it will be run."""
    if Path(name).name == name:
        return shutil.which(name)
    return shutil.which(cwd / name)


# ---------------------------------------------------------------- the items


@dataclass(frozen=True, slots=True)
class _Item:
    """What a tool is told of an item, and what its file is for."""

    values: dict[str, Any]
    take: Take


def make(
    tool: Preset,
    items: Sequence[tuple[Mapping[str, Any], Take]],
    state: State,
    timeout: float | None,
) -> list[PluginError | None]:
    """Run a tool on items, more than one for a batch alone, and take their files; for each what
    went wrong."""
    assert tool.run
    with tempfile.TemporaryDirectory(prefix="dubkit-", ignore_cleanup_errors=True) as temporary:
        work = Path(temporary).resolve()
        if tool.run.plain_paths and not re.fullmatch(r"[\w./:\\-]+", str(work)):
            raise UsageError(
                f"{tool.name} cannot work in {work}: it takes no spaces or signs in names",
                "set TMPDIR to a folder with a plain name",
            )
        with contextlib.ExitStack() as cleaning:
            try:
                return _make(tool, tool.run, items, state, timeout, work, cleaning)
            except PluginError as failure:
                return [failure] * len(items)


def _make(
    tool: Preset,
    how: Run,
    items: Sequence[tuple[Mapping[str, Any], Take]],
    state: State,
    timeout: float | None,
    work: Path,
    cleaning: contextlib.ExitStack,
) -> list[PluginError | None]:
    common = presets.known(tool) | {"work": work, "out_dir": work}
    common["python"] = presets.expanded(presets.fill(how.python, common))
    stays = how.how == "worker" and "{work}" in how.cwd  # longer than the item's folder
    cwd = Path(presets.expanded(tempfile.gettempdir() if stays else presets.fill(how.cwd, common)))
    cwd = cwd.resolve()
    if not cwd.is_dir():
        raise UsageError(f"there is no folder {cwd}", "look at the preset's settings")
    if how.parallel <= 1 and how.how != "worker" and cwd != work:
        cleaning.enter_context(_alone_in(cwd))
    told = []
    for number, (inputs, take) in enumerate(items, 1):
        own = work if len(items) == 1 else work / str(number)
        own.mkdir(exist_ok=True)
        told.append(_Item(_laid_out(tool, {**common, **inputs}, own, cwd, cleaning), take))
    values = common if how.how == "batch" else told[0].values
    request = presets.fill(how.request, values)
    if how.how == "batch":
        request["items"] = [presets.fill(how.item, item.values) for item in told]
    if request and how.how != "worker":
        values["request"] = work / "request.json"
        values["request"].write_text(json.dumps(request, default=str), "utf-8")
    argv = presets.arguments(how.argv, values)
    if found := _program(argv[0], cwd):
        argv[0] = found
    env = {**os.environ, **{k: presets.shown(presets.fill(v, values)) for k, v in how.env.items()}}
    before = [_listed(tool, item.values, cwd) for item in told]
    seconds = timeout or how.timeout
    status, ended = 0, ""
    if how.how == "worker":
        state.kept = state.kept or Worker()
        state.kept.ask(
            json.loads(json.dumps({**request, "id": values["id"]}, default=str)),
            argv,
            cwd=cwd,
            env=env,
            timeout=seconds,
            start_timeout=how.start_timeout,
        )
    else:
        seconds = seconds if how.how == "once" else how.start_timeout + len(items) * seconds
        largest = len(items) * tool.output.largest * 1_000_000
        done = run(argv, cwd=cwd, env=env, timeout=seconds, folder=work, largest=largest)
        status, ended = done.status, said(done.tail.splitlines())
    failed = PluginError(f"it failed with status {status}{ended}", "") if status else None
    if failed and how.how == "once":
        raise failed
    faults: list[PluginError | None] = []  # what a batch had done before it failed is done
    for item, old in zip(told, before, strict=True):
        try:
            file = _found(tool, item.values, cwd, work, old, ended)
            if not file.is_relative_to(work):  # its own folder is to be as it was
                cleaning.callback(file.unlink, missing_ok=True)
            item.take(file)
            faults.append(None)
        except PluginError as fault:
            faults.append(failed or fault)
    return faults


def _laid_out(
    tool: Preset, values: dict[str, Any], own: Path, cwd: Path, cleaning: contextlib.ExitStack
) -> dict[str, Any]:
    """What a tool is told of an item, with its files where the tool looks for them."""
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
            pairs = zip(source, numbered(to, len(source)), strict=True)
            values[stage.input] = [_staged(stage, one, at, cleaning) for one, at in pairs]
        elif source:
            values[stage.input] = _staged(stage, source, to, cleaning)
    return values


def _alone_in(folder: Path) -> FileLock:
    """Keep every other dubkit on this machine out of a tool's folder: Wav2Lip, for one, writes all
    its pictures to the same place there, and would give those of one shot for another's."""
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    return FileLock(Path(tempfile.gettempdir(), f"dubkit-{name}.lock"))


def _staged(stage: Stage, source: Path, to: Path, cleaning: contextlib.ExitStack) -> Path:
    """Lay an input where the tool looks for it, until the item is done."""
    if to.exists():
        raise UsageError(f"{to} is there already", "put {id} into the preset's stage.to")
    to.parent.mkdir(parents=True, exist_ok=True)
    cleaning.callback(to.unlink, missing_ok=True)
    if stage.rate or stage.channels or stage.pad:
        stage_sound(source, to, stage.rate, stage.channels, stage.pad)
    else:
        shutil.copyfile(source, to)
    return to


def _pattern(tool: Preset, values: Mapping[str, Any], cwd: Path) -> str:
    """Where its file will be, as an absolute pattern."""
    wanted = tool.output.path or tool.output.glob
    return str(cwd / str(presets.fill(wanted, values)))


def _matches(tool: Preset, values: Mapping[str, Any], cwd: Path) -> list[Path]:
    path = Path(_pattern(tool, values, cwd))
    if tool.output.path:
        return [path] if os.path.lexists(path) else []
    return list(path.parent.glob(path.name)) if path.parent.is_dir() else []


def _listed(tool: Preset, values: Mapping[str, Any], cwd: Path) -> dict[Path, tuple[int, int]]:
    """What is there already, so that no file of an earlier run is taken for this one's."""
    return {p: (s.st_mtime_ns, s.st_size) for p in _matches(tool, values, cwd) for s in [p.lstat()]}


def _found(
    tool: Preset,
    values: Mapping[str, Any],
    cwd: Path,
    work: Path,
    before: Mapping[Path, tuple[int, int]],
    ended: str,
) -> Path:
    """The tool's file: new, inside the folders that are its own, of a bearable size."""
    now = _listed(tool, values, cwd)
    new = [path for path, state in now.items() if before.get(path) != state]
    if not new:
        where = _pattern(tool, values, cwd)
        raise PluginError(f"it ended well and wrote nothing to {where}{ended}", "")
    newest = max(new, key=lambda path: now[path][0])
    real = newest.resolve()
    if not (real.is_relative_to(work) or real.is_relative_to(cwd)):
        raise PluginError(f"its file {newest.name} lies outside its folder, at {real}", "")
    if not real.is_file():
        raise PluginError(f"what it wrote, {newest.name}, is no file", "")
    size = real.stat().st_size
    if size > tool.output.largest * 1_000_000:
        raise PluginError(f"its file {newest.name} has {size // 1_000_000} MB", "")
    if not size:
        raise PluginError(f"its file {newest.name} is empty{ended}", "")
    return real
