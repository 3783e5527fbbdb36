"""Check that a transcriber keeps its contract."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

from dubkit.hooks import FindsLanguages
from dubkit.languages import is_tag, primary
from dubkit.system.scratch import scratch_folder
from dubkit.types import Cue, Track, Transcription, Word

from . import samples
from .findings import Findings, abbreviate, attempt_watched, is_number, is_ready, progress, verdict

SLACK = 0.05
"""Seconds by which times may exceed the sound: engines count in frames."""


def check_transcriber(engine: Any, *, speech: str | Path, language: str | None = None) -> None:
    """Have it transcribe ``speech`` (any file with sound, a few seconds are enough), silence, and a
    tenth of a second. ``language`` is what is spoken; None has the engine detect it."""
    with verdict("transcribers", engine) as wrong, scratch_folder() as folder:
        if not is_ready("transcribers", engine):
            return
        sound = samples.write_converted(speech, folder / "speech/audio.wav", 16_000)
        result = _transcribe(wrong, "transcribe()", engine, sound, language, folder / "work")
        if result and not result.track.words:
            wrong.append("transcribe() finds no words in the speech that it was given")
        if result and language and primary(result.track.language) != primary(language):
            wrong.append(
                f"transcribe() is given language={language!r} and returns {result.track.language!r}"
            )
        if result and isinstance(engine, FindsLanguages):
            _check_languages(wrong, engine, sound, result.track.language, folder / "work among")
        # Its work folder still exists when a run is resumed.
        again = "transcribe() with the work folder of an earlier run"
        _transcribe(wrong, again, engine, sound, language, folder / "work")
        for name, seconds in (("silence", 5.0), ("a tenth of a second of silence", 0.1)):
            silent = samples.write_silence(folder / f"{seconds}/audio.wav", seconds)
            what = f"transcribe() of {name}"
            hints = {"prompt": "Dashwood and Norland.", "hotwords": ("Dashwood",)}
            work = folder / f"work {seconds}"
            result = _transcribe(wrong, what, engine, silent, language or "en", work, **hints)
            if result and result.track.text.strip():
                wrong.append(f"{what} makes words up: {abbreviate(result.track.text.strip())}")


def _check_languages(
    wrong: Findings, engine: FindsLanguages, sound: Path, spoken: str, work: Path
) -> None:
    """Let it choose between the language that is spoken and another one."""
    among = (spoken, "fi" if primary(spoken) != "fi" else "en")
    what = f"transcribe_among() of {' and '.join(among)}"
    result = _transcribe(wrong, what, engine, sound, among, work)
    if not result:
        return
    found = {result.track.language, *(cue.language for cue in result.track.cues)} - {None}
    if other := sorted(tag for tag in found if tag and tag not in among):
        wrong.append(f"{what} finds {', '.join(other)}")


def _transcribe(
    wrong: Findings,
    what: str,
    engine: Any,
    sound: Path,
    language: str | tuple[str, ...] | None,
    work: Path,
    **hints: Any,
) -> Transcription | None:
    """What it makes of a sound in one language, or in any of several."""
    work.mkdir(exist_ok=True)
    several = isinstance(language, tuple)
    transcribe = engine.transcribe_among if several else engine.transcribe
    arguments = {"prompt": "", "hotwords": (), **hints, "work": work}
    arguments["languages" if several else "language"] = language
    report = progress(wrong, what)
    before = len(wrong)
    result = attempt_watched(
        wrong, what, work.parent, [work], transcribe, sound, **arguments, progress=report
    )
    if not isinstance(result, Transcription):
        if result is not None or len(wrong) == before:
            wrong.append(f"{what} returns {abbreviate(result)}, not a Transcription")
        return None
    if not (isinstance(result.track, Track) and isinstance(result.track.cues, tuple | list)):
        wrong.append(f"{what} returns an invalid track: {abbreviate(result.track)}")
        return None
    if not is_tag(result.track.language):
        wrong.append(
            f"{what} returns the language {result.track.language!r}, which is not a BCP-47 tag"
        )
        return None
    if not (isinstance(result.model, str) and result.model):
        wrong.append(f"{what} does not return which model it used")
    if not all(map(is_number, dict(result.timings).values())):
        wrong.append(f"{what} returns timings that are not seconds: {abbreviate(result.timings)}")
    seconds = samples.seconds_of(sound)
    good = [_is_good(wrong, what, cue, seconds) for cue in result.track.cues]
    return result if all(good) and _is_in_order(wrong, what, result.track) else None


def _is_good(wrong: Findings, what: str, cue: Cue, seconds: float) -> bool:
    before = len(wrong)
    if not (isinstance(cue, Cue) and isinstance(cue.text, str)):
        wrong.append(f"{what} returns an invalid cue: {abbreviate(cue)}")
        return False
    if cue.language is not None and not is_tag(cue.language):
        wrong.append(f"{what} returns a cue in {cue.language!r}, which is not a BCP-47 tag")
    if not all(isinstance(word, Word) and isinstance(word.text, str) for word in cue.words):
        wrong.append(f"{what} returns invalid words: {abbreviate(cue.words)}")
        return False
    if cue.text.strip() and not cue.words:
        wrong.append(f"{what} returns {cue.text!r} without words; each cue needs its own")
    timed: tuple[Cue | Word, ...] = (cue, *cue.words)
    for item in timed:
        text = item.text.strip()
        if not (is_number(item.start) and is_number(item.end)):
            wrong.append(f"{what} puts {text!r} at {item.start!r} to {item.end!r}: not times")
        elif item.end < item.start:
            wrong.append(f"{what} ends {text!r} at {item.end} s, before its start at {item.start}")
        elif item.end > seconds + SLACK:
            wrong.append(
                f"{what} puts {text!r} at {item.start} to {item.end} s, outside of the sound, "
                f"which is {seconds:.2f} s long"
            )
    for word in cue.words:
        chance = word.probability
        if chance is not None and not (math.isfinite(chance) and 0 <= chance <= 1):
            wrong.append(f"{what} gives {word.text!r} the probability {chance}")
    joined = "".join(word.text for word in cue.words)
    if cue.words and joined.split() != cue.text.split():
        wrong.append(
            f"{what} has the text {cue.text!r} and words that join to {joined!r}; a word carries "
            "its leading space and its punctuation"
        )
    return len(wrong) == before


def _is_in_order(wrong: Findings, what: str, track: Track) -> bool:
    for first, second in itertools.pairwise(track.words):
        if second.start < first.start:
            wrong.append(
                f"{what} returns {second.text.strip()!r} ({second.start} s) after "
                f"{first.text.strip()!r} ({first.start} s): words must be in order"
            )
            return False
    return True
