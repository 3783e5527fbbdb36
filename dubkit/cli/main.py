"""The command: parse the arguments, run the pipeline on each input, return the exit status.

Only the results' paths go to standard output; the bar, the log and errors go to standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import functools
import itertools
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from dubkit import __version__, pipeline
from dubkit.engines import EngineRoom, choose
from dubkit.errors import (
    PARTLY_DONE,
    ConsentNeeded,
    DubkitError,
    ForeignWorkspace,
    OutputError,
    UsageError,
)
from dubkit.files import at_home
from dubkit.hooks import accept_cues
from dubkit.options import SITE, Options, from_keywords
from dubkit.pipeline import estimate, report
from dubkit.pipeline.time_left import Other
from dubkit.system import faults, terminal
from dubkit.system.programs import start_keeper
from dubkit.system.terminal import as_json, printable
from dubkit.types import Result

from . import config, doctor, download, events, inputs, signals, watch
from .batch import Batch, Item, Outcome, Work, is_in_shard, parse_jobs, parse_shard, with_seconds
from .check import check_command
from .clean import clean_command
from .cluster import on_cluster
from .completion import completion_command
from .console import AT_WORK, Console
from .distill import distill_command
from .faces import faces_command
from .log_file import LogFile, LoggedConsole
from .models import models_command
from .parser import USAGE, build_parser, keywords_of, outline, parse
from .setup import setup_command
from .show_config import config_command
from .summary import add, open_summary, table, totals
from .sync import sync_command

DEBUG = "--debug"
SOME_FAILED = 1
"""Exit status of a batch in which an input failed."""

AnyConsole = Console | events.Events | LoggedConsole

Command = Callable[[Sequence[str]], int]
"""Runs a subcommand with the arguments after its name, and returns its exit status."""

COMMANDS: Mapping[str, Command] = {
    "check": check_command,
    "config": config_command,
    "clean": clean_command,
    "completion": completion_command,
    "plugins": doctor.plugins_command,
    "doctor": doctor.doctor_command,
    "models": models_command,
    "faces": faces_command,
    "setup": setup_command,
    "distill": distill_command,
    "sync": sync_command,
}


def main(
    argv: Sequence[str] | None = None,
    more: Mapping[str, Command] | None = None,
    room: EngineRoom | None = None,
) -> int:
    """Run the command and return its exit status.

    ``more`` are further subcommands, which handle signals themselves; a ``room`` has engines that
    earlier runs have loaded. Whatever happens, it is reported in a line or two; a run that was
    stopped ends the process.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    with terminal.standard_streams() as lost, faults.quiet_threads():
        try:
            status = _main(arguments, more or {}, room)
        except KeyboardInterrupt as stopped:
            signals.stop(getattr(stopped, "number", signal.SIGINT))
        if reason := lost():
            terminal.print_error(f"dubkit: standard output could not be written: {reason}")
            return status or OutputError.exit_status
        return status


def _main(arguments: Sequence[str], more: Mapping[str, Command], room: EngineRoom | None) -> int:
    name = arguments[0] if arguments else ""
    rest = [argument for argument in arguments[1:] if argument != DEBUG]
    try:
        with _net(arguments):
            if name in more:
                return more[name](rest)
            with signals.stoppable():
                if name in COMMANDS:
                    return COMMANDS[name](rest)
                return _run(arguments, (*COMMANDS, *more), room)
    except DubkitError as failure:
        if "--events" in arguments:
            events.write_error(failure, None)
        if "--json" in arguments:
            print(as_json(_summary([], [(None, failure)])))
        terminal.print_failure(failure)
        return failure.exit_status


def _net(arguments: Sequence[str]) -> AbstractContextManager[None]:
    """Around everything: what is none of our errors becomes one, with a report."""
    shown = arguments if DEBUG in arguments else ()
    return faults.reported(functools.partial(outline, arguments), shown)


def _run(arguments: Sequence[str], commands: Sequence[str], kept: EngineRoom | None) -> int:
    """Run the pipeline on the inputs; ``commands`` are the subcommands, for typing errors."""
    if not arguments:
        build_parser().print_help(sys.stderr)
        return UsageError.exit_status
    near = difflib.get_close_matches(arguments[0], commands, 1)
    if near and not arguments[0].startswith("-") and not Path(arguments[0]).exists():
        raise UsageError(f"there is no command {arguments[0]!r}", f"did you mean {near[0]}?")
    given = parse(arguments)
    batch = Batch(parse_jobs(given.jobs))
    shard = parse_shard(given.shard) if given.shard else None
    summary = open_summary(given.summary) if given.summary else None
    unsaved: OutputError | None = None
    console = _console(given, arguments)
    start_keeper()
    with console, _room(kept, batch) as room, contextlib.ExitStack() as opened:
        options = _options(given)
        if isinstance(console, LoggedConsole):
            console.file.hide(options.settings)
        if not given.inputs:
            raise UsageError("no input is named", USAGE)
        options = choose.with_presets(options)
        choose.check_names(options)  # once: every input would raise the same
        if given.upload and not given.cluster:
            raise UsageError("--upload is for --cluster", "add it, or leave --upload out")
        if given.cluster and not options.dry_run:
            on = on_cluster(given.cluster, batch, given.inputs, options, carry=given.upload)
            console.log(opened.enter_context(on))
        texts: dict[Path, Path | None] = {}

        def fetch(address: str) -> tuple[list[Path], inputs.Failures]:
            folder = options.output_dir or Path()
            with console.job("") as plan:
                progress = plan.watch(console.progress)
                found, failed = download.download(
                    address, folder, options.subs_from, progress, dry=options.dry_run
                )
            texts.update((one.path, one.subtitles) for one in found)
            return [one.path for one in found], failed

        def save(outcome: Outcome, name: str = "") -> None:
            nonlocal summary, unsaved
            if summary:
                try:
                    add(summary, outcome, name)
                except OutputError as failure:  # the films are worth more
                    console.fail(failure, given.summary)
                    summary, unsaved = None, failure

        errors: inputs.Failures = []
        outcomes: list[Outcome] = []
        total = 0
        for items, wrong in _found(given, options, shard, fetch, console):
            if given.watch:  # which may go on for months: of what was before, nothing is kept
                errors, outcomes, total = [], [], 0
            total += len(items) + len(wrong)
            errors += wrong
            for name, failure in wrong:
                console.fail(failure, name)
            if options.dry_run:
                sources = [item.source for item in items]
                return _estimate(sources, options, texts, errors, given, console)
            # What was named one by one is done in that order; a folder's files have none.
            if len(items) > 1 and (batch.at_once > 1 or any(map(_is_folder, given.inputs))):
                items = with_seconds(items)
            work = _work(options, texts, items, batch, console, room, arguments)
            began, out, before = time.monotonic(), sys.stdout, len(outcomes)
            for name, failure in wrong:
                outcomes.append(Outcome(Item(Path(name), Path()), 0.0, None, failure))
                # Each machine may be the one that cannot read it, but a summary may be of all.
                if not shard or is_in_shard(outcomes[-1].item, *shard):
                    save(outcomes[-1], str(name))
            with _side_by_side(batch, console, items):
                for outcome in batch.outcomes(items, work):
                    outcomes.append(outcome)
                    failures = _report(outcome, console, batch, many=total > 1 or given.watch)
                    errors += [(outcome.item.source, failure) for failure in failures]
                    save(outcome)
                    if outcome.result and not given.json and not given.events:
                        for path in outcome.result.outputs:
                            terminal.print_path(path, out)
            if len(outcomes) > before + 1:
                ended = outcomes[before:]
                for line in (*table(ended), totals(ended, time.monotonic() - began)):
                    console.log(line)
            if any(map(_no_space, (failure for _, failure in errors))):
                break
            if given.watch and items and not room.stays:
                room.close()
        results = [outcome.result for outcome in outcomes if outcome.result]
    if given.events:
        events.write("result", **_summary(results, errors))
    elif given.json:
        print(as_json(_summary(results, errors)), flush=True)
    if not errors and unsaved:
        return unsaved.exit_status
    if not errors:
        return PARTLY_DONE if any(result.is_partial for result in results) else 0
    if total == 1:
        return errors[0][1].exit_status
    failed = f"dubkit: {len({name for name, _ in errors})} of {total} inputs failed"
    if not given.quiet:
        terminal.print_error(failed)
    if isinstance(console, LoggedConsole):
        console.file.write(failed)
    return SOME_FAILED


def _console(given: argparse.Namespace, arguments: Sequence[str]) -> AnyConsole:
    """What shows the run, and logs it if that is asked for. Raises OutputError for a log that
    cannot be written."""
    shown: Console | events.Events = Console(
        quiet=given.quiet, verbose=given.verbose or given.debug, debug=given.debug
    )
    if given.events:
        shown = events.Events()
    if given.log is None:
        return shown
    file = LogFile(Path(given.log))
    file.hide(keywords_of(given).get("settings", {}))
    file.add(f"dubkit {__version__}: {' '.join(outline(arguments))}")
    return LoggedConsole(shown, file, debug=given.debug)


def _options(given: argparse.Namespace) -> Options:
    """The options that were typed, and what the config files add to them."""
    files = () if given.no_config else tuple(map(_trusted, config.read_all()))
    return from_keywords(config.combined(keywords_of(given), files, given.inputs))


def _trusted(file: config.ConfigFile) -> config.ConfigFile:
    """A config file to whose settings the user agrees; raises UsageError else."""
    if not file.refused:
        return file
    needed = config.untrusted(file)
    lines = [one.text for one in file.refused]
    if not _agrees(needed, "Do you trust it, as it is now?", lines):
        raise needed
    return config.trust(file)


def _mirrored(options: Options, place: Path) -> Options:
    """The options for an input whose results go to the folder ``place`` under ``--output``."""
    if options.output_dir is None:
        return options
    return replace(options, output_dir=options.output_dir / place)


def _with_site_text(options: Options, source: Path, texts: Mapping[Path, Path | None]) -> Options:
    """The options for an input, with the file of the site's subtitles if these are asked for; if
    the site has none, those for its speech instead."""
    if not SITE.fullmatch(options.subs_from or ""):
        return options
    if source not in texts:
        raise UsageError(
            f"{source.name} is a file, and --subs-from {options.subs_from} is for addresses",
            "--subs-from FILE, or embedded for its own track",
        )
    if text := texts[source]:
        return replace(options, subs_from=str(text))
    return replace(
        options,
        subs_from=None,
        subs=options.original,
        # These are for text from a file.
        encoding=None,
        strict=False,
        retime=options.retime and bool(options.to),
    )


def _found(
    given: argparse.Namespace,
    options: Options,
    shard: tuple[int, int] | None,
    fetch: inputs.Fetch,
    console: AnyConsole,
) -> Iterator[tuple[list[Item], inputs.Failures]]:
    """The inputs, and what is wrong with others; with ``--watch`` again and again."""
    addresses = any(map(inputs.ADDRESS.match, given.inputs))
    for flag, named in (("--watch", given.watch), ("--shard", shard)):
        if named and addresses:
            raise UsageError(f"{flag} is for files and folders, not for addresses", "download them")
    if given.watch and (given.json or options.dry_run):
        raise UsageError("--watch never ends, and so has no end to report", "--events; --summary")
    found = iter([inputs.expand(given.inputs, fetch)])
    if given.watch:
        console.log(f"watching {', '.join(given.inputs)}; Ctrl-C ends it")
        found = watch.settled(given.inputs, fetch)
    for places, wrong in found:
        items = [Item(source, place) for source, place in places.items()]
        own = [item for item in items if not shard or is_in_shard(item, *shard)]
        if items and not own and not given.watch:
            console.log(f"dubkit: of {len(items)} inputs, none falls to shard {given.shard}")
        yield own, wrong


def _report(
    outcome: Outcome, console: AnyConsole, batch: Batch, *, many: bool
) -> list[DubkitError]:
    """Show what became of an input; returns what is wrong with it."""
    item, result = outcome.item, outcome.result
    view = console.beside(item.name) if batch.at_once > 1 else console
    if result:
        view.finish(result)
    failures = list(report.find_failures(result)) if result else []
    failures += [outcome.failure] if outcome.failure else []
    for failure in failures:
        console.fail(failure, item.source if many else None)
        if _no_space(failure):  # there will be none for the others either
            batch.stop()
    console.ended(item.seconds)
    return failures


def _room(kept: EngineRoom | None, batch: Batch) -> AbstractContextManager[EngineRoom]:
    if batch.at_once > 1:
        return EngineRoom(shared=True)
    return contextlib.nullcontext(kept) if kept else EngineRoom()


def _is_folder(name: str) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return at_home(name).is_dir()
    return False


@contextlib.contextmanager
def _side_by_side(batch: Batch, console: AnyConsole, items: Sequence[Item]) -> Iterator[None]:
    """Around inputs that are at work at once: what engines print goes to standard error, since
    standard output has only results."""
    if batch.at_once == 1:
        yield
        return
    seconds = sum(item.seconds for item in items)
    with contextlib.redirect_stdout(sys.stderr), console.several(seconds):
        yield


def _work(
    options: Options,
    texts: Mapping[Path, Path | None],
    items: Sequence[Item],
    batch: Batch,
    console: AnyConsole,
    room: EngineRoom,
    arguments: Sequence[str],
) -> Work:
    """What is done with an input of a batch."""
    numbers = itertools.count(1)
    asking = threading.Lock()

    def process(item: Item, more: Sequence[Item], wait: bool) -> Result:
        nonlocal options
        if not (room.stays or room.shared):
            # Engines that the next file needs stay loaded.
            room.keep = pipeline.needed_engines(more[0].source) if more else ()
        title = f"{item.name} ({next(numbers)} of {len(items)})" if len(items) > 1 else ""
        view = console.beside(item.name) if batch.at_once > 1 else console
        with _net(arguments):
            while True:
                own = _mirrored(options, item.place)
                own = _with_site_text(own, item.source, texts)
                others = _others(item.source, more)
                try:
                    return _process(item.source, own, view, title, others, room, batch, wait)
                except (ConsentNeeded, ForeignWorkspace) as needed:
                    with asking:
                        options = _with_answer(options, needed)

    return process


def _process(
    source: Path,
    options: Options,
    console: AnyConsole,
    title: str,
    others: Sequence[Other],
    room: EngineRoom,
    batch: Batch,
    wait: bool,
) -> Result:
    # What engines print goes to standard error: standard output has only results. The console's
    # job must end first, since its bar restores the standard output that it found.
    job = (
        console.job(title, others, source)
        if isinstance(console, LoggedConsole)
        else console.job(title, others)
    )
    if batch.at_once > 1:  # all of them are redirected as one
        AT_WORK.set(source.name)
        with job as plan:
            progress = batch.stoppable(accept_cues(console.progress))
            return batch.process(source, options, progress, room, plan, wait=wait)
    with contextlib.redirect_stdout(sys.stderr), job as plan:
        return batch.process(source, options, console.progress, room, plan, wait=wait)


def _others(source: Path, more: Sequence[Item]) -> list[Other]:
    """What the time left of a batch needs to know of the inputs after the one at hand."""

    def size(source: Path) -> int:
        try:
            return source.stat().st_size
        except OSError:  # its turn will say what is wrong with it
            return 0

    own = max(1, size(source))
    return [Other(size(item.source) / own) for item in more]


def _with_answer(options: Options, needed: ConsentNeeded | ForeignWorkspace) -> Options:
    """The options with what the user agrees to, if there is a terminal to ask at; else raises
    ``needed``."""
    consent = isinstance(needed, ConsentNeeded)
    if options.consent if consent else options.adopt:  # given meanwhile, for another input
        return options
    question = "Do you have it?" if consent else "Do you trust it, and use what it holds?"
    if not _agrees(needed, question):
        raise needed
    return replace(options, consent=True) if consent else replace(options, adopt=True)


def _agrees(needed: UsageError, question: str, more: Sequence[str] = ()) -> bool:
    """Whether the user, if there is a terminal to ask at, says yes to what is needed; ``more`` are
    lines about it."""
    if not terminal.can_ask():
        return False
    for line in (f"dubkit: {needed.message}.", *(f"  {line}" for line in more)):
        terminal.print_error(line)
    return terminal.agrees(question)


def _estimate(
    sources: Sequence[Path],
    options: Options,
    texts: Mapping[Path, Path | None],
    errors: inputs.Failures,
    given: argparse.Namespace,
    console: AnyConsole,
) -> int:
    """``--dry-run``: what translating would take, a line for each input and language."""
    estimates = []
    for source in sources:
        try:
            own = _with_site_text(options, source, texts)
            estimates += [(source, one) for one in estimate.estimate(source, own)]
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
    if given.events:
        events.write("result", **summary)
    elif given.json:
        print(as_json(summary))
    else:
        for source, one in estimates:
            print(printable(f"{source}: {report.estimate(one)}"))
    if isinstance(console, LoggedConsole):
        for source, one in estimates:
            console.file.write(f"{source}: {report.estimate(one)}")
    if not errors:
        return 0
    return errors[0][1].exit_status if len(sources) <= 1 else SOME_FAILED


def _summary(
    results: Sequence[Result], errors: Sequence[tuple[Path | str | None, DubkitError]]
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


def _errors(errors: Sequence[tuple[Path | str | None, DubkitError]]) -> list[dict[str, object]]:
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


def _no_space(failure: DubkitError) -> bool:
    return isinstance(failure, OutputError) and "disk is full" in failure.message
