"""Casting: which voice each speaker of a dub gets.

It is the one that the user names; else the engine's voice most similar to the speaker's own; with
``--clone`` the speaker's own, from the clips of :mod:`.references`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dubkit.dub import clip as clips
from dubkit.dub.voices import Casting, named_voices, voices_by_speaker, voices_for
from dubkit.engines import Choice, guarded
from dubkit.errors import DubkitError
from dubkit.files import read_json, write_json
from dubkit.hooks import Synthesizer
from dubkit.speech import passages, voiceprint
from dubkit.subtitles.source import SourceText
from dubkit.types import Reference, Track, Voice
from dubkit.workspace import Workspace, key_of

from . import references
from .context import Context, audio_file, sound_key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

SAMPLE_LENGTH = 150
"""Characters that each of an engine's voices speaks to be compared. With half of it, what is spoken
moves the similarity by 0.05, more than a man and a woman are apart for some speakers."""
SAMPLE_CUES = 5


def cast_voices(
    context: Context,
    work: Workspace,
    text: SourceText,
    track: Track,
    choice: Choice[Synthesizer],
) -> Casting:
    """The voices that a synthesizer speaks ``track`` in.

    Raises UsageError for an unknown voice or speaker.
    """
    engine = context.engines.engine(choice)
    speakers = [cue.speaker for cue in track.cues] or [None]
    if context.options.clone:
        own_clips = references.find_references(context, work, text)
        named = named_voices(engine, track.language, context.options.voice, speakers)
        return _named_or_cloned(context, named, own_clips, speakers)
    matched = _match_voices(context, work, text, track, choice)
    return voices_for(engine, track.language, context.options.voice, speakers, matched)


def conversion_targets(
    context: Context, work: Workspace, text: SourceText, speakers: Sequence[str | None]
) -> Casting:
    """The voice that a converter turns each speaker's lines into: the named one, else their own.

    Raises UsageError for an unknown speaker.
    """
    named = voices_by_speaker(context.options.convert_to, speakers)
    if all(speaker in named for speaker in speakers):
        return named
    own_clips = references.find_references(context, work, text)
    if not own_clips:  # a converter may have just one voice, which needs no name
        return {speaker: named.get(speaker, Voice()) for speaker in speakers}
    return _named_or_cloned(context, named, own_clips, speakers)


def _named_or_cloned(
    context: Context,
    named: Casting,
    own_clips: Mapping[str, tuple[Reference, ...]],
    speakers: Sequence[str | None],
) -> Casting:
    """The voice that the user names for each speaker, else the speaker's own."""
    return {
        speaker: named.get(speaker) or references.cloned_voice(context, own_clips, speaker)
        for speaker in dict.fromkeys(speakers)
    }


def _match_voices(
    context: Context,
    work: Workspace,
    text: SourceText,
    track: Track,
    choice: Choice[Synthesizer],
) -> dict[str, str]:
    """The engine's voices most similar to those of the speakers, via ``voices.<language>.json``.

    It is matching, not cloning: no voice is imitated.
    """
    engine = context.engines.engine(choice)
    installed = list(engine.voices(track.language))
    speakers = [cue.speaker for cue in track.cues]
    named = named_voices(engine, track.language, context.options.voice, speakers)
    taken = {voice.name for voice in named.values()}
    people = set(speakers) - named.keys()
    free = [name for name in installed if name not in taken]
    candidates = free if len(free) >= len(people) else installed
    if len(candidates) < 2 or not context.stream or not people:
        return {}
    texts = " ".join(sorted((cue.text for cue in track.cues), key=len, reverse=True)[:SAMPLE_CUES])
    sample = textwrap.shorten(texts, SAMPLE_LENGTH, placeholder="") or texts[:SAMPLE_LENGTH]

    def make(path: Path) -> tuple[()]:
        with context.timed("match voices"):
            context.progress("match", 0.0, 0.0)
            audio = references.read_samples(audio_file(context, work))
            originals = {
                name: voiceprint.voiceprint(_cut(audio, passages.find_cleanest(audio, spans)))
                for name, spans in references.spans_by_speaker(text.track).items()
                if (name or None) in people
            }
            known = {name: one for name, one in originals.items() if one.embedding.any()}
            voices = voiceprint.voiceprints(candidates, speak)
            write_json(path, voiceprint.assign_voices(known, voices) if voices else {})
        return ()

    def speak(name: str) -> Samples:
        part = work.part("voice.wav")
        try:
            with guarded(f"voice {name} cannot be compared"):
                engine.speak(
                    sample, part, language=track.language, voice=Voice(name), seconds=None, seed=0
                )
                return clips.load(part, voiceprint.RATE)
        except DubkitError:  # a voice that fails is not chosen
            return references.read_samples(None)
        finally:
            clips.remove(part)

    key = key_of(
        sound=sound_key(context, work),
        speakers=[(cue.start, cue.end, cue.speaker) for cue in text.track.cues],
        engine=choice.identity,
        voices=candidates,
        **({"named": sorted(map(str, named))} if named else {}),
    )
    try:
        path = work.step(f"voices.{track.language}.json", key, make)
        matched = read_json(path)
        return {name: voice for name, voice in matched.items() if isinstance(voice, str)}
    except (OSError, ValueError, AttributeError):  # edited, and not valid any more
        return {}


def _cut(audio: Samples, spans: Sequence[tuple[float, float]]) -> Samples:
    import numpy as np

    rate = voiceprint.RATE
    parts = [audio[int(start * rate) : int(end * rate)] for start, end in spans]
    return np.concatenate(parts) if parts else audio[:0]
