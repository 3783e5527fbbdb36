"""What all tests stand on: no network, no models of this machine's own, and one small video."""

import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

# Before anything imports the hub's library, which reads them once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="dubkit-test-hub-")
os.environ.pop("HF_HUB_CACHE", None)
# Where dubkit keeps the secret by which it knows its workspaces again, and what steps take here.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="dubkit-test-state-")
# Not the settings of whoever runs the tests.
os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="dubkit-test-config-")
os.environ.pop("DUBKIT_CONFIG", None)

# Each command in a process of its own would compile all of dubkit first, half of what it takes.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Threads that wait for each other on cores that other tests use are many times slower than one.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

# A shell starts what runs in the background with Ctrl-C ignored, which children would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import hypothesis
import pytest
from dub_samples import LINES
from media_samples import AVC, ffmpeg, sample

from dubkit import Cue, Track, subtitles

# No test asserts how fast something is.
hypothesis.settings.register_profile("dubkit", deadline=None)
hypothesis.settings.load_profile("dubkit")


def pytest_unconfigure() -> None:
    for name in ("HF_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        shutil.rmtree(os.environ[name], ignore_errors=True)


def pytest_collection_finish() -> None:
    """dubkit collects garbage after each run: not all that was imported, each time."""
    gc.freeze()


@pytest.fixture(scope="session")
def small_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds with a flash and a beep; not to be written to."""
    return sample(tmp_path_factory.mktemp("video") / "talk.mp4")


@pytest.fixture
def talk(small_video: Path, tmp_path: Path) -> Path:
    """A copy of it in a folder of the test's own, ``in/talk.mp4``."""
    folder = tmp_path / "in"
    folder.mkdir()
    return Path(shutil.copy(small_video, folder))


@pytest.fixture(scope="session")
def spleeter(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of Spleeter's weights, got by the documented command, and what that said."""
    cache = tmp_path_factory.mktemp("cache")
    ran = subprocess.run(
        [sys.executable, "-m", "dubkit_plugins.separate.spleeter_weights"],
        env=os.environ | {"XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return cache / "dubkit/spleeter-2stems", ran.stdout + ran.stderr


@pytest.fixture(scope="session")
def original_film(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A video of 24 s with a tone underneath, and its English subtitles; not to be written to."""
    folder = tmp_path_factory.mktemp("film")
    video = folder / "film.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=24", "-f", "lavfi", "-i",
           "sine=f=1000:d=24:r=48000,volume=0.3", *AVC, video)  # fmt: skip
    cues = (Cue(k * 3.2 + 0.5, k * 3.2 + 2.9, text) for k, text in enumerate(LINES))
    srt = folder / "film.en.srt"
    srt.write_text(subtitles.render(Track("en", tuple(cues)), "srt"))
    return video, srt


@pytest.fixture
def film(original_film: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """A copy of both in the test's own folder ``in``."""
    folder = tmp_path / "in"
    folder.mkdir()
    video, srt = (Path(shutil.copy(path, folder)) for path in original_film)
    return video, srt


@pytest.fixture(params=["false", "/no/such/python", "chatty"])
def bad_python(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What to put in the place of ``sys.executable``: a program that fails, none at all, and a
    Python that prints what nobody asked for."""
    if request.param != "chatty":
        return str(request.param)
    chatty = tmp_path / "chatty"
    chatty.write_text(f'#!/bin/sh\necho welcome\nexec {sys.executable} "$@"\n')
    chatty.chmod(0o755)
    return str(chatty)
