"""The few values that stages pass on, and that callers get.

Times are seconds (``float``) on the *video's* timeline, as a player shows it.
Languages are BCP-47 tags (``en``, ``pt-BR``). Text keeps its line breaks as ``"\\n"``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Word:
    """One recognized word."""

    start: float
    """Seconds at which the word begins."""
    end: float
    """Seconds at which the word ends, never before ``start``."""
    text: str
    """The word with its punctuation and, in languages that write them, its leading space:
    ``"".join(word.text for word in words)`` is the text in any language (Whisper's convention)."""
    probability: float | None = None
    """0 to 1, or None if the engine does not report it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a cue is shown, if that is not at the bottom, in the center."""

    anchor: int = 2
    """As the digits of a keypad: 1 is at the bottom left, 9 at the top right."""
    x: float | None = None
    """Where the text's anchor is, in percent of the picture's width; None where it usually is."""
    y: float | None = None
    """The same of its height."""
    settings: str = ""
    """WebVTT's own words for it, which it is written back with."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One piece of timed text: a recognized segment, or one subtitle on the screen."""

    start: float
    end: float
    text: str
    """The text as shown, lines separated by ``"\\n"``; it may contain ``<i>``, ``<b>``, ``<u>``
    and colors, ``<c.#ffff00>`` or ``<c.yellow>`` to ``</c>``."""
    words: tuple[Word, ...] = ()
    """The words it was made from; empty for text from a file."""
    speaker: str | None = None
    style: str | None = None
    """Which of a file's texts it belongs to, if there are several (dialogue, signs, songs): a
    sentence never runs from one into another. None for the only or the usual one."""
    layout: Layout | None = None
    overlap: bool = False
    """Whether somebody else speaks, too, during a part of it."""
    language: str | None = None
    """The language of its text, in a transcript the one that is spoken, if it is another one than
    the track's."""
    new_sentence: bool = False
    """Whether a sentence begins with it, although the text before does not show that one ended:
    with a paragraph of a script."""

    def seconds_with(self, other: Cue) -> float:
        """Seconds for which both are shown; below zero, those that are between them."""
        return min(self.end, other.end) - max(self.start, other.start)


@dataclass(frozen=True, slots=True)
class Track:
    """Cues in one language: the transcript, the subtitles and each translation alike."""

    language: str
    cues: tuple[Cue, ...]

    @property
    def words(self) -> tuple[Word, ...]:
        """All words of all cues, in order."""
        return tuple(word for cue in self.cues for word in cue.words)

    def language_of(self, cue: Cue) -> str:
        """The language of one of its cues."""
        return cue.language or self.language

    @property
    def text(self) -> str:
        """The whole text, one cue a line."""
        return "\n".join(" ".join(cue.text.split()) for cue in self.cues)


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of one person's speech; where turns of two people overlap, both speak at once."""

    start: float
    end: float
    speaker: str
    """The same for the same person; it has no other meaning."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A clip of somebody's speech, to be imitated."""

    path: Path
    """A WAV file of 3 to 10 s."""
    text: str
    """What is spoken in it."""
    language: str


@dataclass(frozen=True, slots=True)
class Voice:
    """The voice to speak in: one of the engine's by name, or that of the person in the clips."""

    name: str = ""
    references: tuple[Reference, ...] = ()
    """The cleanest first."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What an engine's work consumed, as its provider counts."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    """US dollars; None if the price is not known."""

    def __add__(self, other: Usage) -> Usage:
        costs = [usage.cost for usage in (self, other) if usage.requests]
        return Usage(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            None if None in costs else sum(cost for cost in costs if cost is not None),
        )


@dataclass(frozen=True, slots=True)
class AudioStream:
    """One audio stream of a media file."""

    index: int
    """Index among all streams of the container (``-map 0:index``)."""
    codec: str
    language: str | None
    title: str | None
    default: bool
    channels: int
    sample_rate: int
    """Hz."""


@dataclass(frozen=True, slots=True)
class VideoStream:
    """One video stream (cover art does not count)."""

    index: int
    codec: str
    width: int
    """Pixels as shown, rotation applied."""
    height: int
    frame_rate: float
    """Frames per second, the average if it varies."""


@dataclass(frozen=True, slots=True)
class SubtitleStream:
    """One subtitle stream in the file."""

    index: int
    codec: str
    language: str | None
    title: str | None
    default: bool
    forced: bool = False
    """Only what a viewer of the dubbed film needs: signs, and lines in other languages."""
    sdh: bool = False
    """For the deaf and hard of hearing: with sounds and speakers."""


@dataclass(frozen=True, slots=True)
class Media:
    """What probing found in a file."""

    path: Path
    container: str
    """ffmpeg's name of the demuxer, such as ``mov,mp4,m4a,3gp,3g2,mj2``."""
    duration: float
    """Seconds; 0.0 if nothing in the file states it."""
    video: tuple[VideoStream, ...]
    audio: tuple[AudioStream, ...]
    subtitles: tuple[SubtitleStream, ...]
    warnings: tuple[str, ...] = ()
    """What is wrong with the file but could be worked around, a sentence each."""


@dataclass(frozen=True, slots=True)
class Transcription:
    """What a transcriber returns."""

    track: Track
    """One cue per window or sentence of speech, each with its words."""
    model: str
    """The model that was actually used, for people to read."""
    timings: Mapping[str, float] = field(default_factory=dict)
    """Seconds of work per part (``features``, ``encoder``, ``decoder``, ``alignment``, ...),
    summed over worker threads."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UntranslatedLine:
    """A line that the translator could not translate; its cues keep the source's text."""

    cues: tuple[int, ...]
    """Numbers of its cues, counted from 1."""
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Translation:
    """A translation, and what it took."""

    track: Track
    """The cues in the other language, as they were written. Each begins when a cue of the source
    does, unless its text did not fit on the screen and was split into several cues."""
    translator: str
    model: str
    """The model that was actually used; empty if the engine does not report it."""
    lines: int
    """Lines (sentences) of the text ..."""
    cached: int
    """... and how many of them an earlier run had already translated."""
    failed: tuple[UntranslatedLine, ...]
    usage: Usage
    """Of this run."""
    warnings: tuple[str, ...] = ()

    @property
    def is_untranslated(self) -> bool:
        """Whether every line failed, so that it is still the text in its own language."""
        return 0 < self.lines == len(self.failed)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What translating into one language will take."""

    language: str
    translator: str
    lines: int
    cached: int
    """Lines that an earlier run has already translated."""
    usage: Usage
    guessed: bool
    """Whether the text does not exist yet, so that its length was guessed from the media's."""


@dataclass(frozen=True, slots=True)
class SpokenLine:
    """One line of a dub and its way into the mix. Values are None if it could not be spoken."""

    number: int
    """Counted from 1."""
    cues: tuple[int, ...]
    """Numbers of its cues, counted from 1."""
    source: str
    text: str
    slot: tuple[float, float]
    """Start and end of the original speech, in seconds."""
    spoken: float | None
    """Length of the engine's speech, in seconds."""
    start: float | None
    end: float | None
    stretch: float | None
    """1.15 for 15 % faster than the engine spoke it."""
    shift: float | None
    """Seconds by which it begins later than its slot."""
    steps: tuple[str, ...]
    """What was done to fit it, in order; see :class:`dubkit.dub.fit.Fit`."""
    speaker: str | None
    voice: str
    before: tuple[str, ...]
    """Earlier translations that were too long and are not spoken."""
    warnings: tuple[str, ...]
    converted: bool | None = None
    """Whether it is in the converter's voice; None if there is no converter, or no speech."""
    verified: bool | None = None
    """Whether its speech is what it should be: the words, the voice, the sound; None if that was
    not checked."""
    faults: tuple[str, ...] = ()
    """What is wrong with it, if not; among ``warnings``, too."""
    takes: int = 1
    """Times that it was spoken until nothing was wrong, or no more was tried."""
    quality: float | None = None
    """How people would score its sound, from 1 (bad) to 5 (excellent), as DNSMOS predicts it; None
    if the extra ``quality`` is not installed or too little is spoken."""
    overlap: bool = False
    """Whether somebody else speaks, too, during a part of the original."""
    language: str = ""
    """The language of ``source``."""
    original: bool = False
    """Whether it is left to the original voice, as it is in the dub's language already or could not
    be translated."""
    clip: str = ""
    """The name of the file in the workspace with its speech as it is mixed; empty if there is
    none."""


@dataclass(frozen=True, slots=True)
class SpanOutcome:
    """What lip-sync made of a span of the film in which the dub speaks."""

    start: float
    end: float
    state: Literal["redrawn", "no face", "untrained", "failed"]
    reason: str = ""
    cached: bool = False
    """Whether an earlier run rendered it."""


@dataclass(frozen=True, slots=True)
class Dub:
    """The dub in one language."""

    language: str
    video: Path | None
    """The file that contains it; None if nothing could be spoken, so that there is none."""
    report: Path
    synthesizer: str
    """The engine that spoke it."""
    lines: tuple[SpokenLine, ...]
    lipsync: tuple[SpanOutcome, ...] = ()
    """The spans for ``--lipsync``, in order."""

    @property
    def unspoken(self) -> tuple[SpokenLine, ...]:
        """The lines that could not be spoken."""
        return tuple(line for line in self.lines if line.spoken is None and not line.original)

    @property
    def original(self) -> tuple[SpokenLine, ...]:
        """The lines that are left to the original voice."""
        return tuple(line for line in self.lines if line.original)

    @property
    def unconverted(self) -> tuple[SpokenLine, ...]:
        """The lines that are in the synthesizer's voice, since the converter failed."""
        return tuple(line for line in self.lines if line.converted is False)

    @property
    def not_redrawn(self) -> tuple[SpanOutcome, ...]:
        """The spans in which the lip-syncer failed."""
        return tuple(span for span in self.lipsync if span.state == "failed")

    @property
    def doubtful(self) -> tuple[SpokenLine, ...]:
        """The lines whose speech is not what it should be."""
        return tuple(line for line in self.lines if line.verified is False)


@dataclass(frozen=True, slots=True)
class Result:
    """What a run made from one input."""

    source: Path
    outputs: tuple[Path, ...]
    track: Track
    """The cues in the spoken language, as they were written."""
    timings: Mapping[str, float]
    """Seconds of wall time per step that ran; steps taken from the workspace are absent."""
    duration: float
    """Seconds of media that were worked on: all, or those of ``range``."""
    warnings: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    """Those of the warnings that say what a script and the speech differ in."""
    translations: tuple[Translation, ...] = ()
    """One for each language of ``to``, in that order."""
    dubs: tuple[Dub, ...] = ()
    untranslatable: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """By language of ``to``, why nothing here translates to it, and what to do."""

    @property
    def rtfx(self) -> float:
        """Seconds of media per second of wall time, over the whole run."""
        spent = self.timings.get("total", 0.0)
        return self.duration / spent if spent else 0.0

    @property
    def did_something(self) -> bool:
        """Whether anything had to be made that was not there already."""
        return bool(self.timings.keys() - {"total"})

    @property
    def is_partial(self) -> bool:
        """Whether an engine failed with some of it: lines not translated, spoken or converted,
        mouths not redrawn."""
        return any(one.failed for one in self.translations) or any(
            one.unspoken or one.unconverted or one.not_redrawn for one in self.dubs
        )
