"""Keep XTTS loaded; run by the Python that has coqui-tts.

A request has text, language, speaker, references, seed and out. Further arguments, ``NAME=VALUE``,
are those of ``TTS.tts_to_file``.
"""

import sys

import json_lines  # noqa: I001, RUF100
import torch
from TTS.api import TTS


def main(model: str, device: str, *more: str) -> None:
    """Answer requests."""
    engine = TTS(model, progress_bar=False).to(device)
    options = json_lines.options(more)

    def speak(request: dict) -> None:
        torch.manual_seed(request["seed"])
        voice = {"speaker_wav": request["references"]} if request["references"] else {}
        voice = voice or {"speaker": request["speaker"]}
        engine.tts_to_file(
            text=request["text"],
            language=request["language"],
            file_path=request["out"],
            **voice,
            **options,
        )

    json_lines.serve(speak)


main(*sys.argv[1:])
