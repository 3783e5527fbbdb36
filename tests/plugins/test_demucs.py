"""Demucs: the real library, with a small network of its own class and random weights.

The published weights are only on the hub; their output is not tested here.
"""

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hub_server import hub_with
from music_samples import RATE, decode, music, speech, write

from dubkit import InputError, MissingDependency, UsageError
from dubkit.testing import conforms

pytest.importorskip("demucs", reason="the extra demucs is not installed")

import torch
from demucs.apply import apply_model
from demucs.hf import load_safetensors_model
from demucs.htdemucs import HTDemucs
from safetensors.torch import save_file

from dubkit_plugins.separate import demucs_models, stems
from dubkit_plugins.separate.demucs import Demucs

SOURCES = ["drums", "bass", "other", "vocals"]
SMALL = {"channels": 8, "bottom_channels": 32, "t_layers": 1, "t_heads": 2}
SEGMENT = {"_type": "fraction", "numerator": 39, "denominator": 5}
KLASS = "demucs.htdemucs.HTDemucs"


def network(path: Path, seed: int = 0, klass: str = KLASS, **settings) -> Path:
    """A file in the hub's layout: 16-bit weights, and in its metadata how to build the network."""
    torch.manual_seed(seed)
    kwargs = {"sources": SOURCES, **SMALL, **settings}
    model = HTDemucs(**kwargs, segment=Fraction(39, 5))
    settings_json = json.dumps(kwargs | {"segment": SEGMENT, "a_setting_of_old": 1})
    about = {"klass": klass, "args": "[]", "kwargs": settings_json}
    save_file({key: value.half() for key, value in model.state_dict().items()}, path, about)
    return path


@pytest.fixture(scope="session")
def repo(tmp_path_factory):
    """A folder with two models: of one network, and of two of which one gives vocals."""
    folder = tmp_path_factory.mktemp("repo")
    network(folder / "aaaa1111.safetensors")
    network(folder / "bbbb2222.safetensors", seed=1)
    (folder / "htdemucs.yaml").write_text("models: ['aaaa1111']\n")
    (folder / "htdemucs_ft.yaml").write_text(
        "models: ['cccc3333', 'bbbb2222']\nweights: [[1., 1., 1., 0.], [0., 0., 0., 1.]]\n"
    )
    return folder


def separated(tmp_path, sound, **settings):
    audio = write(tmp_path / "in/film.wav", sound, "pcm_f32le")
    out = tmp_path / "speech.wav", tmp_path / "background.wav"
    progress = []
    Demucs(**settings).separate(audio, *out, progress=lambda *step: progress.append(step))
    voice, rest = map(decode, out)
    assert voice.shape == rest.shape == sound.shape
    assert np.abs(voice + rest - decode(audio)).max() < 1e-5
    return voice, rest, progress


def by_the_library(path: Path, sound: np.ndarray) -> np.ndarray:
    """The vocals if demucs itself loads and applies the network, without random shifts."""
    model = load_safetensors_model(path).eval()
    given = torch.from_numpy(stems.resample(sound.astype(np.float32), RATE, 44_100))
    mean, std = given.mean(), given.mean(0).std() + 1e-8
    with torch.no_grad():
        out = apply_model(model, ((given - mean) / std)[None], shifts=0) * std + mean
    found = out[0, model.sources.index("vocals")].numpy()
    return stems.fit(stems.resample(found, 44_100, RATE), sound.shape[1])


@pytest.mark.parametrize(("model", "file"), [("htdemucs", "aaaa1111"), ("htdemucs_ft", "bbbb2222")])
def test_the_result_is_that_of_the_library(model, file, repo, tmp_path):
    # Of htdemucs_ft, only the network that contributes to vocals is present, and needed.
    sound = speech(4) + music(4 * RATE)
    voice, _, progress = separated(tmp_path, sound, model=model, repo=repo)
    expected = by_the_library(repo / f"{file}.safetensors", sound)
    assert np.abs(expected).max() > 1e-3
    assert np.sqrt(np.mean((voice - expected) ** 2)) < 1e-4 * np.sqrt(np.mean(expected**2))
    assert [step[0] for step in progress] == ["separate"]


def test_the_same_input_gives_the_same_output(repo, tmp_path):
    sound = speech(2)
    first, _, _ = separated(tmp_path / "1", sound, repo=repo)
    again, _, _ = separated(tmp_path / "2", sound, repo=repo, threads=1)
    assert np.abs(first - again).max() < 1e-5


@pytest.mark.parametrize("length", [1, RATE // 5, 3 * RATE])
def test_mono_short_and_silent(length, repo, tmp_path):
    voice, rest, _ = separated(tmp_path / "mono", music(length)[:1], repo=repo)
    assert np.isfinite(voice).all() and np.isfinite(rest).all()
    voice, rest, _ = separated(tmp_path / "silent", np.zeros((2, length)), repo=repo)
    assert np.abs(voice).max() < 1e-6


@pytest.mark.slow
def test_longer_than_a_piece(repo, tmp_path):
    sound = np.tile(speech(), (1, 2))[:, : 32 * RATE]
    _, _, progress = separated(tmp_path, sound, repo=repo)
    assert [round(done) for _, done, _ in progress] == [28, 32]


def test_contract(repo, tmp_path):
    sample = write(tmp_path / "sample.wav", speech(3) + music(3 * RATE))
    conforms("separators", "demucs", {"repo": str(repo), "threads": "1"}, sound=sample)


# ---------------------------------------------------------------- files that are not right


def refused(folder: Path, **settings) -> InputError:
    audio = write(folder / "sound.wav", np.zeros((2, 100)))
    with pytest.raises(InputError) as refusal:
        Demucs(repo=folder, **settings).separate(
            audio, folder / "s.wav", folder / "b.wav", progress=print
        )
    assert refusal.value.hint and not (folder / "s.wav").exists()
    return refusal.value


@pytest.mark.parametrize(
    "listed",
    ["", "[", "models: aaaa", "models: []", "models: [1]", "models: ['../aaaa1111']",
     "models: ['/etc/passwd']", "models: ['a.b']", "models: ['aaaa1111']\nweights: [[1, 1]]",
     "models: ['aaaa1111']\nweights: [[1, 1, 1, 0]]", "models: ['aaaa1111']\nsegment: -1",
     "models: ['aaaa1111']\nweights: [[1, 1, 1, .nan]]",
     "models: !!python/object/apply:os.mkdir [made]", "\0"],
)  # fmt: skip
def test_lists_that_are_refused(listed, repo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "aaaa1111.safetensors").symlink_to(repo / "aaaa1111.safetensors")
    (tmp_path / "htdemucs.yaml").write_text(listed)
    refused(tmp_path)
    assert Demucs(repo=tmp_path).check() and not Path("made").exists()


@pytest.mark.parametrize("klass", ["os.mkdir", "demucs.hf.importlib", "torch.nn.Linear", ""])
def test_a_class_that_is_not_one_of_demucs_is_not_built(klass, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    about = {"klass": klass, "args": '["made"]', "kwargs": "{}"}
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors", about)
    (tmp_path / "htdemucs.yaml").write_text("models: ['a']")
    assert "no class of Demucs" in refused(tmp_path).message
    assert not Path("made").exists()


@pytest.mark.parametrize(
    "about",
    [{}, {"klass": KLASS}, {"klass": KLASS, "args": "[", "kwargs": "{}"},
     {"klass": KLASS, "args": "[]", "kwargs": "[]"},
     {"klass": KLASS, "args": "[1]", "kwargs": "{}"},
     {"klass": KLASS, "args": "[]", "kwargs": '{"sources": ["vocals"], "depth": "x"}'},
     {"klass": KLASS, "args": "[]", "kwargs": json.dumps({"sources": SOURCES, **SMALL})},
     {"klass": KLASS, "args": "[]", "kwargs": '{"segment": {"_type": "fraction"}}'},
     {"klass": KLASS, "args": '[{"_type": "fraction", "numerator": 1, "denominator": 0}]',
      "kwargs": "{}"},
     {"klass": KLASS, "args": "[]", "kwargs": "{}", "structure": '{"_class": "os.mkdir"}'}],
)  # fmt: skip
def test_settings_that_are_refused(about, tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors", about)
    (tmp_path / "htdemucs.yaml").write_text("models: ['a']")
    assert "a.safetensors" in refused(tmp_path).message


@pytest.mark.parametrize("change", ["cut", "text", "empty", "gone", "no vocals", "mono", "pickle"])
def test_files_that_are_refused(change, repo, tmp_path):
    (tmp_path / "htdemucs.yaml").write_text("models: ['a']")
    path = tmp_path / "a.safetensors"
    if change == "no vocals":
        network(path, sources=["drums", "bass"])
    elif change == "mono":
        network(path, audio_channels=1)
    elif change == "pickle":
        torch.save({"klass": HTDemucs, "args": [], "kwargs": {}}, tmp_path / "a.th")
    elif change != "gone":
        whole = (repo / "aaaa1111.safetensors").read_bytes()
        path.write_bytes({"cut": whole[:-100], "text": b"<html>", "empty": b""}[change])
    failure = refused(tmp_path)
    assert "a.safetensors" in failure.message
    if change in ("gone", "pickle"):
        assert "pickles" in failure.hint and Demucs(repo=tmp_path).check()


def test_networks_that_do_not_fit_together(repo, tmp_path):
    network(tmp_path / "a.safetensors")
    network(tmp_path / "b.safetensors", sources=["vocals", "other"])
    (tmp_path / "htdemucs.yaml").write_text("models: [a, b]")
    assert "together" in refused(tmp_path).message
    (tmp_path / "htdemucs.yaml").write_text("models: [b]\nweights: [[1, 1, 1, 1]]")
    assert "together" in refused(tmp_path).message


@pytest.mark.parametrize("model", ["", "a b", "../x", "a/b/c", "x.yaml", "hf://x", "a/../b"])
def test_names_that_are_refused(model, repo):
    assert "not the name of a model" in Demucs(model=model, repo=repo).check()[0]
    with pytest.raises(UsageError):
        demucs_models.load(model, repo, print)


# ---------------------------------------------------------------- the hub


@pytest.fixture
def hub(repo, tmp_path):
    """A hub on this machine with htdemucs_ft; and the requests it got."""
    names = ("htdemucs_ft.yaml", "bbbb2222.safetensors", "aaaa1111.safetensors")
    files = {name: (repo / name).read_bytes() for name in names} | {"evil.pkl": b"no"}
    with hub_with("adefossez/HTDemucs-ft", files, tmp_path / "hub") as running:
        yield running


CODE = """
import json, logging, sys
from dubkit import DubkitError
from dubkit_plugins.separate import demucs_models
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
progress, problems = [], demucs_models.problems(sys.argv[1], None)
try:
    bag = demucs_models.load(sys.argv[1], None, lambda *step: progress.append(step))
    print(json.dumps([len(bag.models), progress, problems]))
except DubkitError as failure:
    print(json.dumps([type(failure).__name__, failure.message, failure.hint, problems]))
"""


def loaded(env, model="htdemucs_ft"):
    """In a separate process: the hub's library reads the environment when it is imported."""
    command = [sys.executable, "-c", CODE, model]
    done = subprocess.run(command, env=os.environ | env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_a_download_is_logged(hub):
    env, requests = hub
    (count, progress, problems), log = loaded(env)
    assert count == 1 and not problems
    assert "downloading htdemucs_ft from the hub: adefossez/HTDemucs-ft, 1 MB" in log
    assert {stage for stage, _, _ in progress} == {"download htdemucs_ft"}
    done = [done for _, done, _ in progress]
    assert done == sorted(done) and done[-1] == progress[-1][2] > 100_000
    # Neither the network that contributes nothing to the speech, nor anything else.
    got = {Path(path).name for path in requests if "/resolve/" in path}
    assert got == {"htdemucs_ft.yaml", "bbbb2222.safetensors"}
    requests.clear()
    # From then on it is cached, with the hub and without.
    for offline in ("0", "1"):
        (count, progress, problems), log = loaded(env | {"HF_HUB_OFFLINE": offline})
        assert count == 1 and not progress and not problems
        assert not requests and "downl" not in log


def test_without_the_hub(hub):
    env, requests = hub
    (kind, message, hint, problems), _ = loaded(env | {"HF_HUB_OFFLINE": "1"})
    assert kind == MissingDependency.__name__ and "HF_HUB_OFFLINE" in message
    assert "demucs.repo" in hint and message in problems[0] and not requests
    (kind, message, hint, problems), _ = loaded(env | {"HF_ENDPOINT": "http://127.0.0.1:9"})
    assert kind == MissingDependency.__name__ and "failed" in message and hint and not problems
    (kind, message, hint, _), _ = loaded(env, "nobody/htdemucs")
    assert kind == UsageError.__name__ and "nobody/HTDemucs" in message and hint
