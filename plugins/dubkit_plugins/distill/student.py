"""The student: made from its teacher, its heads for word times found, written for both engines."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from dubkit import MissingDependency
from dubkit_plugins.whisper.alignment import attention_to_cost, warp
from dubkit_plugins.whisper.models import CARD
from dubkit_plugins.whisper.torch_model import Config, Whisper
from dubkit_plugins.whisper.torch_network import Decoder, cache_cross_attention

MOST_HEADS = 6
"""Heads whose attention is averaged for word times."""


def spaced(layers: int, count: int) -> list[int]:
    """``count`` of so many layers at the largest spacing: the first, the last and between."""
    return [round(float(place)) for place in np.linspace(0, layers - 1, count)]


def make_student(teacher: Whisper, count: int) -> Whisper:
    """The teacher with ``count`` of its decoder's layers, copied to learn, in full precision; the
    encoder and the tables of tokens and positions are the teacher's own."""
    kept = spaced(teacher.config.decoder_layers, count)
    layers = [layer for index, layer in enumerate(teacher.decoder.layers) if index in kept]
    config = replace(teacher.config, decoder_layers=count, alignment_heads=None)
    return _with_layers(teacher, config, layers, torch.float32)


def in_precision(student: Whisper, dtype: torch.dtype) -> Whisper:
    """A copy of a student that runs in a precision, such as the teacher's."""
    return _with_layers(student, student.config, list(student.decoder.layers), dtype)


def _with_layers(
    model: Whisper, config: Config, layers: Sequence[nn.Module], dtype: torch.dtype
) -> Whisper:
    """A model that shares all with another but the decoder's layers and its last norm."""
    made, decoder = copy.copy(model), copy.copy(model.decoder)
    made.config = config
    decoder._modules = {
        **model.decoder._modules,
        "layers": nn.ModuleList(copy.deepcopy(layer).to(dtype) for layer in layers),
        "layer_norm": copy.deepcopy(model.decoder.layer_norm).to(dtype),
    }
    made._modules = {**model._modules, "decoder": decoder}
    return made


@dataclass(frozen=True, slots=True)
class Passage:
    """A window to compare attention on."""

    encoded: Tensor
    """The encoder's states, shape (1, positions, width)."""
    tokens: tuple[int, ...]
    """Those of the task, the text and its end."""
    first: int
    """Index of the text's first token."""


def find_alignment_heads(
    student: Whisper, teacher: Whisper, heads: Mapping[int, Sequence[int]], some: Sequence[Passage]
) -> list[list[int]]:
    """The layers and heads of the student that tell word times as the teacher's ``heads`` do.

    Each head's times are compared with the teacher's; of the best ones as many are taken as come
    closest together.
    """
    config = student.config
    every = {
        layer: list(range(config.decoder_attention_heads)) for layer in range(config.decoder_layers)
    }
    names = [[layer, head] for layer, all_of in every.items() for head in all_of]
    truth, costs = [], []
    for passage in some:
        truth.append(_starts(_costs(teacher, heads, passage).mean(dim=0)))
        costs.append(_costs(student, every, passage))

    def error(chosen: Sequence[int]) -> float:
        differences = [
            np.abs(_starts(cost[list(chosen)].mean(dim=0)) - right).mean()
            for cost, right in zip(costs, truth, strict=True)
        ]
        return float(np.mean(differences))

    order = sorted(range(len(names)), key=lambda one: error([one]))
    count = min(range(1, MOST_HEADS + 1), key=lambda count: error(order[:count]))
    return sorted(names[one] for one in order[:count])


@torch.inference_mode()
def _costs(model: Whisper, heads: Mapping[int, Sequence[int]], passage: Passage) -> Tensor:
    """The cost of each text token at each position by each head, (heads, tokens, positions)."""
    encoded = passage.encoded
    cross = cache_cross_attention(model.decoder, encoded)
    decoder = Decoder(model.decoder, cross, len(passage.tokens))
    tokens = torch.tensor([passage.tokens[:-1]], device=encoded.device)
    _, attention = decoder(tokens, heads)
    rows = torch.tensor([tokens.shape[1]], device=encoded.device)
    positions = torch.tensor([encoded.shape[1]], device=encoded.device)
    one_by_one = [
        attention_to_cost(layer[:, head, None], rows, positions)
        for layer in attention
        for head in range(layer.shape[1])
    ]
    return torch.cat(one_by_one)[:, passage.first - 1 :]


def _starts(cost: Tensor) -> np.ndarray:
    """Where each token begins, in positions."""
    return warp(cost[None], [cost.shape[0]], [cost.shape[1]])[0].astype(float)


def write_student(
    student: Whisper,
    teacher: Path,
    heads: Sequence[Sequence[int]],
    out: Path,
    card: Mapping[str, Any],
) -> None:
    """Write the student in transformers' layout; ``teacher`` is the teacher's folder, whose
    tokenizer and settings it keeps. ``card`` has what dubkit itself is to know about it."""
    out.mkdir(parents=True, exist_ok=True)
    for path in teacher.iterdir():
        known = path.suffix == ".json" and not path.name.endswith(".index.json")
        if path.is_file() and (known or path.name == "merges.txt"):
            shutil.copyfile(path, out / path.name)
    config: Config = student.config
    changed = {"decoder_layers": config.decoder_layers, "torch_dtype": "float16"}
    _update(out / "config.json", changed)
    _update(out / "generation_config.json", {"alignment_heads": [list(one) for one in heads]})
    (out / CARD).write_text(json.dumps(card, indent=1, ensure_ascii=False), "utf-8")
    weights = {
        f"model.{name}": tensor.to(torch.float16).contiguous()
        for name, tensor in student.state_dict().items()
        if name != "proj_out.weight"
    }
    part = out / "model.safetensors.part"
    safetensors.torch.save_file(weights, part, {"format": "pt"})
    part.replace(out / "model.safetensors")


def _update(path: Path, changed: Mapping[str, Any]) -> None:
    """Change keys of a JSON file, which may be missing."""
    content = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    path.write_text(json.dumps({**content, **changed}, indent=1, ensure_ascii=False), "utf-8")


def convert(folder: Path, out: Path) -> None:
    """Convert a model in transformers' layout for CTranslate2, with int8 weights.

    Raises MissingDependency without transformers.
    """
    try:
        import transformers
        from ctranslate2.converters import TransformersConverter

        transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]

        copied = [
            name
            for name in ("tokenizer.json", "preprocessor_config.json", CARD)
            if (folder / name).is_file()
        ]
        TransformersConverter(str(folder), copy_files=copied).convert(
            str(out), quantization="int8", force=True
        )
    except ImportError as missing:
        raise MissingDependency(
            "transformers is needed to write the model for CTranslate2",
            'pip install "dubkit[distill]", and run the same command again',
        ) from missing
