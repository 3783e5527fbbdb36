"""What a script and the speech differ in, as the page lists it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from dubkit.files import read_json
from dubkit.pipeline.script import SCRIPT

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
        kept = read_json(max(paths, key=lambda path: path.stat().st_mtime))
        unspoken = [{"line": int(one["line"]), "text": str(one["text"])}
                    for one in kept["unspoken"]]  # fmt: skip
        extra = [
            {"start": float(one["start"]), "end": float(one["end"]), "text": str(one["text"])}
            for one in kept["extra"]
        ]
        found |= {"unspoken": unspoken[:LISTED], "extra": extra[:LISTED]}
        found["count"] = len(unspoken) + len(extra)
    return found
