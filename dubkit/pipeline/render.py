"""The file that a dub becomes: its speech mixed with the sound, mouths redrawn, all of it muxed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dubkit import subtitles, workspace
from dubkit.dub import mix
from dubkit.dub.schedule import SpokenTrack
from dubkit.files import sha256_of
from dubkit.lipsync.redraw import SpanOutcome
from dubkit.media import mux
from dubkit.subtitles.source import SourceText
from dubkit.types import Media, Track
from dubkit.workspace import Workspace, key_of

from . import outputs, separate
from .context import Context
from .outputs import Shown
from .redraw import Mouths


def name(context: Context, tags: Sequence[str]) -> Path:
    """Where the dubbed file goes."""
    suffix = ".m4a"
    if context.media and context.media.video:
        suffix, note = mux.subtitle_container(context.media)
        if note and note not in context.warnings:
            context.warnings.append(note)
    language = f".{tags[0]}" if len(tags) == 1 else ""
    return context.folder / f"{context.stem}{language}.dubbed{suffix}"


def write(
    context: Context,
    work: Workspace,
    text: SourceText,
    group: Sequence[SpokenTrack],
    shown: Sequence[Shown],
) -> tuple[Path, list[SpanOutcome]]:
    """Write the file with the speech of a group of tracks; returns it, and what became of mouths.

    The first track is the default sound, the original comes last.
    """
    assert context.media
    film, stream, options = (
        _heard_first(context.media, context, text),
        context.stream,
        context.options,
    )
    out = name(context, [one.track.language for one in group])
    texts = [outputs.rendered(context, text, one, "srt") for one in shown]
    comment = " ".join(one.comment for one in group)
    if options.imitates:
        comment += " It imitates a voice, which the user says is permitted."
    background = separate.background(context, work) if options.separate else None
    speech = _speech(text.track)
    mouths = Mouths.of(context, work, group[0]) if options.lipsync else None
    key = key_of(
        source=work.hash_source(context.source),
        stream=stream.index if stream else None,
        placed=[
            [one.path.name, round(one.start, 4), sha256_of(one.path)]
            for dub in group
            for one in dub.clips
        ],
        speech=speech,
        texts=texts,
        titles=[*(dub.title for dub in group), comment],
        **({"background": sha256_of(background)} if background else {}),
        **({"mouths": mouths.key} if mouths else {}),
    )

    def make(path: Path) -> list[str]:
        wavs = [work.folder / f"dub.{one.track.language}{workspace.PART}.wav" for one in group]
        files = [work.folder / f"dub.{number}{workspace.PART}.srt" for number in range(len(texts))]
        try:
            for one, wav in zip(group, wavs, strict=True):
                with context.timed("mix"):
                    mix.mix(
                        film,
                        stream,
                        one.clips,
                        wav,
                        speech=speech if one.clips else [],
                        background=background if one.clips else None,
                        progress=context.report("mix"),
                    )
            picture = mouths.redraw(context, group[0]) if mouths else None
            for file, content in zip(files, texts, strict=True):
                file.write_text(content, "utf-8", newline="")
            sounds = [
                mux.AudioFile(wav, one.track.language, one.title)
                for one, wav in zip(group, wavs, strict=True)
            ]
            with context.timed("mux"):
                if not film.video:
                    return mux.write_m4a(sounds, path, comment=comment)
                tracks = [
                    mux.SubtitleFile(file, one.track.language, one.title)
                    for file, one in zip(files, shown, strict=True)
                ]
                told = mux.mux(
                    film,
                    tracks,
                    path,
                    audio=sounds,
                    picture=picture,
                    comment=comment,
                    progress=context.report("mux"),
                )
            return [*told, *(mouths.warnings(context) if mouths else ())]
        finally:
            for file in (*wavs, *files, *((mouths.picture,) if mouths else ())):
                file.unlink(missing_ok=True)

    work.output(out, key, make, force=options.force)
    return out, mouths.told() if mouths else []


def _heard_first(film: Media, context: Context, text: SourceText) -> Media:
    """The film with the sound that is dubbed as its first; its language, too, if that was told by
    listening."""
    if not context.stream:
        return film
    heard, language = context.stream, text.track.language
    if not text.format and not heard.language and language != subtitles.UNKNOWN:
        heard = replace(heard, language=language)
    others = (one for one in film.audio if one.index != heard.index)
    return replace(film, audio=(heard, *others))


def _speech(track: Track) -> list[tuple[float, float]]:
    """The spans in which the original speaks, from its words where they are known."""
    spans: list[tuple[float, float]] = []
    for cue in track.cues:
        for start, end in [(w.start, w.end) for w in cue.words] or [(cue.start, cue.end)]:
            if spans and start - spans[-1][1] < mix.BRIDGE:
                spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
            else:
                spans.append((start, end))
    return spans


# ---------------------------------------------------------------- mouths
