"""What separators share: audio goes through a network piece by piece.

So memory use is the same for a film of any length. Pieces overlap and are crossfaded: at the edges
of a piece a network has too little context. The background is the whole minus the speech, so that
the two add up to the whole again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

import av
import numpy as np
import torch
from numpy.typing import NDArray

from dubkit import InputError, OutputError, Progress, UsageError

if TYPE_CHECKING:
    from av.audio.stream import AudioStream

Samples: TypeAlias = NDArray[np.float32]
"""One row per channel, -1 to 1 (a float file may exceed that)."""
Network: TypeAlias = Callable[[Samples], Samples]
"""From a piece in stereo to the speech in it."""

RATE = 48_000
"""Hz, of the files."""
OVERLAP = 2 * RATE
"""Samples over which one piece is faded into the next."""
_FULL_SCALE = 32768
"""The 16-bit value of 1.0."""


def separate(
    audio: Path, speech: Path, background: Path, network: Network, size: int, progress: Progress
) -> None:
    """Write what ``network`` extracts from ``audio`` to ``speech``, the rest to ``background``.

    The network gets ``size`` samples at 48 kHz, the last time perhaps fewer, and returns as many.
    The results are mono or stereo like ``audio``, 16-bit if it is, else floats. Raises InputError
    for audio that is not a readable WAV file at 48 kHz, OutputError if a result cannot be written.
    """
    with _open(audio) as (total, channels, codec, blocks):
        # Rounded before it is subtracted, so that nothing of the whole is lost.
        quantize = _round_to_16_bits if codec == "pcm_s16le" else _leave
        with (
            _writer(speech, codec, channels) as write_speech,
            _writer(background, codec, channels) as write_background,
        ):
            done = 0.0
            for whole, extracted in _separate_pieces(blocks, network, size):
                extracted = quantize(extracted)
                write_speech(extracted)
                write_background(quantize(whole - extracted))
                done += whole.shape[1] / RATE
                progress("separate", done, max(total, done))


def _separate_pieces(
    blocks: Iterator[Samples], network: Network, size: int
) -> Iterator[tuple[Samples, Samples]]:
    """The whole and its speech, piece by piece."""
    fade = np.sin(np.linspace(0, np.pi / 2, OVERLAP, dtype=np.float32)) ** 2
    step = size - OVERLAP
    tail: Samples | None = None
    for piece, is_last in _pieces(blocks, size):
        stereo = piece if len(piece) == 2 else np.repeat(piece, 2, axis=0)
        speech = network(stereo)
        if len(piece) == 1:
            speech = speech.mean(axis=0, keepdims=True)
        if tail is not None:
            speech[:, :OVERLAP] = speech[:, :OVERLAP] * fade + tail * (1 - fade)
        tail = speech[:, step:]
        yield (piece, speech) if is_last else (piece[:, :step], speech[:, :step])


def _pieces(blocks: Iterator[Samples], size: int) -> Iterator[tuple[Samples, bool]]:
    """Overlapping pieces, and whether each is the last, which is longer than the overlap unless it
    is the only one."""
    held: list[Samples] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += block.shape[1]
        while count > size:  # so this piece is not the last
            whole = np.concatenate(held, axis=1)
            yield whole[:, :size], False
            held = [whole[:, size - OVERLAP :]]
            count -= size - OVERLAP
    if count:
        yield np.concatenate(held, axis=1), True


# ---------------------------------------------------------------- files


@contextlib.contextmanager
def _open(audio: Path) -> Iterator[tuple[float, int, str, Iterator[Samples]]]:
    """A WAV file's duration in seconds (by its header), its number of channels, the codec for the
    results, and its samples."""
    try:
        # "file:" keeps ffmpeg from interpreting a name.
        source = av.open(f"file:{audio}", format="wav")
    except (av.FFmpegError, OSError) as failure:
        raise _unreadable(audio, failure) from failure
    with source:
        if not source.streams.audio:
            raise _unreadable(audio, "it has no audio")
        stream = source.streams.audio[0]
        if stream.rate != RATE or stream.channels not in (1, 2):
            raise InputError(
                f"{audio.name} has {stream.channels} channels at {stream.rate} Hz",
                f"a separator takes mono or stereo at {RATE} Hz",
            )
        codec = "pcm_s16le" if stream.codec_context.name == "pcm_s16le" else "pcm_f32le"
        seconds = (source.duration or 0) / av.time_base

        def blocks() -> Iterator[Samples]:
            planar = av.AudioResampler(format="fltp")
            try:
                for frame in source.decode(stream):
                    for part in planar.resample(frame):
                        # A float file may contain anything.
                        yield np.nan_to_num(part.to_ndarray(), nan=0.0, posinf=0.0, neginf=0.0)
            except (av.FFmpegError, OSError) as failure:
                raise _unreadable(audio, failure) from failure

        yield seconds, stream.channels, codec, blocks()


def _unreadable(audio: Path, why: object) -> InputError:
    return InputError(f"{audio.name} cannot be read: {why}", "it must be a complete WAV file")


@contextlib.contextmanager
def _writer(path: Path, codec: str, channels: int) -> Iterator[Callable[[Samples], None]]:
    """A function that appends to a WAV file, RF64 beyond 4 GB."""
    layout = "mono" if channels == 1 else "stereo"
    form = "s16" if codec == "pcm_s16le" else "flt"
    try:
        with av.open(f"file:{path}", "w", format="wav", options={"rf64": "auto"}) as out:
            stream = cast("AudioStream", out.add_stream(codec, rate=RATE, layout=layout))
            out.start_encoding()

            def write(sound: Samples) -> None:
                packed = (sound.T * _FULL_SCALE).astype(np.int16) if form == "s16" else sound.T
                frame = av.AudioFrame.from_ndarray(packed.reshape(1, -1), form, layout)
                frame.sample_rate = RATE
                out.mux(stream.encode(frame))

            yield write
    except (av.FFmpegError, OSError) as failure:
        raise OutputError(
            f"cannot write {path}: {failure}",
            "check its folder's permissions and the free disk space",
        ) from failure


def _round_to_16_bits(sound: Samples) -> Samples:
    """Rounded to the values that 16 bits can represent."""
    return (np.rint(sound * _FULL_SCALE) / _FULL_SCALE).clip(-1, 1 - 1 / _FULL_SCALE)


def _leave(sound: Samples) -> Samples:
    return sound


# ---------------------------------------------------------------- samples and torch


def resample(sound: Samples, rate: int, to: int) -> Samples:
    """A stereo piece at another rate, its first sample at the same time as before."""
    if rate == to or not sound.size:
        return sound
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound), "fltp", "stereo")
    frame.sample_rate = rate
    resampler = av.AudioResampler("fltp", "stereo", to)
    parts = [part.to_ndarray() for chunk in (frame, None) for part in resampler.resample(chunk)]
    length = round(sound.shape[1] * to / rate)
    return fit(np.concatenate(parts, axis=1) if parts else sound[:, :0], length)


def fit(sound: Samples, length: int) -> Samples:
    """``length`` samples: cut, or padded with silence."""
    missing = max(0, length - sound.shape[1])
    return np.pad(sound[:, :length], ((0, 0), (0, missing)))


def device_of(engine: str, device: str) -> torch.device:
    """torch's device for a setting; UsageError for an unknown one."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.split(":")[0] not in ("cpu", "cuda"):
        raise UsageError(f"{engine} runs on cpu or cuda, not {device!r}", "leave it at auto")
    try:
        return torch.device(device)
    except RuntimeError as wrong:
        raise UsageError(f"torch knows no device {device!r}", "such as cuda:1") from wrong


def device_problems(engine: str, device: str) -> list[str]:
    """What keeps torch from using the device, one sentence each."""
    wanted = device_of(engine, device)
    if wanted.type == "cuda" and (wanted.index or 0) >= torch.cuda.device_count():
        return [f"{engine} is set to {device}, but torch finds no such GPU: use --device cpu"]
    return []


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Have torch use ``count`` CPU threads within the block; 0 leaves their number to torch."""
    if count < 0:
        raise UsageError(f"there cannot be {count} threads", "0 leaves their number to torch")
    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
