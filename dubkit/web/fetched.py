"""``python -m dubkit.web.fetched LIMITS ADDRESS WHICH FLAG ...``: the command for the video at an
address, in the folder of the job's video, whose name it then gets.

What is downloaded (:mod:`.fetch`) is examined like any file of a stranger; a job that begins again
goes on with what is there.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dubkit.cli import events
from dubkit.engines import EngineRoom
from dubkit.media import process
from dubkit.system import faults

from ..errors import DubkitError, InputError
from . import examined
from .fetch import too_large
from .store import ABOUT, safe_name

FOLDER = ".download"


def main(argv: Sequence[str], room: EngineRoom | None = None) -> int:
    """Download the video, then as :mod:`.examined`; returns the exit status."""
    limits, address, which, *flags = argv
    try:
        with faults.reported():
            name = _name(address, which, int(json.loads(limits)["upload"]))
    except DubkitError as failure:
        events.write_error(failure, None)
        return failure.exit_status
    file = os.path.join(".", name)  # noqa: PTH118 - Path drops it
    return examined.main([limits, name, "--no-config", file, *flags, "--events"], room)


def _name(address: str, which: str, largest: int) -> str:
    """The name of the video in this folder, where it is put if it is not there yet."""
    about = json.loads(Path(ABOUT).read_text("utf-8"))
    if not about.get("fetched"):
        path = _fetch(address, which, largest)
        name = safe_name(path.name)
        Path(about["name"]).unlink(missing_ok=True)
        path.replace(name)
        about |= {"name": name, "fetched": True}
        part = Path(f"{ABOUT}.part")
        part.write_text(json.dumps(about, ensure_ascii=False), "utf-8")
        part.replace(ABOUT)
    return str(about["name"])


def _fetch(address: str, which: str, largest: int) -> Path:
    folder = Path(FOLDER)
    folder.mkdir(exist_ok=True)
    answer: dict[str, Any] = {}
    shown = events.Events()

    def take(line: str) -> None:
        found = json.loads(line)
        if "done" in found:
            shown.progress("download", found["done"], found["total"])
        else:
            answer.update(found)

    argv = [sys.executable, "-P", "-m", "dubkit.web.fetch", address, str(largest), which]
    process.run(argv, on_line=take, cwd=folder)
    if "file" not in answer:
        message = answer.get("error", "the video could not be downloaded")
        raise InputError(message, answer.get("hint", ""))
    path = folder / str(answer["file"])
    if path.stat().st_size > largest:
        raise too_large(largest)
    return path
