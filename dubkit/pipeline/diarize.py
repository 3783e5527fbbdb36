"""The diarization stage: who speaks when, from a diarizer or from another tool's file.

How turns are read from a file and assigned to words is in :mod:`dubkit.speech.diarization`.
Speakers have the names of ``--speaker-names`` from here on, and in the files of cues, too; the
turns in the workspace keep those of the diarizer, so other names need no other turns.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from dubkit import engines
from dubkit.cues import spoken
from dubkit.engines import choose
from dubkit.errors import DubkitError
from dubkit.files import write_json
from dubkit.hooks import Diarizer
from dubkit.options import parse_speaker_name
from dubkit.speech.diarization import find_overlaps, find_speaker, read
from dubkit.types import Track, Turn
from dubkit.workspace import Workspace

from .context import Context
from .sound import artifact_of_sound, audio_file

log = logging.getLogger("dubkit")

TURNS = "turns.json"


def is_wanted(context: Context, track: Track) -> bool:
    """Whether to find out who speaks: on request, and for a dub that has to choose voices."""
    options = context.options
    if not context.stream:
        return False
    if options.speakers or options.speakers_from or options.diarizer != "auto":
        return options.speakers != "1"
    one_voice = any("=" not in choice for choice in options.voice) and not options.imitates
    named = any(cue.speaker for cue in track.cues)
    needed = options.speaker_names or (options.dub and not one_voice)
    return bool(needed and not named and track.cues)


def find_turns(context: Context, work: Workspace) -> list[Turn]:
    """Who speaks when in the audio track in use, via ``turns.json``, by the names to show; empty if
    only one person does who is given no name.

    Raises InputError for a file of turns that cannot be read. A failure of the diarizer is raised
    if the user requested speakers or that diarizer; else it is a warning.
    """
    turns = _turns_in_use(context, work)
    if seconds := sum(end - start for start, end in find_overlaps(turns)):
        log.info("two people speak at once for %.1f s of it", seconds)
    return turns


def _turns_in_use(context: Context, work: Workspace) -> list[Turn]:
    options = context.options
    if options.speakers_from:
        return _named_turns(context, read(options.speakers_from))
    requested = bool(options.speakers or options.speaker_names) or options.diarizer != "auto"
    try:
        choice = choose.diarizer(context.engines, options)
        people = int(options.speakers) if options.speakers.isdigit() else None
        name, key = artifact_of_sound(context, work, TURNS, engine=choice.identity, speakers=people)

        def make(path: Path) -> tuple[()]:
            engine = context.engines.engine(choice)
            wav = audio_file(context, work)
            with context.timed("tell speakers apart"):
                turns = _diarize(engine, choice.spec, wav, people, context)
            begin = context.begin
            turns = [replace(t, start=t.start + begin, end=t.end + begin) for t in turns]
            overlaps = find_overlaps(turns)
            write_json(path, [_turn_to_json(turn, overlaps) for turn in turns])
            return ()

        turns = read(work.step(name, key, make))
    except DubkitError as failure:
        if requested:
            raise
        context.warnings.append(f"who speaks when could not be determined: {failure.message}")
        return []
    begin, end = context.part or (-math.inf, math.inf)
    named = _named_turns(context, turns)
    turns = [turn for turn in turns if turn.start < end and turn.end > begin]
    if len({turn.speaker for turn in turns}) < 2 and not options.speaker_names:
        return []
    return [turn for turn in named if turn.start < end and turn.end > begin]


def _turn_to_json(turn: Turn, overlaps: Sequence[tuple[float, float]]) -> dict[str, object]:
    """A turn with its times, its speaker and, if others speak, too, when they do."""
    about: dict[str, object] = {"start": turn.start, "end": turn.end, "speaker": turn.speaker}
    shared = [
        [round(max(start, turn.start), 3), round(min(end, turn.end), 3)]
        for start, end in overlaps
        if start < turn.end and end > turn.start
    ]
    return {**about, "overlap": shared} if shared else about


def _named_turns(context: Context, turns: Sequence[Turn]) -> list[Turn]:
    _find_names(context, (turn.speaker for turn in turns))
    return [replace(turn, speaker=context.speakers[turn.speaker]) for turn in turns]


def name_speakers(context: Context, track: Track) -> Track:
    """The track with the names of ``--speaker-names`` for the speakers that it came with."""
    _find_names(context, (cue.speaker for cue in track.cues))
    return spoken.rename_speakers(track, context.speakers)


def name_edited(context: Context, track: Track) -> Track:
    """The track from a file of cues, in which a person may have given a cue to another speaker by
    what the diarizer calls them. Warns of names for speakers that there are not."""
    given = dict(map(parse_speaker_name, context.options.speaker_names))
    added = {cue.speaker for cue in track.cues if cue.speaker} - set(context.speakers.values())
    for one in added:
        context.speakers.setdefault(one, given.get(one, one))
    if missing := [who for who in given if not find_speaker(who, context.speakers)]:
        known = ", ".join(context.speakers) or "nobody by name"
        context.warnings.append(
            f"--speaker-names: there is no speaker {', '.join(missing)}; there is {known}"
        )
    return spoken.rename_speakers(track, {one: context.speakers[one] for one in added})


def _find_names(context: Context, speakers: Iterable[str | None]) -> None:
    """Note speakers, with the names that they are given."""
    found = dict.fromkeys(one for one in speakers if one)
    context.speakers |= {one: one for one in found}
    for who, name in map(parse_speaker_name, context.options.speaker_names):
        if one := find_speaker(who, found):
            context.speakers[one] = name


def _diarize(
    engine: Diarizer, name: str, wav: Path, people: int | None, context: Context
) -> list[Turn]:
    hint = "--speakers-from FILE takes another tool's turns"
    with engines.guarded(f"diarizer {name} failed", hint):
        turns = list(engine.diarize(wav, speakers=people, progress=context.progress))
        if wrong := [t for t in turns if not (math.isfinite(t.start) and t.end > t.start)]:
            raise ValueError(f"a turn from {wrong[0].start} to {wrong[0].end} s")
        return turns
