"""What translating would take, estimated beforehand: ``--dry-run``."""

from __future__ import annotations

import math
from pathlib import Path

from dubkit import workspace
from dubkit.cues.media_end import within_part
from dubkit.engines import EngineRoom
from dubkit.files import at_home, read_json
from dubkit.media import subtitle_streams
from dubkit.options import EMBEDDED, Options
from dubkit.subtitles import source as source_text
from dubkit.system.scratch import scratch_folder
from dubkit.translate import translation
from dubkit.types import Cue, Estimate, Track, Usage

from . import translate
from .context import Context, translator_for
from .edits import PART
from .sound import name_of_part
from .source import TRANSCRIPT

TYPICAL_TEXT = "Somebody says about as many words as these in the time that one cue takes"
TYPICAL_SECONDS = 5.0
"""What a cue has if nothing is known yet: 15 characters per second, the pace of speech."""


def estimate(source: Path, options: Options) -> list[Estimate]:
    """What translating one input would take, for each target language. Sends no request and writes
    nothing."""
    with EngineRoom() as room:
        context = Context(source, options, lambda *_: None, room)
        workspace.check(context.workspace)
        text, guessed = _text_so_far(context)
        estimates = []
        for target in options.to:
            if guessed:
                known = options.spoken
                choices = {text.language: translator_for(context, known, target)}
            elif engines := translate.choose_engines(context, text, target):
                choices = dict(engines.choices)
            else:
                continue
            journal = translate.journal_of(context.workspace, target)
            lines = cached = 0
            usage = Usage(cost=0.0)
            for tag, choice in choices.items():
                job = translate.translation_job(context, choice, tag, target)
                planned, own = translation.estimate(job, text, journal)
                lines, cached = lines + len(planned.keys), cached + len(planned.known)
                usage += own
            name = ", ".join(dict.fromkeys(one.name for one in choices.values()))
            estimates.append(Estimate(target, name, lines, cached, usage, guessed))
        return estimates


def _text_so_far(context: Context) -> tuple[Track, bool]:
    """The text as far as it is known, and whether it is a guess from the length of the media."""
    options = context.options
    embedded = EMBEDDED.fullmatch(options.subs_from or "")
    if not context.media or (options.subs_from and not embedded):
        path = at_home(options.subs_from) if options.subs_from else context.source
        track = source_text.read(path, options.spoken, options.encoding).track
        return within_part(track, context.part), False
    if embedded:
        stream = subtitle_streams.pick(context.media, embedded[1] or "")
        with scratch_folder() as folder:
            out = Path(folder, f"embedded{subtitle_streams.suffix(stream)}")
            subtitle_streams.extract(context.media, stream, out)
            language = options.spoken or stream.language
            track = source_text.read(out, language, options.encoding).track
            return within_part(track, context.part), False
    if recognized := _recognized(context):
        return recognized, False
    seconds = TYPICAL_SECONDS
    cues = (
        Cue(number * seconds, (number + 1) * seconds, f"{TYPICAL_TEXT} {number}.")
        for number in range(math.ceil(context.seconds / seconds))
    )
    return Track(options.spoken or "en", tuple(cues)), True


def _recognized(context: Context) -> Track | None:
    """The speech as an earlier run has recognized it; None if none has."""
    for name in (TRANSCRIPT, name_of_part(context, TRANSCRIPT)):
        if not (context.workspace / name).exists():
            continue
        track = source_text.read_edited(context.workspace / name)
        if context.options.spoken not in (None, track.language):
            continue
        cues = context.workspace / f"cues.{track.language}.json"
        part = list(context.part or ())
        if cues.exists() and read_json(cues).get(PART, part) == part:
            track = source_text.read_edited(cues)
        return within_part(track, context.part)
    return None
