"""Small synthesizers, used as ``--tts tests/data/synthesizers.py:Name``.

If ``SYNTHESIZER_LOG`` is set, a line is appended to that file for each text spoken.
"""

from __future__ import annotations

import json
import os
import time
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dubkit import Synthesizer

RATE = 24_000


def write(out, samples) -> None:
    with wave.open(str(out), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def hummed(text: str, pitch: float, pace: float = 15.0) -> np.ndarray:
    """A hum for each word, at ``pace`` letters per second and ``pitch`` Hz."""
    words = text.split() or ["?"]
    parts = [np.zeros(int(0.2 * RATE))]
    for word in words:
        time = np.arange(int((len(word) + 0.5) / pace * RATE)) / RATE
        parts += [0.4 * np.sin(2 * np.pi * pitch * time), np.zeros(int(0.5 / pace * RATE))]
    return np.concatenate([*parts, np.zeros(int(0.3 * RATE))])


@dataclass(frozen=True)
class Hum(Synthesizer):
    """Hums in one of two voices."""

    contract = 2

    pace: float = 15.0
    pause: float = 0.0
    """Seconds of work for each text."""

    def voices(self, language):
        return () if language.startswith("xx") else ("low", "high")

    def speak(self, text, out, *, language, voice, seconds, seed):
        if log := os.environ.get("SYNTHESIZER_LOG"):
            with Path(log).open("a") as file:
                file.write(json.dumps([text, voice.name, seed, language]) + "\n")
        time.sleep(self.pause)
        write(out, hummed(text, {"low": 150.0, "high": 300.0}[voice.name], self.pace))


@dataclass(frozen=True)
class Broken(Hum):
    """Fails in the way named by ``how``, on every third line or on all."""

    how: str = ""
    all: bool = False

    def speak(self, text, out, *, language, voice, seconds, seed):
        super().speak(text, out, language=language, voice=voice, seconds=seconds, seed=seed)
        if not self.all and sum(map(ord, text)) % 3:
            return
        match self.how:
            case "silence":
                write(out, np.zeros(RATE))
            case "empty":
                out.write_bytes(b"")
            case "nothing":
                out.unlink()
            case "garbage":
                out.write_bytes(b"RIFF" + bytes(range(256)) * 9)
            case "half":
                write(out, hummed(text[: len(text) // 4], 150.0))
            case "ten times":
                write(out, np.tile(hummed(text, 150.0), 10))
            case "crash":
                raise RuntimeError("the synthesizer fell over")
            case "exit":
                raise SystemExit(3)
            case "seed" if seed % 3 < 2:  # works at the third attempt
                raise RuntimeError("not yet")


@dataclass(frozen=True)
class Choir(Hum):
    """Takes three texts at once, and fails on the second."""

    at_once: int = 3

    def speak_all(self, texts):
        if log := os.environ.get("CHOIR_LOG"):
            with Path(log).open("a") as file:
                file.write(json.dumps([text.text for text in texts]) + "\n")
        for number, one in enumerate(texts):
            if number != 1:
                more = {"language": one.language, "voice": one.voice}
                self.speak(one.text, one.out, seconds=one.seconds, seed=one.seed, **more)
        return ["hoarse" if number == 1 else "" for number in range(len(texts))]


@dataclass(frozen=True)
class Chatty(Hum):
    """Prints what it does to standard output."""

    def speak(self, text, out, **more):
        print("speaking", text)
        super().speak(text, out, **more)


@dataclass(frozen=True)
class Nameless(Hum):
    """Has voices that are not strings, or cannot list them."""

    how: str = "numbers"

    def voices(self, language):
        if self.how == "crash":
            raise RuntimeError("no voice today")
        return (1, 2)


@dataclass(frozen=True)
class Noise(Synthesizer):
    """Speaks white noise of the right length, another one for each seed."""

    contract = 2

    def voices(self, language):
        return ("white",)

    def speak(self, text, out, *, language, voice, seconds, seed):
        length = len(text) * RATE // 15
        write(out, np.random.default_rng(seed).normal(0, 0.1, length))
