"""How long it takes to start: CPU seconds of ``import dubkit`` and of ``dubkit --help``.

    python benchmarks/startup.py [--runs 5]

Both should stay under 0.4 s, since every run pays for them.
"""

import argparse
import resource
import subprocess
import sys

COMMANDS = {"import dubkit": ("-c", "import dubkit"), "dubkit --help": ("-m", "dubkit", "--help")}


def cpu_seconds(argv: tuple[str, ...]) -> float:
    """User and system time of a process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *argv], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    for name, argv in COMMANDS.items():
        spent = sorted(cpu_seconds(argv) for _ in range(runs))
        print(f"{name:14} {spent[0]:.2f} to {spent[-1]:.2f} s, median {spent[runs // 2]:.2f}")


if __name__ == "__main__":
    main()
