"""The part of chatterbox-tts that the worker uses to speak, with the same names and no others."""

import numpy as np
from standin import read_wav, spoken


class ChatterboxMultilingualTTS:
    sr = 24000

    @classmethod
    def from_pretrained(cls, device: str, t3_model: str | None = None):
        assert device in ("cpu", "cuda", "mps"), device
        return cls()

    def generate(
        self,
        text: str,
        language_id: str,
        audio_prompt_path: str | None = None,
        exaggeration: float = 0.5,
        cfg_weight: float = 0.5,
        temperature: float = 0.8,
    ) -> np.ndarray:
        print("generating", text)
        assert language_id in ("en", "pt", "no", "zh"), language_id
        if not isinstance(cfg_weight, float):
            raise TypeError(f"cfg_weight is {cfg_weight!r}")
        return spoken(text, self.sr, read_wav(audio_prompt_path)[0])[None]
