"""One family of errors. Each carries what went wrong, what to try next, and its exit status."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

log = logging.getLogger("dubkit")


class DubkitError(Exception):
    """The base of all errors that dubkit raises. ``hint`` is the next thing to try."""

    exit_status = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if hint:  # shown in a traceback, where the command does not print it
            self.add_note(hint)


class UsageError(DubkitError):
    """An option or a combination of options is wrong."""

    exit_status = 2


class ConsentNeeded(UsageError):
    """A voice would be imitated without a statement that its owner has consented."""


class ForeignWorkspace(UsageError):
    """A workspace was made by another user or on another machine, and nobody has allowed its
    use."""


class InputError(DubkitError):
    """The input is missing, is not media, has no audio stream, or cannot be read."""

    exit_status = 3


class MissingDependency(DubkitError):
    """A program, an extra or a model is missing; the hint is what to type."""

    exit_status = 4


class MediaError(DubkitError):
    """ffmpeg failed. ``argv`` and ``tail`` (its last lines of output) are kept for the log."""

    exit_status = 5

    def __init__(
        self, message: str, hint: str = "", argv: Sequence[str] = (), tail: Sequence[str] = ()
    ) -> None:
        super().__init__(message, hint)
        self.argv: tuple[str, ...] = tuple(argv)
        self.tail: tuple[str, ...] = tuple(tail)


class PluginError(DubkitError):
    """An engine failed or broke its contract; the message names its kind and name."""

    exit_status = 6


class NothingDone(PluginError):
    """An engine did nothing of what was asked: no line is translated, none is spoken, none is
    converted, or no mouth is redrawn. What could be written without that has been."""

    exit_status = 8


PARTLY_DONE = 9
"""The exit status where only some lines are translated, spoken or converted, or only some mouths
redrawn, of which warnings tell."""


class OutputError(DubkitError):
    """A result cannot be written: a full disk, a read-only folder, a file not made by dubkit."""

    exit_status = 7


class InUse(DubkitError):
    """Another dubkit, perhaps on another machine, is at work on the same input, or has taken it
    over."""

    exit_status = 10


class NotSure(DubkitError):
    """The right times of a subtitle file were not found for sure, so nothing is written."""

    exit_status = 11


class InternalError(DubkitError):
    """The command met what nobody expected. The Python functions raise that itself instead."""

    exit_status = 70


@contextmanager
def contained(warn: Callable[[str], object], what: str) -> Iterator[None]:
    """Make any fault in the block a warning, for dubkit's own checks and reports: none of them may
    end a run or cost the work that it is about. ``what`` says what was not done.

    That a result cannot be written is no such fault, and is raised.
    """
    try:
        yield
    except OutputError:
        raise
    except Exception as fault:
        log.debug("%s", what, exc_info=True)
        why = fault.message if isinstance(fault, DubkitError) else repr(fault)
        warn(f"{what} ({why[:200]})")
