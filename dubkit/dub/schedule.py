"""A track of text to speech over the original's sound: lines, their clips, and their places.

Each line is spoken into a clip of its own, kept in the workspace under a key of all that it depends
on, so that a line that was edited is spoken anew and no other.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dubkit import languages
from dubkit.cues.text import width
from dubkit.errors import MediaError
from dubkit.hooks import BatchSynthesizer, Progress
from dubkit.types import Track

from . import clip as clips
from . import mix, speak
from .fit import QUIET, TOLD, Fit, Slot, fit
from .lines import Line
from .shorten import OverlongLine
from .speak import SpeechJob

SHORTER = 2
"""Times that the translator is asked for other words for a line that is too long."""
GIVE_UP = 5
"""Lines failed one after the other, none before them spoken, after which no more are tried."""


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
    work: float = 0.0
    """Seconds that the engines took."""


@dataclass(frozen=True, slots=True)
class _Spoken:
    """A line as the engines spoke it."""

    line: Line
    clip: clips.Clip | None
    cached: bool
    notes: tuple[str, ...]
    work: float


def schedule(job: SpeechJob, script: Sequence[Line], progress: Progress) -> list[Take]:
    """Speak every line that has no clip yet, find a place for each, and make the clips fit.

    Never raises for a line: what cannot be spoken comes back without a clip, and its reason.
    """
    job.folder.mkdir(exist_ok=True)
    rooms = dict(zip((line.number for line in script), _rooms(script, job.end), strict=True))
    spoken = _spoken(job, script, rooms, progress)
    for _ in range(SHORTER):
        long = _too_long(job, spoken)
        texts = job.shorten(long) if job.shorten and long else {}
        if not texts:
            break
        again = [_reworded(one.line, texts[one.line.number]) for one in spoken
                 if one.line.number in texts]  # fmt: skip
        anew = {one.line.number: one for one in _spoken(job, again, rooms, progress) if one.clip}
        spoken = [anew.get(one.line.number, one) for one in spoken]
    progress(f"speak {job.language}", job.end, job.end)
    speak.drop_old(job, [one.line for one in spoken])
    places = _places(job, spoken)
    return [_take(one, places.get(one.line.number)) for one in spoken]


def _spoken(
    job: SpeechJob, script: Sequence[Line], rooms: Mapping[int, float], progress: Progress
) -> list[_Spoken]:
    found: list[_Spoken] = []
    paces: list[float] = []
    done = failed = 0
    many = job.engine.at_once if isinstance(job.engine, BatchSynthesizer) else 1
    drafts: dict[int, str] = {}
    for at, line in enumerate(script):
        progress(f"speak {job.language}", line.start, job.end)
        if failed >= GIVE_UP and not done:
            reason = "not tried, since no line before it could be spoken"
            found.append(_Spoken(line, None, False, (reason,), 0.0))
            continue
        started = time.perf_counter()
        if many > 1 and line.number not in drafts and not speak.known(job, line):
            left = (one for one in script[at:] if not speak.known(job, one))
            drafts = speak.draft(job, list(itertools.islice(left, many)), rooms)
        draft = drafts.get(line.number)
        clip, cached, notes = speak.clip_of(job, line, rooms[line.number], paces, draft)
        done, failed = (done + 1, 0) if clip else (done, failed + 1)
        if clip and width(line.text) >= speak.TELLING:
            paces.append(width(line.text) / speak.speech(clip))
        if clip and job.conversion:
            clip, new, fault = speak.converted(job.conversion, line, clip)
            cached, notes = cached and not new, [*notes, *fault]
        work = 0.0 if cached else time.perf_counter() - started
        found.append(_Spoken(line, clip, cached, tuple(notes), work))
    return found


def _places(job: SpeechJob, spoken: Sequence[_Spoken]) -> dict[int, Fit]:
    heard = [(one.line, one.clip) for one in spoken if one.clip]
    slots = [Slot(line.start, line.end, speak.speech(clip), line.speaker) for line, clip in heard]
    numbers = (line.number for line, _ in heard)
    return dict(zip(numbers, fit(slots, job.end), strict=True))


def _too_long(job: SpeechJob, spoken: Sequence[_Spoken]) -> list[OverlongLine]:
    """Lines that drift however fast they are spoken."""
    places = _places(job, spoken)
    return [
        OverlongLine(line.number, line.source, line.text, line.start, line.end,
                speak.speech(one.clip), place.room * QUIET, line.speaker)
        for one in spoken
        if (line := one.line) and one.clip and (place := places[line.number]) and line.source
        and "drifts" in place.steps
    ]  # fmt: skip


def _reworded(line: Line, text: str) -> Line:
    return replace(line, text=text, before=(*line.before, line.text))


def _rooms(script: Sequence[Line], end: float) -> list[float]:
    """The seconds that each line can have without hurry."""
    starts = [line.start for line in script[1:]] + [end]
    return [max(0.5, after - line.start) for line, after in zip(script, starts, strict=False)]


def _take(one: _Spoken, place: Fit | None) -> Take:
    """The clip made ready to be mixed in at its place."""
    line, clip, notes = one.line, one.clip, list(one.notes)
    if clip is None or place is None:
        return Take(line, None, 0.0, None, one.cached, one.notes, one.work)
    ready = clip.path.with_name(f"{clip.path.stem}.{place.stretch * 1000:.0f}.ready.wav")
    try:
        done = clips.measure(ready)
    except ValueError:
        for old in clip.path.parent.glob(f"{clip.path.stem}.*.ready.wav"):
            old.unlink(missing_ok=True)
        try:
            done = clips.prepare(clip.path, ready, stretch=place.stretch)
        except (ValueError, MediaError) as failure:
            clip.path.unlink(missing_ok=True)  # the next run asks for another
            notes.append(f"it could not be made ready ({failure})")
            return Take(line, None, 0.0, None, one.cached, tuple(notes), one.work)
    steps = ("reworded", *place.steps) if line.before else place.steps
    place = replace(place, seconds=done.seconds, steps=steps)
    if place.stretch > QUIET:
        notes.append(f"spoken {place.stretch:.2f} times as fast to fit")
    if "drifts" in place.steps:
        notes.append(
            f"too long even {place.stretch:.2f} times as fast: what follows may begin later"
        )
    if abs(place.shift) > TOLD:
        notes.append(f"begins {place.shift:.1f} s late")
    return Take(line, ready, speak.speech(clip), place, one.cached, tuple(notes), one.work)


@dataclass(frozen=True, slots=True)
class Spoken:
    """A track as speech."""

    track: Track
    job: speak.SpeechJob
    takes: Sequence[Take]
    about: Mapping[str, object]
    """What else its report says."""
    spent: Mapping[str, object]
    """The same of this run's work."""

    @property
    def placed(self) -> list[mix.Placed]:
        """Where its clips are heard."""
        takes = self.takes
        return [mix.Placed(t.clip, t.fit.start) for t in takes if t.clip and t.fit]

    @property
    def title(self) -> str:
        """What players call it."""
        return f"{languages.name(self.track.language)} (generated speech)"

    @property
    def comment(self) -> str:
        """What the file says of it."""
        how = f" and {self.job.conversion.name}" if self.job.conversion else ""
        name = languages.name(self.track.language)
        return f"The speech in {name} was generated with {self.job.name}{how}."
