"""Takes what Seed-VC's inference.py takes, as a program and as a module."""

import argparse
import os
from pathlib import Path

import numpy as np
from standin import converted, loading, must_exist, read_wav, resampled, write_wav


def truth(text: str) -> bool:
    if text.lower() not in ("yes", "true", "t", "y", "1", "no", "false", "f", "n", "0"):
        raise argparse.ArgumentTypeError("Boolean value expected.")
    return text.lower() in ("yes", "true", "t", "y", "1")


def load_models(args):
    assert type(args.fp16) is type(args.f0_condition) is bool
    assert args.checkpoint is None and args.config is None
    loading("model")


def main(args):
    load_models(args)
    assert type(args.diffusion_steps) is int and type(args.inference_cfg_rate) is float
    must_exist("inference.py", args.source, args.target)
    sound, rate = read_wav(args.source)
    like, _ = read_wav(args.target)
    to = 44100 if args.f0_condition else 22050
    # Here the voice of a clip is its loudness.
    output = converted(resampled(sound, rate, to), -0.5 * float(np.abs(like).max()))
    output = output[: len(output) // 256 * 256]  # whole frames only
    source, target = (os.path.basename(p).split(".")[0] for p in (args.source, args.target))  # noqa: PTH119
    name = f"vc_{source}_{target}_{args.length_adjust}_{args.diffusion_steps}"
    Path(args.output).mkdir(parents=True, exist_ok=True)
    write_wav(Path(args.output, f"{name}_{args.inference_cfg_rate}.wav"), output, to)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--source", type=str, default="./examples/source/source_s1.wav")
    parser.add_argument("--target", type=str, default="./examples/reference/s1p1.wav")
    parser.add_argument("--output", type=str, default="./reconstructed")
    parser.add_argument("--diffusion-steps", type=int, default=30)
    parser.add_argument("--length-adjust", type=float, default=1.0)
    parser.add_argument("--inference-cfg-rate", type=float, default=0.7)
    parser.add_argument("--f0-condition", type=truth, default=False)
    parser.add_argument("--auto-f0-adjust", type=truth, default=False)
    parser.add_argument("--semi-tone-shift", type=int, default=0)
    parser.add_argument("--checkpoint", type=str, default=None)
    parser.add_argument("--config", type=str, default=None)
    parser.add_argument("--fp16", type=truth, default=True)
    main(parser.parse_args())
