"""Jobs: everything that the command can make of a video, followed, cancelled and fetched later.

``POST /v1/jobs`` takes a file, the path of one under ``--root``, or an address where the server
allows that, and the fields of :class:`dubkit.Options` by their names: as a form, or as a JSON
object. Options that name a file (``script``, ``glossary``, ...) are small files of the form.
"""

from __future__ import annotations

import functools
import json
import typing
from collections.abc import AsyncIterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse

from dubkit.cli.inputs import MEDIA_SUFFIXES
from dubkit.errors import DubkitError
from dubkit.options import Option, Options, checked_value, list_options
from dubkit.subtitles.source import format_of
from dubkit.web import fetch, targets
from dubkit.web.addresses import resolve
from dubkit.web.arguments import EMPTY
from dubkit.web.jobs import read_job
from dubkit.web.server import redact_event
from dubkit.web.store import Session, Video

from . import models, schema
from .bodies import Form, Text, read_form, read_json
from .calls import IDLE, KEPT, Api, follow, in_thread
from .errors import Refusal, refusal
from .webhooks import Webhooks, check_address

OPTIONS: Mapping[str, Option] = {one.name: one for one in list_options(Options) if one.page}
"""The options that a job may set."""
TEXTS = tuple(name for name, one in OPTIONS.items() if one.file)
"""Those that are files."""
SCRIPT = "script.txt"
"""The name of a script that is sent as a text."""
OWN = ("path", "url", "webhook")
"""Fields of a job that are no options."""


def add_routes(app: FastAPI, api: Api, webhooks: Webhooks) -> None:
    """Add the routes to the API's application."""

    @app.post(
        "/v1/jobs",
        operation_id="create_job",
        status_code=201,
        response_model=schema.Job,
        openapi_extra=schema.job(OPTIONS.values()),
    )
    async def create(request: Request) -> Response:
        """Start a job on a file that is sent as ``file``, is under the server's ``--root`` at
        ``path``, or is downloaded from ``url``; the other fields are options. ``script`` (what is
        spoken, as a text), ``subs_from``, ``glossary`` and ``speakers_from`` may be files of the
        form. ``webhook`` is called with the job when it ends."""
        session = api.session(KEPT)
        video, texts, asked = await _asked(request, session)
        try:
            webhook = str(asked.pop("webhook", "") or "")
            if webhook:
                await in_thread(check_address, webhook, webhooks.private)
            path, url = (str(asked.pop(name, "") or "") for name in ("path", "url"))
            if url and not api.urls:
                message = "this server takes no addresses of videos: send the file"
                raise Refusal(400, message, "url", "url_not_allowed")
            if bool(path) + bool(url) + bool(video) != 1:
                message = "send one file, the path of one under --root, or one url"
                raise Refusal(400, message, "file")
            requested = api.with_defaults(_checked(_with_tags(asked)))
            name = video.name if video else path
            is_text = "subs_from" in texts or format_of(Path(name)) is not None
            await models.check_languages(api, requested, is_text=is_text)
            try:
                if path:
                    video = await in_thread(session.link, path)
                elif url:
                    video = await in_thread(_place_for, api, session, url)
                assert video
                for name, text in texts.items():
                    requested[name] = await in_thread(_attach, session, video, text)
                about = {"webhook": webhook} if webhook else {}
                submit = functools.partial(
                    api.server.submit_unexamined, address=url, urls=api.urls, about=about
                )
                job = await in_thread(submit, session, video, requested)
            except DubkitError as failure:
                place = "path" if path else "url" if url else None
                raise refusal(failure, None if video else place) from failure
        except Refusal:
            if video:
                await in_thread(video.delete)
            raise
        folder = video.job_folder(job.id)
        if webhook:
            webhooks.add(folder)
        return JSONResponse(await in_thread(shown, api, folder), 201)

    @app.get("/v1/jobs", operation_id="list_jobs", response_model=schema.Jobs)
    def listed() -> Response:
        """All jobs that are kept, the latest first."""
        found = api.session(KEPT).jobs()
        data = [shown(api, folder) for _, folder, _ in found]
        return JSONResponse({"object": "list", "data": data})

    @app.get("/v1/jobs/{id}", operation_id="retrieve_job", response_model=schema.Job)
    def status(id: str) -> Response:
        """A job: its state, how far it is, what is wrong, its files."""
        _, folder = _job(api, id)
        return JSONResponse(shown(api, folder))

    @app.get(
        "/v1/jobs/{id}/events",
        operation_id="stream_job",
        responses={200: {"content": {"text/event-stream": {}}}},
        response_class=StreamingResponse,
    )
    async def events(request: Request, id: str, after: int = 0) -> Response:
        """What the job reports, as server-sent events, to its end; from the event on whose id is
        ``after``, or Last-Event-ID."""
        _, folder = await in_thread(_job, api, id)
        last = request.headers.get("last-event-id", "")
        begin = int(last) if last.isdecimal() and len(last) < 16 else max(after, 0)
        stream = _stream(api, request, folder, begin)
        return StreamingResponse(stream, media_type="text/event-stream")

    @app.post("/v1/jobs/{id}/cancel", operation_id="cancel_job", response_model=schema.Job)
    def cancel(id: str) -> Response:
        """Stop a job; what it has made stays."""
        video, folder = _job(api, id)
        api.server.queue.clear(video.folder)
        return JSONResponse(shown(api, folder))

    @app.delete("/v1/jobs/{id}", operation_id="delete_job", response_model=schema.Deleted)
    def delete(id: str) -> Response:
        """Stop a job, and delete its file with everything that was made of it."""
        video, _ = _job(api, id)
        api.server.queue.clear(video.folder)
        video.delete()
        return JSONResponse({"id": id, "object": "job", "deleted": True})

    @app.get(
        "/v1/jobs/{id}/files/{number}",
        operation_id="retrieve_job_file",
        responses={200: {"content": {"application/octet-stream": {}}}},
        response_class=FileResponse,
    )
    def file(id: str, number: int) -> Response:
        """A result; supports ranges."""
        video, folder = _job(api, id)
        try:
            path = api.server.file(video, folder, number)
        except DubkitError as failure:
            raise Refusal(404, f"there is no file {number} of that job", "number") from failure
        headers = {"Content-Security-Policy": "sandbox", "Cache-Control": "private, no-cache"}
        return FileResponse(path, filename=path.name, headers=headers)


async def _asked(
    request: Request, session: Session
) -> tuple[Video | None, dict[str, Text], dict[str, Any]]:
    """The file that was sent, if one was, the texts that belong to it, and the fields."""
    known, video, texts = [*OPTIONS, *OWN], None, {}
    if request.headers.get("content-type", "").startswith("multipart/"):
        form = await read_form(request, session, known, required=False, examine=True, texts=TEXTS)
        video, texts = form.video, dict(form.texts)
        try:
            fields = _fields(form)
        except Refusal:
            if video:
                await in_thread(video.delete)
            raise
    else:
        fields = await read_json(request, known)
    if script := fields.pop("script", None):
        texts["script"] = Text(SCRIPT, str(script).encode("utf-8", "replace"))
    return video, texts, fields


def _with_tags(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a request with the tags of its languages. Raises Refusal for what is none."""
    found = dict(asked)
    for name in ("to", "language"):
        given = found.get(name)
        if isinstance(given, str | list):
            known = [models.understood(one, name) for one in targets.tags(given) if one]
            found[name] = ",".join(known) if isinstance(given, str) else known
    return found


def _checked(asked: dict[str, Any]) -> dict[str, Any]:
    """The fields of a request, each by itself; the files that they name, and what goes together,
    are looked at with the video. Raises Refusal."""
    for name, value in asked.items():
        if OPTIONS[name].file or value in EMPTY:
            continue
        try:
            checked_value(OPTIONS[name], value)
        except DubkitError as failure:
            raise refusal(failure, name) from failure
    return asked


def _attach(session: Session, video: Video, text: Text) -> str:
    """Put a text beside the file that it belongs to; returns its name there."""
    upload = session.receive(text.name, len(text.content), beside=video)
    try:
        upload.write(text.content)
        made = upload.finish(examine=format_of(Path(upload.name)) is not None)
    finally:
        upload.drop()
    assert isinstance(made, Path)
    return made.name


def _place_for(api: Api, session: Session, url: str) -> Video:
    """A video whose file its job downloads. Raises InputError for an address that is not
    allowed."""
    private = api.urls == "all"
    resolve(url, "the url", private=private, allowing=fetch.ALLOWING)
    name = PurePosixPath(urlsplit(url).path).name
    upload = session.receive(name if Path(name).suffix.lower() in MEDIA_SUFFIXES else "video", 0)
    try:
        upload.write(b"")
        made = upload.finish(examine=False)
    finally:
        upload.drop()
    assert isinstance(made, Video)
    return made


def _fields(form: Form) -> dict[str, Any]:
    """The values of a form, which are all text, by the types of the options."""
    found: dict[str, Any] = {}
    for name, values in form.fields.items():
        kind = OPTIONS[name].type if name in OPTIONS else str
        last = values[-1]
        if kind is tuple:
            found[name] = list(values) if len(values) > 1 else last
        elif kind is bool:
            if last.lower() not in ("true", "false", "1", "0"):
                raise Refusal(400, f"{name} is true or false, not {last[:80]!r}", name)
            found[name] = last.lower() in ("true", "1")
        elif typing.get_origin(kind) is Mapping or kind is Mapping:
            try:
                found[name] = json.loads(last)
            except (ValueError, RecursionError) as failure:
                raise Refusal(400, f"{name} is a JSON object", name) from failure
        elif kind in (int, float):
            try:
                found[name] = kind(last)
            except ValueError as failure:
                raise Refusal(400, f"{name} is a number, not {last[:80]!r}", name) from failure
        else:
            found[name] = last
    return found


def _job(api: Api, id: str) -> tuple[Video, Path]:
    try:
        video, folder, _ = api.session(KEPT).job(id)
    except DubkitError as failure:
        raise Refusal(404, "there is no such job", "id", "job_not_found") from failure
    return video, folder


def shown(api: Api, folder: Path) -> dict[str, Any]:
    """A job as clients see it: no path of the server, nothing of its environment."""
    job, server = read_job(folder), api.server
    video = Video(server.store, folder.parent.parent)
    progress, error = server.last_event(folder, "progress"), server.last_event(folder, "error")
    result = server.last_event(folder, "result")
    files = server.files(video, folder) if job.over else []
    return {
        "id": job.id,
        "object": "job",
        "state": job.state,
        "name": video.name,
        "created_at": job.made,
        "started_at": job.started,
        "ended_at": job.ended,
        "place": server.queue.place(folder) if job.state == "waiting" else 0,
        "progress": {k: v for k, v in progress.items() if k not in ("event", "at")} or None,
        "error": {"message": error["message"], "hint": error.get("hint", "")} if error else None,
        "warnings": result.get("warnings", []),
        "files": [{**one, "url": f"/v1/jobs/{job.id}/files/{one['number']}"} for one in files],
        "options": dict(job.about.get("wishes", {})),
    }


async def _stream(api: Api, request: Request, folder: Path, after: int) -> AsyncIterator[str]:
    """The events of a job, and at its end the job itself."""
    try:
        async for event, place in follow(api, request, folder, after):
            if event["event"] == IDLE:
                yield ": waiting\n\n"  # a comment, which clients skip
                continue
            data = json.dumps(redact_event(event), ensure_ascii=False)
            # Where to go on after it; of several that came at once, after the last one.
            id = "" if place is None else f"id: {place}\n"
            yield f"{id}event: {event['event']}\ndata: {data}\n\n"
    except Refusal:  # what has gone wrong is in the job
        if await request.is_disconnected():
            return
    with_job = json.dumps(await in_thread(shown, api, folder), ensure_ascii=False)
    yield f"event: job\ndata: {with_job}\n\n"
