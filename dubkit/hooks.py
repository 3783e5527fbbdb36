"""The plugin contract: what each kind of engine is asked for, and what it must return.

An engine is a dataclass whose fields are its settings (set by ``-o name.field=value``) and which
has the methods of its kind's protocol below. Subclass the protocol to inherit the defaults of what
is optional, or write all of it out. An engine is found by an entry point in the group named after
its kind, dubkit's own and third-party ones alike, or by ``./file.py:ClassName``;
:mod:`dubkit.engines` finds and loads it. ``dubkit.testing`` checks an engine against this contract.

What holds for all kinds:

- Times are seconds (``float``) from the start of the given file, languages are BCP-47 tags
  (``pt-BR``), and the core chooses the paths of files. An engine writes nowhere else.
- Input files belong to the core: an engine reads them and never changes them. Output files belong
  to the engine until it returns; then the core measures them and trusts no claim about them.
- An engine returns as little as possible: a text for an id, an audio file. So it cannot move a
  time, drop a line or cut off speech. What it could not do it omits or reports; it invents nothing.
- Secrets come from the environment only. Any other variable that changes a result is named after
  the engine (``OPENAI_BASE_URL`` for ``openai``), so that the workspace can take it into account.
- Settings called ``parallel``, ``batch``, ``threads``, ``devices``, ``timeout``, ``retries`` or
  ``..._price`` affect how it works and not its result; a change of any other setting makes results
  again.
- It raises :class:`~dubkit.errors.DubkitError` kinds; anything else is reported as its failure.
- If the protocol has a field ``parallel``, methods may be called from that many threads at once.
- Progress never decreases within a stage, nor exceeds its total.
- Plugins import only what :mod:`dubkit` itself exports; their tests may use :mod:`dubkit.testing`.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, cast, runtime_checkable

from .types import Cue, Transcription, Turn, Usage, Voice, Word

VERSION = 2
"""The version of this contract, raised when a protocol changes in a way that breaks plugins."""

Progress: TypeAlias = Callable[[str, float, float], None]
"""``progress(stage, done, total)``; seconds of media, or bytes if the stage begins with
``download``. ``total`` may be 0 when it is not known."""


class TranscribeProgress(Protocol):
    """A :data:`Progress` that also accepts what has just been transcribed.

    ``cues`` are in any order, to be shown while the work goes on; a later one may improve on an
    earlier one of the same time. An engine that has none leaves the argument out.
    """

    def __call__(
        self, stage: str, done: float, total: float, /, *, cues: Sequence[Cue] = ()
    ) -> None: ...


def accept_cues(progress: Progress) -> TranscribeProgress:
    """``progress`` as a transcriber may call it; a callback of three arguments gets only those."""
    try:
        inspect.signature(progress).bind("", 0.0, 0.0, cues=())
    except (TypeError, ValueError):

        def report(stage: str, done: float, total: float, /, *, cues: Sequence[Cue] = ()) -> None:
            progress(stage, done, total)

        return report
    return cast(TranscribeProgress, progress)


class Engine(Protocol):
    """What every kind of engine has."""

    contract: int
    """The version of this contract that the engine was written for: ``contract = 2``. The protocols
    leave it out, so that every engine states it; another than :data:`VERSION` is refused."""
    priority: int = 0
    """Where ``auto`` tries it: the highest first, engines of equal priority by name."""
    caveat: str = ""
    """What the user should know when ``auto`` chose it, in a sentence."""
    open_ended: bool = False
    """Whether its settings name programs to run or servers to call. The page then offers it only if
    the server's owner allows that."""

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
        like, ``hotwords`` are names and terms to expect. ``work`` is a private folder that still
        exists when an interrupted run is resumed. Times in the result are seconds from the start
        of ``audio``; the core checks that they are inside it and in order. Every cue has its words;
        where nobody speaks there are no cues.
        """
        ...


@runtime_checkable
class Preloading(Protocol):
    """A transcriber that takes long to start, and can do so while the sound is being extracted: it
    is then built in a thread, too."""

    def preload(self, language: str | None) -> None:
        """Load what :meth:`Transcriber.transcribe` will need first, as far as it is here already.
        Called once, in another thread, before that. Must not download anything; what it raises is
        only logged, since :meth:`Transcriber.transcribe` will meet it again."""
        ...


@runtime_checkable
class DetectsLanguage(Protocol):
    """A transcriber that can say which language is spoken without transcribing anything."""

    def detect_language(self, audio: Path) -> tuple[str, float]:
        """The BCP-47 tag of the language spoken in ``audio``, a WAV file as for
        :meth:`Transcriber.transcribe`, and its probability, which is 0 if nobody speaks."""
        ...


@runtime_checkable
class KnowsLanguages(Protocol):
    """A transcriber that can say which languages it knows before it is built."""

    @classmethod
    def check_languages(cls, languages: Sequence[str], model: str) -> None:
        """Raise UsageError if it cannot transcribe speech in these languages (BCP-47 tags, each
        stretch of it in one of them): with a model, as the setting ``model`` names it, or with any
        if that is empty."""
        ...


@runtime_checkable
class FindsLanguages(Protocol):
    """A transcriber that finds the language of each stretch of speech, and can be limited to some.
    Its cues have their language where it is another one than the track's."""

    def transcribe_among(
        self, audio: Path, *, languages: Sequence[str], **others: Any
    ) -> Transcription:
        """As :meth:`Transcriber.transcribe` if these languages, BCP-47 tags, may be spoken."""
        ...


@runtime_checkable
class ReadsBack(Protocol):
    """A transcriber that can be set to read generated speech back, to check it: quickly, and with
    what is on this machine."""

    def settings_to_read_back(self, language: str) -> Mapping[str, str] | None:
        """The settings for that, by their names; None if it has no model for the language here.
        Must not download anything."""
        ...


@runtime_checkable
class FindsSpeech(Protocol):
    """A transcriber that can say where somebody speaks, many times faster than what."""

    def find_speech(self, audio: Path, *, progress: Progress) -> Sequence[tuple[float, float]]:
        """Start and end, in seconds and in order, of each stretch of speech in ``audio``, as for
        :meth:`Transcriber.transcribe`. Must not download anything."""
        ...


@dataclass(frozen=True, slots=True)
class Passage:
    """A text that is spoken between two times, a few seconds to half a minute of it."""

    start: float
    end: float
    """Seconds in the sound; what is spoken around them belongs to other passages."""
    words: tuple[str, ...]
    """As in :class:`~dubkit.types.Word`, with leading spaces where the language writes them."""


class Aligner(Engine, Protocol):
    """Finds when each word of a known text is spoken. Entry-point group ``dubkit.aligners``."""

    def supports(self, language: str) -> bool:
        """Whether it knows a language, a BCP-47 tag."""
        return True

    @abstractmethod
    def align(
        self, audio: Path, passages: Sequence[Passage], *, language: str, progress: Progress
    ) -> Sequence[Sequence[Word]]:
        """The words of each passage with their times, in seconds from the start of ``audio`` (a
        16 kHz mono 16-bit WAV file) and, if it knows them, their probabilities: the same texts in
        the same order. Nothing for a passage that it cannot align."""
        ...


@runtime_checkable
class NeedsModels(Protocol):
    """An aligner with a model for a language, which it may have to download first."""

    def has_model(self, language: str) -> bool:
        """Whether that is on this machine: ``auto`` downloads none for exact times."""
        ...


# ---------------------------------------------------------------- one language to another


@dataclass(frozen=True, slots=True)
class Line:
    """A piece of text to translate: whole sentences, even if several cues show them."""

    id: str
    """Identifies the line in the reply; unique in the request."""
    text: str
    """Without line breaks. It contains ``<i>``, ``<b>`` and ``<u>`` only for engines that follow
    ``"markup"``."""
    start: float = 0.0
    end: float = 0.0
    """Seconds between which it is shown or spoken."""
    speaker: str | None = None
    max_chars: int | None = None
    """Characters of translation that can be read (or spoken) in that time."""
    fault: str = ""
    """What was wrong with an earlier translation of it, in a sentence; "" on the first attempt."""
    rejected: str = ""
    """That earlier translation."""


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A line before or after those to translate, as context."""

    text: str
    translation: str = ""
    """"" if it is not known, as for all lines after those."""
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class TranslationRequest:
    """Some lines of one text, with everything that helps to translate them well."""

    source: str
    target: str
    """BCP-47 tags."""
    lines: tuple[Line, ...]
    before: tuple[Neighbor, ...] = ()
    after: tuple[Neighbor, ...] = ()
    summary: str = ""
    """A summary of the text before these lines, from the last reply."""
    glossary: tuple[tuple[str, str], ...] = ()
    """Terms that occur in these lines, each with the translation to use."""
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
    """A translator's answer to a request."""

    texts: Mapping[str, str]
    """Translation by line id, on one line. Lines that it could not translate are left out."""
    summary: str = ""
    """A summary of the text so far, in a few sentences; passed on with the next request."""
    fault: str = ""
    """Why lines are missing, if that is known: ``the server refused the text``."""
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    """The model that was actually used, for people to read."""


class Translator(Engine, Protocol):
    """Translates lines. Entry-point group ``dubkit.translators``.

    The core splits a text into sentences and groups these into requests. It checks each reply
    (every id once, in the target language, nothing lost) and repeats the request for what is wrong,
    first as a whole, then in halves down to single lines. An engine answers one request.
    """

    follows: Collection[str] = ()
    """What it can follow beyond the lines: ``"glossary"``, ``"tone"``, ``"context"`` (the user's
    and the neighboring lines), ``"length"``, ``"markup"``, ``"fault"`` (a retry that names the
    fault may help). Anything else is neither sent nor required, and the user is warned."""
    batch: int = 20
    """Maximum lines per request."""
    parallel: int = 1
    """Requests that it handles at once."""
    needs_audio: bool = False

    def offer(self, source: str | None, target: str) -> str:
        """What to type so that it can translate between two languages for which nothing is ready
        here; "" if it never could. Also called when :meth:`check` finds problems."""
        return ""

    @abstractmethod
    def supports(self, source: str | None, target: str) -> bool:
        """Whether it can translate from ``source`` (None: not known yet, so from any language at
        all) to ``target``."""
        ...

    def prepare(self, source: str | None, target: str, progress: Progress) -> None:
        """Make sure that it will work, before the user waits for anything: ask the server whether
        it accepts the key and the model, or download the model, reporting ``progress``. Called
        before the speech is recognized, with ``source`` None if it is not known yet, and before the
        first request.

        Raises UsageError (a wrong key or model name), MissingDependency (no server answers).
        """
        return None

    @abstractmethod
    def translate(self, request: TranslationRequest) -> TranslationReply:
        """Translate ``request.lines``.

        Waits for temporary problems to pass (a full queue, a network error). Raises PluginError if
        they do not, UsageError for what no retry can fix.
        """
        ...


@runtime_checkable
class Metered(Protocol):
    """A translator whose work is measured in tokens or in money."""

    def estimate(self, request: TranslationRequest) -> Usage:
        """Roughly what the request will take. Calls no server."""
        ...


# ---------------------------------------------------------------- words to speech


class Synthesizer(Engine, Protocol):
    """Speaks text. Entry-point group ``dubkit.synthesizers``."""

    clones: bool = False
    """Whether it can speak in the voice of reference clips."""

    def offer(self, language: str, *, clone: bool) -> str:
        """What to type so that it can speak a language, or clone voices; "" if it never could.
        Also called when :meth:`check` finds problems."""
        return ""

    @abstractmethod
    def voices(self, language: str) -> Sequence[str]:
        """The names of its own voices for a language; empty if it cannot speak it."""
        ...

    def knows(self, voice: str) -> bool:
        """Whether it accepts, from a user who names it, a voice that :meth:`voices` does not
        list: another language's, a mix of two."""
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

        ``voice`` is one of :meth:`voices`, or clips to clone. ``seconds`` is the desired length; an
        engine that cannot aim at one ignores it. The same ``seed`` gives the same sound and another
        seed another take, as far as the engine can.
        """
        ...


@dataclass(frozen=True, slots=True)
class Utterance:
    """One text to speak, with the arguments of :meth:`Synthesizer.speak`."""

    text: str
    out: Path
    language: str
    voice: Voice
    seconds: float | None = None
    seed: int = 0


@runtime_checkable
class BatchSynthesizer(Protocol):
    """A synthesizer that is faster with many texts at once: a program that loads its model at
    each start, a server that handles several at a time."""

    at_once: int
    """Maximum texts per call; 1 if more would not help."""

    def speak_all(self, texts: Sequence[Utterance]) -> Sequence[str]:
        """Speak each of them as :meth:`Synthesizer.speak` would. Returns for each what went wrong,
        in a sentence, or "" if its file is written. Raises UsageError for what no retry can fix."""
        ...


@runtime_checkable
class ClonesSome(Protocol):
    """A synthesizer that speaks only some languages in the voice of reference clips."""

    def clones_into(self, language: str) -> bool:
        """Whether it speaks a language in such a voice."""
        ...


class Converter(Engine, Protocol):
    """Converts speech into another voice. Entry-point group ``dubkit.converters``."""

    @abstractmethod
    def convert(self, audio: Path, out: Path, *, voice: Voice) -> None:
        """Write the speech of ``audio`` (mono WAV) in ``voice`` to ``out`` (WAV of any rate), of
        the same length within 50 ms."""
        ...


@dataclass(frozen=True, slots=True)
class ConversionRequest:
    """One recording to convert, with the arguments of :meth:`Converter.convert`."""

    audio: Path
    out: Path
    voice: Voice


@runtime_checkable
class BatchConverter(Protocol):
    """A converter that is faster with many recordings at once."""

    at_once: int
    """Maximum recordings per call; 1 if more would not help."""

    def convert_all(self, requests: Sequence[ConversionRequest]) -> Sequence[str]:
        """Convert each of them as :meth:`Converter.convert` would. Returns for each what went
        wrong, in a sentence, or "" if its file is written. Raises UsageError for what no retry can
        fix."""
        ...


# ---------------------------------------------------------------- picture and sound


class LipSyncer(Engine, Protocol):
    """Redraws mouths. Entry-point group ``dubkit.lipsyncers``."""

    frame_rate: float | None = None
    """Frames per second that it needs; None for any constant rate."""

    @abstractmethod
    def lipsync(self, video: Path, audio: Path, out: Path, *, progress: Progress) -> None:
        """Write ``video`` (one shot of one face, constant frame rate) to ``out`` with its mouth
        moving to ``audio`` (16 kHz mono WAV, as long as the video): the same number of frames of
        the same size."""
        ...


@dataclass(frozen=True, slots=True)
class LipSyncRequest:
    """One shot to redraw, with the arguments of :meth:`LipSyncer.lipsync`."""

    video: Path
    audio: Path
    out: Path


@runtime_checkable
class BatchLipSyncer(Protocol):
    """A lip-syncer that is faster with many shots at once."""

    at_once: int
    """Maximum shots per call; 1 if more would not help."""

    def lipsync_all(
        self, requests: Sequence[LipSyncRequest], *, progress: Progress
    ) -> Sequence[str]:
        """Redraw each of them as :meth:`LipSyncer.lipsync` would; ``progress`` is for all together.
        Returns for each what went wrong, in a sentence, or "" if its file is written. Raises
        UsageError for what no retry can fix."""
        ...


@runtime_checkable
class TrainedLipSyncer(Protocol):
    """A lip-syncer that draws the faces of people on whose crops (``dubkit faces``) it learned."""

    trained: bool  # if false, it takes shots like any other

    def knows(self, person: str) -> bool:
        """Whether it was trained on the crop of that name."""

    def lipsync_crop(
        self, video: Path, audio: Path, out: Path, *, person: str, frames: range, progress: Progress
    ) -> None:
        """As :meth:`LipSyncer.lipsync`, with a video of these frames of the person's crop."""


@runtime_checkable
class AvatarDrawer(Protocol):
    """A lip-syncer that can draw a whole picture: of someone who speaks, say."""

    def draw_avatar(self, video: Path, audio: Path, out: Path, *, progress: Progress) -> None:
        """Write a picture of one size and rate, as long as ``audio``; ``video`` may be ignored."""


class Separator(Engine, Protocol):
    """Separates speech from everything else. Entry-point group ``dubkit.separators``."""

    @abstractmethod
    def separate(self, audio: Path, speech: Path, background: Path, *, progress: Progress) -> None:
        """Write the two parts of ``audio`` (WAV, 48 kHz stereo) as WAV of the same rate and length.
        Their sum is the original, except for what is inaudible (3 % of its level)."""
        ...


class Diarizer(Engine, Protocol):
    """Finds out who speaks when. Entry-point group ``dubkit.diarizers``."""

    @abstractmethod
    def diarize(self, audio: Path, *, speakers: int | None, progress: Progress) -> Sequence[Turn]:
        """The turns of speech in ``audio`` (16 kHz mono WAV), in order of their starts.
        ``speakers`` is the number of people, or None to find out."""
        ...


@runtime_checkable
class HasModels(Protocol):
    """An engine that knows which models it can use without the internet; for ``dubkit doctor``."""

    def models(self) -> Sequence[str]:
        """The models found on this machine, as its setting ``model`` takes them. Must not download
        anything."""
        ...


# ---------------------------------------------------------------- external tools


@runtime_checkable
class External(Protocol):
    """An engine of any kind whose work an external tool or server does; for ``dubkit doctor``.

    One with presets has these settings: ``preset``; the same under the name of its kind
    (``converter``), where engines of several kinds share their settings; and ``set``, a text of
    ``converter.key=value,...`` for the tool's own. A user then names the tool itself as the engine:
    ``--convert rvc -o rvc.key=value``.
    """

    def presets(self) -> Mapping[str, str]:
        """The tools that it can use, by the value of its setting ``preset``, each in a few words;
        empty if it has no such setting."""
        ...

    def reach(self) -> Sequence[str]:
        """As :meth:`Engine.check`, but also asks the server, as a run does before its long work, or
        has the tool show that it starts, which may take a minute."""
        ...


@dataclass(frozen=True, slots=True)
class Weights:
    """Files of a model that an external tool needs beside its program."""

    name: str
    source: str
    """Where they are published: an address."""
    licence: str
    megabytes: int
    to: Path | None = None
    """Where the tool looks for the file at ``source``; None if it has a place of its own."""
    get: tuple[str, ...] = ()
    """A program that gets them to that place."""
    by_hand: bool = False
    """Whether a person has to get them, as ``source`` says."""


@dataclass(frozen=True, slots=True)
class Installation:
    """How an external tool is installed into a folder of its own; for ``dubkit setup``."""

    tool: str
    """Its name for people."""
    licence: str
    """Of the program and, if they differ, its models."""
    commercial: bool | None
    """Whether these allow commercial use; None if that depends."""
    languages: tuple[str, ...]
    """What it speaks, as primary subtags; empty if it does not speak."""
    name: str
    """Of the folder; tools that share an installation have the same."""
    pythons: tuple[str, ...]
    """Versions of Python that it runs on, as ``3.11``, the best first; empty if nothing is known
    of how to install it."""
    packages: tuple[str, ...]
    """Requirements, as arguments of ``pip install``."""
    megabytes: int
    """Of the environment with these; 0 if unknown."""
    git: str
    """The address of a repository, and after ``@`` a commit; "" if there is none."""
    weights: tuple[Weights, ...]
    settings: Mapping[str, str]
    """The settings of the tool by which dubkit finds it there."""
    is_server: bool
    """Whether it is one, of which only :meth:`External.reach` sees whether it is there."""
    start: str
    """What to type to start the server; "" if that is not known."""
    notes: str
    """What else a person has to do, or should know."""


@runtime_checkable
class Installable(External, Protocol):
    """An external tool of which dubkit knows how it is installed."""

    def installation(self, folder: Path) -> Installation:
        """How to install it into ``folder``, with a Python environment in ``env`` and its
        repository, if any, in ``repo``. Raises UsageError if no tool is set."""
        ...

    def try_start(self) -> Sequence[str]:
        """What keeps the tool from starting, a sentence each; it is run for that, for minutes at
        most. Empty if it starts, or there is no quick way to see it."""
        ...


KINDS: Mapping[str, type[Any]] = {
    "transcribers": Transcriber,
    "aligners": Aligner,
    "translators": Translator,
    "synthesizers": Synthesizer,
    "converters": Converter,
    "lipsyncers": LipSyncer,
    "separators": Separator,
    "diarizers": Diarizer,
}
"""The protocol of each kind; its entry-point group is ``dubkit.`` and the kind."""
