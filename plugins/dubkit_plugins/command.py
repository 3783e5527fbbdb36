"""``command``: speakers, converters and lip-syncers that are programs of their own.

A preset (see :mod:`.presets`, and ``examples/presets``) says how one is run. Each item gets a
folder of its own, thrown away afterwards; of what the tool leaves there or in its own folder, one
file is taken, if it is new, of a bearable size and really there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock

from dubkit import Converter, LipSyncer, PluginError, Progress, Speaker, UsageError, Voice

from . import presets
from .command_process import Worker, run, said
from .presets import Preset, Stage
from .presets_media import stage_sound, take_shot, take_sound


@dataclass
class _State:
    """What the calls of one engine share."""

    worker: Worker | None = None
    places: threading.Semaphore = field(default_factory=threading.Semaphore)


@dataclass(frozen=True)
class _Command:
    """What the three have in common."""

    preset: Path | None = None
    """The tool's TOML file, or the name of one that comes with dubkit."""
    speaker: Path | None = None
    """The same where several kinds of tool are in use at once, for each kind its own."""
    converter: Path | None = None
    lipsyncer: Path | None = None
    set: str = ""
    """The preset's own settings: ``key=value,key=value``, ``converter.key=value`` for one kind."""
    timeout: float | None = None
    """Seconds for an item; the preset's where not given."""
    retries: int | None = None
    """Further runs for an item that failed; the preset's where not given."""
    _kind: str = field(default="", init=False, repr=False, compare=False)
    _tool: Preset | None = field(default=None, init=False, repr=False, compare=False)
    _state: _State = field(default_factory=_State, init=False, repr=False, compare=False)

    def _load(self, kind: str) -> Preset | None:
        path = getattr(self, kind) or self.preset
        tool = presets.load(path, kind, "run", self.set) if path else None
        object.__setattr__(self, "_kind", kind)
        object.__setattr__(self, "_tool", tool)
        if tool and tool.run:
            self._state.places = threading.Semaphore(max(1, tool.run.parallel))
        return tool

    def check(self) -> Sequence[str]:
        """What its tool still needs here."""
        if self._tool is None:
            return [presets.none_set("command", self._kind, "run")]
        return missing(self._tool)

    def _made(self, inputs: Mapping[str, Any], take: Take) -> None:
        """Run the tool on one item, again where it failed, and hand its file to ``take``."""
        tool = self._tool
        if tool is None or tool.run is None:
            message, _, hint = self.check()[0].partition(": ")
            raise UsageError(message, hint)
        tries = 1 + (tool.run.retries if self.retries is None else self.retries)
        with self._state.places:
            for left in reversed(range(max(1, tries))):
                try:
                    return make(tool, inputs, take, self._state, self.timeout)
                except PluginError as failure:
                    if not left:
                        raise PluginError(f"{tool.name}: {failure.message}", failure.hint) from None


@dataclass(frozen=True)
class CommandSpeaker(_Command, Speaker):
    """A program that speaks (XTTS, F5-TTS, ...), by a preset."""

    clones: bool = field(default=False, init=False, compare=False)

    def __post_init__(self) -> None:
        if tool := self._load("speaker"):
            object.__setattr__(self, "clones", tool.speech.clones)

    def voices(self, language: str) -> Sequence[str]:
        """Those that the preset lists."""
        return voices(self._tool, language)

    def speak(
        self,
        text: str,
        out: Path,
        *,
        language: str,
        voice: Voice,
        seconds: float | None,
        seed: int,
    ) -> None:
        """Run the tool on one text."""
        inputs = speech_inputs(self._tool, text, language, voice, seconds, seed)
        self._made(inputs, lambda found, tool: take_sound(found, out, tool.output.rate))


@dataclass(frozen=True)
class CommandConverter(_Command, Converter):
    """A program that changes voices (so-vits-svc, RVC, ...), by a preset."""

    def __post_init__(self) -> None:
        self._load("converter")

    def convert(self, audio: Path, out: Path, *, voice: Voice) -> None:
        """Run the tool on one sound."""
        inputs = {"audio": audio.absolute(), **voice_inputs(self._tool, voice)}
        self._made(inputs, lambda found, tool: take_sound(found, out, tool.output.rate))


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
        self._made(inputs, lambda found, tool: take_shot(found, video, out))


# ---------------------------------------------------------------- what a tool is told


def primary(language: str) -> str:
    """``pt`` of ``pt-BR``."""
    return re.split("[-_]", language)[0].lower()


def voices(tool: Preset | None, language: str) -> Sequence[str]:
    """The voices that a preset lists, if it lists the language too."""
    if tool is None or primary(language) not in tool.speech.languages:
        return ()
    return tool.speech.voices


def voice_inputs(tool: Preset | None, voice: Voice) -> dict[str, Any]:
    """Whose voice it is to be; a setting called ``speaker`` is for when the core names none."""
    first = voice.references[0] if voice.references else None
    default = tool.settings.get("speaker", "") if tool else ""
    if first and tool and tool.speech.clones:
        default = ""  # or the tool would have two voices to choose from
    languages = tool.speech.languages if tool else {}
    return {
        "speaker": voice.name or default,
        "reference": first.path.absolute() if first else "",
        "reference_text": " ".join(first.text.split()) if first else "",
        "reference_language": languages.get(primary(first.language), primary(first.language))
        if first
        else "",
    }


def speech_inputs(
    tool: Preset | None, text: str, language: str, voice: Voice, seconds: float | None, seed: int
) -> dict[str, Any]:
    """All that a speaker is told. UsageError for a language that it lacks."""
    languages = tool.speech.languages if tool else {}
    if tool and primary(language) not in languages:
        raise UsageError(
            f"{tool.name} does not speak {language}",
            f"it speaks {', '.join(languages) or 'nothing that its preset names'}",
        )
    return {
        "text": " ".join(text.split()),
        "language": languages.get(primary(language), language),
        "seconds": seconds,
        "seed": seed,
        **voice_inputs(tool, voice),
    }


def needed(tool: Preset, inputs: Mapping[str, Any]) -> None:
    """UsageError where the tool must be told whose voice, and nobody knows."""
    if empty := presets.needs_empty(tool, inputs):
        what = "a clip of the voice" if empty == "reference" else "the name of a voice"
        hint = "--clone" if empty == "reference" else "--voice NAME, or set=speaker=NAME"
        raise UsageError(f"{tool.name} needs {what}", hint)


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


# ---------------------------------------------------------------- one item


class Take(Protocol):
    """``take(file, preset)`` makes what the core wants of a tool's file."""

    def __call__(self, found: Path, tool: Preset) -> None: ...


def make(
    tool: Preset, inputs: Mapping[str, Any], take: Take, state: _State, timeout: float | None
) -> None:
    """Run a tool on an item and take its file."""
    assert tool.run
    needed(tool, inputs)
    with tempfile.TemporaryDirectory(prefix="dubkit-", ignore_cleanup_errors=True) as temporary:
        work = Path(temporary).resolve()
        if tool.run.plain_paths and not re.fullmatch(r"[\w./:\\-]+", str(work)):
            raise UsageError(
                f"{tool.name} cannot work in {work}: it takes no spaces or signs in names",
                "set TMPDIR to a folder with a plain name",
            )
        with contextlib.ExitStack() as cleaning:
            _make(tool, dict(inputs), take, state, timeout, work, cleaning)


def _make(
    tool: Preset,
    values: dict[str, Any],
    take: Take,
    state: _State,
    timeout: float | None,
    work: Path,
    cleaning: contextlib.ExitStack,
) -> None:
    assert tool.run
    how = tool.run
    values |= presets.known(tool)
    values |= {
        "id": uuid.uuid4().hex[:12],
        "work": work,
        "out_dir": work,
        "out": work / ("out.mp4" if tool.kind == "lipsyncer" else "out.wav"),
        "python": presets.expanded(presets.fill(how.python, values)),
    }
    stays = how.how == "worker" and "{work}" in how.cwd  # longer than the item's folder
    where = tempfile.gettempdir() if stays else str(presets.fill(how.cwd, values))
    cwd = Path(presets.expanded(where)).resolve()
    if not cwd.is_dir():
        raise UsageError(f"there is no folder {cwd}", "look at the preset's settings")
    if how.parallel <= 1 and how.how == "once" and cwd != work:
        cleaning.enter_context(_alone_in(cwd))
    if "text" in values:
        values["text_file"] = work / "text.txt"
        values["text_file"].write_text(str(values["text"]), "utf-8")
    for stage in tool.stage:
        if values.get(stage.input):
            values[stage.input] = _staged(stage, values, cwd, cleaning)
    request = presets.fill(how.request, values)
    if request and how.how == "once":
        values["request"] = work / "request.json"
        values["request"].write_text(json.dumps(request, default=str), "utf-8")
    argv = presets.arguments(how.argv, values)
    if found := _program(argv[0], cwd):
        argv[0] = found
    env = {**os.environ, **{k: presets.shown(presets.fill(v, values)) for k, v in how.env.items()}}
    if how.how == "worker":
        before: dict[Path, tuple[int, int]] = _listed(tool, values, cwd)
        state.worker = state.worker or Worker()
        state.worker.ask(
            json.loads(json.dumps({**request, "id": values["id"]}, default=str)),
            argv,
            cwd=cwd,
            env=env,
            timeout=timeout or how.timeout,
            start_timeout=how.start_timeout,
        )
        ended = ""
    else:
        before = _listed(tool, values, cwd)
        most = tool.output.largest * 1_000_000
        done = run(
            argv, cwd=cwd, env=env, timeout=timeout or how.timeout, folder=work, largest=most
        )
        ended = said(done.tail.splitlines())
        if done.status:
            raise PluginError(f"it failed with status {done.status}{ended}", "")
    found_file = _found(tool, values, cwd, work, before, ended)
    if not found_file.is_relative_to(work):  # its own folder is to be as it was
        cleaning.callback(found_file.unlink, missing_ok=True)
    take(found_file, tool)


def _alone_in(folder: Path) -> FileLock:
    """Keep every other dubkit on this machine out of a tool's folder: Wav2Lip, for one, writes all
    its pictures to the same place there, and would give those of one shot for another's."""
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    return FileLock(Path(tempfile.gettempdir(), f"dubkit-{name}.lock"))


def _staged(
    stage: Stage, values: Mapping[str, Any], cwd: Path, cleaning: contextlib.ExitStack
) -> Path:
    """Lay an input where the tool looks for it, until the item is done."""
    source, to = Path(values[stage.input]), cwd / str(presets.fill(stage.to, values))
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
