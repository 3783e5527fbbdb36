"""Cues being edited: what was changed and not saved yet, with undo, and the saving of it.

A draft is the workspace's own ``cues.<language>.json`` with edits on it. Its present state is kept
in a file, so that neither a reload nor a restart loses an edit; undo is in memory. Saving writes
the workspace's file as a person with a text editor would: the command sees a hand-made edit, and
makes anew what depends on it.
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
from dubkit.files import cannot_write, sha256_of
from dubkit.languages import is_tag
from dubkit.pipeline import report
from dubkit.subtitles import source as source_text
from dubkit.subtitles.source import format_of
from dubkit.workspace import key_of

from ..errors import InputError, UsageError
from ..types import Track
from . import takes
from .editing import History, edited
from .store import Video

CUES = re.compile(r"(cues|text)\.(.+)\.json")
DRAFT = ".draft.{}.json"
OPEN = 200
"""Drafts whose undo is remembered."""


def languages(video: Video) -> list[str]:
    """The languages whose cues can be edited, the one spoken first."""
    return list(_files(video))


def _files(video: Video) -> dict[str, Path]:
    """The cue files of the workspace by their languages: that of the text itself first, then the
    translations in the order in which they were made.

    The text is what was recognised, or what the last job was told to take from a file.
    """
    folder = video.workspace
    steps: Mapping[str, Any] = {}
    with suppress(OSError, ValueError, KeyError, TypeError):
        steps = json.loads((folder / "state.json").read_text("utf-8"))["steps"]
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
            language = str(json.loads((folder / report.NAME).read_text("utf-8"))["language"])
        texts = {tag: folder / name for kind, tag, name in named if kind == "text" and is_tag(tag)}
        text = language if language in texts else next(reversed(texts), "")
        if text:
            return {text: texts[text], **{tag: one for tag, one in found.items() if tag != text}}
    return found


def _from_file(video: Video) -> bool:
    """Whether the last job's text came from a file, or from a track of the video."""
    wishes = next(video.wishes(), {})
    return bool(format_of(Path(video.name)) or wishes.get("subs_from"))


class Drafts:
    """The drafts of all videos."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[Path, str], tuple[str, Track, History]] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, video: Video, language: str) -> History:
        """The draft, or the cues as they are. Raises InputError where there are none."""
        with self._lock:
            return self._opened(video, language)

    def changed(self, video: Video, language: str) -> bool:
        """Whether there is something to save."""
        with self._lock:
            history = self._opened(video, language)
            return self._open[video.folder, language][1] != history.present

    def edit(self, video: Video, language: str, edit: Mapping[str, Any], version: str) -> History:
        """Do an edit, ``{"edit": "undo"}`` and ``"redo"`` among them, to the state of that version.

        Raises UsageError when it cannot be done, or the state has become another one.
        """
        with self._lock:
            history = self._opened(video, language)
            if version != version_of(history.present):
                raise UsageError(
                    "the cues were changed in another window",
                    "look at what they are now, and try again",
                )
            name = edit.get("edit")
            if name == "undo":
                history = history.undone()
            elif name == "redo":
                history = history.redone()
            else:
                history = history.done(edited(history.present, edit))
            self._keep(video, language, history)
            return history

    def save(self, video: Video, language: str) -> bool:
        """Write the draft into the workspace; whether there was something to write."""
        with self._lock:
            history = self._opened(video, language)
            path = _file(video, language)
            try:
                whole = json.loads(path.read_text("utf-8"))
                saved = source_text.read_edited(path)
                if saved == history.present:
                    return False
                takes.put_by(video, saved, history.present)
                whole |= json.loads(subtitles.render(history.present, "json"))
                part = path.with_name(f"{path.name}.part")
                part.write_text(json.dumps(whole, indent=1, ensure_ascii=False), "utf-8")
                part.replace(path)
                (video.folder / DRAFT.format(language)).unlink(missing_ok=True)
            except OSError as failure:
                raise cannot_write(Path(path.name), failure) from failure
            # What was undone and done stays undoable.
            self._open[video.folder, language] = (sha256_of(path), history.present, history)
            return True

    def save_all(self, video: Video) -> None:
        """Write what is not saved yet: what is made next is made of what is seen."""
        for language in languages(video):
            if self.changed(video, language):
                self.save(video, language)

    def _opened(self, video: Video, language: str) -> History:
        path = _file(video, language)
        base = sha256_of(path)
        known = self._open.get((video.folder, language))
        if known and known[0] == base:
            self._open.move_to_end((video.folder, language))
            return known[2]
        saved = source_text.read_edited(path)
        history = History(saved)
        with suppress(OSError, ValueError, KeyError, TypeError, InputError):
            draft = json.loads((video.folder / DRAFT.format(language)).read_text("utf-8"))
            # Cues that were made anew since are others than those that were edited.
            if draft["of"] == base:
                history = history.done(
                    subtitles.parse(json.dumps(draft["track"]), "json", language)
                )
        self._remember(video, language, base, saved, history)
        return history

    def _keep(self, video: Video, language: str, history: History) -> None:
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
    """Tells states of a draft apart."""
    return key_of(track=subtitles.render(track, "json"))[:16]


def _file(video: Video, language: str) -> Path:
    """The cue file of a language. Raises InputError where there is none."""
    path = _files(video).get(language)
    if path is None or path.is_symlink() or not path.is_file():
        raise InputError("there are no cues in that language", "make subtitles first")
    return path
