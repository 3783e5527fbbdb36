"""``python warm_client.py SOCKET PROGRAM ...``: have a command run by a process that has engines
loaded, or where there is none, by itself.

The process (:mod:`.warm`) gets this one's standard output and error, so that the rest of the server
knows no difference: this one ends when the command has, with its status, and a signal to this one
stops the command. It is run as a file and needs the standard library alone.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

BEGUN, STOPPED = b"+", 130
"""What the process sends when it has the command, and the status of one that was stopped."""


COMMANDS = {"dubkit": "dubkit.cli.main"}
"""Where the main function of a package is that can use engines which are loaded."""


def main(arguments: Sequence[str]) -> int:
    """Have the command run; returns its status."""
    place, *command = arguments
    module, *argv = command[command.index("-m") + 1 :]
    asked = json.dumps(
        {"cwd": str(Path.cwd()), "module": COMMANDS.get(module, module), "argv": argv}
    ).encode()
    with socket.socket(socket.AF_UNIX) as other:
        try:
            other.connect(place)
            # One message, so that the descriptors come with all of it.
            socket.send_fds(other, [asked], [1, 2])
            begun = other.recv(1)
        except OSError:
            begun = b""
        if begun == BEGUN:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: other.shutdown(socket.SHUT_WR))
            status = b"".join(iter(lambda: other.recv(16), b""))
            return int(status or STOPPED)
    os.execv(command[0], command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
