"""Run an outside tool: once, or as a worker that stays. Never a shell, always with an end.

A tool has a process group of its own, which is ended as a whole; what it says is read as it comes
and only the end of it kept, so that it cannot fill memory or stand still because nobody reads.
"""

from __future__ import annotations

import atexit
import collections
import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from dubkit import MissingDependency, PluginError

KEEP_LINES = 20
"""Last lines that are kept for the message of a failure."""
LONGEST_LINE = 1_000_000
"""Bytes; more without a line break is read in pieces."""
GRACE = 2.0
"""Seconds between asking a tool to stop and ending it."""
LOOK = 0.5
"""Seconds between looks at what it has written."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a tool ended."""

    status: int
    tail: str
    """The last that it said, line by line."""


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout: float,
    folder: Path,
    largest: int,
) -> Finished:
    """Run a tool to its end. PluginError when that takes longer than ``timeout`` seconds, or what
    it writes into ``folder`` more than ``largest`` bytes; whatever happens, it is stopped."""
    child = _start(argv, cwd, env, subprocess.DEVNULL, subprocess.STDOUT)
    _running.add(child)
    tail: collections.deque[str] = collections.deque(maxlen=KEEP_LINES)
    assert child.stdout
    reader = _reader(child.stdout, tail.append)
    until = time.monotonic() + timeout
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = child.wait(max(0.01, min(LOOK, until - time.monotonic())))
                break
            if time.monotonic() > until:
                raise PluginError(
                    f"{Path(argv[0]).name} did not finish in {timeout:g} s" + said(tail),
                    "a larger timeout, if it is only slow",
                )
            if size_of(folder) > largest:
                raise PluginError(
                    f"{Path(argv[0]).name} wrote more than {largest // 1_000_000} MB", ""
                )
    except BaseException:  # Ctrl-C included
        stop(child)
        raise
    finally:
        _running.discard(child)
    reader.join(GRACE)
    stop(child)  # what it started and left behind
    return Finished(status, "\n".join(tail))


_running: set[subprocess.Popen[bytes]] = set()


def stop_running() -> None:
    """End the tools that other threads wait for."""
    for child in list(_running):
        with contextlib.suppress(OSError):
            stop(child)


def said(tail: Sequence[str]) -> str:
    """The last that a tool said, for the end of a message."""
    lines = [line for line in tail if line.strip()]
    return ": " + " / ".join(lines[-3:])[-600:] if lines else ""


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder, which may change meanwhile."""
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
        return subprocess.Popen(
            list(argv),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=cwd,
            env=dict(env),
            # Its own group: Ctrl-C reaches dubkit alone, which then ends the group as a whole.
            start_new_session=os.name == "posix",
        )
    except FileNotFoundError as missing:
        raise MissingDependency(
            f"there is no {missing.filename}", "look at the preset's settings"
        ) from None
    except (OSError, ValueError) as error:  # not a program; a null byte in an argument
        raise PluginError(f"{Path(argv[0]).name} cannot be run: {error}", "") from None


def _reader(stream: IO[bytes], take: Callable[[str], None]) -> threading.Thread:
    def read() -> None:
        with stream, contextlib.suppress(ValueError, OSError):
            while raw := stream.readline(LONGEST_LINE):
                # A progress bar writes over its line again and again.
                take(raw.decode("utf-8", "replace").rstrip().rpartition("\r")[2])

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def stop(child: subprocess.Popen[bytes]) -> None:
    """End a tool and all that it started, if any of it still runs."""
    if os.name != "posix":
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GRACE)
        child.kill()
        return
    _signal(child, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(GRACE)
    _signal(child, signal.SIGKILL)
    child.wait()


def _signal(child: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


# ---------------------------------------------------------------- a worker

_workers: weakref.WeakSet[Worker]


class Worker:
    """A tool that stays and answers a line of JSON for each that it gets.

    It is started for the first item and again after it died; one item at a time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._tail: collections.deque[str] = collections.deque(maxlen=KEEP_LINES)
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
        """Have an item done; PluginError where it is not, or the worker dies or takes too long."""
        with self._lock:
            try:
                if self._child is None or self._child.poll() is not None:
                    self.stop()
                    self._begin(argv, cwd, env)
                    timeout += start_timeout
                self._ask(request, timeout)
            except _Refused as refusal:  # it lives on
                raise PluginError(str(refusal), "") from None
            except BaseException:
                # Its next answer would belong to this item, not to the one that then asks.
                self.stop()
                raise

    def _begin(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        child = _start(argv, cwd, env, subprocess.PIPE, subprocess.PIPE)
        answers: queue.Queue[str | None] = queue.Queue(maxsize=1000)
        tail: collections.deque[str] = collections.deque(maxlen=KEEP_LINES)
        assert child.stdout and child.stderr

        def take(line: str) -> None:
            if line.startswith("{"):  # anything else is talk
                with contextlib.suppress(queue.Full):
                    answers.put_nowait(line)

        _reader(child.stderr, tail.append)
        reader = _reader(child.stdout, take)

        def tell_the_end() -> None:
            reader.join()
            with contextlib.suppress(queue.Full):
                answers.put_nowait(None)

        threading.Thread(target=tell_the_end, daemon=True).start()
        self._child, self._answers, self._tail = child, answers, tail

    def _ask(self, request: Mapping[str, Any], timeout: float) -> None:
        assert self._child and self._child.stdin
        line = json.dumps(request, ensure_ascii=True) + "\n"
        try:
            self._child.stdin.write(line.encode())
            self._child.stdin.flush()
        except (OSError, ValueError):
            raise self._died() from None
        until = time.monotonic() + timeout
        while True:
            try:
                text = self._answers.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise PluginError(
                    f"the worker did not answer in {timeout:g} s" + said(self._tail),
                    "a larger timeout, if it is only slow",
                ) from None
            if text is None:
                raise self._died()
            with contextlib.suppress(ValueError, RecursionError):
                answer = json.loads(text)
                if isinstance(answer, dict) and answer.get("id") == request["id"]:
                    if answer.get("ok") is True:
                        return
                    raise _Refused(f"the worker says: {str(answer.get('error'))[:300]}")

    def _died(self) -> PluginError:
        assert self._child
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(GRACE)
        return PluginError(f"the worker ended (status {self._child.poll()})" + said(self._tail), "")

    def stop(self) -> None:
        """End it, if it runs."""
        child, self._child = self._child, None
        if child:
            with contextlib.suppress(OSError):
                if child.stdin:
                    child.stdin.close()
            stop(child)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.stop()


class _Refused(Exception):
    """A worker could not do one item."""


_workers = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    for worker in list(_workers):
        worker.stop()
