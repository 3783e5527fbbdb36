"""The sound for engines, of all of the film or of the part that is worked on, and what artifacts
that are made from it are called and depend on."""

from __future__ import annotations

import wave
from collections.abc import Iterator, Sequence
from pathlib import Path

from dubkit.cues.media_end import shift_cue
from dubkit.hooks import TranscribeProgress, accept_cues
from dubkit.media.audio import SPEECH
from dubkit.media.extract import extract_audio
from dubkit.speech import pauses
from dubkit.types import Cue
from dubkit.workspace import Workspace, key_of

from .context import Context

AUDIO = "audio.wav"
BLOCK = 1 << 20
"""Samples that are read at once."""


def sound_key(context: Context, work: Workspace) -> str:
    """A cache key for everything that is made from the audio track in use, or the part of it."""
    return _sound_key(context, work, context.part)


def _sound_key(context: Context, work: Workspace, part: tuple[float, float] | None) -> str:
    assert context.media and context.stream
    return key_of(
        source=work.hash_source(context.media.path),
        stream=context.stream.index,
        **({"part": part} if part else {}),
    )


def artifact_of_sound(
    context: Context, work: Workspace, name: str, **about: object
) -> tuple[str, str]:
    """The name and the key of an artifact that is made from the sound, and of what ``about`` says.

    One of the whole film serves for a part as well, and is not replaced by that of a part, which
    has a name of its own.
    """
    whole = key_of(sound=_sound_key(context, work, None), **about)
    if not context.part or not work.outdated(name, whole):
        return name, whole
    return name_of_part(context, name), key_of(sound=sound_key(context, work), **about)


def name_of_part(context: Context, name: str) -> str:
    """The name that an artifact has if it is of the part that is worked on alone."""
    if not context.part:
        return name
    stem, suffix = name.rsplit(".", 1)
    begin, end = (f"{seconds:.3f}".rstrip("0").rstrip(".") for seconds in context.part)
    return f"{stem}.{begin}-{end}.{suffix}"


def audio_file(context: Context, work: Workspace) -> Path:
    """The audio track in use as engines take it, a 16 kHz mono WAV file in the workspace, which
    begins at ``context.begin``."""

    report = context.progress_of("audio", context.seconds)

    def progress(done: float) -> None:
        context.engines.check_starting()  # an engine that cannot start: no need to go on
        report(done)

    def extract(wav: Path) -> list[str]:
        assert context.media and context.stream
        with context.timed("audio"):
            return extract_audio(context.media, context.stream, wav, progress, part=context.part)

    return work.step(AUDIO, sound_key(context, work), extract, editable=False)


def progress_on_timeline(context: Context) -> TranscribeProgress:
    """The callback for a transcriber, which knows only the part that is worked on."""
    accept = accept_cues(context.progress)

    def report(stage: str, done: float, total: float, /, *, cues: Sequence[Cue] = ()) -> None:
        accept(stage, done, total, cues=[shift_cue(cue, context.begin) for cue in cues])

    return report


def levels_of(wav: Path) -> pauses.Floats:
    """The levels of the sound for engines, from its start."""
    return pauses.levels(_blocks(wav), SPEECH.rate)


def _blocks(wav: Path) -> Iterator[pauses.Floats]:
    import numpy as np

    with wave.open(str(wav), "rb") as file:
        while block := file.readframes(BLOCK):
            yield np.frombuffer(block, "<i2").astype(np.float32) / np.float32(32768)
