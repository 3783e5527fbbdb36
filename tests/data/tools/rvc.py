"""Takes what RVC's tools/infer_batch_rvc.py (branch 20240604) takes."""

import argparse
from pathlib import Path

from standin import converted, must_exist, read_wav, resampled, write_wav

parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("--f0up_key", type=int, default=0)
parser.add_argument("--input_path", type=str)
parser.add_argument("--index_path", type=str)
parser.add_argument("--f0method", type=str, default="harvest")
parser.add_argument("--opt_path", type=str)
parser.add_argument("--model_name", type=str)
parser.add_argument("--index_rate", type=float, default=0.66)
parser.add_argument("--device", type=str)
parser.add_argument("--is_half", type=bool)
parser.add_argument("--filter_radius", type=int, default=3)
parser.add_argument("--resample_sr", type=int, default=0)
parser.add_argument("--rms_mix_rate", type=float, default=1)
parser.add_argument("--protect", type=float, default=0.33)
args = parser.parse_args()

must_exist(".env")  # which has the paths of everything else
lines = Path(".env").read_text("utf-8").replace(" ", "").splitlines()
settings = dict(line.split("=", 1) for line in lines if "=" in line)
root = settings["weight_root"]
must_exist(f"{root}/{args.model_name}", "assets/hubert/hubert_base.pt")
if args.f0method == "rmvpe":
    must_exist(settings["rmvpe_root"] + "/rmvpe.pt")
elif args.f0method not in ("pm", "harvest", "crepe"):
    raise SystemExit("UnboundLocalError: f0")
for path in Path(args.input_path).iterdir():
    if path.suffix == ".wav":
        samples, rate = read_wav(str(path))
        must_exist(args.opt_path)
        write_wav(f"{args.opt_path}/{path.name}", converted(resampled(samples, rate, 40000)), 40000)
