"""Keep Qwen3-TTS loaded; run by the Python that has qwen-tts.

A request has text, language, seed and out, and reference and reference_text for a Base model or
speaker for a CustomVoice one. Further arguments, ``NAME=VALUE``, are those of its ``generate_...``.
"""

import functools
import sys

import json_lines  # noqa: I001, RUF100
import torch
from qwen_tts import Qwen3TTSModel


def main(model: str, device: str, *more: str) -> None:
    """Answer requests."""
    device = device or ("cuda:0" if torch.cuda.is_available() else "cpu")
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    engine = Qwen3TTSModel.from_pretrained(model, device_map=device, dtype=dtype)
    options = json_lines.options(more)

    @functools.lru_cache(16)
    def voice(clip: str, text: str):
        # Without its text only the speaker's embedding is used.
        return engine.create_voice_clone_prompt(
            ref_audio=clip, ref_text=text or None, x_vector_only_mode=not text
        )

    def speak(request: dict) -> None:
        torch.manual_seed(request["seed"])
        what = {"text": request["text"], "language": request["language"], **options}
        if request.get("reference"):
            prompt = voice(request["reference"], request["reference_text"])
            made, rate = engine.generate_voice_clone(voice_clone_prompt=prompt, **what)
        else:
            made, rate = engine.generate_custom_voice(speaker=request["speaker"], **what)
        json_lines.write_wav(made[0], rate, request["out"])

    json_lines.serve(speak)


main(*sys.argv[1:])
