"""Files: written whole or not at all, read with care, identified by their content, and deleted only
if dubkit made them.

What lies in a workspace may have come with a video from a stranger. So files there are opened
without following links, never wait for a writer, and have a size up to which they are read.
"""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import hashlib
import hmac
import itertools
import json
import os
import re
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from .errors import InputError, OutputError

PART = ".part"
"""Ending of the names of what is being written, and of folders with it; a run removes what an
earlier one has left."""
LARGEST_TEXT = 64 * 2**20
"""Bytes; a larger text or JSON file is refused. The words of 60 hours of speech are half of it."""
DEEPEST = 16
"""Folders within folders, far more than a workspace has."""
HASHED_BELOW = 64 * 2**20
"""Bytes; a larger result counts as edited if its size or time has changed, without reading it."""
COARSE = 3_000_000_000
"""Nanoseconds after a change in which another may leave a file with the same time of change."""
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_DIRECTORY = getattr(os, "O_DIRECTORY", 0) | _NOFOLLOW
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_HAS_DESCRIPTORS = {os.stat, os.unlink, os.open} <= os.supports_dir_fd


# ---------------------------------------------------------------- writing


@contextlib.contextmanager
def replacing(out: Path, part: Path | None = None) -> Iterator[Path]:
    """A new file to write to, ``part`` or one with a name of its own beside ``out``; it becomes
    ``out`` when the block ends without error.

    Otherwise it is removed. Raises OutputError when the disk is full, or when the folder is missing
    or not writable.
    """
    temporary = part or out.with_name(f".{secrets.token_hex(6)}{PART}")
    try:
        with temporary.open("xb"):
            pass
        yield temporary
        temporary.replace(out)
    except OSError as error:
        raise cannot_write(out, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def cannot_write(out: Path, error: OSError) -> OutputError:
    """The error to raise for an OSError that occurred while writing ``out``."""
    hints = {
        errno.ENOSPC: "Free some space, or choose another folder.",
        errno.EDQUOT: "Free some space, or choose another folder.",
        errno.ENOENT: "Make the folder first.",
    }
    reason = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror
    return OutputError(
        f"{out} cannot be written: {reason or error}.",
        hints.get(error.errno or 0, "Choose a folder that you may write to."),
    )


def write_json(path: Path, value: object) -> None:
    """Write JSON that people can read; a file name that is not valid text is escaped."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    path.write_text(text, "utf-8", errors="backslashreplace", newline="")


def append_lines(path: Path, lines: bytes) -> None:
    """Add whole lines to a plain file; one that a kill has cut off becomes a line by itself.

    A hard link is not written through. Raises OSError, or OutputError.
    """
    with contextlib.suppress(FileNotFoundError):
        if path.lstat().st_nlink > 1:
            content = read_bytes(path)
            with replacing(path) as part:
                part.write_bytes(content)
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | _AT_ONCE | _NOFOLLOW
    with _plain(path, flags, "ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            lines = lines if file.read(1) == b"\n" else b"\n" + lines
        file.write(lines)


def append_at_once(path: Path, line: bytes) -> None:
    """Add a line to a plain file that other processes add to as well. Raises OSError, also if only
    a part of it was written."""
    with _plain(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _AT_ONCE, "ab") as file:
        if os.write(file.fileno(), line) != len(line):  # in one piece: no line comes in between
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# ---------------------------------------------------------------- reading


def open_plain(path: Path) -> BufferedReader:
    """A plain file, opened for reading. Raises OSError for anything else, which could lead
    elsewhere, block, or never end: a link, a folder, a named pipe, a device."""
    if is_link(path):
        raise OSError(errno.ELOOP, "it is a link")
    return _plain(path, os.O_RDONLY | _AT_ONCE | _NOFOLLOW, "rb")


def _plain(path: Path, flags: int, mode: str) -> BufferedReader:
    descriptor = os.open(path, flags, 0o666)
    try:
        kind = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(kind):
            what = "it is a folder" if stat.S_ISDIR(kind) else "it is not a plain file"
            raise OSError(errno.EINVAL, what)
        return os.fdopen(descriptor, mode)  # type: ignore[return-value]
    except BaseException:
        os.close(descriptor)
        raise


def is_link(path: Path) -> bool:
    """Whether a name is a symbolic link or, on Windows, a junction."""
    with contextlib.suppress(OSError):
        return _is_link(path.lstat())
    return False


def _is_link(facts: os.stat_result) -> bool:
    # Not every reparse point is a link: files that a cloud drive has not fetched are some, too.
    links = [getattr(stat, f"IO_REPARSE_TAG_{name}", None) for name in ("SYMLINK", "MOUNT_POINT")]
    return stat.S_ISLNK(facts.st_mode) or getattr(facts, "st_reparse_tag", 0) in filter(None, links)


def read_bytes(path: Path, most: int = LARGEST_TEXT) -> bytes:
    """The content of a plain file of at most ``most`` bytes. Raises OSError."""
    with open_plain(path) as file:
        # Not in one go: as much memory as is asked for is taken, however short the file is.
        size = min(os.fstat(file.fileno()).st_size, most)
        content = file.read(size + 1)
        if len(content) > size:  # it has grown meanwhile
            content += file.read(most - size)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most / 2**20:.0f} MB")
    return content


def read_json(path: Path, most: int = LARGEST_TEXT) -> Any:
    """The value in a JSON file of at most ``most`` bytes. Raises OSError, or ValueError if it is
    not valid, which includes being nested too deeply."""
    try:
        return json.loads(read_bytes(path, most).decode("utf-8"))
    except RecursionError as failure:
        raise ValueError("it is nested too deeply") from failure


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal; the file is read in pieces."""
    with _plain(path, os.O_RDONLY | _AT_ONCE, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stamp_of(path: Path) -> list[int]:
    """Facts that are others when a file has been changed or replaced: size, time of change in
    nanoseconds, number, and time at which these facts changed. Raises OSError."""
    facts = path.stat()
    return [facts.st_size, facts.st_mtime_ns, facts.st_ino, facts.st_ctime_ns]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A file as it was when it was hashed."""

    path: Path
    stamp: list[int]
    sha256: str
    settled: bool
    """Whether no later change could have left the same stamp."""

    @classmethod
    def of(cls, path: Path, known: str = "") -> Snapshot:
        """Hash a file, unless its hash is known. Raises OSError, or InputError if it changes."""
        now, stamp = time.time_ns(), stamp_of(path)
        sha256 = known or sha256_of(path)
        if stamp_of(path) != stamp:
            raise has_changed(path)
        changed = stamp[3] if os.name == "posix" else stamp[1]
        return cls(path, stamp, sha256, settled=changed < now - COARSE)


def has_changed(source: Path) -> InputError:
    """The error to raise for an input that does not stay as it was."""
    return InputError(
        f"{source} was changed while dubkit worked on it",
        "run the same command again when it is complete",
    )


def is_same_time(one: object, other: int) -> bool:
    """Whether two times of change are the same; some drives round them to two seconds later on."""
    if not isinstance(one, int):
        return False
    return one == other or (other % 1_000_000_000 == 0 and abs(one - other) < 2_000_000_000)


def check_kind(path: Path, *, is_folder: bool) -> None:
    """Raise InputError unless what lies at a path is a folder, or is a plain file."""
    wanted = "a folder" if is_folder else "a plain file"
    if is_link(path) or not (path.is_dir() if is_folder else path.is_file()):
        raise InputError(
            f"{path} is {'a link' if is_link(path) else f'not {wanted}'}, where dubkit keeps "
            f"{wanted}",
            "move or delete it; -o DIR works elsewhere",
        )


def check_tree(folder: Path, folders: re.Pattern[str], files: re.Pattern[str]) -> None:
    """Raise InputError unless everything in a folder is a plain file or a folder, and is what its
    name says. Links are not followed."""
    waiting = [(folder, 0)]
    try:
        while waiting:
            inside, depth = waiting.pop()
            if depth > DEEPEST:
                raise InputError(f"{inside} is nested too deeply for a workspace", "delete it")
            with os.scandir(inside) as entries:
                for entry in entries:
                    with contextlib.suppress(FileNotFoundError):  # of a run that is at work
                        path = inside / entry.name
                        kind = entry.stat(follow_symlinks=False).st_mode
                        is_folder = stat.S_ISDIR(kind)
                        if is_link(path) or not (is_folder or stat.S_ISREG(kind)):
                            what = "a link" if is_link(path) else "no plain file"
                            raise InputError(
                                f"{path} is {what}, and a workspace holds files and folders only",
                                "move or delete it; -o DIR works elsewhere",
                            )
                        if not depth and folders.fullmatch(path.name):
                            check_kind(path, is_folder=True)
                        elif files.fullmatch(path.name):
                            check_kind(path, is_folder=False)
                        if is_folder:
                            waiting.append((path, depth + 1))
    except OSError as failure:
        raise InputError(
            f"{folder} cannot be read: {failure.strerror or failure}", "-o DIR works elsewhere"
        ) from failure


def free_name(path: Path) -> Path:
    """``path``, or the first of ``path.2``, ``path.3``, ... that does not exist yet."""
    names = (path.with_name(f"{path.name}.{number}") for number in itertools.count(2))
    return next(name for name in itertools.chain([path], names) if not name.exists())


def is_plain_file(path: Path) -> bool:
    """Whether it is a regular file, and no link to one."""
    return path.is_file() and not is_link(path)


def fingerprint(path: Path) -> dict[str, object]:
    """Facts that show whether a file has changed."""
    stat = path.stat()
    facts: dict[str, object] = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    if stat.st_size < HASHED_BELOW:
        facts["sha256"] = sha256_of(path)
    return facts


# ---------------------------------------------------------------- deleting


class Made:
    """The names of what dubkit made in a folder, a line each in its file ``.made``.

    A name is recorded before it is used, and only what is recorded is ever deleted: not what a name
    looks like, and nothing that a link leads to.
    """

    NAME = ".made"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[str, None] = {}
        with contextlib.suppress(OSError):
            lines = read_bytes(folder / self.NAME).decode("utf-8", "replace").split("\n")
            self._names = dict.fromkeys(filter(_is_name, lines))

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def add(self, *names: str) -> None:
        """Record names of files and folders that are about to be made.

        Raises OutputError, or ValueError for what is a path and no name.
        """
        if wrong := [name for name in names if not _is_name(name)]:
            raise ValueError(f"{wrong[0]!r} is not the name of a file")
        new = dict.fromkeys(name for name in names if name not in self._names)
        if new:
            lines = "".join(f"{name}\n" for name in new)
            try:
                append_lines(self._folder / self.NAME, lines.encode())
            except OSError as failure:
                raise cannot_write(self._folder / self.NAME, failure) from failure
            self._names |= new

    def matching(self, pattern: str) -> list[str]:
        """The recorded names that match a pattern of the shell's kind."""
        return fnmatch.filter(self._names, pattern)

    def remove(self, *names: str) -> None:
        """Delete files, and folders with what is in them, if they are recorded. What cannot be
        deleted stays recorded. Raises OutputError."""
        known = len(self._names)
        for name in names:
            if name in self._names:
                with contextlib.suppress(OSError):
                    delete(self._folder, name)
                    del self._names[name]
        if len(self._names) < known:
            self._rewrite()

    def forget(self) -> None:
        """Delete nothing of what is recorded now, ever. Raises OutputError."""
        if self._names:
            self._names = {}
            self._rewrite()

    def write(self, name: str, content: bytes) -> None:
        """Write a small file whole or not at all; what a kill leaves of it is recorded.

        Raises OutputError.
        """
        part = f".{secrets.token_hex(6)}{PART}"
        self.add(part)
        with replacing(self._folder / name, self._folder / part) as path:
            path.write_bytes(content)
        del self._names[part]

    def _rewrite(self) -> None:
        self.write(self.NAME, "".join(f"{name}\n" for name in self._names).encode())


def _is_name(name: str) -> bool:
    return name not in ("", ".", "..") and not set(name) & set("/\\:\0\n")


def delete(folder: Path, name: str) -> None:
    """Delete a plain file or a folder, not what has taken its place. Raises OSError, but not if it
    is gone."""
    with contextlib.suppress(FileNotFoundError):
        if not _HAS_DESCRIPTORS:  # Windows
            facts = (folder / name).lstat()
            if not (is_link(folder) or _is_link(facts)):
                path = folder / name
                shutil.rmtree(path) if stat.S_ISDIR(facts.st_mode) else path.unlink()
            return
        inside = os.open(folder, os.O_RDONLY | _DIRECTORY)
        try:
            kind = os.stat(name, dir_fd=inside, follow_symlinks=False).st_mode
            if stat.S_ISDIR(kind):
                shutil.rmtree(name, dir_fd=inside)
            elif stat.S_ISREG(kind):
                os.unlink(name, dir_fd=inside)
        finally:
            os.close(inside)


# ---------------------------------------------------------------- whose a folder is

OWNER = ".owner"
"""The file that marks a folder as one that dubkit made for this user on this machine."""
_MOST_OWNERS = 64


def is_own(folder: Path) -> bool:
    """Whether :func:`mark_own` has marked a folder for this user on this machine, under whatever
    name it lies now; True if that cannot be known, for want of a place to keep a secret."""
    secret = _secret()
    if secret is None:
        return True
    identity, signatures = _read_mark(folder)
    given = signatures.get(_name_of(secret), "")
    return hmac.compare_digest(given.encode(), _signature(secret, identity).encode())


def mark_own(folder: Path) -> None:
    """Mark a folder; marks for other users and machines that share it stay.

    Raises OSError or OutputError.
    """
    secret = _secret()
    if secret is None:
        return
    identity, signatures = _read_mark(folder)
    identity = identity or secrets.token_hex(16)
    others = list(signatures.items())[-_MOST_OWNERS + 1 :]
    signatures = {**dict(others), _name_of(secret): _signature(secret, identity)}
    mark = json.dumps({"id": identity, "owners": signatures}, indent=1)
    Made(folder).write(OWNER, mark.encode())


def _read_mark(folder: Path) -> tuple[str, dict[str, str]]:
    """What identifies a folder, and the signatures of its owners by the names of their secrets."""
    try:
        mark = read_json(folder / OWNER, 2**16)
        identity, owners = mark["id"], mark["owners"]
        if isinstance(identity, str) and identity:
            texts = {name: one for name, one in owners.items() if isinstance(one, str)}
            return identity, {name: one for name, one in texts.items() if one.isascii()}
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        pass
    return "", {}


def _signature(secret: bytes, identity: str) -> str:
    text = f"dubkit workspace {identity}".encode("utf-8", "surrogatepass")
    return hmac.new(secret, text, "sha256").hexdigest()


def _name_of(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()[:16]


def _secret() -> bytes | None:
    """This user's secret on this machine, made when first needed; None if it cannot be kept."""
    try:
        path = state_folder() / "secret"
        for _ in range(2):
            with contextlib.suppress(FileNotFoundError):
                known = read_bytes(path, 1024)
                if len(known) >= 32:
                    return known
                path.unlink()  # cut off by a full disk
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            part = path.with_name(f".secret-{secrets.token_hex(6)}")
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
                with os.fdopen(os.open(part, flags, 0o600), "w") as file:
                    file.write(secrets.token_hex(32))
                with contextlib.suppress(FileExistsError):  # another dubkit was quicker
                    os.link(part, path)
            finally:
                part.unlink(missing_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: there is no home folder
        pass
    return None


def at_home(name: str | Path) -> Path:
    """The path that a person named: ``~`` is the home folder, unless a file really begins so."""
    path = Path(name)
    # ValueError and OSError: a name that no file can have; RuntimeError: ~nobody, or no home.
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        return path if path.exists() else path.expanduser()
    return path


def state_folder() -> Path:
    """Where programs keep what is no setting and no cache."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "dubkit"
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/dubkit"
    given = Path(os.environ.get("XDG_STATE_HOME", ""))
    # The XDG specification says to ignore a relative one.
    return (given if given.is_absolute() else Path.home() / ".local/state") / "dubkit"


def data_folder() -> Path:
    """Where programs keep what they have installed for a person. Raises RuntimeError if there is no
    home."""
    if sys.platform in ("win32", "darwin"):
        return state_folder()
    given = Path(os.environ.get("XDG_DATA_HOME", ""))
    # The XDG specification says to ignore a relative one.
    return (given if given.is_absolute() else Path.home() / ".local/share") / "dubkit"


def config_folder() -> Path:
    """Where a person's settings of programs are kept. Raises RuntimeError if there is no home."""
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData/Roaming") / "dubkit"
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/dubkit"
    given = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    # The XDG specification says to ignore a relative one.
    return (given if given.is_absolute() else Path.home() / ".config") / "dubkit"


def cache_folder() -> Path:
    """dubkit's folder in the user's cache; it may not exist yet."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not named.is_absolute():  # the XDG specification says to ignore a relative one
        named = Path(os.path.expanduser("~/.cache"))  # noqa: PTH111 - it raises for nobody
    return named.absolute() / "dubkit"
