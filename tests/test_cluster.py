"""``--cluster``: workers that Ray runs, inputs over which they die, and what is left of them."""

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from command import (
    FAST,
    alive,
    assert_refused,
    called,
    children,
    ended,
    interrupt,
    start,
    wait_for,
)
from wav_samples import burst, write

from dubkit.cli import cluster, cluster_worker
from dubkit.cli.batch import Batch, Item
from dubkit.errors import InputError, PluginError
from dubkit.options import Options

ENGINE = """
import os, signal, time
from dataclasses import dataclass
from pathlib import Path
from dubkit import Cue, Track, Transcriber, Transcription, Word

HERE = Path(__file__).parent

def note(line):
    with (HERE / "log").open("a") as file:
        file.write(f"{line} {os.getpid()}\\n")

@dataclass(frozen=True)
class Deadly(Transcriber):
    "Its process dies over one of the films."
    contract = 2
    seconds: float = 0.0
    def __post_init__(self):
        note("loaded")
    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        name = next(part.split(".")[0] for part in work.parts if ".dubkit" in part)
        note(f"begin {name}")
        if name == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        until = time.monotonic() + self.seconds
        while time.monotonic() < until:
            time.sleep(0.05)
            progress("transcribe", 0.5, 1.0)
        note(f"end {name}")
        word = Word(0.0, 0.5, " Hello.", 0.9)
        return Transcription(Track("en", (Cue(0.0, 0.5, "Hello.", (word,)),)), "deadly")
"""


@pytest.fixture
def library(tmp_path):
    """Films of 1 to 3 seconds, and an engine whose process one of them ends."""
    (tmp_path / "films").mkdir()
    for seconds, name in enumerate(("short", "deadly", "long"), 1):
        write(tmp_path / f"films/{name}.wav", burst(length=seconds))
    (tmp_path / "engine.py").write_text(ENGINE)
    return tmp_path


def run_of(folder: Path) -> tuple[object, ...]:
    return ("films", "--subs", "--no-video", "--cluster", "auto", "--transcriber",
            "./engine.py:Deadly", "--summary", folder / "runs.jsonl")  # fmt: skip


@pytest.fixture
def worker(monkeypatch, tmp_path):
    """A worker in this process."""
    logger = logging.getLogger("dubkit")
    before = logger.level, logger.propagate, list(logger.handlers)
    monkeypatch.chdir(tmp_path)
    yield cluster_worker.Worker(1)
    logger.setLevel(before[0])
    logger.propagate, logger.handlers = before[1:]


def test_without_ray_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    ran = called(tmp_path, "--subs", "--cluster", "auto", *FAST)
    assert_refused(ran, 4, "Ray", 'pip install "dubkit[ray]"')


@pytest.mark.parametrize(
    ("address", "words"),
    [("127.0.0.1:1", "refused"), ("head", "HOST:PORT"), ("ray://head:10001", "HOST:PORT")],
)
def test_a_cluster_that_is_none_is_refused_at_once(address, words, tmp_path):
    pytest.importorskip("ray")
    assert_refused(called(tmp_path, "--subs", "--cluster", address, *FAST), 4, address, words)


def test_a_gpu_is_a_worker_and_without_any_a_few_cores():
    def node(name, alive=True, **has):
        return {"NodeID": name, "NodeManagerHostname": name, "Alive": alive, "Resources": has}

    def found(*nodes):
        return [(one.node, one.cores, one.gpus) for one in cluster._places(nodes)]

    cores = [node("a", CPU=1.0), node("b", CPU=9.0), node("c"), node("d", alive=False, CPU=4.0)]
    assert found(*cores) == [("a", 1, 0), ("b", 3, 0), ("b", 3, 0), ("b", 3, 0)]
    assert found(*cores, node("e", CPU=16.0, GPU=2.0)) == [("e", 4, 1)] * 2
    assert found(node("e", GPU=1.0)) == [("e", 0, 1)]


@pytest.fixture
def without_workers(monkeypatch):
    """The command's side, of a cluster where each worker dies before it is ready; and the attempts
    at beginning one."""

    class RayError(Exception): ...

    def get(call):
        raise RayError("The actor never ran")

    node = {"NodeID": "a", "NodeManagerHostname": "a", "Alive": True, "Resources": {"CPU": 1}}
    ray = SimpleNamespace(
        nodes=lambda: [node], get=get, kill=lambda actor: None,
        exceptions=SimpleNamespace(RayError=RayError), wait=lambda *calls, **more: None,
    )  # fmt: skip
    actor = MagicMock()
    attempts = []

    def begin(self, place, attempt=1):
        attempts.append(attempt)
        handle = cluster._Handle(actor, place)
        self._all.add(handle)
        self._enlist(handle, attempt)

    monkeypatch.setattr(cluster._Cluster, "_begin", begin)
    return cluster._Cluster(ray, Batch(1), ["."]), attempts


def test_a_worker_whose_node_has_ended_is_begun_again_and_then_given_up(without_workers):
    command, attempts = without_workers
    command.start()
    with pytest.raises(InputError, match="never ran"):
        command.wait()
    assert attempts == [1, 2, 3]


def test_a_node_that_joins_gets_a_worker_unless_one_waits_for_its_place(monkeypatch):
    def node(name, alive=True):
        has = {"Alive": alive, "Resources": {"CPU": 4}}
        return {"NodeID": name, "NodeManagerHostname": name, **has}

    begun = []

    def begin(self, place, attempt=1):
        begun.append(place.node)
        self._all.add(cluster._Handle(len(begun), place))

    monkeypatch.setattr(cluster._Cluster, "_begin", begin)
    batch = Batch(1)
    command = cluster._Cluster(SimpleNamespace(nodes=lambda: [node("a"), node("b")]), batch, ["."])
    for place in command._places:
        command._begin(place)
    command._grow([node("a"), node("b")])
    assert begun == ["a", "b"]
    command._grow([node("a"), node("b", alive=False), node("c")])  # b's worker comes to c
    assert begun == ["a", "b"]
    command._grow([node("a"), node("c"), node("d")])
    assert begun == ["a", "b", "d"] and batch.at_once == 3


def test_a_batch_takes_more_at_once_when_it_may():
    batch, together, all_there = Batch(2), set(), threading.Event()

    def work(item, others, wait):
        together.add(item.name)
        batch.at_once = 4
        if len(together) == 4:
            all_there.set()
        assert all_there.wait(20)
        return None

    items = [Item(Path(name), Path()) for name in "abcde"]
    assert len(list(batch.outcomes(items, work))) == 5


def test_a_cluster_of_ones_own_leaves_no_token(monkeypatch):
    for name in cluster.TOKEN:
        monkeypatch.delenv(name, raising=False)
    with cluster._own_token():
        assert os.environ["RAY_AUTH_MODE"] == "token" and len(os.environ["RAY_AUTH_TOKEN"]) == 64
    assert not any(name in os.environ for name in cluster.TOKEN)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # which is the user's choice
    with cluster._own_token():
        assert "RAY_AUTH_TOKEN" not in os.environ


def test_nothing_is_begun_for_a_command_that_ends(without_workers):
    command, attempts = without_workers
    command.close()
    command._begin(command._places[0])
    assert attempts == [1]


def test_a_worker_reports_what_it_does_and_what_it_made(worker, tmp_path):
    write(tmp_path / "a.wav", burst())
    assert worker.prepare(str(tmp_path), [], cluster.__version__) == ""
    options = Options(subs=True, video=False, transcriber=FAST[1])
    *reported, (last, result) = worker.process(Path("a.wav"), options, True, True)
    assert last == "done" and [path.name for path in result.outputs] == ["a.en.srt"]
    kinds = [kind for kind, *_ in reported]
    assert {"expect", "begin", "end", "progress"} <= set(kinds)
    assert kinds.count("begin") == kinds.count("end")
    # What it is asked for again is there.
    *_, (last, result) = worker.process(Path("a.wav"), options, True, True)
    assert last == "done" and not result.did_something


DEAF = """
import time
from dataclasses import dataclass
from pathlib import Path
from dubkit import Cue, Track, Transcriber, Transcription, Word

@dataclass(frozen=True)
class Deaf(Transcriber):
    "Is deep in native code, and reports nothing."
    contract = 2
    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        Path("begun").touch()
        while not Path("go").exists():
            time.sleep(0.02)
        word = Word(0.0, 0.5, " Hello.", 0.9)
        return Transcription(Track("en", (Cue(0.0, 0.5, "Hello.", (word,)),)), "deaf")
"""


def test_a_worker_that_is_ended_keeps_no_film_that_it_cannot_stop(worker, tmp_path):
    write(tmp_path / "a.wav", burst(length=1))
    (tmp_path / "deaf.py").write_text(DEAF)
    options = Options(subs=True, video=False, transcriber="./deaf.py:Deaf")
    happened: list = []
    job = threading.Thread(
        target=lambda: happened.extend(worker.process(Path("a.wav"), options, True, True))
    )
    job.start()
    wait_for(lambda: Path("begun").exists(), 60)
    assert list(tmp_path.rglob(".lease"))
    end = threading.Thread(target=worker.close)
    end.start()
    wait_for(lambda: not list(tmp_path.rglob(".lease")), 60)
    assert end.is_alive()
    Path("go").touch()
    end.join()
    job.join()
    assert not Path("a.en.srt").exists() and "done" not in [kind for kind, *_ in happened]


def test_a_node_that_does_not_see_the_files_says_which(worker, tmp_path):
    unseen = tmp_path / "unseen"
    here = str(tmp_path)
    assert f"does not see {unseen}" in worker.prepare(here, [str(unseen)], cluster.__version__)
    assert "the command is 99" in worker.prepare(here, [], "99")
    ((kind, failure),) = worker.process(unseen, Options(subs=True), True, True)
    assert kind == "failed" and f"does not see {unseen}" in failure.message
    # Where nobody sees it, it is missing.
    ((kind, failure),) = worker.process(unseen, Options(subs=True), True, False)
    assert kind == "failed" and isinstance(failure, InputError)
    assert "does not see" not in failure.message


def test_an_error_of_an_engines_own_class_comes_as_one_that_everybody_knows():
    class Own(PluginError):
        def __init__(self, one, two):
            super().__init__("it broke", "mend it")

    failure = cluster_worker.plain(Own(1, 2))
    assert (type(failure), failure.message, failure.hint) == (PluginError, "it broke", "mend it")


@pytest.mark.slow
def test_a_film_whose_workers_die_is_tried_again_and_set_aside(library):
    pytest.importorskip("ray")
    ran = ended(start(*run_of(library), cwd=library), 400)
    assert ran.status == 1 and "Traceback" not in ran.err, ran
    assert [path.name for path in ran.paths] == ["long.en.srt", "short.en.srt"]
    assert "another does it (2 of 3)" in ran.err and "3 workers died over it" in ran.err
    assert "1 of 3 inputs failed" in ran.err
    notes = [line.rpartition(" ") for line in (library / "log").read_text().splitlines()]
    begun = [sum(note == f"begin {name}" for note, _, _ in notes)
             for name in ("long", "deadly", "short")]  # fmt: skip
    assert begun == [1, 3, 1]
    loaded = [process for note, _, process in notes if note == "loaded"]
    assert len(loaded) >= 3 and sorted(loaded) == sorted({process for _, _, process in notes})


class Nodes:
    """Nodes of a cluster on loopback, with a core each."""

    def __init__(self, folder, **environment):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self._folder, self._nodes = folder, []
        self.environment = {**os.environ, "RAY_TMPDIR": tempfile.mkdtemp(prefix="ray"),
                            "RAY_AUTH_MODE": "disabled", **environment}  # fmt: skip

    def add(self, *before):
        """Start a node, and wait until it is there."""
        port = self.address.rpartition(":")[2]
        head = ["--head", f"--port={port}", "--include-dashboard=false"]
        command = [*before, str(Path(sys.executable).with_name("ray")), "start",
                   *([f"--address={self.address}"] if self._nodes else head),
                   "--node-ip-address=127.0.0.1", "--num-cpus=1",
                   "--object-store-memory=80000000", "--min-worker-port=0",
                   "--max-worker-port=0", "--disable-usage-stats", "--block"]  # fmt: skip
        path = self._folder / f"node{len(self._nodes)}.log"
        with path.open("wb") as log:
            self._nodes.append(subprocess.Popen(command, stdout=log, stderr=log,
                                                env=self.environment,
                                                start_new_session=True))  # fmt: skip
        wait_for(lambda: "This command will now block" in path.read_text(), 120)

    def close(self):
        for pid in (int(path.name) for path in Path("/proc").glob("[0-9]*")):
            with contextlib.suppress(ProcessLookupError):
                if os.getsid(pid) in [one.pid for one in self._nodes]:
                    os.kill(pid, signal.SIGKILL)
        for one in self._nodes:
            one.wait(30)


def run_on(nodes: Nodes, library: Path) -> list[object]:
    run = list(run_of(library))
    run[run.index("auto")] = nodes.address
    return run


@pytest.mark.slow
def test_nodes_that_join_do_their_share(library, tmp_path):
    """And where the home folder is, nothing is left."""
    pytest.importorskip("ray")
    for number in range(6):
        write(library / f"films/film{number}.wav", burst(length=1))
    (library / "films/deadly.wav").unlink()
    nodes = Nodes(tmp_path, HOME=str(tmp_path))
    try:
        nodes.add()
        run = (*run_on(nodes, library), "-o", "Deadly.seconds=6")
        child = start(*run, cwd=library, env=nodes.environment)
        log = library / "log"
        wait_for(lambda: log.exists() and "begin" in log.read_text(), 300)
        nodes.add()
        ran = ended(child, 400)
    finally:
        nodes.close()
    assert ran.status == 0, ran
    ends = [line for line in log.read_text().splitlines() if line.startswith("end")]
    assert len(ends) == len({line.split()[1] for line in ends}) == 8
    assert len({line.split()[2] for line in ends}) == 2
    assert not (tmp_path / ".ray").exists()


def hiding(folder: Path) -> list[str]:
    """What starts a program that sees an empty folder instead; skips the test if nothing does."""
    flags = "-m" if os.geteuid() == 0 else "-rm"
    hide = ["unshare", flags, "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(folder)]
    try:
        subprocess.run([*hide, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no name space of mounts can be made here")
    return hide


@pytest.mark.slow
def test_a_node_that_does_not_see_the_films_gets_them(library, tmp_path):
    pytest.importorskip("ray")
    hide = hiding(library / "films")
    (tmp_path / "scratch").mkdir()
    nodes = Nodes(tmp_path, TMPDIR=str(tmp_path / "scratch"))
    try:
        nodes.add(*hide)
        run = (*run_on(nodes, library), "--upload")
        ran = ended(start(*run, cwd=library, env=nodes.environment), 400)
        again = ended(start(*run, cwd=library, env=nodes.environment), 400)
    finally:
        nodes.close()
    assert ran.status == again.status == 1 and "Traceback" not in ran.err, ran
    # Which of two comes first is open: both are read before the one worker takes either.
    assert {path.name for path in ran.paths} == {"long.en.srt", "short.en.srt"}
    assert all((library / path).is_file() for path in ran.paths)
    assert "3 workers died over it" in ran.err and again.err.count("nothing was done") == 2
    begun = [line.split()[1] for line in (library / "log").read_text().splitlines()
             if line.startswith("begin")]  # fmt: skip
    assert sorted(begun) == ["deadly"] * 6 + ["long", "short"]
    # What was on the node is removed, by another process where the worker was killed.
    wait_for(lambda: not list((tmp_path / "scratch").glob("dubkit-*")))


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--upload",)])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_command_that_ends_leaves_no_worker_and_no_lease(number, more, library, tmp_path):
    pytest.importorskip("ray")
    (tmp_path / "scratch").mkdir()
    own = {"TMPDIR": tmp_path / "scratch", "RAY_TMPDIR": tempfile.mkdtemp(prefix="ray")}
    log = library / "log"
    child = start(*run_of(library), *more, "-o", "Deadly.seconds=60", cwd=library, env=own)
    wait_for(lambda: log.exists() and "begin" in log.read_text(), 300)
    pid = int(log.read_text().split()[-1])
    below = children(child.pid)
    if number == signal.SIGINT:
        ran, _ = interrupt(child)
        assert ran.status == 128 + number and "run the same command to continue" in ran.err
        assert "Traceback" not in ran.err
        assert not list(library.rglob(".lease"))
    else:
        child.kill()
        ended(child)
    wait_for(lambda: not any(map(alive, [pid, *below])), 60)
    wait_for(lambda: not list((tmp_path / "scratch").glob("dubkit-*")), 60)
