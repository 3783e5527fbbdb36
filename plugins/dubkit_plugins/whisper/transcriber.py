"""What is the same in every plugin here, whatever runs the network."""

from __future__ import annotations

import logging
import threading
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

from dubkit import Progress, TranscribeProgress, Transcriber, Transcription

log = logging.getLogger("dubkit")


class WhisperTranscriber(Transcriber):
    """A transcriber that finds the language of each stretch of speech, unless one is given."""

    def preload(self, language: str | None) -> None:
        """Begin to load the model; see :class:`dubkit.hooks.Preloading`. This does not wait for it:
        speech is found in the sound as soon as there is any, and only then is the model needed."""

        def work() -> None:
            try:
                self.load_early(language)
            except Exception as failure:  # transcribing meets it again
                log.debug("%s", failure)

        # A daemon: who stops the program does not wait for libraries that are being imported.
        threading.Thread(target=work, name="load", daemon=True).start()

    @abstractmethod
    def load_early(self, language: str | None) -> None:
        """Load the model that will be needed, if it is on this machine."""

    @classmethod
    def check_languages(cls, languages: Sequence[str], model: str) -> None:
        """See :class:`dubkit.hooks.KnowsLanguages`."""
        from .transcribe import check_languages

        check_languages(languages, model)

    def find_speech(self, audio: Path, *, progress: Progress) -> Sequence[tuple[float, float]]:
        """See :class:`dubkit.hooks.FindsSpeech`."""
        from .speech_activity import find_speech

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
        return self.transcribe_among(
            audio,
            languages=(language,) if language else (),
            prompt=prompt,
            hotwords=hotwords,
            work=work,
            progress=progress,
        )

    @abstractmethod
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
