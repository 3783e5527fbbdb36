"""Broken films and sounds, given to the real command."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from .lab import ENGINES, Case, Fault, Lab, dubkit, faults_of, film, run

COUNT = 200
PATIENCE = 4
SOURCES = {
    "film.mp4": (),
    "film.mkv": (),
    "film.webm": ("-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"),
    "film.avi": ("-c:v", "mpeg4", "-c:a", "mp3"),
    "film.ts": (),
    "film.ogg": ("-vn", "-c:a", "libvorbis"),
    "film.wav": ("-vn",),
    "film.flac": ("-vn",),
    "film.mp3": ("-vn",),
}


def prepare(lab: Lab) -> None:
    for name, output in SOURCES.items():
        film(lab.folder / name, 2, *output)


def attack(lab: Lab, case: Case) -> Iterator[Fault]:
    name = case.random.choice(sorted(SOURCES))
    path = case.folder / name
    path.write_bytes(mutated((lab.folder / name).read_bytes(), case.random))
    before = path.read_bytes()
    how = case.random.choice(((), (), ("--burn",), ("--format", "ass")))
    out = case.folder / "results"
    engine = ENGINES / "engines.py:Fast"
    ran = run(lab, case, dubkit(path, "--subs", *how, "--transcriber", engine, "-o", out))
    yield from faults_of(ran)
    if path.read_bytes() != before:
        yield Fault("touched", f"{name} was changed")
    if ran.status == 0:
        yield from _unreadable(out)


def _unreadable(folder: Path) -> Iterator[Fault]:
    """Films that were made and cannot be opened."""
    import av

    for path in folder.glob("*.subbed.*"):
        try:
            with av.open(str(path)) as made:
                if not made.streams or not next(iter(made.demux()), None):
                    yield Fault("truncated", f"{path.name} is empty")
        except (OSError, ValueError) as failure:
            yield Fault("truncated", f"{path.name}: {failure}"[:150])


def mutated(content: bytes, rng: random.Random) -> bytes:
    """The file after a blow that transfers, disks and malice deal."""
    data = bytearray(content)
    header = min(len(data), 4096)
    match rng.randrange(7):
        case 0:
            del data[rng.randrange(len(data)) :]
        case 1:  # flips near the front, or the back, where mp4 has its index
            for _ in range(rng.choice((1, 4, 30))):
                at = rng.randrange(header)
                data[at if rng.random() < 0.5 else -at - 1] = rng.randrange(256)
        case 2:
            for _ in range(rng.choice((10, 1000))):
                data[rng.randrange(len(data))] = rng.randrange(256)
        case 3:
            first = rng.randrange(len(data))
            last = min(len(data), first + rng.choice((100, 5000, 50_000)))
            data[first:last] = bytes(last - first)
        case 4:
            first = rng.randrange(len(data))
            del data[first : first + rng.choice((1, 100, 20_000))]
        case 5:
            first = rng.randrange(len(data))
            data += data[first:] * rng.choice((1, 3))
        case _:  # a size or a time that is far too large
            at = rng.randrange(len(data) - 8)
            data[at : at + 8] = rng.choice((b"\xff" * 8, b"\x7f" + b"\xff" * 7, bytes(8)))
    return bytes(data)
