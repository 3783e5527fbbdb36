"""The loudness of a video's audio over time, for the timeline: a byte for each 20 ms.

``python -m dubkit.web.waveform FILE OUT`` computes it: a separate program, because an uploaded file
may be made to crash its reader. It is computed once for a video and kept beside it.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from dubkit.files import replacing
from dubkit.media import audio
from dubkit.media.probe import pick_audio, probe

from ..errors import DubkitError, InputError
from . import children
from .store import Video

PEAKS = ".peaks"
PEAKS_PER_SECOND = 50
FORM = audio.AudioFormat(8_000, "mono", "s16", audio.SPEECH.resampling)
TIMEOUT = 900.0
"""Seconds."""

_turn = threading.Lock()


def peaks(video: Video, stopped: threading.Event) -> Path:
    """The file of the peaks, computed now if it does not exist. Raises InputError if there is no
    audio that can be read, or if the server is ``stopped``, which does not wait for hours of it."""

    def go_on() -> None:
        if stopped.is_set():
            raise InputError("the server stops", "open the page again")

    path = video.folder / PEAKS
    source = video.source
    with _turn:  # one at a time: it keeps the whole machine busy
        if path.is_file():
            return path
        go_on()
        bounds = video.store.child_bounds(f"reading the sound of {source.name}")
        with replacing(path) as part:
            argv = ["dubkit.web.waveform", source.name, part.name]
            try:
                children.ask(argv, bounds, video.folder, TIMEOUT, go_on)
            except (TimeoutError, ValueError):
                hint = "the cues can be edited nevertheless"
                raise InputError("the audio cannot be read", hint) from None
    return path


def measure(path: Path) -> Iterator[bytes]:
    """The peaks of a file's first audio stream, 0 to 255 each, yielded while it is read, so that
    little of it is in memory at a time. Raises InputError if there is none."""
    import numpy as np

    found = probe(path)
    stream = pick_audio(found)
    each = FORM.rate // PEAKS_PER_SECOND
    left = np.zeros(0, np.int16)
    for block in audio.decode_audio(found, stream, FORM):
        left = np.concatenate([left, block[:, 0]])
        count = len(left) // each
        if count:
            loud = np.abs(left[: count * each].astype(np.int32)).reshape(count, each).max(axis=1)
            yield np.minimum(loud // 128, 255).astype(np.uint8).tobytes()
            left = left[count * each :]


def main(path: Path, out: Path) -> None:
    """Write the peaks of a file, and print how far it is now and then, and the result
    as a line of JSON."""
    try:
        with out.open("wb") as file:
            for block in measure(path):
                file.write(block)
                print(file.tell(), flush=True)
        print(json.dumps({"bytes": out.stat().st_size}))
    except DubkitError as failure:
        print(json.dumps({"error": failure.message, "hint": failure.hint}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
