"""The diarization stage: who speaks when, from a diarizer or from another tool's file.

How turns are read from a file and assigned to words is in :mod:`dubkit.speech.diarization`.
"""

from __future__ import annotations

import math
from pathlib import Path

from dubkit import engines
from dubkit.engines import choose
from dubkit.errors import DubkitError
from dubkit.files import write_json
from dubkit.hooks import Diarizer
from dubkit.speech.diarization import read
from dubkit.types import Track, Turn
from dubkit.workspace import Workspace

from .context import Context
from .sound import artifact_of_sound, audio_file


def is_wanted(context: Context, track: Track) -> bool:
    """Whether to find out who speaks: on request, and for a dub that has to choose voices."""
    options = context.options
    if not context.stream:
        return False
    if options.speakers or options.speakers_from or options.diarizer != "auto":
        return options.speakers != "1"
    one_voice = any("=" not in choice for choice in options.voice) and not options.imitates
    named = any(cue.speaker for cue in track.cues)
    return options.dub and not one_voice and not named and bool(track.cues)


def find_turns(context: Context, work: Workspace) -> list[Turn]:
    """Who speaks when in the audio track in use, via ``turns.json``; empty if only one person does.

    Raises InputError for a file of turns that cannot be read. A failure of the diarizer is raised
    if the user requested speakers or that diarizer; else it is a warning.
    """
    options = context.options
    if options.speakers_from:
        return read(options.speakers_from)
    requested = bool(options.speakers) or options.diarizer != "auto"
    try:
        choice = choose.diarizer(context.engines, options)
        people = int(options.speakers) if options.speakers.isdigit() else None
        name, key = artifact_of_sound(
            context, work, "turns.json", engine=choice.identity, speakers=people
        )

        def make(path: Path) -> tuple[()]:
            engine = context.engines.engine(choice)
            wav = audio_file(context, work)
            with context.timed("tell speakers apart"):
                turns = _diarize(engine, choice.spec, wav, people, context)
            begin = context.begin
            write_json(
                path,
                [
                    {"start": t.start + begin, "end": t.end + begin, "speaker": t.speaker}
                    for t in turns
                ],
            )
            return ()

        turns = read(work.step(name, key, make))
    except DubkitError as failure:
        if requested:
            raise
        context.warnings.append(f"who speaks when could not be determined: {failure.message}")
        return []
    begin, end = context.part or (-math.inf, math.inf)
    turns = [turn for turn in turns if turn.start < end and turn.end > begin]
    return turns if len({turn.speaker for turn in turns}) > 1 else []


def _diarize(
    engine: Diarizer, name: str, wav: Path, people: int | None, context: Context
) -> list[Turn]:
    hint = "--speakers-from FILE takes another tool's turns"
    with engines.guarded(f"diarizer {name} failed", hint):
        turns = list(engine.diarize(wav, speakers=people, progress=context.progress))
        if wrong := [t for t in turns if not (math.isfinite(t.start) and t.end > t.start)]:
            raise ValueError(f"a turn from {wrong[0].start} to {wrong[0].end} s")
        return turns
