"""Crops of the people in a film, on which a lip-syncer can be trained, and where they are in it.

``dubkit faces`` writes them: one video a person, 512x512 at 25 frames a second with the sound of
the film, of every shot in which the face is seen, and a file that keeps which part of the film each
frame shows. By it, a frame that an engine draws by its number is laid into the film again.
"""

from __future__ import annotations

import bisect
import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubkit.errors import InputError, NothingDone, OutputError, UsageError
from dubkit.files import Made, cannot_write, read_json, replacing, sha256_of, write_json
from dubkit.hooks import Progress
from dubkit.types import Media

from . import encoding, face_clips, faces, tracks
from .encoding import PictureFormat
from .faces import Detection
from .frames import decode_frames
from .spans import SHORTEST, Span

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

FILE = "faces.json"
SIDE = 512
"""Pixels of a crop's sides ..."""
RATE = Fraction(25)
"""... and its frames a second: what GeneFace++ and its relatives learn from."""
HEADROOM = 2.4
"""Side of the part of the picture that is cut out, in heights of the face: head and shoulders."""
EYE_LEVEL = 0.45
"""Where the middle of the face is in it, down from its top, in sides."""
STEADY = 1.15
"""How much larger the part may become so that several shots from one place have the same."""
SHORTEST_SHOT = 1.0
"""Seconds for which a face must be seen."""
ALIKE = (0.5, 0.75)
"""Correlation of two faces from which they are one person's: at the same place in the picture, and
anywhere."""
_LOOKS = 5
"""Pictures of each face that are compared."""
_LARGEST = 64 * 2**20
"""Bytes of the file, at most: about 12 hours of faces."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A part of a crop that shows one part of the film."""

    first: int
    """The number of its first frame in the crop."""
    times: tuple[float, ...]
    """For each of its frames, the second in the film of the frame that it shows."""
    end: float
    """The second in the film at which it ends."""
    window: tuple[int, int, int, int]
    """The part cut out of the upright picture: left, top, width, height; all even."""
    face: tuple[Detection, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """The crop of one person; its file is called ``name.mp4``."""

    name: str
    shots: tuple[Shot, ...]

    @property
    def frames(self) -> int:
        """Of the whole crop."""
        return sum(len(shot.times) for shot in self.shots)

    @property
    def seconds(self) -> float:
        """Of the whole crop."""
        return float(self.frames / RATE)

    @property
    def height(self) -> float:
        """The median of the face's height in the film, in pixels."""
        heights = sorted(one.height for shot in self.shots for one in shot.face)
        return heights[len(heights) // 2]


# ---------------------------------------------------------------- writing them


@dataclass(frozen=True, slots=True)
class _Track:
    """A face in one shot, before it is known whose it is."""

    start: float
    end: float
    face: tuple[Detection, ...]


def write(film: Media, folder: Path, progress: Progress) -> list[Person]:
    """Write the crop of each person in ``film`` to ``folder``, and :data:`FILE`; returns them, the
    one seen longest first.

    Raises MissingDependency without the face detector, InputError for a film without a picture,
    NothingDone if no face is seen, OutputError if nothing can be written or a file there is not
    of an earlier call.
    """
    faces.check()
    if not film.video:
        raise InputError(f"{film.path} has no picture.", "Name a film.")
    picture = encoding.picture_format(film)
    source = sha256_of(film.path)
    found = sorted(_find(film, progress), key=lambda one: one.start)
    groups = _by_person(found, _looks(film, picture, found))
    if not groups:
        raise NothingDone(
            f"{film.path.name} shows no face of {tracks.SMALLEST} pixels or more for "
            f"{SHORTEST_SHOT:g} s",
            "a person must be seen to be learned",
        )
    stem = re.sub(r"\W+", "_", film.path.stem).strip("_") or "film"
    names = [f"{stem}_{number}" for number in range(1, len(groups) + 1)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        made = Made(folder)
        for file in (FILE, *(f"{name}.mp4" for name in names)):
            if (folder / file).exists() and file not in made:
                raise OutputError(f"{folder / file} is not of dubkit", "choose another folder")
            made.add(file)
        total = sum(one.end - one.start for group in groups for one in group)
        people = []
        done = 0.0
        for name, group in zip(names, groups, strict=True):
            with replacing(folder / f"{name}.mp4") as part:

                def report(now: float, before: float = done) -> None:
                    progress("crops", min(before + now, total), total)

                people.append(Person(name, _write_crop(film, picture, group, part, report)))
            done += sum(one.end - one.start for one in group)
        whole = {
            "film": source,
            "file": film.path.name,
            "people": [dataclasses.asdict(person) for person in people],
        }
        with replacing(folder / FILE) as part:
            write_json(part, whole)
    except OSError as failure:
        raise cannot_write(folder, failure) from failure
    return people


def _find(film: Media, progress: Progress) -> Iterator[_Track]:
    """The faces of the film that are seen for long enough."""
    for shot in tracks.find_shots(film, [(0.0, film.duration or 1e9)], progress):
        for whole in shot.faces:
            for part in tracks.split_at_gaps(whole):
                # Between its last detection and a cut there may be some frames more.
                end = min(shot.end, part[-1].time + 1 / tracks.RATE)
                if end - part[0].time >= SHORTEST_SHOT:
                    yield _Track(part[0].time, end, tracks.smooth(part))


def _write_crop(
    film: Media,
    picture: PictureFormat,
    group: Sequence[_Track],
    path: Path,
    report: Callable[[float], None],
) -> tuple[Shot, ...]:
    windows = _windows(group, picture.shape.size)
    counts: list[int] = []

    def frames() -> Iterator[tuple[VideoFrame, float]]:
        done = 0.0
        for one, window in zip(group, windows, strict=True):
            shown = face_clips.at_rate(decode_frames(film, [(one.start, one.end)]), RATE)
            counts.append(0)
            for cut, time in face_clips.cut_window(shown, window, (SIDE, SIDE), picture):
                counts[-1] += 1
                report(done + time - one.start)
                yield cut, time
            done += one.end - one.start

    def sound() -> NDArray[Any]:
        import numpy as np

        lengths = [float(count / RATE) for count in counts]
        parts = [
            face_clips.read_speech(film.path, one.start, one.start + length)
            if film.audio
            else np.zeros(round(length * face_clips.RATE), np.int16)
            for one, length in zip(group, lengths, strict=True)
        ]
        return np.concatenate(parts)

    times = face_clips.write_clip(frames(), (SIDE, SIDE), RATE, path, sound)
    shots = []
    first = 0
    for one, window, count in zip(group, windows, counts, strict=True):
        mine = tuple(times[first : first + count])
        shots.append(Shot(first, mine, one.end, window, one.face))
        first += count
    return tuple(shot for shot in shots if shot.times)


def _windows(group: Sequence[_Track], size: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """The part of the picture to cut out for each track. Shots from one place get the same, since a
    trained engine learns one background."""
    places: list[list[int]] = []
    for number, one in enumerate(group):
        for place in places:
            joint = _window([group[k].face for k in (*place, number)], size)[2]
            apart = [_window([group[k].face for k in place], size), _window([one.face], size)]
            if joint <= STEADY * min(window[2] for window in apart):
                place.append(number)
                break
        else:
            places.append([number])
    windows = {
        number: _window([group[k].face for k in place], size)
        for place in places
        for number in place
    }
    return [windows[number] for number in range(len(group))]


def _window(
    tracks_of: Sequence[tuple[Detection, ...]], size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """A square part of the picture around all positions of a face."""
    boxes = [one.box for face in tracks_of for one in face]
    left, top = (min(box[side] for box in boxes) for side in (0, 1))
    right, bottom = (max(box[side] for box in boxes) for side in (2, 3))
    tall = max(box[3] - box[1] for box in boxes)
    side = max(HEADROOM * tall, 1.3 * (right - left), 1.3 * (bottom - top))
    side = min(int(side) // 2 * 2, *(most // 2 * 2 for most in size))
    corner = (left + right) / 2 - side / 2, (top + bottom) / 2 - EYE_LEVEL * side
    x, y = (
        max(0, min(int(at) // 2 * 2, (most - side) // 2 * 2))
        for at, most in zip(corner, size, strict=True)
    )
    return x, y, side, side


# ---------------------------------------------------------------- who is who


def _looks(film: Media, picture: PictureFormat, found: Sequence[_Track]) -> list[NDArray[Any]]:
    """What each face looks like: brightness around eyes, nose and mouth, a mean of several
    pictures, shape (24, 24), mean 0 and length 1."""
    import numpy as np

    chosen = sorted(
        (face[min(len(face) - 1, (2 * k + 1) * len(face) // (2 * _LOOKS))].time, number)
        for number, face in enumerate(one.face for one in found)
        for k in range(_LOOKS)
    )
    times = sorted({time for time, _ in chosen})
    sums = [np.zeros((24, 24)) for _ in found]
    for frame, time in decode_frames(film, [(time - 1e-4, time + 1e-4) for time in times]):
        rows = encoding.planes(picture.prepare(frame))[0]
        for at, number in chosen:
            if abs(at - time) < 1e-3:
                sums[number] += _look(rows, tracks.position_at(found[number].face, at))
    return [one / max(float(np.linalg.norm(one)), 1e-9) for one in sums]


def _look(rows: NDArray[Any], one: Detection) -> NDArray[Any]:
    import numpy as np

    down = np.subtract(one.mouth, one.eyes)
    across = np.array([down[1], -down[0]])
    y, x = np.indices((24, 24)) / 11.5 - 1
    places = np.add(one.eyes, 0.5 * down)
    places = places + 1.3 * (x[..., None] * across + y[..., None] * down)
    column, row = np.rint(places).astype(int).transpose(2, 0, 1)
    high, wide = rows.shape
    patch = rows[row.clip(0, high - 1), column.clip(0, wide - 1)].astype(float)
    patch -= patch.mean()
    return np.asarray(patch / max(float(np.linalg.norm(patch)), 1e-9))


def _by_person(found: Sequence[_Track], looks: Sequence[NDArray[Any]]) -> list[list[_Track]]:
    """The tracks of each person in order of time, the person seen longest first. Whoever cannot be
    recognized with confidence is another person: two crops of one are better than one of two."""
    groups: list[list[int]] = []
    for number, one in enumerate(found):
        alike = [
            (max(_likeness(found, looks, number, other) for other in group), group)
            for group in groups
            # Nobody is in two places at once.
            if all(found[other].end <= one.start + 1e-6 for other in group)
        ]
        best, group = max(alike, key=lambda pair: pair[0], default=(0.0, []))
        if best > 0:
            group.append(number)
        else:
            groups.append([number])
    people = [[found[number] for number in group] for group in groups]
    return sorted(people, key=lambda group: -sum(one.end - one.start for one in group))


def _likeness(
    found: Sequence[_Track], looks: Sequence[NDArray[Any]], one: int, other: int
) -> float:
    """How alike two faces are; 0 if not enough to be one person's."""
    likeness = float((looks[one] * looks[other]).sum())
    boxes = found[one].face[0].box, found[other].face[-1].box
    same_place = faces.overlap(*boxes) > faces.SAME_FACE
    return likeness if likeness >= ALIKE[not same_place] else 0.0


# ---------------------------------------------------------------- reading and using them


def load(folder: Path, film: Path) -> list[Person]:
    """The crops that :func:`write` wrote of a film; UsageError if there are none."""
    hint = f"dubkit faces {film.name} -o {folder}"
    try:
        read = read_json(folder / FILE, _LARGEST)
        people = [_person(one) for one in read["people"]]
        source = str(read["film"])
    except FileNotFoundError:
        raise UsageError(f"there is no {FILE} in {folder}", hint) from None
    except (OSError, ValueError, LookupError, TypeError, OverflowError) as fault:
        raise UsageError(f"{folder / FILE} cannot be used: {fault}", hint) from None
    if source != sha256_of(film):
        raise UsageError(f"{folder / FILE} is of another film", hint)
    return people


def _person(read: Any) -> Person:
    name = str(read["name"])
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(f"{name!r} is not the name of a file")
    shots = []
    for one in read["shots"]:
        left, top, width, height = (int(side) for side in one["window"])
        if (
            min(left, top) < 0
            or min(width, height) < 2
            or any(side % 2 for side in (left, top, width, height))
        ):
            raise ValueError(f"the window {one['window']} is not in the picture")
        shots.append(
            Shot(
                int(one["first"]),
                tuple(float(time) for time in one["times"]),
                float(one["end"]),
                (left, top, width, height),
                tuple(faces.detection_from(**face) for face in one["face"]),
            )
        )
    if not all(shot.times and shot.face for shot in shots):
        raise ValueError(f"{name} has an empty shot")
    return Person(name, tuple(shots))


def fit(
    spans: Sequence[Span], people: Sequence[Person], knows: Callable[[str], bool]
) -> tuple[list[Span], list[tuple[float, float, str]]]:
    """The parts of ``spans`` that crops show of people whom an engine knows, each with the frames
    of its crop; and those that stay as they are, with the reason."""
    fitted: list[Span] = []
    left: list[tuple[float, float, str]] = []
    for span in spans:
        rest = span.start
        for person, shot in _shots_of(span, people):
            if not knows(person.name):
                left.append((span.start, span.end, f"it was not trained on {person.name}"))
                rest = span.end
                break
            start, end = max(rest, shot.times[0]), min(span.end, shot.end)
            first, last = (bisect.bisect_left(shot.times, at - 1e-4) for at in (start, end))
            if last - first < SHORTEST * RATE:
                continue
            if start - rest >= SHORTEST:
                left.append((rest, start, "no crop shows it"))
            fitted.append(
                dataclasses.replace(
                    span,
                    start=start,
                    end=end,
                    window=shot.window,
                    size=(SIDE, SIDE),
                    fades_in=span.fades_in or start > span.start + 0.001,
                    fades_out=span.fades_out or end < span.end - 0.001,
                    person=person.name,
                    frames=range(shot.first + first, shot.first + last),
                    times=shot.times[first:last],
                )
            )
            rest = end
        if span.end - rest >= SHORTEST:
            left.append((rest, span.end, "no crop shows it"))
    return fitted, left


def _shots_of(span: Span, people: Sequence[Person]) -> list[tuple[Person, Shot]]:
    """The parts of crops that show a span's face, in order of time."""
    found = []
    for person in people:
        for shot in person.shots:
            start, end = max(span.start, shot.times[0]), min(span.end, shot.end)
            if end <= start:
                continue
            middle = (start + end) / 2
            boxes = (tracks.position_at(face, middle).box for face in (span.face, shot.face))
            if faces.overlap(*boxes) > faces.SAME_FACE:
                found.append((person, shot))
    return sorted(found, key=lambda one: one[1].times[0])
