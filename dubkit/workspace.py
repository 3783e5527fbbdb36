"""The work folder of one input: resume, content keys, atomic writes, one run at a time.

``<output folder>/<stem>.dubkit/`` holds the artifacts of the steps, and ``state.json``, which
records the key that each was made under. A step whose key has not changed is not run again. Files
appear only by ``os.replace``, so a kill at any moment leaves what was finished and nothing
half-written.
An artifact that a person edited is kept and used; later steps see its new content.

A workspace may have come with a video from a stranger: nothing in it is followed elsewhere, and
nothing is deleted but what dubkit has recorded as made by itself (:mod:`dubkit.files`). One that
was not made by this user on this machine is used when the user allows it.

What the steps are, and what their keys consist of, is decided in :mod:`dubkit.pipeline`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from .errors import DubkitError, InputError, InUse, OutputError
from .files import (
    PART,
    Made,
    Snapshot,
    cannot_write,
    check_kind,
    check_tree,
    fingerprint,
    free_name,
    has_changed,
    is_plain_file,
    is_same_time,
    read_json,
    sha256_of,
    stamp_of,
    write_json,
)
from .system.lease import Lease, acquire, wait_for
from .system.ownership import take

log = logging.getLogger("dubkit")

VERSION = 8
"""Part of every key: raise it when a step's result changes for the same inputs."""
SUFFIX = ".dubkit"
STATE = "state.json"
LOCK = ".lock"
"""What earlier versions have left."""
_FOLDERS = re.compile(rf"references|(dub|lipsync)\.[^.]+|.*{re.escape(PART)}s")
_FILES = re.compile(r"\.lock|\.lease.*|\.owner|embedded\..*|.*\.(made|json|jsonl|wav|flac|mp4)")
"""Names that dubkit gives to folders and to files."""

W = TypeVar("W", bound="Workspace")
Make = Callable[[Path], Sequence[str]]
"""Writes a file and returns warnings, a sentence each."""
Check = Callable[[Path], bool]
Merge = Callable[[Path, Path], tuple[bool, Sequence[str]]]
"""Applies the edits in the first file to the second, which has just been made; returns whether all
of them could be applied, and warnings."""


def key_of(**parts: object) -> str:
    """A short hash of everything that a step depends on."""
    text = json.dumps({"version": VERSION, **parts}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@contextmanager
def open_workspace(folder: Path, *, adopt: bool = False, wait: bool = True) -> Iterator[Workspace]:
    """The workspace in ``folder``, created if necessary and this run's alone until the block ends.

    A second run waits for the first; without ``wait``, InUse is raised. Raises OutputError when the
    folder cannot be written to, InputError when it holds what no workspace does, such as links, and
    ForeignWorkspace when it was made elsewhere, unless ``adopt`` allows to use what it holds.
    """
    with open_as(Workspace, folder, adopt=adopt, wait=wait) as work:
        yield work


@contextmanager
def open_as(kind: type[W], folder: Path, *, adopt: bool, wait: bool) -> Iterator[W]:
    """As :func:`open_workspace`, of a kind."""
    lease = _take_lease(folder, wait)
    try:
        check(folder)
        foreign = take(folder, adopt=adopt)
        work = kind(folder, lease)
        if foreign:
            work.forget_source()
        try:
            yield work
        except DubkitError:
            work.check_lease()  # what is missing, another run has removed
            raise
        finally:
            work.close()
    finally:
        lease.release()


def _take_lease(folder: Path, wait: bool) -> Lease:
    try:
        if not folder.exists() and not folder.is_symlink():
            folder.mkdir(parents=True, exist_ok=True)
        check_kind(folder, is_folder=True)
        if lease := acquire(folder):
            return lease
        if not wait:
            raise InUse(
                f"another dubkit is working in {folder}", "run the same command again later"
            )
        log.warning("another dubkit is working in %s; waiting for it to finish", folder)
        return wait_for(folder)
    except OSError as failure:
        raise cannot_write(folder, failure) from failure


def check(folder: Path) -> None:
    """Raise InputError if a workspace holds what none does; it may be missing."""
    if folder.exists() or folder.is_symlink():
        check_kind(folder, is_folder=True)
        check_tree(folder, _FOLDERS, _FILES)


class Workspace:
    """An open, locked workspace; see :func:`open_workspace`."""

    def __init__(self, folder: Path, lease: Lease | None = None) -> None:
        """What is written is this run's as long as it has the ``lease``, if there is one."""
        self.folder = folder
        self._lease = lease
        self.warnings: list[str] = []
        """Of the steps requested so far, whether they ran now or earlier."""
        self._made = Made(folder)
        self._scratch: Path | None = None
        self._expected: tuple[Path | None, Sequence[int]] = (None, ())
        self._source: Snapshot | None = None
        self._state = self._read_state()
        self._made.remove(*self._made.matching(f"*{PART}"))

    def close(self) -> None:
        """Remove what this run was writing."""
        if self._scratch:
            with suppress(OSError, OutputError, InUse):
                self.check_lease()  # or the next one removes it
                self._made.remove(self._scratch.name)

    def check_lease(self) -> None:
        """Raise InUse if another run has taken the workspace over: this one was asleep, or cut off
        from a network drive, for so long that it must have seemed dead."""
        if self._lease and not self._lease.is_held():
            raise InUse(
                f"another dubkit has taken {self.folder} over, since this one did not move",
                "it goes on where this one was; run the same command again later",
            )

    def part(self, name: str) -> Path:
        """Where this run may write a file until it is complete, in the workspace's file system.

        The folder is this run's alone; the next one removes it if this one is killed.
        """
        if self._scratch is None:
            self.check_lease()
            scratch = self.folder / f"{secrets.token_hex(6)}{PART}"
            self._made.add(scratch.name)
            scratch.mkdir()
            self._scratch = scratch
        return self._scratch / name

    def write_json(self, name: str, value: object) -> None:
        """Write a JSON file of the workspace. Raises OutputError."""
        path = self.folder / name
        try:
            self._made.add(name)
            part = self.part(name + PART)
            write_json(part, value)
            self.check_lease()
            part.replace(path)
        except OSError as failure:
            raise cannot_write(path, failure) from failure

    # ------------------------------------------------------------ the input

    def expect_source(self, source: Path, stamp: Sequence[int]) -> None:
        """The input and its stamp when the run began: it must stay so until the run ends."""
        self._expected = source, stamp

    def forget_source(self) -> None:
        """Trust no path to an input, which somebody else has recorded."""
        self._state["source"] = {}

    def hash_source(self, source: Path) -> str:
        """SHA-256 of the input, computed again only when the file may have changed.

        Raises InputError if it has changed since the run began.
        """
        sha256 = self._hash(source).sha256
        record = {"path": str(source.resolve()), "sha256": sha256}
        known = self._state["source"]
        if (known.get("path"), known.get("sha256")) != (record["path"], sha256):
            self._state["source"] = record
            self._save()
        return sha256

    def _hash(self, source: Path, *, surely: bool = False) -> Snapshot:
        """The input as it is now; with ``surely`` also if a change might have left no trace."""
        before, known = self._source, self._state["source"]
        try:
            stamp = stamp_of(source)
            if before and before.path == source:
                if before.stamp == stamp and (before.settled or not surely):
                    return before
                now = Snapshot.of(source)
                changed = now.sha256 != before.sha256
            else:
                recorded = (known.get("path"), known.get("stamp")) == (str(source.resolve()), stamp)
                now = Snapshot.of(source, known["sha256"] if recorded else "")
                # Not its number: some network drives number their files again and again.
                changed = now.stamp[:2] != list(self._expected[1][:2])
        except OSError as failure:
            raise InputError(
                f"{source} cannot be read: {failure.strerror or failure}", "is it still there?"
            ) from failure
        if changed and source == self._expected[0]:
            raise has_changed(source)
        self._source = now
        return now

    def _check_source(self) -> None:
        """Raise InputError if the input has changed since it was hashed: what was made of it
        meanwhile cannot be kept under its key."""
        if before := self._source:
            now = self._hash(before.path, surely=True)
            if now.sha256 != before.sha256:
                raise has_changed(before.path)
            if now.settled and "sha256" in self._state["source"]:
                self._state["source"]["stamp"] = now.stamp

    def other_source(self, source: Path) -> Path | None:
        """The other input that this workspace was made from, if it still exists; one with the same
        content is the same input."""
        known = self._state["source"]
        other = Path(known.get("path", ""))
        try:
            if not other.name or not other.exists() or other.resolve() == source.resolve():
                return None
        except OSError:  # a drive that is not connected
            return None
        return None if self._hash(source).sha256 == known.get("sha256") else other

    def was_made_from(self, source: Path) -> bool:
        """Whether the input that this workspace was made from is gone, and was what ``source`` is
        now."""
        known = self._state["source"]
        if not known.get("sha256") or os.path.lexists(known.get("path", "")):
            return False
        if known.get("stamp", stamp_of(source))[0] != source.stat().st_size:
            return False
        return bool(sha256_of(source) == known["sha256"])

    def rename_results(self, stem: str, new: str) -> None:
        """Give the results whose names begin with a stem a new one, but not those that somebody
        edited or that would replace a file. Raises OSError."""
        for name in [name for name in self._state["outputs"] if name.startswith(f"{stem}.")]:
            out = self.folder.parent / name
            to = out.with_name(f"{new}{name.removeprefix(stem)}")
            if self._is_ours(out) and not os.path.lexists(to):
                self._state["outputs"][to.name] = self._state["outputs"].pop(name)
                self._save()
                out.rename(to)

    # ------------------------------------------------------------ steps

    def step(
        self,
        name: str,
        key: str,
        make: Make,
        partial: bool = False,
        merge: Merge = lambda edited, part: (False, ()),
        *,
        editable: bool = True,
    ) -> Path:
        """The artifact ``name``, made by ``make(path)`` unless it exists for the same key.

        ``partial`` says that something is missing in what ``make`` writes: the next run makes the
        artifact again, unless somebody has edited it. ``merge`` applies edits of the old
        artifact to the new one, which then counts as edited, too. What is not ``editable`` is made
        again if it is not what was made.
        """
        path = self.folder / name
        record = self._state["steps"].get(name, {})
        part: Path | None = None
        try:
            edited = self._is_edited(name)
            if self.outdated(name, key) or (edited and not editable):
                part = self.part(name + PART)
                warnings = list(make(part))
                self._check_source()
                size, sha256 = part.stat().st_size, sha256_of(part)
                record = {"key": key, "sha256": sha256, "size": size, "warnings": warnings}
                if partial:
                    record["partial"] = True
                if not editable:
                    self._made.add(name)
                self._replace(name, part, record, merge if edited and editable else None)
        except OSError as failure:
            raise cannot_write(path, failure) from failure
        finally:
            if part:
                with suppress(OSError):
                    part.unlink(missing_ok=True)
        self.warnings += record.get("warnings", ())
        return path

    def outdated(self, name: str, key: str) -> bool:
        """Whether :meth:`step` would make the artifact ``name``."""
        path, record = self.folder / name, self._state["steps"].get(name, {})
        if record.get("key") != key or not path.exists():
            return True
        return bool(record.get("partial")) and not self._is_edited(name)

    def _is_edited(self, name: str) -> bool:
        """Whether there is an artifact, and it is not what was made."""
        path, record = self.folder / name, self._state["steps"].get(name, {})
        if not path.exists():
            return False
        # Reading a file takes long only if it is as large as it was.
        same_size = record.get("size") == path.stat().st_size
        return not same_size or record.get("sha256") != sha256_of(path)

    def _replace(self, name: str, part: Path, record: object, merge: Merge | None) -> None:
        """Put ``part`` in the place of the artifact; ``merge`` is None if that was not edited."""
        path = self.folder / name
        backup, complete = free_name(path.with_name(path.name + ".edited")), True
        self.check_lease()
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
        return self.key_for(name) == key and self._is_edited(name)

    def warnings_of(self, name: str) -> Sequence[str]:
        """The warnings from when the artifact ``name`` was made."""
        return tuple(self._state["steps"].get(name, {}).get("warnings", ()))

    def folder_for(self, step: str, key: str) -> Path:
        """A step's own folder for half-done work under ``key``; those of older keys are removed."""
        self.check_lease()
        # One that came with the workspace is not used: engines trust what is in their folder.
        names = (f"{step}-{key}{more}{PART}s" for more in ("", *map("-{}".format, range(2, 1000))))
        name = next(one for one in names if one in self._made or not (self.folder / one).exists())
        self._made.remove(*(one for one in self._made.matching(f"{step}-*{PART}s") if one != name))
        self._made.add(name)
        path = self.folder / name
        try:
            path.mkdir(exist_ok=True)
        except OSError as failure:
            raise cannot_write(path, failure) from failure
        return path

    def drop(self, *names: str) -> None:
        """Remove artifacts that are large and can be made again."""
        self.check_lease()
        self._made.remove(*names)

    def is_made_here(self, name: str) -> bool:
        """Whether this user's dubkit has written a file that is not for editing."""
        return name in self._made and (self.folder / name).is_file()

    def drop_folders(self) -> None:
        """Remove the folders of half-done work."""
        self.check_lease()
        self._made.remove(*self._made.matching(f"*{PART}s"))

    # ------------------------------------------------------------ results

    def claim(self, out: Path, *, force: bool) -> None:
        """Raise OutputError if ``out`` exists and is not what dubkit last wrote there."""
        try:
            if force or self._is_ours(out):
                return
            out.lstat()
        except FileNotFoundError:
            return
        except OSError as failure:  # a name that is too long, say
            raise cannot_write(out, failure) from failure
        how = "was edited since" if out.name in self._state["outputs"] else "was not made by dubkit"
        raise OutputError(
            f"{out} exists and {how}",
            "--force overwrites it; -o DIR writes elsewhere",
        )

    def edited_results(self, made_from: str) -> list[Path]:
        """The results that were written from the artifact ``made_from`` and have another content
        since."""
        folder = self.folder.parent
        names = [
            name
            for name, record in self._state["outputs"].items()
            if record.get("made_from") == made_from and Path(name).name == name
        ]
        present = [out for name in names if is_plain_file(out := folder / name)]
        return [out for out in present if not self._is_ours(out)]

    def keep(self, out: Path, key: str, made_from: str) -> None:
        """Take the result ``out`` as it is for what :meth:`output` would write under ``key``."""
        try:
            record = {"key": key, "warnings": [], "made_from": made_from, **fingerprint(out)}
            self._state["outputs"][out.name] = record
            self._save()
        except OSError as failure:
            raise cannot_write(out, failure) from failure

    def output(
        self,
        out: Path,
        key: str,
        make: Make,
        *,
        force: bool,
        whole: Check = Path.is_file,
        made_from: str = "",
    ) -> None:
        """Write the result ``out`` by ``make(path)``, unless it exists for the same key, ``whole``.

        A link of that name is replaced, not written through. ``made_from`` is the artifact that its
        edits belong to, if a person may edit it.
        """
        self.claim(out, force=force)
        record = self._state["outputs"].get(out.name, {})
        part: Path | None = None
        try:
            if record.get("key") == key and self._is_ours(out) and whole(out):
                self.warnings += record.get("warnings", ())
                return
            # In the same file system as the result, so that it appears in one piece.
            part = self.part(f"result{PART}{out.suffix}")
            warnings = list(make(part))
            self._check_source()
            self.warnings += warnings
            record = {"key": key, "warnings": warnings, **fingerprint(part)}
            if made_from:
                record["made_from"] = made_from
            # Recorded before it is done: after a kill between the two it must still count as ours.
            self._state["outputs"][out.name] = record
            self._save()
            self.check_lease()
            part.replace(out)
        except OSError as failure:
            raise cannot_write(out, failure) from failure
        finally:
            if part:
                with suppress(OSError):
                    part.unlink(missing_ok=True)

    def withdraw(self, out: Path) -> None:
        """Remove the result ``out`` if it is as dubkit wrote it."""
        try:
            if self._is_ours(out):
                out.unlink()
                del self._state["outputs"][out.name]
                self._save()
        except OSError as failure:
            raise cannot_write(out, failure) from failure

    def _is_ours(self, out: Path) -> bool:
        record = self._state["outputs"].get(out.name)
        if record is None or not is_plain_file(out):
            return False
        facts = out.stat()
        if record.get("size") != facts.st_size:
            return False
        if record.get("sha256"):
            return bool(record["sha256"] == sha256_of(out))
        return is_same_time(record.get("mtime_ns"), facts.st_mtime_ns)

    # ------------------------------------------------------------ the record

    def _read_state(self) -> dict[str, Any]:
        path = self.folder / STATE
        try:
            state = read_json(path)
            source, steps, outputs = state["source"], state["steps"], state["outputs"]
            records = [*steps.values(), *outputs.values()]
            texts = [source.get("path", ""), source.get("sha256", "")]
            for one in records:
                texts += [one["key"], one.get("sha256", ""), *one["warnings"]]
            stamp = source.get("stamp", [0, 0, 0, 0])
            if (
                all(isinstance(text, str) for text in texts)
                and not any(isinstance(one["warnings"], str) for one in records)
                and isinstance(stamp, list)
                and [type(fact) for fact in stamp] == [int] * 4
            ):
                return {"source": source, "steps": steps, "outputs": outputs}
        except FileNotFoundError:
            return {"source": {}, "steps": {}, "outputs": {}}
        except (OSError, LookupError, TypeError, ValueError, AttributeError):
            pass
        raise InputError(
            f"{path} is damaged",
            f"delete {path.name} to start from scratch; existing results then need --force",
        )

    def _save(self) -> None:
        path = self.folder / STATE
        try:
            part = self.part(STATE + PART)
            write_json(part, self._state)
            self.check_lease()
            part.replace(path)
        except OSError as failure:
            raise cannot_write(path, failure) from failure
