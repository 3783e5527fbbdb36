"""The part of CosyVoice that the worker uses with its third model, with the same names and no
others."""

from standin import loading, read_wav, spoken

PROMPT = "You are a helpful assistant.<|endofprompt|>"


class CosyVoice:
    sample_rate = 24000

    def inference_zero_shot(
        self,
        tts_text,
        prompt_text,
        prompt_wav,
        zero_shot_spk_id="",
        stream=False,
        speed=1.0,
        text_frontend=True,
    ):
        assert prompt_text.startswith(PROMPT), "<|endofprompt|> not detected in CosyVoice3 text"
        yield from self.pieces(tts_text, prompt_wav, "zero-shot")

    def inference_cross_lingual(
        self,
        tts_text,
        prompt_wav,
        zero_shot_spk_id="",
        stream=False,
        speed=1.0,
        text_frontend=True,
    ):
        assert tts_text.startswith(PROMPT), "<|endofprompt|> not detected in CosyVoice3 text"
        yield from self.pieces(tts_text.removeprefix(PROMPT), prompt_wav, "cross-lingual")

    def pieces(self, text, prompt_wav, how):
        loading(how)
        like, rate = read_wav(prompt_wav)
        assert rate >= 16000 and len(like) / rate <= 30
        whole = spoken(text, self.sample_rate, like)[None]
        yield {"tts_speech": whole[:, :1000]}
        yield {"tts_speech": whole[:, 1000:]}


def AutoModel(**kwargs):
    assert kwargs == {"model_dir": "FunAudioLLM/Fun-CosyVoice3-0.5B-2512"}, kwargs
    loading("model")
    return CosyVoice()
