"""Convert the voice of spoken clips, by an engine whose results are checked and kept.

A clip that could not be converted stays as it was spoken, with the reason, and the next run tries
it again. An engine that fails with every clip is not asked about all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dubkit.engines import Patience, guarded
from dubkit.errors import DubkitError, PluginError, UsageError
from dubkit.files import Made
from dubkit.hooks import BatchConverter, ConversionRequest, Converter
from dubkit.system.terminal import one_line
from dubkit.workspace import key_of

from . import clip as clips
from .lines import Line
from .voices import Casting, voice_key

GIVE_UP = 3
"""Clips that fail in a row, with none before them converted, after which no more are tried."""
LENGTH_TOLERANCE = 0.25, 0.1
"""Seconds, or the part of a clip if that is more, by which its length may change."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """A voice conversion that every clip goes through after it is spoken."""

    engine: Converter
    name: str
    identity: Mapping[str, object]
    voices: Casting
    require: Callable[[], object] = lambda: None
    """Called before the engine is; raises MissingDependency if its server is not there."""


@dataclass(frozen=True, slots=True)
class ConvertedClip:
    """What became of a clip."""

    clip: clips.Clip
    """In the new voice, or as it was spoken."""
    cached: bool
    """Whether an earlier run converted it."""
    fault: str = ""
    """Why it is as it was spoken; "" if it is not."""
    work: float = 0.0
    """Seconds that the engine took."""


def convert_clips(
    conversion: Conversion,
    made: Made,
    spoken: Sequence[tuple[Line, clips.Clip]],
    progress: Callable[[Line], None],
) -> dict[int, ConvertedClip]:
    """The clips in the converted voice, by line number; ``progress`` is called before each line.

    Raises UsageError for what no retry can fix, never for a clip.
    """
    found: dict[int, ConvertedClip] = {}
    waiting: list[tuple[Line, clips.Clip]] = []
    for line, clip in spoken:
        try:
            found[line.number] = ConvertedClip(clips.measure(_path(conversion, line, clip)), True)
        except ValueError:
            waiting.append((line, clip))
    if waiting:
        conversion.require()
    engine, patience = conversion.engine, Patience(GIVE_UP)
    many = max(1, engine.at_once) if isinstance(engine, BatchConverter) else 1
    while waiting:
        group, waiting = waiting[:many], waiting[many:]
        progress(group[0][0])
        done: dict[int, ConvertedClip] = {}
        if many > 1 and not patience.exhausted:
            done = _convert(conversion, made, group, patience)
        for line, clip in group:  # alone, and what failed in a batch alone again
            one = done.get(line.number)
            if (one is None or one.fault) and not patience.exhausted:
                one = _convert(conversion, made, [(line, clip)], patience)[line.number]
            found[line.number] = one or ConvertedClip(
                clip, False, f"its voice was not converted, since {conversion.name} had failed"
            )
    return found


def _path(conversion: Conversion, line: Line, clip: clips.Clip) -> Path:
    voice = conversion.voices[line.speaker]
    key = key_of(converter=conversion.identity, voice=voice_key(voice))[:12]
    return clip.path.with_name(f"{clip.path.stem}.{key}.wav")


def _convert(
    conversion: Conversion,
    made: Made,
    group: Sequence[tuple[Line, clips.Clip]],
    patience: Patience,
) -> dict[int, ConvertedClip]:
    """Have some clips converted in one call."""
    paths = [_path(conversion, line, clip) for line, clip in group]
    requests = [
        ConversionRequest(clip.path, path.with_suffix(".part.wav"), conversion.voices[line.speaker])
        for (line, clip), path in zip(group, paths, strict=True)
    ]
    made.add(*(path.name for path in paths), *(one.out.name for one in requests))
    began = time.perf_counter()
    try:
        faults = _ask(conversion.engine, requests)
        each = (time.perf_counter() - began) / len(group)
        found = {}
        for (line, clip), path, request, fault in zip(group, paths, requests, faults, strict=True):
            try:
                converted = _accept(clip, request.out, path, fault, patience)
                found[line.number] = ConvertedClip(converted, False, "", each)
                patience.success()
            except DubkitError as failure:
                reason = one_line(failure.message)
                if len(group) == 1:  # what fails in company is tried alone
                    patience.failure(reason)
                fault = f"its voice could not be converted ({reason})"
                found[line.number] = ConvertedClip(clip, False, fault, each)
        return found
    finally:
        for one in requests:
            clips.remove(one.out)


def _ask(engine: Converter, requests: Sequence[ConversionRequest]) -> list[str]:
    """Call the engine; returns what went wrong with each, "" if nothing."""
    try:
        with guarded(""):
            if len(requests) > 1:
                assert isinstance(engine, BatchConverter)
                faults = [str(fault) for fault in engine.convert_all(requests)]
                return [*faults, *["it was left out"] * len(requests)][: len(requests)]
            (one,) = requests
            engine.convert(one.audio, one.out, voice=one.voice)
            return [""]
    except UsageError:
        raise
    except DubkitError as failure:
        return [failure.message] * len(requests)


def _accept(clip: clips.Clip, part: Path, path: Path, fault: str, patience: Patience) -> clips.Clip:
    """Keep what the engine wrote; DubkitError if that cannot be the clip in another voice."""
    if fault:
        raise PluginError(fault, "")
    with guarded(""):
        converted = clips.measure(part)
        patience.answered()
        seconds, share = LENGTH_TOLERANCE
        if abs(converted.seconds - clip.seconds) > max(seconds, clip.seconds * share):
            raise ValueError(f"{clip.seconds:.1f} s became {converted.seconds:.1f} s")
        part.replace(path)
    return replace(converted, path=path)
