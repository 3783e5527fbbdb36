"""``dubkit sync``: the right times for subtitles that were made for another version of a film. They
are found in :mod:`dubkit.pipeline.sync`."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dubkit.errors import DubkitError, InputError, NotSure, OutputError, UsageError
from dubkit.files import at_home, cannot_write, is_link, read_bytes, replacing
from dubkit.hooks import Progress
from dubkit.options import from_keywords
from dubkit.pipeline.sync import Film, Found, fit_to_reference, open_film
from dubkit.subtitles.encodings import check_encoding
from dubkit.subtitles.source import format_of, name_parts
from dubkit.sync import file
from dubkit.sync.align import FEWEST
from dubkit.sync.describe import describe, describe_strangers, rates_of
from dubkit.sync.file import Subtitle
from dubkit.system.terminal import as_json, print_error, print_failure, print_path
from dubkit.workspace import key_of

from . import events
from .console import Console
from .events import Events
from .parser import Parser, protect

SYNCED = ".synced"
EXAMPLE = "dubkit sync old.srt film.mp4"
WAYS = ("auto", "speech", "words")
SOME_FAILED = 1
"""Exit status of several files that failed in different ways."""


def sync_parser() -> Parser:
    """What ``dubkit sync`` takes."""
    parser = Parser(
        prog="dubkit sync",
        usage="dubkit sync OLD.srt... FILM [options]\n"
        "       dubkit sync OLD.srt... --reference GOOD.srt [options]\n"
        "       dubkit sync --pair FILM.en.srt FILM.es.srt [FILM] [options]",
        description="Give subtitles that were made for another version of a film the right times: "
        "offset, frame rate, drift, and scenes that are there or not. They are found by when "
        "somebody speaks, in any language, and by the words if that is not enough. The result, "
        "OLD.synced.srt, differs in its times alone; subtitles that fit come back byte for byte. "
        "What is not sure is not written, and ends with the exit status 11.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("files", nargs="*", type=at_home, metavar="FILE", help="subtitles, and last the film")
    add("--reference", type=at_home, metavar="FILE",
        help="subtitles with the right times, in any language, in place of the film")  # fmt: skip
    add("--pair", nargs=2, type=at_home, metavar=("FILE", "FILE"),
        help="two languages of one film: say where they part, and mend the one that slipped: by "
        "the film or --reference if named, else the second")  # fmt: skip
    add("-o", "--output", metavar="DIR|FILE", help="default: OLD.synced.srt beside the file")
    add("--force", action="store_true", help="overwrite a file that dubkit did not make")
    add("--dry-run", action="store_true", help="say what would be changed, and write no subtitles")
    add("--by", choices=WAYS, default="auto",
        help="speech: when somebody speaks, quickly; words: what, by recognition; auto: the words "
        "where speech is not enough, or where they are known already")  # fmt: skip
    add("--language", metavar="TAG", help="of the subtitles (default: from the name or the text)")
    add("--encoding", metavar="NAME", help="of the subtitles (default: detect)")
    add("--audio-track", metavar="N|LANG", help="of the film")
    add("--transcriber", metavar="ENGINE", help="what recognizes the words (default: auto)")
    add("--model", metavar="NAME", help="of the transcriber")
    add("--device", metavar="NAME", help="cpu, cuda, ...")
    add("--adopt", action="store_true", help="use a workspace that somebody else has made")
    add("--json", action="store_true", help="one JSON object on standard output")
    add("--events", action="store_true", help="progress and the result as JSON lines")
    add("-q", "--quiet", action="store_true", help="errors only")
    return parser


@dataclass
class _Answer:
    """What is known of one file in the end."""

    subtitle: Subtitle
    found: Found
    output: Path | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def state(self) -> str:
        if not self.found.fit.sure:
            return "not sure"
        return "in sync" if self.found.fit.in_sync else "synced"

    @property
    def text(self) -> str:
        """What was found, in a few words."""
        if self.state == "in sync":
            return "fits already"
        return describe(self.found.fit) if self.found.fit.sure else self.found.fit.reason

    def lines(self) -> Iterator[str]:
        """What a person should know; why it is not sure is an error's message."""
        yield from (f"warning: {one}" for one in (*self.subtitle.warnings, *self.warnings))
        if self.found.fit.sure:
            yield f"{self.subtitle.path.name}: {self.text}"

    def summary(self) -> dict[str, Any]:
        """The same for programs."""
        fit = self.found.fit
        pieces = [
            {
                "from": max(one.start, 0.0),
                "scale": one.scale,
                "rates": rates_of(one.scale),
                "shift": round(one.shift, 3),
            }
            for one in fit.pieces
        ]
        return {
            "source": str(self.subtitle.path),
            "output": str(self.output) if self.output else None,
            "state": self.state,
            "found": self.text,
            "by": self.found.by,
            "pieces": pieces,
            "certainty": round(fit.score, 1),
            "warnings": [*self.subtitle.warnings, *self.warnings],
        }


def sync_command(arguments: Sequence[str]) -> int:
    """Run ``dubkit sync``; returns the exit status."""
    given = sync_parser().parse_intermixed_args(protect(arguments))
    if given.encoding:
        check_encoding(given.encoding)
    texts, film = _inputs(given)
    outs = _outputs(given, texts)
    answers: list[_Answer] = []
    errors: list[DubkitError] = []
    with (
        Events() if given.events else Console(quiet=given.quiet, verbose=False) as console,
        contextlib.redirect_stdout(sys.stderr),
        console.job(""),
        _film(given, film, console.progress) as opened,
    ):
        reference = file.read(given.reference) if given.reference else None
        if given.pair:
            texts = _apart(given, texts, opened is not None or reference is not None)
            reference = reference or file.read(given.pair[0])
        for path in texts:
            try:
                subtitle = file.read(path, given.language, given.encoding)
                found = opened.fit(subtitle) if opened else None
                if found is None:
                    assert reference
                    found = fit_to_reference(subtitle, reference)
                answers.append(_Answer(subtitle, found))
                _write(given, answers[-1], outs[path], opened)
            except DubkitError as failure:
                if len(texts) == 1 and not isinstance(failure, NotSure):
                    raise
                errors.append(failure)
    for answer in answers:
        for line in () if given.quiet else answer.lines():
            print_error(f"dubkit: {line}")
        if answer.output and not (given.json or given.events or given.dry_run):
            print_path(answer.output)
    for error in errors:
        print_failure(error)
        if given.events:
            events.write_error(error, None)
    result: dict[str, Any] = {
        "outputs": [str(one.output) for one in answers if one.output],
        "files": [one.summary() for one in answers],
        "errors": [{"error": one.message, "hint": one.hint, "status": one.exit_status}
                   for one in errors],
    }  # fmt: skip
    if given.events:
        events.write("result", **result)
    elif given.json:
        print(as_json(result))
    statuses = {one.exit_status for one in errors} or {0}
    return statuses.pop() if len(statuses) == 1 else SOME_FAILED


# ---------------------------------------------------------------- what is named


def _inputs(given: argparse.Namespace) -> tuple[list[Path], Path | None]:
    """The subtitles to put right, and the film. Raises UsageError for what is named wrongly."""
    files: list[Path] = given.files
    if given.pair:
        if len(files) > 1 or (files and given.reference):
            raise UsageError(
                "--pair takes two subtitle files, and one film or --reference beside them",
                "dubkit sync --pair film.en.srt film.es.srt film.mp4",
            )
        return list(given.pair), _film_named(files[0]) if files else None
    if not files:
        raise UsageError("no subtitles are named", EXAMPLE)
    if given.reference:
        return files, None
    *texts, film = files
    if not texts:
        what = "film" if format_of(film) else "subtitle file"
        raise UsageError(f"{film} is alone: name the {what}, too", EXAMPLE)
    if format_of(film):
        wrong = next((one for one in texts if not format_of(one)), None)
        if wrong:
            raise UsageError(
                f"{film} is a subtitle file, and comes before the film",
                f"dubkit sync {film} {wrong}",
            )
        raise UsageError(
            f"{film} is a subtitle file, not a film",
            f"--reference {film} takes it for one with the right times",
        )
    return texts, _film_named(film)


def _film_named(film: Path) -> Path:
    if film.is_dir():
        raise InputError(f"{film} is a folder", "name the film in it")
    if format_of(film):
        raise UsageError(f"{film} is a subtitle file, not a film", f"--reference {film}")
    return film


def _outputs(given: argparse.Namespace, texts: Sequence[Path]) -> dict[Path, Path]:
    """Where the result of each file goes."""
    folder: Path | None = None
    if given.output:
        out = at_home(given.output)
        is_folder = out.is_dir() or given.output.endswith(("/", "\\")) or not out.suffix
        if not is_folder:
            if len(texts) > 1 and not given.pair:
                raise UsageError(f"-o {out} is a file, for {len(texts)} files", "-o names a folder")
            wrong = [one for one in texts if one.suffix.lower() != out.suffix.lower()]
            if wrong:
                raise UsageError(
                    f"{out.name} has another format than {wrong[0].name}",
                    f"-o names a {wrong[0].suffix} file, or a folder; dubkit --format converts",
                )
            return dict.fromkeys(texts, out)
        folder = out
    found = {}
    for text in texts:
        stem = name_parts(text).stem
        name = f"{stem}{SYNCED}{text.name[len(stem) :]}"
        found[text] = (folder or text.parent) / name
    return found


@contextlib.contextmanager
def _film(
    given: argparse.Namespace, film: Path | None, progress: Progress
) -> Iterator[Film | None]:
    if film is None:
        yield None
        return
    names = ("audio_track", "transcriber", "model", "device")
    chosen = {name: value for name in names if (value := getattr(given, name))}
    options = from_keywords({"subs": True, "adopt": given.adopt, **chosen})
    folder = at_home(given.output) if given.output else None
    if folder and folder.suffix and not folder.is_dir():
        folder = folder.parent
    with open_film(film, options, progress, folder=folder, by=given.by) as opened:
        yield opened


def _apart(given: argparse.Namespace, texts: Sequence[Path], is_judged: bool) -> list[Path]:
    """Say where two languages of a film part; returns those to put right."""
    first, second = (file.read(one, given.language, given.encoding) for one in texts)
    one, other = first.path.name, second.path.name
    fit = fit_to_reference(second, first).fit
    if fit.sure and fit.in_sync:
        stated = f"{one} and {other} go together"
    elif fit.sure:
        stated = f"to go with {one}, {other} must be moved: {describe(fit)}"
    else:
        stated = f"{one} and {other} do not seem to show the same"
    if not is_judged and not fit.in_sync:
        stated += f"; {one} is taken for right, as no film is named"
    if not given.quiet:
        print_error(f"dubkit: {stated}")
    return list(texts) if is_judged else [second.path]


# ---------------------------------------------------------------- what is written


def _write(given: argparse.Namespace, answer: _Answer, out: Path, film: Film | None) -> None:
    """Write the file of an answer. Raises NotSure if there is none."""
    path, fit = answer.subtitle.path, answer.found.fit
    if not fit.sure:
        raise NotSure(
            f"{path}: not sure of its times, so nothing is written: {fit.reason}",
            _what_may_help(given, answer, film),
        )
    data = answer.subtitle.data
    if not fit.in_sync:
        end = (film and film.context.seconds) or math.inf
        data = file.with_times(answer.subtitle, fit, answer.warnings.append, end)
        if strangers := describe_strangers(fit, answer.subtitle.cues()):
            answer.warnings.append(strangers)
    if given.dry_run:
        return
    with contextlib.suppress(OSError):
        if out.samefile(path):
            raise OutputError(f"{out} is the file to put right", "-o names another one")
    if film:
        film.work.claim(out, force=given.force)
    elif not given.force and (out.exists() or is_link(out)) and not _has(out, data):
        raise OutputError(f"{out} exists", "--force overwrites it; -o DIR writes elsewhere")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise cannot_write(out.parent, failure) from failure
    with replacing(out) as part:
        part.write_bytes(data)
    if film:
        film.work.keep(out, key_of(sync=str(out)), made_from="")
    answer.output = out


def _what_may_help(given: argparse.Namespace, answer: _Answer, film: Film | None) -> str:
    """What to do about a file whose times are not sure."""
    if len(answer.subtitle.cues()) < FEWEST:
        return "a subtitle editor moves so few"
    if film is None:
        return "are both of this film? a film itself, in place of --reference, may show more"
    hint = "is it of this film? --reference takes subtitles with the right times instead"
    if given.by == "speech":
        hint = "--by words takes longer and finds more"
    if film.context.media and (tracks := len(film.context.media.audio)) > 1:
        hint += f"; --audio-track names another of the {tracks} audio tracks"
    return hint


def _has(out: Path, data: bytes) -> bool:
    try:
        return read_bytes(out) == data
    except OSError:  # no plain file
        return False
