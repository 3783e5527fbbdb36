"""Cues being edited: unsaved changes, with undo, and saving them.

A draft is the workspace's own ``cues.<language>.json`` with edits applied. What each edit changes
is appended to a file, so that neither a reload nor a restart loses an edit; undo is in memory.
Saving writes the workspace's file as a person with a text editor would: the command detects a
manual edit, and makes again what depends on it. The edits themselves are in :mod:`.editing`.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from dubkit import subtitles
from dubkit.cues.profiles import DEFAULT
from dubkit.files import cannot_write, read_json, sha256_of, stamp_of
from dubkit.languages import is_tag
from dubkit.pipeline import report
from dubkit.subtitles import source as source_text
from dubkit.subtitles.source import format_of

from ..errors import InputError, UsageError
from ..types import Cue, Track
from . import takes
from .editing import History, Rules, apply_edit, companion
from .mending import mend
from .states import State, difference, segments, state
from .store import Video

T = TypeVar("T")
CUES = re.compile(r"(cues|text)\.(.+)\.json")
DRAFT = ".draft.{}.jsonl"
OPEN = 200
"""Drafts whose undo history is kept."""
RECENT = 4
"""States of a draft that a page may still show."""
LONGEST_DRAFT = 4_000_000
"""Bytes of a draft's file from which on it is written again, whole."""


def languages(video: Video) -> list[str]:
    """The languages whose cues can be edited, the spoken one first."""
    return list(_files(video))


def _files(video: Video) -> dict[str, Path]:
    """The cue files of the workspace by language: that of the source text first, then the
    translations in the order in which they were made.

    The source text is what was recognized, or what the last job took from a file.
    """
    folder = video.workspace
    none: Mapping[str, int] = {}
    order = _known(_steps, folder / "state.json", none)
    names = sorted(
        (path.name for path in folder.glob("*.json") if CUES.fullmatch(path.name)),
        key=lambda name: (order.get(name, len(order)), name),
    )
    named = [(match[1], match[2], name) for name in names if (match := CUES.fullmatch(name))]
    found = {tag: folder / name for kind, tag, name in named if kind == "cues" and is_tag(tag)}
    if _from_file(video):
        language = _known(_reported, folder / report.NAME, "")
        texts = {tag: folder / name for kind, tag, name in named if kind == "text" and is_tag(tag)}
        text = language if language in texts else next(reversed(texts), "")
        if text:
            return {text: texts[text], **{tag: one for tag, one in found.items() if tag != text}}
    return found


def _known(read: Callable[..., T], path: Path, otherwise: T) -> T:
    """What is read from a file, which may be large, only when the file is another one."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return read(path, tuple(stamp_of(path)))
    return otherwise


@functools.lru_cache(maxsize=OPEN)
def _steps(path: Path, _: tuple[int, ...]) -> Mapping[str, int]:
    """The steps of a workspace in the order in which they were done."""
    return {name: number for number, name in enumerate(read_json(path)["steps"])}


@functools.lru_cache(maxsize=OPEN)
def _reported(path: Path, _: tuple[int, ...]) -> str:
    """The language of the source text in a report."""
    return str(read_json(path)["language"])


def _from_file(video: Video) -> bool:
    """Whether the last job's text came from a file, or from a subtitle track of the video."""
    requested = next(video.past_requests(), {})
    return bool(format_of(Path(video.name)) or requested.get("subs_from"))


@dataclass(frozen=True, slots=True)
class View:
    """A draft as the page shows it."""

    now: State
    history: History
    unsaved: bool
    """Whether there is something to save."""
    known: State | None
    """The state of the version that the page has, if that is still known."""


@dataclass
class _Draft:
    """A draft in memory."""

    base: str
    """The hash of the workspace's file."""
    saved: Track
    history: History
    journal: str = ""
    """The base that its file begins with; empty if there is none."""
    states: OrderedDict[str, State] = field(default_factory=OrderedDict)
    """The latest, by version."""


class Drafts:
    """The drafts of all videos."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[Path, str], _Draft] = OrderedDict()
        self._lock = threading.RLock()
        self._stamps = itertools.count(1)

    def open(self, video: Video, language: str) -> History:
        """The draft, or the cues as they are. Raises InputError if there are none."""
        with self._lock:
            return self._load(video, language).history

    def changed(self, video: Video, language: str) -> bool:
        """Whether there is something to save."""
        with self._lock:
            draft = self._load(video, language)
            return draft.saved != draft.history.present

    def view(self, video: Video, language: str, version: str = "") -> View:
        """The draft as the page shows it; ``version`` is the one that it has."""
        with self._lock:
            draft = self._load(video, language)
            now = self._state(draft, *profile_of(video))
            unsaved = draft.saved != draft.history.present
            return View(now, draft.history, unsaved, draft.states.get(version))

    def edit(self, video: Video, language: str, edit: Mapping[str, Any], version: str) -> History:
        """Apply an edit, also ``{"edit": "undo"}`` and ``"redo"``, to the state of that version,
        and what follows from it to the other languages.

        Raises UsageError if it is invalid, or the state has changed since.
        """
        with self._lock:
            draft = self._load(video, language)
            profile, rate = profile_of(video)
            keep = Rules(profile, rate)
            if version != self._state(draft, profile, rate).version:
                raise UsageError(
                    "the cues were changed in another window",
                    "check what they are now, and try again",
                )
            name, before = edit.get("edit"), draft.history
            stamp = {"undo": before.last, "redo": before.next}.get(str(name)) or next(self._stamps)
            if name == "undo":
                draft.history = before.undo()
            elif name == "redo":
                draft.history = before.redo()
            else:
                if name == "mend":
                    rule = str(edit.get("rule", ""))
                    after = mend(before.present, rule, keep)
                else:
                    after = apply_edit(before.present, edit, keep)
                draft.history = before.record(after, stamp)
            self._write_draft(video, language, draft, before.present)
            both = before.present, draft.history.present
            self._follow(video, language, edit, stamp, both, keep)
            return draft.history

    def _follow(
        self, video: Video, language: str, edit: Mapping[str, Any], stamp: int,
        both: tuple[Track, Track], keep: Rules,
    ) -> None:  # fmt: skip
        """Do in the other languages what follows from an edit that led from one track to another;
        undo what did."""
        name = edit.get("edit")
        for tag in languages(video):
            if tag == language:
                continue
            if name in ("undo", "redo") and (video.folder, tag) not in self._open:
                continue
            other = self._load(video, tag)
            was = other.history
            if name == "undo" and was.last == stamp:
                other.history = was.undo()
            elif name == "redo" and was.next == stamp:
                other.history = was.redo()
            elif name in ("split", "merge", "shift", "rename"):
                track = companion(edit, *both, was.present, keep)
                other.history = was.record(track, stamp)
            if other.history is not was:
                self._write_draft(video, tag, other, was.present)

    def save(self, video: Video, language: str) -> bool:
        """Write the draft into the workspace; returns whether there was something to write."""
        with self._lock:
            draft = self._load(video, language)
            present = draft.history.present
            path = _file(video, language)
            try:
                whole = read_json(path)
                saved = source_text.read_edited(path)
                if saved == present:
                    return False
                takes.keep_clips(video, saved, present)
                whole |= json.loads(subtitles.render(present, "json"))
                part = path.with_name(f"{path.name}.part")
                part.write_text(json.dumps(whole, indent=1, ensure_ascii=False), "utf-8")
                part.replace(path)
                (video.folder / DRAFT.format(language)).unlink(missing_ok=True)
            except OSError as failure:
                raise cannot_write(Path(path.name), failure) from failure
            # The undo history remains usable.
            draft.base, draft.saved, draft.journal = sha256_of(path), present, ""
            return True

    def save_all(self, video: Video) -> None:
        """Save all drafts, so that the next job works with what the user sees."""
        for language in languages(video):
            if self.changed(video, language):
                self.save(video, language)

    def _load(self, video: Video, language: str) -> _Draft:
        path = _file(video, language)
        base = sha256_of(path)
        known = self._open.get((video.folder, language))
        if known and known.base == base:
            self._open.move_to_end((video.folder, language))
            return known
        draft = _Draft(base, saved := source_text.read_edited(path), History(saved))
        with suppress(OSError, ValueError, KeyError, TypeError, InputError):
            kept = _read_draft(video.folder / DRAFT.format(language), base, saved)
            draft.history, draft.journal = draft.history.record(kept), base
        self._open[video.folder, language] = draft
        while len(self._open) > OPEN:
            self._open.popitem(last=False)
        return draft

    def _state(self, draft: _Draft, profile: str, rate: float | None) -> State:
        known = next(reversed(draft.states.values()), None)
        now = state(draft.history.present, profile, rate, known)
        draft.states[now.version] = now
        draft.states.move_to_end(now.version)
        while len(draft.states) > RECENT:
            draft.states.popitem(last=False)
        return now

    def _write_draft(self, video: Video, language: str, draft: _Draft, before: Track) -> None:
        """Append what has changed to the draft's file, or begin it."""
        path, now = video.folder / DRAFT.format(language), draft.history.present
        try:
            if draft.journal == draft.base and path.stat().st_size < LONGEST_DRAFT:
                with path.open("a", encoding="utf-8") as file:
                    file.write(_change(before, now))
                return
            part = path.with_name(f"{path.name}.part")
            head = json.dumps({"of": draft.base})
            part.write_text(f"{head}\n{_change(draft.saved, now)}", "utf-8")
            part.replace(path)
            draft.journal = draft.base
        except OSError as failure:
            raise cannot_write(Path(path.name), failure) from failure


def _change(before: Track, after: Track) -> str:
    """A line of a draft's file: cues from one on, in place of some."""
    first, last, end = difference(before.cues, after.cues)
    change = {"from": first, "removed": last - first, "cues": segments(after, first, end)}
    return f"{json.dumps(change, ensure_ascii=False)}\n"


def _read_draft(path: Path, base: str, saved: Track) -> Track:
    """The track that a draft's file describes. Raises ValueError if it is of other cues: those that
    were made again since are not those that were edited."""
    head, *changes = path.read_text("utf-8").splitlines()
    if json.loads(head)["of"] != base:
        raise ValueError("a draft of other cues")
    cues: list[Cue | dict[str, Any]] = list(saved.cues)
    for line in changes:
        with suppress(ValueError):  # the last one may be cut off
            change = json.loads(line)
            cues[change["from"] : change["from"] + change["removed"]] = change["cues"]
    edited = [one for one in cues if isinstance(one, dict)]
    text = json.dumps({"language": saved.language, "segments": edited})
    parsed = iter(subtitles.parse(text, "json", saved.language).cues)
    whole = tuple(next(parsed) if isinstance(one, dict) else one for one in cues)
    return Track(saved.language, whole)


def profile_of(video: Video) -> tuple[str, float | None]:
    """The profile that a video's cues are checked by, and its frame rate if that is known."""
    rate = next((one[3] for one in video.about.get("video", ())), None)
    return str(next(video.past_requests(), {}).get("profile") or DEFAULT), rate


def _file(video: Video, language: str) -> Path:
    """The cue file of a language. Raises InputError if there is none."""
    path = _files(video).get(language)
    if path is None or path.is_symlink() or not path.is_file():
        raise InputError("there are no cues in that language", "make subtitles first")
    return path
