"""Whose mouth is to be redrawn: the faces of each shot, followed from frame to frame."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dubkit.hooks import Progress
from dubkit.types import Media

from . import frames
from .faces import SAME, Seen, detector, overlap

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = 6.0
"""Looks at the film a second; between them a face is where a straight line puts it."""
SMALLEST = 48
"""Pixels of a face's height in the film under which no tool draws a mouth well."""
GAP = 1.0
"""Seconds for which a face may be hidden and is still followed."""
STILL = 0.02
"""Movement of a mouth that does not speak: of cameras, light and grain."""
FAVOUR = 1.5
"""How much more another face must have to itself, in a part of a shot, to be taken for the
speaker instead of the one that is in the shot as a whole."""


@dataclass(frozen=True, slots=True)
class Shot:
    """From one cut to the next, and who is to be seen."""

    start: float
    end: float
    faces: tuple[tuple[Seen, ...], ...] = ()
    """Each face through its times."""


# ---------------------------------------------------------------- following them


@dataclass(slots=True)
class _Followed:
    """A face while its shot is read."""

    seen: list[Seen]
    patches: tuple[NDArray[Any], NDArray[Any]]
    """Mouth and nose, as they were last seen."""


@dataclass(slots=True)
class _Open:
    """A shot while it is read."""

    start: float
    faces: list[_Followed] = field(default_factory=list)


def look(film: Media, spans: Sequence[tuple[float, float]], progress: Progress) -> Iterator[Shot]:
    """The shots of the film, and the faces in them at the times of ``spans``."""
    detect = detector()
    shot: _Open | None = None
    shape = None
    end = told = 0.0
    slot = -1
    waiting = list(spans)
    for frame, time, cut in frames.looked_through(film):
        if shape is None:
            shape = frames.shape_of(film, next(frames.pictures(film))[0])
        if shot is None or cut:
            if shot:
                yield _closed(shot, time)
            shot, slot = _Open(time), -1
        end = time
        while waiting and waiting[0][1] < time:
            waiting.pop(0)
        # A grid of the film's own, so that another dub finds the faces at the same times.
        if waiting and waiting[0][0] <= time and int(time * RATE) != slot:
            slot = int(time * RATE)
            rows = shape.turn(frame.reformat(format="rgb24").to_ndarray())
            _follow(shot.faces, detect(rows), rows, time, shape.size[0] / rows.shape[1])
        if time - told >= 1:
            told = time
            progress("faces", min(time, film.duration or time), film.duration)
    progress("faces", film.duration, film.duration)
    if shot:
        yield _closed(shot, math.nextafter(end, math.inf))


def _follow(
    faces: list[_Followed], found: Sequence[Seen], rows: NDArray[Any], time: float, scale: float
) -> None:
    """Add what is found to the face that it is of, the best match first."""
    gray = rows[..., 1]
    pairs = [
        (overlap(face.seen[-1].box, _scaled(one, scale, time).box), one, face)
        for face in faces
        for one in found
    ]
    taken: set[int] = set()
    for share, one, face in sorted(pairs, key=lambda pair: -pair[0]):
        if share < SAME or {id(one), id(face)} & taken:
            continue
        taken |= {id(one), id(face)}
        patches = _patches(gray, one)
        moves = [
            float(abs(now - before).mean())
            for now, before in zip(patches, face.patches, strict=True)
        ]
        known = time - face.seen[-1].time <= GAP
        face.seen.append(_scaled(one, scale, time, max(0.0, moves[0] - moves[1]) * known))
        face.patches = patches
    for one in found:
        if id(one) not in taken:
            faces.append(_Followed([_scaled(one, scale, time)], _patches(gray, one)))


def _scaled(one: Seen, scale: float, time: float, moved: float = 0.0) -> Seen:
    left, top, right, bottom = (side * scale for side in one.box)
    eyes, mouth = ((x * scale, y * scale) for x, y in (one.eyes, one.mouth))
    return Seen(time, (left, top, right, bottom), eyes, mouth, moved)


def _patches(gray: NDArray[Any], one: Seen) -> tuple[NDArray[Any], NDArray[Any]]:
    """The mouth, and the nose above it, each as 16x16 samples of no brightness of its own."""
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


def _closed(shot: _Open, end: float) -> Shot:
    """Small ones and those that were hardly there are left out."""
    faces = [
        tuple(face.seen)
        for face in shot.faces
        if len(face.seen) > 1 and _median([one.height for one in face.seen]) >= SMALLEST
    ]
    return Shot(shot.start, end, tuple(faces))


def _median(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


# ---------------------------------------------------------------- who speaks


def speaker(
    shot: Shot, span: tuple[float, float], speech: Sequence[tuple[float, float]]
) -> tuple[Seen, ...]:
    """The face that speaks in a part of a shot; empty where there is none.

    It is the largest and most to be seen whose mouth moves, while somebody speaks: the three are
    multiplied. The shot's own speaker is left only for a face that has clearly more of it.
    """
    spoken = [(max(a, span[0]), min(b, span[1])) for a, b in speech if a < span[1] and b > span[0]]
    here = [(_presence(face, [span], spoken or [span]), face) for face in shot.faces]
    here = [(score, face) for score, face in here if score > 0]
    if not here:
        return ()
    best, chosen = max(here, key=lambda one: one[0])
    whole = [(shot.start, shot.end)]
    of_all = max(shot.faces, key=lambda face: _presence(face, whole, list(speech) or whole))
    for score, face in here:
        if face is of_all and score * FAVOUR >= best:
            return face
    return chosen


def _presence(
    face: Sequence[Seen],
    spans: Sequence[tuple[float, float]],
    spoken: Sequence[tuple[float, float]],
) -> float:
    inside = [one for one in face if any(start <= one.time <= end for start, end in spans)]
    if not inside:
        return 0.0
    talking = [one.moved for one in inside if any(a <= one.time <= b for a, b in spoken)]
    movement = sum(talking) / len(talking) if talking else 0.0
    size = _median([one.height for one in inside])
    return size * len(inside) * (STILL + movement)


# ---------------------------------------------------------------- where it is, at any time


def stretches(face: Sequence[Seen]) -> Iterator[tuple[Seen, ...]]:
    """The parts of a face's way in which it is not hidden for long."""
    part: list[Seen] = []
    for one in face:
        if part and one.time - part[-1].time > GAP:
            yield tuple(part)
            part = []
        part.append(one)
    if part:
        yield tuple(part)


def smoothed(face: Sequence[Seen]) -> tuple[Seen, ...]:
    """The way without its trembling: each place the mean of five, the middle one weighing most."""
    import numpy as np

    rows = np.array([[*one.box, *one.eyes, *one.mouth] for one in face])
    if len(rows) < 3:
        return tuple(face)
    # It goes on beyond its ends as it came, or they would be drawn inwards.
    ends = 2 * rows[0] - rows[2:0:-1], 2 * rows[-1] - rows[-2:-4:-1]
    longer = np.concatenate([ends[0], rows, ends[1]])
    weights = np.array([1, 4, 6, 4, 1]) / 16
    even = [sum(w * longer[n + k] for k, w in enumerate(weights)) for n in range(len(rows))]
    return tuple(_from(one.time, row, one.moved) for one, row in zip(face, even, strict=True))


def place(face: Sequence[Seen], time: float) -> Seen:
    """Where the face is; before its first time, and after its last, where it was then."""
    after = bisect.bisect_left(face, time, key=lambda one: one.time)
    if after == 0 or after == len(face):
        return face[min(after, len(face) - 1)]
    one, other = face[after - 1], face[after]
    share = (time - one.time) / (other.time - one.time)
    ways = zip(
        (*one.box, *one.eyes, *one.mouth), (*other.box, *other.eyes, *other.mouth), strict=True
    )
    return _from(time, [a + share * (b - a) for a, b in ways], other.moved)


def _from(time: float, numbers: Any, moved: float) -> Seen:
    a, b, c, d, e, f, g, h = (round(float(number), 3) for number in numbers)
    return Seen(time, (a, b, c, d), (e, f), (g, h), moved)
