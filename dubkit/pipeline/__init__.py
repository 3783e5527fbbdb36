"""From a video to its results, step by step; the file that reads like the README.

Every step is a plain function of what went before, its result is kept in the workspace under a key
of all that it depends on, and nothing here knows how an engine works.
"""

from __future__ import annotations

import logging
import tempfile
import time
from pathlib import Path
from typing import Any, Unpack

from dubkit import workspace
from dubkit.engines import EngineRoom
from dubkit.hooks import KINDS, Diarizer, Progress, Transcriber, Translator
from dubkit.options import Keywords, Options, from_keywords
from dubkit.subtitles.source import format_of, read_edited
from dubkit.types import Dub, Result, Track

from . import dub, outputs, report
from .context import AUDIO, Context
from .source import read_source, transcript_file
from .translate import translate_to

log = logging.getLogger("dubkit")


def run(
    source: str | Path, *, progress: Progress | None = None, **options: Unpack[Keywords]
) -> Result:
    """Do to one video, sound or subtitle file what ``dubkit SOURCE --OPTIONS`` does.

    ``options`` are the fields of :class:`dubkit.Options`. ``progress(stage, done, total)`` is
    called with seconds of media. Raises :class:`dubkit.DubkitError` kinds.

    >>> dubkit.run("video.mp4", subs=True, to="es").outputs
    (PosixPath('video.en.srt'), PosixPath('video.es.srt'), PosixPath('video.subbed.mp4'))
    """
    return process(Path(source), from_keywords(options), progress or _silent)


def transcribe(
    source: str | Path, *, progress: Progress | None = None, **options: Unpack[Keywords]
) -> Track:
    """The words of a video or sound file with their times, in seconds on the video's timeline.

    Nothing is written beside the file. ``options`` are the fields of :class:`dubkit.Options` that
    matter for recognition (``language``, ``model``, ``transcriber``, ``device``, ``prompt``,
    ``hotwords``, ``audio_track``, ``settings``). The track has a cue for each stretch of speech,
    each with its words. Raises :class:`dubkit.DubkitError` kinds.
    """
    chosen = from_keywords({**options, "subs": True})
    with (
        EngineRoom() as room,
        tempfile.TemporaryDirectory(prefix="dubkit-") as folder,
        workspace.open_workspace(Path(folder)) as work,
    ):
        context = Context(Path(source), chosen, progress or _silent, room)
        return read_edited(transcript_file(context, work))


def needed_engines(source: Path) -> tuple[type[Any], ...]:
    """Protocols of the engines that a run on ``source`` may need: all, or for a subtitle file a
    translator alone."""
    return (Translator,) if format_of(source) else tuple(KINDS.values())


def process(
    source: Path, options: Options, progress: Progress, room: EngineRoom | None = None
) -> Result:
    """Make everything that ``options`` ask for of one input.

    ``room`` holds engines over several inputs; without one they are closed at the end.
    """
    if room is None:
        with EngineRoom() as own:
            return process(source, options, progress, own)
    started = time.perf_counter()
    room.begin()
    context = Context(source, options, progress, room)
    video = outputs.video_name(context)
    with workspace.open_workspace(context.workspace) as work:
        outputs.refuse_clash(context, work)
        if video:
            work.claim(video, force=options.force)
        if options.dub:
            dub.claim(context, work)
        text = read_source(context, work)
        room.done(Transcriber, Diarizer)
        context.warnings += text.warnings
        translations = [
            one for tag in options.to if (one := translate_to(context, work, text, tag))
        ]
        if not options.dub:  # which may have lines reworded
            room.done(Translator)
        shown = outputs.shown(context, text, translations)
        paths = outputs.sidecars(context, work, text, shown)
        if video:
            outputs.subbed(context, work, text, shown, video)
            paths.append(video)
        dubs: list[Dub] = []
        if options.dub:
            dubbed, dubs = dub.dub_translations(context, work, text, translations)
            paths += dubbed
        if not options.keep:
            work.drop(AUDIO)
            work.drop_folders()
        context.warnings += work.warnings
        context.timings["total"] = time.perf_counter() - started
        duration = (
            context.media.duration
            if context.media
            else max((c.end for c in text.track.cues), default=0.0)
        )
        result = Result(
            source,
            tuple(paths),
            text.track,
            context.timings,
            duration,
            tuple(dict.fromkeys(context.warnings)),
            tuple(translations),
            tuple(dubs),
        )
        report.write(work.folder, result, options.profile, context.rate)
    return result


def _silent(stage: str, done: float, total: float) -> None:
    """The progress of a caller who wants none."""
