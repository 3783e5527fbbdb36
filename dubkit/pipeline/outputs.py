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
from dubkit.types import Track, Translated
from dubkit.workspace import Workspace, key_of

from .context import Run


@dataclass(frozen=True, slots=True)
class Shown:
    """One language as it is written: a track, and what players call it."""

    track: Track
    title: str


def shown(
    run: Run, text: SourceText, translations: Sequence[Translated], *, both: bool = False
) -> list[Shown]:
    """The languages that are written, the one spoken first, which is not left out for ``both``."""
    options = run.options
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
            track = bilingual.both(original, track, options.bilingual)
            names = [title, spoken] if options.bilingual == "translation-first" else [spoken, title]
            title = " + ".join(names)
        shown.append(Shown(track, title))
    return shown


def _formats(run: Run, text: SourceText) -> Sequence[str]:
    return run.options.formats or (text.format or "srt",)


def sidecars(run: Run, work: Workspace, text: SourceText, shown: Sequence[Shown]) -> list[Path]:
    """``<stem>.<language>.<format>``, the names that players and media servers look for."""
    written = []
    for one in shown:
        for name in _formats(run, text):
            out = run.folder / f"{run.stem}.{one.track.language}.{name}"
            if _is_input(run, out):  # the text came from there, and is there
                if not text.edited:
                    continue
                out = out.with_name(f"{out.stem}.edited{out.suffix}")
            content = rendered(run, text, one, name)

            def make(path: Path, content: str = content) -> tuple[()]:
                with run.timed("subtitles"):
                    # newline="": what is written is the same on every system.
                    path.write_text(content, "utf-8", newline="")
                return ()

            work.output(out, key_of(text=content), make, force=run.options.force)
            written.append(out)
    return written


def _is_input(run: Run, out: Path) -> bool:
    own = run.options.subs_from or ("" if run.media else run.source)
    try:
        return bool(own) and out.exists() and out.samefile(Path(own).expanduser())
    except OSError:
        return False


def rendered(run: Run, text: SourceText, one: Shown, format: str) -> str:
    """A track as the text of a subtitle file."""
    size = (1920, 1080)
    if run.media and run.media.video:
        size = (run.media.video[0].width, run.media.video[0].height)
    style = parse_style(run.options.style)
    return subtitles.render(
        one.track,
        format,
        title=one.title,
        style=style,
        play_res=size,
        **({"like": text.like} if text.like else {}),
    )


def video_name(run: Run) -> Path | None:
    """Where the video with subtitles goes; None when there is none to make."""
    if not run.options.video or not run.media or run.options.dub:
        return None
    if not run.media.video:
        if run.options.burn:
            raise InputError(
                f"{run.media.path} has no picture to burn subtitles into", "leave --burn out"
            )
        return None
    suffix, note = mux.subtitle_container(run.media)
    if note:
        run.warnings.append(note)
    return run.folder / f"{run.stem}.subbed{suffix}"


def subbed(
    run: Run, work: Workspace, text: SourceText, shown: Sequence[Shown], video: Path
) -> None:
    """The video with the tracks in it, a translation first; or with one burned into its picture."""
    options, source = run.options, run.media
    assert source
    kind = "srt"
    if options.burn or (video.suffix == ".mkv" and "ass" in _formats(run, text)):
        kind = "ass"
    # The first becomes the player's default: whoever has a video translated wants to read that.
    ordered = sorted(shown, key=lambda one: one.track.language == text.track.language)
    if options.burn:
        ordered = ordered[:1]
    texts = [rendered(run, text, one, kind) for one in ordered]
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
            with run.timed(step):
                progress = run.report(step)
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


def refuse_clash(run: Run, work: Workspace) -> None:
    """Two inputs that differ only in folder or ending must not write over each other."""
    other = work.made_from_another(run.source)
    if other and not run.options.force:
        raise OutputError(
            f"{run.folder / run.stem}.* was made from {other}, another input of the same name",
            "-o DIR writes elsewhere; --force writes over it",
        )
