"""The part of chatterbox-tts that the worker uses to convert, with the same names and no others."""

import numpy as np
from standin import converted, read_wav, resampled


class ChatterboxVC:
    sr = 24000

    @classmethod
    def from_pretrained(cls, device: str):
        assert device in ("cpu", "cuda", "mps"), device
        return cls()

    def generate(self, audio: str, target_voice_path: str | None = None) -> np.ndarray:
        read_wav(target_voice_path)
        return converted(resampled(*read_wav(audio), self.sr))[None]
