"""Takes what ``svc infer`` of so-vits-svc-fork takes, and like it exits with 0 when it fails."""

import argparse
import sys
from pathlib import Path

from standin import converted, read_wav, resampled, write_wav

parser = argparse.ArgumentParser(allow_abbrev=False)
infer = parser.add_subparsers(dest="command", required=True).add_parser("infer", allow_abbrev=False)
infer.add_argument("input_path")
infer.add_argument("-o", "--output-path")
infer.add_argument("-s", "--speaker", default=None)
infer.add_argument("-m", "--model-path", default="logs/44k/")
infer.add_argument("-c", "--config-path", default="configs/44k/config.json")
infer.add_argument("-k", "--cluster-model-path", default=None)
infer.add_argument("-re", "--recursive", action="store_true")
infer.add_argument("-t", "--transpose", type=int, default=0)
infer.add_argument("-db", "--db-thresh", type=int, default=-20)
methods = ["crepe", "crepe-tiny", "parselmouth", "dio", "harvest"]
infer.add_argument("-fm", "--f0-method", choices=methods, default="dio")
infer.add_argument("-a", "--auto-predict-f0", action="store_true", default=True)
infer.add_argument("-na", "--no-auto-predict-f0", dest="auto_predict_f0", action="store_false")
infer.add_argument("-r", "--cluster-infer-ratio", type=float, default=0)
infer.add_argument("-n", "--noise-scale", type=float, default=0.4)
infer.add_argument("-p", "--pad-seconds", type=float, default=0.5)
infer.add_argument("-d", "--device", default="cpu")
infer.add_argument("-ch", "--chunk-seconds", type=float, default=0.5)
infer.add_argument("-mc", "--max-chunk-seconds", type=float, default=40)
args = parser.parse_args()

for path in (args.input_path, args.model_path, args.config_path):
    if not Path(path).exists():
        parser.error(f"Path {path!r} does not exist.")
if not sorted(Path(args.model_path).glob("G_*.pth")):
    sys.exit("IndexError: list index out of range")
source, target = Path(args.input_path), Path(args.output_path)
if source.is_dir() and not args.recursive:
    sys.exit("ValueError: input_path is a directory. Use 0re or --recursive to infer recursively.")
files = list(source.rglob("*.*")) if source.is_dir() else [source]
for path in files:
    try:
        samples, rate = read_wav(str(path))
    except Exception as error:
        print(f"Failed to load {path}: {error}", file=sys.stderr)
        continue
    out = target / path.relative_to(source) if source.is_dir() else target
    out.parent.mkdir(parents=True, exist_ok=True)
    write_wav(str(out), converted(resampled(samples, rate, 44100)), 44100)
