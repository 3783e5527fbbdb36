"""Who speaks when: a diarizer's turns, or another tool's file of them, given to words and cues."""

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
from dubkit.workspace import Workspace, key_of

from .context import Context, audio, sound_key


def wanted(context: Context, track: Track) -> bool:
    """Whether to find out who speaks: when asked to, and for a dub that has to choose voices."""
    options = context.options
    if not context.stream:
        return False
    if options.speakers or options.speakers_from or options.diarizer != "auto":
        return options.speakers != "1"
    everyone = any("=" not in choice for choice in options.voice) and not options.imitates
    named = any(cue.speaker for cue in track.cues)
    return options.dub and not everyone and not named and bool(track.cues)


def turns(context: Context, work: Workspace) -> list[Turn]:
    """Who speaks when in the sound that is heard, by way of ``turns.json``; none for one alone.

    Raises InputError for a file of turns that cannot be read, and what a diarizer that was asked
    for raises; one that was not asked for only warns.
    """
    options = context.options
    if options.speakers_from:
        return read(options.speakers_from)
    asked = bool(options.speakers) or options.diarizer != "auto"
    try:
        choice = choose.diarizer(context.engines, options)
        people = int(options.speakers) if options.speakers.isdigit() else None
        key = key_of(
            sound=sound_key(context, work),
            engine=choice.identity,
            speakers=people,
        )

        def make(path: Path) -> tuple[()]:
            engine = context.engines.engine(choice)
            wav = audio(context, work)
            with context.timed("tell speakers apart"):
                found = _diarized(engine, choice.spec, wav, people, context)
            write_json(
                path, [{"start": t.start, "end": t.end, "speaker": t.speaker} for t in found]
            )
            return ()

        found = read(work.step("turns.json", key, make))
    except DubkitError as failure:
        if asked:
            raise
        context.warnings.append(f"who speaks when could not be told: {failure.message}")
        return []
    return found if len({turn.speaker for turn in found}) > 1 else []


def _diarized(
    engine: Diarizer, name: str, wav: Path, people: int | None, context: Context
) -> list[Turn]:
    hint = "--speakers-from FILE takes another tool's turns"
    with engines.guarded(f"diarizer {name} failed", hint):
        found = list(engine.diarize(wav, speakers=people, progress=context.progress))
        if wrong := [t for t in found if not (math.isfinite(t.start) and t.end > t.start)]:
            raise ValueError(f"a turn from {wrong[0].start} to {wrong[0].end} s")
        return found


# ---------------------------------------------------------------- files


# ---------------------------------------------------------------- words and cues
