"""What one browser, one file and one job may take: the table of the server's limits.

Each has two defaults: for a page that only its owner uses, who may fill their own machine, and for
one that others can reach. ``dubkit ui --max-...`` sets it. How a limit on a running program is kept
is in :mod:`.bounded`; where files are limited, in :mod:`.store` and :mod:`.probing`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..errors import UsageError

GB = 10**9
SHARES = (0.9, 0.7)
"""Of the machine's memory that all jobs may use together, on one's own and for others."""


def _limit(own: float, others: float, unit: str, scale: float, about: str) -> Any:
    """A field with its defaults in ``unit``, which is ``scale`` of the field's own."""
    facts = {"own": own, "others": others, "unit": unit, "scale": scale, "about": about}
    return field(default=others * scale, metadata=facts)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes, seconds and numbers. The defaults are those of a page for others; 0 is no limit."""

    upload: int = _limit(100_000, 4_096, "MB", 10**6, "size of a file that is sent")
    videos: int = _limit(1_000, 50, "N", 1, "videos of one browser, and other files of one video")
    session: int = _limit(1_000, 20, "GB", GB, "files of one browser in all")
    total: int = _limit(2_000, 200, "GB", GB, "files of all browsers in all")
    languages: int = _limit(100, 10, "N", 1, "languages of one job")
    media: float = _limit(24, 6, "HOURS", 3600, "length of a video, and of its decoded sound")
    pixels: int = _limit(140, 40, "MEGAPIXELS", 10**6, "size of a picture")
    frame_rate: float = _limit(1_000, 1_000, "FPS", 1, "frames in a second of a video")
    streams: int = _limit(200, 64, "N", 1, "tracks of a video")
    attachments: int = _limit(1_000, 200, "N", 1, "fonts and pictures attached to a video")
    cues: int = _limit(200_000, 20_000, "N", 1, "cues of a subtitle file")
    characters: int = _limit(10**7, 10**6, "N", 1, "characters of a subtitle file")
    memory: int = field(default=0, metadata={"unit": "GB", "scale": GB,
        "about": "memory of a job with all its programs"})  # fmt: skip
    files: int = _limit(500, 20, "GB", GB, "files that a job writes")
    run_time: float = _limit(240, 12, "HOURS", 3600, "duration of a job")
    cpu_time: float = _limit(2_400, 48, "HOURS", 3600, "processor time of a job")
    processes: int = _limit(1_000, 100, "N", 1, "programs that a job runs at once")
    live: int = _limit(2, 2, "N", 1, "live captions at once")
    keep: float = 7 * 24 * 3600.0
    """Seconds after which an unused video is deleted, with everything that was made of it."""
    spare: int = 2**30
    """Bytes of the disk that uploads leave free (on a small disk, a twentieth of it), and half of
    which jobs leave free."""


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    """Add ``--max-...``, an option for each limit."""
    for one in _table():
        facts = one.metadata
        own, others = (_default(one, column) for column in ("own", "others"))
        default = own if own == others else f"{own}; for others {others}"
        parser.add_argument(
            _flag(one), metavar=facts["unit"], type=float, dest=one.name,
            help=f"{facts['about']} (default: {default})".replace("%", "%%"),
        )  # fmt: skip


def limits_of(given: argparse.Namespace, *, others: bool) -> Limits:
    """The limits that the command line asks for, with the defaults for oneself or for ``others``.

    Raises UsageError for one that is not greater than 0.
    """
    values: dict[str, Any] = {}
    for one in _table():
        value = getattr(given, one.name)
        if value is not None and not 0 < value < float("inf"):
            raise UsageError(f"{_flag(one)} must be greater than 0", "see dubkit ui --help")
        if value is None and one.name != "memory":
            value = one.metadata["others" if others else "own"]
        if value is not None:
            kind = float if one.type == "float" else int
            values[one.name] = max(kind(value * one.metadata["scale"]), kind(1))
    values.setdefault("memory", int(SHARES[others] * machine_memory() / given.jobs))
    return Limits(**values, keep=given.keep_hours * 3600)


def machine_memory() -> int:
    """Bytes of memory that this machine, or the container that this runs in, has; 0 if unknown."""
    found = []
    with contextlib.suppress(OSError, ValueError, AttributeError):
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # of cgroup 2 and 1
        with contextlib.suppress(OSError, ValueError):
            found.append(int(Path("/sys/fs/cgroup", name).read_text()))
    return min(found, default=0)


def _table() -> Iterator[Field[Any]]:
    return (one for one in fields(Limits) if one.metadata)


def _flag(one: Field[Any]) -> str:
    return f"--max-{one.name.replace('_', '-')}"


def _default(one: Field[Any], column: str) -> str:
    if one.name == "memory":
        share = SHARES[column == "others"]
        return f"{share * 100:.0f} % of the machine's, divided by --jobs"
    return f"{one.metadata[column]:,}"


def table() -> str:
    """All limits for the site, in Markdown."""
    lines = ["| | | own machine | for others |", "|---|---|---|---|"]
    for one in _table():
        row = f"`{_flag(one)} {one.metadata['unit']}`", one.metadata["about"]
        defaults = (_default(one, column) for column in ("own", "others"))
        lines.append(f"| {' | '.join([*row, *defaults])} |")
    return "\n".join(lines)
