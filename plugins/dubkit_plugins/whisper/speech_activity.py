"""Where somebody speaks: Silero's network over a whole file, a minute at a time."""

from __future__ import annotations

import threading
import wave
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from faster_whisper.vad import get_vad_model

from dubkit import InputError

from .engine import SAMPLE_RATE, Clock

STEP = 512
"""Samples per voice-activity probability: 32 ms, fixed by the Silero network."""
BLOCK_STEPS = 1_875
"""Steps judged at once: a minute, so that Ctrl-C never waits for long."""
WARM_UP_STEPS = 63
"""Steps judged again before a block, 2 s, so that the network's memory is warm at its start."""
SPEECH_AT = 0.45
"""Probability at which speech begins."""
SILENCE_AT = 0.25
"""Probability below which speech may end; between the two it goes on."""
MIN_PAUSE = 0.20
"""Seconds of silence that part two spans."""
MIN_SPEECH = 0.10
"""Seconds; a shorter span is a click, not a word."""


@dataclass(frozen=True, slots=True)
class Span:
    """Somebody speaks from ``start`` to ``end`` (seconds)."""

    start: float
    end: float


def open_wav(path: Path) -> npt.NDArray[np.int16]:
    """The samples of a 16 kHz mono 16-bit WAV file, mapped, not read: hours cost no memory."""
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
    return np.memmap(path, dtype="<i2", mode="r", offset=offset, shape=(frames,))


class VoiceActivity:
    """Blocks of probabilities that somebody speaks, one per :data:`STEP` samples.

    They are found by a thread from the moment this is made, while the model is still loading, and
    kept (an hour is half a megabyte), so that it can be iterated over more than once.
    """

    def __init__(self, sound: npt.NDArray[np.int16], clock: Clock) -> None:
        self._blocks: list[npt.NDArray[np.float32]] = []
        self._failure: BaseException | None = None
        self._done = False
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._listen, args=(sound, clock), daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[npt.NDArray[np.float32]]:
        given = 0
        while True:
            with self._news:
                while not self._done and len(self._blocks) == given:
                    self._news.wait()
                if self._failure:
                    raise self._failure
                if given == len(self._blocks):
                    return
            yield self._blocks[given]
            given += 1

    def stop(self) -> None:
        """Stop listening. A thread that is still in native code when Python ends would abort it."""
        self._done = True
        self._thread.join()

    def _listen(self, sound: npt.NDArray[np.int16], clock: Clock) -> None:
        try:
            blocks = probabilities(sound)
            while True:
                with clock("voice activity"):
                    block = next(blocks, None)
                if block is None or self._done:
                    break
                with self._news:
                    self._blocks.append(block)
                    self._news.notify_all()
        except BaseException as failure:  # handed to whoever iterates
            self._failure = failure
        with self._news:
            self._done = True
            self._news.notify_all()


def probabilities(sound: npt.NDArray[np.int16]) -> Iterator[npt.NDArray[np.float32]]:
    """That somebody speaks, a block at a time."""
    model = get_vad_model()
    steps = -(-len(sound) // STEP)
    for first in range(0, steps, BLOCK_STEPS):
        warm = min(first, WARM_UP_STEPS)
        piece = sound[(first - warm) * STEP : (first + BLOCK_STEPS) * STEP]
        padded = np.zeros(-(-len(piece) // STEP) * STEP, dtype=np.float32)
        np.divide(piece, 32_768, out=padded[: len(piece)], casting="unsafe")
        yield model(padded).reshape(-1)[warm:]


def speech_spans(
    activity: Iterable[npt.NDArray[np.float32]], longest: float = float("inf")
) -> Iterator[Span]:
    """Spans of speech from probabilities, with hysteresis.

    A span longer than ``longest`` seconds (a speaker who never breathes, or music) is parted at
    its least voiced moment.
    """
    second = STEP / SAMPLE_RATE
    pause_steps = round(MIN_PAUSE / second)
    begun: int | None = None
    """Step at which the open span began."""
    quiet = 0
    heard: list[float] = []
    """Probabilities of the open span."""
    step = 0
    for block in activity:
        for probability in block.tolist():
            if begun is None:
                if probability >= SPEECH_AT:
                    begun, quiet, heard = step, 0, [probability]
            else:
                heard.append(probability)
                # Between the two thresholds silence that has begun goes on, speech does too.
                if probability >= SPEECH_AT:
                    quiet = 0
                elif probability < SILENCE_AT or quiet:
                    quiet += 1
                if quiet >= pause_steps:
                    end = step + 1 - quiet
                    if (end - begun) * second >= MIN_SPEECH:
                        yield Span(begun * second, end * second)
                    begun = None
                elif len(heard) * second >= longest:
                    cut = _least_voiced(heard)
                    yield Span(begun * second, (begun + cut) * second)
                    begun, heard = begun + cut, heard[cut:]
            step += 1
    if begun is not None and (step - quiet - begun) * second >= MIN_SPEECH:
        yield Span(begun * second, (step - quiet) * second)


def _least_voiced(heard: list[float]) -> int:
    """Where to part a span that never pauses: its least voiced step, smoothed, in its second
    half, so that the pieces do not get needlessly short."""
    half = len(heard) // 2
    smooth = np.convolve(np.asarray(heard), np.ones(3) / 3, mode="same")
    return half + int(np.argmin(smooth[half:-1]))
