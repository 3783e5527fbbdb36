"""Open a media file, list its streams, and pick the audio stream to work on.

Input files are not trusted. Each is opened by PyAV or ffmpeg as ``file:`` and its absolute path,
by a demuxer that reads nothing but that one file, so that a playlist disguised as a video can open
no other file and no URL. Decoding is in :mod:`.audio` and :mod:`dubkit.lipsync.frames`.
"""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubkit import languages
from dubkit.errors import InputError, UsageError
from dubkit.types import AudioStream, Media, SubtitleStream, VideoStream

from .ffmpeg import DEMUXERS, file_url

if TYPE_CHECKING:
    import av.container

FORCED = re.compile(r"(?i)\b(forced|signs)\b")
SDH = re.compile(r"(?i)\b(sdh|cc|hearing[ -]impaired|hard[ -]of[ -]hearing)\b")
"""What titles of subtitle tracks say where the container has no flag for it, or nobody set it."""
JUMP = 10.0
"""Seconds from which a jump in MPEG timestamps is a clock reset, not silence (as in ffmpeg)."""


# ---------------------------------------------------------------- opening and probing


@contextlib.contextmanager
def open_media(path: Path, container: str | None = None) -> Iterator[av.container.InputContainer]:
    """Open ``path`` with PyAV, and no other file; ``container`` is its demuxer if known.

    Raises InputError, which says what is wrong with the file.
    """
    import av
    import av.error

    check_readable(path)
    try:
        media = av.open(
            file_url(path),
            format=container.split(",")[0] if container else None,
            container_options={
                "protocol_whitelist": "file",
                "format_whitelist": DEMUXERS,
            },
            metadata_errors="replace",
        )
    except (av.error.FFmpegError, ValueError) as error:
        raise _unreadable(path) from error
    try:
        yield media
    finally:
        media.close()


def check_readable(path: Path) -> None:
    """Raise InputError unless ``path`` is a readable file with something in it."""
    try:
        if not path.exists():
            raise InputError(f"There is no file {path}.", "Check the name and the folder.")
        if path.is_dir():
            raise InputError(f"{path} is a folder.", "Name the video file inside it.")
        if not path.is_file():
            raise InputError(f"{path} is not a regular file.", "Copy it to a file first.")
        with path.open("rb") as file:
            if not file.read(1):
                raise InputError(f"{path} is empty.", "Copy or download it again.")
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}.", "Check its permissions (ls -l)."
        ) from error
    except ValueError as error:  # a NUL in the name
        raise InputError(f"{str(path)!r} is not a file name.") from error


def _unreadable(path: Path) -> InputError:
    boxes, _ = _boxes(path)
    if {"ftyp", "mdat", "wide"} & boxes and not {"moov", "moof"} & boxes:
        return InputError(
            f"{path} is cut off: its index (moov) is missing.",
            "Copy or download it again. After a crashed recording, a tool such as untrunc may "
            "rebuild the index from another recording of the same camera.",
        )
    if path.suffix.lower() in (".srt", ".vtt", ".ass", ".ttml"):
        return InputError(
            f"{path} is a subtitle file, not a video or sound.", f"dubkit check {path} checks it."
        )
    hint = "Is it the right file? A damaged one may be repaired with ffmpeg first."
    if _is_playlist(path):
        hint = (
            "Playlists (m3u8, mpd, ffconcat, sdp) are not opened, because they point to other "
            "files: give the video itself."
        )
    return InputError(f"{path} is not a video or audio file that dubkit can read.", hint)


def _is_playlist(path: Path) -> bool:
    with contextlib.suppress(OSError), path.open("rb") as file:
        head = file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n")
        return head.startswith((b"#EXTM3U", b"ffconcat", b"v=0")) or b"<MPD" in head
    return False


def _boxes(path: Path) -> tuple[set[str], int]:
    """The names of an mp4 file's top-level boxes, and how many bytes are missing at its end.

    By hand, since PyAV reports neither.
    """
    names: set[str] = set()
    size = path.stat().st_size
    at = 0
    with path.open("rb") as file:
        while at + 8 <= size:
            file.seek(at)
            head = file.read(16)
            length, name = struct.unpack(">I4s", head[:8])
            if length == 1 and len(head) == 16:
                length = struct.unpack(">Q", head[8:])[0]
            if not re.fullmatch(rb"[\x20-\x7e\xa9]{4}", name):
                break
            names.add(name.decode("latin-1"))
            if length < 8:  # 0: this box goes on to the end of the file
                break
            at += length
    return names, max(0, at - size)


def missing_bytes(path: Path, container: str) -> int:
    """How many bytes an mp4, mov or Matroska file lacks at its end, by its own account; for a
    Matroska file that was not finished, at least 1."""
    if container.startswith("mov"):
        return _boxes(path)[1]
    if not container.startswith("matroska"):
        return 0
    with path.open("rb") as file:
        head = file.read(4096)
    at = head.find(b"\x18\x53\x80\x67")  # the segment, and its size in 8 bytes as ffmpeg writes it
    if at < 0 or len(head) < at + 12 or head[at + 4] != 1:
        return 0
    size = int.from_bytes(head[at + 5 : at + 12], "big")
    return 1 if size == 2**56 - 1 else max(0, at + 12 + size - path.stat().st_size)


def probe(path: Path) -> Media:
    """List what ``path`` holds, without ffprobe and without decoding more than one frame.

    Raises InputError when it is missing, unreadable, truncated, or has neither video nor audio.
    """
    path = Path(path)
    with open_media(path) as container:
        name = container.format.name
        video, audio, subtitles = [], [], []
        warnings = []
        for stream in container.streams:
            codec = codec_name(stream)
            facts = (stream.index, codec, languages.bcp47(stream.metadata.get("language")))
            title = _title(stream.metadata)
            default = has_flag(stream.disposition, 1)  # AV_DISPOSITION_DEFAULT
            if stream.type == "audio":
                context: Any = stream.codec_context
                channels = context.layout.nb_channels if context else 0
                rate = context.sample_rate if context else 0
                audio.append(AudioStream(*facts, title, default, channels, rate or 0))
            elif stream.type == "video" and not stream.codec_context:
                warnings.append(
                    f"{path.name} has a picture of an unknown codec, which cannot be kept: "
                    "only its sound is used."
                )
            elif stream.type == "video" and not is_cover(stream):
                video.append(_video(container, stream, codec))
            elif stream.type == "subtitle":
                flags = stream.disposition
                forced = has_flag(flags, 0x40) or bool(FORCED.search(title or ""))
                sdh = has_flag(flags, 0x80) or bool(SDH.search(title or ""))
                subtitles.append(SubtitleStream(*facts, title, default, forced, sdh))
        duration = (container.duration or 0) / 1_000_000
    if warnings and not audio:
        raise InputError(
            f"{path} has a picture of an unknown codec, and no sound.",
            "Convert it with the program that made it.",
        )
    if not video and not audio:
        raise InputError(
            f"{path} holds neither picture nor sound.", "Name a video or an audio file."
        )
    if name.startswith("mov") and (missing := missing_bytes(path, name)):
        warnings.append(
            f"{path.name} is cut off: {missing / 1e6:.1f} MB are missing at its end. "
            "The rest is used."
        )
    streams = tuple(video), tuple(audio), tuple(subtitles)
    return Media(path, name, max(0.0, duration), *streams, tuple(warnings))


def codec_name(stream: Any) -> str:
    """ffmpeg's name for a stream's codec, not for the library that decodes it."""
    context = stream.codec_context
    return context.codec.canonical_name if context else "unknown"


def has_flag(flags: Any, bit: int) -> bool:
    """Whether ``bit`` is set in flags, which PyAV gives as an int or, before 17, as an enum."""
    return bool(int(getattr(flags, "value", flags)) & bit)


def is_cover(stream: Any) -> bool:
    """Whether a video stream is an attached still picture."""
    return has_flag(stream.disposition, 0x400)  # AV_DISPOSITION_ATTACHED_PIC


def _title(metadata: dict[str, str]) -> str | None:
    if title := (metadata.get("title") or metadata.get("name") or "").strip():
        return title
    # mp4 keeps a track's title as its handler's name; these are default names that mean nothing.
    handler = metadata.get("handler_name", "").strip(" \0")
    default = re.fullmatch(r"(?i).*handler.*|core media .*|iso media.*|gpac.*", handler)
    return None if default or not handler else handler


def _video(container: av.container.InputContainer, stream: Any, codec: str) -> VideoStream:
    import av.error

    width, height = stream.width or 0, stream.height or 0
    if ratio := stream.sample_aspect_ratio:
        width = round(width * ratio) or width
    # How a phone was held is stored with the first frame, and only there.
    with contextlib.suppress(av.error.FFmpegError, StopIteration):
        for tries, packet in enumerate(container.demux(stream)):
            frames = packet.decode()
            if frames or tries > 50:
                if frames and getattr(frames[0], "rotation", 0) % 180:
                    width, height = height, width
                break
    rate = stream.average_rate or stream.guessed_rate or 0
    return VideoStream(stream.index, codec, width, height, float(rate))


def start_of(container: av.container.InputContainer) -> float:
    """Seconds on the file's own clock that a player shows as 0.

    A start below 0 is an audio encoder's pre-roll (Opus in Matroska), which players do not show; in
    MPEG streams it is a clock that wraps later on.
    """
    start = (container.start_time or 0) / 1_000_000
    return start if clock_restarts(container) else max(0.0, start)


def clock_restarts(container: av.container.InputContainer) -> bool:
    """Whether the format's clock may wrap or be reset (MPEG streams)."""
    return has_flag(container.format.flags, 0x0200)  # AVFMT_TS_DISCONT


# ---------------------------------------------------------------- choosing an audio stream


def pick_audio(media: Media, choice: str | None = None, spoken: str | None = None) -> AudioStream:
    """The audio stream to work on: by number (from 1), by language, else the default one; but if
    that is in another language than the one that is ``spoken``, the first in that.

    A language is a BCP-47 tag or an ISO 639-2 code (``es``, ``spa``, ``pt-BR``). Raises InputError
    when there is no audio at all, UsageError when no stream matches ``choice``.
    """
    if not media.audio:
        raise InputError(f"{media.path} has no sound.", "There is nothing to transcribe in it.")
    if choice is None:
        default = next((stream for stream in media.audio if stream.default), media.audio[0])
        matching = _in_language(media.audio, spoken)
        return default if default in matching or not matching else matching[0]
    choice = choice.strip()
    if choice.isascii() and choice.isdigit():
        if 1 <= int(choice) <= len(media.audio):
            return media.audio[int(choice) - 1]
    elif found := _in_language(media.audio, languages.bcp47(choice)):
        return next((stream for stream in found if stream.default), found[0])
    listed = "; ".join(
        f"{number}: {', '.join(filter(None, (s.language or 'language unknown', s.title, s.codec)))}"
        for number, s in enumerate(media.audio, 1)
    )
    raise UsageError(f"{media.path.name} has no audio track {choice!r}.", f"It has {listed}.")


def _in_language(streams: Sequence[AudioStream], wanted: str | None) -> list[AudioStream]:
    """Those in exactly that language, else those in another form of it."""
    if not wanted:
        return []
    primary = languages.primary(wanted)
    same = [one for one in streams if (one.language or "").lower() == wanted.lower()]
    return same or [one for one in streams if languages.primary(one.language or "") == primary]
