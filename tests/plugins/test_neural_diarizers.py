"""``pyannote`` and ``nemo``, with small packages in place of the real ones: the functions that are
called, with their signatures in pyannote.audio 4.0 and NeMo 3.0. What the real pyannote.audio made
of untrained networks is in benchmarks/README.md."""

import importlib
import os
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from dubkit import InputError, MissingDependency, Turn, UsageError
from dubkit.engines import registry
from dubkit.hooks import Diarizer
from dubkit.testing import conforms
from dubkit_plugins.diarize.nemo import NemoDiarizer
from dubkit_plugins.diarize.pyannote import PyannoteDiarizer
from dubkit_plugins.diarize.turns import FORCE, numbered

CONFIG = """\
pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params: {segmentation: $model/segmentation}
"""
PYANNOTE = {
    "audio/__init__.py": """
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import torch


class Annotation:
    def __init__(self, turns):
        self.turns = turns

    def itertracks(self, yield_label=False):
        for number, (start, end, label) in enumerate(self.turns):
            track = (SimpleNamespace(start=start, end=end), number)
            yield (*track, label) if yield_label else track


@dataclass
class DiarizeOutput:
    speaker_diarization: Annotation
    exclusive_speaker_diarization: Annotation
    speaker_embeddings: object = None


class Pipeline:
    asked = []

    @classmethod
    def from_pretrained(
        cls, checkpoint, revision=None, hparams_file=None, subfolder=None, token=None,
        cache_dir=None,
    ):
        weights = Path(checkpoint) / "segmentation/pytorch_model.bin"
        torch.load(weights, map_location="cpu", weights_only=False)  # as pyannote.audio does
        return cls()

    def to(self, device):
        assert isinstance(device, torch.device)
        return self

    def __call__(self, file, preload=False, **kwargs):
        waveform = file["waveform"]
        assert waveform.shape[0] == 1 and waveform.dtype == torch.float32
        return self.apply(file, **kwargs)

    def apply(self, file, num_speakers=None, min_speakers=None, max_speakers=None, hook=None,
              **kwargs):
        assert not kwargs
        self.asked.append((num_speakers, min_speakers, max_speakers))
        seconds = file["waveform"].shape[1] / file["sample_rate"]
        hook("segmentation", None, file=file, total=2, completed=3)
        hook("speaker_counting", None, file=file)
        turns = [(0.0, seconds / 2, "SPEAKER_01"), (seconds / 3, seconds + 1, "SPEAKER_00")]
        if num_speakers == 1:
            turns = [(0.0, seconds, "SPEAKER_00")]
        return DiarizeOutput(Annotation(turns), Annotation([]))
""",
    "audio/core/__init__.py": "",
    "audio/core/task.py": """
from dataclasses import dataclass
from enum import Enum


class Problem(Enum):
    MONO_LABEL_CLASSIFICATION = 1


class Resolution(Enum):
    FRAME = 1


@dataclass
class Specifications:
    problem: Problem
    resolution: Resolution
""",
}
NEMO = {
    "collections/asr/models/__init__.py": """
import torch


class SortformerEncLabelModel(torch.nn.Module):
    loaded = []

    @classmethod
    def from_pretrained(
        cls, model_name, refresh_cache=False, override_config_path=None, map_location=None,
        strict=True, return_config=False, trainer=None, save_restore_connector=None,
        return_model_file=False,
    ):
        if model_name == "nobody/nothing":
            raise RuntimeError("401 Client Error")
        cls.loaded.append(model_name)
        return cls()

    @classmethod
    def restore_from(
        cls, restore_path, override_config_path=None, map_location=None, strict=True,
        return_config=False, save_restore_connector=None, trainer=None,
        validate_access_integrity=True,
    ):
        torch.load(restore_path, map_location=map_location)
        cls.loaded.append(restore_path)
        return cls()

    def diarize(
        self, audio, sample_rate=None, batch_size=1, include_tensor_outputs=False,
        postprocessing_yaml=None, num_workers=0, verbose=True, override_config=None,
    ):
        assert isinstance(audio, list) and isinstance(audio[0], str) and not self.training
        return [[
            "0.000 2.000 speaker_0", "4.000 6.000 speaker_0",
            "1.500 4.500 speaker_2",
            "1.000 1.200 speaker_1", "6.200 6.900 speaker_1",
        ]]
""",
}


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A function that puts a package of some files where Python finds it."""
    made = []

    def make(name, files):
        for place, text in files.items():
            path = tmp_path / "packages" / name / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        monkeypatch.syspath_prepend(tmp_path / "packages")
        made.append(name)
        return lambda module: importlib.import_module(module)

    yield make
    for loaded in [one for one in sys.modules if one.partition(".")[0] in made]:
        del sys.modules[loaded]


@pytest.fixture
def sound(tmp_path):
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.zeros(8 * 16_000, "<i2").tobytes())
    return path


def pipeline_folder(tmp_path, config=CONFIG, extra=None) -> Path:
    """A pipeline's folder, with weights that hold what pyannote.audio's do, and ``extra``."""
    import torch

    task = importlib.import_module("pyannote.audio.core.task")
    about = task.Specifications(task.Problem.MONO_LABEL_CLASSIFICATION, task.Resolution.FRAME)
    folder = tmp_path / "model"
    (folder / "segmentation").mkdir(parents=True)
    (folder / "config.yaml").write_text(config, "utf-8")
    weights = {"state_dict": {"a": torch.zeros(2)}, "about": about, "extra": extra}
    torch.save(weights, folder / "segmentation/pytorch_model.bin")
    return folder


def own_class(tmp_path, engine, model) -> str:
    """A plugin of the user's own: the engine, with another model."""
    plugin = tmp_path / "plugin.py"
    plugin.write_text(
        "from dataclasses import dataclass\n"
        f"from {engine.__module__} import {engine.__name__}\n"
        "@dataclass(frozen=True)\n"
        f"class Own({engine.__name__}):\n"
        f"    model: str = {str(model)!r}\n",
        "utf-8",
    )
    return f"{plugin}:Own"


def nobody(*_):
    """A report of progress that goes nowhere."""


class Code:
    """What runs when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def test_turns_overlap_are_numbered_and_end_with_the_sound():
    turns = [(3.0, 9.0, "b"), (-1.0, 4.0, "z"), (8.5, 8.6, "z")]
    assert numbered(turns, 8.0) == [Turn(0.0, 4.0, "S1"), Turn(3.0, 8.0, "S2")]


def test_pyannote_with_what_it_is_asked(stand_in, sound, tmp_path):
    audio = stand_in("pyannote", PYANNOTE)("pyannote.audio")
    folder, seen = pipeline_folder(tmp_path), []
    engine = PyannoteDiarizer(model=str(folder), min_speakers=2, max_speakers=4)
    assert engine.check() == []

    def progress(*report):
        seen.append(report)

    found = engine.diarize(sound, speakers=None, progress=progress)
    assert found == [Turn(0.0, 4.0, "S1"), Turn(2.667, 8.0, "S2")]
    engine.diarize(sound, speakers=3, progress=progress)
    assert audio.Pipeline.asked == [(None, 2, 4), (3, None, None)]
    assert seen[0] == ("voice activity", 8.0, 8.0)
    assert FORCE not in os.environ
    engine.close()
    conforms("diarizers", own_class(tmp_path, PyannoteDiarizer, folder))


def test_weights_that_hold_code_are_refused(stand_in, sound, tmp_path):
    stand_in("pyannote", PYANNOTE)
    mark = tmp_path / "ran"
    engine = PyannoteDiarizer(model=str(pipeline_folder(tmp_path, extra=Code(mark))))
    with pytest.raises(InputError, match="hold more than weights"):
        engine.diarize(sound, speakers=None, progress=nobody)
    assert not mark.exists() and FORCE not in os.environ


@pytest.mark.parametrize(
    "config",
    ["[]", "a: [", "pipeline: {name: os.system}", CONFIG + "preprocessors: {a: {name: os.mkdir}}",
     CONFIG + "more: [{_target_: os.mkdir}]"],
)  # fmt: skip
def test_a_pipeline_of_other_classes_is_refused(stand_in, sound, tmp_path, config):
    stand_in("pyannote", PYANNOTE)
    engine = PyannoteDiarizer(model=str(pipeline_folder(tmp_path, config)))
    with pytest.raises(InputError, match=r"config\.yaml"):
        engine.diarize(sound, speakers=None, progress=nobody)


def test_what_to_install_and_to_accept(stand_in, tmp_path, monkeypatch):
    if not any(map(importlib.util.find_spec, ("pyannote", "nemo"))):
        for engine in (PyannoteDiarizer, NemoDiarizer):
            with pytest.raises(ModuleNotFoundError):
                engine()
    stand_in("pyannote", PYANNOTE)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    (problem,) = PyannoteDiarizer(model="some/pipeline").check()
    assert "https://hf.co/some/pipeline" in problem and "HF_TOKEN" in problem
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_x")
    assert PyannoteDiarizer(model="some/pipeline").check() == []
    for wrong in ({"min_speakers": 3, "max_speakers": 2}, {"min_speakers": -1}):
        with pytest.raises(UsageError):
            PyannoteDiarizer(**wrong).diarize(tmp_path, speakers=None, progress=nobody)
    for engine, name in ((PyannoteDiarizer, "pyannote"), (NemoDiarizer, "nemo")):
        if name in {plugin.name for plugin in registry.plugins("diarizers")}:
            assert registry.engine_class(Diarizer, name) is engine


def test_sortformer_with_what_it_is_asked(stand_in, sound, tmp_path):
    models = stand_in("nemo", NEMO)("nemo.collections.asr.models")
    engine = NemoDiarizer()
    assert engine.check() == [] or "HF_HUB_OFFLINE" in engine.check()[0]
    found = engine.diarize(sound, speakers=None, progress=nobody)
    assert found == [
        Turn(0.0, 2.0, "S1"), Turn(1.0, 1.2, "S2"), Turn(1.5, 4.5, "S3"), Turn(4.0, 6.0, "S1"),
        Turn(6.2, 6.9, "S2"),
    ]  # fmt: skip
    # It cannot be asked for two, so whoever speaks least is left out or given to the nearest.
    assert engine.diarize(sound, speakers=2, progress=nobody) == [
        Turn(0.0, 2.0, "S1"), Turn(1.5, 4.5, "S2"), Turn(4.0, 6.0, "S1"), Turn(6.2, 6.9, "S1"),
    ]  # fmt: skip
    assert models.SortformerEncLabelModel.loaded == [engine.model]
    with pytest.raises(UsageError, match="not 5"):
        engine.diarize(sound, speakers=5, progress=nobody)
    with pytest.raises(MissingDependency, match="401"):
        NemoDiarizer(model="nobody/nothing").diarize(sound, speakers=None, progress=nobody)
    import torch

    mark, weights = tmp_path / "ran", tmp_path / "own.nemo"
    torch.save({"extra": Code(mark)}, weights)
    with pytest.raises(MissingDependency, match="cannot be loaded"):
        NemoDiarizer(model=str(weights)).diarize(sound, speakers=None, progress=nobody)
    assert not mark.exists()
    torch.save({"a": torch.zeros(2)}, weights)
    conforms("diarizers", own_class(tmp_path, NemoDiarizer, weights))
