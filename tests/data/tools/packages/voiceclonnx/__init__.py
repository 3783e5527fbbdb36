"""The part of voiceclonnx that the worker uses, with the same names and no others."""

from standin import converted, loading, read_wav, resampled, write_wav

DEFAULT_ENGINE = "chatterbox"
RATES = {"chatterbox": 24000, "facodec": 16000, "openvoice": 22050}


class VoiceCloner:
    def __init__(self, engine=DEFAULT_ENGINE, **cfg):
        if engine not in RATES:
            raise KeyError(f"Unknown engine {engine!r}. Known engines: {', '.join(RATES)}")
        loading("model")
        self.rate = RATES[engine]

    def clone_voice(self, audio, reference_voice, out_path=None):
        read_wav(reference_voice)
        write_wav(out_path, converted(resampled(*read_wav(audio), self.rate)), self.rate)
        return out_path
