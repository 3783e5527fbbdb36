"""Make the clip of one line of a dub: have it spoken, check and keep it.

No engine is trusted: every clip is measured, and one that is not speech of about the right length
is requested again, then reported. All lines of a track are spoken in :mod:`.schedule`.
"""

from __future__ import annotations

import functools
import logging
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from dubkit.cues.text import width
from dubkit.engines import Patience, guarded
from dubkit.errors import DubkitError, MissingDependency, UsageError
from dubkit.files import Made, cannot_write
from dubkit.hooks import BatchSynthesizer, Synthesizer, Utterance
from dubkit.system.terminal import one_line
from dubkit.workspace import key_of

from . import clip as clips
from .convert import Conversion
from .lines import Line
from .shorten import OverlongLine
from .verify import Verdict
from .voices import voice_key

log = logging.getLogger("dubkit")

TRIES = 3
"""Attempts at a line before it is given up."""
SLOWEST, FASTEST = 3.0, 40.0
"""Columns of text a second that speech can have at all."""
MAX_PACE_RATIO = 2.2
"""How much longer or shorter a clip may be than other clips' pace makes likely."""
PACE_COLUMNS = 12
"""Columns from which the pace of a line is meaningful."""
BRIEF_SECONDS = 0.1, 8.0
"""Seconds that a shorter line can take."""
NEXT_TAKE = 10**6
"""From the seed of a take to that of the next one, if it is wrong: beyond all of --redo."""


@dataclass(frozen=True)
class SpeechJob:
    """A dub to speak: by which engine, in what language, where the clips are kept."""

    engine: Synthesizer
    name: str
    identity: Mapping[str, object]
    language: str
    folder: Path
    end: float
    """Seconds of the media."""
    seeds: Mapping[int, int]
    """By line number, if another take than the first is wanted."""
    conversion: Conversion | None = None
    shorten: Callable[[Sequence[OverlongLine]], Mapping[int, str]] | None = None
    """Finds shorter texts for lines that are too long; by line number."""
    verify: Callable[[Sequence[tuple[Line, clips.Clip]]], Sequence[Verdict]] | None = None
    """Judges clips, which are all of the track: a clip is compared with the others."""
    takes: int = 1
    """Times that a line is spoken at most until its clip is right."""
    kept: Sequence[tuple[float, float]] = ()
    """Seconds between which the original voice is left as it is."""
    whole: bool = True
    """Whether these are all lines of the film: then the clips of others are removed."""
    require: Callable[[], object] = lambda: None
    """Called before the engine is; raises MissingDependency if its server is not there."""

    def take(self, lines: Iterable[Line], number: int) -> SpeechJob:
        """The same job with another take of some lines, counted from 0."""
        seeds = {one.number: self.seeds.get(one.number, 0) + NEXT_TAKE * number for one in lines}
        return replace(self, seeds={**self.seeds, **seeds})

    @functools.cached_property
    def made(self) -> Made:
        """What dubkit made in the folder."""
        return Made(self.folder)


def speech_seconds(clip: clips.Clip) -> float:
    """Seconds of a clip without silence at its ends."""
    return float(max(0.05, clip.speech_end - clip.speech_start))


def _key(job: SpeechJob, line: Line) -> str:
    return key_of(
        engine=job.identity,
        text=line.text,
        language=job.language,
        voice=voice_key(line.voice),
        seed=job.seeds.get(line.number, 0),
    )[:12]


def _path(job: SpeechJob, line: Line) -> Path:
    return job.folder / f"{line.number:04}-{_key(job, line)}.wav"


def find_clip(job: SpeechJob, line: Line) -> clips.Clip | None:
    """The line's clip from an earlier run, if there is one."""
    path = _path(job, line)
    key = path.stem.partition("-")[2]  # reuse it: hashing a voice's reference clips is slow
    for candidate in job.folder.glob(f"[0-9]*-{key}.wav"):
        try:
            clip = clips.measure(candidate)
        except ValueError:
            continue
        if candidate != path:  # a line was inserted before it, or has the same text
            part = _draft_path(path)
            job.made.add(path.name, part.name)
            try:
                shutil.copyfile(candidate, part)
                part.replace(path)
            except OSError as failure:
                raise cannot_write(path, failure) from failure
        return replace(clip, path=path)
    return None


def draft(job: SpeechJob, lines: Sequence[Line], rooms: Mapping[int, float]) -> dict[int, str]:
    """Have an engine that speaks many texts at once speak these; failures by line number, "" for
    none."""
    job.require()
    texts = [
        Utterance(
            line.text,
            _draft_path(_path(job, line)),
            job.language,
            line.voice,
            rooms[line.number],
            job.seeds.get(line.number, 0),
        )
        for line in lines
    ]
    job.made.add(*(one.out.name for one in texts))
    for one in texts:
        clips.remove(one.out)
    assert isinstance(job.engine, BatchSynthesizer)
    try:
        with guarded(""):
            faults = [str(fault) for fault in job.engine.speak_all(texts)]
        faults += ["it was left out"] * (len(texts) - len(faults))
    except UsageError:
        raise
    except DubkitError as failure:
        faults = [one_line(failure.message)] * len(texts)
    return {line.number: fault for line, fault in zip(lines, faults, strict=False)}


def speak_line(
    job: SpeechJob,
    line: Line,
    room: float,
    paces: Sequence[float],
    patience: Patience,
    drafted: str | None = None,
) -> tuple[clips.Clip | None, bool, list[str]]:
    """The line's clip (None if every attempt failed), whether an earlier run made it, what failed.

    An engine that is out of time by its ``patience`` is asked once.
    ``drafted`` is the failure of a take that :func:`draft` has made already, "" for none.
    """
    if clip := find_clip(job, line):
        return clip, True, []
    job.require()
    path = _path(job, line)
    faults: list[str] = []
    part = _draft_path(path)
    job.made.add(path.name, part.name)
    for attempt in range(TRIES):
        if attempt and patience.is_out_of_time:
            break
        try:
            with guarded(""):
                if attempt or drafted is None:
                    clips.remove(part)
                    job.engine.speak(
                        line.text,
                        part,
                        language=job.language,
                        voice=line.voice,
                        seconds=room,
                        seed=job.seeds.get(line.number, 0) + attempt,
                    )
                elif drafted:
                    raise ValueError(drafted)
                clip = clips.measure(part)
                patience.answered()  # late, perhaps, but it does not hang
                if fault := _implausibility(line, clip, paces):
                    raise ValueError(fault)
                part.replace(path)
            return replace(clip, path=path), False, []
        except UsageError:
            raise
        except MissingDependency as failure:  # which is missing at the next attempt as well
            faults.append(one_line(failure.message))
            break
        except DubkitError as failure:
            faults.append(one_line(failure.message))
        finally:
            clips.remove(part)
    reason = ", ".join(dict.fromkeys(faults))
    log.debug("line %d: %s", line.number, reason)
    return None, False, [f"it could not be spoken ({reason})"]


def _draft_path(path: Path) -> Path:
    return path.with_suffix(".part.wav")


def _implausibility(line: Line, clip: clips.Clip, paces: Sequence[float]) -> str:
    """Why a clip cannot be its line alone and complete; "" if it can."""
    columns, seconds = width(line.text), speech_seconds(clip)
    if columns < PACE_COLUMNS:
        shortest, longest = BRIEF_SECONDS
        return "" if shortest <= seconds < longest else f"{seconds:.2f} s for {line.text!r}"
    pace = columns / seconds
    if not SLOWEST <= pace <= FASTEST:
        return f"{seconds:.1f} s of sound for {columns} characters"
    usual = median(paces) if len(paces) >= 3 else pace
    if not 1 / MAX_PACE_RATIO <= pace / usual <= MAX_PACE_RATIO:
        return f"{seconds:.1f} s of sound, where {columns / usual:.1f} s are likely"
    return ""


def drop_old(job: SpeechJob, lines: Collection[Line], chosen: Collection[str]) -> None:
    """Remove clips of lines that are no longer spoken, and what was prepared for the mix of clips
    but ``chosen``, which are names without their ending."""

    def names_of(job: SpeechJob, lines: Iterable[Line]) -> set[str]:
        return {
            f"{line.number:04}-{_key(job, replace(line, text=text))}"
            for line in lines
            for text in (line.text, *line.before)  # the next run needs these, too
        }

    names = job.made.matching("[0-9]*.wav")
    prepared = {name for name in names if name.endswith(".ready.wav")}
    wanted = names_of(job, lines)
    # Only lines that were spoken again have other takes: keys take long with reference clips.
    others = {name.partition("-")[0] for name in names if name.split(".")[0] not in wanted}
    again = [line for line in lines if f"{line.number:04}" in others]
    for number in range(1, job.takes):
        wanted |= names_of(job.take(again, number), again)
    job.made.remove(
        *(name for name in names if name.split(".")[0] not in wanted),
        *(name for name in prepared if name.rsplit(".", 3)[0] not in chosen),
    )
