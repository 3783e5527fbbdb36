"""Keep a model of voiceclonnx loaded; run by the Python that has voiceclonnx.

A request has audio, reference and out. Further arguments, ``NAME=VALUE``, are those of its engine.
"""

import sys

import json_lines  # noqa: I001, RUF100
from voiceclonnx import VoiceCloner


def main(engine: str, *more: str) -> None:
    """Answer requests."""
    cloner = VoiceCloner(engine, **json_lines.options(more))

    def convert(request: dict) -> None:
        cloner.clone_voice(request["audio"], request["reference"], request["out"])

    json_lines.serve(convert)


main(*sys.argv[1:])
