"""The part of coqui-tts that a worker uses, with the same names and no others."""

import os

import numpy as np
from standin import read_wav, spoken, write_wav

SPEAKERS = ("Ana Florence", "Craig Gutsy")


class TTS:
    def __init__(self, model_name: str = "", *, progress_bar: bool = True, gpu: bool = False):
        print(" > Downloading model ...")
        if os.environ.get("COQUI_TOS_AGREED") != "1":
            input(" > You must confirm the following: [y/n]")
        if model_name != "tts_models/multilingual/multi-dataset/xtts_v2":
            raise ValueError(model_name)

    def to(self, device: str) -> "TTS":
        assert device in ("cpu", "cuda", "mps")
        return self

    def tts_to_file(
        self,
        text: str,
        speaker: str | None = None,
        language: str | None = None,
        speaker_wav: str | list[str] | None = None,
        file_path: str = "output.wav",
    ) -> str:
        print('{"id": "what a library prints is not an answer"}')
        assert language in ("en", "pt", "zh-cn"), language
        if speaker_wav is None and speaker not in SPEAKERS:
            raise KeyError(speaker)
        clips = [speaker_wav] if isinstance(speaker_wav, str) else speaker_wav or []
        like = np.concatenate([read_wav(clip)[0] for clip in clips]) if clips else None
        write_wav(file_path, spoken(text, 24000, like), 24000)
        return file_path
