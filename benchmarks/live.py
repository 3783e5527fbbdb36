"""How late live captions are: seconds from the end of each spoken word until its text is there.

    python benchmarks/live.py examples/data/austen.mp4 --language en
    python benchmarks/live.py talk.mp4 --model tiny.en

The stream's own code works on the file's sound as if it were being spoken. Its clock is the
processor time that it takes, on one core, and what it would have waited for more sound: so the
figures are those of a core that has nothing else to do, also on a machine that has. When a word
ends is taken from the same engine's word times for the whole file, with whose text that of all
turns is compared, too. Linux.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jiwer

from dubkit.engines import EngineRoom
from dubkit.media.audio import SPEECH
from dubkit.media.ffmpeg import ffmpeg_path
from dubkit.options import from_keywords
from dubkit.speech.turns import Rules
from dubkit.web.live.sound import BYTES, Command, Sound
from dubkit.web.live.worker import ITEM, Captions, Settings


class Spoken(Sound):
    """A file's sound, of which so much has come as its clock says."""

    def __init__(self, folder: Path, samples: bytes) -> None:
        super().__init__(folder)
        self.add(samples)
        self.length = len(samples) / BYTES / SPEECH.rate
        self.waited = 0.0
        self.began = time.process_time()

    @property
    def now(self) -> float:
        return time.process_time() - self.began + self.waited

    @property
    def seconds(self) -> float:
        return min(self.now, self.length)

    def wait(self, until: float) -> tuple[float, Command | None]:
        if self.now >= self.length and until > self.length:
            raise EOFError
        self.waited += max(0.0, min(until, self.length) - self.now)
        return self.seconds, None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--language")
    parser.add_argument("--model", default="auto")
    given = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    decode = [ffmpeg_path(), "-v", "error", "-i", given.file, "-af", "apad=pad_dur=2", "-ac", "1"]
    samples = subprocess.run(
        [*decode, "-ar", str(SPEECH.rate), "-f", "s16le", "-"], capture_output=True, check=True
    ).stdout
    options = from_keywords({"subs": True, "language": given.language, "model": given.model})
    with tempfile.TemporaryDirectory() as folder, EngineRoom() as room:
        sound = Spoken(Path(folder), samples)
        seen: list[tuple[float, Mapping[str, Any]]] = []

        def send(event: Mapping[str, Any]) -> None:
            seen.append((sound.now, event))

        live = Captions(sound, Path(folder), room, send, Settings(options, Rules()))
        whole = live._transcribed(options, 0.0, sound.length)  # which loads the model, too
        sound.waited, sound.began = 0.0, time.process_time()
        with contextlib.suppress(EOFError):
            live.work()
    grown, finished, current, texts = [], 0, "", []
    for at, event in seen:
        if event["type"] == f"{ITEM}.delta":
            current += event["delta"]
        elif event["type"] == f"{ITEM}.completed":
            texts.append(event["transcript"])
            finished, current = finished + len(words(texts[-1])), ""
        grown.append((at, finished + len(words(current))))
    spoken = [word for word in whole.words if words(word.text)]
    late = sorted(
        next(at for at, count in grown if count >= number) - word.end
        for number, word in enumerate(spoken, 1)
        if number <= grown[-1][1]
    )
    differing = jiwer.wer(
        " ".join(words("".join(one.text for one in whole.words))), " ".join(words(" ".join(texts)))
    )
    work = sound.now - sound.waited
    print(
        f"{len(late)} words, {sound.length:.0f} s: half are there after "
        f"{statistics.median(late):.2f} s, nine of ten after {late[int(len(late) * 0.9)]:.2f} s, "
        f"all after {late[-1]:.2f} s; {work / sound.length:.0%} of a core; "
        f"{differing:.1%} differ from those of the whole file"
    )


def words(text: str) -> list[str]:
    return "".join(c for c in text.lower() if c.isalnum() or c.isspace()).split()


if __name__ == "__main__":
    main()
