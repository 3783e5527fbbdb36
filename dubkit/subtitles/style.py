"""The style of subtitles that are burned into a video or written to an ASS file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
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
    bold: bool = False
    outline_color: str = "#000000"
    box: str = ""
    """The color of a box behind the text; empty for none."""
    margin: float | None = None
    """Between the text and the edge that it is at."""
    words: str = ""
    """How words are shown as they are spoken: ``fill``, they fill with a color one after another;
    ``highlight``, each has that color for as long; or empty."""
    word_color: str = "#FFD400"


COLORS: Mapping[str, str] = {
    "white": "#FFFFFF", "black": "#000000", "yellow": "#FFFF00", "red": "#FF0000",
    "green": "#00FF00", "blue": "#0000FF", "cyan": "#00FFFF", "magenta": "#FF00FF",
    "orange": "#FFA500", "pink": "#FFC0CB", "gray": "#808080", "grey": "#808080",
}  # fmt: skip
POSITIONS = ("bottom", "middle", "top")
WORDS = ("fill", "highlight")
PRESETS: Mapping[str, Mapping[str, str]] = {
    "plain": {},
    "karaoke": {"words": "fill", "bold": "yes"},
    "highlight": {"words": "highlight", "bold": "yes", "outline": "5"},
    "film": {"color": "yellow", "outline": "2"},
    "box": {"box": "#101010"},
    "large": {"size": "84", "bold": "yes", "outline": "6"},
    "social": {"font": "Arial Black", "size": "72", "outline": "6", "position": "middle"},
    "top": {"position": "top"},
}
"""Styles by name, in which single settings can still be changed."""


def parse_style(style: str | Mapping[str, object]) -> Style:
    """A style from ``font=Arial,size=48,color=#ffff00,outline=2,position=top``, or from a mapping.

    The name of a preset, alone or among the others (``karaoke,size=60``, or as ``preset``), sets
    what is not set otherwise. Raises UsageError, listing what is possible, for an unknown key or
    value.
    """
    settings: dict[str, object] = {}
    if isinstance(style, str):
        for part in filter(str.strip, style.split(",")):
            key, equals, value = part.partition("=")
            settings |= {key.strip().lower(): value.strip()} if equals else {"preset": key.strip()}
    else:
        settings.update(style)
    settings = {**_preset(settings.pop("preset", "")), **settings}
    known: dict[str, Callable[[object], Any]] = {
        "font": _font, "size": lambda value: _pixels("size", value, 1, 1000), "color": _color,
        "bold": _switch, "outline": lambda value: _pixels("outline", value, 0, 100),
        "outline_color": _color, "box": lambda value: _color(value) if value else "",
        "position": lambda value: _one_of(POSITIONS, "a position", value),
        "margin": lambda value: _pixels("margin", value, 0, 500),
        "words": lambda value: _one_of(WORDS, "a way to show words", value) if value else "",
        "word_color": _color,
    }  # fmt: skip
    for key in settings:
        if key not in known:
            raise UsageError(f"a style has no {key!r}", f"it has {'=, '.join(known)}=")
    return Style(**{key: known[key](value) for key, value in settings.items()})


def _preset(name: object) -> Mapping[str, str]:
    if not name:
        return {}
    found = PRESETS.get(str(name).strip().lower())
    if found is None:
        presets = ", ".join(PRESETS)
        raise UsageError(f"{name!r} in the style is not KEY=VALUE, nor {presets}", _STYLE_HINT)
    return found


_STYLE_HINT = "a style is like font=Arial,size=48,color=#ffff00,outline=2,position=top, or karaoke"


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


def _one_of(possible: Sequence[str], what: str, value: object) -> str:
    if value not in possible:
        choices = ", ".join(possible[:-1]) + f" or {possible[-1]}"
        raise UsageError(f"{value!r} is not {what}", hint=f"write {choices}")
    return str(value)


def _switch(value: object) -> bool:
    answers = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    answer = answers.get(str(value).strip().lower())
    if answer is None:
        raise UsageError(f"bold in the style is {value}, not yes or no", _STYLE_HINT)
    return answer
