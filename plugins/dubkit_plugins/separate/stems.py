"""What separators share: a sound goes through a network piece by piece.

So memory stays the same for a film of any length. Pieces overlap and are faded into each other: a
network hears too little at the edges of one. What is not speech is the whole less the speech, so
that both are the whole again when they are added up.
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
"""A row for each channel, -1 to 1 (a float file may go beyond)."""
Network: TypeAlias = Callable[[Samples], Samples]
"""The speech in a piece of stereo."""

RATE = 48_000
OVERLAP = 2 * RATE
"""Samples in which one piece is faded into the next."""
_FULL = 32768
"""What 1.0 is in 16 bits."""


def separate(
    audio: Path, speech: Path, background: Path, network: Network, size: int, progress: Progress
) -> None:
    """Write what ``network`` finds in ``audio`` to ``speech`` and all else to ``background``.

    It is given ``size`` samples at 48 kHz, the last time perhaps fewer, and returns as many. The
    results are as ``audio`` is, in 16 bits or else in floats, mono or stereo.
    """
    with _opened(audio) as (total, channels, codec, blocks):
        # Rounded before it is subtracted, so that nothing of the whole is lost.
        rounded = _rounded if codec == "pcm_s16le" else _as_it_is
        with _writer(speech, codec, channels) as say, _writer(background, codec, channels) as keep:
            done = 0.0
            for whole, found in _parted(blocks, network, size):
                found = rounded(found)
                say(found)
                keep(rounded(whole - found))
                done += whole.shape[1] / RATE
                progress("separate", done, max(total, done))


def _parted(
    blocks: Iterator[Samples], network: Network, size: int
) -> Iterator[tuple[Samples, Samples]]:
    """The whole and its speech, piece by piece."""
    fade = np.sin(np.linspace(0, np.pi / 2, OVERLAP, dtype=np.float32)) ** 2
    step = size - OVERLAP
    tail: Samples | None = None
    for piece, is_last in _pieces(blocks, size):
        stereo = piece if len(piece) == 2 else np.repeat(piece, 2, axis=0)
        found = network(stereo)
        if len(piece) == 1:
            found = found.mean(axis=0, keepdims=True)
        if tail is not None:
            found[:, :OVERLAP] = found[:, :OVERLAP] * fade + tail * (1 - fade)
        tail = found[:, step:]
        yield (piece, found) if is_last else (piece[:, :step], found[:, :step])


def _pieces(blocks: Iterator[Samples], size: int) -> Iterator[tuple[Samples, bool]]:
    """Pieces that overlap, and whether each is the last, which is longer than the overlap unless
    it is the only one."""
    held: list[Samples] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += block.shape[1]
        while count > size:  # there is more than this piece
            whole = np.concatenate(held, axis=1)
            yield whole[:, :size], False
            held = [whole[:, size - OVERLAP :]]
            count -= size - OVERLAP
    if count:
        yield np.concatenate(held, axis=1), True


# ---------------------------------------------------------------- files


@contextlib.contextmanager
def _opened(audio: Path) -> Iterator[tuple[float, int, str, Iterator[Samples]]]:
    """The seconds of a WAV file, as it says, its channels, the codec that can hold what it holds,
    and its samples."""
    try:
        # "file:" keeps ffmpeg from reading more into a name.
        source = av.open(f"file:{audio}", format="wav")
    except (av.FFmpegError, OSError) as failure:
        raise _unreadable(audio, failure) from failure
    with source:
        if not source.streams.audio:
            raise _unreadable(audio, "it has no sound")
        stream = source.streams.audio[0]
        if stream.rate != RATE or stream.channels not in (1, 2):
            raise InputError(
                f"{audio.name} has {stream.channels} channels at {stream.rate} Hz",
                f"a separator is given mono or stereo at {RATE} Hz",
            )
        codec = "pcm_s16le" if stream.codec_context.name == "pcm_s16le" else "pcm_f32le"
        seconds = (source.duration or 0) / av.time_base

        def blocks() -> Iterator[Samples]:
            planar = av.AudioResampler(format="fltp")
            try:
                for frame in source.decode(stream):
                    for part in planar.resample(frame):
                        # A float file may hold anything.
                        yield np.nan_to_num(part.to_ndarray(), nan=0.0, posinf=0.0, neginf=0.0)
            except (av.FFmpegError, OSError) as failure:
                raise _unreadable(audio, failure) from failure

        yield seconds, stream.channels, codec, blocks()


def _unreadable(audio: Path, why: object) -> InputError:
    return InputError(f"{audio.name} cannot be read: {why}", "it is to be a whole WAV file")


@contextlib.contextmanager
def _writer(path: Path, codec: str, channels: int) -> Iterator[Callable[[Samples], None]]:
    """Writes a WAV file, RF64 beyond 4 GB."""
    layout = "mono" if channels == 1 else "stereo"
    form = "s16" if codec == "pcm_s16le" else "flt"
    try:
        with av.open(f"file:{path}", "w", format="wav", options={"rf64": "auto"}) as out:
            stream = cast("AudioStream", out.add_stream(codec, rate=RATE, layout=layout))
            out.start_encoding()

            def write(sound: Samples) -> None:
                packed = (sound.T * _FULL).astype(np.int16) if form == "s16" else sound.T
                frame = av.AudioFrame.from_ndarray(packed.reshape(1, -1), form, layout)
                frame.sample_rate = RATE
                out.mux(stream.encode(frame))

            yield write
    except (av.FFmpegError, OSError) as failure:
        raise OutputError(
            f"cannot write {path}: {failure}", "look at its folder's rights and the disk's space"
        ) from failure


def _rounded(sound: Samples) -> Samples:
    """As 16 bits can hold it."""
    return (np.rint(sound * _FULL) / _FULL).clip(-1, 1 - 1 / _FULL)


def _as_it_is(sound: Samples) -> Samples:
    return sound


# ---------------------------------------------------------------- sound and torch


def resampled(sound: Samples, rate: int, to: int) -> Samples:
    """A stereo piece at another rate, its first sample at the same time as before."""
    if rate == to or not sound.size:
        return sound
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound), "fltp", "stereo")
    frame.sample_rate = rate
    resampler = av.AudioResampler("fltp", "stereo", to)
    parts = [part.to_ndarray() for given in (frame, None) for part in resampler.resample(given)]
    length = round(sound.shape[1] * to / rate)
    return fitted(np.concatenate(parts, axis=1) if parts else sound[:, :0], length)


def fitted(sound: Samples, length: int) -> Samples:
    """As long as that: cut, or with silence after it."""
    missing = max(0, length - sound.shape[1])
    return np.pad(sound[:, :length], ((0, 0), (0, missing)))


def device_of(engine: str, device: str) -> torch.device:
    """torch's device for a setting; UsageError for one that it does not know."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.split(":")[0] not in ("cpu", "cuda"):
        raise UsageError(f"{engine} runs on cpu or cuda, not {device!r}", "leave it at auto")
    try:
        return torch.device(device)
    except RuntimeError as wrong:
        raise UsageError(f"torch knows no device {device!r}", "such as cuda:1") from wrong


def device_problems(engine: str, device: str) -> list[str]:
    """What keeps torch from using the device, a sentence each."""
    wanted = device_of(engine, device)
    if wanted.type == "cuda" and (wanted.index or 0) >= torch.cuda.device_count():
        return [f"{engine} is set to {device} and torch finds no such GPU: use --device cpu"]
    return []


@contextlib.contextmanager
def threads_of_torch(count: int) -> Iterator[None]:
    """So many threads of the CPU meanwhile; 0 leaves it to torch."""
    if count < 0:
        raise UsageError(f"there are no {count} threads", "0 leaves their number to torch")
    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
