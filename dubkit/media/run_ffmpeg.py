"""Run ffmpeg, and believe that it has done its work only when its output and its file show it.

FFmpeg 5.1 and older end with status 0 after ``Error writing trailer: No space left on device``, and
leave a file that does not play.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dubkit.errors import DubkitError, MediaError, MissingDependency
from dubkit.files import cannot_write

from . import process
from .ffmpeg import ffmpeg_path
from .integrity import Contents, flaw

LOW_DISK = 1 << 16
"""Bytes; if less is free, an incomplete file is put down to the full disk."""
_LOST = re.compile(
    r"Error (writing trailer|closing file|muxing a packet|submitting a packet to the muxer)"
    r"|av_interleaved_write_frame\(\)|Unable to re-open .* output file"
)
"""What ffmpeg says when something that it should write did not get into the file."""
_FULL = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT))
_INCAPABLE = re.compile("Unrecognized option|No such filter|Unknown encoder")


def run_ffmpeg(
    arguments: Sequence[str | Path],
    *,
    doing: str,
    out: Path | None = None,
    writes: Path | None = None,
    contents: Contents | None = None,
    on_line: Callable[[str], None] | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> process.Finished:
    """Run ffmpeg with ``arguments``; ``doing`` says for what, as in "write film.mkv".

    ``writes`` is the file that it is to write, which must be there and, with ``contents``, hold
    them; it will be called ``out``. The others are as for :func:`.process.run`. Raises OutputError
    when the disk is full, MissingDependency when this ffmpeg lacks a part or does not start,
    MediaError when anything else went wrong.
    """
    command = [ffmpeg_path(), "-hide_banner", "-nostdin", "-nostats", "-y", *arguments]
    try:
        finished = process.run(command, on_line=on_line, cwd=cwd, env=env, timeout=timeout)
    except OSError as error:
        raise MissingDependency(
            f"{command[0]} does not start: {error.strerror or error}.", "pip install imageio-ffmpeg"
        ) from error
    check_finished(finished, doing=doing, out=out)
    if writes:
        check_written(writes, contents, doing=doing, out=out, finished=finished)
    return finished


def check_finished(finished: process.Finished, *, doing: str, out: Path | None = None) -> None:
    """Raise as :func:`run_ffmpeg` if the status or the output of an ffmpeg shows a failure."""
    lost = next((line for line in finished.tail if _LOST.search(line)), "")
    if finished.status or lost:
        raise _failure(finished, doing, out, lost)


def check_written(
    path: Path,
    contents: Contents | None,
    *,
    doing: str,
    out: Path | None = None,
    finished: process.Finished | None = None,
) -> None:
    """Raise OutputError or MediaError, as :func:`run_ffmpeg`, unless ``path`` is whole."""
    wrong = flaw(path, contents)
    if not wrong:
        return
    if shutil.disk_usage(path.parent).free < LOW_DISK:
        raise cannot_write(out or path, OSError(errno.ENOSPC, ""))
    argv, tail = (finished.argv, finished.tail) if finished else ((), ())
    raise MediaError(
        f"Could not {doing}, though no error was reported: {wrong}.",
        "Free some space and run again; DUBKIT_FFMPEG may name another ffmpeg.",
        argv,
        tail,
    )


def _failure(finished: process.Finished, doing: str, out: Path | None, lost: str) -> DubkitError:
    if any(full in line for line in finished.tail for full in _FULL):
        full = OSError(errno.ENOSPC, "")
        return cannot_write(out or Path(tempfile.gettempdir()), full)
    if line := next((line for line in finished.tail if _INCAPABLE.search(line)), ""):
        return MissingDependency(
            f"{finished.argv[0]} is too old or was built without a part: {line}",
            "pip install imageio-ffmpeg, and unset DUBKIT_FFMPEG so that its ffmpeg is used.",
        )
    reason = lost or next((line for line in reversed(finished.tail) if "rror" in line), "")
    reason = reason or (finished.tail[-1] if finished.tail else "it gave no reason")
    reason = re.sub(r"^\[[^]]*] ", "", reason)  # without the name of the component
    how = f"status {finished.status}" if finished.status >= 0 else f"signal {-finished.status}"
    return MediaError(
        f"ffmpeg could not {doing} ({how}): {reason}",
        "Its last lines are in the log.",
        finished.argv,
        finished.tail,
    )
