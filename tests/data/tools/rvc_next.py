"""Takes what ``rvc-next convert`` takes."""

import argparse
import os
import re
import sys
from pathlib import Path

from standin import converted, must_exist, read_wav, resampled, write_wav

F0 = ("pm", "rmvpe", "fcpe", "crepe", "crepe-tiny", "swift")


def within(low: float, high: float):
    def number(text: str) -> float:
        if not low <= float(text) <= high:
            raise argparse.ArgumentTypeError(f"{text} is not in the range {low}<=x<={high}.")
        return float(text)

    return number


if sys.argv[1:2] != ["convert"]:
    sys.exit(f"No such command '{sys.argv[1]}'.")
parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("inputs", nargs="+")
parser.add_argument("--voice", "-v", required=True)
parser.add_argument("-o", "--output")
parser.add_argument("--preset")
parser.add_argument("--index")
parser.add_argument("--speaker", type=int)
parser.add_argument("--pitch", type=within(-24, 24))
parser.add_argument("--formant", type=within(-2, 2))
parser.add_argument("--f0", choices=F0)
parser.add_argument("--index-rate", type=within(0, 1))
parser.add_argument("--protect", type=within(0, 0.5))
parser.add_argument("--rms-mix", type=within(0, 1))
parser.add_argument("--format", choices=("wav", "flac", "mp3", "m4a", "ogg"), default="flac")
parser.add_argument("--recursive", action="store_true")
parser.add_argument("--overwrite", action="store_true")
args = parser.parse_args(sys.argv[2:])

assert os.environ["RVC_NEXT_COMPUTE__DEVICE"]
must_exist(*args.inputs)
if args.index:
    must_exist(args.index)
file = Path(args.voice)
known = {"alice": "Alice", "bob": "Bob"}
name = file.stem if file.suffix == ".pth" and file.is_file() else known.get(args.voice.lower())
if name is None:
    sys.exit(f"There is no voice called {args.voice}.")
slug = re.sub(r"[^a-z0-9]+", "-", name.lower())
Path(args.output).mkdir(parents=True, exist_ok=True)
for path in (p for folder in args.inputs for p in Path(folder).iterdir()):
    samples, rate = read_wav(path)
    out = Path(args.output, f"{path.stem}.{slug}.{args.format}")
    write_wav(out, converted(resampled(samples, rate, 40000)), 40000)
