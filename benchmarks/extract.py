"""How long it takes to extract the sound of a long film, by codec and by number of cores.

    python benchmarks/extract.py [--minutes 60] [--cores 1 2 4] [--of ../older] [mp4 mp3 mkv]

Each extraction is a process of its own. ``--of`` names other checkouts to measure as well. On a
busy machine look at the CPU seconds: what the busiest thread spends is the least that any number of
cores takes.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import imageio_ffmpeg

ROOT = Path(__file__).parent.parent
AUSTEN = ROOT / "examples/data/austen.mp4"
KINDS = {
    "mp4": ("-c:v", "copy", "-c:a", "aac", "-b:a", "128k"),
    "mp3": ("-vn", "-c:a", "libmp3lame", "-b:a", "128k"),
    "mkv": ("-c:v", "copy", "-c:a", "libopus", "-b:a", "96k"),
}
EXTRACT = """
import json, os, resource, sys, threading, time
from collections import Counter
from pathlib import Path

from dubkit.media import audio
from dubkit.media.probe import pick_audio, probe

threads = Counter()


def spent(name, function):
    def timed(*arguments, **keywords):
        before = time.thread_time()
        try:
            return function(*arguments, **keywords)
        finally:
            threads[name] += time.thread_time() - before

    return timed


film, out, cores = sys.argv[1:]
if int(cores):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
try:
    from dubkit.media import decode
except ImportError:
    pass
else:
    decode._decode = spent("decode", decode._decode)
    parts = decode._parts

    class Parts:
        def __init__(self, *arguments):
            self.next = spent("read", parts(*arguments).__next__)

        def __next__(self):
            return self.next()

    decode._parts = Parts
try:
    from dubkit.media import extract
except ImportError:
    extract = audio


def usage():
    own, others = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in (own, others)), own.ru_maxrss / 1024


media = probe(Path(film))
started, (before, _) = time.perf_counter(), usage()
spent("resample and write", extract.extract_audio)(media, pick_audio(media), Path(out))
after, memory = usage()
print(json.dumps({
    "seconds": time.perf_counter() - started,
    "cpu": after - before,
    "mb": memory,
    "threads": threads,
}))
"""


def film(folder: Path, kind: str, minutes: float) -> Path:
    """``austen.mp4`` in stereo, again and again."""
    path = folder / f"film.{kind}"
    stereo = ("-af", "pan=stereo|c0=c0|c1=0.8*c0")
    subprocess.run(
        [
            *(imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-stream_loop", "-1", "-i", AUSTEN),
            *("-t", str(60 * minutes), *stereo, *KINDS[kind], path),
        ],
        check=True,
    )
    return path


def extract(tree: Path, path: Path, cores: int) -> dict:
    """Seconds, CPU seconds, peak MB, and CPU seconds by thread."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", EXTRACT, path, Path(folder, "out.wav"), str(cores)],
            cwd=tree,  # where Python looks first
            stdout=subprocess.PIPE,
            check=True,
        )
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", default=[*KINDS], metavar="KIND")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--cores", type=int, nargs="*", default=[0], help="0: all")
    parser.add_argument("--of", type=Path, action="append", default=[], metavar="TREE")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for kind in given.kinds:
            path = film(Path(folder), kind, given.minutes)
            for cores in given.cores:
                for tree in [*given.of, ROOT]:
                    found = extract(tree, path, cores)
                    threads = ", ".join(f"{k} {v:.1f}" for k, v in found["threads"].items())
                    print(
                        f"{kind} {tree.resolve().name} {cores or 'all'} cores: "
                        f"{found['seconds']:.1f} s, CPU {found['cpu']:.1f} s ({threads}), "
                        f"{found['mb']:.0f} MB",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
