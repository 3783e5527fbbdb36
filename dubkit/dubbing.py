"""A track of text to speech over the original's sound: lines, clips, places, and the report.

Each line is spoken into a clip of its own, kept in the workspace under a key of all that it depends
on, so that a line that was edited is spoken anew and no other. No engine is believed: every clip is
measured, and one that is no speech of about the right length is asked for again, then told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from . import clips
from .errors import DubkitError, UsageError
from .fitting import MOST, QUIET, TOLD, Fit, Slot, fit
from .hooks import Progress
from .profiles import width
from .sentences import sentences, without_marks
from .types import Cue, Track, Voice
from .workspace import key_of

log = logging.getLogger("dubkit")

TRIES = 3
"""Takes of a line before it is given up."""
SLOWEST, FASTEST = 3.0, 40.0
"""Columns a second that speech can have at all."""
ASTRAY = 2.2
"""How much longer or shorter a clip may be than the same voice's pace makes likely."""
TELLING = 12
"""Columns from which the pace of a line tells anything."""
GIVE_UP = 5
"""Lines failed one after the other, none before them spoken, after which no more are tried."""


@dataclass(frozen=True, slots=True)
class Line:
    """What is spoken in one go."""

    number: int
    """Counted from 1."""
    cues: tuple[int, ...]
    """Numbers of its cues, counted from 1."""
    start: float
    end: float
    """Seconds between which the original is spoken."""
    text: str
    source: str
    """The same in the original's language; empty where there is none."""
    speaker: str | None
    voice: Voice


@dataclass(frozen=True, slots=True)
class Take:
    """A line, spoken and placed."""

    line: Line
    clip: Path | None
    """48 kHz, trimmed and stretched; None where no engine could speak it."""
    seconds: float
    """As it was spoken."""
    fit: Fit | None
    cached: bool
    warnings: tuple[str, ...]


def lines(track: Track, source: Track, voices: Callable[[str | None], Voice]) -> list[Line]:
    """The sentences of a track, each a line to speak; ``source`` is the text that it translates.

    Where one text stays on the screen over several cues, it is said once.
    """
    merged: list[Cue] = []
    members: list[list[int]] = []
    for number, cue in enumerate(track.cues, 1):
        last = merged[-1] if merged else None
        if last and last.text == cue.text and cue.start - last.end < 0.5:
            merged[-1] = replace(last, end=cue.end)
            members[-1].append(number)
        else:
            merged.append(cue)
            members.append([number])
    found: list[Line] = []
    for sentence in sentences(Track(track.language, tuple(merged))):
        if not sentence.has_words and not any(map(str.isdigit, sentence.text)):
            continue
        numbers = [n for piece in sentence.pieces for n in members[piece.cue]]
        start, end = sentence.start, sentence.end
        said = [cue for cue in source.cues if start - 0.01 <= cue.start < end]
        spoken = [cue.words[-1].end for cue in said if cue.words]
        found.append(
            Line(
                len(found) + 1,
                tuple(dict.fromkeys(numbers)),
                start,
                max(spoken[-1] if spoken else end, start + 0.1),
                " ".join(without_marks(sentence.text).split()),
                " ".join(" ".join(without_marks(cue.text).split()) for cue in said),
                sentence.speaker,
                voices(sentence.speaker),
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class Job:
    """A dub to be spoken: by whom, in what language, where the clips are kept."""

    engine: Any
    """A :class:`~dubkit.hooks.Speaker`."""
    name: str
    identity: Mapping[str, object]
    language: str
    folder: Path
    end: float
    """Seconds of the media."""
    seeds: Mapping[int, int]
    """By line, where another take than the first is wanted."""


def speak(job: Job, script: Sequence[Line], progress: Progress) -> list[Take]:
    """Speak every line that has no clip yet, find a place for each, and make the clips fit.

    Never raises for a line: what cannot be spoken comes back without a clip, and its reason.
    """
    job.folder.mkdir(exist_ok=True)
    rooms = _rooms(script, job.end)
    raw: list[tuple[clips.Clip | None, bool, list[str]]] = []
    paces: list[float] = []
    spoken = failed = 0
    for line, room in zip(script, rooms, strict=True):
        progress(f"speak {job.language}", line.start, job.end)
        if failed >= GIVE_UP and not spoken:
            raw.append((None, False, ["not tried, since no line before it could be spoken"]))
            continue
        clip, cached, warnings = _clip(job, line, room, paces)
        spoken, failed = (spoken + 1, 0) if clip else (spoken, failed + 1)
        if clip and width(line.text) >= TELLING:
            paces.append(width(line.text) / _speech(clip))
        raw.append((clip, cached, warnings))
    progress(f"speak {job.language}", job.end, job.end)
    _drop_old(job, script)
    heard = [(line, clip) for line, (clip, _, _) in zip(script, raw, strict=True) if clip]
    slots = [Slot(line.start, line.end, _speech(clip), line.speaker) for line, clip in heard]
    places = iter(fit(slots, job.end))
    takes = []
    for line, (clip, cached, warnings) in zip(script, raw, strict=True):
        if clip is None:
            takes.append(Take(line, None, 0.0, None, cached, tuple(warnings)))
        else:
            takes.append(_take(job, line, clip, next(places), cached, warnings))
    return takes


def _rooms(script: Sequence[Line], end: float) -> list[float]:
    """The seconds that each line can have without hurry."""
    starts = [line.start for line in script[1:]] + [end]
    return [max(0.5, after - line.start) for line, after in zip(script, starts, strict=True)]


def _speech(clip: clips.Clip) -> float:
    """Seconds of a clip without the silence at its ends."""
    return float(max(0.05, clip.speech_end - clip.speech_start))


def _key(job: Job, line: Line) -> str:
    return key_of(
        engine=job.identity,
        text=line.text,
        language=job.language,
        voice=[line.voice.name, [str(one.path) for one in line.voice.references]],
        seed=job.seeds.get(line.number, 0),
    )[:12]


def _clip(
    job: Job, line: Line, room: float, paces: Sequence[float]
) -> tuple[clips.Clip | None, bool, list[str]]:
    """The line as it was spoken, now or by an earlier run; and what went wrong on the way."""
    key = _key(job, line)
    path = job.folder / f"{line.number:04}-{key}.wav"
    for known in job.folder.glob(f"[0-9]*-{key}.wav"):
        try:
            clip = clips.measure(known)
        except ValueError:
            known.unlink(missing_ok=True)
            continue
        if known != path:  # a line was put in before it
            known.replace(path)
        return replace(clip, path=path), True, []
    faults: list[str] = []
    part = path.with_suffix(".part.wav")
    for attempt in range(TRIES):
        try:
            part.unlink(missing_ok=True)
            job.engine.speak(
                line.text,
                part,
                language=job.language,
                voice=line.voice,
                seconds=room,
                seed=job.seeds.get(line.number, 0) + attempt,
            )
            clip = clips.measure(part)
            if fault := _implausible(line, clip, paces):
                raise ValueError(fault)
            part.replace(path)
            return replace(clip, path=path), False, []
        except UsageError:
            raise
        except (DubkitError, ValueError) as failure:
            faults.append(getattr(failure, "message", "") or str(failure))
        except (Exception, SystemExit) as failure:  # anybody's code
            log.debug("speaker %s failed", job.name, exc_info=True)
            faults.append(str(failure) or type(failure).__name__)
        finally:
            part.unlink(missing_ok=True)
    reason = ", ".join(dict.fromkeys(faults))
    log.debug("line %d: %s", line.number, reason)
    return None, False, [f"it could not be spoken ({reason})"]


def _implausible(line: Line, clip: clips.Clip, paces: Sequence[float]) -> str:
    """What tells that a clip is not the whole of its line, or much besides."""
    columns, seconds = width(line.text), _speech(clip)
    if columns < TELLING:
        return "" if seconds < 8 else f"{seconds:.1f} s for {line.text!r}"
    pace = columns / seconds
    if not SLOWEST <= pace <= FASTEST:
        return f"{seconds:.1f} s of sound for {columns} characters"
    usual = median(paces) if len(paces) >= 3 else pace
    if not 1 / ASTRAY <= pace / usual <= ASTRAY:
        return f"{seconds:.1f} s of sound, where {columns / usual:.1f} s are likely"
    return ""


def _take(
    job: Job, line: Line, clip: clips.Clip, place: Fit, cached: bool, warnings: Sequence[str]
) -> Take:
    """The clip made ready to be mixed in at its place."""
    notes = list(warnings)
    ready = clip.path.with_name(f"{clip.path.stem}.{place.stretch * 1000:.0f}.ready.wav")
    try:
        done = clips.measure(ready)
    except ValueError:
        for old in clip.path.parent.glob(f"{clip.path.stem}.*.ready.wav"):
            old.unlink(missing_ok=True)
        done = clips.prepare(clip.path, ready, stretch=place.stretch)
    place = replace(place, seconds=done.seconds)
    if place.stretch > QUIET:
        notes.append(f"spoken {place.stretch:.2f} times as fast to fit")
    if "drifts" in place.steps:
        notes.append(f"too long even {MOST} times as fast: what follows may begin later")
    if abs(place.shift) > TOLD:
        notes.append(f"begins {place.shift:.1f} s late")
    return Take(line, ready, _speech(clip), place, cached, tuple(notes))


def _drop_old(job: Job, script: Sequence[Line]) -> None:
    """Remove clips of lines that are not said any more."""
    wanted = {f"{line.number:04}-{_key(job, line)}" for line in script}
    for path in job.folder.glob("[0-9]*.wav"):
        if path.name.split(".")[0] not in wanted:
            path.unlink(missing_ok=True)


# ---------------------------------------------------------------- voices


def voices_for(
    engine: Any,
    language: str,
    chosen: Sequence[str],
    speakers: Sequence[str | None],
    matched: Mapping[str, str],
) -> Mapping[str | None, Voice]:
    """A voice for each speaker, the same from the first line to the last.

    ``chosen`` has ``NAME`` for all, or ``SPEAKER=NAME``; ``matched`` the voices that are like the
    speakers' own ("" is who has no name). Without either a speaker gets the next of the engine's
    voices. Raises UsageError for a voice or a speaker that is not there.
    """
    names = list(engine.voices(language))
    if not names:
        raise UsageError(
            f"this speaker has no voice for {language}",
            "dubkit plugins lists the speakers; --speaker names another",
        )
    given: dict[str, str] = {}
    everyone = ""
    for choice in chosen:
        person, equals, name = choice.partition("=")
        name = name if equals else person
        if name not in names:
            raise UsageError(f"there is no voice {name!r}", f"for {language}: {', '.join(names)}")
        if equals and person not in [speaker or "" for speaker in speakers]:
            known = ", ".join(filter(None, map(str, speakers))) or "nobody by name"
            raise UsageError(f"there is no speaker {person!r}", f"there is {known}")
        if equals:
            given[person] = name
        else:
            everyone = name
    free = [name for name in names if name not in given.values()] or names
    found: dict[str | None, Voice] = {}
    for speaker in speakers:
        if speaker not in found:
            alike = matched.get(speaker or "", "")
            own = given.get(speaker or "") or everyone or (alike if alike in names else "")
            own = own or free[len(found) % len(free)]
            found[speaker] = Voice(own)
    return found


# ---------------------------------------------------------------- report


def report(takes: Sequence[Take]) -> dict[str, object]:
    """The report of a dub as JSON can hold it: every line, and the sums."""
    spoken = [take for take in takes if take.fit]
    stretches = [take.fit.stretch for take in spoken if take.fit]
    return {
        "lines": [_told(take) for take in takes],
        "totals": {
            "lines": len(takes),
            "spoken": len(spoken),
            "within_quiet_stretch": sum(stretch <= QUIET + 1e-6 for stretch in stretches),
            "mean_stretch": round(sum(stretches) / len(stretches), 3) if stretches else None,
            "greatest_shift": round(max((abs(t.fit.shift) for t in spoken if t.fit), default=0), 3),
        },
    }


def _told(take: Take) -> dict[str, object]:
    line, place = take.line, take.fit
    return {
        "line": line.number,
        "cues": list(line.cues),
        "source": line.source,
        "text": line.text,
        "slot": [round(line.start, 3), round(line.end, 3)],
        "spoken": round(take.seconds, 3) if place else None,
        "start": round(place.start, 3) if place else None,
        "end": round(place.end, 3) if place else None,
        "stretch": round(place.stretch, 3) if place else None,
        "shift": round(place.shift, 3) if place else None,
        "steps": list(place.steps) if place else [],
        "speaker": line.speaker,
        "voice": line.voice.name,
        "warnings": list(take.warnings),
    }


def warnings(takes: Sequence[Take], language: str) -> list[str]:
    """What a user should know: lines that could not be spoken, and lines in a hurry."""
    told = []
    if silent := [take for take in takes if take.clip is None]:
        numbers = ", ".join(str(take.line.number) for take in silent[:10])
        reason = silent[0].warnings[0] if silent[0].warnings else ""
        told.append(
            f"{language}: {len(silent)} of {len(takes)} lines are not dubbed, the original is "
            f"heard there (lines {numbers}: {reason}); run the same command again to try them"
        )
    hurried = [take for take in takes if take.fit and take.fit.stretch > QUIET]
    if hurried:
        numbers = ", ".join(str(take.line.number) for take in hurried[:10])
        told.append(
            f"{language}: {len(hurried)} of {len(takes)} lines are spoken faster than "
            f"{QUIET} times to fit (lines {numbers})"
        )
    return told


def parse_redo(text: str) -> list[int]:
    """The line numbers of ``12,15-18``. Raises UsageError for what is none."""
    numbers: list[int] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        first, dash, last = part.partition("-")
        if not (first.isdigit() and (last.isdigit() or not dash)) or len(part) > 12:
            raise UsageError(f"--redo takes line numbers, not {part!r}", "--redo 12,15-18")
        numbers += range(int(first), int(last or first) + 1)
    if not numbers or len(numbers) > 10_000 or 0 in numbers:
        raise UsageError(f"--redo names no lines: {text!r}", "--redo 12,15-18")
    return list(dict.fromkeys(numbers))
