"""Access control: a layer between the network and everything else on the server.

It wraps Gradio's routes and ours: who may come in, from which page, to which route, with how many
bytes; the cookie by which a browser finds its videos again; and what the page may load and run.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any, TypeAlias
from urllib.parse import quote, urlsplit

from ..errors import OutputError, UsageError
from .store import TOKEN, Store, new_token

COOKIE = "dubkit_session"
YEAR = 365 * 24 * 3600
HEALTH = "/healthz"
OURS = "/dubkit/"
LIVE = "/dubkit/live"
"""The page's socket, and where the tickets are that open it."""
API = "/gradio_api/"
GRADIO = re.compile(
    r"(info|config|startup-events|heartbeat/[^/]*|queue/(join|data)|run/predict|call/.*"
    r"|cancel|reset|upload|upload_progress|theme\.css|app_id|user|login_check|file=.*)/?"
)
"""The routes under ``/gradio_api/`` that are allowed: not those that fetch addresses, run code or
keep records of runs, none of which this page needs."""
SCHEMA = re.compile(r"(/gradio_api)?/openapi\.json/?|/docs(/.*)?|/redoc/?")
"""Descriptions of all routes, for who asks the server for them."""
OWN = re.compile(r"/dubkit/((videos|jobs|root|texts|live)(/|$)|assets/[a-z]+\.(js|css)$)")
"""Our routes, which also a proxy that leaves a sub-path of that name away asks for."""
ADDRESS = re.compile(r"file=\s*[a-z+]*:?//", re.IGNORECASE)
BODY = 8 * 2**20
"""Bytes of a request that is not an upload."""
GRADIO_UPLOAD = re.compile(r"/gradio_api/upload/?")
UPLOADS = re.compile(r"/gradio_api/upload/?|/dubkit/videos(/[0-9a-f]{16}/other)?")
GUESS = 0.5
"""Seconds that each wrong password takes, one after the other, whoever tries."""
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"SAMEORIGIN"),
)
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-eval' {scripts}",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)
"""What the page may load and run: nothing from elsewhere, and of scripts in its markup only those
that it came with. Gradio makes functions of the texts in its own configuration, and styles."""
SCRIPT = re.compile(rb"<script\b[^>]*>(.*?)</script\s*>", re.DOTALL | re.IGNORECASE)

Scope: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Guard:
    """The layer: an ASGI application around another."""

    app: Any
    auth: str = ""
    """The required ``user:password``; empty for none."""
    upload: int = 4 * 2**30
    """Bytes of a request that is an upload."""
    local: bool = True
    """Whether it answers only to names of this machine, so that no foreign page can have a browser
    talk to it under a name of that page's own."""
    store: Store | None = None
    """Where Gradio's uploads are kept, which it does not limit; None for anywhere."""
    hosts: frozenset[str] = frozenset()
    """More names that it answers to; if there are any, to no others."""
    root_path: str = ""
    """The path under which a proxy has it, whether or not the proxy leaves it away; ``/dubkit``."""
    schema: bool = False
    """Whether descriptions of all routes are served."""
    _guesses: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        if scope["type"] not in ("http", "websocket"):
            return
        path, headers = self._inner(scope["path"]), headers_of(scope)
        if self.root_path:
            # As ASGI has it: the path with what it is under.
            outer = self.root_path + path
            scope |= {"root_path": self.root_path, "path": outer, "raw_path": quote(outer).encode()}
        if scope["type"] == "websocket":
            # It has no password, which browsers do not send with it, but a ticket.
            if path != LIVE or foreign("POST", headers, self.local, self.hosts):
                await send({"type": "websocket.close", "code": 1008})
            else:
                await self.app(scope, receive, send)
            return
        if self.root_path and not path:  # the page's own addresses are relative
            await _answer(send, 308, "", ((b"location", f"{self.root_path}/".encode()),))
            return
        if refusal := self._refusal(scope["method"], path, headers):
            if refusal[0] == 401 and "authorization" in headers:
                async with self._guesses:
                    await asyncio.sleep(GUESS)
            await _answer(send, *refusal)
            return
        token = _token(headers.get("cookie", ""))
        fresh = not token
        scope["dubkit.token"] = token = token or new_token()
        place = self.root_path or "/"
        cookie = f"{COOKIE}={token}; Path={place}; Max-Age={YEAR}; HttpOnly; SameSite=Lax"

        async def send_with_headers(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
            await send(message)

        begun: dict[str, Any] = {}
        whole = bytearray()

        async def send_page(message: dict[str, Any]) -> None:
            """The page with its cookie, and with the policy that its own scripts need."""
            if message["type"] == "http.response.start":
                begun.update(message)
                return
            whole.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            policy = (b"content-security-policy", _policy(bytes(whole)).encode())
            more = [policy, (b"set-cookie", cookie.encode())]
            await send_with_headers({**begun, "headers": [*begun.get("headers", ()), *more]})
            await send({"type": "http.response.body", "body": bytes(whole)})

        if fresh and path.startswith(OURS) and not path.startswith(f"{OURS}assets/"):
            await _answer(send, 403, "load the page first")
            return
        if path == "/":
            await self.app(scope, receive, send_page)
            return
        size = int(headers.get("content-length") or 0)
        if self.store is None or scope["method"] != "POST" or not GRADIO_UPLOAD.fullmatch(path):
            await self.app(scope, receive, send_with_headers)
            return
        quota, session = self.store.quota, self.store.session(token).folder
        try:
            key = await asyncio.to_thread(quota.for_temporary, session, size)
        except (OutputError, UsageError) as failure:
            status = 507 if isinstance(failure, OutputError) else 413
            await _answer(send, status, f"{failure.message}: {failure.hint}")
            return
        try:
            await self.app(scope, receive, send_with_headers)
        finally:
            quota.release(key)

    def _inner(self, path: str) -> str:
        """A path as it is without the proxy's."""
        root = self.root_path
        if not root or OWN.match(path) or not (path == root or path.startswith(f"{root}/")):
            return path
        return path.removeprefix(root)

    def _refusal(
        self, method: str, path: str, headers: dict[str, str]
    ) -> tuple[int, str] | tuple[int, str, Sequence[tuple[bytes, bytes]]] | None:
        if path == HEALTH:
            return None
        if refusal := foreign(method, headers, self.local, self.hosts):
            return refusal
        if self.auth and not _is_authorized(headers.get("authorization", ""), self.auth):
            return (
                401,
                "a user name and password are required",
                ((b"www-authenticate", b'Basic realm="dubkit", charset="UTF-8"'),),
            )
        if method not in SAFE:
            length = headers.get("content-length")
            # For our own uploads, the store also counts the bytes that really arrive.
            upload = UPLOADS.fullmatch(path)
            if "transfer-encoding" in headers and not (upload and path.startswith(OURS)):
                return 411, "the length of the body is missing"
            if length and (
                not length.isdecimal() or int(length) > BODY + bool(upload) * self.upload
            ):
                return 413, "the body is too large"
        if SCHEMA.fullmatch(path):
            return None if self.schema else (404, "there is nothing here")
        if path.startswith(API):
            rest = path.removeprefix(API)
            if not GRADIO.fullmatch(rest) or ADDRESS.match(rest):
                return 404, "there is nothing here"
        return None


def foreign(
    method: str, headers: Mapping[str, str], local: bool, hosts: frozenset[str]
) -> tuple[int, str] | None:
    """The refusal of a request to a name that is not this server's, or from another site's page;
    ``local`` and ``hosts`` are those of :class:`Guard`."""
    host = urlsplit(f"//{headers.get('host', '')}")
    if (local or hosts) and _hostname(host.netloc) not in LOCAL | hosts:
        names = ", ".join(["localhost", *sorted(hosts)])
        return 403, f"this server answers only to {names}; --allowed-host adds a name"
    if method not in SAFE:
        origin = headers.get("origin")
        known = _hostname(urlsplit(origin or "").netloc) in hosts
        if origin is not None and urlsplit(origin).netloc != host.netloc and not known:
            return 403, "that is another site's page"
        if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return 403, "that is another site's page"
    return None


def password(authorization: str) -> bytes:
    """The ``user:password`` of a header for HTTP's basic authentication; empty for another one."""
    scheme, _, given = authorization.partition(" ")
    try:
        return base64.b64decode(given, validate=True) if scheme.lower() == "basic" else b""
    except ValueError:
        return b""


def _policy(page: bytes) -> str:
    """The Content-Security-Policy of a page, with the hashes of the scripts in its markup."""
    scripts = (
        base64.b64encode(hashlib.sha256(one).digest()) for one in SCRIPT.findall(page) if one
    )
    return POLICY.format(scripts=" ".join(f"'sha256-{one.decode()}'" for one in scripts))


def headers_of(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _hostname(netloc: str) -> str:
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""


def _token(cookies: str) -> str:
    try:
        morsel = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel and TOKEN.fullmatch(morsel.value) else ""


def _is_authorized(authorization: str, auth: str) -> bool:
    return hmac.compare_digest(password(authorization), auth.encode())


async def _answer(
    send: Any, status: int, text: str, headers: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    body = text.encode()
    head = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        *headers,
        *HEADERS,
    ]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
