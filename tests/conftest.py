"""What all tests stand on: no network, no models of this machine's own, and one small video."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# Before anything imports the hub's library, which reads them once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="dubkit-test-hub-")
os.environ.pop("HF_HUB_CACHE", None)

import pytest
from media_samples import sample


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["HF_HOME"], ignore_errors=True)


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
