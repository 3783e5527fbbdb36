"""The journal of a translation: each finished line, written at once under its key."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from dubkit import files
from dubkit.errors import InputError, OutputError


def read(journal: Path) -> dict[str, str]:
    """Translations by key; a line that was cut off by a kill, or damaged, is skipped."""
    entries: dict[str, str] = {}
    try:
        content = files.read_bytes(journal)
    except FileNotFoundError:
        return entries
    except OSError as failure:
        reason = failure.strerror or failure
        raise InputError(f"{journal} cannot be read: {reason}", "move or delete it") from failure
    for line in content.decode("utf-8", "replace").splitlines():
        try:
            record = json.loads(line)
            translation = record["translation"]
            if isinstance(translation, str) and translation.strip():
                translation.encode()  # fails for what no file can hold
                entries[str(record["key"])] = translation
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    return entries


def append(journal: Path, records: Iterable[tuple[str, str, str]]) -> None:
    """Append key, text and translation of each line. Raises OutputError."""
    try:
        written = b""
        for key, text, translated in records:
            record = {"key": key, "text": text, "translation": translated}
            written += (json.dumps(record) + "\n").encode()
        files.append_lines(journal, written)
    except OSError as failure:
        raise OutputError(
            f"{journal} cannot be written: {failure.strerror}",
            "free some space, or choose another folder",
        ) from failure
