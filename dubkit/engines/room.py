"""The engine room: the engines in use, each built once, shared, and closed when its stage is done.

Which engine that is, :mod:`.choose` says; how one is built, :mod:`.registry`.
"""

from __future__ import annotations

import contextlib
import gc
import logging
from collections.abc import Collection, Iterable
from typing import Any, cast

from dubkit.errors import DubkitError
from dubkit.hooks import Engine

from .registry import Choice, E, Key, guarded, load

log = logging.getLogger("dubkit")


class EngineRoom:
    """The engines of a run, and of a batch of runs.

    An engine is known by its kind, its name and its settings. Whoever asks for the same gets the
    same one.
    """

    def __init__(self) -> None:
        self.keep: Collection[type] = ()
        """Protocols of the engines that the next run needs as well: those that this run has used
        stay open when their stage is done."""
        self._open: dict[Key, Engine] = {}
        self._used: set[Key] = set()

    def engine(self, choice: Choice[E]) -> E:
        """The engine of a choice, built when it is asked for first. Raises as :func:`.load`."""
        if choice.key not in self._open:
            self._open[choice.key] = load(choice.protocol, choice.spec, choice.settings)
        self._used.add(choice.key)
        return cast(E, self._open[choice.key])

    def done(self, *protocols: type[Any]) -> None:
        """Close the engines of these kinds that the next run does not need."""
        self._close(
            key
            for key in list(self._open)
            if key[0] in protocols and not (key[0] in self.keep and key in self._used)
        )

    def close(self) -> None:
        """Close all engines."""
        self._close(list(self._open))

    def _close(self, keys: Iterable[Key]) -> None:
        before = len(self._open)
        for key in keys:
            _close(self._open.pop(key))
        if len(self._open) < before:
            _return_memory()

    def __enter__(self) -> EngineRoom:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def begin(self) -> None:
        """Start another run: what it does not use is closed with its stage."""
        self._used.clear()


def _return_memory() -> None:
    """Have the C library give freed memory back to the system: glibc keeps what large models took
    in its arenas, and the next model would come on top of it."""
    import ctypes

    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def _close(engine: Engine) -> None:
    """Close an engine; one that cannot be closed is no reason to lose what it made."""
    try:
        with guarded(f"{type(engine).__name__} cannot be closed"):
            engine.close()
    except DubkitError as failure:
        log.debug("%s", failure.message)
