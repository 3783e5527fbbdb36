"""Reference clips: short files of each speaker's own voice, for engines that imitate it.

Which voice is imitated, and when, is decided in :mod:`.cast`.
"""

from __future__ import annotations

import bisect
import itertools
import wave
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from dubkit.cues.media_end import shift
from dubkit.cues.sentences import ends_sentence
from dubkit.errors import DubkitError, UsageError
from dubkit.files import Made, read_json, write_json
from dubkit.media.audio import SPEECH, AudioFormat, cut, decode_audio
from dubkit.media.extract import extract_audio
from dubkit.media.probe import probe
from dubkit.speech import passages, pauses, recognition
from dubkit.subtitles.source import SourceText
from dubkit.types import Cue, Reference, Track, Voice
from dubkit.workspace import Workspace, key_of

from . import scene, separate
from .context import Context
from .sound import audio_file, sound_key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

SHORTEST, LONGEST = 3.0, 10.0
"""Seconds of a clip."""
LONGEST_PAUSE = 0.7
"""Seconds of a pause across which a clip continues."""
WHOLE = 6.0
"""Decibels of noise that are worse than a clip that begins or ends within a sentence."""
CLIPS = 3
"""Clips of one speaker."""
MOOD = 4.0
"""Decibels by which a loud passage, or a calm one, differs from the usual."""
CLEAN = 12.0
"""Decibels of noise more than in the best passage that one in another mood may have."""
LARGEST_CLIP = 64 * 2**20
"""Bytes; a person may put a clip of their own there, but engines read all of it."""
CLIP = AudioFormat(48_000, "mono", "s16", SPEECH.resampling)


@dataclass(frozen=True, slots=True)
class _Passage:
    """Consecutive cues of one speaker."""

    start: float
    end: float
    text: str
    quality: float
    level: float
    """Of its speech, in dB."""
    language: str

    @property
    def seconds(self) -> float:
        return self.end - self.start


def find_references(
    context: Context, work: Workspace, text: SourceText
) -> dict[str, tuple[Reference, ...]]:
    """Clips of each speaker's cleanest speech with their words, the best first, via
    ``references/``; "" is a speaker without a name. Empty if there is no sound."""
    if not context.stream:
        return {}
    folder = work.folder / "references"

    def make(path: Path) -> tuple[()]:
        with context.timed("find reference clips"):
            audio = read_samples(audio_file(context, work))
            track = shift(text.track, -context.begin)
            background = _background(context, work) if context.options.separate else None
            chosen = [
                (name, passage)
                for name in spans_by_speaker(track)
                for passage in _best_passages(audio, track, name, background)
            ]
            folder.mkdir(exist_ok=True)
            made = Made(folder)
            made.remove(*made.matching("*.wav"))
            begin = context.begin
            spans = [(passage.start + begin, passage.end + begin) for _, passage in chosen]
            files = _write_clips(context, work, spans, folder, made)
            listed: dict[str, list[dict[str, str]]] = {}
            for number, ((name, passage), file) in enumerate(zip(chosen, files, strict=True), 1):
                words, language = passage.text, passage.language
                if text.format:  # a file's text may differ from the speech, even in its language
                    words, language = _transcribe_clip(context, work, file, number)
                clip = {"file": file.name, "text": words, "language": language}
                listed.setdefault(name, []).append(clip)
            write_json(path, listed)
        return ()

    key = key_of(
        sound=sound_key(context, work),
        cues=[(cue.start, _speech_end(cue), cue.speaker, cue.text) for cue in text.track.cues],
        separated=context.options.separate,
        moods=MOOD,
        **overlap_key(text.track),
    )
    path = work.step("references.json", key, make)
    try:
        return {
            name: tuple(
                Reference(folder / Path(one["file"]).name, str(one["text"]), str(one["language"]))
                for one in clips
                if _is_clip(folder / Path(one["file"]).name)
            )
            for name, clips in read_json(path).items()
        }
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return {}  # edited, and not valid any more


def _is_clip(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= LARGEST_CLIP


def cloned_voice(
    context: Context, references: Mapping[str, tuple[Reference, ...]], speaker: str | None
) -> Voice:
    """The voice of a speaker's own clips; whoever has none gets that of another, with a warning.

    Raises UsageError if nobody has any.
    """
    if own := references.get(speaker or ""):
        return Voice("", own)
    others = [clips for clips in references.values() if clips]
    if not others:
        raise UsageError(
            "there is no speech of 3 seconds to clone a voice from", "leave --clone out"
        )
    context.warnings.append(
        f"{speaker or 'a speaker'} speaks too little to clone the voice, and gets another's"
    )
    return Voice("", others[0])


def spans_by_speaker(track: Track) -> dict[str, list[tuple[float, float]]]:
    """When each speaker speaks, in seconds, by name; "" is a speaker without one. Not when others
    speak, too, but for whoever speaks only then."""
    alone: dict[str, list[tuple[float, float]]] = {}
    overlapping: dict[str, list[tuple[float, float]]] = {}
    for cue in track.cues:
        spans = overlapping if cue.overlap else alone
        spans.setdefault(cue.speaker or "", []).append((cue.start, _speech_end(cue)))
    names = dict.fromkeys(cue.speaker or "" for cue in track.cues)
    return {name: alone.get(name) or overlapping[name] for name in names}


def overlap_key(track: Track) -> dict[str, object]:
    """What a step that leaves out overlapping cues depends on, beside the cues; empty without any,
    as before there was such a mark."""
    numbers = [number for number, cue in enumerate(track.cues) if cue.overlap]
    return {"overlapping": numbers} if numbers else {}


def _speech_end(cue: Cue) -> float:
    return cue.words[-1].end if cue.words else cue.end


def read_samples(path: Path | None) -> Samples:
    """The samples, -1 to 1, of a 16-bit mono WAV file; none for None."""
    import numpy as np

    if path is None:
        return np.zeros(0, np.float32)
    with wave.open(str(path), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return samples.astype(np.float32) / np.float32(32768)


def _background(context: Context, work: Workspace) -> pauses.Floats | None:
    """The levels of all but the speech, of the part that is worked on."""
    file = separate.background_file(context, work)
    if not file:
        return None
    levels = pauses.levels(scene.decoded(file), SPEECH.rate)
    return levels[round(context.begin / pauses.HOP) :]


def _best_passages(
    audio: Samples, track: Track, speaker: str, background: pauses.Floats | None = None
) -> list[_Passage]:
    """A speaker's best recorded passages of whole cues, the best first; then a loud one and a calm
    one, if there are such, before others that are good."""
    others = pauses.joined(
        sorted((cue.start, _speech_end(cue)) for cue in track.cues
               if (cue.speaker or "") != speaker)
    )  # fmt: skip
    ends = [end for _, end in others]
    candidates: list[_Passage] = []
    for first, cue in enumerate(track.cues):
        if (cue.speaker or "") != speaker or cue.overlap:
            continue
        count, is_whole = _longest_passage(track, first)
        end = _speech_end(track.cues[first + count - 1])
        following = bisect.bisect_right(ends, cue.start)
        if following < len(others) and others[following][0] < end:
            continue
        begins = first == 0 or _ends_sentence(track, first - 1)
        quality = passages.quality(audio, (cue.start, end), SHORTEST, background)
        quality -= WHOLE * ((not begins) + (not is_whole))
        words = " ".join(" ".join(one.text for one in track.cues[first : first + count]).split())
        level = passages.level(audio, (cue.start, end))
        end = min(end, cue.start + LONGEST)
        if end - cue.start >= 1.0:
            language = track.language_of(cue)
            candidates.append(_Passage(cue.start, end, words, quality, level, language))
    candidates.sort(key=lambda passage: -passage.quality)
    if not candidates:
        return []
    best = candidates[0]
    usual = median(one.level for one in candidates)
    good = [one for one in candidates if one.seconds >= SHORTEST and one is not best]
    clean = [one for one in good if one.quality >= best.quality - CLEAN]
    loud = [one for one in clean if one.level >= usual + MOOD and one.level >= best.level + MOOD]
    calm = [one for one in clean if one.level <= usual - MOOD and one.level <= best.level - MOOD]
    kept = [best]
    for several in (loud, calm, good, good):
        if len(kept) == CLIPS:
            break
        apart = (
            one
            for one in several
            if all(one.end <= other.start or one.start >= other.end for other in kept)
        )
        kept += itertools.islice(apart, 1)
    return kept


def _longest_passage(track: Track, first: int) -> tuple[int, bool]:
    """How many cues from ``first`` are the longest clip, and whether it ends with a sentence; one
    that does is preferred if it is not too short."""
    start, end = track.cues[first].start, _speech_end(track.cues[first])
    longest = whole = 0
    for number in range(first, len(track.cues)):
        cue = track.cues[number]
        apart = (
            (cue.speaker, cue.language) != (track.cues[first].speaker, track.cues[first].language)
            or cue.overlap
            or cue.start - end > LONGEST_PAUSE
        )
        end = _speech_end(cue)
        if number > first and (apart or end - start > LONGEST):
            break
        longest = number - first + 1
        if end - start >= SHORTEST and _ends_sentence(track, number):
            whole = longest
    return (whole, True) if whole else (longest, _ends_sentence(track, first + longest - 1))


def _ends_sentence(track: Track, number: int) -> bool:
    """Whether a sentence ends with a cue; it does where another person or language goes on."""
    cue, *after = track.cues[number : number + 2]
    if not after or (after[0].speaker, after[0].language) != (cue.speaker, cue.language):
        return True
    return ends_sentence(cue.text, after[0].text, track.language_of(cue))


def _write_clips(
    context: Context,
    work: Workspace,
    spans: Sequence[tuple[float, float]],
    folder: Path,
    made: Made,
) -> Iterator[Path]:
    """Write each span of the original's speech to a file of its own."""
    assert context.media and context.stream
    media, stream = context.media, context.stream
    if context.options.separate and (speech := separate.speech_file(context, work)):
        media = probe(speech)
        stream = media.audio[0]
    rate = CLIP.rate
    last = max((end for _, end in spans), default=0.0)
    blocks = decode_audio(media, stream, CLIP, length=round(last * rate))
    parts = cut(blocks, [(round(start * rate), round(end * rate)) for start, end in spans])
    names = (
        name for number in itertools.count(1) if not (folder / (name := f"{number}.wav")).exists()
    )
    for part, name in zip(parts, names, strict=False):
        new = work.part(name)
        with wave.open(str(new), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(part.tobytes())
        made.add(name)
        yield new.replace(folder / name)


def _transcribe_clip(context: Context, work: Workspace, clip: Path, number: int) -> tuple[str, str]:
    """The words of a clip and their language; both empty, with a warning, if it fails."""
    choice = context.transcriber
    part = work.part("reference.wav")
    try:
        media = probe(clip)
        extract_audio(media, media.audio[0], part)
        engine = context.engines.engine(choice)
        folder = work.folder_for("reference", str(number))
        track = recognition.transcribe(
            engine, choice.spec, part, context.options, folder, context.progress
        ).track
        return " ".join(track.text.split()), track.language
    except DubkitError as failure:
        context.warnings.append(f"a reference clip could not be transcribed: {failure.message}")
        return "", ""
    finally:
        part.unlink(missing_ok=True)
