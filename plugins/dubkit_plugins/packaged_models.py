"""Model weights that are verified by their SHA-256: from Python packages, or the same files from
where they were first published, which :mod:`.get_models` puts into the user's cache.

Not for models from a hub: each engine that downloads one has a module of its own for that.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dubkit import InputError, cache_folder

REINSTALL = 'pip install --force-reinstall --no-cache-dir "dubkit[offline]"'


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A model that is installed as one or more Python packages."""

    name: str
    parts: tuple[tuple[str, str], ...]
    """Pairs of a package and the folder in it. A file that is split over packages is joined in
    their order."""
    files: tuple[str, ...]
    sha256: Mapping[str, str]
    """Expected hashes, in hex, by file name."""
    title: str = "offline"
    """What messages call it: "the offline model"."""
    reinstall: str = REINSTALL
    """The command that repairs a damaged file."""
    piece: str = "{name}.part*"
    """Pattern of the pieces of a file that is split over packages."""
    upstream: str = ""
    """The address of the folder that the files were first published in; "" where the package has
    more than them, such as the code that reads them."""
    getting: str = ""
    """The command that gets the files from there."""


def cached_in(model: PackagedModel) -> Path:
    """The folder for a model's files from where they were first published."""
    return cache_folder() / "models" / model.name


def is_cached(model: PackagedModel) -> bool:
    """Whether the user has got the files from there; what is in them is verified when read."""
    folder = cached_in(model)
    return bool(model.upstream) and all((folder / name).is_file() for name in model.files)


def is_installed(model: PackagedModel) -> bool:
    """Whether all packages of a model are installed."""
    specs = [importlib.util.find_spec(package) for package, _ in model.parts]
    return all(spec and spec.origin for spec in specs)


def is_here(model: PackagedModel) -> bool:
    """Whether a model can be read, from the cache or from its packages."""
    return is_cached(model) or is_installed(model)


def place(model: PackagedModel) -> str:
    """Where a model is, as people name it; "" if it is not here."""
    if is_cached(model):
        return str(cached_in(model))
    return "in Python packages" if is_installed(model) else ""


def contents(model: PackagedModel) -> dict[str, bytes]:
    """Read the files of a model, by name, and verify their hashes. What the user has got from where
    it was published goes before the packages.

    Raises InputError for a file that is missing or differs from the published one.
    """
    cached = is_cached(model)
    folders = [cached_in(model)] if cached else _folders(model)
    repair = model.getting if cached else model.reinstall
    files = {}
    for name in model.files:
        pattern = model.piece.format(name=name)
        pieces = [path for folder in folders for path in sorted(folder.glob(pattern))]
        if cached or not pieces:
            pieces = [folders[0] / name]
        try:
            content = b"".join(piece.read_bytes() for piece in pieces)
        except OSError as failure:
            raise InputError(
                f"the {model.title} model's {name} cannot be read: {failure}", repair
            ) from failure
        if hashlib.sha256(content).hexdigest() != model.sha256[name]:
            raise InputError(
                f"the {model.title} model's {name} is not the file that was published "
                "(its SHA-256 differs): it is damaged or was tampered with",
                repair,
            )
        files[name] = content
    return files


def _folders(model: PackagedModel) -> list[Path]:
    """The folder of each package of a model."""
    folders = []
    for package, folder in model.parts:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise InputError(f"the package {package} is damaged", model.reinstall)
        folders.append(Path(spec.origin).parent / folder)
    return folders
