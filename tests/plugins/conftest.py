"""What the tests of plugins share."""

import os
from pathlib import Path

import pytest

from dubkit.media.ffmpeg import ffmpeg_path


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tools call ffmpeg by its name; and the user has read XTTS's licence."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "ffmpeg").symlink_to(ffmpeg_path())
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("COQUI_TOS_AGREED", "1")
