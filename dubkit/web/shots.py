"""Where a film's shots begin, for the timeline.

``python -m dubkit.web.shots FILE OUT`` finds it: a separate program, because an uploaded file may
be made to crash its reader. It is found once for a video and kept beside it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

from dubkit.files import cannot_write, read_json
from dubkit.lipsync.frames import detect_cuts
from dubkit.media.probe import probe

from ..errors import DubkitError, InputError
from . import children
from .store import PART, Video

SHOTS = ".shots"
TIMEOUT = 1800.0
"""Seconds."""
MOST = 20_000

_turn = threading.Lock()


def shots(video: Video) -> list[float]:
    """Seconds at which a new shot begins, found now if that is not known; none without a picture.
    Raises InputError if the picture cannot be read."""
    path = video.folder / SHOTS
    if video.kind != "video":
        return []
    with _turn:  # one at a time: it keeps a core busy
        if not path.is_file():
            part = path.with_name(f"{SHOTS}{PART}")
            bounds = video.store.child_bounds(f"reading the picture of {video.source.name}")
            try:
                argv = ["dubkit.web.shots", video.source.name, part.name]
                children.ask(argv, bounds, video.folder, TIMEOUT)
                part.replace(path)
            except (TimeoutError, ValueError):
                hint = "the cues can be edited nevertheless"
                raise InputError("the picture cannot be read", hint) from None
            except OSError as failure:
                raise cannot_write(Path(SHOTS), failure) from failure
            finally:
                part.unlink(missing_ok=True)
    with suppress(OSError, ValueError, TypeError):
        return [float(time) for time in read_json(path)[:MOST]]
    return []


def main(path: Path, out: Path) -> None:
    """Write the times as JSON, and print the result as a line of JSON."""
    with suppress(AttributeError, OSError):  # Windows has no nice
        os.nice(10)
    try:
        found = [round(time, 3) for _, time, cut in detect_cuts(probe(path)) if cut and time > 0]
        out.write_text(json.dumps(found), "utf-8")
        print(json.dumps({"shots": len(found)}))
    except DubkitError as failure:
        print(json.dumps({"error": failure.message, "hint": failure.hint}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
