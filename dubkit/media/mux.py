"""Put subtitles into a video: as tracks beside the picture (``mux``) or drawn on it (``burn``).

Commands are plain argument lists here. ffmpeg-python 0.2 cannot say ``-metadata`` twice for one
track, merges two inputs of the same file, and would draw subtitles by a filter graph, which costs
the picture's track its language and title.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dubkit import languages
from dubkit.errors import InputError, MediaError, MissingDependency, OutputError, UsageError
from dubkit.files import cannot_write, replacing
from dubkit.types import Media

from . import process
from .ffmpeg import DEMUXERS, ffmpeg_path, file_url
from .fonts import missing_glyphs, no_font
from .probe import clock_restarts, codec_name, has_flag, is_cover, opened, start_of

MUXERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",  # not ipod, which ffmpeg would guess and which takes few codecs
    ".mov": "mov",
    ".3gp": "3gp",
    ".3g2": "3g2",
    ".mkv": "matroska",
    ".webm": "webm",
}
"""What can be written, and the muxer for it."""

CRF = {"libx264": 19, "libx265": 20, "libvpx-vp9": 31}
"""The encoders used for burning, each with a quality that looks like the original."""

_MOV = ("mov", "mp4", "3gp", "3g2")


@dataclass(frozen=True, slots=True)
class SubtitleFile:
    """A subtitle file to put into a video."""

    path: Path
    """An .srt, .vtt or .ass file in UTF-8, timed from the video's second 0."""
    language: str
    """BCP-47."""
    title: str
    """For people, such as ``English``."""


@dataclass(frozen=True, slots=True)
class SoundFile:
    """A sound file to put into a video, before the sound that it has."""

    path: Path
    """A WAV file, timed from the video's second 0."""
    language: str
    """BCP-47."""
    title: str


@dataclass(frozen=True, slots=True)
class _Stream:
    """One stream of the source, as far as muxing must know it."""

    index: int
    kind: str
    codec: str
    cover: bool
    start: float | None
    """Seconds on the file's own clock."""


@dataclass(frozen=True, slots=True)
class _Source:
    """What the command lines need to know of a file beyond its :class:`Media`."""

    streams: tuple[_Stream, ...]
    zero: float
    """Seconds on that clock that a player shows as 0."""
    restarts: bool
    """Whether the format's clock may start anew, for which ffmpeg counts in its own way."""
    tags: Mapping[str, str]
    hdr: bool
    tick: str
    """Seconds per unit of the picture's time stamps, as a ratio."""


def subtitle_container(media: Media) -> tuple[str, str]:
    """The suffix of the video with subtitles, and a sentence when it is not the source's own.

    It goes by what the file is, not by its name: mp4, mov, Matroska and WebM hold subtitles and
    stay what they are; all others become Matroska, which holds every stream as it is.
    """
    name = media.path.suffix.lower()
    if media.container.startswith("mov"):
        with opened(media.path, media.container) as container:
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
    sounds: Sequence[SoundFile] = (),
    picture: Path | None = None,
    comment: str = "",
    progress: Callable[[float], None] = lambda _: None,
) -> list[str]:
    """Write ``media`` with ``subtitles`` as further tracks to ``out``, and return warnings.

    Every stream, chapter, tag and attachment is copied as it is, sounds in the order in which
    ``media`` has them; the first new subtitle becomes the
    default one. ``sounds`` are encoded and come before the sound that is there, the first as the
    default. ``picture`` is a file whose one stream, an upright picture timed from the file's start,
    stands in for the picture that is there, with that one's tags. ``comment`` is what the file says
    of itself. ``out`` ends as :func:`subtitle_container` says. ``progress`` gets the seconds done.
    Raises UsageError for another ending, MediaError when ffmpeg fails, OutputError when ``out``
    cannot be written.
    """
    muxer = _muxer(media, out)
    extra = ["-metadata", f"comment={comment}"] if comment else []
    return _write(
        media, _look(media), subtitles, muxer, [], None, out, progress, sounds, extra, picture
    )


def burn(
    media: Media,
    ass_path: Path,
    out: Path,
    *,
    crf: int | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> list[str]:
    """Draw an .ass file on the picture, write that to ``out``, and return warnings.

    The picture is encoded again (H.264; VP9 in WebM; H.265 when it is HDR) with every frame at its
    time; all else is copied. ``crf`` is the encoder's own scale of quality, lower is better.
    ``progress`` gets the seconds done. Raises as :func:`mux` does, and InputError when there is no
    picture or no such .ass file.
    """
    muxer = _muxer(media, out)
    if not media.video:
        raise InputError(f"{media.path} has no picture.", "There is nothing to draw subtitles on.")
    source = _look(media)
    try:
        text = ass_path.read_text("utf-8", "replace")
    except OSError as error:
        raise InputError(f"{ass_path} cannot be read: {error.strerror}.") from error
    warnings = []
    spoken = re.findall(r"^Dialogue:(?:[^,\n]*,){9}(.*)$", text, re.MULTILINE)
    if lacking := missing_glyphs("".join(spoken)):
        warnings.append(no_font(lacking))
    if source.hdr:
        warnings.append(
            f"{media.path.name} is HDR: burned-in white may look too bright. "
            "Subtitles as a track leave the picture as it is."
        )
    encoder = "libvpx-vp9" if muxer == "webm" else "libx265" if source.hdr else "libx264"
    # Every frame once, at the very time that it had. Without the time base, times are rounded to
    # an even rate, which moves the frames of a phone's or a screen recorder's video.
    picture = ["-fps_mode:v:0", "passthrough", "-enc_time_base:v:0", source.tick]
    # 4:2:0 needs even sides; a line less is less visible than a black one more.
    # The file has a plain name in the folder where ffmpeg runs: a name with quotes, colons or
    # backslashes would need two rounds of escaping that differ by platform.
    picture += ["-filter:v:0", "crop=trunc(iw/2)*2:trunc(ih/2)*2:0:0,ass=burn.ass"]
    picture += ["-pix_fmt:v:0", "yuv420p10le" if source.hdr else "yuv420p"]
    picture += ["-c:v:0", encoder, "-crf:v:0", str(CRF[encoder] if crf is None else crf)]
    if encoder == "libvpx-vp9":
        picture += ["-b:v:0", "0", "-row-mt:v:0", "1", "-cpu-used:v:0", "2"]
    if encoder == "libx265":
        picture += ["-x265-params:v:0", "log-level=warning"]
        picture += ["-tag:v:0", "hvc1"] if muxer in _MOV else []

    return warnings + _write(media, source, [], muxer, picture, ass_path, out, progress)


def encode(sounds: Sequence[SoundFile], out: Path, *, comment: str = "") -> list[str]:
    """Write sounds alone to ``out``, an .m4a file, and return warnings. Raises as :func:`mux`."""
    argv: list[str] = []
    for sound in sounds:
        argv += ["-protocol_whitelist", "file", "-f", "wav", "-i", file_url(sound.path)]
    for number, sound in enumerate(sounds):
        argv += ["-map", f"{number}:a:0"]
        argv += [f"-metadata:s:a:{number}", f"language={languages.iso639_2(sound.language)}"]
        argv += [f"-metadata:s:a:{number}", f"handler_name={sound.title}"]
    argv += ["-c:a", "aac", "-b:a", "192k", "-movflags", "+faststart", "-fflags", "+bitexact"]
    title = ", ".join(sound.title for sound in sounds)
    argv += ["-metadata", f"title={title}", "-metadata", f"comment={comment}"]
    with replacing(out) as temporary:
        finished = _run([*argv, "-f", "ipod", file_url(temporary)])
        if finished.status:
            raise _failed(finished, out)
    return []


# ---------------------------------------------------------------- the command


def _muxer(media: Media, out: Path) -> str:
    if out.suffix.lower() not in MUXERS:
        raise UsageError(
            f"Subtitled video cannot be written as {out.suffix or 'a file without an ending'}.",
            f"Name a file that ends in {', '.join(MUXERS)}.",
        )
    if out.exists() and out.samefile(media.path):
        raise OutputError(f"{out} is the input itself.", "Give the output another name or folder.")
    return MUXERS[out.suffix.lower()]


def _look(media: Media) -> _Source:
    with opened(media.path, media.container) as container:
        streams = []
        hdr, tick = False, ""
        for stream in container.streams:
            at = stream.start_time
            start = None if at is None or not stream.time_base else float(at * stream.time_base)
            cover = _has_cover(stream)
            if stream.type == "data" and _made_by_muxer(stream, container, media):
                continue
            streams.append(_Stream(stream.index, stream.type, codec_name(stream), cover, start))
            if media.video and stream.index == media.video[0].index:
                # PQ and HLG, as ITU-T H.273 numbers them
                hdr = getattr(stream.codec_context, "color_trc", 0) in (16, 18)
                tick = str(stream.time_base).replace("/", ":")
        return _Source(
            streams=tuple(streams),
            zero=start_of(container),
            restarts=clock_restarts(container),
            tags=dict(container.metadata),
            hdr=hdr,
            tick=tick,
        )


def _made_by_muxer(stream: Any, container: Any, media: Media) -> bool:
    """Whether a data stream of an mp4 or mov holds what its muxer writes from metadata again:
    the time code, and the titles of chapters."""
    if not media.container.startswith("mov"):
        return False
    return "timecode" in stream.metadata or bool(
        container.chapters()
        and codec_name(stream) in ("unknown", "bin_data", "text")
        and stream.metadata.get("handler_name", "") == "SubtitleHandler"
    )


def _command(
    media: Media,
    source: _Source,
    kept: Sequence[_Stream],
    subtitles: Sequence[SubtitleFile],
    muxer: str,
    extra: Sequence[str],
    target: Path,
    sounds: Sequence[SoundFile] = (),
    picture: Path | None = None,
) -> list[str]:
    """The arguments of ffmpeg: ``kept`` streams of the source, new sounds before its own, then the
    new subtitles; ``picture`` in the place of the source's."""
    replaced = media.video[0].index if picture and media.video else -1
    demuxer = media.container.split(",")[0]
    argv: list[str] = []
    if demuxer in ("avi", "mpeg", "h264", "hevc", "m4v"):
        argv += ["-fflags", "+genpts"]  # these lack the time at which a frame is shown
    argv += ["-protocol_whitelist", "file", "-format_whitelist", DEMUXERS, "-f", demuxer]
    argv += ["-i", file_url(media.path)]
    # ffmpeg moves the source's start to 0; but in MPEG streams the start of those streams that it
    # copies, so the subtitles follow that.
    copied = [stream for stream in kept if stream.index != replaced]
    starts = [stream.start for stream in copied if stream.start is not None]
    late = source.zero - min(starts) if source.restarts and starts else 0.0
    for subtitle in subtitles:
        argv += ["-itsoffset", f"{late:.6f}", "-protocol_whitelist", "file"]
        argv += ["-f", _subtitle_format(subtitle.path), "-i", file_url(subtitle.path)]

    for sound in sounds:
        argv += ["-itsoffset", f"{late:.6f}", "-protocol_whitelist", "file"]
        argv += ["-f", "wav", "-i", file_url(sound.path)]

    if picture:
        with opened(picture) as container:
            first = (container.start_time or 0) / 1_000_000  # which ffmpeg would move to 0
        argv += ["-itsoffset", f"{late + first:.6f}", "-protocol_whitelist", "file"]
        argv += ["-f", "mov", "-i", file_url(picture)]

    first_sound = next((n for n, s in enumerate(kept) if s.kind == "audio"), len(kept))
    for stream in kept[:first_sound]:
        argv += ["-map", _input_of(stream, replaced, len(subtitles) + len(sounds) + 1)]
    for number in range(len(sounds)):
        argv += ["-map", f"{len(subtitles) + number + 1}:a:0"]
    for stream in kept[first_sound:]:
        argv += ["-map", _input_of(stream, replaced, len(subtitles) + len(sounds) + 1)]
    for number in range(len(subtitles)):
        argv += ["-map", f"{number + 1}:s:0"]
    argv += ["-c", "copy", "-copy_unknown", "-map_metadata", "0", "-map_chapters", "0"]
    argv += _sounds(media, sounds, kept, muxer)
    if picture:
        argv += _picture_tags(media, kept)
    old = sum(stream.kind == "subtitle" for stream in kept)
    for number in range(old):
        argv += [f"-disposition:s:{number}", "-default"]
    for number, subtitle in enumerate(subtitles, old):
        ass = _subtitle_format(subtitle.path) == "ass"
        codec = {"matroska": "ass" if ass else "srt", "webm": "webvtt"}.get(muxer, "mov_text")
        argv += [f"-c:s:{number}", codec]
        argv += [f"-disposition:s:{number}", "default" if number == old else "0"]
        # Three letters hold no region or script: where there is one, the title says it.
        title, tag = subtitle.title, subtitle.language
        if "-" in tag and tag not in title:
            title = f"{title} [{tag}]"
        argv += [
            f"-metadata:s:s:{number}",
            f"language={languages.iso639_2(tag, quicktime=muxer == 'mov')}",
        ]
        # In mp4 players find the title as the handler's name.
        for key in ("title", "handler_name") if muxer in _MOV else ("title",):
            argv += [f"-metadata:s:s:{number}", f"{key}={title}"]

    # The same input gives the same bytes: no random ids, no version of ffmpeg.
    argv += ["-fflags", "+bitexact"]
    # For Dolby Vision's and spherical video's boxes.
    argv += ["-strict", "unofficial"]
    # Room for streams that start late. -max_interleave_delta stays at its 10 s, which bounds what
    # is kept in memory while the muxer waits for the next of the sparse subtitles.
    argv += ["-max_muxing_queue_size", "9999"]
    if muxer in _MOV:
        # Index first, so that the file plays while it loads; costs one more pass over it. Keys
        # with a dot (com.apple.quicktime.make) are lost without use_metadata_tags.
        if any("." in key for key in source.tags):
            argv += ["-movflags", "+faststart+use_metadata_tags"]
            for key in ("major_brand", "minor_version", "compatible_brands"):
                argv += ["-metadata", f"{key}="]  # written anew; as tags they would pile up
        else:
            argv += ["-movflags", "+faststart"]
    return [*argv, *extra, "-f", muxer, file_url(target)]


def _input_of(stream: _Stream, replaced: int, picture: int) -> str:
    """Where a stream comes from: the source, or the file of the new picture."""
    return f"{picture}:v:0" if stream.index == replaced else f"0:{stream.index}"


def _picture_tags(media: Media, kept: Sequence[_Stream]) -> list[str]:
    """The tags of the source's picture for the new one, but for what was said of its bytes."""
    replaced = media.video[0].index
    films = [stream for stream in kept if stream.kind == "video"]
    number = next((n for n, stream in enumerate(films) if stream.index == replaced), 0)
    with opened(media.path, media.container) as container:
        stream = container.streams[replaced]
        tags, default = dict(stream.metadata), has_flag(stream.disposition, 1)
    with_bytes = re.compile(r"(?i)BPS|DURATION|NUMBER_OF_|_STATISTICS|ENCODER|rotate|vendor_id")
    argv = [f"-disposition:v:{number}", "default" if default else "0"]
    for key, value in tags.items():
        if not with_bytes.match(key) and "=" not in key:
            argv += [f"-metadata:s:v:{number}", f"{key}={value}"]
    return argv


def _sounds(
    media: Media, sounds: Sequence[SoundFile], kept: Sequence[_Stream], muxer: str
) -> list[str]:
    """Encoder, disposition and tags of the new sounds; that those of old are no default now, and in
    which language they are, which ``media`` may know better than the file."""
    argv: list[str] = []
    for number, sound in enumerate(sounds):
        codec, rate = ("libopus", "160k") if muxer == "webm" else ("aac", "192k")
        argv += [f"-c:a:{number}", codec, f"-b:a:{number}", rate]
        argv += [f"-disposition:a:{number}", "default" if number == 0 else "0"]
        tag = languages.iso639_2(sound.language, quicktime=muxer == "mov")
        argv += [f"-metadata:s:a:{number}", f"language={tag}"]
        for key in ("title", "handler_name") if muxer in _MOV else ("title",):
            argv += [f"-metadata:s:a:{number}", f"{key}={sound.title}"]
    if sounds:
        spoken = {stream.index: stream.language for stream in media.audio}
        old = [stream.index for stream in kept if stream.kind == "audio"]
        for number, index in enumerate(old, len(sounds)):
            argv += [f"-disposition:a:{number}", "-default"]
            if language := spoken.get(index):
                tag = languages.iso639_2(language, quicktime=muxer == "mov")
                argv += [f"-metadata:s:a:{number}", f"language={tag}"]
    return argv


def _subtitle_format(path: Path) -> str:
    """ffmpeg's name for a subtitle file, by its ending."""
    suffix = path.suffix.lower()
    try:
        return {".srt": "srt", ".vtt": "webvtt", ".ass": "ass", ".ssa": "ass"}[suffix]
    except KeyError:
        raise UsageError(f"{path.name} is not a .srt, .vtt or .ass file.") from None


# ---------------------------------------------------------------- running it


def _write(
    media: Media,
    source: _Source,
    subtitles: Sequence[SubtitleFile],
    muxer: str,
    picture: Sequence[str],
    ass_path: Path | None,
    out: Path,
    progress: Callable[[float], None],
    sounds: Sequence[SoundFile] = (),
    marks: Sequence[str] = (),
    replacement: Path | None = None,
) -> list[str]:
    """Run the command; where the container refuses a stream, run it again without that one."""
    kept = _in_order(source.streams, media)
    first = media.video[0].index if media.video else -1
    if picture:  # first of the video streams, since ``picture`` calls it v:0
        kept.sort(key=lambda stream: stream.index != first)
    refused: list[_Stream] = []
    with tempfile.TemporaryDirectory(prefix="dubkit-") as name, replacing(out) as temporary:
        folder = Path(name)
        extra = [*picture, *marks]
        if ass_path:
            shutil.copyfile(ass_path, folder / "burn.ass")
        if muxer == "matroska":  # as a stream, a cover would become a film of one picture
            attached = sum(stream.kind == "attachment" for stream in kept)
            extra += _covers(media, folder, attached)
            kept = [stream for stream in kept if not stream.cover]
        rest = subtitles, muxer, extra, temporary, sounds, replacement
        finished = _run(_command(media, source, kept, *rest), progress, folder)
        if finished.status and not _disk_full(finished):
            # What is encoded anew is not in question; and a film never loses its only sound.
            anew = bool(picture or replacement)
            asked = [stream for stream in kept if not (anew and stream.index == first)]
            for stream in asked:
                alone = ["-t", "0"]
                argv = _command(media, source, [stream], [], muxer, alone, folder / "alone")
                if _run(argv).status:
                    refused.append(stream)
            held = [stream for stream in kept if stream not in refused]
            if refused and _kinds(held) == _kinds(kept):
                finished = _run(_command(media, source, held, *rest), progress, folder)
        if finished.status:
            raise _failed(finished, out)
    return [
        f"{stream.kind.capitalize()} stream {stream.index} ({stream.codec}) cannot be held by "
        f"{out.suffix} and was left out."
        for stream in refused
    ]


def _in_order(streams: Sequence[_Stream], media: Media) -> list[_Stream]:
    """The streams, the sounds among them in the order in which ``media`` has them."""
    ranks = {sound.index: rank for rank, sound in enumerate(media.audio)}
    sounds = iter(sorted((s for s in streams if s.index in ranks), key=lambda s: ranks[s.index]))
    return [next(sounds) if stream.index in ranks else stream for stream in streams]


def _kinds(streams: Iterable[_Stream]) -> set[str]:
    return {s.kind for s in streams if s.kind in ("audio", "video") and not s.cover}


def _covers(media: Media, folder: Path, number: int) -> list[str]:
    """Arguments that attach the file's covers again; ``number`` is that of the first."""
    argv: list[str] = []
    with opened(media.path, media.container) as container:
        covers = {stream.index: stream for stream in container.streams if _has_cover(stream)}
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


def _has_cover(stream: Any) -> bool:
    return stream.type == "video" and is_cover(stream)


def _run(
    argv: Sequence[str],
    progress: Callable[[float], None] = lambda _: None,
    cwd: Path | None = None,
) -> process.Finished:
    def on_line(line: str) -> None:
        key, _, value = line.partition("=")
        if key == "out_time_us" and value.isdigit():
            progress(int(value) / 1_000_000)

    program = [ffmpeg_path(), "-hide_banner", "-nostdin", "-nostats", "-y"]
    program += ["-loglevel", "warning", "-progress", "pipe:1"]
    return process.run([*program, *argv], on_line=on_line, cwd=cwd)


def _disk_full(finished: process.Finished) -> bool:
    return any(os.strerror(errno.ENOSPC) in line for line in finished.tail)


def _failed(finished: process.Finished, out: Path) -> Exception:
    if _disk_full(finished):
        return cannot_write(out, OSError(errno.ENOSPC, ""))
    old = re.compile("Unrecognized option|No such filter|Unknown encoder")
    if lack := next((line for line in finished.tail if old.search(line)), ""):
        return MissingDependency(
            f"{finished.argv[0]} is too old or was built without a part: {lack}",
            "Install a full ffmpeg of version 5.1 or later, or pip install imageio-ffmpeg and set "
            "DUBKIT_FFMPEG to the path that imageio_ffmpeg.get_ffmpeg_exe() gives.",
        )
    reason = next((line for line in reversed(finished.tail) if "rror" in line), "")
    reason = reason or (finished.tail[-1] if finished.tail else "it gave no reason")
    reason = re.sub(r"^\[[^]]*] ", "", reason)  # without the name of the part that says it
    how = f"status {finished.status}" if finished.status > 0 else f"signal {-finished.status}"
    return MediaError(
        f"ffmpeg could not write {out.name} ({how}): {reason}",
        "Its last lines are in the log.",
        finished.argv,
        finished.tail,
    )


# ---------------------------------------------------------------- fonts
