"""The attacks of ``benchmarks/attack.py`` are tried, and what breaks is counted."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")


def attack(folder: Path, *arguments: object) -> tuple[int, dict]:
    """The exit status, and the counts of each kind."""
    counts = folder / "counts.json"
    argv = [sys.executable, ROOT / "benchmarks/attack.py", "--json", counts, *arguments]
    ran = subprocess.run(
        [*map(str, argv), "--keep", str(folder / "kept")], capture_output=True, text=True
    )
    assert counts.exists(), ran.stderr
    (kinds,) = json.loads(counts.read_text()).values()
    return ran.returncode, kinds


def samples(folder: Path) -> Path:
    """Three files of others."""
    folder.mkdir()
    (folder / "a.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n")
    (folder / "b.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n")
    (folder / "c.mp3").write_bytes(b"no sound")
    return folder


@pytest.mark.slow
def test_each_kind_is_tried(tmp_path):
    status, kinds = attack(tmp_path, "--count", 1, "--samples", samples(tmp_path / "samples"))
    assert (
        {kind for kind, one in kinds.items() if one["tried"] != 1}
        <= {kind for kind, one in kinds.items() if one["skipped"]}
        <= {"disks", "connections"}
    )
    assert status == 0, kinds
    assert len(kinds) == 10


BROKEN = """\
import sys, time
def main(argv):
    if "check" in argv:
        raise IndexError("out of range")
    if "--format" in argv:
        time.sleep(100)
    return 70 if "--to" in argv else 0
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
"""


def test_what_breaks_is_counted_and_can_be_tried_again(tmp_path):
    package = tmp_path / "broken/dubkit"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(BROKEN)
    options = ("--only", "samples", "--samples", samples(tmp_path / "samples"), "--patience", 5,
               "--of", package.parent)  # fmt: skip
    status, kinds = attack(tmp_path, *options)
    assert status == 1 and (kinds["samples"]["tried"], kinds["samples"]["failed"]) == (3, 2)
    harms = {fault["harm"] for fault in kinds["samples"]["faults"]}
    assert harms == {"hang"}, harms
    kept = sorted(path.name for path in (tmp_path / "kept").iterdir())
    assert len(kept) == 2
    note = (tmp_path / "kept" / kept[0] / "FAULT.txt").read_text()
    case = note[note.index("--case") :].split()[1]
    shutil.rmtree(tmp_path / "kept")
    status, kinds = attack(tmp_path, *options, "--case", case)
    assert status == 1 and [fault["case"] for fault in kinds["samples"]["faults"]] == [int(case)]
