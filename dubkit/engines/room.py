"""The engine room: the engines in use, each built once, shared, and closed when its stage is done.

Which engine that is, :mod:`.choose` says; how one is built, :mod:`.registry`.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import threading
from collections.abc import Collection, Iterable
from concurrent.futures import Future
from typing import Any, cast

from dubkit.errors import DubkitError
from dubkit.hooks import Engine, Preloading, Transcriber

from .registry import Choice, E, Key, build, engine_class, guarded, load

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
        self.stays = False
        """Whether it outlives the run, with all engines that :attr:`keep` names."""
        self._open: dict[Key, Engine] = {}
        self._starting: dict[Key, Future[Engine]] = {}
        """Engines that a thread is building."""
        self._used: set[Key] = set()

    def engine(self, choice: Choice[E]) -> E:
        """The engine of a choice, built when it is asked for first. Raises as :func:`.load`."""
        if starting := self._starting.get(choice.key):
            try:
                self._open[choice.key] = starting.result()
            finally:
                if starting.done():
                    del self._starting[choice.key]
        if choice.key not in self._open:
            self._open[choice.key] = load(choice.protocol, choice.spec, choice.settings)
        self._used.add(choice.key)
        return cast(E, self._open[choice.key])

    def start(self, choice: Choice[Transcriber], language: str | None) -> None:
        """Build an engine that will be asked for soon; one that preloads, in a thread, for which
        :meth:`engine` waits. Raises as :func:`.load` what is known at once."""
        if choice.key in self._open or choice.key in self._starting:
            return
        engine = engine_class(choice.protocol, choice.spec)
        if not issubclass(engine, Preloading):
            self._open[choice.key] = build(engine, choice.protocol, choice.spec, choice.settings)
            return
        starting: Future[Engine] = Future()

        def work() -> None:
            try:
                built = build(engine, choice.protocol, choice.spec, choice.settings)
                _preload(built, language)
            except BaseException as failure:  # raised where the engine is asked for
                starting.set_exception(failure)
            else:
                starting.set_result(built)

        self._starting[choice.key] = starting
        # A daemon: who stops the program does not wait for libraries that are being imported.
        threading.Thread(target=work, name="preload", daemon=True).start()

    def check_starting(self) -> None:
        """Raise what building an engine in a thread has raised by now."""
        for starting in self._starting.values():
            if starting.done():
                starting.result()

    def done(self, *protocols: type[Any]) -> None:
        """Close the engines of these kinds that the next run does not need."""
        self._close(
            key
            for key in list(self._open)
            if key[0] in protocols and not (key[0] in self.keep and key in self._used)
        )

    def close(self) -> None:
        """Close all engines; one that a thread is building, as soon as it is built."""
        self._close(list(self._open))
        for starting in self._starting.values():
            starting.add_done_callback(_close_started)
        self._starting.clear()

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


def _preload(engine: Engine, language: str | None) -> None:
    """Have an engine load what it will need; if it cannot, it says so when it is needed."""
    try:
        with guarded(f"{type(engine).__name__} cannot preload"):
            cast(Preloading, engine).preload(language)
    except DubkitError as failure:
        log.debug("%s", failure.message)


def _close_started(starting: Future[Engine]) -> None:
    if not starting.exception():
        _close(starting.result())


def _close(engine: Engine) -> None:
    """Close an engine; one that cannot be closed is no reason to lose what it made."""
    try:
        with guarded(f"{type(engine).__name__} cannot be closed"):
            engine.close()
    except DubkitError as failure:
        log.debug("%s", failure.message)
