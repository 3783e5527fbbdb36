"""Small transcribers, used as ``--transcriber tests/data/engines.py:Name``.

If ``ENGINE_LOG`` is set, a line is appended to that file on import and for each piece of work.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from dubkit import Cue, Track, Transcriber, Transcription, UsageError, Word


def note(line: str) -> None:
    if log := os.environ.get("ENGINE_LOG"):
        with Path(log).open("a") as file:
            file.write(line + "\n")


note("imported")


def spoken(text: str, language: str | None, start: float = 0.5) -> Track:
    """A track of the text at two words per second."""
    words = tuple(
        Word(start + i / 2, start + i / 2 + 0.4, f" {word}", 0.9)
        for i, word in enumerate(text.split())
    )
    cues = (Cue(words[0].start, words[-1].end, text, words),) if words else ()
    return Track(language or "en", cues)


@dataclass(frozen=True)
class Fast(Transcriber):
    """Transcribes everything as the same text."""

    contract = 2

    text: str = "The quick brown fox jumps, and the lazy dog sleeps."
    device: str = "cpu"
    loud: bool = False
    pauses: int = 0
    """Seconds to wait first."""

    def check(self):
        return []

    @classmethod
    def check_languages(cls, languages, model):
        if "tlh" in languages:
            raise UsageError("Fast does not know the language 'tlh'", "it knows the others")

    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        note("transcribed")
        time.sleep(self.pauses)
        text = self.text.upper() if self.loud else self.text
        text = " ".join([text, prompt, *hotwords]).strip()
        return Transcription(spoken(text, language), "fast", {"decoder": 0.5}, ("all is a guess",))


@dataclass(frozen=True)
class Phrases(Transcriber):
    """Transcribes everything as phrases between given seconds: ``start-end text|...``."""

    contract = 2

    text: str = ""

    def check(self):
        return []

    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        cues = []
        for one in self.text.split("|"):
            times, text = one.split(" ", 1)
            start, end = map(float, times.split("-"))
            cues.append(Cue(start, end, text, (Word(start, end, f" {text}", 0.9),)))
        return Transcription(Track(language or "en", tuple(cues)), "phrases", {}, ())


@dataclass(frozen=True)
class Slow(Transcriber):
    """Takes time for each window and journals it, as the real engines do."""

    contract = 2

    windows: int = 8
    seconds: float = 0.1

    def check(self):
        return []

    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        for number in range(self.windows):
            journal = work / f"{number}.txt"
            if not journal.exists():
                time.sleep(self.seconds)
                note(f"window {number}")
                part = journal.with_suffix(".new")
                part.write_text(f"word{number}")
                part.replace(journal)
            heard = Cue(number, number + 1, f"word{number}")
            progress("transcribe", number + 1, self.windows, cues=[heard])
        text = " ".join((work / f"{n}.txt").read_text() for n in range(self.windows))
        return Transcription(spoken(text, language), "slow")


@dataclass(frozen=True)
class Greedy(Transcriber):
    """Finishes a part of its work, and then takes more and more."""

    contract = 2

    takes: str = "memory"

    def check(self):
        return []

    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        (work / "finished.txt").write_text("a part")
        taken = []
        for number in range(10_000):
            if self.takes == "memory":
                taken.append(b"1" * 10**7)
            else:
                (work / f"{number}.bin").write_bytes(bytes(10**7))
            time.sleep(0.01)
        return Transcription(spoken("nothing", language), "greedy")


@dataclass(frozen=True)
class Slower(Slow):
    """Takes longer without a setting, which a page looks up among those of all engines first."""

    seconds: float = 0.4


NAN = float("nan")
GARBAGE = {
    "none": None,
    "text": "hello",
    "no track": Transcription(None, "m"),
    "no cues": Transcription(Track("en", None), "m"),
    "no words": Transcription(Track("en", (Cue(0.5, 1, "hi", None),)), "m"),
    "no text": Transcription(Track("en", (Cue(0.5, 1, None),)), "m"),
    "nan word": Transcription(Track("en", (Cue(0, 1, "a", (Word(NAN, 1, " a"),)),)), "m"),
    "nan cue": Transcription(Track("en", (Cue(NAN, 1, "hello"),)), "m"),
    "infinite": Transcription(Track("en", (Cue(0, 1, "a", (Word(0, 9e999, " a"),)),)), "m"),
    "times of text": Transcription(Track("en", (Cue("0", "1", "hello"),)), "m"),
    "number for a word": Transcription(Track("en", (Cue(0, 1, "a", (Word(0, 1, 5),)),)), "m"),
    "no language": Transcription(Track(None, ()), "m"),
    "a path for a language": Transcription(Track("../../en", ()), "m"),
    "timings": Transcription(Track("en", ()), "m", {"decoder": "long"}),
    "warnings": Transcription(Track("en", ()), "m", {}, None),
}
"""What an engine must not return."""
ODD = {
    "nothing": Track("en", ()),
    "only spaces": Track("en", (Cue(1, 2, "  ", (Word(1, 2, " "), Word(2, 2, ""))),)),
    "outside": Track(
        "en", (Cue(-9, 999, "far out", (Word(-9, -3, " far"), Word(900, 999, " out"))),)
    ),
    "backwards": Track(
        "en",
        (
            Cue(3, 4, "three four", (Word(4, 3, " three"), Word(3, 2.5, " four"))),
            Cue(1, 2, "one two", (Word(1, 1.5, " one"), Word(0.5, 0.6, " two"))),
        ),
    ),
    "three hours": Track("en", (Cue(0.5, 10_800, "a long long word"),)),
    "no words, unordered": Track("en", (Cue(4, 5, "second"), Cue(1, 2, "first"))),
    "odds": Track("en", (Cue(1, 2, "x", (Word(1, 2, " odd", NAN), Word(2, 3, " odds", 7.0))),)),
}
"""Odd results that an engine may nevertheless return."""


@dataclass(frozen=True)
class Broken(Transcriber):
    """Fails in the way named by ``how``."""

    contract = 2

    how: str = ""

    def check(self):
        if self.how == "check":
            raise RuntimeError("the check broke")
        return []

    def __post_init__(self):
        if self.how == "start":
            raise RuntimeError("it would not start")

    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        match self.how:
            case "raise":
                raise RuntimeError("the engine fell over")
            case "exit":
                sys.exit(0)
            case "memory":
                raise MemoryError
            case "silent":
                raise ValueError
            case "write":
                (work / "mine.txt").write_text("mine")
                (work.parent / "cues.en.json").write_text("not mine")
                raise RuntimeError("the engine fell over")
        if self.how in ODD:
            return Transcription(ODD[self.how], "odd")
        return GARBAGE[self.how]
