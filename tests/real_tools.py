"""Outside tools themselves, in an environment of their own, with small checkpoints made here."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

TESTS = Path(__file__).parent
REQUIREMENTS = TESTS / "real_tools.txt"
MAKERS = TESTS / "data/checkpoints"


def environment() -> Path:
    """The folder of programs of an environment with the tools of ``real_tools.txt``.

    It shares the packages of the tests, torch above all, which it does not change, and lies in
    their environment, so that it is made once, and is gone with it. Skips the test if no package
    index can be reached.
    """
    folder, wanted = Path(sys.prefix, "outside-tools"), REQUIREMENTS.read_text()
    with FileLock(folder.with_suffix(".lock")):
        made = folder / "made-of.txt"
        if not made.exists() or made.read_text() != wanted:
            _make_environment(folder)
            made.write_text(wanted)
    return folder / "bin"


def _make_environment(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", folder], check=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    ran = subprocess.run(
        [sys.executable, "-m", "pip", "--python", folder / "bin/python", "install", "-q",
         "--no-deps", "--no-compile", "--retries", "1", "-r", REQUIREMENTS],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ran.returncode and "connection broken" in ran.stderr:
        pytest.skip("no package index can be reached, from which the tools are installed")
    assert ran.returncode == 0, ran.stderr
    (site / "tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    # What of it is compiled is for another build of torch, and the tools do not use it.
    shutil.rmtree(site / "torchaudio/lib")


def checkpoint(programs: Path, tool: str, folder: Path) -> Path:
    """A folder with a small checkpoint of a tool, as ``data/checkpoints/tiny_TOOL.py`` says."""
    folder.mkdir()
    ran = subprocess.run(
        [programs / "python", MAKERS / f"tiny_{tool}.py", folder],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return folder


@contextlib.contextmanager
def pocket_tts_server(programs: Path, model: Path, voice: Path) -> Iterator[str]:
    """The address of its own server, which runs."""
    with (model / "server.log").open("w+") as log:
        server = subprocess.Popen(
            [programs / "pocket-tts", "serve", "--config", model / "tiny.yaml",
             "--default-voice", voice, "--host", "127.0.0.1", "--port", "0"],
            stdout=log, stderr=subprocess.STDOUT, env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        try:
            while server.poll() is None:
                text = (model / "server.log").read_text()
                if found := re.search(r"running on (http://[\w.:]+)", text):
                    break
                time.sleep(0.1)
            else:
                raise AssertionError((model / "server.log").read_text())
            yield found[1]
        finally:
            server.terminate()
            server.wait()
