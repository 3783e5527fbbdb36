"""Clean up after a dubkit that was killed: stop its programs, and remove its scratch.

A process of its own, run as a file, which imports nothing of dubkit. Its standard input is a pipe
whose other end dubkit alone holds: that it closes is the one sign of an end that no way of ending
can leave out, SIGKILL included. Then it knows from what was written into the pipe

- which process groups were running: ``+123`` and, when that one has ended, ``-123``;
- which folders were in use: ``+/tmp/dubkit-...``, and so on.

Entries end with a zero byte. Programs that have left their group are found by the mark in their
environment (on Linux; elsewhere the groups have to do).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

MARK = "DUBKIT_KEEPER"
"""The environment variable by which the programs of one dubkit are known."""
GRACE = 0.5
"""Seconds between asking programs to stop and killing them."""
ROUNDS = 5
"""How often programs that have just been started are looked for."""


def in_use(record: bytes) -> list[bytes]:
    """What was added to the record and not taken away again."""
    left: dict[bytes, None] = {}
    for entry in record.split(b"\0")[:-1]:  # the last one is empty, or incomplete
        if entry.startswith(b"+"):
            left[entry[1:]] = None
        else:
            left.pop(entry[1:], None)
    return list(left)


def marked(token: str) -> list[int]:
    """The processes that have the mark."""
    mark, found = f"{MARK}={token}".encode(), []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # gone, or somebody else's
            if mark in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def signal_all(groups: list[int], token: str, number: int) -> int:
    """Send a signal to the groups and to what has the mark; returns how many are there."""
    reached = 0
    for send, numbers in ((os.killpg, groups), (os.kill, marked(token))):
        for one in numbers:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                send(one, number)
                reached += 1
    return reached


def stop_programs(groups: list[int], token: str) -> None:
    """Ask programs to stop, and kill those that do not."""
    until = time.monotonic() + GRACE
    if signal_all(groups, token, signal.SIGTERM):
        while time.monotonic() < until and signal_all(groups, token, 0):
            time.sleep(0.02)
        for _ in range(ROUNDS):
            if not signal_all(groups, token, signal.SIGKILL):
                break
            time.sleep(0.02)


def main(token: str) -> None:
    """Wait for the end of the pipe, then clean up."""
    used = in_use(sys.stdin.buffer.read())
    stop_programs([int(entry) for entry in used if entry.isdigit()], token)
    for folder in (entry for entry in used if not entry.isdigit()):
        shutil.rmtree(os.fsdecode(folder), ignore_errors=True)  # which follows no links


if __name__ == "__main__":
    main(sys.argv[1])
