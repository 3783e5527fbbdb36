"""Subtitle tracks that a video already has: pick one, and extract it to a file.

Reading that file is in :mod:`dubkit.subtitles`; putting tracks into a video is in :mod:`.mux`.
"""

from __future__ import annotations

from pathlib import Path

from dubkit import languages
from dubkit.errors import InputError, MediaError, UsageError
from dubkit.files import replacing
from dubkit.types import Media, SubtitleStream

from .ffmpeg import DEMUXERS, file_url
from .integrity import flaw, packet_counts
from .probe import open_media, start_of
from .run_ffmpeg import check_written, run_ffmpeg

PICTURES = frozenset({"hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle", "xsub"})
"""Codecs that store each subtitle as a picture."""

_EXTRACTED = {
    "ass": (".ass", "ass", "copy"),
    "ssa": (".ass", "ass", "copy"),
    "webvtt": (".vtt", "webvtt", "copy"),
    # Copied, since ffmpeg stops at text that is not UTF-8, and dubkit.subtitles does not.
    "subrip": (".srt", "srt", "copy"),
    "srt": (".srt", "srt", "copy"),
    "text": (".srt", "srt", "copy"),
}
_OTHERS = (".srt", "srt", "srt")
"""Suffix, muxer and encoder by codec, and for all other codecs."""


def pick(media: Media, choice: str = "") -> SubtitleStream:
    """The subtitle track to read: by number (from 1), by language, else the default one.

    A language is a BCP-47 tag or an ISO 639-2 code (``es``, ``spa``, ``pt-BR``). If several tracks
    match, text is preferred to pictures, and a whole text to forced lines. Raises InputError when
    there is no track at all or only pictures match, UsageError when no track matches ``choice``.
    """
    tracks = media.subtitles
    if not tracks:
        raise InputError(
            f"{media.path} has no subtitle tracks.", "Give a subtitle file, or leave the track out."
        )
    choice = choice.strip()
    found: list[SubtitleStream] = []
    if not choice:
        found = list(tracks)
    elif choice.isascii() and choice.isdigit():
        if 1 <= int(choice[:9]) <= len(tracks):
            found = [tracks[int(choice) - 1]]
    elif wanted := languages.bcp47(choice):
        primary = wanted.partition("-")[0]
        same = [s for s in tracks if (s.language or "").lower() == wanted.lower()]
        alike = [s for s in tracks if (s.language or "").partition("-")[0] == primary]
        text = [s for s in same if s.codec not in PICTURES]
        found = text or [s for s in alike if s.codec not in PICTURES] or same or alike
    if not found:
        raise UsageError(
            f"{media.path.name} has no subtitle track {choice!r}.", f"It has {_list(media)}."
        )
    readable = [s for s in found if s.codec not in PICTURES]
    stream = next((s for s in readable or found if s.default), (readable or found)[0])
    if stream.forced and not choice.isdigit():
        whole = [s for s in readable if not s.forced and (choice or s.language == stream.language)]
        stream = min(whole, key=lambda s: s.sdh, default=stream)
    _refuse_pictures(media, stream)
    return stream


def suffix(stream: SubtitleStream) -> str:
    """The suffix of the file that :func:`extract` writes: ``.ass``, ``.vtt`` or ``.srt``."""
    return _EXTRACTED.get(stream.codec, _OTHERS)[0]


def extract(media: Media, stream: SubtitleStream, out: Path) -> Path:
    """Write a subtitle track to ``out``, a file or a folder, and return the file.

    Its second 0 is second 0 of the video as a player shows it. Raises InputError when the track
    holds pictures or cannot be read, OutputError when the file cannot be written.
    """
    _refuse_pictures(media, stream)
    ending, muxer, codec = _EXTRACTED.get(stream.codec, _OTHERS)
    if out.is_dir():
        out = out / f"track{_number(media, stream)}{ending}"
    with open_media(media.path, media.container) as container:
        zero = start_of(container)
    argv = ["-loglevel", "warning"]
    # Keep the file's times, less what a player shows as 0: ffmpeg would take the start of the one
    # stream that it reads.
    argv += ["-copyts", "-itsoffset", f"{-zero:.6f}"]
    argv += ["-protocol_whitelist", "file", "-format_whitelist", DEMUXERS]
    argv += ["-f", media.container.split(",")[0], "-i", file_url(media.path)]
    argv += ["-map", f"0:{stream.index}", "-c:s", codec, "-map_metadata", "-1"]
    argv += ["-avoid_negative_ts", "disabled", "-fflags", "+bitexact", "-f", muxer]
    doing = f"read subtitle track {_number(media, stream)} of {media.path.name}"
    with replacing(out) as temporary:
        try:
            run_ffmpeg([*argv, file_url(temporary)], doing=doing, out=out)
        except MediaError as failure:
            raise InputError(
                f"{failure.message} ({stream.codec})",
                "Choose another track, or give a subtitle file.",
            ) from failure
        # A track without a cue is an empty file.
        if flaw(temporary) and packet_counts(media.path, media.container)[stream.index][1]:
            check_written(temporary, None, doing=doing, out=out)
    return out


def _refuse_pictures(media: Media, stream: SubtitleStream) -> None:
    if stream.codec in PICTURES:
        raise InputError(
            f"{media.path.name}: subtitle track {_number(media, stream)} ({stream.codec}) holds "
            "pictures of text, not text.",
            "Turn it into an .srt file with an OCR tool, such as Subtitle Edit, and give that. "
            f"The file has {_list(media)}.",
        )


def _number(media: Media, stream: SubtitleStream) -> int:
    return media.subtitles.index(stream) + 1


def _list(media: Media) -> str:
    return "; ".join(
        f"{number}: {', '.join(filter(None, (s.language or 'language unknown', s.title, s.codec)))}"
        for number, s in enumerate(media.subtitles, 1)
    )
