"""A few cues translated once more, beside a run: what the page asks for while somebody edits."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace
from pathlib import Path

from dubkit import workspace
from dubkit.engines import EngineRoom
from dubkit.errors import UsageError
from dubkit.hooks import Progress, Translator
from dubkit.options import Options
from dubkit.translate.again import translate_again
from dubkit.translate.translation import sources
from dubkit.types import Track

from .context import Context, translator_for
from .sound import AUDIO, audio_file
from .translate import journal_of, translation_job


def translate_cues(
    source: Path,
    options: Options,
    track: Track,
    cues: Set[int],
    earlier: Mapping[int, str],
    progress: Progress,
    room: EngineRoom,
) -> dict[int, str]:
    """The cues of ``track`` with some indexes in the language of ``--to``, and the others of their
    sentences: see :func:`dubkit.translate.again.translate_again`. Nothing is written but the
    journal of translations."""
    if len(options.to) != 1:
        raise UsageError("a cue is translated to one language", "--to LANGUAGE")
    (target,) = options.to
    room.begin()
    context = Context(source, options, progress, room)
    with workspace.open_workspace(context.workspace, adopt=options.adopt) as work:
        work.expect_source(context.source, context.stamp)
        jobs = []
        for spoken in sources(track, target):
            choice = translator_for(context, spoken, target, prepared=True)
            job = translation_job(context, choice, spoken, target)
            if job.engine.needs_audio:
                job = replace(job, audio=audio_file(context, work), audio_begins=context.begin)
            jobs.append(job)
        if not jobs:
            return {}
        try:
            return translate_again(
                jobs, track, cues, earlier, journal_of(work.folder, target), progress
            )
        finally:
            context.engines.done(Translator)
            work.drop(AUDIO)
