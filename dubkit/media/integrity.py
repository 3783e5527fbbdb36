"""Whether a media file that was written is whole, without decoding it."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from dubkit.errors import InputError

from .probe import missing_bytes, open_media


@dataclass(frozen=True, slots=True)
class Contents:
    """What a media file must hold, at least."""

    seconds: float = 0.0
    """Its length; 0 if that is not known."""
    video: int = 0
    """Streams of each kind."""
    audio: int = 0
    subtitle: int = 0
    packets: int = 0
    """Of its pictures, or of its sound if it has no picture."""


def flaw(path: Path, contents: Contents | None = None) -> str:
    """What is wrong with a file, in words; empty if nothing is. Without ``contents``, any file that
    is not empty will do."""
    try:
        if not path.stat().st_size:
            return "the file is empty"
    except OSError:
        return "there is no file"
    if contents is None:
        return ""
    try:
        with open_media(path) as container:
            found = Counter(stream.type for stream in container.streams)
            seconds = (container.duration or 0) / 1_000_000
            name = container.format.name
    except InputError:
        return "the file cannot be opened"
    if missing_bytes(path, name):
        return "the file is cut off"
    if not seconds:
        return "it has no length"
    for kind in ("video", "audio", "subtitle"):
        if found[kind] < (wanted := getattr(contents, kind)):
            return f"it has {found[kind]} {kind} tracks of {wanted}"
    if seconds < contents.seconds - max(0.5, contents.seconds / 100):
        return f"it ends at {seconds:.1f} s of {contents.seconds:.1f} s"
    if contents.packets:
        counts = packet_counts(path)
        kinds = {index: kind for index, (kind, _) in counts.items()}
        main = "video" if "video" in kinds.values() else "audio"
        most = max((count for kind, count in counts.values() if kind == main), default=0)
        if most < contents.packets:
            return f"it has {most} packets of {contents.packets}"
    return ""


def packet_counts(path: Path, container: str | None = None) -> dict[int, tuple[str, int]]:
    """For each stream its kind and how many packets it has, as far as the file can be read."""
    import av.error

    counts: Counter[int] = Counter()
    with open_media(path, container) as media:
        kinds = {stream.index: stream.type for stream in media.streams}
        with contextlib.suppress(av.error.FFmpegError):  # cut off there
            counts.update(packet.stream_index for packet in media.demux() if packet.size)
    return {index: (kind, counts[index]) for index, kind in kinds.items()}
