"""Demucs' networks: from the hub, with a notice first, or from a folder in the hub's layout.

demucs' own loader accepts pickles, and for a safetensors file any class that the file names, which
runs code of its author; so this one reads only safetensors, and only three classes.
"""

from __future__ import annotations

import inspect
import json
import logging
import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml
from demucs.apply import BagOfModels
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.hf import DEFAULT_NAMESPACE, hf_repo_name
from demucs.htdemucs import HTDemucs
from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import RepositoryNotFoundError
from safetensors import SafetensorError, safe_open
from tqdm.auto import tqdm

from dubkit import DubkitError, InputError, MissingDependency, Progress, UsageError

log = logging.getLogger("dubkit")

CLASSES: Mapping[str, Any] = {
    f"{one.__module__}.{one.__qualname__}": one for one in (Demucs, HDemucs, HTDemucs)
}
SPEECH = "vocals"
STEMS = ("drums", "bass", "other", SPEECH)
"""The stems of all models with several networks, in this order."""
MAX_LIST = 10_000
"""Bytes of a list of networks; real ones have a hundred."""


def problems(model: str, repo: Path | None) -> list[str]:
    """What keeps a model from being used, one sentence each, without a network request."""
    try:
        if repo:
            networks = _networks(repo / f"{_split_name(model)[1]}.yaml")
            return [f"there is no {p}" for p in _files(repo, networks) if not p.is_file()]
        if constants.HF_HUB_OFFLINE and not _cached(model):
            return [": ".join(_offline(model))]
    except DubkitError as failure:
        return [f"{failure.message}: {failure.hint}"]
    return []


def load(model: str, repo: Path | None, progress: Progress) -> BagOfModels:
    """The networks of a model that contribute to the speech.

    Raises MissingDependency if they cannot be downloaded, InputError if they are not Demucs' or do
    not fit together.
    """
    folder = repo or _folder(model, progress)
    listed = folder / f"{_split_name(model)[1]}.yaml"
    networks = _networks(listed)
    files = _files(folder, networks)
    models = [_network(path) for path in files]
    for one, path in zip(models, files, strict=True):
        if SPEECH not in one.sources or one.audio_channels != 2:
            raise InputError(f"{path} does not separate vocals from stereo", "use another")
        if networks["weights"] and tuple(one.sources) != STEMS:
            raise InputError(f"{path} and {listed.name} do not fit together", "use others")
    try:
        # It computes 0 / 0 for stems of which no network is kept; only vocals are used.
        return BagOfModels(models, networks["weights"], networks["segment"]).eval()
    except AssertionError as failure:
        raise InputError(f"the networks of {listed} do not fit together", "use others") from failure


# ---------------------------------------------------------------- a folder


def _split_name(model: str) -> tuple[str, str]:
    """The hub's repository of a model, as demucs names it, and the model's own name."""
    owner, _, name = model.rpartition("/")
    if not re.fullmatch(r"[\w-]+", name) or not re.fullmatch(r"(?:\w[\w.-]*)?", owner):
        raise UsageError(f"{model!r} is not the name of a model", "such as htdemucs or htdemucs_ft")
    return f"{owner or DEFAULT_NAMESPACE}/{hf_repo_name(name)}", name


def _networks(path: Path) -> dict[str, Any]:
    """A parsed list of networks, without those that contribute nothing to the speech."""
    invalid = InputError(f"{path} is not a list of Demucs' networks", "check demucs.repo")
    try:
        with path.open("rb") as file:
            listed = yaml.safe_load(file.read(MAX_LIST))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as failure:
        raise InputError(
            f"{path} cannot be read: {failure}", "check demucs.model and demucs.repo"
        ) from failure
    if not isinstance(listed, dict) or not isinstance(listed.get("models"), list):
        raise invalid
    names, weights, segment = listed["models"], listed.get("weights"), listed.get("segment")
    # They become names of files.
    if not names or not all(isinstance(n, str) and re.fullmatch(r"[\w-]+", n) for n in names):
        raise invalid
    if segment is not None and not (_is_number(segment) and 1 <= segment <= 600):
        raise invalid
    if weights is not None:
        if not isinstance(weights, list) or not all(
            isinstance(row, list) and len(row) == len(STEMS) and all(map(_is_number, row))
            for row in weights
        ):
            raise invalid
        if len(weights) != len(names) or sum(row[-1] for row in weights) <= 0:
            raise invalid
        kept = [number for number, row in enumerate(weights) if row[-1]]
        names, weights = [names[n] for n in kept], [weights[n] for n in kept]
    return {"models": names, "weights": weights, "segment": segment}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value < 1e6


def _files(folder: Path, networks: Mapping[str, Any]) -> list[Path]:
    return [folder / f"{name}.safetensors" for name in networks["models"]]


def _network(path: Path) -> Any:
    """A network from a safetensors file whose metadata describe how it is built."""
    if not path.is_file():
        raise InputError(
            f"there is no {path}",
            "demucs.repo must be a folder in the hub's layout; older .th files are pickles, which "
            "run any code that is in them, and are not read",
        )
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if "structure" in about:
            raise ValueError("quantized models are not supported")
        if about.get("klass") not in CLASSES:
            raise ValueError(f"it is of no class of Demucs: {about.get('klass')!r}")
        args, kwargs = (
            json.loads(about[key], object_hook=_decode_fraction) for key in ("args", "kwargs")
        )
        if not (isinstance(args, list) and isinstance(kwargs, dict)):
            raise ValueError("its settings are invalid")
        # As in demucs.states: older files have settings that no longer exist.
        kind = CLASSES[about["klass"]]
        known = inspect.signature(kind).parameters
        model = kind(*args, **{key: value for key, value in kwargs.items() if key in known})
        model.load_state_dict(state)
        return model
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError,
            ArithmeticError, AssertionError, RuntimeError, RecursionError) as failure:  # fmt: skip
        # Whatever torch raises for strange settings.
        raise InputError(
            f"{path} is not a network of Demucs, or damaged: {failure}", "get it again, or another"
        ) from failure


def _decode_fraction(value: dict[str, Any]) -> Any:
    if value.get("_type") == "fraction":
        return Fraction(value["numerator"], value["denominator"])
    return value


# ---------------------------------------------------------------- the hub


def _folder(model: str, progress: Progress) -> Path:
    """The model's folder in the hub's cache, downloaded first if necessary."""
    if folder := _cached(model):
        return folder
    if constants.HF_HUB_OFFLINE:
        raise MissingDependency(*_offline(model))
    repository, name = _split_name(model)
    listed = f"{name}.yaml"
    folder = _download(model, repository, [listed], lambda *_: None)
    files = [path.name for path in _files(folder, _networks(folder / listed))]
    return _download(model, repository, [listed, *files], progress)


def _cached(model: str) -> Path | None:
    repository, name = _split_name(model)
    listed = f"{name}.yaml"
    try:
        folder = Path(snapshot_download(repository, allow_patterns=[listed], local_files_only=True))
    except Exception:  # each version of the hub's library has its own class for "not cached"
        return None
    if not (folder / listed).is_file():
        return None
    files = _files(folder, _networks(folder / listed))
    return folder if all(path.is_file() for path in files) else None


def _offline(model: str) -> tuple[str, str]:
    return (
        f"the model {model} is not on this machine, and HF_HUB_OFFLINE keeps dubkit offline",
        f"run hf download {_split_name(model)[0]} with internet access; its folder is demucs.repo",
    )


def _download(model: str, repository: str, names: list[str], progress: Progress) -> Path:
    done = total = 0.0

    class Bar(tqdm):  # type: ignore[misc]
        """Forwards what the hub's library reports to its progress bar."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._bytes = kwargs.get("unit") == "B"
            super().__init__(*args, **{**kwargs, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            nonlocal done
            if self._bytes and total:
                done = min(done + (n or 0), total)
                progress(f"download {model}", done, total)
            return None

    try:
        listing = HfApi().model_info(repository, files_metadata=True, timeout=10).siblings or []
        total = float(sum(item.size or 0 for item in listing if item.rfilename in names))
        if len(names) > 1:
            log.info("downloading %s from the hub: %s, %.0f MB", model, repository, total / 1e6)
        return Path(snapshot_download(repository, allow_patterns=names, tqdm_class=Bar))
    except RepositoryNotFoundError as missing:
        raise UsageError(f"the hub has no model {repository}", "such as htdemucs") from missing
    except Exception as failure:
        raise MissingDependency(
            f"downloading {repository} failed: {failure}", "run the same command to resume it"
        ) from failure
