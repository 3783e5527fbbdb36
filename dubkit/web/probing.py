"""``python -m dubkit.web.probing FILE LIMITS``: what a file is, in one line of JSON.

A separate program, because an uploaded file may be made to crash its reader. What a file claims is
compared with the limits (:class:`.limits.Limits`, as JSON) before anything of it is decoded; what
it turns out to be, while a job works on it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dubkit import subtitles
from dubkit.media.extract import refuse_low_rate
from dubkit.media.probe import is_cover, open_media, pick_audio, probe
from dubkit.script.read import SCRIPT_SUFFIXES, read_script
from dubkit.subtitles import source as source_text

from ..errors import DubkitError, InputError
from ..types import Track
from .bounded import duration
from .limits import Limits

FEW_FRAMES = 10_000
"""Frames that are no burden at any rate: the rate of a video of one frame means nothing."""


def probe_file(path: Path, limits: Limits | None = None) -> dict[str, Any]:
    """``kind`` (``video``, ``sound``, ``text``, or ``script`` for one without times), ``duration``
    in seconds, and the streams.

    Raises InputError if it is none of these, or exceeds a limit.
    """
    limits = limits or Limits()
    if path.suffix.lower() in SCRIPT_SUFFIXES:
        characters = sum(len(part.text) for part in read_script(path, subtitles.UNKNOWN))
        _check_characters(characters, path.name, limits)
        return {"kind": "script", "duration": 0.0}
    if source_text.format_of(path):
        track = subtitles.read(path, source_text.name_parts(path).language)
        check_text(track, path.name, limits)
        if not track.cues:
            raise InputError(f"there are no cues in {path.name}", "is it the right file?")
        return {
            "kind": "text",
            "duration": 0.0,
            "language": track.language,
            "cues": len(track.cues),
        }
    with open_media(path) as container:
        _check_claims(list(container.streams), path.name, limits)
    found = probe(path)
    if found.audio and not found.video:
        refuse_low_rate(found, pick_audio(found))
    if found.duration > limits.media:
        raise _over(
            f"{path.name} is {duration(found.duration)} long",
            duration(limits.media),
            "media",
            "cut it into parts",
        )
    return {
        "kind": "video" if found.video else "sound",
        "duration": round(found.duration, 3),
        "video": [[v.codec, v.width, v.height, round(v.frame_rate, 3)] for v in found.video],
        "audio": [[a.codec, a.language, a.title, a.channels] for a in found.audio],
        "subtitles": [[s.codec, s.language, s.title] for s in found.subtitles],
        "warnings": list(found.warnings),
    }


def check_text(track: Track, name: str, limits: Limits) -> None:
    """Raise InputError if a subtitle file has more cues or more text than it may have."""
    hint = "cut it into parts"
    if len(track.cues) > limits.cues:
        raise _over(f"{name} has {len(track.cues):,} cues", f"{limits.cues:,}", "cues", hint)
    _check_characters(sum(len(cue.text) for cue in track.cues), name, limits)


def _check_characters(characters: int, name: str, limits: Limits) -> None:
    if characters > limits.characters:
        raise _over(
            f"{name} has {characters:,} characters", f"{limits.characters:,}", "characters",
            "cut it into parts",
        )  # fmt: skip


def _check_claims(streams: Sequence[Any], name: str, limits: Limits) -> None:
    """Raise InputError for what a container says of its streams. Covers are pictures, too: whoever
    lists the streams of a file decodes them."""
    attached = sum(stream.type == "attachment" or _is_picture(stream) for stream in streams)
    tracks = len(streams) - attached
    hint = "write a file with fewer of them, by ffmpeg or mkvmerge"
    if tracks > limits.streams:
        raise _over(f"{name} has {tracks:,} tracks", f"{limits.streams:,}", "streams", hint)
    if attached > limits.attachments:
        most = f"{limits.attachments:,}"
        raise _over(f"{name} has {attached:,} attachments", most, "attachments", hint)
    for stream in streams:
        if stream.type != "video" or stream.codec_context is None:
            continue
        width, height = stream.width or 0, stream.height or 0
        if width * height > limits.pixels:
            raise _over(
                f"{name} has a picture of {width} × {height}",
                f"{limits.pixels / 1e6:g} million pixels",
                "pixels",
                "scale it down first",
            )
        rate = float(stream.average_rate or 0)
        seconds = float((stream.duration or 0) * (stream.time_base or 0))
        if rate > limits.frame_rate and rate * seconds > FEW_FRAMES:
            raise _over(
                f"{name} has {rate:,.0f} frames a second",
                f"{limits.frame_rate:g}",
                "frame_rate",
                "convert it to a lower frame rate first",
            )


def _is_picture(stream: Any) -> bool:
    return stream.type == "video" and is_cover(stream)


def _over(what: str, most: str, limit: str, hint: str) -> InputError:
    flag = f"--max-{limit.replace('_', '-')}"
    return InputError(
        f"{what}, more than the {most} that this server takes",
        f"{hint}; the server's {flag} sets the limit",
    )


if __name__ == "__main__":
    try:
        print(json.dumps(probe_file(Path(sys.argv[1]), Limits(**json.loads(sys.argv[2])))))
    except DubkitError as failure:
        print(json.dumps({"error": failure.message, "hint": failure.hint}))
