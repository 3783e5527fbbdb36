"""What the ``command`` and ``http`` engines share: a preset, its settings, the inputs of a tool.

See :mod:`.presets` for what a preset is, and :mod:`.command` and :mod:`.http` for how it is used.
"""

from __future__ import annotations

import contextlib
import queue
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from dubkit import Converter, Installation, Synthesizer, UsageError, Utterance, Voice

from . import installation, load_preset, presets
from .presets import Preset
from .process import Worker
from .speaking import speak_each


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one run of a tool."""

    device: str = ""
    """The only GPU that it sees; "" for all."""
    number: int = 0


@dataclass
class State:
    """What the calls of one engine share."""

    slots: queue.SimpleQueue[Slot] = field(default_factory=queue.SimpleQueue)
    """One for each run of the tool that there may be at once."""
    ready: bool = False
    """Whether the server was found ready."""
    workers: dict[Slot, Worker] = field(default_factory=dict)
    """Those that are running."""
    stopped: bool = False
    """Whether the run was interrupted, so that nothing may be started any more."""

    @contextlib.contextmanager
    def slot(self) -> Iterator[Slot]:
        """Wait for a free slot, and take it for a while."""
        free = self.slots.get()
        try:
            yield free
        finally:
            self.slots.put(free)


@dataclass(frozen=True)
class Tool(ABC):
    """An engine driven by a preset."""

    contract = 2
    open_ended = True
    ENGINE: ClassVar[str]
    TABLE: ClassVar[str]
    """The table that its presets must have: ``run`` or ``http``."""

    preset: Path | None = None
    """A TOML file, or the name of a preset that comes with dubkit."""
    synthesizer: Path | None = None
    """The preset of the synthesizer, if several kinds of tool are in use at once."""
    converter: Path | None = None
    """The same for the converter."""
    set: str = ""
    """Settings of the preset: ``key=value,key=value``, or ``converter.key=value`` for one kind."""
    timeout: float | None = None
    """Seconds per item; by default the preset's."""
    retries: int | None = None
    """Further attempts at an item that failed; by default the preset's."""
    _kind: str = field(default="", init=False, repr=False, compare=False)
    _tool: Preset | None = field(default=None, init=False, repr=False, compare=False)
    _state: State = field(default_factory=State, init=False, repr=False, compare=False)

    def _load(self, kind: str) -> Preset | None:
        path = getattr(self, kind) or self.preset
        tool = load_preset.load(path, kind, self.TABLE, self.set) if path else None
        object.__setattr__(self, "_kind", kind)
        object.__setattr__(self, "_tool", tool)
        for slot in slots(tool, self.gpus) if tool else ():
            self._state.slots.put(slot)
        return tool

    @property
    def gpus(self) -> tuple[str, ...]:
        """The GPUs to use, one run on each; none for what the tool itself does."""
        return ()

    def _require_preset(self) -> Preset:
        """Its preset; UsageError if none is set."""
        if self._tool:
            return self._tool
        text = presets.no_preset_message(self.ENGINE, self._kind, self.TABLE)
        message, _, hint = text.partition(": ")
        raise UsageError(message, hint)

    def configured(self) -> bool:
        """A preset is set."""
        return self._tool is not None

    def check(self) -> Sequence[str]:
        """What its tool still needs on this machine."""
        if self._tool is None:
            return [presets.no_preset_message(self.ENGINE, self._kind, self.TABLE)]
        return self._missing(self._tool)

    def presets(self) -> Mapping[str, str]:
        """The presets that come with dubkit for this kind of tool."""
        return presets.list_shipped(self._kind, self.TABLE)

    def reach(self) -> Sequence[str]:
        """The same as :meth:`check` and, if nothing is missing, whether the tool starts."""
        return self.check() or self.try_start()

    def installation(self, folder: Path) -> Installation:
        """How its tool is installed into a folder."""
        return installation.describe(self._require_preset(), folder)

    def try_start(self) -> Sequence[str]:
        """What keeps the tool from starting."""
        return installation.try_start(self._require_preset())

    @abstractmethod
    def _missing(self, tool: Preset) -> list[str]:
        """What a tool still needs, one sentence each."""

    @abstractmethod
    def _run_item(self, inputs: Mapping[str, Any], out: Path) -> None:
        """Have one item done and write its sound to ``out``."""


@dataclass(frozen=True)
class ToolSynthesizer(Tool, Synthesizer):
    """A tool that speaks."""

    clones: bool = field(default=False, init=False, compare=False)

    def __post_init__(self) -> None:
        if tool := self._load("synthesizer"):
            object.__setattr__(self, "clones", tool.speech.clones)

    @property
    def at_once(self) -> int:
        """Texts per call of :meth:`speak_all`."""
        return len(slots(self._tool, self.gpus)) if self._tool else 1

    def voices(self, language: str) -> Sequence[str]:
        """The voices that the preset lists."""
        tool = self._tool
        return tool.speech.voices if tool and primary(language) in tool.speech.languages else ()

    def clones_into(self, language: str) -> bool:
        """Whether the preset lists the language."""
        return not self._tool or primary(language) in self._tool.speech.languages

    def speak(
        self,
        text: str,
        out: Path,
        *,
        language: str,
        voice: Voice,
        seconds: float | None,
        seed: int,
    ) -> None:
        """Have one text spoken."""
        utterance = Utterance(text, out, language, voice, seconds, seed)
        self._run_item(speech_inputs(self._require_preset(), utterance), out)

    def speak_all(self, texts: Sequence[Utterance]) -> Sequence[str]:
        """Have several texts spoken, as many at once as the preset allows."""
        return speak_each(self, texts, self.at_once)


@dataclass(frozen=True)
class ToolConverter(Tool, Converter):
    """A tool that converts voices."""

    clones: bool = field(default=False, init=False, compare=False)
    """Whether it takes the voice from clips instead of a model that was trained on it."""

    def __post_init__(self) -> None:
        if tool := self._load("converter"):
            object.__setattr__(self, "clones", tool.speech.clones)

    def convert(self, audio: Path, out: Path, *, voice: Voice) -> None:
        """Have the voice of one recording converted."""
        inputs = voice_inputs(self._require_preset(), voice)
        self._run_item({"audio": audio.absolute(), **inputs}, out)


def slots(tool: Preset, gpus: Sequence[str]) -> list[Slot]:
    """The runs of a tool that there may be at once: as many on each GPU as its preset says."""
    call = tool.run or tool.http
    each = range(max(1, call.parallel) if call else 1)
    return [Slot(gpu, number) for gpu in gpus or [""] for number in each]


# ---------------------------------------------------------------- inputs of a tool


def primary(language: str) -> str:
    """The primary subtag: ``pt`` for ``pt-BR``."""
    return re.split("[-_]", language)[0].lower()


def voice_inputs(tool: Preset, voice: Voice) -> dict[str, Any]:
    """The inputs that say whose voice to use; a setting called ``speaker`` is the default."""
    first = voice.references[0] if voice.references else None
    default = tool.settings.get("speaker", "")
    if first and tool.speech.clones:
        default = ""  # otherwise the tool would get two voices
    tag = primary(first.language) if first else ""
    return {
        "speaker": voice.name or default,
        "reference": first.path.absolute() if first else "",
        "references": [one.path.absolute() for one in voice.references],
        "reference_text": " ".join(first.text.split()) if first else "",
        "reference_language": tool.speech.languages.get(tag, tag),
    }


def speech_inputs(tool: Preset, utterance: Utterance) -> dict[str, Any]:
    """All inputs of a synthesizer. Raises UsageError for a language that the preset lacks."""
    languages = tool.speech.languages
    if primary(utterance.language) not in languages:
        raise UsageError(
            f"{tool.name} does not speak {utterance.language}",
            f"it speaks {', '.join(languages) or 'no language that its preset names'}",
        )
    return {
        "text": " ".join(utterance.text.split()),
        "language": languages[primary(utterance.language)],
        "seconds": utterance.seconds,
        "seed": utterance.seed,
        **voice_inputs(tool, utterance.voice),
    }


def numbered_paths(to: Path, count: int) -> list[Path]:
    """Paths for the copies of several files that are staged under one name."""
    return [to.with_stem(f"{to.stem}-{number}") for number in range(1, count + 1)]


def require_voice(tool: Preset, inputs: Mapping[str, Any]) -> None:
    """Raise UsageError if the tool requires a voice and none is given."""
    if missing := presets.missing_voice(tool, inputs):
        by_name = missing == "speaker"
        what = "the name of a voice" if by_name else "a clip of the voice"
        hint = "--voice NAME, or set=speaker=NAME" if by_name else "--clone"
        raise UsageError(f"{tool.name} needs {what}", hint)
