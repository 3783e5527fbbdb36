"""The JSON that Whisper writes, with words; also how the workspace keeps tracks."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from dubkit.errors import InputError
from dubkit.languages import is_tag
from dubkit.types import Cue, Layout, Track, Word

from .interface import Contents, WriteOptions
from .timing import spans


def write(track: Track, options: WriteOptions) -> str:
    segments: list[dict[str, object]] = []
    for k, ((start, end), cue) in enumerate(zip(spans(track), track.cues, strict=True)):
        segment: dict[str, object] = {
            "id": k,
            "seek": start // 10,
            "start": start / 1000,
            "end": end / 1000,
            "text": cue.text,
        }
        if cue.words:
            segment["words"] = [_word_object(word) for word in cue.words]
        if cue.speaker is not None:
            segment["speaker"] = cue.speaker
        if cue.overlap:
            segment["overlap"] = True
        if cue.language is not None:
            segment["language"] = cue.language
        if cue.new_sentence:
            segment["new_sentence"] = True
        if cue.style is not None:
            segment["style"] = cue.style
        if cue.layout is not None:
            own = {"anchor": cue.layout.anchor, "x": cue.layout.x, "y": cue.layout.y}
            segment["layout"] = {**own, "settings": cue.layout.settings}
        segments.append(segment)
    whole = {"text": track.text, "language": track.language, "segments": segments}
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def _word_object(word: Word) -> dict[str, object]:
    times = {"word": word.text, "start": round(word.start, 3), "end": round(word.end, 3)}
    return times if word.probability is None else {**times, "probability": word.probability}


def parse(text: str) -> Contents:
    try:
        whole = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"line {error.lineno}: not JSON ({error.msg})") from error
    except ValueError as error:  # a number with thousands of digits
        raise InputError("line 1: not Whisper's JSON: a number has too many digits") from error
    except RecursionError as error:
        raise InputError("line 1: not Whisper's JSON: it is nested too deeply") from error
    segments = whole.get("segments") if isinstance(whole, dict) else None
    if not isinstance(segments, list):
        raise InputError("line 1: not Whisper's JSON: it has no list of segments")
    cues = []
    for k, segment in enumerate(segments):
        try:
            cues.append(_cue(segment))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            reason = f"no {error}" if isinstance(error, KeyError) else str(error)
            message = f"line {_line(text, k)}: not a segment of Whisper's JSON: {reason}"
            raise InputError(message) from error
    language = whole.get("language")
    return Contents(language if isinstance(language, str) else None, cues)


def _cue(segment: Mapping[str, Any]) -> Cue:
    words = tuple(
        Word(
            _seconds(word["start"]),
            _seconds(word["end"]),
            _text(word["word"]),
            None if word.get("probability") is None else float(word["probability"]),
        )
        for word in segment.get("words") or ()
        if "start" in word and "end" in word
    )
    speaker, style = segment.get("speaker"), segment.get("style")
    language = segment.get("language")
    return Cue(
        _seconds(segment["start"]),
        _seconds(segment["end"]),
        _text(segment["text"]).strip(),
        words,
        None if speaker is None else _text(str(speaker)),
        None if style is None else _text(str(style)),
        _layout(segment.get("layout")),
        segment.get("overlap") is True,
        language if is_tag(language) else None,
        segment.get("new_sentence") is True,
    )


def _layout(value: Any) -> Layout | None:
    if not isinstance(value, dict):
        return None
    x, y = (None if value.get(name) is None else _seconds(value[name]) for name in ("x", "y"))
    settings = " ".join(_text(str(value.get("settings", ""))).replace("-->", "").split())
    return Layout(min(max(int(value.get("anchor", 2)), 1), 9), x, y, settings)


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not math.isfinite(seconds):
        raise ValueError(f"{value} is not a time")
    return seconds


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{str(value)[:80]!r} is not text")
    # A lone surrogate, which JSON can express and no file can hold.
    return re.sub("[\ud800-\udfff]", "\ufffd", value)


_BETWEEN = re.compile(r"[\s,:]*")


def _line(text: str, number: int) -> int:
    """The line on which segment ``number`` begins, in JSON that is known to be valid."""
    decoder = json.JSONDecoder()

    def after(place: int) -> int:
        return _BETWEEN.match(text, place).end()  # type: ignore[union-attr]

    found = 0
    place = after(text.index("{") + 1)
    while text[place] != "}":
        key, place = decoder.raw_decode(text, place)
        place = after(place)
        if key == "segments" and text[place] == "[":
            found = place
        _, place = decoder.raw_decode(text, place)
        place = after(place)
    place = after(found + 1)
    for _ in range(number):
        _, place = decoder.raw_decode(text, place)
        place = after(place)
    return text.count("\n", 0, place) + 1
