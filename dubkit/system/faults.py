"""What nobody expected: an error of one line, and a report in a file that may be sent to others.

The report has versions, the place in the code, and which options were used. It has no text, no file
name, no value and no key, unless it was asked for with ``--debug``; keys it never has.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.metadata
import linecache
import logging
import os
import platform
import re
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from dubkit.errors import DubkitError, InternalError
from dubkit.files import state_folder

from .terminal import one_line, print_error, printable

log = logging.getLogger("dubkit")

SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|AUTH|PROXY)$", re.IGNORECASE)
"""Endings of the names of environment variables and settings whose values are secret."""
_QUERY = re.compile(
    r"([?&][\w-]*(?:key|token|secret|password|signature|sig|auth)=)[^&\s#]+", re.IGNORECASE
)
_BEARER = re.compile(r"(?<=\bbearer )[^\s\"',]+", re.IGNORECASE)
_PAIR = re.compile(r"([\w-]+)[\"']?\s*[:=]\s*[\"']?([^\"',}\s]+)")
SHORTEST_SECRET = 4
"""Characters; what is shorter would be found everywhere."""
LIBRARIES = (
    "numpy av ctranslate2 faster-whisper torch transformers onnxruntime onnx-asr "
    "huggingface-hub imageio-ffmpeg pysubs2 gradio openai"
).split()
MORE_MEMORY = "close other programs, raise the limit (ulimit -v), or use a smaller model"
"""What to do without enough of it."""
KEEP = 30
"""Reports that are kept."""
FRAMES = 60
"""Of a traceback, the first and the last of them."""
CAUSES = 6
"""Exceptions of a chain."""
MESSAGE = 200
"""Characters of an exception's message that are shown."""
NO_MEMORY = re.compile(
    r"bad_alloc|cannot allocate memory|unable to allocate|failed to map segment|out of memory|"
    r"can't start new thread|defaultcpuallocator",
    re.IGNORECASE,
)
"""How libraries report that there is no memory."""


@contextlib.contextmanager
def reported(
    options: Callable[[], Sequence[str]] = tuple, arguments: Sequence[str] = ()
) -> Iterator[None]:
    """Raise :class:`InternalError`, and write a report, for whatever is not one of our errors.

    ``options`` returns those for the report. ``arguments`` are those that the user gave, if
    everything may be shown: then the traceback is printed, too, and the report has both.
    """
    try:
        yield
    except (DubkitError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as failure:
        raise as_error(failure, options, arguments) from failure


def as_error(
    failure: BaseException,
    options: Callable[[], Sequence[str]] = tuple,
    arguments: Sequence[str] = (),
) -> InternalError:
    """The error for an unexpected failure, with the path of its report in its hint."""
    memory = is_out_of_memory(failure)
    hint = "the report could not be written"
    message = "there is not enough memory"
    try:
        if not memory:
            what = words_of(failure)[:MESSAGE]
            what = f"{type(failure).__name__}: {what}" if what else type(failure).__name__
            message = f"something went wrong that dubkit did not expect: {what} ({_place(failure)})"
        if arguments:
            for line in "".join(traceback.format_exception(failure)).splitlines():
                print_error(line)
        path = _write(_report(failure, options(), arguments))
        hint = f"the report for its developers is {path}"
        hint += "" if arguments else "; --debug shows more"
    except OSError as wrong:
        hint += f": {wrong.strerror or wrong}"
    except BaseException:  # no memory for a report either
        log.debug("no report", exc_info=True)
    if memory:
        hint = f"{MORE_MEMORY}; {hint}"
    return InternalError(message, hint)


def is_out_of_memory(failure: BaseException) -> bool:
    """Whether a failure, or one that it came from, is that there is no memory."""
    return any(
        isinstance(one, MemoryError)
        or (isinstance(one, OSError) and one.errno == errno.ENOMEM)
        or bool(NO_MEMORY.search(words_of(one)))
        for one in _chain(failure)
        if not isinstance(one, DubkitError)
    )


def words_of(failure: BaseException) -> str:
    """What an exception says, on one line; somebody's own may fail to say anything."""
    try:
        return one_line(str(failure))
    except Exception:
        return ""


def _chain(failure: BaseException) -> Sequence[BaseException]:
    """The failure, what caused it, and so on."""
    found: list[BaseException] = []
    one: BaseException | None = failure
    while one is not None and one not in found and len(found) < CAUSES:
        found.append(one)
        one = one.__cause__ or one.__context__
    return found


def _place(failure: BaseException) -> str:
    """Where in dubkit it happened: the innermost of its own lines."""
    frames = list(traceback.walk_tb(failure.__traceback__))
    own = [one for one in frames if _module(one[0].f_globals).startswith("dubkit")] or frames
    if not own:
        return "unknown place"
    return f"{_module(own[-1][0].f_globals)}, line {own[-1][1]}"


def _module(names: dict[str, object]) -> str:
    """The module of a frame; that of an engine in a file is named after the file."""
    return re.sub(r"^dubkit_file_.*", "an engine's file", str(names.get("__name__")), flags=re.S)


def _report(failure: BaseException, options: Sequence[str], arguments: Sequence[str]) -> str:
    lines = [
        "dubkit " + _version("dubkit"),
        f"python {platform.python_version()} on {platform.platform()}",
        f"encodings {sys.getfilesystemencoding()}, {getattr(sys.stdout, 'encoding', None)}",
        *(f"{name} {version}" for name in LIBRARIES if (version := _version(name))),
        f"options: {' '.join(options)}",
    ]
    if arguments:
        lines.append(f"arguments: {' '.join(map(_without_key, arguments))}")
    for number, one in enumerate(_chain(failure)):
        lines += ["", "from:" if number else "failed:", *_outline(one)]
        if arguments:
            lines.append(f"  message: {words_of(one)}")
    return without_secrets("\n".join(printable(line) for line in lines) + "\n")


def without_secrets(text: str, values: Iterable[str] = ()) -> str:
    """A text without passwords and keys: those in addresses and in what is sent to a server, those
    in environment variables, and ``values``."""
    text = _QUERY.sub(r"\1...", _BEARER.sub("...", without_passwords(text)))
    for name, value in os.environ.items():
        if SECRET.search(name) and len(value) >= SHORTEST_SECRET:
            text = text.replace(value, f"${name}")
    for value in values:
        text = text.replace(value, "...")
    return text


def secrets_in(settings: Mapping[str, str]) -> Iterator[str]:
    """The keys among the settings of an engine, by themselves or in JSON."""
    for name, value in settings.items():
        found = [(name, value), *_PAIR.findall(value)]
        yield from (one for key, one in found if SECRET.search(key) and len(one) >= SHORTEST_SECRET)


def without_passwords(text: str) -> str:
    """A text without the user names and passwords in the addresses in it."""
    return re.sub(r"(?<=://)[^/@\s]*@", "", text)


def _without_key(argument: str) -> str:
    name, equals, _ = argument.partition("=")
    return f"{name}=..." if equals and SECRET.search(name) else argument


def _outline(failure: BaseException) -> Iterator[str]:
    """The kind of an exception and its traceback, without values."""
    kind = type(failure)
    number = errno.errorcode.get(failure.errno or 0, "") if isinstance(failure, OSError) else ""
    yield f"  {kind.__module__}.{kind.__qualname__} {number}".rstrip()
    frames = list(traceback.walk_tb(failure.__traceback__))
    cut = frames[: FRAMES // 2] + frames[-FRAMES // 2 :] if len(frames) > FRAMES else frames
    for frame, line in cut:
        code, module = frame.f_code, _module(frame.f_globals)
        yield f"  {module}, line {line}, in {code.co_name}"
        if module.partition(".")[0] in ("dubkit", "dubkit_plugins"):  # the others' may hold a key
            yield f"    {linecache.getline(code.co_filename, line).strip()}"


def _version(distribution: str) -> str:
    with contextlib.suppress(Exception):  # whatever is installed there
        return importlib.metadata.version(distribution)
    return ""


def _write(text: str) -> Path:
    """Write a report where its user finds it, or else among the temporary files; no other user may
    read it. Raises OSError if neither can be written."""
    name = time.strftime("report-%Y%m%d-%H%M%S-")
    try:
        folder = state_folder() / "reports"
        folder.mkdir(parents=True, exist_ok=True)
        opened, path = tempfile.mkstemp(".txt", name, folder)
        for old in sorted(folder.glob("report-*.txt"))[:-KEEP]:
            old.unlink(missing_ok=True)
    except (OSError, RuntimeError):
        opened, path = tempfile.mkstemp(".txt", f"dubkit-{name}")
    with open(opened, "w", encoding="utf-8", errors="backslashreplace") as file:  # noqa: PTH123
        file.write(text)
    return Path(path)


@contextlib.contextmanager
def quiet_threads() -> Iterator[None]:
    """Within the block, what fails where nobody can catch it goes to the log, without a traceback
    on standard error: in a thread, or when an object is deleted."""
    before = threading.excepthook, sys.unraisablehook

    def in_thread(failed: threading.ExceptHookArgs) -> None:
        if failed.exc_value is not None:
            log.debug("a thread failed", exc_info=failed.exc_value)

    def unraisable(failed: sys.UnraisableHookArgs) -> None:
        if failed.exc_value is not None:
            log.debug("an object could not be deleted", exc_info=failed.exc_value)

    threading.excepthook, sys.unraisablehook = in_thread, unraisable
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook = before
