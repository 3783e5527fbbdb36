"""End the command in order when it is asked to: by Ctrl-C, SIGTERM, or a terminal that is closed.

The first signal is raised as an exception in the main thread, so that programs are stopped and
scratch is removed on the way out; the second ends the command at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn

PATIENCE = 0.5
"""Seconds after a signal within which Python itself must have reacted."""
LONGEST = 5.0
"""Seconds that the way out may take."""
REPEATED = 0.2
"""Seconds within which the same signal again is not another one: ``timeout`` and shells send it to
a process, and to its group."""
DEFAULTS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
"""The signals that end the command, with their handlers when nobody else has taken them. A signal
that was ignored when the command began, as by ``nohup``, stays ignored."""
for _name in ("SIGHUP", "SIGBREAK"):  # a closed terminal; on Windows, too
    if _name in signal.Signals.__members__:
        DEFAULTS[signal.Signals[_name]] = signal.SIG_DFL
STOPPED = tuple(128 + number for number in DEFAULTS)
"""The exit statuses of a command that was stopped."""


class Stopped(KeyboardInterrupt):
    """The command was asked to stop by the signal ``number``."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__()
        self.number = number


def stop(number: int) -> NoReturn:
    """End the process, with the exit status for a signal."""
    with contextlib.suppress(OSError):  # a terminal that is gone
        os.write(2, b"\ndubkit: stopped; run the same command to continue\n")
    # Engines may be deep in native code in other threads. What is finished is on disk already, and
    # a person who pressed Ctrl-C does not want to wait for the rest.
    os._exit(128 + number)


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Raise :class:`Stopped` for a signal in this block, which only a main thread can.

    Python does so only when native code returns, which may take many seconds, such as the loading
    of a large model. So the signal also wakes up a thread, which ends the command if Python has not
    reacted in time.
    """
    main = threading.current_thread() is threading.main_thread()
    before = {one: signal.getsignal(one) for one, default in DEFAULTS.items()}
    ours = [one for one, default in DEFAULTS.items() if main and before[one] == default]
    if not ours:
        yield
        return
    first: list[tuple[int, float]] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        if first:
            if number != first[0][0] or time.monotonic() - first[0][1] > REPEATED:
                stop(number)
            return
        first.append((number, time.monotonic()))
        raise Stopped(number)

    with contextlib.ExitStack() as undo:
        if os.name == "posix":
            undo.enter_context(_watch(ours, first))
        for one in ours:
            undo.callback(signal.signal, one, before[one])
            signal.signal(one, interrupt)
        yield


@contextlib.contextmanager
def _watch(ours: list[signal.Signals], reacted: list[Any]) -> Iterator[None]:
    """End the command if Python has not reacted to one of ``ours``."""
    receiver, sender = os.pipe()
    os.set_blocking(sender, False)

    over = threading.Event()

    def watch() -> None:
        while received := os.read(receiver, 1):
            if received[0] not in ours:
                continue
            until = time.monotonic() + PATIENCE
            while not reacted and time.monotonic() < until:
                time.sleep(0.02)
            if not reacted or not over.wait(LONGEST):
                stop(received[0])
        os.close(receiver)

    previous = signal.set_wakeup_fd(sender)
    threading.Thread(target=watch, name="signals", daemon=True).start()
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(previous)
        os.close(sender)
