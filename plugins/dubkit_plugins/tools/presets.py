"""Presets: TOML files that describe how an external tool is called, as data; and which there are.

The fields of :class:`Preset` are the keys of the file, which :mod:`.load_preset` loads. Its strings
contain :mod:`.placeholders`. Running a tool is for :mod:`.command` and :mod:`.http`.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .placeholders import PLACEHOLDER, strings, with_settings

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


def list_shipped(kind: str, table: str) -> dict[str, str]:
    """The presets that come with dubkit for a kind of tool and have ``table`` (``run`` or
    ``http``), by name, each with the tool's name and license."""
    shipped = {}
    for file in shipped_files():
        preset = tomllib.loads(file.read_text("utf-8"))
        if preset.get("kind") == kind and table in preset:
            shipped[file.stem] = f"{preset['name']}; {preset['licence']}"
    return shipped


def list_cloners(language: str) -> list[str]:
    """The tools that come with a preset and speak a language, a primary subtag, in the voice of a
    clip; those that may be used commercially first."""
    found = []
    for file in shipped_files():
        preset = tomllib.loads(file.read_text("utf-8"))
        speech = preset.get("speech", {})
        if speech.get("clones") and language in speech.get("languages", {}):
            found.append((not preset.get("commercial"), file.stem.replace("_", "-")))
    return [name for _, name in sorted(found)]


def shipped_files() -> list[Path]:
    """The files of the presets that come with dubkit."""
    # In the wheel they are beside this module, in a checkout among the examples.
    beside = Path(__file__).parent
    for folder in (beside / "preset_files", beside.parents[2] / "examples/presets"):
        if folder.is_dir():
            return sorted(folder.glob("*.toml"))
    return []


def is_shipped(preset: Preset) -> bool:
    """Whether a preset comes with dubkit, so that its name stands for it."""
    return any(file.parent == preset.here for file in shipped_files())


def no_preset_message(engine: str, kind: str, table: str) -> str:
    """How to set a preset for an engine that has none."""
    choices = ", ".join([*list_shipped(kind, table), "or a TOML file of your own"])
    return f"no preset is set: -o {engine}.preset=NAME ({choices.removeprefix('or ')})"


def batch_key(run: Program, inputs: Mapping[str, Any]) -> tuple[str, ...]:
    """What items of one run must have in common: the inputs that ``argv`` and ``request`` name."""
    named = {name for text in strings([run.argv, run.request, dict(run.env)])
             for name in PLACEHOLDER.findall(text)}  # fmt: skip
    return tuple(repr(inputs.get(name)) for name in OF_A_VOICE if name in named)


def takes(preset: Preset, name: str) -> bool:
    """Whether a placeholder is used."""
    return any(name in PLACEHOLDER.findall(text) for text in strings(dataclasses.asdict(preset)))


def fixed_values(preset: Preset) -> dict[str, Any]:
    """The values of placeholders that are the same for every item."""
    return with_settings({"here": preset.here}, preset.settings)


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
    found = (name for text in strings(required) for name in PLACEHOLDER.findall(text))
    names = {name.removesuffix("_base64") for name in found}
    voices = [name for name in ("speaker", "reference", "references") if name in names]
    return "" if not voices or any(values.get(name) for name in voices) else voices[0]
