"""Keep a voice converter of coqui-tts loaded; run by the Python that has coqui-tts.

A request has audio, references and out. Further arguments, ``NAME=VALUE``, are those of
``TTS.voice_conversion_to_file``.
"""

import sys

import json_lines  # noqa: I001, RUF100
import torch
from TTS.api import TTS


def main(model: str, device: str, *more: str) -> None:
    """Answer requests."""
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    engine = TTS(model, progress_bar=False).to(device)
    options = json_lines.options(more)

    def convert(request: dict) -> None:
        engine.voice_conversion_to_file(
            source_wav=request["audio"],
            target_wav=request["references"],
            file_path=request["out"],
            **options,
        )

    json_lines.serve(convert)


main(*sys.argv[1:])
