"""``distil-whisper``: Whisper and Distil-Whisper on torch, the default on a GPU.

The libraries are imported with the first engine: a run that has nothing to transcribe needs none,
and torch takes seconds.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from dubkit import (
    Progress,
    Track,
    TranscribeProgress,
    Transcription,
    UsageError,
)
from dubkit_plugins import libraries

from . import models
from .faster_whisper import detector_weights
from .transcriber import WhisperTranscriber

if TYPE_CHECKING:
    from .engine import MultilingualEngine
    from .torch_engine import TorchEngine
    from .transcribe import Family

CATALOGUE = {
    **{
        name: f"openai/whisper-{name}"
        for name in (
            *("tiny", "tiny.en", "base", "base.en", "small", "small.en", "medium", "medium.en"),
            *("large-v2", "large-v3", "large-v3-turbo"),
        )
    },
    **{
        name: f"distil-whisper/{name}"
        for name in (
            *("distil-small.en", "distil-medium.en", "distil-large-v2"),
            *("distil-large-v3", "distil-large-v3.5"),
        )
    },
}


@dataclass(frozen=True)
class DistilWhisper(WhisperTranscriber):
    """Whisper and Distil-Whisper on torch."""

    model: str = "auto"
    """A name, ``owner/name`` on the hub, a folder in transformers' layout, or ``auto``."""
    draft: str = ""
    """A model distilled from ``model`` that guesses ahead: the same text, faster, one window at a
    time (speculative decoding)."""
    device: str = "auto"
    """torch's, such as ``cpu``, ``cuda``, ``cuda:1``; or ``auto``."""
    batch_size: int = 0
    """Windows decoded together; 0 to fit the free memory."""
    beam_size: int = 1
    """Hypotheses kept while decoding; 1 is greedy."""
    cuda_graphs: bool = True
    """Record the decoder's step as a CUDA graph: no waiting for Python between steps."""

    _loaded: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The model, by its folder, from the first file on."""

    contract = 2
    priority = 20

    @classmethod
    def suits(cls, device: str) -> bool:
        """Where there is a GPU that torch can use, as far as is known without importing torch,
        which takes seconds."""
        gpu = Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None
        return device != "cpu" and gpu and all(map(find_spec, ("torch", "safetensors")))

    def __post_init__(self) -> None:
        libraries.has_libraries("torch", "safetensors")

    def close(self) -> None:
        """Unload the model."""
        if self._loaded:
            from .torch_engine import free_memory

            self._loaded.clear()
            free_memory()

    def check(self) -> Sequence[str]:
        """Problems that keep it from working here."""
        if self.device in ("auto", "cpu"):
            return []
        import torch

        try:
            torch.zeros(1, device=self.device)
        except (RuntimeError, AssertionError, ImportError) as failure:
            reason = shorten(str(failure), 80, placeholder=" ...")
            return [f"torch cannot use the device {self.device!r} here ({reason}): use another"]
        return []

    def load_early(self, language: str | None) -> None:
        """See :class:`.transcriber.WhisperTranscriber`. A draft may have to be downloaded, so with
        one only the libraries are loaded."""
        from .transcribe import preload

        family = self._family(lambda *_: None)
        if not self.draft:
            preload(family, self.model, language)

    def detect_language(self, audio: Path) -> tuple[str, float]:
        """See :class:`dubkit.hooks.DetectsLanguage`; by a small model on the CPU."""
        from .ct2_engine import CT2Engine
        from .transcribe import language_of

        return language_of(
            audio, lambda: CT2Engine(detector_weights(lambda *_: None), device="cpu")
        )

    def settings_to_read_back(self, language: str) -> Mapping[str, str] | None:
        """See :class:`dubkit.hooks.ReadsBack`."""
        from .transcribe import settings_to_read_back

        found = settings_to_read_back(CATALOGUE, language, packages=False)
        return found and {**found, "draft": ""}

    def transcribe_among(
        self,
        audio: Path,
        *,
        languages: Sequence[str],
        prompt: str,
        hotwords: Sequence[str],
        work: Path,
        progress: TranscribeProgress,
    ) -> Transcription:
        """See :class:`dubkit.hooks.FindsLanguages`."""
        from .transcribe import transcribe

        if self.draft and self.model == "auto":
            raise UsageError("a draft needs its teacher named", "add --model, such as large-v3")
        if self.draft and self.beam_size > 1:
            raise UsageError(
                "a draft guesses the output of greedy decoding, so it works only with beam_size=1",
                "leave out -o distil-whisper.beam_size or -o distil-whisper.draft",
            )

        def make_family() -> Family:
            if problems := self.check():
                raise UsageError(*problems)
            return self._family(progress)

        return transcribe(
            make_family,
            self.model,
            audio,
            languages=languages,
            prompt=prompt,
            hotwords=hotwords,
            beam_size=self.beam_size,
            work=work,
            progress=progress,
        )

    def distill(
        self,
        recordings: Sequence[tuple[Path, Track | None]],
        wanted: Mapping[str, str],
        *,
        out: Path,
        work: Path,
        progress: Progress,
    ) -> Sequence[str]:
        """Make a student of a model; see ``dubkit distill``."""
        from dubkit_plugins.distill import distill, report

        progress("load", 0.0, 0.0)
        teacher = models.find(wanted["teacher"], CATALOGUE, progress, packages=False)
        assert teacher.folder  # without packages it is always a folder
        choices = distill.Choices(
            teacher=teacher.folder,
            name=CATALOGUE.get(teacher.name, teacher.name),
            language=wanted["language"],
            layers=int(wanted["layers"]),
            max_error=float(wanted["max_wer"]) / 100,
            steps=int(wanted["steps"]),
            rate=float(wanted["rate"]),
            device=wanted["device"],
            seed=int(wanted["seed"]),
        )
        outcome = distill.distill(recordings, choices, out=out, work=work, progress=progress)
        return report.summary(outcome)

    def _family(self, progress: Progress) -> Family:
        """Its models, and how one is loaded."""
        import torch

        from . import torch_engine
        from .ct2_engine import CT2Engine
        from .faster_whisper import CATALOGUE as CT2_CATALOGUE
        from .transcribe import SMALL, Family, hold

        def load(weights: models.Weights) -> TorchEngine:
            folder = weights.folder
            if folder is None:
                raise UsageError(f"{weights.name} is not in transformers' layout")
            draft = None
            if self.draft:
                draft = models.find(self.draft, CATALOGUE, progress, packages=False).folder

            def build() -> TorchEngine:
                return torch_engine.load(
                    folder,
                    device=self.device,
                    draft=draft,
                    batch_size=self.batch_size,
                    cuda_graphs=self.cuda_graphs,
                )

            engine: TorchEngine = hold(self._loaded, str(folder), build)
            return engine

        on_gpu = self.device.startswith("cuda") or (
            self.device == "auto" and torch.cuda.is_available()
        )

        def load_beside() -> MultilingualEngine | None:
            weights = models.choose_here((*other, *SMALL), CATALOGUE, packages=False)
            if weights and weights.folder:
                return torch_engine.load(
                    weights.folder, device=self.device, batch_size=self.batch_size
                )
            weights = models.choose_here(SMALL, CT2_CATALOGUE, packages=True)
            return CT2Engine(weights, device="cpu") if weights else None

        other = ("large-v3-turbo",) if on_gpu else ("small",)
        return Family(
            CATALOGUE,
            english=("distil-large-v3.5", "distil-large-v3") if on_gpu else ("distil-small.en",),
            other=other,
            load=load,
            # Detecting the language on the CPU takes a second and no second model on the GPU.
            load_detector=lambda report: CT2Engine(detector_weights(report), device="cpu"),
            load_beside=load_beside,
            packages=False,
        )
