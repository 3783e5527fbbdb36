"""Where a cue is shown, as each format states it; :class:`dubkit.types.Layout` is the common form.

What one format states more finely than another can is rounded to a third of the picture: the top,
the middle or the bottom, at the left, in the center or at the right.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dubkit.types import Layout

_BLOCK = re.compile(r"\{[^{}]*\}")
_ANCHOR = re.compile(r"\\an([1-9])")
_OLD_ANCHOR = re.compile(r"\\a(1[01]|[1-9])(?![0-9])")
_POS = re.compile(r"\\(?:pos|move)\(\s*(-?[\d.]{1,9})\s*,\s*(-?[\d.]{1,9})")
_FROM_OLD = {1: 1, 2: 2, 3: 3, 5: 7, 6: 8, 7: 9, 9: 4, 10: 5, 11: 6}
"""Anchors of SSA and of the older override, by those of ASS."""

SRT_PICTURE = (384.0, 288.0)
"""The picture that coordinates in SRT refer to, as in ASS files that name none."""


def from_overrides(
    text: str, picture: tuple[float, float] = SRT_PICTURE, usual: int = 2
) -> Layout | None:
    """The layout in ASS overrides such as ``{\\an8}``, which SRT has, too; None for the usual one.

    ``usual`` is the anchor of the text's style.
    """
    anchor, x, y = usual, None, None
    for block in _BLOCK.findall(text):
        if found := _ANCHOR.search(block):
            anchor = int(found[1])
        elif found := _OLD_ANCHOR.search(block):
            anchor = _FROM_OLD.get(int(found[1]), usual)
        if found := _POS.search(block):
            try:
                x = round(float(found[1]) / picture[0] * 100, 1)
                y = round(float(found[2]) / picture[1] * 100, 1)
            except (ValueError, ZeroDivisionError):
                x = y = None
    return Layout(anchor, x, y) if anchor != 2 or x is not None else None


def from_old_anchor(anchor: int) -> int:
    """The anchor of ASS for one of SSA."""
    return _FROM_OLD.get(anchor, 2)


def to_override(layout: Layout | None, picture: tuple[float, float] | None = None) -> str:
    """The override that places a text; with ``picture``, its width and height, exactly."""
    if not layout:
        return ""
    pos = ""
    if picture and layout.x is not None and layout.y is not None:
        x, y = layout.x * picture[0] / 100, layout.y * picture[1] / 100
        pos = f"\\pos({round(x)},{round(y)})"
    anchor = anchor_of(layout) if not pos else layout.anchor
    return f"{{\\an{anchor}{pos}}}" if anchor != 2 or pos else ""


def anchor_of(layout: Layout) -> int:
    """The anchor, from 1 at the bottom left to 9 at the top right, nearest to where it is shown."""
    column, row = (layout.anchor - 1) % 3, (layout.anchor - 1) // 3
    if layout.y is not None:
        row = _row(layout.y)
    if layout.x is not None:
        column = _column(layout.x)
    return row * 3 + column + 1


def _row(y: float) -> int:
    """The third of the picture, 0 at the bottom, that is so many percent from its top."""
    return 2 if y < 34 else 1 if y < 66 else 0


def _column(x: float) -> int:
    """The third of the picture, 0 at the left, that is so many percent from there."""
    return 0 if x < 34 else 1 if x <= 66 else 2


def from_settings(settings: str) -> Layout | None:
    """The layout in the settings of a WebVTT cue; None if there are none."""
    if not settings:
        return None
    parts = (part.partition(":") for part in settings.split())
    values = {name: value for name, _, value in parts}
    row, y = 0, None
    line = values.get("line", "").partition(",")[0]
    if re.fullmatch(r"\d{1,3}(?:\.\d+)?%", line):
        y = float(line[:-1])
        row = _row(y)
    elif re.fullmatch(r"\d{1,3}", line):  # of about 18 lines, from the top
        row = 2 if int(line) < 6 else 1 if int(line) < 12 else 0
    position = values.get("position", "").partition(",")[0]
    align = values.get("align", "center")
    column = {"start": 0, "left": 0, "end": 2, "right": 2}.get(align, 1)
    x = None
    if re.fullmatch(r"\d{1,3}(?:\.\d+)?%", position):
        x = float(position[:-1])
        column = _column(x)
    return Layout(row * 3 + column + 1, x, y, settings)


def from_region(style: Mapping[str, str]) -> Layout | None:
    """The layout of a text in TTML with the properties of its region; None for the usual one."""
    if not {"origin", "extent", "displayAlign"} & style.keys():
        return None
    origin, extent = (
        [float(part) for part in re.findall(r"(-?\d{1,4}(?:\.\d{1,9})?)%", style.get(name, ""))]
        for name in ("origin", "extent")
    )
    top = origin[1] if len(origin) == 2 else 0.0
    height = extent[1] if len(extent) == 2 else 100.0
    share = {"center": 0.5, "after": 1.0}.get(style.get("displayAlign", "before"), 0.0)
    y = top + share * height
    row = _row(y)
    column = {"left": 0, "right": 2, "end": 2}.get(style.get("textAlign", ""), 1)
    anchor = row * 3 + column + 1
    return Layout(anchor) if anchor != 2 else None


def to_region(anchor: int) -> str:
    """A region of TTML for an anchor, and the way its text is aligned."""
    column, row = (anchor - 1) % 3, (anchor - 1) // 3
    display = ("after", "center", "before")[row]
    align = ("left", "center", "right")[column]
    return (
        f'<region xml:id="at{anchor}" tts:displayAlign="{display}" tts:textAlign="{align}"'
        ' tts:origin="5% 5%" tts:extent="90% 90%"/>'
    )


def to_settings(layout: Layout | None, *, with_region: bool) -> str:
    """The settings of a WebVTT cue, those that it came with if it had any."""
    if not layout:
        return ""
    if layout.settings:
        kept = (one for one in layout.settings.split() if with_region or "region" not in one)
        return " ".join(kept)
    anchor = anchor_of(layout)
    column, row = (anchor - 1) % 3, (anchor - 1) // 3
    settings = ["", "line:50%", "line:0"][row]
    aside = ["position:0% align:start", "", "position:100% align:end"][column]
    return f"{settings} {aside}".strip()
