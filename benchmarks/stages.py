"""Which stages of a run overlap, as a picture, and how long each takes.

    python benchmarks/stages.py examples/data/austen.mp4 --svg stages.svg
    python benchmarks/stages.py examples/data/austen.mp4 --minutes 150 --svg stages.svg \\
        -- --transcriber distil-whisper --language en

The second repeats the file until it is that long: the line to run on a GPU. What follows ``--`` are
options of dubkit. The file is subtitled once, from nothing, in this process, into a folder that is
deleted; each stretch of work is noted with its thread. Seconds are those since the command began,
without the repeating, so importing dubkit counts. The peak of memory is this process's.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

BEGAN = time.perf_counter()


class Stretch(NamedTuple):
    """A stage at work in a thread (seconds since the start)."""

    stage: str
    thread: int
    start: float
    end: float


NOTES: list[Stretch] = []


@contextmanager
def noted(stage: str) -> Iterator[None]:
    start = time.perf_counter() - BEGAN
    try:
        yield
    finally:
        end = time.perf_counter() - BEGAN
        NOTES.append(Stretch(stage, threading.get_ident(), start, end))


def watch(owner: Any, name: str, stage: Callable[..., str]) -> None:
    """Note the calls of a function, or the blocks of a context manager, of ``owner``."""
    inner = getattr(owner, name)

    def call(*arguments: Any, **more: Any) -> Any:
        with noted(stage(*arguments)):
            return inner(*arguments, **more)

    @contextmanager
    def block(*arguments: Any, **more: Any) -> Iterator[Any]:
        with noted(stage(*arguments)), inner(*arguments, **more) as value:
            yield value

    setattr(owner, name, block if hasattr(inner, "__wrapped__") else call)


def looped(source: Path, minutes: float, folder: Path) -> Path:
    """The file, repeated until it is so long."""
    from dubkit.media.ffmpeg import ffmpeg_path

    out = folder / f"{source.stem}-{minutes:g}{source.suffix}"
    argv = [ffmpeg_path(), "-v", "error", "-stream_loop", "-1", "-i", source, "-t", minutes * 60]
    subprocess.run([*map(str, argv), "-c", "copy", str(out)], check=True)
    return out


def picture(notes: list[Stretch], total: float) -> str:
    """The stretches as an SVG image: a line a stage, in the order in which they began."""
    stages = list(dict.fromkeys(note.stage for note in sorted(notes, key=lambda note: note.start)))
    left, width, line = 170, 760, 22
    height = line * len(stages) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 20}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for tick in range(11):
        x = left + width * tick / 10
        parts.append(f'<path d="M{x:.1f} 4V{height - 24}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - 8}" text-anchor="middle">')
        parts.append(f"{total * tick / 10:.1f} s</text>")
    for row, stage in enumerate(stages):
        y = 8 + row * line
        parts.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{escape(stage)}</text>')
        for note in notes:
            if note.stage == stage:
                x, wide = (width * part / total for part in (note.start, note.end - note.start))
                parts.append(
                    f'<rect x="{left + x:.1f}" y="{y}" width="{max(wide, 0.5):.1f}" height="16" '
                    'fill="#4477aa" fill-opacity="0.6"/>'
                )
    return "\n".join([*parts, "</svg>\n"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=0.0, help="repeat the file to this length")
    parser.add_argument("--svg", type=Path, help="where to draw it")
    parser.add_argument("--json", type=Path, help="where to write the stretches")
    parser.add_argument("file", type=Path)
    arguments = [*sys.argv[1:], "--"]
    end = arguments.index("--")
    given, options = parser.parse_args(arguments[:end]), arguments[end + 1 : -1]
    with tempfile.TemporaryDirectory() as folder:
        source = given.file.resolve()
        if given.minutes:
            source = looped(source, given.minutes, Path(folder))
        global BEGAN
        BEGAN = time.perf_counter()
        with noted("import dubkit"):
            from dubkit.cli.main import main as dubkit
            from dubkit.engines import room
            from dubkit.pipeline.context import Context
            from dubkit_plugins.whisper.engine import Clock

        watch(Context, "timed", lambda _, stage: stage)
        watch(Clock, "__call__", lambda _, part: f"transcribe: {part}")
        watch(room, "build", lambda *_: "import the engine")
        watch(room, "_preload", lambda *_: "load the model")
        with noted("total"):
            status = dubkit(
                [str(source), "--subs", "--no-video", "-q", "--output", folder, *options]
            )
        assert status == 0, status
    total = max(note.end for note in NOTES)
    sums: dict[str, float] = {}
    for note in NOTES:
        sums[note.stage] = sums.get(note.stage, 0.0) + note.end - note.start
    for stage, seconds in sums.items():
        first = min(note.start for note in NOTES if note.stage == stage)
        last = max(note.end for note in NOTES if note.stage == stage)
        print(f"{stage:28} {seconds:8.2f} s of work, from {first:7.2f} to {last:7.2f}")
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak of memory: {megabytes:.0f} MB")
    if given.svg:
        given.svg.write_text(picture(NOTES, total), "utf-8")
    if given.json:
        given.json.write_text(json.dumps([note._asdict() for note in NOTES]), "utf-8")


if __name__ == "__main__":
    main()
