"""How far a tool is, from the progress bar that it shows."""

import os
import sys

import pytest

from dubkit_plugins.tools.process import Bar, run

TWO = "Landmarks:  50%|#  |\rLandmarks: 100%|###|\nwriting\n  0%|   |\r 60%|## |\r100%|###|\n"


def shares(label, *pieces):
    found = []
    bar = Bar(label, found.append)
    for piece in pieces:
        bar.read(piece)
    return found


def test_several_bars_never_go_back_nor_end_early():
    assert shares("", *TWO.splitlines(keepends=True)) == pytest.approx([0.25, 0.5, 0.65, 0.75])


def test_the_bar_that_counts_is_all_of_the_work():
    nested = "Doing inference...:  25%|#   |\n", "Sample frames: 16: 100%|####|\n"
    assert shares("Doing inference", *nested, "Doing inference...:  50%|##  |") == [0.25, 0.5]
    assert shares("Doing inference", "no bar at 7 %", "x 250%|") == []


def test_a_bar_is_read_while_the_tool_runs(tmp_path):
    """It overwrites its line, so that no line ends before the work does."""
    script = (
        "import sys, pathlib, time\n"
        "for n in (10, 40):\n"
        "    sys.stderr.write(f'\\r{n:3}%|##  |'); sys.stderr.flush()\n"
        "    while not pathlib.Path(str(n)).exists(): time.sleep(0.01)\n"
        "print('\\nall done')\n"
    )

    def report(share):
        seen.append(share)
        (tmp_path / str(round(share * 200))).touch()

    seen = []
    done = run(
        [sys.executable, "-c", script],
        cwd=tmp_path, env=dict(os.environ), timeout=60, folder=tmp_path, largest=10**6,
        report=report,
    )  # fmt: skip
    assert seen == [0.05, 0.2] and done.status == 0
    assert done.tail.splitlines() == [" 40%|##  |", "all done"]
