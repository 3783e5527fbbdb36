"""Keep Chatterbox loaded, to speak or to convert; run by the Python that has chatterbox-tts.

A request to speak has text, language, reference, seed and out; one to convert has audio, reference
and out. Further arguments, ``NAME=VALUE``, are those of ``generate``.
"""

import sys

import json_lines  # noqa: I001, RUF100
import torch


def main(task: str, device: str, *more: str) -> None:
    """Answer requests; ``task`` is ``speak`` or ``convert``."""
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    options = json_lines.options(more)
    if task == "convert":
        from chatterbox.vc import ChatterboxVC

        converter = ChatterboxVC.from_pretrained(device)

        def convert(request: dict) -> None:
            made = converter.generate(
                request["audio"], target_voice_path=request["reference"], **options
            )
            json_lines.write_wav(made, converter.sr, request["out"])

        return json_lines.serve(convert)
    from chatterbox.mtl_tts import ChatterboxMultilingualTTS

    engine = ChatterboxMultilingualTTS.from_pretrained(device)

    def speak(request: dict) -> None:
        torch.manual_seed(request["seed"])
        made = engine.generate(
            request["text"], request["language"], audio_prompt_path=request["reference"], **options
        )
        json_lines.write_wav(made, engine.sr, request["out"])

    return json_lines.serve(speak)


main(*sys.argv[1:])
