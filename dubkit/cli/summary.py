"""What became of many inputs: ``--summary``, a JSON line for each as soon as it ends, and a table.

A line has ``at`` (when it ended), ``host``, ``input``, ``status`` (``done``, ``present`` if nothing
had to be done, ``partial``, ``failed``), ``outputs``, ``language``, ``seconds`` of wall time,
``media_seconds``, ``rtfx`` (media seconds for each second of time; 0 if nothing was done),
``warnings`` and ``error``: null, or ``message``, ``hint``, ``kind``, ``exit_status``.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from dubkit.errors import DubkitError, OutputError
from dubkit.files import append_lines, at_home, cannot_write, open_plain
from dubkit.pipeline import report
from dubkit.system.terminal import clock, printable

from .batch import Outcome

ROWS = 40
"""Inputs that the table names; of more, those that failed and the slowest."""
WIDEST = 48
"""Characters of a name in the table."""


def open_summary(name: str) -> Path:
    """The file of ``--summary``, which is added to. Raises OutputError for one that cannot be
    written, or that is none."""
    path = at_home(name).absolute()
    try:
        with open_plain(path) as file:
            first = file.readline(2**16)
        if first.strip() and not _is_line(first):
            raise OutputError(f"{name} exists and is no summary of dubkit's", "name another file")
    except FileNotFoundError:
        pass
    except OSError as failure:
        raise cannot_write(path, failure) from failure
    try:
        append_lines(path, b"")
    except OSError as failure:
        raise cannot_write(path, failure) from failure
    return path


def _is_line(text: bytes) -> bool:
    try:
        line = json.loads(text)
    except ValueError:  # cut off, perhaps by us: a first line that is longer than was read
        return text.startswith(b'{"at": ')
    return isinstance(line, dict) and {"at", "input", "status"} <= line.keys()


def add(path: Path, outcome: Outcome, name: str = "") -> None:
    """Add the line of an input, in one piece; ``name`` is that of what is no file: a folder that
    cannot be read, an address. Raises OutputError."""
    line = json.dumps(line_of(outcome, name), ensure_ascii=True)
    try:
        append_lines(path, line.encode() + b"\n")
    except OSError as failure:
        raise cannot_write(path, failure) from failure


def line_of(outcome: Outcome, name: str = "") -> Mapping[str, Any]:
    """What the line of an input has."""
    result, failure = outcome.result, error_of(outcome)
    return {
        "at": datetime.now().astimezone().isoformat(timespec="seconds"),
        "host": platform.node(),
        "input": name or str(outcome.item.source),
        "status": status_of(outcome),
        "outputs": [str(path) for path in result.outputs] if result else [],
        "language": result.track.language if result else None,
        "languages": report.count_languages(result.track) if result else {},
        "seconds": round(outcome.seconds, 3),
        "media_seconds": round(_media_seconds(outcome), 3),
        "rtfx": round(_rtfx(outcome), 2),
        "warnings": list(result.warnings) if result else [],
        "error": failure and {
            "message": failure.message,
            "hint": failure.hint,
            "kind": type(failure).__name__,
            "exit_status": failure.exit_status,
        },
    }  # fmt: skip


def error_of(outcome: Outcome) -> DubkitError | None:
    """What is wrong with an input of which nothing, or not all, was made."""
    if outcome.result is None:
        return outcome.failure
    return next(report.find_failures(outcome.result), None)


def status_of(outcome: Outcome) -> str:
    """What became of an input, in a word."""
    result = outcome.result
    if result is None or error_of(outcome):
        return "failed"
    if not result.did_something:
        return "present"
    return "partial" if result.is_partial else "done"


def table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The lines of a table for a terminal, with totals at the end."""
    shown = sorted(outcomes, key=lambda one: (status_of(one) != "failed", -one.seconds))[:ROWS]
    names = [printable(one.item.name) for one in shown]
    width = min(WIDEST, max(map(len, names)))
    yield f"  {'input':<{width}}  {'media':>8}  {'time':>8}  {'speed':>7}"
    for one, name in zip(shown, names, strict=True):
        status = status_of(one)
        name = name if len(name) <= width else f"...{name[3 - width :]}"
        media, time = clock(_media_seconds(one)), clock(one.seconds)
        speed = f"{_rtfx(one):.1f}x" if status in ("done", "partial") else ""
        note = "" if status == "done" else status
        yield f"  {name:<{width}}  {media:>8}  {time:>8}  {speed:>7}  {note}".rstrip()
    if len(outcomes) > len(shown):
        yield f"  and {len(outcomes) - len(shown)} more, which took less time"


def totals(outcomes: Sequence[Outcome], seconds: float) -> str:
    """One line for all inputs, which took ``seconds`` in all."""
    statuses = [status_of(one) for one in outcomes]
    words = {
        "done": "done",
        "partial": "done in part",
        "present": "there already",
        "failed": "failed",
    }
    counts = [f"{statuses.count(key)} {word}" for key, word in words.items() if key in statuses]
    media = sum(_media_seconds(one) for one in outcomes if status_of(one) in ("done", "partial"))
    speed = f"; {clock(media)} of media in {clock(seconds)}" if media else ""
    speed += f", {media / seconds:.1f} times real time" if media and seconds else ""
    return f"{len(outcomes)} inputs: {', '.join(counts)}{speed}"


def _media_seconds(outcome: Outcome) -> float:
    return outcome.result.duration if outcome.result else outcome.item.seconds


def _rtfx(outcome: Outcome) -> float:
    made = status_of(outcome) in ("done", "partial") and outcome.seconds > 0
    return _media_seconds(outcome) / outcome.seconds if made else 0.0
