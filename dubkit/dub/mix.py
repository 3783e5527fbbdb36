"""The dub's audio track: the original ducked under the lines that are spoken over it.

Three passes, each in blocks of a second, so that memory does not grow with the film's length. The
original is decoded into a temporary file beside ``out`` (48 kHz stereo float, 1.4 GB an hour); the
lines are mixed into that file; it is written as the 16-bit result with one gain and a limiter.
Loudness is as measured by ffmpeg's ebur128 (ITU-R BS.1770), before and after.
"""

from __future__ import annotations

import contextlib
import math
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from dubkit.errors import InputError
from dubkit.files import replacing
from dubkit.media.audio import FULL, wav_header
from dubkit.media.ffmpeg import file_url
from dubkit.media.loudness import Loudness, ebur128, loudness
from dubkit.types import AudioStream, Media

from . import clip as clips
from . import limiter
from .background import FRAME_BYTES, RAMP, Kept, decode_under, outside, scaled
from .clip import RATE, Clip

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .clip import Samples

DUCK_DB = 12.0
"""How much the original is ducked during speech."""
BRIDGE = 0.5
"""Seconds of a pause during which it stays ducked: a pumping background is more noticeable."""
PEAK_DB = -1.0
"""True peak that the result never exceeds, dBTP."""
DEFAULT_LUFS = -16.0
"""Loudness of a dub whose original has none to match."""
MAX_DRIVE_DB = 6.0
"""How far the mix may be driven into the limiter to match an original that was limited as well."""
SOFTER, LOUDER = 9.0, 6.0
"""How much softer and louder than the others a line may be, in dB, as it is in the original."""
FEWEST = 3
"""Tenths of a second of the original from which its loudness means something."""
QUIETEST = -60.0
"""LUFS below which the original counts as silent."""

_CENTER_DB = 2.3
"""LUFS of speech that is equal in both channels, less its level in each."""


@dataclass(frozen=True, slots=True)
class ScheduledPhrase:
    """A part of a line between two pauses."""

    first: float
    last: float
    """Seconds from the start of the line's file."""
    start: float
    end: float
    """Seconds between which the original speaks it."""


@dataclass(frozen=True, slots=True)
class ScheduledClip:
    """A spoken line and when it plays."""

    path: Path
    """An audio file, as :func:`.clip.prepare` writes it or any other that :func:`.clip.measure`
    accepts."""
    start: float
    """Seconds on the video's timeline of the file's first sample."""
    spoken: tuple[float, float] | None = None
    """Seconds between which the original speaks it: the line becomes as loud as that is. Without
    it, as loud as the original's speech in all."""
    phrases: tuple[ScheduledPhrase, ...] = ()
    """Each becomes as loud as that is, if there are several."""


@dataclass(frozen=True, slots=True)
class MixResult:
    """What :func:`mix` wrote."""

    path: Path
    seconds: float
    """As long as the video, or longer if the last line ends after it: speech is never cut."""
    original: Loudness | None
    """Of the original, without its peak; None if it has no audio."""
    result: Loudness
    speech_db: float
    """Level of the original's speech, in dBFS."""
    gain_db: float
    """Applied to the whole mix, to match the original's loudness."""


def mix(
    film: Media,
    stream: AudioStream | None,
    schedule: Sequence[ScheduledClip],
    out: Path,
    *,
    speech: Sequence[tuple[float, float]],
    background: Path | None = None,
    part: tuple[float, float] | None = None,
    keep: Sequence[tuple[float, float]] = (),
    original: Sequence[tuple[float, float]] = (),
    progress: Callable[[float], None] = lambda _: None,
) -> MixResult:
    """Write the dub's audio to ``out``, a 48 kHz stereo 16-bit WAV file (RF64 beyond 4 GB).

    It is as long as ``film`` and starts when that does. ``stream`` is ducked by 12 dB in the
    ``speech`` spans (seconds) and under the lines of ``schedule``; None is silence.
    ``background``, an audio file on the same timeline without the speech, replaces ``stream``, in
    ``part`` alone if that is given (start and end in seconds), and is not ducked; the noise of its
    room is made to go on under the words. ``stream`` stays in the spans to ``keep``, as long as no
    line is spoken there. In the spans of
    ``original``, ``stream`` is neither replaced nor ducked. Each line gets the
    loudness of the original's line, and the whole that of the original. ``progress`` is called
    with the seconds done. Raises InputError when a line or the background is not audio,
    MediaError when ffmpeg fails, OutputError when ``out`` cannot be written.
    """
    import numpy as np

    lines = _measure_lines(schedule)
    measured = None
    if stream:
        measured = loudness(film.path, stream=stream, container=film.container, peak=False)
    ends = [line.first + line.clip.seconds * RATE for line in lines]
    length = round(film.duration * RATE)
    work = out.with_name(f".{secrets.token_hex(6)}.part")
    try:
        with replacing(out) as temporary:
            with work.open("w+b") as file:
                decoded, powers = decode_under(
                    film,
                    stream,
                    length,
                    speech,
                    background,
                    part,
                    Kept(original, keep, _spoken_spans(lines)),
                    file,
                    progress,
                )
                # A film of unknown length is as long as its audio.
                total = max(length or decoded, *(round(end) for end in ends), 1)
                file.truncate(total * FRAME_BYTES)
                target = _speech_level(powers[~np.isnan(powers)], measured)
                lines = _with_gains(lines, powers, target)
                ducked = _ducked_spans(speech, lines)
                if background:  # which ends with the part, while a line may go on
                    last = part[1] if part else math.inf
                    ducked = [(max(start, last), end) for start, end in ducked if end > last]
                report = scaled(progress, film.duration, 0.5, 0.7)
                _add_lines(file, total, lines, target, ducked, original, report)
            report = scaled(progress, film.duration, 0.7, 1.0)
            gain, result = _write(work, total, temporary, measured, bool(lines), report)
    finally:
        with contextlib.suppress(OSError):
            work.unlink(missing_ok=True)
    progress(film.duration)
    return MixResult(out, total / RATE, measured, result, target, gain)


# ---------------------------------------------------------------- loudness


def _speech_level(powers: NDArray[np.float64], original: Loudness | None) -> float:
    """dBFS in each channel to bring the lines to: that of the original's speech."""
    if original is None or original.integrated < QUIETEST:
        return DEFAULT_LUFS - _CENTER_DB
    whole = original.integrated - _CENTER_DB
    level = clips.level(powers)
    # Spans that miss the speech must not make the dub a whisper.
    return max(level, whole - 10) if level > clips.SILENT_DB else whole


def _with_gains(lines: Sequence[_Line], powers: NDArray[np.float64], target: float) -> list[_Line]:
    """The lines with a gain on top of ``target``, by which each is as loud as the original's line:
    a shout is louder, a whisper softer, and so are phrases within a line. ``powers`` are those of
    each 0.1 s of the original, NaN where nobody speaks."""

    def gain(start: float, end: float, default: float) -> float:
        level = _level_between(powers, start, end)
        return default if level is None else min(max(level - target, -SOFTER), LOUDER)

    found = []
    for line in lines:
        whole = gain(*line.spoken, 0.0) if line.spoken else 0.0
        gains: tuple[float, ...] = ()
        if len(line.phrases) > 1:
            own = clips.powers(_load(line.clip.path), RATE)
            gains = tuple(
                # How loud the engine spoke the phrase counts too, if there is enough of it.
                gain(one.start, one.end, whole)
                + min(max(line.clip.rms_db - level, -SOFTER), LOUDER)
                if (level := _level_between(own, one.first, one.last)) is not None
                else whole
                for one in line.phrases
            )
        found.append(replace(line, gain_db=whole, gains=gains))
    return found


def _level_between(powers: NDArray[np.float64], start: float, end: float) -> float | None:
    """The level in dBFS between two times in seconds, by the power of each 0.1 s; None if there is
    hardly any speech."""
    import numpy as np

    part = powers[round(10 * max(0.0, start)) : round(10 * max(0.0, end))]
    spoken = part[~np.isnan(part)]
    level = clips.level(spoken)
    return level if len(spoken) >= FEWEST and level > clips.SILENT_DB else None


# ---------------------------------------------------------------- the lines


@dataclass(frozen=True, slots=True)
class _Line:
    first: int
    """Sample of the film at which it starts."""
    clip: Clip
    spoken: tuple[float, float] | None
    phrases: tuple[ScheduledPhrase, ...]
    gain_db: float = 0.0
    gains: tuple[float, ...] = ()
    """Of each phrase, instead."""


def _measure_lines(schedule: Sequence[ScheduledClip]) -> list[_Line]:
    """The lines in the order in which they play. One before the film's start starts there."""
    lines = []
    for one in schedule:
        try:
            clip = clips.measure(one.path)
        except ValueError as error:
            raise _unusable_line(error) from error
        first = max(0, round(one.start * RATE))
        lines.append(_Line(first, clip, one.spoken, one.phrases))
    return sorted(lines, key=lambda line: line.first)


def _load(path: Path) -> Samples:
    try:
        return clips.load(path)
    except ValueError as error:
        raise _unusable_line(error) from error


def _gains(line: _Line, target: float) -> Samples:
    """The gain of each sample of a line, or the one of all; it changes in the pauses."""
    import numpy as np

    gains = target - line.clip.rms_db + np.array(line.gains or [line.gain_db])
    if len(gains) > 1:
        corners = [time for one in line.phrases for time in (one.first, one.last)]
        times = np.arange(round(line.clip.seconds * RATE)) / RATE
        gains = np.interp(times, corners, np.repeat(gains, 2))
    factors: Samples = (10 ** (gains / 20)).astype(np.float32)
    return factors


def _unusable_line(error: ValueError) -> InputError:
    return InputError(f"A line cannot be mixed in: {error}.", "Have it spoken again.")


def _spoken_spans(lines: Sequence[_Line]) -> list[tuple[float, float]]:
    """Seconds between which the lines are spoken, without their pauses."""
    spans = []
    for line in lines:
        start = line.first / RATE
        parts = [(one.first, one.last) for one in line.phrases]
        for first, last in parts or [(line.clip.speech_start, line.clip.speech_end)]:
            spans.append((start + first, start + last))
    return spans


def _ducked_spans(
    speech: Sequence[tuple[float, float]], lines: Sequence[_Line]
) -> list[tuple[float, float]]:
    """Seconds between which the original is ducked, in order and at least ``BRIDGE`` apart."""
    spans = [(start, end) for start, end in speech if end > start]
    for line in lines:
        start = line.first / RATE
        spans.append((start + line.clip.speech_start, start + line.clip.speech_end))
    joined: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if joined and start - joined[-1][1] < BRIDGE:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return joined


def _add_lines(
    file: IO[bytes],
    total: int,
    lines: Sequence[_Line],
    target: float,
    ducked: Sequence[tuple[float, float]],
    kept: Sequence[tuple[float, float]],
    progress: Callable[[float], None],
) -> None:
    """Duck what the file holds, but for what is kept, and add the lines, in place."""
    import numpy as np

    corners = np.array([t for a, b in ducked for t in (a - RAMP, a, b, b + RAMP)])
    depths = np.array([0.0, -DUCK_DB, -DUCK_DB, 0.0] * len(ducked))
    waiting = list(reversed(lines))
    playing: list[tuple[int, Samples]] = []
    for at in range(0, total, RATE):
        count = min(RATE, total - at)
        file.seek(at * FRAME_BYTES)
        block = np.frombuffer(file.read(count * FRAME_BYTES), np.float32).reshape(-1, 2).copy()
        if ducked:
            times = np.arange(at, at + count) / RATE
            depth = np.interp(times, corners, depths) * outside(at, count, kept, RAMP)
            block *= (10 ** (depth / 20)).astype(np.float32)[:, None]
        while waiting and waiting[-1].first < at + count:
            line = waiting.pop()
            playing.append((line.first, _load(line.clip.path) * _gains(line, target)))
        for first, samples in playing:
            begin, end = max(first, at), min(first + len(samples), at + count)
            block[begin - at : end - at] += samples[begin - first : end - first, None]
        playing = [(first, s) for first, s in playing if first + len(s) > at + count]
        file.seek(at * FRAME_BYTES)
        file.write(block.tobytes())
        progress((at + count) / RATE)


# ---------------------------------------------------------------- the result


def _write(
    work: Path,
    total: int,
    out: Path,
    original: Loudness | None,
    has_lines: bool,
    progress: Callable[[float], None],
) -> tuple[float, Loudness]:
    """Write the mix at the original's loudness; return the gain applied and the loudness reached.

    How much the limiter takes away shows only afterwards, so this may take several rounds.
    """
    raw = ["-protocol_whitelist", "file", "-f", "f32le", "-ar", str(RATE), "-ac", "2"]
    unscaled = ebur128([*raw, "-i", file_url(work)], "the mix", peak=False).integrated
    if original and original.integrated >= QUIETEST:
        target = original.integrated
    else:  # without lines there is only noise, which stays as it is
        target = DEFAULT_LUFS if has_lines else unscaled
    gain = target - unscaled if unscaled > -70 else 0.0
    ceiling = PEAK_DB - 0.2
    most = gain + MAX_DRIVE_DB
    before = float("inf")
    for again in range(5):
        _write_limited(work, total, out, gain, ceiling, _ignore if again else progress)
        result = loudness(out, container="wav")
        assert result.true_peak is not None
        off = target - result.integrated
        if result.true_peak > PEAK_DB:
            ceiling -= result.true_peak - PEAK_DB + 0.05
        # If the limiter takes away most of what is added, more gain only adds distortion.
        elif unscaled <= -70 or abs(off) <= 0.3 or abs(off) > 0.7 * before or gain >= most:
            break
        else:
            gain, before = min(gain + off, most), abs(off)
    return gain, result


def _write_limited(
    work: Path,
    total: int,
    out: Path,
    gain_db: float,
    ceiling_db: float,
    progress: Callable[[float], None],
) -> None:
    """Write the mix with a gain, no true peak above the ceiling, as 16-bit WAV."""
    import numpy as np

    gain, ceiling = np.float32(10 ** (gain_db / 20)), 10 ** (ceiling_db / 20)
    with work.open("rb") as source, out.open("wb") as file:
        file.write(wav_header(total, FULL))
        for at in range(0, total, RATE):
            begin, end = max(0, at - limiter.REACH), min(total, at + RATE + limiter.REACH)
            source.seek(begin * FRAME_BYTES)
            block = np.frombuffer(source.read((end - begin) * FRAME_BYTES), np.float32)
            block = block.reshape(-1, 2) * gain
            # Peaks between samples are higher than at them, but hardly by more than 6 dB.
            if np.abs(block).max() > ceiling / 2:
                block *= limiter.reduction(block, ceiling)[:, None]
            block = block[at - begin : at - begin + min(RATE, total - at)]
            file.write(np.rint(np.clip(block, -1, 1) * 32767).astype("<i2").tobytes())
            progress((at + len(block)) / RATE)


def _ignore(_: float) -> None:
    """Progress of work that was reported before."""
