"""Makes the pages of docs/reference/ from the code: ``python docs/make_reference.py``.

``tests/test_docs.py`` fails while one of them differs from what this would write. Nothing here is
imported by dubkit, and no engine is imported by this: settings are read from the sources, since
importing torch for them would take many seconds.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import re
import signal
import tomllib
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import dubkit
from dubkit import engines, errors, hooks, subtitles
from dubkit.api.command import serve_parser
from dubkit.api.mcp_command import mcp_parser
from dubkit.cli import (
    check,
    clean,
    completion,
    distill,
    doctor,
    events,
    faces,
    main,
    models,
    parser,
    setup,
    show_config,
    sync,
)
from dubkit.cues import profiles
from dubkit.cues.check import Violation
from dubkit.dub import report as dub_report
from dubkit.pipeline import report
from dubkit.types import (
    Cue,
    Dub,
    Result,
    SpokenLine,
    Track,
    Translation,
    UntranslatedLine,
    Usage,
)
from dubkit.web import limits, serve
from dubkit_plugins.tools import load_preset, presets

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs/reference"
MADE = "<!-- Made from the code by docs/make_reference.py, which a test compares with it. -->"
ROLE = re.compile(r":\w+:`(~?)([^`<>]+)`")
"""A cross-reference in a docstring, as in ``:func:`.check` ``."""

# ---------------------------------------------------------------- docstrings


def plain(docstring: str) -> str:
    """A docstring's text as Markdown: its cross-references are the names."""

    def name(match: re.Match[str]) -> str:
        path = match[2].lstrip(".")
        return f"`{path.rpartition('.')[2] if match[1] else path}`"

    return ROLE.sub(name, inspect.cleandoc(docstring))


def cell(text: str) -> str:
    """Text in a row of a table: one line, without what would end it."""
    return " ".join(plain(text).split()).replace("|", "\\|")


def first_paragraph(docstring: str | None) -> str:
    return plain(docstring or "").partition("\n\n")[0].replace("\n", " ")


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def documented(body: Sequence[ast.stmt]) -> dict[str, str]:
    """The docstring below each name that is assigned in a module or class; "" without one."""
    found = {}
    for statement, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign):
            target = statement.target
        elif isinstance(statement, ast.Assign):
            target = statement.targets[0]
        else:
            continue
        if isinstance(target, ast.Name):
            found[target.id] = _string(following)
    return found


def _string(statement: ast.stmt | None) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return str(statement.value.value)
    return ""


def docs_of(thing: Any) -> dict[str, str]:
    """The docstrings of the names in a module or class, properties included."""
    tree = ast.parse(inspect.getsource(thing))
    body = tree.body if inspect.ismodule(thing) else tree.body[0].body  # type: ignore[attr-defined]
    functions = {
        one.name: ast.get_docstring(one) or "" for one in body if isinstance(one, ast.FunctionDef)
    }
    return {**documented(body), **functions}


def fields_table(kind: Any) -> str:
    """The fields of a dataclass with type and meaning."""
    docs = docs_of(kind)
    rows = ((f"`{one.name}`", kind_of(str(one.type)), cell(docs[one.name])) for one in fields(kind))
    return table(("field", "type", "meaning"), rows)


def kind_of(annotation: str) -> str:
    """A type in a row of a table, which a bar would end."""
    return f"`{annotation.replace(' | ', ' or ')}`"


# ---------------------------------------------------------------- pages


def options_page() -> str:
    return f"""\
# Options of the command

`dubkit INPUT... --subs --to LANGUAGE [options]`; inputs are files, folders and patterns. In Python
the same options are keywords of [`dubkit.run`](python.md): their names are in the second column.

{parser.options_tables()}"""


COMMANDS: Mapping[str, Callable[[], argparse.ArgumentParser]] = {
    "check": check.check_parser,
    "plugins": doctor.plugins_parser,
    "doctor": doctor.doctor_parser,
    "models": models.models_parser,
    "config": show_config.config_parser,
    "clean": clean.clean_parser,
    "completion": completion.completion_parser,
    "distill": distill.distill_parser,
    "faces": faces.faces_parser,
    "setup": setup.setup_parser,
    "sync": sync.sync_parser,
    "ui": serve.ui_parser,
    "serve": serve_parser,
    "mcp": mcp_parser,
}


def commands_page() -> str:
    parts = ["# Other commands\n\nEach shows its own options with `--help`.\n"]
    assert {*main.COMMANDS, "ui", "serve", "mcp"} == {*COMMANDS}
    for name, parser_of in COMMANDS.items():
        made = parser_of()
        parts.append(f"## dubkit {name}\n\n{_escaped(made.description or '')}\n")
        rows = (
            (_typed(one), _escaped(_help(one)))
            for one in made._actions
            if one.dest != "help" and not _typed(one).startswith("`--max-")
        )
        parts.append(table(("", ""), rows))
        if name in ("ui", "serve"):
            parts.append("and its [limits](limits.md).\n")
    return "\n".join(parts)


def _typed(action: argparse.Action) -> str:
    names = action.option_strings or [str(action.metavar or "/".join(action.choices or ()))]
    value = action.metavar if action.option_strings and action.nargs != 0 else None
    return ", ".join(f"`{f'{name} {value}' if value else name}`" for name in names)


def _help(action: argparse.Action) -> str:
    return (action.help or "") % {"default": action.default}


def _escaped(text: str) -> str:
    """Words of the command's help, which is no Markdown."""
    return re.sub(r"([|*_<>])", r"\\\1", " ".join(text.split()))


def formats_page() -> str:
    rows = (
        (
            f"`{one.name}`",
            ", ".join(f"`{suffix}`" for suffix in one.suffixes),
            cell(first_paragraph(inspect.getmodule(one.write).__doc__)).rstrip("."),
            "yes" if one.parse else "no",
        )
        for one in subtitles.FORMATS.values()
    )
    return f"""\
# Subtitle formats

`--format` takes these names, separated by commas; without it the format is that of the file that
the text came from, else `srt`. The format of a file that is read shows in its suffix, and a file
that begins like another format is read as that, with a warning.

{table(("`--format`", "suffixes", "what it is", "is read"), rows)}
Tracks in a video have the format that its container can hold: `mov_text` in mp4, mov and m4v, `srt`
in mkv (`ass` if `--format` names it), `webvtt` in webm.
"""


def profiles_page() -> str:
    docs = docs_of(profiles.Limits)
    names = list(profiles.PROFILES)
    general = {name: profiles.limits(name, "und") for name in names}
    rows = (
        (f"`{one.name}`", cell(docs[one.name]), *(_number(general[n], one.name) for n in names))
        for one in fields(profiles.Limits)
        if one.name != "full_width"
    )
    languages = sorted(
        {
            tag
            for profile in profiles.PROFILES.values()
            for tag in (*profile.line_width, *profile.reading_speed)
            if tag
        }
    )
    by_language = (
        (f"`{tag}`", dubkit.language_name(tag), *(_of_language(name, tag) for name in names))
        for tag in languages
    )
    heads = [f"`{name}`" for name in names]
    return f"""\
# Profiles

What `--profile` stands for. `--max-line-width`, `--max-lines`, `--max-words-per-cue` and `--cps`
change single limits; `dubkit check` compares a file with a profile.

{table(("", "", *heads), rows)}
Characters in a line, and characters in a second, where a language has its own. In Chinese,
Japanese and Korean full-width characters count as one, and all others as a half.

{table(("", "language", *heads), by_language)}
Sources: {plain(profiles.__doc__ or "").partition("Sources: ")[2].strip()}
"""


def _number(limits: profiles.Limits, name: str) -> str:
    value = getattr(limits, name)
    return "none" if value is None else f"{round(value, 3):g}"


def _of_language(profile: str, tag: str) -> str:
    found = profiles.limits(profile, tag)
    return f"{found.line_width:g}, {found.reading_speed:g}"


def statuses_page() -> str:
    kinds = [errors.DubkitError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    own = [one for one in kinds if one.__module__ == errors.__name__ and one not in kinds[:1]]
    raised: dict[int, list[str]] = {}
    for one in own:
        text = first_paragraph(one.__doc__)
        raised.setdefault(one.exit_status, []).append(f"`{one.__name__}`: {text}")
    ends = {
        0: ["Everything that was asked for is made."],
        main.SOME_FAILED: [
            first_paragraph(docs_of(main)["SOME_FAILED"]),
            "`dubkit check`: a cue has an error, or one of several files cannot be read.",
            "`dubkit doctor`: the main job would fail.",
        ],
        errors.PARTLY_DONE: [first_paragraph(docs_of(errors)["PARTLY_DONE"])],
        128 + signal.SIGINT: ["It was stopped by Ctrl-C."],
        128 + signal.SIGTERM: ["It was stopped by SIGTERM."],
        129: ["Its terminal was closed."],
    }
    every = sorted({**ends, **raised})
    rows = ((str(one), " ".join([*ends.get(one, []), *raised.get(one, [])])) for one in every)
    return f"""\
# Exit statuses

What the command returns to a shell, and the exceptions of dubkit that end with it. In Python the
functions raise these; each has a `message` and a `hint`, what to try next. With several inputs,
each that fails is reported and the others are processed; `--json` lists them all under `errors`,
with the status of each.

{table(("status", "what happened"), rows)}"""


FACTS = {
    "source": "The input.",
    "outputs": "The files that it has now, in the order in which they were made.",
    "language": "The language of its text.",
    "languages": "Those of its cues, with how many are in each.",
    "cues": "How many cues its text has.",
    "translations": "One for each language of `--to`; see below.",
    "profile": "Whose limits the cues were checked against.",
    "violations": "What they break of it; see below.",
    "warnings": "A sentence each.",
}
"""Keys of a report that are not explained where they are made."""


def report_page() -> str:
    result, dub = _sample()
    docs = {**docs_of(Result), "partial": docs_of(Result)["is_partial"]}
    written = {
        **report.summary(result),
        "profile": profiles.DEFAULT,
        "violations": [],
    }
    keys = ((f"`{key}`", cell(FACTS.get(key) or docs[key])) for key in written)
    printed = main._summary([result], [(Path("other.mp4"), report.untranslated_error(_failed()))])
    language = ", ".join(f"`{key}`" for key in report.translation(_failed()))
    return f"""\
# Reports

Four things for programs: `report.json`, the object of `--json`, the lines of `--events`, and the
report of a dub.

## report.json

In the workspace, `talk.dubkit/report.json`: what the last run that did any work made, and every cue
that breaks a rule of the profile.

{table(("key", "meaning"), keys)}
Of each language in `translations` there are {language},
and its own `violations`. `failed` has the lines that keep the language of the original:

{fields_table(UntranslatedLine)}
`usage` is what the engine's provider counts:

{fields_table(Usage)}
Each of the `violations`:

{fields_table(Violation)}
## --json

One object on standard output at the end, with totals over all inputs, and under `results` for each
input what its `report.json` begins with:

{_code(printed)}
## --events

{plain(events.__doc__ or "").partition(chr(10) * 2)[2]}

## The report of a dub

`talk.pt.dub.json`, beside the video. With `--lipsync` it also has the spans of the picture that
were redrawn (`lipsync`), and always the seconds and dollars that were `spent`.

{_code(dub_report.to_json(dub))}
`line` is the `number` of a line:

{fields_table(SpokenLine)}"""


def _sample() -> tuple[Result, Dub]:
    failed = _failed()
    line = SpokenLine(
        number=1, cues=(1,), source="Good morning.", text="Bom dia.", slot=(0.7, 1.9),
        spoken=0.85, start=0.7, end=1.55, stretch=1.0, shift=0.0, steps=(), speaker="S1",
        voice="pf_dora", before=(), warnings=(),
    )  # fmt: skip
    dub = Dub("pt", Path("talk.pt.dubbed.mp4"), Path("talk.pt.dub.json"), "kokoro", (line,))
    paths = tuple(map(Path, ("talk.en.srt", "talk.pt.srt", "talk.subbed.mp4")))
    track = Track("en", (Cue(0.7, 1.9, "Good morning."), Cue(2.0, 3.5, "Dashwood!")))
    timings = {"transcribe": 2.1, "translate": 0.4, "total": 3.2}
    return Result(Path("talk.mp4"), paths, track, timings, 8.1, (), (failed,)), dub


def _failed() -> Translation:
    track = Track("pt", (Cue(0.7, 1.9, "Bom dia."), Cue(2.0, 3.5, "Dashwood!")))
    line = UntranslatedLine((2,), "Dashwood!", "the reply has no text for it")
    usage = Usage(1, 120, 18, 0.0001)
    return Translation(track, "openai", "gpt-4.1-mini", 2, 0, (line,), usage)


def _code(value: object) -> str:
    return f"```json\n{json.dumps(value, ensure_ascii=False, indent=1)}\n```\n"


def limits_page() -> str:
    return f"""\
# Limits of the page

What a file, a request and a job of `dubkit ui` may take, and the option that sets each. The first
default is for a page that only this machine can reach; the second with `--host`, `--share` or a
password.

{limits.table()}

Of the disk, a gigabyte stays free besides (a twentieth of a small disk). On Windows the limits of a
running job (memory, files, time, processes) do not exist.
"""


# ---------------------------------------------------------------- engines


def engines_page() -> str:
    parts = [
        "# Engines and their settings\n\n"
        "`-o NAME.FIELD=VALUE` sets a field, as often as you like; in Python it is\n"
        '`settings={"NAME": {"FIELD": VALUE}}`. `dubkit plugins` says which of these engines are '
        "ready here,\nand [plugins](../../plugins/README.md) what each needs. An engine of "
        "somebody else documents its own.\n"
    ]
    names: list[str] = []
    for kind, protocol in hooks.KINDS.items():
        parts.append(f"## {kind.capitalize()}\n\n{first_paragraph(protocol.__doc__)}\n")
        for plugin in engines.plugins(kind):
            if plugin.distribution.split()[0] == "dubkit":
                parts.append(_engine(plugin, plugin.name in names))
                names.append(plugin.name)
    return "\n".join(parts)


def _engine(plugin: engines.Plugin, shown: bool) -> str:
    """An engine, whose settings may be ``shown`` already with another kind of the same name."""
    name = plugin.entry_point.attr
    module = _module(plugin.entry_point.module)
    text = ast.get_docstring(module.classes[name]) or ""
    settings = settings_of(module, name)
    rows = (
        (f"`{plugin.name}.{key}`", kind_of(kind), f"`{default}`", cell(text))
        for key, (kind, default, text) in settings.items()
    )
    listed = table(("setting", "type", "default", "meaning"), rows)
    if shown or not settings:
        listed = "Its settings are those above.\n" if shown else "It has no settings.\n"
    return f"### {plugin.name}\n\n{plain(text)}\n\n{listed}"


class _Source:
    """The classes of a module of an engine, and where it imports others from."""

    def __init__(self, name: str) -> None:
        path = ROOT.joinpath("plugins", *name.split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        tree = ast.parse(file.read_text("utf-8"))
        package = name if path.is_dir() else name.rpartition(".")[0]
        self.constants = {
            ast.unparse(one.targets[0]): ast.unparse(one.value)
            for one in tree.body
            if isinstance(one, ast.Assign)
        }
        self.classes = {one.name: one for one in tree.body if isinstance(one, ast.ClassDef)}
        self.imports = {
            alias.asname or alias.name: f"{package}.{one.module}"
            for one in tree.body
            if isinstance(one, ast.ImportFrom) and one.level == 1 and one.module
            for alias in one.names
        }


_SOURCES: dict[str, _Source] = {}


def _module(name: str) -> _Source:
    if name not in _SOURCES:
        _SOURCES[name] = _Source(name)
    return _SOURCES[name]


def settings_of(module: _Source, name: str) -> dict[str, tuple[str, str, str]]:
    """Type, default and docstring of the fields of a dataclass and of its bases, by name."""
    found: dict[str, tuple[str, str, str]] = {}
    own = module.classes[name]
    for base in reversed(own.bases):
        if isinstance(base, ast.Name) and base.id in module.classes:
            found |= settings_of(module, base.id)
        elif isinstance(base, ast.Name) and base.id in module.imports:
            found |= settings_of(_module(module.imports[base.id]), base.id)
    if not any("dataclass" in ast.unparse(one) for one in own.decorator_list):
        return found
    docs = documented(own.body)
    for one in own.body:
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and one.value:
            default = ast.unparse(one.value)
            key = one.target.id
            if not key.startswith("_") and "init=False" not in default:
                shown = module.constants.get(default, default)
                found[key] = (ast.unparse(one.annotation), shown, docs[key])
    return found


# ---------------------------------------------------------------- outside tools

DOES = {
    "synthesizer": ("speaks", "speaks, clones voices"),
    "converter": ("turns speech into a trained voice", "turns speech into the voice of a clip"),
    "lipsyncer": ("redraws mouths", "redraws mouths"),
}
COMMERCIAL = {True: "yes", False: "**no**", None: "see the licence"}


def tools_page() -> str:
    shown = []
    for file in sorted((ROOT / "examples/presets").glob("*.toml")):
        content = tomllib.loads(file.read_text("utf-8"))
        way = "http" if "http" in content else "run"
        shown.append(load_preset.load(file, content["kind"], way))
    parts = [
        """\
# Outside tools

What dubkit can use beside its own engines, by the name that stands for each: `--tts f5-tts`,
`--convert rvc`, `--lipsync wav2lip`. `dubkit setup NAME` installs one where that is known, after
asking; what else there is to it stands in its [preset](../../examples/presets/README.md). Each
speaks only the languages that stand here. Licences are those of program and models, and the word of
their authors holds, not this table. Commercial use is what these forbid or allow; a voice that you
trained, or a face, is a matter of its owner.
"""
    ]
    for kind, (plain_words, cloning) in DOES.items():
        rows = (
            (
                f"`{one.tool_name}`",
                f"[{one.name}]({one.homepage}) {cloning if one.speech.clones else plain_words}"
                + (", as a server" if one.http else ""),
                *([_languages(one)] if kind == "synthesizer" else []),
                cell(one.licence),
                COMMERCIAL[one.commercial],
                _gigabytes(one),
                "yes" if one.needs.packages else "by hand",
            )
            for one in shown
            if one.kind == kind
        )
        languages = ["languages"] if kind == "synthesizer" else []
        head = ("name", "what it does", *languages, "licences", "commercial use", "size", "setup")
        parts.append(f"## {kind.capitalize()}s\n\n{table(head, rows)}")
    parts.append(
        "Sizes are of programs, with the torch that pip takes on Linux, and of models, together, "
        "where known;\nwithout CUDA a program is some 4 GB smaller.\n"
    )
    return "\n".join(parts)


def _languages(preset: presets.Preset) -> str:
    tags = list(preset.speech.languages)
    rest = f" and {len(tags) - 24} more" if len(tags) > 24 else ""
    return ", ".join(tags[:24]) + rest


def _gigabytes(preset: presets.Preset) -> str:
    needs = preset.needs
    megabytes = needs.size + sum(one.size for one in needs.weights)
    return f"{megabytes / 1000:.1f} GB" if needs.size else ""


# ---------------------------------------------------------------- the Python API

GROUPS = {
    "dubkit.pipeline": "Running it",
    "dubkit.options": "Options",
    "dubkit.types": "Values",
    "dubkit.errors": "Errors",
    "dubkit.hooks": "Engines",
}
"""Headings by the module in which a name is at home; all others are for plugins."""


def python_page() -> str:
    by_group: dict[str, list[str]] = {title: [] for title in (*GROUPS.values(), "For plugins")}
    for name in dubkit.__all__:
        home = inspect.getmodule(getattr(dubkit, name))
        module = home.__name__ if isinstance(home, types.ModuleType) else "dubkit.hooks"
        by_group[GROUPS.get(module, "For plugins")].append(name)
    parts = [
        "# The Python API\n\nEverything that `dubkit` itself exports is public, and nothing else. "
        "[First steps](../start/developer.md) has\nexamples.\n"
    ]
    for title, names in by_group.items():
        parts.append(f"## {title}\n")
        for name in names:
            parts.append(f"::: dubkit.{name}\n{_SHOWN.get(name, '')}")
    return "\n".join(parts)


_SHOWN = {
    "Options": "    options:\n      members: false\n      show_signature: false\n",
}
"""How a name is shown, if not as all others: the fields of Options have a page of their own."""

PAGES: Mapping[str, Callable[[], str]] = {
    "options.md": options_page,
    "commands.md": commands_page,
    "formats.md": formats_page,
    "profiles.md": profiles_page,
    "exit-statuses.md": statuses_page,
    "reports.md": report_page,
    "limits.md": limits_page,
    "engines.md": engines_page,
    "tools.md": tools_page,
    "python.md": python_page,
}


def render(name: str) -> str:
    """A page as it should be."""
    return f"{MADE}\n\n{PAGES[name]().rstrip()}\n"


def write_all() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in PAGES:
        (FOLDER / name).write_text(render(name), "utf-8", newline="\n")


if __name__ == "__main__":
    write_all()
