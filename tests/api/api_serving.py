"""A server of the API for tests."""

import contextlib
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KEY = "a-key-of-the-tests"


@dataclass(frozen=True)
class Serving:
    """A running ``dubkit serve``."""

    child: subprocess.Popen
    url: str
    data: Path
    log: Path

    def left(self) -> list[str]:
        """What it keeps of requests."""
        folders = (self.data / "sessions", self.data / "tmp")
        walks = (os.walk(one) for one in folders)  # which a folder that goes does not disturb
        return [f"{at}/{name}" for walk in walks for at, _, names in walk for name in names]


@contextlib.contextmanager
def serving(data: Path, *arguments: object, key: str = "", page: bool = False) -> Iterator[Serving]:
    """``dubkit serve`` on a free port, with the page if that is asked for, until the block ends."""
    data.mkdir()
    log = data.parent / f"{data.name}.log"
    with log.open("ab") as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", "dubkit", "serve", "--port", "0", "--data", data,
             *([] if page else ["--no-page"]), *map(str, arguments)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
            env={**os.environ, "DUBKIT_API_KEY": key}, text=True,
        )  # fmt: skip
    try:
        assert child.stdout
        url = child.stdout.readline().strip()
        assert url.startswith("http://"), log.read_text()
        with urllib.request.urlopen(f"{url}/healthz", timeout=30) as answer:
            assert answer.status == 200
        yield Serving(child, url, data, log)
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            child.wait(20)
        child.stdout.close()
