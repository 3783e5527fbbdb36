"""Expand inputs as a person names them (files, folders, globs, addresses) to media files."""

from __future__ import annotations

import glob
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from dubkit.errors import DubkitError, InputError
from dubkit.files import at_home
from dubkit.subtitles.source import format_of
from dubkit.system.faults import without_passwords
from dubkit.workspace import SUFFIX

log = logging.getLogger("dubkit")

MEDIA_SUFFIXES = frozenset(
    """
    .mp4 .m4v .mov .mkv .webm .avi .ts .m2ts .mts .flv .wmv .mpg .mpeg .3gp .ogv .vob .mxf .asf
    .mp3 .wav .m4a .flac .ogg .oga .opus .aac .wma .aif .aiff .ac3 .amr .mka
    """.split()
)
"""What is taken from a folder; a file named directly may have any suffix."""
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
"""How an input begins that is an address; a single letter is a drive."""
OUR_STEMS = (".subbed", ".dubbed")
"""Ends of the stems of our own results, which a second run must not take as input."""
EXTRA = re.compile(r"(?:^|[-.])(?:sample|trailer)$", re.IGNORECASE)
NAMED = 3
"""Links that a line names."""
EXTRA_FOLDERS = frozenset({"sample", "trailers"})
"""What stands beside the films of a library, as Jellyfin and Plex have it."""


Failures: TypeAlias = list[tuple[Path | str, DubkitError]]
"""Inputs, by file or address, and what is wrong with each."""
Fetch: TypeAlias = Callable[[str], tuple[Iterable[Path], Failures]]
"""Gets the files at an address; what it raises is an error of that address."""
Note: TypeAlias = Callable[..., object]
"""Takes the level of a line, its text and what is put into that, as ``log.log`` does."""


def expand(
    names: Sequence[str], fetch: Fetch, *, may_be_empty: bool = False, note: Note = log.log
) -> tuple[dict[Path, Path], Failures]:
    """The files, each once, in the order named and by name within a folder, with the folder that
    its results go to under that of ``--output``; and an error for each name that matches none,
    unless it ``may_be_empty``. A folder's subtitle files are not taken: they go with its videos.

    What an address stands for, ``fetch`` gets. A name without wildcards is taken as a file even if
    it is missing: reading it reports that. ``note`` is given what is left out of folders.
    """
    found: dict[Path, Path | None] = {}
    several = len(names) > 1  # perhaps from a pattern that the shell expanded
    wrong: Failures = []
    for name in names:
        path = at_home(name)
        if several and _is_ours(path):
            continue
        if ADDRESS.match(name):
            try:
                fetched, failed = fetch(name)
                found.update(dict.fromkeys((one for one in fetched if one not in found), None))
                wrong += failed
            except DubkitError as failure:
                wrong.append((without_passwords(name), failure))
            continue
        try:
            root: Path | None = None
            if path.is_dir():
                root = path
                inside, unreadable = _walk(path, note)
                wrong += unreadable
                missing = InputError(
                    f"the folder {path} has no media files", "name a folder with video or sound"
                )
            elif path.exists() or not glob.has_magic(name):
                inside = [path]
            else:
                root = _root_of(name)
                hits = glob.glob(str(path), recursive=True)  # noqa: PTH207 - absolute patterns, too
                subtitles = [Path(hit) for hit in hits if format_of(path) and format_of(Path(hit))]
                inside = sorted(subtitles) or _media_in(map(Path, hits))
                missing = InputError(f"no media file is called {name}", "look at the pattern")
        except OSError:  # no file can have that name: reading it reports why
            inside = [path]
        for one in inside:
            found.setdefault(one, root)
        if not inside and not may_be_empty:
            wrong.append((path, missing))
    return _places(found), wrong


def _root_of(pattern: str) -> Path:
    """The folder before the first wildcard."""
    parts = at_home(pattern).parts
    first = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:first])


def _places(found: Mapping[Path, Path | None]) -> dict[Path, Path]:
    """For each input the folder of its results, relative to that of ``--output``.

    Folders are mirrored from the one that was named, or from the one around all that were. Files
    that were named one by one go to the top, unless two of them have one name.
    """
    single = [path for path, root in found.items() if root is None]
    alike = len({path.stem for path in single}) < len({(path.parent, path.stem) for path in single})
    roots = {path: path.parent if root is None and alike else root for path, root in found.items()}
    try:
        top = os.path.commonpath([_absolute(root) for root in roots.values() if root])
    except ValueError:  # none, or on several drives
        return dict.fromkeys(found, Path())
    return {
        path: Path(os.path.relpath(_absolute(path.parent), top)) if root else Path()
        for path, root in roots.items()
    }


def _absolute(folder: Path) -> str:
    return os.path.abspath(folder)  # noqa: PTH100 - links are not followed


def _is_ours(path: Path) -> bool:
    """Whether it is one of our results or workspaces, which a second run of a pattern finds too."""
    if path.suffix == SUFFIX and path.is_dir():
        return True
    stem = path.stem if path.suffix.lower() in MEDIA_SUFFIXES else ""
    return stem.endswith(OUR_STEMS) and path.is_file()


def _walk(folder: Path, note: Note) -> tuple[list[Path], Failures]:
    """The media in a folder and those in it, and an error for each folder that cannot be read.

    Hidden folders are left out, and so is what stands beside films in libraries: trailers and
    samples. Links to folders are not followed, and a film is taken once, whatever links to it.
    """
    found: list[Path] = []
    linked: list[Path] = []
    dangling: list[Path] = []
    wrong: Failures = []

    def fail(failure: OSError) -> None:
        inside = Path(failure.filename or folder)
        wrong.append((inside, InputError(
            f"the folder {inside} cannot be read: {failure.strerror or failure}",
            "look at its permissions (ls -ld)",
        )))  # fmt: skip

    for place, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [
            one for one in folders if not one.startswith(".") and not one.endswith(SUFFIX)
        ]
        linked += (one for one in (Path(place, name) for name in folders) if one.is_symlink())
        named = [one for one in (Path(place, name) for name in names) if _is_named_as_media(one)]
        found += (one for one in named if one.is_file())
        dangling += (one for one in named if one.is_symlink() and not one.exists())
    films = [path for path in found if not _is_extra(path.relative_to(folder))] or found
    if left_out := len(found) - len(films):
        note(
            logging.INFO,
            "%d of %d files in %s are trailers and samples, and left out; name them to have them",
            left_out,
            len(found),
            folder,
        )
    once = _once(films)
    for level, paths, text in (
        (logging.INFO, set(films) - set(once), "links to films that are taken anyway are left out"),
        (logging.INFO, linked, "links to folders are not followed; name them to have them"),
        (logging.WARNING, dangling, "links to nothing are left out"),
    ):
        if paths:
            names = sorted(str(path.relative_to(folder)) for path in paths)
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            note(level, "%s: %s: %s%s", folder, text, ", ".join(names[:NAMED]), more)
    return sorted(once), wrong


def _once(films: Sequence[Path]) -> list[Path]:
    """The films without links to others of them; of several links to one that is elsewhere, the
    first by name."""
    links = sorted(path for path in films if path.is_symlink())
    if not links:
        return list(films)
    own = [path for path in films if not path.is_symlink()]
    seen = {path.resolve() for path in own}
    for path in links:
        target = path.resolve()
        if target not in seen:
            seen.add(target)
            own.append(path)
    return own


def _is_extra(path: Path) -> bool:
    """Whether a file of a library is a trailer or a sample, by the names that media servers know:
    ``film-trailer.mp4``, ``sample.mkv``, ``Trailers/1.mp4``."""
    folders = {part.lower() for part in path.parts[:-1]}
    return bool(EXTRA.search(path.stem) or folders & EXTRA_FOLDERS)


def _media_in(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if _is_named_as_media(path) and path.is_file())


def _is_named_as_media(path: Path) -> bool:
    """Whether a file is media by its name, and neither hidden nor ours."""
    return (
        path.suffix.lower() in MEDIA_SUFFIXES
        and not path.stem.endswith(OUR_STEMS)
        and not any(parent.name.endswith(SUFFIX) for parent in path.parents)
        and not path.name.startswith(".")
    )
