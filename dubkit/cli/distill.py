"""``dubkit distill``: a smaller, faster model of one's own, from one's own recordings.

What a model is made of, an engine knows (:class:`Distills`); here are the files, the workspace and
what is asked for.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from dubkit import engines, hooks
from dubkit.errors import DubkitError, InputError, MissingDependency, UsageError
from dubkit.files import at_home, cannot_write, read_bytes, stamp_of
from dubkit.media.extract import extract_audio
from dubkit.media.probe import pick_audio, probe
from dubkit.subtitles import source as subtitles
from dubkit.system.terminal import clock, print_error, print_path
from dubkit.types import Cue, Media, Track
from dubkit.workspace import SUFFIX, Workspace, key_of, open_workspace

from . import inputs
from .console import Console
from .parser import Parser, protect

ENGINE = "distil-whisper"
WITHOUT_TIMES = 1e9
"""Seconds at which the one cue of a text without times ends."""
HOUR = 3600.0
WANTED = "teacher", "language", "layers", "max_wer", "steps", "rate", "device", "seed"
"""Choices that the engine is given."""


@runtime_checkable
class Distills(Protocol):
    """An engine that can make smaller models; no engine must be one."""

    def distill(
        self,
        recordings: Sequence[tuple[Path, Track | None]],
        wanted: Mapping[str, str],
        *,
        out: Path,
        work: Path,
        progress: hooks.Progress,
    ) -> Sequence[str]:
        """Make a student from 16 kHz mono recordings, each with what is spoken in it if that is
        known, and write it to the folder ``out``; returns what there is to say about it, a line
        each. What is half done is kept in ``work``. Raises DubkitError kinds."""
        ...


def distill_parser() -> Parser:
    """What ``dubkit distill`` takes."""
    parser = Parser(
        prog="dubkit distill",
        description="Make a Distil-Whisper of your own: a student with the teacher's encoder and a "
        "few of its decoder's layers, trained on the teacher's transcripts of your recordings. "
        "It is used with --model DIR, and as the draft of its teacher. Subtitles or texts beside "
        "the files (talk.srt, talk.txt) show which of the transcripts are right.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("archive", nargs="+", metavar="FILE|FOLDER", help="two files at least; hours are better")
    add("--teacher", required=True, metavar="MODEL",
        help="a Whisper model for torch: a name, owner/name on the hub, or a folder")  # fmt: skip
    add("-o", "--output", type=at_home, required=True, metavar="DIR", help="the student's folder")
    add("--language", default="", metavar="TAG", help="what is spoken (default: detected)")
    add("--layers", type=int, default=2, metavar="N", help="of the decoder to keep (2)")
    add(
        "--hours",
        type=float,
        default=0.0,
        metavar="N",
        help="of sound to use, in whole files (all)",
    )
    add("--max-wer", type=float, default=10.0, metavar="PERCENT",
        help="word error rate up to which a transcript is learned from (10)")  # fmt: skip
    add("--transcripts", type=at_home, metavar="FILE",
        help="what is spoken: a .tsv or .json of file names and texts")  # fmt: skip
    add("--steps", type=int, default=0, metavar="N", help="of training (by the amount of sound)")
    add("--rate", type=float, default=3e-4, metavar="RATE", help="of learning, at most (3e-4)")
    add(
        "--device",
        default="auto",
        help="cpu, cuda:1, ... or several that train together: cuda:0,cuda:1",
    )
    add("--seed", type=int, default=0, help="of all that is drawn by chance (0)")
    return parser


def distill_command(arguments: Sequence[str]) -> int:
    """Run ``dubkit distill``; returns the exit status."""
    given = distill_parser().parse_args(protect(arguments))
    _check(given)
    texts = _transcripts(given.transcripts) if given.transcripts else {}
    out: Path = given.output.absolute()
    _refuse_others(out)
    with Console(quiet=False, verbose=False) as console, console.job(""):
        engine = _load(given.device)
        if given.language and isinstance(engine, hooks.KnowsLanguages):
            engine.check_languages([given.language], "")  # before hours of sound are extracted
        files, wrong = inputs.expand(given.archive, _no_address)
        for name, failure in wrong:
            console.fail(failure, name)
        with open_workspace(out.with_name(out.name + SUFFIX)) as work:
            recordings = list(_recordings(given, list(files), texts, work, console))
            if not recordings:
                raise InputError("none of these files has sound that can be read", "name others")
            wanted = {name: str(getattr(given, name)) for name in WANTED}
            # Their names change with where they lie and when they were written.
            sounds = [path.stem for path, _ in recordings]
            key = key_of(sounds=sounds, teacher=given.teacher, language=given.language)
            try:  # now, rather than after hours
                out.mkdir(parents=True, exist_ok=True)
            except OSError as failure:
                raise cannot_write(out, failure) from failure
            lines = engine.distill(
                recordings, wanted, out=out, work=work.folder_for("distill", key),
                progress=console.progress,
            )  # fmt: skip
    for line in lines:
        print_error(f"dubkit: {line}")
    print_path(out)
    return 0


def _load(devices: str) -> Distills:
    """The engine that distills, if it runs on all of these."""
    for device in devices.split(","):
        try:
            engine = engines.load(hooks.Transcriber, ENGINE, {"device": device.strip()})
        except MissingDependency as missing:
            raise MissingDependency(missing.message, 'pip install "dubkit[distill]"') from missing
        if problems := engine.check():
            raise UsageError("; ".join(problems))
    if not isinstance(engine, Distills):
        raise UsageError(f"the engine {ENGINE} here cannot distill", "update it")
    return engine


def _check(given: argparse.Namespace) -> None:
    if not 0 <= given.max_wer <= 100:
        raise UsageError(f"--max-wer {given.max_wer:g} is no percentage", "from 0 to 100")
    if given.hours < 0 or given.steps < 0 or not 0 < given.rate < 1:
        raise UsageError("--hours, --steps and --rate are positive, and --rate under 1", "see -h")


def _refuse_others(out: Path) -> None:
    """Refuse a folder that has something else in it."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file", "-o names a folder")
    ours = {"transformers", "ctranslate2"}
    made = (out / "report.json").is_file()
    if out.is_dir() and not made and {path.name for path in out.iterdir()} - ours:
        raise UsageError(f"{out} has other files in it", "-o names a new folder")


def _no_address(address: str) -> tuple[list[Path], inputs.Failures]:
    raise UsageError("an archive is of files, not of addresses", f"download {address} first")


def _recordings(
    given: argparse.Namespace,
    files: Sequence[Path],
    texts: Mapping[str, str],
    work: Workspace,
    console: Console,
) -> Iterator[tuple[Path, Track | None]]:
    """Each file's sound as the engine takes it, and what is spoken in it; what cannot be read is
    reported and left out."""
    folder = work.folder_for("sounds", "16000")
    found: list[tuple[Path, Media]] = []
    for path in files:
        if given.hours and _seconds(found) >= given.hours * HOUR:
            left = len(files) - len(found)
            print_error(f"dubkit: {left} files are left out: --hours {given.hours:g}")
            break
        try:
            found.append((path, probe(path)))
        except DubkitError as failure:
            console.fail(failure, path)
    total, done = _seconds(found), 0.0
    console.log(f"{clock(total)} of sound in {len(found)} files")
    beside: dict[Path, list[Path]] = {}
    for path, media in found:
        console.progress("audio", done, total)
        if path.parent not in beside:
            beside[path.parent] = sorted(path.parent.iterdir())
        out = folder / f"{key_of(file=str(path.absolute()), stamp=stamp_of(path))}.wav"
        try:
            if not out.exists():
                extract_audio(media, pick_audio(media, None, given.language or None), out)
            yield out, _reference(path, beside[path.parent], texts, given.language)
        except DubkitError as failure:
            console.fail(failure, path)
        done += media.duration
    console.progress("audio", total, total)


def _seconds(found: Sequence[tuple[Path, Media]]) -> float:
    return sum(media.duration for _, media in found)


def _reference(
    path: Path, beside: Sequence[Path], texts: Mapping[str, str], language: str
) -> Track | None:
    """What is spoken in a file, by the list of transcripts or one of the files ``beside`` it."""
    for name in (path.name, path.stem):
        if name in texts:
            return _without_times(texts[name], language)
    for other in beside:
        if other == path or not other.name.startswith(f"{path.stem}.") or not other.is_file():
            continue
        if other.name == f"{path.stem}.txt":
            return _without_times(read_bytes(other).decode("utf-8", "replace"), language)
        tag = subtitles.name_parts(other).language if subtitles.format_of(other) else None
        if subtitles.format_of(other) and (not tag or not language or tag == language):
            return subtitles.read(other, language or None).track
    return None


def _without_times(text: str, language: str) -> Track:
    return Track(language or "und", (Cue(0.0, WITHOUT_TIMES, text.strip() or " "),))


def _transcripts(path: Path) -> dict[str, str]:
    """Texts by file name, from lines of a name, a tab and a text, or from a JSON object of them."""
    try:
        content = read_bytes(path).decode("utf-8-sig")
        if path.suffix.lower() == ".json":
            rows = json.loads(content).items()
        else:
            rows = [
                row[:2] for row in csv.reader(content.splitlines(), "excel-tab") if len(row) > 1
            ]
        return {Path(str(name)).name: str(text) for name, text in rows}
    except (OSError, ValueError, AttributeError, csv.Error) as failure:
        raise InputError(
            f"{path} cannot be read as transcripts: {failure}",
            "a line for each file: its name, a tab, what is spoken; or a JSON object of the two",
        ) from failure
