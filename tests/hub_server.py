"""A model hub on this machine, with one model in it."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextlib.contextmanager
def hub_with(
    model: str, files: Mapping[str, bytes], home: Path, *, breaks: Collection[str] = ()
) -> Iterator[tuple[dict[str, str], list[str]]]:
    """The environment of a process that uses the hub, with its cache in ``home``; and the paths
    that the hub was asked for.

    The first answers with the files of ``breaks`` break off in the middle.
    """
    asked: list[str] = []
    breaking = set(breaks)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            if self.path.startswith(f"/api/models/{model}/tree/"):
                tree = [
                    {"type": "file", "path": name, "size": len(data), "oid": name}
                    for name, data in files.items()
                ]
                return self.reply(200, json.dumps(tree).encode())
            if self.path.startswith(f"/api/models/{model}"):
                siblings = [{"rfilename": name, "size": len(data)} for name, data in files.items()]
                body = {"id": model, "modelId": model, "sha": COMMIT,
                        "siblings": siblings, "private": False, "tags": []}  # fmt: skip
                return self.reply(200, json.dumps(body).encode())
            if self.path.startswith(f"/{model}/resolve/"):
                name = self.path.rpartition("/")[2]
                if name not in files:
                    return self.reply(404, b"{}", {"X-Error-Code": "EntryNotFound"})
                head = {"ETag": f'"{name}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
                start = int(self.headers.get("Range", "bytes=0-")[len("bytes=") :].rstrip("-"))
                if not start:
                    return self.reply(200, files[name], head, broken=name in breaking)
                size = len(files[name])
                if start >= size:
                    return self.reply(416, b"", {"Content-Range": f"bytes */{size}"})
                head["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
                return self.reply(206, files[name][start:], head)
            return self.reply(404, b"{}", {"X-Error-Code": "RepoNotFound"})

        do_HEAD = do_GET

        def reply(self, status, data, headers=(), broken=False):
            self.send_response(status)
            for key, value in dict(headers).items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data[: len(data) // 2] if broken else data)
            if broken:
                breaking.discard(self.path.rpartition("/")[2])
                self.close_connection = True

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{running.server_port}"
        yield {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": url, "HF_HOME": str(home)}, asked
        running.shutdown()
