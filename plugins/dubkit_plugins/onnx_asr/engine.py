"""A model of onnx-asr behind the front end that it shares with Whisper."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx_asr
import onnxruntime
from onnx_asr.asr import TimestampedResult
from onnx_asr.models.nemo import NemoConformerAED

from dubkit import InputError, PluginError, UsageError, usable_cores, verify_installed
from dubkit_plugins.whisper.engine import SAMPLE_RATE, Clock, Decoded, Decoding, Samples

from .catalog import Model
from .words import Token, spread, to_words

DATA = Path(onnx_asr.__file__).parent / "preprocessors/data"
"""The library's own: mel filters and resamplers."""
CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
MAX_WORKERS = 8
CUDA_BATCH = 16
ERRORS = 3
"""ONNX Runtime's level for errors: its warnings are for those who convert models."""


class OnnxEngine:
    """A loaded model; see :class:`dubkit_plugins.whisper.engine.Engine`."""

    tokenizer = None
    multilingual = False
    max_seconds = 20.0
    """What the library states for most of its models."""

    def __init__(
        self, model: Model, *, device: str = "cpu", threads: int = 0, batch_size: int = 0
    ) -> None:
        """Load a model on ``cpu``, ``cuda`` or ``cuda:1``; ``threads`` 0 uses every core that this
        process may use.

        On a CPU, windows are decoded one by one by several workers, which waste nothing on padding.
        """
        cores = threads or usable_cores()
        on_cpu = device == "cpu"
        self.workers = min(cores, MAX_WORKERS) if on_cpu else 1
        self.on_gpu = not on_cpu
        self.batch_size = batch_size or (1 if on_cpu else CUDA_BATCH)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = ERRORS
        if on_cpu:
            options.intra_op_num_threads = max(1, cores // self.workers)
        verify_installed("onnx-asr", DATA / "fbanks.npz")  # what the sound is fed through
        try:
            loaded = onnx_asr.load_model(
                model.kind,
                model.folder,
                quantization=model.precision or None,
                sess_options=options,
                providers=_providers(device),
            )
        except Exception as failure:  # ONNX Runtime's, and whatever a damaged file leads to
            raise InputError(
                f"onnx-asr cannot load {model} from {model.folder}: {_line(failure)}",
                "delete that folder to get it again, or name another --model",
            ) from failure
        self._model = loaded.with_timestamps()
        self._name = str(model)
        self.has_times = not isinstance(loaded.asr, NemoConformerAED)
        """Whether the network knows when a token is spoken."""

    def recognize(
        self, windows: Sequence[Samples], decoding: Decoding, clock: Clock
    ) -> list[Decoded]:
        with clock("network"):
            if self.has_times:
                results = self._run(windows)
            else:
                # In a batch, the library would let a text that has ended go on until all have.
                results = [self._run([one], decoding.language)[0] for one in windows]
        with clock("words"):
            return [
                self._decoded(result, window)
                for result, window in zip(results, windows, strict=True)
            ]

    def detect_language(self, windows: Sequence[Samples]) -> Mapping[str, float]:
        """Nothing: it is asked of multilingual Whisper models only."""
        return {}

    def _run(
        self, windows: Sequence[Samples], language: str | None = None
    ) -> list[TimestampedResult]:
        batch: list[str | Path | Samples] = list(windows)
        try:
            return self._model.recognize(batch, language=language)  # of 16 kHz
        except KeyError as missing:
            raise UsageError(
                f"{self._name} has no token {missing}", "--transcriber faster-whisper may know it"
            ) from missing
        except Exception as failure:  # files that do not fit together, no memory
            raise PluginError(
                f"{self._name} failed: {_line(failure)}",
                "if the files of the model are from several models, get it again",
            ) from failure

    def _decoded(self, result: TimestampedResult, window: Samples) -> Decoded:
        texts = result.tokens or []
        logprobs: Sequence[float | None] = result.logprobs or []
        if len(logprobs) != len(texts) or any(one is None or one > 0 for one in logprobs):
            logprobs = [None] * len(texts)  # of other tokens, or not normalized
        times = result.timestamps or [0.0] * len(texts)
        tokens = [Token(*one) for one in zip(texts, times, logprobs, strict=True)]
        if not self.has_times and tokens:
            tokens = spread(tokens, window, SAMPLE_RATE)
        known = [token.logprob for token in tokens if token.logprob is not None]
        return Decoded(
            tokens=(),
            probabilities=(),
            times=(0.0,),
            avg_logprob=math.fsum(known) / len(known) if known else 0.0,
            no_speech_prob=0.0,
            words=to_words(tokens, len(window) / SAMPLE_RATE),
        )


def device_of(device: str) -> str:
    """``cpu``, ``cuda`` or ``cuda:1``; UsageError for anything else."""
    if device == "auto":
        return "cuda" if cuda_works() else "cpu"
    kind, _, number = device.partition(":")
    if device != "cpu" and (kind != "cuda" or (number and not number.isdecimal())):
        raise UsageError(f"onnx-asr runs on cpu, cuda or cuda:1, not {device!r}")
    return device


@functools.cache
def cuda_works() -> bool:
    """Whether ONNX Runtime was built for CUDA and finds what it needs of it: it lists the provider
    even where the libraries or the GPU are missing, and then runs on the CPU."""
    if CUDA not in onnxruntime.get_available_providers():
        return False
    onnxruntime.preload_dlls()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS + 1
    session = onnxruntime.InferenceSession(
        DATA / "resample_8_16.onnx", options, providers=[CUDA, CPU]
    )
    return CUDA in session.get_providers()


def _providers(device: str) -> list[Any]:
    if device == "cpu":
        return [CPU]
    return [(CUDA, {"device_id": int(device.partition(":")[2] or 0)}), CPU]


def _line(failure: Exception) -> str:
    return " ".join(str(failure).split())[:300] or type(failure).__name__
