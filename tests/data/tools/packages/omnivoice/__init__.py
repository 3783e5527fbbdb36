"""The part of omnivoice that the worker uses, with the same names and no others."""

from standin import loading, read_wav, spoken


class OmniVoice:
    sampling_rate = 24000

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *args, **kwargs):
        assert pretrained_model_name_or_path == "k2-fsa/OmniVoice"
        assert kwargs == {"device_map": "cpu", "dtype": "float32"}, kwargs
        loading("model")
        return cls()

    def create_voice_clone_prompt(self, ref_audio, ref_text=None, preprocess_prompt=True):
        loading("clip")
        assert ref_text is None or ref_text, "no text is None"
        return read_wav(ref_audio)[0]

    def generate(
        self,
        text,
        language=None,
        ref_text=None,
        ref_audio=None,
        voice_clone_prompt=None,
        instruct=None,
        duration=None,
        speed=None,
        generation_config=None,
        normalize_text=False,
        **kwargs,
    ):
        # Any other language is a warning there, and not spoken as such.
        assert language in ("en", "pt", "zh", "arb"), language
        return [spoken(text, self.sampling_rate, voice_clone_prompt)]
