"""A workspace whose run is elsewhere: what a run on a copy of it makes is taken into it.

As with every step, nothing is half written, what people edited is kept, and nothing is written
once another run has the lease.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dubkit.files import (
    PART,
    Made,
    cannot_write,
    free_name,
    has_changed,
    is_plain_file,
    stamp_of,
)
from dubkit.workspace import STATE, Workspace

OWN = re.compile(r"\.lock|\.lease.*|\.owner")
"""Files of a workspace that say who has it: they do not travel."""


class HomeWorkspace(Workspace):
    """The workspace of an input that is worked on elsewhere."""

    def files(self) -> dict[str, Path]:
        """All that a copy needs to go on where this workspace is, by the places in it, and the
        results that are recorded, by their names after ``../``."""
        inside = {}
        for place, folders, names in os.walk(self.folder):
            folders[:] = [one for one in folders if not one.endswith(PART)]
            for path in (Path(place, one) for one in names if not OWN.fullmatch(one)):
                inside[path.relative_to(self.folder).as_posix()] = path
        outs = {
            name: self.folder.parent / name for name in self._state["outputs"] if _is_name(name)
        }
        return inside | {f"../{name}": out for name, out in outs.items() if is_plain_file(out)}

    def take_in(
        self,
        copy: Path,
        source: Path,
        gone: Sequence[str],
        results: Mapping[str, Path] | None,
        sent: Mapping[str, Sequence[int]],
        *,
        force: bool,
    ) -> None:
        """Have what a run on a copy of this workspace has made of ``source``: the files in ``copy``
        by their places in it, without those that are ``gone`` there, and the results by their
        names; None while the run goes on.

        ``sent`` has the stamps of files as the run began with them, by place and, of results, by
        name after ``../``: what a person has changed since is kept beside the new file, or, of a
        result, not replaced. Raises OutputError, InputError if the run had another input, InUse.
        """
        state = Workspace(copy)._state if (copy / STATE).exists() else self._state
        sha256 = self.hash_source(source)
        self._check_source()
        if state["source"].get("sha256", sha256) != sha256:
            raise has_changed(source)
        files = [one.relative_to(copy).as_posix() for one in copy.rglob("*") if one.is_file()]
        files = [one for one in files if one not in (STATE, Made.NAME)]
        try:
            self._made.add(*Made(copy).matching("*"))
            self.check_lease()
            # As in _replace: after a kill, rather no file than an old one under a new key.
            kept = [self._set_aside(name, sent) for name in (*files, *gone)]
            self._state["steps"] = state["steps"]
            self._save()
            for name in files:
                path = self.folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                (copy / name).replace(path)
            for backup in filter(None, kept):
                backup.unlink()
            if results is not None:
                self._take_results(results, state["outputs"], sent, force=force)
        except OSError as failure:
            raise cannot_write(self.folder, failure) from failure

    def _set_aside(self, name: str, sent: Mapping[str, Sequence[int]]) -> Path | None:
        """Make room for an artifact from a copy; returns the old one if a person's work is in it,
        until the new one is there."""
        path = self.folder / name
        if not path.exists():
            return None
        changed = stamp_of(path) != sent.get(name)
        if not changed and not self._is_edited(name):
            path.unlink()
            return None
        backup = free_name(path.with_name(path.name + ".edited"))
        path.replace(backup)
        if not changed:
            return backup
        self.warnings.append(
            f"{name} was edited and has been made again; your edit is in {backup.name}"
        )
        return None

    def _take_results(
        self,
        results: Mapping[str, Path],
        records: Mapping[str, Any],
        sent: Mapping[str, Sequence[int]],
        *,
        force: bool,
    ) -> None:
        for name in filter(_is_name, self._state["outputs"].keys() - records.keys()):
            self.withdraw(self.folder.parent / name)
        for name, record in records.items():
            if not _is_name(name):
                continue
            out = self.folder.parent / name
            changed = (stamp_of(out) if os.path.lexists(out) else None) != sent.get(f"../{name}")
            if name in results and changed:
                self.claim(out, force=force)
            if (name in results or not changed) and self._state["outputs"].get(name) != record:
                self._state["outputs"][name] = record
                self._save()
            if name in results:
                self.check_lease()
                results[name].replace(out)


def _is_name(name: str) -> bool:
    """Whether it is the name of a file, and no path."""
    return Path(name).name == name
