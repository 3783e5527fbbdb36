"""The models that onnx-asr can run: what they know, which files they need, and where those are.

The library has the repositories and the kinds of network; which languages a model knows is from its
card on the hub.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from onnx_asr.loader import AsrNames, AsrTypeNames, create_asr_resolver
from onnx_asr.models.whisper import WhisperHf, WhisperOrt
from onnx_asr.resolver import model_repos

from dubkit import InputError, Progress, UsageError
from dubkit_plugins.whisper import models
from dubkit_plugins.whisper.models import Layout

EUROPEAN = tuple(
    "bg cs da de el en es et fi fr hr hu it lt lv mt nl pl pt ro ru sk sl sv uk".split()
)
CENTRAL_ASIAN = ("en", "kk", "ky", "ru", "uz")
LANGUAGES: Mapping[str, tuple[str, ...]] = {
    "nemo-parakeet-tdt-0.6b-v3": EUROPEAN,
    "nemo-parakeet-tdt-0.6b-v2": ("en",),
    "nemo-parakeet-rnnt-0.6b": ("en",),
    "nemo-parakeet-ctc-0.6b": ("en",),
    "nemo-canary-1b-v2": EUROPEAN,
    "istupakov/canary-1b-flash-onnx": ("de", "en", "es", "fr"),
    "istupakov/canary-180m-flash-onnx": ("de", "en", "es", "fr"),
    "nemo-fastconformer-ru-rnnt": ("ru",),
    "nemo-fastconformer-ru-ctc": ("ru",),
    "gigaam-v3-e2e-rnnt": ("ru",),
    "gigaam-v3-e2e-ctc": ("ru",),
    "gigaam-v3-rnnt": ("ru",),
    "gigaam-v3-ctc": ("ru",),
    "gigaam-v2-rnnt": ("ru",),
    "gigaam-v2-ctc": ("ru",),
    "gigaam-multilingual-large-ctc": CENTRAL_ASIAN,
    "gigaam-multilingual-ctc": CENTRAL_ASIAN,
    "alphacep/vosk-model-ru": ("ru",),
    "alphacep/vosk-model-small-ru": ("ru",),
    "t-tech/t-one": ("ru",),
}
"""What each model knows, by the library's name for it."""
AUTO = (
    "nemo-parakeet-tdt-0.6b-v3",
    "nemo-parakeet-tdt-0.6b-v2",
    "gigaam-v3-e2e-rnnt",
    "gigaam-multilingual-large-ctc",
)
"""What ``auto`` chooses from, the best first: those with punctuation, then for other languages."""
KINDS = tuple(kind for kind in get_args(AsrTypeNames) if not kind.startswith("whisper"))
"""The library's names for the kinds of network, but for Whisper: it gives its words no times."""
CONFIG = Layout(("config.json",), lambda folder: (folder / "config.json").is_file())
LARGEST_GRAPH = 200_000_000
"""Bytes; a larger network has its weights inside."""
OTHERWISE = "--transcriber faster-whisper, which has models of its own"


@dataclass(frozen=True, slots=True)
class Model:
    """A model whose files are here."""

    name: str
    folder: Path
    kind: str
    """The library's name for the model or for its kind."""
    precision: str
    """``int8``, or "" for the full one."""

    def __str__(self) -> str:
        return f"{self.name}, {self.precision}" if self.precision else self.name


def repositories() -> dict[str, str]:
    """The hub's repositories, by the names of the models."""
    return {name: model_repos.get(name, name) for name in LANGUAGES}


def check_language(name: str, language: str) -> None:
    """Raise UsageError for a language, as a primary tag, that a model does not know, or without a
    name none of those of ``auto``. What a model knows that is not in the catalog is not known."""
    names = [name] if name else AUTO
    if any(language in LANGUAGES.get(one, (language,)) for one in names):
        return
    name = names[0]
    known = LANGUAGES[name]
    others = [other for other in LANGUAGES if language in LANGUAGES[other]]
    raise UsageError(
        f"{name} does not know the language {language!r}: it knows {', '.join(known)}",
        f"use {f'--model {others[0]}' if others else '--transcriber faster-whisper'}; "
        "if that is not the language, --language sets it",
    )


def choose(language: str, precisions: Sequence[str], progress: Progress) -> Model:
    """The best model for a language that is here, else the best of all, from the hub.

    Raises UsageError if none knows the language, MissingDependency as :func:`find`.
    """
    names = [name for name in AUTO if language in LANGUAGES[name]]
    if not names:
        check_language("", language)
    for name in names:
        if model := find_cached(name, "", precisions):
            return model
    return find(names[0], "", precisions, progress)


def find(name: str, kind: str, precisions: Sequence[str], progress: Progress) -> Model:
    """The model that was requested, in the first of ``precisions`` that there is: from a folder,
    the hub's cache, or the hub. ``kind`` is for a model that does not state its own.

    Raises UsageError and InputError for a name or a folder that is wrong, MissingDependency for a
    model that is nowhere to be found.
    """
    if kind and kind not in KINDS:
        raise UsageError(f"onnx-asr has no kind of model {kind!r}", f"it has {', '.join(KINDS)}")
    if weights := models.find_folder(name):
        assert weights.folder
        return _in_folder(weights.name, weights.folder, kind, precisions)
    if model := find_cached(name, kind, precisions):
        return model
    repository = models.repository_of(name, repositories())
    kind = kind or _own_kind(name) or _kind_in(_download(name, repository, progress, CONFIG))
    network = _network(kind)
    for precision in precisions:
        layout = _layout(network, precision)
        folder = _download(name, repository, progress, layout)
        if layout.is_complete(folder):
            return Model(name, folder, kind, precision)
    raise UsageError(f"{repository} lacks a file that onnx-asr needs", _needed(network))


def find_cached(name: str, kind: str, precisions: Sequence[str]) -> Model | None:
    """The model in the hub's cache, or None."""
    repository = models.repository_of(name, repositories())
    kind = kind or _own_kind(name)
    if not kind:
        config = models.find_cached(name, repository, CONFIG)
        if not config or not config.folder:
            return None
        kind = _kind_in(config.folder)
    network = _network(kind)
    for precision in precisions:
        weights = models.find_cached(name, repository, _layout(network, precision))
        if weights and weights.folder:
            return Model(name, weights.folder, kind, precision)
    return None


def _own_kind(name: str) -> str:
    """The name itself, if the library knows a model by it: it is then a kind of its own."""
    return name if name in get_args(AsrNames) else ""


def _kind_in(folder: Path) -> str:
    """The kind that a folder's config.json states."""
    try:
        kind = json.loads((folder / "config.json").read_text("utf-8"))["model_type"]
    except (OSError, ValueError, LookupError, TypeError):
        kind = None
    if kind not in (*get_args(AsrTypeNames), *get_args(AsrNames)):
        raise InputError(
            f"{folder} has no config.json that states a model_type of onnx-asr",
            f"set it by -o onnx-asr.kind=KIND, which is one of {', '.join(KINDS)}",
        )
    return str(kind)


def _in_folder(name: str, folder: Path, kind: str, precisions: Sequence[str]) -> Model:
    kind = kind or _kind_in(folder)
    network = _network(kind)
    for precision in precisions:
        if _layout(network, precision).is_complete(folder):
            return Model(name, folder, kind, precision)
    raise InputError(f"the folder {folder} lacks a file that onnx-asr needs", _needed(network))


def _download(name: str, repository: str, progress: Progress, layout: Layout) -> Path:
    weights = models.download(name, repository, progress, layout)
    if not weights or not weights.folder:
        raise models.not_available(name, repository, OTHERWISE)
    return weights.folder


def _network(kind: str) -> Any:
    """The library's class for a kind of network."""
    network = create_asr_resolver(kind, Path(), offline=True).model_type
    if issubclass(network, WhisperHf | WhisperOrt):
        raise UsageError(
            "onnx-asr gives the words of Whisper no times",
            "--transcriber faster-whisper or distil-whisper runs it",
        )
    return network


def _layout(network: Any, precision: str) -> Layout:
    """What a network needs, as patterns of the library."""
    needed = _files(network, precision)
    data = [str(Path(name).with_suffix(".onnx?data")) for name in needed if name.endswith(".onnx")]

    def is_complete(folder: Path) -> bool:
        found = [path for name in needed for path in folder.glob(name)]
        return all(any(folder.glob(name)) for name in needed) and all(map(_has_data, found))

    return Layout(("config.json", *needed, *data), is_complete)


def _files(network: Any, precision: str) -> tuple[str, ...]:
    return tuple(network._get_model_files(precision or None).values())


def _needed(network: Any) -> str:
    """What a model must have, as a hint."""
    return f"it must have {', '.join(_files(network, ''))}; or, in int8, ?int8.onnx for .onnx"


def _has_data(network: Path) -> bool:
    """Whether a network's weights are there, if they are in a file beside it: a download that broke
    off may have left them out."""
    if network.suffix != ".onnx" or network.stat().st_size > LARGEST_GRAPH:
        return True
    content = network.read_bytes()
    names = [f"{network.name}{end}" for end in (".data", "_data")]
    return all(network.with_name(n).exists() for n in names if n.encode() in content)
