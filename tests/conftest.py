"""What all tests stand on: no network, no models of this machine's own, and one small video."""

import os
import shutil
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
