"""The page's socket, and the tickets that open it.

Browsers send no password with a socket, at least not all of them. So the page asks for a ticket as
it asks for anything else, with the password and its cookie; it is good for one socket, soon.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, WebSocket
from fastapi.responses import JSONResponse, Response

from dubkit.languages import is_tag

from ..guard import LIVE
from ..server import Server
from .settings import Settings, Unfit

LIFE = 30.0
"""Seconds that a ticket is good for."""
MOST = 1000
"""Tickets at once."""


@dataclass
class Tickets:
    """Those that nobody has used yet, with the time at which each ends."""

    _ends: dict[str, float] = field(default_factory=dict)

    def issue(self) -> str:
        """A new one."""
        now = time.monotonic()
        self._ends = {one: end for one, end in self._ends.items() if end > now}
        while len(self._ends) >= MOST:
            del self._ends[next(iter(self._ends))]
        ticket = secrets.token_urlsafe(24)
        self._ends[ticket] = now + LIFE
        return ticket

    def take(self, ticket: str) -> bool:
        """Use one; whether it was good."""
        return self._ends.pop(ticket, 0.0) > time.monotonic()


def add_live_routes(app: FastAPI, server: Server) -> None:
    """Add the routes to the page's application."""
    tickets = Tickets()
    server.live.end_with(app)

    @app.post(LIVE)
    async def ticket() -> Response:
        if not await server.live.has_room():
            return JSONResponse({"full": True}, 429)
        return JSONResponse({"ticket": tickets.issue()})

    @app.websocket(LIVE)
    async def live(socket: WebSocket, ticket: str = "") -> None:
        if not tickets.take(ticket) or not await server.live.has_room():
            await socket.close()
        else:
            await server.live.serve(socket, _options, Settings())


async def _options(settings: Settings) -> Mapping[str, Any]:
    """The options for the page: whatever suits this machine."""
    if settings.model:
        raise Unfit("the page does not choose a model", "model")
    if wrong := next((one for one in settings.languages if not is_tag(one)), None):
        raise Unfit(f"{wrong[:80]!r} is not a language", "language")
    return {"subs": True, "language": ",".join(settings.languages) or None}
