"""How much a thread that drives a GPU is held up by those that set words to the sound.

    python benchmarks/word_setting.py [--count 8]

Such a thread needs Python for a moment at every step of the decoder. Here it only sleeps between
steps, so no GPU is needed; beside it, the words of many windows are set to noise that comes and
goes by threads, and then by processes, as :mod:`dubkit_plugins.whisper.word_times` does.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from dubkit import Word
from dubkit_plugins.whisper.engine import SAMPLE_RATE
from dubkit_plugins.whisper.speech_activity import Span, open_wav
from dubkit_plugins.whisper.windows import Window
from dubkit_plugins.whisper.word_times import setting_words

STEP = 0.0006
"""Seconds of a step of Whisper base's decoder on a large GPU."""
WINDOWS, SECONDS, WORDS = 32, 20.0, 60


def noise(path: Path) -> Path:
    """Bursts of noise, three a second."""
    time_ = np.arange(int(WINDOWS * SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    loud = np.sin(2 * np.pi * 3 * time_) > -0.5
    sound = np.random.default_rng(0).normal(0, 0.1, len(time_)) * loud
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes(np.clip(sound * 32767, -32768, 32767).astype("<i2").tobytes())
    return path


def steps(stop: threading.Event) -> int:
    count = 0
    while not stop.is_set():
        time.sleep(STEP)
        count += 1
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=8, help="of threads, and of processes")
    count = parser.parse_args().count
    starts = [number * SECONDS for number in range(WINDOWS)]
    windows = [Window(start, start + SECONDS, (Span(start, start + SECONDS),)) for start in starts]
    words = [
        [Word(start + k / 3, start + k / 3 + 0.25, " word") for k in range(WORDS)]
        for start in starts
    ]
    with tempfile.TemporaryDirectory() as folder:
        sound = open_wav(noise(Path(folder, "noise.wav")))
        for name, processes in (("nothing", 0), ("threads", 0), ("processes", count)):
            with (
                setting_words(sound, processes) as set_words,
                ThreadPoolExecutor(count) as pool,
                ThreadPoolExecutor(1) as driver,
            ):
                list(pool.map(set_words, words[:count], windows[:count]))  # they have started
                stop, began = threading.Event(), time.perf_counter()
                counted = driver.submit(steps, stop)
                if name == "nothing":
                    time.sleep(2.0)
                else:
                    list(pool.map(set_words, words, windows))
                stop.set()
                taken = time.perf_counter() - began
            print(f"beside {name:10} {counted.result() / taken:6.0f} steps a second")


if __name__ == "__main__":
    main()
