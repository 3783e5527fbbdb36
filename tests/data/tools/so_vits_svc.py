"""Takes what so-vits-svc's inference_main.py (4.1) takes: names in raw/, results in results/."""

import argparse
import json
import sys
from pathlib import Path

from standin import converted, must_exist, read_wav, resampled, write_wav

parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("-m", "--model_path", default="logs/44k/G_37600.pth")
parser.add_argument("-c", "--config_path", default="logs/44k/config.json")
parser.add_argument("-cl", "--clip", type=float, default=0)
parser.add_argument("-n", "--clean_names", nargs="+", default=["x.wav"])
parser.add_argument("-t", "--trans", type=int, nargs="+", default=[0])
parser.add_argument("-s", "--spk_list", nargs="+", default=["buyizi"])
parser.add_argument("-a", "--auto_predict_f0", action="store_true")
parser.add_argument("-cm", "--cluster_model_path", default="")
parser.add_argument("-cr", "--cluster_infer_ratio", type=float, default=0)
parser.add_argument("-lg", "--linear_gradient", type=float, default=0)
parser.add_argument("-f0p", "--f0_predictor", default="pm")
parser.add_argument("-eh", "--enhance", action="store_true")
parser.add_argument("-shd", "--shallow_diffusion", action="store_true")
parser.add_argument("-usm", "--use_spk_mix", action="store_true")
parser.add_argument("-lea", "--loudness_envelope_adjustment", type=float, default=1)
parser.add_argument("-fr", "--feature_retrieval", action="store_true")
parser.add_argument("-sd", "--slice_db", type=int, default=-40)
parser.add_argument("-d", "--device", default=None)
parser.add_argument("-ns", "--noice_scale", type=float, default=0.4)
parser.add_argument("-p", "--pad_seconds", type=float, default=0.5)
parser.add_argument("-wf", "--wav_format", default="flac")
args = parser.parse_args()

must_exist(args.model_path, args.config_path, "pretrain")
speakers = json.loads(Path(args.config_path).read_text("utf-8"))["spk"]
if args.f0_predictor not in ("crepe", "pm", "dio", "harvest", "rmvpe", "fcpe"):
    sys.exit("Unknown f0 predictor")
if args.wav_format != "wav":
    sys.exit("the stand-in writes only wav")
for folder in ("raw", "results"):
    Path(folder).mkdir(exist_ok=True)
for name in args.clean_names:
    path = f"raw/{name}"  # a path would be searched below raw/
    must_exist(path)
    samples, rate = read_wav(path)
    for speaker in args.spk_list:
        if speaker not in speakers:
            sys.exit(f"KeyError: {speaker!r}")
        key = "auto" if args.auto_predict_f0 else f"{args.trans[0]}key"
        target = f"results/{name}_{key}_{speaker}_sovits_{args.f0_predictor}.{args.wav_format}"
        write_wav(target, converted(resampled(samples, rate, 44100)), 44100)
