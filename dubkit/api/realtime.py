"""Live captions by OpenAI's realtime API, of which this is the part that transcribes.

``WS /v1/realtime``: sound comes in while it is spoken, and its text goes out a moment later. What
happens in between is in :mod:`dubkit.web.live`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, WebSocket
from fastapi.responses import JSONResponse

from dubkit.web.live.settings import Settings, Unfit

from . import models
from .calls import Api
from .errors import Refusal


def add_routes(app: FastAPI, api: Api) -> None:
    """Add the route to the API's application."""
    choose = functools.partial(_options, api)
    live = api.server.live
    live.end_with(app)

    @app.websocket("/v1/realtime")
    async def realtime(socket: WebSocket, model: str = "") -> None:
        settings = Settings(model=model)
        try:
            await _options_of(api, settings)
            if not await live.has_room():
                most = api.server.store.limits.live
                message = f"there are {most} streams already: connect when one has ended"
                raise Refusal(429, message, code="rate_limit_exceeded",
                              headers={"Retry-After": "10"})  # fmt: skip
        except Refusal as refused:
            answer = JSONResponse(refused.body, refused.status, headers=refused.headers)
            await socket.send_denial_response(answer)
        else:
            await live.serve(socket, choose, settings)


async def _options(api: Api, settings: Settings) -> Mapping[str, Any]:
    """See :data:`dubkit.web.live.streams.Choose`."""
    try:
        return await _options_of(api, settings)
    except Refusal as refused:
        raise Unfit(refused.message, refused.param, refused.code) from refused


async def _options_of(api: Api, settings: Settings) -> Mapping[str, Any]:
    """The options, by the rules of the other routes. Raises Refusal."""
    found = await models.transcription_options(api, model=settings.model, prompt=settings.prompt)
    if settings.languages:
        found["language"] = ",".join(map(models.understood, settings.languages))
    if settings.keywords:
        found["hotwords"] = settings.keywords
    return found
