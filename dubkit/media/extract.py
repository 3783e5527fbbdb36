"""Write a media file's sound to a WAV file.

A long film is extracted in sections, as many at once as there are cores. Each is for a process of
its own: decoding leaves Python's lock to other threads, but what is around it does not, and neither
do the libraries that a run imports meanwhile. Where the sections begin depends on the file alone,
so the samples do not depend on the number of cores.
"""

from __future__ import annotations

import json
import math
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dubkit.errors import InputError
from dubkit.files import replacing
from dubkit.system.cores import usable_cores
from dubkit.types import AudioStream, Media

from .audio import LONGEST, SPEECH, AudioFormat, decode_audio, wav_header
from .decode import LEAST_RATE, DecodeStats, can_start_anywhere, end_of
from .probe import probe
from .process import run

if TYPE_CHECKING:
    from numpy.typing import NDArray

SECTION = 600.0
"""Seconds of a section ..."""
FEW_CORES = 2
"""... which are extracted one after another on so few cores: threads keep these busy."""
LEAST_BYTES = 500
"""Bytes of a file to each second: codecs of speech need more. The duration of one that has fewer is
not believed, or a small file could claim days, and have a process started for each few minutes."""

Section: TypeAlias = tuple[int, int | None]
"""The first sample of a part of the sound and the one after its last; None to the end."""

_TIMED_BY_HEADER = {"mov", "matroska", "avi", "asf", "flv", "wav"}
"""Demuxers that take the duration from a header, which a truncated file does not live up to."""


def extract_audio(
    media: Media,
    stream: AudioStream,
    out: Path,
    progress: Callable[[float], None] = lambda _: None,
    *,
    format: AudioFormat = SPEECH,
    part: tuple[float, float] | None = None,
) -> list[str]:
    """Write ``stream`` to ``out`` as a 16-bit WAV file (RF64 beyond 4 GB), and return warnings.

    Second 0 of the WAV is second 0 of the video as a player shows it: late starts and gaps become
    silence, samples from before the start are cut. Of a ``part`` (start and end in seconds) it is
    that start; where there is no sound in it, there is silence. ``progress`` is called with the
    seconds done.
    Raises InputError when nothing can be decoded, or it goes on for longer than LONGEST;
    OutputError when ``out`` cannot be written.
    """
    stats = DecodeStats()
    with replacing(out) as temporary:
        temporary.write_bytes(wav_header(0, format))
        task = _Extraction(media, stream, format, temporary)
        if part:
            written = _write_part(task, part, stats, progress)
        else:
            written = _write_sections(task, _sections(task), stats, progress)
        with temporary.open("r+b") as file:
            file.write(wav_header(written, format))
    progress(written / format.rate)
    return _warnings(media, stats, whole=not part or part[1] == math.inf)


@dataclass(frozen=True, slots=True)
class _Extraction:
    """Which sound is written where."""

    media: Media
    stream: AudioStream
    format: AudioFormat
    out: Path
    """A file that has a header already."""


def refuse_low_rate(media: Media, stream: AudioStream) -> None:
    """Raise InputError if the rate that a stream claims is too low for speech."""
    if 0 < stream.sample_rate < LEAST_RATE:
        raise InputError(
            f"{media.path}: audio track {media.audio.index(stream) + 1} has a sample rate of "
            f"{stream.sample_rate} Hz, which is too low to hold speech.",
            "Choose another audio track; if its header is wrong, correct the rate there.",
        )


def _refuse_silence(media: Media, stream: AudioStream) -> None:
    refuse_low_rate(media, stream)
    raise InputError(
        f"{media.path}: audio track {media.audio.index(stream) + 1} ({stream.codec}) "
        "has no audio that can be decoded.",
        "Choose another audio track, or convert the file with ffmpeg first.",
    )


def _warnings(media: Media, stats: DecodeStats, *, whole: bool) -> list[str]:
    warnings = []
    if stats.damaged:
        left = "piece of sound was" if stats.damaged == 1 else "pieces of sound were"
        warnings.append(f"{media.path.name}: {stats.damaged} damaged {left} left out.")
    if stats.jumps:
        often = "once" if stats.jumps == 1 else f"{stats.jumps} times"
        warnings.append(
            f"{media.path.name}: its clock jumps {often}; subtitles after that fit the "
            "video that dubkit writes, but may be off next to the original."
        )
    if whole and _lacks_its_end(media, stats.end) and _lacks_its_end(media, end := end_of(media)):
        warnings.append(
            f"{media.path.name}: the file ends at {end:.1f} s of {media.duration:.1f} s; "
            "it was probably cut off while copying or downloading."
        )
    return warnings


def _lacks_its_end(media: Media, end: float) -> bool:
    timed = media.container.split(",")[0] in _TIMED_BY_HEADER
    return timed and media.duration - end > max(1.0, end / 100)


# ---------------------------------------------------------------- a part


def _write_part(
    task: _Extraction,
    part: tuple[float, float],
    stats: DecodeStats,
    progress: Callable[[float], None],
) -> int:
    """Append the samples between two seconds; how many there are."""
    format = task.format
    first = round(part[0] * format.rate)
    length = None if part[1] == math.inf else round(part[1] * format.rate)
    at = written = 0
    reported = 0.0
    with task.out.open("ab") as file:
        for whole in decode_audio(task.media, task.stream, format, stats, length=length):
            block = whole[max(0, first - at) :]
            at += len(whole)
            file.write(_bytes(block))
            written += len(block)
            if written / format.rate - reported >= 1:
                reported = written / format.rate
                progress(reported)
        if not at:
            _refuse_silence(task.media, task.stream)
        if not written:  # the film goes on without sound
            written = format.rate
            file.write(bytes(2 * format.channels * written))
    return written


# ---------------------------------------------------------------- in sections


def _sections(task: _Extraction) -> list[Section]:
    """The sections, the last one to the end; a single one of a short film, of one that can only be
    read from its start, or if its duration is not credible."""
    media = task.media
    whole: list[Section] = [(0, None)]
    count = int(media.duration / SECTION)
    if count < 2 or not can_start_anywhere(media, task.stream):
        return whole
    try:
        size = media.path.stat().st_size
    except OSError:  # which is reported where it is opened
        return whole
    if media.duration > min(LONGEST, size / LEAST_BYTES):
        return whole
    starts: list[int] = [round(number * SECTION * task.format.rate) for number in range(count)]
    return list(zip(starts, [*starts[1:], None], strict=True))


def _write_sections(
    task: _Extraction,
    sections: Sequence[Section],
    stats: DecodeStats,
    progress: Callable[[float], None],
) -> int:
    """Write each section to its place; how many samples there are in all."""
    done = [0.0] * len(sections)
    lock, stopped = threading.Lock(), threading.Event()

    def write(number: int) -> tuple[int, DecodeStats]:
        def report(seconds: float) -> None:
            if stopped.is_set():
                raise InterruptedError  # which stops the process
            done[number] = seconds
            with lock:
                progress(sum(done))

        return (_write_apart if pool else _write_section)(task, sections[number], report)

    apart = len(sections) > 1 and usable_cores() > FEW_CORES
    pool = ThreadPoolExecutor(usable_cores(), "dubkit-extract") if apart else None
    end = 0
    try:
        for last, found in (pool.map if pool else map)(write, range(len(sections))):
            end = max(end, last)
            stats.add(found)
    finally:
        stopped.set()
        if pool:
            pool.shutdown(cancel_futures=True)
    if not end:
        _refuse_silence(task.media, task.stream)
    return end


def _write_section(
    task: _Extraction, section: Section, progress: Callable[[float], None]
) -> tuple[int, DecodeStats]:
    """Write a section; the sample at which its sound ends, 0 if it has none, and what went wrong.
    What is silent before a later section's sound is a hole in the file, which reads as zeros."""
    first, last = section
    format, stats = task.format, DecodeStats()
    written = 0
    with task.out.open("r+b") as file:
        file.seek(len(wav_header(0, format)) + 2 * format.channels * first)
        blocks = decode_audio(task.media, task.stream, format, stats, first=first, length=last)
        for block in blocks:
            file.write(_bytes(block))
            before, written = written, written + len(block)
            if before // format.rate < written // format.rate:
                progress(written / format.rate)
    return first + written if written else 0, stats


def _write_apart(
    task: _Extraction, section: Section, progress: Callable[[float], None]
) -> tuple[int, DecodeStats]:
    """The same by a process of its own; if that fails, here, which raises what is wrong."""
    answers: list[dict[str, Any]] = []

    def take(line: str) -> None:
        try:
            value = json.loads(line)
        except ValueError:  # something else has printed it
            return
        if isinstance(value, dict):
            answers.append(value)
        elif isinstance(value, float):
            progress(value)

    asked = {"stream": task.stream.index, "format": asdict(task.format), "section": section}
    program = (sys.executable, "-P", "-m", "dubkit.media.extract")
    try:
        argv = [*program, str(task.media.path), str(task.out), json.dumps(asked)]
        failed = run(argv, on_line=take).status != 0
    except InterruptedError:
        raise
    except OSError:  # it cannot be started: no memory, too many processes
        failed = True
    if failed or not answers:
        return _write_section(task, section, progress)
    return answers[-1].pop("last"), DecodeStats(**answers[-1])


def main(path: str, out: str, text: str) -> None:
    """The process that writes one section: a line for each second, and at last what came of it."""
    media, asked = probe(Path(path)), json.loads(text)
    stream = next(one for one in media.audio if one.index == asked["stream"])
    task = _Extraction(media, stream, AudioFormat(**asked["format"]), Path(out))
    first, last = asked["section"]
    end, stats = _write_section(task, (first, last), lambda done: print(done, flush=True))
    print(json.dumps({"last": end, **asdict(stats)}))


def _bytes(samples: NDArray[Any]) -> bytes:
    """Samples as 16-bit integers, in the byte order of a WAV file."""
    import numpy as np

    if samples.dtype != np.int16:
        samples = np.rint(np.clip(samples, -1, 1) * 32767)
    return samples.astype("<i2").tobytes()


if __name__ == "__main__":
    main(*sys.argv[1:])
