"""Model weights that are shipped inside Python packages and verified by their SHA-256.

Not for models from a hub: each engine that downloads one has a module of its own for that.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dubkit import InputError

REINSTALL = 'pip install --force-reinstall --no-cache-dir "dubkit[offline]"'


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A model that is installed as one or more Python packages."""

    name: str
    parts: tuple[tuple[str, str], ...]
    """Pairs of a package and the folder in it. A file that is split over packages (``.partN``) is
    joined in their order."""
    files: tuple[str, ...]
    sha256: Mapping[str, str]
    """Expected hashes, in hex, by file name."""
    title: str = "offline"
    """What messages call it: "the offline model"."""
    reinstall: str = REINSTALL
    """The command that repairs a damaged file."""


def contents(model: PackagedModel) -> dict[str, bytes]:
    """Read the files of a packaged model, by name, and verify their hashes.

    Raises InputError for a file that is missing or differs from the published one.
    """
    folders = []
    for package, folder in model.parts:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise InputError(f"the package {package} is damaged", model.reinstall)
        folders.append(Path(spec.origin).parent / folder)
    files = {}
    for name in model.files:
        pieces = [path for folder in folders for path in sorted(folder.glob(f"{name}.part*"))]
        pieces = pieces or [folders[0] / name]
        try:
            content = b"".join(piece.read_bytes() for piece in pieces)
        except OSError as failure:
            raise InputError(
                f"the {model.title} model's {name} cannot be read: {failure}", model.reinstall
            ) from failure
        if hashlib.sha256(content).hexdigest() != model.sha256[name]:
            raise InputError(
                f"the {model.title} model's {name} is not the file that was published "
                "(its SHA-256 differs): it is damaged or was tampered with",
                model.reinstall,
            )
        files[name] = content
    return files
