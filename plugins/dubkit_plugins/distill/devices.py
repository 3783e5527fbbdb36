"""Several GPUs at once: the pieces of a step are shared out among them, each with its copy of the
model, by threads of this process. The kernels take the time, not Python, so that nothing has to be
launched, and one program is stopped and taken up as with one GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

import torch

D = TypeVar("D")
P = TypeVar("P")
R = TypeVar("R")


def devices_of(names: str) -> list[str]:
    """The devices that ``names`` names, with commas between them; ``auto`` is every GPU, or else
    the CPU."""
    if names != "auto":
        return [name.strip() for name in names.split(",")]
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [f"cuda:{number}" for number in range(count)] or ["cpu"]


def spread(devices: Sequence[D], work: Callable[[D, P], R], pieces: Sequence[P]) -> Iterator[R]:
    """What ``work`` gives for each piece, in their order; each on the next device that is free."""
    if len(devices) == 1:
        yield from (work(devices[0], piece) for piece in pieces)
        return
    free: SimpleQueue[D] = SimpleQueue()
    for device in devices:
        free.put(device)

    def on_the_next(piece: P) -> R:
        device = free.get()
        try:
            return work(device, piece)
        finally:
            free.put(device)

    with ThreadPoolExecutor(len(devices)) as pool:
        yield from pool.map(on_the_next, pieces)


def side_by_side(devices: Sequence[D], work: Callable[[D, P], R], pieces: Sequence[P]) -> list[R]:
    """What ``work`` gives for each piece, of which each device has one: the first the first, so
    that the same is computed on the same device each time."""
    if len(devices) == 1:
        return [work(devices[0], pieces[0])]
    with ThreadPoolExecutor(len(devices)) as pool:
        return list(pool.map(work, devices, pieces))
