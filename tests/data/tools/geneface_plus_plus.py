"""Takes what GeneFace++'s inference/genefacepp_infer.py takes.

It draws frames of 512x512, in groups of four.
"""

import argparse
import sys
from pathlib import Path

from standin import must_exist, read_wav, shell

parser = argparse.ArgumentParser(allow_abbrev=False)
for name, default in (
    ("a2m_ckpt", "checkpoints/audio2motion_vae"), ("head_ckpt", ""), ("postnet_ckpt", ""),
    ("torso_ckpt", ""), ("drv_aud", ""), ("drv_pose", "nearest"), ("blink_mode", "none"),
    ("lle_percent", 0.2), ("temperature", 0.2), ("mouth_amp", 0.4),
    ("raymarching_end_threshold", 0.01), ("out_name", "tmp.mp4"),
):  # fmt: skip
    parser.add_argument(f"--{name}", default=default)
for name in ("debug", "fast", "low_memory_usage"):
    parser.add_argument(f"--{name}", action="store_true")
args = parser.parse_args()

if not args.drv_aud.endswith((".wav", ".mp3", ".mp4", ".avi")):
    sys.exit("AssertionError: Now we only support .wav,.mp3,.mp4,.avi as audio source!")
must_exist(args.drv_aud, args.a2m_ckpt, args.torso_ckpt or args.head_ckpt)
float(args.mouth_amp)
sound = args.drv_aud[:-4] + "_16k.wav"
shell(f"ffmpeg -nostdin -i {args.drv_aud} -f wav -ar 16000 -v quiet -y {sound} -y")
samples, rate = read_wav(sound)
frames = int(len(samples) / rate * 50) // 8 * 8 // 2
status = shell(
    f"ffmpeg -nostdin -v quiet -f lavfi -i testsrc=size=512x512:rate=25 -i {sound} "
    f"-frames:v {frames} -y -c:v libx264 -pix_fmt yuv420p {args.out_name}"
)
Path(sound).unlink()
sys.exit(status)
