"""Follow the faces in each shot from frame to frame, and choose the one that speaks."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dubkit.hooks import Progress
from dubkit.types import Media

from . import frames
from .faces import SAME_FACE, Detection, detector, overlap

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = 6.0
"""Detections a second of film; between them a face's position is interpolated linearly."""
SMALLEST = 48
"""Pixels of a face's height in the film below which no engine renders a mouth well."""
GAP = 1.0
"""Seconds for which a face may be hidden and still be followed."""
STILL = 0.02
"""Apparent movement of a mouth that does not speak, from camera, light and grain."""
SWITCH_RATIO = 1.5
"""How much higher another face must score, in a part of a shot, to be taken for the speaker instead
of the one that scores highest in the whole shot."""


@dataclass(frozen=True, slots=True)
class Shot:
    """The time from one cut to the next, and the faces in it."""

    start: float
    end: float
    faces: tuple[tuple[Detection, ...], ...] = ()
    """Each face's detections, in order of time."""


# ---------------------------------------------------------------- following them


@dataclass(slots=True)
class _FaceTrack:
    """A face while its shot is read."""

    detections: list[Detection]
    patches: tuple[NDArray[Any], NDArray[Any]]
    """Mouth and nose in the last detection."""


@dataclass(slots=True)
class _OpenShot:
    """A shot while it is read."""

    start: float
    faces: list[_FaceTrack] = field(default_factory=list)


def find_shots(
    film: Media, spans: Sequence[tuple[float, float]], progress: Progress
) -> Iterator[Shot]:
    """The shots of the film, and the faces in them at the times of ``spans``."""
    detect = detector()
    shot: _OpenShot | None = None
    shape = None
    end = reported = 0.0
    slot = -1
    waiting = list(spans)
    for frame, time, cut in frames.detect_cuts(film):
        if shape is None:
            shape = frames.shape_of(film, next(frames.decode_frames(film))[0])
        if shot is None or cut:
            if shot:
                yield _close(shot, time)
            shot, slot = _OpenShot(time), -1
        end = time
        while waiting and waiting[0][1] < time:
            waiting.pop(0)
        # A fixed grid, so that another dub detects faces at the same times.
        if waiting and waiting[0][0] <= time and int(time * RATE) != slot:
            slot = int(time * RATE)
            rows = shape.turn(frame.reformat(format="rgb24").to_ndarray())
            _extend(shot.faces, detect(rows), rows, time, shape.size[0] / rows.shape[1])
        if time - reported >= 1:
            reported = time
            progress("faces", min(time, film.duration or time), film.duration)
    progress("faces", film.duration, film.duration)
    if shot:
        yield _close(shot, math.nextafter(end, math.inf))


def _extend(
    faces: list[_FaceTrack],
    found: Sequence[Detection],
    rows: NDArray[Any],
    time: float,
    scale: float,
) -> None:
    """Add detections to the faces that they belong to, the best match first."""
    gray = rows[..., 1]
    pairs = [
        (overlap(face.detections[-1].box, _scale(one, scale, time).box), one, face)
        for face in faces
        for one in found
    ]
    taken: set[int] = set()
    for share, one, face in sorted(pairs, key=lambda pair: -pair[0]):
        if share < SAME_FACE or {id(one), id(face)} & taken:
            continue
        taken |= {id(one), id(face)}
        patches = _patches(gray, one)
        moves = [
            float(abs(now - before).mean())
            for now, before in zip(patches, face.patches, strict=True)
        ]
        recent = time - face.detections[-1].time <= GAP
        moved = max(0.0, moves[0] - moves[1]) * recent
        face.detections.append(_scale(one, scale, time, moved))
        face.patches = patches
    for one in found:
        if id(one) not in taken:
            faces.append(_FaceTrack([_scale(one, scale, time)], _patches(gray, one)))


def _scale(one: Detection, scale: float, time: float, moved: float = 0.0) -> Detection:
    left, top, right, bottom = (side * scale for side in one.box)
    eyes, mouth = ((x * scale, y * scale) for x, y in (one.eyes, one.mouth))
    return Detection(time, (left, top, right, bottom), eyes, mouth, moved)


def _patches(gray: NDArray[Any], one: Detection) -> tuple[NDArray[Any], NDArray[Any]]:
    """The mouth, and the nose above it, each as 16x16 samples with brightness normalized."""
    import numpy as np

    down = np.subtract(one.mouth, one.eyes)
    across = np.array([down[1], -down[0]])
    y, x = (np.indices((16, 16)) / 7.5 - 1) * 0.45
    cut = []
    for middle in (1.05, 0.4):
        at = np.add(one.eyes, middle * down)
        places = at + x[..., None] * across + y[..., None] * down
        column, row = np.rint(places).astype(int).transpose(2, 0, 1)
        high, wide = gray.shape
        patch = gray[row.clip(0, high - 1), column.clip(0, wide - 1)].astype(np.float32)
        cut.append((patch - patch.mean()) / (patch.std() + 8))
    return cut[0], cut[1]


def _close(shot: _OpenShot, end: float) -> Shot:
    """The finished shot, without faces that are small or were detected only once."""
    faces = [
        tuple(face.detections)
        for face in shot.faces
        if len(face.detections) > 1 and _median([one.height for one in face.detections]) >= SMALLEST
    ]
    return Shot(shot.start, end, tuple(faces))


def _median(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


# ---------------------------------------------------------------- who speaks


def speaking_face(
    shot: Shot, span: tuple[float, float], speech: Sequence[tuple[float, float]]
) -> tuple[Detection, ...]:
    """The face that speaks in a part of a shot; empty if there is none.

    The score is the product of a face's size, how often it is visible, and how much its mouth moves
    during ``speech``. The face with the highest score in the whole shot is kept unless another
    clearly scores higher in this part.
    """
    speaking = [
        (max(a, span[0]), min(b, span[1])) for a, b in speech if a < span[1] and b > span[0]
    ]
    here = [(_score(face, [span], speaking or [span]), face) for face in shot.faces]
    here = [(score, face) for score, face in here if score > 0]
    if not here:
        return ()
    best, best_face = max(here, key=lambda one: one[0])
    whole = [(shot.start, shot.end)]
    of_shot = max(shot.faces, key=lambda face: _score(face, whole, list(speech) or whole))
    for score, face in here:
        if face is of_shot and score * SWITCH_RATIO >= best:
            return face
    return best_face


def _score(
    face: Sequence[Detection],
    spans: Sequence[tuple[float, float]],
    speaking: Sequence[tuple[float, float]],
) -> float:
    inside = [one for one in face if any(start <= one.time <= end for start, end in spans)]
    if not inside:
        return 0.0
    movements = [one.moved for one in inside if any(a <= one.time <= b for a, b in speaking)]
    movement = sum(movements) / len(movements) if movements else 0.0
    size = _median([one.height for one in inside])
    return size * len(inside) * (STILL + movement)


# ---------------------------------------------------------------- position at any time


def split_at_gaps(face: Sequence[Detection]) -> Iterator[tuple[Detection, ...]]:
    """The parts of a track in which the face is not hidden for long."""
    part: list[Detection] = []
    for one in face:
        if part and one.time - part[-1].time > GAP:
            yield tuple(part)
            part = []
        part.append(one)
    if part:
        yield tuple(part)


def smooth(face: Sequence[Detection]) -> tuple[Detection, ...]:
    """The track without jitter: each position a weighted mean of five."""
    import numpy as np

    rows = np.array([[*one.box, *one.eyes, *one.mouth] for one in face])
    if len(rows) < 3:
        return tuple(face)
    # The track is extrapolated beyond its ends, or these would be pulled inwards.
    ends = 2 * rows[0] - rows[2:0:-1], 2 * rows[-1] - rows[-2:-4:-1]
    longer = np.concatenate([ends[0], rows, ends[1]])
    weights = np.array([1, 4, 6, 4, 1]) / 16
    means = [sum(w * longer[n + k] for k, w in enumerate(weights)) for n in range(len(rows))]
    return tuple(_detection(one.time, row, one.moved) for one, row in zip(face, means, strict=True))


def position_at(face: Sequence[Detection], time: float) -> Detection:
    """Where the face is at a time, interpolated; outside the track, its first or last position."""
    after = bisect.bisect_left(face, time, key=lambda one: one.time)
    if after == 0 or after == len(face):
        return face[min(after, len(face) - 1)]
    one, other = face[after - 1], face[after]
    share = (time - one.time) / (other.time - one.time)
    pairs = zip(
        (*one.box, *one.eyes, *one.mouth), (*other.box, *other.eyes, *other.mouth), strict=True
    )
    return _detection(time, [a + share * (b - a) for a, b in pairs], other.moved)


def _detection(time: float, numbers: Any, moved: float) -> Detection:
    a, b, c, d, e, f, g, h = (round(float(number), 3) for number in numbers)
    return Detection(time, (a, b, c, d), (e, f), (g, h), moved)
