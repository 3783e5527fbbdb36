"""The command: parse the arguments, run the pipeline on each input, return the exit status.

Only the results' paths go to standard output; the bar, the log and errors go to standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from dubkit import pipeline
from dubkit.engines import EngineRoom, choose
from dubkit.errors import ConsentNeeded, DubkitError, ForeignWorkspace, OutputError, UsageError
from dubkit.options import Options
from dubkit.pipeline import estimate, report
from dubkit.types import Result

from . import doctor, events, inputs
from .check import check_command
from .console import Console
from .models import models_command
from .parser import USAGE, build_parser, options_of, parse

STOPPED = 130
"""Exit status after Ctrl-C."""
PATIENCE = 0.5
"""Seconds after Ctrl-C within which Python itself must have reacted."""
SOME_FAILED = 1
"""Exit status of a batch in which an input failed."""

Command = Callable[[Sequence[str]], int]
"""Runs a subcommand with the arguments after its name, and returns its exit status."""

COMMANDS: Mapping[str, Command] = {
    "check": check_command,
    "plugins": doctor.plugins_command,
    "doctor": doctor.doctor_command,
    "models": models_command,
}


def main(argv: Sequence[str] | None = None, more: Mapping[str, Command] | None = None) -> int:
    """Run the command and return its exit status.

    ``more`` are further subcommands, which handle Ctrl-C themselves.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    more = more or {}
    name = arguments[0] if arguments else ""
    json_wanted = "--json" in arguments
    try:
        with contextlib.suppress(AttributeError):  # file names that the terminal cannot encode
            sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
            sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        if name in more:
            return more[name](arguments[1:])
        with _interruptible():
            if name in COMMANDS:
                return COMMANDS[name](arguments[1:])
            return _run(arguments, (*COMMANDS, *more))
    except DubkitError as failure:
        if "--events" in arguments:
            events.write_error(failure, None)
        if json_wanted:
            print(json.dumps(_summary([], [(None, failure)])))
        _print_error(failure)
        return failure.exit_status
    except KeyboardInterrupt:
        _stop()
    except BrokenPipeError:  # dubkit ... | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _stop() -> NoReturn:
    sys.stderr.write("\ndubkit: stopped; run the same command to continue\n")
    sys.stderr.flush()
    # Engines may be deep in native code in other threads. What is finished is on disk already, and
    # a person who pressed Ctrl-C does not want to wait for the rest.
    os._exit(STOPPED)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Make Ctrl-C work while the main thread is in native code, such as loading a large model.

    Python raises KeyboardInterrupt only when that code returns, which may take many seconds. The
    signal also wakes up a thread, which ends the command if Python has not reacted in time.
    """
    default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if os.name != "posix" or not default or threading.current_thread() != threading.main_thread():
        yield
        return
    python_reacted = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        python_reacted.set()
        raise KeyboardInterrupt

    receiver, sender = os.pipe()
    os.set_blocking(sender, False)

    def watch() -> None:
        while signals := os.read(receiver, 1):
            if signals[0] == signal.SIGINT and not python_reacted.wait(PATIENCE):
                _stop()
        os.close(receiver)

    signal.signal(signal.SIGINT, interrupt)
    previous = signal.set_wakeup_fd(sender)
    threading.Thread(target=watch, name="ctrl-c", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(previous)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.close(sender)


def _run(arguments: Sequence[str], commands: Sequence[str]) -> int:
    """Run the pipeline on the inputs; ``commands`` are the subcommands, for typing errors."""
    if not arguments:
        build_parser().print_help(sys.stderr)
        return UsageError.exit_status
    near = difflib.get_close_matches(arguments[0], commands, 1)
    if near and not Path(arguments[0]).exists():
        raise UsageError(f"there is no command {arguments[0]!r}", f"did you mean {near[0]}?")
    given = parse(arguments)
    console: Console | events.Events = Console(quiet=given.quiet, verbose=given.verbose)
    if given.events:
        console = events.Events()
    with console, EngineRoom() as room:
        options = options_of(given)
        if not given.inputs:
            raise UsageError("no input is named", USAGE)
        choose.check_names(options)  # once: every input would raise the same
        sources, errors = inputs.expand(given.inputs)
        total = len(sources) + len(errors)
        for name, failure in errors:
            console.fail(failure, name)
        if options.dry_run:
            return _estimate(sources, options, errors, given, console)
        results: list[Result] = []
        for number, source in enumerate(sources, 1):
            # Engines that the next file needs stay loaded.
            room.keep = pipeline.needed_engines(sources[number]) if number < len(sources) else ()
            title = f"{source.name} ({number} of {len(sources)})" if len(sources) > 1 else ""
            try:
                while True:
                    try:
                        result = _process(source, options, console, title, room)
                        break
                    except (ConsentNeeded, ForeignWorkspace) as needed:
                        options = _with_answer(options, needed)
            except DubkitError as failure:
                errors.append((source, failure))
                console.fail(failure, source if total > 1 else None)
                if _no_space(failure):  # there will be none for the others either
                    break
                continue
            results.append(result)
            console.finish(result)
            for one in result.translations:
                if one.is_untranslated:
                    errors.append((source, report.untranslated_error(one)))
                    console.fail(errors[-1][1], source if total > 1 else None)
            if not given.json and not given.events:
                for path in result.outputs:
                    print(path, flush=True)
    if isinstance(console, events.Events):
        console.result(_summary(results, errors))
    elif given.json:
        print(json.dumps(_summary(results, errors), ensure_ascii=False), flush=True)
    if not errors:
        return 0
    if total == 1:
        return errors[0][1].exit_status
    if not given.quiet:
        failed = len({name for name, _ in errors})
        sys.stderr.write(f"dubkit: {failed} of {total} inputs failed\n")
    return SOME_FAILED


def _process(
    source: Path,
    options: Options,
    console: Console | events.Events,
    title: str,
    room: EngineRoom,
) -> Result:
    # What engines print goes to standard error: standard output has only results. The console's
    # job must end first, since its bar restores the standard output that it found.
    with contextlib.redirect_stdout(sys.stderr), console.job(title):
        return pipeline.process(source, options, console.progress, room)


def _with_answer(options: Options, needed: ConsentNeeded | ForeignWorkspace) -> Options:
    """The options with what the user agrees to, if there is a terminal to ask at; else raises
    ``needed``."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise needed
    consent = isinstance(needed, ConsentNeeded)
    question = "Do you have it?" if consent else "Do you trust it, and use what it holds?"
    sys.stderr.write(f"dubkit: {needed.message}.\n{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise needed
    return replace(options, consent=True) if consent else replace(options, adopt=True)


def _estimate(
    sources: Sequence[Path],
    options: Options,
    errors: list[tuple[Path, DubkitError]],
    given: argparse.Namespace,
    console: Console | events.Events,
) -> int:
    """``--dry-run``: what translating would take, a line for each input and language."""
    estimates = []
    for source in sources:
        try:
            estimates += [(source, one) for one in estimate.estimate(source, options)]
        except DubkitError as failure:
            errors.append((source, failure))
            console.fail(failure, source if len(sources) > 1 else None)
    summary = {
        "estimates": [
            {"source": str(source), **asdict(one), "message": report.estimate(one)}
            for source, one in estimates
        ],
        "errors": _errors(errors),
    }
    if isinstance(console, events.Events):
        console.result(summary)
    elif given.json:
        print(json.dumps(summary, ensure_ascii=False))
    else:
        for source, one in estimates:
            print(f"{source}: {report.estimate(one)}")
    if not errors:
        return 0
    return errors[0][1].exit_status if len(sources) <= 1 else SOME_FAILED


def _summary(
    results: Sequence[Result], errors: Sequence[tuple[Path | None, DubkitError]]
) -> Mapping[str, Any]:
    """The object of ``--json``: totals of all inputs, then the results of each."""
    timings: dict[str, float] = {}
    for result in results:
        for step, seconds in result.timings.items():
            timings[step] = round(timings.get(step, 0.0) + seconds, 3)
    media_seconds = sum(result.duration for result in results)
    return {
        "outputs": [str(path) for result in results for path in result.outputs],
        "timings": timings,
        "rtfx": round(media_seconds / timings["total"], 2) if timings.get("total") else 0.0,
        "warnings": [warning for result in results for warning in result.warnings],
        "errors": _errors(errors),
        "results": [report.summary(result) for result in results],
    }


def _errors(errors: Sequence[tuple[Path | None, DubkitError]]) -> list[dict[str, object]]:
    return [
        {
            "source": str(source) if source else None,
            "error": failure.message,
            "hint": failure.hint,
            "kind": type(failure).__name__,
            "status": failure.exit_status,
        }
        for source, failure in errors
    ]


def _print_error(failure: DubkitError) -> None:
    hint = f"\n  {failure.hint}" if failure.hint else ""
    sys.stderr.write(f"dubkit: {failure.message}{hint}\n")


def _no_space(failure: DubkitError) -> bool:
    return isinstance(failure, OutputError) and "disk is full" in failure.message
