"""The style of subtitles that are burned into a video or written to an ASS file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dubkit.errors import UsageError


@dataclass(frozen=True, slots=True)
class Style:
    """The style of burned-in text. Sizes are pixels of a picture whose shorter side has 1080, and
    are scaled to other pictures; None fits the picture's shape."""

    font: str = "Arial"
    size: float | None = None
    color: str = "#FFFFFF"
    outline: float | None = None
    position: str = "bottom"
    """``bottom``, ``middle`` or ``top``."""


COLORS: Mapping[str, str] = {
    "white": "#FFFFFF", "black": "#000000", "yellow": "#FFFF00", "red": "#FF0000",
    "green": "#00FF00", "blue": "#0000FF", "cyan": "#00FFFF", "magenta": "#FF00FF",
    "orange": "#FFA500", "pink": "#FFC0CB", "gray": "#808080", "grey": "#808080",
}  # fmt: skip
POSITIONS = ("bottom", "middle", "top")


def parse_style(style: str | Mapping[str, object]) -> Style:
    """A style from ``font=Arial,size=48,color=#ffff00,outline=2,position=top``, or from a mapping.

    Raises UsageError, listing what is possible, for an unknown key or value.
    """
    settings: dict[str, object] = {}
    if isinstance(style, str):
        for part in filter(str.strip, style.split(",")):
            key, equals, value = part.partition("=")
            if not equals:
                raise UsageError(f"{part.strip()!r} in the style is not KEY=VALUE", _STYLE_HINT)
            settings[key.strip().lower()] = value.strip()
    else:
        settings.update(style)
    known: dict[str, Callable[[object], Any]] = {
        "font": _font, "size": lambda value: _pixels("size", value, 1, 1000), "color": _color,
        "outline": lambda value: _pixels("outline", value, 0, 100), "position": _position,
    }  # fmt: skip
    for key in settings:
        if key not in known:
            raise UsageError(f"a style has no {key!r}", _STYLE_HINT)
    return Style(**{key: known[key](value) for key, value in settings.items()})


_STYLE_HINT = "a style is like font=Arial,size=48,color=#ffff00,outline=2,position=top"


def _font(value: object) -> str:
    name = str(value).strip()
    if not name or not name.isprintable() or re.search(r"[,{}\\]", name):
        raise UsageError(f"{name!r} cannot be the name of a font", _STYLE_HINT)
    return name


def _pixels(key: str, value: object, least: float, most: float) -> float | None:
    if value is None:
        return None
    try:
        number = float(str(value))
    except ValueError:
        number = -1.0
    if not least <= number <= most:
        message = f"{key} in the style is {value}, not a number from {least:g} to {most:g}"
        raise UsageError(message, _STYLE_HINT)
    return number


def _color(value: object) -> str:
    text = str(value).strip()
    color = COLORS.get(text.lower(), text)
    if not re.fullmatch(r"#[0-9A-Fa-f]{6}", color):
        names = ", ".join(COLORS)
        raise UsageError(f"{text!r} is not a color", hint=f"write #RRGGBB or one of {names}")
    return color.upper()


def _position(value: object) -> str:
    if value not in POSITIONS:
        raise UsageError(f"{value!r} is not a position", hint="write bottom, middle or top")
    return str(value)
