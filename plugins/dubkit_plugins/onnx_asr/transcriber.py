"""``onnx-asr``: Parakeet, Canary and others on ONNX Runtime.

The libraries are imported with the first engine: a run that has nothing to transcribe needs none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubkit import (
    Cue,
    MissingDependency,
    Progress,
    Track,
    TranscribeProgress,
    Transcriber,
    Transcription,
    UsageError,
    primary_language,
)

if TYPE_CHECKING:
    from dubkit_plugins.whisper.recognize import Sound

    from .catalog import Model
    from .engine import OnnxEngine


@dataclass(frozen=True)
class OnnxAsr(Transcriber):
    """Parakeet, Canary, FastConformer, GigaAM and others on ONNX Runtime."""

    model: str = "auto"
    """A name, ``owner/name`` on the hub, a folder, or ``auto``."""
    kind: str = ""
    """The kind of network of a model whose config.json does not state it, such as
    ``nemo-conformer-tdt``."""
    precision: str = "auto"
    """``int8``, ``full``, or ``auto``: int8 on a CPU if there is such a file, full on CUDA."""
    device: str = "auto"
    """``cpu``, ``cuda``, ``cuda:1`` or ``auto``."""
    batch_size: int = 0
    """Windows decoded together; 0 to choose."""
    threads: int = 0
    """Cores to use; 0 for all."""

    _loaded: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The model, by its folder, from the first file on."""
    _detector: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The Whisper model that detects languages, by its name."""

    contract = 2
    priority = 5
    caveat = "its models have not been run where dubkit is tested"

    def __post_init__(self) -> None:
        import_module(f"{__package__}.engine")  # a missing library is reported from here

    @classmethod
    def check_languages(cls, languages: Sequence[str], model: str) -> None:
        """See :class:`dubkit.hooks.KnowsLanguages`."""
        from .catalog import check_language

        for language in languages:
            check_language(model, primary_language(language))

    def close(self) -> None:
        """Unload the models."""
        self._loaded.clear()
        self._detector.clear()

    def models(self) -> Sequence[str]:
        """Those of its models that are in the hub's cache."""
        from dubkit_plugins.whisper.models import repositories_cached

        from .catalog import repositories

        known = repositories().values()
        return [name for name in repositories_cached() if name in known]

    def model_place(self) -> str:
        """Where the model is that it uses by default."""
        from .catalog import AUTO, find_cached

        found = find_cached(AUTO[0], "", self._precisions())
        return str(found.folder) if found else ""

    def get_model(self, source: Path | None, progress: Progress) -> Path:
        """Download that model into the hub's cache."""
        if source:
            raise UsageError(
                "onnx-asr uses the files of a model where they are",
                f"--transcriber onnx-asr --model {source}",
            )
        return self._find(progress).folder

    def check(self) -> Sequence[str]:
        """Problems that keep it from working here."""
        from .engine import cuda_works, device_of

        if device_of(self.device) != "cpu" and not cuda_works():
            return [
                "onnx-asr is set to CUDA, but ONNX Runtime cannot use it here: use --device cpu, "
                "or pip uninstall onnxruntime and pip install 'onnxruntime-gpu[cuda,cudnn]'"
            ]
        return []

    def find_speech(self, audio: Path, *, progress: Progress) -> Sequence[tuple[float, float]]:
        """See :class:`dubkit.hooks.FindsSpeech`."""
        from dubkit_plugins.whisper.speech_activity import find_speech

        return find_speech(audio, progress)

    def transcribe(
        self,
        audio: Path,
        *,
        language: str | None,
        prompt: str,
        hotwords: Sequence[str],
        work: Path,
        progress: TranscribeProgress,
    ) -> Transcription:
        """See :class:`dubkit.hooks.Transcriber`."""
        from dubkit_plugins.whisper.engine import Clock, Decoding
        from dubkit_plugins.whisper.recognize import Sound, recognize
        from dubkit_plugins.whisper.transcribe import bcp47, fault_warning

        from .catalog import check_language, choose

        def report(done: float, total: float, cues: Sequence[Cue]) -> None:
            progress("transcribe", done, total, cues=cues)

        if problems := self.check():
            raise UsageError(*problems)
        clock = Clock()
        code = primary_language(language) if language else ""
        if code:
            check_language(self.model, code)
        warnings = []
        if prompt or hotwords:
            warnings.append("onnx-asr cannot use --prompt and --hotwords: they are left out")
        with Sound(audio, clock) as sound:
            progress("load", 0.0, 0.0)
            model = None if self.model == "auto" else self._find(progress)
            if not code:
                with clock("language"):
                    code, doubts = self._detect(sound, progress)
                warnings += doubts
                check_language(self.model, code)
            with clock("model"):
                model = model or choose(code, self._precisions(), progress)
                engine = self._load(model)
            windows = recognize(
                engine, sound, Decoding(code), work=work, progress=report, clock=clock
            )
        if not engine.has_times:
            warnings.append(
                f"{model.name} gives no times: those of words are estimates, by their lengths"
            )
        return Transcription(
            Track(language or bcp47(code), tuple(one.cue for one in windows if one.words)),
            str(model),
            clock.timings,
            (*warnings, *(fault_warning(window) for window in windows if window.fault)),
        )

    def _detect(self, sound: Sound, progress: Progress) -> tuple[str, list[str]]:
        """The language of the first speech, by a small Whisper model, as a primary tag; and what is
        doubtful about it."""
        from dubkit_plugins.whisper.ct2_engine import CT2Engine
        from dubkit_plugins.whisper.faster_whisper import detector_weights
        from dubkit_plugins.whisper.transcribe import bcp47, detect, hold

        from .catalog import LANGUAGES

        try:
            weights = detector_weights(progress)
        except MissingDependency as missing:
            known = LANGUAGES.get(self.model, ())
            if len(known) == 1:
                return known[0], []
            raise MissingDependency(
                "the language is not known, and no Whisper model is here to detect it",
                f"--language sets it; or {missing.hint}",
            ) from missing
        detector = hold(self._detector, weights.name, lambda: CT2Engine(weights))
        code, warnings = detect(detector, sound)
        return primary_language(bcp47(code)), list(warnings)

    def _find(self, progress: Progress) -> Model:
        """The model that is set, or the first that ``auto`` stands for."""
        from .catalog import AUTO, find

        name = AUTO[0] if self.model == "auto" else self.model
        return find(name, self.kind, self._precisions(), progress)

    def _load(self, model: Model) -> OnnxEngine:
        from dubkit_plugins.whisper.transcribe import hold

        from .engine import OnnxEngine, device_of

        def build() -> OnnxEngine:
            device = device_of(self.device)
            return OnnxEngine(
                model, device=device, threads=self.threads, batch_size=self.batch_size
            )

        engine: OnnxEngine = hold(self._loaded, f"{model.folder} {model}", build)
        return engine

    def _precisions(self) -> Sequence[str]:
        """What to take of a model, the best first; "" is full precision."""
        from .engine import device_of

        on_cpu = device_of(self.device) == "cpu"
        known = {
            "auto": ["int8", ""] if on_cpu else ["", "int8"],
            "int8": ["int8"],
            "full": [""],
        }
        if self.precision not in known:
            raise UsageError(
                f"onnx-asr has no precision {self.precision!r}", f"it has {', '.join(known)}"
            )
        return known[self.precision]
