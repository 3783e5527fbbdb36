"""OpenAI's audio API: transcriptions, translations, speech, models.

A request is a job with the options ``formats="json"``, whose track is rendered in the format that
the client asks for. What programs send of their own accord and dubkit has no use for, such as
``temperature``, is accepted; any other field is refused by its name.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse
from starlette.background import BackgroundTask

from dubkit.errors import DubkitError

from . import models, schema, speak, transcript
from .bodies import LONGEST, Form, read_form, read_json
from .calls import (
    IDLE,
    REQUESTS,
    Api,
    Done,
    ended,
    follow,
    in_thread,
    read_result,
    start,
    start_module,
    temporary,
)
from .errors import Refusal, refusal

FORMATS = ("json", "text", "srt", "vtt", "verbose_json", "diarized_json")
FIELDS = (
    "model language prompt response_format temperature timestamp_granularities stream "
    "chunking_strategy"
).split()
"""Of a transcription, beside the file. Where silence is, is always found out."""
SPEECH = "model input voice response_format speed instructions stream_format language".split()
"""Of speech; ``instructions`` change nothing, as for OpenAI's ``tts-1``; ``language`` is ours."""
TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}


def add_routes(app: FastAPI, api: Api) -> None:
    """Add the routes to the API's application."""

    sound = schema.form(
        ["file", "model"],
        file=schema.FILE,
        model=schema.TEXT,
        language=schema.TEXT,
        prompt=schema.TEXT,
        response_format=schema.one_of(*FORMATS),
        temperature=schema.KINDS[float],
        stream=schema.KINDS[bool],
        **{"timestamp_granularities[]": schema.KINDS[tuple]},
    )

    @app.post("/v1/audio/transcriptions", operation_id="create_transcription", openapi_extra=sound)
    async def transcriptions(request: Request) -> Response:
        """Speech to text: ``file``, ``model``, ``language``, ``prompt``, ``response_format``,
        ``timestamp_granularities[]``, ``stream``."""
        form = await read_form(request, api.session(REQUESTS), FIELDS)
        return await _answer(api, request, form, "transcribe", "")

    @app.post("/v1/audio/translations", operation_id="create_translation", openapi_extra=sound)
    async def translations(request: Request) -> Response:
        """Speech to text in English: as a transcription."""
        form = await read_form(request, api.session(REQUESTS), FIELDS)
        return await _answer(api, request, form, "translate", "en")

    @app.post(
        "/v1/audio/speech",
        operation_id="create_speech",
        responses={200: {"content": {"application/octet-stream": {}}}},
        response_class=FileResponse,
        openapi_extra=schema.json_body(
            ["input", "model", "voice"],
            input=schema.TEXT,
            model=schema.TEXT,
            voice=schema.TEXT,
            response_format=schema.one_of(*speak.FORMATS),
            speed=schema.KINDS[float],
            language=schema.TEXT,
        ),
    )
    async def speech(request: Request) -> Response:
        """Text to speech: ``input``, ``model``, ``voice``, ``response_format``, ``speed``."""
        return await _speech(api, request)

    @app.get("/v1/models", operation_id="list_models")
    async def list_models() -> Response:
        """The models that a request may name."""
        data = [_model(name) for name in await models.names(api)]
        return JSONResponse({"object": "list", "data": data})

    @app.get("/v1/models/{name:path}", operation_id="retrieve_model")
    async def one_model(name: str) -> Response:
        """One of them."""
        if name not in await models.names(api):
            raise models.missing(name)
        return JSONResponse(_model(name))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "dubkit"}


async def _answer(api: Api, request: Request, form: Form, task: str, target: str) -> Response:
    video = form.video
    assert video
    try:
        requested, format = await _requested(api, form, target)
        granularities = _granularities(form, format)
        if _flag(form, "stream"):
            if format not in ("json", "text", "diarized_json"):
                message = f"stream goes with json, text and diarized_json, not with {format}"
                raise Refusal(400, message, "stream")
            folder = await start(api, video, requested)
            events = _events(api, request, form, folder, format, target)
            return StreamingResponse(events, media_type="text/event-stream")
        async with temporary(api, video):
            folder = await start(api, video, requested)
            await ended(api, request, folder)
            done = await in_thread(read_result, video, folder, target)
    except Refusal:
        async with temporary(api, video):
            raise
    if format == "json":
        return JSONResponse(transcript.as_json(done))
    if format == "verbose_json":
        return JSONResponse(transcript.verbose(done, granularities, task))
    if format == "diarized_json":
        return JSONResponse(transcript.diarized(done))
    return PlainTextResponse(transcript.subtitle_file(done, format))


async def _requested(api: Api, form: Form, target: str) -> tuple[dict[str, Any], str]:
    """The options that a form stands for, and the format of the answer."""
    format = form.get("response_format", "json")
    if format not in FORMATS:
        message = f"response_format is {', '.join(FORMATS)}, not {format[:80]!r}"
        raise Refusal(400, message, "response_format")
    _number(form.get("temperature"), "temperature", 0.0, 1.0)
    requested = await models.transcription_options(
        api,
        model=form.get("model"),
        language=form.get("language"),
        prompt=form.get("prompt"),
        target=target,
    )
    if format == "diarized_json":
        requested["speakers"] = "auto"
    return requested, format


def _granularities(form: Form, format: str) -> list[str]:
    found = list(form.fields.get("timestamp_granularities", ()))
    if wrong := [one for one in found if one not in ("word", "segment")]:
        message = f"timestamp_granularities are word and segment, not {wrong[0][:80]!r}"
        raise Refusal(400, message, "timestamp_granularities")
    if found and format != "verbose_json":
        message = "timestamp_granularities need response_format=verbose_json"
        raise Refusal(400, message, "timestamp_granularities")
    return found or ["segment"]


def _flag(form: Form, name: str) -> bool:
    value = form.get(name, "false").lower()
    if value not in ("true", "false", "1", "0"):
        raise Refusal(400, f"{name} is true or false, not {value[:80]!r}", name)
    return value in ("true", "1")


def _number(text: object, name: str, least: float, most: float) -> float | None:
    if text in ("", None):
        return None
    try:
        value = float(str(text))
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise Refusal(400, f"{name} is from {least:g} to {most:g}", name)
    return value


async def _events(
    api: Api, request: Request, form: Form, folder: Path, format: str, target: str
) -> AsyncIterator[str]:
    """The text as it is recognized, then all of it; the deltas are the text if nothing that was
    sent has been improved on."""
    video = form.video
    assert video
    sent, last = "", -1.0
    async with temporary(api, video):
        try:
            async for event, _ in follow(api, request, folder):
                if event["event"] == IDLE:
                    yield ": waiting\n\n"
                # Those of a translation would be in another language than its text.
                if event["event"] == "text" and not target and event["start"] > last:
                    delta = (" " if sent else "") + str(event["text"]).strip()
                    sent, last = sent + delta, event["start"]
                    yield _sse({"type": "transcript.text.delta", "delta": delta})
            done: Done = await in_thread(read_result, video, folder, target)
        except Refusal as refused:
            yield _sse({"type": "error", **refused.body})
            return
    whole = transcript.text(done.track)
    if whole != sent and whole.startswith(sent):
        yield _sse({"type": "transcript.text.delta", "delta": whole.removeprefix(sent)})
    if format == "diarized_json":
        for segment in transcript.speaker_segments(done.track):
            yield _sse(segment)
    yield _sse({"type": "transcript.text.done", "text": whole})


def _sse(event: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n"


async def _speech(api: Api, request: Request) -> Response:
    body = await read_json(request, SPEECH)
    text, format = body.get("input"), str(body.get("response_format") or "mp3")
    if not isinstance(text, str) or not text.strip():
        raise Refusal(400, "there is no text: send it as input", "input")
    if len(text) > LONGEST:
        raise Refusal(400, f"input is longer than {LONGEST} characters", "input")
    if format not in speak.FORMATS:
        known = ", ".join(speak.FORMATS)
        message = f"response_format is {known}, not {format[:80]!r}"
        raise Refusal(400, message, "response_format")
    if body.get("stream_format") not in (None, "audio"):
        raise Refusal(400, "stream_format is audio: the sound is sent when it is whole",
                      "stream_format")  # fmt: skip
    voice = body.get("voice") or ""
    if isinstance(voice, dict):
        voice = voice.get("id", "")
    if not isinstance(voice, str):
        raise Refusal(400, "voice is a name", "voice")
    speed = _number(body.get("speed"), "speed", *speak.SPEEDS) or 1.0
    language = str(body.get("language") or "")
    asked = {
        "tts": api.defaults.get("tts", "auto"),
        **await models.synthesizer_options(api, str(body.get("model") or "")),
        "voice": voice,
        "language": models.understood(language) if language else "",
        "format": format,
        "speed": speed,
    }
    try:
        video = await in_thread(_text_file, api, text)
    except DubkitError as failure:
        raise refusal(failure, "input") from failure
    keep = temporary(api, video)
    await keep.__aenter__()
    try:
        folder = await start_module(api, video, "dubkit.api.speak", [json.dumps(asked), video.name])
        await ended(api, request, folder)
    except BaseException:
        await keep.__aexit__(None, None, None)
        raise
    return FileResponse(
        video.folder / f"speech.{format}",
        media_type=TYPES[format],
        background=BackgroundTask(keep.__aexit__, None, None, None),
    )


def _text_file(api: Api, text: str) -> Any:
    content = text.encode("utf-8", "replace")
    upload = api.session(REQUESTS).receive("input.txt", len(content))
    try:
        upload.write(content)
        return upload.finish(examine=False)
    except BaseException:
        upload.drop()
        raise
