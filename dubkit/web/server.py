"""What the page and its routes share: store, queue, drafts, engines; and what they show of a job.

What is shown never contains a path of the server or anything of its environment.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dubkit.cli.sync import WAYS
from dubkit.subtitles.source import format_of
from dubkit.system.programs import release, start_program, stop_program

from ..errors import DubkitError, InputError, UsageError
from . import arguments, fields, retranslation, store, targets
from .catalog import Catalog
from .drafts import Drafts, languages
from .jobs import Job, Queue, last_event, read_events
from .live.streams import Streams
from .quota import KEPT
from .redaction import redact
from .store import Session, Store, Video

SWEEP = 600.0
"""Seconds between two searches for files that are too old."""


@dataclass
class Server:
    """The state of a running page."""

    store: Store
    queue: Queue
    local_plugins: bool = False
    temporary: Path | None = None
    """Where Gradio keeps the files that the API receives and sends."""
    drafts: Drafts = field(default_factory=Drafts)
    live: Streams = field(init=False)
    _engines: Catalog = field(default_factory=dict)
    _catalog: subprocess.Popen[bytes] | None = None
    _asked: threading.Lock = field(default_factory=threading.Lock)
    """Held for good by whoever looks them up first."""
    _cataloged: bool = False
    _more: threading.Condition = field(default_factory=threading.Condition)
    """Of the engines."""
    closed: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.live = Streams(self.store)

    def start(self) -> None:
        """Take over the jobs of an earlier server, and start the background threads."""
        self.queue.adopt(self.store.job_folders())
        self.store.drop_scratch(self.queue.ids())
        threading.Thread(target=self._sweep, name="sweep", daemon=True).start()

    def close(self) -> None:
        """Stop, together with every running job."""
        self.closed.set()
        if self._catalog:
            stop_program(self._catalog)
        self.queue.close()

    def engines(self, timeout: float = 60.0, kind: str = "") -> Catalog:
        """The output of :mod:`dubkit.web.catalog`, which the first who waits for it starts: a page
        that is opened, a job with an engine's settings, or, before them, a server of the API.
        Waits ``timeout`` seconds at most, and for those of a ``kind`` alone if one is named; empty
        if they are not known by then."""

        def known() -> bool:
            return self._cataloged or kind in self._engines

        if timeout:
            self.look_up_engines()
        with self._more:
            return self._engines if self._more.wait_for(known, timeout) else {}

    def look_up_engines(self) -> None:
        """Find out, in the background, which engines there are, unless that has begun already."""
        if self._asked.acquire(blocking=False):
            threading.Thread(target=self._load_catalog, name="engines", daemon=True).start()

    def start_job(
        self,
        session: Session,
        video: Video,
        requested: Mapping[str, Any],
        *,
        instead: bool = False,
    ) -> Job:
        """Save what was edited, and queue a job; with ``instead`` in place of the one that the
        video has. Raises Busy if it has one, and DubkitError kinds as the command does."""
        argv = self._arguments(session, video, requested)
        if instead or self._is_opening(video):
            self.queue.clear(video.folder)
        if str(video.folder) not in self.queue.folders():
            self.drafts.save_all(video)
        return self._submit(session, video, requested, argv)

    def open_text(self, session: Session, video: Video, name: str = "") -> Job:
        """Queue a job that only reads a subtitle file, so that it can be edited: ``name`` beside a
        video or among its results, or the one that this is. Another job takes its place."""
        if name in video.results():
            video.add_result(name)
        requested = {"subs": True, "subs_from": name, "video": False} if name else {"subs": True}
        argv = self._arguments(session, video, requested)
        if self._is_opening(video):
            self.queue.clear(video.folder)
        self.drafts.save_all(video)  # edits of one text are kept when it is read again
        return self._submit(session, video, requested, argv, opening=True)

    def fit_text(self, session: Session, video: Video, name: str, by: str = "auto") -> Job:
        """Queue ``dubkit sync`` of a subtitle file beside a video: its result has the times of the
        film. ``by`` is how they are found: auto, speech or words."""
        if by not in WAYS:
            raise UsageError("times are not found that way", f"one of {', '.join(WAYS)}")
        if not format_of(video.folder / video.beside(name)):
            raise InputError(f"{name} is not a subtitle file", "add a .srt or .vtt file")
        self.store.quota.for_job(session.folder)
        folder = os.path.curdir
        argv = ["sync", os.path.join(folder, video.beside(name)),  # noqa: PTH118 - Path drops it
                os.path.join(folder, video.source.name),  # noqa: PTH118
                f"--by={by}", f"--output={folder}{os.sep}"]  # fmt: skip
        if self._is_opening(video):
            self.queue.clear(video.folder)
        return self._submit(session, video, {}, argv, aside=True, fitting=name, by=by)

    def translate_again(self, session: Session, video: Video, language: str, number: int) -> Job:
        """Queue a job that translates a cue once more, as it is being edited, by engines that stay
        loaded; nothing that was made changes. Raises UsageError if it is no translation."""
        spoken = next(iter(languages(video)), "")
        wanted = (one for one in video.past_requests() if language in targets.tags(one.get("to")))
        requested = next(wanted, None)
        shown = self.drafts.open(video, language).present
        if language == spoken or requested is None or not 0 < number <= len(shown.cues):
            raise UsageError("that is no cue of a translation", "translate the video first")
        asked = retranslation.request(self.drafts.open(video, spoken).present, shown, number)
        if not asked:
            raise UsageError("nothing is spoken there", "choose another cue")
        kept = {key: value for key, value in requested.items() if key not in ("redo", "dry_run")}
        argv = [asked, *self._arguments(session, video, {**kept, "to": [language]})]
        module = "dubkit.web.retranslation"
        return self._submit(session, video, {}, argv, line=True, module=module, aside=True)

    def _is_opening(self, video: Video) -> bool:
        return any(not job.over and job.about.get("opening") for _, job in video.jobs())

    def submit(
        self, session: Session, video: Video, requested: Mapping[str, Any], *, line: bool = False
    ) -> Job:
        """Queue a job on a video with the requested options; with ``line`` one that is about a line
        of its dub. Raises Busy if it has one, and DubkitError kinds as the command does."""
        argv = self._arguments(session, video, requested)
        return self._submit(session, video, requested, argv, **({"line": True} if line else {}))

    def submit_unexamined(
        self,
        session: Session,
        video: Video,
        requested: Mapping[str, Any],
        *,
        address: str = "",
        urls: str = "",
        about: Mapping[str, object] | None = None,
    ) -> Job:
        """Queue a job that first examines its file, which nobody has, in a process that keeps its
        engines for the next such job; ``about`` is remembered with it. With an ``address`` the file
        is downloaded first, from what ``urls`` allows (:data:`.fetch.WHICH`). Raises DubkitError
        kinds as the command does."""
        argv = self._arguments(session, video, requested)
        limits = json.dumps(asdict(self.store.limits))
        if address:
            _, _, *flags = argv
            module, argv = "dubkit.web.fetched", [limits, address, urls, *flags]
        else:
            module = "dubkit.web.examined"
            argv = [limits, video.name, *argv, "--events"]
        return self._submit(session, video, requested, argv, module=module, **(about or {}))

    def _arguments(
        self, session: Session, video: Video, requested: Mapping[str, Any]
    ) -> Sequence[str]:
        found = arguments.arguments(
            requested,
            video,
            self.engines,
            local_plugins=self.local_plugins,
            languages=self.store.limits.languages,
        )
        self.store.quota.for_job(session.folder)  # rather now than when its turn has come
        return ["--no-config", *found]

    def _submit(
        self,
        session: Session,
        video: Video,
        requested: Mapping[str, Any],
        argv: Sequence[str],
        **more: object,
    ) -> Job:
        about = {"name": video.name, "wishes": dict(requested), **more}
        folder = video.new_job()
        try:
            job = self.queue.submit(folder, video.folder, session.name, argv, about)
        except DubkitError:
            folder.rmdir()
            raise
        if job.id != folder.name:  # it was joined with one that waits
            folder.rmdir()
        return job

    def again(self, session: Session, video: Video) -> Job:
        """Repeat the last job on a video, which does only what has changed since."""
        for requested in video.past_requests():
            requested.pop("redo", None)  # another take was requested once
            return self.submit(session, video, requested)
        raise UsageError("nothing was made of this video yet", "choose what to make, and start")

    def job_status(self, video: Video, folder: Path, job: Job, after: int = 0) -> dict[str, Any]:
        """A job as the page shows it, with the events from the byte ``after`` on: no path of the
        server, nothing of its environment."""
        events, next_at = read_events(folder, after)
        requested = job.about.get("wishes", {})
        return {
            "id": job.id,
            "video": video.id,
            "name": video.name,
            "state": job.state,
            "made": job.made,
            "started": job.started,
            "ended": job.ended,
            "ran": (job.ended or time.time()) - job.started if job.started else 0.0,
            "wishes": requested,
            "fitting": job.about.get("fitting", ""),
            "by": job.about.get("by", ""),
            "place": self.queue.place(folder) if job.state == "waiting" else 0,
            "events": [
                {
                    **redact_event(event),
                    "group": fields.group_about(event["message"], event["hint"], requested),
                }
                if event["event"] == "error"
                else redact_event(event)
                for event in events
            ],
            "next": next_at,
            "files": self.files(video, folder) if job.over else [],
            "languages": languages(video) if job.over else [],
        }

    def last_event(self, folder: Path, name: str) -> dict[str, Any]:
        """The last event of a name, as the page shows it; empty if there is none."""
        event = last_event(folder, name)
        return redact_event(event) if event else {}

    def files(self, video: Video, folder: Path) -> list[dict[str, Any]]:
        """The results of a job that exist, each with the number by which it is fetched."""
        end = last_event(folder, "result") or {}
        names = [Path(str(path)).name for path in end.get("outputs", ())]
        existing = set(video.results())
        return [
            {"number": number, "name": name, "size": (video.folder / name).stat().st_size}
            for number, name in enumerate(names)
            if name in existing
        ]

    def results(self, video: Video) -> list[dict[str, Any]]:
        """All results of a video that exist, whatever became of later jobs: the time at which each
        was written, and the job that wrote it, the latest first."""
        jobs = [job for _, job in video.jobs() if job.started]
        found = []
        for name in video.results():
            state = video.result(name).stat()
            makers = (job for job in jobs if (job.started or 0) <= state.st_mtime)
            maker = next(makers, None)
            found.append(
                {
                    "name": name,
                    "size": state.st_size,
                    "made": round(state.st_mtime, 3),
                    "job": maker.id if maker else "",
                    "wishes": maker.about.get("wishes", {}) if maker else {},
                }
            )
        order = {job.id: number for number, job in enumerate(jobs)}
        return sorted(found, key=lambda one: order.get(one["job"], len(order)))

    def file(self, video: Video, folder: Path, number: int) -> Path:
        """The path of a job's result. Raises InputError if it has none of that number."""
        name = {one["number"]: one["name"] for one in self.files(video, folder)}.get(number, "")
        return video.result(str(name))

    def _load_catalog(self) -> None:
        argv = [sys.executable, "-P", "-m", "dubkit.web.catalog"]
        with contextlib.suppress(OSError, ValueError):
            child = self._catalog = start_program(argv, stderr=subprocess.DEVNULL)
            assert child.stdout
            for line in child.stdout:
                with self._more:
                    self._engines = {**self._engines, **json.loads(line)}
                    self._more.notify_all()
            child.wait()
            self._catalog = None
            release(child)
        with self._more:
            self._cataloged = True
            self._more.notify_all()

    def _sweep(self) -> None:
        while not self.closed.wait(SWEEP):
            with contextlib.suppress(OSError):
                self.store.sweep(self.queue.folders())
            if self.temporary:
                store.sweep_files(self.temporary, KEPT)


def _fit_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """What ``dubkit sync`` found of a file."""
    kept = {key: found[key] for key in ("state", "by", "pieces") if key in found}
    warnings = [redact(one) for one in found.get("warnings", ())]
    return {**kept, "name": Path(str(found.get("output") or "")).name, "warnings": warnings}


def redact_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event as clients see it: with file names in place of paths."""
    kept = (
        *("event", "at", "stage", "done", "total", "step", "steps", "seconds_left"),
        *("start", "end", "text", "exit_status", "kind", "about"),
    )
    shown = {key: event[key] for key in kept if key in event}
    for key in ("message", "hint"):
        if key in event:
            shown[key] = redact(event[key])
    if event["event"] == "result":
        shown |= {key: event[key] for key in ("timings", "rtfx") if key in event}
        if "estimates" in event:
            shown["estimates"] = [{"message": redact(one["message"])} for one in event["estimates"]]
        shown["warnings"] = [redact(one) for one in event.get("warnings", ())]
        if "again" in event:  # of dubkit.web.retranslation
            shown["again"] = event["again"]
        if event.get("files"):  # of dubkit sync
            shown["fit"] = _fit_of(event["files"][0])
    return shown
