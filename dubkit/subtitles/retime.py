"""New times in an existing subtitle file, with everything else unchanged.

The file is edited as text, for the reasons of :mod:`.ass_like`: encoding, line ends, styles, layout
and whatever else is not time stay as they are.
"""

from __future__ import annotations

import codecs
import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from xml.parsers import expat

from dubkit.errors import InputError

from . import ttml, vtt
from .ass_events import COLUMNS, SECTION, stamp
from .blocks import read_timings
from .encodings import decode
from .interface import NEWLINE
from .stamps import Timing
from .timing import clock

Moved: TypeAlias = Callable[[float, float], tuple[float, float]]
"""The new start and end of a cue, by its old ones, in seconds; both at least 0."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"), (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip


class UnmovableError(Exception):
    """The times of a file depend on each other in a way that no edit of single ones can follow."""


def retime(
    data: bytes,
    format: str,
    moved: Moved,
    *,
    language: str | None = None,
    encoding: str | None = None,
) -> bytes:
    """The bytes of a subtitle file of a format that :func:`dubkit.subtitles.load` has read, with
    new times.

    Raises UnmovableError.
    """
    mark, codec = next((one for one in _BOMS if data.startswith(one[0])), (b"", ""))
    codec = codec or decode(data, language, encoding).encoding
    body = data[len(mark) :]
    try:
        text = body.decode(codec)
        if text.encode(codec) != body:
            raise UnicodeError
    except (UnicodeError, LookupError):  # bytes that mean nothing stay, too
        codec, text = "latin-1", body.decode("latin-1")
    return mark + _FORMATS[format](text, moved).encode(codec)


# ---------------------------------------------------------------- SRT, WebVTT

_TOKEN = r"(?:\d{1,6}:)?\d{1,6}:\d{1,2}[.,]\d{3,9}"
_LINE = re.compile(rf"(\s*)({_TOKEN})(\s*-->\s*)({_TOKEN})(?![\d.,:])(.*)", re.DOTALL)
_INLINE = re.compile(r"(?<=<)((?:\d{1,4}:)?\d{2}:\d{2}\.\d{3})(?=>)")


def _srt(text: str, moved: Moved) -> str:
    return _blocks(text, moved, ",")


def _vtt(text: str, moved: Moved) -> str:
    return _blocks(text, moved, ".")


def _blocks(text: str, moved: Moved, point: str) -> str:
    parts = NEWLINE.split(text)
    lines = parts[::2]
    asides = vtt.asides(lines) if point == "." else set()
    own: float | None = None

    def inline(match: re.Match[str]) -> str:
        assert own is not None
        return _written(moved(own, _seconds(match[1]))[1], match[1])

    timings = read_timings(lines, asides)
    for k, line in enumerate(lines):
        if timing := timings.get(k):
            own = timing.start if timing.start is not None else timing.end
            parts[2 * k] = _line(line, timing, moved, point)
        elif own is not None and point == "." and k not in asides:
            parts[2 * k] = _INLINE.sub(inline, line)
    return "".join(parts)


def _line(line: str, timing: Timing, moved: Moved, point: str) -> str:
    """A line with two times; one that is not written as usual is then written so."""
    if timing.start is None and timing.end is None:
        return line
    start = timing.start if timing.start is not None else timing.end
    end = timing.end if timing.end is not None else start
    assert start is not None and end is not None
    new = moved(start, end)
    usual = _LINE.fullmatch(line)
    if usual and (_seconds(usual[2]), _seconds(usual[4])) == (start, end):
        space, first, arrow, second, rest = usual.groups()
        return space + _written(new[0], first) + arrow + _written(new[1], second) + rest
    pattern = f"00:00:00{point}000"
    first, second = _written(new[0], pattern), _written(new[1], pattern)
    if timing.end is None:
        return " ".join(filter(None, (f"{first} -->", timing.settings, timing.text)))
    return " ".join(filter(None, (f"{first} --> {second}", timing.settings, timing.text)))


def _seconds(token: str) -> float:
    *whole, last = re.split("[:]", token.replace(",", "."))
    minutes = 0
    for part in whole:
        minutes = minutes * 60 + int(part)
    seconds, _, fraction = last.partition(".")
    milliseconds = round(int(fraction) / 10.0 ** len(fraction) * 1000)
    return ((minutes * 60 + int(seconds)) * 1000 + milliseconds) / 1000


def _written(seconds: float, like: str) -> str:
    """A time, written like another one."""
    hours, minutes, rest, milliseconds = clock(max(0, round(seconds * 1000)))
    head, point, fraction = re.split("([.,])", like)
    digits = f"{milliseconds:03}".ljust(len(fraction), "0")
    *places, _ = head.split(":")
    if len(places) == 1 and not hours:
        return f"{minutes:0{len(places[0])}}:{rest:02}{point}{digits}"
    wide = len(places[0]) if len(places) == 2 else 2
    return f"{hours:0{wide}}:{minutes:02}:{rest:02}{point}{digits}"


# ---------------------------------------------------------------- ASS

_EVENT = re.compile(r"(\s*(?:Dialogue|Comment)\s*:)(.*)", re.DOTALL)
_STAMP = re.compile(r"(\s*)(\d{1,4}):(\d{1,2}):(\d{1,2})[.:](\d{1,3})(\s*)", re.ASCII)


def _ass(text: str, moved: Moved) -> str:
    parts = NEWLINE.split(text)
    section, columns = "", COLUMNS
    for k, line in enumerate(parts[::2]):
        if heading := SECTION.match(line):
            section = heading[1].lower()
        elif section == "events" and (names := re.match(r"\s*Format\s*:(.*)", line)):
            columns = tuple(name.strip().lower() for name in names[1].split(","))
        elif section not in ("script info", "fonts", "graphics") and (event := _EVENT.match(line)):
            fields = event[2].split(",", len(columns) - 1)
            if len(fields) == len(columns) and {"start", "end"} <= set(columns):
                _move_event(fields, columns.index("start"), columns.index("end"), moved)
                parts[2 * k] = event[1] + ",".join(fields)
    return "".join(parts)


def _move_event(fields: list[str], start: int, end: int, moved: Moved) -> None:
    found = [_STAMP.fullmatch(fields[at]) for at in (start, end)]
    times = []
    for match in found:
        if match is None:
            return
        hours, minutes, seconds = map(int, match.groups()[1:4])
        times.append((hours * 60 + minutes) * 60 + seconds + int(match[5].ljust(3, "0")) / 1000)
    for at, match, new in zip((start, end), found, moved(*times), strict=True):
        assert match
        fields[at] = match[1] + stamp(round(new * 100) * 10) + match[6]


# ---------------------------------------------------------------- TTML

_TAG = re.compile(rb"<[^\s>/]+(?:\s+[^\s=>]+\s*=\s*(?:\"[^\"]*\"|'[^']*'))*\s*/?>")
_TIMES: tuple[str, ...] = ("begin", "end", "dur")
_TIME = re.compile(rb"(?<=\s)(begin|end|dur)(\s*=\s*)(\"[^\"]*\"|'[^']*')")


@dataclass
class _Tags:
    """The start tags of a document that state times, while it is read."""

    clock: ttml.Clock
    moved: Moved
    data: bytes
    edits: list[tuple[int, int, bytes]] = field(default_factory=list)
    outer: list[float | None] = field(default_factory=list)
    """For each open element the begin of the one around it, or itself, that states times."""

    def start(self, at: int, name: str, attributes: dict[str, str]) -> None:
        known = self.outer[-1] if self.outer else None
        stated = {key: attributes[key] for key in _TIMES if key in attributes}
        kind = name.rpartition("}")[2]
        if attributes.get("timeContainer") == "seq" or (stated and kind not in ("p", "span", "br")):
            raise UnmovableError
        if stated and kind in ("p", "span", "br"):
            found = _TAG.match(self.data, at)
            if found is None or (known is None and "begin" not in stated):
                raise UnmovableError
            new = self._new_times(stated, known)

            def write(match: re.Match[bytes]) -> bytes:
                quote = match[3][:1]
                return match[1] + match[2] + quote + new[match[1].decode()].encode() + quote

            self.edits.append((at, found.end(), _TIME.sub(write, found[0])))
            if known is None:
                known = self.seconds(stated["begin"])
        self.outer.append(known)

    def _new_times(self, stated: dict[str, str], outer: float | None) -> dict[str, str]:
        """The attributes of an element; its times count from ``outer``, if that is known."""
        begin = self.seconds(stated.get("begin", "0s"))
        if outer is None:
            end = self.seconds(stated["end"]) if "end" in stated else begin
            if "dur" in stated:
                end = begin + self.seconds(stated["dur"])
            start, stop = self.moved(begin, end)
            times = {"begin": start, "end": stop, "dur": stop - start}
        else:
            start = self.moved(outer, outer)[0]
            times = {key: self.moved(outer, outer + self.seconds(stated[key]))[1] - start
                     for key in stated}  # fmt: skip
        return {key: self.write(times[key], stated[key]) for key in stated}

    def seconds(self, text: str) -> float:
        plain = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*", text)
        try:
            found = float(plain[1]) if plain else self.clock.seconds(text)
        except ValueError as error:
            raise UnmovableError from error
        assert found is not None
        return found

    def write(self, seconds: float, like: str) -> str:
        """A time, written like another one."""
        if abs(self.seconds(like) - seconds) < 5e-4:
            return like
        if number := re.fullmatch(r"\s*\d+(?:\.(\d+))?\s*(h|ms|m|s|f|t|)\s*", like):
            unit = number[2]
            each = {"h": 3600.0, "ms": 1e-3, "m": 60.0, "s": 1.0, "": 1.0}
            each |= {"f": 1 / self.clock.frames, "t": 1 / self.clock.ticks}
            least = {"h": 7, "m": 5, "s": 3, "": 3, "ms": 0, "f": 0, "t": 0}[unit]
            digits = max(least, len(number[1] or ""))
            return f"{seconds / each[unit]:.{digits}f}{unit}"
        if frames := re.fullmatch(r"\s*\d+:\d+:\d+:(\d+)(?:\.\d+)?\s*", like):
            if self.clock.is_smpte:
                raise UnmovableError
            whole, count = divmod(round(seconds * self.clock.frames), round(self.clock.frames))
            hours, minutes, rest, _ = clock(whole * 1000)
            return f"{hours:02}:{minutes:02}:{rest:02}:{count:0{len(frames[1])}}"
        dotted = re.fullmatch(r"\s*\d+:\d+:\d+(?:\.(\d+))?\s*", like)
        if not dotted or self.clock.is_smpte:
            raise UnmovableError
        pattern = f"00:00:00.{(dotted[1] or '').ljust(3, '0')}"
        return _written(seconds, pattern)


def _ttml(text: str, moved: Moved) -> str:
    data = text.encode("utf-8", "surrogatepass")
    parser = expat.ParserCreate("utf-8", namespace_separator="}")
    tags: list[_Tags] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if not tags:
            root = {ttml.qualified(key): value for key, value in attributes.items()}
            tags.append(_Tags(ttml.clock_of(root, parser.CurrentLineNumber), moved, data))
        tags[0].start(parser.CurrentByteIndex, name, attributes)

    def end(name: str) -> None:
        tags[0].outer.pop()

    parser.StartElementHandler, parser.EndElementHandler = start, end
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, InputError) as error:
        raise UnmovableError from error
    found, at = bytearray(), 0
    for first, last, new in tags[0].edits if tags else ():
        found += data[at:first] + new
        at = last
    return bytes(found + data[at:]).decode("utf-8", "surrogatepass")


# ---------------------------------------------------------------- Whisper's JSON


_NUMBER = re.compile(r'("(?:start|end)"\s*:\s*)(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?=\s*[,}])')


def _json(text: str, moved: Moved) -> str:
    # With its number in place of each time, one shows in the parsed file where it belongs.
    stated = _NUMBER.findall(text)
    counter = itertools.count()
    whole: Any = json.loads(_NUMBER.sub(lambda match: f"{match[1]}{next(counter)}", text))
    new = [value for _, value in stated]
    for segment in whole["segments"]:
        at = {key: segment[key] for key in ("start", "end")}
        if not all(isinstance(place, int) for place in at.values()):
            raise UnmovableError
        start, end = (float(stated[at[key]][1]) for key in ("start", "end"))
        for key, time in zip(("start", "end"), moved(start, end), strict=True):
            new[at[key]] = repr(round(time, 3))
        for word in segment.get("words") or ():
            for key in ("start", "end"):
                if isinstance(place := word.get(key), int):
                    time = moved(start, float(stated[place][1]))[1]
                    new[place] = repr(round(time, 3))
    following = iter(new)
    return _NUMBER.sub(lambda match: f"{match[1]}{next(following)}", text)


_FORMATS: dict[str, Callable[[str, Moved], str]] = {
    "srt": _srt, "vtt": _vtt, "ass": _ass, "ttml": _ttml, "json": _json,
}  # fmt: skip
