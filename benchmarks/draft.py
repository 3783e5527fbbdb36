"""What a draft brings its teacher: seconds with and without it, on the torch engine.

    python benchmarks/draft.py prompts-es --teacher DIR --draft DIR --seconds 60

Both read the same speech (``corpus.py`` lists the sets) with a model that is loaded already, and
their texts must be the same.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import corpus
from recognition import read

from dubkit_plugins.whisper.distil_whisper import DistilWhisper


def main() -> int:
    """Read a set with and without the draft, and print both."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", help="a set of corpus.py")
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--draft", required=True)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    speech = corpus.build(given.name, seconds=given.seconds, seed=given.seed)
    texts = set()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "speech.wav")
        corpus.write(speech.sound, path)
        for draft in ("", given.draft):
            engine = DistilWhisper(model=given.teacher, draft=draft, device=given.device)
            read(engine, path, speech.language)  # loads the model
            cpu, wall = time.process_time(), time.perf_counter()
            texts.add(read(engine, path, speech.language))
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            print(f"{'with' if draft else 'without'} the draft: CPU {cpu:.1f} s, wall {wall:.1f} s")
    print("the same text" if len(texts) == 1 else "THE TEXTS DIFFER")
    return len(texts) - 1


if __name__ == "__main__":
    raise SystemExit(main())
