"""``--cluster``: inputs that the machines of a Ray cluster do, one file a worker at a time.

A worker (:mod:`.cluster_worker`) is a process on some node with a GPU, or with a few CPU cores,
that keeps its engines. Which input is next, the threads of :class:`.batch.Batch` decide; here each
waits for a worker, sends it one file, and shows what it reports. What kills a worker (its node, a
lack of memory) fails no input: another worker tries it again, up to :data:`TRIES` times. What
dubkit itself reports of an input is final. That no two workers do one file, the lease in its
workspace sees to. How inputs get to nodes that do not see them is in :mod:`.upload`.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import queue
import re
import secrets
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dubkit import __version__
from dubkit.engines import EngineRoom
from dubkit.errors import (
    DubkitError,
    InputError,
    MissingDependency,
    PluginError,
)
from dubkit.files import at_home
from dubkit.hooks import Progress, accept_cues
from dubkit.options import Options
from dubkit.pipeline.time_left import Plan
from dubkit.types import Result

from . import upload
from .batch import Batch, Stopping
from .cluster_worker import Worker, plain

log = logging.getLogger("dubkit")

TRIES = 3
"""Workers that may die over an input before it is set aside."""
CORES = 4
"""CPU cores of a worker, where a node has as many."""
LOOK = 0.5
"""Seconds between two looks at whether the command was asked to stop."""
PATIENCE = 1.5
"""Seconds that workers have to stop in order, so that nobody waits for their leases."""
ANSWER = 5.0
"""Seconds within which a cluster answers."""
SLOW_START = 30.0
"""Seconds without any worker after which that is reported."""
JOIN = 5.0
"""Seconds between two looks for nodes that have joined."""
TOKEN = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
"""The variables by which Ray knows whom to let in."""
LONGEST_REASON = 200
"""Characters."""
INSTALL = 'pip install "dubkit[ray]"'


@contextmanager
def on_cluster(
    address: str, batch: Batch, names: Sequence[str], options: Options, *, carry: bool
) -> Iterator[str]:
    """Have the workers of a cluster do the inputs of a batch, each ``batch.at_once`` at a time;
    gives a line about them.

    ``auto`` is the cluster that ``RAY_ADDRESS`` names or that runs on this machine; without one,
    the workers are processes of this machine, and end with the command. A cluster that was there is
    left running. ``names`` are those of the inputs, whose folders every node must see, unless they
    are to be carried there. Raises MissingDependency without Ray or a cluster, InputError if no
    node sees the files.
    """
    needed = upload.needed_on_nodes(options) if carry else sorted({*map(str, _folders(names))})
    with _connected(address) as ray:
        cluster = _Cluster(ray, batch, needed, carry=carry)
        try:
            cluster.start()
            batch.at_once, batch.process = cluster.at_once, cluster.process
            # Until then inputs are found and probed.
            batch.wait_for_workers = cluster.wait
            yield cluster.about
        finally:
            cluster.close()


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # a call that comes late begins no other cluster
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")  # what it leaves out it counts on standard output
    # Else it warns of its own future.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    running = _running() if address == "auto" else address
    with contextlib.nullcontext() if running else _own_token():
        try:
            import ray  # which reads the token
        except ImportError as missing:
            message = "--cluster needs Ray, which is not installed"
            raise MissingDependency(message, INSTALL) from missing
        handlers = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            if running:
                _reach(running)
                ray.init(address=running, **quiet)
            else:
                own = {"_node_ip_address": "127.0.0.1", "include_dashboard": False}
                ray.init(address="local", **own, **quiet)
        except (ray.exceptions.RayError, RuntimeError, ValueError, OSError) as failure:
            raise MissingDependency(
                f"the Ray cluster at {running or 'this machine'} cannot be used: "
                f"{_first_line(failure)}",
                "ray status shows whether it runs; dubkit must be started on one of its nodes",
            ) from failure
        try:
            _restore(handlers)
            yield ray
        finally:
            ray.shutdown()
            _restore(handlers)


@contextmanager
def _own_token() -> Iterator[None]:
    """A token for a cluster that ends with this process, unless the user has set how Ray knows its
    friends: else Ray would leave one in the home folder."""
    if any(name in os.environ for name in TOKEN):
        yield
        return
    os.environ |= dict(zip(TOKEN, ("token", secrets.token_hex(32)), strict=False))
    try:
        yield
    finally:
        for name in TOKEN:
            os.environ.pop(name, None)


def _running() -> str:
    """The address of the cluster that the environment names, or else that ``ray start`` has begun
    on this machine and that answers; "" without one."""
    if named := os.environ.get("RAY_ADDRESS"):
        return named
    noted = Path(_scratch(), "ray", "ray_current_cluster")
    with contextlib.suppress(OSError, ValueError):
        address = noted.read_text("utf-8").strip()
        _reach(address)
        return address
    return ""


def _scratch() -> str:
    """Where Ray keeps what it notes about the clusters of a machine."""
    return os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()


def _reach(address: str) -> None:
    """Raise OSError for an address at which nobody answers, for which Ray waits a minute or two, or
    ValueError for one that is none."""
    host, colon, port = address.rpartition(":")
    if not (host and colon and re.fullmatch(r"[0-9]{1,5}", port)) or "/" in address:
        raise ValueError("an address is HOST:PORT, as ray start shows it")
    socket.create_connection((host.strip("[]"), int(port)), ANSWER).close()


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    """Ray takes signals that are the command's."""
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            signal.signal(number, handler)


# ---------------------------------------------------------------- the command's side


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a worker runs, and what it has of the node."""

    node: str
    """The number that Ray gives it."""
    host: str
    cores: float
    gpus: int


@dataclass(frozen=True, slots=True)
class _Handle:
    """A worker."""

    actor: Any
    place: _Place


class _Cluster:
    """The workers of a command."""

    def __init__(
        self, ray: Any, batch: Batch, needed: Sequence[str], *, carry: bool = False
    ) -> None:
        self._ray, self._batch, self._jobs = ray, batch, batch.at_once
        self._needed = needed if carry else [str(Path.cwd()), *needed]
        """The files and folders that each node must see."""
        self._carry = carry
        """Whether inputs are carried to the nodes."""
        nodes = ray.nodes()
        self._places = _places(nodes)
        self._known = {str(one["NodeID"]) for one in nodes}
        """The nodes that were looked at."""
        self._idle: queue.SimpleQueue[_Handle] = queue.SimpleQueue()
        """Workers, each as often as it can take another file."""
        self._ready: set[_Handle] = set()
        self._all: set[_Handle] = set()
        """Those that are ready, and those that are not yet."""
        self._lock = threading.Lock()
        self._refused: list[DubkitError] = []
        self._starting = len(self._places)
        self._ended = threading.Event()

    @property
    def at_once(self) -> int:
        """Files that can be at work."""
        return max(2, len(self._places) * self._jobs)  # there may be more workers later

    @property
    def about(self) -> str:
        """A line about the workers."""
        hosts = len({one.node for one in self._places})
        cores = self._places[0].cores
        own = "a GPU" if self._places[0].gpus else f"{cores:g} core{'s' * (cores != 1)}"
        nodes = f"{hosts} node{'s' * (hosts != 1)}"
        return f"{len(self._places)} worker{'s' * (len(self._places) != 1)} on {nodes}, {own} each"

    def start(self) -> None:
        """Begin all workers. Raises MissingDependency if there can be none."""
        if not self._places:
            raise MissingDependency(
                "no node of the cluster has a CPU core for dubkit", "ray status"
            )
        for place in self._places:
            self._begin(place)
        threading.Thread(target=self._watch, name="nodes", daemon=True).start()

    def wait(self) -> None:
        """Wait for the first worker. Raises what is wrong with all of them."""
        self._give_back(self._worker())

    def _watch(self) -> None:
        """Begin workers on nodes that join."""
        while not self._ended.wait(JOIN):
            with contextlib.suppress(Exception):  # the cluster does not answer, or has ended
                self._grow(self._ray.nodes())

    def _grow(self, nodes: Sequence[dict[str, Any]]) -> None:
        """Begin workers on the nodes that are new, but no more than there is room for in all: one
        that was begun for a dead node may have its place there already."""
        gpus = bool(self._places[0].gpus)
        fresh = [one for one in nodes if one["NodeID"] not in self._known]
        self._known |= {str(one["NodeID"]) for one in fresh}
        room = len(_places(nodes, gpus=gpus)) - len(self._all)
        for place in _places(fresh, gpus=gpus)[: max(room, 0)]:
            with self._lock:
                self._starting += 1
                self._places.append(place)
            log.info("node %s has joined", place.host)
            self._begin(place)
        self._batch.at_once = max(self._batch.at_once, self.at_once)

    def _begin(self, place: _Place, attempt: int = 1) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        actor = self._ray.remote(Worker).options(
            num_cpus=place.cores,
            num_gpus=place.gpus,
            # One to stop the others, and those that carry.
            max_concurrency=self._jobs * (1 + self._carry) + 1,
            max_restarts=0,  # begun again here, where it is counted
            # On another node if this one has died.
            scheduling_strategy=NodeAffinitySchedulingStrategy(place.node, soft=True),
        )  # fmt: skip
        handle = _Handle(actor.remote(self._jobs), place)
        with self._lock:
            self._all.add(handle)
        arguments = (handle, attempt)
        threading.Thread(target=self._enlist, args=arguments, name="worker", daemon=True).start()

    def _enlist(self, handle: _Handle, attempt: int) -> None:
        """Wait until a worker is ready, as long as that takes: its node may be busy."""
        try:
            arguments = (str(Path.cwd()), self._needed, __version__)
            wrong = self._ray.get(handle.actor.prepare.remote(*arguments))
        except self._ray.exceptions.RayError as failure:
            wrong = f"node {handle.place.host} cannot run dubkit: {_last_line(failure)}"
            if self._ended.is_set():
                return
            if attempt < TRIES:  # the node may have ended, which the cluster knows only now
                log.debug("%s; it is tried again", wrong)
                with self._lock:
                    self._all.discard(handle)
                with contextlib.suppress(self._ray.exceptions.RayError):  # it may end just now
                    self._begin(handle.place, attempt + 1)
                return
        except Exception:  # the command has ended meanwhile
            log.debug("no worker", exc_info=True)
            return
        with self._lock:
            self._starting -= 1
            if not wrong:
                self._ready.add(handle)
            else:
                self._all.discard(handle)
                hint = "every node needs the same dubkit, and the files at the same path"
                self._refused.append(InputError(wrong, hint))
        if wrong:
            log.warning("%s; it does nothing", wrong)
            self._ray.kill(handle.actor)
            return
        for _ in range(self._jobs):
            self._idle.put(handle)

    def _worker(self) -> _Handle:
        """A worker that can take another file, as soon as there is one."""
        since: float | None = time.monotonic()
        while True:
            with contextlib.suppress(queue.Empty):
                return self._idle.get(timeout=LOOK)
            self._batch.check()
            with self._lock:
                none = not self._ready
                if none and not self._starting:
                    raise self._refused[-1]
            if since and none and time.monotonic() - since > SLOW_START:
                log.warning("the cluster has no free node for a worker yet; waiting for one")
                since = None

    def _give_back(self, handle: _Handle) -> None:
        self._idle.put(handle)

    def process(
        self,
        source: Path,
        options: Options,
        progress: Progress,
        room: EngineRoom | None = None,
        watched: Plan | None = None,
        *,
        wait: bool = True,
    ) -> Result:
        """As :func:`dubkit.pipeline.process`, by a worker, which has a room of its own."""
        plan = watched or Plan()
        if not self._carry:
            seen = source.exists()
            return self._tried(
                lambda worker: self._done_by(worker, source, options, progress, plan, wait, seen)
            )
        if result := upload.without_worker(source, options, wait=wait):
            return result
        with upload.packed(source, options, wait=wait) as parcel:
            return self._tried(lambda worker: self._carried(worker, parcel, progress, plan))

    def _tried(self, work: Callable[[_Handle], Result]) -> Result:
        """What comes of work with a worker; with another one if that dies."""
        for number in itertools.count(1):
            worker = self._worker()
            try:
                result = work(worker)
            except self._ray.exceptions.RayTaskError:
                self._give_back(worker)
                raise
            except self._ray.exceptions.RayError as failure:
                self._replace(worker)
                what = f"the worker on {worker.place.host} died"
                if number == TRIES:
                    raise PluginError(
                        f"{TRIES} workers died over it, the last on {worker.place.host}: "
                        f"{_last_line(failure)}",
                        "is there enough memory? Ray's logs are in /tmp/ray/session_latest/logs",
                    ) from failure
                log.warning("%s; another does it (%d of %d)", what, number + 1, TRIES)
            except BaseException as failure:
                if isinstance(failure, Stopping):
                    worker.actor.close.remote()
                self._give_back(worker)
                raise
            else:
                self._give_back(worker)
                return result
        raise AssertionError

    def _done_by(
        self,
        worker: _Handle,
        source: Path,
        options: Options,
        progress: Progress,
        plan: Plan,
        wait: bool,
        seen: bool,
        meanwhile: Callable[[], object] = lambda: None,
        worded: Callable[[str], str] = str,
    ) -> Result:
        """What a worker makes of an input. ``meanwhile`` is called now and then, and ``worded``
        changes what it logs. Raises Ray's errors if it dies."""
        report = accept_cues(plan.watch(progress))
        within: dict[int, AbstractContextManager[None]] = {}
        self._batch.check()  # it may be another's that has just been stopped
        call = worker.actor.process.options(num_returns="streaming")
        messages = call.remote(source, options, wait, seen)
        while True:
            self._batch.check()
            meanwhile()
            ready, _ = self._ray.wait([messages], timeout=LOOK)
            if not ready:
                continue
            match self._ray.get(next(messages)):
                case ("progress", stage, done, total, cues):
                    report(stage, done, total, cues=cues)
                case ("expect", steps):
                    plan.expect(steps)
                case ("begin", number, name):
                    within[number] = plan.during(name)
                    within[number].__enter__()
                case ("end", number, good):
                    _leave(within.pop(number), good)
                case ("log", level, text):
                    log.log(level, "%s", worded(text))
                case ("failed", failure):
                    raise failure
                case ("done", result):
                    return result  # type: ignore[no-any-return]

    def _carried(
        self, worker: _Handle, parcel: upload.Parcel, progress: Progress, plan: Plan
    ) -> Result:
        """What a worker makes of an input that is carried to it, put in its place. Raises Ray's
        errors if the worker dies."""
        link = upload.Link(
            lambda name, *arguments: getattr(worker.actor, name).remote(*arguments), self._value
        )
        report = plan.watch(progress)

        def meanwhile() -> None:
            parcel.keep(link)

        def worded(text: str) -> str:
            # Another node may have room.
            full = f"the disk of node {worker.place.host} is full"
            return parcel.text_here(text).replace("the disk is full", full)

        with parcel.at(link, report) as (source, options):
            try:
                result = self._done_by(
                    worker, source, options, progress, plan, True, False, meanwhile, worded
                )
            except DubkitError as failure:
                parcel.bring_back(link, report)
                raise plain(failure, worded) from failure
            parcel.bring_back(link, report)
            return parcel.result_here(result)

    def _value(self, begun: Any) -> Any:
        """What came of a worker's method. Raises Ray's errors if it dies."""
        while True:
            self._batch.check()
            ready, _ = self._ray.wait([begun], timeout=LOOK)
            if ready:
                return self._ray.get(begun)

    def _replace(self, worker: _Handle) -> None:
        """Begin another worker for one that died, once."""
        with self._lock:
            if worker not in self._ready:
                return
            self._ready.remove(worker)
            self._all.remove(worker)
            self._starting += 1
        with contextlib.suppress(Exception):  # it may only be out of reach
            self._ray.kill(worker.actor)
        self._begin(worker.place)

    def close(self) -> None:
        """End all workers, in order if they can."""
        self._ended.set()
        with self._lock:
            workers = list(self._all)
        ended = [worker.actor.close.remote() for worker in workers]
        with contextlib.suppress(Exception):
            self._ray.wait(ended, num_returns=len(ended), timeout=PATIENCE)
        for worker in workers:
            with contextlib.suppress(Exception):
                self._ray.kill(worker.actor)


def _places(nodes: Sequence[dict[str, Any]], *, gpus: bool | None = None) -> list[_Place]:
    """A worker for each GPU of the cluster; without any, one for every few cores. ``gpus`` says
    which it is, if that is known."""
    alive = [one for one in nodes if one["Alive"]]
    has_gpus = any(one["Resources"].get("GPU", 0) >= 1 for one in alive) if gpus is None else gpus
    places = []
    for one in alive:
        cores, own = int(one["Resources"].get("CPU", 0)), int(one["Resources"].get("GPU", 0))
        count = own if has_gpus else -(-cores // CORES)
        each = min(CORES, cores // count) if count else 0
        place = _Place(one["NodeID"], one["NodeManagerHostname"], each, int(has_gpus))
        places += [place] * count
    return places


def _leave(step: AbstractContextManager[None], good: bool) -> None:
    """Leave a step of a plan, which ends as that of the worker did."""
    with contextlib.suppress(Stopping), contextlib.ExitStack() as within:
        within.push(step)
        if not good:
            raise Stopping


def _folders(names: Sequence[str]) -> Iterator[Path]:
    """The folders of the inputs that exist here."""
    for name in names:
        with contextlib.suppress(OSError, ValueError):
            path = at_home(name).absolute()
            folder = path if path.is_dir() else path.parent
            if folder.is_dir():
                yield folder


def _first_line(failure: BaseException) -> str:
    if isinstance(failure, OSError) and failure.strerror:
        return failure.strerror
    return next(iter(str(failure).strip().splitlines()), type(failure).__name__)


def _last_line(failure: BaseException) -> str:
    lines = [line.strip() for line in str(failure).splitlines() if line.strip()]
    if not lines:
        return type(failure).__name__
    # Of what Ray guesses about a death, the first sentence says all that is known.
    return lines[-1] if len(lines[-1]) <= LONGEST_REASON else lines[-1].partition(". ")[0]
