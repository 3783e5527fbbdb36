"""One spoken line as an audio file: measure what an engine wrote, and prepare it for the mix.

A clip is judged by its samples, not by what an engine claims about it. A file without speech is a
``ValueError`` here, not a ``DubkitError``, because it never ends a run: the caller has that line
spoken again, or reports it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import shutil
import struct
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubkit.errors import InputError, MediaError
from dubkit.files import replacing
from dubkit.media import process
from dubkit.media.ffmpeg import DEMUXERS, ffmpeg_path, file_url
from dubkit.media.probe import check_readable
from dubkit.media.run_ffmpeg import run_ffmpeg
from dubkit.system.scratch import scratch_folder

if TYPE_CHECKING:
    import av.container
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

RATE = 48_000
"""Samples a second of prepared clips and of the mix, as in films."""
SHORTEST = 0.05
"""Seconds below which a clip cannot hold speech."""
LONGEST = 600.0
"""Seconds above which a clip is not one line; clips are held in memory."""
SILENT_DB = -60.0
"""A speech level (dBFS) below which a clip is silent."""
KEEP = 0.02
"""Seconds kept before and after the speech, for fading in and out."""
STRETCH = (0.5, 2.0)
"""The range that :func:`prepare` accepts, far beyond what sounds good."""
MOST_CHUNKS = 1000
"""Parts of a WAV file before its samples; a file of nothing but empty ones could take hours."""
BLOCK = 0.1
"""Seconds over which power is averaged to measure the level of speech."""

_HOP = 0.0025
"""Resolution in seconds at which speech boundaries are found; power is averaged over four hops."""
_FORMATS = {"wav", "w64", "aiff", "caf", "au", "flac", "ogg", "mp3"}
"""Engines write WAV, or another audio format under that name; raw samples cannot be interpreted."""
_SCALES = {"u8": 2.0**7, "s16": 2.0**15, "s32": 2.0**31, "flt": 1.0, "dbl": 1.0, "s64": 2.0**63}


@dataclass(frozen=True, slots=True)
class Clip:
    """An audio file with speech in it, as measured."""

    path: Path
    seconds: float
    """Its whole length, silence included."""
    speech_start: float
    speech_end: float
    """Seconds from its start between which it is louder than the surrounding noise; the whole clip
    if noise and quiet speech cannot be distinguished."""
    rms_db: float
    """Level of the speech in dBFS, without pauses; all channels averaged to one."""
    peak_db: float
    """The largest sample, dBFS; above 0 if a float file exceeds full scale."""


def measure(path: Path) -> Clip:
    """Measure ``path``, any WAV file (8 to 64 bit, float, any rate and channels).

    Raises ValueError, with the reason in plain words, if it is unusable: missing, empty, damaged or
    truncated, NaN, shorter than 0.05 s, longer than 10 minutes, silent.
    """
    return _measure_samples(Path(path), *_read(Path(path)))


def remove(path: Path) -> None:
    """Remove whatever an engine left at ``path``, file or folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def load(path: Path, rate: int = RATE) -> Samples:
    """The samples of ``path`` at ``rate`` Hz, one channel. Raises ValueError as :func:`measure`."""
    samples, own_rate = _read(Path(path))
    _measure_samples(Path(path), samples, own_rate)
    return _resample(samples, own_rate, rate)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the speech of a clip, and when it plays."""

    first: float
    last: float
    """Seconds from where the clip's speech begins."""
    at: float
    """Seconds from where the prepared clip's speech begins."""
    stretch: float
    """How much faster it becomes."""


def prepare(path: Path, out: Path, *, stretch: float = 1.0, pieces: Sequence[Piece] = ()) -> Clip:
    """Write the speech of ``path`` to ``out``, a 48 kHz mono 16-bit WAV file, and measure that.

    Silence at both ends is cut except for 20 ms, which are faded. ``stretch`` is how much faster
    the speech becomes, at the same pitch: 1.15 leaves 1/1.15 of the length. Speech is never cut.
    ``pieces``, which are in order and do not overlap, become longer or shorter each by itself; the
    pauses between them become what is left. Raises ValueError as :func:`measure` does, MediaError
    when ffmpeg fails, OutputError when ``out`` cannot be written.
    """
    import numpy as np

    samples, rate = _read(Path(path))
    clip = _measure_samples(Path(path), samples, rate)
    whole = Piece(0.0, clip.speech_end - clip.speech_start, 0.0, stretch)
    pieces = pieces or [whole]
    for one in pieces:
        if not STRETCH[0] <= one.stretch <= STRETCH[1]:
            least, most = STRETCH
            raise ValueError(f"a stretch of {one.stretch:g} is not within {least:g} to {most:g}")
    parts: list[tuple[int, Samples]] = []
    begin = end = 0.0
    for k, one in enumerate(pieces):
        lead = tail = KEEP * one.stretch
        if k:
            lead = (one.first - pieces[k - 1].last) / 2
        if k + 1 < len(pieces):
            tail = (pieces[k + 1].first - one.last) / 2
        first, last = clip.speech_start + one.first, clip.speech_start + one.last
        low = max(0, round((first - lead) * rate))
        high = min(len(samples), round((last + tail) * rate))
        speech = samples[low:high].copy()
        lead = first - low / rate
        # Audio that starts or ends right at the edge of the file would click: fade 2 ms there, too.
        _fade(speech, round(min(max(0.002, lead), KEEP) * rate))
        _fade(speech[::-1], round(min(max(0.002, high / rate - last), KEEP) * rate))
        speech = _resample(speech, rate)
        if abs(one.stretch - 1) > 1e-4:
            speech = _stretch(speech, one.stretch, Path(path).name)
        lead /= one.stretch
        begin = begin if k else lead
        parts.append((max(0, round((begin + one.at - lead) * RATE)), speech))
        end = begin + one.at + (one.last - one.first) / one.stretch
    speech = np.zeros(max(at + len(part) for at, part in parts), np.float32)
    for at, part in parts:
        speech[at : at + len(part)] += part
    if (peak := float(np.abs(speech).max())) > 0.999:
        speech *= 0.98 / peak
    with replacing(out) as temporary, wave.open(str(temporary), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        wav.writeframes(np.rint(speech * 32767).astype("<i2").tobytes())
    written = measure(out)
    # Without the surrounding silence, noise and quiet speech can no longer be distinguished; but
    # the boundaries of the speech are known.
    start = min(begin, written.seconds)
    return dataclasses.replace(written, speech_start=start, speech_end=min(end, written.seconds))


@functools.cache
def stretcher(program: str | None = None) -> str:
    """The filter of ``program`` (ffmpeg) that stretches: ``rubberband``, else ``atempo``.

    Every ffmpeg has atempo, which sounds rougher; users should be warned when it is used.
    """
    lines: list[str] = []
    command = [program or ffmpeg_path(), "-hide_banner", "-filters"]
    process.run(command, on_line=lines.append, timeout=60)
    found = {parts[1] for line in lines if len(parts := line.split()) > 2}
    return "rubberband" if "rubberband" in found else "atempo"


def level(powers: NDArray[np.float64]) -> float:
    """dBFS of speech without pauses, given the mean power of each 0.1 s; -120.0 for silence.

    As in ITU-R BS.1770, blocks that are 10 dB below the mean do not count.
    """
    loud = powers[powers > 1e-7]
    if not loud.size:
        return -120.0
    return _db(float(loud[loud >= loud.mean() / 10].mean()))


def powers(samples: Samples, rate: int) -> NDArray[np.float64]:
    """The mean power of each 0.1 s of ``samples`` (one channel); the last block may be shorter.

    Each block has its mean removed: some engines write an inaudible DC offset.
    """
    import numpy as np

    size = max(1, round(BLOCK * rate))
    starts = np.arange(0, len(samples), size)
    if not len(starts):
        return np.zeros(0)
    counts = np.diff(starts, append=len(samples))
    means = np.add.reduceat(samples, starts, dtype=np.float64) / counts
    squares = np.add.reduceat(np.square(samples, dtype=np.float64), starts) / counts
    return np.maximum(0.0, squares - means**2)


# ---------------------------------------------------------------- reading


def _read(path: Path) -> tuple[Samples, int]:
    """The samples averaged to one channel, and their rate."""
    import av.error
    import numpy as np

    pieces: list[Any] = []
    try:
        with _open(path) as container:
            if container.format.name not in _FORMATS or not container.streams.audio:
                raise ValueError(f"{path.name} is not a sound file, but {container.format.name}")
            if missing := _missing_bytes(path):
                raise ValueError(f"{path.name} is cut off: {missing} bytes are missing at its end")
            stream = container.streams.audio[0]
            if stream.codec_context is None:
                raise ValueError(f"{path.name} holds audio in a format that cannot be decoded")
            rate = stream.rate
            if not 1000 <= rate <= 768_000:
                raise ValueError(f"{path.name} has {rate} samples a second, which is not audio")
            left = LONGEST * rate
            for frame in container.decode(stream):
                data = frame.to_ndarray()
                channels = frame.layout.nb_channels
                if not frame.format.is_planar:
                    data = data.reshape(-1, channels).T
                kind = frame.format.name.rstrip("p")
                data = data.astype(np.float32)
                if kind == "u8":
                    data -= 128
                pieces.append(data.mean(axis=0) / np.float32(_SCALES[kind]))
                left -= data.shape[1]
                if left < 0:
                    raise ValueError(f"{path.name} is longer than {LONGEST / 60:g} minutes")
    except InputError as error:
        raise ValueError(error.message.rstrip(".")) from error
    except (av.error.FFmpegError, KeyError) as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error
    samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    return samples.astype(np.float32, copy=False), rate


@contextlib.contextmanager
def _open(path: Path) -> Iterator[av.container.InputContainer]:
    """As :func:`dubkit.media.probe.opened`, but thirty times faster: that reads up to 5 MB of each
    file to detect its format, and there are hundreds of lines."""
    import av
    import av.error

    check_readable(path)
    options = {"protocol_whitelist": "file", "format_whitelist": DEMUXERS, "probesize": "65536"}
    try:
        container = av.open(file_url(path), container_options=options, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise ValueError(f"{path.name} is not a sound file that dubkit can read") from error
    with container:
        yield container


def _missing_bytes(path: Path) -> int:
    """How many bytes a WAV file is shorter than its header states.

    Read by hand, since decoders take what is there without a word. Programs that write to a pipe
    cannot know the length; they state 0 or the largest number.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(4) != b"RIFF":
            return 0
        at = 12
        for _ in range(MOST_CHUNKS):
            if at + 8 > size:
                break
            file.seek(at)
            name, length = struct.unpack("<4sI", file.read(8))
            if name == b"data":
                return 0 if length > 0x7FFF_0000 else max(0, at + 8 + int(length) - size)
            at += 8 + length + length % 2
    return 0


def _measure_samples(path: Path, samples: Samples, rate: int) -> Clip:
    """Measure decoded samples; ValueError when they hold no speech."""
    import numpy as np

    seconds = len(samples) / rate
    if seconds < SHORTEST:
        raise ValueError(f"{path.name} holds only {seconds:.3f} s of sound")
    if not np.isfinite(samples).all():
        raise ValueError(f"{path.name} is damaged: it holds values that are not numbers (NaN)")
    loudness = level(powers(samples, rate))
    if loudness < SILENT_DB:
        raise ValueError(f"{path.name} is silent ({loudness:.0f} dBFS)")
    start, end = _bounds(samples, rate)
    peak = 2 * _db(float(np.abs(samples).max()))
    return Clip(path, seconds, start, min(end, seconds), loudness, peak)


def _bounds(samples: Samples, rate: int) -> tuple[float, float]:
    """Seconds at which speech begins and ends."""
    import numpy as np

    hop = max(1, round(_HOP * rate))
    starts = np.arange(0, len(samples), hop)
    means = np.add.reduceat(samples, starts, dtype=np.float64) / hop
    squares = np.add.reduceat(np.square(samples, dtype=np.float64), starts) / hop
    window = np.full(4, 0.25)
    power = np.convolve(squares, window, "valid") - np.convolve(means, window, "valid") ** 2
    levels = 10 * np.log10(np.maximum(power, 0.0) + 1e-12)
    # The noise floor is the 10th percentile, the speech level the loudest 0.1 s. Quiet ends of
    # words are 35 dB below that or more: with louder noise the two cannot be distinguished. What
    # is 55 dB below is inaudible next to it.
    loud = float(np.median(np.sort(levels)[-40:]))
    threshold = min(float(np.percentile(levels, 10)) + 10, loud - 35)
    threshold = max(threshold, loud - 55)
    runs = _runs(levels > threshold)
    # A click far from all else is not speech: 20 ms (with the window), 0.25 s away.
    while len(runs) > 1 and runs[0][1] - runs[0][0] < 8 and runs[1][0] - runs[0][1] > 100:
        runs = runs[1:]
    while len(runs) > 1 and runs[-1][1] - runs[-1][0] < 8 and runs[-1][0] - runs[-2][1] > 100:
        runs = runs[:-1]
    # From the first loud hop of the first window to the last one of the last.
    first, last = runs[0][0], runs[-1][1] + 3
    loud_hops = np.flatnonzero((squares - means**2)[first:last] > 10 ** (threshold / 10))
    if loud_hops.size:
        first, last = first + int(loud_hops[0]), first + int(loud_hops[-1]) + 1
    return first * hop / rate, last * hop / rate


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Start and end of each run of True."""
    import numpy as np

    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _db(power: float) -> float:
    return 10 * math.log10(max(power, 1e-12))


# ---------------------------------------------------------------- changing


def _fade(samples: Samples, count: int) -> None:
    """Fade in the first ``count`` samples, in place."""
    import numpy as np

    count = min(count, len(samples) // 2)
    samples[:count] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(count, dtype=np.float32) / count)


def _resample(samples: Samples, rate: int, target: int = RATE) -> Samples:
    if rate == target:
        return samples
    import av
    import numpy as np

    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "flt", "mono")
    frame.sample_rate = rate
    resampler = av.AudioResampler("flt", "mono", target)
    frames = [*resampler.resample(frame), *resampler.resample(None)]
    resampled = np.concatenate([piece.to_ndarray().reshape(-1) for piece in frames])
    return _with_length(resampled, round(len(samples) / rate * target))


def _stretch(samples: Samples, stretch: float, name: str) -> Samples:
    """Change the duration of ``samples`` to 1/``stretch``, with ffmpeg."""
    import numpy as np

    pad = RATE // 4
    raw = ["-protocol_whitelist", "file", "-f", "f32le", "-ar", str(RATE), "-ac", "1"]
    with scratch_folder() as folder:
        source, target = Path(folder, "in"), Path(folder, "out")
        np.pad(samples, pad).astype("<f4").tofile(source)
        argv = ["-loglevel", "error", *raw, "-i", file_url(source)]
        # The tempo is the first option of both filters.
        argv += ["-af", f"{stretcher(ffmpeg_path())}={stretch:.6f}"]
        argv += ["-f", "f32le", "-ar", str(RATE), "-ac", "1", file_url(target)]
        doing = f"stretch {name}"
        run_ffmpeg(argv, doing=doing, writes=target)
        stretched = np.fromfile(target, "<f4")
        if len(stretched) < (len(samples) + pad) / stretch:
            raise MediaError(f"Could not {doing}, though no error was reported.")
    # Filters and their versions differ in their delay, which the padding reveals.
    size = round(len(samples) / stretch)
    late = _lag(samples, stretched, stretch, pad)
    return _with_length(stretched[max(0, round(pad / stretch) + late) :], size)


def _lag(samples: Samples, stretched: Samples, stretch: float, pad: int) -> int:
    """By how many samples ``stretched`` is late, from the envelopes of both."""
    import numpy as np

    def envelope(sound: Samples) -> NDArray[np.float64]:
        """Amplitude each ms, smoothed over 10 ms."""
        size = RATE // 1000
        means = np.abs(sound[: len(sound) // size * size]).reshape(-1, size).mean(axis=1)
        return np.convolve(means, np.hanning(12)[1:-1], "same")

    before = envelope(np.pad(samples, pad))
    after = envelope(stretched)
    expected = np.interp(np.arange(len(after)) * stretch, np.arange(len(before)), before, 0, 0)
    reach = min(150, round(1000 * pad / RATE / stretch))
    scores = [float(np.dot(np.roll(expected, lag), after)) for lag in range(-reach, reach + 1)]
    return (int(np.argmax(scores)) - reach) * (RATE // 1000)


def _with_length(samples: Samples, size: int) -> Samples:
    """``samples``, cut or padded with silence to exactly ``size``."""
    import numpy as np

    return np.pad(samples[:size], (0, max(0, size - len(samples))))
