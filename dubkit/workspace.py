"""The work folder of one input: resume, content keys, atomic writes, one run at a time.

``<output folder>/<stem>.dubkit/`` holds the artifacts of the steps, and ``state.json``, which
records the key that each was made under. A step whose key has not changed is not run again. Files
appear only by ``os.replace``, so a kill at any moment leaves what was finished and nothing
half-written.
An artifact that a person edited is kept and used; later steps see its new content.

What the steps are, and what their keys consist of, is decided in :mod:`dubkit.pipeline`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import InputError, OutputError
from .files import cannot_write, sha256_of, write_json

log = logging.getLogger("dubkit")

VERSION = 1
"""Part of every key: raise it when a step's result changes for the same inputs."""
SUFFIX = ".dubkit"
STATE = "state.json"
PART = ".part"
"""Ending of files being written; removed when the next run begins."""
HASHED_BELOW = 64 * 2**20
"""Bytes; a larger result counts as edited if its size or time has changed, without reading it."""

Make = Callable[[Path], Sequence[str]]
"""Writes a file and returns warnings, a sentence each."""
Merge = Callable[[Path, Path], tuple[bool, Sequence[str]]]
"""Applies the edits in the first file to the second, which has just been made; returns whether all
of them could be applied, and warnings."""


def key_of(**parts: object) -> str:
    """A short hash of everything that a step depends on."""
    text = json.dumps({"version": VERSION, **parts}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@contextmanager
def open_workspace(folder: Path) -> Iterator[Workspace]:
    """The workspace in ``folder``, created if necessary and locked until the block ends.

    A second run waits for the first. Raises OutputError when the folder cannot be written to.
    """
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.warning("another dubkit is working in %s; waiting for it to finish", folder)
            lock.acquire()
    except OSError as failure:
        raise cannot_write(folder, failure) from failure
    try:
        yield Workspace(folder)
    finally:
        lock.release()


class Workspace:
    """An open, locked workspace; see :func:`open_workspace`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.warnings: list[str] = []
        """Of the steps requested so far, whether they ran now or earlier."""
        # Hidden ones, too, and ``x.part.mp4``, since ffmpeg goes by the suffix; not ``x.parts``.
        for left in [*folder.glob(f"*{PART}"), *folder.glob(f"*{PART}.*")]:
            with suppress(OSError):
                left.unlink()
        self._state = self._read_state()

    def hash_source(self, source: Path) -> str:
        """SHA-256 of the input, computed again only when its size or time has changed."""
        known = self._state["source"]
        try:
            stat = source.stat()
            stamp = [str(source.resolve()), stat.st_size, stat.st_mtime_ns]
            if known.get("stamp") != stamp or "sha256" not in known:
                known = self._state["source"] = {"stamp": stamp, "sha256": sha256_of(source)}
                self._save()
        except OSError as failure:
            raise InputError(
                f"{source} cannot be read: {failure.strerror or failure}", "is it still there?"
            ) from failure
        return str(known["sha256"])

    def other_source(self, source: Path) -> Path | None:
        """The other input that this workspace was made from, if it still exists."""
        stamp = self._state["source"].get("stamp")
        if not stamp:
            return None
        other = Path(stamp[0])
        # The same file by another path is the same input.
        return other if other.exists() and other.resolve() != source.resolve() else None

    def step(
        self,
        name: str,
        key: str,
        make: Make,
        partial: bool = False,
        merge: Merge = lambda edited, part: (False, ()),
    ) -> Path:
        """The artifact ``name``, made by ``make(path)`` unless it exists for the same key.

        ``partial`` says that something is missing in what ``make`` writes: the next run makes the
        artifact again, unless somebody has edited it. ``merge`` applies edits of the old
        artifact to the new one, which then counts as edited, too.
        """
        path = self.folder / name
        record = self._state["steps"].get(name, {})
        part = path.with_name(path.name + PART)
        try:
            edited = path.exists() and record.get("sha256") != sha256_of(path)
            if self.outdated(name, key):
                warnings = list(make(part))
                record = {"key": key, "sha256": sha256_of(part), "warnings": warnings}
                if partial:
                    record["partial"] = True
                self._replace(name, part, record, merge if edited else None)
        except OSError as failure:
            raise cannot_write(path, failure) from failure
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        self.warnings += record.get("warnings", ())
        return path

    def outdated(self, name: str, key: str) -> bool:
        """Whether :meth:`step` would make the artifact ``name``."""
        path, record = self.folder / name, self._state["steps"].get(name, {})
        if record.get("key") != key or not path.exists():
            return True
        return bool(record.get("partial")) and record.get("sha256") == sha256_of(path)

    def _replace(self, name: str, part: Path, record: object, merge: Merge | None) -> None:
        """Put ``part`` in the place of the artifact; ``merge`` is None if that was not edited."""
        path = self.folder / name
        backup, complete = _free_name(path.with_name(path.name + ".edited")), True
        if merge:
            # Somebody edited it, and what it was made from has changed since: keep both.
            complete, warnings = merge(path, part)
            self.warnings += warnings
            path.replace(backup)
        # A kill in between must leave neither an old artifact under the new key nor a new one that
        # looks edited: better none, so that this step is run again.
        path.unlink(missing_ok=True)
        self._state["steps"][name] = record
        self._save()
        part.replace(path)
        if merge and complete:
            backup.unlink()
        elif merge:
            self.warnings.append(
                f"{name} was edited and has been made again; your edit is in {backup.name}"
            )

    def key_for(self, name: str) -> str | None:
        """The key under which the artifact ``name`` was last made."""
        key = self._state["steps"].get(name, {}).get("key")
        return str(key) if key else None

    def is_edited(self, name: str, key: str) -> bool:
        """Whether the artifact that was made under ``key`` has been edited since."""
        path, record = self.folder / name, self._state["steps"].get(name, {})
        return (
            record.get("key") == key and path.exists() and record.get("sha256") != sha256_of(path)
        )

    def warnings_of(self, name: str) -> Sequence[str]:
        """The warnings from when the artifact ``name`` was made."""
        return tuple(self._state["steps"].get(name, {}).get("warnings", ()))

    def folder_for(self, step: str, key: str) -> Path:
        """A step's own folder for half-done work under ``key``; those of older keys are removed."""
        for old in self.folder.glob(f"{step}-*{PART}s"):
            if old.name != f"{step}-{key}{PART}s":
                shutil.rmtree(old, ignore_errors=True)
        path = self.folder / f"{step}-{key}{PART}s"
        path.mkdir(exist_ok=True)
        return path

    def drop(self, *names: str) -> None:
        """Remove artifacts that are large and can be made again."""
        for name in names:
            (self.folder / name).unlink(missing_ok=True)

    def drop_folders(self) -> None:
        """Remove the folders of half-done work."""
        for old in self.folder.glob(f"*{PART}s"):
            shutil.rmtree(old, ignore_errors=True)

    def claim(self, out: Path, *, force: bool) -> None:
        """Raise OutputError if ``out`` exists and is not what dubkit last wrote there."""
        try:
            if force or not out.exists() or self._is_ours(out):
                return
        except OSError as failure:  # a name that is too long, say
            raise cannot_write(out, failure) from failure
        how = "was edited since" if out.name in self._state["outputs"] else "was not made by dubkit"
        raise OutputError(
            f"{out} exists and {how}",
            "--force overwrites it; -o DIR writes elsewhere",
        )

    def output(self, out: Path, key: str, make: Make, *, force: bool) -> None:
        """Write the result ``out`` by ``make(path)``, unless it exists for the same key."""
        self.claim(out, force=force)
        record = self._state["outputs"].get(out.name, {})
        if record.get("key") == key and out.exists() and self._is_ours(out):
            self.warnings += record.get("warnings", ())
            return
        part = self.folder / f"result{PART}{out.suffix}"
        try:
            # In the same file system as the result, so that it appears in one piece.
            warnings = list(make(part))
            self.warnings += warnings
            record = {"key": key, "warnings": warnings, **_fingerprint(part)}
            # Recorded before it is done: after a kill between the two it must still count as ours.
            self._state["outputs"][out.name] = record
            self._save()
            part.replace(out)
        except OSError as failure:
            raise cannot_write(out, failure) from failure
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def _is_ours(self, out: Path) -> bool:
        record = self._state["outputs"].get(out.name)
        if record is None:
            return False
        stat = out.stat()
        if (record.get("size"), record.get("mtime_ns")) == (stat.st_size, stat.st_mtime_ns):
            return True
        return bool(record.get("sha256")) and record["sha256"] == sha256_of(out)

    def _read_state(self) -> dict[str, Any]:
        empty: dict[str, Any] = {"source": {}, "steps": {}, "outputs": {}}
        path = self.folder / STATE
        if not path.exists():
            return empty
        try:
            state = json.loads(path.read_text("utf-8"))
            stamp = state["source"].get("stamp", [""])
            records = [*state["steps"].values(), *state["outputs"].values()]
            if (
                isinstance(stamp, list)
                and isinstance(stamp[0], str)
                and all(isinstance(record.get("warnings", []), list) for record in records)
            ):
                return dict(state)
        except (OSError, LookupError, TypeError, ValueError, AttributeError):
            pass
        raise InputError(
            f"{path} is damaged",
            f"delete {path.name} to start from scratch; existing results then need --force",
        )

    def _save(self) -> None:
        path = self.folder / STATE
        part = path.with_name(STATE + PART)
        try:
            write_json(part, self._state)
            part.replace(path)
        except OSError as failure:
            raise cannot_write(path, failure) from failure


def _free_name(path: Path) -> Path:
    """``path``, or the first of ``path.2``, ``path.3``, ... that does not exist yet."""
    names = (path.with_name(f"{path.name}.{number}") for number in itertools.count(2))
    return next(name for name in itertools.chain([path], names) if not name.exists())


def _fingerprint(path: Path) -> dict[str, object]:
    """Facts that show whether a file has changed."""
    stat = path.stat()
    facts: dict[str, object] = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    if stat.st_size < HASHED_BELOW:
        facts["sha256"] = sha256_of(path)
    return facts
