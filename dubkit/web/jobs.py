"""Jobs of the page: each is the command itself, one child process in the folder of its video.

So the command can do everything that the page can; a job that is stopped leaves a workspace with
which the next one continues; the memory that a job takes, and anything that it breaks, is gone with
its process. Its limits (:mod:`.bounded`) hold without the server, too. Everything that is known
about a job is in its folder:

- ``job.json``: the request and its status (:class:`Job`),
- ``events.jsonl``: the command's ``--events``, written by the child itself, so that no line is lost
  if the page is closed or the server is killed,
- ``errors.log``: its standard error, for the operator of the server.

A child holds a lock on its ``events.jsonl`` while it lives: by it a new server distinguishes jobs
that outlived the old one, which it watches, from those that died with it, which it starts again.
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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

try:
    import fcntl
except ImportError:  # Windows: jobs of a server that was killed count as interrupted
    fcntl = None  # type: ignore[assignment]

from dubkit.cli.signals import STOPPED
from dubkit.errors import PARTLY_DONE
from dubkit.files import cannot_write

from ..errors import DubkitError, UsageError
from . import bounded
from .bounded import Bounds
from .warm import Keeper

State: TypeAlias = Literal["waiting", "running", "done", "failed", "cancelled", "interrupted"]

JOB, EVENTS, ERRORS = "job.json", "events.jsonl", "errors.log"
TICK = 0.1
"""Seconds between two polls of the children."""
GRACE = bounded.GRACE + 0.3
"""Seconds between asking a child to stop (which it passes on to its own children, and kills them
after a while) and killing all of them: the command itself stops within half a second."""
SECRETS = ("DUBKIT_AUTH", "DUBKIT_API_KEY")
"""Environment variables that jobs do not get: they are the server's."""
MAX_WAITING, MAX_WAITING_IN_ALL = 100, 1000
"""Jobs of one owner, and of all."""
RESTARTS = 3
"""How often a job is started again that died with its server: it may have been the cause."""
MAX_READ = 2**20
"""Bytes of events that are returned at once."""


class Busy(UsageError):
    """A job is at work on the same folder, or waits to be."""


@dataclass(frozen=True, slots=True)
class Job:
    """A request, and its status."""

    id: str
    owner: str
    """Whose turn it uses: the name of a session."""
    cwd: str
    """The folder it works in; two jobs of one folder never run at the same time."""
    argv: tuple[str, ...]
    """The command's arguments, without ``--events``."""
    about: Mapping[str, Any]
    """What the page wants to remember about it, such as its form."""
    made: float
    """Seconds since 1970, like all times here."""
    state: State = "waiting"
    started: float | None = None
    ended: float | None = None
    pid: int | None = None
    status: int | None = None
    """Exit status; negative for the signal that ended it; None if no server saw it end."""
    restarts: int = 0
    """How often it has died with its server, and was started again."""

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.state not in ("waiting", "running")


def read_job(folder: Path) -> Job:
    """The job in a folder. Raises ValueError if there is none that can be read."""
    try:
        values = json.loads((folder / JOB).read_text("utf-8"))
        return Job(**{**values, "argv": tuple(values["argv"])})
    except (OSError, TypeError, KeyError) as failure:
        raise ValueError(f"no job in {folder.name}") from failure


def read_events(folder: Path, after: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The events from the byte ``after`` on, and the byte at which to continue."""
    try:
        with (folder / EVENTS).open("rb") as file:
            file.seek(after)
            data = file.read(MAX_READ)
    except (OSError, ValueError, OverflowError):  # for an offset that no file has
        return [], after
    complete = data[: data.rfind(b"\n") + 1]
    found = []
    for line in complete.splitlines():
        # An engine may print anything between the lines.
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict) and isinstance(event.get("event"), str):
                found.append(event)
    # A line that is longer than what is read at once is not from the command: skip it.
    return found, after + (len(complete) if complete or len(data) < MAX_READ else len(data))


def last_event(folder: Path, event: str) -> dict[str, Any] | None:
    """The last event of a name, None if there is none."""
    found, at = None, 0
    while True:
        some, after = read_events(folder, at)
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


def _is_alive(folder: Path) -> bool:
    """Whether the child of an earlier server is still running the job."""
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
class _RunningJob:
    job: Job
    folder: Path
    child: subprocess.Popen[bytes] | None
    """None for one that an earlier server started."""
    resident: Keeper | None = None
    """The process that keeps its engines."""
    stopping: Literal["", "cancelled", "waiting"] = ""
    """The state it will have, if it was asked to stop; ``waiting`` for the next server."""
    kill_at: float = 0.0
    family: list[int] = field(default_factory=list)
    """Its descendants when it was asked to stop."""


class Queue:
    """Runs jobs, ``at_once`` at a time, taking turns between their owners."""

    def __init__(
        self,
        at_once: int,
        command: Sequence[str] = (sys.executable, "-P", "-m", "dubkit"),
        bounds: Callable[[Job, Path], Bounds] = lambda job, folder: Bounds(),
        keeper: Keeper | None = None,
        resident: Callable[[], Keeper] = Keeper,
    ) -> None:
        """``bounds`` returns what a job may take, given its folder, when it starts; ``keeper`` runs
        those that are about one line, and what ``resident`` returns those of a module."""
        self._keeper = keeper or Keeper()
        self._resident = resident
        self._residents: list[Keeper] = []
        self.at_once = at_once
        self._bounds = bounds
        self._command = tuple(command)
        self._waiting: list[tuple[Job, Path]] = []
        self._running: dict[Path, _RunningJob] = {}
        self._served: dict[str, float] = {}
        """When each owner last had a turn."""
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._thread.start()

    def submit(
        self, folder: Path, cwd: Path, owner: str, argv: Sequence[str], about: Mapping[str, Any]
    ) -> Job:
        """Queue the command with ``argv``, to run in ``cwd``; or, if ``about`` names a ``module``,
        that one, with ``argv`` alone, in a process that keeps its engines for the next such job.

        ``folder``, which must exist and be empty, becomes the job's; its name is the job's id.
        A job about a ``line`` waits for another such one, or is joined with one that waits to do
        the same; the one that is returned may have another id. Raises Busy if there is any other
        job in ``cwd`` already, UsageError if the owner has too many jobs waiting, OutputError on a
        full disk.
        """
        job = Job(folder.name, owner, str(cwd), tuple(argv), dict(about), time.time())
        with self._changed:
            line = about.get("line") and self._only_lines(job.cwd)
            same = (j for j, _ in self._waiting if (j.cwd, j.argv) == (job.cwd, job.argv))
            if line and (waits := next(same, None)):
                return waits  # and will make all that was chosen by then
            if not line and job.cwd in self._folders():
                raise Busy("the video is being worked on", "wait until that is done, or cancel it")
            if sum(one.owner == owner for one, _ in self._waiting) >= MAX_WAITING:
                raise UsageError(f"{MAX_WAITING} jobs are waiting already", "cancel some first")
            if len(self._waiting) >= MAX_WAITING_IN_ALL:
                raise UsageError(
                    f"{MAX_WAITING_IN_ALL} jobs are waiting already", "start it again later"
                )
            try:
                _write(folder, job)
            except OSError as failure:
                raise cannot_write(Path("the job"), failure) from failure
            self._waiting.append((job, folder))
            self._changed.notify()
        return job

    def adopt(self, folders: Iterable[Path]) -> None:
        """Take over the jobs of an earlier server: those that still run are watched, those that
        waited or were stopped with it wait again, and the others get the state in which they
        ended."""
        for folder in folders:
            try:
                job = read_job(folder)
            except ValueError:
                continue
            with self._changed:
                if job.state == "waiting":
                    self._waiting.append((job, folder))
                elif job.state == "running" and _is_alive(folder):
                    self._running[folder] = _RunningJob(job, folder, None)
                elif job.state == "running":
                    self._finish(_RunningJob(job, folder, None), None)
        with self._changed:
            self._waiting.sort(key=lambda one: one[0].made)
            self._changed.notify()

    def cancel(self, folder: Path) -> bool:
        """Stop a job, which ends within a second; returns whether there was one to stop."""
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

    def clear(self, cwd: Path) -> None:
        """Cancel the job in a folder, if there is one, and wait until it has ended."""
        with self._changed:
            jobs = [*self._waiting, *((one.job, where) for where, one in self._running.items())]
        for job, folder in jobs:
            if job.cwd == str(cwd):
                self.cancel(folder)
        until = time.monotonic() + GRACE + 2
        while str(cwd) in self.folders() and time.monotonic() < until:
            time.sleep(TICK)

    def place(self, folder: Path) -> int:
        """The position of a waiting job in the queue, from 1; 0 if it is not waiting."""
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

    def ids(self) -> set[str]:
        """The ids of the jobs that run."""
        with self._changed:
            return {running.job.id for running in self._running.values()}

    def folders(self) -> set[str]:
        """The folders in which jobs run or wait to run."""
        with self._changed:
            return self._folders()

    def is_free(self, cwd: Path, *, line: bool = False) -> bool:
        """Whether a job may be started in a folder; with ``line`` one that is about a line."""
        with self._changed:
            return str(cwd) not in self._folders() or (line and self._only_lines(str(cwd)))

    def _only_lines(self, cwd: str) -> bool:
        jobs = [job for job, _ in self._waiting] + [r.job for r in self._running.values()]
        return all(job.about.get("line") for job in jobs if job.cwd == cwd)

    def _folders(self) -> set[str]:
        jobs = [job for job, _ in self._waiting] + [r.job for r in self._running.values()]
        return {job.cwd for job in jobs}

    @property
    def counts(self) -> tuple[int, int]:
        """The number of running and of waiting jobs."""
        with self._changed:
            return len(self._running), len(self._waiting)

    def close(self) -> None:
        """Stop every running job, which the next server resumes, and start no other."""
        with self._changed:
            self._closed = True
            for running in self._running.values():
                self._stop(running, "waiting")
            self._changed.notify()
        self._thread.join(GRACE + 2)
        for one in (self._keeper, *self._residents):
            one.close()

    # ------------------------------------------------------------ in the thread

    def _work(self) -> None:
        while True:
            with self._changed:
                self._poll()
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
        environment["PYTHONUNBUFFERED"] = "1"
        try:
            bounds = self._bounds(job, folder)
            with (folder / EVENTS).open("ab") as out, (folder / ERRORS).open("ab") as errors:
                _lock(out)
                argv, resident = self._program(job, environment)
                child = subprocess.Popen(
                    bounded.bounded(argv, bounds),
                    cwd=job.cwd,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=errors,
                    start_new_session=os.name == "posix",
                )
        except (OSError, ValueError, DubkitError) as failure:
            if isinstance(failure, DubkitError):  # there is no room for its results
                event = _error_event(failure.message, failure.hint)
            else:  # ValueError: an argument that no program can take
                reason = getattr(failure, "strerror", None) or str(failure)
                event = _error_event(f"the job cannot be started: {reason}", "try again later")
            _append(folder, event)
            with contextlib.suppress(OSError):
                _write(folder, replace(job, state="failed", started=now, ended=now))
            return
        job = replace(job, state="running", started=now, pid=child.pid)
        self._running[folder] = _RunningJob(job, folder, child, resident)
        with contextlib.suppress(OSError):  # a full disk: the job will report it
            _write(folder, job)

    def _program(
        self, job: Job, environment: Mapping[str, str]
    ) -> tuple[Sequence[str], Keeper | None]:
        """The arguments of a job's program, and the process that keeps its engines, if it has one
        to itself. Idle ones are ended whose engines take memory that this job may need: no more
        processes have engines than jobs may run."""
        argv = [*self._command, *job.argv, "--events"]
        module = job.about.get("module")
        if module:
            argv = [sys.executable, "-P", "-m", str(module), *job.argv]
        if not any(one.job.about.get("line") for one in self._running.values()):
            if job.about.get("line"):
                argv = self._keeper.command(job.cwd, argv, environment)
            else:
                self._keeper.close()
        busy = [one.resident for one in self._running.values()]
        free = [one for one in self._residents if one not in busy]
        resident = None
        if module and not job.about.get("line"):
            resident = next((one for one in free if one.is_open), None) or self._resident()
            argv = resident.command(job.cwd, argv, environment, owner="")
        idle = [one for one in free if one is not resident and one.is_open]
        kept = idle[: max(self.at_once - len(self._running) - 1, 0)]
        for one in free:
            if one is not resident and one not in kept:
                one.close()
        used = [one for one in (*busy, resident) if one]
        self._residents = [*used, *kept]
        return argv, resident

    def _poll(self) -> None:
        """Record the jobs that have ended, and kill those that do not stop."""
        for running in list(self._running.values()):
            status = running.child.poll() if running.child else None
            if running.child is not None and status is None:
                ended = False
            elif running.child is None:
                ended = not _is_alive(running.folder)
            else:
                ended = True
            if ended:
                if running.stopping:
                    _kill(running)  # processes it may have left behind
                del self._running[running.folder]
                self._finish(running, status)
            elif running.stopping and time.monotonic() >= running.kill_at:
                _kill(running)

    def _finish(self, running: _RunningJob, status: int | None) -> None:
        folder, state = running.folder, running.stopping or _state(running.folder, status)
        died = state == "interrupted" and running.child is None  # with its server
        if state == "waiting" or (died and running.job.restarts < RESTARTS):
            restarts = running.job.restarts + died
            job = replace(running.job, state="waiting", started=None, pid=None, restarts=restarts)
            self._waiting.append((job, folder))
            with contextlib.suppress(OSError):
                _write(folder, job)
            return
        if state == "failed" and not last_event(folder, "error"):
            what = f"signal {-status}" if status and status < 0 else f"exit status {status}"
            _append(
                folder,
                _error_event(
                    f"the job ended without a message ({what})",
                    "start it again: it resumes where it was; the server may be short of memory",
                ),
            )
        job = replace(running.job, state=state, ended=time.time(), status=status, pid=None)
        with contextlib.suppress(OSError):
            _write(folder, job)

    def _stop(self, running: _RunningJob, as_state: Literal["cancelled", "waiting"]) -> None:
        if running.stopping:
            return
        running.stopping = as_state
        running.kill_at = time.monotonic() + GRACE
        pid = running.job.pid
        if pid is None:
            return
        running.family = bounded.descendants(pid)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGINT if os.name == "posix" else signal.SIGTERM)


def _state(folder: Path, status: int | None) -> State:
    """The final state of a job; without its exit status, by its last events."""
    if status is None:
        if last_event(folder, "result") is None:
            return "failed" if last_event(folder, "error") else "interrupted"
        return "failed" if last_event(folder, "error") else "done"
    if status in (0, PARTLY_DONE):
        return "done"
    return "interrupted" if status in STOPPED else "failed"


def _fairest(
    waiting: Sequence[tuple[Job, Path]],
    load: Mapping[str, int],
    served: Mapping[str, float],
    busy: set[str],
) -> tuple[Job, Path] | None:
    """The next job: of the owner with the fewest running, then of the one who has waited longest
    for a turn; an owner's own jobs in the order in which they were submitted."""
    free = [one for one in waiting if one[0].cwd not in busy]
    return min(
        free,
        key=lambda one: (load.get(one[0].owner, 0), served.get(one[0].owner, 0.0), one[0].made),
        default=None,
    )


def _lock(file: IO[bytes]) -> None:
    if fcntl is not None:
        # The lock is on the open file, so on the child's copy, too: it ends with the last one.
        fcntl.flock(file, fcntl.LOCK_EX)


def _error_event(message: str, hint: str) -> dict[str, object]:
    return {"event": "error", "message": message, "hint": hint, "exit_status": 1}


def _kill(running: _RunningJob) -> None:
    pid = running.job.pid
    if os.name != "posix" or pid is None:
        if running.child:
            running.child.kill()
        return
    alive = running.child is None or running.child.returncode is None
    if alive:
        running.family = [*running.family, *bounded.descendants(pid)]
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    for other in running.family:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(other, signal.SIGKILL)
    running.family = []
