"""Takes what ``python -m scripts.inference`` of LatentSync takes; makes 25 frames a second."""

import argparse
import shutil
import sys
from pathlib import Path

from standin import must_exist, read_wav, redraw

parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("--unet_config_path", default="configs/unet.yaml")
parser.add_argument("--inference_ckpt_path", required=True)
parser.add_argument("--video_path", required=True)
parser.add_argument("--audio_path", required=True)
parser.add_argument("--video_out_path", required=True)
parser.add_argument("--inference_steps", type=int, default=20)
parser.add_argument("--guidance_scale", type=float, default=1.0)
parser.add_argument("--temp_dir", default="temp")
parser.add_argument("--seed", type=int, default=1247)
parser.add_argument("--enable_deepcache", action="store_true")
args = parser.parse_args()

for what, path in (("Video", args.video_path), ("Audio", args.audio_path)):
    if not Path(path).exists():
        sys.exit(f"RuntimeError: {what} path '{path}' not found")
must_exist(args.unet_config_path, args.inference_ckpt_path, "checkpoints/whisper/tiny.pt")
for folder in ("temp", args.temp_dir):  # the first even if another is given
    shutil.rmtree(folder, ignore_errors=True)
    Path(folder).mkdir()
samples, rate = read_wav(args.audio_path)
if rate != 16000:
    sys.exit("AssertionError: rate")
redraw(args.video_path, args.audio_path, args.video_out_path, int(len(samples) / rate * 25))
