"""Takes what Wav2Lip's inference.py takes, needs what it needs, and fails where it fails; as a
program and as a module, which has what it is asked in ``args``."""

import argparse
from pathlib import Path

import face_detection
from standin import frames_of, loading, must_exist, read_wav, redraw, resampled

parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("--checkpoint_path", required=True)
parser.add_argument("--face", required=True)
parser.add_argument("--audio", required=True)
parser.add_argument("--outfile", default="results/result_voice.mp4")
parser.add_argument("--static", type=bool, default=False)
parser.add_argument("--fps", type=float, default=25.0)
parser.add_argument("--pads", nargs="+", type=int, default=[0, 10, 0, 0])
parser.add_argument("--face_det_batch_size", type=int, default=16)
parser.add_argument("--wav2lip_batch_size", type=int, default=128)
parser.add_argument("--resize_factor", default=1, type=int)
parser.add_argument("--crop", nargs="+", type=int, default=[0, -1, 0, -1])
parser.add_argument("--box", nargs="+", type=int, default=[-1, -1, -1, -1])
parser.add_argument("--rotate", action="store_true")
parser.add_argument("--nosmooth", action="store_true")
args = parser.parse_args()

if Path(args.face).is_file() and args.face.split(".")[1] in ["jpg", "png", "jpeg"]:
    args.static = True


def face_detect(images: int) -> None:
    _top, _bottom, _left, _right = args.pads
    detector = face_detection.FaceAlignment(
        face_detection.LandmarksType._2D, flip_input=False, device="cpu"
    )
    detector.get_detections_for_batch(images)


def load_model(path: str) -> None:
    must_exist(path)
    loading("model")


def main() -> None:
    if not Path(args.face).is_file():
        raise ValueError("--face argument must be a valid path to video/image file")
    count, rate, _, _ = frames_of(args.face)
    samples, sampling = read_wav(args.audio)  # other formats go through temp/temp.wav
    samples = resampled(samples, sampling, 16000)
    if not samples.any():
        raise ValueError("Mel contains nan! Using a TTS voice?")
    columns = len(samples) // 200 + 1
    chunks = 0
    while int(chunks * 80.0 / rate) + 16 <= columns:
        chunks += 1
    chunks += 1
    print(f"Length of mel chunks: {chunks}")
    face_detect(count)
    load_model(args.checkpoint_path)
    # OpenCV writes nothing, without an error, if the folder does not exist.
    must_exist("temp")
    Path("temp/result.avi").write_bytes(b"AVI")
    redraw(args.face, args.audio, args.outfile, chunks)  # its status is ignored


if __name__ == "__main__":
    main()
