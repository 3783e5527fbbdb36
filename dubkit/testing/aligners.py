"""Check that an aligner keeps its contract."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from dubkit.hooks import Passage
from dubkit.system.scratch import scratch_folder
from dubkit.types import Word

from . import samples
from .findings import Findings, abbreviate, attempt_watched, is_number, is_ready, progress, verdict

SLACK = 0.05
"""Seconds by which times may exceed a passage: engines count in frames."""


def check_aligner(engine: Any, *, speech: str | Path, text: str, language: str = "en") -> None:
    """Have it align ``text``, which is what is spoken in ``speech`` (any file with sound, a few
    seconds are enough), with the whole and with two halves, in silence, and as nothing at all."""
    with verdict("aligners", engine) as wrong, scratch_folder() as folder:
        if not is_ready("aligners", engine):
            return
        sound = samples.write_converted(speech, folder / "speech/audio.wav", 16_000)
        seconds = samples.seconds_of(sound)
        words = tuple(f" {word}" for word in text.split())
        half = len(words) // 2
        _align(wrong, "align()", engine, sound, [Passage(0.0, seconds, words)], language)
        halves = [
            Passage(0.0, seconds / 2, words[:half]),
            Passage(seconds / 2, seconds, words[half:]),
        ]
        _align(wrong, "align() of two passages", engine, sound, halves, language)
        silent = samples.write_silence(folder / "silence/audio.wav", 5.0)
        _align(wrong, "align() of silence", engine, silent, [Passage(0.0, 5.0, words)], language)
        _align(wrong, "align() of nothing", engine, silent, [], language)


def _align(
    wrong: Findings, what: str, engine: Any, sound: Path, passages: list[Passage], language: str
) -> None:
    report, before = progress(wrong, what), len(wrong)
    found = attempt_watched(
        wrong, what, sound.parent, [], engine.align, sound, passages,
        language=language, progress=report,
    )  # fmt: skip
    if len(wrong) > before:
        return
    if not isinstance(found, list | tuple) or len(found) != len(passages):
        wrong.append(f"{what} returns {abbreviate(found)} for {len(passages)} passages")
        return
    for passage, words in zip(passages, found, strict=True):
        _check_words(wrong, what, passage, list(words))


def _check_words(wrong: Findings, what: str, passage: Passage, words: list[Any]) -> None:
    if not all(isinstance(word, Word) for word in words):
        wrong.append(f"{what} returns invalid words: {abbreviate(words)}")
        return
    if words and [word.text for word in words] != list(passage.words):
        wrong.append(
            f"{what} returns {abbreviate([word.text for word in words])} for "
            f"{abbreviate(list(passage.words))}: the same texts, or nothing"
        )
    for word in words:
        if not (is_number(word.start) and is_number(word.end) and word.start <= word.end):
            wrong.append(f"{what} puts {word.text!r} at {word.start!r} to {word.end!r} s")
            return
        if word.start < passage.start - SLACK or word.end > passage.end + SLACK:
            wrong.append(
                f"{what} puts {word.text!r} at {word.start} to {word.end} s, outside of its "
                f"passage from {passage.start} to {passage.end}"
            )
            return
    for first, second in itertools.pairwise(words):
        if second.start < first.start:
            wrong.append(f"{what} puts {second.text!r} before {first.text!r}")
            return
