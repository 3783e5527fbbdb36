"""Temporary folders that do not outlive dubkit.

Each is removed at the end of its block; by :mod:`.keeper` when dubkit was killed; and where that
was killed too, as when the machine lost its power, by the next dubkit that needs one. A file in
each, locked while its owner lives, says whether anybody uses it.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be deleted
    fcntl = None  # type: ignore[assignment]

from dubkit.errors import OutputError
from dubkit.files import cannot_write

from .programs import record, start_keeper

PREFIX = "dubkit-scratch-"
OWNER = ".owner"
"""The file in it that its owner holds locked. A folder without one is not touched."""
FILES = "files"
"""The folder in it that is used."""


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """An empty folder below TMPDIR, removed with its contents when the block ends.

    Raises OutputError when none can be made, and when its file system is full.
    """
    try:
        below = Path(tempfile.gettempdir()).absolute()
        remove_left(below)
        start_keeper()
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=below))
    except OSError as failure:
        raise _no_scratch(failure) from failure
    record(f"+{folder}")
    owner = -1
    try:
        owner = _own(folder)
        files = folder / FILES
        files.mkdir()
        yield files
    except OSError as failure:
        here = not failure.filename or str(failure.filename).startswith(str(folder))
        if here and failure.errno in (errno.ENOSPC, errno.EDQUOT):
            raise cannot_write(folder, failure) from failure
        raise
    finally:
        if owner >= 0:
            os.close(owner)
        shutil.rmtree(folder, ignore_errors=True)
        record(f"-{folder}")


def _no_scratch(failure: OSError) -> OutputError:
    return OutputError(
        f"there is no folder for temporary files: {failure.strerror or failure}",
        "set TMPDIR to a folder that you may write to and that has room",
    )


def _own(folder: Path) -> int:
    """Mark a folder as in use; returns the open file that says so."""
    # It appears already locked: nobody may see it in between.
    file = folder / f"{OWNER}.part"
    opened = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    if fcntl is not None:
        with contextlib.suppress(OSError):  # a file system without locks: then nobody can lock it
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.rename(folder / OWNER)
    else:
        os.close(opened)
        file.rename(folder / OWNER)
        opened = os.open(folder / OWNER, os.O_WRONLY)
    return opened


@functools.cache  # once for each place
def remove_left(below: Path) -> None:
    """Remove the scratch folders whose owners were killed."""
    for folder in below.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            found = folder.lstat()
            ours = os.name != "posix" or found.st_uid == os.getuid()
            if stat.S_ISDIR(found.st_mode) and ours and _is_left(folder / OWNER):
                shutil.rmtree(folder, ignore_errors=True)


def _is_left(owner: Path) -> bool:
    """Whether the owner of a folder is gone. Raises OSError if it is not known to have one."""
    if fcntl is None:
        owner.unlink()
        return True
    opened = os.open(owner, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError is an OSError
    finally:
        os.close(opened)
    return True
