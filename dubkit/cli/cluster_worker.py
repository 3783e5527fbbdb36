"""A worker of a cluster: the actor of Ray that :mod:`.cluster` starts on a node.

It keeps its engines, does the files that it is sent, each in a thread, and reports what happens.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import platform
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeAlias

from dubkit import __version__, errors, pipeline
from dubkit.engines import EngineRoom
from dubkit.errors import DubkitError, InputError, MediaError, OutputError
from dubkit.files import PART, mark_own, stamp_of
from dubkit.options import Options
from dubkit.pipeline.elsewhere import OWN
from dubkit.pipeline.time_left import Plan, Step
from dubkit.system import lease
from dubkit.system.programs import start_keeper
from dubkit.system.scratch import scratch_folder
from dubkit.types import Cue

from .batch import Stopping

PATIENCE = 0.5
"""Seconds that inputs at work have to stop in order, before their leases are released."""
EVERY = 0.25
"""Seconds between two reports of the same stage."""

Message: TypeAlias = tuple[Any, ...]
"""What a worker reports: its kind, and what it is about."""
Send: TypeAlias = Callable[[Message], None]

_SEND: ContextVar[Send | None] = ContextVar("send", default=None)
"""Where the thread's job reports to."""


class Worker:
    """An actor."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._room = EngineRoom(shared=True)
        self._copies: dict[str, contextlib.ExitStack] = {}
        """What removes the copies of inputs, by their folders; see :mod:`.upload`."""
        self._writing = threading.Lock()
        """Held while something is written to one, or while one is removed."""
        self._stopping = threading.Event()
        self._working: set[threading.Thread] = set()
        logger = logging.getLogger("dubkit")
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        logger.addHandler(_Sender())

    def prepare(self, folder: str, needed: Sequence[str], version: str) -> str:
        """Go to the command's folder, if it is here; returns what is wrong with this node, or "".
        ``needed`` are the files and folders that have to be here."""
        host = platform.node()
        if version != __version__:
            return f"node {host} has dubkit {__version__}, and the command is {version}"
        for path in needed:
            if not Path(path).exists():
                return f"node {host} does not see {path}"
        with contextlib.suppress(OSError):  # where inputs are uploaded, it need not be
            os.chdir(folder)
        start_keeper()
        return ""

    def process(self, source: Path, options: Options, wait: bool, seen: bool) -> Iterator[Message]:
        """What happens to an input, and at last what became of it. ``seen`` says that the command
        sees the file."""
        if seen and not source.exists():
            path = source.absolute()
            wrong = f"node {platform.node()} does not see {path}"
            yield "failed", InputError(wrong, "the files must be at the same path on every node")
            return
        messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        crash: list[BaseException] = []

        def work() -> None:
            _SEND.set(messages.put)
            try:
                plan = _Plan(messages.put, alone=self._jobs == 1)
                report = _Report(messages.put, self._stopping)
                result = pipeline.process(source, options, report, self._room, plan, wait=wait)
                messages.put(("done", result))
            except Stopping:
                pass
            except DubkitError as failure:
                messages.put(("failed", plain(failure)))
            except BaseException as failure:
                crash.append(failure)
            finally:
                messages.put(None)

        thread = threading.Thread(target=work, name="job", daemon=True)
        self._working.add(thread)
        thread.start()
        while message := messages.get():
            yield message
        thread.join()
        self._working.discard(thread)
        if crash:
            raise crash[0]

    def close(self) -> None:
        """Stop what is at work, and close the engines. What does not stop at once, since an engine
        is deep in native code, is killed soon: other machines need not wait for its lease."""
        self._stopping.set()
        lease.release_after(list(self._working), PATIENCE)
        for thread in list(self._working):
            thread.join()
        for root in list(self._copies):
            self.close_copy(root)
        self._room.close()

    # ------------------------------------------------------------ copies, for --upload

    def open_copy(self) -> str | DubkitError:
        """Make a folder for an input and what belongs to it."""
        opened = contextlib.ExitStack()
        try:
            root = str(opened.enter_context(scratch_folder()))
        except DubkitError as failure:
            return plain(failure)
        self._copies[root] = opened
        return root

    def write(self, root: str, name: str, offset: int, content: bytes) -> DubkitError | None:
        """Write a piece of a file, in any order."""
        path = Path(root, name)
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)
        try:
            with self._writing:
                if root not in self._copies:  # its command has been stopped: nothing is made again
                    return None
                path.parent.mkdir(parents=True, exist_ok=True)
                with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
                    file.seek(offset)
                    file.write(content)
        except OSError as failure:
            return OutputError(
                f"node {platform.node()} cannot take {path.name}: {failure.strerror or failure}",
                "set TMPDIR on the nodes to a folder with room for the film and what is made of it",
            )
        return None

    def finish_copy(
        self, root: str, times: Mapping[str, int], workspace: str
    ) -> dict[str, list[int]] | DubkitError:
        """Give files their times, in nanoseconds, and take the workspace for this user's own, as it
        is where it came from; returns :meth:`list_copy`."""
        try:
            for name, at in times.items():
                os.utime(Path(root, name), ns=(at, at))
            Path(root, workspace).mkdir(parents=True, exist_ok=True)
            mark_own(Path(root, workspace))
        except (OSError, DubkitError) as failure:
            return OutputError(f"node {platform.node()} cannot take a film: {failure}", "")
        return self.list_copy(root)

    def list_copy(self, root: str) -> dict[str, list[int]]:
        """The files of a copy with their stamps, without those that are being written."""
        found = {}
        for place, folders, names in os.walk(root):
            folders[:] = [one for one in folders if not one.endswith(PART)]
            for path in (Path(place, name) for name in names if not OWN.fullmatch(name)):
                with contextlib.suppress(OSError):  # removed meanwhile
                    found[path.relative_to(root).as_posix()] = stamp_of(path)
        return found

    def read(self, root: str, name: str, offset: int, size: int) -> bytes | None:
        """A piece of a file; None if that is gone."""
        with contextlib.suppress(OSError), Path(root, name).open("rb") as file:
            file.seek(offset)
            return file.read(size)
        return None

    def close_copy(self, root: str) -> None:
        """Remove a copy."""
        with self._writing:
            if opened := self._copies.pop(root, None):
                opened.close()


class _Report:
    """The progress of a job, a few times a second."""

    def __init__(self, send: Send, stopping: threading.Event) -> None:
        self._send, self._stopping = send, stopping
        self._stage, self._last = "", 0.0

    def __call__(
        self, stage: str, done: float, total: float, /, *, cues: Sequence[Cue] = ()
    ) -> None:
        if self._stopping.is_set():
            raise Stopping
        now = time.monotonic()
        if stage != self._stage or cues or now - self._last >= EVERY or (total and done >= total):
            self._stage, self._last = stage, now
            self._send(("progress", stage, done, total, tuple(cues)))


class _Plan(Plan):
    """A plan that the command's own follows."""

    def __init__(self, send: Send, *, alone: bool) -> None:
        super().__init__(alone=alone)
        self._send = send
        self._numbers = itertools.count()

    def expect(self, steps: Sequence[Step]) -> None:
        super().expect(steps)
        self._send(("expect", tuple(steps)))

    @contextmanager
    def during(self, name: str) -> Iterator[None]:
        number, done = next(self._numbers), False
        self._send(("begin", number, name))
        try:
            with super().during(name):
                yield
            done = True
        finally:
            self._send(("end", number, done))


class _Sender(logging.Handler):
    """Has the command log what a job logs."""

    def emit(self, record: logging.LogRecord) -> None:
        if send := _SEND.get():
            send(("log", record.levelno, record.getMessage()))


def plain(failure: DubkitError, worded: Callable[[str], str] = str) -> DubkitError:
    """An error as the command knows it, even if it is of an engine's own class; ``worded`` may
    change its texts."""
    kind = next(one for one in type(failure).__mro__ if one.__module__ == errors.__name__)
    message, hint = worded(failure.message), worded(failure.hint)
    if isinstance(failure, MediaError):
        argv, tail = map(worded, failure.argv), map(worded, failure.tail)
        return MediaError(message, hint, tuple(argv), tuple(tail))
    return kind(message, hint)  # type: ignore[no-any-return]
