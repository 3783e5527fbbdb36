"""What ``--jobs`` gains: a folder of short films, some at once against one after another.

    python benchmarks/many.py [--films 12] [--jobs 2] [--model base] [-- OPTIONS]

The films are cut from ``examples/data/austen.mp4``. Prints wall and CPU seconds of each, and how
often a model was loaded, which the engine's library counts. OPTIONS are dubkit's, ``--burn`` say.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dubkit.media.ffmpeg import ffmpeg_path

FILM = Path(__file__).parent.parent / "examples/data/austen.mp4"
SECONDS = 10
COUNTING = """
import os, sys
import ctranslate2

class Whisper(ctranslate2.models.Whisper):
    def __init__(self, *args, **more):
        with open(os.environ["LOADS"], "a") as file:
            file.write("loaded\\n")
        super().__init__(*args, **more)

ctranslate2.models.Whisper = Whisper
from dubkit.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def cut(folder: Path, films: int) -> None:
    """Films of ten seconds, each from another place."""
    for number in range(films):
        argv = [ffmpeg_path(), "-v", "error", "-ss", number % 20, "-t", SECONDS, "-i", FILM]
        argv += ["-c:v", "libx264", "-preset", "ultrafast", folder / f"{number:02}.mp4"]
        subprocess.run(list(map(str, argv)), check=True)


def measure(folder: Path, jobs: int, options: list[str]) -> tuple[float, float, int]:
    """Wall seconds, CPU seconds, and how often a model was loaded."""
    out = folder / f"jobs-{jobs}"
    loads = folder / f"loads-{jobs}"
    argv = [folder / "films", "--subs", "-q", "--jobs", jobs, "-o", out, *options]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", COUNTING, *map(str, argv)],
        env={**os.environ, "LOADS": str(loads)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, loads.read_text().count("loaded")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", type=int, default=12)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--model", default="base")
    parser.add_argument("options", nargs="*")
    given = parser.parse_args()
    options = ["--transcriber", "faster-whisper", "--model", given.model, *given.options]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "films").mkdir()
        cut(folder / "films", given.films)
        for jobs in (1, given.jobs):
            wall, cpu, loads = measure(folder, jobs, options)
            print(
                f"--jobs {jobs}: {wall:.1f} s, {cpu:.1f} s of CPU, "
                f"{given.films * SECONDS / wall:.1f} times real time, {loads} model loaded",
                flush=True,
            )


if __name__ == "__main__":
    main()
