"""``python -m dubkit.web.fetch ADDRESS LARGEST WHICH``: the video at a stranger's address, by
yt-dlp, into the folder that this runs in.

A process of its own, since what it keeps from happening cannot be allowed again: connections to
anything but public addresses, whatever a name or a redirect leads to (unless WHICH is ``all``), and
other programs than ffmpeg on files. Each line is a JSON object: ``done`` and ``total``, in bytes;
at last the ``file``, or ``error`` and ``hint``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dubkit.cli.download import download
from dubkit.system import faults

from ..errors import DubkitError, InputError
from .addresses import is_public, resolve

WHICH = ("public", "all")
"""The addresses that may be named: of the internet, or also of private networks."""
ALLOWING = "--allow-urls all"
CONNECTING = ("socket.connect", "socket.sendto", "socket.sendmsg")
PROGRAMS = ("ffmpeg", "ffprobe")


class Forbidden(PermissionError):
    """Something that must not happen here."""


def confine(private: bool) -> None:
    """From now on this process connects to public addresses alone, unless ``private`` ones are
    allowed, and starts nothing but ffmpeg on files. It cannot be undone."""

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event in CONNECTING and not private:
            place = arguments[1]
            # A name that a system call looks up again may lead elsewhere by then.
            if not (isinstance(place, tuple) and place and is_public(str(place[0]))):
                raise Forbidden("it leads to a private address")
        elif event == "subprocess.Popen":
            given = arguments[1]  # on Windows one text
            argv = [given] if isinstance(given, str) else [os.fsdecode(one) for one in given]
            program = Path(os.fsdecode(arguments[0] or argv[0].lstrip('"').partition('"')[0]))
            if not program.name.startswith(PROGRAMS) or any("://" in one for one in argv):
                raise Forbidden("it needs another program")
        elif event in ("os.exec", "os.spawn"):
            raise Forbidden("it needs another program")

    sys.addaudithook(look)


def fetch(address: str, largest: int, which: str) -> Path:
    """Download the video at an address into the folder at hand. Raises DubkitError kinds."""
    private = which == "all"
    resolve(address, "the address", private=private, allowing=ALLOWING)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]  # who connects for others would not be asked where to
    # It connects by itself, so yt-dlp must not find it.
    sys.modules["curl_cffi"] = None  # type: ignore[assignment]
    confine(private)

    def progress(stage: str, done: float, total: float) -> None:
        if max(done, total) > largest:
            raise too_large(largest)
        print(json.dumps({"done": done, "total": total}), flush=True)

    found, failed = download(address, Path(), None, progress, alone=True)
    for _, failure in failed:
        raise failure
    return found[0].path


def too_large(largest: int) -> InputError:
    """The error for a video that has more bytes than it may."""
    return InputError(
        f"the video is larger than the {largest / 1e6:,.0f} MB that may be sent",
        "the server's --max-upload sets the limit",
    )


def main(argv: Sequence[str]) -> None:
    address, largest, which = argv
    try:
        with faults.reported():
            answer = {"file": str(fetch(address, int(largest), which))}
    except DubkitError as failure:
        answer = {"error": failure.message, "hint": failure.hint}
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
