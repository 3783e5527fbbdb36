"""Presets: TOML files that describe how an external tool is called; loaded, validated, filled in.

A preset is data. Its strings contain placeholders, ``{text}`` or ``{settings.repo}``. A value that
replaces one is never scanned for placeholders again, so that nothing in a subtitle is taken for
more than text. An unknown key or placeholder is refused when the file is loaded, with the names of
the valid ones. Running a tool is for :mod:`.command` and :mod:`.http`.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any

from dubkit import UsageError, at_home

PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*(?:\.\w+)?)\}")
OF_SETUP = ("bin", "repo")
"""Placeholders that [needs] may have in ``settings``, and that name what was set up."""
NO_KEYS = ("here", "stem", "unfilled")
"""Fields of a preset that are no keys of the file."""
INPUTS: Mapping[str, tuple[str, ...]] = {
    "synthesizer": (
        "text", "text_file", "language", "speaker", "reference", "references", "reference_text",
        "reference_language", "seed", "seconds",
    ),
    "converter": (
        "audio", "speaker", "reference", "references", "reference_text", "reference_language",
    ),
    "lipsyncer": ("video", "audio", "person", "first_frame", "last_frame"),
}  # fmt: skip
"""The inputs of each kind of tool, which are also placeholders. ``reference`` is the cleanest clip
of a voice. ``references`` is all clips; it must be a string of its own and becomes that many
arguments. ``first_frame`` and ``last_frame``, which is the number after the last one's, are those
of the shot in the crop called ``person`` (``dubkit faces``): a lip-syncer with them is one that was
trained on it."""
COMMON = ("id", "work", "out", "out_dir", "run_dir", "python", "here", "request")
"""Placeholders of every kind of tool."""
OF_A_VOICE = (
    "language", "speaker", "reference", "references", "reference_text", "reference_language",
)  # fmt: skip
"""Inputs that many items share. A batch may have them in its ``argv``: items that differ in one of
these are done by different runs."""
ENCODED = ("audio_base64", "reference_base64")
"""Files as text, for servers that take them inside of JSON."""
FILES = ("audio", "video", "reference", "references", "text_file")
"""Inputs that are files and can be staged."""


@dataclass(frozen=True, slots=True)
class SpeechCapabilities:
    """[speech]: the languages and voices of a tool."""

    languages: Mapping[str, Any] = field(default_factory=dict)
    """The tool's own name for each language, by the primary subtag of BCP 47; a list of them, if it
    has the same names."""
    voices: tuple[str, ...] = ()
    """Built-in voices, for every language."""
    clones: bool = False
    """Whether it takes the voice from clips."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """[[needs.weights]]: files of a model that the tool needs beside its program."""

    name: str
    source: str
    """Where they are published: the address of the one file, or of a page."""
    licence: str
    size: int
    """Megabytes."""
    to: str = ""
    """Where the file at ``source`` belongs, relative to ``run.cwd``; "" if the tool has a place of
    its own for them, as most have that get them at first use."""
    get: tuple[str, ...] = ()
    """The arguments of a program that gets them to that place before."""
    by_hand: bool = False
    """Whether ``source`` is a page, from which a person has to get them."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """[needs]: what must be installed before the tool can work, and how.

    ``{python}`` is the tool's own interpreter."""

    like: str = ""
    """Another preset in the same folder, of the same tool: what its [needs] has holds for this one,
    too, but for keys that stand here. They share an installation."""
    files: tuple[str, ...] = ()
    """Files and folders, relative to ``run.cwd``."""
    programs: tuple[str, ...] = ()
    """Names to be found on PATH."""
    person: str = ""
    """The file or folder, relative to ``run.cwd`` and with ``{person}`` in it, that is there if the
    tool was trained on a person."""
    python: tuple[str, ...] = ()
    """Versions of Python that it runs on, as ``3.11``, the best first."""
    packages: tuple[str, ...] = ()
    """What ``pip install`` takes: requirements, pinned enough to work, and ``-r FILE`` of the
    repository, as two."""
    size: int = 0
    """Megabytes of an environment with these."""
    git: str = ""
    """A repository to clone, and the commit: ``https://...@COMMIT``."""
    weights: tuple[ModelFiles, ...] = ()
    run: tuple[str, ...] = ()
    """The arguments of a program that ends with status 0, soon, only if the tool starts."""
    start: tuple[str, ...] = ()
    """What starts the server."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """The settings by which the tool is found once ``dubkit setup`` has installed it: ``{python}``
    is then the interpreter of the new environment, ``{bin}`` its folder of programs, and ``{repo}``
    the repository."""
    install: str = ""
    """What else the user has to type or read; all of it if ``packages`` and ``git`` are empty."""


@dataclass(frozen=True, slots=True)
class StagedInput:
    """[[stage]]: an input to copy to where the tool looks for it; its placeholder then stands for
    the copy."""

    input: str
    to: str
    """Relative to ``run.cwd``. Copies of ``references`` are numbered."""
    rate: int = 0
    """Hz; 0 for the input's own."""
    channels: int = 0
    """0 for the input's own."""
    pad: float = 0.0
    """Seconds to add at the end, for a tool that cuts the end off. They are almost silent, as some
    tools fail on digital silence."""


@dataclass(frozen=True, slots=True)
class Program:
    """[run]: how a program is run."""

    argv: tuple[Any, ...]
    """Arguments. A list among them is omitted as a whole if a placeholder in it is empty, and
    ``{when = "{settings.x}", args = [...]}`` if the value of ``when`` is empty or false. In a batch
    ``{each = [...]}`` stands there once for each item."""
    how: str = "once"
    """``once``: one run for each item. ``worker``: a program that keeps running, reads a line of
    JSON for each item (``request``) and answers ``{"id": ..., "ok": true}`` or
    ``{..., "error": "why"}``. ``batch``: one run for many items, which it finds in the folder
    ``{run_dir}``, in its ``argv`` by ``each``, or in the ``request`` by ``item``."""
    python: str = ""
    """The tool's own Python interpreter, ``{python}``."""
    cwd: str = "{work}"
    env: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    """Written as JSON to the file ``{request}``; for a worker, the line for an item."""
    item: Mapping[str, Any] = field(default_factory=dict)
    """What the ``request`` of a batch has for each item, in its list ``items`` ..."""
    item_key: str = ""
    """... or, if this is given, under this key: ``task_{id}``."""
    batch: int = 50
    """Items per run, at most."""
    timeout: float = 600.0
    """Seconds per item."""
    start_timeout: float = 600.0
    """Additional seconds for a worker's first item or for a batch, to load a model."""
    retries: int = 0
    parallel: int = 1
    exclusive: bool = False
    """Whether two runs in the same ``cwd`` disturb each other, on whatever devices."""
    bar: str = ""
    """The label of the progress bar (tqdm) on its output that stands for the whole work, if it
    shows several."""
    plain_paths: bool = False
    """Whether it passes paths to a shell unquoted, so that they must not contain spaces."""


@dataclass(frozen=True, slots=True)
class OutputFile:
    """[output]: the file that the program writes. Either ``path`` or ``glob``."""

    path: str = ""
    glob: str = ""
    """A pattern whose newest match is used, relative to ``run.cwd``."""
    rate: int = 0
    """Required sample rate in Hz; 0 for any."""
    largest: int = 2_000
    """Megabytes."""


@dataclass(frozen=True, slots=True)
class ReplyFormat:
    """[http.reply]: what a server answers."""

    kind: str = "audio"
    """``audio``: an audio file; ``pcm16``: raw samples; ``base64`` or ``url``: an audio file in, or
    at the address in, the string at ``path`` of a JSON answer."""
    path: str = ""
    """Keys and indexes joined by dots: ``data.0.audio``."""
    rate: Any = 0
    """Sample rate of ``pcm16`` in Hz; otherwise the required rate, 0 for any."""
    other_hosts: bool = False
    """Whether ``url`` may point to another server."""
    largest: int = 200
    """Megabytes."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """[http]: how a server is called."""

    url: str
    method: str = "POST"
    headers: Mapping[str, Any] = field(default_factory=dict)
    """``${NAME}`` in a value is replaced from the environment."""
    query: Mapping[str, Any] = field(default_factory=dict)
    json: Mapping[str, Any] = field(default_factory=dict)
    form: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Any] = field(default_factory=dict)
    """Fields of a multipart form, each with the path of the file to send; ``form`` is sent too."""
    reply: ReplyFormat = field(default_factory=ReplyFormat)
    health: str = ""
    """An address that answers once the server is ready."""
    timeout: float = 300.0
    """Seconds per item."""
    retries: int = 3
    parallel: int = 1


@dataclass(frozen=True, slots=True)
class Preset:
    """A tool and how to call it. The fields are the keys of the TOML file."""

    kind: str
    """``synthesizer``, ``converter`` or ``lipsyncer``."""
    name: str
    licence: str
    homepage: str
    commercial: bool | None = None
    """Whether the licences of program and models allow commercial use; left out if that depends,
    as on the voice that was trained."""
    checked: str = ""
    """File and commit of the tool that the preset was checked against."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the user can set, with defaults; each may refer to those before it."""
    speech: SpeechCapabilities = field(default_factory=SpeechCapabilities)
    frame_rate: float | None = None
    """Frames per second that a lip-syncer requires."""
    needs: Requirements = field(default_factory=Requirements)
    stage: tuple[StagedInput, ...] = ()
    run: Program | None = None
    output: OutputFile = field(default_factory=OutputFile)
    http: Endpoint | None = None
    here: Path = Path()
    """The folder of the preset's file, ``{here}``; not a key."""
    unfilled: Mapping[str, Any] = field(default_factory=dict)
    """The settings before their references to each other are replaced; not a key."""
    stem: str = ""
    """The name of that file, without its ending; not a key."""

    @property
    def tool_name(self) -> str:
        """What a user calls the tool: ``f5-tts``."""
        return self.stem.replace("_", "-")


# ---------------------------------------------------------------- loading


def list_shipped(kind: str, table: str) -> dict[str, str]:
    """The presets that come with dubkit for a kind of tool and have ``table`` (``run`` or
    ``http``), by name, each with the tool's name and license."""
    shipped = {}
    for file in _shipped_files():
        preset = tomllib.loads(file.read_text("utf-8"))
        if preset.get("kind") == kind and table in preset:
            shipped[file.stem] = f"{preset['name']}; {preset['licence']}"
    return shipped


def list_cloners(language: str) -> list[str]:
    """The tools that come with a preset and speak a language, a primary subtag, in the voice of a
    clip; those that may be used commercially first."""
    found = []
    for file in _shipped_files():
        preset = tomllib.loads(file.read_text("utf-8"))
        speech = preset.get("speech", {})
        if speech.get("clones") and language in speech.get("languages", {}):
            found.append((not preset.get("commercial"), file.stem.replace("_", "-")))
    return [name for _, name in sorted(found)]


def _shipped_files() -> list[Path]:
    # In the wheel they are beside this module, in a checkout among the examples.
    beside = Path(__file__).parent
    for folder in (beside / "preset_files", beside.parents[2] / "examples/presets"):
        if folder.is_dir():
            return sorted(folder.glob("*.toml"))
    return []


def is_shipped(preset: Preset) -> bool:
    """Whether a preset comes with dubkit, so that its name stands for it."""
    return any(file.parent == preset.here for file in _shipped_files())


def no_preset_message(engine: str, kind: str, table: str) -> str:
    """How to set a preset for an engine that has none."""
    choices = ", ".join([*list_shipped(kind, table), "or a TOML file of your own"])
    return f"no preset is set: -o {engine}.preset=NAME ({choices.removeprefix('or ')})"


def load(given: Path, kind: str, table: str, overrides: str = "") -> Preset:
    """Load a preset by name or file, with the user's settings applied.

    ``table`` is the one that the preset must have: ``run`` or ``http``. Raises UsageError for
    anything wrong with the file or the settings.
    """
    path = at_home(given)
    if path.name == str(path) and not path.suffix and not path.is_file():
        named = [file for file in _shipped_files() if file.stem == path.name.replace("-", "_")]
        if not named:
            near = difflib.get_close_matches(path.name, [file.stem for file in _shipped_files()], 1)
            raise UsageError(
                f"there is no preset named {path.name!r}",
                (f"did you mean {near[0]}? " if near else "")
                + f"There are {', '.join(list_shipped(kind, table))}; a file ends with .toml",
            )
        path = named[0]
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(
            f"the preset {path} cannot be read: {error.strerror}",
            f"dubkit has {', '.join(list_shipped(kind, table))}",
        ) from None
    except ValueError as error:
        raise UsageError(f"the preset {path.name} is not TOML: {error}", "correct it") from None
    _add_needs(content, path)
    preset = typing.cast(Preset, _parse_table(Preset, content, path.name, ""))
    _validate(preset, path.name, kind, table)
    chosen = _apply_settings(preset, path.name, kind, overrides)
    return dataclasses.replace(
        preset,
        settings=filled_settings(chosen),
        unfilled=chosen,
        here=path.absolute().parent,
        stem=path.stem,
    )


def _add_needs(content: dict[str, Any], path: Path) -> None:
    """Add to [needs] what the preset has there that it is ``like``. Raises UsageError."""
    needs = content.get("needs")
    if not isinstance(needs, dict) or not (other := needs.get("like")):
        return
    file = path.with_name(f"{other}.toml")
    try:
        its = tomllib.loads(file.read_text("utf-8")).get("needs", {})
    except (OSError, ValueError) as wrong:
        raise UsageError(
            f"{path.name}: needs.like: {file} cannot be read: {wrong}", "name a preset beside it"
        ) from None
    if not isinstance(its, dict) or "like" in its:
        raise UsageError(
            f"{path.name}: needs.like: {file.name} has no [needs] of its own", "name another"
        )
    content["needs"] = {**its, **needs}


def _parse_table(kind: Any, table: Any, file: str, where: str) -> Any:
    """A dataclass of type ``kind`` from a TOML table; ``where`` is its name in messages."""
    if not isinstance(table, dict):
        raise UsageError(f"{file}: [{where}] is not a table", f"write [{where}] and its keys below")
    fields = {f.name: f for f in dataclasses.fields(kind) if f.name not in NO_KEYS}
    title = f"[{where}]" if where else "the top of a preset"
    for key in table:
        if key not in fields:
            raise UsageError(
                f"{file}: {title} has no key {key!r}", f"its keys: {', '.join(sorted(fields))}"
            )
    for name, known in fields.items():
        needed = known.default is MISSING and known.default_factory is MISSING
        if needed and name not in table:
            raise UsageError(f"{file}: {title} lacks {name!r}", f"add {name} = ...")
    hints = typing.get_type_hints(kind)
    if isinstance(listed := table.get("languages"), list):
        table = {**table, "languages": {str(tag): tag for tag in listed}}
    values = {
        key: _parse_value(hints[key], value, file, f"{where}.{key}".lstrip("."))
        for key, value in table.items()
    }
    return kind(**values)


def _parse_value(hint: Any, value: Any, file: str, where: str) -> Any:
    """A TOML value, checked against a type annotation."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next(choice for choice in typing.get_args(hint) if choice is not type(None))
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        return _parse_table(hint, value, file, where)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise UsageError(f"{file}: {where} is not a list", f"write {where} = [...]")
        inner = typing.get_args(hint)[0]
        return tuple(_parse_value(inner, each, file, where) for each in value)
    if hint is float and type(value) is int:
        value = float(value)
    wanted = dict if typing.get_origin(hint) is not None else hint
    if type(value) is not wanted:
        names = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}
        raise UsageError(
            f"{file}: {where} is {names.get(wanted, 'a table')}, not {value!r}", "correct it"
        )
    return value


def _validate(preset: Preset, file: str, kind: str, table: str) -> None:
    """Raise UsageError for what the types cannot rule out."""

    def one_of(what: str, value: str, known: tuple[str, ...]) -> None:
        if value not in known:
            raise UsageError(f"{file}: {what} is {value!r}", f"it is one of {', '.join(known)}")

    one_of("kind", preset.kind, tuple(INPUTS))
    if preset.kind != kind:
        raise UsageError(f"{file} is for a {preset.kind}, not for a {kind}", "use another preset")
    if (table == "run" and not preset.run) or (table == "http" and not preset.http):
        other = "http" if table == "run" else "command"
        raise UsageError(f"{file} has no [{table}]", f"it may be a preset for the {other} engine")
    if preset.run:
        one_of("run.how", preset.run.how, ("once", "worker", "batch"))
        if bool(preset.output.path) == bool(preset.output.glob):
            raise UsageError(f"{file}: [output] must have either path or glob", "write path = ...")
        if not preset.run.argv:
            raise UsageError(f"{file}: run.argv is empty", 'write argv = ["{python}", ...]')
        for part in preset.run.argv:
            if not _is_argument(part):
                raise UsageError(
                    f"{file}: run.argv contains {part!r}",
                    'it takes strings, lists of strings, {when = "...", args = [...]} and '
                    "{each = [...]}",
                )
    if preset.http:
        one_of("http.method", preset.http.method, ("GET", "POST", "PUT"))
        one_of("http.reply.kind", preset.http.reply.kind, ("audio", "pcm16", "base64", "url"))
        if preset.http.reply.kind in ("base64", "url") and not preset.http.reply.path:
            raise UsageError(f"{file}: http.reply has no path", 'write path = "data.audio"')
        if preset.http.json and (preset.http.form or preset.http.files):
            raise UsageError(f"{file}: [http] has both json and form", "remove one of them")
    for stage in preset.stage:
        one_of("stage.input", stage.input, tuple(n for n in FILES if n in INPUTS[kind]))
        for name in ("rate", "channels", "pad"):
            if (value := getattr(stage, name)) < 0:
                raise UsageError(f"{file}: stage.{name} is {value}", "0 leaves it unchanged")
    settings = {f"settings.{name}" for name in preset.settings}
    for name in preset.needs.settings:
        if name not in preset.settings:
            raise UsageError(
                f"{file}: needs.settings has {name!r}, which is no setting",
                f"[settings] has {', '.join(preset.settings) or 'none'}",
            )
    if preset.run:
        _validate_start(preset.run, file, settings)
    names = {*INPUTS[kind], *COMMON, *settings}
    if preset.http:
        names |= {name for name in ENCODED if name.removesuffix("_base64") in names}
    of_setup = set(_strings(preset.needs.settings))
    for text in _strings(dataclasses.asdict(preset)):
        for name in PLACEHOLDER.findall(text):
            if name in OF_SETUP and text in of_setup:
                continue
            if name == "references" and text != "{references}":
                raise UsageError(
                    f"{file}: {{references}} stands for several files",
                    "it must be a string of its own",
                )
            if name not in names:
                raise UsageError(
                    f"{file}: there is no placeholder {{{name}}}",
                    "there are " + ", ".join(sorted(names)),
                )


def _validate_start(run: Program, file: str, settings: set[str]) -> None:
    """Raise UsageError if what starts a program for many items refers to one of them."""
    known = settings | {"python", "here"}
    argv = [part for part in run.argv if not (isinstance(part, dict) and "each" in part)]
    each = len(argv) < len(run.argv)
    table = "run.request"
    if run.how == "batch":
        known = known | {"request", "work", "out_dir", "run_dir", *OF_A_VOICE}
        table = "run.item, or each"
        text = " ".join(_strings(run.argv))
        if not (each or "{run_dir}" in text or ("{request}" in text and run.item)):
            raise UsageError(
                f"{file}: nothing says where a batch finds its items",
                "put {each = [...]}, or {run_dir} with copies of them (stage.to), or {request} "
                "(with a [run.item]) into run.argv",
            )
    elif run.item or each:
        raise UsageError(f"{file}: [run.item] and each are only for a batch", 'write how = "batch"')
    started = [argv, run.env, run.request] if run.how == "batch" else [argv, run.env]
    for text in _strings(started) if run.how != "once" else ():
        if of_item := {*PLACEHOLDER.findall(text)} - known:
            raise UsageError(
                f"{file}: a {run.how} is started once, so its argv cannot contain {of_item}",
                f"move it to [{table}]",
            )


def batch_key(run: Program, inputs: Mapping[str, Any]) -> tuple[str, ...]:
    """What items of one run must have in common: the inputs that ``argv`` and ``request`` name."""
    named = {name for text in _strings([run.argv, run.request, dict(run.env)])
             for name in PLACEHOLDER.findall(text)}  # fmt: skip
    return tuple(repr(inputs.get(name)) for name in OF_A_VOICE if name in named)


def _is_argument(part: Any) -> bool:
    if isinstance(part, dict) and set(part) == {"each"}:
        return _is_argument(part["each"])
    if isinstance(part, dict):
        return set(part) == {"when", "args"} and _is_argument(part["args"])
    if isinstance(part, list):
        return bool(part) and all(isinstance(text, str) for text in part)
    return isinstance(part, str)


def takes(preset: Preset, name: str) -> bool:
    """Whether a placeholder is used."""
    return any(name in PLACEHOLDER.findall(text) for text in _strings(dataclasses.asdict(preset)))


def _strings(value: Any) -> Iterator[str]:
    """All strings in a nested value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _strings(each)


def _apply_settings(preset: Preset, file: str, kind: str, overrides: str) -> dict[str, Any]:
    """The preset's defaults, overridden by the user's ``key=value,key=value``.

    ``converter.key=value`` is for the preset of that kind only, if several are in use.
    """
    settings = dict(preset.settings)
    if preset.run:
        settings.setdefault("args", "")  # every program takes more of them
    known = dict(settings)
    # A comma is part of the value unless another key follows.
    for pair in re.split(r",(?=[\w.]+=)", overrides) if overrides else []:
        key, equals, text = pair.partition("=")
        owner, dot, name = key.strip().rpartition(".")
        if dot and owner != kind:
            if owner not in INPUTS:
                raise UsageError(
                    f"set: there is no kind of tool {owner!r}", f"it is one of {', '.join(INPUTS)}"
                )
            continue
        if name not in settings or not equals:
            form = "" if equals else "; set=key=value,key=value"
            raise UsageError(
                f"{file} has no setting {name!r}",
                f"its settings: {', '.join(settings) or 'none'}{form}",
            )
        settings[name] = _convert(text, known[name], name)
    return settings


def filled_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings whose references to those before them are replaced."""
    filled: dict[str, Any] = {}
    for name, value in settings.items():
        filled[name] = expand_home(fill(value, with_settings({}, filled)))
    return filled


def _convert(text: str, default: Any, name: str) -> Any:
    """A setting that the user typed, as the type of its default."""
    try:
        if isinstance(default, bool):
            return {"true": True, "yes": True, "false": False, "no": False}[text.lower()]
        return type(default)(text) if isinstance(default, int | float) else text
    except (KeyError, ValueError):
        what = "true or false" if isinstance(default, bool) else "a number"
        raise UsageError(
            f"the setting {name} must be {what}, not {text!r}", f"{name}={default}"
        ) from (None)


# ---------------------------------------------------------------- placeholders


def with_settings(values: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` together with the user's settings."""
    return {**values, **{f"settings.{name}": value for name, value in settings.items()}}


def fixed_values(preset: Preset) -> dict[str, Any]:
    """The values of placeholders that are the same for every item."""
    return with_settings({"here": preset.here}, preset.settings)


def fill(value: Any, values: Mapping[str, Any]) -> Any:
    """``value`` with its placeholders replaced, also inside lists and tables.

    A string that is nothing but one placeholder becomes the value itself, so that a number stays a
    number. A placeholder without a value is left as it is.
    """
    if isinstance(value, Mapping):
        return {key: fill(each, values) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [fill(each, values) for each in value]
    if not isinstance(value, str):
        return value
    if (whole := PLACEHOLDER.fullmatch(value)) and whole[1] in values:
        return values[whole[1]]
    return PLACEHOLDER.sub(lambda m: as_text(values.get(m[1], m[0])), value)


def as_text(value: Any) -> str:
    """A value as a command-line argument; "" for None."""
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)


def build_argv(
    argv: tuple[Any, ...], values: Mapping[str, Any], items: Sequence[Mapping[str, Any]] = ()
) -> list[str]:
    """A program's arguments, without the lists in which a placeholder is empty; ``items`` are the
    values of each item of a batch."""
    parts: list[Any] = []
    for part in argv:
        if isinstance(part, dict) and "each" in part:
            for item in items:
                parts += build_argv(tuple(part["each"]), item)
        elif isinstance(part, dict):
            if _has_value(fill(part["when"], values)):
                parts += fill(part["args"], values)
        elif isinstance(part, list):
            names = [name for text in part for name in PLACEHOLDER.findall(text)]
            if all(_has_value(values.get(name)) for name in names):
                parts += fill(part, values)
        else:
            parts.append(fill(part, values))
    lists = (part if isinstance(part, list) else [part] for part in parts)
    return [as_text(item) for items in lists for item in items]


def _has_value(value: Any) -> bool:
    return value not in (None, "", False, [])


def missing_voice(preset: Preset, values: Mapping[str, Any]) -> str:
    """Which of ``speaker``, ``reference`` and ``references`` the tool requires and does not get;
    "" if none. For a tool that takes several, one is enough."""
    required: list[Any] = []
    if preset.run:
        required += [part for part in preset.run.argv if isinstance(part, str)]
        required += [preset.run.request, preset.run.item]
    if preset.http:
        required += [preset.http.url, preset.http.query, preset.http.json]
        required += [preset.http.form, preset.http.files]
    found = (name for text in _strings(required) for name in PLACEHOLDER.findall(text))
    names = {name.removesuffix("_base64") for name in found}
    voices = [name for name in ("speaker", "reference", "references") if name in names]
    return "" if not voices or any(values.get(name) for name in voices) else voices[0]


def expand_home(value: Any) -> Any:
    """Replace ``~`` at the beginning of a string by the user's home folder."""
    if isinstance(value, str) and (value == "~" or value.startswith(("~/", "~\\"))):
        return str(at_home(value))
    return value
