"""``dubkit clean``: remove workspaces, and what is kept in the user's cache folder.

A workspace is removed whole or not at all: only if this user's dubkit made it, nobody works in it,
no file in it was edited, and everything in it is recorded as made by dubkit. Results beside it are
never touched.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dubkit.errors import DubkitError, InputError, UsageError
from dubkit.files import (
    OWNER,
    Made,
    at_home,
    cache_folder,
    cannot_write,
    delete,
    is_link,
    is_own,
    read_json,
    sha256_of,
)
from dubkit.installed import REMEMBERED
from dubkit.subtitles.source import format_of
from dubkit.system import terminal
from dubkit.system.lease import NAME as LEASE
from dubkit.system.lease import acquire, is_free
from dubkit.system.terminal import printable
from dubkit.workspace import LOCK, STATE, SUFFIX, check

from .parser import Parser, protect

CACHES = ("voices", REMEMBERED)
"""What is in the cache folder and is computed again when it is needed."""
MODELS = ("models", "spleeter-2stems")
"""What has to be downloaded again. The page's folders, with people's videos, are in neither."""
OWN_FILES = re.compile(
    rf"{re.escape(STATE)}|{re.escape(OWNER)}|{re.escape(LOCK)}|{re.escape(LEASE)}.*|{re.escape(Made.NAME)}"
    r"|(translations|checks)\.[\w-]+\.jsonl"
)
"""What dubkit writes into a workspace without a record."""
OWN_FOLDERS = re.compile(r"references|(dub|lipsync)\.[\w-]+")
"""Folders of a workspace with a record of their own."""
FACES = "faces.json"
"""What is found in the picture, in a folder of ``--lipsync``, without a record."""
AGES = {"h": 3600, "d": 86400, "w": 7 * 86400}


@dataclass(frozen=True, slots=True)
class Found:
    """A workspace, or a part of the cache."""

    path: Path
    size: int
    """Bytes."""
    kept: str = ""
    """Why it is left; empty if it may be removed."""


def clean_parser() -> Parser:
    """What ``dubkit clean`` takes."""
    parser = Parser(
        prog="dubkit clean",
        description="Remove the workspaces (*.dubkit) that dubkit made, after a question. Results "
        "stay; without its workspace dubkit no longer knows that it made them, and overwrites them "
        "only with --force.",
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument(
        "places", nargs="*", metavar="FOLDER|FILE",
        help="where to look, with all folders inside; or videos whose workspaces to remove "
        "(default: the current folder)",
    )  # fmt: skip
    add = parser.add_argument
    add("--dry-run", action="store_true", help="only list what would be removed, with sizes")
    add("--yes", action="store_true", help="do not ask")
    add("--older-than", metavar="AGE", type=age, default=0.0,
        help="only what nothing was written to for so long: 12h, 30d, 8w")  # fmt: skip
    add("--edited", action="store_true", help="also workspaces with files that were edited by hand")
    add("--cache", action="store_true",
        help="what is computed again when it is needed, in the cache folder, instead")  # fmt: skip
    add("--models", action="store_true",
        help="the models that dubkit downloaded into the cache folder, instead")  # fmt: skip
    add("-h", "--help", action="help", help="show this")
    return parser


def age(text: str) -> float:
    """Seconds of ``12h``, ``30d`` or ``8w``. Raises UsageError."""
    found = re.fullmatch(r"(\d{1,6})([hdw])", text.strip().lower(), re.ASCII)
    if not found:
        raise UsageError(f"--older-than is a number of hours, days or weeks, not {text!r}", "30d")
    return float(found[1]) * AGES[found[2]]


def clean_command(arguments: Sequence[str]) -> int:
    """``dubkit clean``: list what can be removed, ask, and remove it."""
    given = clean_parser().parse_args(protect(arguments))
    if given.cache or given.models:
        if given.places:
            raise UsageError(
                "--cache and --models are in a folder of their own", "leave the places out"
            )
        names = CACHES * given.cache + MODELS * given.models
        found = [one for name in names if (one := _cached(name, given.older_than))]
    else:
        folders = {one.absolute(): one for one in _workspaces(given.places or ["."])}.values()
        found = [_examine(folder, given.older_than, edited=given.edited) for folder in folders]
    going = [one for one in found if not one.kept]
    for one in found:
        what = f"left, {one.kept}" if one.kept else _size(one.size)
        print(printable(f"{one.path}: {what}"))
    total = _size(sum(one.size for one in going))
    if not going:
        print("nothing to remove")
        return 0
    if given.dry_run:
        print(f"{total} in {len(going)} would be removed")
        return 0
    if not given.yes and not terminal.agrees(f"Remove {len(going)}, {total}?"):
        if not terminal.can_ask():
            raise UsageError("nothing was removed: nobody could be asked", "--yes does not ask")
        return 0
    status = 0
    for one in going:
        try:
            _remove(one.path, edited=given.edited)
        except DubkitError as failure:
            terminal.print_failure(failure)
            status = status or failure.exit_status
    if not status:
        print(f"{total} removed")
    return status


# ---------------------------------------------------------------- finding


def _workspaces(places: Sequence[str]) -> Iterator[Path]:
    """The folders at some places that are called like workspaces. Links are not followed."""
    for name in places:
        path = at_home(name)
        if is_link(path) or not os.path.lexists(path):
            raise InputError(
                f"{path} is a link" if is_link(path) else f"there is no {path}",
                "name a folder, a video or a workspace",
            )
        if path.is_file():
            # That of a subtitle file is not that of the video of its name.
            work = path.with_name(f"{path.name if format_of(path) else path.stem}{SUFFIX}")
            if work.is_dir() and not is_link(work):
                yield work
        elif path.name.endswith(SUFFIX):
            yield path
        else:
            for folder, inside, _ in os.walk(path):
                for one in sorted(inside):
                    if one.endswith(SUFFIX) and not is_link(Path(folder, one)):
                        yield Path(folder, one)
                inside[:] = [one for one in inside if not one.endswith(SUFFIX)]


def _examine(folder: Path, seconds: float, *, edited: bool) -> Found:
    size, newest = _measure(folder)
    try:
        kept = _reason(folder, edited=edited)
    except DubkitError as failure:
        kept = failure.message
    except OSError as failure:
        kept = failure.strerror or str(failure)
    if not kept and time.time() - newest < seconds:
        kept = "it is newer"
    return Found(folder, size, kept)


def _reason(folder: Path, *, edited: bool) -> str:
    """Why a folder is not to be removed; "" if it may be."""
    if not (folder / OWNER).is_file() or not is_own(folder):
        return "this user's dubkit did not make it on this machine"
    check(folder)  # no links, no devices
    if not is_free(folder):
        return "another dubkit is working in it"
    return _stranger(folder, edited=edited)


def _stranger(folder: Path, *, edited: bool) -> str:
    """What in a workspace is not simply dubkit's."""
    made = Made(folder)
    steps = _steps(folder)
    for entry in sorted(folder.iterdir()):
        name = entry.name
        if name in steps:
            if not edited and steps[name] != sha256_of(entry):
                return f"{name} was edited by hand (--edited removes it, too)"
        elif name.endswith(".edited") and name.removesuffix(".edited") in steps:
            if not edited:
                return f"{name} has edits that were made by hand (--edited removes it, too)"
        elif entry.is_dir() and name not in made and OWN_FOLDERS.fullmatch(name):
            inside = Made(entry)
            for one in sorted(entry.iterdir()):
                if one.name not in inside and one.name not in (Made.NAME, FACES):
                    return f"{name}/{one.name} is not recorded as made by dubkit"
        elif name not in made and not OWN_FILES.fullmatch(name):
            return f"{name} is not recorded as made by dubkit"
    return ""


def _steps(folder: Path) -> dict[str, str]:
    """The SHA-256 of what each step has made, by name."""
    try:
        steps = read_json(folder / STATE)["steps"]
        return {str(name): str(one.get("sha256")) for name, one in steps.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}  # then what they made is not recorded


def _cached(name: str, seconds: float) -> Found | None:
    path = cache_folder() / name
    if not os.path.lexists(path):
        return None
    if is_link(path):
        return Found(path, 0, "it is a link")
    size, newest = _measure(path)
    return Found(path, size, "it is newer" if time.time() - newest < seconds else "")


def _measure(path: Path) -> tuple[int, float]:
    """The bytes of a file, or of all files in a folder, and when the newest was changed."""
    files = [path] if path.is_file() else [Path(at, n) for at, _, ns in os.walk(path) for n in ns]
    facts = []
    for file in files:
        with contextlib.suppress(OSError):
            facts.append(file.lstat())
    newest = max((one.st_mtime for one in facts), default=0.0)
    return sum(one.st_size for one in facts), newest


def _size(count: float) -> str:
    units = ["bytes", "kB", "MB", "GB"]
    while count >= 999.5 and units[1:]:
        count /= 1000
        del units[0]
    digits = 1 if count < 9.95 and units[0] != "bytes" else 0
    return f"{count:.{digits}f} {units[0]}"


# ---------------------------------------------------------------- removing


def _remove(path: Path, *, edited: bool) -> None:
    """Remove a workspace that still may be, or a part of the cache. Raises InputError for one that
    was edited or used since it was listed, and OutputError."""
    try:
        if not path.name.endswith(SUFFIX):
            delete(path.parent, path.name)
            return
        lease = acquire(path) if is_own(path) else None
        if not lease:
            raise InputError(f"{path} is in use now", "try again later")
        try:
            if reason := _stranger(path, edited=edited):  # while the question was open
                raise InputError(f"{path} was not removed: {reason}", "look at it")
            names = sorted(one.name for one in path.iterdir() if one.name != LEASE)
            # What shows whose it is goes last: a kill leaves what can be removed another time.
            for name in sorted(names, key=lambda name: name in (Made.NAME, STATE, OWNER)):
                delete(path, name)
        finally:
            lease.release()
        path.rmdir()
    except OSError as failure:
        raise cannot_write(path, failure) from failure
