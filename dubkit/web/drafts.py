"""Cues being edited: unsaved changes, with undo, and saving them.

A draft is the workspace's own ``cues.<language>.json`` with edits applied. Its present state is
kept in a file, so that neither a reload nor a restart loses an edit; undo is in memory. Saving
writes the workspace's file as a person with a text editor would: the command detects a manual edit,
and makes again what depends on it. The edits themselves are in :mod:`.editing`.
"""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dubkit import subtitles
from dubkit.files import cannot_write, read_json, sha256_of
from dubkit.languages import is_tag
from dubkit.pipeline import report
from dubkit.subtitles import source as source_text
from dubkit.subtitles.source import format_of
from dubkit.workspace import key_of

from ..errors import InputError, UsageError
from ..types import Track
from . import takes
from .editing import History, apply_edit
from .store import Video

CUES = re.compile(r"(cues|text)\.(.+)\.json")
DRAFT = ".draft.{}.json"
OPEN = 200
"""Drafts whose undo history is kept."""


def languages(video: Video) -> list[str]:
    """The languages whose cues can be edited, the spoken one first."""
    return list(_files(video))


def _files(video: Video) -> dict[str, Path]:
    """The cue files of the workspace by language: that of the source text first, then the
    translations in the order in which they were made.

    The source text is what was recognized, or what the last job took from a file.
    """
    folder = video.workspace
    steps: Mapping[str, Any] = {}
    with suppress(OSError, ValueError, KeyError, TypeError):
        steps = read_json(folder / "state.json")["steps"]
    order = {name: number for number, name in enumerate(steps)}
    names = sorted(
        (path.name for path in folder.glob("*.json") if CUES.fullmatch(path.name)),
        key=lambda name: (order.get(name, len(order)), name),
    )
    named = [(match[1], match[2], name) for name in names if (match := CUES.fullmatch(name))]
    found = {tag: folder / name for kind, tag, name in named if kind == "cues" and is_tag(tag)}
    if _from_file(video):
        language = ""
        with suppress(OSError, ValueError, KeyError, TypeError):
            language = str(read_json(folder / report.NAME)["language"])
        texts = {tag: folder / name for kind, tag, name in named if kind == "text" and is_tag(tag)}
        text = language if language in texts else next(reversed(texts), "")
        if text:
            return {text: texts[text], **{tag: one for tag, one in found.items() if tag != text}}
    return found


def _from_file(video: Video) -> bool:
    """Whether the last job's text came from a file, or from a subtitle track of the video."""
    requested = next(video.past_requests(), {})
    return bool(format_of(Path(video.name)) or requested.get("subs_from"))


class Drafts:
    """The drafts of all videos."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[Path, str], tuple[str, Track, History]] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, video: Video, language: str) -> History:
        """The draft, or the cues as they are. Raises InputError if there are none."""
        with self._lock:
            return self._load(video, language)

    def changed(self, video: Video, language: str) -> bool:
        """Whether there is something to save."""
        with self._lock:
            history = self._load(video, language)
            return self._open[video.folder, language][1] != history.present

    def edit(self, video: Video, language: str, edit: Mapping[str, Any], version: str) -> History:
        """Apply an edit, also ``{"edit": "undo"}`` and ``"redo"``, to the state of that version.

        Raises UsageError if it is invalid, or the state has changed since.
        """
        with self._lock:
            history = self._load(video, language)
            if version != version_of(history.present):
                raise UsageError(
                    "the cues were changed in another window",
                    "check what they are now, and try again",
                )
            name = edit.get("edit")
            if name == "undo":
                history = history.undo()
            elif name == "redo":
                history = history.redo()
            else:
                history = history.record(apply_edit(history.present, edit))
            self._write_draft(video, language, history)
            return history

    def save(self, video: Video, language: str) -> bool:
        """Write the draft into the workspace; returns whether there was something to write."""
        with self._lock:
            history = self._load(video, language)
            path = _file(video, language)
            try:
                whole = read_json(path)
                saved = source_text.read_edited(path)
                if saved == history.present:
                    return False
                takes.keep_clips(video, saved, history.present)
                whole |= json.loads(subtitles.render(history.present, "json"))
                part = path.with_name(f"{path.name}.part")
                part.write_text(json.dumps(whole, indent=1, ensure_ascii=False), "utf-8")
                part.replace(path)
                (video.folder / DRAFT.format(language)).unlink(missing_ok=True)
            except OSError as failure:
                raise cannot_write(Path(path.name), failure) from failure
            # The undo history remains usable.
            self._open[video.folder, language] = (sha256_of(path), history.present, history)
            return True

    def save_all(self, video: Video) -> None:
        """Save all drafts, so that the next job works with what the user sees."""
        for language in languages(video):
            if self.changed(video, language):
                self.save(video, language)

    def _load(self, video: Video, language: str) -> History:
        path = _file(video, language)
        base = sha256_of(path)
        known = self._open.get((video.folder, language))
        if known and known[0] == base:
            self._open.move_to_end((video.folder, language))
            return known[2]
        saved = source_text.read_edited(path)
        history = History(saved)
        with suppress(OSError, ValueError, KeyError, TypeError, InputError):
            draft = read_json(video.folder / DRAFT.format(language))
            # Cues that were made again since are not those that were edited.
            if draft["of"] == base:
                history = history.record(
                    subtitles.parse(json.dumps(draft["track"]), "json", language)
                )
        self._remember(video, language, base, saved, history)
        return history

    def _write_draft(self, video: Video, language: str, history: History) -> None:
        base = sha256_of(_file(video, language))
        track = json.loads(subtitles.render(history.present, "json"))
        path = video.folder / DRAFT.format(language)
        try:
            part = path.with_name(f"{path.name}.part")
            part.write_text(json.dumps({"of": base, "track": track}, ensure_ascii=False), "utf-8")
            part.replace(path)
        except OSError as failure:
            raise cannot_write(Path(path.name), failure) from failure
        self._remember(video, language, base, self._open[video.folder, language][1], history)

    def _remember(
        self, video: Video, language: str, base: str, saved: Track, history: History
    ) -> None:
        self._open[video.folder, language] = (base, saved, history)
        while len(self._open) > OPEN:
            self._open.popitem(last=False)


def version_of(track: Track) -> str:
    """Identifies a state of a draft."""
    return key_of(track=subtitles.render(track, "json"))[:16]


def _file(video: Video, language: str) -> Path:
    """The cue file of a language. Raises InputError if there is none."""
    path = _files(video).get(language)
    if path is None or path.is_symlink() or not path.is_file():
        raise InputError("there are no cues in that language", "make subtitles first")
    return path
