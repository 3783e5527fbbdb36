"""``faster-whisper``: Whisper on CTranslate2, the default on a CPU.

The libraries are imported with the first engine: a run that has nothing to transcribe needs none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubkit import Progress, TranscribeProgress, Transcription, UsageError
from dubkit_plugins.packaged_models import place

from . import models
from .transcriber import WhisperTranscriber

if TYPE_CHECKING:
    from .ct2_engine import CT2Engine
    from .engine import Engine
    from .transcribe import Family

CATALOGUE = {
    "tiny": "Systran/faster-whisper-tiny",
    "tiny.en": "Systran/faster-whisper-tiny.en",
    "base": "Systran/faster-whisper-base",
    "base.en": "Systran/faster-whisper-base.en",
    "small": "Systran/faster-whisper-small",
    "small.en": "Systran/faster-whisper-small.en",
    "medium": "Systran/faster-whisper-medium",
    "medium.en": "Systran/faster-whisper-medium.en",
    "large-v2": "Systran/faster-whisper-large-v2",
    "large-v3": "Systran/faster-whisper-large-v3",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
}


@dataclass(frozen=True)
class FasterWhisper(WhisperTranscriber):
    """Whisper and Distil-Whisper on CTranslate2."""

    model: str = "auto"
    """A name, ``owner/name`` on the hub, a folder, or ``auto``."""
    device: str = "auto"
    """``cpu``, ``cuda`` or ``auto``."""
    compute_type: str = "auto"
    """CTranslate2's, such as ``int8``, ``float16``, ``float32``."""
    batch_size: int = 0
    """Windows decoded together; 0 to choose."""
    threads: int = 0
    """Cores to use; 0 for all."""
    beam_size: int = 5
    """Hypotheses kept while decoding; 1 is greedy. What went wrong is decoded again with 5 at
    least."""

    _loaded: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The model, by its name, from the first file on."""

    contract = 2
    priority = 10

    def __post_init__(self) -> None:
        import_module(f"{__package__}.ct2_engine")  # a missing library is reported from here

    def close(self) -> None:
        """Unload the model."""
        self._loaded.clear()

    def models(self) -> Sequence[str]:
        """The packaged model, and those in the hub's cache."""
        packaged = models.find_packaged()
        return [*([packaged.name] if packaged else []), *models.all_cached()]

    def model_place(self) -> str:
        """Where the small model is that needs no hub."""
        return place(models.OFFLINE)

    def get_model(self, source: Path | None, progress: Progress) -> Path:
        """Get that model without its packages."""
        from dubkit_plugins.get_models import get

        return get(models.OFFLINE, source, progress)

    def check(self) -> Sequence[str]:
        """Problems that keep it from working here."""
        from .ct2_device import device_problems

        return device_problems("faster-whisper", self.device)

    def load_early(self, language: str | None) -> None:
        """See :class:`.transcriber.WhisperTranscriber`."""
        from .transcribe import DETECTORS, preload

        family = self._family()
        if self.model == "auto" and not language:  # the model that detects it comes first
            weights = models.choose_here(DETECTORS, CATALOGUE, packages=True)
            if weights:
                family.load(weights)
        else:
            preload(family, self.model, language)

    def detect_language(self, audio: Path) -> tuple[str, float]:
        """See :class:`dubkit.hooks.DetectsLanguage`."""
        from .transcribe import language_of

        def load() -> Engine:
            # What is loaded stays, if it can tell.
            loaded: CT2Engine | None = next(iter(self._loaded.values()), None)
            if loaded and loaded.multilingual:
                return loaded
            return self._family().load(detector_weights(lambda *_: None))

        return language_of(audio, load)

    def settings_to_read_back(self, language: str) -> Mapping[str, str] | None:
        """See :class:`dubkit.hooks.ReadsBack`."""
        from .transcribe import settings_to_read_back

        return settings_to_read_back(CATALOGUE, language, packages=True)

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

        if problems := self.check():
            raise UsageError(*problems)
        return transcribe(
            self._family,
            self.model,
            audio,
            languages=languages,
            prompt=prompt,
            hotwords=hotwords,
            beam_size=self.beam_size,
            work=work,
            progress=progress,
        )

    def _family(self) -> Family:
        """Its models, and how one is loaded."""
        from .ct2_device import device_of
        from .ct2_engine import CT2Engine
        from .transcribe import SMALL, Family, hold

        device = device_of("faster-whisper", self.device)
        on_gpu = device == "cuda"

        def load(weights: models.Weights) -> CT2Engine:
            if weights.folder and not (weights.folder / "model.bin").is_file():
                raise UsageError(
                    f"{weights.name} is not in CTranslate2's layout: it has no model.bin",
                    "--transcriber distil-whisper reads models in transformers' layout",
                )

            engine: CT2Engine = hold(self._loaded, weights.name, lambda: build(weights))
            return engine

        def build(weights: models.Weights) -> CT2Engine:
            return CT2Engine(
                weights,
                device=device,
                compute_type=self.compute_type,
                threads=self.threads,
                batch_size=self.batch_size,
            )

        def load_beside() -> CT2Engine | None:
            weights = models.choose_here((*other, *SMALL), CATALOGUE, packages=True)
            return build(weights) if weights else None

        other = ("large-v3-turbo",) if on_gpu else ("small",)
        return Family(
            CATALOGUE,
            english=("distil-large-v3.5", "distil-large-v3") if on_gpu else ("distil-small.en",),
            other=other,
            load=load,
            # If the same model is chosen for the language, it is loaded once.
            load_detector=lambda progress: load(detector_weights(progress)),
            load_beside=load_beside,
            packages=True,
        )


def detector_weights(progress: Progress) -> models.Weights:
    """A small multilingual model that can detect which language is spoken."""
    from .transcribe import DETECTORS

    return models.choose(DETECTORS, CATALOGUE, progress, packages=True)
