"""Who speaks in which voice: one that is named, the engine's most like the speaker's own, or clips
of the speaker's own to clone."""

from __future__ import annotations

import json
import textwrap
import wave
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubkit import workspace
from dubkit.dub import clip as clips
from dubkit.dub.voices import Casting, named_voices, voices_by_speaker, voices_for
from dubkit.engines import Choice, guarded
from dubkit.errors import DubkitError, UsageError
from dubkit.files import write_json
from dubkit.hooks import Synthesizer
from dubkit.media.audio import SPEECH, AudioFormat, decode_audio, extract_audio
from dubkit.media.probe import probe
from dubkit.speech import passages as passages_module
from dubkit.speech import recognition, voiceprint
from dubkit.subtitles.source import SourceText
from dubkit.types import Cue, Reference, Track, Voice
from dubkit.workspace import Workspace, key_of

from . import separate
from .context import Context, audio, sound_key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Sound = NDArray[np.float32]

SHORTEST, LONGEST = 3.0, 10.0
"""Seconds of a reference clip."""
JOINED = 0.7
"""Seconds of a pause over which a reference clip goes on."""
SAMPLE = 90
"""Characters that each of an engine's voices says to be compared."""
CLIPS = 3
"""Reference clips of a speaker."""
CLIP = AudioFormat(48_000, "mono", "s16", SPEECH.resampling)


def cast(
    context: Context,
    work: Workspace,
    text: SourceText,
    track: Track,
    choice: Choice[Synthesizer],
    engine: Synthesizer,
) -> Casting:
    """The voices that ``track`` is spoken in by a speaker engine.

    Raises UsageError for a voice or a speaker that is not there.
    """
    speakers = [cue.speaker for cue in track.cues] or [None]
    if context.options.clone:
        own = references(context, work, text)
        given = named_voices(engine, track.language, context.options.voice, speakers)
        return {
            one: given.get(one) or _cloned(context, own, one) for one in dict.fromkeys(speakers)
        }
    matched = _matched(context, work, text, track, choice, engine)
    return voices_for(engine, track.language, context.options.voice, speakers, matched)


def targets(
    context: Context, work: Workspace, text: SourceText, speakers: Sequence[str | None]
) -> Casting:
    """Whose voice a converter is to make each speaker's: the one that is named, else their own.

    Raises UsageError for a speaker that is not there.
    """
    given = voices_by_speaker(context.options.convert_to, speakers)
    if all(one in given for one in speakers):
        return given
    own = references(context, work, text)
    if not own:  # a converter may know one voice only, and need not be told
        return {one: given.get(one, Voice()) for one in speakers}
    return {one: given.get(one) or _cloned(context, own, one) for one in dict.fromkeys(speakers)}


# ---------------------------------------------------------------- the most alike


def _matched(
    context: Context,
    work: Workspace,
    text: SourceText,
    track: Track,
    choice: Choice[Synthesizer],
    engine: Synthesizer,
) -> dict[str, str]:
    """The engine's voices most like those of the speakers, by way of ``voices.<language>.json``.

    It is matching, not cloning: nobody's voice is imitated.
    """
    there = list(engine.voices(track.language))
    speakers = [cue.speaker for cue in track.cues]
    given = named_voices(engine, track.language, context.options.voice, speakers)
    taken = {voice.name for voice in given.values()}
    people = set(speakers) - given.keys()
    free = [name for name in there if name not in taken]
    names = free if len(free) >= len(people) else there
    if len(names) < 2 or not context.stream or not people:
        return {}
    longest = " ".join(max((cue.text for cue in track.cues), key=len).split())
    sample = textwrap.shorten(longest, SAMPLE, placeholder="") or longest[:SAMPLE]

    def make(path: Path) -> tuple[()]:
        with context.timed("match voices"):
            context.progress("match", 0.0, 0.0)
            heard = _samples(audio(context, work))
            originals = {
                name: voiceprint.voiceprint(
                    _cut(heard, passages_module.find_cleanest(heard, spans))
                )
                for name, spans in _spans(text.track).items()
                if (name or None) in people
            }
            known = {name: one for name, one in originals.items() if one.embedding.any()}
            voices = voiceprint.voiceprints(names, speak)
            write_json(path, voiceprint.assign_voices(known, voices) if voices else {})
        return ()

    def speak(name: str) -> Sound:
        part = work.folder / f"voice{workspace.PART}.wav"
        try:
            with guarded(f"voice {name} cannot be compared"):
                engine.speak(
                    sample, part, language=track.language, voice=Voice(name), seconds=None, seed=0
                )
                return clips.load(part, voiceprint.RATE)
        except DubkitError:  # a voice that fails is not chosen
            return _samples(None)
        finally:
            clips.remove(part)

    key = key_of(
        sound=sound_key(context, work),
        speakers=[(cue.start, cue.end, cue.speaker) for cue in text.track.cues],
        engine=choice.identity,
        voices=names,
        **({"given": sorted(map(str, given))} if given else {}),
    )
    try:
        path = work.step(f"voices.{track.language}.json", key, make)
        read = json.loads(path.read_text("utf-8"))
        return {str(name): str(voice) for name, voice in read.items()}
    except (ValueError, AttributeError):  # somebody's edit that is no JSON
        return {}


def _spans(track: Track) -> dict[str, list[tuple[float, float]]]:
    """When each speaker speaks, by name; "" is who has none."""
    people: dict[str, list[tuple[float, float]]] = {}
    for cue in track.cues:
        people.setdefault(cue.speaker or "", []).append((cue.start, _end(cue)))
    return people


def _end(cue: Cue) -> float:
    return cue.words[-1].end if cue.words else cue.end


def _samples(path: Path | None) -> Sound:
    import numpy as np

    if path is None:
        return np.zeros(0, np.float32)
    with wave.open(str(path), "rb") as file:
        heard = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return heard.astype(np.float32) / np.float32(32768)


def _cut(heard: Sound, spans: Sequence[tuple[float, float]]) -> Sound:
    import numpy as np

    rate = voiceprint.RATE
    parts = [heard[int(start * rate) : int(end * rate)] for start, end in spans]
    return np.concatenate(parts) if parts else heard[:0]


# ---------------------------------------------------------------- the speaker's own


@dataclass(frozen=True, slots=True)
class _Passage:
    """Cues that one speaker says in a row."""

    start: float
    end: float
    text: str
    worth: float


def references(
    context: Context, work: Workspace, text: SourceText
) -> dict[str, tuple[Reference, ...]]:
    """Clips of each speaker's cleanest speech with what is said in them, the best first, by way of
    ``references/``; "" is who has no name. Empty where there is no sound."""
    if not context.stream:
        return {}
    folder = work.folder / "references"

    def make(path: Path) -> tuple[()]:
        with context.timed("find reference clips"):
            heard = _samples(audio(context, work))
            chosen = {name: _passages(heard, text.track, name) for name in _spans(text.track)}
            folder.mkdir(exist_ok=True)
            for old in folder.glob("*.wav"):
                old.unlink()
            listed: dict[str, list[dict[str, str]]] = {}
            places = [(name, one) for name, passages in chosen.items() for one in passages]
            spans = [(one.start, one.end) for _, one in places]
            for number, ((name, one), file) in enumerate(
                zip(places, _clips(context, work, spans, folder), strict=True), 1
            ):
                said, language = one.text, text.track.language
                if text.format:  # a file's text may be another's words, in another language
                    said, language = _said(context, work, file, number)
                about = {"file": file.name, "text": said, "language": language}
                listed.setdefault(name, []).append(about)
            write_json(path, listed)
        return ()

    key = key_of(
        sound=sound_key(context, work),
        cues=[(cue.start, _end(cue), cue.speaker, cue.text) for cue in text.track.cues],
        separated=context.options.separate,
    )
    path = work.step("references.json", key, make)
    try:
        return {
            str(name): tuple(
                Reference(folder / Path(one["file"]).name, str(one["text"]), str(one["language"]))
                for one in found
                if (folder / Path(one["file"]).name).is_file()
            )
            for name, found in json.loads(path.read_text("utf-8")).items()
        }
    except (ValueError, AttributeError, KeyError, TypeError):  # somebody's edit
        return {}


def _cloned(
    context: Context, own: Mapping[str, tuple[Reference, ...]], speaker: str | None
) -> Voice:
    """The voice of a speaker's own clips; whoever says too little gets that of another."""
    if found := own.get(speaker or ""):
        return Voice("", found)
    others = [found for found in own.values() if found]
    if not others:
        raise UsageError(
            "there is no speech of 3 seconds to clone a voice from", "leave --clone out"
        )
    context.warnings.append(
        f"{speaker or 'somebody'} says too little to clone a voice from, and gets another's"
    )
    return Voice("", others[0])


def _passages(heard: Sound, track: Track, speaker: str) -> list[_Passage]:
    """What a speaker says most clearly, in passages that whole cues make up, the best first."""
    others = [(cue.start, _end(cue)) for cue in track.cues if (cue.speaker or "") != speaker]
    found: list[_Passage] = []
    for first, cue in enumerate(track.cues):
        if (cue.speaker or "") != speaker:
            continue
        end, said = _end(cue), [cue.text]
        for after in track.cues[first + 1 :]:
            if (after.speaker or "") != speaker or after.start - end > JOINED:
                break
            if _end(after) - cue.start > LONGEST:
                break
            end = _end(after)
            said.append(after.text)
        if any(start < end and cue.start < stop for start, stop in others):
            continue
        worth = passages_module.quality(heard, (cue.start, end), SHORTEST)
        words = " ".join(" ".join(said).split())
        found.append(_Passage(cue.start, min(end, cue.start + LONGEST), words, worth))
    found.sort(key=lambda one: -one.worth)
    kept: list[_Passage] = []
    for one in found:
        apart = all(one.end <= other.start or one.start >= other.end for other in kept)
        long = one.end - one.start >= SHORTEST or not kept
        if apart and long and one.end - one.start >= 1.0 and len(kept) < CLIPS:
            kept.append(one)
    return kept


def _clips(
    context: Context, work: Workspace, spans: Sequence[tuple[float, float]], folder: Path
) -> Iterator[Path]:
    """Each span of the original's speech, as a file."""
    import numpy as np

    assert context.media and context.stream
    film, stream = context.media, context.stream
    if context.options.separate and (alone := separate.speech(context, work)):
        film = probe(alone)
        stream = film.audio[0]
    rate = CLIP.rate
    parts: list[list[Any]] = [[] for _ in spans]
    at = 0
    last = max((end for _, end in spans), default=0.0)
    for block in decode_audio(film, stream, CLIP, length=round(last * rate)):
        for part, (start, end) in zip(parts, spans, strict=True):
            first, stop = round(start * rate) - at, round(end * rate) - at
            if first < len(block) and stop > 0:
                part.append(block[max(0, first) : stop].copy())
        at += len(block)
    for number, part in enumerate(parts, 1):
        path = folder / f"{number}.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(np.concatenate(part).tobytes() if part else b"")
        yield path


def _said(context: Context, work: Workspace, clip: Path, number: int) -> tuple[str, str]:
    """What is said in a clip and in which language, as the transcriber hears it; empty where it
    cannot."""
    chosen = context.transcriber
    part = work.folder / f"reference{workspace.PART}.wav"
    try:
        found = probe(clip)
        extract_audio(found, found.audio[0], part)
        engine = context.engines.engine(chosen)
        folder = work.folder_for("reference", str(number))
        heard = recognition.transcribe(
            engine, chosen.spec, part, context.options, folder, context.progress
        ).track
        return " ".join(heard.text.split()), heard.language
    except DubkitError as failure:
        context.warnings.append(f"what a reference clip says is not known: {failure.message}")
        return "", ""
    finally:
        part.unlink(missing_ok=True)
