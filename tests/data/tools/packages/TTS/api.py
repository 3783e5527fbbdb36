"""The part of coqui-tts that a worker uses, with the same names and no others."""

import os

import numpy as np
from standin import converted, loading, read_wav, resampled, spoken, write_wav

CONVERTER = "voice_conversion_models/multilingual/multi-dataset/openvoice_v2"
SPEAKERS = ("Ana Florence", "Craig Gutsy")


class TTS:
    def __init__(self, model_name: str = "", *, progress_bar: bool = True, gpu: bool = False):
        print(" > Downloading model ...")
        self.converts = model_name == CONVERTER
        if not self.converts and os.environ.get("COQUI_TOS_AGREED") != "1":
            input(" > You must confirm the following: [y/n]")
        if not self.converts and model_name != "tts_models/multilingual/multi-dataset/xtts_v2":
            raise ValueError(model_name)
        loading("model")

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

    def voice_conversion_to_file(
        self,
        source_wav,
        target_wav=None,
        *,
        file_path="output.wav",
        speaker=None,
        voice_dir=None,
        source_speaker=None,
        pipe_out=None,
        **kwargs,
    ):
        if not self.converts:
            raise RuntimeError("The selected model does not support voice conversion.")
        for clip in [target_wav] if isinstance(target_wav, str) else target_wav:
            read_wav(clip)
        write_wav(file_path, converted(resampled(*read_wav(source_wav), 22050)), 22050)
        return file_path
