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

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from dubkit.files import read_json, replacing
from dubkit.lipsync.frames import detect_cuts
from dubkit.media.probe import probe

from ..errors import DubkitError, InputError
from . import children
from .server import Server
from .store import Video

SHOTS = ".shots"
TIMEOUT = 1800.0
"""Seconds."""
MOST = 20_000
OFTEN = 50
"""Frames after which the program says that it goes on, and is stopped if it should not."""


class Shots:
    """Finds the shots of films, one film at a time: it keeps a core busy."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._closed = threading.Event()

    def find(self, video: Video) -> list[float]:
        """Seconds at which a new shot begins, found now if that is not known; none without a
        picture. Raises InputError if the picture cannot be read, or this was closed."""
        path = video.folder / SHOTS
        if video.kind != "video":
            return []
        with self._turn:
            if not path.is_file():
                self._write(video, path)
        with suppress(OSError, ValueError, TypeError):
            return [float(time) for time in read_json(path)[:MOST]]
        return []

    def close(self) -> None:
        """Stop, together with the program that reads a film."""
        self._closed.set()

    def _write(self, video: Video, path: Path) -> None:
        bounds = video.store.child_bounds(f"reading the picture of {video.source.name}")

        def go_on(line: str) -> None:
            if self._closed.is_set():
                raise InputError("the server stops", "open the page again")

        with replacing(path) as part:
            go_on("")
            argv = [sys.executable, "-P", "-m", "dubkit.web.shots", video.source.name, part.name]
            try:
                ended = children.run(argv, bounds, go_on, video.folder, TIMEOUT)
                if ended.status or not part.stat().st_size:
                    raise ValueError(f"it ended with {ended.status}")
            except (TimeoutError, ValueError):
                hint = "the cues can be edited nevertheless"
                raise InputError("the picture cannot be read", hint) from None


def add_shot_routes(app: FastAPI, server: Server, shots: Shots) -> None:
    """Add the route of a film's shots to ``app``."""

    @app.get("/dubkit/videos/{id}/shots")
    def film_shots(request: Request, id: str) -> Response:
        """Seconds at which the film's shots begin."""
        video = server.store.session(request.scope["dubkit.token"]).video(id)
        return JSONResponse({"shots": shots.find(video)})


def main(path: Path, out: Path) -> int:
    """Write the times as JSON, and print a line now and then; returns the exit status."""
    with suppress(AttributeError, OSError):  # Windows has no nice
        os.nice(10)
    found = []
    try:
        for number, (_, time, cut) in enumerate(detect_cuts(probe(path))):
            if cut and time > 0:
                found.append(round(time, 3))
            if number % OFTEN == 0:
                print(number, flush=True)
    except DubkitError:
        return 1
    out.write_text(json.dumps(found), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
