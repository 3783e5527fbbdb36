"""The part of IndexTTS-2 that the worker uses, with the same names and no others."""

from standin import loading, must_exist, read_wav, spoken, write_wav


class IndexTTS2:
    def __init__(
        self,
        cfg_path="checkpoints/config.yaml",
        model_dir="checkpoints",
        use_fp16=False,
        device=None,
        use_cuda_kernel=None,
        use_deepspeed=False,
        use_accel=False,
        use_torch_compile=False,
        use_qwen_emo=True,
        aux_paths=None,
    ):
        must_exist(cfg_path, model_dir)
        assert device is None or device in ("cpu", "mps", "cuda:0"), device
        assert use_fp16 is True
        loading("model")
        self.moods = use_qwen_emo

    def infer(
        self,
        spk_audio_prompt,
        text,
        output_path,
        emo_audio_prompt=None,
        emo_alpha=1.0,
        emo_vector=None,
        use_emo_text=False,
        emo_text=None,
        use_random=False,
        interval_silence=200,
        verbose=False,
        max_text_tokens_per_segment=120,
        stream_return=False,
        more_segment_before=0,
        **generation_kwargs,
    ):
        print(">> starting inference...")
        if use_emo_text and not self.moods:
            raise RuntimeError("use_emo_text=True requires QwenEmotion")
        write_wav(output_path, spoken(text, 22050, read_wav(spk_audio_prompt)[0]), 22050)
        return output_path
