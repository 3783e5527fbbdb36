"""What is the same in every plugin here, whatever runs the network."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

from dubkit import Progress, TranscribeProgress, Transcriber, Transcription


class WhisperTranscriber(Transcriber):
    """A transcriber that finds the language of each stretch of speech, unless one is given."""

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
