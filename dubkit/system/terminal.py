"""What is written to standard output and standard error, which may be a terminal, full or closed.

Everything that dubkit writes there for people passes :func:`printable`, since most of it holds file
names and texts that strangers made; everything for programs is :func:`as_json`.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import json
import os
import re
import select
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from dubkit.errors import DubkitError

UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # controls: what moves a terminal's cursor, or renames its window
    "\u2028\u2029"  # other ends of lines
    "\u202a-\u202e\u2066-\u2069"  # what shows a text in another order than it has
    "\ufeff\ufff9-\ufffb"
    "\ud800-\udfff]"  # no characters: bytes of a file name that are not UTF-8
)


def printable(text: str) -> str:
    """``text`` on one line, with escapes for what acts on a terminal and what is no character."""
    return UNPRINTABLE.sub(_escaped, text)


def one_line(text: str) -> str:
    """What a program or a plugin says, which may have many lines, on one; printable."""
    return printable(" ".join(text.split()))


def _escaped(found: re.Match[str]) -> str:
    byte = ord(found[0]) - 0xDC00
    if 0x80 <= byte <= 0xFF:
        return f"\\x{byte:02x}"
    return found[0].encode("unicode_escape").decode()


def as_json(value: object) -> str:
    """One line of JSON for standard output, whatever that can encode.

    A name that is not text has lone surrogates, as Python has them (:func:`os.fsencode`).
    """
    utf8 = codecs.lookup(getattr(sys.stdout, "encoding", None) or "utf-8").name == "utf-8"
    text = json.dumps(value, ensure_ascii=not utf8)
    return UNPRINTABLE.sub(lambda found: json.dumps(found[0])[1:-1], text)


def print_error(text: str) -> None:
    """Write a line to standard error."""
    sys.stderr.write(printable(text) + "\n")
    sys.stderr.flush()


def print_failure(failure: DubkitError) -> None:
    """Write an error to standard error, and what to do about it."""
    print_error(f"dubkit: {failure.message}")
    if failure.hint:
        print_error(f"  {failure.hint}")


def can_ask() -> bool:
    """Whether there is a terminal to ask somebody at."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def agrees(question: str) -> bool:
    """Whether somebody answers a question with yes; False if there is nobody to ask."""
    if not can_ask():
        return False
    sys.stderr.write(f"{printable(question)} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def print_path(path: Path, out: TextIO | None = None) -> None:
    """Write a path to ``out`` or standard output: on a terminal for people, else byte for byte."""
    name, out = str(path), out or sys.stdout
    print(printable(name) if out.isatty() else name, file=out, flush=True)


def _encode(failure: UnicodeError) -> tuple[str | bytes, int]:
    """The codec's error handler for standard output: bytes as they were, and escapes."""
    assert isinstance(failure, UnicodeEncodeError)
    code = ord(failure.object[failure.start])
    if 0xDC80 <= code <= 0xDCFF:
        return bytes([code - 0xDC00]), failure.start + 1
    return codecs.backslashreplace_errors(failure)


codecs.register_error("dubkit", _encode)


class _Descriptor(io.RawIOBase):
    """The descriptor of a standard stream. What cannot be written is lost; ``failure`` says why."""

    failure: OSError | None = None

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def write(self, data: Any) -> int:
        while self.failure is None:
            try:
                return os.write(self._number, data)
            except BlockingIOError:  # a pipe that somebody made so; a reader that is slow
                select.select([], [self._number], [])
            except OSError as failure:
                self.failure = failure
        return len(data)


@contextlib.contextmanager
def standard_streams() -> Iterator[Callable[[], str]]:
    """Within the block, no output that cannot be written ends the work.

    Yields a function that returns why something on standard output was lost; "" if nothing was, or
    if its reader has gone (``| head``) or there never was one (``>&-``).
    """
    _open_closed()
    before = sys.stdin, sys.stdout, sys.stderr
    out: _Descriptor | None = None
    with contextlib.ExitStack() as closing:
        if sys.stdin is None:
            sys.stdin = closing.enter_context(Path(os.devnull).open())
        # Where a program that calls the command has put its own stream, it has its reasons; and on
        # Windows a console is no descriptor.
        if sys.stdout is None or (os.name == "posix" and sys.stdout is sys.__stdout__):
            out = _Descriptor(1)
            sys.stdout = _text(out, sys.stdout)
        if sys.stderr is None or (os.name == "posix" and sys.stderr is sys.__stderr__):
            sys.stderr = _text(_Descriptor(2), sys.stderr)

        def lost() -> str:
            sys.stdout.flush()
            failure = out.failure if out else None
            if failure is None or failure.errno == errno.EPIPE:
                return ""
            return failure.strerror or str(failure)

        try:
            yield lost
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
            sys.stdin, sys.stdout, sys.stderr = before


def _open_closed() -> None:
    """Open the standard descriptors that are closed: the next file to be opened, a result perhaps,
    would get the number, and everything that programs print there."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # which takes the lowest number that is free


def _text(raw: _Descriptor, before: Any) -> io.TextIOWrapper:
    if before is not None:
        with contextlib.suppress(OSError, ValueError):
            before.flush()
    names = raw.fileno() == 1 and not raw.isatty()
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(before, "encoding", None) or "utf-8",
        errors="dubkit" if names else "backslashreplace",
        line_buffering=True,
    )


def clock(seconds: float) -> str:
    """``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
