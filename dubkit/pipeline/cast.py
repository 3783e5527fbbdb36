"""Casting: which voice each speaker of a dub gets.

It is the one that the user names; else the engine's voice most similar to the speaker's own; with
``--clone`` the speaker's own, from the clips of :mod:`.references`.
"""

from __future__ import annotations

import contextlib
import logging
import textwrap
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING

from dubkit import languages
from dubkit.cues.media_end import shift
from dubkit.dub import clip as clips
from dubkit.dub.voices import Casting, named_voices, voices_by_speaker, voices_for
from dubkit.engines import Choice, Patience, guarded
from dubkit.errors import DubkitError, OutputError, UsageError
from dubkit.files import cache_folder, read_json, replacing, write_json
from dubkit.hooks import Synthesizer
from dubkit.speech import passages, voiceprint
from dubkit.speech.diarization import find_speaker
from dubkit.speech.sample_texts import TEXTS
from dubkit.speech.voiceprint import Voiceprint
from dubkit.subtitles.source import SourceText
from dubkit.types import Reference, Track, Voice
from dubkit.workspace import Workspace, key_of

from . import references
from .context import Context
from .sound import audio_file, sound_key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

log = logging.getLogger("dubkit")

SAMPLE_LENGTH = 150
"""Characters that voices speak to be compared in a language without a text for that."""
SAMPLE_CUES = 5
GIVE_UP = 2
"""Voices that fail in a row, with none before them compared, after which no more are tried."""
SHOWN = 8
"""Voices that are named as others to choose from."""


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
    chosen = _choices(context, context.options.voice, speakers)
    if context.options.clone:
        own_clips = references.find_references(context, work, text)
        named = named_voices(engine, track.language, chosen, speakers)
        return _named_or_cloned(context, named, own_clips, speakers)
    matched = _match_voices(context, work, text, track, choice, chosen)
    return voices_for(engine, track.language, chosen, speakers, matched)


def check_voices(context: Context, language: str) -> None:
    """Raise UsageError for a voice that the user names and the synthesizer does not have: before
    the long work, when who speaks is not known yet."""
    names = [
        voice or who for who, _, voice in (one.partition("=") for one in context.options.voice)
    ]
    if names:
        named_voices(context.engines.engine(context.synthesizer(language)), language, names, [None])


def _choices(
    context: Context, chosen: Sequence[str], speakers: Sequence[str | None]
) -> tuple[str, ...]:
    """``NAME`` and ``WHO=NAME`` as they were typed, with the name of who is typed as a number or as
    the diarizer calls them."""

    def named(choice: str) -> str:
        who, equals, voice = choice.partition("=")
        found = None if who in speakers else find_speaker(who, context.speakers)
        return f"{context.speakers[found]}={voice}" if equals and found else choice

    return tuple(map(named, chosen))


def conversion_targets(
    context: Context, work: Workspace, text: SourceText, speakers: Sequence[str | None]
) -> Casting:
    """The voice that a converter turns each speaker's lines into: the named one, else their own.

    Raises UsageError for an unknown speaker.
    """
    chosen = _choices(context, context.options.convert_to, speakers)
    named = voices_by_speaker(chosen, speakers)
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
    chosen: Sequence[str],
) -> dict[str, str]:
    """The engine's voices most similar to those of the speakers, via ``voices.<language>.json``.

    It is matching, not cloning: no voice is imitated.
    """
    engine = context.engines.engine(choice)
    installed = list(engine.voices(track.language))
    speakers = [cue.speaker for cue in track.cues]
    named = named_voices(engine, track.language, chosen, speakers)
    taken = {voice.name for voice in named.values()}
    people = set(speakers) - named.keys()
    if len(installed) < 2 or not context.stream or not people:
        return {}
    sample = TEXTS.get(languages.primary(track.language)) or _longest_texts(track)

    about = {"engine": choice.identity, "language": track.language}
    patience = Patience(GIVE_UP)

    def make(path: Path) -> list[str]:
        context.engines.require_server(choice)
        with context.timed("match voices"):
            context.progress("match", 0.0, 0.0)
            audio = references.read_samples(audio_file(context, work))
            track_of_sound = shift(text.track, -context.begin)
            originals = {
                name: _original_voice(audio, spans)
                for name, spans in references.spans_by_speaker(track_of_sound).items()
            }
            known = {name: one for name, one in originals.items() if one.embedding.any()}
            kept = cache_folder() / "voices" / f"{key_of(sample=sample, **about)}.json"
            assigned = _assign(known, _compared(installed, speak, kept), people, taken)
            write_json(path, assigned)
        return [_doubt(name, known[name], voice) for name, voice in assigned.items()
                if voiceprint.is_pitch_doubtful(known[name])]  # fmt: skip

    def speak(name: str) -> Samples:
        part = work.part("voice.wav")
        if patience.exhausted:
            return references.read_samples(None)
        try:
            with guarded(f"voice {name} cannot be compared"):
                engine.speak(
                    sample, part, language=track.language, voice=Voice(name), seconds=None, seed=0
                )
                samples = clips.load(part, voiceprint.RATE)
                patience.success()
                return samples
        except DubkitError as failure:  # a voice that fails is not chosen
            if isinstance(failure, UsageError) and not patience.worked:
                raise  # no line would be spoken either
            patience.failure(failure.message)
            return references.read_samples(None)
        finally:
            clips.remove(part)

    key = key_of(
        sound=sound_key(context, work),
        speakers=[(cue.start, cue.end, cue.speaker) for cue in text.track.cues],
        engine=choice.identity,
        voices=installed,
        pitch="of calm lines",
        **(
            {"named": sorted((str(who), voice.name) for who, voice in named.items())}
            if named
            else {}
        ),
        **references.overlap_key(text.track),
    )
    try:
        path = work.step(f"voices.{track.language}.json", key, make)
        read = read_json(path)
        matched = {name: voice for name, voice in read.items() if isinstance(voice, str)}
    except (OSError, ValueError, AttributeError):  # edited, and not valid any more
        return {}
    _log_choice(matched, [name for name in installed if name not in taken] or installed)
    return matched


def _assign(
    known: Mapping[str, Voiceprint],
    voices: Mapping[str, Voiceprint],
    people: Set[str | None],
    taken: Set[str],
) -> dict[str, str]:
    """A voice for each of ``people``: the one that they would have if nobody's were named, so that
    naming one leaves the others as they are; another only where it is ``taken``."""
    assigned = voiceprint.assign_voices(known, voices)
    assigned = {name: voice for name, voice in assigned.items() if (name or None) in people}
    clash = {name: known[name] for name, voice in assigned.items() if voice in taken}
    used = taken | set(assigned.values())
    free = {name: one for name, one in voices.items() if name not in used}
    return assigned | voiceprint.assign_voices(clash, free)


def _original_voice(audio: Samples, spans: Sequence[tuple[float, float]]) -> Voiceprint:
    """What a speaker sounds like in their calmer lines: a man who shouts is as high as a woman."""
    calm = passages.find_calm(audio, spans)
    cleanest = _cut(audio, passages.find_cleanest(audio, calm))
    pitch = voiceprint.ordinary_pitch(_cut(audio, [span]) for span in calm)
    return Voiceprint(voiceprint.embed(cleanest), pitch)


def _doubt(name: str, original: Voiceprint, voice: str) -> str:
    who = name or "the speaker"
    why = f"calls rather than talks ({original.pitch:.0f} Hz)" if original.pitch else "has no pitch"
    return (
        f"{who} {why}, so whether the voice is high or low is not known: {voice} is chosen by "
        f"likeness alone; --voice {f'{name}=' if name else ''}NAME changes that"
    )


def _log_choice(matched: Mapping[str, str], candidates: Sequence[str]) -> None:
    pairs = ", ".join(f"{name or 'the speaker'} by {voice}" for name, voice in matched.items())
    if pairs:
        example = next((f"{name}=NAME" for name in matched if name), "NAME")
        shown = ", ".join(candidates[:SHOWN]) + (", ..." if len(candidates) > SHOWN else "")
        log.info("spoken by the most similar voices: %s; --voice %s changes that (%s)",
                 pairs, example, shown)  # fmt: skip


def _longest_texts(track: Track) -> str:
    texts = " ".join(sorted((cue.text for cue in track.cues), key=len, reverse=True)[:SAMPLE_CUES])
    return textwrap.shorten(texts, SAMPLE_LENGTH, placeholder="") or texts[:SAMPLE_LENGTH]


def _compared(
    names: Sequence[str], speak: Callable[[str], Samples], kept: Path
) -> dict[str, Voiceprint]:
    """What voices sound like, via ``kept``: an engine's voices are the same for every film."""
    try:
        known = {name: Voiceprint.from_json(value) for name, value in read_json(kept).items()}
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        known = {}
    new = voiceprint.voiceprints([name for name in names if name not in known], speak)
    if new:
        known |= new
        with contextlib.suppress(OSError, OutputError):  # it only takes longer then
            kept.parent.mkdir(parents=True, exist_ok=True)
            with replacing(kept) as part:
                write_json(part, {name: one.to_json() for name, one in known.items()})
    return {name: known[name] for name in names if name in known}


def _cut(audio: Samples, spans: Sequence[tuple[float, float]]) -> Samples:
    import numpy as np

    rate = voiceprint.RATE
    parts = [audio[int(start * rate) : int(end * rate)] for start, end in spans]
    return np.concatenate(parts) if parts else audio[:0]
