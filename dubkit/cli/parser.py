"""The command line's grammar: what it takes, and the Options that it stands for.

All flags but the general ones are made of the fields of :class:`dubkit.Options`. The page reads
this, too. ``docs/make_reference.py`` writes the page of the options from it.
"""

from __future__ import annotations

import argparse
import difflib
import functools
import os
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from dubkit import __version__, engines
from dubkit.errors import UsageError
from dubkit.files import at_home
from dubkit.languages import is_tag
from dubkit.options import Group, Option, Options, from_keywords, list_options, unknown_option

USAGE = "dubkit INPUT... --subs --to LANGUAGE [options]"
DESCRIPTION = """\
Subtitle, translate and dub a video, by its speech or by a text, into files and into the video.

  dubkit talk.mp4 --subs                  talk.en.srt and talk.subbed.mp4
  dubkit talk.mp4 --subs --to es,fr       talk.es.srt and talk.fr.srt, too
  dubkit talk.mp4 --to pt --dub           talk.pt.dubbed.mp4, spoken in Portuguese
  dubkit talk.en.srt --to es              only a subtitle file
  dubkit *.mkv --subs --no-video          only subtitle files
  dubkit https://... --subs               downloaded first, by yt-dlp
  dubkit talk.mp4 --subs --burn           subtitles drawn on the picture

Other commands (each has --help):
  dubkit ui, serve, mcp  the same in a browser; for programs (OpenAI's audio API); for assistants
  dubkit check, sync     check a subtitle file; give one of another version the right times
  dubkit plugins, setup  list the engines that are installed; install outside tools
  dubkit models, clean   get models before they are needed; remove workspaces, after a question
  dubkit config          what dubkit.toml files set: yours, and that of this folder
  dubkit doctor          check what dubkit needs, with the line to type for each problem
"""
GENERAL: Sequence[tuple[tuple[str, ...], str, str, dict[str, Any]]] = (
    (("--jobs",), "inputs at work at once (default: 1)",
     "inputs at work at once: one's sound is extracted and its video written while another's "
     "speech is recognized; each engine is loaded once (default: 1)",
     {"metavar": "N", "default": "1"}),
    (("--shard",), "only the inputs of shard I of N: 0/4, ...",
     "only the inputs of shard I of N, from `0/4` to `3/4`: for arrays of jobs on many machines",
     {"metavar": "I/N", "default": None}),
    (("--cluster",), "have a Ray cluster do them: auto, or HOST:PORT",
     "have the machines of a Ray cluster do them: the one at `HOST:PORT` or, with `auto`, the one "
     "that runs here, else workers on this machine; needs `dubkit[ray]`",
     {"metavar": "ADDRESS", "default": None}),
    (("--upload",), "carry the files to its nodes, and results back",
     "with `--cluster`: carry the inputs to nodes that do not see them, and back what is made of "
     "them", {"action": "store_true"}),
    (("--watch",), "go on with what is added to a folder, until Ctrl-C",
     "go on with what is added to a folder as soon as it has been still for 10 seconds, until "
     "Ctrl-C", {"action": "store_true"}),
    (("--summary",), "add a JSON line for each input to a file",
     "add a JSON line for each input to a file as soon as it ends: outputs, time, speed, error",
     {"metavar": "FILE", "default": None}),
    (("-q", "--quiet"), "errors only", "", {"action": "store_true"}),
    (("-v", "--verbose"), "timings and details", "", {"action": "store_true"}),
    (("--log",), "add what -v shows, with times, to a file",
     "add everything that `-v` shows, with times and without keys, to a file; also with `-q`",
     {"metavar": "FILE", "default": None}),
    (("--debug",), "details and tracebacks, and a fuller report",
     "details and tracebacks, and a report with all that was typed but keys",
     {"action": "store_true"}),
    (("--json",), "one JSON object on standard output",
     "one object on standard output: outputs, timings, warnings, errors",
     {"action": "store_true"}),
    (("--events",), "JSON lines on standard output while it runs",
     "JSON lines on standard output while it runs: progress, text, warnings, the result",
     {"action": "store_true"}),
    (("--no-config",), "leave out what dubkit.toml files set", "", {"action": "store_true"}),
    (("--version",), "show the version", "",
     {"action": "version", "version": f"dubkit {__version__}"}),
    (("-h", "--help"), "show this", "", {"action": "help"}),
)  # fmt: skip
"""Flags that are no option of a job: flags, help, the page's words if others, and argparse's."""


UNNEEDED: Mapping[str, str] = {
    "--task": "--to en translates; --subs transcribes",
    "--vad-filter": "what nobody speaks in is left out anyway",
    "--word-timestamps": "every word has its time: --format json writes them",
    "--align-model": "every word has its time: --format json writes them",
    "--hf-token": "the hub's library reads HF_TOKEN from the environment",
    "--compute-type": "-o faster-whisper.compute_type=float32",
    "--beam-size": "-o faster-whisper.beam_size=5",
    "--batch-size": "-o faster-whisper.batch_size=8",
    "--threads": "-o faster-whisper.threads=4",
    "--embed-subs": "the video gets the subtitles as a track anyway; --burn draws them on it",
    "--skip-download": "--no-video writes subtitle files only",
}
"""Flags of other tools (whisper, whisperX, yt-dlp) that none of ours stands for: what to do."""


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are UsageErrors with a hint."""

    def error(self, message: str) -> NoReturn:
        wrong = message.rpartition("unrecognized arguments: ")[2].split()
        near = difflib.get_close_matches(wrong[0], self._option_string_actions, 1) if wrong else []
        hint = f"did you mean {near[0]}?" if near else f"{self.prog} --help lists the options"
        raise UsageError(message, hint)


def build_parser(options: type[Options] = Options) -> argparse.ArgumentParser:
    """What the command takes, for a class of options."""
    parser = Parser(
        prog="dubkit",
        usage=USAGE,
        description=DESCRIPTION,
        # As wide as the longest flag of a number, so that each option is a line.
        formatter_class=functools.partial(
            argparse.RawDescriptionHelpFormatter, max_help_position=25
        ),
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument("inputs", nargs="*", metavar="INPUT", help=argparse.SUPPRESS)
    for title, members in _groups(options):
        group = parser.add_argument_group(title)
        for option in members:
            group.add_argument(*_flags(option), help=option.help, **_arguments(option))
            if flag := _opposite(option):
                group.add_argument(
                    flag,
                    dest=option.name,
                    action="store_true" if option.default is True else "store_false",
                    default=argparse.SUPPRESS,
                    help=argparse.SUPPRESS,
                )
    general = parser.add_argument_group("general")
    for flags, help, _, more in GENERAL:
        general.add_argument(*flags, help=help, **more)
    return parser


def _groups(options: type[Options]) -> Iterator[tuple[str, list[Option]]]:
    for title in filter(None, typing.get_args(Group)):
        yield title, [option for option in list_options(options) if option.group == title]


def _opposite(option: Option) -> str:
    """The flag that undoes what a file sets: ``--no-subs``, ``--video``; "" if there is none."""
    if option.type is not bool:
        return ""
    bare = option.flag.removeprefix("--")
    return f"--{bare.removeprefix('no-')}" if option.default is True else f"--no-{bare}"


def _arguments(option: Option) -> dict[str, Any]:
    """How argparse takes an option. What is not given is left out of the namespace."""
    if option.name == "output_dir":  # -o is for settings, too
        return {"dest": "output", "metavar": option.metavar, "action": "append", "default": []}
    common = {"dest": option.name, "default": argparse.SUPPRESS}
    if option.type is bool:
        return {**common, "action": "store_false" if option.default is True else "store_true"}
    common["metavar"] = option.metavar
    if option.repeat:
        return {**common, "action": "append"}
    if option.bare:
        return {**common, "nargs": "?", "const": option.bare}
    return {**common, "type": option.type if option.type in (int, float) else str}


def parse(arguments: Sequence[str], options: type[Options] = Options) -> argparse.Namespace:
    """The command's arguments by name. Raises UsageError for what it does not take."""
    _refuse_renamed(arguments, options)
    return build_parser(options).parse_intermixed_args(protect(arguments, options))


def _refuse_renamed(arguments: Sequence[str], options: type[Options]) -> None:
    """Raise for a flag that has another name now, which argparse could only call unknown."""
    renamed = {
        f"--{old.replace('_', '-')}"
        for one in list_options(options)
        for old in (*one.former_names, *one.other_names)
    }
    for number, argument in enumerate(arguments):
        flag, equals, value = argument.partition("=")
        flag = flag.replace("_", "-")
        if argument == "--":
            return
        if flag in UNNEEDED:
            raise UsageError(f"there is no option {flag}", UNNEEDED[flag])
        if flag in renamed:
            following = "".join(arguments[number + 1 : number + 2])
            given = value if equals else following if not following.startswith("-") else ""
            name = flag.removeprefix("--").replace("-", "_")
            raise unknown_option(name, given or None, options, flag=True)


def protect(arguments: Sequence[str], options: type[Options] = Options) -> list[str]:
    """Let a name that begins with a dash be an input: if a file of that name exists, and after
    ``--``, which argparse does not know between options."""
    arguments = _join_values(arguments, options)
    end = arguments.index("--") if "--" in arguments else len(arguments)
    bare = {option.flag: option for option in list_options(options) if option.bare}
    for number, argument in enumerate(arguments[:end]):
        # The value may be left out, and what follows may be an input.
        following = "".join(arguments[number + 1 : number + 2])
        if argument in bare and not _is_value(bare[argument], following):
            arguments[number] = f"{argument}={bare[argument].bare}"
    safe = []
    for number, argument in enumerate(arguments):
        short = argument.startswith("-") and not argument.startswith("--") and len(argument) > 2
        if number > end:
            safe.append(f"./{argument}" if argument.startswith("-") else argument)
        elif number < end:
            safe.append(f"./{argument}" if short and Path(argument).exists() else argument)
    return safe


def _join_values(arguments: Sequence[str], options: type[Options]) -> list[str]:
    """The arguments with values such as ``-0:30``, which argparse takes for flags, after an equals
    sign."""
    flags = {one.flag for one in list_options(options) if one.type is not bool and not one.bare}
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in flags and re.match(r"[-–]\s*\d", argument):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _is_value(option: Option, text: str) -> bool:
    """Whether what follows a flag that may stand alone is its value."""
    if option.choices:
        return text in option.choices
    if option.engine and _is_engine(option.engine, text):
        return True
    # What is neither an engine nor a file is a misspelled name.
    exists = os.path.exists(text)  # noqa: PTH110 - Path's raises for names that are too long
    return bool(text) and not text.startswith("-") and not exists


def _is_engine(kind: str, name: str) -> bool:
    return name == "auto" or ":" in name or name in [one.name for one in engines.plugins(kind)]


def options_of(given: argparse.Namespace, options: type[Options] = Options) -> Options:
    """The options that :func:`parse` found."""
    return from_keywords(keywords_of(given, options), options)


def keywords_of(given: argparse.Namespace, options: type[Options] = Options) -> dict[str, Any]:
    """What was typed of the options, as keywords."""
    names = [option.name for option in list_options(options)]
    keywords = {name: value for name, value in vars(given).items() if name in names}
    return {**keywords, **_outputs(given.output)}


def _outputs(values: Sequence[str]) -> dict[str, Any]:
    """The folder and the settings of all ``-o``, if any."""
    folder: Path | None = None
    settings: dict[str, dict[str, str]] = {}
    for value in values:
        name, equals, text = value.partition("=")
        engine, dot, field = name.partition(".")
        if equals and dot and engine and field and "/" not in name:
            settings.setdefault(engine, {})[field] = text
        elif folder is None:
            folder = at_home(value)
            if os.path.isfile(folder):  # noqa: PTH113 - Path's raises for names that are too long
                raise UsageError(f"-o {value} is a file", "-o takes a folder")
        else:
            raise UsageError(f"two output folders, {folder} and {value}", "name one")
    found = {"output_dir": folder, "settings": settings}
    return {name: value for name, value in found.items() if value}


def outline(arguments: Sequence[str], options: type[Options] = Options) -> list[str]:
    """The flags among some arguments, for a report that others may read: with their values where
    these are numbers, languages or names that are dubkit's own, and without any name or text."""
    known = {flag: option for option in list_options(options) for flag in _flags(option)}
    opposite = filter(None, map(_opposite, list_options(options)))
    known_flags = {*known, *opposite, *(flag for flags, *_ in GENERAL for flag in flags)}
    found: list[str] = []
    option: Option | None = None
    for argument in arguments:
        flag, equals, value = argument.partition("=")
        if flag in known_flags:
            found.append(flag)
            option = known.get(flag)
            if not equals:
                continue
        else:
            value = argument
        shown = value if option and _may_be_shown(option, value) else "..."
        found.append(shown)
        option = None
    return found


def _may_be_shown(option: Option, value: str) -> bool:
    if option.type in (int, float):
        return value.replace(".", "", 1).isdecimal()
    if option.tag:
        return all(map(is_tag, value.split(",")))
    known = {*option.choices, *(one.name for one in engines.plugins(option.engine))}
    return value in known


def options_tables(options: type[Options] = Options) -> str:
    """The options for the site, in Markdown: a heading and a table for each group."""
    parts = [
        _table(title, [(_typed(one), _keyword(one), _about(one)) for one in members])
        for title, members in _groups(options)
    ]
    general = [
        (_code(*flags[:-1], f"{flags[-1]} {more.get('metavar', '')}".rstrip()), "", about or help)
        for flags, help, about, more in GENERAL
    ]
    return "\n".join([*parts, _table("general", general)])


def _table(title: str, rows: Sequence[tuple[str, str, str]]) -> str:
    head = f"## {title.capitalize()}\n\n| option | in Python | what it does |\n|---|---|---|\n"
    return head + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _typed(option: Option) -> str:
    value = f"[{option.metavar}]" if option.bare else option.metavar
    *short, long = _flags(option)
    return _code(*short, f"{long} {value}".rstrip())


def _keyword(option: Option) -> str:
    return f"`{option.name}=False`" if option.default is True else f"`{option.name}`"


def _code(*names: str) -> str:
    whole = (name.replace("|", "&#124;") for name in names)  # it would end a table's cell
    return ", ".join(f"<code>{name}</code>" if "&" in name else f"`{name}`" for name in whole)


def _flags(option: Option) -> list[str]:
    return [option.short, option.flag] if option.short else [option.flag]


def _about(option: Option) -> str:
    about = option.about or option.help
    if "{engines}" not in about:
        return about
    plugins = engines.plugins(option.engine)
    names = [one.name for one in plugins if one.distribution.split()[0] == "dubkit"]
    return about.replace("{engines}", ", ".join(f"`{name}`" for name in names))
