"""WebVTT."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from xml.sax.saxutils import escape

from dubkit.cues import spoken
from dubkit.cues.text import MARK, SPACE
from dubkit.types import Cue, Track

from . import layout
from .blocks import mend_times, read_blocks, write_blocks
from .colors import to_class
from .interface import NEWLINE, Contents, Flaw, WriteOptions
from .markup import clean, embed_rtl, map_parts
from .stamps import parse_timing
from .timing import timed_cues


def write(track: Track, options: WriteOptions) -> str:
    names = spoken.find_names(track)

    def text(cue: Cue) -> str:
        marked = map_parts(cue.text, lambda part: escape(part), to_class)
        language = track.language_of(cue)
        body = embed_rtl(marked, language)
        if language != track.language:
            body = f"<lang {language}>{body}</lang>"
        labeled = any(one.label for one in spoken.passages(cue.text, language, names))
        if cue.speaker and not labeled:
            name = escape(" ".join(cue.speaker.split()))
            body = f"<v {name}>{body}"
        return body

    header = styling(options.like) if options.like else ""
    header += _color_styles(track, header)
    written = write_blocks(track, "vtt", text)
    regions = "REGION" in header
    shown = (layout.to_settings(cue.layout, with_region=regions) for *_, cue in timed_cues(track))
    written = _TIMES.sub(lambda match: f"{match[0]} {next(shown)}".rstrip(), written)
    return written.replace("WEBVTT\n\n", f"WEBVTT\n\n{header}", 1)


_TIMES = re.compile(r"^[0-9:.]+ --> [0-9:.]+$", re.MULTILINE)  # in a text the arrow is escaped


def _color_styles(track: Track, header: str) -> str:
    """A style for each color that players do not know by its name."""
    marks = {mark for cue in track.cues for mark in MARK.findall(cue.text) if "<c." in mark}
    names = {name for mark in marks for name in to_class(mark)[3:-1].split(".")}
    return "".join(
        f"STYLE\n::cue(.{name}) {{ color: #{name[5:]} }}\n\n"
        for name in sorted(names)
        if re.fullmatch("color[0-9A-Fa-f]{6}", name) and f"(.{name})" not in header
    )


def styling(like: str) -> str:
    """The styles and regions of another file."""
    blocks = NEWLINE.sub("\n", like.removeprefix("\ufeff")).split("\n\n")
    kept = (one.strip("\n") for one in blocks if re.match(r"\n*(?:STYLE|REGION)\s*\n", one))
    return "".join(f"{one}\n\n" for one in kept if "-->" not in one)


def parse(text: str) -> Contents:
    lines = text.split("\n")
    flaws: list[Flaw] = []
    if not re.match(r"WEBVTT(\s|$)", lines[0]):
        flaws.append(Flaw(1, "a WebVTT file begins with WEBVTT"))
    blocks = read_blocks(lines, asides(lines), named=True)
    flaws += blocks.flaws
    cues = []
    for block in blocks.found:
        content = "\n".join(block.body)
        speaker = re.match(r"\s*<v(?:\.[^\s>]*)?\s([^>]+)>", content)
        language = _LANG.fullmatch(content) if content.count("<lang") == 1 else None
        content = re.sub(r"<rt(?:\.[^<>]*)?>([^<>]*)(?:</rt>)?", r"(\1)", content)
        content = _with_voices(_with_classes(content))
        content = re.sub(
            r"<(?!/?[ibu]>|/[cv]>|[cv]\.)/?[A-Za-z0-9][^<>]*>|</?[ibu]\.[^<>]*>|</>", "", content
        )
        name = unescape(speaker[1]).strip() if speaker and "<v." not in content else None
        place = layout.from_settings(block.timing.settings)
        body = clean(map_parts(content, unescape, str))
        tag = language[1] if language else None
        cues.append((block, Cue(0.0, 0.0, body, speaker=name, layout=place, language=tag)))
    return Contents(_language(lines), tuple(mend_times(cues, flaws)), flaws)


_LANG = re.compile(
    r"\s*(?:<v[^<>]*>\s*)?<lang(?:\.[^\s<>]*)?\s+([A-Za-z0-9-]{1,40})\s*>"
    r"(?:(?!</lang>).)*(?:</lang>\s*)?(?:</v>\s*)?",
    re.DOTALL,
)
"""A text that is all in a language of its own."""


def _with_classes(text: str) -> str:
    """The text without the ``<c>`` elements that have no class."""
    opened: list[bool] = []

    def mark(match: re.Match[str]) -> str:
        if match[0] == "</c>":
            return "</c>" if opened and opened.pop() else ""
        classes = ".".join(re.findall(r"[^\s.<>]+", match[1]))[:60]
        opened.append(bool(classes))
        return f"<c.{classes}>" if classes else ""

    return re.sub(r"<c((?:\.[^<>\s]*)?)(?:\s[^<>]*)?>|</c>", mark, text)


def _with_voices(text: str) -> str:
    """The text with a mark around what each of several people speaks; without, if it is one."""
    voice = re.compile(r"<v(?:\.[^\s<>]*)?\s+([^<>]+)>|</v>")
    names = {" ".join(name.split()) for name in voice.findall(text)} - {""}
    if len(names) < 2:
        return voice.sub("", text)
    opened = False

    def mark(match: re.Match[str]) -> str:
        nonlocal opened
        end = "</v>" if opened else ""
        opened = bool(match[1] and match[1].strip())
        name = SPACE.join(unescape(match[1] or "").split())[:60]
        return f"{end}<v.{re.sub('[<>]', '', name)}>" if opened else end

    # A voice lasts until the next one; the line break between two belongs to neither.
    marked = voice.sub(mark, text) + "</v>" * opened
    return re.sub(r"(\s+)</v>", r"</v>\1", marked)


def asides(lines: Sequence[str]) -> set[int]:
    """The indexes of the lines of the header, which files that were joined have several times, and
    of notes, styles and regions."""
    found: set[int] = set()
    inside = False
    for k, line in enumerate(lines):
        if not line.strip("\ufeff"):
            inside = False
        elif not k or not lines[k - 1]:
            inside = bool(_ASIDE.match(line))
        elif (
            inside and "-->" in line and (timing := parse_timing(line)) and timing.start is not None
        ):
            inside = False  # a cue needs no empty line above it
        if inside:
            found.add(k)
    return found


_ASIDE = re.compile(
    "\ufeff?(?:WEBVTT|NOTE|STYLE|REGION)(?:\\s|$)|(?:Kind|Language|Region)\\s*:|X-TIMESTAMP-MAP="
)


def _language(lines: Sequence[str]) -> str | None:
    """The language that the header states."""
    for line in lines[1:]:
        if not line:
            break
        if stated := re.match(r"Language\s*:\s*([A-Za-z0-9-]+)\s*$", line):
            return stated[1]
    return None


def unescape(text: str) -> str:
    """The text with the characters that entities stand for."""
    # More digits than any character has, at which Python's own way fails.
    return html.unescape(re.sub(r"&#(?:[0-9]{9,}|[xX][0-9A-Fa-f]{9,});?", "\ufffd", text))
