"""Whether what takes sound apart, a separator or a diarizer, keeps its contract."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

from dubkit.types import Turn

from . import samples
from .findings import Findings, is_number, is_ready, progress, shown, verdict, watched

LOST = 0.03
"""Of a sound's strength, at most, may be missing when its two parts are added up (-30 dB)."""
SLACK = 0.05
"""Seconds by which turns may be outside of the sound."""


def check_separator(engine: Any, *, sound: str | Path | None = None) -> None:
    """Have it part ``sound`` (any file with sound; a buzz like a voice over a chord where none is
    given), and add up what comes of it."""
    with verdict("separators", engine) as wrong, tempfile.TemporaryDirectory() as temporary:
        if not is_ready("separators", engine):
            return
        folder = Path(temporary)
        whole = folder / "in/whole.wav"
        if sound:
            samples.write_given(sound, whole, 48_000, 2)
        else:
            samples.write_babble(whole, 4.0, 48_000, 2)
        out = folder / "out"
        out.mkdir()
        parts = (out / "speech.wav", out / "background.wav")
        told, before = progress(wrong, "separate()"), len(wrong)
        call = engine.separate
        watched(wrong, "separate()", folder, parts, call, whole, *parts, progress=told)
        if len(wrong) == before:
            _compare(wrong, whole, *parts)


def _compare(wrong: Findings, whole: Path, *parts: Path) -> None:
    import numpy as np

    there, rate = samples.read_wav(whole)
    found = []
    for part in parts:
        try:
            sound, its_rate = samples.read_wav(part)
        except ValueError as fault:
            wrong.append(f"separate() returns, and {part.name} {fault}")
            continue
        if its_rate != rate:
            wrong.append(f"separate() writes {part.name} with {its_rate} Hz, not {rate}")
        elif sound.shape != there.shape:
            wrong.append(
                f"separate() writes {part.name} with {sound.shape[0]} channels of "
                f"{sound.shape[1]} samples, not {there.shape[0]} of {there.shape[1]}"
            )
        else:
            found.append(sound)
    if len(found) == 2:
        lost = np.sqrt(np.mean((there - found[0] - found[1]) ** 2) / np.mean(there**2))
        if not lost <= LOST:
            wrong.append(
                f"separate() writes two parts that do not add up to the whole: {lost:.0%} of its "
                "strength is off"
            )


def check_diarizer(engine: Any, *, speech: str | Path | None = None) -> None:
    """Have it tell who speaks in ``speech`` (any file with sound; a buzz like a voice where none
    is given), of two people, of one, and without being told."""
    with verdict("diarizers", engine) as wrong, tempfile.TemporaryDirectory() as temporary:
        if not is_ready("diarizers", engine):
            return
        audio = Path(temporary) / "audio.wav"
        if speech:
            samples.write_given(speech, audio, 16_000)
        else:
            samples.write_babble(audio, 10.0, 16_000)
        for speakers in (None, 2, 1):
            what = f"diarize() with speakers={speakers}"
            told, before = progress(wrong, what), len(wrong)
            turns = watched(
                wrong, what, audio.parent, [], engine.diarize, audio,
                speakers=speakers, progress=told,
            )  # fmt: skip
            if len(wrong) == before:
                _look_at_turns(wrong, what, turns, samples.seconds_of(audio), speakers)


def _look_at_turns(
    wrong: Findings, what: str, turns: Any, seconds: float, speakers: int | None
) -> None:
    if not isinstance(turns, list | tuple) or not all(isinstance(turn, Turn) for turn in turns):
        wrong.append(f"{what} returns {shown(turns)}, not a list or tuple of turns")
        return
    for turn in turns:
        if not (isinstance(turn.speaker, str) and turn.speaker):
            wrong.append(f"{what} calls a speaker {turn.speaker!r}; it must be a text")
        if not (is_number(turn.start) and is_number(turn.end) and turn.start < turn.end):
            wrong.append(f"{what} has a turn from {turn.start!r} to {turn.end!r} s")
            return
        if turn.end > seconds + SLACK:
            wrong.append(
                f"{what} has a turn to {turn.end} s, outside of the sound, which is {seconds:.2f} s"
            )
    for first, second in itertools.pairwise(turns):
        if second.start < first.start:
            wrong.append(f"{what} has a turn at {second.start} s after one at {first.start} s")
    names = {turn.speaker for turn in turns}
    if speakers and len(names) > speakers:
        wrong.append(f"{what} tells of {len(names)} speakers")
