"""``--script``: the words of a script with the times of the speech; and ``--aligner``: more exact
times for recognized words."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from dubkit import subtitles
from dubkit.cues.media_end import shift, within_part
from dubkit.engines import Choice, choose
from dubkit.errors import InputError, MissingDependency, contained
from dubkit.files import at_home, read_json, sha256_of, write_json
from dubkit.hooks import Aligner
from dubkit.script.read import read_script
from dubkit.script.timing import Unspoken, time_script
from dubkit.speech.alignment import align_words
from dubkit.subtitles import source as source_text
from dubkit.system.terminal import clock
from dubkit.types import Cue, Track
from dubkit.workspace import Workspace, key_of

from .context import Context
from .sound import audio_file, levels_of, name_of_part, sound_key

SCRIPT = "script.json"
ALIGNED = "aligned.json"
PLACES = ("line", "page")
"""Where in its file a piece of a script is, if that has such."""
LEAST_OF_ONE, LEAST_OF_BOTH = 0.2, 0.1
"""Shares of words that agree under which a script is of something else: of its words, if it is of a
part of the speech, or of the speech, if that is a part of what it has; and of both."""
WARNINGS = 5
"""Pieces of each kind that are named in warnings; the file in the workspace has all."""
QUIET_DB = 25.0
"""Decibels under the loudest tenth of a sound at which nobody speaks."""


def with_script(context: Context, work: Workspace, recognized: Track, transcript: Path) -> Track:
    """The words of ``--script`` with times, via ``script.json``. Raises InputError for a script
    that cannot be read, or is not of this speech."""
    assert context.options.script
    path = at_home(context.options.script)
    parts = read_script(path, recognized.language, context.options.encoding)
    choices = _aligners(context, recognized.language)
    key = key_of(
        transcript=sha256_of(transcript),
        script=sha256_of(path),
        encoding=context.options.encoding,
        sound=sound_key(context, work),
        aligner=[choice.identity for choice in choices],
    )

    def make(out: Path) -> list[str]:
        wav = audio_file(context, work)
        # Times in the sound for engines, which begins with the part that is worked on.
        timed = time_script(parts, shift(recognized, -context.begin), _sounding(wav))
        least, most = sorted((timed.found, timed.covered))
        if most < LEAST_OF_ONE and least < LEAST_OF_BOTH:
            raise InputError(
                f"{path.name} is not what is spoken in {context.source.name}: "
                f"{timed.found:.0%} of its words were found there",
                "a translation is for --subs-from, or --to makes one",
            )
        track, warnings = _aligned(context, choices, wav, timed.track)
        content = json.loads(subtitles.render(shift(track, context.begin), "json"))
        content["unspoken"] = [
            {key: value for key, value in asdict(one).items() if value is not None}
            for one in timed.unspoken
        ]
        content["extra"] = [
            {"start": cue.start + context.begin, "end": cue.end + context.begin, "text": cue.text}
            for cue in timed.extra
        ]
        write_json(out, content)
        return warnings

    out = work.step(name_of_part(context, SCRIPT), key, make)
    with contained(context.warnings.append, "what the script differs in cannot be read"):
        context.differences += _sentences(read_differences(out), path.name, context)
    return within_part(source_text.read_edited(out), context.part)


def with_better_times(
    context: Context, work: Workspace, recognized: Track, transcript: Path
) -> Track:
    """The recognized words with the times of the engine of ``--aligner``, via ``aligned.json``."""
    choices = choose.aligners(context.engines, context.options, recognized.language)
    key = key_of(
        transcript=sha256_of(transcript),
        sound=sound_key(context, work),
        aligner=[choice.identity for choice in choices],
    )

    def make(out: Path) -> list[str]:
        wav = audio_file(context, work)
        own = shift(recognized, -context.begin)
        track, warnings = _aligned(context, choices, wav, own)
        out.write_text(subtitles.render(shift(track, context.begin), "json"), "utf-8")
        return warnings

    out = work.step(name_of_part(context, ALIGNED), key, make)
    return within_part(source_text.read_edited(out), context.part)


def _aligners(context: Context, language: str) -> list[Choice[Aligner]]:
    """What aligns a script; nothing if nothing here does and none is asked for by name."""
    try:
        return choose.aligners(context.engines, context.options, language)
    except MissingDependency as failure:
        if context.options.aligner != "auto":
            raise
        context.warnings.append(f"times of words are less exact: {failure.message}")
        return []


def _aligned(
    context: Context, choices: Sequence[Choice[Aligner]], wav: Path, track: Track
) -> tuple[Track, list[str]]:
    """The track with the times of aligners, and what they could not do."""
    if not choices or not track.words:
        return track, []
    engines = ((choice.spec, context.engines.engine(choice)) for choice in choices)
    with context.timed("align"):
        context.progress("align", 0.0, context.seconds)
        aligned, missed = align_words(engines, wav, track, context.progress)
    if not missed:
        return aligned, []
    return aligned, [f"{missed} of {len(track.words)} words could not be aligned"]


@dataclass(frozen=True, slots=True)
class Differences:
    """What is in a script and not in the speech, and the other way."""

    unspoken: tuple[Unspoken, ...]
    extra: tuple[Cue, ...]


def read_differences(path: Path) -> Differences:
    """Those in a ``script.json``. Raises OSError, ValueError, KeyError and TypeError if they cannot
    be read."""
    kept = read_json(path)
    unspoken = (
        Unspoken(str(one["text"]), **{key: int(one[key]) for key in PLACES if key in one})
        for one in kept["unspoken"]
    )
    extra = (Cue(float(one["start"]), float(one["end"]), str(one["text"])) for one in kept["extra"])
    return Differences(tuple(unspoken), tuple(extra))


def _sentences(found: Differences, name: str, context: Context) -> list[str]:
    """Differences in sentences."""

    def listed(kind: str, found: Sequence[str]) -> list[str]:
        more = len(found) - WARNINGS
        rest = [f"{kind}: {more} more, in {SCRIPT} in the workspace"] if more > 0 else []
        return [*(f"{kind}: {one}" for one in found[:WARNINGS]), *rest]

    # Of a part of the film, the rest of the script is spoken elsewhere.
    unspoken = () if context.part else found.unspoken
    return [
        *listed(
            f"{name} has what nobody speaks",
            [f"{_place(one)}{_brief(one.text)!r}" for one in unspoken],
        ),
        *listed(
            f"not in {name}",
            [
                f"{clock(cue.start)} to {clock(cue.end)}: {_brief(cue.text)!r}"
                for cue in found.extra
            ],
        ),
    ]


def _place(one: Unspoken) -> str:
    """Where people find a piece of a script; nothing for what has neither lines nor pages."""
    if one.line:
        return f"line {one.line}: "
    return f"page {one.page}: " if one.page else ""


def _brief(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[: most - 3].rstrip() + "..."


def _sounding(wav: Path) -> Callable[[float, float], float]:
    """How many seconds between two times have sound, not much quieter than the loudest."""
    import numpy as np

    level = levels_of(wav)
    if not len(level):
        return lambda start, end: 0.0
    loud = np.concatenate([[0], np.cumsum(level > np.quantile(level, 0.9) - QUIET_DB)])

    def seconds(start: float, end: float) -> float:
        first, last = (min(max(0, math.floor(t * 100)), len(level)) for t in (start, end))
        return max(0.0, float(loud[last] - loud[first]) / 100)

    return seconds
