"""The API of whisper-asr-webservice, which Bazarr and others call: ``/asr``, ``/detect-language``.

What is asked for stands in the address, the sound in a form as ``audio_file``. Beside the tasks of
Whisper, ``target`` asks for a translation into any language.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from dubkit import subtitles
from dubkit.cues.text import unwrap
from dubkit.languages import name, primary
from dubkit.types import Track
from dubkit.web.jobs import last_event

from . import schema, transcript
from .bodies import read_form, unknown
from .calls import (
    REQUESTS,
    Api,
    Done,
    ended,
    in_thread,
    read_result,
    refuse_text,
    start,
    start_module,
    temporary,
)
from .errors import Refusal
from .models import transcription_options, understood

FILE = "audio_file"
ASR = (
    "task language output encode word_timestamps initial_prompt target vad_filter diarize "
    "min_speakers max_speakers"
).split()
"""Of ``/asr``. Where nobody speaks is always left out, so ``vad_filter`` changes nothing."""
CODES = {"nb": "no", "jv": "jw"}
"""Whisper's codes for languages whose BCP-47 tags differ, and its names."""
NAMES = {"no": "norwegian", "nn": "nynorsk"}
OUTPUTS: Mapping[str, Callable[[Done, bool], str]] = {
    "txt": lambda done, words: _lines(done.track),
    "srt": lambda done, words: subtitles.render(done.track, "srt"),
    "vtt": lambda done, words: subtitles.render(done.track, "vtt"),
    "tsv": lambda done, words: _tsv(done.track),
    "json": lambda done, words: json.dumps(_whisper(done, words), ensure_ascii=False),
}


def add_routes(app: FastAPI, api: Api) -> None:
    """Add the routes to the API's application."""

    sound = schema.form([FILE], **{FILE: schema.FILE})
    encode = schema.query(encode=schema.KINDS[bool])
    asked = schema.query(
        task=schema.one_of("transcribe", "translate"),
        target=schema.TEXT,
        language=schema.TEXT,
        output=schema.one_of(*OUTPUTS),
        word_timestamps=schema.KINDS[bool],
        initial_prompt=schema.TEXT,
    )

    @app.post("/asr", operation_id="asr", openapi_extra={**sound, "parameters": asked + encode})
    async def asr(request: Request) -> Response:
        """``audio_file`` to text: ``task`` (``transcribe``, or ``translate`` into English),
        ``target`` (another language), ``language`` (the one spoken), ``output`` (``txt``, ``srt``,
        ``vtt``, ``tsv``, ``json``), ``encode`` (``false`` for raw sound: signed 16 bits,
        little-endian, 16 kHz, mono), ``word_timestamps`` (in ``json``), ``initial_prompt``."""
        query = _query(request, ASR)
        output = query.get("output") or "txt"
        if output not in OUTPUTS:
            raise Refusal(400, f"output is {', '.join(OUTPUTS)}, not {output[:80]!r}", "output")
        task = query.get("task") or "transcribe"
        if task not in ("transcribe", "translate"):
            message = f"task is transcribe or translate, not {task[:80]!r}"
            raise Refusal(400, message, "task")
        target = understood(query["target"], "target") if query.get("target") else ""
        target = target or ("en" if task == "translate" else "")
        words = _flag(query, "word_timestamps", False)
        requested = await transcription_options(
            api,
            language=query.get("language", ""),
            prompt=query.get("initial_prompt", ""),
            target=target,
        )
        if _flag(query, "diarize", False):
            requested["speakers"] = "auto"
        raw = not _flag(query, "encode", True)
        form = await read_form(request, api.session(REQUESTS), (), FILE, headerless=raw)
        assert form.video
        async with temporary(api, form.video) as video:
            folder = await start(api, video, requested)
            await ended(api, request, folder)
            done = await in_thread(read_result, video, folder, target)
        named = f'attachment; filename="{quote(form.name)}.{output}"'
        headers = {"Asr-Engine": "dubkit", "Content-Disposition": named}
        return Response(OUTPUTS[output](done, words), media_type="text/plain", headers=headers)

    @app.post(
        "/detect-language",
        operation_id="detect_language",
        openapi_extra={**sound, "parameters": encode},
    )
    async def detect_language(request: Request) -> Response:
        """The language of ``audio_file``: ``detected_language``, ``language_code`` and
        ``confidence``, which is 0 if nobody speaks."""
        raw = not _flag(_query(request, ["encode"]), "encode", True)
        form = await read_form(request, api.session(REQUESTS), (), FILE, headerless=raw)
        requested = await transcription_options(api)
        limits = json.dumps(asdict(api.server.store.limits))
        assert form.video
        async with temporary(api, form.video) as video:
            refuse_text(video)
            argv = [limits, video.name, json.dumps(requested)]
            folder = await start_module(api, video, "dubkit.api.detect", argv)
            await ended(api, request, folder)
            found = last_event(folder, "result") or {}
        tag = str(found["language"])
        code = CODES.get(primary(tag), primary(tag))
        return JSONResponse(
            {
                "detected_language": NAMES.get(code) or name(tag).lower(),
                "language_code": code,
                "confidence": found["confidence"],
            }
        )


def _query(request: Request, known: list[str]) -> dict[str, str]:
    for one in request.query_params:
        if one not in known:
            raise unknown(one)
    return dict(request.query_params)


def _flag(query: Mapping[str, str], name: str, default: bool) -> bool:
    value = query.get(name, "").lower()
    if value not in ("", "true", "false", "1", "0"):
        raise Refusal(400, f"{name} is true or false, not {value[:80]!r}", name)
    return value in ("true", "1") if value else default


def _lines(track: Track) -> str:
    return "".join(f"{unwrap(cue.text, track.language_of(cue))}\n" for cue in track.cues)


def _tsv(track: Track) -> str:
    rows = [
        f"{round(cue.start * 1000)}\t{round(cue.end * 1000)}\t"
        f"{unwrap(cue.text, track.language_of(cue)).replace(chr(9), ' ')}\n"
        for cue in track.cues
    ]
    return "start\tend\ttext\n" + "".join(rows)


def _whisper(done: Done, words: bool) -> dict[str, Any]:
    """Whisper's own JSON."""
    track = done.track
    segments = [transcript.segment(k, cue, track.language) for k, cue in enumerate(track.cues)]
    if words:
        for one, cue in zip(segments, track.cues, strict=True):
            one["words"] = [asdict(word) | {"word": word.text} for word in cue.words]
            for word in one["words"]:
                del word["text"]
    return {"text": transcript.text(track), "segments": segments, "language": done.language}
