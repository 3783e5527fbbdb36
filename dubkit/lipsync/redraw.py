"""Lip-sync: the mouths of a film redrawn to another speech, by any engine.

The film is cut into shots, and in these the face that speaks is found and followed, only where the
dub speaks. Of each such span a clip of the face goes to the engine with the speech of that time,
and of what comes back the lower face is laid into the film's own frames. What an engine cannot do
stays as it was.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import logging
import re
import shutil
import tempfile
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from dubkit import workspace
from dubkit.engines import guarded
from dubkit.errors import DubkitError, InputError, MissingDependency, UsageError
from dubkit.files import cannot_write, sha256_of
from dubkit.hooks import LipSyncer, Progress
from dubkit.media.probe import opened
from dubkit.types import Media

from . import compose, encoding, face_clips, faces, spans, tracks
from .compose import Drawn
from .encoding import Look
from .faces import Seen
from .frames import CUT, pictures
from .spans import Span
from .tracks import Shot

log = logging.getLogger("dubkit")

GIVE_UP = 3
"""Failures one after the other, none having gone well, after which an engine is asked no more."""


@dataclass(frozen=True, slots=True)
class Redrawn:
    """What became of a span of the film in which the dub speaks."""

    start: float
    end: float
    state: Literal["redrawn", "no face", "failed"]
    reason: str = ""
    cached: bool = False
    """Whether an earlier run had it drawn."""


def check() -> None:
    """Raise MissingDependency when no faces can be found here."""
    faces.check()


def redraw(
    film: Media,
    sound: Path,
    out: Path,
    *,
    engine: LipSyncer,
    name: str,
    identity: Mapping[str, object],
    speech: Sequence[tuple[float, float]],
    folder: Path,
    progress: Progress,
) -> list[Redrawn]:
    """Write the picture of ``film`` alone, mouths moving to ``sound``, to ``out`` (mp4).

    ``sound`` is as long as the film, best the dub's speech alone; ``speech`` are the spans in which
    it speaks. ``engine`` is a lip-syncer called ``name``, ``identity`` what it is, for keys. What
    it has drawn is kept in ``folder``, which is for this one dub, and not asked for again. When
    nothing could be redrawn, ``out`` is not written. Raises MissingDependency without the detector
    of faces, InputError for a picture that cannot be decoded, OutputError when nothing can be
    written; never for what an engine does.
    """
    check()
    if not film.video:
        raise InputError(f"{film.path} has no picture.", "Leave --lipsync out.")
    look = encoding.look_at(film)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob("asked-*"):
            shutil.rmtree(left, ignore_errors=True)
        source = sha256_of(film.path)
        stretches = spans.stretches(speech)
        cuts = _looked_at(film, source, stretches, folder, progress)
        found, empty = spans.plan(cuts, stretches, speech, look.shape.size)
        own = look.rate if 10 <= look.rate <= 60 else 25
        rate = Fraction(engine.frame_rate or own).limit_denominator(1001)
        keys = [_key(source, sound, span, rate, identity) for span in found]
        job = _Task(film, look, sound, engine, name, rate, folder, progress)
        drawn, told = _drawn(job, found, keys)
        for file in folder.iterdir():
            if re.fullmatch(r"[0-9a-f]{32}\.(mp4|json)", file.name) and file.stem not in keys:
                file.unlink(missing_ok=True)
    except OSError as failure:
        raise cannot_write(folder, failure) from failure
    if drawn:
        compose.encode(film, look, drawn, out, progress)
    reason = f"no face of {tracks.SMALLEST} pixels or more is to be seen"
    told += [Redrawn(round(a, 3), round(b, 3), "no face", reason) for a, b in empty]
    return sorted(told, key=lambda one: one.start)


def warnings(film: Media, told: Sequence[Redrawn], name: str) -> list[str]:
    """What a user must know of it, a sentence each."""
    found = []
    for state, what in (("failed", f"{name} failed"), ("no face", "there is no face to redraw")):
        these = [one for one in told if one.state == state]
        if these:
            seconds = sum(one.end - one.start for one in these)
            first = these[0]
            reason = f": {first.reason}" if state == "failed" else ""
            found.append(
                f"lip-sync: {what} in {seconds:.1f} s of speech ({len(these)} spans, the first at "
                f"{first.start:.1f} s{reason}); the picture stays as it was there"
            )
    if any(one.state == "redrawn" for one in told):
        look = encoding.look_at(film)
        if dict(look.tags)["color_trc"] in (16, 18):
            found.append(
                f"{film.path.name} is HDR: the redrawn picture keeps its colours, but not what the "
                "file says of the display that it was graded on, nor Dolby Vision"
            )
        if look.loses_depth:
            found.append(f"{film.path.name} has more than 8 bits a colour; the new picture has 8")
    return found


# ---------------------------------------------------------------- what is kept


def _looked_at(
    film: Media,
    source: str,
    stretches: Sequence[tuple[float, float]],
    folder: Path,
    progress: Progress,
) -> list[Shot]:
    """The shots and their faces; read from the folder when they were found before."""
    path = folder / "faces.json"
    key = workspace.key_of(
        film=source,
        stretches=stretches,
        detector=faces.SHA256,
        settings=[tracks.RATE, CUT],
    )
    try:
        read = json.loads(path.read_text("utf-8"))
        if read["key"] == key:
            return [
                Shot(
                    one["start"],
                    one["end"],
                    tuple(tuple(Seen(**seen) for seen in face) for face in one["faces"]),
                )
                for one in read["shots"]
            ]
    except (OSError, ValueError, LookupError, TypeError):
        pass  # not there, or somebody's edit
    found = list(tracks.look(film, stretches, progress))
    whole = {"key": key, "shots": [dataclasses.asdict(shot) for shot in found]}
    part = path.with_name(path.name + workspace.PART)
    part.write_text(json.dumps(whole), "utf-8")
    part.replace(path)
    return found


def _key(
    source: str, sound: Path, span: Span, rate: Fraction, identity: Mapping[str, object]
) -> str:
    heard = face_clips.samples(sound, span.start, span.end)
    return workspace.key_of(
        film=source,
        span=[round(span.start, 3), round(span.end, 3), span.window, span.size, str(rate)],
        sound=face_clips.digest(heard),
        engine=identity,
    )


def _kept(job: _Task, span: Span, key: str) -> Drawn | None:
    """What an earlier run had drawn, if it is whole."""
    import av.error

    try:
        told = json.loads((job.folder / f"{key}.json").read_text("utf-8"))
        times = tuple(float(time) for time in told["times"])
        colour = tuple(float(value) for value in told["colour"])
        path = job.folder / f"{key}.mp4"
        with opened(path) as container:
            frames = sum(1 for _ in container.decode(container.streams.video[0]))
    except (OSError, ValueError, LookupError, TypeError, InputError, av.error.FFmpegError):
        return None
    if not times or len(colour) != 3 or frames < len(times) - face_clips.MENDED:
        return None
    return Drawn(span, path, job.rate, times, colour)


# ---------------------------------------------------------------- asking the engine


@dataclass(frozen=True, slots=True)
class _Task:
    """What all spans have in common."""

    film: Media
    look: Look
    sound: Path
    engine: LipSyncer
    name: str
    rate: Fraction
    folder: Path
    progress: Progress


def _drawn(
    job: _Task, spans: Sequence[Span], keys: Sequence[str]
) -> tuple[list[Drawn], list[Redrawn]]:
    """Have the spans drawn that are not yet, in one pass through the film; and what became of
    each."""
    found = {key: _kept(job, span, key) for span, key in zip(spans, keys, strict=True)}
    cached = {key for key, drawn in found.items() if drawn}
    todo = [(span, key) for span, key in zip(spans, keys, strict=True) if key not in cached]
    total = sum(span.seconds for span in spans)
    done = total - sum(span.seconds for span, _ in todo)
    reasons: dict[str, str] = {}
    starts = [span.start for span, _ in todo]
    frames = pictures(job.film, [(span.start, span.end) for span, _ in todo])
    in_a_row = 0
    for number, group in itertools.groupby(frames, lambda one: bisect_right(starts, one[1]) - 1):
        span, key = todo[number]
        before = done

        def tell(stage: str, now: float, of: float, span: Span = span, at: float = before) -> None:
            job.progress("lip-sync", at + span.seconds * (min(1.0, now / of) if of else 0), total)

        try:
            found[key] = _draw(job, span, key, group, tell)
            in_a_row = 0
        except _Failed as failure:
            reasons[key] = str(failure)
            in_a_row += 1
            log.info("lip-sync of %.1f s to %.1f s: %s", span.start, span.end, failure)
            hopeless = failure.hopeless or in_a_row >= GIVE_UP
            if hopeless and not any(found.values()):
                break
        done += span.seconds
        job.progress("lip-sync", done, total)
    why = f"not tried, since {job.name} had failed" if reasons else "there is no picture"
    told = [
        Redrawn(round(span.start, 3), round(span.end, 3), "redrawn", "", key in cached)
        if found[key]
        else Redrawn(round(span.start, 3), round(span.end, 3), "failed", reasons.get(key, why))
        for span, key in zip(spans, keys, strict=True)
    ]
    return [drawn for drawn in found.values() if drawn], told


class _Failed(Exception):
    """An engine did not do a span."""

    def __init__(self, reason: str, hopeless: bool = False) -> None:
        super().__init__(reason)
        self.hopeless = hopeless
        """Whether it will do no other either."""


def _draw(
    job: _Task,
    span: Span,
    key: str,
    frames: Iterable[tuple[Any, float]],
    tell: Callable[[str, float, float], None],
) -> Drawn:
    """Have one span drawn, and keep it."""
    import av.error

    with tempfile.TemporaryDirectory(prefix="asked-", dir=job.folder) as temporary:
        clip, voice, made = (Path(temporary, name) for name in ("shot.mp4", "voice.wav", "out.mp4"))
        try:
            times = face_clips.write_clip(frames, span, job.look, job.rate, clip)
        except av.error.FFmpegError as failure:  # of writing: what cannot be read is left out
            why = OSError(failure.errno, failure.strerror)
            raise cannot_write(job.folder, why) from failure
        length = len(times) / job.rate
        heard = face_clips.samples(job.sound, times[0], times[0] + float(length))
        face_clips.write_speech(heard, length, voice)
        try:
            with guarded(""):
                job.engine.lipsync(clip, voice, made, progress=tell)
                colour = face_clips.compared(clip, made, span, times)
        except (UsageError, MissingDependency) as failure:
            raise _Failed(failure.message, hopeless=True) from failure
        except DubkitError as failure:
            raise _Failed(failure.message) from failure
        part = Path(temporary, "kept.json")
        part.write_text(json.dumps({"times": times, "colour": colour}), "utf-8")
        # The picture last: what has none was not finished.
        part.replace(job.folder / f"{key}.json")
        made.replace(job.folder / f"{key}.mp4")
    return Drawn(span, job.folder / f"{key}.mp4", job.rate, tuple(times), tuple(colour))
