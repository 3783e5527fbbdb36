"""What the stages of one run share: the input, its options, and what they note on the way.

Also what several stages need: the translator for a language.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dubkit import languages, workspace
from dubkit.engines import Choice, EngineRoom, choose
from dubkit.errors import MissingDependency, UsageError
from dubkit.files import at_home, stamp_of
from dubkit.hooks import (
    Converter,
    LipSyncer,
    Progress,
    Separator,
    Synthesizer,
    Transcriber,
    Translator,
)
from dubkit.media.probe import pick_audio, probe
from dubkit.options import Options, parse_range
from dubkit.script.read import read_script
from dubkit.subtitles import UNKNOWN
from dubkit.subtitles import source as source_text
from dubkit.translate import glossary
from dubkit.types import AudioStream, Media

from .part import end_with
from .time_left import Plan


class Context:
    """One run on one input.

    Everything that can be known to be wrong is raised here, before anything is written.
    """

    def __init__(
        self,
        source: Path,
        options: Options,
        progress: Progress,
        room: EngineRoom,
        plan: Plan | None = None,
    ) -> None:
        self.source = source
        self.options = options = choose.with_presets(options)
        self.plan = plan or Plan()
        self.progress = self.plan.watch(progress)
        self.engines = room
        """Every stage gets its engines here, and closes them here when it is done with them."""
        choose.check_names(options)
        self.glossary = glossary.read(options.glossary) if options.glossary else ()
        if options.script:
            read_script(at_home(options.script), options.spoken or UNKNOWN, options.encoding)
        self.media: Media | None = None
        """None if the input is a subtitle file."""
        self.stream: AudioStream | None = None
        """The audio track that is transcribed and dubbed; None if there is none."""
        self.part = parse_range(options.range) if options.range else None
        """Start and end, in seconds, of the part that is worked on; None if that is all."""
        self.speakers: dict[str, str] = {}
        """The name of each speaker by what the diarizer or the file calls them."""
        self.edited_results: set[Path] = set()
        """Results that a person edited, and whose text has been taken."""
        self.timings: dict[str, float] = {}
        """Seconds by step, for the steps that were not skipped."""
        self.warnings: list[str] = []
        self.differences: list[str] = []
        """Warnings about what a script and the speech differ in."""
        self.folder, self.stem, self.workspace = place_of(source, options)
        """Where the results go, what their names begin with, and the folder of the workspace."""
        self.flags = ""
        """What those of subtitle files have after the language: ``.sdh`` if the input's has,
        ``.forced`` if that of ``subs_from`` has."""
        self.stamp = _stamp(source)
        """What shows whether the input is changed during the run."""
        self.translators: dict[tuple[str, str], Choice[Translator]] = {}
        """By source and target language, the translators that have been prepared for them."""
        self.untranslatable: dict[str, MissingDependency] = {}
        """By target language, why nothing here translates to it."""
        self.synthesizers: dict[str, Choice[Synthesizer]] = {}
        if source_text.format_of(source):
            self._take_text()
        else:
            self._take_media()

    def _take_text(self) -> None:
        """Take a subtitle file as the input: there is no sound and no picture."""
        options = self.options
        if options.subs_from or options.script or options.burn:
            raise UsageError(
                f"{self.source.name} is a subtitle file, not a video",
                f"name the video, and --subs-from {self.source.name}",
            )
        if not options.to and options.formats is None:
            raise UsageError(
                f"nothing to do with {self.source.name}",
                "--to es translates it, --format vtt converts it; dubkit check FILE checks it",
            )
        self.flags = source_text.name_parts(self.source).flags

    def _take_media(self) -> None:
        options = self.options
        for flag, given in (("--encoding", options.encoding), ("--strict", options.strict)):
            if given and not (options.subs_from or options.script):
                raise UsageError(
                    f"{flag} is for the text of a file, and {self.source.name} is not one",
                    f"add --subs-from, or leave {flag} out",
                )
        if options.subs_from and source_text.is_forced(at_home(options.subs_from)):
            self.flags = ".forced"
        self.media = probe(self.source)
        self.warnings += self.media.warnings
        if self.part and self.media.duration:
            self.part, warnings = end_with(self.part, self.media.duration, self.source.name)
            self.warnings += warnings
        if options.aligner != "auto" and not options.subs_from:
            choose.named_aligner(self.engines, options, options.spoken)
        if not options.subs_from or self.media.audio:
            self.stream = pick_audio(self.media, options.audio_track, options.spoken)
            if not options.audio_track and self.stream != pick_audio(self.media):
                number = self.media.audio.index(self.stream) + 1
                self.warnings.append(
                    f"audio track {number} is used, not the default one, as it is in "
                    f"{languages.name(options.spoken or '')}; --audio-track chooses another"
                )

    @property
    def begin(self) -> float:
        """Seconds at which the part that is worked on begins, and the sound for engines with it."""
        return self.part[0] if self.part else 0.0

    @property
    def end(self) -> float:
        """Seconds at which the part that is worked on ends, or all; 0 if that is unknown."""
        end = self.part[1] if self.part else math.inf
        end = min(end, (self.media and self.media.duration) or math.inf)
        return 0.0 if end == math.inf else end

    @property
    def seconds(self) -> float:
        """Seconds of media that are worked on; 0 if that is unknown."""
        return self.end - self.begin if self.end else 0.0

    @functools.cached_property
    def transcriber(self) -> Choice[Transcriber]:
        """The engine that recognizes the speech."""
        return choose.transcriber(self.options)

    @functools.cached_property
    def separator(self) -> Choice[Separator]:
        """The engine of ``--separate``."""
        return choose.separator(self.engines, self.options)

    @functools.cached_property
    def converter(self) -> Choice[Converter]:
        """The engine of ``--convert``."""
        return choose.named(self.engines, self.options, Converter, self.options.convert)

    @functools.cached_property
    def lip_syncer(self) -> Choice[LipSyncer]:
        """The engine of ``--lipsync``."""
        return choose.named(self.engines, self.options, LipSyncer, self.options.lipsync)

    def synthesizer(self, language: str) -> Choice[Synthesizer]:
        """The engine that speaks a language; chosen once, since its check reads a whole model."""
        if language not in self.synthesizers:
            self.synthesizers[language] = choose.synthesizer(self.engines, self.options, language)
        return self.synthesizers[language]

    def do_without(self, target: str, failure: MissingDependency) -> None:
        """Go on without a target language that nothing here translates to; raises ``failure`` if
        then nothing of what was asked for is left to make."""
        self.untranslatable[target] = failure
        options = self.options
        none = len(self.untranslatable) == len(options.to)
        if options.burn or (none and (options.dub or not options.subs)):
            raise failure

    @property
    def rate(self) -> float | None:
        """Frames per second of the picture; None if there is no picture."""
        return self.media.video[0].frame_rate if self.media and self.media.video else None

    @property
    def retimed(self) -> bool:
        """Whether cues are timed for reading, instead of keeping the times of a file."""
        from_file = self.options.subs_from or not self.media
        return self.options.retime or not from_file

    @contextmanager
    def timed(self, step: str, *, planned: bool = True) -> Iterator[None]:
        """Add the wall time of the block to the timings of ``step``; the block is that step of the
        plan, unless it only prepares it."""
        started = time.perf_counter()
        with self.plan.during(step if planned else ""):
            yield
        self.timings[step] = self.timings.get(step, 0.0) + time.perf_counter() - started

    def progress_of(self, step: str, total: float | None = None) -> Callable[[float], None]:
        """A callback for a step that reports how many seconds of media are done, of ``total``, or
        of the whole film."""
        if total is None:
            total = self.media.duration if self.media else 0.0
        return lambda done: self.progress(step, done, total)


def place_of(source: Path, options: Options) -> tuple[Path, str, Path]:
    """The folder of an input's results, what their names begin with, and its workspace."""
    folder = options.output_dir or source.parent
    is_text = bool(source_text.format_of(source))
    stem = source_text.name_parts(source).stem if is_text else source.stem
    name = source.name if is_text else stem
    return folder, stem, folder / f"{name}{workspace.SUFFIX}"


def _stamp(source: Path) -> Sequence[int]:
    try:
        return stamp_of(source)
    except OSError:  # what reads it says why, and what to do
        return ()


def translator_for(
    context: Context, source: str | None, target: str, *, prepared: bool = False
) -> Choice[Translator]:
    """The translator to ``target``; with ``prepared`` one that has been prepared, once a run, and
    so is known to work."""
    if choice := context.translators.get((source or "", target)):
        return choice

    def prepare(engine: Translator, source: str | None, target: str) -> None:
        engine.prepare(source, target, context.progress)

    choice = choose.translator(
        context.engines,
        context.options,
        source,
        target,
        has_sound=context.stream is not None,
        prepare=prepare if prepared else None,
    )
    if prepared and source:
        context.translators[source, target] = choice
    return choice
