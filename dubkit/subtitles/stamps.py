"""The line with the two times of a cue in SRT and WebVTT, as people and tools write it.

It is read by hand because every reader of these formats takes only what it would write itself, and
a line with a stray colon is worth no cue.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

_ARROW = r"(?:-{1,3}\s?(?:>|&gt;)|[–—=]{1,2}\s?>|[→⟶➔])"
# Spaces around the colons are left by machine translation of a whole file.
_RAW = r"-?\d{1,20}(?:\s?[:;.,]\s?-?\d{0,20})*"
_CLOCK = r"-?\d{1,20}\s?[:;.]\s?-?\d{1,20}(?:\s?[:;.,]\s?-?\d{0,20})*"
_TIMING = re.compile(
    rf"[\[(]?\s?(?:(?P<number>\d{{1,9}})[.)]?\s{{1,9}})?(?P<start>{_CLOCK})\s*(?P<arrow>{_ARROW})\s*"
    rf"(?:(?P<end>{_CLOCK})(?=[\s\])]|$))?(?P<closed>\s?[\])])?(?P<rest>.*)",
    re.DOTALL,
)
_FULL = r"\d{1,6}:\d{1,2}:\d{1,2}[.,]\d{1,9}"
_NO_ARROW = re.compile(rf"(?P<start>{_FULL})(?:\s*[-–—~,]\s*|\s+|\s+to\s+)(?P<end>{_FULL})")
_ALONE = re.compile(_FULL)
_SETTINGS = re.compile(
    r"(?:\s*\b(?:region|vertical|line|position|size|align|[XY][12]|[ADLST])\s?[:;=]\s?\S+(?!\S))*"
)
_USUAL = re.compile(
    r"(?:\d{2,6}:)?[0-5]\d:[0-5]\d[.,]\d{3}[ \t]+-->[ \t]+(?:\d{2,6}:)?[0-5]\d:[0-5]\d[.,]\d{3}"
    r"(?P<rest>(?:[ \t].*)?)"
)

NO_FRACTION = "the times have no fraction of a second"
LONG_FRACTION = "the times have more than three digits after the second, and were rounded"
BEYOND = "the times have more than 59 minutes or seconds"
UNUSUAL = "the times are not written as usual"
NO_ARROW = "there is no arrow between two times"
TEXT_BESIDE = "there is text beside the times, which was taken as the cue's"


class Timing(NamedTuple):
    """What a line says about the time of a cue."""

    start: float | None
    """Seconds, below 0 if the line states that; None if it cannot be read."""
    end: float | None
    settings: str
    """What follows the times and is not text, such as WebVTT's ``line:0``."""
    text: str
    """What follows them and is text."""
    flaws: tuple[str, ...]


def parse_timing(line: str, *, is_numbered: bool = False) -> Timing | None:
    """The times in a line; None if it is no line with times.

    Neither of them is known if the line was meant as one and cannot be read. ``is_numbered``: the
    line before is a cue's number.
    """
    if usual := _USUAL.fullmatch(line):
        left, right = line.split("-->", 1)
        start, _ = _seconds(left)
        end, _ = _seconds(right.split()[0])
        return _with_rest(start, end, usual["rest"], [])
    if not any(map(str.isdigit, line[:60])):
        return None
    line = _plain(line)
    if match := _TIMING.match(line):
        start, flaws = _seconds(match["start"])
        end, more = _seconds(match["end"] or "")
        if start is None and end is None:
            return Timing(None, None, "", "", ())
        if match["arrow"] != "-->" and not re.search("[:;]", match["start"]):
            return None  # 1.5 -> 2.5 is text
        flaws += more
        if match["number"] or match["closed"] or match["arrow"] not in ("-->", "->"):
            flaws.append(UNUSUAL)
        rest = match["rest"] if match["end"] else re.sub(r"^\s*\S*\d\S*", "", match["rest"])
        return _with_rest(start, end, rest, flaws)
    if match := _NO_ARROW.fullmatch(line):
        return Timing(_seconds(match["start"])[0], _seconds(match["end"])[0], "", "", (NO_ARROW,))
    if is_numbered and _ALONE.fullmatch(line):
        return Timing(_seconds(line)[0], None, "", "", (NO_ARROW,))
    left, arrow, right = line.partition("-->")
    if not arrow:
        return None
    match = re.match(rf"\s*({_CLOCK})(?=\s|$)", right)
    end, flaws = _seconds(match[1]) if match else (None, [])
    start, more = _seconds(left) if re.fullmatch(rf"\s*{_RAW}\s*", left) else (None, [])
    if (start, end) != (None, None):
        rest = right[match.end() :] if match else right
        return _with_rest(start, end, rest, [*flaws, *more, UNUSUAL])
    clock = re.search(r"\d:\d", f"{left[-30:]} {right[:30]}") or re.fullmatch(
        r"-?[\d:.,\s]*\d", left[:30].rstrip()
    )
    return Timing(None, None, "", "", ()) if clock else None


def _with_rest(start: float | None, end: float | None, rest: str, flaws: list[str]) -> Timing:
    settings = _SETTINGS.match(rest)
    assert settings
    text = rest[settings.end() :].strip()
    if text:
        flaws = [*flaws, TEXT_BESIDE]
    return Timing(start, end, settings[0].strip(), text, tuple(dict.fromkeys(flaws)))


def _plain(line: str) -> str:
    """The line without invisible characters, with the usual digits and punctuation."""
    if line.isascii():
        return line.strip()
    shown = (char for char in line if unicodedata.category(char) not in ("Cf", "Cc"))
    latin = unicodedata.normalize("NFKC", "".join(shown)).replace("٫", ".").replace("٬", ",")
    decimals = (unicodedata.decimal(char, None) for char in latin)
    plain = (c if d is None else str(d) for c, d in zip(latin, decimals, strict=True))
    return "".join(plain).strip()


def _seconds(raw: str) -> tuple[float | None, list[str]]:
    """Seconds of a time of hours, minutes, seconds and a fraction of which the first and the last
    may be missing, and what is unusual about it."""
    spaceless = re.sub(r"\s", "", raw)
    stripped = spaceless.replace("-", "").strip(":;.,")
    *parts, last = re.split(r"[:;.,]", stripped)
    marks = re.findall(r"[:;.,]", stripped)
    if not last or not all(parts) or len(parts) > 3 or not parts:
        return None, []
    flaws = [] if spaceless.rstrip(":;.,") == spaceless else [UNUSUAL]
    if ";" in marks:
        flaws.append(UNUSUAL)
    fraction = ""
    # 01:02.500 is a minute and a fraction, 00:01:02 an hour and none.
    if len(parts) == 3 or (marks[-1] in ".," and not (marks == [".", "."] and len(last) < 3)):
        fraction = last
        if marks[-1] in ":;" or marks[:-1].count(".") + marks[:-1].count(","):
            flaws.append(UNUSUAL)
    else:
        parts.append(last)
        flaws.append(NO_FRACTION)
    if max(map(len, parts)) > 6:
        return None, []
    if len(parts) == 1:
        flaws.append(UNUSUAL)
    seconds = [int(part) for part in parts]
    if any(part > 59 for part in seconds[-2:]) or (len(seconds) == 3 and seconds[1] > 59):
        flaws.append(BEYOND)
    if len(fraction) > 3:
        flaws.append(LONG_FRACTION)
    whole = 0
    for part in seconds:
        whole = whole * 60 + part
    milliseconds = round(int(fraction[:9] or "0") / 10 ** len(fraction[:9]) * 1000)
    total = (whole * 1000 + milliseconds) / 1000
    return -total if "-" in spaceless else total, flaws
