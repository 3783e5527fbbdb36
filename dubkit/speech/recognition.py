"""Calls a transcriber and validates what it returns; the transcribers themselves are plugins."""

from __future__ import annotations

import errno
import logging
import math
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

from dubkit.errors import DubkitError, PluginError
from dubkit.files import cannot_write
from dubkit.hooks import Progress, listening
from dubkit.languages import is_tag
from dubkit.options import Options
from dubkit.types import Cue, Track, Transcription, Word

log = logging.getLogger("dubkit")


def transcribe(
    transcriber: Any, name: str, audio: Path, options: Options, folder: Path, progress: Progress
) -> Transcription:
    """What the transcriber ``name`` recognizes in ``audio``; ``folder`` keeps its unfinished work.

    Raises PluginError when it fails or returns an invalid result.
    """
    try:
        result = transcriber.transcribe(
            audio,
            language=options.language,
            prompt=options.prompt,
            hotwords=options.hotwords,
            work=folder,
            progress=listening(progress),
        )
        if not isinstance(result, Transcription):
            raise TypeError(f"it returned {type(result).__name__}, not a Transcription")
        return Transcription(
            _validate(result.track, _seconds_of(audio)),
            str(result.model),
            {str(part): float(seconds) for part, seconds in result.timings.items()},
            tuple(map(str, result.warnings)),
        )
    except DubkitError:
        raise
    except MemoryError as failure:
        raise PluginError(
            f"transcriber {name} ran out of memory",
            f"choose a smaller --model, or -o {name}.batch_size=1",
        ) from failure
    except (Exception, SystemExit) as failure:
        log.debug("transcriber %s failed", name, exc_info=True)
        if isinstance(failure, OSError) and failure.errno in (errno.ENOSPC, errno.EDQUOT):
            raise cannot_write(folder, failure) from failure
        what = str(failure) or type(failure).__name__
        raise PluginError(
            f"transcriber {name} failed: {what}", "-v shows where; dubkit doctor checks it"
        ) from failure


def _validate(track: Track, duration: float) -> Track:
    """The track without empty words, its times in order and within the audio.

    Raises ValueError for times and languages that cannot be right.
    """
    if not is_tag(track.language):
        raise ValueError(f"{track.language!r} is not a language tag")
    last = 0.0

    def clamp(item: Word | Cue) -> tuple[float, float]:
        nonlocal last
        if not (math.isfinite(item.start) and math.isfinite(item.end)):
            raise ValueError(f"{item.text!r} has no time")
        last = min(max(item.start, last), duration)
        return last, min(max(item.end, last), duration)

    kept: list[Cue] = []
    for cue in track.cues:
        words = tuple(
            Word(*clamp(word), word.text, _valid_probability(word.probability))
            for word in cue.words
            if word.text.strip()
        )
        if words:
            # The words are what was recognized; a text that differs from them is not.
            text = "".join(word.text for word in words).strip()
            kept.append(Cue(words[0].start, words[-1].end, text, words, cue.speaker))
        elif cue.text.strip():
            start, end = clamp(cue)
            kept.append(replace(cue, start=start, end=end))
    return Track(track.language, tuple(kept))


def _valid_probability(probability: float | None) -> float | None:
    """A probability, or None if it is not one; JSON cannot represent NaN."""
    return probability if probability is not None and 0 <= probability <= 1 else None


def _seconds_of(audio: Path) -> float:
    with wave.open(str(audio), "rb") as file:
        return file.getnframes() / file.getframerate()
