"""The part of qwen-tts that the worker uses, with the same names and no others."""

from standin import loading, read_wav, spoken

LANGUAGES = {"chinese", "english", "japanese", "portuguese"}
SPEAKERS = "vivian serena uncle_fu dylan eric ryan aiden ono_anna sohee".split()
GENERATION = {"temperature", "top_k", "top_p", "max_new_tokens"}


class Qwen3TTSModel:
    def __init__(self, kind):
        self.kind = kind

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, **kwargs):
        assert kwargs == {"device_map": "cpu", "dtype": "float32"}, kwargs
        loading("model")
        return cls(pretrained_model_name_or_path.rpartition("-")[2])

    def create_voice_clone_prompt(self, ref_audio, ref_text=None, x_vector_only_mode=False):
        loading("clip")
        if not x_vector_only_mode and not ref_text:
            raise ValueError("ref_text is required when x_vector_only_mode=False (ICL mode).")
        return [read_wav(ref_audio)[0]]

    def generate_voice_clone(
        self,
        text,
        language=None,
        ref_audio=None,
        ref_text=None,
        x_vector_only_mode=False,
        voice_clone_prompt=None,
        non_streaming_mode=False,
        **kwargs,
    ):
        if self.kind != "Base":
            raise ValueError("does not support generate_voice_clone, Please check Model Card")
        return self.made(text, language, voice_clone_prompt[0], kwargs)

    def generate_custom_voice(
        self, text, speaker, language=None, instruct=None, non_streaming_mode=True, **kwargs
    ):
        if self.kind != "CustomVoice":
            raise ValueError("does not support generate_custom_voice, Please check Model Card")
        if speaker.lower() not in SPEAKERS:
            raise ValueError(f"Unsupported speakers: ['{speaker}']")
        return self.made(text, language, None, kwargs)

    def made(self, text, language, like, kwargs):
        if language.lower() not in LANGUAGES:
            raise ValueError(f"Unsupported languages: ['{language}']")
        if unknown := set(kwargs) - GENERATION:
            raise ValueError(f"The following `model_kwargs` are not used: {sorted(unknown)}")
        return [spoken(text, 24000, like)], 24000
