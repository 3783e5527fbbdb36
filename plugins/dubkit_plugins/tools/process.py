"""Run an external tool once, or as a worker that stays; never via a shell, always with a limit.

A tool has its own process group, which is ended as a whole, at the latest when dubkit ends. Its
output is read as it comes and only the last lines are kept, so that it can neither fill memory nor
block because nobody reads.
"""

from __future__ import annotations

import atexit
import collections
import contextlib
import json
import os
import queue
import re
import subprocess
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from dubkit import MissingDependency, PluginError, start_program, stop_program

KEEP_LINES = 20
"""Last lines of output, kept for error messages."""
LONGEST_LINE = 1_000_000
"""Bytes; a longer line is read in pieces."""
GRACE = 2.0
"""Seconds between asking a tool to stop and killing it."""
POLL = 0.5
"""Seconds between checks of how much it has written."""


@dataclass(frozen=True, slots=True)
class ProcessResult:
    """How a tool ended."""

    status: int
    """Its exit status; negative for a signal."""
    tail: str
    """The last lines of its output."""


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout: float,
    folder: Path,
    largest: int,
    report: Callable[[float], None] | None = None,
    bar: str = "",
) -> ProcessResult:
    """Run a tool to its end; whatever happens, it does not run on afterwards.

    ``report`` is called with the share that is done, 0 to 1, if the tool shows a progress bar on
    its output; ``bar`` is the label of the one that counts. Raises PluginError if it takes longer
    than ``timeout`` seconds or writes more than ``largest`` bytes into ``folder``,
    MissingDependency if there is no such program.
    """
    child = _start(argv, cwd, env, subprocess.DEVNULL, subprocess.STDOUT)
    _running.add(child)
    tail: collections.deque[str] = collections.deque(maxlen=KEEP_LINES)
    assert child.stdout
    reader = _start_reader(child.stdout, tail.append, Bar(bar, report).read if report else None)
    until = time.monotonic() + timeout
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = child.wait(max(0.01, min(POLL, until - time.monotonic())))
                break
            if time.monotonic() > until:
                raise PluginError(
                    f"{Path(argv[0]).name} did not finish in {timeout:g} s" + last_lines(tail),
                    "set a larger timeout if it is only slow",
                )
            if size_of(folder) > largest:
                raise PluginError(
                    f"{Path(argv[0]).name} wrote more than {largest // 1_000_000} MB", ""
                )
    except BaseException:  # Ctrl-C included
        stop_program(child, GRACE)
        raise
    finally:
        _running.discard(child)
    reader.join(GRACE)
    stop_program(child, GRACE)  # whatever it started and left behind
    return ProcessResult(status, "\n".join(tail))


_running: set[subprocess.Popen[bytes]] = set()


def stop_running() -> None:
    """Stop the tools that other threads are waiting for."""
    for child in list(_running):
        with contextlib.suppress(OSError):
            stop_program(child, GRACE)


def last_lines(tail: Sequence[str]) -> str:
    """The last lines of a tool's output, to append to a message."""
    lines = [line for line in tail if line.strip()]
    return ": " + " / ".join(lines[-3:])[-600:] if lines else ""


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder, which may be written to at the same time."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(Path(parent, name)).st_size
    return total


def _start(
    argv: Sequence[str], cwd: Path, env: Mapping[str, str], stdin: int, stderr: int
) -> subprocess.Popen[bytes]:
    try:
        return start_program(argv, stdin=stdin, stderr=stderr, cwd=cwd, env=env)
    except FileNotFoundError as missing:
        raise MissingDependency(
            f"there is no {missing.filename}", "check the preset's settings"
        ) from None
    except (OSError, ValueError) as error:  # not executable; a null byte in an argument
        raise PluginError(f"{Path(argv[0]).name} cannot be run: {error}", "") from None


class Bar:
    """Reads what tqdm shows, ``label:  42%|####``, from a tool's output."""

    SHARE = re.compile(r"(\d{1,3})%\|")

    def __init__(self, label: str, report: Callable[[float], None]) -> None:
        self._label = label
        self._report = report
        self._before = 0.0
        """The share that bars before this one stand for."""
        self._now = self._highest = 0.0

    def read(self, text: str) -> None:
        """Report the last share in a piece of output. What a first bar counts to its end is half of
        the work, a second half of the rest, as nobody knows how many follow; if the preset says
        which bar counts, that is all of it."""
        for part in re.split(r"[\r\n]", text):
            if self._label not in part or not (found := self.SHARE.findall(part)):
                continue
            now = min(int(found[-1]), 100) / 100
            if not self._label and now < self._now:
                self._before += (1 - self._before) / 2
            self._now = now
            weight = 1.0 if self._label else (1 - self._before) / 2
            share = self._before + weight * now
            if share > self._highest:
                self._highest = share
                self._report(share)


def _start_reader(
    stream: IO[bytes], take: Callable[[str], None], watch: Callable[[str], None] | None = None
) -> threading.Thread:
    """Pass each line of a stream to ``take``, and each piece as it comes to ``watch``, in a
    thread."""

    def read() -> None:
        line = b""
        with stream, contextlib.suppress(ValueError, OSError):
            while piece := os.read(stream.fileno(), 65_536):
                if watch:
                    watch(piece.decode("utf-8", "replace"))
                *lines, line = (line + piece).split(b"\n")
                for whole in lines:
                    take(_last_shown(whole))
                if len(line) > LONGEST_LINE:
                    take(_last_shown(line))
                    line = b""
        if line:
            take(_last_shown(line))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def _last_shown(line: bytes) -> str:
    """What stays of a line: a progress bar overwrites its own again and again."""
    return line.decode("utf-8", "replace").rstrip().rpartition("\r")[2]


# ---------------------------------------------------------------- a worker

_workers: weakref.WeakSet[Worker]


class Worker:
    """A tool that keeps running and answers each line of JSON with one of its own.

    It is started at the first item and again after it died, and does one item at a time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._tail: collections.deque[str] = collections.deque(maxlen=KEEP_LINES)
        self._errors: threading.Thread | None = None
        _workers.add(self)

    def ask(
        self,
        request: Mapping[str, Any],
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        timeout: float,
        start_timeout: float,
    ) -> None:
        """Have one item done.

        Raises PluginError if the worker reports an error, dies, or takes longer than ``timeout``
        seconds (and ``start_timeout`` more when it has to start).
        """
        with self._lock:
            try:
                if self._child is None or self._child.poll() is not None:
                    self.stop()
                    self._begin(argv, cwd, env)
                    timeout += start_timeout
                self._send(request, timeout)
            except _ItemError as error:  # the worker itself is fine
                raise PluginError(str(error), "") from None
            except BaseException:
                # Its next answer would belong to this item, not to the one that asks then.
                self.stop()
                raise

    def _begin(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        child = _start(argv, cwd, env, subprocess.PIPE, subprocess.PIPE)
        answers: queue.Queue[str | None] = queue.Queue(maxsize=1000)
        tail: collections.deque[str] = collections.deque(maxlen=KEEP_LINES)
        assert child.stdout and child.stderr

        def take(line: str) -> None:
            if line.startswith("{"):  # anything else is chatter
                with contextlib.suppress(queue.Full):
                    answers.put_nowait(line)

        self._errors = _start_reader(child.stderr, tail.append)
        reader = _start_reader(child.stdout, take)

        def signal_end() -> None:
            reader.join()
            with contextlib.suppress(queue.Full):
                answers.put_nowait(None)

        threading.Thread(target=signal_end, daemon=True).start()
        self._child, self._answers, self._tail = child, answers, tail

    def _send(self, request: Mapping[str, Any], timeout: float) -> None:
        assert self._child and self._child.stdin
        line = json.dumps(request, ensure_ascii=True) + "\n"
        try:
            self._child.stdin.write(line.encode())
            self._child.stdin.flush()
        except (OSError, ValueError):
            raise self._exit_error() from None
        until = time.monotonic() + timeout
        while True:
            try:
                text = self._answers.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise PluginError(
                    f"the worker did not answer in {timeout:g} s" + last_lines(self._tail),
                    "set a larger timeout if it is only slow",
                ) from None
            if text is None:
                raise self._exit_error()
            with contextlib.suppress(ValueError, RecursionError):
                answer = json.loads(text)
                if isinstance(answer, dict) and answer.get("id") == request["id"]:
                    if answer.get("ok") is True:
                        return
                    raise _ItemError(f"the worker reports: {str(answer.get('error'))[:300]}")

    def _exit_error(self) -> PluginError:
        assert self._child
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(GRACE)
        status = self._child.poll()
        if self._errors:
            self._errors.join(GRACE)  # its last words may still be on their way
        return PluginError(f"the worker ended (status {status})" + last_lines(self._tail), "")

    def stop(self) -> None:
        """End it, if it is running."""
        child, self._child = self._child, None
        if child:
            with contextlib.suppress(OSError):
                if child.stdin:
                    child.stdin.close()
            stop_program(child, GRACE)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.stop()


class _ItemError(Exception):
    """A worker could not do one item, and goes on."""


_workers = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    for worker in list(_workers):
        worker.stop()
