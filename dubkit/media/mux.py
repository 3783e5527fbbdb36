"""Write a video with more tracks (``mux``) or with subtitles burned into the picture (``burn``).

The command line is built in :mod:`.mux_command`. Rendering subtitle files is in
:mod:`dubkit.subtitles`, mixing a dub in :mod:`dubkit.dub.mix`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from dubkit import languages
from dubkit.errors import InputError, MediaError, OutputError, UsageError
from dubkit.files import replacing
from dubkit.system.scratch import scratch_folder
from dubkit.types import Media

from . import picture as pictures
from .ffmpeg import file_url
from .fonts import missing_glyphs, no_font
from .integrity import Contents, flaw, packet_counts
from .mux_command import (
    Additions,
    AudioFile,
    SourceFile,
    SourceStream,
    SubtitleFile,
    command,
    inspect,
    is_cover_video,
)
from .probe import codec_name, open_media, probe
from .run_ffmpeg import check_written, run_ffmpeg

__all__ = [
    "MUXERS",
    "AudioFile",
    "SubtitleFile",
    "burn",
    "mux",
    "subtitle_container",
    "write_m4a",
]

MUXERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",  # not ipod, which ffmpeg would guess and which takes few codecs
    ".mov": "mov",
    ".3gp": "3gp",
    ".3g2": "3g2",
    ".mkv": "matroska",
    ".webm": "webm",
}
"""The suffixes that can be written, and the muxer for each."""


FONTS = 50
"""Fonts that a subtitle file names, of which each is looked at for missing characters."""


def subtitle_container(media: Media) -> tuple[str, str]:
    """The suffix for the video with subtitles, and a note when that differs from the source's.

    This goes by the file's real format, not its name: mp4, mov, Matroska and WebM can hold
    subtitles and are kept; all others become Matroska, which holds every stream unchanged.
    """
    name = media.path.suffix.lower()
    if media.container.startswith("mov"):
        with open_media(media.path, media.container) as container:
            brand = container.metadata.get("major_brand", "")
        if brand.startswith("qt"):
            suffix = ".mov"
        elif brand.startswith(("3gp", "3g2")):
            suffix = ".3gp" if brand.startswith("3gp") else ".3g2"
        else:
            suffix = name if name in (".mp4", ".m4v", ".mov") else ".mp4"
    elif media.container.startswith("matroska"):
        with media.path.open("rb") as file:
            webm = b"\x42\x82\x84webm" in file.read(4096)  # EBML DocType
        suffix = ".webm" if webm and name != ".mkv" else ".mkv"
    else:
        suffix = ".mkv"
    if name == suffix:
        return suffix, ""
    if suffix == ".mkv" and not media.container.startswith("matroska"):
        kind = media.container.split(",")[0]
        return (
            suffix,
            f"{kind} files hold no text subtitles, so the video is written as .mkv.",
        )
    return suffix, f"{media.path.name} is really a {suffix} file, so the video is written as one."


def mux(
    media: Media,
    subtitles: Sequence[SubtitleFile],
    out: Path,
    *,
    audio: Sequence[AudioFile] = (),
    picture: Path | None = None,
    comment: str = "",
    progress: Callable[[float], None] = lambda _: None,
) -> list[str]:
    """Write ``media`` with ``subtitles`` as additional tracks to ``out``, and return warnings.

    Every stream, chapter, tag and attachment is copied unchanged, audio in the order in which
    ``media`` lists it; the first new subtitle track becomes the default. ``audio`` is encoded and
    comes before the source's own, the first as the default. ``picture`` is a file whose only
    stream, upright video timed from the file's start, replaces the source's video and inherits its
    tags. ``comment`` becomes the file's comment tag. ``out`` must have the suffix that
    :func:`subtitle_container` gives. ``progress`` is called with the seconds done. Raises
    UsageError for another suffix, MediaError when ffmpeg fails, OutputError when ``out`` cannot be
    written.
    """
    muxer = _muxer(media, out)
    options = ["-metadata", f"comment={comment}"] if comment else []
    additions = Additions(subtitles, audio, picture)
    with scratch_folder() as folder:
        rest = additions, muxer, out, progress, folder
        return _write(media, inspect(media), *rest, options=options)


def burn(
    media: Media,
    ass_path: Path,
    out: Path,
    *,
    crf: int | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> list[str]:
    """Burn an .ass file into the picture, write that to ``out``, and return warnings.

    The video is re-encoded (H.264; VP9 in WebM; H.265 when it is HDR or has more than 8 bits a
    color) with every frame at its original time; all else is copied. Fonts that are attached to
    ``media`` are used. ``crf`` is the encoder's own scale of quality, lower is better. ``progress``
    is called with the seconds done. Raises as :func:`mux` does, and InputError when the file has no
    video or there is no such .ass file.
    """
    muxer = _muxer(media, out)
    if not media.video:
        raise InputError(f"{media.path} has no picture.", "There is nothing to draw subtitles on.")
    source, shown = inspect(media), pictures.examine(media)
    try:
        text = ass_path.read_text("utf-8", "replace")
    except OSError as error:
        raise InputError(f"{ass_path} cannot be read: {error.strerror}.") from error
    warnings = pictures.losses(shown, media.path.name)
    with scratch_folder() as folder:
        (folder / "burn.ass").write_text(pictures.dim(text, shown), "utf-8", newline="")
        fonts = folder / "fonts"
        attached = pictures.extract_fonts(media, fonts)
        dialogue = re.findall(r"^Dialogue:(?:[^,\n]*,){9}(.*)$", text, re.MULTILINE)
        named = (fonts, pictures.font_names(text)[:FONTS] or ("Arial",)) if attached else ()
        if missing := missing_glyphs("".join(dialogue), *named):
            warnings.append(no_font(missing))
        options = pictures.encoding(shown, muxer, crf, fonts=attached)
        rest = Additions(), muxer, out, progress, folder
        return warnings + _write(media, source, *rest, encoding=options)


def write_m4a(audio: Sequence[AudioFile], out: Path, *, comment: str = "") -> list[str]:
    """Write audio alone to ``out``, an .m4a file, and return warnings. Raises as :func:`mux`."""
    argv: list[str] = []
    for one in audio:
        argv += ["-protocol_whitelist", "file", "-f", "wav", "-i", file_url(one.path)]
    for number, one in enumerate(audio):
        argv += ["-map", f"{number}:a:0"]
        argv += [f"-metadata:s:a:{number}", f"language={languages.iso639_2(one.language)}"]
        argv += [f"-metadata:s:a:{number}", f"handler_name={one.title}"]
    argv += ["-c:a", "aac", "-b:a", "192k", "-movflags", "+faststart", "-fflags", "+bitexact"]
    title = ", ".join(one.title for one in audio)
    argv += ["-metadata", f"title={title}", "-metadata", f"comment={comment}"]
    seconds = max(probe(one.path).duration for one in audio)
    with replacing(out) as temporary:
        run_ffmpeg(
            ["-loglevel", "warning", *argv, "-f", "ipod", file_url(temporary)],
            doing=f"write {out.name}",
            out=out,
            writes=temporary,
            contents=Contents(seconds, audio=len(audio)),
        )
    return []


def _muxer(media: Media, out: Path) -> str:
    if out.suffix.lower() not in MUXERS:
        raise UsageError(
            f"Subtitled video cannot be written as {out.suffix or 'a file without an ending'}.",
            f"Name a file that ends in {', '.join(MUXERS)}.",
        )
    if out.exists() and out.samefile(media.path):
        raise OutputError(f"{out} is the input itself.", "Give the output another name or folder.")
    return MUXERS[out.suffix.lower()]


# ---------------------------------------------------------------- running ffmpeg


def _write(
    media: Media,
    source: SourceFile,
    additions: Additions,
    muxer: str,
    out: Path,
    progress: Callable[[float], None],
    folder: Path,
    *,
    options: Sequence[str] = (),
    encoding: Sequence[str] = (),
) -> list[str]:
    """Run the command; if the container refuses a stream, run it again without that one.

    ffmpeg runs in ``folder``. ``encoding`` are options for the first video stream when that is
    re-encoded.
    """
    kept = _in_media_order(source.streams, media)
    first = media.video[0].index if media.video else -1
    if encoding:  # which calls it v:0
        kept.sort(key=lambda stream: stream.index != first)
    refused: list[SourceStream] = []
    with replacing(out) as temporary:
        options = [*encoding, *options]
        if muxer == "matroska":  # as a stream, a cover would become a video of one frame
            attached = sum(stream.kind == "attachment" for stream in kept)
            options += _cover_options(media, folder, attached)
            kept = [stream for stream in kept if not stream.cover]
        needed = _kinds(kept)
        rest = additions, muxer, options, temporary
        doing = f"write {out.name}"
        # A stream that is re-encoded is not in doubt; and a video never loses its only audio.
        encoded = bool(encoding or additions.picture)
        try:
            _run(command(media, source, kept, *rest), doing, out, progress, folder)
        except MediaError:
            suspects = [stream for stream in kept if not (encoded and stream.index == first)]
            for stream in suspects:
                alone = [stream], Additions(), muxer, ["-t", "0"], folder / "alone"
                try:
                    _run(command(media, source, *alone), doing, folder / "alone")
                except MediaError:
                    refused.append(stream)
            kept = [stream for stream in kept if stream not in refused]
            if not refused or _kinds(kept) != needed:
                raise
            _run(command(media, source, kept, *rest), doing, out, progress, folder)
        contents = _expected(media, kept, additions)
        if flaw(temporary, contents):
            # A file's header may promise more than the file has: what does it really have?
            contents = _readable(media, kept, additions, first if encoded else None)
            check_written(temporary, contents, doing=doing, out=out)
    progress(media.duration)
    return [
        f"{stream.kind.capitalize()} stream {stream.index} ({stream.codec}) cannot be held by "
        f"{out.suffix} and was left out."
        for stream in refused
    ]


def _in_media_order(streams: Sequence[SourceStream], media: Media) -> list[SourceStream]:
    """The streams, with the audio among them in the order in which ``media`` lists it."""
    ranks = {stream.index: rank for rank, stream in enumerate(media.audio)}
    audio = iter(sorted((s for s in streams if s.index in ranks), key=lambda s: ranks[s.index]))
    return [next(audio) if stream.index in ranks else stream for stream in streams]


def _kinds(streams: Iterable[SourceStream]) -> set[str]:
    return {s.kind for s in streams if s.kind in ("audio", "video") and not s.cover}


def _cover_options(media: Media, folder: Path, number: int) -> list[str]:
    """Attach the file's covers again; ``number`` is the index of the first among attachments."""
    argv: list[str] = []
    with open_media(media.path, media.container) as container:
        covers = {stream.index: stream for stream in container.streams if is_cover_video(stream)}
        for packet in container.demux(list(covers.values())) if covers else ():
            stream = covers.pop(packet.stream_index, None)
            if stream is None or not packet.size:
                break
            kind = {"mjpeg": "jpeg"}.get(codec_name(stream), codec_name(stream))
            file = folder / f"cover{number}"
            file.write_bytes(bytes(packet))
            argv += ["-attach", file_url(file)]
            argv += [f"-metadata:s:t:{number}", f"mimetype=image/{kind}"]
            name = stream.metadata.get("filename") or f"cover.{kind.replace('jpeg', 'jpg')}"
            argv += [f"-metadata:s:t:{number}", f"filename={name}"]
            number += 1
    return argv


def _run(
    argv: Sequence[str],
    doing: str,
    out: Path,
    progress: Callable[[float], None] = lambda _: None,
    cwd: Path | None = None,
) -> None:
    def on_line(line: str) -> None:
        key, _, value = line.partition("=")
        if key == "out_time_us" and value.isdigit():
            progress(int(value) / 1_000_000)

    options = ["-loglevel", "warning", "-progress", "pipe:1"]
    run_ffmpeg([*options, *argv], doing=doing, out=out, on_line=on_line, cwd=cwd)


# ---------------------------------------------------------------- what must be in the result


def _expected(media: Media, kept: Sequence[SourceStream], additions: Additions) -> Contents:
    """What the result holds if the source is as its header says."""
    kinds = [stream.kind for stream in kept if not stream.cover]
    return Contents(
        media.duration,
        kinds.count("video"),
        kinds.count("audio") + len(additions.audio),
        kinds.count("subtitle") + len(additions.subtitles),
    )


def _readable(
    media: Media, kept: Sequence[SourceStream], additions: Additions, encoded: int | None
) -> Contents:
    """What the result holds, going by the packets in the source, all of which are read; ``encoded``
    is the stream that is re-encoded, in which two packets may be one picture."""
    counts = packet_counts(media.path, media.container)
    full = [stream for stream in kept if counts[stream.index][1] and not stream.cover]
    kinds = [stream.kind for stream in full]
    main = "video" if "video" in kinds else "audio"
    most = max((stream for stream in full if stream.kind == main),
               key=lambda stream: counts[stream.index][1], default=None)  # fmt: skip
    share = 0.45 if most and most.index == encoded else 0.95
    return Contents(
        0.0,
        kinds.count("video"),
        kinds.count("audio") + len(additions.audio),
        kinds.count("subtitle"),
        int(share * counts[most.index][1]) if most else 0,
    )
