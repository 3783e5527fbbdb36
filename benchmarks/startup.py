"""How long it takes to start: CPU seconds, and wall seconds, of processes that do nothing else.

    python benchmarks/startup.py [--runs 5]

``import dubkit`` and ``dubkit --help`` should stay under 0.4 s, since every run pays for them. The
two transcribers are imported while the sound is extracted; torch's to its first product of two
matrices, which should take less than 4 s.
"""

import argparse
import resource
import subprocess
import sys
import time

TORCH = """
import torch
from dubkit_plugins.whisper import torch_engine, transcribe
torch.ones(8, 8) @ torch.ones(8, 8)
"""
COMMANDS = {
    "import dubkit": ("-c", "import dubkit"),
    "dubkit --help": ("-m", "dubkit", "--help"),
    "faster-whisper": ("-c", "from dubkit_plugins.whisper import ct2_engine, transcribe"),
    "distil-whisper": ("-c", TORCH),
}


def measure(argv: tuple[str, ...]) -> tuple[float, float]:
    """User and system time of a process, and the time that it took."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *argv], stdout=subprocess.DEVNULL, check=True)
    after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, ended - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    for name, argv in COMMANDS.items():
        taken = [measure(argv) for _ in range(runs)]
        for what, spent in zip(("CPU", "wall"), map(sorted, zip(*taken, strict=True)), strict=True):
            median = spent[runs // 2]
            print(f"{name:15} {what:5}{spent[0]:.2f} to {spent[-1]:.2f} s, median {median:.2f}")


if __name__ == "__main__":
    main()
