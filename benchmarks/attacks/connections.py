"""Whom real runs talk to: every connection and look-up is traced, and none was asked for."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from . import page
from .lab import AUSTEN, Case, Fault, Lab, dubkit, faults_of, ffmpeg, run

PATIENCE = 8
TRACE = ("-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-e", "signal=none")
ADDRESS = re.compile(
    r'sin6?_port=htons\((\d+)\).*?(?:inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)")'
)
LOOK_UP = "53"
RUNS = {
    "check": ("check", "text.en.srt"),
    "subtitle": ("film.mp4", "--subs"),
    "translate": ("film.mp4", "--subs", "--no-video", "--to", "pt"),
    "translate a file": ("text.en.srt", "--to", "pt"),
    "dub": ("film.mp4", "--subs", "--to", "pt", "--dub"),
    "dry run": ("text.en.srt", "--to", "pt", "--dry-run"),
    "plugins": ("plugins",),
    "doctor": ("doctor",),
    "API": (),
    "page": (),
}
API = "import dubkit; dubkit.transcribe('film.mp4')"
COUNT = len(RUNS)


def prepare(lab: Lab) -> int | str:
    if not shutil.which("strace"):
        return "no strace"
    ffmpeg("-i", AUSTEN, "-t", 8, "-c:v", "libx264", "-preset", "veryfast", "-c:a", "aac",
           lab.folder / "film.mp4")  # fmt: skip
    return len(RUNS)


def attack(lab: Lab, case: Case) -> Iterator[Fault]:
    name = list(RUNS)[case.number]
    os.environ.pop("HF_HUB_OFFLINE", None)  # it would keep from asking what asks by itself
    home = case.folder / "home"
    home.mkdir()
    os.environ["HOME"] = str(home)
    film = Path(shutil.copy(lab.folder / "film.mp4", case.folder))
    (case.folder / "text.en.srt").write_text(
        "1\n00:00:01,000 --> 00:00:03,000\nGood morning, everybody.\n"
    )
    trace = case.folder / "trace.txt"
    wrapper = (str(shutil.which("strace")), *TRACE, "-o", str(trace))
    if name == "page":
        with page.serving(lab, case, wrapper) as server:
            server.submit(film, {"subs": True})
            made = server.made()
        if "0" not in made:
            yield Fault("refused", f"page: {made}")
    else:
        argv = [sys.executable, "-c", API] if name == "API" else dubkit(*RUNS[name])
        ran = run(lab, case, [*wrapper, *argv], patience=5 * lab.patience)
        yield from faults_of(ran, also=(1,))
        if ran.status and name not in ("doctor", "check"):
            yield Fault("refused", f"{name}: status {ran.status}: {ran.text.strip()[-150:]}")
    for text in sorted(set(_foreign(trace.read_text("utf-8", "replace")))):
        yield Fault("connection", f"{name}: {text}")
    for path in home.rglob("*"):
        if "microsoft" in str(path.relative_to(home)).lower() and path.is_file():
            yield Fault("connection", f"{name}: {path.relative_to(home)} was written")


def _foreign(trace: str) -> Iterator[str]:
    """Addresses that are not this machine's, and any look-up of a name."""
    for line in trace.splitlines():
        for port, four, six in ADDRESS.findall(line):
            address = four or six
            if port == LOOK_UP:
                yield f"a look-up at {address}"
            elif not address.startswith("127.") and address != "::1":
                yield f"{address}, port {port}"
