"""A page of ``dubkit ui``, and somebody who has a job done there."""

from __future__ import annotations

import contextlib
import hashlib
import http.cookiejar
import json
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .lab import ENGINES, Case, Lab, dubkit

WISHES = {"subs": True, "to": "pt", "transcriber": f"{ENGINES}/engines.py:Slow",
          "translator": f"{ENGINES}/translators.py:Good"}  # fmt: skip


class Page:
    """A server of a case, at a port of its own."""

    def __init__(self, case: Case, patience: float) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.patience = 5 * patience  # a page takes its time to start on a busy machine
        self.url = f"http://127.0.0.1:{port}"
        self.argv = dubkit("ui", "--port", port, "--data", case.folder / "data",
                           "--allow-local-plugins")  # fmt: skip
        self.cookies = case.folder / "cookies"
        self.job = case.folder / "job"

    def wait(self) -> None:
        """Until it answers."""
        until = time.monotonic() + self.patience
        while True:
            try:
                self.ask("GET", "/healthz")
                return
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        jar = http.cookiejar.LWPCookieJar(self.cookies)
        if self.cookies.exists():
            jar.load(ignore_discard=True)
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        request = urllib.request.Request(self.url + path, data=body, method=method)
        with opener.open(request, timeout=self.patience) as answer:
            content: bytes = answer.read()
        jar.save(ignore_discard=True)
        return content

    def submit(self, film: Path, wishes: dict[str, Any] = WISHES) -> None:
        """Send a film, and ask for a job on it."""
        self.ask("GET", "/")
        sent = json.loads(self.ask("PUT", f"/dubkit/videos?name={film.name}", film.read_bytes()))
        body = json.dumps({"video": sent["id"], "wishes": wishes}).encode()
        self.job.write_text(json.loads(self.ask("POST", "/dubkit/jobs", body))["job"])

    def made(self) -> dict[str, str]:
        """The hashes of what the job made, once it is over."""
        path = f"/dubkit/jobs/{self.job.read_text()}"
        until = time.monotonic() + self.patience
        while (state := json.loads(self.ask("GET", path)))["state"] in ("waiting", "running"):
            if time.monotonic() > until:
                return {"the job never ends": ""}
            time.sleep(0.2)
        if state["state"] != "done":
            return {f"the job is {state['state']}": ""}
        return {
            str(number): hashlib.sha256(self.ask("GET", f"{path}/files/{number}")).hexdigest()[:16]
            for number in range(len(state["files"]))
        }

    def run(self, film: Path) -> dict[str, str]:
        self.submit(film)
        return self.made()

    def again(self) -> dict[str, str]:
        """What the job makes that a server before this one did not finish."""
        if not self.job.exists():
            return {"there was no job": ""}
        path = f"/dubkit/jobs/{self.job.read_text()}"
        if json.loads(self.ask("GET", path))["state"] not in ("done", "waiting", "running"):
            self.job.write_text(json.loads(self.ask("POST", f"{path}/again", b"{}"))["job"])
        return self.made()


@contextlib.contextmanager
def serving(lab: Lab, case: Case, wrapper: tuple[str, ...] = ()) -> Iterator[Page]:
    """A page until the block ends, which is ended by Ctrl-C."""
    lab.step("dubkit ui")
    server = Page(case, lab.patience)
    with (case.folder / "page.log").open("ab") as log:
        child = subprocess.Popen(
            [*wrapper, *server.argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env=case.environment, cwd=case.folder, start_new_session=True,
        )  # fmt: skip
    try:
        server.wait()
        yield server
    finally:
        child.send_signal(signal.SIGINT)
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
