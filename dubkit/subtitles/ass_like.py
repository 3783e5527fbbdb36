"""New words in an existing ASS file, with everything else unchanged.

The file is edited as text, not parsed and written again: a writer would lose comments, sections and
fields that it does not know, and the order of those that it does.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from dubkit.cues.text import without_marks
from dubkit.types import Cue, Track

from .ass_events import COLUMNS, Event, by_start, language_line, stamp, text_events
from .ass_words import reword
from .interface import NEWLINE, UNKNOWN
from .markup import clean
from .timing import spans


def replace_dialogue(track: Track, like: str) -> str:
    """The file ``like`` with the cues of ``track`` in place of its dialogue.

    If there are as many cues as events with text, each cue replaces one, in order of time.
    Otherwise the text was segmented again, and each cue takes the style of the event that it
    overlaps most.
    """
    mark = "\ufeff" if like.startswith("\ufeff") else ""
    parts = NEWLINE.split(like.removeprefix("\ufeff"))
    lines, ends = parts[::2], [*parts[1::2], ""]
    newline = ends[0] or "\n"
    events = by_start(text_events(lines))
    if not events:
        events = [_insert_event(lines, ends, newline)] if track.cues else []
    written: dict[int, list[str]] = {event.line: [] for event in events}
    if len(events) == len(track.cues):
        hosts = [(event, False) for event in events]
    else:
        hosts = [(event, True) for event in _overlapping_events(track.cues, events)]
    for cue, span, (event, cut) in zip(track.cues, spans(track, 10), hosts, strict=True):
        text = reword(event.text, cue, track.language_of(cue), cut)
        if cut and not without_marks(clean(cue.text)).strip():
            continue
        written[event.line].append(_line(event, cue, span, text))
    if (at := language_line(lines)) is not None and track.language != UNKNOWN:
        lines[at] = lines[at][: len("Language:")] + f" {track.language}"
    rows = []
    for number, (line, end) in enumerate(zip(lines, ends, strict=True)):
        new = written.get(number, [line])
        rows += [row + (end or newline) for row in new[:-1]] + [row + end for row in new[-1:]]
    return mark + "".join(rows)


def events_between(text: str, start: float, end: float) -> str:
    """An ASS file without the events with text that begin before ``start``, or not before ``end``,
    in seconds."""
    parts = NEWLINE.split(text)
    events = text_events(parts[::2])
    others = {event.line for event in events if not start <= event.start < end}
    pairs = zip(parts[::2], [*parts[1::2], ""], strict=True)
    return "".join(line + end for at, (line, end) in enumerate(pairs) if at not in others)


_TITLES = "Layer Start End Style Name MarginL MarginR MarginV Effect Text".split()


def _insert_event(lines: list[str], ends: list[str], newline: str) -> Event:
    """An event on a new line, inserted into a file that has none."""
    heads = [k for k, line in enumerate(lines) if re.match(r"\s*\[events\]", line, re.IGNORECASE)]
    added = [] if heads else ["", "[Events]", "Format: " + ", ".join(_TITLES)]
    columns = COLUMNS
    at = len(lines) if lines[-1] else len(lines) - 1
    if heads:
        at = heads[-1] + 1
        names = re.match(r"\s*Format\s*:(.*)", lines[at]) if at < len(lines) else None
        if names:
            at += 1
            columns = tuple(name.strip().lower() for name in names[1].split(","))
    style = next((line for line in lines if line.startswith("Style:")), "Style: Default")
    values = {"style": style[6:].partition(",")[0].strip(), "name": "", "effect": "", "text": ""}
    fields = tuple(values.get(column, "0") for column in columns)
    if at and not ends[at - 1]:
        ends[at - 1] = newline
    lines[at:at] = [*added, ""]
    ends[at:at] = [newline] * (len(added) + 1)
    return Event(at + len(added), columns, (" " + fields[0], *fields[1:]), 0.0, 0.0)


_CONSIDERED = 500
"""Events before the end of a cue that are looked at for one that overlaps it."""


def _overlapping_events(cues: Sequence[Cue], events: list[Event]) -> Iterator[Event]:
    """The event that overlaps each cue most; of several, one of the same speaker. ``events`` are
    in the order of their starts."""
    starts = [event.start for event in events]
    last = list(itertools.accumulate(events, _later))
    """Of the events up to each, the one that ends last."""
    for cue in cues:
        following = bisect_left(starts, cue.end)
        near = events[max(0, following - _CONSIDERED) : following + 1]
        if following:
            near.append(last[following - 1])

        def fit(event: Event, cue: Cue = cue) -> tuple[float, bool]:
            overlap = min(event.end, cue.end) - max(event.start, cue.start)
            return overlap, (cue.speaker or "") == event["name"]

        yield max(near, key=fit)


def _later(first: Event, second: Event) -> Event:
    return second if second.end > first.end else first


def _line(event: Event, cue: Cue, span: tuple[int, int], text: str) -> str:
    fields = dict(zip(event.columns, event.fields, strict=True))
    fields["text"] = text
    if event.mended or (cue.start, cue.end) != (event.start, event.end):
        for name, time in zip(("start", "end"), span, strict=True):
            fields[name] = re.sub(r"\S.*", stamp(time), fields[name])
    return "Dialogue:" + ",".join(fields.values())
