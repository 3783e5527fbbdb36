"""Find the ffmpeg program, and say what it may open. :mod:`.process` runs it."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from dubkit.errors import MissingDependency
from dubkit.installed import verify_installed

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


def ffmpeg_path() -> str:
    """The ffmpeg to run: ``$DUBKIT_FFMPEG``, else the one on PATH, else imageio-ffmpeg's.

    Raises MissingDependency when none is found.
    """
    chosen = os.environ.get("DUBKIT_FFMPEG")
    if chosen:
        if found := shutil.which(chosen):
            return os.path.abspath(found)  # noqa: PTH100 - it runs in another folder
        raise MissingDependency(
            f"DUBKIT_FFMPEG names {chosen}, which is not an executable program.",
            "Set it to the full path of ffmpeg, or unset it to use the one that dubkit finds.",
        )
    if found := shutil.which("ffmpeg"):
        return found
    with contextlib.suppress(ImportError, RuntimeError):
        import imageio_ffmpeg

        program = str(imageio_ffmpeg.get_ffmpeg_exe())
        verify_installed("imageio-ffmpeg", Path(program))
        return program
    raise MissingDependency("ffmpeg was not found.", "pip install imageio-ffmpeg")


def file_url(path: Path) -> str:
    """``path`` as a URL that ffmpeg opens as a plain file, whatever the name looks like."""
    return f"file:{path.absolute()}"
