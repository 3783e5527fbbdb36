"""The page's own routes, beside Gradio's: uploads, jobs, files and edits, as JSON and as bytes.

A browser is identified by the cookie from :mod:`dubkit.web.guard`; ids of another session are as
unknown as ids that never existed. A failure is ``{"message": ..., "hint": ...}``, in the same
sentences as the command's, with the status 400 (or 507 if the disk is full).
"""

from __future__ import annotations

import base64
import functools
import json
import mimetypes
import zipfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import anyio
from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from starlette.requests import ClientDisconnect

from dubkit import subtitles

from ..errors import DubkitError, InputError, OutputError, UsageError
from . import differences, fields, states, still, takes, targets, texts, waveform, wording
from .drafts import languages
from .editing import Rules
from .guard import HEALTH
from .redaction import redact
from .server import Server
from .store import Session, Upload, Video

ASSETS = Path(__file__).parent / "assets"
BLOCK = 2**20
"""Bytes of an upload that are written at a time."""
STALLED = 120.0
"""Seconds without a byte after which the sender is considered gone."""
TYPES = {".vtt": "text/vtt", ".srt": "application/x-subrip", ".mkv": "video/x-matroska"}
SHOWN = ("video/", "audio/")
"""Types that a browser may display; everything else is only ever saved to disk."""
NO_STORE = {"Cache-Control": "no-store"}


def add_routes(app: FastAPI, server: Server) -> None:
    """Add the routes to ``app``, which :mod:`dubkit.web.guard` must wrap."""

    def session_of(request: Request) -> Session:
        return server.store.session(request.scope["dubkit.token"])

    @app.exception_handler(DubkitError)
    async def failed(request: Request, failure: DubkitError) -> Response:
        full = isinstance(failure, OutputError) and "disk is full" in failure.message
        shown = wording.error(error_json(failure), _language(request))
        return JSONResponse(shown, 507 if full else 400, headers=NO_STORE)

    @app.get(HEALTH)
    async def healthz() -> Response:
        running, waiting = server.queue.counts
        return JSONResponse({"status": "ok", "running": running, "waiting": waiting})

    @app.get("/dubkit/assets/{name}")
    async def asset(name: str) -> Response:
        path = ASSETS / name
        if name not in {one.name for one in ASSETS.iterdir()}:
            return Response(status_code=404)
        return FileResponse(path, headers={"Cache-Control": "no-cache"})

    @app.get("/dubkit/texts")
    async def page_texts(language: str = "en") -> Response:
        return JSONResponse(dict(texts.texts(texts.best(language))))

    # -------------------------------------------------------- videos

    @app.get("/dubkit/videos")
    def videos(request: Request) -> Response:
        """The history: every video of the session with its jobs, the latest first."""
        cards = [whole_card(video) for video in session_of(request).videos()]
        return JSONResponse(cards, headers=NO_STORE)

    @app.get("/dubkit/videos/{id}")
    def one_video(request: Request, id: str) -> Response:
        """A video with its jobs and all its results."""
        return JSONResponse(whole_card(session_of(request).video(id)), headers=NO_STORE)

    @app.put("/dubkit/videos")
    async def upload(request: Request, name: str) -> Response:
        """A whole video, audio or subtitle file as the body."""
        session = session_of(request)
        made = await _receive_body(request, lambda size: session.receive(name, size))
        assert isinstance(made, Video)
        return JSONResponse(card(made))

    @app.put("/dubkit/videos/{id}/other")
    async def upload_other(request: Request, id: str, name: str) -> Response:
        """A subtitle file, a glossary or a diarization file that belongs to a video."""
        session = session_of(request)
        video = session.video(id)
        made = await _receive_body(request, lambda size: session.receive(name, size, beside=video))
        assert isinstance(made, Path)
        return JSONResponse({"name": made.name, "added": added(video)})

    @app.post("/dubkit/videos/{id}/open")
    async def open_text(request: Request, id: str) -> Response:
        """``{"text": name}``: read a subtitle file that was added to a video, or (without a name)
        the one that this is, so that its cues can be edited."""
        session = session_of(request)
        video, name = session.video(id), str((await _json(request)).get("text", ""))
        job = await anyio.to_thread.run_sync(server.open_text, session, video, name)
        return JSONResponse({"job": job.id})

    @app.get("/dubkit/videos/{id}/other")
    def other(request: Request, id: str, name: str) -> Response:
        """A file that was added to a video."""
        video = session_of(request).video(id)
        return _file(video.folder / video.beside(name), shown=False)

    @app.get("/dubkit/videos/{id}/script")
    def script_differences(request: Request, id: str) -> Response:
        """What of the script of a video's last job nobody speaks, and what is spoken besides."""
        found = differences.read(session_of(request).video(id))
        return JSONResponse(found, headers=NO_STORE)

    @app.post("/dubkit/videos/{id}/fit")
    async def fit_text(request: Request, id: str) -> Response:
        """``{"text": name}``: find the times of a subtitle file that was added to a video, as
        ``dubkit sync`` does; with ``"by": "words"`` by what is spoken."""
        session = session_of(request)
        video, body = session.video(id), await _json(request)
        name, by = str(body.get("text", "")), str(body.get("by", "auto"))
        job = await anyio.to_thread.run_sync(server.fit_text, session, video, name, by)
        return JSONResponse({"job": job.id})

    @app.delete("/dubkit/videos/{id}/other")
    def delete_other(request: Request, id: str, name: str) -> Response:
        """Delete a file that was added to a video."""
        video = session_of(request).video(id)
        path = video.folder / video.beside(name)
        if name in map(str, next(video.past_requests(), {}).values()):
            raise UsageError(f"{name} is used by the last job", "start a job without it first")
        path.unlink(missing_ok=True)
        return JSONResponse({"added": added(video)})

    @app.delete("/dubkit/videos/{id}")
    def delete(request: Request, id: str) -> Response:
        video = session_of(request).video(id)
        for folder, job in video.jobs():
            if not job.over:
                server.queue.cancel(folder)
        video.delete()
        return JSONResponse({})

    @app.get("/dubkit/root")
    def browse(path: str = "") -> Response:
        """The entries of a folder under ``--root``."""
        return JSONResponse([asdict(one) for one in server.store.browse(path)], headers=NO_STORE)

    @app.post("/dubkit/root")
    async def choose(request: Request) -> Response:
        """``{"path": ...}``: add a file under ``--root`` as a video of this session."""
        path = str((await _json(request)).get("path", ""))
        session = session_of(request)
        return JSONResponse(card(await anyio.to_thread.run_sync(session.link, path)))

    @app.get("/dubkit/videos/{id}/media")
    def media(request: Request, id: str) -> Response:
        """The file itself, for the player; supports ranges."""
        video = session_of(request).video(id)
        video.touch()
        return _file(video.source, shown=True)

    @app.get("/dubkit/videos/{id}/files/{name}")
    def video_result(request: Request, id: str, name: str, play: bool = False) -> Response:
        """A result, to be saved or, with ``play``, shown by the player."""
        return _file(session_of(request).video(id).result(name), shown=play)

    @app.get("/dubkit/videos/{id}/zip")
    def all_results(request: Request, id: str) -> Response:
        """All results of a video as one file."""
        video = session_of(request).video(id)
        paths = [video.result(name) for name in video.results()]
        if not paths:
            raise InputError("there are no results", "start a job first")
        return StreamingResponse(
            _stream_zip(paths),
            media_type="application/zip",
            headers={**_saved_as(f"{Path(video.name).stem}.zip"), **NO_STORE},
        )

    @app.get("/dubkit/videos/{id}/peaks")
    def peaks(request: Request, id: str) -> Response:
        """The loudness of the audio, a byte for each 20 ms."""
        path = waveform.peaks(session_of(request).video(id), server.closed)
        return FileResponse(
            path, media_type="application/octet-stream", headers={"Cache-Control": "private"}
        )

    # -------------------------------------------------------- jobs

    @app.post("/dubkit/jobs")
    async def submit(request: Request) -> Response:
        """``{"video": id, "wishes": {...}}``: start a job with these options, which
        :mod:`dubkit.web.arguments` describes; with ``"instead": true`` in place of the one that
        works on the video."""
        body = await _json(request)
        session = session_of(request)
        video = session.video(str(body.get("video", "")))
        requested = body.get("wishes")
        if not isinstance(requested, dict):
            raise UsageError(
                '"wishes" is not an object', '{"video": ..., "wishes": {"subs": true}}'
            )
        instead = body.get("instead") is True
        submit = functools.partial(server.start_job, session, video, requested, instead=instead)
        job = await anyio.to_thread.run_sync(submit)
        return JSONResponse({"job": job.id})

    @app.get("/dubkit/jobs/{id}")
    def job(request: Request, id: str, after: int = 0) -> Response:
        """A job's status, with its events from the byte ``after`` on; continue with ``next``."""
        video, folder, found = session_of(request).job(id)
        status = server.job_status(video, folder, found, max(after, 0))
        language = _language(request)
        events = [wording.error(event, language) for event in status["events"]]
        return JSONResponse({**status, "events": events}, headers=NO_STORE)

    @app.post("/dubkit/jobs/{id}/cancel")
    def cancel(request: Request, id: str) -> Response:
        _, folder, _ = session_of(request).job(id)
        return JSONResponse({"cancelled": server.queue.cancel(folder)})

    @app.post("/dubkit/jobs/{id}/again")
    async def again(request: Request, id: str) -> Response:
        """Run the same job again: one that was stopped resumes where it was."""
        session = session_of(request)
        video, _, found = session.job(id)
        requested = found.about.get("wishes", {})
        if name := found.about.get("fitting"):
            repeat = functools.partial(server.fit_text, session, video, name, found.about["by"])
        else:
            repeat = functools.partial(server.submit, session, video, requested)
        made = await anyio.to_thread.run_sync(repeat)
        return JSONResponse({"job": made.id})

    @app.get("/dubkit/jobs/{id}/files/{number}")
    def result(request: Request, id: str, number: int, play: bool = False) -> Response:
        """A result, to be saved or, with ``play``, shown by the player."""
        video, folder, _ = session_of(request).job(id)
        return _file(server.file(video, folder, number), shown=play)

    # -------------------------------------------------------- cues

    @app.get("/dubkit/videos/{id}/tracks/{language}.vtt")
    def track(request: Request, id: str, language: str) -> Response:
        """The cues of the draft, for the player."""
        video = session_of(request).video(id)
        present = server.drafts.open(video, language).present
        return Response(subtitles.render(present, "vtt"), media_type="text/vtt", headers=NO_STORE)

    @app.get("/dubkit/videos/{id}/cues/{language}")
    def open_cues(request: Request, id: str, language: str) -> Response:
        """The cues of a language with the faults that the check finds in each."""
        video = session_of(request).video(id)
        answer = _cues(server, video, language)
        return JSONResponse(wording.of_cues(answer, _language(request)), headers=NO_STORE)

    @app.post("/dubkit/videos/{id}/cues/{language}")
    async def edit_cues(request: Request, id: str, language: str) -> Response:
        """``{"version": ..., "edit": "split", "number": 3, ...}``; see
        :data:`dubkit.web.editing.EDITS`; a language is one as people type it. The answer is
        that of GET or, with the versions ``since`` which the page wants to know,
        ``{"changes": {LANGUAGE: ...}}``."""
        video = session_of(request).video(id)
        edit = await _json(request)
        version, since = str(edit.pop("version", "")), edit.pop("since", None)

        def answer() -> dict[str, Any]:
            if isinstance(typed := edit.get("language"), str):
                edit["language"] = targets.understood(typed, texts.best(_language(request)))
            server.drafts.edit(video, language, edit, version)
            if not isinstance(since, dict):
                return _cues(server, video, language)
            return {
                "changes": {
                    str(tag): _cues(server, video, str(tag), str(known))
                    for tag, known in since.items()
                }
            }

        found = wording.of_cues(await anyio.to_thread.run_sync(answer), _language(request))
        return JSONResponse(found, headers=NO_STORE)

    @app.post("/dubkit/videos/{id}/cues/{language}/{number}/again")
    def translate_again(request: Request, id: str, language: str, number: int) -> Response:
        """Translate a cue once more; the job's result has the new texts by number of the cue."""
        session = session_of(request)
        video = session.video(id)
        return JSONResponse({"job": server.translate_again(session, video, language, number).id})

    @app.post("/dubkit/videos/{id}/cues/{language}/save")
    def save_cues(request: Request, id: str, language: str, also: str = "") -> Response:
        """Write the draft (and that of the language ``also``), and start a job that updates what
        depends on it."""
        session = session_of(request)
        video = _free(session, id)
        saved = [server.drafts.save(video, one) for one in (language, also) if one]
        if not any(saved):
            return JSONResponse({"job": None})
        return JSONResponse({"job": server.again(session, video).id})

    @app.post("/dubkit/videos/{id}/still/{language}/{number}")
    async def draw_still(request: Request, id: str, language: str, number: int) -> Response:
        """``{"style": "color=yellow"}``: the frame in the middle of a cue, with it as it would be
        burned in that style, as a JPEG in base64."""
        style = str((await _json(request)).get("style", ""))[:400]
        video = session_of(request).video(id)

        def draw() -> str:
            track = server.drafts.open(video, language).present
            return base64.b64encode(still.draw(video, track, number, style)).decode()

        return JSONResponse({"jpeg": await anyio.to_thread.run_sync(draw)}, headers=NO_STORE)

    # -------------------------------------------------------- lines of a dub

    @app.get("/dubkit/videos/{id}/dub/{language}")
    def dub_lines(request: Request, id: str, language: str) -> Response:
        """The lines of a dub: how each was fitted, and its takes."""
        video = session_of(request).video(id)
        found = takes.lines(video, language)
        tts = str(_dub_request(video, language).get("tts") or "auto") if found else ""
        names = fields.voices(server.engines(0.0), tts, [language]) if tts else []
        return JSONResponse({"lines": found, "voices": names}, headers=NO_STORE)

    @app.get("/dubkit/videos/{id}/dub/{language}/{line}/before.wav")
    def dub_clip_before(request: Request, id: str, language: str, line: int) -> Response:
        """The audio of a line before its text was edited."""
        return _file(takes.clip_before(session_of(request).video(id), language, line), shown=True)

    @app.get("/dubkit/videos/{id}/dub/{language}/{line}/{take}.wav")
    def dub_clip(request: Request, id: str, language: str, line: int, take: int) -> Response:
        """The audio of one take of a line."""
        return _file(takes.clip(session_of(request).video(id), language, line, take), shown=True)

    @app.post("/dubkit/videos/{id}/dub/{language}/take")
    async def choose_take(request: Request, id: str, language: str) -> Response:
        """``{"line": 3, "take": 0}``: make the dub with that take of a line, or with a new one
        (null). Several may be asked for in a row."""
        body = await _json(request)
        line, take = body.get("line"), body.get("take")
        if type(line) is not int or not (take is None or type(take) is int):
            raise UsageError("that is not a take of a line", '{"line": 3, "take": null}')

        def choose() -> str:
            session = session_of(request)
            video = _free(session, id, line=True)
            requested = _dub_request(video, language)
            takes.choose(video, language, line, take)
            return server.submit(session, video, requested, line=True).id

        return JSONResponse({"job": await anyio.to_thread.run_sync(choose)})

    @app.post("/dubkit/videos/{id}/dub/{language}/voice")
    async def choose_voice(request: Request, id: str, language: str) -> Response:
        """``{"speaker": "Ann", "voice": "pf_dora"}``: make the dub with another voice for one
        speaker; everybody else keeps theirs."""
        body = await _json(request)
        speaker, voice = body.get("speaker"), body.get("voice")
        if not isinstance(speaker, str) or not isinstance(voice, str) or not voice:
            raise UsageError("that is no voice for a speaker", '{"speaker": "Ann", "voice": "..."}')

        def recast() -> str:
            session = session_of(request)
            video = _free(session, id)
            requested = _dub_request(video, language)
            requested |= {"to": [language], "voice": takes.recast(video, language, speaker, voice)}
            server.drafts.save_all(video)
            return server.submit(session, video, requested, line=True).id

        return JSONResponse({"job": await anyio.to_thread.run_sync(recast)})

    def whole_card(video: Video) -> dict[str, Any]:
        jobs = [_brief(job) for _, job in video.jobs()]
        return {**card(video), "jobs": jobs, "results": server.results(video)}

    def _free(session: Session, id: str, *, line: bool = False) -> Video:
        """A video that no job is working on, but for those about a ``line``. Raises UsageError if
        one is."""
        video = session.video(id)
        if not server.queue.is_free(video.folder, line=line):
            raise UsageError("the video is being worked on", "save when that is done, or cancel it")
        return video


def error_json(failure: DubkitError) -> dict[str, str]:
    """A failure as the page shows it."""
    return {"message": redact(failure.message), "hint": redact(failure.hint)}


def card(video: Video) -> dict[str, Any]:
    """A video as the page shows it."""
    return {"id": video.id, **video.about, "languages": languages(video), "added": added(video)}


def added(video: Video) -> list[str]:
    """The names of the files that were added to it."""
    return sorted(one.name for one in video.other.glob("*"))


def _brief(job: Any) -> dict[str, Any]:
    opening = bool(job.about.get("opening") or job.about.get("aside"))
    about = {"wishes": job.about.get("wishes"), "opening": opening}
    return {"id": job.id, "state": job.state, "made": job.made, **about}


def _dub_request(video: Video, language: str) -> dict[str, Any]:
    """The options with which the dub in a language was made."""
    for requested in video.past_requests():
        tags = targets.tags(requested.get("to"))
        if requested.get("dub") and (not tags or language in tags):
            return {key: value for key, value in requested.items() if key != "redo"}
    raise UsageError("there is no dub in that language", "make the dub first")


def _cues(server: Server, video: Video, language: str, since: str | None = None) -> dict[str, Any]:
    """The cues of a language for the page; with ``since``, a version that it has, what has changed
    from that if it is known."""
    view = server.drafts.view(video, language, since or "")
    now, keep = view.now, Rules(view.now.profile, view.now.rate)
    spoken = {now.track.language, *(cue.language for cue in now.track.cues if cue.language)}
    about = {
        "version": now.version,
        "language": now.track.language,
        "undo": len(view.history.past),
        "redo": len(view.history.future),
        "last": view.history.last,
        "next": view.history.next,
        "changed": view.unsaved,
        "limits": {tag: asdict(keep.limits(tag)) for tag in sorted(spoken)},
    }
    if view.known:
        return {**about, **states.change(view.known, now)}
    cues = [states.shown(*one) for one in zip(now.track.cues, now.faults, strict=True)]
    return {**about, "cues": cues}


def _language(request: Request) -> str:
    return wording.of_request(request.headers)


async def _json(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise UsageError("that is not a JSON object", "send one")
    return body


async def _receive_body(request: Request, begin: Callable[[int | None], Upload]) -> Video | Path:
    """The body of a request, stored and probed; nothing is left of one that was cut off."""
    length = request.headers.get("content-length", "")
    upload = await anyio.to_thread.run_sync(begin, int(length) if length.isdecimal() else None)
    run: Callable[..., Awaitable[Any]] = anyio.to_thread.run_sync
    block = bytearray()
    chunks = request.stream()
    try:
        while True:
            with anyio.fail_after(STALLED):
                chunk = await anext(chunks, None)
            if chunk is None:
                break
            block += chunk
            if len(block) >= BLOCK:
                await run(upload.write, bytes(block))
                block.clear()
        await run(upload.write, bytes(block))
    except (ClientDisconnect, TimeoutError) as gone:
        await run(upload.drop)
        raise InputError(f"{upload.name} did not arrive whole", "send it again") from gone
    except BaseException:
        with anyio.CancelScope(shield=True):
            await run(upload.drop)
        raise
    made: Video | Path = await run(upload.finish)
    return made


def _file(path: Path, *, shown: bool) -> Response:
    kind = TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0] or ""
    shown = shown and kind.startswith(SHOWN)
    return FileResponse(
        path,
        media_type=kind or "application/octet-stream",
        filename=None if shown else path.name,
        headers={"Content-Security-Policy": "sandbox", "Cache-Control": "private, no-cache"},
    )


def _saved_as(name: str) -> dict[str, str]:
    return {"Content-Disposition": f"attachment; filename*=utf-8''{quote(name)}"}


class _Pipe:
    """What :mod:`zipfile` writes to and a response reads from."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        data = bytes(self.data)
        self.data.clear()
        return data


def _stream_zip(paths: list[Path]) -> Iterator[bytes]:
    """A zip file, built while it is sent: neither memory nor disk has to hold it."""
    pipe = _Pipe()
    with zipfile.ZipFile(cast(Any, pipe), "w", zipfile.ZIP_STORED) as archive:
        for path in paths:
            with suppress(OSError), path.open("rb") as file:
                info = zipfile.ZipInfo.from_file(path, path.name, strict_timestamps=False)
                with archive.open(info, "w", force_zip64=path.stat().st_size > 2**31) as inside:
                    while block := file.read(BLOCK):
                        inside.write(block)
                        yield pipe.take()
    yield pipe.take()
