"""What a script and the speech differ in, as the page lists it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from dubkit.pipeline.script import PLACES, SCRIPT, read_differences

from .store import Video

LISTED = 500
"""Differences of each kind that are listed."""


def read(video: Video) -> dict[str, Any]:
    """``script``, the name of the text of the last job, empty if it had none; ``unspoken``, lines
    of it that nobody speaks; ``extra``, speech that is not in it; and how many there are of both.
    """
    name = str(next(video.past_requests(), {}).get("script") or "")
    found: dict[str, Any] = {"script": name, "unspoken": [], "extra": [], "count": 0}
    paths = list(video.workspace.glob(f"{SCRIPT.partition('.')[0]}*.json")) if name else []
    with suppress(OSError, ValueError, KeyError, TypeError):
        both = read_differences(max(paths, key=lambda path: path.stat().st_mtime))
        found["unspoken"] = [
            {"text": one.text, **{key: getattr(one, key) for key in PLACES if getattr(one, key)}}
            for one in both.unspoken[:LISTED]
        ]
        found["extra"] = [
            {"start": one.start, "end": one.end, "text": one.text} for one in both.extra[:LISTED]
        ]
        found["count"] = len(both.unspoken) + len(both.extra)
    return found
