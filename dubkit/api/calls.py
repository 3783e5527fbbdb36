"""What routes share: a request as a job, from its file to its result, and nothing left of it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from fastapi import Request

from dubkit import subtitles
from dubkit.errors import DubkitError
from dubkit.options import Options, list_options
from dubkit.subtitles.source import format_of
from dubkit.types import Track
from dubkit.web.jobs import last_event, read_events, read_job
from dubkit.web.server import Server
from dubkit.web.store import Session, Video

from .errors import Refusal, failed, refusal

POLL = 0.05
"""Seconds between two looks at a job."""
LOOK = 0.5
"""Seconds between two looks at whether the client is still there."""
QUIET = 15.0
"""Seconds without events after which that is reported: proxies close what is silent for long."""
IDLE = "idle"
"""The event that reports it."""
REQUESTS, KEPT = "requests", "jobs"
"""What a session is for: files of one request each, and those of jobs."""


@dataclass(frozen=True, slots=True)
class Api:
    """What the routes of the API share."""

    server: Server
    key: str
    models: Sequence[str] = ()
    """Those that requests may name beside the installed ones; the first is the default."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """Fields of options, for requests that leave them open."""
    urls: str = ""
    """Which addresses of videos jobs may name (:data:`dubkit.web.fetch.WHICH`); empty for none."""

    def session(self, purpose: str) -> Session:
        """The files of everybody who has the key, for a purpose: what is deleted after each
        request is not among what is kept."""
        secret = hashlib.sha256(f"dubkit {purpose} {self.key}".encode()).digest()
        token = base64.urlsafe_b64encode(secret).decode().rstrip("=")
        return self.server.store.session(token)

    def with_defaults(self, requested: Mapping[str, Any]) -> dict[str, Any]:
        """The options of a request, and the defaults of those that matter to it."""
        known = {one.name: one for one in list_options(Options)}
        found = dict(requested)
        for name, value in self.defaults.items():
            if name not in found and (not known[name].needs or found.get(known[name].needs)):
                found[name] = value
        return found

    def clear(self) -> None:
        """Delete what requests to an earlier server have left behind, whose clients are gone."""
        for path in self.session(REQUESTS).folder.glob("*"):
            Video(self.server.store, path).delete()


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a request."""

    track: Track
    duration: float
    """Seconds of media."""
    language: str
    """The language spoken."""
    warnings: Sequence[str]


async def in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function that waits for the disk returns."""
    run: Callable[..., Awaitable[Any]] = anyio.to_thread.run_sync
    return await run(function, *arguments)


@contextlib.asynccontextmanager
async def temporary(api: Api, video: Video) -> AsyncIterator[Video]:
    """A file for one request: at the end its job is cancelled, and everything deleted."""

    def delete() -> None:
        api.server.queue.clear(video.folder)
        video.delete()

    try:
        yield video
    finally:
        with anyio.CancelScope(shield=True):
            await in_thread(delete)


async def follow(
    api: Api, request: Request, folder: Path, after: int = 0
) -> AsyncIterator[tuple[Mapping[str, Any], int | None]]:
    """The events of a job from the byte ``after`` on, until it has ended well; with the last of
    those that come at once, the byte at which to continue. Where there are none for long,
    :data:`IDLE`. Raises Refusal if the job has failed, and if the client has gone."""
    waited, quiet = 0.0, 0.0
    while True:
        over = (await in_thread(read_job, folder)).over
        events, after = await in_thread(read_events, folder, after)
        for number, event in enumerate(events, 1):
            yield event, after if number == len(events) else None
        if over and not events:
            break
        if events:
            quiet = 0.0
        else:
            await anyio.sleep(POLL)
            waited += POLL
            quiet += POLL
            if quiet >= QUIET:
                quiet = 0.0
                yield {"event": IDLE}, None
            if waited >= LOOK:
                waited = 0.0
                if await request.is_disconnected():
                    raise Refusal(499, "the client has gone")
    job = await in_thread(read_job, folder)
    if error := api.server.last_event(folder, "error"):
        raise failed({**(last_event(folder, "error") or {}), **error})
    if job.state != "done":
        raise Refusal(503, f"the request was {job.state}: send it again")


async def ended(api: Api, request: Request, folder: Path) -> None:
    """Wait for a job to end well; raises as :func:`follow`."""
    async for _ in follow(api, request, folder):
        pass


async def start(api: Api, video: Video, requested: Mapping[str, Any]) -> Path:
    """Queue the command for a file of a request; returns the folder of the job. Raises Refusal."""
    refuse_text(video)
    session = api.session(REQUESTS)
    try:
        job = await in_thread(api.server.submit_unexamined, session, video, requested)
    except DubkitError as failure:
        raise refusal(failure) from failure
    return video.job_folder(job.id)


def refuse_text(video: Video) -> None:
    """Raise Refusal for a file in which nobody can speak."""
    if format_of(Path(video.name)):
        raise Refusal(400, f"{video.name} is a text: send sound, or a video", "file")


async def start_module(api: Api, video: Video, module: str, argv: Sequence[str]) -> Path:
    """Queue a module for a file of a request; returns the folder of the job. Raises Refusal."""

    def submit() -> Path:
        folder = video.new_job()
        about = {"name": video.name, "wishes": {}, "module": module}
        api.server.queue.submit(folder, video.folder, REQUESTS, argv, about)
        return folder

    try:
        folder: Path = await in_thread(submit)
    except DubkitError as failure:
        raise refusal(failure) from failure
    return folder


def read_result(video: Video, folder: Path, target: str = "") -> Done:
    """What a job has made with the options ``formats="json"``: the text in the ``target``
    language, or in the one that is spoken."""
    end = last_event(folder, "result") or {}
    (about,) = end["results"]
    language = str(about["language"])
    wanted = target or language
    names = [Path(str(path)).name for path in end["outputs"]]
    name = next((one for one in names if one.endswith(f".{wanted}.json")), names[0])
    track = subtitles.read(video.folder / name, wanted)
    return Done(track, float(about["duration"]), language, tuple(about["warnings"]))
