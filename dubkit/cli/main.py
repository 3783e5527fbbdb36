"""The command: arguments to Options, the pipeline, and what a person sees of it.

Results' paths alone go to standard output; the bar, the log and errors go to standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from dubkit import __version__, engines, pipeline, subtitles
from dubkit.cues import profiles, segment
from dubkit.engines import choose
from dubkit.errors import ConsentNeeded, DubkitError, OutputError, UsageError
from dubkit.options import BILINGUAL, Options, from_keywords
from dubkit.pipeline import estimate, report
from dubkit.subtitles import source as source_text
from dubkit.types import Result

from . import doctor, events, inputs
from .console import Console

log = logging.getLogger("dubkit")

STOPPED = 130
PATIENCE = 0.5
"""Seconds after Ctrl-C in which Python may notice it by itself."""
SOME_FAILED = 1
"""Exit status of a batch in which an input failed."""

USAGE = "dubkit INPUT... --subs --to LANGUAGE [options]"
DESCRIPTION = """\
Subtitle, translate and dub a video: recognise the speech, make readable subtitles, translate
them, speak them, put it all into the video.

  dubkit talk.mp4 --subs                  talk.en.srt and talk.subbed.mp4
  dubkit talk.mp4 --subs --to es,fr       talk.es.srt and talk.fr.srt, too
  dubkit talk.mp4 --to pt --dub           talk.pt.dubbed.mp4, spoken in Portuguese
  dubkit talk.en.srt --to es              a subtitle file alone
  dubkit *.mkv --subs --no-video          subtitle files alone
  dubkit talk.mp4 --subs --burn           subtitles drawn on the picture

Other commands (each has --help):
  dubkit ui              the same in a browser
  dubkit check FILE      check a subtitle file against a profile
  dubkit plugins         list the engines that are installed
  dubkit doctor          check what dubkit needs, with the line to type for each problem
"""


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are UsageErrors with a hint."""

    def error(self, message: str) -> NoReturn:
        wrong = message.rpartition("unrecognized arguments: ")[2].split()
        near = difflib.get_close_matches(wrong[0], self._option_string_actions, 1) if wrong else []
        hint = f"did you mean {near[0]}?" if near else f"{self.prog} --help lists the options"
        raise UsageError(message, hint)


def build_parser() -> argparse.ArgumentParser:
    """What the command takes."""
    parser = Parser(
        prog="dubkit",
        usage=USAGE,
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument("inputs", nargs="*", metavar="INPUT", help=argparse.SUPPRESS)

    make = parser.add_argument_group("what to make")
    make.add_argument("--subs", action="store_true", help="subtitles in the language spoken")
    make.add_argument(
        "--to", metavar="LIST", default="", help="translate to es, pt-BR, ... by comma"
    )
    make.add_argument("--dub", action="store_true", help="speak the translation over the original")
    make.add_argument("--subs-from", metavar="FILE",
                      help="text from a file, or embedded, embedded:2, embedded:es")  # fmt: skip
    known = ",".join(subtitles.FORMATS)
    make.add_argument("--format", metavar="LIST", help=f"subtitle files, by comma: {known}")
    make.add_argument("--no-video", action="store_true", help="subtitle files alone, no video")
    make.add_argument("--burn", action="store_true", help="draw the subtitles on the picture")

    where = parser.add_argument_group("where")
    where.add_argument("-o", "--output", metavar="DIR", action="append", default=[],
                       help="folder of the results; or a setting, NAME.FIELD=VALUE")  # fmt: skip
    where.add_argument("--force", action="store_true", help="write over files dubkit did not make")
    where.add_argument("--keep", action="store_true", help="keep the extracted sound, too")

    speech = parser.add_argument_group("speech")
    speech.add_argument("--language", metavar="TAG", help="en, es, pt-BR, ... (default: find out)")
    speech.add_argument("--audio-track", metavar="N|LANG", help="which audio track to hear")
    speech.add_argument("--transcriber", metavar="NAME", default="auto",
                        help="engine; dubkit plugins lists them (default: auto)")  # fmt: skip
    speech.add_argument("--model", metavar="NAME|DIR", default="",
                        help="distil-large-v3.5, large-v3, base, a folder, ...")  # fmt: skip
    speech.add_argument("--device", metavar="NAME", default="", help="cpu or cuda")
    speech.add_argument("--prompt", metavar="TEXT", default="",
                        help="text like the speech: spelling, style")  # fmt: skip
    speech.add_argument("--hotwords", metavar="LIST", default="",
                        help="names and terms to expect, by comma")  # fmt: skip

    translate = parser.add_argument_group("translation")
    translate.add_argument("--translator", metavar="NAME", default="auto",
                           help="engine; dubkit plugins lists them (default: auto)")  # fmt: skip
    translate.add_argument("--glossary", metavar="FILE", type=Path,
                           help="terms and their translations: csv of source,target")  # fmt: skip
    translate.add_argument("--tone", metavar="TEXT", default="", help="formal, for children, ...")
    translate.add_argument("--context", metavar="TEXT", default="", help="what the video is about")
    translate.add_argument("--bilingual", metavar="ORDER", choices=BILINGUAL,
                           help="both languages in each cue; or =original-first")  # fmt: skip
    translate.add_argument("--dry-run", action="store_true",
                           help="only tell how much it is and what it would cost")  # fmt: skip

    dub = parser.add_argument_group("dubbing")
    dub.add_argument("--speaker", metavar="NAME", default="auto",
                     help="engine that speaks (default: auto)")  # fmt: skip
    dub.add_argument("--voice", metavar="NAME", action="append", default=[],
                     help="a voice for all, or WHO=NAME for one (default: chosen)")  # fmt: skip
    dub.add_argument("--redo", metavar="LIST", default="",
                     help="speak lines of the dub anew, as another take: 12,15-18")  # fmt: skip
    dub.add_argument("--clone", action="store_true", help="speak in the original's own voices")
    dub.add_argument("--convert", metavar="NAME", default="",
                     help="engine that turns the lines into another voice")  # fmt: skip
    dub.add_argument("--convert-to", metavar="NAME", action="append", default=[],
                     help="its voice, or WHO=NAME (default: the original's own)")  # fmt: skip
    dub.add_argument("--i-have-consent", action="store_true",
                     help="you may use the voices that are imitated")  # fmt: skip
    dub.add_argument("--lipsync", metavar="NAME", default="", help="engine that redraws mouths")
    dub.add_argument("--separate", metavar="NAME", nargs="?", const="auto", default="",
                     help="take the original's speech out, rather than lower all")  # fmt: skip
    dub.add_argument("--one-file", action="store_true", help="all languages in one video")

    who = parser.add_argument_group("who speaks")
    who.add_argument("--speakers", metavar="N|auto", default="",
                     help="tell the speakers apart (default: for a dub)")  # fmt: skip
    who.add_argument("--speakers-from", metavar="FILE", type=Path,
                     help="who speaks when, of another tool: rttm or json")  # fmt: skip
    who.add_argument("--diarizer", metavar="NAME", default="auto",
                     help="engine; dubkit plugins lists them (default: auto)")  # fmt: skip

    look = parser.add_argument_group("look")
    known = ", ".join(profiles.PROFILES)
    look.add_argument("--profile", metavar="NAME", default=profiles.DEFAULT,
                      help=f"{known} (default: {profiles.DEFAULT})")  # fmt: skip
    look.add_argument("--retime", action="store_true",
                      help="time the cues of a file anew, for reading")  # fmt: skip
    look.add_argument("--style", metavar="LIST", default="",
                      help="font=Arial,size=48,color=#ffff00,outline=2,position=top")  # fmt: skip
    look.add_argument("--crf", metavar="N", type=int, help="quality of a burned picture, 0 best")

    _add_talk(parser.add_argument_group("talk"))
    return parser


def _add_talk(group: argparse._ArgumentGroup) -> None:
    group.add_argument("-q", "--quiet", action="store_true", help="errors alone")
    group.add_argument("-v", "--verbose", action="store_true", help="where the time goes, details")
    group.add_argument("--json", action="store_true", help="one JSON object on standard output")
    group.add_argument("--events", action="store_true",
                       help="JSON lines on standard output while it runs")  # fmt: skip
    group.add_argument("--version", action="version", version=f"dubkit {__version__}")
    group.add_argument("-h", "--help", action="help", help="show this")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    commands = {"check": _check, "plugins": doctor.plugins_command, "doctor": doctor.doctor_command}
    json_wanted = "--json" in arguments
    try:
        with contextlib.suppress(AttributeError):  # names that the terminal cannot show
            sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
            sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        if arguments[:1] == ["ui"]:  # it has its own way with Ctrl-C
            return _ui(arguments[1:])
        with _interruptible():
            if arguments and arguments[0] in commands:
                return commands[arguments[0]](arguments[1:])
            return _make(arguments)
    except DubkitError as failure:
        if "--events" in arguments:
            events.write_error(failure, None)
        if json_wanted:
            print(json.dumps(_summary([], [(None, failure)])))
        _complain(failure)
        return failure.exit_status
    except KeyboardInterrupt:
        _stop()
    except BrokenPipeError:  # dubkit ... | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _stop() -> NoReturn:
    sys.stderr.write("\ndubkit: stopped; run the same command to continue\n")
    sys.stderr.flush()
    # Engines may be deep in native code in other threads: what is finished is on the disk
    # already, and nobody who pressed Ctrl-C wants to wait for the rest.
    os._exit(STOPPED)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Have Ctrl-C heard while the main thread is in native code, loading a large model, say.

    Python raises KeyboardInterrupt when that code returns, which may take many seconds; a thread
    that the signal itself wakes up ends the command when that has not happened in time.
    """
    default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if os.name != "posix" or not default or threading.current_thread() != threading.main_thread():
        yield
        return
    heard = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        heard.set()
        raise KeyboardInterrupt

    receiver, sender = os.pipe()
    os.set_blocking(sender, False)

    def watch() -> None:
        while numbers := os.read(receiver, 1):
            if numbers[0] == signal.SIGINT and not heard.wait(PATIENCE):
                _stop()
        os.close(receiver)

    signal.signal(signal.SIGINT, interrupt)
    before = signal.set_wakeup_fd(sender)
    threading.Thread(target=watch, name="ctrl-c", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.close(sender)


def _make(arguments: Sequence[str]) -> int:
    parser = build_parser()
    if not arguments:
        parser.print_help(sys.stderr)
        return UsageError.exit_status
    near = difflib.get_close_matches(arguments[0], ("check", "plugins", "doctor", "ui"), 1)
    if near and not Path(arguments[0]).exists():
        raise UsageError(f"there is no command {arguments[0]!r}", f"did you mean {near[0]}?")
    given = parser.parse_intermixed_args(_protect(arguments))
    console: Console | events.Events = Console(quiet=given.quiet, verbose=given.verbose)
    if given.events:
        console = events.Events()
    with console:
        options = _options(given)
        if not given.inputs:
            raise UsageError("no input is named", USAGE)
        choose.transcriber(options)  # or every input would say the same
        sources, errors = inputs.expand(given.inputs)
        total = len(sources) + len(errors)
        for name, failure in errors:
            console.fail(failure, name)
        if options.dry_run:
            return _estimate(sources, options, errors, given, console)
        results: list[Result] = []
        for number, source in enumerate(sources, 1):
            title = f"{source.name} ({number} of {len(sources)})" if len(sources) > 1 else ""
            try:
                try:
                    result = _processed(source, options, console, title)
                except ConsentNeeded as needed:
                    options = _with_consent(options, needed)
                    result = _processed(source, options, console, title)
            except DubkitError as failure:
                errors.append((source, failure))
                console.fail(failure, source if total > 1 else None)
                if _no_space(failure):  # nor will there be for the others
                    break
                continue
            results.append(result)
            console.finish(result)
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
        failed = total - len(results)
        sys.stderr.write(f"dubkit: {failed} of {total} inputs failed\n")
    return SOME_FAILED


def _processed(
    source: Path, options: Options, console: Console | events.Events, title: str
) -> Result:
    # What engines print is for people: results alone go to standard output. The job ends first,
    # since its bar puts back the output that it found.
    with contextlib.redirect_stdout(sys.stderr), console.job(title):
        return pipeline.process(source, options, console.progress)


def _with_consent(options: Options, needed: ConsentNeeded) -> Options:
    """The options with the user's word, where there is somebody to ask for it."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise needed
    sys.stderr.write(f"dubkit: {needed.message}.\nDo you have it? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise needed
    return replace(options, consent=True)


def _estimate(
    sources: Sequence[Path],
    options: Options,
    errors: list[tuple[Path, DubkitError]],
    given: argparse.Namespace,
    console: Console | events.Events,
) -> int:
    """``--dry-run``: what translating would take, a line for each input and language."""
    found = []
    for source in sources:
        try:
            found += [(source, one) for one in estimate.estimate(source, options)]
        except DubkitError as failure:
            errors.append((source, failure))
            console.fail(failure, source if len(sources) > 1 else None)
    told = [
        {"source": str(source), **asdict(one), "message": report.estimate(one)}
        for source, one in found
    ]
    estimated = {"estimates": told, "errors": _errors(errors)}
    if isinstance(console, events.Events):
        console.result(estimated)
    elif given.json:
        print(json.dumps(estimated, ensure_ascii=False))
    else:
        for source, one in found:
            print(f"{source}: {report.estimate(one)}")
    if not errors:
        return 0
    return errors[0][1].exit_status if len(sources) <= 1 else SOME_FAILED


def _protect(arguments: Sequence[str]) -> list[str]:
    """Let a name that begins with a dash be an input: where a file of that name is there, and
    after ``--``, which argparse does not know between options."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    arguments = list(arguments)
    for number, argument in enumerate(arguments[:end]):
        # The value may be left out, and what follows may be an input.
        following = "".join(arguments[number + 1 : number + 2])
        if argument == "--bilingual" and following not in BILINGUAL:
            arguments[number] = f"--bilingual={BILINGUAL[0]}"
        # What is neither an engine nor a file is a name that is wrong.
        there = os.path.exists(following)  # noqa: PTH110 - Path's raises for names that are too long
        left_out = following.startswith("-") or not following or there
        if argument == "--separate" and left_out and not _is_engine("separators", following):
            arguments[number] = "--separate=auto"
    safe = []
    for number, argument in enumerate(arguments):
        short = argument.startswith("-") and not argument.startswith("--") and len(argument) > 2
        if number > end:
            safe.append(f"./{argument}" if argument.startswith("-") else argument)
        elif number < end:
            safe.append(f"./{argument}" if short and Path(argument).exists() else argument)
    return safe


def _is_engine(kind: str, name: str) -> bool:
    return name == "auto" or ":" in name or name in [one.name for one in engines.plugins(kind)]


def _options(given: argparse.Namespace) -> Options:
    folder: Path | None = None
    settings: dict[str, dict[str, str]] = {}
    for value in given.output:
        name, equals, text = value.partition("=")
        engine, dot, field = name.partition(".")
        if equals and dot and engine and field and "/" not in name:
            settings.setdefault(engine, {})[field] = text
        elif folder is None:
            folder = Path(value).expanduser()
            if os.path.isfile(folder):  # noqa: PTH113 - Path's raises for names that are too long
                raise UsageError(f"-o {value} is a file", "-o takes a folder")
        else:
            raise UsageError(f"two output folders, {folder} and {value}", "name one")
    return from_keywords(
        {
            "subs": given.subs,
            "to": given.to,
            "subs_from": given.subs_from,
            "formats": given.format.lower() if given.format is not None else None,
            "video": not given.no_video,
            "burn": given.burn,
            "crf": given.crf,
            "style": given.style,
            "profile": given.profile,
            "language": given.language,
            "transcriber": given.transcriber,
            "model": given.model,
            "device": given.device,
            "prompt": given.prompt,
            "hotwords": given.hotwords,
            "audio_track": given.audio_track,
            "dub": given.dub,
            "speaker": given.speaker,
            "voice": tuple(given.voice),
            "redo": given.redo,
            "clone": given.clone,
            "convert": given.convert,
            "convert_to": tuple(given.convert_to),
            "consent": given.i_have_consent,
            "lipsync": given.lipsync,
            "separate": given.separate,
            "one_file": given.one_file,
            "speakers": given.speakers,
            "speakers_from": given.speakers_from,
            "diarizer": given.diarizer,
            "translator": given.translator,
            "glossary": given.glossary,
            "tone": given.tone,
            "context": given.context,
            "bilingual": given.bilingual,
            "retime": given.retime,
            "dry_run": given.dry_run,
            "output_dir": folder,
            "force": given.force,
            "keep": given.keep,
            "settings": settings,
        }
    )


def _summary(
    results: Sequence[Result], errors: Sequence[tuple[Path | None, DubkitError]]
) -> Mapping[str, Any]:
    """The object of ``--json``: the whole run, then each input's own."""
    parts = [report.summary(result) for result in results]
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
        "results": parts,
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


def _complain(failure: DubkitError) -> None:
    hint = f"\n  {failure.hint}" if failure.hint else ""
    sys.stderr.write(f"dubkit: {failure.message}{hint}\n")


def _no_space(failure: DubkitError) -> bool:
    return isinstance(failure, OutputError) and "disk is full" in failure.message


def _check(arguments: Sequence[str]) -> int:
    """``dubkit check``: what in a subtitle file a profile does not allow."""
    parser = Parser(
        prog="dubkit check",
        description="Check a subtitle file against a profile. The exit status is 1 when a cue has "
        "an error.",
        add_help=False,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="srt, vtt, ass, ttml or json")
    parser.add_argument("--profile", metavar="NAME", default=profiles.DEFAULT,
                        help=", ".join(profiles.PROFILES))  # fmt: skip
    parser.add_argument("--language", metavar="TAG", help="default: from the name, as in x.es.srt")
    parser.add_argument("--fps", type=float, metavar="N", help="frames a second of the video")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("-h", "--help", action="help", help="show this")
    given = parser.parse_args(_protect(arguments))
    language = given.language or source_text.language_in_name(given.file)
    profiles.find(given.profile)
    track = subtitles.read(given.file, language)
    found = segment.check(track, given.profile, given.fps)
    errors = sum(violation.severity == "error" for violation in found)
    if given.json:
        violations = [
            {"cue": v.cue, "rule": v.rule, "severity": v.severity, "message": v.message}
            for v in found
        ]
        print(
            json.dumps(
                {
                    "file": str(given.file),
                    "profile": given.profile,
                    "language": track.language,
                    "cues": len(track.cues),
                    "errors": errors,
                    "warnings": len(found) - errors,
                    "violations": violations,
                },
                ensure_ascii=False,
            )
        )
    else:
        for violation in found:
            print(f"cue {violation.cue}: {violation.severity}: {violation.message}")
        print(
            f"{given.file}: {len(track.cues)} cues, {errors} errors, "
            f"{len(found) - errors} warnings ({given.profile}, {track.language})"
        )
    return 1 if errors else 0


def _ui(arguments: Sequence[str]) -> int:
    """``dubkit ui``: the page; its libraries are loaded for it alone."""
    from dubkit.web.serve import ui_command

    return ui_command(arguments)


if __name__ == "__main__":
    sys.exit(main())
