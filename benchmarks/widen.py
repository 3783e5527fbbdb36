"""Make of a small Whisper checkpoint one as large as you like that says the same.

    python benchmarks/widen.py FOLDER LARGE --copies 3 --encoder-layers 32

No package has the weights of a large model, and random ones say nothing that guards, cues and word
times could work on. So every channel is there ``copies`` times, which neither a norm nor a product
notices if the weights of what reads them are divided by as many; and further layers add nothing to
what they are given. Both folders are in transformers' layout. The work is that of the larger
shapes, the words are those of the small checkpoint.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

ADDS = ("self_attn.out_proj", "encoder_attn.out_proj", "fc2")
"""What adds the result of a layer to what it was given."""


def widened(name: str, weight: Tensor, copies: int) -> Tensor:
    """A weight for so many copies of each channel."""
    if name.endswith("conv1.weight"):  # its channels are those of the spectrogram
        return weight.repeat(copies, 1, 1)
    if "embed_" in name:
        return weight.repeat(1, copies)
    if weight.ndim == 1:
        # The last norm of the decoder is read by the embeddings, which are not divided.
        scale = copies if name.startswith("model.decoder.layer_norm") else 1
        return weight.repeat(copies) / scale
    return weight.repeat(copies, copies, *[1] * (weight.ndim - 2)) / copies


def deepened(weights: dict[str, Tensor], part: str, layers: int, more: int) -> dict[str, Tensor]:
    """Weights of ``more`` layers after the ``layers`` of a part, which pass on what they get."""
    last = f"model.{part}.layers.{layers - 1}."
    found = {name.removeprefix(last): one for name, one in weights.items() if name.startswith(last)}
    return {
        f"model.{part}.layers.{layers + number}.{name}": torch.zeros_like(weight)
        if name.startswith(ADDS)
        else weight.clone()
        for number in range(more)
        for name, weight in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("small", type=Path)
    parser.add_argument("large", type=Path)
    parser.add_argument("--copies", type=int, default=3)
    parser.add_argument("--encoder-layers", type=int, default=32)
    parser.add_argument("--decoder-layers", type=int, default=0, help="none more than there are")
    given = parser.parse_args()
    shutil.copytree(given.small, given.large, ignore=shutil.ignore_patterns("*.safetensors"))
    config = json.loads((given.small / "config.json").read_text("utf-8"))
    weights: dict[str, Tensor] = {}
    for file in sorted(given.small.glob("*.safetensors")):
        weights |= load_file(file)
    weights = {name: widened(name, one, given.copies) for name, one in weights.items()}
    for part, wanted in (("encoder", given.encoder_layers), ("decoder", given.decoder_layers)):
        layers = config[f"{part}_layers"]
        weights |= deepened(weights, part, layers, max(0, wanted - layers))
        config[f"{part}_layers"] = max(wanted, layers)
        config[f"{part}_attention_heads"] *= given.copies
        config[f"{part}_ffn_dim"] *= given.copies
    config["d_model"] *= given.copies
    (given.large / "config.json").write_text(json.dumps(config), "utf-8")
    save_file(weights, given.large / "model.safetensors", {"format": "pt"})
    print(f"{sum(one.numel() for one in weights.values()) / 1e6:.0f} million weights")


if __name__ == "__main__":
    main()
