"""The loudness of a video's sound over time, for the timeline: a byte for each 20 ms.

``python -m dubkit.web.waveform FILE OUT`` makes it: a program of its own, because what is uploaded
may be made to crash whatever reads it. It is made once for a video and kept beside it.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from dubkit.files import cannot_write
from dubkit.media import audio, process
from dubkit.media.probe import pick_audio, probe

from ..errors import DubkitError, InputError
from .store import PART, Video

PEAKS = ".peaks"
A_SECOND = 50
FORM = audio.AudioFormat(8_000, "mono", "s16", audio.SPEECH.resampling)
SECONDS = 900.0
"""That it may take."""

_turn = threading.Lock()


def peaks(video: Video) -> Path:
    """The file of the peaks, made now if it is not there. Raises InputError when there is no sound
    that can be read."""
    path = video.folder / PEAKS
    source = video.source
    with _turn:  # one at a time: it is work for the whole machine
        if path.is_file():
            return path
        part = path.with_name(f"{PEAKS}{PART}")
        lines: list[str] = []
        argv = [sys.executable, "-m", "dubkit.web.waveform", source.name, part.name]
        try:
            process.run(argv, on_line=lines.append, cwd=video.folder, timeout=SECONDS)
            told = json.loads(lines[-1])
            if "error" in told:
                raise InputError(str(told["error"]), str(told.get("hint", "")))
            part.replace(path)
        except (TimeoutError, ValueError, IndexError):
            hint = "the cues can be edited all the same"
            raise InputError("the sound cannot be read", hint) from None
        except OSError as failure:
            raise cannot_write(Path(PEAKS), failure) from failure
        finally:
            part.unlink(missing_ok=True)
    return path


def measured(path: Path) -> Iterator[bytes]:
    """The peaks of a file's first sound, 0 to 255 each, as it is read; little of it in memory at a
    time. Raises InputError when there is none."""
    import numpy as np

    found = probe(path)
    stream = pick_audio(found)
    each = FORM.rate // A_SECOND
    left = np.zeros(0, np.int16)
    for block in audio.decode_audio(found, stream, FORM):
        left = np.concatenate([left, block[:, 0]])
        count = len(left) // each
        if count:
            loud = np.abs(left[: count * each].astype(np.int32)).reshape(count, each).max(axis=1)
            yield np.minimum(loud // 128, 255).astype(np.uint8).tobytes()
            left = left[count * each :]


def main(path: Path, out: Path) -> None:
    """Write the peaks of a file and say so in a line of JSON."""
    try:
        with out.open("wb") as file:
            for some in measured(path):
                file.write(some)
        print(json.dumps({"bytes": out.stat().st_size}))
    except DubkitError as failure:
        print(json.dumps({"error": failure.message, "hint": failure.hint}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
