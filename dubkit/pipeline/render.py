"""The rendering stage: a dub mixed with the original's sound, lip-synced, and muxed into a file.

The video with subtitles alone is written by :mod:`.outputs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dubkit import subtitles
from dubkit.cues.spoken import without_sounds
from dubkit.dub import mix
from dubkit.dub.schedule import SpokenTrack
from dubkit.files import sha256_of
from dubkit.media import mux
from dubkit.subtitles.source import SourceText
from dubkit.types import Media, SpanOutcome, Track
from dubkit.workspace import Workspace, key_of

from . import outputs, scene, separate
from .context import Context
from .outputs import SubtitleTrack
from .redraw import LipSync


def dub_path(context: Context, languages: Sequence[str]) -> Path:
    """Where the file with the dub in these languages goes."""
    suffix = ".m4a"
    if context.media and context.media.video:
        suffix, note = mux.subtitle_container(context.media)
        if note and note not in context.warnings:
            context.warnings.append(note)
    language = f".{languages[0]}" if len(languages) == 1 else ""
    return context.folder / f"{context.stem}{language}.dubbed{suffix}"


def write_dub(
    context: Context,
    work: Workspace,
    text: SourceText,
    dubs: Sequence[SpokenTrack],
    tracks: Sequence[SubtitleTrack],
    out: Path,
) -> list[SpanOutcome]:
    """Write one file, ``out``, with all of ``dubs`` and ``tracks``; returns what lip-sync did.

    In each dub something is spoken, or there is nothing to speak. The first is the default audio
    track, the original comes last.
    """
    assert context.media
    options, stream = context.options, context.stream
    film = _with_dubbed_stream_first(context.media, context, text)
    texts = [outputs.render_in_video(context, text, one, "srt") for one in tracks]
    comment = " ".join(dub.comment for dub in dubs if dub.clips)
    if any("imitates" in dub.about for dub in dubs):
        comment += " It imitates a voice, which the user says is permitted."
    background = separate.background_file(context, work) if options.separate else None
    words, sounds = without_sounds(text.track)
    whole = _speech_spans(words)
    keep = scene.kept_sounds(context, work, text, whole, sounds) if background else []
    originals = [dub.job.kept for dub in dubs]
    speech = [scene.outside(whole, kept) if kept else whole for kept in originals]
    lipsync = LipSync.of(context, work, dubs[0]) if options.lipsync else None
    key = key_of(
        source=work.hash_source(context.source),
        stream=stream.index if stream else None,
        clips=[
            [
                clip.path.name,
                round(clip.start, 4),
                sha256_of(clip.path),
                clip.spoken,
                [[one.start, one.end] for one in clip.phrases],
            ]
            for dub in dubs
            for clip in dub.clips
        ],
        speech=speech[0] if len(speech) == 1 else speech,
        texts=texts,
        titles=[*(dub.title for dub in dubs), comment],
        **({"background": sha256_of(background)} if background else {}),
        **({"part": context.part} if background and context.part else {}),
        **({"keep": keep} if keep else {}),
        **({"original": originals} if any(originals) else {}),
        **({"lipsync": lipsync.key} if lipsync else {}),
    )

    def make(path: Path) -> list[str]:
        wavs = [work.part(f"dub.{dub.track.language}.wav") for dub in dubs]
        files = [work.part(f"dub.{number}.srt") for number in range(len(texts))]
        try:
            for dub, wav, spans, kept in zip(dubs, wavs, speech, originals, strict=True):
                with context.timed("mix"):
                    mix.mix(
                        film,
                        stream,
                        dub.clips,
                        wav,
                        speech=spans if dub.clips else [],
                        background=background if dub.clips else None,
                        part=context.part,
                        keep=keep,
                        original=kept,
                        progress=context.progress_of("mix"),
                    )
            picture = lipsync.redraw(context, dubs[0]) if lipsync else None
            for file, content in zip(files, texts, strict=True):
                file.write_text(content, "utf-8", newline="")
            audio = [
                mux.AudioFile(wav, dub.track.language, dub.title)
                for dub, wav in zip(dubs, wavs, strict=True)
            ]
            with context.timed("mux"):
                if not film.video:
                    return mux.write_m4a(audio, path, comment=comment)
                added = [
                    mux.SubtitleFile(file, one.track.language, one.title, one.forced)
                    for file, one in zip(files, tracks, strict=True)
                ]
                warnings = mux.mux(
                    film,
                    added,
                    path,
                    audio=audio,
                    picture=picture,
                    comment=comment,
                    progress=context.progress_of("mux"),
                )
            return [*warnings, *(lipsync.warnings(context) if lipsync else ())]
        finally:
            for file in (*wavs, *files, *((lipsync.picture,) if lipsync else ())):
                file.unlink(missing_ok=True)

    work.output(out, key, make, force=options.force, whole=outputs.is_whole)
    return lipsync.outcomes() if lipsync else []


def _with_dubbed_stream_first(film: Media, context: Context, text: SourceText) -> Media:
    """The film with the audio track that is dubbed as its first one; with its language, too, if
    that was detected from the speech."""
    if not context.stream:
        return film
    dubbed, language = context.stream, text.track.language
    if not text.format and not dubbed.language and language != subtitles.UNKNOWN:
        dubbed = replace(dubbed, language=language)
    others = (stream for stream in film.audio if stream.index != dubbed.index)
    return replace(film, audio=(dubbed, *others))


def _speech_spans(track: Track) -> list[tuple[float, float]]:
    """The spans in which the original speaks, in seconds, from its words if they are known."""
    spans: list[tuple[float, float]] = []
    for cue in track.cues:
        for start, end in [(w.start, w.end) for w in cue.words] or [(cue.start, cue.end)]:
            if spans and start - spans[-1][1] < mix.BRIDGE:
                spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
            else:
                spans.append((start, end))
    return spans
