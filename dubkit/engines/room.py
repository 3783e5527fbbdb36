"""The engine room: the engines in use, each built once, shared, and closed when its stage is done.

Which engine that is, :mod:`.choose` says; how one is built, :mod:`.registry`.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import logging
import threading
import types
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

from dubkit.errors import DubkitError, MissingDependency
from dubkit.hooks import Engine, Installable, KnowsLanguages, Preloading, Transcriber

from .registry import Choice, E, Key, build, engine_class, guarded

log = logging.getLogger("dubkit")


class EngineRoom:
    """The engines of a run, and of a batch of runs.

    An engine is known by its kind, its name and its settings. Whoever asks for the same gets the
    same one.
    """

    def __init__(
        self, *, shared: bool = False, idle: type[KeyboardInterrupt] | None = None
    ) -> None:
        """A ``shared`` room is for runs in several threads at once: its engines stay open until it
        is closed, and do as much at once as they say that they can, mostly one thing. Those of one
        that is ``idle`` raise that instead of working."""
        self.shared, self._idle = shared, idle
        self.keep: Collection[type] = ()
        """Protocols of the engines that the next run needs as well: those that this run has used
        stay open when their stage is done."""
        self.stays = False
        """Whether it outlives the run, with all engines that :attr:`keep` names."""
        self._open: dict[Key, Engine] = {}
        self._starting: dict[Key, Future[Engine]] = {}
        """Engines that a thread is building."""
        self._used: set[Key] = set()
        self._reached: set[Key] = set()
        """Engines whose servers were there."""
        self._lock = threading.RLock()

    def engine(self, choice: Choice[E]) -> E:
        """The engine of a choice, built when it is asked for first. Raises as :func:`.load`."""
        with self._lock:
            return self._engine(choice)

    def _engine(self, choice: Choice[E]) -> E:
        if starting := self._starting.get(choice.key):
            try:
                self._open[choice.key] = starting.result()
            finally:
                if starting.done():
                    del self._starting[choice.key]
        if choice.key not in self._open:
            self._open[choice.key] = self._build(self._class(choice), choice)
        self._used.add(choice.key)
        return cast(E, self._open[choice.key])

    def require_server(self, choice: Choice[Any]) -> None:
        """Raise MissingDependency where an engine is a tool's server that is not there. It is asked
        once a run, and only where it has work: nobody keeps one running for what is done."""
        engine = self.engine(choice)
        if choice.key in self._reached or not isinstance(engine, Installable):
            return
        with guarded(f"{choice.spec} does not start", "dubkit doctor checks it"):
            is_server = engine.installation(Path()).is_server
            problems = list(engine.reach()) if is_server else []
        if problems:
            raise MissingDependency(f"{choice.name} is not ready", "; ".join(problems))
        self._reached.add(choice.key)

    def start(
        self, choice: Choice[Transcriber], language: str | None, languages: Sequence[str] = ()
    ) -> None:
        """Build an engine that will be asked for soon; one that preloads, in a thread, for which
        :meth:`engine` waits. Raises as :func:`.load` what is known at once, and UsageError for
        ``languages`` that it says that it does not know."""
        with self._lock:
            self._start(choice, language, languages)

    def _start(
        self, choice: Choice[Transcriber], language: str | None, languages: Sequence[str]
    ) -> None:
        if choice.key in self._starting:
            return
        if opened := self._open.get(choice.key):
            check_known(type(opened), choice, languages)
            return
        engine = self._class(choice)
        check_known(engine, choice, languages)
        if not issubclass(engine, Preloading):
            self._open[choice.key] = self._build(engine, choice)
            return
        starting: Future[Engine] = Future()

        def work() -> None:
            try:
                built = self._build(engine, choice)
                _preload(built, language)
            except BaseException as failure:  # raised where the engine is asked for
                starting.set_exception(failure)
            else:
                starting.set_result(built)

        self._starting[choice.key] = starting
        # A daemon: who stops the program does not wait for libraries that are being imported.
        threading.Thread(target=work, name="preload", daemon=True).start()

    def _class(self, choice: Choice[E]) -> type[E]:
        engine = engine_class(choice.protocol, choice.spec)
        if self._idle:
            return refusing(engine, self._idle)
        return in_turn(engine) if self.shared else engine

    @staticmethod
    def _build(engine: type[E], choice: Choice[E]) -> E:
        return build(engine, choice.protocol, choice.spec, choice.settings)

    def check_starting(self) -> None:
        """Raise what building an engine in a thread has raised by now."""
        for starting in list(self._starting.values()):
            if starting.done():
                starting.result()

    def done(self, *protocols: type[Any]) -> None:
        """Close the engines of these kinds that the next run does not need."""
        if self.shared:  # another run may be using them
            return
        self._close(
            key
            for key in list(self._open)
            if key[0] in protocols and not (key[0] in self.keep and key in self._used)
        )

    def close_replaced(self) -> None:
        """Close the engines in whose place the last run has used others of their kind."""
        kinds = {key[0] for key in self._used}
        self._close(key for key in list(self._open) if key[0] in kinds and key not in self._used)

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
        self._reached.clear()
        if not self.shared:
            self._used.clear()


WORK = (
    "transcribe preload prepare translate speak speak_all convert convert_all lipsync lipsync_all "
    "lipsync_crop draw_avatar separate diarize align"
).split()
"""What engines do that takes long."""


def in_turn(engine: type[E]) -> type[E]:
    """A class for one engine that works for several threads, ``parallel`` at once, else one after
    another. What it calls of itself while it works does not wait."""
    waiting = threading.Lock()
    own: list[tuple[threading.Semaphore, Any]] = []

    def guard(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def guarded_method(self: Any, *args: Any, **more: Any) -> Any:
            with waiting:
                if not own:
                    turns = threading.Semaphore(max(1, getattr(self, "parallel", 1)))
                    own.append((turns, _inner(self, engine)))
            turns, inner = own[0]
            with turns:
                return method(inner, *args, **more)

        return guarded_method

    return _guarded(engine, guard)


def refusing(engine: type[E], kind: type[KeyboardInterrupt]) -> type[E]:
    """A class for engines that raise something instead of working."""

    def refuse(self: Any, *args: Any, **more: Any) -> Any:
        raise kind

    return _guarded(engine, lambda method: refuse)


def _guarded(engine: type[E], guard: Callable[[Callable[..., Any]], Callable[..., Any]]) -> type[E]:
    """An engine's class with something around what takes long."""
    found = {name: getattr(engine, name, None) for name in WORK}
    body = {name: guard(method) for name, method in found.items() if callable(method)}
    about = {"__slots__": (), "__module__": engine.__module__, "__doc__": engine.__doc__}
    return types.new_class(engine.__name__, (engine,), {}, lambda own: own.update(about, **body))


def _inner(outer: Any, engine: type) -> Any:
    """The same engine, with the same state, whose methods do not wait."""
    if any(getattr(one, "__slots__", None) for one in engine.__mro__):  # no state to share
        return outer
    inner: Any = object.__new__(engine)
    object.__setattr__(inner, "__dict__", outer.__dict__)
    return inner


def check_known(engine: type[Any], choice: Choice[Transcriber], languages: Sequence[str]) -> None:
    """Raise UsageError for languages that a transcriber's class says that it does not know."""
    if issubclass(engine, KnowsLanguages):
        model = choice.settings.get("model", "")
        with guarded(f"{choice.name} cannot be asked"):
            engine.check_languages(languages, "" if model == "auto" else model)


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
