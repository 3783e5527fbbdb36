"""Presets: TOML files that say how an outside tool is talked to, read, checked and filled in.

A preset is data. Its texts hold placeholders, ``{text}`` or ``{settings.repo}``, each replaced by
itself and never read again, so that nothing in a subtitle is taken for more than text. A key or a
placeholder that is none is refused when the file is read, with the names of those that are.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any

from dubkit import UsageError

PLACEHOLDER = re.compile(r"\{([a-z_]+(?:\.\w+)?)\}")
INPUTS: Mapping[str, tuple[str, ...]] = {
    "synthesizer": (
        "text", "text_file", "language", "speaker", "reference", "references", "reference_text",
        "reference_language", "seed", "seconds",
    ),
    "converter": (
        "audio", "speaker", "reference", "references", "reference_text", "reference_language",
    ),
    "lipsyncer": ("video", "audio"),
}  # fmt: skip
"""What each kind of tool can be told. ``reference`` is the cleanest clip of a voice, ``references``
all of them, which stands alone and becomes as many arguments."""
EVERYWHERE = ("id", "work", "out", "out_dir", "python", "here", "request")
FILES = ("audio", "video", "reference", "references", "text_file")
"""Inputs that are files, which may be staged."""


@dataclass(frozen=True, slots=True)
class Speech:
    """What a speaker can say."""

    languages: Mapping[str, Any] = field(default_factory=dict)
    """BCP-47 primary tags, each with the tool's own name for it."""
    voices: tuple[str, ...] = ()
    """Its own voices, for every language."""
    clones: bool = False


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be here before it can work."""

    files: tuple[str, ...] = ()
    """Files and folders; relative ones in ``run.cwd``."""
    programs: tuple[str, ...] = ()
    """On PATH."""
    install: str = ""
    """What the user types or reads to have it all."""


@dataclass(frozen=True, slots=True)
class Stage:
    """An input laid where the tool looks for it; its placeholder then stands for that place."""

    input: str
    to: str
    """Relative paths are in ``run.cwd``; of ``references``, each gets a number."""
    rate: int = 0
    """Hz; 0 for the input's own."""
    channels: int = 0
    pad: float = 0.0
    """Seconds added at the end, for a tool that cuts the end off. They are all but silent: some
    tools cannot bear true silence."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a program is run."""

    argv: tuple[Any, ...]
    """Arguments. A list among them is left out as a whole where a placeholder in it is empty, and
    ``{when = "{settings.x}", args = [...]}`` where what ``when`` stands for is empty or false."""
    how: str = "once"
    """``once``: a run for each item. ``worker``: a program that stays, reads a line of JSON for
    each item (``request``) and answers ``{"id": ..., "ok": true}`` or ``{..., "error": "why"}``.
    ``batch``: a run for many items, each told by ``item`` in the ``items`` of the ``request``."""
    python: str = ""
    """The tool's own interpreter."""
    cwd: str = "{work}"
    env: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    """Written as JSON to the file ``{request}``; ``worker``: the line for an item."""
    item: Mapping[str, Any] = field(default_factory=dict)
    batch: int = 50
    """Items a run."""
    timeout: float = 600.0
    """Seconds for an item."""
    start_timeout: float = 600.0
    """Seconds more for a worker's first item, or for a batch, as a model is loaded then."""
    retries: int = 0
    parallel: int = 1
    plain_paths: bool = False
    """Whether it hands paths to a shell, so that they may hold no space."""


@dataclass(frozen=True, slots=True)
class Output:
    """What the program leaves."""

    path: str = ""
    glob: str = ""
    """The newest file that matches; relative to ``run.cwd``."""
    rate: int = 0
    """Hz that its sound must have; 0 for any."""
    largest: int = 2_000
    """Megabytes."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answers."""

    kind: str = "audio"
    """``audio``: a file of sound; ``pcm16``: bare samples; ``base64`` or ``url``: a file of sound
    in, or named by, the text at ``path`` of a JSON answer."""
    path: str = ""
    """Keys and numbers joined by dots: ``data.0.audio``."""
    rate: Any = 0
    """Hz of ``pcm16``; else Hz that the sound must have, 0 for any."""
    other_hosts: bool = False
    """Whether ``url`` may name another server."""
    largest: int = 200
    """Megabytes."""


@dataclass(frozen=True, slots=True)
class Http:
    """How a server is asked."""

    url: str
    method: str = "POST"
    headers: Mapping[str, Any] = field(default_factory=dict)
    """``${NAME}`` in them is replaced from the environment."""
    query: Mapping[str, Any] = field(default_factory=dict)
    json: Mapping[str, Any] = field(default_factory=dict)
    form: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Any] = field(default_factory=dict)
    """Fields of a multipart form with the file to send in each; ``form`` goes with them."""
    reply: Reply = field(default_factory=Reply)
    health: str = ""
    """An address that answers once the server is ready."""
    timeout: float = 300.0
    retries: int = 3
    parallel: int = 1


@dataclass(frozen=True, slots=True)
class Preset:
    """One tool."""

    kind: str
    """``synthesizer``, ``converter`` or ``lipsyncer``."""
    name: str
    licence: str
    homepage: str
    checked: str = ""
    """What of the tool the preset was checked against."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the user may set, with defaults; each may name those before it."""
    speech: Speech = field(default_factory=Speech)
    frame_rate: float | None = None
    """Frames a second that a lip-syncer wants."""
    needs: Needs = field(default_factory=Needs)
    stage: tuple[Stage, ...] = ()
    run: Run | None = None
    output: Output = field(default_factory=Output)
    http: Http | None = None
    here: Path = Path()
    """The preset's own folder, ``{here}``; known by where the file is."""


# ---------------------------------------------------------------- reading


def listed(kind: str, way: str) -> dict[str, str]:
    """The presets that come with dubkit, for a kind of tool that is run or asked, each with the
    tool's name and licence."""
    found = {}
    for file in _shipped():
        table = tomllib.loads(file.read_text("utf-8"))
        if table.get("kind") == kind and way in table:
            found[file.stem] = f"{table['name']}; {table['licence']}"
    return found


def _shipped() -> list[Path]:
    # In the wheel they lie beside this module, in a checkout among the examples.
    beside = Path(__file__).parent
    for folder in (beside / "preset_files", beside.parents[2] / "examples/presets"):
        if folder.is_dir():
            return sorted(folder.glob("*.toml"))
    return []


def none_set(engine: str, kind: str, way: str) -> str:
    """What an engine without a preset lacks."""
    known = ", ".join([*listed(kind, way), "or a TOML file of your own"])
    return f"no preset is set: -o {engine}.preset=NAME ({known.removeprefix('or ')})"


def load(given: Path, kind: str, way: str, overrides: str = "") -> Preset:
    """The preset of a name or in a file, with the user's settings in place.

    ``way`` is ``run`` or ``http``. Raises UsageError for whatever is wrong with it.
    """
    path = given.expanduser()
    if path.name == str(path) and not path.suffix and not path.is_file():
        named = [file for file in _shipped() if file.stem == path.name.replace("-", "_")]
        if not named:
            near = difflib.get_close_matches(path.name, [file.stem for file in _shipped()], 1)
            raise UsageError(
                f"there is no preset named {path.name!r}",
                (f"did you mean {near[0]}? " if near else "")
                + f"There are {', '.join(listed(kind, way))}; a file's name ends with .toml",
            )
        path = named[0]
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(
            f"the preset {path} cannot be read: {error.strerror}",
            f"dubkit has {', '.join(listed(kind, way))}",
        ) from None
    except ValueError as error:
        raise UsageError(f"the preset {path.name} is not TOML: {error}", "mend it") from None
    preset = typing.cast(Preset, _built(Preset, table, path.name, ""))
    _check(preset, path.name, kind, way)
    settings = _settings(preset, path.name, kind, overrides)
    return dataclasses.replace(preset, settings=settings, here=path.absolute().parent)


def _built(kind: Any, table: Any, file: str, where: str) -> Any:
    """A dataclass from a table."""
    if not isinstance(table, dict):
        raise UsageError(f"{file}: [{where}] is not a table", f"write [{where}] and keys below it")
    fields = {f.name: f for f in dataclasses.fields(kind) if f.name != "here"}
    title = f"[{where}]" if where else "the top of a preset"
    for key in table:
        if key not in fields:
            raise UsageError(
                f"{file}: {title} has no key {key!r}", f"its keys: {', '.join(sorted(fields))}"
            )
    for name, known in fields.items():
        needed = known.default is MISSING and known.default_factory is MISSING
        if needed and name not in table:
            raise UsageError(f"{file}: {title} lacks {name!r}", f"write {name} = ...")
    hints = typing.get_type_hints(kind)
    values = {
        key: _value(hints[key], value, file, f"{where}.{key}".lstrip("."))
        for key, value in table.items()
    }
    return kind(**values)


def _value(hint: Any, value: Any, file: str, where: str) -> Any:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next(choice for choice in typing.get_args(hint) if choice is not type(None))
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        return _built(hint, value, file, where)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise UsageError(f"{file}: {where} is not a list", f"write {where} = [...]")
        inner = typing.get_args(hint)[0]
        return tuple(_value(inner, each, file, where) for each in value)
    if hint is float and type(value) is int:
        value = float(value)
    wanted = dict if typing.get_origin(hint) is not None else hint
    if type(value) is not wanted:
        names = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
        raise UsageError(
            f"{file}: {where} is {names.get(wanted, 'a table')}, not {value!r}", "mend it"
        )
    return value


def _check(preset: Preset, file: str, kind: str, way: str) -> None:
    """What the types do not say."""

    def one_of(what: str, value: str, known: tuple[str, ...]) -> None:
        if value not in known:
            raise UsageError(f"{file}: {what} is {value!r}", f"it is one of {', '.join(known)}")

    one_of("kind", preset.kind, tuple(INPUTS))
    if preset.kind != kind:
        raise UsageError(f"{file} is for a {preset.kind}, not for a {kind}", "take another preset")
    if (way == "run" and not preset.run) or (way == "http" and not preset.http):
        other = "http" if way == "run" else "command"
        raise UsageError(f"{file} has no [{way}]", f"it may be a preset for the {other} adapter")
    if preset.run:
        one_of("run.how", preset.run.how, ("once", "worker", "batch"))
        if bool(preset.output.path) == bool(preset.output.glob):
            raise UsageError(f"{file}: [output] has one of path and glob", "write path = ...")
        if not preset.run.argv:
            raise UsageError(f"{file}: run.argv is empty", 'write argv = ["{python}", ...]')
        for part in preset.run.argv:
            if not _is_argument(part):
                raise UsageError(
                    f"{file}: run.argv holds {part!r}",
                    'it holds texts, lists of texts, and {when = "...", args = [...]}',
                )
    if preset.http:
        one_of("http.method", preset.http.method, ("GET", "POST", "PUT"))
        one_of("http.reply.kind", preset.http.reply.kind, ("audio", "pcm16", "base64", "url"))
        if preset.http.reply.kind in ("base64", "url") and not preset.http.reply.path:
            raise UsageError(f"{file}: http.reply has no path", 'write path = "data.audio"')
        if preset.http.json and (preset.http.form or preset.http.files):
            raise UsageError(f"{file}: [http] has json and form", "leave one of them out")
    for stage in preset.stage:
        one_of("stage.input", stage.input, tuple(n for n in FILES if n in INPUTS[kind]))
        for name in ("rate", "channels", "pad"):
            if (value := getattr(stage, name)) < 0:
                raise UsageError(f"{file}: stage.{name} is {value}", "0 leaves it as it is")
    settings = {f"settings.{name}" for name in preset.settings}
    if preset.run:
        _check_start(preset.run, file, settings)
    names = {*INPUTS[kind], *EVERYWHERE, *settings}
    for text in _texts(dataclasses.asdict(preset)):
        for name in PLACEHOLDER.findall(text):
            if name == "references" and text != "{references}":
                raise UsageError(f"{file}: {{references}} are many", "it stands alone in a text")
            if name not in names:
                raise UsageError(
                    f"{file}: there is no placeholder {{{name}}}",
                    "there are " + ", ".join(sorted(names)),
                )


def _check_start(run: Run, file: str, settings: set[str]) -> None:
    """That what starts a program for many items knows none of them."""
    known = settings | {"python", "here"}
    table = "run.request"
    if run.how == "batch":
        known, table = known | {"request", "work", "out_dir"}, "run.item"
        if not run.item or not any("{request}" in text for text in _texts(run.argv)):
            raise UsageError(
                f"{file}: a batch is told of its items in the file {{request}}",
                "put {request} into run.argv, and what each item needs into [run.item]",
            )
    elif run.item:
        raise UsageError(f"{file}: [run.item] is for a batch", 'write how = "batch"')
    started = [run.argv, run.env, run.request] if run.how == "batch" else [run.argv, run.env]
    for text in _texts(started) if run.how != "once" else ():
        if of_item := {*PLACEHOLDER.findall(text)} - known:
            raise UsageError(
                f"{file}: a {run.how} is started once, so its argv cannot know {of_item}",
                f"put it into [{table}]",
            )


def _is_argument(part: Any) -> bool:
    if isinstance(part, dict):
        return set(part) == {"when", "args"} and _is_argument(part["args"])
    if isinstance(part, list):
        return bool(part) and all(isinstance(text, str) for text in part)
    return isinstance(part, str)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


def _settings(preset: Preset, file: str, kind: str, overrides: str) -> dict[str, Any]:
    """Defaults and what the user set: ``key=value,key=value``; ``converter.key=value`` is for
    the preset of that kind alone, where several are in use."""
    settings = dict(preset.settings)
    # A comma belongs to the value unless another key follows.
    for pair in re.split(r",(?=[\w.]+=)", overrides) if overrides else []:
        key, equals, text = pair.partition("=")
        owner, dot, name = key.strip().rpartition(".")
        if dot and owner != kind:
            if owner not in INPUTS:
                raise UsageError(f"set: {owner!r} is no kind", f"it is one of {', '.join(INPUTS)}")
            continue
        if name not in settings or not equals:
            raise UsageError(
                f"{file} has no setting {key!r}",
                f"its settings: {', '.join(settings) or 'none'}; set=key=value,key=value",
            )
        settings[name] = _typed(text, preset.settings[name], name)
    filled: dict[str, Any] = {}
    for name, value in settings.items():
        filled[name] = expanded(fill(value, with_settings({}, filled)))
    return filled


def _typed(text: str, default: Any, name: str) -> Any:
    try:
        if isinstance(default, bool):
            return {"true": True, "yes": True, "false": False, "no": False}[text.lower()]
        return type(default)(text) if isinstance(default, int | float) else text
    except (KeyError, ValueError):
        what = "true or false" if isinstance(default, bool) else "a number"
        raise UsageError(f"the setting {name} is {what}, not {text!r}", f"{name}={default}") from (
            None
        )


# ---------------------------------------------------------------- filling in


def with_settings(values: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` and the user's settings."""
    return {**values, **{f"settings.{name}": value for name, value in settings.items()}}


def known(preset: Preset) -> dict[str, Any]:
    """What placeholders stand for whatever the item."""
    return with_settings({"here": preset.here}, preset.settings)


def fill(value: Any, values: Mapping[str, Any]) -> Any:
    """``value`` with its placeholders replaced. A text that is nothing but one placeholder becomes
    what that stands for, so that a number stays a number; one without a value stays as it is."""
    if isinstance(value, Mapping):
        return {key: fill(each, values) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [fill(each, values) for each in value]
    if not isinstance(value, str):
        return value
    if (whole := PLACEHOLDER.fullmatch(value)) and whole[1] in values:
        return values[whole[1]]
    return PLACEHOLDER.sub(lambda m: shown(values.get(m[1], m[0])), value)


def shown(value: Any) -> str:
    """A value as programs take it."""
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)


def arguments(argv: tuple[Any, ...], values: Mapping[str, Any]) -> list[str]:
    """A program's arguments, without the lists in which a placeholder is empty."""
    found: list[Any] = []
    for part in argv:
        if isinstance(part, dict):
            if _given(fill(part["when"], values)):
                found += fill(part["args"], values)
        elif isinstance(part, list):
            names = [name for text in part for name in PLACEHOLDER.findall(text)]
            if all(_given(values.get(name)) for name in names):
                found += fill(part, values)
        else:
            found.append(fill(part, values))
    parted = (value if isinstance(value, list) else [value] for value in found)
    return [shown(value) for several in parted for value in several]


def _given(value: Any) -> bool:
    return value not in (None, "", False, [])


def needs_empty(preset: Preset, values: Mapping[str, Any]) -> str:
    """Which of ``speaker`` and its clips the tool must be told and nobody knows; else "".
    A tool that takes both does with either."""
    must: list[Any] = []
    if preset.run:
        must += [part for part in preset.run.argv if isinstance(part, str)]
        must += [preset.run.request, preset.run.item]
    if preset.http:
        must += [preset.http.url, preset.http.query, preset.http.json]
        must += [preset.http.form, preset.http.files]
    named = {name for text in _texts(must) for name in PLACEHOLDER.findall(text)}
    asked = [name for name in ("speaker", "reference", "references") if name in named]
    return "" if not asked or any(values.get(name) for name in asked) else asked[0]


def expanded(value: Any) -> Any:
    """A text that begins with ~ is in the user's own folder."""
    if isinstance(value, str) and (value == "~" or value.startswith(("~/", "~\\"))):
        return str(Path(value).expanduser())
    return value
