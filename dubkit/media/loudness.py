"""Measure loudness with ffmpeg's ebur128. :mod:`dubkit.dub.mix` applies it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dubkit.errors import MediaError
from dubkit.types import AudioStream

from .ffmpeg import DEMUXERS, file_url
from .run_ffmpeg import run_ffmpeg


@dataclass(frozen=True, slots=True)
class Loudness:
    """The loudness of a whole audio stream, by ITU-R BS.1770 and EBU R 128."""

    integrated: float
    """LUFS; -70.0 if nothing is loud enough to count."""
    true_peak: float | None
    """dBTP; -120.0 for digital silence, None if it was not measured."""


def loudness(
    path: Path,
    *,
    stream: AudioStream | None = None,
    container: str | None = None,
    peak: bool = True,
) -> Loudness:
    """The loudness of ``path``: of ``stream``, or of its first audio stream.

    ``container`` is its demuxer if known. Without ``peak`` it takes half the time. Raises
    MediaError when ffmpeg cannot read it.
    """
    argv = ["-protocol_whitelist", "file", "-format_whitelist", DEMUXERS]
    argv += ["-f", container.split(",")[0]] if container else []
    argv += ["-i", file_url(path), "-map", f"0:{stream.index}" if stream else "0:a:0"]
    return ebur128(argv, path.name, peak)


def ebur128(source: Sequence[str], name: str, peak: bool) -> Loudness:
    """Loudness of ffmpeg's input arguments ``source``, called ``name`` in errors."""
    # Without framelog a line is printed every 0.1 s, which takes longer than the measuring.
    audio_filter = "ebur128=framelog=verbose" + (":peak=true" if peak else "")
    doing = f"measure how loud {name} is"
    finished = run_ffmpeg([*source, "-af", audio_filter, "-f", "null", "-"], doing=doing)
    _, _, summary = "\n".join(finished.tail).rpartition("Summary:")
    integrated = re.search(r"\bI:\s+(-?[\d.]+|-?inf|nan) LUFS", summary)
    true_peak = re.search(r"\bPeak:\s+(-?[\d.]+|-?inf|nan) dBFS", summary)
    if not integrated or (peak and not true_peak):
        raise MediaError(
            f"Could not {doing}, though no error was reported.",
            "Its last lines are in the log.",
            finished.argv,
            finished.tail,
        )
    top = _number(true_peak[1], -120.0) if true_peak else None
    return Loudness(_number(integrated[1], -70.0), top)


def _number(text: str, least: float) -> float:
    return least if text in ("nan", "-inf") else max(least, float(text))
