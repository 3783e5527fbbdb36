"""One input on its way: what was asked for, what was found, and the notes taken."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dubkit import workspace
from dubkit.engines import Choice, EngineRoom, choose
from dubkit.errors import UsageError
from dubkit.hooks import Progress, Transcriber, Translator
from dubkit.media.audio import extract_audio
from dubkit.media.probe import pick_audio, probe
from dubkit.options import Options
from dubkit.subtitles import source as source_text
from dubkit.translate import glossary
from dubkit.types import AudioStream, Media
from dubkit.workspace import Workspace, key_of

AUDIO = "audio.wav"


class Context:
    """What all steps of one run share: what was asked for, what was found, and the notes taken.

    Whatever can be known to be wrong is raised here, before anything is written.
    """

    def __init__(
        self, source: Path, options: Options, progress: Progress, room: EngineRoom | None = None
    ) -> None:
        self.source = source
        self.options = options
        self.progress = progress
        self.engines = room or EngineRoom()
        choose.check_names(options)
        self.glossary = glossary.read(options.glossary) if options.glossary else ()
        self.media: Media | None = None
        self.stream: AudioStream | None = None
        self.timings: dict[str, float] = {}
        self.warnings: list[str] = []
        self.folder = options.output_dir or source.parent
        self.stem = source.stem
        self.workspace = self.folder / f"{self.stem}{workspace.SUFFIX}"
        self.translators: dict[str, Choice[Translator]] = {}
        """By target, those that were asked whether they will work."""
        if source_text.format_of(source):
            self._take_text()
        else:
            self._take_media()

    def _take_text(self) -> None:
        """A subtitle file alone: there is no sound and no picture."""
        options = self.options
        if options.subs_from or options.burn:
            raise UsageError(
                f"{self.source.name} is a subtitle file, not a video",
                f"name the video, and --subs-from {self.source.name}",
            )
        if not options.to and options.formats is None:
            raise UsageError(
                f"nothing to do with {self.source.name}",
                "--to es translates it, --format vtt converts it; dubkit check FILE checks it",
            )
        self.stem = source_text.stem_of(self.source)
        self.workspace = self.folder / f"{self.source.name}{workspace.SUFFIX}"

    def _take_media(self) -> None:
        options = self.options
        self.media = probe(self.source)
        self.warnings += self.media.warnings
        if not options.subs_from or self.media.audio:
            self.stream = pick_audio(self.media, options.audio_track)

    @functools.cached_property
    def transcriber(self) -> Choice[Transcriber]:
        """What recognizes the speech."""
        return choose.transcriber(self.options)

    @property
    def rate(self) -> float | None:
        """Frames a second of the picture, where there is one."""
        return self.media.video[0].frame_rate if self.media and self.media.video else None

    @property
    def retimed(self) -> bool:
        """Whether cues are timed for reading, rather than kept as a file has them."""
        from_file = self.options.subs_from or not self.media
        return self.options.retime or not from_file

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Note the wall time of a step that really runs."""
        started = time.perf_counter()
        yield
        self.timings[step] = self.timings.get(step, 0.0) + time.perf_counter() - started

    def report(self, step: str) -> Callable[[float], None]:
        """The progress of a step that tells seconds of media done."""
        total = self.media.duration if self.media else 0.0
        return lambda done: self.progress(step, done, total)


def sound_key(context: Context, work: Workspace) -> str:
    """The key of all that is made from the sound that is heard."""
    assert context.media and context.stream
    return key_of(source=work.hash_source(context.media.path), stream=context.stream.index)


def audio(context: Context, work: Workspace) -> Path:
    """The sound for the engines, a 16 kHz mono WAV file."""

    def extract(wav: Path) -> list[str]:
        assert context.media and context.stream
        with context.timed("audio"):
            return extract_audio(context.media, context.stream, wav, context.report("audio"))

    return work.step(AUDIO, sound_key(context, work), extract)


def translator_for(
    context: Context, source: str | None, target: str, *, now: bool = False
) -> Choice[Translator]:
    """The translator for a target; with ``now`` one that has been asked, once, whether it works."""
    if choice := context.translators.get(target):
        return choice

    def prepare(engine: Translator) -> None:
        engine.prepare(source, target, context.progress)

    choice = choose.translator(
        context.engines,
        context.options,
        source,
        target,
        has_sound=context.stream is not None,
        prepare=prepare if now else None,
    )
    if now and source:
        context.translators[target] = choice
    return choice
