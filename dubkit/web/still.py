"""One frame of a film with a subtitle drawn on it as it would be burned: by ffmpeg and libass, with
the style and the sizes that the command would use.

``python -m dubkit.web.still FILE`` draws it: a separate program, because an uploaded file may be
made to crash its reader. It reads what to draw as JSON from ``.still.json`` where it runs.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

from dubkit import subtitles
from dubkit.media import picture as pictures
from dubkit.media.ffmpeg import ffmpeg_path, file_url
from dubkit.media.probe import probe
from dubkit.media.process import run
from dubkit.subtitles.style import Style, parse_style
from dubkit.system.scratch import scratch_folder

from ..errors import DubkitError, InputError
from ..types import Cue, Track
from . import children
from .store import PART, Video

STILL = ".still.jpg"
TIMEOUT = 60.0
"""Seconds."""
WIDTH = 960
"""Pixels of the frame as it is sent, at most."""
LATER = 1_000.0
"""Seconds at which the other cues are drawn, that is never: a style may go by the longest line."""

_turn = threading.Lock()


def draw(video: Video, track: Track, number: int, style: str) -> bytes:
    """A JPEG of the frame in the middle of a cue, with it in a style (see
    :func:`dubkit.subtitles.style.parse_style`).

    Raises UsageError for an invalid style, InputError without a picture or such a cue.
    """
    parse_style(style)
    if video.kind != "video" or not 1 <= number <= len(track.cues):
        raise InputError("there is nothing to draw a subtitle on", "choose a cue of a film")
    cue = track.cues[number - 1]
    about = {
        "time": (cue.start + cue.end) / 2,
        "style": style,
        "language": track.language,
        "text": cue.text,
        "longest": max((one.text for one in track.cues), key=_longest_line),
    }
    out = video.folder / STILL
    with _turn:
        (video.folder / ".still.json").write_text(json.dumps(about), "utf-8")
        bounds = video.store.child_bounds(f"drawing on {video.source.name}")
        try:
            argv = ["dubkit.web.still", video.source.name]
            children.ask(argv, bounds, video.folder, TIMEOUT)
            return out.read_bytes()
        except (TimeoutError, ValueError, OSError):
            raise InputError("that frame cannot be drawn", "choose another cue") from None
        finally:
            for path in (out, out.with_name(f"{out.name}{PART}"), video.folder / ".still.json"):
                path.unlink(missing_ok=True)


def _longest_line(text: str) -> int:
    return max(map(len, text.split("\n")), default=0)


def arguments(source: Path, time: float, picture: pictures.Picture, fonts: bool) -> list[str]:
    """ffmpeg's, to be run in the folder with ``burn.ass``: the frame at a second, as
    :func:`dubkit.media.mux.burn` would draw on it, into ``still.jpg``."""
    options = pictures.encoding(picture, "mp4", None, fonts=fonts)
    drawn = options[options.index("-filter:v:0") + 1]
    # The subtitle begins at 0, as the frame does: seeking sets the clock back.
    filters = f"setpts=PTS-STARTPTS,{drawn},scale='min({WIDTH},iw)':-2,format=yuvj420p"
    return ["-v", "error", "-y", "-ss", f"{time:.3f}", "-protocol_whitelist", "file",
            "-i", file_url(source), "-frames:v", "1", "-vf", filters,
            "-q:v", "4", "-update", "1", "still.jpg"]  # fmt: skip


def main(path: Path) -> None:
    """Draw what ``.still.json`` says, and print the result as a line of JSON."""
    try:
        about = json.loads(Path(".still.json").read_text("utf-8"))
        media = probe(path)
        if not media.video:
            raise InputError("there is no picture", "choose a film")
        shown = pictures.examine(media)
        style: Style = parse_style(about["style"])
        track = Track(
            about["language"],
            (Cue(0.0, 100.0, about["text"]), Cue(LATER, LATER + 1, about["longest"])),
        )
        size = (media.video[0].width, media.video[0].height)
        ass = subtitles.render(track, "ass", style=style, play_res=size)
        with scratch_folder() as folder:
            (folder / "burn.ass").write_text(pictures.dim(ass, shown), "utf-8", newline="")
            fonts = pictures.extract_fonts(media, folder / "fonts")
            argv = arguments(path.absolute(), float(about["time"]), shown, fonts)
            run([ffmpeg_path(), *argv], cwd=folder, timeout=TIMEOUT)
            Path(STILL).write_bytes((folder / "still.jpg").read_bytes())
        print(json.dumps({"bytes": Path(STILL).stat().st_size}))
    except DubkitError as failure:
        print(json.dumps({"error": failure.message, "hint": failure.hint}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
