"""How long a distillation will take here, before it begins: the work of its steps by the sizes of
the networks, at the speed of a product of matrices on this device."""

from __future__ import annotations

import time
from collections.abc import Mapping

import torch

from dubkit_plugins.whisper.torch_model import Config, Whisper

TOKENS = 110
"""Tokens of a full window of ordinary speech."""
POSITIONS = 1500
"""Of the encoder, in such a window."""
TOKEN_BY_TOKEN = 8.0
"""How much slower a decoder works token by token than on whole texts: it waits for memory."""
SIDE = 1024
"""Of the matrices, enough to keep a GPU busy."""


def estimate(
    teacher: Whisper,
    layers: int,
    windows: float,
    decodings: float,
    listened: float,
    trained: int,
    evaluated: float,
    devices: int,
) -> Mapping[str, float]:
    """Seconds by step: ``windows`` full ones are transcribed, each ``decodings`` times, and
    ``listened`` encoded to be learned from; ``trained`` are learned from, counting repetitions, and
    ``evaluated`` evaluated on. ``devices`` share listening and training."""
    config = teacher.config
    width = config.d_model
    encoder = POSITIONS * config.encoder_layers * _layer(config, cross=False)
    table = width * config.vocab_size
    sides = 4 * POSITIONS * width * width  # keys and values of the encoded sound, for a layer

    def decoder(count: int) -> float:
        return count * (TOKENS * _layer(config, cross=True) + sides) + 2 * TOKENS * table

    whole, small = decoder(config.decoder_layers), decoder(layers)
    hear = encoder + TOKEN_BY_TOKEN * whole
    work = {
        "transcribing": windows * decodings * hear,
        "listening": listened * (encoder + whole),
        "training": trained * 3 * small,  # backward costs twice what forward does
        "evaluating": evaluated * (3 * encoder + TOKEN_BY_TOKEN * (whole + 2 * small)),
    }
    speed = _speed(teacher)
    return {
        step: operations / speed / (devices if step in ("listening", "training") else 1)
        for step, operations in work.items()
    }


def _layer(config: Config, *, cross: bool) -> float:
    """Operations of a layer for one position."""
    width, inner = config.d_model, config.decoder_ffn_dim
    projections = 6 if cross else 4
    return 2 * width * (projections * width + 2 * inner)


def _speed(model: Whisper) -> float:
    """Operations a second of products of matrices in the model's precision."""
    weight = model.proj_out.weight
    one = torch.ones((SIDE, SIDE), device=weight.device, dtype=weight.dtype)
    count, began = 0, 0.0
    for count in range(-1, 20):
        if not count:
            began = time.perf_counter()
        float((one @ one)[0, 0])  # waits for the device
        if count > 2 and time.perf_counter() - began > 0.2:
            break
    return 2 * SIDE**3 * (count + 1) / max(1e-9, time.perf_counter() - began)
