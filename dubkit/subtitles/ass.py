"""Advanced SubStation Alpha, and SSA, its older form.

pysubs2 writes it. It does not read it here, since it names no line when it fails, takes the ten
fields of an event in its own order alone, and keeps no place of an event for :mod:`ass_like`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from dubkit.errors import InputError, UsageError
from dubkit.languages import right_to_left
from dubkit.profiles import width as width_of
from dubkit.style import Style
from dubkit.subtitles.markup import clean, embed, marked, plain
from dubkit.subtitles.setting import Parsed, Setting
from dubkit.subtitles.timing import timed
from dubkit.types import Cue, Track

COLUMNS: tuple[str, ...] = (
    "layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text",
)  # fmt: skip
"""The fields of an event, where a file does not name its own."""
TOKEN = re.compile(r"(\\[{}]|\\\u2060|\\[Nnh]|\{[^}]*\})")
"""What stands for something else in a text: escapes, and overrides in braces."""

WHOLE_LINES = -1
"""The encoding of a font with which libass lays a line out as a whole. Otherwise it does so for
each part between two overrides, and sets the parts from left to right."""

_SECTION = re.compile(
    r"\s*\[(script info|v4\+? styles\+?|events|fonts|graphics|aegisub[^]]*)\]", re.IGNORECASE
)
_STAMP = re.compile(r"\s*(-?)(\d{1,4}):(\d{1,2}):(\d{1,2})[.:](\d{1,3})\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of dialogue that is text, and where it stands in its file."""

    line: int
    """Its index among the file's lines."""
    columns: tuple[str, ...]
    fields: tuple[str, ...]
    """As they stand after ``Dialogue:``, spaces too."""
    start: float
    end: float

    @property
    def text(self) -> str:
        return self.fields[-1]

    def __getitem__(self, column: str) -> str:
        at = self.columns.index(column) if column in self.columns else -1
        return self.fields[at].strip() if at >= 0 else ""


# Read


def parse(text: str) -> Parsed:
    lines = text.split("\n")
    events, language = text_events(lines), None
    if not any(_SECTION.match(line) for line in lines):
        raise InputError("line 1: an ASS file begins with [Script Info]")
    if (at := language_line(lines)) is not None:
        language = lines[at].partition(":")[2].strip() or None
    cues = [
        Cue(event.start, event.end, clean(spoken(event.text)), speaker=event["name"] or None)
        for event in in_time(events)
    ]
    return language, cues


def text_events(lines: list[str]) -> list[Event]:
    """The events that show text, in the order of the file: no comments, no drawings."""
    events, section, columns = [], "", COLUMNS
    for k, line in enumerate(lines):
        if heading := _SECTION.match(line):
            section = heading[1].lower()
        elif section == "events" and (names := re.match(r"\s*Format\s*:(.*)", line)):
            columns = tuple(name.strip().lower() for name in names[1].split(","))
            if not {"start", "end"} <= set(columns) or columns[-1] != "text":
                raise InputError(f"line {k + 1}: events have no start, no end, or no text at last")
        elif section not in ("script info", "fonts", "graphics"):
            said = re.match(r"\s*Dialogue:(.*)", line)
            if said and not _drawn((event := _event(k, columns, said[1])).text):
                events.append(event)
    return events


def in_time(events: list[Event]) -> list[Event]:
    """The events as :func:`parse` gives them."""
    return sorted(events, key=lambda event: event.start)


def _event(line: int, columns: tuple[str, ...], rest: str) -> Event:
    fields = tuple(rest.split(",", len(columns) - 1))
    if len(fields) < len(columns):
        count = "ten" if len(columns) == 10 else len(columns)
        raise InputError(f"line {line + 1}: not a line of dialogue with its {count} fields")
    times = []
    for name in ("start", "end"):
        stamp = fields[columns.index(name)]
        match = _STAMP.fullmatch(stamp)
        if not match:
            raise InputError(f"line {line + 1}: {stamp.strip()[:80]!r} is not a time")
        hours, minutes, seconds, fraction = map(int, (*match.groups()[1:4], match[5].ljust(3, "0")))
        time = (((hours * 60 + minutes) * 60 + seconds) * 1000 + fraction) / 1000
        times.append(-time if match[1] else time)
    return Event(line, columns, fields, *times)


def _drawn(text: str) -> bool:
    blocks = (token for token in TOKEN.split(text) if token.startswith("{"))
    return any(int(scale) for block in blocks for scale in re.findall(r"\\p([0-9])", block))


def language_line(lines: list[str]) -> int | None:
    """The index of the line on which the script tells its language."""
    for k, line in enumerate(lines):
        heading = _SECTION.match(line)
        if heading and heading[1].lower() != "script info":
            break
        if line.lower().startswith("language:"):
            return k
    return None


def spoken(text: str) -> str:
    """The text of an event as that of a cue: switches as marks, without its other overrides."""

    def meaning(match: re.Match[str]) -> str:
        token = match[0]
        if token[0] == "{":
            switches = re.findall(r"\\([ibu])([01])(?![0-9])", token)
            return "".join(f"<{'' if on == '1' else '/'}{tag}>" for tag, on in switches)
        return {"N": "\n", "n": " ", "h": " ", "\u2060": "\\"}.get(token[1], token[1])

    return TOKEN.sub(meaning, text)


# Write


def write(track: Track, setting: Setting) -> str:
    import pysubs2

    if setting.like:
        from dubkit.subtitles.ass_like import keep

        return keep(track, setting.like)
    width, height = setting.play_res
    if width <= 0 or height <= 0:
        raise UsageError(f"a video of {width}x{height} pixels cannot hold subtitles")
    subs = pysubs2.SSAFile()
    subs.info = {
        "Title": " ".join((setting.title or "subtitles").split()),
        "WrapStyle": "0",
        "ScaledBorderAndShadow": "yes",
        "YCbCr Matrix": "None",
        "PlayResX": str(width),
        "PlayResY": str(height),
        "Language": track.language,
    }
    lines = (width_of(line) for cue in track.cues for line in plain(cue.text).split("\n"))
    longest = max(lines, default=0)
    style = _ass_style(setting.style, width, height, longest)
    if right_to_left(track.language):
        style.encoding = WHOLE_LINES
    subs.styles = {"Default": style}
    for start, end, cue in timed(track, step=10):
        text = marked(embed(cue.text, track.language), escaped, switch)
        event = pysubs2.SSAEvent(start=start, end=end, text=text)
        event.name = " ".join((cue.speaker or "").replace(",", " ").split())
        subs.append(event)
    return subs.to_string("ass", header_notice="written by dubkit")


def _ass_style(style: Style, width: int, height: int, longest: int) -> Any:
    import pysubs2

    # 42 characters fill about two thirds of a 16:9 picture. A portrait one is held by its width:
    # the longest line must fit (a letter is about half as wide as high), or libass breaks it anew.
    fitting = 0.9 * width / (0.52 * max(longest, 1))
    size = style.size or round(min(height * 0.055, width * 0.06, fitting), 1)
    red, green, blue = bytes.fromhex(style.color[1:])
    align = pysubs2.Alignment
    places = {"bottom": align.BOTTOM_CENTER, "middle": align.MIDDLE_CENTER, "top": align.TOP_CENTER}
    # Apps for vertical video lay their buttons over the lowest part of the picture.
    margin = 0.16 if height > width else 0.05
    return pysubs2.SSAStyle(
        fontname=style.font,
        fontsize=size,
        primarycolor=pysubs2.Color(red, green, blue),
        outline=round(size / 18, 1) if style.outline is None else style.outline,
        shadow=0.0,
        alignment=places[style.position],
        marginl=round(width * 0.05),
        marginr=round(width * 0.05),
        marginv=round(height * margin),
        encoding=1,
    )


def escaped(text: str) -> str:
    """The text as libass reads it: a backslash is literal before a word joiner."""
    text = text.replace("\\", "\\\u2060").replace("{", r"\{").replace("}", r"\}")
    return text.replace("\n", r"\N")


def switch(tag: str) -> str:
    """The override that does what a mark says."""
    return "{\\" + tag[-2] + ("0" if tag.startswith("</") else "1") + "}"
