"""The journal of a run: a line for each window that is finished."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from dubkit import Word

from .decode import DecodedWindow
from .windows import Window


def to_line(window: Window, parts: Sequence[DecodedWindow]) -> str:
    """The line of a window, with the parts that it was divided into, one mostly."""
    record = {
        "window": [window.start, window.end],
        "parts": [
            {
                "start": part.start,
                "end": part.end,
                "language": part.language,
                "fault": part.fault,
                "words": [
                    [word.start, word.end, word.text, word.probability] for word in part.words
                ],
            }
            for part in parts
        ],
    }
    return json.dumps(record, ensure_ascii=False) + "\n"


def trim(journal: Path) -> None:
    """Remove a last line that was cut off by a kill, so that the next one does not run into it."""
    if journal.exists():
        content = journal.read_bytes()
        if not content.endswith(b"\n"):
            journal.write_bytes(content[: content.rfind(b"\n") + 1])


def read(journal: Path) -> dict[tuple[float, float], list[DecodedWindow]]:
    """Finished windows by their times, each in its parts; lines that cannot be read are skipped."""
    known: dict[tuple[float, float], list[DecodedWindow]] = {}
    if not journal.exists():
        return known
    for line in journal.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
            start, end = record["window"]
            known[start, end] = [
                DecodedWindow(
                    part["start"],
                    part["end"],
                    tuple(Word(*word) for word in part["words"]),
                    part["fault"],
                    part["language"],
                )
                for part in record["parts"]
            ]
        except (ValueError, KeyError, TypeError):
            continue
    return known
