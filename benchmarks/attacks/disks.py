"""Runs on disks that fill up at any moment, with each ffmpeg of this machine, then with space.

A run that ends with 0 made the same bytes as one on a disk with space; one that fails leaves no
result that is cut off; and the next run with space makes all of it. Workers run in a mount
namespace of their own, so that the disks are gone with them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

from . import jobs
from .lab import (
    Case,
    Fault,
    Lab,
    bundled_ffmpeg,
    difference,
    dubkit,
    faults_of,
    results,
    run,
)

COUNT = 104
PATIENCE = 4
WRAPPER = ("unshare", "-m") if os.geteuid() == 0 else ("unshare", "-rm")
KINDS = ("subs", "burn", "translate", "dub")
PLENTY = "512m"


def _ffmpegs() -> dict[str, str]:
    """By name: the bundled one, and the one on PATH."""
    found = {"bundled": bundled_ffmpeg()}
    if on_path := shutil.which("ffmpeg"):
        found["on PATH"] = on_path
    return found


def prepare(lab: Lab) -> str | None:
    disk = lab.folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk]
    mounted = subprocess.run(mount, capture_output=True)
    if mounted.returncode:
        return f"no mounts: {mounted.stderr.decode().strip()[:80]}"
    subprocess.run(["umount", disk], check=True)
    jobs.make_inputs(lab.folder / "inputs")
    return None


def _undisturbed(lab: Lab, job: str, program: str, path: str) -> dict[str, Any]:
    """What a job makes with an ffmpeg on a disk with space, and how many bytes that takes."""
    facts = lab.folder / f"{program} {job}.json"
    with FileLock(f"{facts}.lock"):
        if not facts.exists():
            folder = lab.folder / f"whole {program} {job}"
            case = lab.undisturbed(folder)
            argv, env = _argv(job, lab.folder / "inputs", folder), {"DUBKIT_FFMPEG": path}
            ran = run(lab, case, argv, env, patience=jobs.UNDISTURBED)
            assert ran.status == 0, ran
            size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
            facts.write_text(json.dumps({"size": size, "made": results(folder / "out")}))
    found: dict[str, Any] = json.loads(facts.read_text())
    return found


def _argv(job: str, inputs: Path, disk: Path) -> list[str]:
    return dubkit(*jobs.JOBS[job].arguments(inputs, disk / "out"))


def attack(lab: Lab, case: Case) -> Iterator[Fault]:
    job = KINDS[case.number % len(KINDS)]
    program, path = case.random.choice(sorted(_ffmpegs().items()))
    facts = _undisturbed(lab, job, program, path)
    size = max(16 * 1024, int(case.random.uniform(0.02, 1.3) * facts["size"]))
    full_temporary = case.random.random() < 0.3
    about = f"{job}, ffmpeg {program}, {size // 1024} KiB{', TMPDIR too' * full_temporary}"
    disk = case.folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", disk], check=True)
    try:
        env = {"DUBKIT_FFMPEG": path}
        small = {"TMPDIR": str(disk)} if full_temporary else {}
        argv = _argv(job, lab.folder / "inputs", disk)
        ran = run(lab, case, argv, env | small)
        yield from faults_of(ran)
        made = results(disk / "out")
        if ran.status == 0 and made != facts["made"]:
            yield Fault("truncated", f"{about}: status 0: {difference(made, facts['made'])}")
        elif cut := [name for name, sha in made.items() if sha != facts["made"].get(name)]:
            yield Fault("truncated", f"{about}: status {ran.status}: {', '.join(cut)}")
        subprocess.run(["mount", "-o", f"remount,size={PLENTY}", disk], check=True)
        ran = run(lab, case, argv, env)
        yield from faults_of(ran)
        made = results(disk / "out")
        if ran.status or made != facts["made"]:
            what = difference(made, facts["made"])
            yield Fault("differs", f"{about}: with space: status {ran.status}: {what}")
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
