"""Calls a transcriber and validates what it returns; the transcribers themselves are plugins."""

from __future__ import annotations

import errno
import logging
import math
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

from dubkit.engines import guarded
from dubkit.errors import DubkitError, PluginError, UsageError
from dubkit.files import cannot_write
from dubkit.hooks import FindsLanguages, Progress, Transcriber, accept_cues
from dubkit.languages import is_tag
from dubkit.options import Options
from dubkit.types import Cue, Track, Transcription, Word

log = logging.getLogger("dubkit")


def transcribe(
    transcriber: Transcriber,
    name: str,
    audio: Path,
    options: Options,
    folder: Path,
    progress: Progress,
) -> Transcription:
    """What the transcriber ``name`` recognizes in ``audio``; ``folder`` keeps its unfinished work.

    Raises PluginError when it fails or returns an invalid result.
    """

    def better(failure: BaseException) -> DubkitError | None:
        if isinstance(failure, MemoryError):
            return PluginError(
                f"transcriber {name} ran out of memory",
                f"choose a smaller --model, or -o {name}.batch_size=1",
            )
        if isinstance(failure, OSError) and failure.errno in (errno.ENOSPC, errno.EDQUOT):
            return cannot_write(folder, failure)
        return None

    hint = "--debug shows where; dubkit doctor checks it"
    with guarded(f"transcriber {name} failed", hint, instead=better):
        about: dict[str, Any] = {
            "prompt": options.prompt,
            "hotwords": options.hotwords,
            "work": folder,
            "progress": accept_cues(progress),
        }
        if len(options.languages) > 1:
            if not isinstance(transcriber, FindsLanguages):
                raise UsageError(
                    f"{name} knows of one language at a time, and --language names several",
                    "name one, or leave --language out",
                )
            result = transcriber.transcribe_among(audio, languages=options.languages, **about)
        else:
            result = transcriber.transcribe(audio, language=options.spoken, **about)
        if not isinstance(result, Transcription):
            raise TypeError(f"it returned {type(result).__name__}, not a Transcription")
        return Transcription(
            _validate(result.track, _seconds_of(audio)),
            str(result.model),
            {str(part): float(seconds) for part, seconds in result.timings.items()},
            tuple(map(str, result.warnings)),
        )


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
            language = cue.language if is_tag(cue.language) else None
            start, end = words[0].start, words[-1].end
            kept.append(Cue(start, end, text, words, cue.speaker, language=language))
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
