"""``dubkit faces``: write crops of the people in a film, to train a lip-syncer on. They are made in
:mod:`dubkit.lipsync.crops`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dubkit.files import at_home
from dubkit.lipsync import crops
from dubkit.media.probe import probe
from dubkit.system.terminal import clock, print_error, print_path

from .console import Console
from .parser import Parser, protect

ENOUGH = 60.0
"""Seconds of a person below which the makers of GeneFace++ have not tried to train."""
SHARP = 150.0
"""Pixels of a face's height in the film below which its crop is blurred."""


def faces_parser() -> Parser:
    """What ``dubkit faces`` takes."""
    parser = Parser(
        prog="dubkit faces",
        description="Write the crop of each person in a film, 512x512 at 25 frames a second with "
        "the sound, to train a lip-syncer on (GeneFace++), and faces.json, by which --faces DIR "
        "lays what that draws into the film. Faces belong to people: train only on those of "
        "people who have agreed.",
        allow_abbrev=False,
    )
    parser.add_argument("film", type=at_home, metavar="FILM")
    parser.add_argument(
        "-o", "--output", type=at_home, metavar="DIR", help="default: FILM.faces beside it"
    )
    return parser


def faces_command(arguments: Sequence[str]) -> int:
    """Run ``dubkit faces``: write the crops and print their paths; returns the exit status."""
    given = faces_parser().parse_args(protect(arguments))
    film: Path = given.film
    folder: Path = given.output or film.with_name(f"{film.stem}.faces")
    with Console(quiet=False, verbose=False) as console, console.job(""):
        people = crops.write(probe(film), folder, console.progress)
    for person in people:
        path = folder / f"{person.name}.mp4"
        print_path(path)
        shots = f"{len(person.shots)} shot{'s' * (len(person.shots) > 1)}"
        length = f"{path.name}: {clock(person.seconds)} in {shots}"
        print_error(f"dubkit: {length}, a face of {person.height:.0f} pixels")
        if person.seconds < ENOUGH:
            print_error(f"dubkit: warning: {path.name} is short: a minute is the least to train on")
        if person.height < SHARP:
            print_error(f"dubkit: warning: {path.name} is enlarged and therefore blurred")
    return 0
