"""Keep CosyVoice loaded; run in its repository by the Python of its environment.

A request has text, language, reference, reference_text, reference_language, seed and out. Further
arguments, ``NAME=VALUE``, are those of ``inference_zero_shot`` and ``inference_cross_lingual``.
"""

import sys
from pathlib import Path

import json_lines  # noqa: I001, RUF100
import numpy as np
import torch

sys.path[:0] = [str(Path.cwd()), str(Path("third_party/Matcha-TTS").absolute())]
from cosyvoice.cli.cosyvoice import AutoModel  # noqa: E402


def main(model: str, prompt: str, *more: str) -> None:
    """Answer requests; ``prompt`` is what the model expects before a text."""
    engine = AutoModel(model_dir=model)
    options = json_lines.options(more)

    def speak(request: dict) -> None:
        torch.manual_seed(request["seed"])
        clip, text = request["reference"], request["text"]
        if request["reference_text"] and request["reference_language"] == request["language"]:
            like = prompt + request["reference_text"]
            pieces = engine.inference_zero_shot(text, like, clip, **options)
        else:  # or it would speak with the clip's accent
            pieces = engine.inference_cross_lingual(prompt + text, clip, **options)
        whole = [np.asarray(piece["tts_speech"]).reshape(-1) for piece in pieces]
        json_lines.write_wav(np.concatenate(whole), engine.sample_rate, request["out"])

    json_lines.serve(speak)


main(*sys.argv[1:])
