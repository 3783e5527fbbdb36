"""``demucs``: separates speech by Demucs (Hybrid Transformer, MIT) on torch; best on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from demucs.apply import apply_model

from dubkit import Progress, Separator

from . import demucs_models
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

SIZE = 30 * RATE
"""Samples given to Demucs at once; it cuts them into segments for the network itself."""


@dataclass(frozen=True)
class Demucs(Separator):
    """Demucs' vocals stem, which is the speech."""

    model: str = "htdemucs"
    """``htdemucs``, ``htdemucs_ft`` (better), ``hdemucs_mmi``, ... or ``owner/name`` on the hub."""
    repo: Path | None = None
    """A folder with ``MODEL.yaml`` and the ``.safetensors`` files that it names."""
    device: str = "auto"
    """torch's, such as ``cpu``, ``cuda``, ``cuda:1``; or ``auto``."""
    threads: int = 0
    """CPU threads; 0 leaves their number to torch."""

    contract = 2
    priority = 10

    def check(self) -> Sequence[str]:
        """Problems that keep it from working here."""
        return [
            *device_problems("demucs", self.device),
            *demucs_models.problems(self.model, self.repo),
        ]

    def separate(self, audio: Path, speech: Path, background: Path, *, progress: Progress) -> None:
        """See :class:`dubkit.hooks.Separator`."""
        device = device_of("demucs", self.device)
        bag = demucs_models.load(self.model, self.repo, progress).to(device)
        index = bag.sources.index(demucs_models.SPEECH)

        def network(whole: Samples) -> Samples:
            sound = torch.from_numpy(resample(whole, RATE, bag.samplerate))
            # As demucs.api normalizes a whole file.
            mean, deviation = sound.mean(), sound.mean(dim=0).std(correction=0) + 1e-8
            normalized = ((sound - mean) / deviation)[None]
            # Without random shifts, so that the same input gives the same output.
            stems = apply_model(bag, normalized, shifts=0, device=device)
            vocals = stems[0, index].cpu() * deviation + mean
            return fit(resample(vocals.numpy(), bag.samplerate, RATE), whole.shape[1])

        with torch_threads(self.threads):
            separate(audio, speech, background, network, SIZE, progress)
