"""``dubkit check``: check subtitle files against a profile. The rules are in
:mod:`dubkit.cues.check`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from dubkit import subtitles
from dubkit.cues import check, profiles
from dubkit.errors import DubkitError
from dubkit.subtitles import source as source_text
from dubkit.subtitles.encodings import check_encoding
from dubkit.system.terminal import as_json, print_error, print_failure, printable

from .parser import Parser, protect


def check_command(arguments: Sequence[str]) -> int:
    """Run ``dubkit check``: print each violation of a profile; returns the exit status."""
    given = check_parser().parse_args(protect(arguments))
    profiles.find(given.profile)
    if given.encoding:
        check_encoding(given.encoding)
    if len(given.files) == 1:
        return _check(given.files[0], given)
    return max([_check_one_of_many(file, given) for file in given.files])


def _check_one_of_many(file: Path, given: argparse.Namespace) -> int:
    """The same as :func:`_check`; a file that cannot be read is reported, so that the others are
    checked."""
    try:
        return _check(file, given)
    except DubkitError as failure:
        print_failure(failure)
        if given.json:
            print(as_json({"file": str(file), "error": failure.message, "hint": failure.hint}))
        return 1


def _check(file: Path, given: argparse.Namespace) -> int:
    language = given.language or source_text.name_parts(file).language
    loaded = subtitles.load(file, language, given.encoding, strict=given.strict)
    track = loaded.track
    for warning in loaded.warnings:
        print_error(f"warning: {warning}")
    found = check.check(track, given.profile, given.fps)
    errors = sum(violation.severity == "error" for violation in found)
    if given.json:
        violations = [
            {"cue": v.cue, "rule": v.rule, "severity": v.severity, "message": v.message}
            for v in found
        ]
        print(
            as_json(
                {
                    "file": str(file),
                    "profile": given.profile,
                    "language": track.language,
                    "cues": len(track.cues),
                    "errors": errors,
                    "warnings": len(found) - errors,
                    "violations": violations,
                }
            )
        )
    else:
        for violation in found:
            print(printable(f"cue {violation.cue}: {violation.severity}: {violation.message}"))
        print(
            printable(
                f"{file}: {len(track.cues)} cues, {errors} errors, "
                f"{len(found) - errors} warnings ({given.profile}, {track.language})"
            )
        )
    return 1 if errors else 0


def check_parser() -> Parser:
    """What ``dubkit check`` takes."""
    parser = Parser(
        prog="dubkit check",
        description="Check subtitle files against a profile. The exit status is 1 when a cue has "
        "an error, or one of several files cannot be read.",
        add_help=False,
    )
    parser.add_argument(
        "files", type=Path, metavar="FILE", nargs="+", help="srt, vtt, ass, ttml or json"
    )
    parser.add_argument("--profile", metavar="NAME", default=profiles.DEFAULT,
                        help=", ".join(profiles.PROFILES))  # fmt: skip
    parser.add_argument("--language", metavar="TAG", help="default: from the name, as in x.es.srt")
    parser.add_argument("--encoding", metavar="NAME", help="of the file (default: detect)")
    parser.add_argument(
        "--strict",
        action="store_true",
        help="refuse a file with anything that its format does not have",
    )
    parser.add_argument("--fps", type=float, metavar="N", help="frames a second of the video")
    parser.add_argument("--json", action="store_true", help="a JSON object for each file")
    parser.add_argument("-h", "--help", action="help", help="show this")
    return parser
