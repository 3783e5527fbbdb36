"""Small cloning, converting and separating engines, used as ``tests/data/voices.py:Name``.

If ``VOICES_LOG`` is set, a line is appended to that file for each item.
"""

from __future__ import annotations

import json
import os
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.synthesizers import RATE, hummed, write
from dubkit import Converter, Separator, Synthesizer


def note(*values) -> None:
    if log := os.environ.get("VOICES_LOG"):
        with Path(log).open("a") as file:
            file.write(json.dumps(values) + "\n")


def read(path):
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return samples.reshape(-1, file.getnchannels()) / 32768, file.getframerate()


def pitch(path) -> float:
    """Frequency of the loudest partial, Hz."""
    samples, rate = read(path)
    spectrum = np.abs(np.fft.rfft(samples[:, 0]))
    return float(np.argmax(spectrum) / len(samples) * rate)


@dataclass(frozen=True)
class Mimic(Synthesizer):
    """Hums at the pitch of the reference clip, and has no voice of its own."""

    contract = 2

    clones = True

    def voices(self, language):
        return ()

    def speak(self, text, out, *, language, voice, seconds, seed):
        first = voice.references[0]
        note("spoken", text, first.text, first.language, round(pitch(first.path)))
        write(out, hummed(text, pitch(first.path)))


@dataclass(frozen=True)
class Octave(Converter):
    """Hums an octave above its input, with the same envelope."""

    contract = 2

    how: str = ""

    def convert(self, audio, out, *, voice):
        note("converted", voice.name, len(voice.references))
        if self.how == "crash" and "0002-" in audio.name:
            raise RuntimeError("the converter fell over")
        samples, rate = read(audio)
        if self.how == "short":
            samples = samples[: len(samples) // 2]
        if self.how == "noise":
            write(out, np.random.default_rng(0).normal(0, 0.2, len(samples)))
            return
        loud = np.convolve(np.abs(samples[:, 0]), np.ones(400) / 400, "same")
        time = np.arange(len(loud)) / rate
        assert rate == RATE
        write(out, loud * 1.5 * np.sin(2 * np.pi * 2 * pitch(audio) * time))


class Octaves(Octave):
    """The same, for two clips a call; one fails in company, and is done alone."""

    at_once = 2

    def convert_all(self, requests):
        note("together", len(requests))
        for one in requests:
            if "0002-" not in one.audio.name:
                self.convert(one.audio, one.out, voice=one.voice)
        return ["no" if "0002-" in one.audio.name else "" for one in requests]


class Loner(Octaves):
    """The same, but it fails with more than one clip."""

    at_once = 4

    def convert_all(self, requests):
        note("together", len(requests))
        raise RuntimeError("out of memory")


@dataclass(frozen=True)
class Whistle(Separator):
    """Takes everything above 700 Hz for background."""

    contract = 2

    how: str = ""

    def separate(self, audio, speech, background, *, progress):
        note("separated")
        if self.how == "crash":
            raise RuntimeError("the separator fell over")
        samples, rate = read(audio)
        spectrum = np.fft.rfft(samples, axis=0)
        spectrum[: int(700 * len(samples) / rate)] = 0
        high = np.fft.irfft(spectrum, len(samples), axis=0)
        if self.how == "short":
            high = high[: len(high) // 2]
        for path, part in ((background, high), (speech, samples[: len(high)] - high)):
            with wave.open(str(path), "wb") as file:
                file.setnchannels(2)
                file.setsampwidth(2)
                file.setframerate(rate)
                file.writeframes((np.clip(part, -1, 1) * 32767).astype("<i2").tobytes())
