"""Run an external program to its end: an argument list (never a shell), without standard input."""

from __future__ import annotations

import collections
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dubkit.system.programs import release, start_program, stop_program

KEEP_LINES = 40
"""Lines of standard error kept for the error message."""
LONGEST_LINE = 1_000_000
"""Bytes; a longer line is read in pieces."""


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
    child = start_program(command, cwd=cwd, env=env)
    tail: collections.deque[str] = collections.deque(maxlen=KEEP_LINES)
    failures: list[BaseException] = []

    def read(stream: IO[bytes], take: Callable[[str], None]) -> None:
        with stream:
            while raw := stream.readline(LONGEST_LINE):
                line = raw.decode("utf-8", "replace").rstrip()
                try:
                    take(line)
                except BaseException as failure:  # handed to the caller's thread below
                    failures.append(failure)
                    stop_program(child)  # or it would run to its end before the failure is reported
                    return

    assert child.stdout and child.stderr
    readers = [
        threading.Thread(
            target=read, args=(child.stdout, on_line or (lambda _: None)), daemon=True
        ),
        threading.Thread(target=read, args=(child.stderr, tail.append), daemon=True),
    ]
    try:
        for reader in readers:
            reader.start()
        status = child.wait(timeout)
        for reader in readers:
            reader.join()
        release(child)
    except subprocess.TimeoutExpired:
        stop_program(child)
        raise TimeoutError(f"{command[0]} did not finish in {timeout:g} s") from None
    except BaseException:
        stop_program(child)
        raise
    if failures:
        raise failures[0]
    return Finished(command, status, tuple(tail))
