"""Whether words are shown at the sentence that they are of, where there are pauses between them.

    python benchmarks/word_places.py prompts-en-all stamps-es dialogue-nl --pause 20

Clips of the sets of ``corpus.py`` with silence between them, recognized as one file. Words that are
recognized right, by an alignment with the text, are counted, and those of them whose middle is at
another clip than their own.
"""

from __future__ import annotations

import argparse
import difflib
import random
import re
import sys
import tempfile
from bisect import bisect_right
from pathlib import Path

import corpus
import numpy as np
from word_times import recognized


def main() -> int:
    """Measure what is asked for and print a line for each set."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sources", nargs="+", metavar="SET", help="of corpus.py, without effects")
    parser.add_argument("--pause", type=float, default=20, help="seconds between clips")
    parser.add_argument("--clips", type=int, default=60, help="of each set")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    total = [0, 0]
    for source in given.sources:
        right, astray = count(source, given.pause, given.clips, given.seed)
        print(f"{source:<24}{right:>6} words, {len(astray)} at another clip {' '.join(astray)}")
        total = [total[0] + right, total[1] + len(astray)]
    print(f"{'all':<24}{total[0]:>6} words, {total[1]} at another clip")
    return 0


def count(source: str, pause: float, clips: int, seed: int) -> tuple[int, list[str]]:
    """How many words are recognized right, and which of them are at another clip."""
    chosen, language = corpus.clips_of(source)
    random.Random(seed).shuffle(chosen)
    silence = np.zeros(int(pause * corpus.RATE), np.float32)
    pieces, middles, spoken, at = [], [], [], 0.0
    for number, (path, text) in enumerate(chosen[:clips]):
        sound = corpus.samples_of(path)
        pieces += [sound, silence]
        at += len(sound) / corpus.RATE + pause
        middles.append(at - pause / 2)  # of the pause after it
        spoken += [(word, number) for word in words_of(text)]
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder, "clips.wav")
        corpus.write(np.clip(np.concatenate(pieces), -1, 1), wav)
        found = [
            (word, bisect_right(middles, (one.start + one.end) / 2))
            for one in recognized(wav, language)
            for word in words_of(one.text)
        ]
    same = difflib.SequenceMatcher(
        None, [word for word, _ in found], [word for word, _ in spoken], autojunk=False
    ).get_matching_blocks()
    pairs = [(found[a + i], spoken[b + i]) for a, b, size in same for i in range(size)]
    return len(pairs), [word for (word, here), (_, there) in pairs if here != there]


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


if __name__ == "__main__":
    sys.exit(main())
