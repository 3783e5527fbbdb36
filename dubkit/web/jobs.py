"""Jobs of the page: each is the command itself, one child process in the folder of its video.

So whatever the page can do, the command can; a job that is stopped leaves a workspace that the next
one goes on with; what a job takes of memory, or breaks, is gone with its process. All that is known
of a job stands in its folder:

- ``job.json``: what was asked and how it stands (:class:`Job`),
- ``events.jsonl``: the command's ``--events``, written by the child itself, so that neither a page
  that is closed nor a server that is killed loses a line,
- ``errors.log``: its standard error, for whoever runs the server.

A child holds a lock on its ``events.jsonl`` for as long as it lives: that is how a new server tells
jobs that outlived the old one from those that died with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

try:
    import fcntl
except ImportError:  # Windows: jobs of a server that was killed count as interrupted
    fcntl = None  # type: ignore[assignment]

from dubkit.files import cannot_write

from ..errors import UsageError

State: TypeAlias = Literal["waiting", "running", "done", "failed", "cancelled", "interrupted"]

JOB, EVENTS, ERRORS = "job.json", "events.jsonl", "errors.log"
TICK = 0.1
"""Seconds between two looks at the children."""
GRACE = 0.7
"""Seconds between asking a child to stop (it says so to its own children) and ending all of them:
the command itself stops within half a second."""
STOPPED = 130
"""The command's exit status after Ctrl-C."""
SECRETS = ("DUBKIT_AUTH",)
"""Environment variables that are the server's and no job's business."""
MOST_WAITING = 100
"""Jobs of one owner."""
MOST_READ = 2**20
"""Bytes of events that are told at once."""


@dataclass(frozen=True, slots=True)
class Job:
    """What was asked for, and how it stands."""

    id: str
    owner: str
    """Whose turn it takes: the name of a session."""
    cwd: str
    """The folder it works in; two jobs of one folder are never at work together."""
    argv: tuple[str, ...]
    """The command's arguments, without ``--events``."""
    about: Mapping[str, Any]
    """What the page wants to remember of it, such as its form."""
    made: float
    """Seconds since 1970, as all times here."""
    state: State = "waiting"
    started: float | None = None
    ended: float | None = None
    pid: int | None = None
    status: int | None = None
    """Exit status; negative for the signal that ended it; None where nobody was there to see."""

    @property
    def over(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.state not in ("waiting", "running")


def read(folder: Path) -> Job:
    """The job in a folder. Raises ValueError when there is none that can be read."""
    try:
        values = json.loads((folder / JOB).read_text("utf-8"))
        return Job(**{**values, "argv": tuple(values["argv"])})
    except (OSError, TypeError, KeyError) as failure:
        raise ValueError(f"no job in {folder.name}") from failure


def events(folder: Path, after: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The events from the byte ``after`` on, and the byte at which to ask for more."""
    try:
        with (folder / EVENTS).open("rb") as file:
            file.seek(after)
            data = file.read(MOST_READ)
    except (OSError, ValueError, OverflowError):  # of a byte that no file has
        return [], after
    whole = data[: data.rfind(b"\n") + 1]
    found = []
    for line in whole.splitlines():
        # An engine may print what it likes between the lines.
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict) and isinstance(event.get("event"), str):
                found.append(event)
    # A line that is longer than all that is read at once is none of the command's.
    return found, after + (len(whole) if whole or len(data) < MOST_READ else len(data))


def last(folder: Path, event: str) -> dict[str, Any] | None:
    """The last event of a name, None where there is none."""
    found, at = None, 0
    while True:
        some, after = events(folder, at)
        found = next((one for one in reversed(some) if one["event"] == event), found)
        if after == at:
            return found
        at = after


def _write(folder: Path, job: Job) -> None:
    part = folder / f".{JOB}.part"
    part.write_text(json.dumps(asdict(job), ensure_ascii=False), "utf-8")
    part.replace(folder / JOB)


def _append(folder: Path, event: Mapping[str, object]) -> None:
    with contextlib.suppress(OSError), (folder / EVENTS).open("ab") as file:
        file.write(json.dumps(event, ensure_ascii=False).encode() + b"\n")


def _lives(folder: Path) -> bool:
    """Whether the child of an earlier server is still at work on the job."""
    if fcntl is None:
        return False
    try:
        with (folder / EVENTS).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


@dataclass(slots=True)
class _Running:
    job: Job
    folder: Path
    child: subprocess.Popen[bytes] | None
    """None for one that an earlier server began."""
    stopping: Literal["", "cancelled", "interrupted"] = ""
    """What it will be called, where it was told to stop."""
    kill_at: float = 0.0
    family: list[int] = field(default_factory=list)
    """Its descendants when it was told to stop."""


class Queue:
    """Runs jobs, so many at once, in turn between their owners."""

    def __init__(self, at_once: int, command: Sequence[str] = (sys.executable, "-m", "dubkit")):
        self.at_once = at_once
        self._command = tuple(command)
        self._waiting: list[tuple[Job, Path]] = []
        self._running: dict[Path, _Running] = {}
        self._served: dict[str, float] = {}
        """When an owner's turn was last."""
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._thread.start()

    def submit(
        self, folder: Path, cwd: Path, owner: str, argv: Sequence[str], about: Mapping[str, Any]
    ) -> Job:
        """Have the command run with ``argv`` in ``cwd`` when its turn comes.

        ``folder``, which must be there and be empty, becomes the job's; its name is the job's id.
        Raises UsageError when the owner has too many waiting, OutputError on a full disk.
        """
        job = Job(folder.name, owner, str(cwd), tuple(argv), dict(about), time.time())
        with self._changed:
            if sum(one.owner == owner for one, _ in self._waiting) >= MOST_WAITING:
                raise UsageError(f"{MOST_WAITING} jobs are waiting already", "cancel some first")
        try:
            _write(folder, job)
        except OSError as failure:
            raise cannot_write(Path("the job"), failure) from failure
        with self._changed:
            self._waiting.append((job, folder))
            self._changed.notify()
        return job

    def adopt(self, folders: Iterable[Path]) -> None:
        """Take over the jobs of a server that is gone: those that still run are watched, those
        that waited wait again, the others are what they came to be."""
        for folder in folders:
            try:
                job = read(folder)
            except ValueError:
                continue
            with self._changed:
                if job.state == "waiting":
                    self._waiting.append((job, folder))
                elif job.state == "running" and _lives(folder):
                    self._running[folder] = _Running(job, folder, None)
                elif job.state == "running":
                    self._finish(_Running(job, folder, None), None)
        with self._changed:
            self._waiting.sort(key=lambda one: one[0].made)
            self._changed.notify()

    def cancel(self, folder: Path) -> bool:
        """Stop a job; whether there was one to stop. It is over within a second."""
        with self._changed:
            for number, (job, where) in enumerate(self._waiting):
                if where == folder:
                    del self._waiting[number]
                    _write(folder, replace(job, state="cancelled", ended=time.time()))
                    return True
            if running := self._running.get(folder):
                self._stop(running, "cancelled")
                return True
        return False

    def place(self, folder: Path) -> int:
        """How many jobs are taken before a waiting one; 0 where it does not wait."""
        with self._changed:
            left = list(self._waiting)
            load = self._load()
            served = dict(self._served)
        for ahead in range(len(left)):
            chosen = _fairest(left, load, served, set())
            if chosen is None or chosen[1] == folder:
                return ahead + 1 if chosen else 0
            left.remove(chosen)
            owner = chosen[0].owner
            served[owner] = time.time() + ahead
        return 0

    def folders(self) -> set[str]:
        """The folders in which jobs work, or wait to work."""
        with self._changed:
            jobs = [job for job, _ in self._waiting] + [r.job for r in self._running.values()]
        return {job.cwd for job in jobs}

    @property
    def counts(self) -> tuple[int, int]:
        """Jobs at work and waiting."""
        with self._changed:
            return len(self._running), len(self._waiting)

    def close(self) -> None:
        """Stop every job that is at work, so that it can be taken up again, and start no other."""
        with self._changed:
            self._closed = True
            for running in self._running.values():
                self._stop(running, "interrupted")
            self._changed.notify()
        self._thread.join(GRACE + 2)

    # ------------------------------------------------------------ in the thread

    def _work(self) -> None:
        while True:
            with self._changed:
                self._look()
                while not self._closed and len(self._running) < self.at_once:
                    busy = {running.job.cwd for running in self._running.values()}
                    chosen = _fairest(self._waiting, self._load(), self._served, busy)
                    if chosen is None:
                        break
                    self._waiting.remove(chosen)
                    self._start(*chosen)
                if self._closed and not self._running:
                    return
                self._changed.wait(TICK if self._running else None)

    def _load(self) -> dict[str, int]:
        load: dict[str, int] = {}
        for running in self._running.values():
            load[running.job.owner] = load.get(running.job.owner, 0) + 1
        return load

    def _start(self, job: Job, folder: Path) -> None:
        now = time.time()
        self._served[job.owner] = now
        environment = {k: v for k, v in os.environ.items() if k not in SECRETS}
        try:
            with (folder / EVENTS).open("ab") as out, (folder / ERRORS).open("ab") as errors:
                _lock(out)
                child = subprocess.Popen(
                    [*self._command, *job.argv, "--events"],
                    cwd=job.cwd,
                    env={**environment, "PYTHONUNBUFFERED": "1"},
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=errors,
                    start_new_session=os.name == "posix",
                )
        except (OSError, ValueError) as failure:  # ValueError: of what no program can be told
            reason = getattr(failure, "strerror", None) or str(failure)
            _append(folder, _told(f"the job cannot be started: {reason}", "try again later"))
            with contextlib.suppress(OSError):
                _write(folder, replace(job, state="failed", started=now, ended=now))
            return
        job = replace(job, state="running", started=now, pid=child.pid)
        self._running[folder] = _Running(job, folder, child)
        with contextlib.suppress(OSError):  # a full disk: the job will tell
            _write(folder, job)

    def _look(self) -> None:
        """Note the jobs that have ended, and end those that do not stop."""
        for running in list(self._running.values()):
            status = running.child.poll() if running.child else None
            if running.child is not None and status is None:
                ended = False
            elif running.child is None:
                ended = not _lives(running.folder)
            else:
                ended = True
            if ended:
                if running.stopping:
                    _kill(running)  # what it may have left behind
                del self._running[running.folder]
                self._finish(running, status)
            elif running.stopping and time.monotonic() >= running.kill_at:
                _kill(running)

    def _finish(self, running: _Running, status: int | None) -> None:
        folder, state = running.folder, running.stopping or _state(running.folder, status)
        if state == "failed" and not last(folder, "error"):
            what = f"signal {-status}" if status and status < 0 else f"exit status {status}"
            _append(
                folder,
                _told(
                    f"the work ended without a word ({what})",
                    "start it again: it goes on where it was; the server's memory may be short",
                ),
            )
        job = replace(running.job, state=state, ended=time.time(), status=status, pid=None)
        with contextlib.suppress(OSError):
            _write(folder, job)

    def _stop(self, running: _Running, as_state: Literal["cancelled", "interrupted"]) -> None:
        if running.stopping:
            return
        running.stopping = as_state
        running.kill_at = time.monotonic() + GRACE
        pid = running.job.pid
        if pid is None:
            return
        running.family = _family(pid)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGINT if os.name == "posix" else signal.SIGTERM)


def _state(folder: Path, status: int | None) -> State:
    """What an ended job came to be; without its status, by its own last words."""
    if status is None:
        if last(folder, "result") is None:
            return "failed" if last(folder, "error") else "interrupted"
        return "failed" if last(folder, "error") else "done"
    if status == 0:
        return "done"
    return "interrupted" if status == STOPPED else "failed"


def _fairest(
    waiting: Sequence[tuple[Job, Path]],
    load: Mapping[str, int],
    served: Mapping[str, float],
    busy: set[str],
) -> tuple[Job, Path] | None:
    """The next job: of the owner with the fewest at work, then of who waited longest for a turn;
    an owner's own in the order they were asked for."""
    free = [one for one in waiting if one[0].cwd not in busy]
    return min(
        free,
        key=lambda one: (load.get(one[0].owner, 0), served.get(one[0].owner, 0.0), one[0].made),
        default=None,
    )


def _lock(file: IO[bytes]) -> None:
    if fcntl is not None:
        # On the open file, so on the child's copy of it, too: it goes when the last one does.
        fcntl.flock(file, fcntl.LOCK_EX)


def _told(message: str, hint: str) -> dict[str, object]:
    return {"event": "error", "message": message, "hint": hint, "exit_status": 1}


def _family(pid: int) -> list[int]:
    """All processes below one (on Linux; elsewhere the process group has to do)."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(entry.parent.name))
    found, left = [], [pid]
    while left:
        below = parents.get(left.pop(), [])
        found += below
        left += below
    return found


def _kill(running: _Running) -> None:
    pid = running.job.pid
    if os.name != "posix" or pid is None:
        if running.child:
            running.child.kill()
        return
    alive = running.child is None or running.child.returncode is None
    if alive:
        running.family = [*running.family, *_family(pid)]
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    for other in running.family:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(other, signal.SIGKILL)
    running.family = []
