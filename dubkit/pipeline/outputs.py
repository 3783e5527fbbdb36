"""The files that a run leaves beside its input: subtitle files, and the video with them.

The dubbed video is written by :mod:`.render`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dubkit import languages, subtitles
from dubkit.cues import foreign, lines, spoken
from dubkit.cues.media_end import within_media
from dubkit.dub.schedule import SpokenTrack
from dubkit.errors import InputError, OutputError
from dubkit.files import at_home
from dubkit.media import mux
from dubkit.media.integrity import Contents, flaw
from dubkit.options import Options
from dubkit.subtitles import bilingual
from dubkit.subtitles.source import SourceText
from dubkit.subtitles.style import parse_style
from dubkit.types import Track, Translation
from dubkit.workspace import Workspace, key_of

from . import result_edits, translate
from .context import Context


@dataclass(frozen=True, slots=True)
class SubtitleTrack:
    """A track as it is written to files and videos."""

    track: Track
    title: str
    """What players call it."""
    cue_file: str = ""
    """Of the workspace, if an edit of a file that it is written to is an edit of its cues."""
    original: bool = False
    """Whether it is the text that was translated, if anything was."""
    forced: bool = False
    """Whether it has only what viewers need who hear its language, see
    :mod:`dubkit.cues.foreign`."""


def subtitle_tracks(
    context: Context,
    work: Workspace,
    text: SourceText,
    translations: Sequence[Translation],
    *,
    dubs: Sequence[SpokenTrack] = (),
) -> list[SubtitleTrack]:
    """The tracks to write, the original's first if it was requested or for ``dubs``; a forced track
    after each of which viewers of the film, or of its dub in that language, need a part."""
    options = context.options
    own_title = languages.name(text.track.language)
    tracks = []
    # If nothing had to be translated, the original itself is what was requested; a translation in
    # its language has all of it that is in that language.
    wanted = options.original or dubs or not translations
    if wanted and not any(one.track.language == text.track.language for one in translations):
        original = SubtitleTrack(text.track, own_title, text.cue_file, original=True)
        tracks.append(_as_wanted(original, options))
    dubbed = {one.track.language: one.spoken_cues for one in dubs}
    for one in translations:
        title = languages.name(one.track.language)
        track, cue_file = one.track, translate.cue_file(text.track, one.track.language)
        if options.bilingual:
            own = lines.with_lines(text.track, options.reading)
            track = bilingual.combine(own, track, options.bilingual)
            titles = [title, own_title]
            if options.bilingual != "translation-first":
                titles.reverse()
            title, cue_file = " + ".join(titles), ""
        whole = _as_wanted(SubtitleTrack(track, title, cue_file), options)
        tracks.append(whole)
        needed = foreign.forced_track(
            one.track, text.track, whole.track, dubbed.get(one.track.language)
        )
        if needed and "forced" not in context.flags:
            # A dub's is of other lines than the file beside it, which has those of the film.
            cue_file = "" if dubs else f"cues.{needed.language}.forced.json"
            if cue_file:
                needed = result_edits.edited(context, work, cue_file, needed) or needed
            tracks.append(SubtitleTrack(needed, f"{title} (forced)", cue_file, forced=True))
    if "forced" in context.flags:
        tracks = [replace(one, title=f"{one.title} (forced)", forced=True) for one in tracks]
    return tracks


def _as_wanted(one: SubtitleTrack, options: Options) -> SubtitleTrack:
    """The track with or without what the hard of hearing need, as the options say."""
    track = spoken.with_labels(one.track) if options.speaker_labels else one.track
    if not options.sdh:
        track = _without_sdh(track, options)
    return one if track == one.track else replace(one, track=track, cue_file="")


def _without_sdh(track: Track, options: Options) -> Track:
    """The track without sounds and labels, the texts that this changes with new line breaks."""
    bare = spoken.without_sdh(track, labels=options.speaker_labels)
    broken = lines.with_lines(bare, options.reading)
    same = [new.text == old.text for old, new in zip(track.cues, bare.cues, strict=True)]
    cues = zip(same, track.cues, broken.cues, strict=True)
    return replace(track, cues=tuple(old if kept else new for kept, old, new in cues))


def write_subtitle_files(
    context: Context, work: Workspace, text: SourceText, tracks: Sequence[SubtitleTrack]
) -> list[Path]:
    """Write ``<stem>.<language>.<format>``, the names that players and media servers look for, and
    ``<stem>.<language>.forced.<format>``."""
    written = []
    for name in _formats(context, text):
        if text.format and name not in (text.format, "json", "txt"):
            what = subtitles.find_unheld(text.track, text.like, name)
            if what:
                context.warnings.append(f"{name} cannot hold the {what} of {context.source.name}")
    for one in tracks:
        for name in _formats(context, text):
            flags = context.flags
            if one.forced and "forced" not in flags:
                flags = ".forced"
            out = context.folder / f"{context.stem}.{one.track.language}{flags}.{name}"
            if _is_input(context, out):  # the file that the text came from
                if not (text.edited or context.part):
                    continue
                kind = "part" if context.part else "edited"
                out = out.with_name(f"{out.stem}.{kind}{out.suffix}")
            if one.forced and context.options.skip_existing and _is_anothers(work, out):
                continue
            content = render_track(context, text, one, name)

            def make(path: Path, content: str = content) -> tuple[()]:
                with context.timed("subtitles"):
                    # newline="": the same bytes on every system.
                    path.write_text(content, "utf-8", newline="")
                return ()

            key, taken = key_of(text=content), out in context.edited_results
            if taken and result_edits.same_cues(one.track, out):
                work.keep(out, key, one.cue_file)
            else:
                force = context.options.force or taken
                work.output(out, key, make, force=force, made_from=one.cue_file)
            written.append(out)
    # Players show a forced track by themselves: one that an earlier run needed must not stay.
    forced = {one.track.language for one in tracks if one.forced}
    for tag in {one.track.language for one in tracks} & set(context.options.to) - forced:
        for name in _formats(context, text):
            out = context.folder / f"{context.stem}.{tag}.forced.{name}"
            if not _is_input(context, out):
                work.withdraw(out)
    return written


def _is_anothers(work: Workspace, out: Path) -> bool:
    try:
        work.claim(out, force=False)
    except OutputError:
        return True
    return False


def _formats(context: Context, text: SourceText) -> Sequence[str]:
    return context.options.formats or (text.format or "srt",)


def _is_input(context: Context, out: Path) -> bool:
    given = context.options.subs_from or ("" if context.media else context.source)
    try:
        return bool(given) and out.exists() and out.samefile(at_home(given))
    except OSError:
        return False


def render_track(context: Context, text: SourceText, one: SubtitleTrack, format: str) -> str:
    """A track as the text of a subtitle file."""
    size = (1920, 1080)
    if context.media and context.media.video:
        size = (context.media.video[0].width, context.media.video[0].height)
    style = parse_style(context.options.style)
    return subtitles.render(
        one.track,
        format,
        title=one.title,
        style=style,
        play_res=size,
        **({"like": text.like} if text.like and format == text.format else {}),
    )


def render_in_video(context: Context, text: SourceText, one: SubtitleTrack, format: str) -> str:
    """A track as the text of a subtitle file that goes into the video: what is after the end of the
    video would lengthen it."""
    if text.format is None:
        return render_track(context, text, one, format)
    shown = replace(one, track=within_media(one.track, context.media))
    return render_track(context, text.within(context.media), shown, format)


def video_path(context: Context) -> Path | None:
    """Where the video with subtitles goes; None if none is written.

    Raises InputError if there is no picture to burn subtitles into.
    """
    if not context.options.video or not context.media or context.options.dub:
        return None
    if not context.media.video:
        if context.options.burn:
            raise InputError(
                f"{context.media.path} has no picture to burn subtitles into", "leave --burn out"
            )
        return None
    suffix, note = mux.subtitle_container(context.media)
    if note:
        context.warnings.append(note)
    return context.folder / f"{context.stem}.subbed{suffix}"


def write_video(
    context: Context,
    work: Workspace,
    text: SourceText,
    tracks: Sequence[SubtitleTrack],
    video: Path,
) -> None:
    """Write the video with the tracks in it, translations first; or with the first one burned into
    the picture."""
    options, source = context.options, context.media
    assert source
    format = "srt"
    if options.burn or (video.suffix == ".mkv" and "ass" in _formats(context, text)):
        format = "ass"
    # The first becomes the player's default: whoever has a video translated wants to read that.
    ordered = sorted(tracks, key=lambda one: one.original)
    if options.burn:
        ordered = ordered[:1]
    texts = [render_in_video(context, text, one, format) for one in ordered]
    key = key_of(
        source=work.hash_source(source.path),
        texts=texts,
        burn=options.burn,
        crf=options.crf,
        languages=[(one.track.language, one.title) for one in ordered],
    )

    def make(out: Path) -> list[str]:
        files = [work.part(f"subtitles.{number}.{format}") for number in range(len(texts))]
        step = "burn" if options.burn else "mux"
        try:
            for file, content in zip(files, texts, strict=True):
                file.write_text(content, "utf-8", newline="")
            with context.timed(step):
                progress = context.progress_of(step)
                if options.burn:
                    return mux.burn(source, files[0], out, crf=options.crf, progress=progress)
                added = [
                    mux.SubtitleFile(file, one.track.language, one.title, one.forced)
                    for file, one in zip(files, ordered, strict=True)
                ]
                return mux.mux(source, added, out, progress=progress)
        finally:
            for file in files:
                file.unlink(missing_ok=True)

    work.output(video, key, make, force=options.force, whole=is_whole)


def is_whole(video: Path) -> bool:
    """Whether a video or audio file that an earlier run wrote can be played to its end."""
    return not flaw(video, Contents())


def refuse_clash(context: Context, work: Workspace) -> None:
    """Raise OutputError if the results would replace those of another input, one that differs only
    in its folder or its suffix."""
    other = work.other_source(context.source)
    if other and not context.options.force:
        raise OutputError(
            f"{context.folder / context.stem}.* was made from {other}, "
            "another input of the same name",
            "-o DIR writes elsewhere; --force overwrites it",
        )
