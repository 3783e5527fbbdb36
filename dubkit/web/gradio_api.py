"""The API for programs, via Gradio's clients: ``/subtitle``, ``/translate``, ``/dub``,
``/check``.

    from gradio_client import Client, handle_file
    client = Client("http://127.0.0.1:7860")
    files, report = client.predict(handle_file("talk.mp4"), "es,fr", {}, api_name="/translate")

If the server has a password: ``Client(url, httpx_kwargs={"auth": ("user", "password")})``. Each
call is a job like the page's, in its own session.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import gradio as gr

from dubkit import subtitles
from dubkit.cues import check as cue_check
from dubkit.cues import profiles
from dubkit.errors import DubkitError, UsageError
from dubkit.files import cannot_write

from .jobs import Job
from .probing import check_text
from .routes import error_json
from .server import Server
from .store import MAX_TEXT, Session, Video, uploaded_file

POLL = 0.2
"""Seconds between two looks at a job's state."""


def session_of(server: Server, request: gr.Request) -> Session:
    assert request.request
    return server.store.session(request.request.scope["dubkit.token"])


def endpoints(server: Server) -> None:
    """The endpoints for programs."""
    with gr.Group(visible=False):
        file = gr.File(label="file", type="filepath")
        language = gr.Textbox(label="language")
        to = gr.Textbox(label="to")
        profile = gr.Textbox(profiles.DEFAULT, label="profile")
        options = gr.JSON({}, label="options")
        files = gr.Files(label="files")
        report = gr.JSON(label="report")

        def endpoint(
            name: str, inputs: list[Any], function: Callable[..., Any], about: str
        ) -> None:
            outputs = [report] if name == "check" else [files, report]
            gr.Button(name).click(
                function, inputs, outputs, api_name=name, api_description=about,
                concurrency_limit=None,
            )  # fmt: skip

        async def run(
            request: gr.Request, file: str | None, options: Any, own: Mapping[str, Any]
        ) -> tuple[list[str], dict[str, Any]]:
            more = options if isinstance(options, dict) else {}
            with _Refusal():
                return await _job(server, session_of(server, request), file, {**more, **own})

        async def subtitle(
            request: gr.Request, file: str | None, language: str = "", options: Any = None
        ) -> tuple[list[str], dict[str, Any]]:
            return await run(request, file, options, {"subs": True, "language": language})

        async def translate(
            request: gr.Request, file: str | None, to: str, options: Any = None
        ) -> tuple[list[str], dict[str, Any]]:
            return await run(request, file, options, {"to": to})

        async def dub(
            request: gr.Request, file: str | None, to: str, options: Any = None
        ) -> tuple[list[str], dict[str, Any]]:
            return await run(request, file, options, {"to": to, "dub": True})

        def check(file: str | None, profile: str = "", language: str = "") -> dict[str, Any]:
            with _Refusal():
                path = _uploaded_path(server, file)
                if path.stat().st_size > MAX_TEXT:
                    raise UsageError(
                        f"a subtitle file has at most {MAX_TEXT / 1e6:.0f} MB", "send another"
                    )
                return _check_file(server, path, profile or profiles.DEFAULT, language or None)

        endpoint("subtitle", [file, language, options], subtitle,
                 "Subtitles of a video in the language spoken. options are fields of "
                 "dubkit.Options, such as {\"formats\": \"srt,vtt\"}.")  # fmt: skip
        endpoint("translate", [file, to, options], translate,
                 "Subtitles in other languages, comma-separated: es,fr.")  # fmt: skip
        endpoint("dub", [file, to, options], dub, "The video, spoken in another language.")
        endpoint("check", [file, profile, language], check,
                 "What a profile does not allow in a subtitle file.")  # fmt: skip


class _Refusal:
    """Raises a DubkitError as Gradio's kind of error: the sentence and the hint, no traceback."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, failure: BaseException | None, trace: Any) -> None:
        if isinstance(failure, DubkitError):
            shown = error_json(failure)
            sentence = ": ".join(filter(None, (shown["message"].rstrip("."), shown["hint"])))
            raise gr.Error(sentence, print_exception=False) from None


async def _job(
    server: Server, session: Session, file: str | None, requested: Mapping[str, Any]
) -> tuple[list[str], dict[str, Any]]:
    """A job from its file to its results, for a caller who waits: in no thread, since waiting
    callers could take all that the server has."""
    in_thread: Callable[..., Awaitable[Any]] = anyio.to_thread.run_sync
    path = _uploaded_path(server, file)
    video = await in_thread(session.take, path, path.name)
    id = (await in_thread(server.submit, session, video, requested)).id
    while not (found := await in_thread(session.job, id))[2].over:
        await anyio.sleep(POLL)
    results: tuple[list[str], dict[str, Any]] = await in_thread(_results, server, *found)
    return results


def _results(
    server: Server, video: Video, folder: Path, job: Job
) -> tuple[list[str], dict[str, Any]]:
    """Copies of a job's results in a folder that Gradio may send from, and its warnings and
    timings."""
    if error := server.last_event(folder, "error"):
        raise UsageError(error["message"], error.get("hint", ""))
    if job.state != "done":
        raise UsageError(f"the job was {job.state}", "start it again")
    result = server.last_event(folder, "result")
    assert server.temporary
    out = server.temporary / secrets.token_hex(16)
    out.mkdir(mode=0o700, parents=True)
    paths = []
    try:
        for one in server.files(video, folder):
            path = server.file(video, folder, one["number"])
            paths.append(str(shutil.copyfile(path, out / path.name)))
    except OSError as failure:
        shutil.rmtree(out, ignore_errors=True)
        raise cannot_write(Path("the copy of the results"), failure) from failure
    return paths, {key: result[key] for key in ("warnings", "timings") if key in result}


def _uploaded_path(server: Server, file: str | None) -> Path:
    if not file or server.temporary is None:
        raise UsageError("no file is given", "send a video, sound or subtitle file")
    return uploaded_file(server.temporary, file)


def _check_file(server: Server, path: Path, profile: str, language: str | None) -> dict[str, Any]:
    profiles.find(profile)
    track = subtitles.read(path, language)
    check_text(track, path.name, server.store.limits)
    found = cue_check.check(track, profile)
    return {
        "cues": len(track.cues),
        "errors": sum(one.severity == "error" for one in found),
        "violations": [
            {"cue": v.cue, "rule": v.rule, "severity": v.severity, "message": v.message}
            for v in found
        ],
    }
