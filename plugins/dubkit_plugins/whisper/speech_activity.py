"""Where somebody speaks: Silero's network over a whole file, a minute at a time on each core.

Cutting there is in :mod:`.windows`.
"""

from __future__ import annotations

import threading
import wave
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from faster_whisper.utils import get_assets_path
from faster_whisper.vad import get_vad_model

from dubkit import InputError, Progress, usable_cores, verify_installed

from .engine import SAMPLE_RATE, Clock, Samples

STEP = 512
"""Samples per voice-activity probability: 32 ms, fixed by the Silero network."""
BLOCK_STEPS = 1_875
"""Steps evaluated at once: a minute, so that Ctrl-C never waits long."""
WARM_UP_STEPS = 63
"""Steps evaluated again before a block, 2 s, so that the network's state is warm at its start."""
LEVEL_STEPS = 63
"""Steps over which the level is measured, 2 s: it follows a speaker, and not single sounds."""
LEVEL = 0.05
"""Root mean square, of full scale, to which quiet sound is raised for Silero, which otherwise takes
a hoarse or distant speaker after a loud one for a pause ..."""
MOST_GAIN = 31.6
"""... by at most this factor, 30 dB. Noise and music that are raised as much stay noise and music
to Silero."""
SPEECH_AT = 0.2
"""Probability at which speech begins. Silero's own threshold, 0.5, leaves out acted, childlike and
hoarse voices and speech over music; below 0.1 it takes neither music nor noise for speech."""
SILENCE_AT = 0.1
"""Probability below which speech may end; between the two it goes on."""
MIN_PAUSE = 0.20
"""Seconds of silence that separate two spans."""
MIN_SPEECH = 0.10
"""Seconds; a shorter span is a click, not a word."""


@dataclass(frozen=True, slots=True)
class Span:
    """Somebody speaks from ``start`` to ``end`` (seconds)."""

    start: float
    end: float
    likeliest: float = field(default=1.0, compare=False)
    """The greatest probability of speech in it."""


class Recording(Protocol):
    """16-bit samples at 16 kHz, by slices of consecutive ones: an array, or a file."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> npt.NDArray[np.int16]: ...


@dataclass(frozen=True, slots=True)
class WavSamples:
    """The samples of a WAV file, read a slice at a time: hours cost no memory, not even that of
    the pages of a mapped file."""

    path: Path
    offset: int
    """Bytes before the first sample."""
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, part: slice, /) -> npt.NDArray[np.int16]:
        start, stop, _ = part.indices(self.count)
        length, offset = max(0, stop - start), self.offset + 2 * start
        return np.fromfile(self.path, "<i2", count=length, offset=offset)


def open_wav(path: Path) -> Recording:
    """The samples of a 16 kHz mono 16-bit WAV file."""
    try:
        with path.open("rb") as file, wave.open(file, "rb") as sound:
            layout = (sound.getnchannels(), sound.getsampwidth(), sound.getframerate())
            frames = sound.getnframes()
            offset = file.tell()  # wave has read up to the samples, wherever they begin
    except (wave.Error, EOFError, OSError) as failure:
        raise InputError(f"cannot read {path.name}: {failure}") from failure
    if layout != (1, 2, SAMPLE_RATE):
        raise InputError(f"{path.name} is not 16 kHz mono 16-bit WAV")
    if not frames:
        return np.zeros(0, dtype=np.int16)
    return WavSamples(path, offset, min(frames, (path.stat().st_size - offset) // 2))


def find_speech(audio: Path, progress: Progress) -> list[tuple[float, float]]:
    """See :class:`dubkit.hooks.FindsSpeech`."""
    sound = open_wav(audio)
    total = len(sound) / SAMPLE_RATE

    def watched() -> Iterator[npt.NDArray[np.float32]]:
        done = 0
        for block in speech_probabilities(sound):
            done += len(block)
            progress("find speech", min(total, done * STEP / SAMPLE_RATE), total)
            yield block

    return [(one.start, one.end) for one in speech_spans(watched())]


class VoiceActivity:
    """Blocks of speech probabilities, one probability per :data:`STEP` samples.

    A thread computes them from the moment this is created, while the model is still loading. They
    are kept (half a megabyte an hour), so that this can be iterated over more than once.
    """

    def __init__(self, sound: Recording, clock: Clock) -> None:
        self._blocks: list[npt.NDArray[np.float32]] = []
        self._failure: BaseException | None = None
        self._done = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._detect, args=(sound, clock), daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[npt.NDArray[np.float32]]:
        yielded = 0
        while True:
            with self._changed:
                while not self._done and len(self._blocks) == yielded:
                    self._changed.wait()
                if self._failure:
                    raise self._failure
                if yielded == len(self._blocks):
                    return
            yield self._blocks[yielded]
            yielded += 1

    def stop(self) -> None:
        """Stop the thread: one that is still in native code when Python exits would abort it."""
        self._done = True
        self._thread.join()

    def _detect(self, sound: Recording, clock: Clock) -> None:
        try:
            with closing(speech_probabilities(sound)) as blocks:
                while True:
                    with clock("voice activity"):
                        block = next(blocks, None)
                    if block is None or self._done:
                        break
                    with self._changed:
                        self._blocks.append(block)
                        self._changed.notify_all()
        except BaseException as failure:  # raised where it is iterated over
            self._failure = failure
        with self._changed:
            self._done = True
            self._changed.notify_all()


def speech_probabilities(
    sound: Recording,
) -> Generator[npt.NDArray[np.float32], None, None]:
    """The probability of speech at each step, a block at a time.

    Blocks know nothing of each other, so each core evaluates one of its own.
    """
    for path in sorted(Path(get_assets_path()).glob("*.onnx")):
        verify_installed("faster-whisper", path)
    model = get_vad_model()

    def evaluate(first: int) -> npt.NDArray[np.float32]:
        # Around the block: for the network's state before it, and for the level before and after.
        warm, around = min(first, WARM_UP_STEPS), min(first, WARM_UP_STEPS + LEVEL_STEPS)
        last = first + BLOCK_STEPS + LEVEL_STEPS
        piece = sound[(first - around) * STEP : last * STEP]
        steps = -(-len(piece) // STEP)
        padded = np.zeros(steps * STEP, dtype=np.float32)
        np.divide(piece, 32_768, out=padded[: len(piece)], casting="unsafe")
        even = even_level(padded)[(around - warm) * STEP : (around + BLOCK_STEPS) * STEP]
        block: npt.NDArray[np.float32] = model(even).reshape(-1)[warm:]
        return block

    cores = usable_cores()
    pool = ThreadPoolExecutor(cores, thread_name_prefix="voice activity")
    ahead: deque[Future[npt.NDArray[np.float32]]] = deque()
    try:
        for first in range(0, -(-len(sound) // STEP), BLOCK_STEPS):
            ahead.append(pool.submit(evaluate, first))
            if len(ahead) > cores:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def even_level(sound: Samples) -> Samples:
    """The sound, with what is quiet for longer than a moment raised."""
    steps = -(-len(sound) // STEP)
    window = np.ones(LEVEL_STEPS)
    power = np.mean(
        np.square(np.pad(sound, (0, steps * STEP - len(sound))).reshape(steps, STEP)), 1
    )
    counts = np.convolve(np.ones(steps), window)[LEVEL_STEPS // 2 :][:steps]
    level = np.sqrt(np.convolve(power, window)[LEVEL_STEPS // 2 :][:steps] / counts)
    gain = np.clip(LEVEL / np.maximum(level, 1e-9), 1.0, MOST_GAIN)
    centers = (np.arange(steps) + 0.5) * STEP
    even: Samples = np.interp(np.arange(len(sound)), centers, gain).astype(np.float32)
    np.multiply(even, sound, out=even)
    return np.clip(even, -1.0, 1.0, out=even)


def speech_spans(
    activity: Iterable[npt.NDArray[np.float32]], longest: float = float("inf")
) -> Iterator[Span]:
    """Spans of speech from probabilities, with hysteresis.

    A span longer than ``longest`` seconds (a speaker who never pauses, or music) is split at its
    least voiced moment.
    """
    second = STEP / SAMPLE_RATE
    pause_steps = round(MIN_PAUSE / second)
    first: int | None = None
    """Step at which the open span began."""
    quiet = 0
    voiced: list[float] = []
    """Probabilities of the open span."""
    step = 0
    for block in activity:
        for probability in block.tolist():
            if first is None:
                if probability >= SPEECH_AT:
                    first, quiet, voiced = step, 0, [probability]
            else:
                voiced.append(probability)
                # Between the two thresholds, silence that has begun goes on, and so does speech.
                if probability >= SPEECH_AT:
                    quiet = 0
                elif probability < SILENCE_AT or quiet:
                    quiet += 1
                if quiet >= pause_steps:
                    end = step + 1 - quiet
                    if (end - first) * second >= MIN_SPEECH:
                        yield Span(first * second, end * second, max(voiced))
                    first = None
                elif len(voiced) * second >= longest:
                    cut = _least_voiced(voiced)
                    yield Span(first * second, (first + cut) * second, max(voiced[:cut]))
                    first, voiced = first + cut, voiced[cut:]
            step += 1
    if first is not None and (step - quiet - first) * second >= MIN_SPEECH:
        yield Span(first * second, (step - quiet) * second, max(voiced))


def _least_voiced(voiced: list[float]) -> int:
    """Where to split a span that never pauses: its least voiced step, smoothed, in its second
    half, so that the pieces do not get needlessly short."""
    half = len(voiced) // 2
    smooth = np.convolve(np.asarray(voiced), np.ones(3) / 3, mode="same")
    return half + int(np.argmin(smooth[half:-1]))
