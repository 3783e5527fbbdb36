"""Set words to the sound in processes of their own, while a GPU decodes.

Its thread needs Python for a moment at every step, and would have to wait for other threads each
time. A process reads the sound itself, gets windows with their words as lines of JSON, and answers
with times.
"""

from __future__ import annotations

import json
import logging
import queue
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Protocol

from dubkit import Word

from .boundaries import move_to_sound
from .speech_activity import Recording, Span, WavSamples, open_wav
from .windows import Window, samples_of

log = logging.getLogger("dubkit")


class SetsWords(Protocol):
    """Gives the words of a window the times of the sound, from any thread."""

    def __call__(self, words: Sequence[Word], window: Window, /) -> list[Word]: ...


def set_words(sound: Recording, words: Sequence[Word], window: Window) -> list[Word]:
    """The words of a window with times that keep to its sound."""
    return move_to_sound(words, samples_of(sound, window), window.start, window.speech)


@contextmanager
def setting_words(sound: Recording, processes: int) -> Iterator[SetsWords]:
    """What sets words to the sound, in so many processes; in 0, or if they fail, in the thread that
    asks."""
    children: list[subprocess.Popen[bytes]] = []
    if isinstance(sound, WavSamples):
        argv = [sys.executable, "-P", "-m", __name__, str(sound.path)]
        with suppress(OSError):  # no memory, too many processes: then with those that there are
            for _ in range(processes):
                child = subprocess.Popen(
                    argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )
                children.append(child)
    idle: queue.Queue[subprocess.Popen[bytes]] = queue.Queue()
    for child in children:
        idle.put(child)

    def work(words: Sequence[Word], window: Window) -> list[Word]:
        if not children or not words:
            return set_words(sound, words, window)
        child = idle.get()
        try:
            times = _ask(child, words, window)
            return [
                replace(word, start=start, end=end)
                for word, (start, end) in zip(words, times, strict=True)
            ]
        except (OSError, ValueError, TypeError) as failure:
            child.kill()  # what it answers next may be to what it was asked before
            log.debug("word times: %s", failure)
            return set_words(sound, words, window)
        finally:
            idle.put(child)

    try:
        yield work
    finally:
        for child in children:
            child.kill()
            child.communicate()


def _ask(
    child: subprocess.Popen[bytes], words: Sequence[Word], window: Window
) -> list[tuple[float, float]]:
    assert child.stdin and child.stdout
    asked = {"words": [asdict(word) for word in words], **asdict(window)}
    child.stdin.write(json.dumps(asked).encode() + b"\n")
    child.stdin.flush()
    found: list[tuple[float, float]] = json.loads(child.stdout.readline())
    return found


def main(audio: str) -> None:
    """One of the processes; it ends with its input."""
    sound = open_wav(Path(audio))
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        speech = tuple(Span(**span) for span in asked["speech"])
        window = Window(asked["start"], asked["end"], speech)
        moved = set_words(sound, [Word(**word) for word in asked["words"]], window)
        print(json.dumps([(word.start, word.end) for word in moved]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
