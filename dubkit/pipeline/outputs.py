"""The files that a run leaves beside its input: subtitle files, and the video with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dubkit import languages, subtitles, workspace
from dubkit.cues import lines
from dubkit.errors import InputError, OutputError
from dubkit.media import mux
from dubkit.subtitles import bilingual
from dubkit.subtitles.source import SourceText
from dubkit.subtitles.style import parse_style
from dubkit.types import Track, Translation
from dubkit.workspace import Workspace, key_of

from .context import Context


@dataclass(frozen=True, slots=True)
class Shown:
    """One language as it is written: a track, and what players call it."""

    track: Track
    title: str


def shown(
    context: Context, text: SourceText, translations: Sequence[Translation], *, both: bool = False
) -> list[Shown]:
    """The languages that are written, the one spoken first, which is not left out for ``both``."""
    options = context.options
    spoken = languages.name(text.track.language)
    shown = []
    # Where nothing was left to translate, the text itself is what was asked for.
    if options.original or both or not translations:
        shown.append(Shown(text.track, spoken))
    for one in translations:
        title = languages.name(one.track.language)
        track = one.track
        if options.bilingual:
            original = lines.with_lines(text.track, options.profile)
            track = bilingual.combine(original, track, options.bilingual)
            names = [title, spoken] if options.bilingual == "translation-first" else [spoken, title]
            title = " + ".join(names)
        shown.append(Shown(track, title))
    return shown


def _formats(context: Context, text: SourceText) -> Sequence[str]:
    return context.options.formats or (text.format or "srt",)


def sidecars(
    context: Context, work: Workspace, text: SourceText, shown: Sequence[Shown]
) -> list[Path]:
    """``<stem>.<language>.<format>``, the names that players and media servers look for."""
    written = []
    for one in shown:
        for name in _formats(context, text):
            out = context.folder / f"{context.stem}.{one.track.language}.{name}"
            if _is_input(context, out):  # the text came from there, and is there
                if not text.edited:
                    continue
                out = out.with_name(f"{out.stem}.edited{out.suffix}")
            content = rendered(context, text, one, name)

            def make(path: Path, content: str = content) -> tuple[()]:
                with context.timed("subtitles"):
                    # newline="": what is written is the same on every system.
                    path.write_text(content, "utf-8", newline="")
                return ()

            work.output(out, key_of(text=content), make, force=context.options.force)
            written.append(out)
    return written


def _is_input(context: Context, out: Path) -> bool:
    own = context.options.subs_from or ("" if context.media else context.source)
    try:
        return bool(own) and out.exists() and out.samefile(Path(own).expanduser())
    except OSError:
        return False


def rendered(context: Context, text: SourceText, one: Shown, format: str) -> str:
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
        **({"like": text.like} if text.like else {}),
    )


def video_name(context: Context) -> Path | None:
    """Where the video with subtitles goes; None when there is none to make."""
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


def subbed(
    context: Context, work: Workspace, text: SourceText, shown: Sequence[Shown], video: Path
) -> None:
    """The video with the tracks in it, a translation first; or with one burned into its picture."""
    options, source = context.options, context.media
    assert source
    kind = "srt"
    if options.burn or (video.suffix == ".mkv" and "ass" in _formats(context, text)):
        kind = "ass"
    # The first becomes the player's default: whoever has a video translated wants to read that.
    ordered = sorted(shown, key=lambda one: one.track.language == text.track.language)
    if options.burn:
        ordered = ordered[:1]
    texts = [rendered(context, text, one, kind) for one in ordered]
    key = key_of(
        source=work.hash_source(source.path),
        texts=texts,
        burn=options.burn,
        crf=options.crf,
        languages=[(one.track.language, one.title) for one in ordered],
    )

    def make(out: Path) -> list[str]:
        files = [
            work.folder / f"subtitles.{number}{workspace.PART}.{kind}"
            for number in range(len(texts))
        ]
        step = "burn" if options.burn else "mux"
        try:
            for file, content in zip(files, texts, strict=True):
                file.write_text(content, "utf-8", newline="")
            with context.timed(step):
                progress = context.report(step)
                if options.burn:
                    return mux.burn(source, files[0], out, crf=options.crf, progress=progress)
                added = [
                    mux.SubtitleFile(file, one.track.language, one.title)
                    for file, one in zip(files, ordered, strict=True)
                ]
                return mux.mux(source, added, out, progress=progress)
        finally:
            for file in files:
                file.unlink(missing_ok=True)

    work.output(video, key, make, force=options.force)


def refuse_clash(context: Context, work: Workspace) -> None:
    """Two inputs that differ only in folder or ending must not write over each other."""
    other = work.other_source(context.source)
    if other and not context.options.force:
        raise OutputError(
            f"{context.folder / context.stem}.* was made from {other}, "
            "another input of the same name",
            "-o DIR writes elsewhere; --force overwrites it",
        )
