"""Redraw the mouths of a film to other speech, with any lip-sync engine.

The film is split into shots; in each, while the dub speaks, the face that speaks is found and
followed. For each such span, a clip of the face goes to the engine with the speech of that time,
and the lower face of the result is blended into the film's own frames. Spans that an engine cannot
render stay as they were.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import json
import logging
import secrets
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from dubkit import workspace
from dubkit.engines import Patience, guarded
from dubkit.errors import DubkitError, InputError, MissingDependency, PluginError, UsageError
from dubkit.files import Made, cannot_write, read_json, replacing, sha256_of
from dubkit.hooks import (
    AvatarDrawer,
    BatchLipSyncer,
    LipSyncer,
    LipSyncRequest,
    Progress,
    TrainedLipSyncer,
)
from dubkit.media.probe import open_media
from dubkit.types import Media, SpanOutcome

from . import avatar, compose, crops, encoding, face_clips, faces, spans, tracks
from .compose import RenderedClip
from .crops import Person
from .encoding import PictureFormat
from .frames import CUT, decode_frames
from .spans import Span
from .tracks import Shot

log = logging.getLogger("dubkit")

Mode = Literal["mouth", "avatar", "avatar-corner"]
GIVE_UP = 3
"""Failures in a row, without any success, after which an engine is not called again."""


def check() -> None:
    """Raise MissingDependency if the face detector is not installed."""
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
    people: Sequence[Person] | None = None,
    mode: Mode = "mouth",
    whole: bool = True,
) -> list[SpanOutcome]:
    """Write the picture of ``film`` alone, with mouths moving to ``sound``, to ``out`` (mp4).

    ``sound`` is as long as the film, preferably the dub's speech alone; ``speech`` are the spans in
    which it speaks, in seconds. ``engine`` is a lip-syncer called ``name``, identified by
    ``identity`` in cache keys. What it renders is kept in ``folder``, which is for this one dub,
    and not requested again; what else is there is removed if the dub is ``whole``. ``people`` are
    the crops (:mod:`.crops`) for an engine that was trained on them. In another ``mode`` than
    ``mouth`` the engine draws a picture of its own throughout the film, which replaces the film's
    or is shown in a corner of it.

    If nothing could be redrawn, ``out`` is not written. Raises MissingDependency without
    the face detector, InputError for a picture that cannot be decoded, OutputError when nothing can
    be written; never for what an engine does.
    """
    if mode == "mouth":
        check()
    if not film.video:
        raise InputError(f"{film.path} has no picture.", "Leave --lipsync out.")
    picture = encoding.picture_format(film)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        made = Made(folder)
        made.remove(*made.matching("asked-*"))
        source = sha256_of(film.path)
        faceless: list[tuple[float, float]] = []
        untrained: list[tuple[float, float, str]] = []
        if mode == "mouth":
            stretches = spans.join_speech(speech)
            shots = _load_shots(film, source, stretches, folder, progress)
            planned, faceless = spans.plan(shots, stretches, speech, picture.shape.size)
        else:
            planned = avatar.plan(film.duration, speech, picture.shape.size, mode)
        if people is not None:
            planned, untrained = crops.fit(planned, people, functools.partial(_knows, engine))
        own = picture.rate if 10 <= picture.rate <= 60 else 25
        rate = Fraction(engine.frame_rate or own).limit_denominator(1001)
        rate = crops.RATE if people is not None else rate
        keys = [_key(source, sound, span, rate, identity) for span in planned]
        task = _Task(film, picture, sound, engine, name, rate, folder, progress, made)
        clips, outcomes = _render_spans(task, planned, keys)
        wanted = {f"{key}{suffix}" for key in keys for suffix in (".mp4", ".json")}
        if whole:
            made.remove(*(name for name in made.matching("*.*") if name not in wanted))
    except OSError as failure:
        raise cannot_write(folder, failure) from failure
    if clips:
        compose.encode(film, picture, clips, out, progress)
    reason = f"no face of {tracks.SMALLEST} pixels or more is visible"
    outcomes += [SpanOutcome(round(a, 3), round(b, 3), "no face", reason) for a, b in faceless]
    outcomes += [SpanOutcome(round(a, 3), round(b, 3), "untrained", why) for a, b, why in untrained]
    return sorted(outcomes, key=lambda one: one.start)


def warnings(film: Media, outcomes: Sequence[SpanOutcome], name: str) -> list[str]:
    """What a user must know about the outcomes, a sentence each."""
    found = []
    for state, what in (
        ("failed", f"{name} failed"),
        ("untrained", f"{name} does not know the face"),
        ("no face", "there is no face to redraw"),
    ):
        these = [one for one in outcomes if one.state == state]
        if these:
            seconds = sum(one.end - one.start for one in these)
            first = these[0]
            reason = "" if state == "no face" else f": {first.reason}"
            found.append(
                f"lip-sync: {what} in {seconds:.1f} s of speech ({len(these)} spans, the first at "
                f"{first.start:.1f} s{reason}); there, the picture stays as it was"
            )
    if any(one.state == "redrawn" for one in outcomes):
        picture = encoding.picture_format(film)
        if dict(picture.color_tags)["color_trc"] in (16, 18):
            found.append(
                f"{film.path.name} is HDR: the redrawn picture keeps its colors, but not the "
                "file's metadata on the display that it was graded on, nor Dolby Vision"
            )
        if picture.loses_depth:
            found.append(f"{film.path.name} has more than 8 bits a color; the new picture has 8")
    return found


# ---------------------------------------------------------------- cached results


def _load_shots(
    film: Media,
    source: str,
    stretches: Sequence[tuple[float, float]],
    folder: Path,
    progress: Progress,
) -> list[Shot]:
    """The shots and their faces; read from the folder if an earlier run has found them."""
    path = folder / "faces.json"
    key = workspace.key_of(
        film=source,
        stretches=stretches,
        detector=faces.SHA256,
        settings=[tracks.RATE, CUT],
    )
    try:
        read = read_json(path)
        if read["key"] == key:
            return [
                Shot(
                    float(one["start"]),
                    float(one["end"]),
                    tuple(
                        tuple(faces.detection_from(**it) for it in face) for face in one["faces"]
                    ),
                )
                for one in read["shots"]
            ]
    except (OSError, ValueError, LookupError, TypeError, OverflowError):
        pass  # missing, or edited by hand
    shots = list(tracks.find_shots(film, stretches, progress))
    whole = {"key": key, "shots": [dataclasses.asdict(shot) for shot in shots]}
    with replacing(path) as part:
        part.write_text(json.dumps(whole), "utf-8")
    return shots


def _key(
    source: str, sound: Path, span: Span, rate: Fraction, identity: Mapping[str, object]
) -> str:
    samples = face_clips.read_speech(sound, span.start, span.end)
    return workspace.key_of(
        film=source,
        span=[round(span.start, 3), round(span.end, 3), span.window, span.size, str(rate)],
        **({"crop": [span.person, span.frames.start]} if span.person else {}),
        **({} if span.face else {"avatar": True}),
        sound=face_clips.digest(samples),
        engine=identity,
    )


def _load_clip(task: _Task, span: Span, key: str) -> RenderedClip | None:
    """The clip that an earlier run rendered, if it is complete."""
    import av.error

    try:
        record = read_json(task.folder / f"{key}.json")
        times = tuple(float(time) for time in record["times"])
        color = tuple(float(value) for value in record["colour"])
        path = task.folder / f"{key}.mp4"
        with open_media(path) as container:
            decoded = container.decode(container.streams.video[0])
            frames = sum(1 for _ in itertools.islice(decoded, len(times)))
    except (OSError, ValueError, LookupError, TypeError, OverflowError):
        return None
    except (InputError, av.error.FFmpegError):
        return None
    if not times or len(color) != 3:
        return None
    if span.face and frames >= len(times) - face_clips.FRAME_TOLERANCE:
        return RenderedClip(span, path, task.rate, times, color)
    if not span.face:
        with contextlib.suppress(PluginError):
            return _placed(span, path, times[0])
    return None


def _placed(span: Span, path: Path, start: float) -> RenderedClip:
    """An avatar's clip that begins at a second of the film, with its place in the picture.
    PluginError if it is none."""
    size, rate, count = face_clips.check_avatar(path, span.end - start)
    times = tuple(start + float(number / rate) for number in range(count))
    return RenderedClip(avatar.place(span, size), path, rate, times, (0.0, 0.0, 0.0))


# ---------------------------------------------------------------- calling the engine


@dataclass(frozen=True, slots=True)
class _Task:
    """What all spans have in common."""

    film: Media
    picture: PictureFormat
    sound: Path
    engine: LipSyncer
    name: str
    rate: Fraction
    folder: Path
    progress: Progress
    made: Made


def _render_spans(
    task: _Task, spans: Sequence[Span], keys: Sequence[str]
) -> tuple[list[RenderedClip], list[SpanOutcome]]:
    """Have all spans rendered that are not yet, in one pass through the film; return the clips, and
    the outcome for each span."""
    clips = {key: _load_clip(task, span, key) for span, key in zip(spans, keys, strict=True)}
    cached = {key for key, clip in clips.items() if clip}
    todo = [(span, key) for span, key in zip(spans, keys, strict=True) if key not in cached]
    total = sum(span.seconds for span in spans)
    done = total - sum(span.seconds for span, _ in todo)
    reasons: dict[str, str] = {}
    starts = [span.start for span, _ in todo]
    frames = decode_frames(task.film, [(span.start, span.end) for span, _ in todo])
    alike = not any(span.person or not span.face for span, _ in todo)
    many = max(1, task.engine.at_once) if alike and isinstance(task.engine, BatchLipSyncer) else 1
    patience = Patience(GIVE_UP, worked=bool(cached))

    def render(shots: Sequence[_Shot], report: Progress) -> None:
        for shot, made in zip(shots, _render(task, shots, report, patience), strict=True):
            if isinstance(made, RenderedClip):
                clips[shot.key] = made
                reasons.pop(shot.key, None)
                patience.success()
            else:
                reasons[shot.key] = made.message
                hopeless = isinstance(made, (UsageError, MissingDependency))
                if hopeless or len(shots) == 1:  # what fails in company is tried alone
                    patience.failure(hopeless=hopeless)
                log.info("lip-sync of %.1f s: %s", shot.span.start, made.message)

    with contextlib.ExitStack() as scratch:
        shots: list[_Shot] = []
        groups = itertools.groupby(frames, lambda one: bisect_right(starts, one[1]) - 1)
        following = next(groups, None)
        while following and not patience.exhausted:
            number, group = following
            folder = scratch.enter_context(_scratch(task))
            shots.append(_write_shot(task, *todo[number], group, folder))
            following = next(groups, None)
            if len(shots) < many and following:
                continue
            seconds = sum(shot.span.seconds for shot in shots)
            report = functools.partial(_report, task.progress, done, seconds, total)
            task.progress("lip-sync", done, total)
            render(shots, report)
            for shot in shots if len(shots) > 1 else ():  # what failed together, alone
                if shot.key in reasons and not patience.exhausted:
                    render([shot], lambda stage, now, of: None)
            done += seconds
            task.progress("lip-sync", done, total)
            shots = []
            scratch.close()
    why = f"not tried, since {task.name} had failed" if reasons else "there is no picture"
    outcomes = [
        SpanOutcome(round(span.start, 3), round(span.end, 3), "redrawn", "", key in cached)
        if clips[key]
        else SpanOutcome(round(span.start, 3), round(span.end, 3), "failed", reasons.get(key, why))
        for span, key in zip(spans, keys, strict=True)
    ]
    return [clip for clip in clips.values() if clip], outcomes


def _report(
    progress: Progress, before: float, seconds: float, total: float, _: str, now: float, of: float
) -> None:
    """Report an engine's own progress with some shots as that of all."""
    progress("lip-sync", before + seconds * (min(1.0, now / of) if of else 0.0), total)


def _knows(engine: LipSyncer, person: str) -> bool:
    """Whether an engine was trained on a crop; False if it cannot say."""
    with contextlib.suppress(DubkitError), guarded("", instead=_with_type):
        return isinstance(engine, TrainedLipSyncer) and bool(engine.knows(person))
    return False


def _with_type(failure: BaseException) -> PluginError:
    """A message alone may not say what failed: ``SystemExit(3)`` is only ``3``."""
    return PluginError(f"{type(failure).__name__}: {failure}")


@contextlib.contextmanager
def _scratch(task: _Task) -> Iterator[Path]:
    """A folder for the files of one call; the next run removes it if this one is killed."""
    path = task.folder / f"asked-{secrets.token_hex(6)}"
    task.made.add(path.name)
    path.mkdir()
    try:
        yield path
    finally:
        task.made.remove(path.name)


@dataclass(frozen=True, slots=True)
class _Shot:
    """A span of the film as it goes to the engine."""

    span: Span
    key: str
    times: list[float]
    folder: Path

    @property
    def request(self) -> LipSyncRequest:
        """Its files."""
        return LipSyncRequest(
            *(self.folder / name for name in ("shot.mp4", "voice.wav", "out.mp4"))
        )


def _write_shot(
    task: _Task, span: Span, key: str, frames: Iterable[tuple[Any, float]], folder: Path
) -> _Shot:
    """Write the picture and the speech of a span."""
    import av.error

    video, audio = folder / "shot.mp4", folder / "voice.wav"
    try:
        shown = (
            face_clips.at_times(frames, span.times)
            if span.person
            else face_clips.at_rate(frames, task.rate)
        )
        cut = face_clips.cut_window(shown, span.window, span.size, task.picture)
        times = face_clips.write_clip(cut, span.size, task.rate, video)
    except av.error.FFmpegError as failure:
        # While writing: frames that cannot be read are skipped.
        why = OSError(failure.errno, failure.strerror)
        raise cannot_write(task.folder, why) from failure
    length = len(times) / task.rate
    samples = face_clips.read_speech(task.sound, times[0], times[0] + float(length))
    face_clips.write_speech(samples, length, audio)
    return _Shot(span, key, times, folder)


def _render(
    task: _Task, shots: Sequence[_Shot], report: Progress, patience: Patience
) -> list[RenderedClip | DubkitError]:
    """Have some shots redrawn in one call, and keep the clips; for those that failed, why."""
    requests = [shot.request for shot in shots]
    try:
        with guarded("", instead=_with_type):
            if len(requests) > 1:
                assert isinstance(task.engine, BatchLipSyncer)
                faults = [str(one) for one in task.engine.lipsync_all(requests, progress=report)]
                faults += ["it was left out"] * (len(requests) - len(faults))
            else:
                _call(task.engine, shots[0], report)
                faults = [""]
    except DubkitError as failure:
        return [failure] * len(requests)
    made: list[RenderedClip | DubkitError] = []
    for shot, fault in zip(shots, faults, strict=False):
        try:
            if fault:
                raise PluginError(fault, "")
            patience.answered()
            made.append(_keep(task, shot))
        except DubkitError as failure:
            made.append(failure)
    return made


def _call(engine: LipSyncer, shot: _Shot, report: Progress) -> None:
    """Have one shot redrawn, in the way that its span needs."""
    files, span = shot.request, shot.span
    paths = files.video, files.audio, files.out
    if not span.face:
        assert isinstance(engine, AvatarDrawer)
        engine.draw_avatar(*paths, progress=report)
    elif span.person:
        assert isinstance(engine, TrainedLipSyncer)
        engine.lipsync_crop(*paths, person=span.person, frames=span.frames, progress=report)
    else:
        engine.lipsync(*paths, progress=report)


def _keep(task: _Task, shot: _Shot) -> RenderedClip:
    """Check and keep what was rendered for a shot."""
    video, out = shot.request.video, shot.request.out
    with guarded("", instead=_with_type):
        if shot.span.face:
            color = face_clips.check_rendered(video, out, shot.span, shot.times)
        else:
            face_clips.check_avatar(out, float(len(shot.times) / task.rate))
            color = [0.0, 0.0, 0.0]
    part = shot.folder / "kept.json"
    task.made.add(f"{shot.key}.json", f"{shot.key}.mp4")
    part.write_text(json.dumps({"times": shot.times, "colour": color}), "utf-8")
    # The picture last: without it the span counts as unfinished.
    part.replace(task.folder / f"{shot.key}.json")
    kept = task.folder / f"{shot.key}.mp4"
    out.replace(kept)
    if not shot.span.face:
        return _placed(shot.span, kept, shot.times[0])
    return RenderedClip(shot.span, kept, task.rate, tuple(shot.times), tuple(color))
