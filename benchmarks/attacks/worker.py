"""A process that tries cases of one kind: numbers on standard input, JSON lines on standard output.

It is started with the dubkit under attack on ``PYTHONPATH``.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from attacks import lab as laboratory


def main() -> None:
    """``worker.py KIND FOLDER SEED PATIENCE SAMPLES``."""
    kind, folder, seed, patience, samples = sys.argv[1:]
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what is printed by whatever is loaded here goes elsewhere

    def tell(**facts: object) -> None:
        channel.write(json.dumps(facts) + "\n")

    laboratory.remember_packages()
    module = importlib.import_module(f"attacks.{kind}")
    mark = os.environ[laboratory.MARK]
    lab = laboratory.Lab(
        Path(folder, "shared"),
        int(seed),
        float(patience),
        Path(samples) if samples else None,
        lambda text: tell(step=text),
        mark,
    )
    for line in sys.stdin:
        if line.strip() == "prepare":
            lab.folder.mkdir(exist_ok=True)
            tell(ready=module.prepare(lab))
            continue
        number = int(line)
        case = laboratory.Case(
            number,
            Path(folder, f"case-{number}"),
            random.Random(f"{seed} {kind} {number}"),
            f"{mark}{number}.",
        )
        case.folder.mkdir()
        faults = [(fault.harm, fault.detail) for fault in module.attack(lab, case)]
        tell(done=number, faults=faults)
        if not gc.get_freeze_count():  # dubkit collects after each run: not all that was imported
            gc.freeze()


if __name__ == "__main__":
    main()
