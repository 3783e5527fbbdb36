"""Whether libraries are installed, without the seconds that importing them takes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def has_libraries(*names: str) -> None:
    """Raise ModuleNotFoundError for a library, or a package in one, that is not installed."""
    for name in names:
        library, *inside = name.split(".")
        spec = find_spec(library)  # which would import all that it is inside of
        folders = (spec and spec.submodule_search_locations) or ()
        if spec is None or (inside and not any(Path(one, *inside).is_dir() for one in folders)):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
