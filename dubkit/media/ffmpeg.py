"""Find the ffmpeg program, and say what it may open. :mod:`.run_ffmpeg` runs it."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from dubkit.errors import MissingDependency
from dubkit.installed import verify_installed

from . import process

log = logging.getLogger("dubkit")

DEMUXERS = (
    "mov,matroska,avi,flv,live_flv,kux,mpegts,mpeg,asf,asf_o,ogg,mxf,gxf,nut,rm,ivr,wtv,dv,nsv,"
    "nuv,wav,w64,aiff,caf,mp3,aac,loas,flac,ac3,eac3,ac4,amr,amrnb,amrwb,ape,wv,tta,dts,dtshd,"
    "truehd,mlp,mpc,mpc8,au,voc,tak,oma,dsf,iff,h263,h264,hevc,vvc,av1,obu,ivf,mpegvideo,m4v,"
    "vc1,dirac,mjpeg,yuv4mpegpipe,ty,pva,lxf,mlv,r3d,smk,bink,roq,mm,film_cpk,4xm,swf"
)
"""The demuxers that read one file and never open a second. Left out on purpose, because they
follow names found in the file: concat, hls, dash, imf, sdp, rtsp, rtp, sap, image2 and its kin,
vobsub, webm_dash_manifest, avisynth, vapoursynth, lavfi, bluray and dvdvideo. (mov does so only
with ``enable_drefs``, which stays off.)"""


OLDEST = (61, 7)
"""Version of libavformat, that of FFmpeg 7.1, from which on results are as promised. 6.0 and 7.0
crash on MPEG-TS; older ones do not write into Matroska and WebM how much of the sound is an
encoder's pre-roll, and in WebM put the sound too early by that."""
PARTS = ("libass", "libx264", "libx265", "libvpx", "libopus")
"""The libraries that burning, and muxing into WebM, need ffmpeg to be built with."""


@dataclass(frozen=True, slots=True)
class Program:
    """An ffmpeg on this machine."""

    path: str
    version: str
    """As it calls itself: ``5.1.9-0+deb12u1``."""
    problem: str
    """Why its results may be wrong or it may fail, for people; empty if it is as it should be."""


def ffmpeg_path() -> str:
    """The path of :func:`find_ffmpeg`'s program. Raises as that does."""
    return find_ffmpeg().path


def find_ffmpeg() -> Program:
    """The ffmpeg to run: ``$DUBKIT_FFMPEG``; else the bundled one, of imageio-ffmpeg, or the one on
    PATH, whichever has no problem.

    The bundled one comes first because with it the same input gives the same result on every
    machine. Raises MissingDependency when there is none, or ``$DUBKIT_FFMPEG`` is none.
    """
    return _find(os.environ.get("DUBKIT_FFMPEG", ""), os.environ.get("PATH", ""))


@functools.cache
def _find(chosen: str, _path: str) -> Program:
    program = _chosen(chosen) if chosen else _best()
    log.debug("ffmpeg %s: %s", program.version, program.path)
    if program.problem:
        log.warning("%s %s", program.path, program.problem)
    return program


def _chosen(name: str) -> Program:
    hint = "Set it to the full path of ffmpeg, or unset it to use the one that dubkit finds."
    path = shutil.which(name)
    if not path:
        raise MissingDependency(
            f"DUBKIT_FFMPEG names {name}, which is not an executable program.", hint
        )
    program = inspect_ffmpeg(path)
    if not program:
        raise MissingDependency(
            f"DUBKIT_FFMPEG names {name}, which is not ffmpeg: {name} -version does not say so.",
            hint,
        )
    return program


def _best() -> Program:
    """The first ffmpeg without a problem, else the first."""
    first: Program | None = None
    for name in filter(None, (_bundled(), "ffmpeg")):
        path = shutil.which(name)
        program = inspect_ffmpeg(path) if path else None
        if program and not program.problem:
            return program
        first = first or program
    if not first:
        raise MissingDependency("ffmpeg was not found.", "pip install imageio-ffmpeg")
    return first


def _bundled() -> str:
    with contextlib.suppress(ImportError, RuntimeError):
        import imageio_ffmpeg

        program = str(imageio_ffmpeg.get_ffmpeg_exe())
        verify_installed("imageio-ffmpeg", Path(program))
        return program
    return ""


def inspect_ffmpeg(path: str) -> Program | None:
    """What the program at ``path`` is, by its ``-version``; None if that is no ffmpeg."""
    path = os.path.abspath(path)  # noqa: PTH100 - it runs in another folder
    lines: list[str] = []
    try:
        process.run([path, "-version"], on_line=lines.append, timeout=60)
    except (OSError, TimeoutError):
        return None
    text = "\n".join(lines)
    version = re.search(r"^ffmpeg version (\S+)", text)
    library = re.search(r"^libavformat +(\d+)\. *(\d+)\.", text, re.MULTILINE)
    if not version or not library:
        return None
    lacking = [part for part in PARTS if f"--enable-{part} " not in f"{text} ".replace("\n", " ")]
    problems = []
    if (int(library[1]), int(library[2])) < OLDEST:
        problems.append("is older than FFmpeg 7.1: .ts may fail, and sound in .webm be off")
    if lacking:
        problems.append(f"was built without {', '.join(lacking)}: --burn or .webm may fail")
    return Program(path, version[1], "; it ".join(problems))


def file_url(path: Path) -> str:
    """``path`` as a URL that ffmpeg opens as a plain file, whatever the name looks like."""
    return f"file:{path.absolute()}"
