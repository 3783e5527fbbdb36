"""WebVTT."""

from __future__ import annotations

import html
import re
from xml.sax.saxutils import escape

from dubkit.errors import InputError
from dubkit.types import Cue, Track

from .blocks import parse_timing, write_blocks
from .interface import Contents, WriteOptions
from .markup import clean, embed_rtl, map_parts


def write(track: Track, options: WriteOptions) -> str:
    def text(cue: Cue) -> str:
        body = embed_rtl(map_parts(cue.text, lambda part: escape(part), str), track.language)
        if cue.speaker:
            name = escape(" ".join(cue.speaker.split()))
            body = f"<v {name}>{body}"
        return body

    return write_blocks(track, "vtt", text)


def parse(text: str) -> Contents:
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
            times = parse_timing(body[offset], block + offset + 1)
            if times:
                content = "\n".join(body[offset + 1 :])
                speaker = re.match(r"\s*<v(?:\.[^\s>]*)?\s([^>]+)>", content)
                content = re.sub(
                    r"<(?!/?[ibu]>)/?[A-Za-z0-9][^<>]*>|</?[ibu]\.[^<>]*>|</>", "", content
                )
                content = map_parts(content, unescape, str)
                name = unescape(speaker[1]).strip() if speaker else None
                cues.append(Cue(*times, clean(content), speaker=name))
                break
    return None, cues


def unescape(text: str) -> str:
    """The text with the characters that entities stand for."""
    # More digits than any character has, at which Python's own way fails.
    return html.unescape(re.sub(r"&#(?:[0-9]{9,}|[xX][0-9A-Fa-f]{9,});?", "\ufffd", text))
