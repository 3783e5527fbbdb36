"""Dubs of a small film by engines of a few lines."""

import json

from command import TESTS, called

GOOD = ("--translator", f"{TESTS}/data/translators.py:Good")
UNCHECKED = ("--no-verify",)
"""These engines speak nothing that anybody could read back."""
HUM = ("--tts", f"{TESTS}/data/synthesizers.py:Hum", *UNCHECKED)
LOW = (*HUM, "--voice", "low")
"""In a voice that is given, so that none is matched, which takes as long as all the rest."""
LINES = [
    "Good morning, everybody.",
    "I have come to tell you something.",
    "It will not take long!",
    "Are you ready for it?",
    "Then let us begin with the first part.",
    "Nobody knows where it began.",
    "But all of us know how it ends.",
]


def dub(film, *options, **more):
    video, srt = film
    return called(
        video, "--subs-from", srt, "--to", "es", "--dub", *GOOD, *(options or HUM), **more
    )


def report_of(film, language="es"):
    return json.loads((film[0].parent / f"film.{language}.dub.json").read_text())
