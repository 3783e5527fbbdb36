"""Whether a transcriber keeps its contract."""

from __future__ import annotations

import itertools
import math
import tempfile
from pathlib import Path
from typing import Any

from dubkit.languages import is_tag, primary
from dubkit.types import Cue, Track, Transcription, Word

from . import samples
from .findings import Findings, is_number, is_ready, progress, shown, verdict, watched

SLACK = 0.05
"""Seconds by which times may be outside: engines count in frames."""


def check_transcriber(engine: Any, *, speech: str | Path, language: str | None = None) -> None:
    """Have it listen to ``speech`` (any file with sound, some seconds are enough), to silence and
    to next to nothing. ``language`` is what is spoken; None has the engine find out."""
    with verdict("transcribers", engine) as wrong, tempfile.TemporaryDirectory() as temporary:
        if not is_ready("transcribers", engine):
            return
        folder = Path(temporary)
        sound = samples.write_given(speech, folder / "speech/audio.wav", 16_000)
        heard = _heard(wrong, "transcribe()", engine, sound, language, folder / "work")
        if heard and not heard.track.words:
            wrong.append("transcribe() hears no words in the speech that it was given")
        if heard and language and primary(heard.track.language) != primary(language):
            wrong.append(
                f"transcribe() is told language={language!r} and returns {heard.track.language!r}"
            )
        # The folder of its own is still there when a run is taken up again.
        again = "transcribe() with the work folder of an earlier run"
        _heard(wrong, again, engine, sound, language, folder / "work")
        for name, seconds in (("silence", 5.0), ("a tenth of a second of silence", 0.1)):
            silent = samples.write_silence(folder / f"{seconds}/audio.wav", seconds)
            what = f"transcribe() of {name}"
            hints = {"prompt": "Dashwood and Norland.", "hotwords": ("Dashwood",)}
            work = folder / f"work {seconds}"
            heard = _heard(wrong, what, engine, silent, language or "en", work, **hints)
            if heard and heard.track.text.strip():
                wrong.append(f"{what} makes words up: {shown(heard.track.text.strip())}")


def _heard(
    wrong: Findings,
    what: str,
    engine: Any,
    sound: Path,
    language: str | None,
    work: Path,
    **hints: Any,
) -> Transcription | None:
    work.mkdir(exist_ok=True)
    asked = {"language": language, "prompt": "", "hotwords": (), **hints, "work": work}
    told = progress(wrong, what)
    folder = work.parent
    before = len(wrong)
    heard = watched(wrong, what, folder, [work], engine.transcribe, sound, **asked, progress=told)
    if not isinstance(heard, Transcription):
        if heard is not None or len(wrong) == before:
            wrong.append(f"{what} returns {shown(heard)}, not a Transcription")
        return None
    if not (isinstance(heard.track, Track) and isinstance(heard.track.cues, tuple | list)):
        wrong.append(f"{what} returns a track that is none: {shown(heard.track)}")
        return None
    if not is_tag(heard.track.language):
        wrong.append(f"{what} tells the language {heard.track.language!r}, which is no BCP-47 tag")
        return None
    if not (isinstance(heard.model, str) and heard.model):
        wrong.append(f"{what} does not tell which model it used")
    if not all(map(is_number, dict(heard.timings).values())):
        wrong.append(f"{what} returns timings that are no seconds: {shown(heard.timings)}")
    seconds = samples.seconds_of(sound)
    good = [_is_good(wrong, what, cue, seconds) for cue in heard.track.cues]
    return heard if all(good) and _in_order(wrong, what, heard.track) else None


def _is_good(wrong: Findings, what: str, cue: Cue, seconds: float) -> bool:
    before = len(wrong)
    if not (isinstance(cue, Cue) and isinstance(cue.text, str)):
        wrong.append(f"{what} returns a cue that is none: {shown(cue)}")
        return False
    if not all(isinstance(word, Word) and isinstance(word.text, str) for word in cue.words):
        wrong.append(f"{what} returns words that are none: {shown(cue.words)}")
        return False
    if cue.text.strip() and not cue.words:
        wrong.append(f"{what} returns {cue.text!r} without words; each cue needs its own")
    items: tuple[Cue | Word, ...] = (cue, *cue.words)
    for item in items:
        text = item.text.strip()
        if not (is_number(item.start) and is_number(item.end)):
            wrong.append(f"{what} puts {text!r} at {item.start!r} to {item.end!r}: no times")
        elif item.end < item.start:
            wrong.append(f"{what} ends {text!r} at {item.end} s, before its start at {item.start}")
        elif item.end > seconds + SLACK:
            wrong.append(
                f"{what} puts {text!r} at {item.start} to {item.end} s, outside of the sound, "
                f"which is {seconds:.2f} s long"
            )
    for word in cue.words:
        odds = word.probability
        if odds is not None and not (math.isfinite(odds) and 0 <= odds <= 1):
            wrong.append(f"{what} gives {word.text!r} the probability {odds}")
    joined = "".join(word.text for word in cue.words)
    if cue.words and joined.split() != cue.text.split():
        wrong.append(
            f"{what} has the text {cue.text!r} and words that join to {joined!r}; a word carries "
            "its leading space and its punctuation"
        )
    return len(wrong) == before


def _in_order(wrong: Findings, what: str, track: Track) -> bool:
    for first, second in itertools.pairwise(track.words):
        if second.start < first.start:
            wrong.append(
                f"{what} returns {second.text.strip()!r} ({second.start} s) after "
                f"{first.text.strip()!r} ({first.start} s): words must be in order"
            )
            return False
    return True
