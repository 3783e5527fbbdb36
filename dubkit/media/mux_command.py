"""The ffmpeg command line that writes a video with more tracks. :mod:`.mux` decides what to write,
and runs it.

Commands are plain argument lists. ffmpeg-python 0.2 cannot repeat ``-metadata`` for one track,
merges two inputs of the same file, and would burn subtitles with a filter graph, which loses the
video track's language and title.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dubkit import languages
from dubkit.errors import UsageError
from dubkit.types import Media

from .ffmpeg import DEMUXERS, file_url
from .probe import clock_restarts, codec_name, has_flag, is_cover, open_media, start_of

MOV_MUXERS = ("mov", "mp4", "3gp", "3g2")
AS_TIMED = ("-seek_timestamp", "1")
"""Input options that leave a file's times as they are. Otherwise ffmpeg makes the file's start 0,
and its versions disagree on where that is: up to 8.0 it is the pre-roll of an audio encoder."""


@dataclass(frozen=True, slots=True)
class SubtitleFile:
    """A subtitle file to put into a video."""

    path: Path
    """An .srt, .vtt or .ass file in UTF-8, timed from the video's second 0."""
    language: str
    """BCP-47."""
    title: str
    """For people, such as ``English``."""
    forced: bool = False
    """Only what viewers need who hear its language."""


@dataclass(frozen=True, slots=True)
class AudioFile:
    """An audio file to put into a video, before the audio tracks that it has."""

    path: Path
    """A WAV file, timed from the video's second 0."""
    language: str
    """BCP-47."""
    title: str
    """For people, such as ``Spanish (generated speech)``."""


@dataclass(frozen=True, slots=True)
class Additions:
    """What a video gets beyond its own streams."""

    subtitles: Sequence[SubtitleFile] = ()
    audio: Sequence[AudioFile] = ()
    picture: Path | None = None
    """An mp4 or mov file whose only stream replaces the source's video stream."""


@dataclass(frozen=True, slots=True)
class SourceStream:
    """One stream of the source, as far as muxing must know it."""

    index: int
    kind: str
    codec: str
    cover: bool
    start: float | None
    """Seconds on the file's own clock."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """What the command line needs to know of a file beyond its :class:`Media`."""

    streams: tuple[SourceStream, ...]
    zero: float
    """Seconds on the file's own clock that a player shows as 0."""
    restarts: bool
    """Whether the format's clock may be reset; ffmpeg offsets such files differently."""
    tags: Mapping[str, str]


def inspect(media: Media) -> SourceFile:
    """Read what muxing must know of a file. Raises InputError when it cannot be opened."""
    with open_media(media.path, media.container) as container:
        streams = []
        for stream in container.streams:
            if stream.type == "data" and _rewritten_by_muxer(stream, container, media):
                continue
            at = stream.start_time
            start = None if at is None or not stream.time_base else float(at * stream.time_base)
            streams.append(
                SourceStream(
                    stream.index, stream.type, codec_name(stream), is_cover_video(stream), start
                )
            )
        return SourceFile(
            streams=tuple(streams),
            zero=start_of(container),
            restarts=clock_restarts(container),
            tags=dict(container.metadata),
        )


def _rewritten_by_muxer(stream: Any, container: Any, media: Media) -> bool:
    """Whether a data stream of an mp4 or mov is one that its muxer writes again from metadata:
    the timecode, and the titles of chapters."""
    if not media.container.startswith("mov"):
        return False
    return "timecode" in stream.metadata or bool(
        container.chapters()
        and codec_name(stream) in ("unknown", "bin_data", "text")
        and stream.metadata.get("handler_name", "") == "SubtitleHandler"
    )


def is_cover_video(stream: Any) -> bool:
    """Whether any kind of stream is a cover picture."""
    return stream.type == "video" and is_cover(stream)


# ---------------------------------------------------------------- the command


def command(
    media: Media,
    source: SourceFile,
    kept: Sequence[SourceStream],
    additions: Additions,
    muxer: str,
    options: Sequence[str],
    target: Path,
) -> list[str]:
    """The arguments of ffmpeg, without the program: the ``kept`` streams of the source, the new
    audio before its own, the new subtitles after its own. ``options`` come last, before ``target``.

    Raises UsageError for a subtitle file of an unknown format.
    """
    subtitles, audio, picture = additions.subtitles, additions.audio, additions.picture
    replaced = media.video[0].index if picture and media.video else -1
    argv = _inputs(media, source, kept, additions, replaced)

    def origin(stream: SourceStream) -> str:
        picture_input = len(subtitles) + len(audio) + 1
        return f"{picture_input}:v:0" if stream.index == replaced else f"0:{stream.index}"

    first_audio = next((n for n, s in enumerate(kept) if s.kind == "audio"), len(kept))
    for stream in kept[:first_audio]:
        argv += ["-map", origin(stream)]
    for number in range(len(audio)):
        argv += ["-map", f"{len(subtitles) + number + 1}:a:0"]
    for stream in kept[first_audio:]:
        argv += ["-map", origin(stream)]
    for number in range(len(subtitles)):
        argv += ["-map", f"{number + 1}:s:0"]
    argv += ["-c", "copy", "-copy_unknown", "-map_metadata", "0", "-map_chapters", "0"]
    argv += _audio_options(media, audio, kept, muxer)
    if picture:
        argv += _picture_options(media, kept)
    argv += _subtitle_options(subtitles, kept, muxer)
    # The same input gives the same bytes: no random ids, no version of ffmpeg.
    argv += ["-fflags", "+bitexact"]
    # For the boxes of Dolby Vision and spherical video.
    argv += ["-strict", "unofficial"]
    # An audio encoder's pre-roll stays before 0; made positive, it would shift all else.
    argv += [] if source.restarts else ["-avoid_negative_ts", "disabled"]
    # Room for streams that start late. -max_interleave_delta stays at its 10 s, which bounds what
    # is kept in memory while the muxer waits for the next of the sparse subtitles.
    argv += ["-max_muxing_queue_size", "9999"]
    if muxer in MOV_MUXERS:
        # Index first, so that the file plays while it loads; costs one more pass over it. Keys
        # with a dot (com.apple.quicktime.make) are lost without use_metadata_tags.
        if any("." in key for key in source.tags):
            argv += ["-movflags", "+faststart+use_metadata_tags"]
            for key in ("major_brand", "minor_version", "compatible_brands"):
                argv += ["-metadata", f"{key}="]  # the muxer writes these; as tags they pile up
        else:
            argv += ["-movflags", "+faststart"]
    return [*argv, *options, "-f", muxer, file_url(target)]


def _inputs(
    media: Media,
    source: SourceFile,
    kept: Sequence[SourceStream],
    additions: Additions,
    replaced: int,
) -> list[str]:
    """The input files: the source, then new subtitles, new audio, the new picture."""
    demuxer = media.container.split(",")[0]
    argv: list[str] = []
    if source.restarts:
        # ffmpeg makes the clock continuous and shifts it so that the start of the streams that it
        # copies becomes 0, so the new tracks must follow that.
        copied = [stream for stream in kept if stream.index != replaced]
        starts = [stream.start for stream in copied if stream.start is not None]
        late = source.zero - min(starts) if starts else 0.0
    else:
        late = 0.0
        argv += [*AS_TIMED, "-itsoffset", f"{-source.zero:.6f}"]
    if demuxer in ("avi", "mpeg", "h264", "hevc", "m4v"):
        argv += ["-fflags", "+genpts"]  # these lack the time at which a frame is shown
    argv += ["-protocol_whitelist", "file", "-format_whitelist", DEMUXERS, "-f", demuxer]
    argv += ["-i", file_url(media.path)]
    added = [*AS_TIMED, "-itsoffset", f"{late:.6f}", "-protocol_whitelist", "file"]
    for subtitle in additions.subtitles:
        argv += [*added, "-f", _subtitle_format(subtitle.path), "-i", file_url(subtitle.path)]
    for one in additions.audio:
        argv += [*added, "-f", "wav", "-i", file_url(one.path)]
    if additions.picture:
        argv += [*added, "-f", "mov", "-i", file_url(additions.picture)]
    return argv


def _picture_options(media: Media, kept: Sequence[SourceStream]) -> list[str]:
    """Give the new picture the tags of the source's, except those that describe its bytes."""
    replaced = media.video[0].index
    videos = [stream for stream in kept if stream.kind == "video"]
    number = next((n for n, stream in enumerate(videos) if stream.index == replaced), 0)
    with open_media(media.path, media.container) as container:
        stream = container.streams[replaced]
        tags, default = dict(stream.metadata), has_flag(stream.disposition, 1)
    of_bytes = re.compile(r"(?i)BPS|DURATION|NUMBER_OF_|_STATISTICS|ENCODER|rotate|vendor_id")
    argv = [f"-disposition:v:{number}", "default" if default else "0"]
    for key, value in tags.items():
        if not of_bytes.match(key) and "=" not in key:
            argv += [f"-metadata:s:v:{number}", f"{key}={value}"]
    return argv


def _audio_options(
    media: Media, audio: Sequence[AudioFile], kept: Sequence[SourceStream], muxer: str
) -> list[str]:
    """Encoder, disposition and tags of the new audio tracks. The source's own tracks are no longer
    default then, and get the language in ``media``, which may be known better than in the file."""
    argv: list[str] = []
    for number, one in enumerate(audio):
        codec, rate = ("libopus", "160k") if muxer == "webm" else ("aac", "192k")
        argv += [f"-c:a:{number}", codec, f"-b:a:{number}", rate]
        argv += [f"-disposition:a:{number}", "default" if number == 0 else "0"]
        tag = languages.iso639_2(one.language, quicktime=muxer == "mov")
        argv += [f"-metadata:s:a:{number}", f"language={tag}"]
        for key in _title_keys(muxer):
            argv += [f"-metadata:s:a:{number}", f"{key}={one.title}"]
    if audio:
        known = {stream.index: stream.language for stream in media.audio}
        own = [stream.index for stream in kept if stream.kind == "audio"]
        for number, index in enumerate(own, len(audio)):
            argv += [f"-disposition:a:{number}", "-default"]
            if language := known.get(index):
                tag = languages.iso639_2(language, quicktime=muxer == "mov")
                argv += [f"-metadata:s:a:{number}", f"language={tag}"]
    return argv


def _subtitle_options(
    subtitles: Sequence[SubtitleFile], kept: Sequence[SourceStream], muxer: str
) -> list[str]:
    """Codec, disposition and tags of the new subtitle tracks. The first becomes the default; or the
    forced track of its language, which players show to whoever hears that language."""
    argv: list[str] = []
    default = next(
        (k for k, one in enumerate(subtitles)
         if one.forced and one.language == subtitles[0].language), 0
    )  # fmt: skip
    own = sum(stream.kind == "subtitle" for stream in kept)
    for number in range(own):
        argv += [f"-disposition:s:{number}", "-default"]
    for number, subtitle in enumerate(subtitles, own):
        ass = _subtitle_format(subtitle.path) == "ass"
        codec = {"matroska": "ass" if ass else "srt", "webm": "webvtt"}.get(muxer, "mov_text")
        argv += [f"-c:s:{number}", codec]
        flags = ["default"] * (number - own == default) + ["forced"] * subtitle.forced
        argv += [f"-disposition:s:{number}", "+".join(flags) or "0"]
        # Three letters hold no region or script: if the tag has one, the title names it.
        title, tag = subtitle.title, subtitle.language
        if "-" in tag and tag not in title:
            title = f"{title} [{tag}]"
        language = languages.iso639_2(tag, quicktime=muxer == "mov")
        argv += [f"-metadata:s:s:{number}", f"language={language}"]
        for key in _title_keys(muxer):
            argv += [f"-metadata:s:s:{number}", f"{key}={title}"]
    return argv


def _title_keys(muxer: str) -> tuple[str, ...]:
    """The tags for a track's title; in mp4, players take it from the handler's name."""
    return ("title", "handler_name") if muxer in MOV_MUXERS else ("title",)


def _subtitle_format(path: Path) -> str:
    """ffmpeg's name for a subtitle file's format, by its suffix."""
    suffix = path.suffix.lower()
    try:
        return {".srt": "srt", ".vtt": "webvtt", ".ass": "ass", ".ssa": "ass"}[suffix]
    except KeyError:
        raise UsageError(f"{path.name} is not a .srt, .vtt or .ass file.") from None
