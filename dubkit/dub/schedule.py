"""Speak all lines of a track, and schedule the clips on the video's timeline.

Each line is spoken into its own clip, kept in the workspace under a key of all that it depends on,
so that only edited lines are spoken again. One line is spoken in :mod:`.speak`; the clips are mixed
in :mod:`.mix`.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from dubkit import languages
from dubkit.cues.text import width
from dubkit.engines import Patience
from dubkit.errors import MediaError
from dubkit.files import cannot_write, sha256_of
from dubkit.hooks import BatchSynthesizer, Progress
from dubkit.speech import pauses
from dubkit.types import Track
from dubkit.workspace import key_of

from . import clip as clips
from . import mix, phrases, speak
from .convert import ConvertedClip, convert_clips
from .fit import NOTABLE_SHIFT, QUIET_STRETCH, Fit, Phrase, Slot, fit
from .lines import Line
from .shorten import OverlongLine
from .speak import SpeechJob
from .verify import Verdict

SHORTEN_ROUNDS = 2
"""Times that the translator is asked for a shorter text for a line that is too long."""
GIVE_UP = 5
"""Lines that fail in a row, with none before them spoken, after which no more are tried."""


@dataclass(frozen=True, slots=True)
class Take:
    """A line, spoken and scheduled."""

    line: Line
    clip: Path | None
    """48 kHz, trimmed and stretched; None if no engine could speak it."""
    seconds: float
    """Before stretching."""
    fit: Fit | None
    cached: bool
    warnings: tuple[str, ...]
    work: float = 0.0
    """Seconds that the engines took."""
    converted: bool | None = None
    """Whether it is in the converter's voice, if there is one."""
    verified: bool | None = None
    """Whether it is what it should be; None if that was not checked."""
    faults: tuple[str, ...] = ()
    """What is wrong with it, if not."""
    takes: int = 1
    """Times that it was spoken until it was right."""
    quality: float | None = None
    """Mean opinion score of its sound, from 1 to 5; None if it was not scored."""


@dataclass(frozen=True, slots=True)
class _Recording:
    """A line as the engines spoke it."""

    line: Line
    clip: clips.Clip | None
    cached: bool
    notes: tuple[str, ...]
    work: float
    converted: bool | None = None
    """Whether the converter did its part, if there is one."""
    spoken: clips.Clip | None = None
    """The clip before its voice was converted."""
    verdict: Verdict | None = None
    takes: int = 1


def schedule(job: SpeechJob, script: Sequence[Line], progress: Progress) -> list[Take]:
    """Speak every line that has no clip yet, find a place for each, and make the clips fit.

    Never raises for a line: one that cannot be spoken is returned without a clip, with the reason.
    One that is left to the original voice is returned without a clip, too. Raises MissingDependency
    where the server of an engine is not there.
    """
    takes = {take.line.number: take for take in _schedule(job, script, progress)}
    return [takes.get(one.number) or Take(one, None, 0.0, None, True, ()) for one in script]


def _schedule(job: SpeechJob, whole: Sequence[Line], progress: Progress) -> list[Take]:
    """:func:`schedule`, of the lines that the dub speaks."""
    script = [line for line in whole if not line.original]
    try:
        job.folder.mkdir(exist_ok=True)
    except OSError as failure:
        raise cannot_write(job.folder, failure) from failure
    rooms = dict(zip((line.number for line in script), _rooms(script, job.end), strict=True))
    recordings = _verify(job, _record(job, script, rooms, progress), rooms, progress)
    for _ in range(SHORTEN_ROUNDS):
        overlong = _overlong(job, recordings)
        texts = job.shorten(overlong) if job.shorten and overlong else {}
        if not texts:
            break
        again = [_reword(one.line, texts[one.line.number]) for one in recordings
                 if one.line.number in texts]  # fmt: skip
        new = {one.line.number: one for one in _record(job, again, rooms, progress) if one.clip}
        recordings = [new.get(one.line.number, one) for one in recordings]
        recordings = _verify(job, recordings, rooms, progress)
    progress(f"speak {job.language}", job.end, job.end)
    if job.whole:
        chosen = {one.clip.path.stem for one in recordings if one.clip}
        speak.drop_old(job, [one.line for one in recordings], chosen)
    places = _places(job, recordings)
    return [_take(job, one, places.get(one.line.number)) for one in recordings]


def _record(
    job: SpeechJob, script: Sequence[Line], rooms: Mapping[int, float], progress: Progress
) -> list[_Recording]:
    """Speak lines, then convert their voices."""
    recordings = _speak(job, script, rooms, progress)
    if not job.conversion:
        return recordings

    def report(line: Line) -> None:
        progress(f"convert {job.language}", line.start, job.end)

    spoken = [(one.line, one.clip) for one in recordings if one.clip]
    found = convert_clips(job.conversion, job.made, spoken, report)
    return [_with_voice(one, found.get(one.line.number)) for one in recordings]


def _speak(
    job: SpeechJob, script: Sequence[Line], rooms: Mapping[int, float], progress: Progress
) -> list[_Recording]:
    recordings: list[_Recording] = []
    paces: list[float] = []
    patience = Patience(GIVE_UP)
    many = job.engine.at_once if isinstance(job.engine, BatchSynthesizer) else 1
    drafts: dict[int, str] = {}
    for at, line in enumerate(script):
        progress(f"speak {job.language}", line.start, job.end)
        if patience.exhausted and not speak.find_clip(job, line):
            reason = f"not tried, since {patience.in_a_row} lines before it could not be spoken"
            recordings.append(_Recording(line, None, False, (reason,), 0.0))
            continue
        started = time.perf_counter()
        if many > 1 and line.number not in drafts and not speak.find_clip(job, line):
            rest = (script[k] for k in range(at, len(script)))
            left = (one for one in rest if not speak.find_clip(job, one))
            drafts = speak.draft(job, list(itertools.islice(left, many)), rooms)
            if not all(drafts.values()):
                patience.answered()
        draft = drafts.get(line.number)
        clip, cached, notes = speak.speak_line(
            job, line, rooms[line.number], paces, patience, draft
        )
        if clip and not cached:
            patience.success()
        elif not clip:
            patience.failure()
        if clip and width(line.text) >= speak.PACE_COLUMNS:
            paces.append(width(line.text) / speak.speech_seconds(clip))
        work = 0.0 if cached else time.perf_counter() - started
        recordings.append(_Recording(line, clip, cached, tuple(notes), work, spoken=clip))
    return recordings


def _with_voice(one: _Recording, converted: ConvertedClip | None) -> _Recording:
    if not converted:  # it was not spoken
        return one
    return replace(
        one,
        clip=converted.clip,
        cached=one.cached and converted.cached,
        notes=(*filter(None, [converted.fault]), *one.notes),  # the reason first
        work=one.work + converted.work,
        converted=not converted.fault,
    )


# ---------------------------------------------------------------- verifying


def _verify(
    job: SpeechJob,
    recordings: Sequence[_Recording],
    rooms: Mapping[int, float],
    progress: Progress,
) -> list[_Recording]:
    """Have the clips judged, and what is wrong spoken again; the best take of each line is kept."""
    kept = _judge(job, recordings)
    hopeless: set[int] = set()
    """Lines of which every further take would be the same."""
    for number in range(1, job.takes):
        wrong = [one for one in kept if _is_wrong(one) and one.line.number not in hopeless]
        wrong = [one for one in wrong if one.takes == number]
        # If none of the first is better, the others would not be either.
        for at, part in enumerate((wrong[:GIVE_UP], wrong[GIVE_UP:])):
            if not part:
                continue
            lines = [one.line for one in part]
            again = _record(job.take(lines, number), lines, rooms, progress)
            takes = {new.line.number: new for new in again if new.clip}
            same = {
                one.line.number
                for one in part
                if (new := takes.get(one.line.number)) is None or _is_same(one, new)
            }
            hopeless |= same
            kept = _best(job, kept, {n: new for n, new in takes.items() if n not in same})
            if at == 0 and len(part) == GIVE_UP and all(map(_is_wrong, _these(kept, lines))):
                hopeless |= {one.line.number for one in wrong}
                break
    return _unconverted(job, kept)


def _is_wrong(one: _Recording) -> bool:
    return bool(one.verdict and one.verdict.faults)


def _is_same(one: _Recording, other: _Recording) -> bool:
    """Whether an engine spoke a line the same way again: it does not heed the seed."""
    assert one.spoken and other.spoken
    return sha256_of(one.spoken.path) == sha256_of(other.spoken.path)


def _these(recordings: Sequence[_Recording], lines: Sequence[Line]) -> list[_Recording]:
    numbers = {line.number for line in lines}
    return [one for one in recordings if one.line.number in numbers]


def _judge(job: SpeechJob, recordings: Sequence[_Recording]) -> list[_Recording]:
    """The recordings with what is wrong with them."""
    spoken = [(_as_converted(job, one), one.clip) for one in recordings if one.clip]
    if not job.verify or not spoken:
        return list(recordings)
    verdicts = iter(job.verify(spoken))
    return [replace(one, verdict=next(verdicts)) if one.clip else one for one in recordings]


def _as_converted(job: SpeechJob, one: _Recording) -> Line:
    """The line, in the voice that it was converted to if it was."""
    if job.conversion and one.clip and one.spoken and one.clip.path != one.spoken.path:
        return replace(one.line, voice=job.conversion.voices[one.line.speaker])
    return one.line


def _best(
    job: SpeechJob, kept: Sequence[_Recording], takes: Mapping[int, _Recording]
) -> list[_Recording]:
    """The recordings, each with its new take if that is nearer to what it should be."""
    if not takes:
        return list(kept)
    again = [takes.get(one.line.number, one) for one in kept]
    judged = _judge(job, again)
    best = []
    for old, new in zip(kept, judged, strict=True):
        if old.line.number not in takes:
            best.append(old)
            continue
        assert old.verdict and new.verdict
        chosen = new if new.verdict.error < old.verdict.error else old
        work, cached = old.work + new.work, old.cached and new.cached
        best.append(replace(chosen, work=work, cached=cached, takes=old.takes + 1))
    return best


def _unconverted(job: SpeechJob, kept: Sequence[_Recording]) -> list[_Recording]:
    """The recordings, those unconverted whose words a conversion has destroyed: a line in the
    synthesizer's voice is better than noise."""
    lost = {
        one.line.number: replace(one, clip=one.spoken)
        for one in kept
        if one.verdict and (one.verdict.sound or one.verdict.words)
        if one.spoken and one.clip and one.clip.path != one.spoken.path
    }
    if not lost:
        return list(kept)
    judged = _judge(job, [lost.get(one.line.number, one) for one in kept])
    found = []
    for old, new in zip(kept, judged, strict=True):
        was, now = old.verdict, new.verdict
        if old.line.number in lost and was and now and not (now.sound or now.words):
            note = f"its voice could not be converted ({was.faults[0]})"
            right = replace(now, voice=())
            found.append(replace(new, verdict=right, converted=False, notes=(note, *old.notes)))
        else:
            found.append(old)
    return found


# ---------------------------------------------------------------- fitting


def _places(
    job: SpeechJob, recordings: Sequence[_Recording], *, phrased: bool = True
) -> dict[int, Fit]:
    """By line number, for those that were spoken."""
    spoken = [(one.line, one.clip) for one in recordings if one.clip]
    slots = [
        Slot(line.start, line.end, speak.speech_seconds(clip), line.speaker,
             _phrases(job, line, clip) if phrased else ())
        for line, clip in spoken
    ]  # fmt: skip
    numbers = (line.number for line, _ in spoken)
    return dict(zip(numbers, fit(slots, job.end, job.kept), strict=True))


def _phrases(job: SpeechJob, line: Line, clip: clips.Clip) -> tuple[Phrase, ...]:
    """The phrases of a clip, with those of the original; none if these are unknown."""
    if not line.phrases:
        return ()
    sound = None
    if len(line.phrases) > 1:
        try:
            sound = pauses.levels([clips.load(clip.path)], clips.RATE)
        except ValueError:  # what prepares it for the mix says so
            return ()
    speech = (clip.speech_start, clip.speech_end)
    return phrases.divide(line.phrases, line.text, job.language, sound, speech)


def _overlong(job: SpeechJob, recordings: Sequence[_Recording]) -> list[OverlongLine]:
    """Lines that cause drift even at the greatest stretch."""
    places = _places(job, recordings, phrased=False)
    return [
        OverlongLine(line.number, line.source, line.text, line.start, line.end,
                speak.speech_seconds(one.clip), place.room * QUIET_STRETCH, line.speaker,
                line.language)
        for one in recordings
        if (line := one.line) and one.clip and (place := places[line.number]) and line.source
        and "drifts" in place.steps
    ]  # fmt: skip


def _reword(line: Line, text: str) -> Line:
    return replace(line, text=text, before=(*line.before, line.text))


def _rooms(script: Sequence[Line], end: float) -> list[float]:
    """The seconds that each line can take without being hurried."""
    starts = [line.start for line in script[1:]] + [end]
    return [max(0.5, after - line.start) for line, after in zip(script, starts, strict=False)]


def _take(job: SpeechJob, one: _Recording, place: Fit | None) -> Take:
    """Prepare the clip for the mix at its place."""
    line, clip, notes = one.line, one.clip, list(one.notes)
    if clip is None or place is None:
        return Take(line, None, 0.0, None, one.cached, one.notes, one.work, takes=one.takes)
    pieces = [
        clips.Piece(one.phrase.first, one.phrase.last, one.at, one.stretch) for one in place.phrases
    ]
    how = f"{place.stretch * 1000:.0f}"
    if pieces:
        how = key_of(pieces=[[round(value, 4) for value in astuple(one)] for one in pieces])[:8]
    ready = clip.path.with_name(f"{clip.path.stem}.{how}.ready.wav")
    try:
        prepared = clips.measure(ready)
    except ValueError:
        job.made.remove(*job.made.matching(f"{clip.path.stem}.*.ready.wav"))
        job.made.add(ready.name)
        try:
            prepared = clips.prepare(clip.path, ready, stretch=place.stretch, pieces=pieces)
        except (ValueError, MediaError) as failure:
            job.made.remove(clip.path.name)  # the next run asks for another
            notes.append(f"it could not be prepared for the mix ({failure})")
            return Take(line, None, 0.0, None, one.cached, tuple(notes), one.work)
    steps = ("reworded", *place.steps) if line.before else place.steps
    place = replace(place, seconds=prepared.seconds, steps=steps)
    if place.stretch > QUIET_STRETCH:
        notes.append(f"spoken {place.stretch:.2f} times as fast to fit")
    if "drifts" in place.steps:
        notes.append(
            f"too long even {place.stretch:.2f} times as fast: what follows may begin later"
        )
    if abs(place.shift) > NOTABLE_SHIFT:
        when = "late" if place.shift > 0 else "early"
        notes.append(f"begins {abs(place.shift):.1f} s {when}")
    faults = one.verdict.faults if one.verdict else ()
    known = one.verdict is not None and (faults or not one.verdict.unread)
    return Take(
        line,
        ready,
        speak.speech_seconds(clip),
        place,
        one.cached,
        (*faults, *notes),
        one.work,
        one.converted,
        not faults if known else None,
        faults,
        one.takes,
        one.verdict.score if one.verdict else None,
    )


@dataclass(frozen=True, slots=True)
class SpokenTrack:
    """A track as speech."""

    track: Track
    job: speak.SpeechJob
    takes: Sequence[Take]
    about: Mapping[str, object]
    """Further facts for its report."""
    spent: Mapping[str, object]
    """Facts about this run's work for its report."""

    @property
    def clips(self) -> list[mix.ScheduledClip]:
        """Its clips and when they play."""
        return [
            mix.ScheduledClip(
                take.clip,
                take.fit.start,
                (take.line.start, take.line.end),
                tuple(
                    mix.ScheduledPhrase(
                        clips.KEEP + one.at, clips.KEEP + one.end, one.phrase.start, one.phrase.end
                    )
                    for one in take.fit.phrases
                ),
            )
            for take in self.takes
            if take.clip and take.fit
        ]

    @property
    def spoken_cues(self) -> set[int]:
        """The numbers of the cues that it speaks, counted from 1."""
        return {number for take in self.takes if take.clip for number in take.line.cues}

    @property
    def converted(self) -> bool:
        """Whether any of it is in a converter's voice."""
        return any(take.converted for take in self.takes)

    @property
    def title(self) -> str:
        """The track's title in players."""
        return f"{languages.name(self.track.language)} (generated speech)"

    @property
    def comment(self) -> str:
        """A sentence for the file's comment."""
        how = f" and {self.job.conversion.name}" if self.job.conversion and self.converted else ""
        name = languages.name(self.track.language)
        return f"The speech in {name} was generated with {self.job.name}{how}."
