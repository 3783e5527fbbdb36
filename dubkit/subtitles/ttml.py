"""TTML, formerly called DFXP."""

from __future__ import annotations

import bisect
import itertools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from html.entities import html5
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from dubkit.errors import InputError
from dubkit.languages import right_to_left
from dubkit.types import Cue, Track

from . import layout
from .colors import color_of, to_hex
from .interface import Contents, Flaw, WriteOptions
from .markup import UNPRINTABLE, clean, join_stretches, map_parts
from .timing import NO_TIME, REVERSED, clock, timed_cues

_TT = "http://www.w3.org/ns/ttml"
_TTS = f"{{{_TT}#styling}}"
_TTP = f"{{{_TT}#parameter}}"
_XML = "{http://www.w3.org/XML/1998/namespace}"
_LANG = f"{_XML}lang"
LONGEST = 7.0
"""Seconds for which the last text is shown if nothing ends it."""
_MARKS = {"i": ("fontStyle", "italic"), "b": ("fontWeight", "bold"),
          "u": ("textDecoration", "underline")}  # fmt: skip


def write(track: Track, options: WriteOptions) -> str:
    def mark(tag: str) -> str:
        if tag.startswith("<c."):
            color = color_of(tag)
            return f'<span tts:color="{color}">' if color else "<span>"
        if tag in ("</c>", "</v>"):
            return "</span>"
        if tag.startswith("<v."):
            return "<span>"
        name, value = _MARKS[tag[-2]]
        return "</span>" if tag.startswith("</") else f'<span tts:{name}="{value}">'

    def plain(text: str) -> str:
        return escape(text).replace("\n", "<br/>")

    title = escape(UNPRINTABLE.sub("", options.title or ""))
    rtl = right_to_left(track.language)
    direction = ' tts:direction="rtl" tts:unicodeBidi="embed"' if rtl else ""
    cues = list(timed_cues(track))
    anchors = {cue: layout.anchor_of(cue.layout) for *_, cue in cues if cue.layout}
    regions = "".join(layout.to_region(anchor) for anchor in sorted(set(anchors.values()) - {2}))

    def place(cue: Cue) -> str:
        anchor = anchors.get(cue, 2)
        align = ("left", "", "right")[(anchor - 1) % 3]
        aligned = f' tts:textAlign="{align}"' if align else ""
        return f' region="at{anchor}"{aligned}' if anchor != 2 else ""

    def tongue(cue: Cue) -> str:
        language = track.language_of(cue)
        if language == track.language:
            return ""
        turned = right_to_left(language) != rtl
        way = f' tts:direction="{"ltr" if rtl else "rtl"}" tts:unicodeBidi="embed"'
        return f" xml:lang={quoteattr(language)}{way if turned else ''}"

    rows = [
        f'      <p begin="{_stamp(start)}" end="{_stamp(end)}"{place(cue)}{tongue(cue)}>'
        f"{map_parts(cue.text, plain, mark)}</p>"
        for start, end, cue in cues
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
            f' tts:extent="90% 90%"/>{regions}</layout>',
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
    flaws: list[Flaw] = []
    document = _document(text, flaws)
    root = document.root
    if _name(root) != "tt":
        raise InputError(f"line {document.lines[root]}: a TTML file holds a tt element")
    reader = _Reader(
        clock_of(root.attrib, document.lines[root]),
        {one.get(f"{_XML}id", ""): one for one in _all(root, "style")},
        {one.get(f"{_XML}id", ""): one for one in _all(root, "region")},
        document.lines,
        flaws,
    )
    cues = [
        cue
        for body in _all(root, "body")
        for cue in reader.cues(body, root.get(f"{_XML}space") == "preserve")
    ]
    return Contents(root.get(_LANG), cues, flaws)


# The document

_OLDER = re.compile(r"^http://www\.w3\.org/20\d\d/\d\d/ttaf1(?:#(\w+))?(?=\})")
"""The namespaces of DFXP's drafts."""


def _current(older: re.Match[str]) -> str:
    names = {"style": "styling", "styling-attribute": "styling"}
    return f"{_TT}#{names.get(older[1], older[1])}" if older[1] else _TT


def qualified(name: str) -> str:
    """A name as expat has it, as ElementTree does, in the current namespaces."""
    return "{" + _OLDER.sub(_current, name) if "}" in name else name


_MAX_DEPTH = 100
"""Nested elements; real files have about six levels."""


@dataclass(slots=True)
class _Document:
    """A tree of elements, and the line on which each begins."""

    root: Element = field(default_factory=lambda: Element(""))
    lines: dict[Element, int] = field(default_factory=dict)


def _document(text: str, flaws: list[Flaw]) -> _Document:
    """The elements of a document, of one that is not XML those that can be read."""
    try:
        return _parsed(text)
    except expat.ExpatError:
        return _parsed(_escaped(text, flaws), flaws)


_STRAY = re.compile(
    r"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)"
    r"|&(?:#[0-9]{1,7};|#x[0-9A-Fa-f]{1,6};|(?P<name>[A-Za-z][A-Za-z0-9]{1,30});)?"
    r"|<(?![A-Za-z_/!?])",
    re.DOTALL,
)
STRAY = "there is a sign that XML has a meaning for, which was taken as text"


def _escaped(text: str, flaws: list[Flaw]) -> str:
    """The text with ``&`` and ``<`` escaped where they begin nothing, and with characters for the
    entities of HTML, which XML does not know."""
    line, before = 1, 0

    def mend(found: re.Match[str]) -> str:
        nonlocal line, before
        whole, name = found[0], found["name"]
        if whole[:2] == "<!" or whole[:2] == "&#" or name in ("amp", "lt", "gt", "quot", "apos"):
            return whole
        line, before = line + text.count("\n", before, found.start()), found.start()
        flaws.append(Flaw(line, STRAY))
        return escape(html5.get(f"{name};", whole))

    return _STRAY.sub(mend, text)


def _parsed(text: str, flaws: list[Flaw] | None = None) -> _Document:
    """Parse XML with expat itself, since ElementTree does not report lines.

    With ``flaws``, to which that is added, what is before the first fault is read.
    """
    document, builder, depth = _Document(), TreeBuilder(), 0
    opened: list[str] = []
    parser = expat.ParserCreate(namespace_separator="}")

    def start(name: str, attributes: Mapping[str, str]) -> None:
        nonlocal depth
        depth += 1
        line = parser.CurrentLineNumber
        if depth > _MAX_DEPTH:
            raise InputError(f"line {line}: more than {_MAX_DEPTH} elements nested in each other")
        own = {qualified(key): value for key, value in attributes.items()}
        document.lines[builder.start(qualified(name), own)] = line
        opened.append(qualified(name))

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(opened.pop())

    def refuse(*_: object) -> None:
        # A small file with nested entities can fill all memory.
        raise InputError(f"line {parser.CurrentLineNumber}: declares an XML entity")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text, True)
    except ValueError as error:  # a lone surrogate
        raise InputError(f"line 1: not XML ({error})") from error
    except expat.ExpatError as error:
        if flaws is None:
            raise
        what = f"not XML ({expat.ErrorString(error.code)})"
        if not document.lines:
            raise InputError(f"line {error.lineno}: {what}") from error
        flaws.append(Flaw(error.lineno, f"{what}, so what follows is left out"))
        while opened:
            builder.end(opened.pop())
    document.root = builder.close()
    return document


def _name(node: Element) -> str:
    return node.tag.rpartition("}")[2]


def _all(root: Element, name: str) -> Iterator[Element]:
    return (node for node in root.iter() if _name(node) == name)


# Times and text: what is shown when


@dataclass(frozen=True, slots=True)
class _Fragment:
    """A piece of text in a paragraph and when it is shown, as far as its elements say."""

    begin: float
    end: float
    text: str
    marks: tuple[str, ...]
    """Of ``i``, ``b`` and ``u``, the outermost first."""


@dataclass
class _Paragraph:
    """A paragraph while it is read."""

    keep: bool
    """Whether its spaces and line breaks are text."""
    fragments: list[_Fragment] = field(default_factory=list)


@dataclass
class _Reader:
    """The timing model of TTML: everything is shown within its parent, all at once in a ``par``
    container, one after another in a ``seq`` one."""

    clock: Clock
    styles: Mapping[str, Element]
    regions: Mapping[str, Element]
    lines: Mapping[Element, int]
    flaws: list[Flaw]
    found: list[Cue] = field(default_factory=list)

    def cues(self, body: Element, keep: bool) -> list[Cue]:
        self.found = []
        self._visit(body, 0.0, math.inf, {}, None, keep)
        ends = [cue.end for cue in self.found if cue.end < math.inf]
        starts = sorted({cue.start for cue in self.found})
        finished = []
        for cue in self.found:
            if cue.end == math.inf:  # it stays until the end of the film, of which nothing is known
                later = bisect.bisect_right(starts, cue.start)
                following = starts[later] if later < len(starts) else None
                cue = replace(cue, end=following or max([cue.start + LONGEST, *ends]))
            finished.append(replace(cue, start=round(cue.start, 3), end=round(cue.end, 3)))
        return finished

    def _visit(
        self,
        node: Element,
        reference: float,
        stop: float,
        inherited: Mapping[str, str],
        paragraph: _Paragraph | None,
        keep: bool,
        outer: tuple[str, ...] = (),
        since: float = 0.0,
    ) -> float:
        """Read an element whose times count from ``reference``, and which ends by ``stop``; returns
        its own end."""
        try:
            begin = reference + (self._seconds(node, "begin") or 0.0)
            end, length = self._seconds(node, "end"), self._seconds(node, "dur")
        except ValueError as error:
            quoted = " ".join("".join(node.itertext()).split())[:80]
            lost = f", so its text is left out: {quoted!r}" if quoted else ""
            self.flaws.append(Flaw(self.lines[node], f"{error} is not a TTML time{lost}"))
            return reference
        ends = [reference + end] if end is not None else []
        ends += [begin + length] if length is not None else []
        if ends and min(ends) <= begin and "".join(node.itertext()).strip():
            self.flaws.append(Flaw(self.lines[node], NO_TIME if min(ends) == begin else REVERSED))
            ends = []
        limit = min([stop, *ends])
        style = self._style(node, inherited)
        marks = _marks(style, outer)
        shown_from = max(begin, since)
        if (region := self.regions.get(node.get("region", ""))) is not None:
            opens, closes = self._region_times(region)
            shown_from, limit = max(shown_from, opens), min(limit, closes)
        if style.get("display") == "none":
            limit = begin
        is_seq = node.get("timeContainer") == "seq"
        keep = {"preserve": True, "default": False}.get(node.get(f"{_XML}space", ""), keep)
        own = paragraph
        if _name(node) == "p":
            own = _Paragraph(keep)
        # In a container of ruby text, white space is between elements.
        is_text = bool(own) and not is_seq and "ontainer" not in node.get(f"{_TTS}ruby", "")

        def add(text: str | None) -> None:
            if own and text is not None:
                flat = text if own.keep else re.sub(r"\s+", " ", text)
                own.fragments.append(_Fragment(shown_from, limit, flat, marks))

        implicit = begin
        if is_text and node.text is not None:
            add(node.text)
            implicit = math.inf
        for child in node:
            name, cursor = _name(child), implicit if is_seq else begin
            child_end = cursor
            if not _is_content(child, node):
                pass
            elif name == "br":
                if own:
                    own.fragments.append(_Fragment(shown_from, limit, "\n", marks))
                child_end = cursor if is_seq else math.inf
            elif (role := child.get(f"{_TTS}ruby", "")) != "delimiter":
                if role == "text":  # the reading of what is before it
                    add("(")
                child_end = self._visit(child, cursor, limit, style, own, keep, marks, shown_from)
                if role == "text":
                    add(")")
            implicit = child_end if is_seq else max(implicit, child_end)
            if is_text and child.tail is not None:
                add(child.tail)
                implicit = math.inf
        if _name(node) == "p" and own:
            place, tag = layout.from_region(style), style.get(_LANG) or None
            self.found += (replace(cue, layout=place, language=tag) for cue in self._shown(own))
        return min(ends) if ends else implicit

    def _seconds(self, node: Element, name: str) -> float | None:
        text = node.get(name)
        if text and (plain := _PLAIN_SECONDS.fullmatch(text.strip())):
            self.flaws.append(Flaw(self.lines[node], "times without a unit were read as seconds"))
            return int(plain[1] or 0) * 60 + float(plain[2])
        return self.clock.seconds(text)

    def _region_times(self, region: Element) -> tuple[float, float]:
        """When a region is there."""
        try:
            begin = self._seconds(region, "begin") or 0.0
            end, length = self._seconds(region, "end"), self._seconds(region, "dur")
        except ValueError as error:
            self.flaws.append(Flaw(self.lines[region], f"{error} is not a TTML time"))
            return 0.0, math.inf
        length = math.inf if length is None else begin + length
        return begin, min(length, math.inf if end is None else end)

    def _shown(self, paragraph: _Paragraph) -> Iterator[Cue]:
        """The paragraph as a cue for each text that it shows."""
        filled = [one for one in paragraph.fragments if one.text.strip() and one.begin < one.end]
        times = sorted({time for one in filled for time in (one.begin, one.end)})
        before: Cue | None = None
        for start, end in itertools.pairwise(times):
            parts = [one for one in paragraph.fragments if one.begin <= start < one.end]
            text = clean(join_stretches((one.text, one.marks) for one in parts))
            if before and before.text == text and before.end == start:
                before = replace(before, end=end)
                continue
            if before:
                yield before
            before = Cue(start, end, text) if text else None
        if before:
            yield before

    def _style(self, node: Element, inherited: Mapping[str, str]) -> dict[str, str]:
        """The properties that hold in an element: its own, those of the styles that it names, those
        of its region, and those of its parent."""
        style = dict(inherited)
        if (region := self.regions.get(node.get("region", ""))) is not None:
            own = self._own_style(region, ())
            places = {name: own[name] for name in _PLACES[:3] if name in own}
            style = {**own, **style, **places}
        style.pop("display", None)
        if (tag := node.get(_LANG)) is not None:
            style[_LANG] = tag
        return {**style, **self._own_style(node, ())}

    def _own_style(self, node: Element, above: tuple[Element, ...]) -> dict[str, str]:
        style: dict[str, str] = {}
        for name in node.get("style", "").split():
            if (named := self.styles.get(name)) is not None and named not in above:
                style.update(self._own_style(named, (*above, named)))
        for child in node:
            if _name(node) == "region" and _name(child) == "style":
                style.update(self._own_style(child, above))
        return style | {
            name: value for name in _PROPERTIES if (value := _styling(node, name)) is not None
        }


_READ_AS = {
    "i": ("fontStyle", {"italic", "oblique"}),
    "b": ("fontWeight", {"bold"}),
    "u": ("textDecoration", {"underline"}),
}
_PLACES = ("displayAlign", "origin", "extent", "textAlign")
_PROPERTIES = ("fontStyle", "fontWeight", "textDecoration", "color", "display", *_PLACES)


_PLAIN_SECONDS = re.compile(r"(?:(\d{1,6}):)?(\d{1,9}(?:\.\d{1,9})?)")


def _is_content(child: Element, parent: Element) -> bool:
    """Whether an element shows something; those of other vocabularies do not."""
    names = ("br", "span") if _name(parent) in ("p", "span") else ("div", "p")
    same = child.tag.rpartition("}")[0] == parent.tag.rpartition("}")[0]
    return same and _name(child) in names


def _styling(node: Element, name: str) -> str | None:
    return node.get(_TTS + name)


def _marks(style: Mapping[str, str], outer: tuple[str, ...]) -> tuple[str, ...]:
    """The marks of an element with that style, inside others with the marks ``outer``."""
    on = [
        tag for tag, (name, values) in _READ_AS.items() if values & set(style.get(name, "").split())
    ]
    color = to_hex(style.get("color", ""))
    if color and color != "#ffffff":  # which is what players show anyway
        on.append(f"c.{color}")
    return (*(tag for tag in outer if tag in on), *(tag for tag in on if tag not in outer))


# The clock


@dataclass(frozen=True, slots=True)
class Clock:
    """How a document counts time."""

    frames: float
    """A second."""
    whole_frames: float
    """A second of the frame numbers in a time code, such as 30 for 29.97."""
    ticks: float
    """A second."""
    is_smpte: bool
    """Whether hours, minutes and seconds are those of a time code, and not of a clock."""
    dropped: str
    """Which frame numbers the time code leaves out."""

    def seconds(self, text: str | None) -> float | None:
        """Seconds of a time: a clock time, or a number with a unit. Raises ValueError."""
        if text is None:
            return None
        if clock := _CLOCK_TIME.fullmatch(text.strip()):
            hours, minutes, seconds, frames, parts = clock.groups(default="0")
            count = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
            part = int(frames) + int(parts) / 10 ** len(parts) if clock[4] else 0.0
            if not self.is_smpte:
                return count + part / self.frames
            number = count * self.whole_frames + part
            whole = int(hours) * 60 + int(minutes)
            if self.dropped == "dropNTSC":
                number -= 2 * (whole - whole // 10)
            elif self.dropped == "dropPAL":
                number -= 4 * (whole // 2 - whole // 20)
            return number / self.frames
        amount = re.fullmatch(r"(\d{1,20}(?:\.\d{1,20})?)(h|ms|m|s|f|t)", text.strip())
        if not amount:
            raise ValueError(repr(text[:80]))
        units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
        units |= {"f": 1 / self.frames, "t": 1 / self.ticks}
        return float(amount[1]) * units[amount[2]]


_CLOCK_TIME = re.compile(
    r"(\d{1,6}):(\d{1,2}):(\d{1,2}(?:\.\d{1,20})?)(?::(\d{1,4})(?:\.(\d{1,4}))?)?", re.ASCII
)


def clock_of(root: Mapping[str, str], line: int) -> Clock:
    """How the document of a root element with these attributes counts time. Raises InputError."""
    try:
        whole = float(_parameter(root, "frameRate") or "30")
        multiplier = (_parameter(root, "frameRateMultiplier") or "1 1").replace(":", " ")  # DFXP's
        numerator, _, denominator = multiplier.partition(" ")
        frames = whole * float(numerator) / float(denominator or 1)
        # Without a rate a tick is a frame if the document counts frames, else a second.
        per_frame = float(_parameter(root, "subFrameRate") or "1")
        default = frames * per_frame if _parameter(root, "frameRate") else 1.0
        ticks = float(_parameter(root, "tickRate") or default)
        if not all(0 < rate < math.inf for rate in (whole, frames, ticks)):
            raise ValueError
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise InputError(f"line {line}: the frame rate or tick rate is not a number") from error
    is_smpte = _parameter(root, "timeBase") == "smpte"
    return Clock(frames, whole, ticks, is_smpte, _parameter(root, "dropMode") or "")


def _parameter(root: Mapping[str, str], name: str) -> str | None:
    return root.get(_TTP + name)
