"""The device that CTranslate2 runs on: choosing and checking it."""

from __future__ import annotations

from collections.abc import Sequence

import ctranslate2

from dubkit import UsageError


def device_of(engine: str, device: str) -> str:
    """``cpu`` or ``cuda``, for CTranslate2; UsageError for anything else."""
    if device == "auto":
        return "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    if device.split(":")[0] not in ("cpu", "cuda"):
        raise UsageError(f"{engine} runs on cpu or cuda, not {device!r}")
    return device.split(":")[0]


def device_problems(engine: str, device: str) -> Sequence[str]:
    """What keeps CTranslate2 from using the device, one sentence each."""
    if device_of(engine, device) == "cuda" and not ctranslate2.get_cuda_device_count():
        return [f"{engine} is set to CUDA but finds no NVIDIA GPU: use --device cpu"]
    return []
