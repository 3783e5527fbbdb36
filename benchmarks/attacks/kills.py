"""Runs of every kind are ended at any moment, in every way, and run again.

Afterwards no process is left, the next run leaves nothing in the folder for temporary files, and it
makes the same bytes as one that nobody disturbed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

from . import jobs, page
from .lab import (
    ERR,
    Case,
    Fault,
    Lab,
    Ran,
    difference,
    dubkit,
    end,
    faults_of,
    hashes,
    last_line,
    marked,
    name_of,
    remove,
    results,
    run,
    wait,
    wait_for_none,
)

COUNT = 108
PATIENCE = 6
ENDING = 15.0
"""Seconds that a run may take to end."""
GRACE = 3.0
"""Seconds that the processes which it started may outlive it."""
WAYS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGKILL", "closed terminal")
KINDS = (*jobs.JOBS, "page")


def prepare(lab: Lab) -> None:
    jobs.make_inputs(lab.folder / "inputs")


def _undisturbed(lab: Lab, job: str) -> dict[str, Any]:
    """What a job makes if nobody disturbs it, and how many seconds it takes."""
    facts = lab.folder / f"{job}.json"
    with FileLock(f"{facts}.lock"):
        if not facts.exists():
            case = lab.undisturbed(lab.folder / f"whole-{job}")
            inputs = lab.folder / "inputs"
            began = time.monotonic()
            if job == "page":
                with page.serving(lab, case) as server:
                    made = server.run(inputs / "film.mp4")
            else:
                argv = _argv(job, inputs, case)
                ran = run(lab, case, argv, patience=jobs.UNDISTURBED)
                assert ran.status == 0, ran
                made = results(case.folder / "out")
            seconds = time.monotonic() - began
            facts.write_text(json.dumps({"seconds": seconds, "made": made}))
    found: dict[str, Any] = json.loads(facts.read_text())
    return found


def _argv(job: str, inputs: Path, case: Case) -> list[str]:
    return dubkit(*jobs.JOBS[job].arguments(inputs, case.folder / "out"))


def attack(lab: Lab, case: Case) -> Iterator[Fault]:
    job, way = KINDS[case.number % len(KINDS)], case.random.choice(WAYS)
    whole = _undisturbed(lab, job)
    moment = case.random.uniform(0.1, 1.0) * whole["seconds"]
    inputs = case.folder / "inputs"
    shutil.copytree(lab.folder / "inputs", inputs)
    before = hashes(inputs)
    about = f"{job}, {way} after {moment:.1f} s"
    lab.step(about)
    if job == "page":
        yield from _kill_page(lab, case, way, moment, about)
        with page.serving(lab, case) as server:
            made = server.again()
    else:
        yield from _kill(case, _argv(job, inputs, case), way, moment, about)
        ran = run(lab, case, _argv(job, inputs, case), patience=jobs.UNDISTURBED)
        yield from faults_of(ran)
        if ran.status:
            yield Fault("differs", f"{about}: then status {ran.status}: {last_line(ran)}")
        made = results(case.folder / "out")
    if made != whole["made"]:
        yield Fault("differs", f"{about}: {difference(made, whole['made'])}")
    if left := sorted(path.name for path in case.temporary.iterdir()):
        yield Fault("scratch", f"{about}: {', '.join(left)[:100]}")
    if hashes(inputs) != before:
        yield Fault("touched", f"{about}: {difference(hashes(inputs), before)}")


def _kill(case: Case, argv: list[str], way: str, moment: float, about: str) -> Iterator[Fault]:
    """Start a run, and end it at that moment; sooner if it had ended by then."""
    struck = False
    while not struck:
        remove(case.folder / "out")
        with _started(case, argv, way) as (child, terminal):
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(moment)
            struck = child.poll() is None
            _strike(child, way, terminal)
            yield from _ended(case, child, about)
        moment /= 2
    err = (case.folder / ERR).read_bytes()
    yield from (fault for fault in faults_of(Ran(130, b"", err)) if way != "SIGKILL")


@contextlib.contextmanager
def _started(
    case: Case, argv: list[str], way: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The command at a terminal of its own if that is what will be closed."""
    with (case.folder / ERR).open("wb") as err:
        if way != "closed terminal":
            yield subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err,
                env=case.environment, cwd=case.folder, start_new_session=True,
            ), -1  # fmt: skip
            return
        ours, theirs = os.openpty()
        child = subprocess.Popen(
            argv, stdin=theirs, stdout=theirs, stderr=theirs,
            env=case.environment, cwd=case.folder, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(theirs)
        os.set_blocking(ours, False)
        yield child, ours


def _strike(child: subprocess.Popen[bytes], way: str, terminal: int) -> None:
    if terminal >= 0:
        os.close(terminal)
    elif child.poll() is None:
        child.send_signal(signal.Signals[way])


def _ended(case: Case, child: subprocess.Popen[bytes], about: str) -> Iterator[Fault]:
    """It ends soon, and leaves no process."""
    if wait(child, ENDING, lambda: [child.pid]) is None:
        yield Fault("hang", f"{about}: it still runs {ENDING:.0f} s later")
        child.kill()
        child.wait()
    if not wait_for_none(lambda: marked(case.mark), GRACE):
        left = marked(case.mark)
        yield Fault("orphan", f"{about}: {', '.join(sorted({name_of(pid) for pid in left}))[:120]}")
        end(left)


def _kill_page(lab: Lab, case: Case, way: str, moment: float, about: str) -> Iterator[Fault]:
    """Start a page and a job on it, and end the page at that moment."""
    server = page.Page(case, lab.patience)
    with _started(case, server.argv, way) as (child, terminal):
        server.wait()
        server.submit(case.folder / "inputs/film.mp4")
        # The time includes that of the page to start.
        time.sleep(moment / 2)
        _strike(child, way, terminal)
        yield from _ended(case, child, about)
