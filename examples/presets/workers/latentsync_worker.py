"""Keep LatentSync loaded; run in its repository by the Python of its environment.

A request has video, audio, folder and out. The arguments are the model's configuration and
checkpoint, and ``NAME=VALUE`` for others of ``scripts/inference.py``, whose ``main`` is called for
each request.
"""

import argparse
import sys
from pathlib import Path
from types import SimpleNamespace

import json_lines  # noqa: I001, RUF100

sys.path.insert(0, str(Path.cwd()))
from latentsync.utils import image_processor
from scripts import inference

DEFAULTS = {"inference_steps": 20, "guidance_scale": 1.5, "seed": 1247, "enable_deepcache": True}


def main(config: str, checkpoint: str, *more: str) -> None:
    """Answer requests."""
    chosen = {**DEFAULTS, **json_lines.options(more)}
    caches = load_once()
    loaded = inference.OmegaConf.load(config)

    def draw(request: dict) -> None:
        given = argparse.Namespace(
            unet_config_path=config,
            inference_ckpt_path=checkpoint,
            video_path=request["video"],
            audio_path=request["audio"],
            video_out_path=request["out"],
            temp_dir="temp",
            **chosen,
        )
        with json_lines.temp_of_its_own(request["folder"]):
            try:
                inference.main(loaded, given)
            finally:
                while caches:  # or the next would wrap what this one has wrapped
                    caches.pop().disable()
        if not Path(request["out"]).exists():
            raise RuntimeError("its ffmpeg wrote nothing")

    json_lines.serve(draw)


def load_once() -> list:
    """Have what ``main`` loads loaded at its first call only; returns a list to which the helpers
    are added that change the model until they are disabled."""
    inference.Audio2Feature = json_lines.once(inference.Audio2Feature)
    inference.LipsyncPipeline = json_lines.once(inference.LipsyncPipeline)
    image_processor.FaceDetector = json_lines.once(image_processor.FaceDetector)
    for name in ("AutoencoderKL", "UNet3DConditionModel"):
        load = json_lines.once(getattr(inference, name).from_pretrained)
        setattr(inference, name, SimpleNamespace(from_pretrained=load))
    caches: list = []
    helper = inference.DeepCacheSDHelper

    def cache(pipe):
        caches.append(helper(pipe=pipe))
        return caches[-1]

    inference.DeepCacheSDHelper = cache
    return caches


main(*sys.argv[1:])
