"""The plugin contract: what each kind of engine is asked, and what it answers.

An engine is a dataclass whose fields are its settings (set by ``-o name.field=value``) and which
has the methods of its kind's protocol below. Subclass the protocol to inherit what it leaves
open, or write out all of it. It is found by an entry point in the group named after its kind,
ours and anyone's alike, or by ``./file.py:ClassName``; :mod:`dubkit.engines` finds and loads it.
``dubkit.testing`` checks an engine against this page.

What holds for all kinds:

- Times are seconds (``float``) from the start of the file given, languages BCP-47 tags (``pt-BR``),
  files paths of the core's choosing. An engine writes to no other place.
- Input files belong to the core: an engine reads them and changes nothing. Output files are the
  engine's until it returns; then the core measures them and believes no word about them.
- An engine returns the least it can: a text for an id, a file of sound. So it cannot move a time,
  drop a line or cut speech off. What it could not do it leaves out or says; it never makes up.
- Secrets come from the environment alone. Whatever else is read from there and changes a result
  is named after the engine (``OPENAI_BASE_URL`` for ``openai``), so that the workspace sees it.
- Settings called ``parallel``, ``batch``, ``threads``, ``timeout``, ``retries`` or ``..._price``
  say how it works and not what it makes; a change of any other makes results anew.
- It raises :class:`~dubkit.errors.DubkitError` kinds; anything else is told as its failure.
- Methods may be called from ``parallel`` threads at once where the protocol has such a field.
- Progress never falls within a stage, nor goes beyond its total.
- Plugins import only what :mod:`dubkit` itself names; their tests :mod:`dubkit.testing`, too.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, cast, runtime_checkable

from .types import Cue, Transcription, Turn, Usage, Voice

VERSION = 2
"""Of this contract; it grows when a protocol changes in a way that breaks plugins."""

Progress: TypeAlias = Callable[[str, float, float], None]
"""``progress(stage, done, total)``; seconds of media, or bytes where the stage begins with
``download``. ``total`` may be 0 when it is not known."""


class TranscribeProgress(Protocol):
    """A :data:`Progress` that also accepts what has just been transcribed.

    ``cues`` are in any order, to be shown while the work goes on; a later one may improve on an
    earlier one of the same time. An engine that has none leaves the argument out.
    """

    def __call__(
        self, stage: str, done: float, total: float, /, *, cues: Sequence[Cue] = ()
    ) -> None: ...


def listening(progress: Progress) -> TranscribeProgress:
    """``progress`` as a transcriber may call it; a callback of three arguments gets only those."""
    try:
        inspect.signature(progress).bind("", 0.0, 0.0, cues=())
    except (TypeError, ValueError):

        def report(stage: str, done: float, total: float, /, *, cues: Sequence[Cue] = ()) -> None:
            progress(stage, done, total)

        return report
    return cast(TranscribeProgress, progress)


class Engine(Protocol):
    """What every kind has."""

    contract: int
    """The version of this contract that the engine was written for: ``contract = 2``. Every engine
    states it itself, so it is never inherited; another version than :data:`VERSION` is refused."""
    priority: int = 0
    """Where ``auto`` tries it: the highest first, engines of equal priority by name."""
    caveat: str = ""
    """What the user should know when ``auto`` chose it, in a sentence."""

    @classmethod
    def suits(cls, device: str) -> bool:
        """Whether ``auto`` should consider it on this machine. ``device`` is the user's
        ``--device``, or "". Asked before it is built, so it must be quick and load no library."""
        return True

    def check(self) -> Sequence[str]:
        """What is missing for this engine to work here, a sentence each with what to type; empty
        when it is ready. Must not download anything, nor query a server."""
        return ()

    def configured(self) -> bool:
        """Whether the user has set it up here, through the environment for example. ``auto`` then
        reports what is wrong with it instead of silently taking another."""
        return False

    def close(self) -> None:
        """Release memory, processes and connections. Called when its stage is done; the engine may
        be used again afterwards and then loads again what it needs."""
        return None


# ---------------------------------------------------------------- speech to words


class Transcriber(Engine, Protocol):
    """Turns sound into words with times. Entry-point group ``dubkit.transcribers``."""

    @abstractmethod
    def transcribe(
        self,
        audio: Path,
        *,
        language: str | None,
        prompt: str,
        hotwords: Sequence[str],
        work: Path,
        progress: TranscribeProgress,
    ) -> Transcription:
        """The words of ``audio``, a 16 kHz mono 16-bit WAV file.

        ``language`` is a BCP-47 tag, or None to find out. ``prompt`` is text that the speech is
        like, ``hotwords`` are names and terms to expect. ``work`` is a folder of the engine's own
        that is still there when the run is taken up again after a stop. Times in the result are
        seconds from the start of ``audio``; the core checks that they are inside it and in order.
        Every cue has its words. Where nobody speaks there are none.
        """
        ...


# ---------------------------------------------------------------- one language to another


@dataclass(frozen=True, slots=True)
class Line:
    """A piece of text to translate: whole sentences, also where several cues show them."""

    id: str
    """Names the line in the reply. Unlike any other in the request."""
    text: str
    """Without line breaks. ``<i>``, ``<b>`` and ``<u>`` mark it only for engines that follow
    ``"markup"``."""
    start: float = 0.0
    end: float = 0.0
    """Seconds between which it is on the screen, or spoken."""
    speaker: str | None = None
    max_chars: int | None = None
    """Characters of translation that can be read (or said) in that time."""
    fault: str = ""
    """What was wrong with an earlier translation of it, in a sentence; "" at the first try."""
    rejected: str = ""
    """That earlier translation."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A line before or after those to translate, for context."""

    text: str
    translation: str = ""
    """"" where it is not known, as for all that comes after."""
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class TranslationRequest:
    """Some lines of one text, with all that helps to translate them well."""

    source: str
    target: str
    """BCP-47 tags."""
    lines: tuple[Line, ...]
    before: tuple[Neighbour, ...] = ()
    after: tuple[Neighbour, ...] = ()
    summary: str = ""
    """What was said before these lines, as the last reply told it."""
    glossary: tuple[tuple[str, str], ...] = ()
    """Terms that stand in these lines, each with the translation to use."""
    tone: str = ""
    """How it should sound, in the user's words: ``formal``, ``like a children's book``."""
    context: str = ""
    """What the text is about, in the user's words."""
    purpose: Literal["subtitles", "dub"] = "subtitles"
    """Whether it will be read or spoken."""
    audio: Path | None = None
    """The sound, 16 kHz mono 16-bit WAV; only for an engine with ``needs_audio``."""


@dataclass(frozen=True, slots=True)
class TranslationReply:
    """What a translator made of a request."""

    texts: Mapping[str, str]
    """Translation by line id, on one line. A line it could not do is left out."""
    summary: str = ""
    """In a few sentences, what was said so far; goes into the next request."""
    fault: str = ""
    """Why lines are missing, where there is a reason: ``the server refused the text``."""
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    """The model that was really used, for people to read."""


class Translator(Engine, Protocol):
    """Translates lines. Entry-point group ``dubkit.translators``.

    The core cuts a text into sentences and these into requests, checks each reply (every id once,
    in the target language, nothing lost), asks again for what is wrong, first all of it, then in
    halves down to single lines, and keeps what it has. An engine answers one request.
    """

    follows: Collection[str] = ()
    """What it can honour beyond the lines: ``"glossary"``, ``"tone"``, ``"context"`` (both kinds),
    ``"length"``, ``"markup"``, ``"fault"`` (a retry that names the fault is worth while). What is
    not here is neither sent nor demanded, and the user is told."""
    batch: int = 20
    """Lines a request, at most."""
    parallel: int = 1
    """Requests that it takes at once."""
    needs_audio: bool = False

    def offer(self, source: str | None, target: str) -> str:
        """What to type so that it translates between two languages that nothing here does, where
        it might; else "". Called also when :meth:`check` finds problems."""
        return ""

    @abstractmethod
    def supports(self, source: str | None, target: str) -> bool:
        """Whether it can translate from ``source`` (None: not known yet, so from any language that
        it has) to ``target``."""
        ...

    def prepare(self, source: str | None, target: str, progress: Progress) -> None:
        """Make sure that it will work, before the user waits for anything: ask the server whether
        it takes key and model, get the model, with ``progress``. Called before the speech is
        recognised, with ``source`` None where it is not known yet, and before the first request.

        Raises UsageError (the key, the name of a model), MissingDependency (no server there).
        """
        return None

    @abstractmethod
    def translate(self, request: TranslationRequest) -> TranslationReply:
        """Translate ``request.lines``.

        Waits out what passes by itself (a full queue, a fault of the network) and raises
        PluginError when it does not pass, UsageError for what no retry can mend.
        """
        ...


@runtime_checkable
class Metered(Protocol):
    """A translator whose work is counted, in tokens or in money."""

    def estimate(self, request: TranslationRequest) -> Usage:
        """What the request will take, about. Asks nobody."""
        ...


# ---------------------------------------------------------------- words to speech


class Synthesizer(Engine, Protocol):
    """Speaks text. Entry-point group ``dubkit.synthesizers``."""

    clones: bool = False
    """Whether it speaks in the voice of reference clips."""

    def offer(self, language: str, *, clone: bool) -> str:
        """What to type so that it speaks a language, or clones voices, where it might; else "".
        Called also when :meth:`check` finds problems."""
        return ""

    @abstractmethod
    def voices(self, language: str) -> Sequence[str]:
        """The names of its own voices for a language; empty where it cannot speak that."""
        ...

    def knows(self, voice: str) -> bool:
        """Whether it speaks, where a user asks for it by name, in a voice that :meth:`voices` does
        not offer: another language's, a mix of two."""
        return False

    @abstractmethod
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
        """Write ``text``, spoken, to ``out`` as a WAV file of any rate, and nothing beside it.

        ``voice`` is one of :meth:`voices`, or clips to clone. ``seconds`` is the length wished
        for; an engine that cannot aim at one takes no notice. The same ``seed`` gives the same
        sound, another one another take, as far as the engine can.
        """
        ...


@dataclass(frozen=True, slots=True)
class Utterance:
    """One text to speak, told as to :meth:`Synthesizer.speak`."""

    text: str
    out: Path
    language: str
    voice: Voice
    seconds: float | None = None
    seed: int = 0


@runtime_checkable
class BatchSynthesizer(Protocol):
    """A speaker that gains by many texts at once: a program that loads its model at each start, a
    server that does several at a time."""

    at_once: int
    """Texts a call, at most; 1 where it gains nothing."""

    def speak_all(self, texts: Sequence[Utterance]) -> Sequence[str]:
        """Speak each of them as :meth:`Synthesizer.speak` would; for each what went wrong, in a
        sentence, or "" where its file is written. Raises UsageError for what no retry can mend."""
        ...


class Converter(Engine, Protocol):
    """Turns speech into another voice's. Entry-point group ``dubkit.converters``."""

    @abstractmethod
    def convert(self, audio: Path, out: Path, *, voice: Voice) -> None:
        """Write the speech of ``audio`` (mono WAV) in ``voice`` to ``out`` (WAV of any rate), as
        long as it was within 50 ms."""
        ...


# ---------------------------------------------------------------- picture and sound


class LipSyncer(Engine, Protocol):
    """Redraws mouths. Entry-point group ``dubkit.lipsyncers``."""

    frame_rate: float | None = None
    """Frames a second that it wants; None for any constant rate."""

    @abstractmethod
    def lipsync(self, video: Path, audio: Path, out: Path, *, progress: Progress) -> None:
        """Write ``video`` (one shot of one face, constant frame rate) to ``out`` with its mouth
        moving to ``audio`` (16 kHz mono WAV, as long as the video): as many frames of the same
        size."""
        ...


class Separator(Engine, Protocol):
    """Parts speech from all else. Entry-point group ``dubkit.separators``."""

    @abstractmethod
    def separate(self, audio: Path, speech: Path, background: Path, *, progress: Progress) -> None:
        """Write the two parts of ``audio`` (WAV, 48 kHz stereo) as WAV of the same rate and length;
        added up they are the whole again, but for what no ear would miss (3 % of its strength)."""
        ...


class Diarizer(Engine, Protocol):
    """Tells who speaks when. Entry-point group ``dubkit.diarizers``."""

    @abstractmethod
    def diarize(self, audio: Path, *, speakers: int | None, progress: Progress) -> Sequence[Turn]:
        """The turns of speech in ``audio`` (16 kHz mono WAV), in order of their starts; of
        ``speakers`` people, or None to find out how many."""
        ...


@runtime_checkable
class HasModels(Protocol):
    """An engine that knows which models it can use without the internet; for ``dubkit doctor``."""

    def models(self) -> Sequence[str]:
        """The models found on this machine, as people name them. Must not download anything."""
        ...


# ---------------------------------------------------------------- external tools


@runtime_checkable
class Outside(Protocol):
    """An engine of any kind whose work a tool or a server outside does; for ``dubkit doctor``."""

    def presets(self) -> Mapping[str, str]:
        """The tools that it knows how to talk to, by the name that its setting ``preset`` takes,
        each in a few words; empty where it has no such setting."""
        ...

    def reach(self) -> Sequence[str]:
        """As :meth:`Engine.check`, having asked the server, which takes some seconds at most."""
        ...


KINDS: Mapping[str, type[Engine]] = {
    "transcribers": Transcriber,
    "translators": Translator,
    "synthesizers": Synthesizer,
    "converters": Converter,
    "lipsyncers": LipSyncer,
    "separators": Separator,
    "diarizers": Diarizer,
}
"""The protocol of each kind; its entry-point group is ``dubkit.`` and the kind."""
