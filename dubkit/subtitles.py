"""Track <-> SRT, WebVTT, ASS, TTML, Whisper's JSON and plain text. Pure, but for :func:`read`.

The only place with milliseconds: each time is rounded once, on its way out. The text of a cue is
plain, except that ``<i>``, ``<b>`` and ``<u>`` mark it as they do in SRT; each format says the
same in its own way and escapes what it would take for markup.

pysubs2 writes SRT, WebVTT and ASS and reads ASS. It does not read SRT and WebVTT here because its
readers take a last line that is a number for the next cue's, and name no line when they fail; it
does not do TTML because it writes no ``xml:lang`` and loses italics and ``dur``.
"""

from __future__ import annotations

import codecs
import importlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from dubkit.cues import unwrap
from dubkit.errors import InputError, MissingDependency, UsageError
from dubkit.profiles import primary
from dubkit.profiles import width as width_of
from dubkit.style import Style, parse_style
from dubkit.types import Cue, Track, Word

UNKNOWN = "und"
"""The language tag of a file that does not tell its language."""
PARAGRAPH_PAUSE = 2.0
"""Seconds of silence that begin a paragraph of plain text."""


_TAG = re.compile(r"(</?[ibu]>)")
_UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1b\x1f\x7f\ufffe\uffff\ufdd0-\ufdef\ud800-\udfff]")


def clean(text: str) -> str:
    """The text as every format can hold it: no empty lines, no control characters.

    Its marks are in pairs, each closed in the reverse order of its opening.
    """
    lines = (line.strip() for line in _UNPRINTABLE.sub("", text).splitlines())
    return "".join(_paired(_TAG.split("\n".join(filter(None, lines)))))


def _paired(parts: Sequence[str]) -> Iterator[str]:
    """Text and marks in turn, less closing marks without an opening one, plus the missing ones."""
    opened: list[str] = []
    for k, part in enumerate(parts):
        if k % 2 == 0:
            yield part
        elif not part.startswith("</"):
            opened.append(part)
            yield part
        elif part.replace("/", "") in opened:
            while True:
                mark = opened.pop()
                yield mark.replace("<", "</")
                if mark == part.replace("/", ""):
                    break
    yield from (mark.replace("<", "</") for mark in reversed(opened))


def plain(text: str) -> str:
    """The text without its marks."""
    return _TAG.sub("", text)


def _marked(text: str, say: Callable[[str], str], mark: Callable[[str], str]) -> str:
    """The text with each stretch passed through ``say`` and each mark through ``mark``."""
    parts = _TAG.split(text)
    return "".join(mark(part) if k % 2 else say(part) for k, part in enumerate(parts))


# Times


def _spans(track: Track, step: int = 1) -> list[tuple[int, int]]:
    """Start and end of each cue in milliseconds, multiples of ``step``.

    A cue lasts a step at least; cues that did not overlap do not after rounding.
    """
    spans: list[tuple[int, int]] = []
    for k, cue in enumerate(track.cues):
        start = max(0, round(cue.start * 1000 / step) * step)
        if k and track.cues[k - 1].end <= cue.start:
            start = max(start, spans[-1][1])
        spans.append((start, max(start + step, round(cue.end * 1000 / step) * step)))
    return spans


def _timed(track: Track, step: int = 1) -> Iterator[tuple[int, int, Cue]]:
    """The cues that have text, cleaned, with their spans."""
    for (start, end), cue in zip(_spans(track, step), track.cues, strict=True):
        text = clean(cue.text)
        if plain(text).strip():
            yield start, end, replace(cue, text=text)


# Render


def render(
    track: Track,
    format: str,
    *,
    title: str | None = None,
    style: Style | Mapping[str, object] | None = None,
    play_res: tuple[int, int] = (1920, 1080),
) -> str:
    """The track as the text of a subtitle file.

    ``title`` names it where the format has room for a title (ass, ttml). ``style`` and
    ``play_res``, the video's width and height in pixels, are for ass. Raises UsageError for an
    unknown format or style.
    """
    writer = _format(format).write
    if style is None:
        style = Style()
    elif not isinstance(style, Style):
        style = parse_style(style)
    return writer(track, _Setting(title, style, play_res))


@dataclass(frozen=True, slots=True)
class _Setting:
    """What a writer may want besides the track."""

    title: str | None
    style: Style
    play_res: tuple[int, int]


# pysubs2 reads "\N", "{" and "}" in any text as ASS does. Noncharacters, which clean() leaves in no
# text, stand for them on the way through.
_SHIELD = {ord("\\"): "\ufdd0", ord("{"): "\ufdd1", ord("}"): "\ufdd2"}
_UNSHIELD = {ord(stand_in): chr(char) for char, stand_in in _SHIELD.items()}


def _write_srt(track: Track, setting: _Setting) -> str:
    # SRT has no escapes, and most readers split at any arrow.
    return _through_pysubs2(track, "srt", lambda cue: cue.text.replace("-->", "→"))


def _write_vtt(track: Track, setting: _Setting) -> str:
    def text(cue: Cue) -> str:
        body = _marked(cue.text, lambda part: escape(part), str)
        if cue.speaker:
            name = escape(" ".join(cue.speaker.split()))
            body = f"<v {name}>{body}"
        return body

    return _through_pysubs2(track, "vtt", text)


def _through_pysubs2(track: Track, format: str, text: Callable[[Cue], str]) -> str:
    import pysubs2  # 70 ms

    subs = pysubs2.SSAFile()
    for start, end, cue in _timed(track):
        shielded = text(cue).translate(_SHIELD)
        subs.append(pysubs2.SSAEvent(start=start, end=end, text=shielded))
    return subs.to_string(format, keep_ssa_tags=True).translate(_UNSHIELD)


def _write_ass(track: Track, setting: _Setting) -> str:
    import pysubs2

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
    subs.styles = {"Default": _ass_style(setting.style, width, height, longest)}
    for start, end, cue in _timed(track, step=10):
        text = _marked(cue.text, _ass_text, _ass_mark)
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


def _ass_text(text: str) -> str:
    """Escaped as libass reads it: a backslash is literal before a word joiner."""
    text = text.replace("\\", "\\\u2060").replace("{", r"\{").replace("}", r"\}")
    return text.replace("\n", r"\N")


def _ass_mark(tag: str) -> str:
    return "{\\" + tag[-2] + ("0" if tag.startswith("</") else "1") + "}"


_TT = "http://www.w3.org/ns/ttml"
_TTS = f"{{{_TT}#styling}}"
_TTP = f"{{{_TT}#parameter}}"
_MARKS = {"i": ("fontStyle", "italic"), "b": ("fontWeight", "bold"),
          "u": ("textDecoration", "underline")}  # fmt: skip


def _write_ttml(track: Track, setting: _Setting) -> str:
    def mark(tag: str) -> str:
        name, value = _MARKS[tag[-2]]
        return "</span>" if tag.startswith("</") else f'<span tts:{name}="{value}">'

    def say(text: str) -> str:
        return escape(text).replace("\n", "<br/>")

    title = escape(_UNPRINTABLE.sub("", setting.title or ""))
    rows = [
        f'      <p begin="{_clock(start)}" end="{_clock(end)}">{_marked(cue.text, say, mark)}</p>'
        for start, end, cue in _timed(track)
    ]
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<tt xmlns="{_TT}" xmlns:tts="{_TT}#styling" xmlns:ttm="{_TT}#metadata"'
            f' xml:lang={quoteattr(track.language)} xml:space="preserve">',
            "  <head>",
            *([f"    <metadata><ttm:title>{title}</ttm:title></metadata>"] if title else []),
            '    <styling><style xml:id="text" tts:textAlign="center"/></styling>',
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


def _clock(milliseconds: int) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}.{milliseconds:03d}"


def _write_json(track: Track, setting: _Setting) -> str:
    segments: list[dict[str, object]] = []
    for k, ((start, end), cue) in enumerate(zip(_spans(track), track.cues, strict=True)):
        segment: dict[str, object] = {
            "id": k,
            "seek": start // 10,
            "start": start / 1000,
            "end": end / 1000,
            "text": cue.text,
        }
        if cue.words:
            segment["words"] = [_json_word(word) for word in cue.words]
        if cue.speaker is not None:
            segment["speaker"] = cue.speaker
        segments.append(segment)
    whole = {"text": track.text, "language": track.language, "segments": segments}
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def _json_word(word: Word) -> dict[str, object]:
    times = {"word": word.text, "start": round(word.start, 3), "end": round(word.end, 3)}
    return times if word.probability is None else {**times, "probability": word.probability}


def _write_txt(track: Track, setting: _Setting) -> str:
    """Paragraphs, a new one at a new speaker or after a long pause."""
    paragraphs: list[str] = []
    for k, cue in enumerate(track.cues):
        text = unwrap(plain(clean(cue.text)), track.language)
        before = track.cues[k - 1] if k else None
        if not text:
            continue
        if (
            before
            and paragraphs
            and before.speaker == cue.speaker
            and cue.start - before.end < PARAGRAPH_PAUSE
        ):
            paragraphs[-1] = unwrap(paragraphs[-1] + "\n" + text, track.language)
        else:
            paragraphs.append(f"{cue.speaker}: {text}" if cue.speaker else text)
    return "\n\n".join([*paragraphs, ""]).rstrip("\n") + "\n" if paragraphs else ""


# Parse


def parse(text: str, format: str, language: str | None = None) -> Track:
    """The track that the text of a subtitle file holds.

    ``language`` wins over the file's own tag (json, ttml, ass); without either it is ``und``.
    Raises InputError naming the line that cannot be read, UsageError for an unknown format.
    """
    reader = _format(format).parse
    if reader is None:
        raise InputError(f"{format} has no times, so it cannot be read as subtitles")
    own, cues = reader("\n".join(re.split("\r\n|\r|\n", text.removeprefix("\ufeff"))))
    return Track(language or own or UNKNOWN, tuple(cues))


_STAMP = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMING = re.compile(rf"\s*{_STAMP}\s*-->\s*{_STAMP}(?:\s.*)?$")
_ALMOST_TIMING = re.compile(r"\s*-?[\d:.,\s]*\d[\d:.,\s]*-->")

_Parsed = tuple[str | None, list[Cue]]


def _timing(line: str, number: int) -> tuple[float, float] | None:
    """Start and end in seconds of a timing line; None for another line."""
    match = _TIMING.match(line)
    if match:
        groups = match.groups(default="0")
        return _stamp(groups[:4]), _stamp(groups[4:])
    if _ALMOST_TIMING.match(line):
        raise InputError(f"line {number}: {line.strip()!r} is not a time")
    return None


def _stamp(groups: Sequence[str]) -> float:
    hours, minutes, seconds = (int(group) for group in groups[:3])
    milliseconds = int(groups[3].ljust(3, "0"))
    return (((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds) / 1000


def _parse_srt(text: str) -> _Parsed:
    lines = text.split("\n")
    times = {k: time for k, line in enumerate(lines) if (time := _timing(line, k + 1))}
    starts = sorted(times)
    for k, line in enumerate(lines[: starts[0] if starts else None]):
        if line.strip() and not line.strip().isdigit():
            raise InputError(f"line {k + 1}: a cue's number or time should be here, not {line!r}")
    cues = []
    for k, begin in enumerate(starts):
        body = lines[begin + 1 : starts[k + 1] if k + 1 < len(starts) else None]
        if k + 1 < len(starts) and body and body[-1].strip().isdigit():
            body.pop()  # the next cue's number
        shown = re.sub(r"</?font[^>]*>|\{\\[^}]*\}", "", "\n".join(body), flags=re.IGNORECASE)
        cues.append(Cue(*times[begin], _lower_tags(shown)))
    return None, [replace(cue, text=clean(cue.text)) for cue in cues]


def _lower_tags(text: str) -> str:
    return re.sub(r"<\s*(/?)\s*([ibu])\s*>", lambda m: f"<{m[1]}{m[2].lower()}>", text, flags=re.I)


def _parse_vtt(text: str) -> _Parsed:
    lines = text.split("\n")
    if not re.match(r"WEBVTT(\s|$)", lines[0]):
        raise InputError("line 1: a WebVTT file begins with WEBVTT")
    cues: list[Cue] = []
    k = 1
    while k < len(lines):
        block = k
        while k < len(lines) and lines[k].strip():
            k += 1
        body = lines[block:k]
        k += 1
        if not body or re.match(r"(NOTE|STYLE|REGION)(\s|$)", body[0]):
            continue
        for offset in range(min(2, len(body))):  # the first line may be the cue's name
            times = _timing(body[offset], block + offset + 1)
            if times:
                shown = "\n".join(body[offset + 1 :])
                speaker = re.match(r"\s*<v(?:\.[^\s>]*)?\s+([^>]+)>", shown)
                shown = re.sub(r"<(?!/?[ibu]>)/?[A-Za-z0-9][^>]*>|</?[ibu]\.[^>]*>|</>", "", shown)
                shown = _marked(shown, unescape, str)
                name = unescape(speaker[1]).strip() if speaker else None
                cues.append(Cue(*times, clean(shown), speaker=name))
                break
    return None, cues


def _parse_ass(text: str) -> _Parsed:
    import pysubs2

    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("Dialogue:"):
            fields = line.split(",", 9)
            stamp = re.compile(r"\s*-?\d+:\d{1,2}:\d{1,2}[.:]\d{1,3}\s*")
            if len(fields) < 10 or not all(map(stamp.fullmatch, fields[1:3])):
                raise InputError(f"line {number}: not a line of dialogue with its ten fields")
    if "[Script Info]" not in text and "[Events]" not in text:
        raise InputError("line 1: an ASS file begins with [Script Info]")
    try:
        subs = pysubs2.SSAFile.from_file(io.StringIO(text), "ass")
    except (pysubs2.exceptions.Pysubs2Error, ValueError, TypeError, IndexError) as error:
        raise InputError(f"the ASS file cannot be read: {error}") from error
    cues = [
        Cue(event.start / 1000, event.end / 1000, clean(_from_ass(event.text)),
            speaker=event.name.strip() or None)
        for event in subs.get_text_events()
    ]  # fmt: skip
    cues.sort(key=lambda cue: cue.start)
    return subs.info.get("Language"), cues


_ASS_TOKEN = re.compile(r"\\[{}]|\\\u2060|\\[Nnh]|\{[^}]*\}")


def _from_ass(text: str) -> str:
    def meaning(match: re.Match[str]) -> str:
        token = match[0]
        if token[0] == "{":
            switches = re.findall(r"\\([ibu])([01])(?![0-9])", token)
            return "".join(f"<{'' if on == '1' else '/'}{tag}>" for tag, on in switches)
        return {"N": "\n", "n": " ", "h": " ", "\u2060": "\\"}.get(token[1], token[1])

    return _ASS_TOKEN.sub(meaning, text)


def _parse_ttml(text: str) -> _Parsed:
    try:
        root = ElementTree.fromstring(text.encode())
    except ElementTree.ParseError as error:
        raise InputError(f"line {error.position[0]}: not XML ({error})") from error
    if root.tag.rpartition("}")[2] != "tt":
        raise InputError("line 1: a TTML file holds a tt element")
    try:
        rate = float(root.get(f"{_TTP}frameRate", "30"))
        numerator, _, denominator = root.get(f"{_TTP}frameRateMultiplier", "1 1").partition(" ")
        rate *= float(numerator) / float(denominator or 1)
        ticks = float(root.get(f"{_TTP}tickRate", "1"))
        if min(rate, ticks) <= 0:
            raise ValueError
    except (ValueError, ZeroDivisionError) as error:
        raise InputError("line 1: the frame rate or tick rate is not a number") from error
    styles = {style.get(_XML_ID, ""): _marks_of(style, {}) for style in _all(root, "style")}
    cues: list[Cue] = []

    def walk(node: ElementTree.Element, base: float) -> None:
        begin = base + _ttml_time(node.get("begin"), rate, ticks)
        if node.tag.endswith("}p"):
            if node.get("end") is not None:
                end = base + _ttml_time(node.get("end"), rate, ticks)
            else:
                end = begin + _ttml_time(node.get("dur"), rate, ticks)
            keep = "preserve" in (root.get(_XML_SPACE), node.get(_XML_SPACE))
            cues.append(Cue(round(begin, 3), round(end, 3), clean(_ttml_text(node, styles, keep))))
            return
        for child in node:
            walk(child, begin)

    for body in _all(root, "body"):
        walk(body, 0.0)
    return root.get("{http://www.w3.org/XML/1998/namespace}lang"), cues


_XML_ID = "{http://www.w3.org/XML/1998/namespace}id"
_XML_SPACE = "{http://www.w3.org/XML/1998/namespace}space"


def _all(root: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    return (node for node in root.iter() if node.tag.rpartition("}")[2] == name)


def _marks_of(node: ElementTree.Element, styles: Mapping[str, set[str]]) -> set[str]:
    own = {tag for tag, (name, value) in _MARKS.items() if value in node.get(_TTS + name, "")}
    return own.union(*(styles.get(name, set()) for name in node.get("style", "").split()))


def _ttml_text(node: ElementTree.Element, styles: Mapping[str, set[str]], keep: bool) -> str:
    def flat(text: str | None) -> str:
        return (text or "") if keep else re.sub(r"\s+", " ", text or "")

    marks = sorted(_marks_of(node, styles))
    inner = flat(node.text)
    for child in node:
        if child.tag.endswith("}br"):
            inner += "\n"
        elif child.tag.endswith("}span"):
            inner += _ttml_text(child, styles, keep)
        inner += flat(child.tail)
    opening = "".join(f"<{mark}>" for mark in marks)
    closing = "".join(f"</{mark}>" for mark in reversed(marks))
    return opening + inner + closing


def _ttml_time(text: str | None, rate: float, ticks: float) -> float:
    """Seconds of a TTML time expression: a clock's, or a count with its unit."""
    if text is None:
        return 0.0
    clock = re.fullmatch(r"(\d+):(\d{1,2}):(\d{1,2}(?:\.\d+)?)(?::(\d+))?", text.strip())
    if clock:
        hours, minutes, seconds, frames = clock.groups(default="0")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds) + int(frames) / rate
    count = re.fullmatch(r"(\d+(?:\.\d+)?)(h|ms|m|s|f|t)", text.strip())
    if not count:
        raise InputError(f"{text!r} is not a time of TTML")
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "f": 1 / rate, "t": 1 / ticks}
    return float(count[1]) * units[count[2]]


def _parse_json(text: str) -> _Parsed:
    try:
        whole = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"line {error.lineno}: not JSON ({error.msg})") from error
    try:
        cues = [_json_cue(segment) for segment in whole["segments"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"not Whisper's JSON: {type(error).__name__} {error}") from error
    return whole.get("language"), cues


def _json_cue(segment: Mapping[str, Any]) -> Cue:
    words = tuple(
        Word(float(word["start"]), float(word["end"]), str(word["word"]), word.get("probability"))
        for word in segment.get("words") or ()
        if "start" in word and "end" in word
    )
    start, end = float(segment["start"]), float(segment["end"])
    return Cue(start, end, str(segment["text"]).strip(), words, segment.get("speaker"))


# Formats


@dataclass(frozen=True, slots=True)
class Format:
    """One file format."""

    name: str
    suffixes: tuple[str, ...]
    write: Callable[[Track, _Setting], str]
    parse: Callable[[str], _Parsed] | None
    """None where a file has no times to read."""


FORMATS: Mapping[str, Format] = {
    format.name: format
    for format in (
        Format("srt", (".srt",), _write_srt, _parse_srt),
        Format("vtt", (".vtt",), _write_vtt, _parse_vtt),
        Format("ass", (".ass",), _write_ass, _parse_ass),
        Format("ttml", (".ttml", ".dfxp", ".xml"), _write_ttml, _parse_ttml),
        Format("json", (".json",), _write_json, _parse_json),
        Format("txt", (".txt",), _write_txt, None),
    )
}


def _format(name: str) -> Format:
    if name not in FORMATS:
        known = ", ".join(FORMATS)
        raise UsageError(f"{name!r} is not a subtitle format", hint=f"the formats are: {known}")
    return FORMATS[name]


# Files

_CODE_PAGES: Mapping[str, str] = {
    **dict.fromkeys(("ru", "uk", "be", "bg", "sr", "mk"), "cp1251"),
    **dict.fromkeys(("pl", "cs", "sk", "hu", "sl", "hr", "bs", "ro"), "cp1250"),
    "el": "cp1253", "tr": "cp1254", "he": "cp1255", "ar": "cp1256", "fa": "cp1256",
    **dict.fromkeys(("lt", "lv", "et"), "cp1257"),
    "vi": "cp1258", "th": "cp874", "ja": "cp932", "ko": "cp949", "zh": "gb18030",
}  # fmt: skip
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip


def read(path: str | Path, language: str | None = None) -> Track:
    """The track in a subtitle file, its format told by its suffix.

    UTF-8, what its byte order mark says, else the old code page of its language (Windows-1252
    where none is known). Raises InputError naming the file, and the line where one is at fault.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    named = [name for name, format in FORMATS.items() if suffix in format.suffixes]
    if not named:
        known = ", ".join(suffix for format in FORMATS.values() for suffix in format.suffixes)
        raise InputError(f"{path} is not a subtitle file", hint=f"the suffixes are: {known}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}",
            "check the name and who may read it",
        ) from error
    try:
        return parse(_decode(data, language), named[0], language)
    except InputError as error:
        hint = error.hint or f"mend it in a text editor, or export {named[0]} again"
        raise InputError(f"{path}: {error.message}", hint) from error


def _decode(data: bytes, language: str | None) -> str:
    bom = next((name for mark, name in _BOMS if data.startswith(mark)), None)
    old = "big5" if language and "hant" in language.lower() else None
    old = old or _CODE_PAGES.get(primary(language or ""), "cp1252")
    if b"\x00" in data and bom is None:
        line = data[: data.index(b"\x00")].count(b"\n") + 1
        raise InputError(f"line {line}: not text")
    for encoding in [bom] if bom else ["utf-8", old]:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
    raise InputError(f"line {line}: not in {bom or f'UTF-8 or {old}'}", "convert it to UTF-8")


# pysrt


def to_pysrt(track: Track) -> Any:
    """The track as a ``pysrt.SubRipFile``, for scripts that use pysrt.

    Raises MissingDependency where pysrt, which is GPL and so no part of dubkit, is not installed.
    """
    pysrt = _pysrt()
    items = [
        pysrt.SubRipItem(number, pysrt.SubRipTime(0, 0, 0, start), pysrt.SubRipTime(0, 0, 0, end),
                         cue.text)
        for number, (start, end, cue) in enumerate(_timed(track), 1)
    ]  # fmt: skip
    return pysrt.SubRipFile(items)


def from_pysrt(subs: Any, language: str = UNKNOWN) -> Track:
    """The track of a ``pysrt.SubRipFile`` (or of any of its items)."""
    cues = (
        Cue(item.start.ordinal / 1000, item.end.ordinal / 1000, clean(_lower_tags(item.text)))
        for item in subs
    )
    return Track(language, tuple(cues))


def _pysrt() -> Any:
    try:
        return importlib.import_module("pysrt")
    except ImportError as error:
        hint = 'pip install "dubkit[pysrt]"'
        raise MissingDependency("pysrt is not installed", hint) from error
