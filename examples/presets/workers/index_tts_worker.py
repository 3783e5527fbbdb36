"""Keep IndexTTS-2 or 2.5 loaded; run in its repository by the Python of its environment.

A request has text, language, reference, seed and out. Further arguments, ``NAME=VALUE``, are those
of ``IndexTTS2.infer``.
"""

import importlib
import sys
from pathlib import Path

import json_lines  # noqa: I001, RUF100
import torch

MODULES = {"2": "indextts.infer_v2", "2.5": "indextts.infer_v2_5"}
HALF = {"2": "use_fp16", "2.5": "use_bf16"}


def main(version: str, model: str, device: str, half: str, *more: str) -> None:
    """Answer requests; ``half`` is ``true`` for half precision."""
    sys.path.append(str(Path.cwd()))
    options = json_lines.options(more)
    engine = importlib.import_module(MODULES[version]).IndexTTS2(
        cfg_path=f"{model}/config.yaml",
        model_dir=model,
        device=device or None,
        use_qwen_emo="use_emo_text" in options,
        **{HALF[version]: half.lower() == "true"},
    )

    def speak(request: dict) -> None:
        torch.manual_seed(request["seed"])
        language = {"lang": request["language"]} if version == "2.5" else {}
        engine.infer(
            spk_audio_prompt=request["reference"],
            text=request["text"],
            output_path=request["out"],
            **language,
            **options,
        )

    json_lines.serve(speak)


main(*sys.argv[1:])
