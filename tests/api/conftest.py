"""Servers for the tests of the API: one with a real model, and one whose engine is quick."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_serving import KEY, Serving, serving
from command import AUSTEN, ENGINES, TESTS

from dubkit.media.ffmpeg import ffmpeg_path

SYNTHESIZERS = TESTS / "data/synthesizers.py"


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Serving]:
    """One with a key, whose transcriber is quick and always understands the same."""
    data = tmp_path_factory.mktemp("quick") / "data"
    engine = f"transcriber={ENGINES}:Fast"
    root = tmp_path_factory.mktemp("root")
    (root / "talk.mp4").write_bytes(AUSTEN.read_bytes())
    voice = f"tts={SYNTHESIZERS}:Hum"
    options = ("--allow-local-plugins", "--option", engine, "--option", voice, "--max-upload", 5,
               "--jobs", 2, "--root", root)  # fmt: skip
    with serving(data, *options, key=KEY) as running:
        yield running


@pytest.fixture(scope="session")
def real(tmp_path_factory) -> Iterator[Serving]:
    """One without a key, with the engines that are installed."""
    with serving(tmp_path_factory.mktemp("real") / "data") as running:
        yield running


@pytest.fixture(scope="session")
def clip(tmp_path_factory) -> Path:
    """Six seconds of speech."""
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    command = [ffmpeg_path(), "-v", "error", "-i", AUSTEN, "-t", "6", "-ac", "1", path]
    subprocess.run(command, check=True)
    return path
