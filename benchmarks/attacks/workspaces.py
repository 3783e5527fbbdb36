"""Work folders that came with a film, or that somebody else could write to, and mean harm.

A part of a workspace is replaced by a link to a stranger's files, a pipe, a device, a flood, or by
JSON that names other files; then the run goes on there. Nothing outside may change.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from .lab import (
    AUSTEN,
    ENGINES,
    Case,
    Fault,
    Lab,
    call,
    difference,
    faults_of,
    ffmpeg,
    hashes,
    limit_memory,
)

COUNT = 220
VICTIMS = (
    "01 - song.wav", "2019.wav", "Beethoven.wav", "0001-14e5d7d2dada.wav", "reference.wav",
    "download.zip.part", "result.part.mp4", "mine.parts/notes.txt", "a-b.parts/x", "state.json",
    "transcript.json", "thesis.txt", "asked-it/x", "S1.wav", ".lock", "film.en.srt", "faces.json",
)  # fmt: skip
FAST = ("--transcriber", ENGINES / "engines.py:Fast")
PT = (*FAST, "--to", "pt", "--translator", ENGINES / "translators.py:Good")
# Nobody can read back what it says.
HUM = ("--dub", "--tts", ENGINES / "synthesizers.py:Hum", "--voice", "low", "--no-verify")
MIMIC = ("--dub", "--clone", "--i-have-consent", "--tts", ENGINES / "voices.py:Mimic")
RUNS = ((*PT, "--subs"), (*PT, *HUM), (*PT, *MIMIC), (*FAST, "--subs", "--burn"))
FOLDERS = ("", "dub.pt", "dub.pt", "references", "references", "x.parts", "lips.pt", "separated")
FILES = ("state.json", "state.json", "transcript.json", "cues.en.json", "audio.wav", "film.part",
         "result.part.mp4", "faces.json", "dub.pt/0001-x.wav", "../film.en.srt",
         "../film.pt.dubbed.mp4", "../film.pt.dub.json")  # fmt: skip
"""Names in a workspace that the prepared one may not have, and those that matter most again."""


def prepare(lab: Lab) -> None:
    """A finished workspace; its film is moved away, as in a folder that came from elsewhere."""
    limit_memory()
    folder = lab.folder / "film"
    folder.mkdir()
    ffmpeg("-i", AUSTEN, "-t", 8, "-c:v", "libx264", "-preset", "veryfast", "-c:a", "aac",
           lab.folder / "film.mp4")  # fmt: skip
    shutil.copyfile(lab.folder / "film.mp4", folder / "film.mp4")
    case = lab.undisturbed(lab.folder)
    for options in RUNS[:3]:
        ran = call(lab, case, folder / "film.mp4", *options, "-o", folder)
        assert ran.status in (0, 8), ran  # 8: the clips that Mimic has here are silent


def attack(lab: Lab, case: Case) -> Iterator[Fault]:
    limit_memory()
    os.environ["HOME"] = str(lab.folder.parent / "home")
    victim = case.folder / "victim"
    for name in VICTIMS:
        path = victim / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name} is mine\n" * 9)
    folder = case.folder / "film"
    shutil.copytree(lab.folder / "film", folder)
    if case.random.random() < 0.3:  # it was made here, and poisoned afterwards
        shutil.rmtree(folder / "film.dubkit")
        call(lab, case, folder / "film.mp4", *RUNS[0], "-o", folder, "--force")
    else:
        home = case.folder / "home"
        home.mkdir()
        os.environ["HOME"] = str(home)
    work = folder / "film.dubkit"
    part, poison = _choice(work, case.random)
    about = f"{part or 'the workspace'}: {(poison.__doc__ or '').rstrip('.')}"
    with contextlib.suppress(NotADirectoryError, FileExistsError):
        (work / part).parent.mkdir(parents=True, exist_ok=True)
        poison(work / part, victim, case.random)
    before, times = hashes(victim), _times(victim)
    lab = replace(lab, step=lambda text, step=lab.step: step(f"{about}: {text}"))
    for options in case.random.sample(RUNS, 2):
        ran = call(lab, case, folder / "film.mp4", *options, "-o", folder)
        for fault in faults_of(ran):
            yield Fault(fault.harm, f"{about}: {fault.detail}")
    if hashes(victim) != before:
        yield Fault("touched", f"{about}: {difference(hashes(victim), before)}")
    elif _times(victim) != times:
        yield Fault("touched", f"{about}: times or rights of {difference(_times(victim), times)}")


def _times(folder: Path) -> dict[str, str]:
    found = {}
    for path in folder.rglob("*"):
        facts = path.lstat()
        found[path.name] = f"{facts.st_mtime_ns} {facts.st_mode} {facts.st_ino}"
    return found


# ---------------------------------------------------------------- what is put in its place


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def link_to_folder(path: Path, victim: Path, rng: random.Random) -> None:
    """A link to a folder."""
    _clear(path)
    path.symlink_to(os.path.relpath(victim, path.parent) if rng.random() < 0.5 else victim)


def link_to_file(path: Path, victim: Path, rng: random.Random) -> None:
    """A link to a file."""
    _clear(path)
    path.symlink_to(victim / rng.choice(VICTIMS))


def link_to_nothing(path: Path, victim: Path, rng: random.Random) -> None:
    """A link to a file that does not exist yet."""
    _clear(path)
    path.symlink_to(victim / "new")


def link_to_itself(path: Path, victim: Path, rng: random.Random) -> None:
    """A link to itself."""
    _clear(path)
    path.symlink_to(path.name)


def hard_link(path: Path, victim: Path, rng: random.Random) -> None:
    """A second name of a file."""
    _clear(path)
    os.link(victim / rng.choice(("thesis.txt", "state.json", "01 - song.wav")), path)


def pipe(path: Path, victim: Path, rng: random.Random) -> None:
    """A pipe."""
    _clear(path)
    os.mkfifo(path)


def device(path: Path, victim: Path, rng: random.Random) -> None:
    """A device without end."""
    _clear(path)
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    except PermissionError:
        path.symlink_to("/dev/zero")


def link_to_device(path: Path, victim: Path, rng: random.Random) -> None:
    """A link to a device."""
    _clear(path)
    path.symlink_to(rng.choice(("/dev/zero", "/dev/random", "/dev/full", "/dev/stdin")))


def unix_socket(path: Path, victim: Path, rng: random.Random) -> None:
    """A socket."""
    _clear(path)
    with socket.socket(socket.AF_UNIX) as listening, contextlib.chdir(path.parent):
        listening.bind(path.name)


def folder_for_file(path: Path, victim: Path, rng: random.Random) -> None:
    """A folder, with something in it."""
    if path.is_dir():
        return
    _clear(path)
    path.mkdir()
    (path / "x.part").write_text("x")


def file_for_folder(path: Path, victim: Path, rng: random.Random) -> None:
    """A file with rubbish."""
    _clear(path)
    path.write_bytes(rng.randbytes(rng.choice((0, 1, 5000))))


def deep_json(path: Path, victim: Path, rng: random.Random) -> None:
    """JSON that is deep."""
    _clear(path)
    opened, depth = rng.choice(("[", '{"a":', '{"steps":')), rng.choice((900, 5000, 200_000))
    path.write_text(opened * depth)


def huge(path: Path, victim: Path, rng: random.Random) -> None:
    """A file of 20 GB without content."""
    _clear(path)
    with path.open("wb") as file:
        file.truncate(20 * 10**9)


def names_of_others(path: Path, victim: Path, rng: random.Random) -> None:
    """Records that name files elsewhere."""
    if not path.is_file() or path.suffix not in (".json", ".jsonl", ".made"):
        path = path.parent / "state.json" if path.suffix else path / "state.json"
        if not path.is_file():
            return
    names = [str(victim / name) for name in VICTIMS]
    names += ["../../victim/" + name for name in VICTIMS]

    def replaced(value: object) -> object:
        if isinstance(value, dict):
            return {
                (rng.choice(names) if rng.random() < 0.2 else key): replaced(one)
                for key, one in value.items()
            }
        if isinstance(value, list):
            return [replaced(one) for one in value]
        return rng.choice(names) if isinstance(value, str) and rng.random() < 0.3 else value

    lines = path.read_text("utf-8").splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    with contextlib.suppress(ValueError):
        path.write_text("\n".join(json.dumps(replaced(json.loads(line))) for line in lines))


def locked(path: Path, victim: Path, rng: random.Random) -> None:
    """No right to read or write it."""
    if path.exists():
        path.chmod(0)


Poison = Callable[[Path, Path, random.Random], None]
FOR_FOLDERS: tuple[Poison, ...] = (
    link_to_folder, link_to_folder, link_to_folder, link_to_nothing, link_to_itself, pipe,
    file_for_folder, locked,
)  # fmt: skip
FOR_FILES: tuple[Poison, ...] = (
    link_to_file, link_to_file, link_to_nothing, link_to_itself, hard_link, pipe, pipe, device,
    link_to_device, unix_socket, folder_for_file, file_for_folder, deep_json, huge,
    names_of_others, names_of_others, locked,
)  # fmt: skip


def _choice(work: Path, rng: random.Random) -> tuple[str, Poison]:
    """A part of the workspace, and what is put in its place."""
    if rng.random() < 0.4:
        return rng.choice(FOLDERS), rng.choice(FOR_FOLDERS)
    files = [str(path.relative_to(work)) for path in sorted(work.rglob("*")) if path.is_file()]
    return rng.choice([*files, *FILES]), rng.choice(FOR_FILES)
