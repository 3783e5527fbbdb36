"""TTML, formerly called DFXP."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from dubkit.errors import InputError
from dubkit.languages import right_to_left
from dubkit.types import Cue, Track

from .interface import Contents, WriteOptions
from .markup import UNPRINTABLE, clean, map_parts
from .timing import clock, timed_cues

_TT = "http://www.w3.org/ns/ttml"
_TTS = f"{{{_TT}#styling}}"
_TTP = f"{{{_TT}#parameter}}"
_XML = "{http://www.w3.org/XML/1998/namespace}"
_MARKS = {"i": ("fontStyle", "italic"), "b": ("fontWeight", "bold"),
          "u": ("textDecoration", "underline")}  # fmt: skip


def write(track: Track, options: WriteOptions) -> str:
    def mark(tag: str) -> str:
        name, value = _MARKS[tag[-2]]
        return "</span>" if tag.startswith("</") else f'<span tts:{name}="{value}">'

    def plain(text: str) -> str:
        return escape(text).replace("\n", "<br/>")

    title = escape(UNPRINTABLE.sub("", options.title or ""))
    rtl = right_to_left(track.language)
    direction = ' tts:direction="rtl" tts:unicodeBidi="embed"' if rtl else ""
    rows = [
        f'      <p begin="{_stamp(start)}" end="{_stamp(end)}">'
        f"{map_parts(cue.text, plain, mark)}</p>"
        for start, end, cue in timed_cues(track)
    ]
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<tt xmlns="{_TT}" xmlns:tts="{_TT}#styling" xmlns:ttm="{_TT}#metadata"'
            f' xml:lang={quoteattr(track.language)} xml:space="preserve">',
            "  <head>",
            *([f"    <metadata><ttm:title>{title}</ttm:title></metadata>"] if title else []),
            f'    <styling><style xml:id="text" tts:textAlign="center"{direction}/></styling>',
            '    <layout><region xml:id="bottom" tts:displayAlign="after" tts:origin="5% 5%"'
            ' tts:extent="90% 90%"/></layout>',
            "  </head>",
            '  <body style="text" region="bottom">',
            "    <div>",
            *rows,
            "    </div>",
            "  </body>",
            "</tt>",
            "",
        ]
    )


def _stamp(milliseconds: int) -> str:
    return "{:02d}:{:02d}:{:02d}.{:03d}".format(*clock(milliseconds))


def parse(text: str) -> Contents:
    document = _document(text)
    root = document.root
    if _name(root) != "tt":
        raise InputError(f"line {document.lines[root]}: a TTML file holds a tt element")
    rate, ticks = _rates(root, document.lines[root])
    styles = {style.get(f"{_XML}id", ""): _marks_of(style, {}) for style in _all(root, "style")}
    cues: list[Cue] = []

    def seconds(node: Element, name: str) -> float:
        return _seconds(node.get(name), rate, ticks, document.lines[node])

    def walk(node: Element, base: float) -> None:
        begin = base + seconds(node, "begin")
        if _name(node) == "p":
            ends = node.get("end") is not None
            end = base + seconds(node, "end") if ends else begin + seconds(node, "dur")
            keep = "preserve" in (root.get(f"{_XML}space"), node.get(f"{_XML}space"))
            cues.append(Cue(round(begin, 3), round(end, 3), clean(_text(node, styles, keep))))
            return
        for child in node:
            walk(child, begin)

    for body in _all(root, "body"):
        walk(body, 0.0)
    return Contents(root.get(f"{_XML}lang"), cues)


# The document

_MAX_DEPTH = 100
"""Nested elements; real files have about six levels."""


@dataclass(slots=True)
class _Document:
    """A tree of elements, and the line on which each begins."""

    root: Element = field(default_factory=lambda: Element(""))
    lines: dict[Element, int] = field(default_factory=dict)


def _document(text: str) -> _Document:
    """Parse XML with expat itself, since ElementTree does not report lines."""
    document, builder, depth = _Document(), TreeBuilder(), 0
    parser = expat.ParserCreate(namespace_separator="}")

    def qualified(name: str) -> str:
        return "{" + name if "}" in name else name

    def start(name: str, attributes: Mapping[str, str]) -> None:
        nonlocal depth
        depth += 1
        line = parser.CurrentLineNumber
        if depth > _MAX_DEPTH:
            raise InputError(f"line {line}: more than {_MAX_DEPTH} elements nested in each other")
        own = {qualified(key): value for key, value in attributes.items()}
        document.lines[builder.start(qualified(name), own)] = line

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(qualified(name))

    def refuse(*_: object) -> None:
        # A small file with nested entities can fill all memory.
        raise InputError(f"line {parser.CurrentLineNumber}: declares an XML entity")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text, True)
    except (expat.ExpatError, ValueError) as error:  # ValueError: a lone surrogate
        line = getattr(error, "lineno", 1)
        raise InputError(f"line {line}: not XML ({error})") from error
    document.root = builder.close()
    return document


def _name(node: Element) -> str:
    return node.tag.rpartition("}")[2]


def _all(root: Element, name: str) -> Iterator[Element]:
    return (node for node in root.iter() if _name(node) == name)


# Text


def _marks_of(node: Element, styles: Mapping[str, set[str]]) -> set[str]:
    own = {tag for tag, (name, value) in _MARKS.items() if value in node.get(_TTS + name, "")}
    return own.union(*(styles.get(name, set()) for name in node.get("style", "").split()))


def _text(node: Element, styles: Mapping[str, set[str]], keep: bool) -> str:
    def flat(text: str | None) -> str:
        return (text or "") if keep else re.sub(r"\s+", " ", text or "")

    marks = sorted(_marks_of(node, styles))
    inner = flat(node.text)
    for child in node:
        if _name(child) == "br":
            inner += "\n"
        elif _name(child) == "span":
            inner += _text(child, styles, keep)
        inner += flat(child.tail)
    opening = "".join(f"<{mark}>" for mark in marks)
    closing = "".join(f"</{mark}>" for mark in reversed(marks))
    return opening + inner + closing


# Times


def _rates(root: Element, line: int) -> tuple[float, float]:
    """Frames and ticks per second."""
    try:
        rate = float(root.get(f"{_TTP}frameRate", "30"))
        multiplier = root.get(f"{_TTP}frameRateMultiplier", "1 1").replace(":", " ")  # DFXP's
        numerator, _, denominator = multiplier.partition(" ")
        rate *= float(numerator) / float(denominator or 1)
        ticks = float(root.get(f"{_TTP}tickRate", "1"))
        if not (0 < rate < math.inf and 0 < ticks < math.inf):
            raise ValueError
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise InputError(f"line {line}: the frame rate or tick rate is not a number") from error
    return rate, ticks


def _seconds(text: str | None, rate: float, ticks: float, line: int) -> float:
    """Seconds of a TTML time expression: a clock time, or a number with a unit."""
    if text is None:
        return 0.0
    time = re.compile(r"(\d{1,6}):(\d{1,2}):(\d{1,2}(?:\.\d{1,9})?)(?::(\d{1,4})(?:\.\d+)?)?")
    if clock := time.fullmatch(text.strip()):
        hours, minutes, seconds, frames = clock.groups(default="0")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds) + int(frames) / rate
    count = re.fullmatch(r"(\d{1,20}(?:\.\d{1,9})?)(h|ms|m|s|f|t)", text.strip())
    if not count:
        raise InputError(f"line {line}: {text[:80]!r} is not a TTML time")
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "f": 1 / rate, "t": 1 / ticks}
    return float(count[1]) * units[count[2]]
