"""How far a run is: the steps that it does, and the time that those to come still take.

What a step takes is estimated from the length of the media and from what steps of its kind took
here before (:data:`PACES`, in the user's state folder); which steps a run does is in :mod:`.plan`.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from dubkit.errors import OutputError
from dubkit.files import read_json, replacing, state_folder, write_json
from dubkit.hooks import Progress, TranscribeProgress, accept_cues
from dubkit.types import Cue

PACES = "paces.json"
"""By kind, engine, model and device, how many times as long as on a laptop it takes."""
MOST_PACES = 200
PLAUSIBLE = 1e-4, 1e4
"""Paces outside of this were not measured."""
NEW_WEIGHT = 0.5
"""Of the latest run in an average over runs."""
LAPTOP = {
    "audio": (0.2, 0.004),
    "load": (2.0, 0.0),
    "transcribe": (2.0, 0.2),
    "align": (2.0, 0.05),
    "tell speakers apart": (2.0, 0.06),
    "translate": (1.0, 0.05),
    "find reference clips": (1.0, 0.01),
    "match voices": (3.0, 0.002),
    "speak": (6.0, 0.7),
    "separate": (3.0, 0.3),
    "mix": (0.5, 0.02),
    "lip-sync": (10.0, 4.0),
    "mux": (0.3, 0.005),
    "burn": (0.5, 0.25),
}
"""Seconds that each kind of step takes on a laptop, and seconds for each second of media."""
IN_BYTES = ("download", "upload")
"""How stages begin whose progress is in bytes; they belong to no step."""
PARTS = {
    "tell speakers apart": {"voice activity": (0.0, 0.3), "voices": (0.3, 1.0)},
    "find reference clips": {},
    "separate": {"audio": (0.0, 0.05), "separate": (0.05, 1.0)},
    "lip-sync": {"faces": (0.0, 0.3), "lip-sync": (0.3, 0.8), "picture": (0.8, 1.0)},
}
"""The shares of a step that are reported under several names."""
RESUMABLE = ("transcribe", "translate", "speak", "lip-sync")
"""Kinds that go on where an earlier run was stopped."""
PASSING = 0.1
"""Seconds between two reports of such a step, below which an earlier run did what is between."""
LEAST = 0.25
"""The share of a step that a run must have done to know what all of it takes."""
TRUST, TRUST_LAPTOP = 0.3, 0.05
"""The share of a step after which its own pace counts as much as what was expected of it."""
LATE = 0.15
"""What is left of a step that takes longer than expected, for each second that it is overdue."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a run."""

    name: str
    """As in the timings: ``translate pt``."""
    media: float
    """Seconds of media."""
    engine: str = ""
    """What does it: engine, model, device."""
    language: str = ""
    """Empty if it is for all languages."""
    needed: bool = True
    """False if an earlier run has done it, as far as that can be known beforehand."""

    @property
    def kind(self) -> str:
        """The name without a language."""
        return kind_of(self.name)

    @property
    def pace(self) -> str:
        """What steps have in common that take as many times as long as on a laptop."""
        return f"{self.kind} {self.engine}".strip()

    @property
    def start(self) -> float:
        """Seconds on a laptop until it reports progress."""
        return LAPTOP[self.kind][0]

    @property
    def work(self) -> float:
        """Seconds on a laptop from then on."""
        return LAPTOP[self.kind][1] * self.media


def kind_of(name: str) -> str:
    """The kind of step that a name of the timings stands for."""
    verb = name.partition(" ")[0]
    return verb if verb in ("translate", "speak") else name


class Plan:
    """The steps of a run on one input, and how far it is; any thread may ask."""

    def __init__(
        self,
        paces: Path | None = None,
        now: Callable[[], float] = time.monotonic,
        *,
        alone: bool = True,
    ) -> None:
        """A run that is not ``alone`` waits for others: what it takes says nothing about later
        ones."""
        self._alone = alone
        self._file = paces or _own_paces()
        self._now = now
        self._known = read_paces(self._file) if self._file else {}
        self._steps: list[Step] = []
        self._at = -1
        """The step that was begun last."""
        self._began: float | None = None
        """When it was, unless it has ended."""
        self._base: tuple[float, float] | None = None
        """When this run's own share of it began, and the share that was done then."""
        self._last: tuple[float, float] | None = None
        """The latest report of it: when, and the share that is done."""
        self._passing = False
        """Whether it still passes over what an earlier run has done."""
        self._download: tuple[float, float, float, float] | None = None
        """A download: when its first report came, bytes then, bytes now, and in total."""
        self._downloaded = False
        self._lock = threading.RLock()

    # ------------------------------------------------------------ what the run says

    def expect(self, steps: Sequence[Step]) -> None:
        """The steps that are to come, in their order, instead of those expected until now."""
        with self._lock:
            self._steps[self._at + 1 :] = steps

    def watch(self, progress: Progress) -> TranscribeProgress:
        """``progress`` that reports to the plan, too."""
        forward = accept_cues(progress)

        def report(stage: str, done: float, total: float, /, *, cues: Sequence[Cue] = ()) -> None:
            self.report(stage, done, total)
            forward(stage, done, total, cues=cues)

        return report

    @contextmanager
    def during(self, name: str) -> Iterator[None]:
        """Around a step; those within another one, and those that take no time, do not count."""
        if self._began is not None or kind_of(name) not in LAPTOP:
            yield
            return
        self._begin(name)
        done = False
        try:
            yield
            done = True
        finally:
            self._end(done=done)

    def report(self, stage: str, done: float, total: float) -> None:
        """Progress of a stage; see :data:`dubkit.hooks.Progress`."""
        with self._lock:
            now = self._now()
            if stage.startswith(IN_BYTES):
                self._downloaded = True
                began, before, *_ = self._download or (now, done, done, total)
                self._download = began, before, done, total
                return
            self._download = None
            if self._began is None or total <= 0:
                return
            step = self._steps[self._at]
            # What is done for a language may have other stages within it: verifying speech, say.
            own = stage if step.kind == step.name else step.name
            parts = PARTS.get(step.kind, {own: (0.0, 1.0)})
            if stage not in parts:
                return
            begin, end = parts[stage]
            share = begin + (end - begin) * min(max(done / total, 0.0), 1.0)
            if self._last is None:
                self._passing = step.kind in RESUMABLE
                self._base = (now, share if self._passing else 0.0)
            elif self._passing and now - self._last[0] < PASSING:
                self._base = (now, share)
            else:
                self._passing = False
            self._last = (now, max(share, self._last[1] if self._last else 0.0))

    # ------------------------------------------------------------ what there is to know

    @property
    def step(self) -> int:
        """The number of the step at hand, from 1; 0 if none is planned."""
        with self._lock:
            return min(self.steps, max(1, sum(one.needed for one in self._steps[: self._at + 1])))

    @property
    def steps(self) -> int:
        """The number of steps in all."""
        with self._lock:
            return sum(one.needed for one in self._steps)

    def seconds_left(self) -> float | None:
        """The time that the run still takes; None while nothing is planned or downloaded."""
        with self._lock:
            if not (self.steps or self._download):
                return None
            later = [one for one in self._steps[self._at + 1 :] if one.needed]
            return self._download_left() + self._step_left() + sum(map(self._expected, later))

    @property
    def seconds(self) -> float:
        """The time that all needed steps take, those that are done included."""
        with self._lock:
            return sum(self._expected(one) for one in self._steps if one.needed)

    @property
    def resumed(self) -> tuple[float, float]:
        """When this run's own part of the step began that was begun last, and the share of the step
        that an earlier run had done."""
        with self._lock:
            return self._base or (0.0, 0.0)

    # ------------------------------------------------------------ steps

    def _begin(self, name: str) -> None:
        with self._lock:
            ahead = range(self._at + 1, len(self._steps))
            at = next((k for k in ahead if self._steps[k].name == name), None)
            if at is None:
                media = max((one.media for one in self._steps), default=0.0)
                at = self._at + 1
                self._steps.insert(at, Step(name, media))
            step = self._steps[at]
            if not step.needed:  # then what is made from its result is made again, too
                self._steps[at:] = [
                    replace(one, needed=True) if one.language in ("", step.language)
                    or not step.language else one
                    for one in self._steps[at:]
                ]  # fmt: skip
            self._at, self._began = at, self._now()
            self._base = self._last = None
            self._downloaded = False

    def _end(self, *, done: bool) -> None:
        with self._lock:
            step, now = self._steps[self._at], self._now()
            assert self._began is not None
            since, before = self._base or (self._began, 0.0)
            # Without its length, or not planned, a step says nothing about others.
            if done and step.media and not self._downloaded and 1.0 - before >= LEAST:
                spent = since - self._began + (now - since) / (1.0 - before)
                pace = spent / (step.start + step.work)
                # For this run as measured: its later steps of the kind are done by what did this.
                self._known[step.pace] = pace
                if self._file and self._alone:
                    keep_pace(self._file, step.pace, pace)
            self._began = None

    def _factor(self, step: Step) -> float:
        """How many times as long as on a laptop a step takes."""
        if self._began is not None and step.pace == self._steps[self._at].pace and self._last:
            now = self._steps[self._at]
            return self._own_pace() / now.work if now.work else self._known.get(step.pace, 1.0)
        return self._known.get(step.pace, 1.0)

    def _expected(self, step: Step) -> float:
        return self._factor(step) * (step.start + step.work)

    def _own_pace(self) -> float:
        """Seconds that the whole work of the step at hand takes, by what it has done and by what
        was expected."""
        assert self._base and self._last
        step = self._steps[self._at]
        expected = self._known.get(step.pace, 1.0) * step.work
        trust = TRUST if step.pace in self._known else TRUST_LAPTOP
        spent, did = self._last[0] - self._base[0], self._last[1] - self._base[1]
        return (expected * trust + spent) / (trust + did)

    def _step_left(self) -> float:
        if self._began is None:
            return 0.0
        step = self._steps[self._at]
        if self._last:
            since, share = self._last
            expected = (1.0 - share) * self._own_pace()
        else:
            since = self._began
            expected = self._known.get(step.pace, 1.0) * (step.start + step.work)
        waited = self._now() - since
        return max(expected - waited, LATE * (waited - expected))

    def _download_left(self) -> float:
        if not self._download:
            return 0.0
        began, before, done, total = self._download
        elapsed = self._now() - began
        return max(0.0, total - done) * elapsed / (done - before) if done > before else 0.0


@dataclass(frozen=True, slots=True)
class Other:
    """An input that comes later in a batch."""

    size: float
    """Of its file, as a multiple of that of the input at hand."""

    def seconds(self, plan: Plan) -> float:
        """What it will take, if it takes as much for its size as the input at hand."""
        return self.size * plan.seconds


# ---------------------------------------------------------------- paces


def _own_paces() -> Path | None:
    """Where those of this machine are kept; None if there is no home folder."""
    with contextlib.suppress(RuntimeError):
        return state_folder() / PACES
    return None


def read_paces(path: Path) -> dict[str, float]:
    """What this machine's earlier runs took; empty if there are none, or the file is damaged."""
    try:
        paces = read_json(path).items()
    except (OSError, ValueError, AttributeError):
        return {}
    return {str(name): float(pace) for name, pace in paces if _is_pace(pace)}


def keep_pace(path: Path, name: str, pace: float) -> None:
    """Take what a step took into the average of this machine's runs."""
    if not _is_pace(pace):
        return
    paces = read_paces(path)
    old = paces.pop(name, pace)  # the latest comes last
    paces[name] = round(old + NEW_WEIGHT * (pace - old), 4)
    with contextlib.suppress(OSError, OutputError):  # the next run only knows less
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            write_json(part, dict(list(paces.items())[-MOST_PACES:]))


def _is_pace(value: object) -> bool:
    low, high = PLAUSIBLE
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and low <= value <= high
    )
