"""A small copy of a video for browsers that cannot play it: a container or a codec that they do not
know. Made on demand by ffmpeg, in the video's own folder, so it is deleted with it.

    GET, POST, DELETE /dubkit/videos/{id}/preview          how it stands; make it; stop that
    GET               /dubkit/videos/{id}/preview/media    the copy

``?job=...&number=...`` is the copy of a job's result instead. ``?anew=true`` encodes again where
the first copy, of streams that seemed fine, does not play either.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response

from dubkit.files import replacing
from dubkit.media import process
from dubkit.media.ffmpeg import DEMUXERS, ffmpeg_path, file_url

from ..errors import DubkitError, InputError, UsageError
from .server import Server, said
from .store import PROBE_SECONDS, Session, Video

PICTURES, SOUNDS = frozenset({"h264", "vp9", "av1"}), frozenset({"aac", "mp3", "opus", "flac"})
"""Codecs that browsers play, and MP4 holds: these are copied."""
EDGE = 960
"""Pixels of the longer side of what is encoded, at most."""
MOST = 1_000_000_000
"""Bytes of a copy."""
HEADERS = {"Content-Security-Policy": "sandbox", "Cache-Control": "private, no-cache"}


class _Stopped(Exception):
    """Nobody wants it any more."""


@dataclass
class _Making:
    """A copy that is being made, or that could not be."""

    state: str = "waiting"
    share: float = 0.0
    failure: DubkitError | None = None
    stop: threading.Event = field(default_factory=threading.Event)


class Previews:
    """The copies of a server; one is made at a time."""

    def __init__(self) -> None:
        self._making: dict[Path, _Making] = {}
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._closed = threading.Event()

    def start(self, video: Video, source: Path, *, anew: bool = False) -> None:
        """Have the copy made, unless it is there or on its way."""
        out = place(video, source)
        with self._lock:
            making = self._making.get(out)
            if making and making.state in ("waiting", "running"):
                return
            if out.exists() and not anew:
                return
            out.unlink(missing_ok=True)
            self._making[out] = making = _Making()
        threading.Thread(
            target=self._make, args=(making, video, source, out, anew), name="preview", daemon=True
        ).start()

    def cancel(self, video: Video, source: Path) -> None:
        """Stop making it."""
        with self._lock:
            if making := self._making.pop(place(video, source), None):
                making.stop.set()

    def told(self, video: Video, source: Path) -> dict[str, Any]:
        """``state`` (``none``, ``waiting``, ``running``, ``failed``, ``done``), ``share`` of the
        work done, and what is wrong."""
        out = place(video, source)
        with self._lock:
            making = self._making.get(out)
        if making and making.state != "done":
            told: dict[str, Any] = {"state": making.state, "share": round(making.share, 3)}
            if making.failure:
                told["message"] = said(making.failure.message)
                told["hint"] = said(making.failure.hint)
            return told
        return {"state": "done" if out.exists() else "none", "share": float(out.exists())}

    def close(self) -> None:
        """Stop all of them."""
        self._closed.set()
        with self._lock:
            for making in self._making.values():
                making.stop.set()

    def _make(self, making: _Making, video: Video, source: Path, out: Path, anew: bool) -> None:
        # Whatever is raised has to end in a state, or the page would wait for ever.
        try:
            with self._turn:
                self._unless_stopped(making, video)
                making.state = "running"
                _copy(video, source, out, anew, lambda share: self._tell(making, video, share))
            making.state = "done"
        except _Stopped:
            with self._lock:
                if self._making.get(out) is making:
                    del self._making[out]
        except (DubkitError, OSError) as failure:
            told = failure if isinstance(failure, DubkitError) else InputError(
                f"no copy of {source.name} can be made", "it can still be worked on"
            )  # fmt: skip
            making.failure, making.state = told, "failed"

    def _tell(self, making: _Making, video: Video, share: float) -> None:
        self._unless_stopped(making, video)
        making.share = max(making.share, min(share, 1.0))

    def _unless_stopped(self, making: _Making, video: Video) -> None:
        if making.stop.is_set() or self._closed.is_set() or not video.folder.exists():
            raise _Stopped


def place(video: Video, source: Path) -> Path:
    """Where the copy of a file is, as the file is now."""
    state = source.stat()
    name = f"{source.name}\n{state.st_size}\n{state.st_mtime_ns}"
    return video.folder / f".preview-{hashlib.sha256(name.encode()).hexdigest()[:16]}.mp4"


def _copy(video: Video, source: Path, out: Path, anew: bool, tell: Any) -> None:
    """Make it. Raises InputError where ffmpeg cannot, UsageError where it would be too large."""
    about = _looked_at(source)
    used = sum(one.lstat().st_size for one in video.folder.parent.glob("*/*") if one.is_file())
    most = min(MOST, video.store.limits.session - used)
    if most <= 0:
        raise UsageError("there is no room left for a copy", "delete videos that are done with")
    duration = float(about.get("duration") or 0.0)

    def line(text: str) -> None:
        key, _, value = text.partition("=")
        if key == "out_time_us":
            tell(int(value) / 1e6 / duration if duration and value.isdigit() else 0.0)

    with replacing(out) as part:
        argv = [ffmpeg_path(), *arguments(about, source, part, most, anew)]
        finished = process.run(argv, on_line=line)
        if finished.status:
            last = finished.tail[-1] if finished.tail else f"exit status {finished.status}"
            raise InputError(
                f"no copy of {source.name} can be made: {last}", "it can still be worked on"
            )
        if part.stat().st_size >= most * 0.98:
            raise UsageError(
                f"a copy of {source.name} would be larger than {most / 1e6:,.0f} MB",
                "download it and play it there",
            )


def arguments(about: Any, source: Path, out: Path, most: int, anew: bool = False) -> list[str]:
    """ffmpeg's arguments: streams that browsers play are copied, the others encoded."""
    picture = [one[0] for one in about.get("video", ())][:1]
    sound = [one[0] for one in about.get("audio", ())][:1]
    argv = ["-nostdin", "-v", "error", "-y", "-nostats", "-progress", "pipe:1"]
    argv += ["-protocol_whitelist", "file", "-format_whitelist", DEMUXERS]
    argv += ["-i", file_url(source), "-map", "0:V:0?", "-map", "0:a:0?", "-sn", "-dn"]
    argv += ["-map_metadata", "-1", "-map_chapters", "-1"]
    if picture and picture[0] in PICTURES and not anew:
        argv += ["-c:v", "copy"]
    elif picture:
        fit = (
            f"scale=w='min({EDGE},iw)':h='min({EDGE},ih)':force_original_aspect_ratio=decrease"
            ":force_divisible_by=2,setsar=1"
        )
        argv += ["-vf", fit, "-c:v", "libx264", "-preset", "veryfast", "-crf", "26"]
        argv += ["-maxrate", "3M", "-bufsize", "6M", "-pix_fmt", "yuv420p"]
    if sound and sound[0] in SOUNDS and not anew:
        argv += ["-c:a", "copy"]
    elif sound:
        argv += ["-c:a", "aac", "-b:a", "128k", "-ac", "2"]
    return [*argv, "-movflags", "+faststart", "-fs", str(most), "-f", "mp4", str(out)]


def _looked_at(source: Path) -> dict[str, Any]:
    """What streams a file has, found out by a process of its own."""
    lines: list[str] = []
    argv = [sys.executable, "-m", "dubkit.web.probing", source.name]
    with contextlib.suppress(TimeoutError, ValueError, IndexError):
        process.run(argv, on_line=lines.append, cwd=source.parent, timeout=PROBE_SECONDS)
        found = json.loads(lines[-1])
        if "error" not in found:
            return dict(found)
    raise InputError(f"{source.name} cannot be read", "try another file, or convert it first")


def add_preview_routes(app: FastAPI, server: Server, previews: Previews) -> None:
    """Give ``app`` the routes above."""

    def meant(request: Request, id: str, job: str, number: int) -> tuple[Video, Path]:
        session: Session = server.store.session(request.scope["dubkit.token"])
        if not job:
            video = session.video(id)
            return video, video.source
        video, folder, _ = session.job(job)
        return video, server.file(video, folder, number)

    @app.get("/dubkit/videos/{id}/preview")
    def how(request: Request, id: str, job: str = "", number: int = 0) -> Response:
        told = previews.told(*meant(request, id, job, number))
        return JSONResponse(told, headers={"Cache-Control": "no-store"})

    @app.post("/dubkit/videos/{id}/preview")
    def make(
        request: Request, id: str, job: str = "", number: int = 0, anew: bool = False
    ) -> Response:
        video, source = meant(request, id, job, number)
        previews.start(video, source, anew=anew)
        return JSONResponse(previews.told(video, source))

    @app.delete("/dubkit/videos/{id}/preview")
    def stop(request: Request, id: str, job: str = "", number: int = 0) -> Response:
        previews.cancel(*meant(request, id, job, number))
        return JSONResponse({})

    @app.get("/dubkit/videos/{id}/preview/media")
    def copy(request: Request, id: str, job: str = "", number: int = 0) -> Response:
        video, source = meant(request, id, job, number)
        out = place(video, source)
        if not out.is_file():
            raise InputError("there is no copy to play", "have it made first")
        video.touch()
        return FileResponse(out, media_type="video/mp4", headers=HEADERS)
