"""Keep F5-TTS loaded; run by the Python that has f5-tts.

A request has text, reference, reference_text, seed and out. Further arguments, ``NAME=VALUE``, are
those of ``F5TTS.infer``.
"""

import sys

import json_lines  # noqa: I001, RUF100
from f5_tts.api import F5TTS


def main(model: str, steps: str, checkpoint: str, vocabulary: str, device: str, *more: str) -> None:
    """Answer requests."""
    engine = F5TTS(model, ckpt_file=checkpoint, vocab_file=vocabulary, device=device or None)
    options = json_lines.options(more)

    def speak(request: dict) -> None:
        engine.infer(
            ref_file=request["reference"],
            ref_text=request["reference_text"],
            gen_text=request["text"],
            nfe_step=int(steps),
            file_wave=request["out"],
            seed=request["seed"],
            **options,
        )

    json_lines.serve(speak)


main(*sys.argv[1:])
