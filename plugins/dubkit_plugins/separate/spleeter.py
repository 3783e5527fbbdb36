"""``spleeter``: separates speech by Deezer's Spleeter (2 stems, MIT), on torch.

The network is the published one, layer by layer: from the magnitude spectrogram, two U-Nets
estimate how much of each frequency is voice, and how much is accompaniment. Its weights are read
from the original checkpoint (:mod:`.spleeter_checkpoint`), which :mod:`.spleeter_weights` gets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dubkit import DubkitError, Progress, Separator

from . import spleeter_weights
from .stems import (
    RATE,
    Samples,
    device_of,
    device_problems,
    fit,
    resample,
    separate,
    torch_threads,
)

SPLEETER_RATE = 44_100
FRAME, HOP = 4096, 1024
"""Samples in a frame of the spectrogram, and from one frame to the next."""
FRAMES, BINS = 512, 1024
"""What the network was trained on: this many frames, and frequencies up to 11 kHz."""
PIECE = (FRAMES - 1) * HOP
"""Samples of that many frames: 11.9 s."""
SIZE = PIECE // 147 * 160
"""The same at 48 kHz; 147 samples last as long as 160 there."""
LAYERS = 6
NORM_EPSILON = 1e-3
"""Keras' default."""
MASK_EPSILON = 1e-10

Weights: TypeAlias = Mapping[str, Tensor]


@dataclass(frozen=True)
class Spleeter(Separator):
    """Spleeter's two stems, of which the voice is the speech."""

    weights: Path | None = None
    """The folder with the weights; by default, the one that the command puts them in."""
    device: str = "auto"
    """torch's, such as ``cpu``, ``cuda``, ``cuda:1``; or ``auto``."""
    threads: int = 0
    """CPU threads; 0 leaves their number to torch."""

    contract = 2
    priority = 20

    def check(self) -> Sequence[str]:
        """Problems that keep it from working here."""
        problems = device_problems("spleeter", self.device)
        try:
            self._load()
        except DubkitError as failure:
            problems.append(f"{failure.message}: {failure.hint}")
        return problems

    def separate(self, audio: Path, speech: Path, background: Path, *, progress: Progress) -> None:
        """See :class:`dubkit.hooks.Separator`."""
        device = device_of("spleeter", self.device)
        nets = _nets(self._load(), device)

        def network(whole: Samples) -> Samples:
            sound = fit(resample(whole, RATE, SPLEETER_RATE), PIECE)
            speech = extract_voice(torch.from_numpy(sound).to(device), nets).cpu().numpy()
            return fit(resample(speech, SPLEETER_RATE, RATE), whole.shape[1])

        with torch_threads(self.threads), torch.inference_mode():
            separate(audio, speech, background, network, SIZE, progress)

    def _load(self) -> dict[str, NDArray[np.float32]]:
        return spleeter_weights.load(self.weights or spleeter_weights.folder())


def _nets(variables: Mapping[str, NDArray[np.float32]], device: torch.device) -> list[Weights]:
    """The weights of the network of the voice and of that of the accompaniment."""
    return [_net(variables, number, device) for number in range(2)]


def _net(
    variables: Mapping[str, NDArray[np.float32]], number: int, device: torch.device
) -> Weights:
    """The weights of one network in torch's order, by layer.

    Keras numbers the layers of each kind consecutively through both networks.
    """
    named = {}
    for kind, count in (("conv2d", 7), ("conv2d_transpose", 6), ("batch_normalization", 12)):
        for layer in range(count):
            index = number * count + layer
            prefix = f"{kind}_{index}/" if index else f"{kind}/"
            for name, values in variables.items():
                if name.startswith(prefix):
                    # Height, width, in, out; if transposed, out and in.
                    order = (3, 2, 0, 1) if values.ndim == 4 else (0,)
                    tensor = torch.tensor(np.transpose(values, order)).contiguous()
                    named[f"{kind} {layer} {name.removeprefix(prefix)}"] = tensor.to(device)
    return named


def extract_voice(sound: Tensor, nets: Sequence[Weights]) -> Tensor:
    """The voice in a stereo piece of ``PIECE`` samples, of shape (2, PIECE)."""
    window = torch.hann_window(FRAME, device=sound.device)
    spectra = torch.stft(
        sound, FRAME, HOP, window=window, pad_mode="constant", return_complex=True
    ).mT
    magnitude = spectra[..., :BINS].abs()[None]
    vocals, rest = (_unet(magnitude, net) ** 2 for net in nets)
    mask = ((vocals + MASK_EPSILON / 2) / (vocals + rest + MASK_EPSILON))[0]
    # Above the frequencies that the network sees, the mean of those below.
    above = mask.mean(dim=-1, keepdim=True).expand(-1, -1, FRAME // 2 + 1 - BINS)
    masked = spectra * torch.cat([mask, above], dim=-1)
    return torch.istft(masked.mT, FRAME, HOP, window=window, length=sound.shape[-1])


def _unet(magnitude: Tensor, net: Weights) -> Tensor:
    """The magnitude of one stem, by channel, time and frequency."""
    skips = []
    x = magnitude
    for layer in range(LAYERS):
        if layer:
            x = F.leaky_relu(_batch_norm(x, net, layer - 1), 0.2)
        # TensorFlow's "same" puts the larger half of the padding at the end.
        x = F.conv2d(F.pad(x, (1, 2, 1, 2)), *_layer(net, "conv2d", layer), stride=2)
        skips.append(x)
    # The published network continues from here without normalization and activation.
    for layer in range(LAYERS):
        x = skips.pop() if not layer else torch.cat([skips.pop(), x], dim=1)
        kernel, bias = _layer(net, "conv2d_transpose", layer)
        x = F.relu(F.conv_transpose2d(x, kernel, bias, stride=2)[..., 1:-2, 1:-2])
        x = _batch_norm(x, net, LAYERS + layer)
    kernel, bias = _layer(net, "conv2d", LAYERS)
    return torch.sigmoid(F.conv2d(x, kernel, bias, padding=3, dilation=2)) * magnitude


def _layer(net: Weights, kind: str, layer: int) -> tuple[Tensor, Tensor]:
    return net[f"{kind} {layer} kernel"], net[f"{kind} {layer} bias"]


def _batch_norm(x: Tensor, net: Weights, layer: int) -> Tensor:
    mean, variance, gamma, beta = (
        net[f"batch_normalization {layer} {name}"]
        for name in ("moving_mean", "moving_variance", "gamma", "beta")
    )
    return F.batch_norm(x, mean, variance, gamma, beta, eps=NORM_EPSILON)
