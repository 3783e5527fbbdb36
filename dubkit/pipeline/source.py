"""The source stage: the text that all else is made from, recognised or read from a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from dubkit import subtitles
from dubkit.cues import check, segment
from dubkit.cues.segment import clip_to_media
from dubkit.files import sha256_of, write_json
from dubkit.media import subtitle_streams
from dubkit.options import EMBEDDED
from dubkit.speech import diarization, recognition
from dubkit.subtitles import source as source_text
from dubkit.subtitles.source import SourceText
from dubkit.types import SubtitleStream, Track
from dubkit.workspace import Workspace, key_of

from . import diarize, edits, report
from .context import AUDIO, Context, audio, sound_key, translator_for

TRANSCRIPT = "transcript.json"


def read_source(context: Context, work: Workspace) -> SourceText:
    """The cues that all else is made from: a file's, a track's of the video, or recognised."""
    options = context.options
    wanted = EMBEDDED.fullmatch(options.subs_from or "")
    if context.media and not options.subs_from:
        return SourceText(_cues(context, work, transcript_file(context, work)))
    if context.media and wanted:
        stream = subtitle_streams.pick(context.media, wanted[1] or "")
        key = key_of(source=work.hash_source(context.source), stream=stream.index)
        name = f"embedded{subtitle_streams.suffix(stream)}"
        found = work.step(name, key, lambda out: _extracted(context, stream, out))
        text = source_text.read(found, options.language or stream.language)
    elif context.media:
        text = source_text.read(Path(options.subs_from or "").expanduser(), options.language)
    else:
        work.hash_source(context.source)
        text = source_text.read(context.source, options.language)
    if options.retime:
        text = replace(text, track=segment.fit_cues(text.track, options.profile, context.rate))
    if diarize.wanted(context, text.track):
        turns = diarize.turns(context, work)
        text = replace(text, track=diarization.assign_speakers(text.track, turns))
    return _editable(work, text)


def _editable(work: Workspace, text: SourceText) -> SourceText:
    """The text of a file by way of ``text.<language>.json``, where people may edit it as they may
    cues that were recognised: the file itself is never changed."""
    content = subtitles.render(text.track, "json")
    name, key = f"text.{text.track.language}.json", key_of(text=content)

    def make(path: Path) -> tuple[()]:
        path.write_text(content, "utf-8")
        return ()

    path = edits.step(work, name, key, make)
    if not work.is_edited(name, key):
        return text
    return replace(text, track=source_text.read_edited(path), edited=True)


def _extracted(context: Context, stream: SubtitleStream, out: Path) -> list[str]:
    assert context.media
    with context.timed("extract"):
        subtitle_streams.extract(context.media, stream, out)
    return []


def transcript_file(context: Context, work: Workspace) -> Path:
    """``transcript.json``: what was said, with times, as the engine heard it."""
    options, chosen = context.options, context.transcriber
    sound = sound_key(context, work)
    key = key_of(
        sound=sound,
        engine=chosen.identity,
        language=options.language,
        prompt=options.prompt,
        hotwords=options.hotwords,
    )

    def make(path: Path) -> list[str]:
        # Long work lies ahead: what cannot be translated afterwards is better known now.
        for target in options.to:
            if target != options.language:
                translator_for(context, options.language, target, now=True)
        with context.timed("load"):
            transcriber = context.engines.engine(chosen)
        wav = audio(context, work)
        with context.timed("transcribe"):
            folder = work.folder_for("transcribe", key)
            heard = recognition.transcribe(
                transcriber, chosen.spec, wav, options, folder, context.progress
            )
        for part, seconds in heard.timings.items():
            context.timings[f"transcribe: {part}"] = seconds
        transcript = json.loads(subtitles.render(heard.track, "json"))
        write_json(path, {**transcript, "model": heard.model})
        return [*work.warnings_of(AUDIO), *heard.warnings]

    return work.step(TRANSCRIPT, key, make)


def _cues(context: Context, work: Workspace, transcript: Path) -> Track:
    """The transcript as readable cues, by way of ``cues.<language>.json``."""
    spoken = _as_edited(source_text.read_edited(transcript))
    profile, rate = context.options.profile, context.rate
    turns = diarize.turns(context, work) if diarize.wanted(context, spoken) else []
    name = f"cues.{spoken.language}.json"
    key = key_of(transcript=sha256_of(transcript), profile=profile, rate=rate)
    # Cues that somebody edited before anyone asked who speaks are rather parted than made anew.
    if turns and not work.is_edited(name, key):
        key = key_of(transcript=sha256_of(transcript), profile=profile, rate=rate, turns=turns)
        spoken = diarization.assign_speakers(spoken, turns)

    def make(path: Path) -> tuple[()]:
        with context.timed("cues"):
            track = clip_to_media(segment.from_words(spoken, profile, rate), context.media)
        path.write_text(subtitles.render(track, "json"), "utf-8")
        return ()

    track = source_text.read_edited(edits.step(work, name, key, make))
    if turns and not any(cue.speaker for cue in track.cues):
        track = diarization.assign_speakers(track, turns)
    if not track.cues:
        context.warnings.append("no speech was found, so there is nothing to show")
    if context.options.original:
        context.warnings += report.told(check.check(track, profile, rate))
    return track


def _as_edited(track: Track) -> Track:
    """The track with its text as it stands: where a person changed a segment's text and not its
    words, the words no longer tell what is said, and the text shares the segment's time."""

    def plain(text: str) -> str:
        return "".join(text.split())

    return replace(
        track,
        cues=tuple(
            cue
            if plain(cue.text) == plain("".join(word.text for word in cue.words))
            else replace(cue, words=())
            for cue in track.cues
        ),
    )
