"""Run an external program: an argument list (never a shell), without standard input, stoppable."""

from __future__ import annotations

import collections
import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

KEEP_LINES = 40
"""Lines of standard error kept for the error message."""
GRACE = 0.4
"""Seconds between asking a program to stop and killing it."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended."""

    argv: tuple[str, ...]
    status: int
    """Its exit status; the negated signal number if a signal ended it."""
    tail: tuple[str, ...]
    """The last lines of its standard error."""


def run(
    argv: Sequence[str | Path],
    *,
    on_line: Callable[[str], None] | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> Finished:
    """Run ``argv`` to completion and return how it ended, whatever the status.

    ``on_line`` gets each line of standard output, in another thread; if it raises, the program is
    stopped and the exception raised here. ``timeout`` is in seconds. When it expires, or when
    anything is raised here (Ctrl-C included), the program and its children are stopped and the
    exception propagates (``TimeoutError`` for the timeout).
    """
    command = tuple(str(part) for part in argv)
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=None if env is None else dict(env),
        # Its own group: Ctrl-C reaches dubkit alone, which then stops the whole group in order.
        start_new_session=os.name == "posix",
    )
    tail: collections.deque[str] = collections.deque(maxlen=KEEP_LINES)
    failures: list[BaseException] = []

    def read(stream: IO[bytes], take: Callable[[str], None]) -> None:
        with stream:
            for raw in stream:
                line = raw.decode("utf-8", "replace").rstrip()
                try:
                    take(line)
                except BaseException as failure:  # handed to the caller's thread below
                    failures.append(failure)
                    stop(child)  # or it would run to its end before the failure is reported
                    return

    assert child.stdout and child.stderr
    readers = [
        threading.Thread(
            target=read, args=(child.stdout, on_line or (lambda _: None)), daemon=True
        ),
        threading.Thread(target=read, args=(child.stderr, tail.append), daemon=True),
    ]
    for reader in readers:
        reader.start()
    try:
        status = child.wait(timeout)
        for reader in readers:
            reader.join()
    except subprocess.TimeoutExpired:
        stop(child)
        raise TimeoutError(f"{command[0]} did not finish in {timeout:g} s") from None
    except BaseException:
        stop(child)
        raise
    if failures:
        raise failures[0]
    return Finished(command, status, tuple(tail))


def stop(child: subprocess.Popen[bytes]) -> None:
    """Stop a program that :func:`run` started, and all of its children."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(child.pid, signal.SIGTERM)
        else:
            child.terminate()
    try:
        child.wait(GRACE)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(child.pid, signal.SIGKILL)
            else:
                child.kill()
        child.wait()
