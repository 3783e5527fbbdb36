"""Many texts for a synthesizer that takes one per call, possibly several calls at once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from dubkit import DubkitError, Synthesizer, UsageError, Utterance


def speak_each(engine: Synthesizer, texts: Sequence[Utterance], at_once: int) -> list[str]:
    """Speak each text, ``at_once`` at a time, and return what went wrong with each, "" if nothing.

    Raises UsageError, and exceptions other than dubkit's own, without waiting for the rest.
    """

    def one(text: Utterance) -> str:
        try:
            engine.speak(
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
