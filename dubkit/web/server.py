"""What the page and its routes share: the store, the queue, the drafts, and what may be done."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UsageError
from . import arguments, fields, store
from .drafts import Drafts, languages
from .jobs import Job, Queue, events, last
from .store import Session, Store, Video

TEMPORARY = 3600.0
"""Seconds that Gradio's files are kept."""
SWEEP = 600.0
"""Seconds between two looks for what is too old."""
PATH = re.compile(r"(?<![\w.:/~])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\'\"<>|]+[/\\])+")
"""The folders of a path in a sentence."""
PLACES = ("_URL", "_BASE", "_HOST", "_ENDPOINT")
"""Endings of environment variables that say where the server's engines are asked."""


@dataclass
class Server:
    """A running page."""

    store: Store
    queue: Queue
    local_plugins: bool = False
    temporary: Path | None = None
    """Where Gradio keeps what the API is sent and sends."""
    drafts: Drafts = field(default_factory=Drafts)
    _engines: dict[str, dict[str, Any]] = field(default_factory=dict)
    _describing: subprocess.Popen[bytes] | None = None
    _described: threading.Event = field(default_factory=threading.Event)
    _closed: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Take over what an earlier server left, and begin to look after things."""
        self.queue.adopt(self.store.job_folders())
        threading.Thread(target=self._describe, name="engines", daemon=True).start()
        threading.Thread(target=self._sweep, name="sweep", daemon=True).start()

    def close(self) -> None:
        """Stop, and every job at work with it."""
        self._closed.set()
        if self._describing:
            self._describing.kill()
        self.queue.close()

    def engines(self, timeout: float = 60.0) -> Mapping[str, Mapping[str, Any]]:
        """What :mod:`dubkit.web.catalog` tells; waits for it at most that long."""
        self._described.wait(timeout)
        return self._engines

    def submit(self, session: Session, video: Video, wishes: Mapping[str, Any]) -> Job:
        """Have a video worked on. Raises DubkitError kinds as the command does."""
        needed = self.engines() if wishes.get("settings") else {}
        argv = arguments.arguments(wishes, video, needed, local_plugins=self.local_plugins)
        about = {"name": video.name, "wishes": dict(wishes)}
        return self.queue.submit(video.new_job(), video.folder, session.name, argv, about)

    def again(self, session: Session, video: Video) -> Job:
        """Have the command do to a video what it did last, and so only what has changed since."""
        for wishes in video.wishes():
            wishes.pop("redo", None)  # another take was wanted once
            return self.submit(session, video, wishes)
        raise UsageError("nothing was made of this video yet", "choose what to make, and start")

    def told(self, video: Video, folder: Path, job: Job, after: int = 0) -> dict[str, Any]:
        """A job as the page is told of it, with the events from ``after`` on: no path of the
        server, nothing of its environment."""
        some, at = events(folder, after)
        wishes = job.about.get("wishes", {})
        return {
            "id": job.id,
            "video": video.id,
            "name": video.name,
            "state": job.state,
            "made": job.made,
            "started": job.started,
            "ended": job.ended,
            "wishes": wishes,
            "place": self.queue.place(folder) if job.state == "waiting" else 0,
            "events": [
                {
                    **_clean(event),
                    "group": fields.group_about(event["message"], event["hint"], wishes),
                }
                if event["event"] == "error"
                else _clean(event)
                for event in some
            ],
            "next": at,
            "files": self.files(video, folder) if job.over else [],
            "languages": languages(video) if job.over else [],
        }

    def last_event(self, folder: Path, name: str) -> dict[str, Any]:
        """The last event of a name, as the page is told of it; empty where there is none."""
        found = last(folder, name)
        return _clean(found) if found else {}

    def files(self, video: Video, folder: Path) -> list[dict[str, Any]]:
        """The results of a job that are there, each with the number that it is fetched by."""
        end = last(folder, "result") or {}
        names = [Path(str(path)).name for path in end.get("outputs", ())]
        there = set(video.results())
        return [
            {"number": number, "name": name, "size": (video.folder / name).stat().st_size}
            for number, name in enumerate(names)
            if name in there
        ]

    def file(self, video: Video, folder: Path, number: int) -> Path:
        """The path of a job's result. Raises InputError where it has none of that number."""
        name = {one["number"]: one["name"] for one in self.files(video, folder)}.get(number, "")
        return video.result(str(name))

    def _describe(self) -> None:
        argv = [sys.executable, "-m", "dubkit.web.catalog"]
        with (
            contextlib.suppress(OSError, ValueError),
            subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            ) as self._describing,
        ):
            self._engines = json.loads(self._describing.communicate()[0])
        self._described.set()

    def _sweep(self) -> None:
        while not self._closed.wait(SWEEP):
            with contextlib.suppress(OSError):
                self.store.sweep(self.queue.folders())
            if self.temporary:
                store.sweep_files(self.temporary, TEMPORARY)


def said(sentence: object) -> str:
    """A sentence of the command's without what is the server's own business: its folders, and the
    addresses in its environment, which go by their names."""
    told = PATH.sub("", str(sentence))
    for name, value in os.environ.items():
        place = value.rstrip("/")
        if name.endswith(PLACES) and len(place) > 3:
            told = told.replace(place, name)
    return told


def _clean(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event with names in the place of paths."""
    kept = ("event", "at", "stage", "done", "total", "start", "end", "text", "exit_status", "kind")
    told = {key: event[key] for key in kept if key in event}
    for key in ("message", "hint"):
        if key in event:
            told[key] = said(event[key])
    if event["event"] == "result":
        told |= {key: event[key] for key in ("timings", "rtfx") if key in event}
        if "estimates" in event:
            told["estimates"] = [{"message": said(one["message"])} for one in event["estimates"]]
        told["warnings"] = [said(one) for one in event.get("warnings", ())]
    return told
