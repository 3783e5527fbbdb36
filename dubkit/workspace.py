"""The work folder of one input: resume, content keys, atomic writes, one run at a time.

``<output folder>/<stem>.dubkit/`` holds the artefacts of the steps and ``state.json``, which says
by what key each was made. A step whose key has not changed is not run again. Files appear by
``os.replace`` alone, so a kill at any moment leaves what was finished and nothing half-written.
An artefact that a person edited is kept and used; what follows sees its new content.
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
from .files import cannot_write, content_of, write_json

log = logging.getLogger("dubkit")

VERSION = 1
"""Of all keys: raise it when a step's result changes for the same inputs."""
SUFFIX = ".dubkit"
STATE = "state.json"
PART = ".part"
"""Ending of files being written; swept when the next run begins."""
HASHED_BELOW = 64 * 2**20
"""Bytes; a larger result counts as edited when its size or time changed, unread."""


Make = Callable[[Path], Sequence[str]]
"""Writes a file and returns what was amiss, a sentence each."""
Keep = Callable[[Path, Path], tuple[bool, Sequence[str]]]
"""Takes over somebody's edits of the first file into the second, which was made anew; whether that
were all of them, and what there is to say about it."""


def key_of(**parts: object) -> str:
    """A short hash of everything that a step depends on."""
    text = json.dumps({"version": VERSION, **parts}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@contextmanager
def opened(folder: Path) -> Iterator[Workspace]:
    """The workspace in ``folder``, made if need be and locked until the block ends.

    A second run waits for the first. Raises OutputError when the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.warning("another dubkit is at work in %s; waiting for it", folder)
            lock.acquire()
    except OSError as failure:
        raise cannot_write(folder, failure) from failure
    try:
        yield Workspace(folder)
    finally:
        lock.release()


class Workspace:
    """An open, locked workspace; see :func:`opened`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.warnings: list[str] = []
        """Of the steps that were asked for, whether they ran now or earlier."""
        # Hidden ones, too, and ``x.part.mp4``, since ffmpeg goes by the ending; not ``x.parts``.
        for left in [*folder.glob(f"*{PART}"), *folder.glob(f"*{PART}.*")]:
            with suppress(OSError):
                left.unlink()
        self._state = self._read_state()

    def hash_source(self, source: Path) -> str:
        """SHA-256 of the input, read again only when its size or time has changed."""
        known = self._state["source"]
        try:
            stat = source.stat()
            stamp = [str(source.absolute()), stat.st_size, stat.st_mtime_ns]
            if known.get("stamp") != stamp or "sha256" not in known:
                known = self._state["source"] = {"stamp": stamp, "sha256": content_of(source)}
                self._save()
        except OSError as failure:
            raise InputError(
                f"{source} cannot be read: {failure.strerror or failure}", "is it still there?"
            ) from failure
        return str(known["sha256"])

    def made_from_another(self, source: Path) -> Path | None:
        """The other input that this workspace was made from, if there is one."""
        stamp = self._state["source"].get("stamp")
        if not stamp or stamp[0] == str(source.absolute()):
            return None
        other = Path(stamp[0])
        return other if other.exists() else None

    def step(
        self,
        name: str,
        key: str,
        make: Make,
        partial: bool = False,
        keep: Keep = lambda edited, part: (False, ()),
    ) -> Path:
        """The artefact ``name``, made by ``make(path)`` unless it is there for the same key.

        ``partial`` says that something is missing in what ``make`` writes: then the next run makes
        it again, unless somebody has edited it. ``keep`` takes over what somebody has
        edited from the old artefact; the new one counts as edited then, too.
        """
        path = self.folder / name
        record = self._state["steps"].get(name, {})
        part = path.with_name(path.name + PART)
        try:
            edited = path.exists() and record.get("sha256") != content_of(path)
            if self.outdated(name, key):
                warnings = list(make(part))
                record = {"key": key, "sha256": content_of(part), "warnings": warnings}
                if partial:
                    record["partial"] = True
                kept, whole = _free_name(path.with_name(path.name + ".edited")), True
                if edited:
                    # Somebody edited it, and what it was made from has changed since: keep both.
                    whole, told = keep(path, part)
                    self.warnings += told
                    path.replace(kept)
                # A kill in between must leave neither an old artefact under the new key nor a new
                # one that looks edited: rather none, and this step is run again.
                path.unlink(missing_ok=True)
                self._state["steps"][name] = record
                self._save()
                part.replace(path)
                if edited and whole:
                    kept.unlink()
                elif edited:
                    self.warnings.append(
                        f"{name} was edited and is made anew; your edit is in {kept.name}"
                    )
        except OSError as failure:
            raise cannot_write(path, failure) from failure
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        self.warnings += record.get("warnings", ())
        return path

    def outdated(self, name: str, key: str) -> bool:
        """Whether :meth:`step` would make the artefact ``name``."""
        path, record = self.folder / name, self._state["steps"].get(name, {})
        if record.get("key") != key or not path.exists():
            return True
        return bool(record.get("partial")) and record.get("sha256") == content_of(path)

    def key_for(self, name: str) -> str | None:
        """The key that the artefact ``name`` was made for last."""
        key = self._state["steps"].get(name, {}).get("key")
        return str(key) if key else None

    def edited(self, name: str, key: str) -> bool:
        """Whether the artefact that was made for ``key`` has been changed by somebody since."""
        path, record = self.folder / name, self._state["steps"].get(name, {})
        return (
            record.get("key") == key and path.exists() and record.get("sha256") != content_of(path)
        )

    def warnings_of(self, name: str) -> Sequence[str]:
        """What was amiss when the artefact ``name`` was made."""
        return tuple(self._state["steps"].get(name, {}).get("warnings", ()))

    def folder_for(self, step: str, key: str) -> Path:
        """A folder of a step's own for half-done work under ``key``; older keys' are removed."""
        for old in self.folder.glob(f"{step}-*{PART}s"):
            if old.name != f"{step}-{key}{PART}s":
                shutil.rmtree(old, ignore_errors=True)
        path = self.folder / f"{step}-{key}{PART}s"
        path.mkdir(exist_ok=True)
        return path

    def drop(self, *names: str) -> None:
        """Remove artefacts that are large and can be made again."""
        for name in names:
            (self.folder / name).unlink(missing_ok=True)

    def drop_folders(self) -> None:
        """Remove the folders of half-done work."""
        for old in self.folder.glob(f"*{PART}s"):
            shutil.rmtree(old, ignore_errors=True)

    def claim(self, out: Path, *, force: bool) -> None:
        """Raise OutputError when ``out`` exists and is not what dubkit last wrote there."""
        try:
            if force or not out.exists() or self._is_ours(out):
                return
        except OSError as failure:  # a name that is too long, say
            raise cannot_write(out, failure) from failure
        how = "was edited since" if out.name in self._state["outputs"] else "was not made by dubkit"
        raise OutputError(
            f"{out} exists and {how}",
            "--force writes over it; -o DIR writes elsewhere",
        )

    def output(self, out: Path, key: str, make: Make, *, force: bool) -> None:
        """Write the result ``out`` by ``make(path)``, unless it is there for the same key."""
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
            record = {"key": key, "warnings": warnings, **_print_of(part)}
            # Said before it is done: a kill between the two must not make it a stranger's.
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
        return bool(record.get("sha256")) and record["sha256"] == content_of(out)

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
            f"delete {path.name} to start anew; results that are there then need --force",
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
    """``path``, or the first of ``path.2``, ``path.3``, ... that nothing goes by yet."""
    names = (path.with_name(f"{path.name}.{number}") for number in itertools.count(2))
    return next(name for name in itertools.chain([path], names) if not name.exists())


def _print_of(path: Path) -> dict[str, object]:
    """What tells whether a file was changed."""
    stat = path.stat()
    found: dict[str, object] = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    if stat.st_size < HASHED_BELOW:
        found["sha256"] = content_of(path)
    return found
