"""Programs that the server waits for, each within bounds: what opens a stranger's file."""

from __future__ import annotations

import collections
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dubkit.media import process

from ..errors import InputError
from .bounded import Bounds, bounded, met_in


def run(
    argv: Sequence[str],
    bounds: Bounds,
    on_line: Callable[[str], None],
    cwd: Path | None = None,
    timeout: float | None = None,
) -> process.Finished:
    """As :func:`dubkit.media.process.run`; raises InputError if a limit was met."""

    def take(line: str) -> None:
        if met := met_in(line):
            raise InputError(met.message, met.hint)
        if line:
            on_line(line)

    return process.run(bounded(argv, bounds), on_line=take, cwd=cwd, timeout=timeout)


def ask(
    argv: Sequence[str],
    bounds: Bounds,
    cwd: Path,
    timeout: float,
    go_on: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Run a module of ours, whose last line is a JSON object, and return that. ``go_on`` is called
    at each of its lines; if it raises, the program is stopped.

    Raises InputError for an object with an ``error``, or if a limit was met; TimeoutError, and
    ValueError if there is no such line.
    """
    lines: collections.deque[str] = collections.deque(maxlen=1)

    def take(line: str) -> None:
        lines.append(line)
        go_on()

    run([sys.executable, "-P", "-m", *argv], bounds, take, cwd, timeout)
    if not lines:
        raise ValueError(f"{argv[0]} ended without an answer")
    found = json.loads(lines[-1])
    if not isinstance(found, dict):  # it ended before its answer
        raise ValueError(f"{argv[0]} ended without an answer")
    if "error" in found:
        raise InputError(str(found["error"]), str(found.get("hint", "")))
    return found
