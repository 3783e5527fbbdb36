"""``command``: synthesizers, converters and lip-syncers that are external programs.

A preset (see :mod:`.presets`, and ``examples/presets``) describes how one is run; how it is run on
an item is :mod:`.items`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dubkit import (
    ConversionRequest,
    DubkitError,
    LipSyncer,
    LipSyncRequest,
    PluginError,
    Progress,
    UsageError,
    Utterance,
)

from . import presets
from .engines import (
    Tool,
    ToolConverter,
    ToolSynthesizer,
    primary,
    require_voice,
    slots,
    speech_inputs,
    voice_inputs,
)
from .items import Item, Report, Save, run_items
from .media import save_picture, save_shot, save_sound
from .presets import Preset, Program
from .process import stop_running
from .requirements import missing_model, missing_requirements


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
