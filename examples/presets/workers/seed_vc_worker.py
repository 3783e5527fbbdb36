"""Keep Seed-VC loaded; run in its repository by the Python of its environment.

A request has audio, reference and folder, where its file goes under a name of its own. Further
arguments, ``NAME=VALUE``, are those of its ``inference.py``, whose ``main`` is called for each.
"""

import argparse
import sys
from pathlib import Path

import json_lines  # noqa: I001, RUF100

sys.path.insert(0, str(Path.cwd()))
import inference

DEFAULTS = {
    "diffusion_steps": 30, "length_adjust": 1.0, "inference_cfg_rate": 0.7, "f0_condition": False,
    "auto_f0_adjust": False, "semi_tone_shift": 0, "checkpoint": None, "config": None, "fp16": True,
}  # fmt: skip
"""What its own parser has, which only its command line reads."""


def main(*options: str) -> None:
    """Answer requests."""
    inference.load_models = json_lines.once(inference.load_models)
    chosen = {**DEFAULTS, **json_lines.options(options)}

    def convert(request: dict) -> None:
        inference.main(
            argparse.Namespace(
                source=request["audio"],
                target=request["reference"],
                output=request["folder"],
                **chosen,
            )
        )

    json_lines.serve(convert)


main(*sys.argv[1:])
