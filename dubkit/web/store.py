"""The page's files. Every path that the server opens for a client is built in this module.

    <folder>/                      of the server; one server at a time
      tmp/                         what jobs keep for a while
      sessions/<hash>/             of one browser; the hash is of the secret in its cookie
        <video id>/                as on a desktop: dubkit runs in it and puts its results there
          talk.mp4                 what was uploaded, or a link to a file under --root
          talk.dubkit/, talk.en.srt, ...
          .other/                  subtitle files and glossaries that were added
          .about.json              the video's card: name, length, streams
          .jobs/<job id>/          see :mod:`dubkit.web.jobs`

Names are external input and are made harmless by :func:`safe_name`; ids are external input and must
have the form of ours; a file found by them must be in the right folder after links are resolved.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import time
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dubkit.cli.inputs import MEDIA_SUFFIXES
from dubkit.files import cannot_write, read_json, replacing
from dubkit.script.read import SCRIPT_SUFFIXES
from dubkit.subtitles.source import format_of

from ..errors import DubkitError, InputError, OutputError, UsageError
from . import children
from .bounded import Bounds
from .jobs import EVENTS, JOB, Job, read_job
from .limits import Limits
from .quota import Quota, too_large

SESSIONS, OTHER, ABOUT, JOBS, PART = "sessions", ".other", ".about.json", ".jobs", ".part"
SCRATCH = "tmp"
ID = re.compile(r"[0-9a-f]{16}")
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
"""The form of what :func:`new_token` returns."""
WORKSPACES = re.compile(r"(\s*\.dubkit\s*)+$", re.IGNORECASE)
NAME_BYTES = 120
"""Of a file's name: with what dubkit adds to it, it must fit into 255."""
MAX_TEXT = 20 * 10**6
"""Bytes of a subtitle file."""
PROBE_SECONDS = 60.0
PROBE_MEMORY = 4 * 10**9
"""Bytes: more than any file needs to be described."""
MAX_LISTED = 2000
"""Entries of a folder that are shown."""
OTHER_SUFFIXES = (".csv", ".rttm", ".json")
"""Of files beside a video other than subtitles and scripts: glossaries, and diarization."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or a folder under ``--root``."""

    name: str
    path: str
    """Relative to the root, with slashes."""
    folder: bool
    size: int


def new_token() -> str:
    """A secret for a browser's cookie."""
    return secrets.token_urlsafe(32)


def safe_name(name: str, fallback: str = "video") -> str:
    """The last part of a name, safe as a file's name: no separators, not hidden, not mistakable for
    an option, short enough."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    shown = "".join(char for char in last if unicodedata.category(char)[0] != "C")
    # The command keeps its work on talk.mp4 in talk.dubkit.
    shown = WORKSPACES.sub("", shown.strip().lstrip(".-~ ")) or fallback
    stem, dot, suffix = shown.rpartition(".")
    if not dot or len(suffix.encode()) > 10:
        stem, dot, suffix = shown, "", ""
    room = NAME_BYTES - len((dot + suffix).encode())
    stem = stem.encode()[:room].decode("utf-8", "ignore").rstrip() or fallback
    return f"{stem}{dot}{suffix}"


class Store:
    """The server's folder."""

    def __init__(self, folder: Path, root: Path | None = None, limits: Limits | None = None):
        self.folder = folder
        self.limits = limits or Limits()
        self.quota = Quota(folder, self.limits)
        try:
            self.root = root.resolve(strict=True) if root else None
            for path in (folder, folder / SESSIONS):
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.chmod(0o700)
        except OSError as failure:
            raise cannot_write(Path(failure.filename or folder), failure) from failure
        if self.root and not self.root.is_dir():
            raise UsageError(f"--root {root} is not a folder", "name the folder of the videos")

    def session(self, token: str) -> Session:
        """The session of a cookie; an unknown one is an empty session."""
        if not TOKEN.fullmatch(token):
            raise UsageError("the page has no session", "load the page again")
        name = hashlib.sha256(token.encode()).hexdigest()[:32]
        return Session(self, self.folder / SESSIONS / name)

    def job_folders(self) -> Iterator[Path]:
        """The folders of all jobs of all sessions, for the queue of a new server."""
        yield from sorted((self.folder / SESSIONS).glob(f"*/*/{JOBS}/*"))

    def sweep(self, busy: Collection[str] = (), now: float | None = None) -> int:
        """Delete videos unused for longer than ``limits.keep``, except those in ``busy`` folders,
        which jobs need; returns how many. The rest of a broken upload is deleted after an hour."""
        now = time.time() if now is None else now
        deleted = 0
        for session in (self.folder / SESSIONS).iterdir():
            for path in session.iterdir():
                with contextlib.suppress(OSError):
                    partial = path.name.endswith(PART)
                    keep = 3600 if partial else self.limits.keep
                    if str(path) not in busy and now - _last_used(path) > keep:
                        _delete(path)
                        deleted += not partial
            with contextlib.suppress(OSError):  # not empty
                session.rmdir()
        return deleted

    # ------------------------------------------------------------ limits

    def bounds(self, job: Job, folder: Path) -> Bounds:
        """What a job that starts now may take; ``folder`` is the job's. Raises
        OutputError or UsageError if there is no room for its results."""
        limits = self.limits
        return Bounds(
            memory=limits.memory,
            files=self.quota.for_job(Path(job.cwd).parent),
            folders=(job.cwd,),
            spare=self.quota.spare // 2,
            run_time=limits.run_time,
            cpu_time=limits.cpu_time,
            processes=limits.processes,
            media=limits.media,
            events=str(folder / EVENTS),
            scratch=str(self.folder / SCRATCH / job.id),
        )

    def keeper_bounds(self) -> Bounds:
        """What the process may take that keeps engines loaded between jobs; what each job of it may
        take is :meth:`bounds`."""
        limits = self.limits
        return Bounds(
            memory=limits.memory,
            processes=limits.processes,
            parent=os.getpid(),
            scratch=str(self.folder / SCRATCH / secrets.token_hex(8)),
        )

    def probe(self, file: Path) -> dict[str, Any]:
        """What a file is, by a separate process: a file made to crash its reader crashes only that.
        Raises InputError if it is not a file that dubkit can read, or more than it may be."""
        argv = ["dubkit.web.probing", file.name, json.dumps(asdict(self.limits))]
        bounds = replace(self.child_bounds(f"reading {file.name}"), memory=PROBE_MEMORY)
        try:
            return children.ask(argv, bounds, file.parent, PROBE_SECONDS)
        except (TimeoutError, ValueError):
            hint = "try another file, or convert it first"
            raise InputError(f"{file.name} cannot be read", hint) from None

    def child_bounds(self, what: str) -> Bounds:
        """What a program may take that the server waits for; ``what`` it does is for its report."""
        limits = self.limits
        return Bounds(
            memory=limits.memory,
            run_time=limits.run_time,
            cpu_time=limits.cpu_time,
            processes=limits.processes,
            parent=os.getpid(),
            what=what,
        )

    def drop_scratch(self, running: Collection[str]) -> None:
        """Delete what jobs that were killed left behind, but for those with these ids."""
        for path in (self.folder / SCRATCH).glob("*"):
            if path.name not in running:
                shutil.rmtree(path, ignore_errors=True)

    # ------------------------------------------------------------ --root

    def browse(self, path: str = "") -> list[Entry]:
        """What can be chosen in a folder under the root, folders first."""
        folder = self._under_root(path)
        if not folder.is_dir():
            raise InputError(f"{folder.name} is not a folder", "choose one from the list")
        found = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.endswith(".dubkit"):
                    continue
                with contextlib.suppress(OSError, DubkitError):
                    below = f"{path.strip('/')}/{entry.name}".strip("/")
                    target = self._under_root(below)
                    if target.is_dir():
                        found.append(Entry(entry.name, below, True, 0))
                    elif target.is_file() and _is_input(target.name):
                        found.append(Entry(entry.name, below, False, target.stat().st_size))
        found.sort(key=lambda one: (not one.folder, one.name.casefold()))
        return found[:MAX_LISTED]

    def _under_root(self, path: str) -> Path:
        """The file that a path under the root means, with links resolved."""
        if self.root is None:
            raise UsageError("this server has no folder to choose from", "start it with --root DIR")
        return find_under(self.root, path)


def find_under(root: Path, path: str) -> Path:
    """The file that a path under a resolved folder means, with links resolved. Raises InputError
    for one that is not there, or not under the folder."""
    refusal = InputError(
        f"there is no {path[:200]!r} in the folder", "name a file by its path in there"
    )
    with contextlib.suppress(ValueError):  # an absolute path was pasted
        path = Path(path.strip().strip("\"'")).relative_to(root).as_posix()
    if "\0" in path or path.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", path):
        raise refusal
    try:
        target = (root / path).resolve(strict=True)
    except (OSError, ValueError, RuntimeError) as failure:
        raise refusal from failure
    if not target.is_relative_to(root):
        raise refusal
    return target


class Session:
    """The files and jobs of one browser."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.folder = folder

    @property
    def name(self) -> str:
        """Identifies the session, but gives no access to it."""
        return self.folder.name

    def videos(self) -> list[Video]:
        """Its videos, the latest first."""
        found = [Video(self.store, path) for path in self.folder.glob("*") if _is_video(path)]
        return sorted(found, key=lambda video: video.about.get("made", 0.0), reverse=True)

    def video(self, id: str) -> Video:
        """The video of an id. Raises InputError if this session has none."""
        path = self.folder / id
        if not ID.fullmatch(id) or not _is_video(path):
            raise InputError("there is no such video", "it may have been deleted; add it again")
        return Video(self.store, path)

    def jobs(self) -> list[tuple[Video, Path, Job]]:
        """All its jobs with their folders, the latest first."""
        found = [(video, path, job) for video in self.videos() for path, job in video.jobs()]
        return sorted(found, key=lambda one: one[2].made, reverse=True)

    def job(self, id: str) -> tuple[Video, Path, Job]:
        """The job of an id. Raises InputError if this session has none."""
        if ID.fullmatch(id):
            for path in self.folder.glob(f"*/{JOBS}/{id}"):
                with contextlib.suppress(ValueError):
                    return Video(self.store, path.parent.parent), path, read_job(path)
        raise InputError("there is no such job", "it may have been deleted")

    def receive(
        self, name: str, size: int | None, beside: Video | None = None, *, exact: bool = True
    ) -> Upload:
        """Begin an upload of ``size`` bytes (None if unknown), or of less if that is not
        ``exact``; ``beside`` is the video of a subtitle file or a glossary. Raises UsageError if it
        is too large or there are too many files, OutputError if there is no room."""
        limits = self.store.limits
        if beside:
            known = list(beside.other.glob("*")) if beside.other.exists() else []
        else:
            known = list(self.folder.glob("*"))
        if len(known) >= limits.videos:
            raise UsageError(f"there are {len(known)} files already", "delete some first")
        folder = self.folder / f"{secrets.token_hex(8)}{PART}"
        text = bool(beside) or format_of(Path(safe_name(name))) is not None
        most = min(limits.upload, MAX_TEXT) if text else limits.upload
        most = self.store.quota.for_upload(self.folder, folder, safe_name(name), size, most)
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            folder.mkdir(mode=0o700)
            return Upload(self, folder, safe_name(name), most, size if exact else None, beside)
        except OSError as failure:
            self.store.quota.release(folder)
            raise _no_room(name, failure) from failure

    def take(self, file: Path, name: str) -> Video:
        """Make a video of a copy of a file that is already on the server."""
        upload = self.receive(name, file.stat().st_size)
        try:
            with file.open("rb") as content:
                while block := content.read(2**20):
                    upload.write(block)
        except BaseException:
            upload.drop()
            raise
        video = upload.finish()
        assert isinstance(video, Video)
        return video

    def link(self, path: str) -> Video:
        """Make a video of a file under the root: a link to it in the video's folder."""
        target = self.store._under_root(path)
        if not target.is_file() or not _is_input(target.name):
            raise InputError(
                f"{target.name} is not a video, audio or subtitle file", "choose another"
            )
        upload = self.receive(target.name, 0)
        upload.path.symlink_to(target)
        video = upload.finish()
        assert isinstance(video, Video)
        return video


class Upload:
    """A file that is being received: write to it, then :meth:`finish` or :meth:`drop` it."""

    def __init__(
        self,
        session: Session,
        folder: Path,
        name: str,
        most: int,
        size: int | None,
        beside: Video | None,
    ) -> None:
        self.session, self.folder, self.name = session, folder, name
        self.path = folder / name
        self._most, self._size, self._beside = most, size, beside
        self._written = 0

    def write(self, block: bytes) -> None:
        """Append to it. Raises UsageError beyond the limit, OutputError on a full disk."""
        self._written += len(block)
        if self._written > self._most:
            raise too_large(self.name, self._most)
        try:
            with self.path.open("ab") as file:
                file.write(block)
        except OSError as failure:
            raise _no_room(self.name, failure) from failure
        self.session.store.quota.arrived(self.folder, len(block))

    def drop(self) -> None:
        """Discard it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.session.store.quota.release(self.folder)

    def finish(self, *, examine: bool = True) -> Video | Path:
        """Probe the file (its job does that if ``examine`` is false), and make a video of it or add
        it to the one it is beside.

        Returns the video, or the path relative to the folder of the one it is beside. Raises
        InputError if it is not a file that dubkit can read, OutputError on a full disk.
        """
        try:
            if self._size is not None and self._size != self._written and not self._is_link():
                raise InputError(f"{self.name} did not arrive whole", "send it again")
            suffix = Path(self.name).suffix.lower()
            plain = self._beside is not None and suffix in OTHER_SUFFIXES
            known = plain or not examine
            about = {} if known else self.session.store.probe(self.folder / self.name)
            if self._beside:
                if about.get("duration"):
                    raise InputError(
                        f"{self.name} is not a subtitle file", "add a .srt or .vtt file"
                    )
                return self._beside.add(self.path)
            if about.get("kind") == "script":
                raise InputError(
                    f"{self.name} is a text without times", "add the film in which it is spoken"
                )
            made = {"name": self.name, "made": time.time(), "linked": self._is_link(), **about}
            (self.folder / ABOUT).write_text(json.dumps(made, ensure_ascii=False), "utf-8")
            place = self.folder.with_name(self.folder.name.removesuffix(PART))
            self.folder.replace(place)
            return Video(self.session.store, place)
        except OSError as failure:
            raise _no_room(self.name, failure) from failure
        finally:
            self.drop()

    def _is_link(self) -> bool:
        return self.path.is_symlink()


class Video:
    """A video, audio or subtitle file, and the folder with everything that was made of it."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.folder = folder

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def about(self) -> Mapping[str, Any]:
        """Its card: ``name``, ``made``, ``linked`` and the output of :mod:`dubkit.web.probing`."""
        with contextlib.suppress(OSError, ValueError):
            about = json.loads((self.folder / ABOUT).read_text("utf-8"))
            if isinstance(about, dict):
                return about
        return {}

    @property
    def name(self) -> str:
        return str(self.about.get("name", ""))

    @property
    def kind(self) -> str:
        """``video``, ``sound`` or ``text``."""
        return str(self.about.get("kind", "video"))

    @property
    def source(self) -> Path:
        """The file itself. Raises InputError if it is gone, or is a link out of the root."""
        path = self.folder / self.name
        if path.is_symlink():
            target, root = path.resolve(), self.store.root
            if root and target.is_relative_to(root) and target.is_file():
                return path
        elif self.name and path.is_file():
            return path
        raise InputError(f"{self.name or 'the video'} no longer exists", "add it again")

    @property
    def workspace(self) -> Path:
        """Where the command keeps its work on it."""
        name = self.name if format_of(Path(self.name)) else Path(self.name).stem
        return self.folder / f"{name}.dubkit"

    @property
    def other(self) -> Path:
        return self.folder / OTHER

    def add(self, path: Path) -> Path:
        """Move a file beside it; returns its path relative to the video's folder."""
        self.other.mkdir(mode=0o700, exist_ok=True)
        place = self.other / path.name
        path.replace(place)
        return place.relative_to(self.folder)

    def add_result(self, name: str) -> None:
        """Put a copy of a result beside it, to be read as an added file. Raises OutputError on a
        full disk."""
        try:
            self.other.mkdir(mode=0o700, exist_ok=True)
            with replacing(self.other / name) as part:
                shutil.copyfile(self.result(name), part)
        except OSError as failure:
            raise _no_room(name, failure) from failure

    def beside(self, name: str) -> str:
        """The path, relative to its folder, of a file that was added. Raises InputError if none
        has that name."""
        path = self.other / safe_name(name)
        if path.name != name or path.is_symlink() or not path.is_file():
            raise InputError(f"there is no file {safe_name(name)}", "add it first")
        return str(path.relative_to(self.folder))

    def results(self) -> list[str]:
        """The names of those results in dubkit's own record that exist."""
        return [name for name in sorted(self._recorded()) if self._is_result(name)]

    def result(self, name: str) -> Path:
        """The path of a result. Raises InputError for anything else."""
        if name not in self._recorded() or not self._is_result(name):
            raise InputError(f"there is no result {safe_name(name)}", "it may have been deleted")
        return self.folder / name

    def _recorded(self) -> set[str]:
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            state = read_json(self.workspace / "state.json")
            return {str(name) for name in state["outputs"]}
        return set()

    def _is_result(self, name: str) -> bool:
        """Whether it is a regular file in this very folder: not a path, not a link, not hidden."""
        if not name or name.startswith(".") or Path(name).name != name or "\\" in name:
            return False
        with contextlib.suppress(OSError, ValueError):
            return stat.S_ISREG((self.folder / name).lstat().st_mode)
        return False

    def jobs(self) -> list[tuple[Path, Job]]:
        """Its jobs with their folders, the latest first."""
        found = []
        for path in (self.folder / JOBS).glob("*"):
            with contextlib.suppress(ValueError):
                found.append((path, read_job(path)))
        return sorted(found, key=lambda one: one[1].made, reverse=True)

    def past_requests(self) -> Iterator[dict[str, Any]]:
        """The options of its jobs, the latest first, without those that made nothing of it."""
        for _, job in self.jobs():
            if not job.about.get("aside"):
                yield dict(job.about.get("wishes", {}))

    def new_job(self) -> Path:
        """Create an empty folder for a job."""
        try:
            (self.folder / JOBS).mkdir(mode=0o700, exist_ok=True)
            folder = self.folder / JOBS / secrets.token_hex(8)
            folder.mkdir(mode=0o700)
            return folder
        except OSError as failure:
            raise _no_room(self.name, failure) from failure

    def job_folder(self, id: str) -> Path:
        """The folder of a job, by the id that its queue gave it."""
        return self.folder / JOBS / id

    def touch(self) -> None:
        """Record that it is in use."""
        with contextlib.suppress(OSError):
            os.utime(self.folder / ABOUT)

    def delete(self) -> None:
        """Delete it with everything that was made of it; a file under the root stays."""
        _delete(self.folder)


def uploaded_file(folder: Path, path: object) -> Path:
    """A file that was uploaded through Gradio. The path that it passes on may be any text that a
    client sent instead: only a file in the folder of its uploads is valid. Raises InputError."""
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        found = Path(str(path)).resolve(strict=True)
        if isinstance(path, str) and found.is_relative_to(folder.resolve()) and found.is_file():
            return found
    raise InputError("that file was not uploaded", "upload it")


def sweep_files(folder: Path, keep: float) -> None:
    """Delete the files under a folder that are older than ``keep`` seconds, and empty folders."""
    for path in sorted(folder.glob("**/*"), reverse=True):  # contents before their folder
        with contextlib.suppress(OSError):  # a folder that is not empty
            if time.time() - path.lstat().st_mtime > keep:
                path.rmdir() if path.is_dir() else path.unlink()


def _is_video(path: Path) -> bool:
    return bool(ID.fullmatch(path.name)) and (path / ABOUT).is_file()


def is_script(path: Path) -> bool:
    """Whether a file may be the text of a film (``--script``): one without times, or subtitles."""
    return path.suffix.lower() in SCRIPT_SUFFIXES or format_of(path) is not None


def _is_input(name: str) -> bool:
    return Path(name).suffix.lower() in MEDIA_SUFFIXES or format_of(Path(name)) is not None


def _last_used(path: Path) -> float:
    """When a video was last viewed or worked on, in seconds since 1970."""
    times = [path.stat().st_mtime]
    for other in (path / ABOUT, *path.glob(f"{JOBS}/*/{JOB}")):
        with contextlib.suppress(OSError):
            times.append(other.stat().st_mtime)
    return max(times)


def _delete(path: Path) -> None:
    """Make it inaccessible at once, then delete it from the disk."""
    trash = path.with_name(f"{path.name}-gone{PART}")
    with contextlib.suppress(OSError):
        path.replace(trash)
        path = trash
    shutil.rmtree(path, ignore_errors=True)


def _no_room(name: str, failure: OSError) -> OutputError:
    return cannot_write(Path(safe_name(name)), failure)
