"""``--upload``: an input that is carried to the worker of a cluster, and back what is made of it.

A worker gets a copy of the input, of its workspace and of the files that belong to both, in a
scratch folder of its node, and works there as anywhere. What changes in the copy comes back and is
put beside the input by rename, while the command has the lease of its workspace: at the end, and
now and then until then, so that a worker that dies costs little. Files travel in pieces, a few at a
time, so that none has to fit into memory.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dubkit import pipeline
from dubkit.engines import EngineRoom
from dubkit.errors import DubkitError, InputError, MissingDependency, PluginError
from dubkit.files import (
    LARGEST_TEXT,
    at_home,
    cannot_write,
    has_changed,
    is_plain_file,
    read_json,
    stamp_of,
    write_json,
)
from dubkit.hooks import Progress
from dubkit.options import EMBEDDED, Options, list_options
from dubkit.pipeline import report
from dubkit.pipeline.context import place_of
from dubkit.pipeline.elsewhere import HomeWorkspace
from dubkit.pipeline.time_left import Plan, Step, kind_of
from dubkit.subtitles.source import format_of
from dubkit.types import Result
from dubkit.workspace import STATE, open_as

log = logging.getLogger("dubkit")

PIECE = 4 * 2**20
"""Bytes that travel at once."""
AHEAD = 4
"""Pieces that are on their way."""
KEEP = 30.0
"""Seconds after which what a worker has made until then comes back."""
FOLDER, RESULTS, BESIDE = "in", "out", "with"
"""The folders of a copy: the input's, that of ``--output``, and that of what options name."""


# ---------------------------------------------------------------- what needs no worker


BEFORE_TEXT = ("audio", "load", "transcribe", "align", "tell speakers apart")
"""The steps that make the text."""
LIGHT = ("", "cues", "extract", "speak", "subtitles")
"""The steps that take less than sending the film would; what speaks lines is idle."""


class WorkerNeeded(KeyboardInterrupt):
    """Raised where a run comes to what a worker is for."""


class _Light(Plan):
    """A plan of a run that has nothing long to do."""

    def __init__(self) -> None:
        super().__init__(alone=False)
        self._text_is_known = False

    def expect(self, steps: Sequence[Step]) -> None:
        # Until the text is known, what is made from it only may be needed.
        steps = [one for one in steps if self._text_is_known or one.kind in BEFORE_TEXT]
        if any(one.needed for one in steps):
            raise WorkerNeeded
        self._text_is_known = True

    @contextmanager
    def during(self, name: str) -> Iterator[None]:
        if kind_of(name) not in LIGHT:
            raise WorkerNeeded
        yield


def without_worker(source: Path, options: Options, *, wait: bool) -> Result | None:
    """The result for an input of which all is there but, perhaps, subtitle files; None if a worker
    is needed. Raises what is wrong with it before anything is sent."""
    room = EngineRoom(idle=WorkerNeeded)
    try:
        with room:
            return pipeline.process(source, options, _ignore, room, _Light(), wait=wait)
    except (WorkerNeeded, MissingDependency, PluginError):  # a worker may have what is missing here
        return None


def _ignore(stage: str, done: float, total: float) -> None:
    """Progress of what takes no time."""


def needed_on_nodes(options: Options) -> list[str]:
    """The files and folders that engines are given: as engines and models are, these have to be on
    every node, at the same path."""
    texts = [options.model, *options.voice, *options.convert_to]
    texts += [value for own in options.settings.values() for value in own.values()]
    texts = [part for text in texts for part in (text, text.partition("=")[2])]
    texts += [name.rpartition(":")[0] for _, name in options.named_engines]
    return sorted({str(path.absolute()) for path in filter(None, map(_existing, texts))})


def _existing(text: str) -> Path | None:
    with contextlib.suppress(OSError, RuntimeError, ValueError):  # no name of a file at all
        if text and os.sep in text and at_home(text).exists():
            return at_home(text)
    return None


# ---------------------------------------------------------------- there and back


@dataclass(frozen=True, slots=True)
class Link:
    """The worker that an input is carried to."""

    begin: Callable[..., Any]
    """Begins one of its methods, by name, with arguments."""
    wait: Callable[[Any], Any]
    """What came of it. Raises Ray's errors if the worker dies."""

    def ask(self, name: str, *arguments: Any) -> Any:
        return self.value(self.begin(name, *arguments))

    def value(self, begun: Any) -> Any:
        """What came of a method; an error of dubkit's is raised."""
        value = self.wait(begun)
        if isinstance(value, DubkitError):
            raise value
        return value


@contextmanager
def packed(source: Path, options: Options, *, wait: bool) -> Iterator[Parcel]:
    """An input that is to be carried, with the lease of its workspace until the block ends."""
    workspace = place_of(source, options)[2]
    with open_as(HomeWorkspace, workspace, adopt=options.adopt, wait=wait) as work:
        work.hash_source(source)
        yield Parcel(source, options, work)


class Parcel:
    """An input and what belongs to it, here and on the worker that has it."""

    def __init__(self, source: Path, options: Options, work: HomeWorkspace) -> None:
        self._source, self._options, self._work = source, options, work
        self._results = RESULTS if options.output_dir else FOLDER
        self._beside = {
            one.name: path
            for one in list_options(Options)
            if (one.file or one.name == "faces") and (path := _named(options, one.name))
        }
        self._root = ""
        """The scratch folder on the worker's node."""
        self._sent: dict[str, list[int]] = {}
        """The stamps of the files here, by their places in the copy, as they were sent or came."""
        self._there: dict[str, Any] = {}
        """Those of the files there, as they were sent or fetched."""
        self._kept = 0.0

    # ------------------------------------------------------------ there

    @contextmanager
    def at(self, link: Link, progress: Progress) -> Iterator[tuple[Path, Options]]:
        """Around the work of a worker: the input and its options there."""
        self._root = link.ask("open_copy")
        try:
            try:
                self._send(link, progress)
            except OSError as failure:
                path = failure.filename or self._source
                reason = failure.strerror or failure
                raise InputError(
                    f"{path} cannot be read: {reason}", "is it still there?"
                ) from failure
            self._kept = time.monotonic()
            yield self._inside(FOLDER, self._source.name), self._options_there()
        except Exception:
            self._close(link)
            raise
        # When the command is stopped, the worker may be in the midst of it: it removes it itself.
        self._close(link)

    def _close(self, link: Link) -> None:
        with contextlib.suppress(Exception):  # it has died
            link.begin("close_copy", self._root)

    def _send(self, link: Link, progress: Progress) -> None:
        files = dict(self._files())
        self._sent = {name: stamp_of(path) for name, path in files.items()}
        done, total = 0, sum(stamp[0] for stamp in self._sent.values())
        begun: deque[tuple[Any, int]] = deque()
        wanted = ((name, *piece) for name, path in files.items() for piece in _pieces(path))
        for name, offset, piece in wanted:
            begun.append((link.begin("write", self._root, name, offset, piece), len(piece)))
            if len(begun) == AHEAD:
                done += _taken(link, begun)
                if total > PIECE:
                    progress("upload", done, total)
        while begun:
            _taken(link, begun)
        if total > PIECE:
            progress("upload", total, total)
        times = {name: stamp[1] for name, stamp in self._sent.items()}
        self._there = link.ask("finish_copy", self._root, times, self._place_of_workspace)
        if stamp_of(self._source) != self._sent[f"{FOLDER}/{self._source.name}"]:
            raise has_changed(self._source)

    def _files(self) -> Iterator[tuple[str, Path]]:
        """What travels, by its place in the copy."""
        yield f"{FOLDER}/{self._source.name}", self._source
        folder, stem, _ = place_of(self._source, self._options)
        for inside, place in ((FOLDER, self._source.parent), (self._results, folder)):
            for path in place.iterdir() if place.is_dir() else ():
                # Texts that are there already, whoever made them, and reports of dubs.
                mine = path.name.startswith(f"{stem}.") and path.name != self._source.name
                text = format_of(path) or path.suffix == ".json"
                if mine and text and is_plain_file(path) and path.stat().st_size <= LARGEST_TEXT:
                    yield f"{inside}/{path.name}", path
        for name, path in self._work.files().items():
            yield self._from_workspace(name), path
        for name, path in self._beside.items():
            inside = self._place_beside(name, path)
            if path.is_dir():
                for one in path.rglob("*"):
                    if is_plain_file(one):
                        yield f"{inside}/{one.relative_to(path).as_posix()}", one
            else:
                yield inside, path

    @property
    def _place_of_workspace(self) -> str:
        return f"{self._results}/{self._work.folder.name}"

    def _from_workspace(self, name: str) -> str:
        """The place in the copy of a file, by its name in the workspace."""
        return os.path.normpath(f"{self._place_of_workspace}/{name}")

    def _in_workspace(self, place: str) -> str:
        """The name in the workspace of a file of the copy; empty if it is none of its files."""
        inside = f"{self._place_of_workspace}/"
        return place.removeprefix(inside) if place.startswith(inside) else ""

    def _in_results(self, place: str) -> str:
        """The name in the folder of results of a file of the copy."""
        return place.removeprefix(f"{self._results}/")

    def _place_beside(self, name: str, path: Path) -> str:
        return f"{BESIDE}/{name}/{path.name}"

    def _inside(self, *parts: str) -> Path:
        return Path(self._root, *parts)

    def _options_there(self) -> Options:
        kind = {one.name: one.type for one in list_options(Options)}
        values: dict[str, Any] = {
            name: kind[name](self._inside(self._place_beside(name, path)))
            for name, path in self._beside.items()
        }
        if self._options.output_dir:
            values["output_dir"] = self._inside(RESULTS)
        return replace(self._options, **values)

    # ------------------------------------------------------------ back

    def keep(self, link: Link) -> None:
        """Bring back what the steps that are done have made, if that is due."""
        if time.monotonic() - self._kept < KEEP:
            return
        try:
            self._keep(link)
        except DubkitError as failure:  # which is raised at the end
            log.debug("nothing is brought back: %s", failure.message)
        self._kept = time.monotonic()

    def _keep(self, link: Link) -> None:
        there = link.ask("list_copy", self._root)
        now = {name: facts for name, facts in there.items() if self._in_workspace(name)}
        # What is large may come at the end, but no old one may lie under its new key.
        large = {name for name in now if now[name][0] > LARGEST_TEXT and self._is_new(name, now)}
        changed = [name for name in now if self._is_new(name, now) and name not in large]
        gone = [name for name in self._there if self._in_workspace(name) and name not in now]
        copy = self._fresh("copy")
        if self._fetch(link, copy, changed, now, _ignore, may_miss=True):
            # Steps may have gone on meanwhile: then next time.
            record = self._from_workspace(STATE)
            if link.ask("list_copy", self._root).get(record) == now.get(record):
                self._take_in(copy, [*gone, *large], None)
                self._there |= {name: now[name] for name in changed}
                for name in (*gone, *large):
                    self._there.pop(name, None)

    def bring_back(self, link: Link, progress: Progress) -> None:
        """Bring back all that has been made, and put it in its place."""
        now = link.ask("list_copy", self._root)
        changed = [
            name for name in now if name.startswith(f"{self._results}/") and self._is_new(name, now)
        ]
        gone = [name for name in self._there if name not in now]
        copy = self._fresh("copy")
        self._fetch(link, copy, changed, now, progress)
        results = {
            self._in_results(name): self._fetched(copy, name)
            for name in changed
            if not self._in_workspace(name)
        }
        self._take_in(copy, gone, results)

    def _fresh(self, name: str) -> Path:
        """An empty folder for what comes back."""
        path = self._work.part(name)
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        return path

    def _is_new(self, name: str, now: Mapping[str, Any]) -> bool:
        return bool(self._there.get(name) != now[name])

    def _fetch(
        self,
        link: Link,
        copy: Path,
        names: Sequence[str],
        there: Mapping[str, Any],
        progress: Progress,
        *,
        may_miss: bool = False,
    ) -> bool:
        """Write files of the copy to ``copy``, and results to a folder beside it; returns whether
        all of them were there still."""
        wanted = deque((name, at) for name in names for at in range(0, there[name][0] or 1, PIECE))
        done, total = 0, sum(there[name][0] for name in names)
        on_its_way: deque[tuple[str, int, Any]] = deque()
        while wanted or on_its_way:
            while wanted and len(on_its_way) < AHEAD:
                name, at = wanted.popleft()
                begun = link.begin("read", self._root, name, at, PIECE)
                on_its_way.append((name, at, begun))
            name, at, begun = on_its_way.popleft()
            content = link.value(begun)
            if content is None or (not may_miss and len(content) < min(PIECE, there[name][0] - at)):
                if may_miss:
                    return False
                raise PluginError(f"{name} is gone from the node that made it", "try it again")
            path = self._fetched(copy, name)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("r+b" if at else "wb") as file:
                    file.seek(at)
                    file.write(content)
            except OSError as failure:
                raise cannot_write(self._work.folder, failure) from failure
            done += len(content)
            if total > PIECE:
                progress("download results", done, total)
        for name in names:
            os.utime(self._fetched(copy, name), ns=(there[name][1],) * 2)
        return True

    def _fetched(self, copy: Path, name: str) -> Path:
        if inside := self._in_workspace(name):
            return copy / inside
        return copy.with_name("results") / self._in_results(name)

    def _take_in(self, copy: Path, gone: Iterable[str], results: dict[str, Path] | None) -> None:
        for name in (STATE, report.NAME):
            if (copy / name).exists():
                write_json(copy / name, self._here(read_json(copy / name)))
        new = [one.relative_to(copy).as_posix() for one in copy.rglob("*") if one.is_file()]
        changed = list(map(self._from_workspace, new))
        changed += [f"{self._results}/{name}" for name in results or ()]
        sent = {
            self._in_workspace(name) or f"../{self._in_results(name)}": stamp
            for name, stamp in self._sent.items()
        }
        left = [inside for name in gone if (inside := self._in_workspace(name))]
        force = self._options.force
        self._work.take_in(copy, self._source, left, results, sent, force=force)
        for name in changed:
            path = self._work.folder.parent / self._in_results(name)
            if path.exists():
                self._sent[name] = stamp_of(path)

    # ------------------------------------------------------------ in words

    def text_here(self, text: str) -> str:
        """A text of the worker's with the paths here."""
        named = [(self._place_beside(name, path), path) for name, path in self._beside.items()]
        named += [(FOLDER, self._source.parent), (RESULTS, self._options.output_dir or Path())]
        for inside, path in named:
            there = str(self._inside(inside))
            text = text.replace(f"{there}{os.sep}", "" if path == Path() else f"{path}{os.sep}")
            text = text.replace(there, str(path))
        return text

    def _here(self, value: Any) -> Any:
        """A value of JSON with the paths here."""
        if isinstance(value, str):
            return self.text_here(value)
        if isinstance(value, list):
            return [self._here(one) for one in value]
        if isinstance(value, dict):
            return {key: self._here(one) for key, one in value.items()}
        return value

    def result_here(self, result: Result) -> Result:
        """A worker's result with the paths here."""

        def here(path: Path) -> Path:
            return Path(self.text_here(str(path)))

        return replace(
            result,
            source=self._source,
            outputs=tuple(map(here, result.outputs)),
            warnings=(*map(self.text_here, result.warnings), *self._work.warnings),
            dubs=tuple(
                replace(one, video=one.video and here(one.video), report=here(one.report))
                for one in result.dubs
            ),
            untranslatable={
                to: (self.text_here(message), self.text_here(hint))
                for to, (message, hint) in result.untranslatable.items()
            },
        )


def _taken(link: Link, begun: deque[tuple[Any, int]]) -> int:
    """The bytes of the first piece that is on its way, when it is there."""
    write, size = begun.popleft()
    link.value(write)
    return size


def _named(options: Options, name: str) -> Path | None:
    """The file or folder that an option names, if it is there."""
    value = str(getattr(options, name) or "")
    if not value or (name == "subs_from" and EMBEDDED.fullmatch(value)):
        return None
    path = at_home(value)
    return path if path.exists() else None


def _pieces(path: Path) -> Iterator[tuple[int, bytes]]:
    """A file in pieces, with the place of each; one if it is empty."""
    with path.open("rb") as file:
        offset = 0
        while (piece := file.read(PIECE)) or not offset:
            yield offset, piece
            offset += len(piece)
            if not piece:
                break
