"""Attack dubkit from outside, and count what broke: one table, before and after.

    python benchmarks/attack.py                                # every kind, in full: hours
    python benchmarks/attack.py --only kills,disks --count 10
    python benchmarks/attack.py --of ../older --of . --json counts.json
    python benchmarks/attack.py --only mutations --seed 1 --case 4711    # one case again

Each kind of attack (``attacks/``) has numbered cases, which follow from ``--seed`` alone. They are
tried in worker processes under a watchdog; what went wrong is kept in ``--keep`` with the command
that repeats it. Everything else is done in a temporary folder, with a home folder, memory and
processes of its own. It needs Linux, the test extra, and for some kinds strace, or root or user
namespaces (for full disks); a kind that cannot be tried is left out, with the reason.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import queue
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from attacks import KINDS
from attacks.lab import MARK, ROOT, Clock, end, marked

WORKER = Path(__file__).parent / "attacks/worker.py"
STARTING = 600.0
"""Seconds that preparing may take, which includes runs that nobody disturbs."""
KEPT = 12
"""Cases kept of each kind, each without its files of more than 8 MB."""
KEPT_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Target:
    """The dubkit under attack: a checkout, or the Python of an environment that has it."""

    name: str

    @property
    def python(self) -> str:
        return sys.executable if Path(self.name).is_dir() else self.name

    def environment(self, home: Path, mark: str) -> dict[str, str]:
        path = Path(self.name).absolute()
        paths = [path, path / "plugins"] if path.is_dir() else []
        paths.append(ROOT / "tests")
        removed = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR",
                   "PYTHONDONTWRITEBYTECODE")  # fmt: skip
        kept = {name: value for name, value in os.environ.items() if name not in removed}
        return kept | {
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            # Not in the checkout, where a killed command would leave half a file.
            "PYTHONPYCACHEPREFIX": str(home.parent.parent / "bytecode"),
            "HOME": str(home),
            "TMPDIR": str(home / "tmp"),
            "HF_HUB_OFFLINE": "1",
            MARK: mark,
        }


@dataclass
class Count:
    """What became of the cases of one kind."""

    tried: int = 0
    failed: int = 0
    seconds: float = 0.0
    skipped: str = ""
    faults: list[dict[str, Any]] = field(default_factory=list)


class Worker:
    """A worker process, and the clock that watches it."""

    def __init__(self, attack: Attack) -> None:
        self.attack = attack
        self.child: subprocess.Popen[bytes] | None = None
        self._rest = b""

    def ask(self, line: str, patience: float) -> dict[str, Any]:
        """The worker's answer; ``{"hang": step}`` or ``{"crash": step}`` if there is none."""
        if self.child is None:
            self.child = self.attack.start()
        assert self.child.stdin
        self.child.stdin.write(f"{line}\n".encode())
        self.child.stdin.flush()
        step = ""
        while True:
            message = self._message(patience)
            if message is None:
                status = self.stop()
                return {"crash": f"status {status}: {self.attack.last_words()}: {step}"}
            if "hang" in message:
                self.stop(hung=True)
                return {"hang": step}
            if "step" not in message:
                return message
            step = message["step"]

    def _message(self, patience: float) -> dict[str, Any] | None:
        """The next that it writes, ``{"hang": ...}`` when that is late, or None at its end."""
        assert self.child and self.child.stdout
        pid = self.child.pid
        clock = Clock(lambda: [pid])
        while b"\n" not in self._rest:
            if clock.passed() > patience:
                return {"hang": patience}
            if not select.select([self.child.stdout], [], [], 1.0)[0]:
                continue
            read = os.read(self.child.stdout.fileno(), 65536)
            if not read:
                return None
            self._rest += read
        line, self._rest = self._rest.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        return message

    def stop(self, hung: bool = False) -> int:
        """End it; returns its status."""
        if self.child is None:
            return 0
        assert self.child.stdin and self.child.stdout
        self.child.stdin.close()
        try:
            status = self.child.wait(0.0 if hung else 10.0)
        except subprocess.TimeoutExpired:
            self.child.kill()
            status = self.child.wait()
        self.child.stdout.close()
        self.child, self._rest = None, b""
        return status


class Attack:
    """One kind of attack on one target."""

    def __init__(self, kind: str, target: Target, given: argparse.Namespace, folder: Path) -> None:
        self.kind, self.target, self.given, self.folder = kind, target, given, folder
        self.module = import_module(f"attacks.{kind}")
        self.mark = f"{os.getpid()}-{folder.name}."
        self.count = Count()
        self._lock = threading.Lock()
        self.stopped = False
        self._threads: list[threading.Thread] = []
        (folder / "home/tmp").mkdir(parents=True)

    def start(self) -> subprocess.Popen[bytes]:
        samples = self.given.samples.absolute() if self.given.samples else ""
        worker = [WORKER, self.kind, self.folder, self.given.seed, self.given.patience, samples]
        # A mount that a worker makes is gone with the last process of its namespace.
        wrapper = getattr(self.module, "WRAPPER", ())
        return subprocess.Popen(
            [*wrapper, self.target.python, *map(str, worker)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(self.folder / "worker.log").open("ab"),
            env=self.target.environment(self.folder / "home", self.mark),
            cwd=self.folder,
        )

    def last_words(self) -> str:
        """Of the worker that ended last."""
        lines = (self.folder / "worker.log").read_text("utf-8", "replace").splitlines()
        return lines[-1][:200] if lines else ""

    def run(self) -> Count:
        """Try the cases; Ctrl-C ends that, with what was counted until then."""
        began = time.monotonic()
        try:
            self._try_all()
        except KeyboardInterrupt:
            self.stopped = True
        finally:
            end(marked(self.mark))
            for thread in self._threads:
                thread.join()
            end(marked(self.mark))
        self.count.seconds = round(time.monotonic() - began, 1)
        return self.count

    def _try_all(self) -> None:
        first = Worker(self)
        ready = first.ask("prepare", STARTING)
        most = ready.get("ready")
        if "ready" not in ready or isinstance(most, str):
            self.count.skipped = most or f"not prepared: {ready}"[:300]
            first.stop()
            return
        wanted = self.given.count or self.module.COUNT
        chosen = self.given.case or range(wanted if most is None else min(wanted, most))
        numbers: queue.Queue[int] = queue.Queue()
        for number in chosen:
            numbers.put(number)
        workers = [first, *(Worker(self) for _ in range(1, min(self.given.jobs, len(chosen))))]
        self._threads = [
            threading.Thread(target=self._work, args=(one, numbers)) for one in workers
        ]
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            while thread.is_alive():
                thread.join(0.5)

    def _work(self, worker: Worker, numbers: queue.Queue[int]) -> None:
        # A command that a case starts has its own patience, so the worker's is longer.
        patience = self.given.patience * getattr(self.module, "PATIENCE", 1)
        try:
            while True:
                number = numbers.get_nowait()
                answer = worker.ask(str(number), patience)
                if self.stopped:
                    return  # the worker was ended, not the case
                faults = answer.get("faults")
                if faults is None:
                    ((harm, detail),) = answer.items()
                    faults = [(harm, detail[:200])]
                self._note(number, faults)
        except queue.Empty:
            pass
        finally:
            worker.stop()

    def _note(self, number: int, faults: list[tuple[str, str]]) -> None:
        end(marked(f"{self.mark}{number}."))
        folder = self.folder / f"case-{number}"
        with self._lock:
            self.count.tried += 1
            if faults:
                self.count.failed += 1
                for harm, detail in faults:
                    self.count.faults.append({"case": number, "harm": harm, "detail": detail})
                    print(f"{self.kind} {number}: {harm}: {detail}", flush=True)
                if self.count.failed <= KEPT or self.given.case:
                    self._keep(folder, number, faults)
            if self.count.tried % (500 if self.module.COUNT > 500 else 20) == 0:
                print(f"{self.kind}: {self.count.tried} tried", flush=True)
        shutil.rmtree(folder, ignore_errors=True)

    def _keep(self, folder: Path, number: int, faults: list[tuple[str, str]]) -> None:
        kept = self.given.keep / f"{self.kind}-{number}"
        shutil.rmtree(kept, ignore_errors=True)
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink() and path.stat().st_size < KEPT_BYTES:
                copy = kept / path.relative_to(folder)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
        kept.mkdir(parents=True, exist_ok=True)
        again = ["python", "benchmarks/attack.py", "--only", self.kind, "--case", str(number),
                 "--seed", str(self.given.seed), "--of", self.target.name]  # fmt: skip
        if self.given.samples:
            again += ["--samples", str(self.given.samples)]
        lines = [shlex.join(again), *(f"{harm}: {detail}" for harm, detail in faults)]
        (kept / "FAULT.txt").write_text("\n".join(lines) + "\n", "utf-8", "backslashreplace")


# ---------------------------------------------------------------- the table


def table(counts: dict[str, dict[str, Any]]) -> str:
    """A row for each kind, two columns for each target: tried, and failed by what."""
    lines = [
        "| kind | " + " | ".join(f"tried, {name} | failed" for name in counts) + " |",
        "|---" * (1 + 2 * len(counts)) + "|",
    ]
    for kind in KINDS:
        cells = []
        for kinds in counts.values():
            one = kinds.get(kind)
            if one is None or one["skipped"]:
                cells += [one["skipped"] if one else "", ""]
                continue
            harms = Counter({f["harm"]: 0 for f in one["faults"]})
            for harm in harms:
                harms[harm] = len({f["case"] for f in one["faults"] if f["harm"] == harm})
            why = ", ".join(f"{count} {harm}" for harm, count in harms.most_common())
            cells += [str(one["tried"]), f"{one['failed']}{f' ({why})' if why else ''}"]
        if any(cells):
            lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


def groups(counts: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The same faults together, with the first case of each."""
    for name, kinds in counts.items():
        for kind, one in kinds.items():
            same = Counter(f"{f['harm']}: {f['detail']}" for f in one["faults"])
            first = {f"{f['harm']}: {f['detail']}": f["case"] for f in reversed(one["faults"])}
            for text, count in same.most_common(15):
                yield f"{name} {kind}: {count} x {text} (case {first[text]})"


def main() -> int:
    """Attack, print the table; the exit status is 1 if anything failed."""
    parser = argparse.ArgumentParser(description="Attack dubkit, and count what broke.")
    add = parser.add_argument
    add("--only", metavar="KIND,...", default=",".join(KINDS), help=", ".join(KINDS))
    add("--count", metavar="N", type=int, help="cases of each kind (default: in full)")
    add("--seed", metavar="S", type=int, default=1)
    add("--case", metavar="N", type=int, action="append", help="only this one")
    add("--samples", metavar="DIR", type=Path, help="files that others made, for `samples`")
    add("--of", metavar="CHECKOUT", action="append", help="what to attack: a checkout, or the "
        "Python of an environment; may be given twice (default: this checkout)")  # fmt: skip
    add("--json", metavar="FILE", type=Path, help="counts so far, to which these are added")
    add("--keep", metavar="DIR", type=Path, default=Path("attack-faults"), help="failed cases")
    add("--jobs", metavar="N", type=int, default=min(4, os.cpu_count() or 1))
    add("--patience", metavar="SECONDS", type=float, default=60.0, help="then it hangs")
    given = parser.parse_args()
    kinds = given.only.split(",")
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"no such kind: {', '.join(unknown)}")
    counts: dict[str, dict[str, Any]] = {}
    if given.json and given.json.exists():
        counts = json.loads(given.json.read_text())
    failed = False
    # Whoever ends it gets the table of what was counted until then.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    targets = given.of or [str(ROOT)]
    scratch = tempfile.TemporaryDirectory(prefix="dubkit-attack-", ignore_cleanup_errors=True)
    for number, (name, kind) in enumerate(itertools.product(targets, kinds)):
        folder = Path(scratch.name, str(number))
        attack = Attack(kind, Target(name), given, folder)
        count = attack.run()
        shutil.rmtree(folder, ignore_errors=True)
        print(f"{name}, {kind}: {count.tried} tried, {count.failed} failed, "
              f"{count.seconds:.0f} s{count.skipped and ', skipped: ' + count.skipped}",
              flush=True)  # fmt: skip
        counts.setdefault(name, {})[kind] = vars(count)
        failed = failed or bool(count.failed)
        if given.json:
            given.json.write_text(json.dumps(counts, indent=1))
        if attack.stopped:
            break
    scratch.cleanup()
    print("\n".join(groups({name: counts[name] for name in targets if name in counts})))
    print(table(counts))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
