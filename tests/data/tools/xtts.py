"""Takes what coqui-tts's ``tts`` takes, with the XTTS v2 model."""

import argparse
import os
import sys

import numpy as np
from standin import must_exist, read_wav, spoken, write_wav

LANGUAGES = "en es fr de it pt pl tr ru nl cs ar zh-cn hu ko ja hi".split()
SPEAKERS = ("Ana Florence", "Craig Gutsy")

parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("--text", type=str, default=None)
parser.add_argument("--model_name", type=str, default="tts_models/en/ljspeech/tacotron2-DDC")
parser.add_argument("--out_path", type=str, default="tts_output.wav")
parser.add_argument("--use_cuda", action="store_true")
parser.add_argument("--device", type=str, default="cpu")
parser.add_argument("--speaker_idx", type=str, default=None)
parser.add_argument("--language_idx", type=str, default=None)
parser.add_argument("--speaker_wav", nargs="+", default=None)
parser.add_argument("--progress_bar", action=argparse.BooleanOptionalAction, default=True)
parser.add_argument("--source_wav", type=str, default=None)
parser.add_argument("--target_wav", nargs="*", default=None)
args = parser.parse_args()

if not args.text:
    sys.exit("one of --text, --source_wav is needed")
if args.model_name != "tts_models/multilingual/multi-dataset/xtts_v2":
    sys.exit(f"ValueError: {args.model_name}")
if os.environ.get("COQUI_TOS_AGREED") != "1":
    input(" > You must confirm the following: [y/n]")
if args.language_idx not in LANGUAGES:
    sys.exit(f"AssertionError: Language {args.language_idx} is not supported.")
like = None
if args.speaker_wav:
    must_exist(*args.speaker_wav)
    if args.speaker_idx:
        sys.exit(f"it would keep the clip's voice as {args.speaker_idx}'s")
    like = np.concatenate([read_wav(clip)[0] for clip in args.speaker_wav])
elif args.speaker_idx not in SPEAKERS:
    sys.exit(f"KeyError: {args.speaker_idx!r}")
write_wav(args.out_path, spoken(args.text, 24000, like), 24000)
print("Saved TTS output to", args.out_path)
