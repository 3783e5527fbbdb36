"""``demucs``: speech and all else, by Demucs (Hybrid Transformer, MIT), on torch; best on a GPU."""

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
    fitted,
    resampled,
    separate,
    threads_of_torch,
)

SIZE = 30 * RATE
"""Samples given to it at once; it cuts them into what the network takes."""


@dataclass(frozen=True)
class Demucs(Separator):
    """Demucs' vocals, which are the speech."""

    model: str = "htdemucs"
    """``htdemucs``, ``htdemucs_ft`` (finer), ``hdemucs_mmi``, ... or ``owner/name`` of the hub."""
    repo: Path | None = None
    """A folder with ``MODEL.yaml`` and the ``.safetensors`` files that it names."""
    device: str = "auto"
    """torch's, such as ``cpu``, ``cuda``, ``cuda:1``; or ``auto``."""
    threads: int = 0
    """Of the CPU; 0 is as many as torch likes."""

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
        place = bag.sources.index(demucs_models.SPEECH)

        def network(whole: Samples) -> Samples:
            sound = torch.from_numpy(resampled(whole, RATE, bag.samplerate))
            # As demucs.api does it for a whole film.
            mean, strength = sound.mean(), sound.mean(dim=0).std(correction=0) + 1e-8
            given = ((sound - mean) / strength)[None]
            # Without random shifts, so that it makes the same of the same.
            stems = apply_model(bag, given, shifts=0, device=device)
            found = stems[0, place].cpu() * strength + mean
            return fitted(resampled(found.numpy(), bag.samplerate, RATE), whole.shape[1])

        with threads_of_torch(self.threads):
            separate(audio, speech, background, network, SIZE, progress)
