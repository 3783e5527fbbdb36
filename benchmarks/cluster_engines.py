"""The engines of ``cluster.py``, which note what they do in the file that :data:`LOG` names: a line
for each model, film, and end. It is no setting, of which the workspaces would know."""

from __future__ import annotations

import os
import time
import wave
from dataclasses import dataclass
from pathlib import Path

from dubkit import Cue, Track, Transcriber, Transcription, Word
from dubkit_plugins.whisper.faster_whisper import FasterWhisper

LOG = "CLUSTER_BENCHMARK_LOG"


def note(what: str, name: str = "-") -> None:
    """Add a line to the log, in one piece."""
    with Path(os.environ[LOG]).open("a") as file:
        file.write(f"{time.time():.3f} {os.getpid()} {what} {name}\n")


def film_of(work: Path) -> str:
    """The film whose workspace a folder is in."""
    return next(part.split(".")[0] for part in work.parts if ".dubkit" in part)


@dataclass(frozen=True)
class Sleeping(Transcriber):
    """Sleeps for as long as the sound lasts."""

    contract = 2

    def __post_init__(self) -> None:
        note("loaded")

    def check(self):
        return []

    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        note("begin", film_of(work))
        with wave.open(str(audio)) as file:
            seconds = file.getnframes() / file.getframerate()
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.5))
            progress("transcribe", seconds - max(left, 0), seconds)
        word = Word(0.0, min(seconds, 0.5), " Hello.", 0.9)
        note("end", film_of(work))
        return Transcription(Track("en", (Cue(0.0, word.end, "Hello.", (word,)),)), "sleeping")


@dataclass(frozen=True)
class Noted(FasterWhisper):
    """Whisper; notes what it does, and each model that its library loads."""

    def __post_init__(self) -> None:
        super().__post_init__()
        import ctranslate2

        plain = ctranslate2.models.Whisper

        class Whisper(plain):
            def __init__(self, *args, **more):
                note("loaded")
                super().__init__(*args, **more)

        ctranslate2.models.Whisper = Whisper

    def transcribe(self, audio, *, work, **more):
        note("begin", film_of(work))
        found = super().transcribe(audio, work=work, **more)
        note("end", film_of(work))
        return found
