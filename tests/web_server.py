"""A web server on this machine with a few files, which may break off."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass
class Site:
    """What is served, and what was asked for."""

    files: dict[str, tuple[str, bytes]]
    """Type and content by path; any other path is not found."""
    ranges: bool = True
    drops: int = 0
    """Bytes of a film after which an answer breaks off, if it is not 0."""
    address: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and range of each request for content."""


@contextlib.contextmanager
def serving(files: Mapping[str, tuple[str, bytes]], **how: object) -> Iterator[Site]:
    """The site while it is served."""
    site = Site(dict(files), **how)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path not in site.files:
                self.send_error(404)
                return
            kind, content = site.files[self.path]
            wanted = self.headers.get("Range", "")
            first = 0
            if wanted and site.ranges:
                first = int(wanted.removeprefix("bytes=").partition("-")[0] or 0)
            self.send_response(206 if first else 200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content) - first))
            if site.ranges:
                self.send_header("Accept-Ranges", "bytes")
            if first:
                size = len(content)
                self.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
            self.end_headers()
            if self.command == "HEAD":
                return
            site.asked.append((self.path, wanted))
            body = content[first:]
            if site.drops and kind.startswith("video/"):
                body = body[: site.drops]
            with contextlib.suppress(OSError):  # whoever asks may have seen enough
                self.wfile.write(body)
            self.close_connection = True

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
