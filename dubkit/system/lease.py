"""Who works in a folder: a file in it that one process at a time has, on one machine or on several.

A lock of the operating system is not enough: on a network drive it may not reach other machines, or
may be held for ever by one that died. So the file names its owner, who writes it again every few
seconds; one that nobody has written for :data:`STALE` seconds is over. Whether that is so, the
clock of the file system says, which gives both the lease and a new file beside it their times: the
clocks of two machines are never compared. On one machine a process that has died is known at once.

A lease that is over is renamed, which one process alone can do, before the next is made. An owner
that was only asleep finds another's lease when it wakes: :meth:`Lease.is_held`, to be asked before
anything is written.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import platform
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from dubkit.files import open_plain, read_bytes

NAME = ".lease"
BEAT = 5.0
"""Seconds after which an owner writes its lease again."""
STALE = 60.0
"""Seconds after which a lease that was not written again is over."""
PAUSE = 0.5
"""Seconds between two looks at whether a folder is free."""
RETURNING = 1.0
"""Seconds within which a lease that was taken for another one is put back."""
LARGEST = 4096
"""Bytes; what is larger is no lease."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

_live: dict[bytes, Lease] = {}
"""The leases of this process, by their content."""


class Lease:
    """A lease that this process has, until it is released or somebody else takes it over."""

    def __init__(self, path: Path, content: bytes) -> None:
        self._path, self._content = path, content
        self.thread = threading.current_thread()
        """The one that has acquired it."""
        self._over = threading.Event()
        _live[content] = self
        threading.Thread(target=self._keep, name="lease", daemon=True).start()

    def is_held(self) -> bool:
        """Whether it is still this process's. Raises OSError if that cannot be known."""
        until = time.monotonic() + RETURNING
        while True:
            try:
                return read_bytes(self._path, LARGEST) == self._content
            except FileNotFoundError:
                if time.monotonic() > until:
                    return False
            time.sleep(RETURNING / 10)

    def release(self) -> None:
        """Let others work there."""
        self._over.set()
        _live.pop(self._content, None)
        with contextlib.suppress(OSError):
            if read_bytes(self._path, LARGEST) == self._content:
                self._path.unlink()

    def _keep(self) -> None:
        while not self._over.wait(BEAT):
            with contextlib.suppress(OSError):  # a network that is gone for a while
                self._write_again()

    def _write_again(self) -> None:
        descriptor = os.open(self._path, os.O_RDWR | _PLAIN)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            if file.read(LARGEST) == self._content:
                file.seek(0)
                file.write(self._content)


@dataclass(frozen=True, slots=True)
class _Found:
    """A lease as it was found."""

    content: bytes
    written: int
    """Nanoseconds, by the clock of the file system."""

    @property
    def owner(self) -> dict[str, object]:
        with contextlib.suppress(ValueError):
            facts = json.loads(self.content)
            if isinstance(facts, dict):
                return facts
        return {}


def acquire(folder: Path, sleep: Callable[[float], object] = time.sleep) -> Lease | None:
    """The lease of a folder; None if somebody else has it. Raises OSError if none can be made."""
    path = folder / NAME
    for _ in range(8):
        content = json.dumps({**_self(), "token": secrets.token_hex(16)}).encode()
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, _NEW, 0o666)
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                file.write(content)
            return Lease(path, content)
        found = _read(path)
        if found and not _has_died(found):
            if not _is_old(path, found):
                return None
            sleep(BEAT * 1.5)  # or the clock has just been set
            if _read(path) != found:
                return None
        if found:
            _remove(path, found)
    return None


def release_after(threads: Iterable[threading.Thread], patience: float) -> None:
    """Give threads so many seconds together to end, and release what they have acquired, also of
    those that cannot be stopped: what they still do, they do not write."""
    until = time.monotonic() + patience
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
        for lease in list(_live.values()):
            if lease.thread is thread:
                lease.release()


def wait_for(folder: Path) -> Lease:
    """The lease of a folder, as soon as nobody else has it. Raises OSError."""
    while not (lease := acquire(folder)):
        time.sleep(PAUSE)
    return lease


def is_free(folder: Path) -> bool:
    """Whether nobody seems to have the lease of a folder. Raises OSError."""
    found = _read(folder / NAME)
    return not found or _has_died(found) or _is_old(folder / NAME, found)


def _read(path: Path) -> _Found | None:
    """The lease at a path; None if there is none. Raises OSError for anything but a small file."""
    with contextlib.suppress(FileNotFoundError), open_plain(path) as file:
        # Opened first: on a network drive that asks the server, and does not remember.
        return _Found(file.read(LARGEST), os.fstat(file.fileno()).st_mtime_ns)
    return None


def _is_old(path: Path, found: _Found) -> bool:
    # One from the future was written before somebody set the clock.
    return abs(_now(path) - found.written) >= STALE * 1e9 and found.content not in _live


def _now(path: Path) -> int:
    """The time of the file system, in nanoseconds."""
    probe = path.with_name(f"{NAME}.{secrets.token_hex(6)}")
    descriptor = os.open(probe, _NEW, 0o666)
    try:
        return os.fstat(descriptor).st_mtime_ns
    finally:
        os.close(descriptor)
        probe.unlink()


def _remove(path: Path, found: _Found) -> None:
    """Remove a lease that is over, and no other one that has taken its place."""
    aside = path.with_name(f"{NAME}.{secrets.token_hex(6)}")
    with contextlib.suppress(OSError):  # somebody else was quicker
        if _read(path) != found:
            return
        path.rename(aside)
        try:
            now = _read(aside)
            if now and now.content != found.content:  # made since: put it back, if none is there
                os.link(aside, path)
        finally:
            aside.unlink()


# ---------------------------------------------------------------- processes


def _self() -> dict[str, object]:
    return {"host": platform.node(), "machine": _machine(), "pid": os.getpid(),
            "started": _started(os.getpid())}  # fmt: skip


@functools.cache
def _machine() -> str:
    """What is another after a restart, on another machine, and where numbers of processes mean
    others, as in a container."""
    facts = [platform.node()]
    with contextlib.suppress(OSError):
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        facts.append(os.readlink("/proc/self/ns/pid"))  # noqa: PTH115 - it is no path
    return " ".join(facts)


def _has_died(found: _Found) -> bool:
    """Whether the owner was a process of this machine that has ended."""
    owner = found.owner
    pid, started = owner.get("pid"), owner.get("started")
    if owner.get("machine") != _machine() or not isinstance(pid, int) or pid <= 0:
        return False
    if pid == os.getpid():
        return found.content not in _live
    if not _is_alive(pid):
        return True
    # Another one may have got its number since.
    return bool(started) and _started(pid) != started


def _started(pid: int) -> str:
    """When a process began, as the system counts; "" if that is not known, or it is over."""
    with contextlib.suppress(OSError, IndexError):
        facts = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return facts[19] if facts[0] not in "ZX" else ""
    return ""


def _is_alive(pid: int) -> bool:
    if os.name != "posix":
        from . import windows_job

        return windows_job.is_running(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True
