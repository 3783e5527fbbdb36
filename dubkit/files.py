"""Files written whole or not at all, and identified by their content."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import secrets
from collections.abc import Iterator
from pathlib import Path

from .errors import OutputError


@contextlib.contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """A new file beside ``out`` to write to; it becomes ``out`` when the block ends without error.

    Otherwise it is removed. Raises OutputError when the disk is full, or when the folder is missing
    or not writable.
    """
    temporary = out.with_name(f".{secrets.token_hex(6)}.part")
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


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal; the file is read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, value: object) -> None:
    """Write JSON that people can read; a file name that is not valid text is escaped."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    path.write_text(text, "utf-8", errors="backslashreplace", newline="")
