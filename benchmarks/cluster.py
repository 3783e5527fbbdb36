"""``--cluster`` on this machine: nodes of Ray on loopback, each with one core and one worker.

    python benchmarks/cluster.py [--nodes 4 16] [--films 200] [--seconds 6] [--kills 4] [--real 12]
                                 [--jobs 2] [--upload [--megabytes 50]]

For each number of nodes: made films, by an engine that sleeps as long as each of them lasts, first
undisturbed, for the efficiency, then with nodes that are killed at random and others that join in
their place. Then, with the fewest nodes, the same by Whisper on clips of ``examples/data``, and a
run that is killed whole, with its cluster, and begun again. What was done is counted from the
outputs and from what the engines noted. With ``--upload`` no node sees the films (each has a name
space of mounts of its own, for which it takes root), and what is left in its scratch folders is
counted, too. Needs the extra ``ray``; Linux.

The ideal is that of a scheduler that knows how long each film takes and loses no time: the longest
first, each to the node that is free first.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import heapq
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster_engines import LOG
from many import cut

ENGINES = Path(__file__).resolve().with_name("cluster_engines.py")
RATE = 16_000
READY = "This command will now block"
"""What ``ray start --block`` says when the node is there."""
UPLOAD = "--upload"
MORE: list[str] = []
"""Options of each command."""
OBJECTS = 80_000_000
"""Bytes of a node's object store, the least that Ray takes."""


# ---------------------------------------------------------------- the nodes


class Nodes:
    """A cluster of nodes with a core each; the first is the head."""

    def __init__(self, folder: Path, count: int, log: Path, unseen: Path | None) -> None:
        self._folder, self._unseen = folder, unseen
        self.scratch = folder.with_name("scratch")
        self.scratch.mkdir()
        self._environment = {**os.environ, LOG: str(log), "TMPDIR": str(self.scratch)}
        self._nodes: list[subprocess.Popen[bytes]] = []
        self.killed: list[str] = []
        """The numbers of the processes that ended with their nodes."""
        self.address = f"127.0.0.1:{_free_port()}"
        self.add(head=True)
        for _ in range(count - 1):
            self.add()

    def add(self, *, head: bool = False) -> None:
        """Start a node, and wait until it is there."""
        port = self.address.partition(":")[2]
        where = (
            ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={self._folder}"]
            if head
            else [f"--address={self.address}"]
        )
        # Ports of workers are free ones; else the nodes would take the same.
        argv = ["ray", "start", *where, "--node-ip-address=127.0.0.1", "--num-cpus=1",
                f"--object-store-memory={OBJECTS}", "--min-worker-port=0", "--max-worker-port=0",
                "--disable-usage-stats", "--block"]  # fmt: skip
        argv[0] = str(Path(sys.executable).with_name("ray"))
        if self._unseen:
            hide = 'mount -t tmpfs none "$0" && exec "$@"'
            argv = ["unshare", "-m", "sh", "-c", hide, str(self._unseen), *argv]
        log = self._folder.with_name(f"node-{len(list(self._folder.parent.glob('node-*')))}.log")
        with log.open("wb") as file:
            node = subprocess.Popen(
                argv, stdout=file, stderr=file, start_new_session=True, env=self._environment
            )
        self._nodes.append(node)
        while READY not in log.read_text():
            if node.poll() is not None:
                raise RuntimeError(log.read_text())
            time.sleep(0.1)

    def kill(self) -> None:
        """End a node at random, but not the head, as a machine ends: all of it at once."""
        time.sleep(random.uniform(0, 5))  # at any moment of what it does
        node = random.choice(self._nodes[1:])
        self._nodes.remove(node)
        self.killed += _kill_session(node)

    def left(self) -> list[Path]:
        """The files in scratch folders, some seconds after the nodes have ended."""
        for _ in range(20):
            left = [one for one in self.scratch.glob("dubkit-*/**/*") if one.is_file()]
            if not left:
                break
            time.sleep(0.5)  # what a process has left is removed by another one
        return left

    def close(self) -> None:
        """End all nodes the same way."""
        for node in self._nodes:
            _kill_session(node)
        self._nodes.clear()


def _free_port() -> int:
    """A port that is free, and not one of those that Ray's own processes are given."""
    while True:
        port = random.SystemRandom().randrange(20_000, 30_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def _kill_session(leader: subprocess.Popen[bytes]) -> list[str]:
    killed = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            facts = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
            if int(facts[3]) == leader.pid:
                os.kill(int(stat.parent.name), signal.SIGKILL)
                killed.append(stat.parent.name)
    leader.wait()
    return killed


@contextlib.contextmanager
def cluster(count: int, folder: Path) -> Iterator[Nodes]:
    """A cluster whose engines keep their notes in a folder, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="dk", ignore_cleanup_errors=True) as name:
        unseen = folder / "films" if UPLOAD in MORE else None
        nodes = Nodes(Path(name, "ray"), count, folder / "log", unseen)
        try:
            yield nodes
        finally:
            nodes.close()
            if unseen:
                print(f"  {len(nodes.left())} files left in scratch folders", flush=True)


# ---------------------------------------------------------------- the runs


def make_films(folder: Path, count: int, mean: float, more: int = 0) -> list[float]:
    """Films with sound alone, and ``more`` bytes; returns their seconds, between a third of the
    mean and three times that, more short ones than long ones."""
    chance = random.Random(1)
    folder.mkdir()
    lengths = []
    for number in range(count):
        seconds = min(3.0, max(1 / 3, chance.lognormvariate(-0.125, 0.5))) * mean
        with wave.open(str(folder / f"{number:04}.wav"), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(chance.randbytes(4000) + bytes(2 * round(seconds * RATE)))
        with (folder / f"{number:04}.wav").open("ab") as file:
            file.write(chance.randbytes(more))
        lengths.append(seconds)
    return lengths


def ideal(seconds: Sequence[float], nodes: int) -> float:
    """Seconds until the last node has ended, see the module."""
    free = [0.0] * nodes
    for one in sorted(seconds, reverse=True):
        heapq.heapreplace(free, free[0] + one)
    return max(free)


@dataclass(frozen=True)
class Notes:
    """What the engines noted."""

    begun: collections.Counter[str]
    ended: collections.Counter[str]
    loaded: collections.Counter[str]
    """By the process."""
    dying: collections.Counter[str]
    """What ended twice, once as the last thing of a process that was killed: it did not come to
    write the result."""
    seconds: float
    """From the first begin to the last end."""

    def line(self, films: int, outputs: int) -> str:
        twice = sum(count > 1 for count in (self.ended - self.dying).values())
        return (
            f"{outputs} outputs of {films} films; {self.begun.total()} begun, "
            f"{self.ended.total()} ended ({self.dying.total()} of them again, since the node was "
            f"killed just then), {films - len(self.ended)} lost, {twice} done twice; "
            f"{self.loaded.total()} models loaded by {len(self.loaded)} workers"
        )


def read(log: Path, killed: Sequence[str] = ()) -> Notes:
    lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    counts = {what: collections.Counter(line[3] for line in lines if line[2] == what)
              for what in ("begin", "end")}  # fmt: skip
    times = [float(line[0]) for line in lines if line[2] != "loaded"]
    loaded = collections.Counter(line[1] for line in lines if line[2] == "loaded")
    last = {line[1]: (line[2], line[3]) for line in lines}
    ends = [film for what, film in map(last.get, last.keys() & set(killed)) if what == "end"]
    dying = collections.Counter(film for film in ends if counts["end"][film] > 1)
    seconds = max(times) - min(times) if times else 0.0
    return Notes(counts["begin"], counts["end"], loaded, dying, seconds)


def begin(folder: Path, address: str, engine: str, more: Sequence[str] = ()):
    """Start the command on the films of a folder."""
    argv = [sys.executable, "-m", "dubkit", "films", "--subs", "--no-video", "--no-config", "-q",
            "--cluster", address, "--transcriber", f"{ENGINES}:{engine}",
            "--summary", "summary.jsonl",
            *MORE, *more]  # fmt: skip
    return subprocess.Popen(
        argv, cwd=folder, stdout=subprocess.DEVNULL, stderr=(folder / "errors").open("ab")
    )


def outputs(folder: Path) -> int:
    return len(list((folder / "films").glob("*.srt")))


def wait_for_ends(folder: Path, count: int, child: subprocess.Popen[bytes]) -> None:
    """Wait until so many films have ended, or the command has."""
    while child.poll() is None and read(folder / "log").ended.total() < count:
        time.sleep(0.2)


def measure(folder: Path, nodes: int, films: int, mean: float, kills: int, size: int) -> None:
    """A library by so many nodes, of which some are killed and replaced."""
    seconds = make_films(folder / "films", films, mean, size)
    with cluster(nodes, folder) as running:
        began, cpu = time.perf_counter(), busy_seconds()
        child = begin(folder, running.address, "Sleeping")
        joining = [threading.Thread(target=running.add) for _ in range(kills)]
        for number, node in enumerate(joining):
            low, high = (films * n // (kills + 1) for n in (number, number + 1))
            wait_for_ends(folder, random.randint(low + 1, high), child)
            running.kill()
            node.start()
        _, status, used = os.wait4(child.pid, 0)
        wall, cpu = time.perf_counter() - began, busy_seconds() - cpu
        for node in joining:
            node.join()
    own = (used.ru_utime + used.ru_stime) / films
    best, found = ideal(seconds, nodes), read(folder / "log", running.killed)
    print(
        f"{nodes} nodes, {films} films of {mean:g} s, {kills} killed: {wall:.1f} s, of which "
        f"{found.seconds:.1f} from the first begin to the last end; the ideal is {best:.1f}: "
        f"efficiency {best / wall:.3f}, {best / found.seconds:.3f} without start and end; "
        f"{cpu / wall:.2f} of {os.cpu_count()} cores busy, the command itself {own:.3f} CPU s a "
        f"film; status {status}\n"
        f"  {found.line(films, outputs(folder))}",
        flush=True,
    )


def busy_seconds() -> float:
    """CPU seconds that the machine has worked since it started."""
    facts = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    idle = int(facts[3]) + int(facts[4])
    return (sum(map(int, facts[:8])) - idle) / os.sysconf("SC_CLK_TCK")


def measure_real(folder: Path, nodes: int, clips: int) -> None:
    """Short clips by Whisper; a node is killed after a third of them."""
    (folder / "films").mkdir()
    cut(folder / "films", clips)
    with cluster(nodes, folder) as running:
        began = time.perf_counter()
        child = begin(folder, running.address, "Noted", ["-o", "Noted.threads=1"])
        wait_for_ends(folder, clips // 3, child)
        running.kill()
        node = threading.Thread(target=running.add)
        node.start()
        status = child.wait()
        wall = time.perf_counter() - began
        node.join()
    found = read(folder / "log", running.killed)
    print(f"Whisper, {nodes} nodes, one killed: {wall:.1f} s; status {status}\n"
          f"  {found.line(clips, outputs(folder))}", flush=True)  # fmt: skip


def measure_again(folder: Path, nodes: int, films: int, mean: float, size: int) -> None:
    """A run that is killed half way with all nodes, and the same command again."""
    make_films(folder / "films", films, mean, size)
    with cluster(nodes, folder) as running:
        child = begin(folder, running.address, "Sleeping")
        wait_for_ends(folder, films // 2, child)
        child.kill()
        child.wait()
    before = read(folder / "log")
    with cluster(nodes, folder) as running:
        status = begin(folder, running.address, "Sleeping").wait()
    after = read(folder / "log")
    print(f"killed whole after {before.ended.total()} films of {films}, begun again: "
          f"{after.ended.total() - before.ended.total()} more; status {status}\n"
          f"  {after.line(films, outputs(folder))}", flush=True)  # fmt: skip


def main() -> None:
    # Once a program has begun a cluster on this machine, Ray's heads ask for a token, and the other
    # nodes have none.
    os.environ["RAY_AUTH_MODE"] = "disabled"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--films", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=6.0, help="of a film, on average")
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--real", type=int, default=12, help="clips for Whisper; 0 for none")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--jobs", default="1", help="films at once of a worker")
    parser.add_argument(UPLOAD, action="store_true")
    parser.add_argument("--megabytes", type=int, default=0, help="of a film, at least")
    parser.add_argument("--skip", nargs="*", default=[], choices=["calm", "kills", "again"])
    given = parser.parse_args()
    random.seed(given.seed)
    MORE.extend(["--jobs", given.jobs, *[UPLOAD] * given.upload])
    size = given.megabytes * 10**6
    with tempfile.TemporaryDirectory() as name:
        folders = (Path(name, str(number)) for number in range(100))

        def folder() -> Path:
            made = next(folders)
            made.mkdir()
            return made

        for nodes in given.nodes:
            for kills, part in ((0, "calm"), (given.kills, "kills")):
                if part not in given.skip:
                    measure(folder(), nodes, given.films, given.seconds, kills, size)
        fewest = min(given.nodes)
        if given.real:
            measure_real(folder(), fewest, given.real)
        if "again" not in given.skip:
            measure_again(folder(), fewest, max(8, given.films // 5), given.seconds, size)


if __name__ == "__main__":
    main()
