"""The inputs of one command: which come first, how many are at work at once, what became of each.

What is done with one of them, the caller says (:mod:`.main`). Several at once are threads of one
process, which share the engines: one input's sound is extracted and its video written while the
speech of another is recognized.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import queue
import re
import threading
import time
import unicodedata
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from dubkit import pipeline
from dubkit.errors import DubkitError, InUse, UsageError
from dubkit.hooks import TranscribeProgress
from dubkit.media.probe import probe
from dubkit.subtitles.source import format_of
from dubkit.system import lease
from dubkit.types import Cue, Result

log = logging.getLogger("dubkit")

MOST_JOBS = 64
PROBES = 8
"""Inputs that are probed at once: of a network drive, each is mostly waited for."""
PATIENCE = 3.0
"""Seconds that inputs at work have to stop in order."""


@dataclass(frozen=True, slots=True)
class Item:
    """An input of a batch."""

    source: Path
    place: Path
    """The folder of its results, relative to that of ``--output``."""
    seconds: float = 0.0
    """Of media; 0 if that is unknown."""

    @property
    def name(self) -> str:
        """The path that people know it by."""
        return str(self.place / self.source.name)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an input."""

    item: Item
    seconds: float
    """Of wall time."""
    result: Result | None
    failure: DubkitError | None = None

    @property
    def is_busy(self) -> bool:
        """Whether another dubkit is at work on it."""
        return isinstance(self.failure, InUse)


Work: TypeAlias = Callable[[Item, Sequence[Item], bool], Result]
"""Does what is asked for with an input; the others are those to come. The flag says to wait for
another dubkit that is at work on it, instead of raising InUse."""


# ---------------------------------------------------------------- which, and in which order


def parse_jobs(text: str) -> int:
    """The number of ``--jobs``. Raises UsageError."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_JOBS):
        raise UsageError(f"--jobs is from 1 to {MOST_JOBS}, not {text!r}", "--jobs 2")
    return int(text)


def parse_shard(text: str) -> tuple[int, int]:
    """Number and count of ``--shard 0/4``. Raises UsageError."""
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text, re.ASCII)
    if not found or not int(found[2]):
        raise UsageError(f"--shard takes I/N, not {text!r}", "--shard 0/4")
    number, count = int(found[1]), int(found[2])
    if number >= count:
        raise UsageError(
            f"there is no shard {number} of {count}: they count from 0",
            f"--shard 0/{count} to --shard {count - 1}/{count}",
        )
    return number, count


def is_in_shard(item: Item, number: int, count: int) -> bool:
    """Whether an input belongs to a shard: by a hash of its path in the folder that was named, so
    that no other input moves when one is added, and all machines agree."""
    name = unicodedata.normalize("NFC", item.name.replace("\\", "/"))
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") % count == number


def with_seconds(items: Sequence[Item]) -> list[Item]:
    """The inputs with the seconds of media that each has, the longest first; those of which that is
    not known, for whatever reason, come last."""
    with ThreadPoolExecutor(PROBES) as pool:
        seconds = list(pool.map(_seconds_of, (item.source for item in items)))
    known = [Item(one.source, one.place, of) for one, of in zip(items, seconds, strict=True)]
    return sorted(known, key=lambda item: -item.seconds)


def _seconds_of(source: Path) -> float:
    if format_of(source):
        return 0.0
    # Whatever is wrong with it, its turn will show.
    with contextlib.suppress(DubkitError, OSError):
        return probe(source).duration
    return 0.0


# ---------------------------------------------------------------- at work


class Stopping(KeyboardInterrupt):
    """Raised in a thread whose command was asked to stop."""


class Batch:
    """Inputs that are worked through, one at a time or several."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        """Inputs; it may grow while they are worked through."""
        self.process = pipeline.process
        """Makes what is asked for from an input: here, or elsewhere (:mod:`.cluster`)."""
        self.wait_for_workers: Callable[[], object] = lambda: None
        """Called before the first input; raises what is wrong with all workers."""
        self._left: deque[Item] = deque()
        self._stopping = threading.Event()

    def outcomes(self, items: Sequence[Item], work: Work) -> Iterator[Outcome]:
        """What becomes of each input, as soon as that is known. Those that another dubkit is at
        work on come again after all others, and are then waited for."""
        self.wait_for_workers()
        busy: list[Item] = []
        for outcome in self._round(items, work, len(items) == 1):
            if outcome.failure and outcome.is_busy:
                log.info("%s; it is looked at again later", outcome.failure.message)
                busy.append(outcome.item)
            else:
                yield outcome
        yield from self._round(busy, work, True)

    def stop(self) -> None:
        """Begin no other input."""
        self._left.clear()

    def check(self) -> None:
        """Raise Stopping when the command was asked to stop."""
        if self._stopping.is_set():
            raise Stopping

    def stoppable(self, progress: TranscribeProgress) -> TranscribeProgress:
        """``progress`` that ends the work of its thread when the command was asked to stop."""

        def report(stage: str, done: float, total: float, /, *, cues: Sequence[Cue] = ()) -> None:
            self.check()
            progress(stage, done, total, cues=cues)

        return report

    def _round(self, items: Sequence[Item], work: Work, wait: bool) -> Iterator[Outcome]:
        self._left = deque(items)
        if self.at_once == 1:
            while self._left:
                item = self._left.popleft()
                yield _outcome(item, lambda item: work(item, tuple(self._left), wait))
            return
        ended: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()

        def run() -> None:
            with contextlib.suppress(IndexError, Stopping):
                while True:
                    item = self._left.popleft()
                    ended.put(_outcome(item, lambda item: work(item, (), wait)))
            ended.put(None)

        threads: list[threading.Thread] = []
        running = 0
        try:
            while running or self._left:
                # A cluster may have more workers by now.
                while len(threads) < min(self.at_once, len(items)) and self._left:
                    # Daemons: engines may be deep in native code when the command is stopped.
                    threads.append(threading.Thread(target=run, name=f"job {running}", daemon=True))
                    threads[-1].start()
                    running += 1
                with contextlib.suppress(queue.Empty):
                    # On Windows, what waits without end is not interrupted.
                    outcome = ended.get(timeout=0.5)
                    running -= outcome is None
                    if outcome:
                        yield outcome
        finally:
            self.stop()
            self._stopping.set()
            lease.release_after(threads, PATIENCE)  # other machines need not wait for them
            self._stopping.clear()


def _outcome(item: Item, work: Callable[[Item], Result]) -> Outcome:
    began = time.perf_counter()
    try:
        result = work(item)
    except DubkitError as failure:
        return Outcome(item, time.perf_counter() - began, None, failure)
    return Outcome(item, time.perf_counter() - began, result)
