"""The weights of networks that transformers runs: in a folder, in the hub's cache, or from the hub.

Files of pickled objects are taken only where a repository has no others; transformers then reads
nothing but weights from them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from dubkit import InputError, MissingDependency, Progress, UsageError
from dubkit_plugins.whisper.models import Layout, Weights, download, find_cached, find_folder

_TEXTS = ("*.json", "*.jinja", "vocab*", "merges.txt")


def _with(*endings: str) -> Layout:
    def is_complete(folder: Path) -> bool:
        weights = any(True for ending in endings for _ in folder.glob(ending))
        return weights and (folder / "config.json").is_file()

    return Layout((*_TEXTS, *endings), is_complete)


LAYOUTS = (_with("model*.safetensors"), _with("pytorch_model*.bin"))


def find_here(model: str) -> Weights | None:
    """The weights of ``owner/name``, or of a folder, if they are on this machine.

    Raises InputError for a folder that is not there, UsageError for what is no name.
    """
    if weights := find_folder(model):
        return weights
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", model):
        raise UsageError(f"there is no model {model!r}", "owner/name on the hub, or a folder")
    found = (find_cached(model, model, layout) for layout in LAYOUTS)
    return next((one for one in found if one), None)


def find(engine: str, model: str, progress: Progress) -> Weights:
    """As :func:`find_here`, else from the hub. Raises MissingDependency if it is nowhere."""
    if weights := find_here(model):
        return weights
    for layout in LAYOUTS:
        weights = download(model, model, progress, layout)
        if weights and weights.folder and layout.is_complete(weights.folder):
            return weights
        if not weights:
            raise MissingDependency(
                f"the model {model} is not on this machine, and the hub cannot be reached",
                f"one of: connect to the internet (https://hf.co/{model} is downloaded once); copy "
                "a hub cache here and set HF_HOME to it; name a folder with "
                f"-o {engine}.model=PATH; or --aligner attention, which takes Whisper's model",
            )
    raise InputError(f"{model} on the hub has no weights for torch", "name another model")


def device_problems(engine: str, device: str) -> list[str]:
    """What keeps torch from using a device, which takes no import of torch where any will do."""
    if device in ("auto", "cpu"):
        return []
    from dubkit_plugins.separate import stems

    return stems.device_problems(engine, device)


def read(kind: Any, weights: Weights, **settings: Any) -> Any:
    """What one of transformers' classes makes of the files, of which it runs no code. Raises
    InputError for others than it takes."""
    import transformers

    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        return kind.from_pretrained(
            weights.folder, local_files_only=True, trust_remote_code=False, **settings
        )
    except Exception as failure:  # whatever a damaged file leads to
        raise unreadable(weights, failure) from failure


def load(kind: Any, weights: Weights, device: Any, **settings: Any) -> Any:
    """The network of one of transformers' classes, ready to be run. Raises InputError as
    :func:`read`, and for files that lack some of its weights."""
    network, report = read(kind, weights, output_loading_info=True, **settings)
    # This one only hides parts of the sound in training.
    if missing := set(report["missing_keys"]) - {"wav2vec2.masked_spec_embed"}:
        raise unreadable(weights, f"it lacks {min(missing)}")
    return network.eval().to(device)


def unreadable(weights: Weights, why: object) -> InputError:
    """The error for files that are not what an aligner takes."""
    reason = (str(why).strip() or type(why).__name__).splitlines()[0][:200]
    return InputError(
        f"the model {weights.name} cannot be used to align: {reason}", "name another model"
    )
