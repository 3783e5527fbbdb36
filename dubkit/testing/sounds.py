"""Check that what analyzes sound, a separator or a diarizer, keeps its contract."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from dubkit.system.scratch import scratch_folder
from dubkit.types import Turn

from . import samples
from .findings import Findings, abbreviate, attempt_watched, is_number, is_ready, progress, verdict

MAX_LOSS = 0.03
"""Share of a sound's RMS that the sum of its two parts may differ by (-30 dB)."""
SLACK = 0.05
"""Seconds by which turns may exceed the sound."""


def check_separator(engine: Any, *, sound: str | Path | None = None) -> None:
    """Have it separate ``sound`` (any file with sound; a voice-like buzz over a chord if none is
    given), and add up the parts."""
    with verdict("separators", engine) as wrong, scratch_folder() as folder:
        if not is_ready("separators", engine):
            return
        whole = folder / "in/whole.wav"
        if sound:
            samples.write_converted(sound, whole, 48_000, 2)
        else:
            samples.write_babble(whole, 4.0, 48_000, 2)
        out = folder / "out"
        out.mkdir()
        parts = (out / "speech.wav", out / "background.wav")
        report, before = progress(wrong, "separate()"), len(wrong)
        call = engine.separate
        attempt_watched(wrong, "separate()", folder, parts, call, whole, *parts, progress=report)
        if len(wrong) == before:
            _compare(wrong, whole, *parts)


def _compare(wrong: Findings, whole: Path, *parts: Path) -> None:
    import numpy as np

    original, rate = samples.read_wav(whole)
    separated = []
    for part in parts:
        try:
            sound, own_rate = samples.read_wav(part)
        except ValueError as fault:
            wrong.append(f"separate() returns, but {part.name} {fault}")
            continue
        if own_rate != rate:
            wrong.append(f"separate() writes {part.name} with {own_rate} Hz, not {rate}")
        elif sound.shape != original.shape:
            wrong.append(
                f"separate() writes {part.name} with {sound.shape[0]} channels of "
                f"{sound.shape[1]} samples, not {original.shape[0]} of {original.shape[1]}"
            )
        else:
            separated.append(sound)
    if len(separated) == 2:
        rest = original - separated[0] - separated[1]
        loss = np.sqrt(np.mean(rest**2) / np.mean(original**2))
        if not loss <= MAX_LOSS:
            wrong.append(
                f"separate() writes two parts that do not add up to the whole: {loss:.0%} of its "
                "level is off"
            )


def check_diarizer(engine: Any, *, speech: str | Path | None = None) -> None:
    """Have it find who speaks when in ``speech`` (any file with sound; a voice-like buzz if none is
    given), for two people, for one, and for an unknown number."""
    with verdict("diarizers", engine) as wrong, scratch_folder() as folder:
        if not is_ready("diarizers", engine):
            return
        audio = folder / "audio.wav"
        if speech:
            samples.write_converted(speech, audio, 16_000)
        else:
            samples.write_babble(audio, 10.0, 16_000)
        for speakers in (None, 2, 1):
            what = f"diarize() with speakers={speakers}"
            report, before = progress(wrong, what), len(wrong)
            turns = attempt_watched(
                wrong, what, audio.parent, [], engine.diarize, audio,
                speakers=speakers, progress=report,
            )  # fmt: skip
            if len(wrong) == before:
                _check_turns(wrong, what, turns, samples.seconds_of(audio), speakers)


def _check_turns(
    wrong: Findings, what: str, turns: Any, seconds: float, speakers: int | None
) -> None:
    if not isinstance(turns, list | tuple) or not all(isinstance(turn, Turn) for turn in turns):
        wrong.append(f"{what} returns {abbreviate(turns)}, not a list or tuple of turns")
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
        wrong.append(f"{what} returns {len(names)} speakers")
