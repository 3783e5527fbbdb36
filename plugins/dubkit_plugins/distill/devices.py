"""Several GPUs at once: each has its copy of the model and a part of the work, in a thread of this
process. Of whole texts and long batches the kernels take the time, not Python, so that nothing has
to be launched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

D = TypeVar("D")
P = TypeVar("P")
R = TypeVar("R")


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
