"""Run the command, in another process or in this one, and look at what it left."""

import contextlib
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from dubkit.__main__ import main

TESTS = Path(__file__).parent
AUSTEN = TESTS.parent / "examples/data/austen.mp4"
ENGINES = TESTS / "data/engines.py"
FAST = ("--transcriber", f"{ENGINES}:Fast")
SLOW = ("--transcriber", f"{ENGINES}:Slow")
BROKEN = ("--transcriber", f"{ENGINES}:Broken")


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def paths(self) -> list[Path]:
        return [Path(line) for line in self.out.splitlines()]

    @property
    def json(self) -> dict:
        return json.loads(self.out)


def start(*arguments: object, env: dict | None = None, cwd: Path | None = None, **more: object):
    """``python -m dubkit`` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "dubkit", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {name: str(value) for name, value in (env or {}).items()},
        cwd=cwd,
        **more,
    )


def ended(child: subprocess.Popen, timeout: float = 120) -> Ran:
    out, err = child.communicate(timeout=timeout)
    return Ran(child.returncode, out.decode(), err.decode())


def dubkit(*arguments: object, **more: object) -> Ran:
    """The command in a process of its own, to its end."""
    return ended(start(*arguments, **more))


def called(*arguments: object) -> Ran:
    """The command in this process, which is several times faster."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as end:  # --help
            status = end.code or 0
    return Ran(status, out.getvalue(), err.getvalue())


def assert_refused(ran: Ran, status: int, *words: str) -> None:
    """One clear sentence with a hint on stderr, the right status, and nothing else."""
    assert ran.status == status, ran
    assert ran.out == "", ran
    assert "Traceback" not in ran.err, ran.err
    lines = ran.err.splitlines()
    (at,) = [i for i, line in enumerate(lines) if line.startswith("dubkit: ")]
    sentence, hint = lines[at], lines[at + 1 :]
    assert len(hint) == 1 and hint[0].startswith("  ") and hint[0].strip(), ran.err
    for word in words:
        assert word.lower() in f"{sentence} {hint[0]}".lower(), ran.err


def assert_nothing_made(folder: Path) -> None:
    """No result, and nothing half-written."""
    for path in folder.rglob("*"):
        assert ".part" not in path.name or path.is_dir(), path
        assert ".subbed" not in path.name, path
        assert path.suffix not in (".srt", ".vtt", ".ass"), path


def contents(folder: Path) -> dict[str, str]:
    """The hash of every file, by its path in the folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def times(folder: Path) -> dict[str, int]:
    """When each file was written, but for the lock, which every run touches."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def _stat(pid: int) -> list[str]:
    """State, parent and so on of a process; nothing when it is gone (proc(5))."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    running = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [other for other in running if _stat(other)[1:2] == [str(pid)]]


def alive(pid: int) -> bool:
    return _stat(pid)[:1] not in ([], ["Z"])


def wait_for(condition, seconds: float = 20) -> None:
    """Until it is true; the test fails when it never is."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def interrupt(child: subprocess.Popen) -> tuple[Ran, float]:
    """Ctrl-C, and the seconds that it took to end."""
    at = time.monotonic()
    child.send_signal(signal.SIGINT)
    ran = ended(child, 30)
    return ran, time.monotonic() - at
