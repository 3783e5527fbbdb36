"""Many texts for a speaker that takes one at a time, or a few at once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from dubkit import DubkitError, Synthesizer, UsageError, Utterance


def speak_each(speaker: Synthesizer, texts: Sequence[Utterance], at_once: int) -> list[str]:
    """Have each text spoken, so many at once; for each what went wrong, "" where nothing did.

    Raises UsageError, and what is no error of dubkit's, without waiting for the others.
    """

    def one(text: Utterance) -> str:
        try:
            speaker.speak(
                text.text,
                text.out,
                language=text.language,
                voice=text.voice,
                seconds=text.seconds,
                seed=text.seed,
            )
        except UsageError:
            raise
        except DubkitError as failure:
            return failure.message
        return ""

    pool = ThreadPoolExecutor(max(1, at_once))
    try:
        return list(pool.map(one, texts))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
