"""A track in the formats of OpenAI's audio API."""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Collection, Iterator
from typing import Any

from dubkit import subtitles
from dubkit.cues.phrases import uses_spaces
from dubkit.cues.text import unwrap
from dubkit.languages import name
from dubkit.types import Cue, Track

from .calls import Done


def text(track: Track) -> str:
    """The whole text, without line breaks."""
    if all(cue.words for cue in track.cues):
        return "".join(word.text for word in track.words).strip()
    between = " " if uses_spaces(track.language) else ""
    return between.join(unwrap(cue.text, track.language_of(cue)) for cue in track.cues)


def usage(done: Done) -> dict[str, Any]:
    """What the request took: OpenAI counts seconds."""
    return {"type": "duration", "seconds": math.ceil(done.duration)}


def as_json(done: Done) -> dict[str, Any]:
    """``json``."""
    return {"text": text(done.track), "usage": usage(done)}


def verbose(done: Done, granularities: Collection[str], task: str) -> dict[str, Any]:
    """``verbose_json``, with ``segment`` and ``word`` as ``granularities``."""
    track = done.track
    found = {
        "task": task,
        "language": name(done.language).lower(),
        "duration": done.duration,
        "text": text(track),
        "usage": usage(done),
    }
    if "word" in granularities:
        found["words"] = [
            {"word": word.text.strip(), "start": round(word.start, 3), "end": round(word.end, 3)}
            for word in track.words
        ]
    if "segment" in granularities:
        found["segments"] = [segment(k, cue, track.language) for k, cue in enumerate(track.cues)]
    return found


def diarized(done: Done) -> dict[str, Any]:
    """``diarized_json``."""
    segments = list(speaker_segments(done.track))
    return {
        "task": "transcribe",
        "duration": done.duration,
        "text": text(done.track),
        "segments": segments,
        "usage": usage(done),
    }


def speaker_segments(track: Track) -> Iterator[dict[str, Any]]:
    """What each person says before another one does; people are A, B, ... in their order."""
    letters: dict[str | None, str] = {}
    for number, (speaker, group) in enumerate(itertools.groupby(track.cues, lambda c: c.speaker)):
        cues = tuple(group)
        yield {
            "type": "transcript.text.segment",
            "id": f"seg_{number:03}",
            "start": round(cues[0].start, 3),
            "end": round(cues[-1].end, 3),
            "text": text(Track(track.language, cues)),
            "speaker": letters.setdefault(speaker, _letter(len(letters))),
        }


def _letter(number: int) -> str:
    """A, B, ... Z, AA, AB, ..."""
    rest, last = divmod(number, 26)
    return (_letter(rest - 1) if rest else "") + chr(ord("A") + last)


def segment(number: int, cue: Cue, language: str) -> dict[str, Any]:
    """A cue as a segment of Whisper's; what dubkit does not know of it is empty."""
    shown = unwrap(cue.text, language)
    sure = [math.log(max(one.probability, 1e-6)) for one in cue.words if one.probability]
    packed = len(zlib.compress(shown.encode()))
    return {
        "id": number,
        "seek": int(cue.start * 100),
        "start": round(cue.start, 3),
        "end": round(cue.end, 3),
        "text": shown,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(sum(sure) / len(sure), 4) if sure else 0.0,
        "compression_ratio": round(len(shown.encode()) / packed, 4),
        "no_speech_prob": 0.0,
    }


def subtitle_file(done: Done, format: str) -> str:
    """The text as a subtitle file, or as plain text on one line."""
    if format == "text":
        return text(done.track) + "\n"
    return subtitles.render(done.track, format)
