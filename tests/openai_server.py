"""What the tests' servers of OpenAI's protocol share: how they answer, and how they misbehave in
ways that have nothing to do with what they are asked."""

from __future__ import annotations

import json
import re
import socket
import struct
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class HangUpServer(ThreadingHTTPServer):
    """A server of whose clients some hang up."""

    daemon_threads = True

    def handle_error(self, *about: object) -> None:
        error = sys.exc_info()[1]
        if error and not isinstance(error, OSError):
            self.failed(error)

    def failed(self, error: BaseException) -> None:
        """What a handler raised, which is the test's own fault."""
        traceback.print_exception(error)


class Answering(BaseHTTPRequestHandler):
    """One connection; ``stopped`` is set when the server ends."""

    stopped: threading.Event
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    @property
    def key(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    def misbehaves(self, fault: str, value: str) -> bool:
        """Whether ``fault`` is one of these, which are then done: any status (with ``Retry-After``,
        where a value is given), ``quota``, ``filter-400``, ``tell-key CODE``, ``error-200 CODE``,
        ``hang SECONDS``, ``drop``, ``reset``, ``html``."""
        if fault == "quota":
            self.error(429, "You exceeded your current quota.", "insufficient_quota")
        elif fault == "filter-400":
            self.error(400, "The prompt triggered the content management policy", "content_filter")
        elif re.fullmatch(r"\d{3}", fault):
            headers = {"Retry-After": value} if value else {}
            self.error(int(fault), f"told to answer {fault}", "scripted", headers)
        elif fault == "tell-key":
            self.error(int(value), f"bad luck with {self.key} today", "scripted")
        elif fault == "error-200":
            self.send(200, {"error": {"message": "Upstream failed", "code": int(value)}})
        elif fault == "hang":
            self.stopped.wait(float(value or 0))
            self.close_connection = True
        elif fault == "drop":
            self.close_connection = True
        elif fault == "reset":
            # Lingering for no time makes the kernel send RST instead of FIN.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True
        elif fault == "html":
            self.send(200, b"<html><body>It works!</body></html>", "text/html")
        else:
            return False
        return True

    def error(
        self, status: int, message: str, code: str, headers: dict[str, str] | None = None
    ) -> None:
        error = {"message": message, "type": "error", "param": None, "code": code}
        self.send(status, {"error": error}, headers=headers)

    def send(
        self,
        status: int,
        body: dict | bytes,
        kind: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        self.head(status, len(data), kind, headers or {})
        self.wfile.write(data)

    def head(self, status: int, length: int, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
