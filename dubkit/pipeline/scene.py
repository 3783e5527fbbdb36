"""What of the original's scene a dub takes over: where each line pauses, and what is not words.

The levels of the original's sound show it: those of its speech alone if that was separated.
"""

from __future__ import annotations

import re
import wave
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dubkit.dub import measurement
from dubkit.dub.lines import Line
from dubkit.errors import DubkitError
from dubkit.files import read_json, sha256_of, write_json
from dubkit.hooks import Transcriber
from dubkit.media import audio
from dubkit.media.audio import SPEECH, decode_audio
from dubkit.media.probe import probe
from dubkit.speech import pauses, recognition
from dubkit.subtitles.source import SourceText
from dubkit.types import Cue, Track
from dubkit.workspace import Workspace, key_of

from . import separate
from .context import Context
from .sound import audio_file, levels_of, sound_key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

SHORTEST, LONGEST = 0.15, 5.0
"""Seconds of a sound without words that is kept: a longer one may be a conversation."""
MARGIN = 0.1
"""Seconds of distance from words."""
VOICED = 0.2
"""Share of a breath, at most, that may seem to have a pitch."""
APART = 4.0
"""Seconds of silence between sounds that are listened to for words."""
SOUNDS = "sounds.json"
CRY = re.compile(r"(h*[aeiou]h+|h+[aeiou]{1,2}h*|[aou]|h*m+h*){1,20}", re.IGNORECASE)
"""What a recognizer writes for laughter, sighs and cries."""


def with_phrases(
    context: Context, work: Workspace, script: Sequence[Line], language: str
) -> list[Line]:
    """The lines with the phrases that the original's sound shows, and where its speech begins and
    ends; as they are where it does not."""
    if not context.stream or not script:
        return list(script)
    spans = [(line.start, line.end) for line in script]

    def make(path: Path) -> tuple[()]:
        sound = levels_of_original(context, work)
        write_json(path, [pauses.find_phrases(sound, *span) for span in spans])
        return ()

    separator = context.separator.identity if context.options.separate else None
    key = key_of(sound=sound_key(context, work), separator=separator, spans=spans)
    listed = read_json(work.step(f"phrases.{language}.json", key, make, editable=False))
    found: list[Line] = []
    before = 0.0
    for line, following, phrases in zip(script, [*script[1:], None], listed, strict=True):
        latest = following.start - pauses.EARLY if following else line.end
        if phrases and before <= phrases[0][0] <= max(line.start, latest):
            spoken = tuple((float(start), float(end)) for start, end in phrases)
            line = replace(line, start=spoken[0][0], end=spoken[-1][1], phrases=spoken)
        before = max(before, line.start)
        found.append(line)
    return found


def levels_of_original(context: Context, work: Workspace) -> pauses.Floats:
    """The levels of the original's speech, or of its sound, from the start of the video."""
    import numpy as np

    speech = separate.speech_file(context, work) if context.options.separate else None
    if speech:
        return pauses.levels(decoded(speech), SPEECH.rate)
    levels = levels_of(audio_file(context, work))
    silence = np.full(round(context.begin / pauses.HOP), -120, np.float32)
    return np.concatenate([silence, levels])


def kept_sounds(
    context: Context,
    work: Workspace,
    text: SourceText,
    speech: Sequence[tuple[float, float]],
    sounds: Sequence[Cue],
) -> list[tuple[float, float]]:
    """When to keep the original's sound although its speech was taken out, in seconds: where cues
    describe ``sounds``, and where somebody is as loud as in ``speech``, or breathes, but has no
    words."""
    spans = [(cue.start, cue.end) for cue in sounds]
    if text.format is None:  # the words of a file may not be all that there are
        spans += _without_words(context, work, speech)
    return [
        (round(start, 3), round(end, 3))
        for start, end in outside(spans, speech)
        if end - start >= SHORTEST
    ]


def left_speech(text: Sequence[Line], sound: Sequence[Line]) -> list[tuple[float, float]]:
    """When the original voice is left as it is, in seconds: as lines say by their ``text`` and by
    their ``sound``, and a little before and after, where no other line is."""
    spans = []
    for k, (one, other) in enumerate(zip(text, sound, strict=True)):
        if one.original:
            start, end = min(one.start, other.start), max(one.end, other.end)
            before = start - sound[k - 1].end if k else start
            after = sound[k + 1].start - end if k + 1 < len(sound) else MARGIN * 2
            lead, tail = (min(max(gap / 2, 0.0), MARGIN) for gap in (before, after))
            spans.append((round(start - lead, 3), round(end + tail, 3)))
    return spans


def outside(
    spans: Sequence[tuple[float, float]], others: Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    """The spans without what is within ``MARGIN`` of others; in order, none overlaps another."""
    edges = [
        *((start, 1) for start, _ in spans),
        *((end, -1) for _, end in spans),
        *((start - MARGIN, -len(spans) - 1) for start, _ in others),
        *((end + MARGIN, len(spans) + 1) for _, end in others),
    ]
    found: list[tuple[float, float]] = []
    depth, since = 0, 0.0
    for at, change in sorted(edges):
        if depth > 0 and at > since:
            if found and found[-1][1] == since:
                found[-1] = found[-1][0], at
            else:
                found.append((since, at))
        depth, since = depth + change, at
    return found


def _without_words(
    context: Context, work: Workspace, speech: Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    """When somebody is loud, and the recognizer, listening to that alone, finds no words; and when
    somebody breathes."""
    stem = separate.speech_file(context, work)
    if not stem:
        return []
    choice = context.transcriber

    def make(path: Path) -> tuple[()]:
        sound = pauses.levels(decoded(stem), SPEECH.rate)
        spans = pauses.find_sounds(sound, speech, SHORTEST, LONGEST)
        wordless = _wordless(spans, recognized(spans)) if spans else []
        words = [*speech, *(span for span in spans if span not in wordless)]
        write_json(path, [*wordless, *breaths(stem, sound, words)])
        return ()

    def recognized(spans: Sequence[tuple[float, float]]) -> Track:
        wav = work.part("sounds.wav")
        try:
            _write_apart(stem, spans, wav)
            with context.timed("find sounds"):
                return recognition.transcribe(
                    context.engines.engine(choice),
                    choice.spec,
                    wav,
                    context.options,
                    work.folder_for("sounds", key),
                    context.progress,
                ).track
        finally:
            wav.unlink(missing_ok=True)
            context.engines.done(Transcriber)

    key = key_of(stem=sha256_of(stem), speech=speech, engine=choice.identity)
    try:
        return [(float(a), float(b)) for a, b in read_json(work.step(SOUNDS, key, make))]
    except DubkitError as failure:
        context.warnings.append(f"sounds without words were not looked for: {failure.message}")
    except (OSError, ValueError, TypeError):  # it was edited, and is not valid any more
        pass
    return []


def breaths(
    stem: Path, sound: pauses.Floats, words: Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    """When somebody breathes in the pauses between ``words``; ``sound`` are the levels of the
    speech in the file ``stem``. It is the lack of a voice that distinguishes a breath from a part
    of a word, which a recognizer cannot read either."""
    import numpy as np

    spans = outside(pauses.find_breaths(sound, words), words)
    spans = [(a, b) for a, b in spans if b - a >= SHORTEST]
    samples = (part.astype(np.float32) / np.float32(32768) for part in _parts(stem, spans))
    return [
        span
        for span, one in zip(spans, samples, strict=True)
        if measurement.voiced_share(one) < VOICED
    ]


def _parts(stem: Path, spans: Sequence[tuple[float, float]]) -> list[NDArray[np.int16]]:
    """The samples of the spans, 16 kHz, one channel."""
    if not spans:
        return []
    media, rate = probe(stem), SPEECH.rate
    blocks = decode_audio(media, media.audio[0], SPEECH)
    sizes = [(round(a * rate), round(b * rate)) for a, b in spans]
    return [part[:, 0] for part in audio.cut(blocks, sizes)]


def _write_apart(stem: Path, spans: Sequence[tuple[float, float]], wav: Path) -> None:
    """Write the spans of a file, each with silence after it."""
    import numpy as np

    with wave.open(str(wav), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SPEECH.rate)
        for part, (first, last) in zip(_parts(stem, spans), spans, strict=True):
            length = round((last - first + APART) * SPEECH.rate)
            file.writeframes(np.pad(part, (0, length - len(part))).tobytes())


def _wordless(spans: Sequence[tuple[float, float]], found: Track) -> list[tuple[float, float]]:
    """The spans in which nothing was recognized but cries."""
    kept = []
    at = 0.0
    for start, end in spans:
        after = at + end - start + APART
        texts = [cue.text for cue in found.cues if cue.start < after and cue.end > at]
        if all(CRY.fullmatch(token) for text in texts for token in re.findall(r"[^\W_]+", text)):
            kept.append((start, end))
        at = after
    return kept


def decoded(path: Path) -> Iterator[Samples]:
    """The sound of a file in blocks, 16 kHz, one channel."""
    import numpy as np

    media = probe(path)
    for block in decode_audio(media, media.audio[0], SPEECH):
        yield block[:, 0].astype(np.float32) / np.float32(32768)
