"""``python -m dubkit.web.probing FILE``: what a file is, in one line of JSON.

A separate program, because an uploaded file may be made to crash its reader.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from dubkit import subtitles
from dubkit.media.probe import probe
from dubkit.subtitles import source as source_text

from ..errors import DubkitError, InputError

PIXELS = 2**27
"""Of a picture, at most: 16K. Decoding a larger one takes gigabytes."""
MEMORY = 4 * 2**30
"""Bytes of address space."""


def probe_file(path: Path) -> dict[str, Any]:
    """``kind`` (``video``, ``sound`` or ``text``), ``duration`` in seconds, and the streams.

    Raises InputError if it is neither media nor subtitles.
    """
    if source_text.format_of(path):
        track = subtitles.read(path, source_text.language_in_name(path))
        return {
            "kind": "text",
            "duration": 0.0,
            "language": track.language,
            "cues": len(track.cues),
        }
    found = probe(path)
    for picture in found.video:
        if picture.width * picture.height > PIXELS:
            size = f"{picture.width} × {picture.height}"
            raise InputError(f"{path.name} has a picture of {size}", "scale it down first")
    return {
        "kind": "video" if found.video else "sound",
        "duration": round(found.duration, 3),
        "video": [[v.codec, v.width, v.height, round(v.frame_rate, 3)] for v in found.video],
        "audio": [[a.codec, a.language, a.title, a.channels] for a in found.audio],
        "subtitles": [[s.codec, s.language, s.title] for s in found.subtitles],
        "warnings": list(found.warnings),
    }


def _limit() -> None:
    """Limit memory to what any reasonable file needs: a bomb ends only this process."""
    if os.name == "posix":
        import resource

        for what, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CORE, 0)):
            hard = resource.getrlimit(what)[1]
            if hard == resource.RLIM_INFINITY or most <= hard:
                resource.setrlimit(what, (most, hard))


if __name__ == "__main__":
    _limit()
    try:
        print(json.dumps(probe_file(Path(sys.argv[1]))))
    except DubkitError as failure:
        print(json.dumps({"error": failure.message, "hint": failure.hint}))
