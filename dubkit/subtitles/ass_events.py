"""The lines of dialogue in an ASS file, and the escapes and overrides in their text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from dubkit.cues.text import width, without_marks
from dubkit.errors import InputError

from .colors import color_of
from .interface import Flaw
from .markup import join_stretches
from .timing import Stated, clock, mended

COLUMNS: tuple[str, ...] = (
    "layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text",
)  # fmt: skip
"""The fields of an event, if a file does not name its own."""
_ESCAPE = re.compile(r"(\\[{}]|\\\u2060|\\[Nnh])")
_TOKEN = re.compile(rf"{_ESCAPE.pattern[:-1]}|\{{[^}}]*\}})")

WHOLE_LINES = -1
"""The font encoding with which libass lays out a line as a whole. Otherwise it lays out each part
between two overrides separately, and puts the parts from left to right."""

SECTION = re.compile(
    r"\s*\[(script info|v4\+? styles\+?|events|fonts|graphics|aegisub[^]]*)\]", re.IGNORECASE
)
_STAMP = re.compile(r"\s*(-?)(\d{1,4}):(\d{1,2}):(\d{1,2})[.:](\d{1,3})\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of dialogue that is text, and its place in the file."""

    line: int
    """Its index among the file's lines."""
    columns: tuple[str, ...]
    fields: tuple[str, ...]
    """As they are after ``Dialogue:``, including spaces."""
    start: float
    end: float
    mended: bool = False
    """Whether these are not the times in its fields."""

    @property
    def text(self) -> str:
        return self.fields[-1]

    def __getitem__(self, column: str) -> str:
        at = self.columns.index(column) if column in self.columns else -1
        return self.fields[at].strip() if at >= 0 else ""


def text_events(lines: list[str], flaws: list[Flaw] | None = None) -> list[Event]:
    """The events that show text, in the order of the file: no comments, no drawings.

    Lines of dialogue that cannot be read are left out, and added to ``flaws``.
    """
    flaws = [] if flaws is None else flaws
    events, section, columns = [], "", COLUMNS
    for k, line in enumerate(lines):
        if heading := SECTION.match(line):
            section = heading[1].lower()
        elif section == "events" and (names := re.match(r"\s*Format\s*:(.*)", line)):
            columns = tuple(name.strip().lower() for name in names[1].split(","))
            if not {"start", "end"} <= set(columns) or columns[-1] != "text":
                raise InputError(
                    f"line {k + 1}: events need a start, an end, and text as last field"
                )
        elif section not in ("script info", "fonts", "graphics"):
            dialogue = re.match(r"\s*Dialogue:(.*)", line)
            event = _event(k, columns, dialogue[1]) if dialogue else None
            if isinstance(event, Flaw):
                flaws.append(event)
            elif event and not _is_drawing(event.text):
                events.append(event)
    return list(_mended(events, flaws))


def _mended(events: Sequence[Event], flaws: list[Flaw]) -> Iterator[Event]:
    """The events with times that a player can show their texts at."""
    texts = [without_marks(from_event(event.text)) for event in events]
    shown = [k for k, text in enumerate(texts) if text.strip()]
    stated = [Stated(events[k].line + 1, events[k].start, events[k].end, width(texts[k]))
              for k in shown]  # fmt: skip
    times = dict(zip(shown, mended(stated, flaws), strict=True))
    for k, event in enumerate(events):
        own = event.start, event.end
        if new := times.get(k, own):
            yield replace(event, start=new[0], end=new[1], mended=new != own)


def tokens(text: str) -> list[str]:
    """Literal text and tokens in turn, text first and last; tokens are escapes, and overrides in
    braces."""
    # After the last closing brace none is searched for: each opening one would search to the end.
    closed = text.rfind("}") + 1
    *found, last = _TOKEN.split(text[:closed])
    rest, *others = _ESCAPE.split(text[closed:])
    return [*found, last + rest, *others]


def style_of(event: Event) -> str | None:
    """Which text of the file it belongs to: its style's, unless it has a position of its own."""
    if re.match(r"(?:\{[^}]*\})*\{[^}]*\\(?:pos|move|k[fo]?[0-9])", event.text, re.IGNORECASE):
        return f"line {event.line}"
    style = event["style"].lstrip("*")
    return None if style.lower() in ("", "default") else style


def by_start(events: list[Event]) -> list[Event]:
    """The events in the order of the cues that :func:`.ass.parse` returns."""
    return sorted(events, key=lambda event: event.start)


def _event(line: int, columns: tuple[str, ...], rest: str) -> Event | Flaw:
    fields = tuple(rest.split(",", len(columns) - 1))
    if len(fields) < len(columns):
        count = "ten" if len(columns) == 10 else len(columns)
        what = f"not a line of dialogue with its {count} fields, so it is left out"
        return Flaw(line + 1, what)
    times = []
    for name in ("start", "end"):
        stamp = fields[columns.index(name)]
        match = _STAMP.fullmatch(stamp)
        if not match:
            what = f"{stamp.strip()[:80]!r} is not a time, so its text is left out: "
            return Flaw(line + 1, f"{what}{fields[-1].strip()[:80]!r}")
        hours, minutes, seconds, fraction = map(int, (*match.groups()[1:4], match[5].ljust(3, "0")))
        time = (((hours * 60 + minutes) * 60 + seconds) * 1000 + fraction) / 1000
        times.append(-time if match[1] else time)
    return Event(line, columns, fields, times[0], times[1])


def _is_drawing(text: str) -> bool:
    blocks = (token for token in tokens(text)[1::2] if token.startswith("{"))
    return any(int(scale) for block in blocks for scale in re.findall(r"\\p([0-9])", block))


def language_line(lines: list[str]) -> int | None:
    """The index of the line on which the script states its language."""
    for k, line in enumerate(lines):
        heading = SECTION.match(line)
        if heading and heading[1].lower() != "script info":
            break
        if line.lower().startswith("language:"):
            return k
    return None


def from_event(text: str, style: str = "", colors: Mapping[str, str] | None = None) -> str:
    """The text of an event as that of a cue: italics and the like as marks, no other overrides.

    ``colors`` are those of the styles by name, as from :func:`style_colors`; with them, what has
    another color than the usual style has marks for that, too.
    """
    escapes = {"N": "\n", "n": " ", "h": " ", "\u2060": "\\"}
    on: list[str] = _colored([], style, colors)
    stretches: list[tuple[str, Sequence[str]]] = []
    for k, part in enumerate(tokens(text)):
        if k % 2 == 0:
            stretches.append((part, on))
        elif part[0] == "{":
            on = _switched(part, on, style, colors)
        else:
            stretches.append((escapes.get(part[1], part[1]), on))
    return join_stretches(stretch for stretch in stretches if stretch[0])


def style_colors(lines: Sequence[str]) -> dict[str, str]:
    """The color of each style as ``#ffff00``, by its name."""
    colors = {}
    for _, style in styles(lines):
        stated = style.get("primarycolour", "")
        if re.fullmatch(r"-?[0-9]{1,10}", stated):
            colors[style["name"]] = _from_bgr(int(stated))
        elif found := re.fullmatch(r"&[Hh]([0-9A-Fa-f]{1,16})&?", stated):
            colors[style["name"]] = _from_bgr(int(found[1], 16))
    return colors


USUAL_COLOR = "#ffffff"


def usual_color(colors: Mapping[str, str]) -> str:
    """The color of the style that most text has."""
    return colors.get("Default", USUAL_COLOR)


def styles(lines: Sequence[str]) -> Iterator[tuple[bool, dict[str, str]]]:
    """The styles of a file, their fields by name in lower case; and whether it is SSA."""
    is_old, columns = False, list[str]()
    for line in lines:
        if heading := SECTION.match(line):
            is_old = heading[1].lower() == "v4 styles"
        elif names := re.match(r"\s*Format\s*:(.*)", line):
            columns = [name.strip().lower() for name in names[1].split(",")]
        elif line.startswith("Style:") and "name" in columns:
            values = [value.strip() for value in line[6:].split(",")]
            if len(values) == len(columns):
                yield is_old, dict(zip(columns, values, strict=True))


_SWITCH = re.compile(
    r"\\(?:(?P<mark>[ibu])(?P<value>[01])(?![0-9])|r(?P<style>[^\\{}]*)"
    r"|(?P<color>1?c)(?!lip)&?H?(?P<bgr>[0-9A-Fa-f]{0,16}))"
)
_ANIMATION = re.compile(r"\\t\((?:[^()]|\([^()]*\))*\)")


def _switched(
    override: str, on: Sequence[str], style: str, colors: Mapping[str, str] | None
) -> list[str]:
    """The names of the marks that are on after an override, in the order of their openings."""
    new = list(on)
    for found in _SWITCH.finditer(_ANIMATION.sub("", override)):
        if mark := found["mark"]:
            new = [one for one in new if one != mark] + [mark] * (found["value"] == "1")
        elif not found["color"]:
            new = _colored([], found["style"].strip() or style, colors)
        elif found["bgr"]:
            new = _colored(new, style, colors, _from_bgr(int(found["bgr"], 16)))
        else:
            new = _colored(new, style, colors)
    # What was on stays outside of what is switched on again.
    return [one for one in on if one in new] + [one for one in new if one not in on]


def _colored(
    on: Sequence[str], style: str, colors: Mapping[str, str] | None, color: str = ""
) -> list[str]:
    """The marks ``on`` with the one for a color, that of the style if it is not given."""
    if colors is None:
        return list(on)
    usual = usual_color(colors)
    color = color or colors.get(style.strip().lstrip("*"), usual)
    rest = [one for one in on if not one.startswith("c.")]
    return rest if color in (usual, USUAL_COLOR) else [*rest, f"c.{color}"]


def _from_bgr(number: int) -> str:
    """``#ffff00`` for 0x00FFFF: blue has the highest byte."""
    return "#" + (number & 0xFFFFFF).to_bytes(3, "little").hex()


def stamp(milliseconds: int) -> str:
    """A time in an event."""
    hours, minutes, seconds, milliseconds = clock(milliseconds)
    return f"{hours}:{minutes:02d}:{seconds:02d}.{milliseconds // 10:02d}"


def escape(text: str) -> str:
    """The text escaped for libass: a backslash is literal before a word joiner."""
    text = text.replace("\\", "\\\u2060").replace("{", r"\{").replace("}", r"\}")
    return text.replace("\n", r"\N")


def to_override(mark: str) -> str:
    """The override for a mark: ``{\\i1}`` for ``<i>``, ``{\\c&H00FFFF&}`` for ``<c.yellow>``."""
    if mark[-2] == "v" or mark.startswith("<v."):
        return ""
    if mark == "</c>":
        return "{\\c}"
    if mark.startswith("<c."):
        red, green, blue = re.findall("..", (color_of(mark) or "")[1:]) or ("", "", "")
        return f"{{\\c&H{blue}{green}{red}&}}".upper().replace("C&H", "c&H") if red else ""
    return "{\\" + mark[-2] + ("0" if mark.startswith("</") else "1") + "}"
