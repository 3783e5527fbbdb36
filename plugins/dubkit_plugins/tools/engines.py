"""What programs and servers have in common as engines: a preset, its settings, what they are told.

See :mod:`.presets` for what a preset is, :mod:`.command` and :mod:`.http_tools` for the two ways.
"""

from __future__ import annotations

import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from dubkit import Converter, Synthesizer, UsageError, Utterance, Voice

from . import presets
from .presets import Preset
from .speaking import speak_each


@dataclass
class State:
    """What the calls of one engine share."""

    places: threading.Semaphore = field(default_factory=threading.Semaphore)
    """For as many items as it may have in hand."""
    kept: Any = None
    """What a call leaves to the next."""
    ended: bool = False
    """Whether all was stopped."""


@dataclass(frozen=True)
class Tool(ABC):
    """An engine by a preset."""

    contract = 2
    ENGINE: ClassVar[str]
    WAY: ClassVar[str]
    """The preset's table that it needs: ``run`` or ``http``."""

    preset: Path | None = None
    """The tool's TOML file, or the name of one that comes with dubkit."""
    synthesizer: Path | None = None
    """The same where several kinds of tool are in use at once, for each kind its own."""
    converter: Path | None = None
    set: str = ""
    """The preset's own settings: ``key=value,key=value``, ``converter.key=value`` for one kind."""
    timeout: float | None = None
    """Seconds for an item; the preset's where not given."""
    retries: int | None = None
    """Further tries for an item that failed; the preset's where not given."""
    _kind: str = field(default="", init=False, repr=False, compare=False)
    _tool: Preset | None = field(default=None, init=False, repr=False, compare=False)
    _state: State = field(default_factory=State, init=False, repr=False, compare=False)

    def _load(self, kind: str) -> Preset | None:
        path = getattr(self, kind) or self.preset
        tool = presets.load(path, kind, self.WAY, self.set) if path else None
        object.__setattr__(self, "_kind", kind)
        object.__setattr__(self, "_tool", tool)
        if tool:
            self._state.places = threading.Semaphore(parallel(tool))
        return tool

    def _loaded(self) -> Preset:
        """Its preset; UsageError where none is set."""
        if self._tool:
            return self._tool
        message, _, hint = presets.none_set(self.ENGINE, self._kind, self.WAY).partition(": ")
        raise UsageError(message, hint)

    def configured(self) -> bool:
        """A preset is set."""
        return self._tool is not None

    def check(self) -> Sequence[str]:
        """What its tool still needs here."""
        if self._tool is None:
            return [presets.none_set(self.ENGINE, self._kind, self.WAY)]
        return self._missing(self._tool)

    def presets(self) -> Mapping[str, str]:
        """Those that come with dubkit for this kind of tool."""
        return presets.listed(self._kind, self.WAY)

    def reach(self) -> Sequence[str]:
        """As :meth:`check`: a program is asked nothing."""
        return self.check()

    @abstractmethod
    def _missing(self, tool: Preset) -> list[str]:
        """What a tool still needs, in sentences."""

    @abstractmethod
    def _made(self, inputs: Mapping[str, Any], out: Path) -> None:
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
        """Texts a call of :meth:`speak_all`."""
        return parallel(self._tool) if self._tool else 1

    def voices(self, language: str) -> Sequence[str]:
        """Those that the preset lists."""
        tool = self._tool
        return tool.speech.voices if tool and primary(language) in tool.speech.languages else ()

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
        said = Utterance(text, out, language, voice, seconds, seed)
        self._made(speech_inputs(self._loaded(), said), out)

    def speak_all(self, texts: Sequence[Utterance]) -> Sequence[str]:
        """Have many spoken, as many at once as the preset allows."""
        return speak_each(self, texts, self.at_once)


@dataclass(frozen=True)
class ToolConverter(Tool, Converter):
    """A tool that changes voices."""

    clones: bool = field(default=False, init=False, compare=False)
    """Whether it takes the voice from clips, and not from a model that was trained on it."""

    def __post_init__(self) -> None:
        if tool := self._load("converter"):
            object.__setattr__(self, "clones", tool.speech.clones)

    def convert(self, audio: Path, out: Path, *, voice: Voice) -> None:
        """Have one sound changed."""
        self._made({"audio": audio.absolute(), **voice_inputs(self._loaded(), voice)}, out)


def parallel(tool: Preset) -> int:
    """Items that it takes at once."""
    way = tool.run or tool.http
    return max(1, way.parallel) if way else 1


# ---------------------------------------------------------------- what a tool is told


def primary(language: str) -> str:
    """``pt`` of ``pt-BR``."""
    return re.split("[-_]", language)[0].lower()


def voice_inputs(tool: Preset, voice: Voice) -> dict[str, Any]:
    """Whose voice it is to be; a setting called ``speaker`` is for when the core names none."""
    first = voice.references[0] if voice.references else None
    default = tool.settings.get("speaker", "")
    if first and tool.speech.clones:
        default = ""  # or the tool would have two voices to choose from
    tag = primary(first.language) if first else ""
    return {
        "speaker": voice.name or default,
        "reference": first.path.absolute() if first else "",
        "references": [one.path.absolute() for one in voice.references],
        "reference_text": " ".join(first.text.split()) if first else "",
        "reference_language": tool.speech.languages.get(tag, tag),
    }


def speech_inputs(tool: Preset, said: Utterance) -> dict[str, Any]:
    """All that a speaker is told. UsageError for a language that it lacks."""
    languages = tool.speech.languages
    if primary(said.language) not in languages:
        raise UsageError(
            f"{tool.name} does not speak {said.language}",
            f"it speaks {', '.join(languages) or 'nothing that its preset names'}",
        )
    return {
        "text": " ".join(said.text.split()),
        "language": languages[primary(said.language)],
        "seconds": said.seconds,
        "seed": said.seed,
        **voice_inputs(tool, said.voice),
    }


def numbered(to: Path, count: int) -> list[Path]:
    """Places for the copies of several files that are staged by one name."""
    return [to.with_stem(f"{to.stem}-{number}") for number in range(1, count + 1)]


def needed(tool: Preset, inputs: Mapping[str, Any]) -> None:
    """UsageError where the tool must be told whose voice, and nobody knows."""
    if empty := presets.needs_empty(tool, inputs):
        named = empty == "speaker"
        what = "the name of a voice" if named else "a clip of the voice"
        hint = "--voice NAME, or set=speaker=NAME" if named else "--clone"
        raise UsageError(f"{tool.name} needs {what}", hint)
