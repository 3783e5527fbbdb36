"""The command line's grammar: what it takes, and the Options that it stands for.

The page reads it, too.
"""

from __future__ import annotations

import argparse
import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from dubkit import __version__, engines, subtitles
from dubkit.cues import profiles
from dubkit.errors import UsageError
from dubkit.options import BILINGUAL, Options, from_keywords

USAGE = "dubkit INPUT... --subs --to LANGUAGE [options]"
DESCRIPTION = """\
Subtitle, translate and dub a video: recognise the speech, make readable subtitles, translate
them, speak them, put it all into the video.

  dubkit talk.mp4 --subs                  talk.en.srt and talk.subbed.mp4
  dubkit talk.mp4 --subs --to es,fr       talk.es.srt and talk.fr.srt, too
  dubkit talk.mp4 --to pt --dub           talk.pt.dubbed.mp4, spoken in Portuguese
  dubkit talk.en.srt --to es              a subtitle file alone
  dubkit *.mkv --subs --no-video          subtitle files alone
  dubkit talk.mp4 --subs --burn           subtitles drawn on the picture

Other commands (each has --help):
  dubkit ui              the same in a browser
  dubkit check FILE      check a subtitle file against a profile
  dubkit plugins         list the engines that are installed
  dubkit doctor          check what dubkit needs, with the line to type for each problem
"""


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are UsageErrors with a hint."""

    def error(self, message: str) -> NoReturn:
        wrong = message.rpartition("unrecognized arguments: ")[2].split()
        near = difflib.get_close_matches(wrong[0], self._option_string_actions, 1) if wrong else []
        hint = f"did you mean {near[0]}?" if near else f"{self.prog} --help lists the options"
        raise UsageError(message, hint)


def build_parser() -> argparse.ArgumentParser:
    """What the command takes."""
    parser = Parser(
        prog="dubkit",
        usage=USAGE,
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument("inputs", nargs="*", metavar="INPUT", help=argparse.SUPPRESS)

    make = parser.add_argument_group("what to make")
    make.add_argument("--subs", action="store_true", help="subtitles in the language spoken")
    make.add_argument(
        "--to", metavar="LIST", default="", help="translate to es, pt-BR, ... by comma"
    )
    make.add_argument("--dub", action="store_true", help="speak the translation over the original")
    make.add_argument("--subs-from", metavar="FILE",
                      help="text from a file, or embedded, embedded:2, embedded:es")  # fmt: skip
    known = ",".join(subtitles.FORMATS)
    make.add_argument("--format", metavar="LIST", help=f"subtitle files, by comma: {known}")
    make.add_argument("--no-video", action="store_true", help="subtitle files alone, no video")
    make.add_argument("--burn", action="store_true", help="draw the subtitles on the picture")

    where = parser.add_argument_group("where")
    where.add_argument("-o", "--output", metavar="DIR", action="append", default=[],
                       help="folder of the results; or a setting, NAME.FIELD=VALUE")  # fmt: skip
    where.add_argument("--force", action="store_true", help="write over files dubkit did not make")
    where.add_argument("--keep", action="store_true", help="keep the extracted sound, too")

    speech = parser.add_argument_group("speech")
    speech.add_argument("--language", metavar="TAG", help="en, es, pt-BR, ... (default: find out)")
    speech.add_argument("--audio-track", metavar="N|LANG", help="which audio track to hear")
    speech.add_argument("--transcriber", metavar="NAME", default="auto",
                        help="engine; dubkit plugins lists them (default: auto)")  # fmt: skip
    speech.add_argument("--model", metavar="NAME|DIR", default="",
                        help="distil-large-v3.5, large-v3, base, a folder, ...")  # fmt: skip
    speech.add_argument("--device", metavar="NAME", default="", help="cpu or cuda")
    speech.add_argument("--prompt", metavar="TEXT", default="",
                        help="text like the speech: spelling, style")  # fmt: skip
    speech.add_argument("--hotwords", metavar="LIST", default="",
                        help="names and terms to expect, by comma")  # fmt: skip

    translate = parser.add_argument_group("translation")
    translate.add_argument("--translator", metavar="NAME", default="auto",
                           help="engine; dubkit plugins lists them (default: auto)")  # fmt: skip
    translate.add_argument("--glossary", metavar="FILE", type=Path,
                           help="terms and their translations: csv of source,target")  # fmt: skip
    translate.add_argument("--tone", metavar="TEXT", default="", help="formal, for children, ...")
    translate.add_argument("--context", metavar="TEXT", default="", help="what the video is about")
    translate.add_argument("--bilingual", metavar="ORDER", choices=BILINGUAL,
                           help="both languages in each cue; or =original-first")  # fmt: skip
    translate.add_argument("--dry-run", action="store_true",
                           help="only tell how much it is and what it would cost")  # fmt: skip

    dub = parser.add_argument_group("dubbing")
    dub.add_argument("--tts", metavar="NAME", default="auto",
                     help="engine that speaks (default: auto)")  # fmt: skip
    dub.add_argument("--voice", metavar="NAME", action="append", default=[],
                     help="a voice for all, or WHO=NAME for one (default: chosen)")  # fmt: skip
    dub.add_argument("--redo", metavar="LIST", default="",
                     help="speak lines of the dub anew, as another take: 12,15-18")  # fmt: skip
    dub.add_argument("--clone", action="store_true", help="speak in the original's own voices")
    dub.add_argument("--convert", metavar="NAME", default="",
                     help="engine that turns the lines into another voice")  # fmt: skip
    dub.add_argument("--convert-to", metavar="NAME", action="append", default=[],
                     help="its voice, or WHO=NAME (default: the original's own)")  # fmt: skip
    dub.add_argument("--i-have-consent", action="store_true",
                     help="you may use the voices that are imitated")  # fmt: skip
    dub.add_argument("--lipsync", metavar="NAME", default="", help="engine that redraws mouths")
    dub.add_argument("--separate", metavar="NAME", nargs="?", const="auto", default="",
                     help="take the original's speech out, rather than lower all")  # fmt: skip
    dub.add_argument("--one-file", action="store_true", help="all languages in one video")

    who = parser.add_argument_group("who speaks")
    who.add_argument("--speakers", metavar="N|auto", default="",
                     help="tell the speakers apart (default: for a dub)")  # fmt: skip
    who.add_argument("--speakers-from", metavar="FILE", type=Path,
                     help="who speaks when, of another tool: rttm or json")  # fmt: skip
    who.add_argument("--diarizer", metavar="NAME", default="auto",
                     help="engine; dubkit plugins lists them (default: auto)")  # fmt: skip

    look = parser.add_argument_group("look")
    known = ", ".join(profiles.PROFILES)
    look.add_argument("--profile", metavar="NAME", default=profiles.DEFAULT,
                      help=f"{known} (default: {profiles.DEFAULT})")  # fmt: skip
    look.add_argument("--retime", action="store_true",
                      help="time the cues of a file anew, for reading")  # fmt: skip
    look.add_argument("--style", metavar="LIST", default="",
                      help="font=Arial,size=48,color=#ffff00,outline=2,position=top")  # fmt: skip
    look.add_argument("--crf", metavar="N", type=int, help="quality of a burned picture, 0 best")

    _add_talk(parser.add_argument_group("talk"))
    return parser


def _add_talk(group: argparse._ArgumentGroup) -> None:
    group.add_argument("-q", "--quiet", action="store_true", help="errors alone")
    group.add_argument("-v", "--verbose", action="store_true", help="where the time goes, details")
    group.add_argument("--json", action="store_true", help="one JSON object on standard output")
    group.add_argument("--events", action="store_true",
                       help="JSON lines on standard output while it runs")  # fmt: skip
    group.add_argument("--version", action="version", version=f"dubkit {__version__}")
    group.add_argument("-h", "--help", action="help", help="show this")


def protect(arguments: Sequence[str]) -> list[str]:
    """Let a name that begins with a dash be an input: where a file of that name is there, and
    after ``--``, which argparse does not know between options."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    arguments = list(arguments)
    for number, argument in enumerate(arguments[:end]):
        # The value may be left out, and what follows may be an input.
        following = "".join(arguments[number + 1 : number + 2])
        if argument == "--bilingual" and following not in BILINGUAL:
            arguments[number] = f"--bilingual={BILINGUAL[0]}"
        # What is neither an engine nor a file is a name that is wrong.
        there = os.path.exists(following)  # noqa: PTH110 - Path's raises for names that are too long
        left_out = following.startswith("-") or not following or there
        if argument == "--separate" and left_out and not _is_engine("separators", following):
            arguments[number] = "--separate=auto"
    safe = []
    for number, argument in enumerate(arguments):
        short = argument.startswith("-") and not argument.startswith("--") and len(argument) > 2
        if number > end:
            safe.append(f"./{argument}" if argument.startswith("-") else argument)
        elif number < end:
            safe.append(f"./{argument}" if short and Path(argument).exists() else argument)
    return safe


def _is_engine(kind: str, name: str) -> bool:
    return name == "auto" or ":" in name or name in [one.name for one in engines.plugins(kind)]


def options_of(given: argparse.Namespace) -> Options:
    folder: Path | None = None
    settings: dict[str, dict[str, str]] = {}
    for value in given.output:
        name, equals, text = value.partition("=")
        engine, dot, field = name.partition(".")
        if equals and dot and engine and field and "/" not in name:
            settings.setdefault(engine, {})[field] = text
        elif folder is None:
            folder = Path(value).expanduser()
            if os.path.isfile(folder):  # noqa: PTH113 - Path's raises for names that are too long
                raise UsageError(f"-o {value} is a file", "-o takes a folder")
        else:
            raise UsageError(f"two output folders, {folder} and {value}", "name one")
    return from_keywords(
        {
            "subs": given.subs,
            "to": given.to,
            "subs_from": given.subs_from,
            "formats": given.format.lower() if given.format is not None else None,
            "video": not given.no_video,
            "burn": given.burn,
            "crf": given.crf,
            "style": given.style,
            "profile": given.profile,
            "language": given.language,
            "transcriber": given.transcriber,
            "model": given.model,
            "device": given.device,
            "prompt": given.prompt,
            "hotwords": given.hotwords,
            "audio_track": given.audio_track,
            "dub": given.dub,
            "tts": given.tts,
            "voice": tuple(given.voice),
            "redo": given.redo,
            "clone": given.clone,
            "convert": given.convert,
            "convert_to": tuple(given.convert_to),
            "consent": given.i_have_consent,
            "lipsync": given.lipsync,
            "separate": given.separate,
            "one_file": given.one_file,
            "speakers": given.speakers,
            "speakers_from": given.speakers_from,
            "diarizer": given.diarizer,
            "translator": given.translator,
            "glossary": given.glossary,
            "tone": given.tone,
            "context": given.context,
            "bilingual": given.bilingual,
            "retime": given.retime,
            "dry_run": given.dry_run,
            "output_dir": folder,
            "force": given.force,
            "keep": given.keep,
            "settings": settings,
        }
    )
