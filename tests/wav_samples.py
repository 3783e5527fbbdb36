"""Tones between silences, and breaths, as WAV files."""

import wave

import numpy as np


def write(path, samples, rate=48000, channels=1):
    with wave.open(str(path), "wb") as wav:
        wav.setparams((channels, 2, rate, 0, "NONE", ""))
        wav.writeframes(np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def burst(before=0.5, length=1.0, after=0.7, rate=48000, pitch=220, noise=0.0):
    """Silence, a tone of -9 dBFS, silence; with noise (its standard deviation) on all of it."""
    tone = 0.5 * np.sin(2 * np.pi * pitch * np.arange(round(length * rate)) / rate)
    samples = np.pad(tone, (round(before * rate), round(after * rate)))
    return samples + noise * np.random.default_rng(1).standard_normal(len(samples))


def breath(seconds=0.4, rate=48000, db=-45.0):
    """Noise that a mouth shapes, louder in the middle."""
    count = round(seconds * rate)
    spectrum = np.fft.rfft(np.random.default_rng(7).standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / rate)
    spectrum *= sum(np.exp(-(((hertz - at) / 350) ** 2)) for at in (700, 1600, 2700))
    sound = np.fft.irfft(spectrum, count) * np.sin(np.pi * np.linspace(0, 1, count)) ** 0.5
    return sound * 10 ** (db / 20) / np.sqrt(np.mean(sound**2))
