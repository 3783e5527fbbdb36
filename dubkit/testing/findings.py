"""Collect an engine's violations as sentences, and watch what it does to files and the network."""

from __future__ import annotations

import functools
import hashlib
import math
import sys
import threading
import time
import traceback
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeAlias

from dubkit import hooks
from dubkit.errors import DubkitError
from dubkit.hooks import TranscribeProgress
from dubkit.types import Cue

Findings: TypeAlias = list[str]
"""Sentences that the author of an engine can act on."""
CHECK_SECONDS = 5.0
"""How long ``check`` may take: ``dubkit plugins`` asks every engine."""


@contextmanager
def verdict(kind: str, engine: Any) -> Iterator[Findings]:
    """Check what all kinds have in common, let the body check the rest, and raise AssertionError
    with all findings."""
    wrong: Findings = []
    _check_all_kinds(wrong, kind, engine)
    before = _settings(engine)
    yield wrong
    if _is_frozen(engine) and _settings(engine) != before:
        wrong.append("it is frozen, yet its settings are not what they were before it was used")
    if wrong:
        listed = "".join(f"\n- {sentence}" for sentence in dict.fromkeys(wrong))
        raise AssertionError(f"{kind[:-1]} {type(engine).__name__} does not conform:{listed}")


def attempt(
    wrong: Findings, what: str, call: Callable[..., Any], *arguments: Any, **keywords: Any
) -> Any:
    """The result of a call to the engine; None, and a finding, if it fails."""
    try:
        return call(*arguments, **keywords)
    except DubkitError as failure:
        hint = f" ({failure.hint})" if failure.hint else ""
        wrong.append(f"{what} refuses: {failure.message}{hint}")
    except (Exception, SystemExit) as failure:  # third-party code
        *_, last = traceback.extract_tb(failure.__traceback__)
        where = f"{Path(last.filename).name}, line {last.lineno}"
        wrong.append(f"{what} fails with {type(failure).__name__}: {failure} ({where})")
    return None


def attempt_watched(
    wrong: Findings,
    what: str,
    folder: Path,
    allowed: Sequence[Path],
    call: Callable[..., Any],
    *arguments: Any,
    **keywords: Any,
) -> Any:
    """As :func:`attempt`; also report changes in ``folder`` outside the ``allowed`` paths."""
    before = _contents(folder)
    result = attempt(wrong, what, call, *arguments, **keywords)
    after = _contents(folder)
    for path in sorted({*before, *after}):
        if before.get(path) == after.get(path) or {path, *path.parents} & {*allowed}:
            continue
        name = path.relative_to(folder)
        if path not in before:
            wrong.append(f"{what} writes {name}, which was not requested")
        elif path in after:
            wrong.append(f"{what} changes {name}, which it may only read")
        else:
            wrong.append(f"{what} deletes {name}, which it may only read")
    return result


def _contents(folder: Path) -> dict[Path, str]:
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in folder.rglob("*")
    }


def progress(wrong: Findings, what: str) -> TranscribeProgress:
    """A ``progress`` callback for an engine, which checks its arguments."""
    last: dict[str, float] = {}

    def report(stage: str, done: float, total: float, /, *, cues: Sequence[Cue] = ()) -> None:
        if not all(isinstance(cue, Cue) for cue in cues):
            wrong.append(f"{what} reports progress with cues={cues!r}, which are not all cues")
        if not (isinstance(stage, str) and stage and is_number(done) and is_number(total)):
            wrong.append(
                f"{what} calls progress({stage!r}, {done!r}, {total!r}); it takes the name of a "
                "stage and two numbers"
            )
            return
        if done < last.get(stage, 0.0):
            wrong.append(
                f"{what} reports progress of {stage!r} that falls, from {last[stage]} to {done}"
            )
        if total and done > total * 1.01 + 0.1:
            wrong.append(f"{what} reports progress of {stage!r} beyond its end, {done} of {total}")
        last[stage] = max(done, last.get(stage, 0.0))

    return report


def is_number(value: object) -> bool:
    """Whether it is a finite number from 0."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and value >= 0
    )


# ---------------------------------------------------------------- the network

_addresses: dict[int, list[str]] = {}
"""Addresses that were contacted, by thread, for threads that are being monitored."""


@functools.cache
def _install_hook() -> None:
    # It cannot be removed again, and costs next to nothing while no thread is monitored.
    sys.addaudithook(_record_address)


def _record_address(event: str, arguments: tuple[Any, ...]) -> None:
    addresses = _addresses.get(threading.get_ident())
    if addresses is None:
        return
    if event == "socket.getaddrinfo":
        addresses.append(str(arguments[0]))
    elif event == "socket.connect" and isinstance(arguments[1], tuple):  # not a Unix socket
        addresses.append(str(arguments[1][0]))


@contextmanager
def without_network(wrong: Findings, what: str) -> Iterator[None]:
    """Report if this thread uses the network within the block."""
    _install_hook()
    addresses = _addresses.setdefault(threading.get_ident(), [])
    try:
        yield
    finally:
        del _addresses[threading.get_ident()]
        if addresses:
            wrong.append(
                f"{what} connects to {addresses[0]}; it must rely on what is on this machine"
            )


# ---------------------------------------------------------------- all kinds


def _check_all_kinds(wrong: Findings, kind: str, engine: Any) -> None:
    if missing := _missing(kind, engine):
        protocol = hooks.KINDS[kind].__name__
        wrong.append(f"it has no {', '.join(missing)}: dubkit.{protocol} describes these")
    _check_settings(wrong, type(engine))
    if hasattr(engine, "check"):
        _check_check(wrong, engine)


def _missing(kind: str, engine: Any) -> list[str]:
    names = (name for name in dir(hooks.KINDS[kind]) if not name.startswith("_"))
    return [name for name in names if not hasattr(engine, name)]


def _check_settings(wrong: Findings, engine: type[Any]) -> None:
    if not is_dataclass(engine):
        wrong.append("it is not a dataclass, so it has no settings: put @dataclass above it")
        return
    settings = [field for field in fields(engine) if field.init]
    for field in settings:
        if field.default is MISSING and field.default_factory is MISSING:
            wrong.append(f"its setting {field.name} has no default; it must have one")
    try:
        hints = typing.get_type_hints(engine)
    except Exception as failure:  # a name that is only imported for type checkers
        wrong.append(f"the types of its settings cannot be read at run time: {failure}")
        return
    for field in settings:
        if not _from_text(hints[field.name]):
            wrong.append(
                f"its setting {field.name} cannot be set from text: use str, int, float, bool, "
                "Path, one of these or None; or field(init=False) if it is not a setting"
            )
    if all(f.default is not MISSING or f.default_factory is not MISSING for f in settings):
        attempt(wrong, "building it without any settings", engine)


def _from_text(hint: Any) -> bool:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        hint = next(choice for choice in typing.get_args(hint) if choice is not type(None))
    if typing.get_origin(hint) is typing.Literal:
        return all(isinstance(choice, str) for choice in typing.get_args(hint))
    return hint in (str, int, float, bool, Path)


def _check_check(wrong: Findings, engine: Any) -> None:
    started = time.monotonic()
    with without_network(wrong, "check()"):
        problems = attempt(wrong, "check()", engine.check)
    if time.monotonic() - started > CHECK_SECONDS:
        wrong.append(f"check() takes longer than {CHECK_SECONDS:g} s")
    if isinstance(problems, str) or not isinstance(problems, Sequence):
        wrong.append(f"check() returns {abbreviate(problems)}, not a list or tuple of sentences")
        return
    if not all(isinstance(problem, str) and problem.strip() for problem in problems):
        wrong.append(f"check() returns {abbreviate(problems)}; each must be a sentence")
        return
    again = attempt(wrong, "check() once more", engine.check)
    if again is not None and list(again) != list(problems):
        wrong.append("check() returns something else when it is called again")
    for problem in problems:
        wrong.append(f"it is not ready here, so its work could not be checked: {problem}")


def is_ready(kind: str, engine: Any) -> bool:
    """Whether it has all that it needs to work; if not, that has been reported already."""
    try:
        return not _missing(kind, engine) and not engine.check()
    except (Exception, SystemExit):
        return False


def _settings(engine: Any) -> dict[str, str]:
    if not is_dataclass(engine):
        return {}
    return {f.name: repr(getattr(engine, f.name, None)) for f in fields(engine) if f.init}


def _is_frozen(engine: Any) -> bool:
    parameters = getattr(engine, "__dataclass_params__", None)
    return bool(getattr(parameters, "frozen", False))


def abbreviate(value: object) -> str:
    """A value's repr, shortened to fit into a sentence."""
    text = repr(value)
    return text if len(text) < 80 else text[:77] + "..."


def attempt_many(
    wrong: Findings,
    what: str,
    folder: Path,
    engine: Any,
    requests: Sequence[Any],
    call: Callable[[list[Any]], object],
) -> list[Any]:
    """Pass ``requests``, each with an ``out``, to ``call`` in as few parts as ``engine.at_once``
    allows; returns those that it says are done. Alone, each was done."""
    if type(engine.at_once) is not int or engine.at_once < 1:
        wrong.append(f"at_once is {engine.at_once!r}; it must be a number from 1")
        return []
    done = []
    for begin in range(0, len(requests), engine.at_once):
        part = list(requests[begin : begin + engine.at_once])
        before = len(wrong)
        faults: Any = attempt_watched(wrong, what, folder, [one.out for one in part], call, part)
        if len(wrong) > before:
            break
        if (
            isinstance(faults, str)
            or not isinstance(faults, Sequence)
            or len(faults) != len(part)
            or not all(isinstance(fault, str) for fault in faults)
        ):
            wrong.append(f"{what} returns {abbreviate(faults)}, not a text for each of {len(part)}")
            break
        for one, fault in zip(part, faults, strict=True):
            if fault:
                wrong.append(f"{what} fails: {fault}; alone, it was done")
            else:
                done.append(one)
    return done
