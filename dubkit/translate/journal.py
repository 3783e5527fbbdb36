"""The journal of a translation: each finished line, written at once under its key."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from dubkit.errors import OutputError


def read(journal: Path) -> dict[str, str]:
    """Translations by key; a line that was cut off by a kill, or damaged, is skipped."""
    entries: dict[str, str] = {}
    try:
        content = journal.read_bytes()
    except OSError:
        return entries
    if content and not content.endswith(b"\n"):
        # Otherwise the next record would be appended to the line that was cut off.
        journal.write_bytes(content[: content.rfind(b"\n") + 1])
    for line in content.decode("utf-8", "replace").splitlines():
        try:
            record = json.loads(line)
            if isinstance(record["translation"], str) and record["translation"].strip():
                entries[str(record["key"])] = record["translation"]
        except (ValueError, KeyError, TypeError):
            continue
    return entries


def append(journal: Path, records: Iterable[tuple[str, str, str]]) -> None:
    """Append key, text and translation of each line. Raises OutputError."""
    try:
        with journal.open("a", encoding="utf-8") as file:
            for key, text, translated in records:
                record = {"key": key, "text": text, "translation": translated}
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
    except OSError as failure:
        raise OutputError(
            f"{journal} cannot be written: {failure.strerror}",
            "free some space, or choose another folder",
        ) from failure
