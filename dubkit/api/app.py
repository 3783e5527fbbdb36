"""The API's application: its routes, and how each refusal and each failure is answered."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from dubkit import __version__
from dubkit.errors import DubkitError

from . import jobs, openai_audio, realtime, schema, whisper_asr
from .calls import Api
from .errors import Refusal, refusal
from .webhooks import Webhooks

log = logging.getLogger("dubkit")


def application(api: Api, webhooks: Webhooks) -> FastAPI:
    """The application; :mod:`.guard` must be around it."""
    app = FastAPI(
        title="dubkit",
        version=__version__,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses={"4XX": {"model": schema.Error}, "5XX": {"model": schema.Error}},
    )

    def answer(refused: Refusal) -> Response:
        return JSONResponse(refused.body, refused.status, headers=refused.headers)

    @app.exception_handler(Refusal)
    async def refused(request: Request, failure: Refusal) -> Response:
        return answer(failure)

    @app.exception_handler(DubkitError)
    async def failed(request: Request, failure: DubkitError) -> Response:
        return answer(refusal(failure))

    @app.exception_handler(HTTPException)
    async def no_route(request: Request, failure: HTTPException) -> Response:
        return answer(Refusal(failure.status_code, f"{failure.detail}: {request.url.path}"))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, failure: RequestValidationError) -> Response:
        first = failure.errors()[0]
        name = str(first["loc"][-1])
        return answer(Refusal(400, f"{name}: {first['msg']}", name))

    @app.exception_handler(Exception)
    async def unexpected(request: Request, failure: Exception) -> Response:
        return answer(Refusal(500, "something unexpected happened: the server's log has more"))

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> Response:
        running, waiting = api.server.queue.counts
        return JSONResponse({"status": "ok", "running": running, "waiting": waiting})

    openai_audio.add_routes(app, api)
    realtime.add_routes(app, api)
    whisper_asr.add_routes(app, api)
    jobs.add_routes(app, api, webhooks)
    return app
