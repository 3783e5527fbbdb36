"""The runs that are interrupted, and starved of space: a little film, and engines that stand in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .lab import AUSTEN, ENGINES, ROOT, SRT, ffmpeg, film

SLOW = ("--transcriber", ENGINES / "engines.py:Slow")
GOOD = ("--translator", ENGINES / "translators.py:Good", "-o", "Good.pauses=0.05")
# Nobody can read back what it says.
HUM = (
    "--tts",
    ENGINES / "synthesizers.py:Hum",
    "-o",
    "Hum.pause=0.05",
    "--voice",
    "low",
    "--no-verify",
)
PAINTER = ("--lipsync", ROOT / "tests/lipsync_engines.py:Painter")


UNDISTURBED = 300.0
"""Seconds that a run may take if nobody disturbs it."""


@dataclass(frozen=True)
class Job:
    """What a run makes of which input."""

    source: str
    options: tuple[object, ...]

    def arguments(self, inputs: Path, out: Path) -> list[object]:
        text = ("--subs-from", inputs / "text.en.srt") if "--dub" in self.options else ()
        return [inputs / self.source, *self.options, *text, "-o", out]


JOBS = {
    "subs": Job("film.mp4", ("--subs", "--format", "srt,vtt,ass", *SLOW)),
    "burn": Job("film.mp4", ("--subs", "--burn", *SLOW)),
    "translate": Job("film.mp4", ("--subs", "--to", "pt,es", *SLOW, *GOOD)),
    "dub": Job("film.mp4", ("--to", "pt", "--dub", *GOOD, *HUM)),
    "lip-sync": Job("face.mp4", ("--to", "pt", "--dub", *GOOD, *HUM, *PAINTER)),
}


def make_inputs(folder: Path) -> Path:
    """The films and the text."""
    folder.mkdir()
    film(folder / "film.mp4")
    ffmpeg("-i", AUSTEN, "-t", 4, "-vf", "scale=256:256,fps=10", "-c:v", "libx264", "-preset",
           "veryfast", "-c:a", "aac", folder / "face.mp4")  # fmt: skip
    (folder / "text.en.srt").write_text(SRT)
    return folder
