"""The color of a text, as each format states it.

The text of a cue has it as ``<c.#ffff00>``...``</c>``, or as the class that WebVTT names it by,
``<c.yellow>``...``</c>``.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

from dubkit.cues.text import MARK, SPACE

from .style import COLORS

NAMED = {
    "white": "#ffffff", "lime": "#00ff00", "cyan": "#00ffff", "red": "#ff0000",
    "yellow": "#ffff00", "magenta": "#ff00ff", "blue": "#0000ff", "black": "#000000",
}  # fmt: skip
"""The classes that WebVTT players know without a style sheet."""
_KNOWN = {name: value.lower() for name, value in COLORS.items()} | NAMED
_KNOWN["green"] = "#008000"  # as in HTML
_FONT = re.compile(r"<(/?)\s{0,3}font\b([^<>]*)>", re.IGNORECASE)
_COLOR = re.compile(r"""color\s*=\s*["']?\s*(#?[A-Za-z0-9]{1,20})""", re.IGNORECASE)


def to_hex(color: str) -> str | None:
    """A color such as ``#ff0``, ``ffff00`` or ``Yellow`` as ``#ffff00``; None for no color."""
    text = color.strip().lower()
    if text in _KNOWN:
        return _KNOWN[text]
    digits = text.removeprefix("#")
    if re.fullmatch(r"[0-9a-f]{3}", digits) and text != digits:
        digits = "".join(char * 2 for char in digits)
    return f"#{digits[:6]}" if re.fullmatch(r"[0-9a-f]{6}(?:[0-9a-f]{2})?", digits) else None


def color_of(mark: str) -> str | None:
    """The color of a mark, ``#ffff00``; None if only a style sheet knows it."""
    for name in mark[3:-1].split("."):
        if color := to_hex(name.removeprefix("color")):
            return color
    return None


def from_fonts(text: str) -> str:
    """The text with marks in place of the ``<font>`` elements of SRT."""
    opened: list[bool] = []

    def mark(match: re.Match[str]) -> str:
        if match[1]:
            return "</c>" if opened and opened.pop() else ""
        found = _COLOR.search(match[2])
        color = to_hex(found[1]) if found else None
        opened.append(color is not None)
        return f"<c.{color}>" if color else ""

    return _FONT.sub(mark, text)


def to_fonts(text: str) -> str:
    """The text with ``<font>`` elements in place of its colors; classes that are none vanish."""
    opened: list[bool] = []
    written = []
    for k, part in enumerate(MARK.split(text)):
        if k % 2 and part.startswith("<c."):
            color = color_of(part)
            opened.append(color is not None)
            written.append(f'<font color="{color}">' if color else "")
        elif k % 2 and part == "</c>":
            written.append("</font>" if opened and opened.pop() else "")
        elif k % 2 and (part == "</v>" or part.startswith("<v.")):
            continue
        else:
            written.append(part)
    return "".join(written)


def to_class(mark: str) -> str:
    """A mark as an element of WebVTT."""
    if mark.startswith("<v."):
        return f"<v {escape(mark[3:-1].replace(SPACE, ' '))}>"
    color = mark[3:-1]
    if not mark.startswith("<c.#"):
        return mark
    name = next((name for name, value in NAMED.items() if value == color), None)
    return f"<c.{name or 'color' + color[1:]}>"
