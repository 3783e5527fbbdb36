"""The times of a subtitle file by its film: where somebody speaks, and if that is not enough, what.

What is found out about the film is kept in its workspace, so that further files take no time. The
search itself is :mod:`dubkit.sync`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dubkit import workspace
from dubkit.engines import EngineRoom, choose, guarded
from dubkit.errors import MissingDependency
from dubkit.files import read_json, write_json
from dubkit.hooks import FindsSpeech, Progress, Transcriber
from dubkit.languages import primary
from dubkit.media.probe import pick_audio
from dubkit.options import Options
from dubkit.subtitles import UNKNOWN
from dubkit.sync import align, words
from dubkit.sync.file import Subtitle
from dubkit.sync.fit import Anchor, Fit
from dubkit.types import Track
from dubkit.workspace import Workspace

from .context import Context
from .sound import AUDIO, artifact_of_sound, audio_file
from .source import read_transcript, transcript_artifact, transcript_file

SPEECH = "speech.json"
CUES_LEAD, CUES_SHARP = 0.0, 0.08
"""By how much, and how exactly, cues begin before those of other subtitles."""


@dataclass(frozen=True, slots=True)
class Found:
    """How the times of a file must be changed, and what that was found by."""

    fit: Fit
    by: str
    """``speech``, ``words`` or ``reference``."""


class Film:
    """A film, and what has been found out about it."""

    def __init__(self, context: Context, work: Workspace, by: str) -> None:
        self.context = context
        self.work = work
        self.by = by
        """``auto``, ``speech`` or ``words``."""
        self._spans: Sequence[tuple[float, float]] | None = None
        self._words: Track | None = None

    def fit(self, subtitle: Subtitle) -> Found:
        """How the times of a file must be changed to fit the film."""
        self._listen_in(subtitle.track.language)
        cues, length = subtitle.cues(), self.context.seconds or None
        watch = self._watch("fit")

        def by_words() -> Found:
            transcript = self.words()
            spoken = words.tokens_spoken(transcript.words)
            anchors = words.find_anchors(words.tokens_of(subtitle.lines()), spoken)
            fit = align.align(cues, self._speech(transcript), anchors=anchors, length=length,
                              progress=watch)  # fmt: skip
            return Found(fit, "words")

        if self.by == "words" or (self.by == "auto" and self._knows_words(subtitle)):
            return by_words()
        try:
            found = Found(align.align(cues, self.spans(), length=length, progress=watch), "speech")
        except MissingDependency:
            if self.by == "speech":
                raise
            return by_words()
        few = len(cues) < align.FEWEST
        if found.fit.sure or few or self.by == "speech" or not self._may_share(subtitle):
            return found
        return by_words()

    def _listen_in(self, language: str) -> None:
        """Take the audio track in the language of a file, if the film has one: what is spoken there
        is what the file says, and the default track may be music or a commentary."""
        context = self.context
        if context.options.audio_track or not context.media:
            return
        stream = pick_audio(context.media, spoken=None if language == UNKNOWN else language)
        if stream != context.stream:
            context.stream, self._spans, self._words = stream, None, None

    def spans(self) -> Sequence[tuple[float, float]]:
        """When somebody speaks. Raises MissingDependency if nothing here finds that."""
        if self._spans is None:
            context, work = self.context, self.work
            choice = choose.speech_finder(context.options)
            name, key = artifact_of_sound(context, work, SPEECH, engine=choice.identity)

            def make(path: Path) -> list[str]:
                wav = audio_file(context, work)
                engine = context.engines.engine(choice)
                with context.timed("find speech"), guarded(f"{choice.name} cannot find speech"):
                    assert isinstance(engine, FindsSpeech)
                    found = engine.find_speech(wav, progress=context.progress)
                    spans = [(float(start), float(end)) for start, end in found]
                    if not all(0 <= start <= end < math.inf for start, end in spans):
                        raise ValueError("it returned times that cannot be right")
                write_json(path, [(round(a, 3), round(b, 3)) for a, b in sorted(spans)])
                return []

            path = work.step(name, key, make, editable=False)
            self._spans = [(start, end) for start, end in read_json(path)]
        return self._spans

    def words(self) -> Track:
        """What is spoken, by recognition."""
        if self._words is None:
            path = transcript_file(self.context, self.work)
            self._words = read_transcript(self.context, path)
            self.context.engines.done(Transcriber)
        return self._words

    def _speech(self, transcript: Track) -> Sequence[tuple[float, float]]:
        try:
            return self.spans()
        except MissingDependency:
            return [(word.start, word.end) for word in transcript.words]

    def _knows_words(self, subtitle: Subtitle) -> bool:
        """Whether the film has been transcribed before, in the language of the file."""
        is_there = not self.work.outdated(*transcript_artifact(self.context, self.work))
        return is_there and _same(self.words().language, subtitle.track.language)

    def _may_share(self, subtitle: Subtitle) -> bool:
        """Whether what is spoken may be in the language of the file."""
        stated = self.context.stream.language if self.context.stream else None
        return _same(stated or UNKNOWN, subtitle.track.language)

    def _watch(self, stage: str) -> Callable[[float], object]:
        total = self.context.seconds
        return lambda share: self.context.progress(stage, share * total, total)


def _same(one: str, other: str) -> bool:
    unknown = UNKNOWN in (one, other)
    return unknown or primary(one) == primary(other)


@contextlib.contextmanager
def open_film(
    source: Path, options: Options, progress: Progress, *, folder: Path | None, by: str
) -> Iterator[Film]:
    """A film, with its workspace: the one beside it, or one in ``folder`` if there is none."""
    with EngineRoom() as room:
        context = Context(source, options, progress, room)
        place = context.workspace
        if folder and not place.exists():
            place = folder / place.name
        with workspace.open_workspace(place, adopt=options.adopt) as work:
            work.expect_source(context.source, context.stamp)
            try:
                yield Film(context, work, by)
            finally:
                work.drop(AUDIO)
                work.drop_folders()


def fit_to_reference(subtitle: Subtitle, reference: Subtitle) -> Found:
    """How the times of a file must be changed to fit those of another one, in any language."""
    anchors: Sequence[Anchor] = ()
    if _same(subtitle.track.language, reference.track.language):
        theirs = words.tokens_of(reference.lines())
        anchors = words.find_anchors(words.tokens_of(subtitle.lines()), theirs)
    spans = reference.spans()
    end = max(end for _, end in spans)
    fit = align.align(
        subtitle.cues(), spans, anchors=anchors, length=end, lead=CUES_LEAD, sharp=CUES_SHARP
    )
    return Found(fit, "reference")
