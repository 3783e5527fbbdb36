"""Whisper's weights in torch: modules under the names of a checkpoint, and reading them.

The layout is that of transformers (``config.json``, ``generation_config.json``,
``*.safetensors``). transformers itself is not used: it takes three times as long to import as
torch, and of all that only these modules would be needed. How they are run is in
:mod:`.torch_network`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import safetensors
import torch
from torch import Tensor, nn

from dubkit import UsageError

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Config:
    """A checkpoint's ``config.json`` and ``generation_config.json``, as far as they matter here;
    with the defaults of transformers, for what a checkpoint leaves out."""

    vocab_size: int = 51_865
    num_mel_bins: int = 80
    d_model: int = 384
    encoder_layers: int = 4
    encoder_attention_heads: int = 6
    encoder_ffn_dim: int = 1536
    decoder_layers: int = 4
    decoder_attention_heads: int = 6
    decoder_ffn_dim: int = 1536
    max_source_positions: int = 1500
    max_target_positions: int = 448
    tie_word_embeddings: bool = True
    suppress_tokens: Collection[int] | None = None
    """Tokens that are never chosen ..."""
    begin_suppress_tokens: Collection[int] | None = None
    """... and those that are not chosen first."""
    alignment_heads: Sequence[Sequence[int]] | None = None
    """Layers and heads of the decoder that word times are read from."""


class Embedding(nn.Embedding):
    """A table without initial values: on the meta device, the random ones of torch take two
    seconds of imports."""

    def reset_parameters(self) -> None:
        """Leave the table as it is."""


class Attention(nn.Module):
    """The projections of attention with several heads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.num_heads = heads
        self.scaling = (width // heads) ** -0.5
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)


class EncoderLayer(nn.Module):
    """Attention to the sound itself, then a feed-forward network."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)
        self.final_layer_norm = nn.LayerNorm(width)


class DecoderLayer(EncoderLayer):
    """The same for text, with attention to the encoded sound between the two."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__(width, heads, inner)
        self.encoder_attn = Attention(width, heads)
        self.encoder_attn_layer_norm = nn.LayerNorm(width)


class AudioEncoder(nn.Module):
    """Spectrograms to states."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.d_model
        layer = width, config.encoder_attention_heads, config.encoder_ffn_dim
        self.conv1 = nn.Conv1d(config.num_mel_bins, width, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(width, width, kernel_size=3, stride=2, padding=1)
        self.embed_positions = Embedding(config.max_source_positions, width)
        self.layers = nn.ModuleList(EncoderLayer(*layer) for _ in range(config.encoder_layers))
        self.layer_norm = nn.LayerNorm(width)


class TextDecoder(nn.Module):
    """Tokens and encoded sound to states."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.d_model
        layer = width, config.decoder_attention_heads, config.decoder_ffn_dim
        self.embed_tokens = Embedding(config.vocab_size, width)
        self.embed_positions = Embedding(config.max_target_positions, width)
        self.layers = nn.ModuleList(DecoderLayer(*layer) for _ in range(config.decoder_layers))
        self.layer_norm = nn.LayerNorm(width)


class Whisper(nn.Module):
    """The whole network; ``proj_out`` maps the decoder's states to the logits of tokens."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.encoder = AudioEncoder(config)
        self.decoder = TextDecoder(config)
        self.proj_out = nn.Linear(config.d_model, config.vocab_size, bias=False)


def read_config(folder: Path) -> Config:
    """The checkpoint's configuration. Raises UsageError for a folder that is no Whisper model in
    this layout, or has only pickled weights (``.bin``), which would run code."""
    for name in ("config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise UsageError(f"{folder} is not a Whisper model: it has no {name}")
    found = _read_json(folder / "config.json")
    if found.get("model_type") != "whisper":
        raise UsageError(f"{folder} is not a Whisper model but {found.get('model_type')}")
    if not any(folder.glob("*.safetensors")):
        raise UsageError(
            f"{folder} has no weights in safetensors",
            "pickled weights are not loaded: use a checkpoint with model.safetensors",
        )
    if found.get("activation_function", "gelu") != "gelu" or found.get("scale_embedding"):
        raise UsageError(f"{folder} is not a Whisper model as OpenAI trained them")
    generation = folder / "generation_config.json"
    if generation.is_file():  # before there was this file, config.json had what it has
        found = {**found, **_read_json(generation)}
    names = {field.name for field in fields(Config)}
    return Config(**{name: value for name, value in found.items() if name in names})


def read_model(folder: Path, config: Config, device: torch.device, dtype: torch.dtype) -> Whisper:
    """The whole network of a checkpoint. Raises UsageError if its weights are not all there."""
    with torch.device("meta"):
        model = Whisper(config)
    names = {name: f"model.{name}" for name in model.state_dict()}
    tied = "model.decoder.embed_tokens.weight"
    names["proj_out.weight"] = tied if config.tie_word_embeddings else "proj_out.weight"
    return _fill(model, folder, names, device, dtype)


def read_decoder(
    folder: Path, config: Config, device: torch.device, dtype: torch.dtype
) -> TextDecoder:
    """Its decoder alone. Raises UsageError if its weights are not all there."""
    with torch.device("meta"):
        decoder = TextDecoder(config)
    names = {name: f"model.decoder.{name}" for name in decoder.state_dict()}
    return _fill(decoder, folder, names, device, dtype)


def read_tensors(folder: Path, names: Iterable[str]) -> dict[str, Tensor]:
    """The tensors of a checkpoint that have these names, mapped from its files, not read yet.

    Raises UsageError if one is not there.
    """
    missing = set(names)
    found: dict[str, Tensor] = {}
    for path in _weight_files(folder):
        try:
            with safetensors.safe_open(path, "pt") as file:
                here = missing.intersection(file.keys())
                found.update({name: file.get_tensor(name) for name in here})
        except (OSError, safetensors.SafetensorError) as failure:
            raise UsageError(
                f"{path} cannot be read: {failure}", "copy or download the model again"
            ) from failure
        missing -= here
    if missing:
        raise UsageError(f"{folder} has no {min(missing)} in its weights")
    return found


def _fill(
    module: M,
    folder: Path,
    names: Mapping[str, str],
    device: torch.device,
    dtype: torch.dtype,
) -> M:
    """Give a module the weights of a checkpoint; ``names`` has their names there by those here."""
    weights = {
        # First to the device, which converts faster.
        name: weight.to(device).to(dtype)
        for name, weight in read_tensors(folder, names.values()).items()
    }
    try:
        module.load_state_dict({here: weights[there] for here, there in names.items()}, assign=True)
    except RuntimeError as failure:
        raise UsageError(f"the weights in {folder} do not fit its config.json") from failure
    return module.requires_grad_(False)


def _weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights: one, or the parts that an index names. Other precisions may
    lie beside them, under other names."""
    index = folder / "model.safetensors.index.json"
    if not (folder / "model.safetensors").is_file() and index.is_file():
        parts = set(_read_json(index).get("weight_map", {}).values())
        return [folder / Path(part).name for part in sorted(parts)]
    return [folder / "model.safetensors"]


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as failure:
        raise UsageError(f"{path} cannot be read: {failure}") from failure
    if not isinstance(content, dict):
        raise UsageError(f"{path} does not hold an object")
    return content
