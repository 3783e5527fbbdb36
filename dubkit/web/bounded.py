"""``python bounded.py BOUNDS PROGRAM ...``: run a program, and end it when it takes too much.

The parent of every job, and of other programs that open a stranger's file. So the limits are a
job's own: one that outlives its server is watched as before. They hold for the program and
everything that it starts, together; whatever it leaves running is ended with it. A limit that was
met is reported on standard output, in a line like those of the command's ``--events``.

It is run as a file and needs the standard library alone, so that it starts at once and stays small.
Windows lacks what it needs: there, programs run without it.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

TICK = 0.2
"""Seconds between two looks at a program's processes; more if looking takes long."""
FILES_TICK = 1.0
"""The same for its files."""
SHARE = 0.05
"""Of one core that looking may take."""
GRACE = 0.6
"""Seconds between asking a program to stop and killing it."""
OPEN_FILES = 4096
"""Of each process."""
SLACK = 2**28
"""Bytes that one file may have beyond ``files`` before the kernel itself stops it."""
MET = 8
"""Exit status if a limit was met."""
DATA = 4 * 2**30
"""Bytes of memory that each process may have reserved beyond ``memory``, used or not."""
KIND = "LimitReached"
"""The ``kind`` of the event that reports it."""
PROC = Path("/proc")
"""Of Linux; other systems have the command ps."""
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a program may take together with everything that it starts; 0 is as much as there is."""

    memory: int = 0
    """Bytes at once, without what could be read from files again."""
    files: int = 0
    """Bytes by which the contents of ``folders`` may grow."""
    folders: tuple[str, ...] = ()
    spare: int = 0
    """Bytes of the first folder's disk that must stay free."""
    run_time: float = 0.0
    """Seconds."""
    cpu_time: float = 0.0
    """Seconds of all its processes, added up."""
    processes: int = 0
    """At once."""
    media: float = 0.0
    """Seconds of sound that decoding may give, by the command's own events."""
    events: str = ""
    """The file with these events, to which its standard output goes."""
    parent: int = 0
    """The process without which it must not go on."""
    scratch: str = ""
    """A folder that is made for its temporary files, and deleted when it ends."""
    what: str = "the job"
    """What is run, for the report."""


@dataclass(frozen=True, slots=True)
class Met:
    """A limit that was met, in words."""

    message: str
    hint: str
    at_once: bool = False
    """Whether there is no time to ask the program to stop."""


def bounded(argv: Sequence[str], bounds: Bounds) -> list[str]:
    """The arguments that run ``argv`` within bounds."""
    if os.name != "posix":
        return list(argv)
    values = json.dumps(asdict(bounds))
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), values, *argv]


def met_in(line: str) -> Met | None:
    """The limit that a line of standard output reports."""
    if KIND in line:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            event = json.loads(line)
            if event["kind"] == KIND:
                return Met(event["message"], event["hint"])
    return None


def main(argv: Sequence[str]) -> int:
    """Run the program to its end, or to that of its limits; returns its exit status, negative for
    the signal that ended it."""
    values = json.loads(argv[0])
    bounds = Bounds(**{**values, "folders": tuple(values["folders"])})
    woken = _wake_on_signals()
    _limit_each_process(bounds)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)  # or what a child leaves behind would be nobody's
    watch = _Watch(bounds)
    child = subprocess.Popen(argv[1:], env=_environment(bounds), preexec_fn=_die_with_parent)
    stopped = _forward_signals(child.pid)
    status: int | None = None
    met: Met | None = None
    while status is None and not met and not _overdue(stopped):
        status = _wait(woken, child.pid, TICK)
        if status is None:
            met = watch.look()
        elif status and not stopped:  # the kernel may have stopped one file from growing
            met = watch.files()
    if met and status is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL if met.at_once else signal.SIGINT)
        _wait(woken, child.pid, GRACE)
    _kill_family()
    if bounds.scratch:
        shutil.rmtree(bounds.scratch, ignore_errors=True)
    if met:
        _report(met, bounds.what)
        return MET
    return -signal.SIGKILL if status is None else status


def _report(met: Met, what: str) -> None:
    event = {"event": "error", "message": f"{what} {met.message}", "hint": met.hint, "kind": KIND}
    line = json.dumps({**event, "exit_status": MET}, ensure_ascii=False)
    with contextlib.suppress(OSError):
        # Of its own, even if the program was stopped in the middle of one.
        os.write(1, f"\n{line}\n".encode("utf-8", "replace"))


def _environment(bounds: Bounds) -> dict[str, str] | None:
    if not bounds.scratch:
        return None
    with contextlib.suppress(OSError):  # a full disk: the program will report it
        Path(bounds.scratch).mkdir(mode=0o700, parents=True, exist_ok=True)
    return {**os.environ, "TMPDIR": bounds.scratch}


# ---------------------------------------------------------------- looking


class _Watch:
    """Compares what a program takes with what it may take."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._began = time.monotonic()
        self._folders = (*bounds.folders, *filter(None, [bounds.scratch]))
        self._before = bytes_below(self._folders)
        self._due: dict[Callable[[], Met | None], float] = {}
        self._read = Path(bounds.events).stat().st_size if bounds.events else 0
        self._rest = b""

    def look(self) -> Met | None:
        """The limit that is met now."""
        for check, tick in ((self._processes, TICK), (self.files, FILES_TICK)):
            now = time.monotonic()
            if now >= self._due.get(check, 0.0):
                if met := check():
                    return met
                took = time.monotonic() - now
                self._due[check] = now + max(tick, took / SHARE)
        return self._media()

    def _processes(self) -> Met | None:
        bounds, family = self.bounds, _family(os.getpid())
        memory = sum(one.memory for one in family)
        own = resource.getrusage(resource.RUSAGE_CHILDREN)  # of those that have ended
        cpu = sum(one.cpu for one in family) + own.ru_utime + own.ru_stime
        if 0 < bounds.memory < memory:
            return Met(
                f"was ended when it used {memory / 1e9:.1f} GB of memory: a job may use "
                f"{bounds.memory / 1e9:.1f} GB",
                "choose a smaller model, or make less at once; the server's --max-memory sets the "
                "limit",
                at_once=True,
            )
        if 0 < bounds.processes < len(family):
            return Met(
                f"was ended when it ran {len(family)} programs at once: a job may run "
                f"{bounds.processes}",
                "choose another engine; the server's --max-processes sets the limit",
                at_once=True,
            )
        if 0 < bounds.run_time < time.monotonic() - self._began:
            return Met(
                f"was ended after {duration(bounds.run_time)}, which is as long as a job may take",
                "start it again: it continues where it was; the server's --max-run-time sets the "
                "limit",
            )
        if 0 < bounds.cpu_time < cpu:
            return Met(
                f"was ended when it had used {duration(bounds.cpu_time)} of processor time, which "
                "is as much as a job may use",
                "start it again: it continues where it was; the server's --max-cpu-time sets the "
                "limit",
            )
        if bounds.parent and os.getppid() != bounds.parent:
            return Met("was ended with the server", "start it again", at_once=True)
        return None

    def files(self) -> Met | None:
        """The limit of files or of the disk that is met now."""
        bounds = self.bounds
        if not bounds.folders:
            return None
        if bounds.files and (grown := bytes_below(self._folders) - self._before) > bounds.files:
            return Met(
                f"was ended when it had written {grown / 1e6:,.0f} MB of files: it might write "
                f"{bounds.files / 1e6:,.0f} MB",
                "delete videos that are no longer needed, or make less at once; the server's "
                "--max-files sets what a job may write",
            )
        if bounds.spare and free_bytes(bounds.folders[0]) < bounds.spare:
            return Met(
                f"was ended because the server's disk is full: {bounds.spare / 1e6:,.0f} MB of "
                "it must stay free",
                "delete videos that are no longer needed, or try later",
            )
        return None

    def _media(self) -> Met | None:
        """The limit on what decoding gives, whatever the file claimed."""
        if not self.bounds.media or not self.bounds.events:
            return None
        with contextlib.suppress(OSError), Path(self.bounds.events).open("rb") as file:
            file.seek(self._read)
            block = file.read(2**20)
            self._read += len(block)
            *lines, self._rest = (self._rest[-(2**16) :] + block).split(b"\n")
            for line in lines:
                if b'"progress"' in line and _decoded(line) > self.bounds.media:
                    return Met(
                        f"was ended because the sound goes on for more than "
                        f"{duration(self.bounds.media)}, the longest that this server takes",
                        "cut the file into parts; the server's --max-media sets the limit",
                    )
        return None


def _decoded(line: bytes) -> float:
    """The seconds of sound that an event says are decoded."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        event = json.loads(line)
        if event["event"] == "progress" and event["stage"] == "audio":
            return float(event["done"])
    return 0.0


def duration(seconds: float) -> str:
    """A duration in words."""
    if seconds < 3600:
        return f"{seconds:.3g} s" if seconds < 60 else f"{seconds / 60:.4g} minutes"
    return f"{seconds / 3600:.4g} hours"


def bytes_below(folders: Iterable[str | Path]) -> int:
    """Bytes of all files in folders and their subfolders; links are not followed."""
    found, left = 0, [str(folder) for folder in folders]
    while left:
        with contextlib.suppress(OSError), os.scandir(left.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
                    else:
                        found += entry.stat(follow_symlinks=False).st_size
    return found


def free_bytes(folder: str | Path) -> int:
    """Bytes that may be written to a folder's disk."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


# ---------------------------------------------------------------- processes


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    memory: int
    """Bytes that no file holds."""
    cpu: float
    """Seconds, with its own children that have ended."""


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, those that they have started, and so on."""
    below: dict[int, list[int]] = {}
    for other, parent in _parents():
        below.setdefault(parent, []).append(other)
    found, left = [], [pid]
    while left:
        children = below.get(left.pop(), [])
        found += children
        left += children
    return found


def _parents() -> list[tuple[int, int]]:
    """Every process, with its parent."""
    if sys.platform != "linux":
        return [(int(pid), int(parent)) for pid, parent in _ps("pid", "ppid")]
    found = []
    for entry in PROC.iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, ValueError, IndexError):  # it has ended
                found.append((int(entry.name), int(_stat(int(entry.name))[1])))
    return found


def _family(pid: int) -> list[_Process]:
    """What each descendant of a process takes."""
    pids = descendants(pid)
    if sys.platform != "linux":
        rows = [row for row in _ps("pid", "rss", "time") if int(row[0]) in pids]
        return [_Process(int(one), int(kib) * 1024, _seconds(cpu)) for one, kib, cpu in rows]
    found = []
    for one in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):  # it has ended
            status = (PROC / str(one) / "status").read_text("utf-8", "replace")
            memory = sum(
                int(line.split()[1]) * 1024
                for line in status.splitlines()
                if line.startswith(("RssAnon:", "RssShmem:", "VmSwap:"))
            )
            ticks = sum(map(int, _stat(one)[11:15]))
            found.append(_Process(one, memory, ticks / os.sysconf("SC_CLK_TCK")))
    return found


def _stat(pid: int) -> list[str]:
    """State, parent and so on of a process (proc(5)); the name before them may hold anything."""
    return (PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()


def _ps(*columns: str) -> list[list[str]]:
    """The rows of ps about all processes."""
    argv = ["ps", "-A", *(part for name in columns for part in ("-o", f"{name}="))]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    rows = [line.split() for line in done.stdout.splitlines()]
    return [row for row in rows if len(row) == len(columns)]


def _seconds(text: str) -> float:
    """A time of ps: ``[[days-]hours:]minutes:seconds``."""
    days, _, rest = text.rpartition("-")
    found = 0.0
    for part in rest.split(":"):
        found = found * 60 + float(part)
    return found + 86_400 * int(days or 0)


def _limit_each_process(bounds: Bounds) -> None:
    """Limits of the kernel's own, which hold for each process by itself: they act at once, before
    the next look, and even without one."""
    limits = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, OPEN_FILES)]
    if bounds.files:
        limits.append((resource.RLIMIT_FSIZE, bounds.files + SLACK))
    if bounds.cpu_time:
        limits.append((resource.RLIMIT_CPU, math.ceil(bounds.cpu_time) + 5))
    if bounds.memory:
        limits.append((resource.RLIMIT_DATA, bounds.memory + DATA))
    for what, most in limits:
        hard = resource.getrlimit(what)[1]
        if hard == resource.RLIM_INFINITY or most < hard:
            with contextlib.suppress(OSError, ValueError):  # a system without this one
                resource.setrlimit(what, (most, most))


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _die_with_parent() -> None:
    """In the child: nobody would watch it without its parent."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _wake_on_signals() -> int:
    """A descriptor that can be read from after each signal, so that waiting ends at once."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    return woken


def _forward_signals(pid: int) -> list[float]:
    """Pass on to the program what asks this one to stop; returns the times at which that is done,
    as it is."""
    passed: list[float] = []

    def forward(number: int, frame: FrameType | None) -> None:
        passed.append(time.monotonic())
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, forward)
    return passed


def _overdue(stopped: Sequence[float]) -> bool:
    """Whether the program has had its time to stop."""
    return bool(stopped) and time.monotonic() - stopped[0] > GRACE


def _wait(woken: int, pid: int, seconds: float) -> int | None:
    """The program's exit status, if it has ended within some seconds."""
    until = time.monotonic() + seconds
    while True:
        if (status := _reap(pid)) is not None:
            return status
        left = until - time.monotonic()
        if left <= 0:
            return None
        if select.select([woken], [], [], left)[0]:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 4096)


def _reap(pid: int) -> int | None:
    """Take note of children that have ended, among them those left behind by others; returns the
    exit status of the one with this id."""
    status = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == pid:
                status = os.waitstatus_to_exitcode(ended[1])
    return status


def _kill_family() -> None:
    """Kill whatever is left; more than once, since it may be starting others."""
    for _ in range(20):
        left = descendants(os.getpid())
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
        _reap(0)


if __name__ == "__main__":
    ended = main(sys.argv[1:])
    if ended < 0:
        with contextlib.suppress(OSError):  # SIGKILL has no handler to reset
            signal.signal(-ended, signal.SIG_DFL)
        os.kill(os.getpid(), -ended)
    sys.exit(ended)
