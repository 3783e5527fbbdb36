"""How subtitles are drawn on a picture so that it stays what it is: its aspect, its depth of color,
its times, its HDR. :mod:`.mux` runs that.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dubkit.types import Media

from .mux_command import MOV_MUXERS
from .probe import open_media

CRF = {"libx264": 19, "libx265": 20, "libvpx-vp9": 31}
"""The encoders used for burning, each with a quality that looks like the original."""
GRAPHICS_WHITE = {16: 0.58, 18: 0.75}
"""How strong white text is in HDR, by the picture's transfer function as ITU-T H.273 numbers them
(PQ, HLG): ITU-R BT.2408, table 1. Full strength would be a lamp of up to 10,000 cd/m\u00b2."""
DEEPEST = 10
"""Bits a color that are written at most: decoders of phones and televisions take no more."""
_LOOKED_AT = 8
"""Frames at the start that show whether a picture is interlaced."""
_STYLE_COLUMNS = ["name", "fontname", "fontsize", *["colour"] * 4, *["other"] * 16]
"""Of an .ass file without a format line for them."""
_FONTS = re.compile(r"(?i)\.(ttf|otf|ttc|otc|woff2?)$")


@dataclass(frozen=True, slots=True)
class Picture:
    """A video stream as far as encoding it again must know it."""

    width: int
    height: int
    """As shown: upright, with square pixels."""
    tick: str
    """Seconds per unit of the stream's timestamps, as a ratio."""
    bits: int
    """Of each color."""
    interlaced: bool
    transfer: int
    """The transfer function, as ITU-T H.273 numbers them."""
    dynamic: bool
    """Whether its HDR changes from frame to frame (HDR10+, Dolby Vision)."""

    @property
    def hdr(self) -> bool:
        return self.transfer in GRAPHICS_WHITE


def examine(media: Media) -> Picture:
    """What the first video stream of ``media`` is, by its first frames."""
    video = media.video[0]
    with open_media(media.path, media.container) as container:
        stream: Any = container.streams[video.index]
        frames = list(itertools.islice(_frames(container, stream), _LOOKED_AT))
        context = stream.codec_context
        depth = max((part.bits for part in context.format.components), default=8)
        side_data = {str(one.type) for frame in frames for one in frame.side_data}
        return Picture(
            width=video.width,
            height=video.height,
            tick=str(stream.time_base).replace("/", ":"),
            bits=depth,
            interlaced=any(frame.interlaced_frame for frame in frames),
            transfer=int(getattr(context, "color_trc", 0)),
            dynamic=any(re.search("DOVI|DYNAMIC", name) for name in side_data),
        )


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    """The first frames of a stream, as many as can be decoded of its first packets."""
    import av.error

    with contextlib.suppress(av.error.FFmpegError):
        for packet in itertools.islice(container.demux(stream), 60):
            yield from packet.decode()


def losses(picture: Picture, name: str) -> list[str]:
    """Warnings of what drawing on the picture of the file ``name`` changes in it besides."""
    warnings = []
    if picture.interlaced:
        warnings.append(f"{name} is interlaced: with burned subtitles, its picture is progressive.")
    if picture.bits > DEEPEST:
        warnings.append(
            f"{name} has {picture.bits} bits a color: with burned subtitles, it has {DEEPEST}."
        )
    if picture.dynamic:
        warnings.append(
            f"{name} has HDR that changes from frame to frame (HDR10+ or Dolby Vision), which "
            "burning loses: its colors may look wrong. "
            "Subtitles as a track leave the picture as it is."
        )
    return warnings


def encoding(picture: Picture, muxer: str, crf: int | None, *, fonts: bool) -> list[str]:
    """Filter and encoder for video stream 0; ``burn.ass``, and with ``fonts`` a folder of that
    name, are in the folder where ffmpeg runs."""
    deep = picture.hdr or picture.bits > 8
    encoder = "libvpx-vp9" if muxer == "webm" else "libx265" if deep else "libx264"
    # Every frame once, at its original time. Without the time base, times are rounded to an even
    # rate, which moves the frames of a phone's or a screen recorder's video.
    argv = ["-fps_mode:v:0", "passthrough", "-enc_time_base:v:0", picture.tick]
    # Text drawn across two fields would flicker.
    filters = ["bwdif=mode=send_frame:deint=interlaced"] if picture.interlaced else []
    # 4:2:0 needs even sides; a missing line is less visible than an extra black one.
    filters.append("crop=trunc(iw/2)*2:trunc(ih/2)*2:0:0")
    # The size as shown makes letters as wide as they should be where pixels are not square. The
    # files have plain names in the folder where ffmpeg runs: a name with quotes, colons or
    # backslashes would need two rounds of escaping that differ by platform.
    drawn = f"ass=burn.ass:original_size={picture.width}x{picture.height}"
    filters.append(drawn + (":fontsdir=fonts" if fonts else ""))
    argv += ["-filter:v:0", ",".join(filters)]
    argv += ["-pix_fmt:v:0", "yuv420p10le" if deep else "yuv420p"]
    argv += ["-c:v:0", encoder, "-crf:v:0", str(CRF[encoder] if crf is None else crf)]
    if encoder == "libvpx-vp9":
        argv += ["-b:v:0", "0", "-row-mt:v:0", "1", "-cpu-used:v:0", "2"]
    if encoder == "libx265":
        argv += ["-x265-params:v:0", "log-level=warning"]
        argv += ["-tag:v:0", "hvc1"] if muxer in MOV_MUXERS else []
    return argv


def extract_fonts(media: Media, folder: Path) -> bool:
    """Write the fonts that are attached to ``media`` into ``folder``; whether there are any."""
    with open_media(media.path, media.container) as container:
        attached: list[Any] = [one for one in container.streams if one.type == "attachment"]
        fonts = [
            one.data
            for one in attached
            if "font" in (one.mimetype or "").lower() or _FONTS.search(one.name or "")
        ]
    if fonts:
        folder.mkdir()
    for number, data in enumerate(fonts):
        (folder / str(number)).write_bytes(data or b"")
    return bool(fonts)


def dim(ass: str, picture: Picture) -> str:
    """An .ass file with its colors as strong as text is in the picture's HDR; itself without."""
    if not picture.hdr:
        return ass
    level = GRAPHICS_WHITE[picture.transfer]

    def dimmed(color: str) -> str:
        text = color.strip().rstrip("&")
        hexadecimal = re.fullmatch(r"(?i)&H([0-9a-f]{1,8})", text)
        if not hexadecimal and not re.fullmatch(r"-?\d{1,10}", text):
            return color
        value = int(hexadecimal[1], 16) if hexadecimal else int(text) & 0xFFFFFFFF
        alpha, *colors = value.to_bytes(4, "big")
        return "&H" + bytes([alpha, *(round(one * level) for one in colors)]).hex().upper()

    def override(tag: re.Match[str]) -> str:
        return f"{tag[1]}{dimmed(tag[2])}&"

    lines = ass.split("\n")
    for number, fields in _styles(lines):
        values = (dimmed(text) if name.endswith("colour") else text for name, text in fields)
        lines[number] = f"Style:{','.join(values)}"
    return re.sub(r"(?i)(\\[1-4]?c)(&H[0-9a-f]{1,8})&?", override, "\n".join(lines))


def font_names(ass: str) -> list[str]:
    """The fonts that an .ass file names, each once."""
    styles = (dict(fields).get("fontname", "") for _, fields in _styles(ass.split("\n")))
    names = [*styles, *re.findall(r"(?i)\\fn([^\\}\n]*)", ass)]
    return list(dict.fromkeys(name for one in names if (name := one.strip().lstrip("@"))))


def _styles(lines: list[str]) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """The index of each line of an .ass file that is a style, with its fields' names and texts."""
    columns = _STYLE_COLUMNS
    for number, line in enumerate(lines):
        kind, _, fields = line.partition(":")
        if kind.strip().lower() == "format":
            columns = [name.strip().lower() for name in fields.split(",")]
        elif kind.strip().lower() == "style":
            yield number, list(zip(columns, fields.split(","), strict=False))
