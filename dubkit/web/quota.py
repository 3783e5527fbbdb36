"""How many bytes may still come to the server: of one browser, of all, and of the disk.

What is being received counts from its beginning, or many uploads at once would each find the room
of all.
"""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from pathlib import Path

from ..errors import OutputError, UsageError
from .bounded import bytes_below
from .limits import Limits

KEPT = 3600.0
"""Seconds that files outside of a session's folder are kept: those that Gradio takes and sends."""
TEMPORARY = "temporary-"


class Quota:
    """What may still be put into the server's folder."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder = folder
        self.limits = limits
        self._coming: dict[Path, int] = {}
        """Bytes that are reserved and have not arrived, by who reserved them."""
        self._temporary: list[tuple[float, Path, int]] = []
        """Files of a session elsewhere: when they came, and their bytes."""
        self._lock = threading.Lock()

    @property
    def spare(self) -> int:
        """Bytes of the disk that uploads leave free: jobs write, too."""
        return min(self.limits.spare, shutil.disk_usage(self.folder).total // 20)

    def for_upload(self, session: Path, key: Path, name: str, size: int | None, most: int) -> int:
        """Reserve room for the file ``name`` of a session, of ``size`` bytes if that is known, and
        return how many it may have, up to ``most``.

        ``key`` is the folder in the session's that it will be received in. Raises UsageError if it
        is too large for the session, OutputError if for the server.
        """
        with self._lock:
            most = min(most, max(self._left_of(session), 0))
            if size is not None and size > most:
                raise too_large(name, most)
            most = min(most, self._require(size or 0, f"for {name}"))
            self._coming[key] = most if size is None else size
        return most

    def for_job(self, session: Path) -> int:
        """Bytes that a job of a session may write. Raises UsageError if the session has no room,
        OutputError if the server has none."""
        with self._lock:
            left = self._left_of(session)
            if left <= 0:
                raise UsageError(
                    "there is no room for results: your files take the "
                    f"{self.limits.session / 1e9:g} GB that they may",
                    "delete videos that you no longer need; the server's --max-session sets the "
                    "limit",
                )
            return min(self.limits.files, left, self._require(1, "for results"))

    def for_temporary(self, session: Path, size: int) -> Path:
        """Reserve room for a file that is kept for a while outside of the session's folder, whose
        it is; returns the key for :meth:`release`.

        Raises UsageError if it is too large for the session, OutputError if for the server.
        """
        key = session / f"{TEMPORARY}{secrets.token_hex(8)}"
        with self._lock:
            self._require(size, "for that file")
            if size > (most := max(self._left_of(session), 0)):
                raise too_large("the file", most)
            self._coming[key] = size
            self._temporary.append((time.monotonic(), session, size))
        return key

    def arrived(self, key: Path, size: int) -> None:
        """Of what is reserved, so many bytes are on the disk."""
        with self._lock:
            if key in self._coming:
                self._coming[key] = max(self._coming[key] - size, 0)

    def release(self, key: Path) -> None:
        """What was reserved has arrived, or is not coming."""
        with self._lock:
            self._coming.pop(key, None)

    def _left_of(self, session: Path) -> int:
        coming = sum(
            size
            for key, size in self._coming.items()
            if key.is_relative_to(session) and not key.name.startswith(TEMPORARY)
        )
        since = time.monotonic() - KEPT
        self._temporary = [one for one in self._temporary if one[0] > since]
        elsewhere = sum(size for _, owner, size in self._temporary if owner == session)
        return self.limits.session - bytes_below([session]) - coming - elsewhere

    def _require(self, size: int, purpose: str) -> int:
        """The bytes that may be written, by whomever, if they are at least ``size``."""
        coming = sum(self._coming.values())
        free = shutil.disk_usage(self.folder).free - self.spare - coming
        if free < size:
            raise OutputError(
                f"there is no room {purpose}: the disk is full",
                "send a smaller file, or try later",
            )
        left = self.limits.total - bytes_below([self.folder]) - coming
        if left < size:
            raise OutputError(
                f"there is no room {purpose}: the server's files take the "
                f"{self.limits.total / 1e9:g} GB that they may",
                "delete videos that you no longer need, or try later; the server's --max-total "
                "sets the limit",
            )
        return min(free, left)


def too_large(name: str, most: int) -> UsageError:
    """The error for a file that has more bytes than it may."""
    return UsageError(
        f"{name} is larger than the {most / 1e6:,.0f} MB that may be sent",
        "send a smaller file, or delete videos that you no longer need",
    )
