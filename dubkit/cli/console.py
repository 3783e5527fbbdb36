"""Show a run to a person: a progress bar on a terminal, else a line a step; warnings and errors.

:mod:`.events` is the same for programs.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from dubkit.dub.report import table
from dubkit.errors import DubkitError, MediaError
from dubkit.pipeline import report
from dubkit.pipeline.time_left import IN_BYTES, Other, Plan
from dubkit.system.terminal import clock, print_error, printable
from dubkit.types import Result

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

WARNINGS_SHOWN = 12
"""Warnings of one input that are printed; ``report.json`` has them all."""
SETTLED = 0.5
"""Seconds of a step after which its average speed says something."""
ALL = "all"
"""The stage of a console with several inputs at once."""
ROOMY = 60
"""Columns of a terminal below which only the bar's numbers are shown."""
VERBS = {
    "audio": "Extracting the sound",
    "load": "Loading the model",
    "transcribe": "Transcribing",
    "align": "Aligning the words",
    "translate": "Translating to",
    "voices": "Telling voices apart",
    "match": "Choosing voices",
    "speak": "Speaking",
    "convert": "Converting voices in",
    "verify": "Checking the speech in",
    "mix": "Mixing",
    "mux": "Writing the video",
    "burn": "Burning the picture",
    "upload": "Uploading",
    "listen": "Listening with the teacher",
    "train": "Training",
    "evaluate": "Evaluating",
}

AT_WORK: ContextVar[str] = ContextVar("at_work", default="")
"""The input that the thread works on, where several are at work at once."""
COUNTED = {"train": "steps", "evaluate": "models"}
"""Stages whose progress is no time of the media, and what they count."""


class Console:
    """The terminal side of one run of the command; a context manager."""

    def __init__(
        self,
        *,
        quiet: bool,
        verbose: bool,
        debug: bool = False,
        write: Callable[[str], None] | None = None,
    ) -> None:
        """``write`` takes each line, if it is not for standard error."""
        self.quiet = quiet
        self.verbose = verbose
        self.debug = debug
        self._print = write or print_error
        self._terminal = sys.stderr.isatty() and not (quiet or write)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._stage = ""
        self._began = self._last = 0.0
        self._resumed = self._began, 0.0
        """:attr:`Plan.resumed` at the last progress: the next step begins before this one's end
        is shown."""
        self._done = self._total = 0.0
        self.plan = Plan()
        self._others: Sequence[Other] = ()
        self._name = ""
        self._is_one_of_many = False
        self._above: Console | None = None
        """The console of the whole command, if this is that of one of several inputs at once."""
        self._ended = 0
        self._handler = _Handler(self)
        self._open = ExitStack()

    def __enter__(self) -> Console:
        level = logging.ERROR if self.quiet else logging.INFO
        self._open.enter_context(logs_to(self._handler, logging.DEBUG if self.verbose else level))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close_stage(finished=failure is None)
        self._open.close()

    @contextmanager
    def job(self, name: str, others: Sequence[Other] = ()) -> Iterator[Plan]:
        """One input of a batch, and those after it; the plan that its run is to fill."""
        self.plan, self._others = Plan(alone=self._above is None), others
        self._is_one_of_many = bool(name)
        if name:
            (self._above or self).log(name)
        done = False
        try:
            yield self.plan
            done = True
        finally:
            self._close_stage(finished=done)

    def beside(self, name: str) -> Console:
        """The console of one of several inputs that are at work at once."""
        own = Console(
            quiet=self.quiet,
            verbose=self.verbose,
            debug=self.debug,
            write=lambda text: self._write(named(name, text)),
        )
        own._name, own._above, own._terminal = name, self, self._terminal
        return own

    @contextmanager
    def several(self, seconds: float) -> Iterator[None]:
        """Around several inputs at once, with that many seconds of media: a bar for each and, at
        the bottom, one for all."""
        self._stage, self._ended = ALL, 0
        self._began, self._resumed = time.monotonic(), (0.0, 0.0)
        self._total, self._done = seconds, 0.0
        if self._terminal:
            self._open_bar("All", 0.0, seconds)
        try:
            yield
        finally:
            self._stage = ""  # the totals say more than its line would
            self._close_stage(finished=True)

    def ended(self, seconds: float) -> None:
        """Note that one of several inputs has ended, and its seconds of media."""
        self._done, self._ended = self._done + seconds, self._ended + 1
        if self._bar is not None and self._task is not None:
            title = f"All: {self._ended} done"
            self._bar.update(self._task, completed=self._done, description=title)

    def progress(self, stage: str, done: float, total: float) -> None:
        """Show the progress of a stage; see :data:`dubkit.hooks.Progress`."""
        if stage != self._stage:
            self._close_stage(finished=True)
            self._stage, self._began = stage, time.monotonic()
            if self._terminal:
                step = f"Step {self.plan.step} of {self.plan.steps}: " if self.plan.steps else ""
                self._open_bar(printable(step + title_of(stage)), done, total)
        self._done, self._total = max(done, 0.0), total
        self._last, self._resumed = time.monotonic(), self.plan.resumed
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done, total=total or None)

    def log(self, text: str) -> None:
        """Print a line, unless quiet."""
        if not self.quiet:
            self._write(text)

    def finish(self, result: Result) -> None:
        """Print the warnings of an input and, with ``--verbose``, where its time went. Of one of
        many for which nothing had to be done, the warnings were printed when it was made."""
        if self.quiet:
            return
        is_there = len(result.timings) == 1
        if is_there and self._is_one_of_many and not self.verbose:
            count = len(result.warnings)
            warnings = f" (-v shows its {count} warning{'s' * (count != 1)})" if count else ""
            self._write(f"dubkit: everything is there already; nothing was done{warnings}")
            return
        for warning in result.warnings[:WARNINGS_SHOWN]:
            self._write(f"dubkit: warning: {warning}")
        if len(result.warnings) > WARNINGS_SHOWN:
            left = len(result.warnings) - WARNINGS_SHOWN
            self._write(f"dubkit: warning: and {left} more, in the workspace's report.json")
        for one in result.translations:
            if one.usage.requests and (self.verbose or one.usage.input_tokens):
                self._write(f"dubkit: {report.usage(one)}")
        if self.verbose:
            for line in (line for dub in result.dubs for line in table(dub)):
                self._write(line)
            for step, seconds in result.timings.items():
                part = step.partition(": ")[2]
                name = f"    {part} (all workers)" if part else f"  {step}"
                self._write(f"{name:<38}{seconds:8.2f} s")
            self._write(f"  {result.rtfx:.1f} times real time")
        elif is_there:
            self._write("dubkit: everything is there already; nothing was done")

    def fail(self, failure: DubkitError, source: Path | str | None) -> None:
        """Print the error of an input that failed."""
        name = f"{source}: " if source and str(source) not in failure.message else ""
        self._write(f"dubkit: {name}{failure.message}")
        if failure.hint:
            self._write(f"  {failure.hint}")
        if self.verbose and isinstance(failure, MediaError):
            self._write("  " + " ".join(failure.argv))
            for line in failure.tail:
                self._write("  | " + line)

    def _open_bar(self, title: str, begin: float, total: float) -> None:
        above = self._above and self._above._bar
        self._bar = above or _bars()
        title = f"{self._name}: {title}" if above else title
        self._task = self._bar.add_task(
            title, completed=int(begin), total=total or None, console=self
        )
        if not above:
            self._bar.start()

    def amount(self, done: float, total: float) -> str:
        """How much is done, of how much, and how fast that goes: mostly seconds of media, and how
        many times faster than real time."""
        # What an earlier run did does not count towards this one's speed.
        before, elapsed = self._in_this_run(time.monotonic())
        speed = (done - before) / elapsed if elapsed > SETTLED else 0.0
        if self._stage.startswith(IN_BYTES):
            return f"{done / 1e6:.0f}/{total / 1e6:.0f} MB {speed / 1e6:.1f} MB/s"
        times = f" {speed:.1f}x" if speed > 0 else ""
        if not total:
            return ""
        if unit := COUNTED.get(self._stage):
            left = (total - done) / speed if speed else 0.0
            rest = f", {clock(left)} left" if left else ""
            return f"{done:.0f} / {total:.0f} {unit}{rest}"
        return f"{clock(done)} / {clock(total)}{times}"

    def time_left(self) -> str:
        """The time that the input at hand still takes, and in a batch all of them, in words."""
        if self._stage == ALL:
            work = (self._total - self._done) * (time.monotonic() - self._began)
            return f"{clock(work / self._done)} left" if self._done else ""
        left = self.plan.seconds_left()
        if left is None:
            return ""
        of_all = left + sum(other.seconds(self.plan) for other in self._others)
        return f"{clock(left)} left" + (f", {clock(of_all)} in all" if self._others else "")

    def _in_this_run(self, now: float) -> tuple[float, float]:
        """What an earlier run had done of the stage, and the seconds since this one goes on."""
        since, share = self._resumed
        return share * self._total, now - max(since, self._began)

    def _close_stage(self, *, finished: bool) -> None:
        if self._bar is not None and self._task is not None:
            if self._above:
                self._bar.remove_task(self._task)
            else:
                self._bar.stop()
            self._bar = self._task = None
        if self._stage and finished and not self.quiet and (self._total or self._done):
            before, spent = self._in_this_run(self._last)
            title = title_of(self._stage)
            if self._stage.startswith(IN_BYTES):
                line = f"{title}: {self._total / 1e6:.0f} MB in {spent:.0f} s"
            elif unit := COUNTED.get(self._stage):
                line = f"{title}: {self._total - before:.0f} {unit} in {spent:.1f} s"
            else:
                media = (self._total or self._done) - before
                speed = f", {media / spent:.1f} times real time" if spent > 0.05 else ""
                line = f"{title}: {clock(media)} of media in {spent:.1f} s{speed}"
            self._write(line)
        self._stage = ""

    def _write(self, text: str) -> None:
        if self._bar is not None and not self._above:
            line = printable(text)
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            self._print(text)


def _bars() -> Progress:
    """A bar for each task, whose field ``console`` says what is shown of it."""
    from rich.console import Console as Terminal
    from rich.progress import (
        BarColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        Task,
        TextColumn,
    )
    from rich.text import Text

    class Amount(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(task.fields["console"].amount(task.completed, task.total or 0))

    class Left(ProgressColumn):
        """The time that all steps still take, and those of the inputs to come."""

        def render(self, task: Task) -> Text:
            return Text(task.fields["console"].time_left(), style="progress.remaining")

    terminal = Terminal(stderr=True)
    wide = terminal.width >= ROOMY
    title = TextColumn("{task.description}", markup=False)
    # An external tool may work for minutes without saying how far it is.
    columns = [SpinnerColumn(), title, BarColumn(bar_width=None)] if wide else []
    last = [Left()] if wide else []
    return Progress(*columns, Amount(), *last, console=terminal, transient=True)


def named(name: str, text: str) -> str:
    """A line with the name of the input that it is about, if that is one of several at once."""
    if not name:
        return text
    ours = "dubkit: "
    return f"{ours}{name}: {text[len(ours) :]}" if text.startswith(ours) else f"{name}: {text}"


class _Handler(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._tracebacks = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        self._console._write(named(AT_WORK.get(), f"dubkit: {record.getMessage()}"))
        if self._console.debug and record.exc_info:
            for line in self._tracebacks.formatException(record.exc_info).splitlines():
                self._console._write(line)


@contextmanager
def logs_to(handler: logging.Handler, level: int) -> Iterator[None]:
    """Have a handler, and no other but those within this, take what dubkit logs."""
    logger = logging.getLogger("dubkit")
    before = logger.level, logger.propagate
    handler.setLevel(level)
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


def title_of(stage: str) -> str:
    """The title of a stage: ``Translating to es`` for ``translate es``."""
    verb, _, rest = stage.partition(" ")
    return f"{VERBS[verb]} {rest}".strip() if verb in VERBS else stage.capitalize()
