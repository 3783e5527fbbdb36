"""Advanced SubStation Alpha (ASS), and SSA, its older form.

pysubs2 writes it. It does not read it here, because it names no line when it fails, accepts the ten
fields of an event only in its own order, and does not record where events are, which
:mod:`.ass_like` needs.
"""

from __future__ import annotations

import re
from typing import Any

from dubkit.cues.text import width as width_of
from dubkit.cues.text import without_marks
from dubkit.errors import InputError, UsageError
from dubkit.languages import right_to_left
from dubkit.types import Cue, Track

from . import ass_like, layout
from .ass_events import (
    SECTION,
    USUAL_COLOR,
    WHOLE_LINES,
    by_start,
    escape,
    from_event,
    language_line,
    stamp,
    style_colors,
    style_of,
    styles,
    text_events,
    to_override,
    usual_color,
)
from .interface import NEWLINE, Contents, Flaw, WriteOptions
from .karaoke import karaoke
from .markup import clean, embed_rtl, map_parts
from .style import Style
from .timing import timed_cues

# Read


def parse(text: str) -> Contents:
    lines = text.split("\n")
    flaws: list[Flaw] = []
    events, language = text_events(lines, flaws), None
    if not any(SECTION.match(line) for line in lines):
        raise InputError("line 1: an ASS file begins with [Script Info]")
    if (at := language_line(lines)) is not None:
        language = lines[at].partition(":")[2].strip() or None
    picture, anchors, colors = _picture(lines), _anchors(lines), style_colors(lines)
    cues = [
        Cue(
            event.start,
            event.end,
            clean(from_event(event.text, event["style"], colors)),
            speaker=event["name"] or None,
            style=style_of(event),
            layout=layout.from_overrides(event.text, picture, anchors.get(event["style"], 2)),
        )
        for event in by_start(events)
    ]
    return Contents(language, cues, flaws)


def _picture(lines: list[str]) -> tuple[float, float]:
    """The width and the height that coordinates refer to."""
    stated = dict(re.findall(r"(?m)^PlayRes([XY])\s*:\s*(\d{1,5})\s*$", "\n".join(lines)))
    width, height = layout.SRT_PICTURE
    return float(stated.get("X", 0)) or width, float(stated.get("Y", 0)) or height


def _anchors(lines: list[str]) -> dict[str, int]:
    """The anchor of each style, by its name."""
    anchors = {}
    for is_old, style in styles(lines):
        stated = style.get("alignment", "")
        number = int(stated) if re.fullmatch(r"[0-9]{1,2}", stated) else 2
        number = layout.from_old_anchor(number) if is_old else number
        anchors[style["name"]] = number if 1 <= number <= 9 else 2
    return anchors


def is_colored(like: str) -> bool:
    """Whether the usual style of a file has a color of its own, which its cues do not show."""
    return usual_color(style_colors(NEWLINE.split(like))) != USUAL_COLOR


# Write

REFERENCE = 1080
"""The shorter side, in pixels, of the picture that a style's sizes are for."""
OUTLINE, BOX = 1, 3
"""Border styles; the color of a box is that of the outline, and its padding is the outline."""


def write(track: Track, options: WriteOptions) -> str:
    import pysubs2

    if options.like:
        return ass_like.replace_dialogue(track, options.like)
    width, height = options.play_res
    if width <= 0 or height <= 0:
        raise UsageError(f"a video of {width}x{height} pixels cannot hold subtitles")
    subs = pysubs2.SSAFile()
    subs.info = {
        "Title": " ".join((options.title or "subtitles").split()),
        "WrapStyle": "0",
        "ScaledBorderAndShadow": "yes",
        "YCbCr Matrix": "None",
        "PlayResX": str(width),
        "PlayResY": str(height),
        "Language": track.language,
    }
    lines = (width_of(line) for cue in track.cues for line in without_marks(cue.text).split("\n"))
    longest = max(lines, default=0)
    style = _ass_style(options.style, width, height, longest)
    if right_to_left(track.language):
        style.encoding = WHOLE_LINES
    subs.styles = {"Default": style}
    times = []
    for start, end, cue in timed_cues(track, step=10):
        times.append(f"{stamp(start)},{stamp(end)}")
        text = embed_rtl(cue.text, track.language_of(cue))
        if options.style.words:
            text = karaoke(cue, text, start, end, options.style)
        else:
            text = map_parts(text, escape, to_override)
        text = layout.to_override(cue.layout, options.play_res) + text
        event = pysubs2.SSAEvent(text=text)
        event.name = " ".join((cue.speaker or "").replace(",", " ").split())
        subs.append(event)
    written: str = subs.to_string("ass", header_notice="written by dubkit")
    # pysubs2 writes no time of ten hours or more, which libass reads.
    following = iter(times)
    fields = r"^(Dialogue: [^,]*),[^,]*,[^,]*"
    return re.sub(fields, lambda match: f"{match[1]},{next(following)}", written, flags=re.M)


def _ass_style(style: Style, width: int, height: int, longest: int) -> Any:
    import pysubs2

    # 42 characters fill about two thirds of a 16:9 picture. A portrait one is limited by its width:
    # the longest line must fit (a letter is about half as wide as high), or libass breaks it again.
    fitting = 0.9 * width / (0.52 * max(longest, 1))
    unit = min(width, height) / REFERENCE
    size = style.size * unit if style.size else min(height * 0.055, width * 0.06, fitting)
    outline = size / 18 if style.outline is None else style.outline * unit
    align = pysubs2.Alignment
    places = {"bottom": align.BOTTOM_CENTER, "middle": align.MIDDLE_CENTER, "top": align.TOP_CENTER}
    # Apps for vertical video overlay their buttons on the lowest part of the picture.
    usual_margin = height * (0.16 if height > width else 0.05)
    # A word that fills has the second color before, and the first one from then on.
    before, after = style.color, style.word_color if style.words == "fill" else style.color
    return pysubs2.SSAStyle(
        fontname=style.font,
        fontsize=round(size, 1),
        bold=style.bold,
        primarycolor=_color(after),
        secondarycolor=_color(before),
        outlinecolor=_color(style.box or style.outline_color),
        borderstyle=BOX if style.box else OUTLINE,
        outline=round(max(outline, size / 6) if style.box else outline, 2),
        shadow=0.0,
        alignment=places[style.position],
        marginl=round(width * 0.05),
        marginr=round(width * 0.05),
        marginv=round(usual_margin if style.margin is None else style.margin * unit),
        encoding=1,
    )


def _color(color: str) -> Any:
    import pysubs2

    return pysubs2.Color(*bytes.fromhex(color[1:]))
