"""Takes what ``python -m scripts.inference`` of MuseTalk takes; exits with 0 whatever happens."""

import argparse
import json
from pathlib import Path

from standin import frames_of, must_exist, read_wav, redraw

parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("--ffmpeg_path", default="./ffmpeg-4.4-amd64-static/")
parser.add_argument("--gpu_id", type=int, default=0)
parser.add_argument("--vae_type", default="sd-vae")
parser.add_argument("--unet_config", default="./models/musetalk/config.json")
parser.add_argument("--unet_model_path", default="./models/musetalkV15/unet.pth")
parser.add_argument("--whisper_dir", default="./models/whisper")
parser.add_argument("--inference_config", default="configs/inference/test_img.yaml")
parser.add_argument("--bbox_shift", type=int, default=0)
parser.add_argument("--result_dir", default="./results")
parser.add_argument("--extra_margin", type=int, default=10)
parser.add_argument("--fps", type=int, default=25)
parser.add_argument("--batch_size", type=int, default=8)
parser.add_argument("--output_vid_name", default=None)
parser.add_argument("--use_float16", action="store_true")
parser.add_argument("--parsing_mode", default="jaw")
parser.add_argument("--version", default="v15", choices=["v1", "v15"])
args = parser.parse_args()

must_exist(args.unet_config, args.unet_model_path, args.whisper_dir, args.inference_config)
tasks = json.loads(Path(args.inference_config).read_text("utf-8"))  # the part of YAML that is JSON
for task in tasks.values():
    try:
        folder = Path(args.result_dir, args.version)
        folder.mkdir(parents=True, exist_ok=True)
        _, rate, _, _ = frames_of(task["video_path"])
        samples, sampling = read_wav(task["audio_path"])
        count = int(len(samples) / sampling * rate)
        name = folder / (task.get("result_name") or args.output_vid_name)
        # Without -y it would wait for an answer if the file existed already.
        redraw(task["video_path"], task["audio_path"], str(name), count)
    except Exception as error:
        print("Error occurred during processing:", error)
