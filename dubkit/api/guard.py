"""Who may call the API, and with how many bytes: before anything of a body is read.

The API's paths are its own; any other path is the page's, which has :mod:`dubkit.web.guard`.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dubkit.web.guard import BODY, GUESS, HEADERS, SAFE, Scope, foreign, headers_of, password

from .errors import Refusal, too_large

PATHS = re.compile(r"/(v1(/.*)?|asr/?|detect-language/?)")
PROTOCOLS = "sec-websocket-protocol"
KEY_PROTOCOL = "openai-insecure-api-key."
FORM = 2**20
"""Bytes of a form beside its file."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The layer: an ASGI application around the API's and the page's."""

    api: Any
    page: Any
    """None if there is none."""
    key: str
    """What a client must know; empty if anybody on this machine may call."""
    upload: int
    """Bytes of a file."""
    local: bool
    hosts: frozenset[str]
    """See :class:`dubkit.web.guard.Guard`."""
    root_path: str = ""
    _guesses: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await (self.page or self.api)(scope, receive, send)
            return
        socket = scope["type"] == "websocket"
        path = scope["path"]
        if self.root_path and path.startswith(f"{self.root_path}/"):
            path = path.removeprefix(self.root_path)
        if self.page and not PATHS.fullmatch(path):
            await self.page(scope, receive, send)
            return
        headers = headers_of(scope)
        # A page of another site may open a socket, which is as good as to send something.
        method = "POST" if socket else scope["method"]
        if refused := self._refusal(method, path, headers):
            if refused.status == 401 and ("authorization" in headers or PROTOCOLS in headers):
                async with self._guesses:  # one guess after the other, whoever tries
                    await asyncio.sleep(GUESS)
            await _answer(send, refused, "websocket.http.response" if socket else "http.response")
            return

        async def send_with_headers(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
            await send(message)

        await self.api(
            {**scope, "path": path, "raw_path": path.encode()}, receive, send_with_headers
        )

    def _refusal(self, method: str, path: str, headers: dict[str, str]) -> Refusal | None:
        if path == "/healthz":
            return None
        if found := foreign(method, headers, self.local, self.hosts):
            return Refusal(*found)
        if self.key and not self._knows_key(headers):
            asked = {"www-authenticate": "Bearer"}
            return Refusal(
                401,
                "the API key is missing or wrong: send it as Authorization: Bearer KEY",
                code="invalid_api_key",
                headers=asked,
            )
        if method in SAFE:
            return None
        length = headers.get("content-length", "")
        form = headers.get("content-type", "").startswith("multipart/")
        if "transfer-encoding" in headers:
            return Refusal(411, "the length of the body is missing: send Content-Length")
        most = self.upload + FORM if form else BODY
        if length and (not length.isdecimal() or int(length) > most):
            return too_large(f"the body is larger than the {most / 1e6:,.0f} MB that may be sent")
        return None

    def _knows_key(self, headers: Mapping[str, str]) -> bool:
        """By Bearer; by the password in an address, http://dubkit:KEY@HOST, for programs that
        send no header of their own; or, as OpenAI's API has it for sockets of browsers, which send
        none either, as one of the protocols that they ask for."""
        authorization = headers.get("authorization", "")
        scheme, _, given = authorization.partition(" ")
        secret = given.strip().encode() if scheme.lower() == "bearer" else b""
        secret = secret or password(authorization).partition(b":")[2]
        for one in headers.get(PROTOCOLS, "").split(","):
            if not secret and one.strip().startswith(KEY_PROTOCOL):
                secret = one.strip().removeprefix(KEY_PROTOCOL).encode()
        return hmac.compare_digest(secret, self.key.encode())


async def _answer(send: Any, refused: Refusal, kind: str) -> None:
    body = json.dumps(refused.body).encode()
    head = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *((name.encode(), value.encode()) for name, value in refused.headers.items()),
        *HEADERS,
    ]
    await send({"type": f"{kind}.start", "status": refused.status, "headers": head})
    await send({"type": f"{kind}.body", "body": body})
