"""The dub's audio track: the original ducked under the lines that are spoken over it.

Three passes, each in blocks of a second, so that memory does not grow with the film's length. The
original is decoded into a temporary file beside ``out`` (48 kHz stereo float, 1.4 GB an hour); the
lines are mixed into that file; it is written as the 16-bit result with one gain and a limiter.
Loudness is as measured by ffmpeg's ebur128 (ITU-R BS.1770), before and after.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from dubkit.errors import InputError
from dubkit.files import replacing
from dubkit.media.audio import FULL, decode_audio, wav_header
from dubkit.media.ffmpeg import file_url
from dubkit.media.loudness import Loudness, ebur128, loudness
from dubkit.media.probe import probe
from dubkit.types import AudioStream, Media

from . import clip as clips
from . import limiter, room_tone
from .clip import RATE, Clip
from .room_tone import Room

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .clip import Samples

DUCK_DB = 12.0
"""How much the original is ducked during speech."""
RAMP = 0.15
"""Seconds of the ramps down, before speech begins, and back up after it."""
FADE = 0.05
"""Seconds in which the background and what is kept of the original fade into each other."""
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

_FRAME = 8
"""Bytes of a stereo sample in the temporary file."""
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
                decoded, powers = _decode(
                    film,
                    stream,
                    length,
                    speech,
                    background,
                    part,
                    _Kept(original, keep, _spoken_spans(lines)),
                    file,
                    progress,
                )
                # A film of unknown length is as long as its audio.
                total = max(length or decoded, *(round(end) for end in ends), 1)
                file.truncate(total * _FRAME)
                target = _speech_level(powers[~np.isnan(powers)], measured)
                lines = _with_gains(lines, powers, target)
                ducked = _ducked_spans(speech, lines)
                if background:  # which ends with the part, while a line may go on
                    last = part[1] if part else math.inf
                    ducked = [(max(start, last), end) for start, end in ducked if end > last]
                report = _scale(progress, film.duration, 0.5, 0.7)
                _add_lines(file, total, lines, target, ducked, original, report)
            report = _scale(progress, film.duration, 0.7, 1.0)
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


# ---------------------------------------------------------------- the original


@dataclass(frozen=True, slots=True)
class _Kept:
    """Where a background does not replace the original, in seconds."""

    always: Sequence[tuple[float, float]]
    between_lines: Sequence[tuple[float, float]]
    """Only as far as none of ``lines`` is spoken there."""
    lines: Sequence[tuple[float, float]]

    def replaced(self, at: int, count: int) -> NDArray[np.float64]:
        """How much of each of ``count`` samples from ``at`` on is the background's, 0 to 1."""
        import numpy as np

        spoken = 1 - _outside(at, count, self.lines, FADE)
        free = np.maximum(_outside(at, count, self.between_lines, FADE), spoken)
        return np.minimum(free, _outside(at, count, self.always, FADE))


def _decode(
    film: Media,
    stream: AudioStream | None,
    length: int,
    speech: Sequence[tuple[float, float]],
    background: Path | None,
    part: tuple[float, float] | None,
    kept: _Kept,
    file: IO[bytes],
    progress: Callable[[float], None],
) -> tuple[int, NDArray[np.float64]]:
    """Write what plays under the dub; return the samples written, and the original's speech power:
    the mean power of each 0.1 s, of both channels' average, NaN outside the spans.
    """
    import numpy as np

    size = RATE // 10
    share = 0.25 if background else 0.5
    inside = _tenths(speech)
    powers = np.full(len(inside), np.nan)
    written = at = 0
    if stream:
        report = _scale(progress, film.duration, 0.0, share)
        for block in _blocks(decode_audio(film, stream, FULL, length=length or None)):
            file.write(block.tobytes())
            written += len(block)
            speaking = inside[at // size : at // size + RATE // size]
            if speaking.any():
                tenths = clips.powers(block.mean(axis=1), RATE)[: len(speaking)]
                here = powers[at // size :][: len(tenths)]
                np.copyto(here, tenths, where=speaking[: len(tenths)])
            at += len(block)
            report(at / RATE)
    if background:
        report = _scale(progress, film.duration, 0.25, 0.5)
        media, at = probe(background), 0
        if not media.audio:
            raise InputError(f"{background} has no sound.", "It should be the film's background.")
        rooms = _rooms(file, written, speech, part)
        for block in _blocks(decode_audio(media, media.audio[0], FULL, length=length or None)):
            _replace(file, at, block, part, kept)
            at += len(block)
            report(at / RATE)
        written = max(written, at) if part or not stream else at
        _fill_rooms(file, rooms, written, part, kept)
    return written, powers


def _replace(
    file: IO[bytes],
    at: int,
    block: Samples,
    part: tuple[float, float] | None,
    kept: _Kept,
) -> None:
    """Let what the file holds from the sample ``at`` on fade to ``block`` within ``part``, or
    everywhere, and back; but not where the original is ``kept``."""
    import numpy as np

    share = kept.replaced(at, len(block))
    if part:
        begin, end = part
        times = np.arange(at, at + len(block)) / RATE
        share *= np.interp(times, [begin, begin + RAMP, end - RAMP, end], [0, 1, 1, 0])
    if not share.any():
        return
    before = np.zeros_like(block)
    there = _read(file, at, at + len(block))
    before[: len(there)] = there
    file.seek(at * _FRAME)
    file.write((before + (block - before) * share[:, None].astype(np.float32)).tobytes())


def _outside(
    at: int, count: int, spans: Sequence[tuple[float, float]], ramp: float
) -> NDArray[np.float64]:
    """For each of ``count`` samples from ``at`` on, 0 within the spans and 1 outside of them, with
    ramps of that many seconds before and after."""
    import numpy as np

    times = np.arange(at, at + count) / RATE
    share = np.ones(count)
    for start, end in spans:
        if count and start - ramp < times[-1] and end + ramp > times[0]:
            corners = [start - ramp, start, end, end + ramp]
            share = np.minimum(share, np.interp(times, corners, [1, 0, 0, 1]))
    return share


def _rooms(
    file: IO[bytes],
    total: int,
    speech: Sequence[tuple[float, float]],
    part: tuple[float, float] | None,
) -> list[tuple[float, float, Room]]:
    """Where the original in the file speaks, in seconds, each with the noise of the room there."""
    begin, end = part or (0.0, total / RATE)
    end = min(end, total / RATE)
    spans = [(max(a, begin), min(b, end)) for a, b in speech if a < end and b > begin]
    rooms = [
        room_tone.room_in(_read(file, round(a * RATE), round(b * RATE))) if b > a else None
        for a, b in room_tone.pauses_around(spans, begin, end)
    ]
    found = []
    for (a, b), (before, after) in zip(spans, itertools.pairwise(rooms), strict=True):
        if room := room_tone.room_between(before, after):
            found.append((a, b, room))
    return found


def _fill_rooms(
    file: IO[bytes],
    rooms: Sequence[tuple[float, float, Room]],
    total: int,
    part: tuple[float, float] | None,
    kept: _Kept,
) -> None:
    """Let the noise of the room go on in the background where the speech was taken out of it."""
    import numpy as np

    begin, end = (part[0] + RAMP, part[1] - RAMP) if part else (0.0, total / RATE)
    for a, b, room in rooms:
        first = round(max(begin, a - room_tone.AROUND) * RATE)
        last = round(min(end, total / RATE, b + room_tone.AROUND) * RATE)
        for low, high in room_tone.parts(first, last):
            span = _read(file, low, high)
            if len(span) >= room_tone.FRAME:
                share = kept.replaced(low, len(span))[:, None].astype(np.float32)
                filled = span + (room_tone.fill(span, room, seed=low) - span) * share
                file.seek(low * _FRAME)
                file.write(filled.astype(np.float32).tobytes())


def _read(file: IO[bytes], first: int, last: int) -> Samples:
    import numpy as np

    file.seek(first * _FRAME)
    size = max(0, last - first) * _FRAME
    return np.frombuffer(file.read(size), np.float32).reshape(-1, 2)


def _tenths(speech: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
    """Which tenths of a second are entirely within a span, up to the end of the last span."""
    import numpy as np

    inside = np.zeros(max((round(end * 10) for _, end in speech if end > 0), default=0), np.bool_)
    for start, end in speech:
        # A hundredth of a second outside does no harm.
        inside[max(0, math.ceil(start * 10 - 0.1)) : max(0, math.floor(end * 10 + 0.1))] = True
    return inside


def _blocks(pieces: Iterator[Samples]) -> Iterator[Samples]:
    """The same samples in blocks of a second, except for the last."""
    import numpy as np

    kept: list[Samples] = []
    count = 0
    for piece in pieces:
        kept.append(piece)
        count += len(piece)
        if count >= RATE:
            whole = np.concatenate(kept)
            for at in range(0, count - RATE + 1, RATE):
                yield whole[at : at + RATE]
            kept, count = [whole[count - count % RATE :]], count % RATE
    if count:
        yield np.concatenate(kept)


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
        file.seek(at * _FRAME)
        block = np.frombuffer(file.read(count * _FRAME), np.float32).reshape(-1, 2).copy()
        if ducked:
            times = np.arange(at, at + count) / RATE
            depth = np.interp(times, corners, depths) * _outside(at, count, kept, RAMP)
            block *= (10 ** (depth / 20)).astype(np.float32)[:, None]
        while waiting and waiting[-1].first < at + count:
            line = waiting.pop()
            playing.append((line.first, _load(line.clip.path) * _gains(line, target)))
        for first, samples in playing:
            begin, end = max(first, at), min(first + len(samples), at + count)
            block[begin - at : end - at] += samples[begin - first : end - first, None]
        playing = [(first, s) for first, s in playing if first + len(s) > at + count]
        file.seek(at * _FRAME)
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
            source.seek(begin * _FRAME)
            block = np.frombuffer(source.read((end - begin) * _FRAME), np.float32)
            block = block.reshape(-1, 2) * gain
            # Peaks between samples are higher than at them, but hardly by more than 6 dB.
            if np.abs(block).max() > ceiling / 2:
                block *= limiter.reduction(block, ceiling)[:, None]
            block = block[at - begin : at - begin + min(RATE, total - at)]
            file.write(np.rint(np.clip(block, -1, 1) * 32767).astype("<i2").tobytes())
            progress((at + len(block)) / RATE)


def _ignore(_: float) -> None:
    """Progress of work that was reported before."""


def _scale(
    progress: Callable[[float], None], seconds: float, begin: float, end: float
) -> Callable[[float], None]:
    """Report one part of the work as seconds of the whole."""
    return lambda done: progress(
        seconds * begin + min(1.0, done / seconds if seconds else 1.0) * seconds * (end - begin)
    )
