"""``--events``: a run as JSON lines on standard output, for programs that watch it.

One object a line, whose kind is ``event``; ``at`` is in seconds since the command began.

- ``progress``: ``stage``, ``done``, ``total`` (seconds of media; bytes if the stage begins with
  ``download`` or ``upload``; ``total`` is 0 while it is unknown); ``step`` and ``steps``, the
  number of the step at hand and of all that this input takes (0 while that is unknown);
  ``seconds_left``, the time that they all still take, or null. A few a second at most.
- ``text``: ``start``, ``end``, ``text`` of speech as soon as it is recognized, in any order; a
  later one replaces an earlier one of the same time.
- ``input``: ``source``, the file being started, if there are several. With ``--jobs``, what is
  about one of them has its ``source``, too.
- ``note`` and ``warning``: ``message``; ``about`` is ``script`` in one that says what a
  script and the speech differ in.
- ``error``: ``message``, ``hint``, ``kind``, ``exit_status``, ``source`` of an input that failed.
- ``result``: at the end, everything that ``--json`` prints.

A run that was stopped by a signal ends without a ``result``.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TextIO

from dubkit.errors import DubkitError
from dubkit.pipeline.time_left import Other, Plan
from dubkit.system.terminal import as_json
from dubkit.types import Cue, Result

from .console import AT_WORK, logs_to

_began = time.monotonic()
EVERY = 0.2
"""Seconds between two ``progress`` events of the same stage."""


_writing = threading.Lock()
_out: TextIO | None = None
"""The real standard output during a run, while what engines print is redirected."""


def restart_clock() -> None:
    """Have a process that runs several commands count the seconds from here on."""
    global _began
    _began = time.monotonic()


def write(event: str, **values: object) -> None:
    """Write one event, a line of standard output."""
    at = round(time.monotonic() - _began, 2)
    out = _out or sys.stdout
    with _writing:
        out.write(as_json({"event": event, "at": at, **values}) + "\n")
        out.flush()


def write_error(failure: DubkitError, source: Path | str | None) -> None:
    """Write an error of an input, or of the whole command."""
    write(
        "error",
        message=failure.message,
        hint=failure.hint,
        kind=type(failure).__name__,
        exit_status=failure.exit_status,
        source=str(source) if source else None,
    )


class Events:
    """The counterpart of :class:`dubkit.cli.console.Console` for programs; a context manager."""

    def __init__(self, source: str = "") -> None:
        """``source`` is that of several inputs at once that this is for."""
        self._about = {"source": source} if source else {}
        self._stage = ""
        self._last = 0.0
        self._handler = _Handler()
        self._open = ExitStack()
        self._plan = Plan()

    def __enter__(self) -> Events:
        global _out
        _out = sys.stdout
        self._open.enter_context(logs_to(self._handler, logging.INFO))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        global _out
        _out = None
        self._open.close()

    def beside(self, name: str) -> Events:
        """The events of one of several inputs that are at work at once."""
        return Events(name)

    @contextmanager
    def several(self, seconds: float) -> Iterator[None]:
        """See :meth:`Console.several`."""
        yield

    def ended(self, seconds: float) -> None:
        """See :meth:`Console.ended`."""

    def log(self, text: str) -> None:
        """Write a line for people as a note."""
        write("note", message=text, **self._about)

    @contextmanager
    def job(self, name: str, others: Sequence[Other] = ()) -> Iterator[Plan]:
        """One input of a batch; the plan that its run is to fill."""
        self._plan = Plan(alone=not self._about)
        if name:
            write("input", source=name)
        yield self._plan

    def progress(
        self, stage: str, done: float, total: float, /, *, cues: Sequence[Cue] = ()
    ) -> None:
        """See :class:`dubkit.hooks.TranscribeProgress`."""
        for cue in cues:
            write("text", start=round(cue.start, 3), end=round(cue.end, 3), text=cue.text,
                  **self._about)  # fmt: skip
        now = time.monotonic()
        if stage != self._stage or now - self._last >= EVERY or (total and done >= total):
            self._stage, self._last = stage, now
            left = self._plan.seconds_left()
            write(
                "progress",
                stage=stage,
                done=round(done, 3),
                total=round(total, 3),
                step=self._plan.step,
                steps=self._plan.steps,
                seconds_left=None if left is None else round(left, 1),
                **self._about,
            )

    def finish(self, result: Result) -> None:
        """Write the warnings of an input; its results come at the end, with all others'."""
        for warning in result.warnings:
            script = {"about": "script"} if warning in result.differences else {}
            write("warning", message=warning, **script, **self._about)

    def fail(self, failure: DubkitError, source: Path | str | None) -> None:
        """Write the error of an input that failed."""
        write_error(failure, source)


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        event = "warning" if record.levelno >= logging.WARNING else "note"
        about = {"source": AT_WORK.get()} if AT_WORK.get() else {}
        write(event, message=record.getMessage(), **about)
