"""A student of Whisper from real speech with known text: ``dubkit distill`` as a user runs it.

    python benchmarks/distill.py prompts-es-all --teacher DIR -o OUT --max-wer 50

Sets are those of ``corpus.py``, without effects; each clip is a file with its text beside it.
``--teacher`` is a folder in transformers' layout (``tests/ct2_to_hf.py`` makes one of a
CTranslate2 model). Prints the report's tables.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
from pathlib import Path

import corpus

from dubkit_plugins.whisper.speech_activity import open_wav


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", metavar="SET")
    parser.add_argument("--teacher", required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60.0)
    given, more = parser.parse_known_args()
    archive = given.output.with_name(f"{given.output.name}-archive")
    archive.mkdir(parents=True, exist_ok=True)
    clips, language = corpus.clips_of(given.source)
    random.Random(0).shuffle(clips)
    seconds = 0.0
    for number, (path, text) in enumerate(clips):
        copy = archive / f"{number:04}.wav"
        if not copy.exists():  # a run that was stopped goes on with the same files
            copy.with_suffix(".txt").write_text(text, "utf-8")
            corpus.write(corpus.samples_of(path), copy)
        seconds += len(open_wav(copy)) / corpus.RATE
        if seconds > given.minutes * 60:
            break
    argv = [
        sys.executable, "-m", "dubkit", "distill", str(archive), "--teacher", given.teacher,
        "--language", language, "-o", str(given.output), *more,
    ]  # fmt: skip
    status = subprocess.run(argv, check=False).returncode
    if not status:
        print((given.output / "report.md").read_text("utf-8"))
    return status


if __name__ == "__main__":
    sys.exit(main())
