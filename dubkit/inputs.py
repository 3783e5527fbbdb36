"""Inputs as a person names them (files, folders, globs) to a list of media files."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from pathlib import Path

from .errors import InputError
from .workspace import SUFFIX

MEDIA_SUFFIXES = frozenset(
    """
    .mp4 .m4v .mov .mkv .webm .avi .ts .m2ts .mts .flv .wmv .mpg .mpeg .3gp .ogv .vob .mxf .asf
    .mp3 .wav .m4a .flac .ogg .oga .opus .aac .wma .aif .aiff .ac3 .amr .mka
    """.split()
)
"""What is taken from a folder; a file named outright may be called anything."""
OURS = (".subbed", ".dubbed")
"""Ends of the stems of our own results, which a folder's second run must not take as input."""


def expand(names: Sequence[str]) -> list[Path]:
    """The media files meant, each once, in the order named and by name within a folder.

    Raises InputError for a name that nothing goes by, and a folder without media.
    """
    found: dict[Path, None] = {}
    for name in names:
        path = Path(name).expanduser()
        if path.is_dir():
            inside = _media_in(path.rglob("*"))
            if not inside:
                raise InputError(
                    f"the folder {path} has no media files", "name a folder with video or sound"
                )
            found.update(dict.fromkeys(inside))
        elif path.exists() or not glob.has_magic(name):
            found[path] = None  # also when it is missing: the batch goes on and says so
        else:
            matches = [Path(match) for match in glob.glob(str(path), recursive=True)]
            inside = _media_in(matches)
            if not inside:
                raise InputError(f"no media file is called {name}", "look at the pattern")
            found.update(dict.fromkeys(inside))
    return list(found)


def _media_in(paths: Iterable[Path]) -> list[Path]:
    return sorted(
        path
        for path in paths
        if path.suffix.lower() in MEDIA_SUFFIXES
        and path.is_file()
        and not path.stem.endswith(OURS)
        and not any(parent.name.endswith(SUFFIX) for parent in path.parents)
        and not path.name.startswith(".")
    )
