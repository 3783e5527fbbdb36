"""Run the dubkit under attack, and find out what was wrong with how it ended."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import io
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

BENCHMARKS = Path(__file__).parent.parent
ROOT = BENCHMARKS.parent
ENGINES = ROOT / "tests/data"
AUSTEN = ROOT / "examples/data/austen.mp4"

MARK = "DUBKIT_ATTACK"
"""Environment variable that marks the processes of a case, wherever they end up in the tree."""
INTERNAL = 70
"""Exit status for a fault of dubkit's own."""
STATUSES = {0, 2, 3, 4, 5, 6, 7, 8, 9, 130}
"""How a command with one input may end."""
MEMORY = 6 * 2**30
"""Bytes of address space of a worker or command, so that a flood of data hurts nobody else."""
OUT, ERR = "stdout.txt", "stderr.txt"
"""Where a case keeps what its commands say."""
TRACEBACK = "Traceback (most recent call last)"


def remember_packages() -> None:
    """What is installed does not change, and looking it up is nine tenths of a run in a process."""
    importlib.metadata.entry_points = functools.cache(importlib.metadata.entry_points)
    read = importlib.metadata.Distribution.metadata.fget
    metadata = functools.cached_property(read)
    metadata.__set_name__(importlib.metadata.Distribution, "metadata")
    importlib.metadata.Distribution.metadata = metadata


@dataclass(frozen=True)
class Fault:
    """Something that must not happen."""

    harm: str
    """traceback, hang, crash, touched, orphan, scratch, truncated, differs, connection, wrong,
    escape or refused."""
    detail: str


@dataclass(frozen=True)
class Lab:
    """Where the cases of one kind are tried."""

    folder: Path
    """What they share; made by ``prepare``."""
    seed: int
    patience: float
    """Seconds after which a command hangs."""
    samples: Path | None
    step: Callable[[str], None]
    """Says that a command begins; the watchdog counts from there."""
    mark: str
    """With which the mark of each of its processes begins."""

    def undisturbed(self, folder: Path) -> Case:
        """A case that shows what is right, in a folder of its own."""
        folder.mkdir(exist_ok=True)
        return Case(0, folder, random.Random(self.seed), f"{self.mark}undisturbed.")


@dataclass(frozen=True)
class Case:
    """One try."""

    number: int
    folder: Path
    """Its own, empty at the start."""
    random: random.Random
    mark: str

    @property
    def temporary(self) -> Path:
        """The folder for temporary files of its commands."""
        path = self.folder / "tmp"
        path.mkdir(exist_ok=True)
        return path

    @property
    def environment(self) -> dict[str, str]:
        """That of its commands."""
        return os.environ | {MARK: self.mark, "TMPDIR": str(self.temporary)}


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    status: int | None
    """None if it had to be ended; negated signal number if a signal ended it."""
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        return (self.out + b"\n" + self.err).decode("utf-8", "backslashreplace")


def dubkit(*arguments: object) -> list[str]:
    """The command line of the dubkit under attack."""
    return [sys.executable, "-m", "dubkit", *map(str, arguments)]


def run(
    lab: Lab,
    case: Case,
    argv: Sequence[str],
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    patience: float | None = None,
) -> Ran:
    """A command in processes of its own, to its end or the end of patience."""
    lab.step(" ".join(argv[2:]))
    with (case.folder / OUT).open("wb") as out, (case.folder / ERR).open("wb") as err:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=case.environment | dict(env or {}),
            cwd=cwd or case.folder,
            start_new_session=True,
        )
        status = wait(child, patience or lab.patience, lambda: marked(case.mark))
        if status is None:
            end(marked(case.mark))
            child.wait()
    return Ran(status, *((case.folder / name).read_bytes()[-100_000:] for name in (OUT, ERR)))


def call(lab: Lab, case: Case, *arguments: object) -> Ran:
    """The command in this process, which is many times faster; a hang is the watchdog's matter."""
    from dubkit.__main__ import main

    argv = [str(argument) for argument in arguments]
    lab.step(" ".join(argv))
    os.environ |= {MARK: case.mark, "TMPDIR": str(case.temporary)}
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(argv)
        except SystemExit as ended:
            status = int(ended.code or 0)
        except BaseException:
            err.write(traceback.format_exc())
            status = INTERNAL
    return Ran(status, *(part.getvalue().encode("utf-8", "replace") for part in (out, err)))


def faults_of(ran: Ran, also: Sequence[int] = ()) -> Iterator[Fault]:
    """What was wrong with how it ended; ``also`` are further statuses that are right."""
    if ran.status is None:
        yield Fault("hang", last_line(ran))
    elif TRACEBACK in ran.text or ran.status == INTERNAL:
        yield Fault("traceback", where(ran.text))
    elif ran.status < 0:
        yield Fault("crash", signal.Signals(-ran.status).name)
    elif ran.status not in {*STATUSES, *also}:
        yield Fault("crash", f"status {ran.status}: {last_line(ran)}")


def where(text: str) -> str:
    """The kind of exception, and the line of dubkit that it came from."""
    if report := re.search(r"/\S+/report-\S+\.txt", text):
        with contextlib.suppress(OSError):
            lines = Path(report[0]).read_text("utf-8", "replace").splitlines()
            frames = [line.strip() for line in lines if line.startswith("  dubkit.")]
            raised = lines[lines.index("failed:") + 1] if "failed:" in lines else ""
            return f"{raised.strip()} {(frames or [''])[-1]}"
    lines = text.splitlines()
    ours = [line.strip() for line in lines if line.startswith("  File ") and "dubkit" in line]
    raised = [line for line in lines if line[:1].isalpha() and "Error" in line.split(":")[0]]
    frame = ours[-1].split("dubkit/", 1)[-1].replace('", line ', ":").split(",")[0] if ours else ""
    return f"{(raised or lines or [''])[-1][:120]} {frame}".strip()


def last_line(ran: Ran) -> str:
    return next(iter(reversed(ran.text.strip().splitlines())), "")[:120]


def marked(mark: str) -> list[int]:
    """The living processes whose environment has a mark that begins so, but for this one.

    Marks end in a dot, so that no case is the beginning of another.
    """
    found = []
    wanted = f"\0{MARK}={mark}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            # A zombie has no environment.
            if wanted in b"\0" + (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found


def name_of(pid: int) -> str:
    try:
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "a process"
    return " ".join(Path(part.decode("utf-8", "replace")).name for part in argv[:4])


def end(pids: Sequence[int]) -> None:
    """Kill processes, each by its number."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class Clock:
    """The seconds that processes had: those in which they worked, or waited for something else than
    a core. So a machine that does other work as well makes no run a hang."""

    def __init__(self, pids: Callable[[], Sequence[int]]) -> None:
        self._pids = pids
        self._at, (self._worked, _) = time.monotonic(), _work(pids())
        self._passed = 0.0

    def passed(self) -> float:
        now, (worked, ready) = time.monotonic(), _work(self._pids())
        self._passed += max(0.0, worked - self._worked) if ready else now - self._at
        self._at, self._worked = now, worked
        return self._passed


def _work(pids: Sequence[int]) -> tuple[float, bool]:
    """Seconds of work of processes and their ended children, and whether one wants a core."""
    ticks, ready = 0, False
    for pid in pids:
        with contextlib.suppress(OSError):
            state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[10:14]))
            ready = ready or state == "R"
    return ticks / os.sysconf("SC_CLK_TCK"), ready


def wait(
    child: subprocess.Popen[bytes], seconds: float, pids: Callable[[], Sequence[int]]
) -> int | None:
    """The child's status, or None if it has not ended after so many seconds of its clock."""
    clock = Clock(pids)
    while clock.passed() < seconds:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.wait(min(seconds, 1.0))
    return None


def wait_for_none(pids: Callable[[], Sequence[int]], seconds: float) -> bool:
    """Whether there are none within so many seconds of their clock."""
    clock = Clock(pids)
    while pids():
        if clock.passed() > seconds:
            return False
        time.sleep(0.05)
    return True


def limit_memory() -> None:
    """Of this process and those that it starts."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def hashes(folder: Path) -> dict[str, str]:
    """Of every file and link below a folder, and the names of the folders, without following."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = os.fsencode(path.relative_to(folder)).decode("utf-8", "backslashreplace")
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        else:
            found[name] = "folder" if path.is_dir() else "special"
    return found


def results(folder: Path) -> dict[str, str]:
    """The hashes of what a run made, without its workspace, and what it spent."""
    found = {name: sha for name, sha in hashes(folder).items() if ".dubkit" not in name}
    for path in folder.glob("*.dub.json"):
        with contextlib.suppress(ValueError, AttributeError):
            report = json.loads(path.read_bytes())
            report.pop("spent", None)  # by that run alone
            found[path.name] = hashlib.sha256(json.dumps(report).encode()).hexdigest()[:16]
    return found


def difference(left: Mapping[str, str], right: Mapping[str, str]) -> str:
    """The names that are in one only, or differ."""
    names = sorted(name for name in {*left, *right} if left.get(name) != right.get(name))
    return ", ".join(names)[:200]


def bundled_ffmpeg() -> str:
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def ffmpeg(*argv: object) -> None:
    """Make an input."""
    command = [bundled_ffmpeg(), "-loglevel", "error", "-nostdin", "-y", *map(str, argv)]
    subprocess.run(command, check=True)


def film(path: Path, seconds: float = 4, *output: object) -> Path:
    """A small film: a moving picture and a tone, the same bytes each time."""
    codecs = output or ("-c:v", "libx264", "-preset", "veryfast", "-c:a", "aac")
    ffmpeg("-f", "lavfi", "-i", f"testsrc2=s=160x120:r=25:d={seconds}", "-f", "lavfi", "-i",
           f"sine=f=440:d={seconds}:r=48000", "-fflags", "+bitexact", *codecs, path)  # fmt: skip
    return path


SRT = """\
1
00:00:00,300 --> 00:00:01,400
The quick brown fox jumps at 13h00.

2
00:00:01,500 --> 00:00:02,600
<i>The lazy dog</i> sleeps for 5 minutes.

3
00:00:02,700 --> 00:00:03,800
And nobody knows why.
"""


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
