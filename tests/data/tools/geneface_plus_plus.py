"""Takes what GeneFace++'s inference/genefacepp_infer.py takes.

It draws frames of 512x512, in groups of four: those of the training video of the model's name that
``--drv_pose`` asks for, a little brighter and with a white disk for a mouth. Where that is, a file
beside the video says; without a video it draws a test picture.
"""

import argparse
import json
import sys
from pathlib import Path

import av
import numpy as np
from standin import must_exist, read_wav, shell


def pose_of(number: int, pose: str) -> int:
    """The frame of the training video whose pose a frame gets."""
    if pose == "static":
        return 0
    if "-" not in pose:
        return number
    first, last = map(int, pose.split("-"))
    turn, rest = divmod(number, last - first)  # back and forth, the last frame excluded
    return first + (rest if turn % 2 == 0 else last - first - rest - 1)


def draw(training: Path, pose: str, count: int, out: str) -> None:
    """Draw frames in poses of the training video."""
    with av.open(str(training)) as video:
        pictures = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    mouths = json.loads(training.with_suffix(".json").read_text())
    y, x = np.indices((512, 512))
    with av.open(out, "w") as target:
        stream = target.add_stream("libx264", rate=25)
        stream.width = stream.height = 512
        stream.pix_fmt = "yuv420p"
        for number in range(count):
            at = pose_of(number, pose)
            picture = np.clip(pictures[at].astype(float) + 8, 0, 255)
            across, down, radius = mouths[at]
            picture[np.hypot(x - across, y - down) < radius] = 255
            frame = av.VideoFrame.from_ndarray(picture.astype(np.uint8), "rgb24")
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))


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
# HuBERT steps 50 times a second over windows of 400 samples; groups of eight are kept.
frames = (len(samples) - 80) // 320 // 8 * 8 // 2
person = Path(args.torso_ckpt or args.head_ckpt).name.removesuffix("_torso")
training = Path("data/raw/videos", f"{person}.mp4")
raw = args.out_name.replace(".mp4", ".tmp.mp4")
if training.exists():
    draw(training, args.drv_pose, frames, raw)
else:
    shell(
        "ffmpeg -nostdin -v quiet -f lavfi -i testsrc=size=512x512:rate=25 "
        f"-frames:v {frames} -y -c:v libx264 -pix_fmt yuv420p {raw}"
    )
status = shell(
    f"ffmpeg -i {raw} -i {sound} -y -shortest -c:v libx264 -pix_fmt yuv420p -b:v 2000k -y "
    f"-v quiet -shortest {args.out_name}"
)
Path(sound).unlink()
Path(raw).unlink()
sys.exit(status)
