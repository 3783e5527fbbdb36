"""From a video to its results, stage by stage.

Each stage is a function of what earlier ones returned. It keeps its result in the workspace under
a key of everything that this depends on, so it is skipped if nothing has changed. It gets its
engines from the engine room and closes them when it is done; how they work, nothing here knows.

- :mod:`.context`: what the stages of one run share.
- :mod:`.part`: the part of the input that is worked on.
- :mod:`.sound`: the sound for engines.
- :mod:`.source`: the text: recognized, or read from subtitles.
- :mod:`.script`: the words of ``--script`` with their times, for ``source``.
- :mod:`.diarize`: who speaks when, for ``source``.
- :mod:`.translate`: the text in other languages.
- :mod:`.again`: a few lines of it once more, beside a run.
- :mod:`.outputs`: subtitle files, and the video with them.
- :mod:`.dub`: the translations spoken, and their reports.
- :mod:`.cast`: which voice each speaker gets, for ``dub``.
- :mod:`.verify`: whether what was spoken is what it should be, for ``dub``.
- :mod:`.references`: clips of a speaker's own voice, for ``cast``.
- :mod:`.render`: the video with a dub, for ``dub``.
- :mod:`.separate`: the sound without its speech, for ``render``; the speech, for ``references``.
- :mod:`.redraw`: the picture with lip-sync, for ``render``.
- :mod:`.elsewhere`: the workspace of a run on another machine.
- :mod:`.plan`: which steps a run does; :mod:`.time_left`: how long they take.
- :mod:`.existing`: ``--skip-existing``; :mod:`.renamed`: inputs with a new name.
- :mod:`.edits`: people's edits of cue files, kept when a stage makes these again.
- :mod:`.result_edits`: people's edits of subtitle files, taken into the cue files.
- :mod:`.report`: ``report.json``, and warnings and totals in sentences.
- :mod:`.estimate`: ``--dry-run``, instead of all this.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from dubkit import workspace
from dubkit.engines import EngineRoom
from dubkit.errors import contained
from dubkit.hooks import KINDS, Progress, Translator
from dubkit.media.ffmpeg import ffmpeg_path
from dubkit.options import Keywords, Options, from_keywords
from dubkit.subtitles import UNKNOWN
from dubkit.subtitles.source import format_of
from dubkit.system.scratch import scratch_folder
from dubkit.types import Dub, Result, Track, Translation

from . import dub, existing, outputs, plan, renamed, report
from .context import Context
from .sound import AUDIO
from .source import read_source, read_transcript, transcript_file
from .time_left import Plan
from .translate import translate_all


def run(
    source: str | Path, *, progress: Progress | None = None, **options: Unpack[Keywords]
) -> Result:
    """Do to one video, sound or subtitle file what ``dubkit SOURCE --OPTIONS`` does.

    ``options`` are the fields of :class:`dubkit.Options`. ``progress(stage, done, total)`` is
    called with seconds of media. Raises :class:`dubkit.DubkitError` kinds.

    >>> dubkit.run("video.mp4", subs=True, to="es").outputs
    (PosixPath('video.en.srt'), PosixPath('video.es.srt'), PosixPath('video.subbed.mp4'))
    """
    return process(Path(source), from_keywords(options), progress or _ignore)


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
        scratch_folder() as folder,
        workspace.open_workspace(folder) as work,
    ):
        context = Context(Path(source), chosen, progress or _ignore, room)
        work.expect_source(context.source, context.stamp)
        return read_transcript(context, transcript_file(context, work))


def process(
    source: Path,
    options: Options,
    progress: Progress,
    room: EngineRoom | None = None,
    watched: Plan | None = None,
    *,
    wait: bool = True,
) -> Result:
    """Make everything that ``options`` request from one input.

    A ``room`` keeps engines for further inputs; without one, they are closed at the end.
    ``watched`` is filled with the steps of the run, and knows how far it is. With ``wait``, another
    dubkit that is at work on the input is waited for; else InUse is raised.
    """
    if room is None:
        with EngineRoom() as own:
            return process(source, options, progress, own, watched, wait=wait)
    started = time.perf_counter()
    if options.skip_existing:
        left = existing.remaining(source, options)
        if left is None:
            return _nothing_left(source)
        options = left
    room.begin()
    context = Context(source, options, progress, room, watched)
    video = outputs.video_path(context)
    renamed.follow(context)
    with workspace.open_workspace(context.workspace, adopt=options.adopt, wait=wait) as work:
        work.expect_source(context.source, context.stamp)
        outputs.refuse_clash(context, work)
        if video:
            work.claim(video, force=options.force)
        if options.dub:
            dub.claim(context, work)
        if options.dub or (video and not video.exists()):
            ffmpeg_path()  # raises now rather than after an hour of recognition

        plan.expect(context, work)
        text = read_source(context, work)
        # Which language is spoken may be known only now.
        if options.skip_existing and existing.is_there(source, options, text.track.language):
            if not (options.to or options.dub):
                _tidy(context, work)
                return _nothing_left(source)
            context.options = options = replace(options, subs=False)
        plan.expect(context, work, text)
        translations = translate_all(context, work, text)
        tracks = outputs.subtitle_tracks(context, work, text, translations)
        paths = outputs.write_subtitle_files(context, work, text, tracks)
        if video:
            outputs.write_video(context, work, text, tracks, video)
            paths.append(video)
        dubs: list[Dub] = []
        spoken = [one for one in translations if not one.is_untranslated]
        if options.dub and (spoken or not translations):
            dubbed, dubs = dub.write_dubs(context, work, text, spoken)
            paths += dubbed

        _tidy(context, work)
        context.warnings += [*work.warnings, *context.differences]
        context.timings["total"] = time.perf_counter() - started
        result = _result(context, text.track, translations, paths, dubs)
        with contained(context.warnings.append, f"{report.NAME} was not written"):
            report.write(work, result, options.reading, context.rate)
    return replace(result, warnings=tuple(dict.fromkeys(context.warnings)))


def _tidy(context: Context, work: workspace.Workspace) -> None:
    if not context.options.keep:
        work.drop(AUDIO)
        work.drop_folders()


def needed_engines(source: Path) -> tuple[type[Any], ...]:
    """Protocols of the engines that a run on ``source`` may need: all, or for a subtitle file a
    translator alone."""
    return (Translator,) if format_of(source) else tuple(KINDS.values())


def _result(
    context: Context,
    track: Track,
    translations: Sequence[Translation],
    paths: Sequence[Path],
    dubs: Sequence[Dub],
) -> Result:
    duration = max((cue.end for cue in track.cues), default=0.0)
    return Result(
        context.source,
        tuple(paths),
        track,
        context.timings,
        context.seconds if context.media else duration,
        tuple(dict.fromkeys(context.warnings)),
        tuple(context.differences),
        tuple(translations),
        tuple(dubs),
        {to: (one.message, one.hint) for to, one in context.untranslatable.items()},
    )


def _nothing_left(source: Path) -> Result:
    reason = "skipped: every language that was asked for is there already"
    return Result(source, (), Track(UNKNOWN, ()), {}, 0.0, (f"{source.name} is {reason}",))


def _ignore(stage: str, done: float, total: float) -> None:
    """The progress callback of a caller who passes none."""
