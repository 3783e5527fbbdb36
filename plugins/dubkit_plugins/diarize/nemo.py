"""``nemo``: diarization by Sortformer of NVIDIA NeMo (Apache-2.0), best on a GPU.

One network says for each of up to four people, frame by frame, whether they speak; so it finds
overlapping speech, too. The library takes long to import, so that waits for the first file. Weights
are read without the pickled objects that may run code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dubkit import Diarizer, MissingDependency, Progress, Turn, UsageError
from dubkit_plugins import libraries
from dubkit_plugins.whisper.engine import SAMPLE_RATE
from dubkit_plugins.whisper.speech_activity import open_wav

from .turns import hub_problems, numbered, weights_only

MOST = 4
"""People that Sortformer tells apart."""


@dataclass(frozen=True)
class NemoDiarizer(Diarizer):
    """NeMo's Sortformer, for up to four people."""

    model: str = "nvidia/diar_streaming_sortformer_4spk-v2"
    """``owner/name`` on the hub, or a ``.nemo`` file."""
    device: str = "auto"
    """torch's, such as ``cpu``, ``cuda``, ``cuda:1``; or ``auto``."""

    _loaded: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The network, by its model, from the first file on."""

    contract = 2
    priority = 4

    def __post_init__(self) -> None:
        libraries.has_libraries("nemo.collections")

    def close(self) -> None:
        """Unload the network."""
        self._loaded.clear()

    def check(self) -> Sequence[str]:
        """Problems that keep it from working here."""
        from dubkit_plugins.separate.stems import device_problems

        file = f"{self.model.rpartition('/')[2]}.nemo"
        return [
            *device_problems("nemo", self.device),
            *hub_problems("nemo", self.model, file, gated=False),
        ]

    def diarize(self, audio: Path, *, speakers: int | None, progress: Progress) -> Sequence[Turn]:
        """See :class:`dubkit.hooks.Diarizer`."""
        if speakers is not None and not 1 <= speakers <= MOST:
            raise UsageError(
                f"Sortformer tells 1 to {MOST} people apart, not {speakers}",
                "--diarizer pyannote, or voiceprint",
            )
        sound = open_wav(audio)
        seconds = len(sound) / SAMPLE_RATE
        if not len(sound):
            return []
        if self.model not in self._loaded:
            self._loaded[self.model] = _load(self.model, self.device)
        progress("voices", 0.0, seconds)
        lines = self._loaded[self.model].diarize(
            audio=[str(audio)], batch_size=1, num_workers=0, verbose=False
        )
        turns = [_parsed(line) for line in (lines[0] if lines else [])]
        progress("voices", seconds, seconds)
        return numbered(_limited(turns, speakers or MOST), seconds)


def _parsed(line: str) -> tuple[float, float, str]:
    """A line of Sortformer's result: ``0.480 2.640 speaker_0``."""
    start, end, speaker = line.split()
    return float(start), float(end), speaker


def _limited(
    turns: Sequence[tuple[float, float, str]], most: int
) -> list[tuple[float, float, str]]:
    """The turns of the ``most`` people who speak longest: it cannot be asked for a number. What
    the others say when nobody else speaks is of whoever of them speaks nearest to it."""
    seconds: dict[str, float] = {}
    for start, end, speaker in turns:
        seconds[speaker] = seconds.get(speaker, 0.0) + end - start
    kept = set(sorted(seconds, key=lambda one: -seconds[one])[:most])
    own = [turn for turn in turns if turn[2] in kept]

    def nearest(start: float, end: float) -> tuple[float, str]:
        return min((max(a - end, start - b), who) for a, b, who in own)

    rest = [(s, e, nearest(s, e)) for s, e, who in turns if who not in kept]
    return [*own, *((s, e, who) for s, e, (distance, who) in rest if distance >= 0)]


def _load(model: str, device: str) -> Any:
    """The network, on its device. Raises MissingDependency if it cannot be had or read."""
    from nemo.collections.asr.models import SortformerEncLabelModel

    from dubkit_plugins.separate.stems import device_of

    where = device_of("nemo", device)
    try:
        with weights_only():
            if Path(model).is_file():
                network = SortformerEncLabelModel.restore_from(model, map_location=where)
            else:
                network = SortformerEncLabelModel.from_pretrained(model, map_location=where)
    except Exception as failure:
        raise MissingDependency(
            f"nemo's model {model} cannot be loaded: {str(failure).splitlines()[0][:200]}",
            f"see https://hf.co/{model} for its terms; HF_TOKEN is the token of your account",
        ) from failure
    return network.to(where).eval()
