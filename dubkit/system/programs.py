"""Start programs that end when dubkit ends, however that happens, with all that they started.

Each gets a process group, which is stopped as a whole. :mod:`.keeper` stops what is left when
dubkit was killed: it needs no code between fork and exec, and it does not depend on which thread
started a program, as a parent-death signal would.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from . import keeper

GRACE = 0.4
"""Seconds between asking a program to stop and killing it."""

_token = ""
_pipe = -1
"""The write end of the keeper's pipe; -1 while there is none."""
_starting = threading.Lock()


def start_program(
    argv: Sequence[str | Path],
    *,
    stdin: int | IO[bytes] | None = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = subprocess.PIPE,
    stderr: int | IO[bytes] | None = subprocess.PIPE,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program, by an argument list and never through a shell.

    It has a process group of its own, so Ctrl-C reaches dubkit alone, which then stops it in order:
    pass it to :func:`stop_program` when it has ended, too. If dubkit ends first, it is stopped with
    everything that it has started. Raises OSError if it cannot be started.
    """
    start_keeper()
    child = subprocess.Popen(
        [str(part) for part in argv],
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        cwd=cwd,
        env={**(os.environ if env is None else env), keeper.MARK: _token},
        start_new_session=os.name == "posix",
    )
    if os.name == "posix":
        record(f"+{child.pid}")
    else:
        from . import windows_job

        windows_job.assign(child)
    return child


def stop_program(child: subprocess.Popen[bytes], grace: float = GRACE) -> None:
    """Stop a program that :func:`start_program` started, and everything in its group.

    It has ``grace`` seconds to end by itself. Nothing happens to one that has ended completely.
    """
    _signal(child, signal.SIGTERM)
    try:
        child.wait(grace)
    except subprocess.TimeoutExpired:
        pass
    finally:
        # Also when it has ended: what it has started may go on.
        _signal(child, None)
        child.wait()
        release(child)


def release(child: subprocess.Popen[bytes]) -> None:
    """Note that a program has ended, so that its number may stand for another one."""
    if os.name == "posix":
        record(f"-{child.pid}")


def _signal(child: subprocess.Popen[bytes], number: int | None) -> None:
    """Send a signal to a program's group; None kills it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(child.pid, signal.SIGKILL if number is None else number)
        elif number is None:
            child.kill()
        else:
            child.terminate()


def start_keeper() -> None:
    """Start the process that cleans up if this one is killed, unless it runs already."""
    global _pipe, _token
    with _starting:
        if _token:
            return
        _token = secrets.token_hex(16)
        if os.name != "posix" or not sys.executable or getattr(sys, "frozen", False):
            return
        receiver, _pipe = os.pipe()
        os.set_blocking(_pipe, False)  # a stopped keeper may not stop dubkit
        try:
            # By a shell that ends at once: it is no child of this process, since Ray kills those of
            # its workers before they end.
            subprocess.run(
                ["/bin/sh", "-c", 'exec 3<&0; "$@" <&3 3<&- &', "sh",
                 sys.executable, "-I", "-S", keeper.__file__, _token],
                stdin=receiver,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={name: value for name, value in os.environ.items() if name != keeper.MARK},
                start_new_session=True,
                check=False,
            )  # fmt: skip
        except OSError:  # no memory, too many processes: then what is killed is not cleaned up
            os.close(_pipe)
            _pipe = -1
        finally:
            os.close(receiver)


def record(entry: str) -> None:
    """Have the keeper know of a group or folder (``+``), or forget it (``-``)."""
    if _pipe >= 0:
        with contextlib.suppress(OSError):  # the keeper itself was killed
            os.write(_pipe, os.fsencode(entry) + b"\0")


def _forget_keeper() -> None:
    """In a fork of this process: it has a keeper of its own, and does not hold up the other."""
    global _pipe, _token, _starting
    if _pipe >= 0:
        os.close(_pipe)
    _pipe, _token, _starting = -1, "", threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_keeper)
