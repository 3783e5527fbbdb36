"""What the diarizers that other libraries do have in common: their device, their terms, and their
results as turns."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from dubkit import Turn

FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
"""The environment variable by which torch reads no pickled objects, whatever a caller asks for."""


def numbered(turns: Iterable[tuple[float, float, str]], seconds: float) -> list[Turn]:
    """Turns in order, within a sound of so many seconds; speakers are numbered by their first
    words: ``S1``, ``S2``."""
    names: dict[str, str] = {}
    found = []
    for start, end, speaker in sorted(turns):
        start, end = max(0.0, start), min(end, seconds)
        if end > start:
            name = names.setdefault(speaker, f"S{len(names) + 1}")
            found.append(Turn(round(start, 3), round(end, 3), name))
    return [turn for turn in found if turn.end > turn.start]


@contextlib.contextmanager
def weights_only() -> Iterator[None]:
    """Have torch refuse, within the block, files of weights that hold more than weights: reading
    a pickle runs code of whoever made it, and these libraries ask for that."""
    before = os.environ.get(FORCE)
    os.environ[FORCE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[FORCE]
        else:
            os.environ[FORCE] = before


def hub_problems(engine: str, model: str, file: str, *, gated: bool) -> list[str]:
    """What keeps a model of the hub from being used, without a network request: nothing if its
    ``file`` is in the cache, or if it can be got, for which a ``gated`` one needs a token."""
    from huggingface_hub import constants, get_token, try_to_load_from_cache

    if Path(model).exists() or isinstance(try_to_load_from_cache(model, file), str):
        return []
    if constants.HF_HUB_OFFLINE:
        return [f"{engine}'s model {model} is not here, and HF_HUB_OFFLINE forbids getting it"]
    if gated and not get_token():
        return [
            f"{engine} needs the model {model}: accept its terms at https://hf.co/{model}, make a "
            "token at https://hf.co/settings/tokens, and set HF_TOKEN to it"
        ]
    return []
