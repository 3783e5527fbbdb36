"""``pyannote``: diarization by the pipelines of pyannote.audio (MIT), best on a GPU.

Its networks find overlapping speech, too, and are trained on meetings and telephone calls. The
library takes seconds to import, so that waits for the first file. Files of weights are read without
the pickled objects that may run code, and a pipeline's configuration may name no other class than
pyannote.audio's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dubkit import Diarizer, InputError, MissingDependency, Progress, Turn, UsageError
from dubkit_plugins import libraries
from dubkit_plugins.whisper.engine import SAMPLE_RATE
from dubkit_plugins.whisper.speech_activity import open_wav
from dubkit_plugins.whisper.windows import Window, samples_of

from .turns import hub_problems, numbered, weights_only

CONFIG = "config.yaml"
"""The file of a pipeline, in its repository or folder."""
PIPELINES = ("pyannote.audio.pipelines.SpeakerDiarization",
             "pyannote.audio.pipelines.speaker_diarization.SpeakerDiarization")  # fmt: skip
STEPS = {"segmentation": "voice activity", "embeddings": "voices"}
"""The steps of a pipeline that take long, by what progress calls them."""


@dataclass(frozen=True)
class PyannoteDiarizer(Diarizer):
    """pyannote.audio's community-1, 3.1, or another pipeline of its kind."""

    model: str = "pyannote/speaker-diarization-community-1"
    """``owner/name`` on the hub, or a folder with a ``config.yaml``."""
    min_speakers: int = 0
    """The least people that there are; 0 if that is not known."""
    max_speakers: int = 0
    """The most people that there are; 0 if that is not known."""
    device: str = "auto"
    """torch's, such as ``cpu``, ``cuda``, ``cuda:1``; or ``auto``."""

    _loaded: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The pipeline, by its model, from the first file on."""

    contract = 2
    priority = 5

    def __post_init__(self) -> None:
        libraries.has_libraries("pyannote.audio")

    def close(self) -> None:
        """Unload the pipeline."""
        self._loaded.clear()

    def check(self) -> Sequence[str]:
        """Problems that keep it from working here."""
        from dubkit_plugins.separate.stems import device_problems

        return [
            *device_problems("pyannote", self.device),
            *hub_problems("pyannote", self.model, CONFIG, gated=True),
        ]

    def diarize(self, audio: Path, *, speakers: int | None, progress: Progress) -> Sequence[Turn]:
        """See :class:`dubkit.hooks.Diarizer`."""
        import torch

        bounds = self._bounds(speakers)
        sound = open_wav(audio)
        seconds = len(sound) / SAMPLE_RATE
        if not len(sound):
            return []
        if self.model not in self._loaded:
            self._loaded[self.model] = _load(self.model, self.device)
        samples = torch.from_numpy(samples_of(sound, Window(0.0, seconds, ())))

        def report(step: str, *_: object, total: int = 0, completed: int = 0, **__: object) -> None:
            if step in STEPS and total:
                progress(STEPS[step], seconds * min(1.0, completed / total), seconds)

        # As samples, which need no decoder of pyannote's own.
        file = {"waveform": samples[None], "sample_rate": SAMPLE_RATE, "uri": "audio"}
        output = self._loaded[self.model](file, hook=report, **bounds)
        found = getattr(output, "speaker_diarization", output)  # before 4.0 it returned just this
        turns = found.itertracks(yield_label=True)
        return numbered(((t.start, t.end, str(who)) for t, _, who in turns), seconds)

    def _bounds(self, speakers: int | None) -> dict[str, int]:
        """How many people there are, as pyannote.audio's pipelines take it."""
        if speakers is not None and speakers < 1:
            raise UsageError(f"there cannot be {speakers} speakers", "name 1 or more")
        if self.min_speakers < 0 or 0 < self.max_speakers < self.min_speakers:
            raise UsageError(
                f"there cannot be {self.min_speakers} to {self.max_speakers} speakers",
                "-o pyannote.min_speakers=2 -o pyannote.max_speakers=4",
            )
        if speakers:
            return {"num_speakers": speakers}
        given = {"min_speakers": self.min_speakers, "max_speakers": self.max_speakers}
        return {name: number for name, number in given.items() if number}


def _load(model: str, device: str) -> Any:
    """A pipeline, on its device. Raises MissingDependency if it cannot be downloaded, InputError
    if it is not one for diarization or its weights hold anything else than weights."""
    import torch
    from huggingface_hub import get_token
    from pyannote.audio import Pipeline
    from pyannote.audio.core.task import Problem, Resolution, Specifications

    from dubkit_plugins.separate.stems import device_of

    _check_config(model)
    # What its files of weights hold besides weights: who made them, and for which task.
    safe = [torch.torch_version.TorchVersion, Problem, Resolution, Specifications]
    try:
        with weights_only(), torch.serialization.safe_globals(safe):
            pipeline = Pipeline.from_pretrained(model, token=get_token())
    except Exception as failure:
        if "Weights only load failed" in str(failure):
            raise InputError(
                f"the weights of {model} hold more than weights, which may run code: {failure}",
                "use another model",
            ) from failure
        raise _not_loaded(model, failure) from failure
    if pipeline is None:
        raise _not_loaded(model, None)
    return pipeline.to(device_of("pyannote", device))


def _check_config(model: str) -> None:
    """Refuse a pipeline whose configuration names other classes, which loading it would import."""
    import yaml
    from huggingface_hub import get_token, hf_hub_download

    path = Path(model)
    if path.is_dir():
        path = path / CONFIG
    elif not path.exists():
        try:
            path = Path(hf_hub_download(model, CONFIG, token=get_token()))
        except Exception as failure:
            raise _not_loaded(model, failure) from failure
    try:
        config = yaml.safe_load(path.read_text("utf-8"))
        name, extras = config["pipeline"]["name"], config.get("preprocessors")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError) as failure:
        raise InputError(f"{path} does not configure a pipeline", "use another") from failure
    if name not in PIPELINES or extras or _foreign(config):
        raise InputError(
            f"{path} is not a pipeline of pyannote.audio for diarization alone", "use another"
        )


def _foreign(value: Any) -> bool:
    """Whether a configuration names anything to be imported beside the pipeline itself."""
    if isinstance(value, Mapping):
        return "_target_" in value or any(map(_foreign, value.values()))
    return isinstance(value, list) and any(map(_foreign, value))


def _not_loaded(model: str, failure: Exception | None) -> MissingDependency:
    why = f": {str(failure).splitlines()[0][:200]}" if failure and str(failure) else ""
    return MissingDependency(
        f"pyannote's model {model} cannot be loaded{why}",
        f"accept the terms at https://hf.co/{model} (and of the models that it names), make a "
        "token at https://hf.co/settings/tokens, and set HF_TOKEN to it",
    )
