"""Whisper's network in torch: spectrograms, the encoder, and a decoder in the middle of a batch.

Three things are not as in the usual ``forward``: the encoder takes less than 30 s; the decoder
returns the cross-attention that word times are computed from, while all other attention is computed
the fast way; and a step of the decoder costs hardly any time in Python.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from faster_whisper.feature_extractor import FeatureExtractor
from torch import Tensor
from torch.nn import functional as F

from .engine import SAMPLE_RATE, Samples
from .torch_model import Attention, AudioEncoder, DecoderLayer, EncoderLayer, TextDecoder

HOP = 160
"""Samples per spectrogram frame: 10 ms."""
FFT = 400
"""Samples in the Fourier window: 25 ms."""
DYNAMIC_RANGE = 8.0
"""Powers of ten below a window's loudest point at which its spectrogram is clipped."""
LARGEST_STATE = torch.finfo(torch.float16).max - 1000
"""Bound of the encoder's states in fp16, as in transformers."""


def mel_filters(mels: int, device: torch.device) -> Tensor:
    """Whisper's mel filters of shape (mels, frequencies)."""
    filters = FeatureExtractor.get_mel_filters(SAMPLE_RATE, FFT, mels)
    return torch.from_numpy(filters.astype(np.float32)).to(device)


def log_mel(windows: Sequence[Samples], frames: int, filters: Tensor) -> Tensor:
    """Log-mel spectrograms of shape (windows, mels, frames), on the device of ``filters``.

    Equal to the output of WhisperFeatureExtractor for ``frames`` frames: a window is padded with
    digital silence, which becomes the floor of its spectrogram, or cut if it is longer.
    """
    # From pinned memory a GPU copies without the CPU, while it does something else.
    pinned = filters.device.type == "cuda"
    samples = torch.zeros((len(windows), frames * HOP), pin_memory=pinned)
    for row, window in zip(samples.numpy(), windows, strict=True):
        row[: len(window)] = window[: len(row)]
    sound = samples.to(filters.device, non_blocking=True)
    hann = torch.hann_window(FFT, device=filters.device)
    spectrum = torch.stft(sound, FFT, HOP, window=hann, return_complex=True)[..., :-1]
    mel = (filters @ (spectrum.abs() ** 2)).clamp_min(1e-10).log10()
    loudest = mel.amax(dim=(1, 2), keepdim=True)
    return (torch.maximum(mel, loudest - DYNAMIC_RANGE) + 4.0) / 4.0


def encode(encoder: AudioEncoder, mel: Tensor) -> Tensor:
    """States of shape (windows, frames / 2, width) for any even number of frames up to 3,000."""
    states = F.gelu(encoder.conv1(mel))
    states = F.gelu(encoder.conv2(states)).mT.contiguous()
    states = states + encoder.embed_positions.weight[: states.shape[1]]
    for layer in cast(list[EncoderLayer], encoder.layers):
        own, normed = layer.self_attn, layer.self_attn_layer_norm(states)
        keys, values = _heads(own.k_proj(normed), own), _heads(own.v_proj(normed), own)
        states = states + _attend(own, _query(normed, own), keys, values)
        states = _feed_forward(layer, states)
        if states.dtype == torch.float16:  # in which a few states of the large models overflow
            states = states.clamp(-LARGEST_STATE, LARGEST_STATE)
    normed = encoder.layer_norm(states)
    return cast(Tensor, normed)


@dataclass(frozen=True, slots=True)
class CrossAttentionCache:
    """The keys and values of the encoded audio, the same for every token."""

    keys: tuple[Tensor, ...]
    """One per layer, of shape (rows, heads, encoder positions, head size)."""
    values: tuple[Tensor, ...]

    def __getitem__(self, rows: Tensor) -> CrossAttentionCache:
        return CrossAttentionCache(
            tuple(keys[rows] for keys in self.keys), tuple(values[rows] for values in self.values)
        )


class Decoder:
    """A decoder in the middle of a batch: its network, the audio, and the tokens so far.

    ``length`` tokens have been read; lower it to forget the last ones.
    """

    def __init__(self, network: TextDecoder, cross: CrossAttentionCache, capacity: int) -> None:
        """``capacity`` is the most tokens that it will hold, at most 448."""
        self.network = network
        self.cross = cross
        self.capacity = capacity
        self.length = 0
        rows, heads, _, size = cross.keys[0].shape
        shape = (len(network.layers), rows, heads, capacity, size)
        self._keys = cross.keys[0].new_zeros(shape)
        self._values = cross.keys[0].new_zeros(shape)

    def keep(self, rows: Tensor) -> Decoder:
        """A decoder that continues with these rows only."""
        kept = object.__new__(Decoder)
        kept.__dict__.update(self.__dict__, cross=self.cross[rows])
        kept._keys, kept._values = self._keys[:, rows], self._values[:, rows]
        return kept

    def fork(self, count: int) -> Decoder:
        """A decoder with ``count`` rows for each row, which share its cross-attention cache."""
        forked = object.__new__(Decoder)
        forked.__dict__.update(self.__dict__)
        forked._keys = self._keys.repeat_interleave(count, dim=1)
        forked._values = self._values.repeat_interleave(count, dim=1)
        return forked

    def follow(self, rows: Tensor, span: int) -> None:
        """Continue, in each row, from the first ``span`` tokens of the row that ``rows`` names."""
        for cache in (self._keys, self._values):
            cache[:, :, :, :span] = cache[:, rows, :, :span]

    def __call__(
        self, tokens: Tensor, watch: Mapping[int, Sequence[int]] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Read more tokens, of shape (rows, count).

        Returns states of shape (rows, count, width) and, for each layer in ``watch``, the
        cross-attention of those heads before the softmax, (rows, heads, count, positions).
        """
        first, self.length = self.length, self.length + tokens.shape[1]
        positions = torch.arange(first, self.length, device=tokens.device)
        past = None  # a single token attends to all before it and needs no mask
        if tokens.shape[1] > 1:
            past = torch.arange(self.length, device=tokens.device) <= positions[:, None]
        return self.read(tokens, positions, self.length, past, watch or {})

    def read(
        self,
        tokens: Tensor,
        positions: Tensor,
        span: int,
        past: Tensor | None,
        watch: Mapping[int, Sequence[int]],
    ) -> tuple[Tensor, list[Tensor]]:
        """The same at ``positions`` (count,), which attend to those of the first ``span`` tokens
        that ``past`` (count, span) allows.

        Changes no Python state, so that a single CUDA graph of it serves every step.
        """
        network, attention = self.network, []
        states = network.embed_tokens(tokens) + network.embed_positions.weight[positions]
        for index, layer in enumerate(_layers(network)):
            normed = layer.self_attn_layer_norm(states)
            own, cross = layer.self_attn, layer.encoder_attn
            keys, values = self._keys[index], self._values[index]
            keys.index_copy_(2, positions, _heads(own.k_proj(normed), own))
            values.index_copy_(2, positions, _heads(own.v_proj(normed), own))
            keys, values = keys[:, :, :span], values[:, :, :span]
            states = states + _attend(own, _query(normed, own), keys, values, past)
            query = _query(layer.encoder_attn_layer_norm(states), cross)
            keys, values = self.cross.keys[index], self.cross.values[index]
            if index in watch:
                chosen = list(watch[index])
                attention.append(query[:, chosen] @ keys[:, chosen].mT)
            states = states + _attend(cross, query, keys, values)
            states = _feed_forward(layer, states)
        return network.layer_norm(states), attention


def read_texts(network: TextDecoder, encoded: Tensor, positions: Tensor, tokens: Tensor) -> Tensor:
    """States of whole texts at once, of shape (rows, tokens, width), through which gradients flow.

    Of row ``i`` the first ``positions[i]`` of the ``encoded`` positions are its own.
    """
    places = torch.arange(encoded.shape[1], device=encoded.device)
    own = (places < positions[:, None])[:, None, None]
    count = tokens.shape[1]
    past = torch.ones((count, count), dtype=torch.bool, device=tokens.device).tril()
    states = network.embed_tokens(tokens) + network.embed_positions.weight[:count]
    for layer in _layers(network):
        normed = layer.self_attn_layer_norm(states)
        attention = layer.self_attn
        keys, values = (
            _heads(project(normed), attention) for project in (attention.k_proj, attention.v_proj)
        )
        states = states + _attend(attention, _query(normed, attention), keys, values, past)
        attention = layer.encoder_attn
        query = _query(layer.encoder_attn_layer_norm(states), attention)
        keys, values = (
            _heads(project(encoded), attention) for project in (attention.k_proj, attention.v_proj)
        )
        states = states + _attend(attention, query, keys, values, own)
        states = _feed_forward(layer, states)
    return cast(Tensor, network.layer_norm(states))


def cache_cross_attention(network: TextDecoder, encoded: Tensor) -> CrossAttentionCache:
    """The keys and values of an encoder's output, for every layer of a decoder."""
    attentions = [layer.encoder_attn for layer in _layers(network)]
    return CrossAttentionCache(
        tuple(_heads(a.k_proj(encoded), a).contiguous() for a in attentions),
        tuple(_heads(a.v_proj(encoded), a).contiguous() for a in attentions),
    )


def _layers(network: TextDecoder) -> list[DecoderLayer]:
    return cast(list[DecoderLayer], network.layers)


def _feed_forward(layer: EncoderLayer | DecoderLayer, states: Tensor) -> Tensor:
    inner = F.gelu(layer.fc1(layer.final_layer_norm(states)))
    return cast(Tensor, states + layer.fc2(inner))


def _heads(states: Tensor, attention: Attention) -> Tensor:
    """(rows, count, width) -> (rows, heads, count, head size)."""
    return states.view(*states.shape[:-1], attention.num_heads, -1).transpose(1, 2)


def _query(states: Tensor, attention: Attention) -> Tensor:
    """Scaled before the product, as in Whisper's training: in fp16 the order matters."""
    return _heads(attention.q_proj(states) * attention.scaling, attention)


def _attend(
    attention: Attention,
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Tensor | None = None,
) -> Tensor:
    """Attention and its output projection, of shape (rows, count, width). If there are fewer rows
    of keys than of queries, equal runs of consecutive queries share each row of keys."""
    rows, heads, count, size = query.shape
    shared = keys.shape[0]
    if shared < rows:
        query = query.view(shared, -1, heads, count, size).transpose(1, 2).flatten(2, 3)
    mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask, scale=1.0)
    if shared < rows:
        mixed = mixed.view(shared, heads, -1, count, size).transpose(1, 2).flatten(0, 1)
    return cast(Tensor, attention.out_proj(mixed.transpose(1, 2).flatten(2)))
