"""``--log FILE``: what a terminal would show with ``-v``, with times, added to a file.

Each line has the time and the number of the process, since several may add to one file. No key is
written: see :func:`dubkit.system.faults.without_secrets`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType

from dubkit.errors import DubkitError, OutputError
from dubkit.files import append_at_once, at_home, cannot_write, open_plain
from dubkit.hooks import accept_cues
from dubkit.pipeline.time_left import Other, Plan
from dubkit.system import faults
from dubkit.system.terminal import print_error, printable
from dubkit.types import Cue, Result

from .console import Console, named
from .events import Events

STAMP = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d \d+ ")
"""What each line begins with."""


class LogFile:
    """A file that lines are added to."""

    def __init__(self, path: Path) -> None:
        """Raises OutputError for a file that cannot be written, or is none that dubkit logs to."""
        self.path = at_home(path).resolve()
        self._secrets: set[str] = set()
        self._failed = self._warned = False
        try:
            with open_plain(self.path) as file:
                begin = file.read(200)
            if begin and not STAMP.match(begin):
                raise OutputError(f"{path} exists and is no log of dubkit's", "name another file")
        except FileNotFoundError:
            pass
        except OSError as failure:
            raise cannot_write(path, failure) from failure

    def hide(self, settings: Mapping[str, Mapping[str, str]]) -> None:
        """Leave out, from now on, the keys among the settings of engines."""
        self._secrets |= {one for own in settings.values() for one in faults.secrets_in(own)}

    def add(self, text: str) -> None:
        """Add a line. Raises OutputError."""
        now = datetime.now().astimezone().isoformat(" ", "milliseconds")
        shown = printable(faults.without_secrets(text, self._secrets))
        try:
            before = "\n" if self._failed else ""  # which may have left a part of a line
            append_at_once(self.path, f"{before}{now} {os.getpid()} {shown}\n".encode())
            self._failed = False
        except OSError as failure:
            raise cannot_write(self.path, failure) from failure

    def write(self, text: str) -> None:
        """Add a line; if that fails, the work goes on, with one warning."""
        try:
            self.add(text)
        except OutputError as failure:
            if not self._warned:
                print_error(f"dubkit: warning: the log has gaps: {failure.message}")
            self._failed = self._warned = True


class LoggedConsole:
    """A console whose run is logged, too; a context manager."""

    def __init__(
        self, shown: Console | Events, file: LogFile, *, debug: bool, name: str = ""
    ) -> None:
        """``name`` is that of several inputs at once that this is for."""
        self.file = file
        self._shown, self._debug = shown, debug

        def write(text: str) -> None:
            file.write(named(name, text))

        self._log = Console(quiet=False, verbose=True, debug=debug, write=write)

    def __enter__(self) -> LoggedConsole:
        self._shown.__enter__()
        self._log.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._log.__exit__(kind, failure, trace)
        if isinstance(failure, DubkitError):
            self._log.fail(failure, None)
        elif isinstance(failure, KeyboardInterrupt):
            self.file.write("dubkit: stopped")
        elif failure:
            self.file.write(f"dubkit: {type(failure).__name__}: {faults.words_of(failure)}")
        self._shown.__exit__(kind, failure, trace)

    def beside(self, name: str) -> LoggedConsole:
        """See :meth:`Console.beside`."""
        return LoggedConsole(self._shown.beside(name), self.file, debug=self._debug, name=name)

    def several(self, seconds: float) -> AbstractContextManager[None]:
        """See :meth:`Console.several`."""
        return self._shown.several(seconds)

    def ended(self, seconds: float) -> None:
        """See :meth:`Console.ended`."""
        self._shown.ended(seconds)

    def log(self, text: str) -> None:
        """See :meth:`Console.log`."""
        self._shown.log(text)
        self.file.write(text)

    @contextmanager
    def job(
        self, name: str, others: Sequence[Other] = (), source: Path | None = None
    ) -> Iterator[Plan]:
        """See :meth:`Console.job`."""
        with self._shown.job(name, others) as plan, self._log.job(name or str(source or "")):
            self._log.plan = plan
            yield plan

    def progress(
        self, stage: str, done: float, total: float, /, *, cues: Sequence[Cue] = ()
    ) -> None:
        """See :class:`dubkit.hooks.TranscribeProgress`."""
        accept_cues(self._shown.progress)(stage, done, total, cues=cues)
        self._log.progress(stage, done, total)

    def finish(self, result: Result) -> None:
        """See :meth:`Console.finish`; the results' paths are logged, too."""
        self._shown.finish(result)
        self._log.finish(result)
        for path in result.outputs:
            self.file.write(str(path))

    def fail(self, failure: DubkitError, source: Path | str | None) -> None:
        """See :meth:`Console.fail`."""
        self._shown.fail(failure, source)
        self._log.fail(failure, source)
