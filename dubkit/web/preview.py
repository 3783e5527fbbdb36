"""Small copies of videos for browsers that cannot play the container or the codec.

A copy is made on demand by ffmpeg, in the video's own folder, so it is deleted with it.

    GET, POST, DELETE /dubkit/videos/{id}/preview          its status; make it; cancel that
    GET               /dubkit/videos/{id}/preview/media    the copy

``?result=NAME`` selects a result instead. ``?encode=true`` encodes everything, if the
first copy, of streams that seemed playable, does not play either.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response

from dubkit.files import replacing
from dubkit.media.ffmpeg import DEMUXERS, ffmpeg_path, file_url
from dubkit.media.integrity import Contents
from dubkit.media.run_ffmpeg import check_finished, check_written

from ..errors import DubkitError, InputError, MediaError, UsageError
from . import children
from .redaction import redact
from .server import Server
from .store import Video

PICTURES, SOUNDS = frozenset({"h264", "vp9", "av1"}), frozenset({"aac", "mp3", "opus", "flac"})
"""Codecs that browsers play and MP4 can hold: these are copied."""
MAX_EDGE = 960
"""Pixels of the longer side of an encoded picture."""
MAX_BYTES = 1_000_000_000
"""Size of a copy."""
HEADERS = {"Content-Security-Policy": "sandbox", "Cache-Control": "private, no-cache"}


class _Cancelled(Exception):
    """The copy is no longer wanted."""


@dataclass
class _Conversion:
    """A copy that is being made, or that failed."""

    state: str = "waiting"
    share: float = 0.0
    failure: DubkitError | None = None
    stop: threading.Event = field(default_factory=threading.Event)


class Previews:
    """The copies on a server; one is made at a time."""

    def __init__(self) -> None:
        self._conversions: dict[Path, _Conversion] = {}
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._closed = threading.Event()

    def start(self, video: Video, source: Path, *, encode: bool = False) -> None:
        """Have the copy made, unless it exists or is being made; with ``encode``, again and
        without copying any stream."""
        out = copy_path(video, source)
        with self._lock:
            conversion = self._conversions.get(out)
            if conversion and conversion.state in ("waiting", "running"):
                return
            if out.exists() and not encode:
                return
            out.unlink(missing_ok=True)
            self._conversions[out] = conversion = _Conversion()
        arguments = (conversion, video, source, out, encode)
        threading.Thread(target=self._make, args=arguments, name="preview", daemon=True).start()

    def cancel(self, video: Video, source: Path) -> None:
        """Stop making it."""
        with self._lock:
            if conversion := self._conversions.pop(copy_path(video, source), None):
                conversion.stop.set()

    def status(self, video: Video, source: Path) -> dict[str, Any]:
        """``state`` (``none``, ``waiting``, ``running``, ``failed``, ``done``), ``share`` of the
        work done from 0 to 1, and ``message`` and ``hint`` of a failure."""
        out = copy_path(video, source)
        with self._lock:
            conversion = self._conversions.get(out)
        if conversion and conversion.state != "done":
            share = round(conversion.share, 3)
            status: dict[str, Any] = {"state": conversion.state, "share": share}
            if conversion.failure:
                status["message"] = redact(conversion.failure.message)
                status["hint"] = redact(conversion.failure.hint)
            return status
        return {"state": "done" if out.exists() else "none", "share": float(out.exists())}

    def close(self) -> None:
        """Stop all of them."""
        self._closed.set()
        with self._lock:
            for conversion in self._conversions.values():
                conversion.stop.set()

    def _make(
        self, conversion: _Conversion, video: Video, source: Path, out: Path, encode: bool
    ) -> None:
        def report(share: float) -> None:
            self._raise_if_cancelled(conversion, video)
            conversion.share = max(conversion.share, min(share, 1.0))

        # Every exception has to end in a state, or the page would wait forever.
        try:
            with self._turn:
                self._raise_if_cancelled(conversion, video)
                conversion.state = "running"
                _copy(video, source, out, encode, report)
            conversion.state = "done"
        except _Cancelled:
            with self._lock:
                if self._conversions.get(out) is conversion:
                    del self._conversions[out]
        except (DubkitError, OSError) as failure:
            conversion.failure = failure if isinstance(failure, DubkitError) else InputError(
                f"no copy of {source.name} can be made", "it can still be worked on"
            )  # fmt: skip
            conversion.state = "failed"

    def _raise_if_cancelled(self, conversion: _Conversion, video: Video) -> None:
        if conversion.stop.is_set() or self._closed.is_set() or not video.folder.exists():
            raise _Cancelled


def copy_path(video: Video, source: Path) -> Path:
    """The path of the copy of a file in its present state."""
    state = source.stat()
    name = f"{source.name}\n{state.st_size}\n{state.st_mtime_ns}"
    return video.folder / f".preview-{hashlib.sha256(name.encode()).hexdigest()[:16]}.mp4"


def _copy(
    video: Video, source: Path, out: Path, encode: bool, report: Callable[[float], None]
) -> None:
    """Make the copy. Raises InputError if ffmpeg cannot, UsageError if it would be too large."""
    about = video.store.probe(source)
    most = min(MAX_BYTES, video.store.quota.for_job(video.folder.parent))
    duration = float(about.get("duration") or 0.0)

    def line(text: str) -> None:
        key, _, value = text.partition("=")
        if key == "out_time_us":
            report(int(value) / 1e6 / duration if duration and value.isdigit() else 0.0)

    with replacing(out) as part:
        argv = [ffmpeg_path(), *arguments(about, source, part, most, encode)]
        bounds = video.store.child_bounds(f"making a copy of {source.name}")
        finished = children.run(argv, bounds, line)
        doing = f"copy {source.name}"
        try:
            check_finished(finished, doing=doing, out=out)
            size = part.stat().st_size
            if size < most * 0.98:
                check_written(part, Contents(), doing=doing, out=out)
        except MediaError as failure:
            raise InputError(
                f"no copy of {source.name} can be made: {failure.message}",
                "it can still be worked on",
            ) from failure
        if size >= most * 0.98:
            raise UsageError(
                f"a copy of {source.name} would be larger than {most / 1e6:,.0f} MB",
                "download it and play it there",
            )


def arguments(about: Any, source: Path, out: Path, most: int, encode: bool = False) -> list[str]:
    """ffmpeg's arguments: streams that browsers play are copied unless ``encode``, the others
    encoded, up to ``most`` bytes."""
    picture = [one[0] for one in about.get("video", ())][:1]
    sound = [one[0] for one in about.get("audio", ())][:1]
    argv = ["-nostdin", "-v", "error", "-y", "-nostats", "-progress", "pipe:1"]
    argv += ["-protocol_whitelist", "file", "-format_whitelist", DEMUXERS]
    argv += ["-i", file_url(source), "-map", "0:V:0?", "-map", "0:a:0?", "-sn", "-dn"]
    argv += ["-map_metadata", "-1", "-map_chapters", "-1"]
    if picture and picture[0] in PICTURES and not encode:
        argv += ["-c:v", "copy"]
    elif picture:
        fit = (
            f"scale=w='min({MAX_EDGE},iw)':h='min({MAX_EDGE},ih)':force_original_aspect_ratio=decrease"
            ":force_divisible_by=2,setsar=1"
        )
        argv += ["-vf", fit, "-c:v", "libx264", "-preset", "veryfast", "-crf", "26"]
        argv += ["-maxrate", "3M", "-bufsize", "6M", "-pix_fmt", "yuv420p"]
    if sound and sound[0] in SOUNDS and not encode:
        argv += ["-c:a", "copy"]
    elif sound:
        argv += ["-c:a", "aac", "-b:a", "128k", "-ac", "2"]
    return [*argv, "-movflags", "+faststart", "-fs", str(most), "-f", "mp4", str(out)]


def add_preview_routes(app: FastAPI, server: Server, previews: Previews) -> None:
    """Add the routes above to ``app``."""

    def find(request: Request, id: str, result: str) -> tuple[Video, Path]:
        video = server.store.session(request.scope["dubkit.token"]).video(id)
        return video, video.result(result) if result else video.source

    @app.get("/dubkit/videos/{id}/preview")
    def status(request: Request, id: str, result: str = "") -> Response:
        status = previews.status(*find(request, id, result))
        return JSONResponse(status, headers={"Cache-Control": "no-store"})

    @app.post("/dubkit/videos/{id}/preview")
    def make(
        request: Request,
        id: str,
        result: str = "",
        encode: bool = False,
    ) -> Response:
        video, source = find(request, id, result)
        previews.start(video, source, encode=encode)
        return JSONResponse(previews.status(video, source))

    @app.delete("/dubkit/videos/{id}/preview")
    def cancel(request: Request, id: str, result: str = "") -> Response:
        previews.cancel(*find(request, id, result))
        return JSONResponse({})

    @app.get("/dubkit/videos/{id}/preview/media")
    def copy(request: Request, id: str, result: str = "") -> Response:
        video, source = find(request, id, result)
        out = copy_path(video, source)
        if not out.is_file():
            raise InputError("there is no copy to play", "have it made first")
        video.touch()
        return FileResponse(out, media_type="video/mp4", headers=HEADERS)
