"""Keep OmniVoice loaded; run by the Python that has omnivoice.

A request has text, language, reference, reference_text, seed and out. Further arguments,
``NAME=VALUE``, are those of ``OmniVoice.generate``.
"""

import functools
import sys

import json_lines  # noqa: I001, RUF100
import torch
from omnivoice import OmniVoice


def main(model: str, device: str, *more: str) -> None:
    """Answer requests."""
    device = device or ("cuda:0" if torch.cuda.is_available() else "cpu")
    dtype = torch.float32 if device == "cpu" else torch.float16
    engine = OmniVoice.from_pretrained(model, device_map=device, dtype=dtype)
    options = json_lines.options(more)

    @functools.lru_cache(16)
    def voice(clip: str, text: str):
        # Without its text the clip is transcribed, by another model.
        return engine.create_voice_clone_prompt(ref_audio=clip, ref_text=text or None)

    def speak(request: dict) -> None:
        torch.manual_seed(request["seed"])
        prompt = voice(request["reference"], request["reference_text"])
        made = engine.generate(
            text=request["text"],
            language="arb" if request["language"] == "ar" else request["language"],
            voice_clone_prompt=prompt,
            **options,
        )
        json_lines.write_wav(made[0], engine.sampling_rate, request["out"])

    json_lines.serve(speak)


main(*sys.argv[1:])
