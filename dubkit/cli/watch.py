"""``--watch``: the inputs of folders that grow, each when it has been written to its end.

Folders are looked at again and again: network drives report no changes. An input is taken when its
size and time have not changed for :data:`STILL` seconds; whether it failed or not, it is taken
again only when it has changed since.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from . import inputs

log = logging.getLogger("dubkit")

POLL = 5.0
"""Seconds between two looks."""
STILL = 10.0
"""Seconds in which a file that is complete does not change."""


def settled(
    names: Sequence[str],
    fetch: inputs.Fetch,
    *,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[tuple[dict[Path, Path], inputs.Failures]]:
    """At each look what :func:`.inputs.expand` finds that is new or has changed, and has settled;
    and the errors that have not been reported yet. It never ends."""
    seen: dict[Path, tuple[tuple[int, int], float]] = {}
    taken: dict[Path, tuple[int, int]] = {}
    reported: set[str] = set()
    note: inputs.Note = log.log
    while True:
        places, wrong = inputs.expand(names, fetch, may_be_empty=True, note=note)
        note = _ignore  # else each look would report what is left out
        ready = {}
        for source, place in places.items():
            try:
                facts = os.stat(source)  # noqa: PTH116 - any name at all
            except (OSError, ValueError):  # it may come yet
                continue
            stamp = facts.st_size, facts.st_mtime_ns
            if seen.get(source, (None,))[0] != stamp:
                seen[source] = stamp, now()
            elif taken.get(source) != stamp and now() - seen[source][1] >= STILL:
                ready[source] = place
                taken[source] = stamp
        for gone in seen.keys() - places.keys():
            del seen[gone]
            taken.pop(gone, None)
        new = [(name, failure) for name, failure in wrong if failure.message not in reported]
        reported = {failure.message for _, failure in wrong}
        yield ready, new
        sleep(POLL)


def _ignore(level: int, text: str, *values: object) -> None:
    """Take no note."""
