"""A process that runs the command again and again, with its engines kept loaded.

To have one line of a dub spoken again takes seconds, and to load what speaks it, a minute. So after
a first such request the process stays for a while. It works for one owner: the page's for one
video, so for one person; the API's for whoever has its key.
:class:`Keeper` is the server's part, ``python -m dubkit.web.warm`` the process, whose standard
input is the socket that it listens to. Requests come from :mod:`.warm_client`.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dubkit.system.programs import stop_program

from . import bounded, warm_client
from .bounded import Bounds

IDLE = 300.0
"""Seconds without a request after which the process ends."""
LARGEST = 2**20
"""Bytes of a request."""


class Keeper:
    """The process of an owner: one at a time, since engines take much memory."""

    def __init__(self, bounds: Callable[[], Bounds] = Bounds, idle: float = IDLE) -> None:
        """``bounds`` returns what the process may take; ``idle`` are the seconds without a request
        after which it ends."""
        self._bounds = bounds
        self._idle = idle
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._owner = ""
        self._place: tempfile.TemporaryDirectory[str] | None = None

    @property
    def is_open(self) -> bool:
        """Whether its process runs."""
        return self._child is not None and self._child.poll() is None

    def command(
        self, cwd: str, command: Sequence[str], env: Mapping[str, str], owner: str | None = None
    ) -> list[str]:
        """The arguments that have a command run in a folder by the process, which is started if
        there is none for that ``owner``, who is known by the folder if by nothing else; the command
        itself where that cannot be.

        The command is ``python ... -m MODULE ARGUMENT ...``, whose module has a function ``main``
        of the arguments and of the ``room`` with the engines.
        """
        if os.name != "posix":
            return list(command)
        owner = cwd if owner is None else owner
        with self._lock:
            if not self.is_open or self._owner != owner:
                self._close()
                self._start(cwd, env)
                self._owner = owner
            assert self._place
            client = str(Path(warm_client.__file__).resolve())
            place = str(Path(self._place.name) / "socket")
            return [sys.executable, "-I", "-S", client, place, *command]

    def _start(self, cwd: str, env: Mapping[str, str]) -> None:
        # Paths of sockets must be short, and the server's folder may be deep.
        self._place = tempfile.TemporaryDirectory(prefix="dubkit-")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(Path(self._place.name) / "socket"))
            listening.listen(8)
            argv = [sys.executable, "-P", "-m", "dubkit.web.warm", str(self._idle)]
            self._child = subprocess.Popen(
                bounded.bounded(argv, self._bounds()),
                cwd=cwd,
                env=env,
                stdin=listening.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._child:
            stop_program(self._child)
        if self._place:
            self._place.cleanup()
        self._child = self._place = None


def main() -> None:
    """Run the commands that come, until none has come for a while or one was stopped."""
    from dubkit.cli import events
    from dubkit.engines import EngineRoom
    from dubkit.hooks import KINDS

    with socket.socket(fileno=0) as listening, EngineRoom() as room:
        room.keep = tuple(KINDS.values())
        room.stays = True
        listening.settimeout(float(sys.argv[1]))
        while True:
            try:
                other, _ = listening.accept()
            except TimeoutError:
                return
            with other:
                asked, out, error = _receive(other)
                if asked is None:
                    continue
                other.sendall(warm_client.BEGUN)
                _replace(1, out)
                _replace(2, error)
                os.chdir(asked["cwd"])
                over = _stop_when_gone(other)
                events.restart_clock()
                status = importlib.import_module(asked["module"]).main(asked["argv"], room=room)
                room.close_replaced()
                over.set()
                for number in (1, 2):  # or nobody would see that the job's files are closed
                    _replace(number, os.open(os.devnull, os.O_WRONLY))
                with contextlib.suppress(OSError):
                    other.sendall(str(status).encode())
                    other.shutdown(socket.SHUT_RDWR)  # which closing alone is not, while one reads


def _receive(other: socket.socket) -> tuple[dict[str, Any] | None, int, int]:
    """A request with the descriptors of its output and its errors; None for anything else."""
    with contextlib.suppress(OSError, ValueError):
        data, descriptors, _, _ = socket.recv_fds(other, LARGEST, 2)
        if len(descriptors) == 2:
            return json.loads(data), *descriptors
        for one in descriptors:
            os.close(one)
    return None, -1, -1


def _replace(number: int, by: int) -> None:
    os.dup2(by, number)
    os.close(by)


def _stop_when_gone(other: socket.socket) -> threading.Event:
    """Have the command stopped, and this process with it, when its client wants no more of it; not
    once the event that is returned is set."""
    over = threading.Event()

    def watch() -> None:
        with contextlib.suppress(OSError):
            other.recv(1)  # nothing comes: it returns at the end
        if not over.is_set():
            os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch, name="client", daemon=True).start()
    return over


if __name__ == "__main__":
    main()
