"""Takes what f5-tts_infer-cli takes."""

import argparse
import sys
from pathlib import Path

from standin import must_exist, read_wav, spoken, write_wav

parser = argparse.ArgumentParser(allow_abbrev=False)
for short, name in (
    ("-c", "config"), ("-m", "model"), ("-mc", "model_cfg"), ("-p", "ckpt_file"),
    ("-v", "vocab_file"), ("-r", "ref_audio"), ("-s", "ref_text"), ("-t", "gen_text"),
    ("-f", "gen_file"), ("-o", "output_dir"), ("-w", "output_file"),
):  # fmt: skip
    parser.add_argument(short, f"--{name}", type=str)
parser.add_argument("--remove_silence", action="store_true")
parser.add_argument("--vocoder_name", choices=["vocos", "bigvgan"])
parser.add_argument("--nfe_step", type=int)
parser.add_argument("--cfg_strength", type=float)
parser.add_argument("--speed", type=float)
parser.add_argument("--fix_duration", type=float)
parser.add_argument("--device", type=str)
args = parser.parse_args()

if args.model not in ("F5TTS_v1_Base", "F5TTS_Base", "E2TTS_Base"):
    sys.exit(f"FileNotFoundError: configs/{args.model}.yaml")
if not args.ref_audio or not args.ref_text or not args.ref_text.strip():
    sys.exit("it would speak like its own example, or transcribe the clip")
must_exist(args.ref_audio)
text = args.gen_text
if args.gen_file:
    text = Path(args.gen_file).read_text("utf-8")
Path(args.output_dir).mkdir(parents=True, exist_ok=True)
voice = read_wav(args.ref_audio)[0]
write_wav(Path(args.output_dir, args.output_file), spoken(text, 24000, voice), 24000)
