"""A page server of its own for a test."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Serving:
    """A running ``dubkit ui``."""

    child: subprocess.Popen
    url: str
    data: Path

    def stop(self) -> tuple[int, float]:
        """Press Ctrl-C; returns the exit status and the seconds it took."""
        at = time.monotonic()
        self.child.send_signal(signal.SIGINT)
        return self.child.wait(10), time.monotonic() - at


@contextlib.contextmanager
def serving(data: Path, *arguments: object, env: dict | None = None) -> Iterator[Serving]:
    """``dubkit ui`` on a free port, until the block ends."""
    data.mkdir(exist_ok=True)
    with (data.parent / f"{data.name}.log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "dubkit", "ui", "--port", "0", "--data", data,
             *map(str, arguments)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
            env=os.environ | (env or {}), text=True,
        )  # fmt: skip
    try:
        assert child.stdout
        url = child.stdout.readline().strip()
        assert url.startswith("http://"), (data.parent / f"{data.name}.log").read_text()
        with urllib.request.urlopen(f"{url}/healthz", timeout=30) as answer:
            assert answer.status == 200
        yield Serving(child, url, data)
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait(10)
        child.stdout.close()
