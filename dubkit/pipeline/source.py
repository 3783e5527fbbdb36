"""The source stage: the text that everything else is made from, recognized or read from a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from dubkit import subtitles
from dubkit.cues import segment
from dubkit.cues.fit import fit_cues
from dubkit.cues.media_end import clip_to_end, has_words, shift, within_part
from dubkit.errors import InputError, MissingDependency
from dubkit.files import LARGEST_TEXT, at_home, sha256_of, write_json
from dubkit.hooks import Aligner, Diarizer, Transcriber
from dubkit.media import subtitle_streams
from dubkit.options import EMBEDDED
from dubkit.speech import diarization, recognition
from dubkit.subtitles import source as source_text
from dubkit.subtitles.source import SourceText
from dubkit.types import SubtitleStream, Track
from dubkit.workspace import Workspace, key_of

from . import diarize, dub, edits, report, result_edits, script
from .context import Context, translator_for
from .part import text_within
from .sound import AUDIO, artifact_of_sound, audio_file, progress_on_timeline

TRANSCRIPT = "transcript.json"


def read_source(context: Context, work: Workspace) -> SourceText:
    """The cues that everything else is made from: recognized from the speech, or read from a
    subtitle file or a subtitle track of the video."""
    if context.media and not context.options.subs_from:
        text = _recognized_cues(context, work, transcript_file(context, work))
    else:
        text = _subtitle_text(context, work)
    context.engines.done(Transcriber, Aligner, Diarizer)
    context.warnings += text.warnings
    if late := len(text.track.cues) - len(text.within(context.media).track.cues):
        begin = f"{late} of {len(text.track.cues)} cues begin" + ("s" if late == 1 else "")
        context.warnings.append(
            f"{begin} after the end of {context.source.name}, which leaves it out of the video, "
            "and of a dub; is the text for another version?"
        )
    return text


def read_transcript(context: Context, transcript: Path) -> Track:
    """The words of the speech in the part that is worked on, from :func:`transcript_file`."""
    return within_part(source_text.read_edited(transcript), context.part)


def transcript_artifact(context: Context, work: Workspace) -> tuple[str, str]:
    """The name and the key of :func:`transcript_file`."""
    options = context.options
    return artifact_of_sound(
        context,
        work,
        TRANSCRIPT,
        engine=context.transcriber.identity,
        language=options.language,
        prompt=options.prompt,
        hotwords=options.hotwords,
    )


def transcript_file(context: Context, work: Workspace) -> Path:
    """``transcript.json``: the words of the speech with their times, as the engine recognized
    them; ``transcript.60-210.json`` of a part of the film."""
    options, choice = context.options, context.transcriber
    name, key = transcript_artifact(context, work)

    def make(path: Path) -> list[str]:
        # Transcribing takes long: if there is no way to translate afterwards, better know it now.
        for target in options.to:
            if target != options.spoken:
                try:
                    translator_for(context, options.spoken, target, prepared=True)
                except MissingDependency as failure:
                    context.do_without(target, failure)
        with context.timed("load", planned=False):
            context.engines.start(choice, options.spoken, options.languages)
        wav = audio_file(context, work)
        with context.timed("load"):
            context.progress("load", 0.0, 0.0)
            transcriber = context.engines.engine(choice)
        with context.timed("transcribe"):
            folder = work.folder_for("transcribe", key)
            transcription = recognition.transcribe(
                transcriber, choice.spec, wav, options, folder, progress_on_timeline(context)
            )
        for part, seconds in transcription.timings.items():
            context.timings[f"transcribe: {part}"] = seconds
        track = shift(transcription.track, context.begin)
        transcript = json.loads(subtitles.render(track, "json"))
        write_json(path, {**transcript, "model": transcription.model})
        return [*work.warnings_of(AUDIO), *transcription.warnings]

    return work.step(name, key, make)


# ---------------------------------------------------------------- recognized speech


def _recognized_cues(context: Context, work: Workspace, transcript: Path) -> SourceText:
    """The transcript as readable cues, via ``cues.<language>.json``."""
    speech = _without_stale_words(read_transcript(context, transcript))
    if context.options.script:
        speech = script.with_script(context, work, speech, transcript)
    elif context.options.aligner != "auto":
        speech = script.with_better_times(context, work, speech, transcript)
    profile, rate = context.options.reading, context.rate
    turns = diarize.find_turns(context, work) if diarize.is_wanted(context, speech) else []
    name = f"cues.{speech.language}.json"
    result_edits.take(context, work, name)
    about: dict[str, object] = {
        "transcript": sha256_of(transcript),
        "profile": profile.name,
        "rate": rate,
    }
    if context.part:
        about["part"] = context.part
    if context.options.script or context.options.aligner != "auto":
        about["words"] = subtitles.render(speech, "json")
    key = key_of(**about)
    # Cues that were edited before speakers were requested are split between the speakers below:
    # made again, they would lose the edits.
    if turns and not work.is_edited(name, key):
        key = key_of(**about, turns=turns)
        speech = diarization.assign_speakers(speech, turns)

    def make(path: Path) -> tuple[()]:
        with context.timed("cues"):
            track = clip_to_end(segment.from_words(speech, profile, rate), context.end)
        path.write_text(subtitles.render(track, "json"), "utf-8")
        return ()

    track = edits.edited_whole(context, work, name)
    if track is None:
        path = edits.step(work, name, key, make, part=context.part)
        track = source_text.read_edited(path)
    if turns and not any(cue.speaker for cue in track.cues):
        track = diarization.assign_speakers(track, turns)
    track = diarization.mark_overlaps(diarize.name_edited(context, track), turns)
    if not track.cues:
        context.warnings.append("no speech was found, so there is nothing to show")
    if context.options.original:
        found = report.find_violations(track, profile, rate, context.warnings)
        context.warnings += report.violation_warnings(found)
    return SourceText(track, cue_file=name)


def _without_stale_words(track: Track) -> Track:
    """The transcript without the words of segments whose text a person has changed and whose words
    they have not: the text is then spread over the segment's time."""
    cues = (cue if has_words(cue) else replace(cue, words=()) for cue in track.cues)
    return replace(track, cues=tuple(cues))


# ---------------------------------------------------------------- text from subtitles


def _subtitle_text(context: Context, work: Workspace) -> SourceText:
    """The text of a subtitle file, or of a subtitle track of the video."""
    options = context.options
    embedded = EMBEDDED.fullmatch(options.subs_from or "")
    if context.media and embedded:
        stream = subtitle_streams.pick(context.media, embedded[1] or "")
        if stream.forced:
            context.warnings.append(
                "that track is for forced lines: of what is spoken it may have little"
            )
        key = key_of(source=work.hash_source(context.source), stream=stream.index)
        name = f"embedded{subtitle_streams.suffix(stream)}"
        path = work.step(name, key, lambda out: _extract(context, stream, out))
        if path.stat().st_size > LARGEST_TEXT:
            raise InputError(f"{path} is too large to be subtitles", "delete it")
        language = options.spoken or stream.language
    elif context.media:
        path, language = at_home(options.subs_from or ""), options.spoken
    else:
        work.hash_source(context.source)
        path, language = context.source, options.spoken
    text = source_text.read(path, language, options.encoding, strict=options.strict)
    if context.part:
        text = text_within(text, context.part, "" if context.media else context.source.name)
    if options.dub and not options.to:  # only now is it known what is to be spoken
        dub.claim_language(context, work, text.track.language)
    if options.retime:
        text = replace(text, track=fit_cues(text.track, options.reading, context.rate))
    named = diarize.name_speakers(context, text.track)
    text = replace(text, track=named, edited=named != text.track)
    turns = diarize.find_turns(context, work) if diarize.is_wanted(context, named) else []
    text = replace(text, track=diarization.assign_speakers(named, turns))
    text = _editable(context, work, text)
    track = diarize.name_edited(context, text.track)
    return replace(text, track=diarization.mark_overlaps(track, turns))


def _extract(context: Context, stream: SubtitleStream, out: Path) -> list[str]:
    assert context.media
    with context.timed("extract"):
        subtitle_streams.extract(context.media, stream, out)
    return []


def _editable(context: Context, work: Workspace, text: SourceText) -> SourceText:
    """The text via ``text.<language>.json``, where people may edit it as they may edit recognized
    cues: the file itself is never changed."""
    name = f"text.{text.track.language}.json"
    track = result_edits.edited(context, work, name, text.track)
    text = replace(text, cue_file=name)
    return replace(text, track=track, edited=True) if track else text
