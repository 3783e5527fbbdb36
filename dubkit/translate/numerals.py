"""Whether a translation kept the numbers of its source, however its language writes them.

First by their digits, then by what the text says in words and scales, as
:mod:`.number_words` reads it. A number that may be there is not lost.

Times of day and dates are compared as such, since languages write them with other numbers and
often in words: ``13h00`` is 1 p.m. or one o'clock, ``25.12.`` the 25th of December.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from dubkit.languages import primary

from . import number_words

LONGEST = 20
"""Digits up to which a number may be written in another form than by its digits."""
PHONE = 7
"""Digits from which several groups of them may be one number, grouped differently elsewhere."""
SHOWN = 40
"""Characters of a number in a message."""

_NUMBER = re.compile(r"\d+(?:[.,'’٫٬]\d+)*")
_ORDINAL = re.compile(r"(?<!\d)\d{1,9}(?:st|nd|rd|th)\b", re.IGNORECASE)
_SEPARATORS = ".,'’٫٬ \u00a0\u202f"
"""What may separate the digits of a number, depending on the language."""
_GROUPS = re.compile(r"(?<!\d)\d++(?:[ \u00a0\u202f()./-]{1,3}\d+)+")
_PERCENT = re.compile(
    "[%％٪]|por ?cien|per ?cent|pour ?cent|prozent|pro[cs]ent|percent|persen|százalék|процент"
    "|відсот|百分|成|割|パーセント|퍼센트|프로|phần trăm|yüzde|प्रतिशत|फ़ीसदी|بالم|درصد|אחוז|ร้อยละ"
    "|เปอร์เซ็นต์|τοις εκατό",
    re.IGNORECASE,
)
"""What says that a number is one of a hundred."""
_ERA = re.compile("(?:令和|平成|昭和|大正|明治|民國|民国)")
"""What a year is counted from in words."""
_HAN = "〇一二三四五六七八九"
_ROMAN = ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"),
          (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))  # fmt: skip

_HOUR = r"(?<![\d:.,/])([01]?\d|2[0-4])"
_MINUTE = r"([0-5]\d)"
_HALF = r"([ap])\.?\s?m\b"
"""The half of the day."""
_AT = (
    r"\b(?:à|às|as|das|até|a\slas?|la|las|at|by|um|gegen|ab|bis|vor|nach|alle|dalle|ore|om|tot"
    r"|kl\.?|klo|saat|о|в|к|до|o|od|do|în)\s"
)
"""What stands before a time of day, and shows that an ambiguous number is one."""
_CLOCKS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # 13:00, 1:00 p.m., 13h00, 13時00分
        rf"{_HOUR}(?:\s?[:：h]\s?|[時点點]|시\s?){_MINUTE}(?![\d:])(?:\s?{_HALF})?",
        # 7.30 Uhr, 7.30 p.m.
        rf"{_HOUR}\.{_MINUTE}\s?(?:{_HALF}|(?:Uhr|uur|h)\b)",
        # um 7.30
        rf"{_AT}([01]?\d|2[0-4])\.{_MINUTE}(?![\d:]|[.,]\d|\s?[%€$£])()",
        # 1 p.m., 13 Uhr, 1 o'clock, 13時
        rf"{_HOUR}()\s?(?:{_HALF}|Uhr\b|o['’]clock\b|[時点點时](?![間间\d])|시(?![간\d]|\s\d))",
        # às 13h, à 13 heures
        rf"{_AT}([01]?\d|2[0-4])()\s?(?:hs?|hrs?|heures?|horas?|ore|uur|час(?:а|ов)?)\b(?!\s?\d)()",
    )
)
"""Times of day: the hour, the minute if there is one, and the half of the day if it is stated."""
_DATE = re.compile(
    r"(?<![\d.,/-])(?:"
    r"(?P<a>\d{1,2})(?P<by>[./-])(?P<b>\d{1,2})(?P=by)(?P<year>\d{4}|\d\d)"
    r"|(?P<first>\d{4})(?P<to>[./-])(?P<c>\d{1,2})(?P=to)(?P<d>\d{1,2})"
    r"|(?P<e>\d{1,2})[./](?P<f>\d{1,2}))(?!\d|[.,/-]\d)"
)
"""Days, by two numbers in either order, with or without a year."""


@dataclass(frozen=True, slots=True)
class _Clock:
    """A time of day."""

    shown: str
    digits: str
    hours: frozenset[int]
    """On a 24-hour clock; two where it is not stated which half of the day it is."""
    minute: int


def find_numbers(text: str) -> Counter[str]:
    """The numbers of two or more digits, without separators. A single digit may well become a word
    in a translation, and so may an ordinal or a zero."""
    plain = _ORDINAL.sub(" ", ascii_digits(text))
    return Counter(number for _, number in _numbers(plain))


def _numbers(text: str) -> Iterator[tuple[str, str]]:
    """Each number of two or more digits, as it stands and without separators."""
    for raw in _NUMBER.findall(text):
        number = re.sub(r"\D", "", raw)
        if len(number) > 2 or len(number.lstrip("0")) > 1:
            yield raw, number


def ascii_digits(text: str) -> str:
    """The text with Arabic, Thai and all other decimal digits as 0 to 9; ``²`` and ``①`` are signs
    rather than digits, and stay."""
    if text.isascii():
        return text
    return "".join(str(int(char)) if char.isdecimal() else char for char in text)


def find_lost(source: str, text: str, languages: tuple[str, str] = ("", "")) -> list[str]:
    """The numbers of ``source`` that are not in ``text`` in any form. ``languages`` are the tags of
    both, "" for one that is not known: its words are not read."""
    given = ascii_digits(text)
    clocks, rest = _cut_clocks(_ORDINAL.sub(" ", ascii_digits(source)))
    others, words = _cut_clocks(given)
    strange = any(not any(_is_same(clock, other) for clock in clocks) for other in others)
    lost = [one.shown for one in clocks if not _has_clock(one, words, others, strange=strange)]
    comparison = _Comparison(rest, given, *languages)

    def cut(date: re.Match[str]) -> str:  # but for 2.5 million
        decimal = date["f"] and "." in date[0] and comparison.is_scaled(date[0])
        return " " if _has_date(date, given) and not decimal else date[0]

    rest = _DATE.sub(cut, rest)
    missing = {raw: number for raw, number in _numbers(rest) if not comparison.has(raw, number)}
    if missing:
        groups = (re.sub(r"\D", "", group) for group in _GROUPS.findall(rest))
        joined = re.sub(r"(?<=\d)\W{1,3}(?=\d)", "", given)
        kept = {group for group in groups if len(group) >= PHONE and group in joined}
        lost += [
            raw for raw, number in missing.items() if not any(number in group for group in kept)
        ]
    return [number if len(number) <= SHOWN else f"{number[:SHOWN]}..." for number in lost]


@dataclass(frozen=True)
class _Comparison:
    """A source without times and dates, and its translation; their words are read if need be."""

    source: str
    text: str
    source_language: str
    language: str

    def has(self, raw: str, number: str) -> bool:
        """Whether the translation has a number of the source."""
        if len(number) > LONGEST:
            return _contains(number, self.text)
        # A number before a scale is another one in most languages: 2.5 million, 250万.
        if not self.is_scaled(raw) and _contains(number, self.text):
            return True
        if self._is_copied(raw):
            return True
        values = self._values(raw)
        if any(self._reading.has(value) for value in values) or self._is_idiom(raw, values):
            return True
        if any(_contains(form, self.text) for form in _forms(raw, number)):
            # Its digits before another scale are a wrong number.
            return not (self._reading.known and self._is_scaled_otherwise(raw, values))
        return not self._reading.known and not self._has_strange(values)

    @functools.cached_property
    def _reading(self) -> number_words.Reading:
        return number_words.read(self.text, self.language)

    @functools.cached_property
    def _source_numbers(self) -> dict[str, set[float]]:
        """What the digits in the source may mean, together with the words after them."""
        found: dict[str, set[float]] = {}
        for one in number_words.read(self.source, self.source_language).numbers:
            for digits in " ".join(one.digits).split():  # also those of 1 500 000
                found.setdefault(digits, set()).update(one.values)
        return found

    def _is_copied(self, raw: str) -> bool:
        """Whether the text has the same digits before the same word."""
        places = re.finditer(rf"(?<!\d){re.escape(raw)}(?!\d)(?:\s?\w+)?", self.source)
        copies = (rf"(?<!\d){re.escape(place[0])}(?!\w)" for place in places)
        return any(re.search(copy, self.text) for copy in copies)

    def is_scaled(self, raw: str) -> bool:
        """Whether a word or sign multiplies digits in the source."""
        followed = rf"(?<!\d){re.escape(raw)}(?!\d)\s?[^\W\d_]"
        return bool(re.search(followed, self.source)) and not (
            self._values(raw) & number_words.values_of(raw)
        )

    def _values(self, raw: str) -> set[float]:
        values = self._source_numbers.get(raw) or set(number_words.values_of(raw))
        if re.fullmatch("(1[5-9]|20)[0-9]0", raw):  # the nineties
            values = values | {float(raw[2:])}
        era = {"th": 543, "lo": 543, "km": 543, "fa": -621, "zh": -1911}.get(primary(self.language))
        if era and re.fullmatch("1[0-9]{3}|20[0-9]{2}", raw):
            values = values | {float(raw) + era}
        return values

    def _is_idiom(self, raw: str, values: set[float]) -> bool:
        """Whether a number may be in words that have none: all of it, half of it, an era's year."""
        share = re.search(rf"{re.escape(raw)}\s?[%％٪]", self.source)
        if share and not _PERCENT.search(self.text):  # three quarters, one in five
            return 100.0 in values or any(not one.digits for one in self._reading.numbers)
        year = any(1860 <= value <= 2100 for value in values)
        return bool(year and _ERA.search(self.text))

    def _is_scaled_otherwise(self, raw: str, values: set[float]) -> bool:
        """Whether the text has scaled digits, and its source's number would be scaled, too."""
        scaled = [one for one in self._reading.numbers if one.scaled and one.digits]
        return bool(scaled) and (self.is_scaled(raw) or max(values, default=0) >= 1000)

    def _has_strange(self, values: set[float]) -> bool:
        """Whether the text has a number that the source lacks, where words cannot be known."""
        own = {value for found in self._source_numbers.values() for value in found} | values
        for one in self._reading.numbers:
            for other in one.values:
                factors = (own_value / other for own_value in own if other)
                if other >= 10 and not any(_is_factor(factor) for factor in factors):
                    return True
        return False


def _is_factor(factor: float) -> bool:
    """Whether one number may be another without its zeros: 25 lakh for 2,500,000."""
    power = round(math.log10(factor)) if factor > 0 else 1
    return (power == 0 or power >= 2) and math.isclose(factor, 10**power, rel_tol=1e-9)


def _contains(form: str, text: str) -> bool:
    """Whether a number is in a text with its digits separated in any way."""
    if len(form) > LONGEST:
        return form in re.sub(rf"(?<=\d)[{_SEPARATORS}](?=\d)", "", text)
    if form[0].isdigit():
        return bool(
            re.search(rf"(?<!\d){f'[{_SEPARATORS}]?'.join(form)}(?!\d|[.,]\d\d\d(?!\d))", text)
        )
    if form.isascii():
        return bool(re.search(rf"(?<![A-Za-z]){form}(?![A-Za-z])", text))
    return form in text


def _forms(raw: str, number: str) -> Iterator[str]:
    """Ways to write a number: ``20000`` is 2万 in Japanese, ``1990`` the 90s, ``12`` XII."""
    yield number
    if len(number) > LONGEST:
        return
    if number[0] == "0":
        yield number.lstrip("0") or "0"
    if fraction := re.fullmatch(r"(\d+)[.,](\d*?)0+", raw):  # 2.50
        yield fraction[1] + fraction[2]
    for zeros in (3, 4, 6, 8, 9):  # 20 mil, 2万, 3 millones, 1億, 2 billion
        if number.endswith("0" * zeros) and len(number) > zeros:
            yield number[:-zeros]
    if len(number) > 6:  # 1,500,000: 1.5 million, 150万
        yield number.rstrip("0") or "0"
    if re.fullmatch("(1[5-9]|20)[0-9]0", number):
        yield number[2:]
    if len(number) <= 4:
        yield _han(int(number))
        if 0 < int(number) < 4000:
            yield _roman(int(number))


def _han(number: int) -> str:
    """A number below 10,000 in Chinese characters: 十二, 三百〇五."""
    written, skipped = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // unit % 10
        if not digit:
            skipped = bool(written)
        else:
            written += "〇" if skipped else ""
            skipped = False
            written += ("" if unit == 10 and digit == 1 and not written else _HAN[digit]) + name
    return written or "〇"


def _roman(number: int) -> str:
    written = ""
    for value, letters in _ROMAN:
        written += letters * (number // value)
        number %= value
    return written


# ---------------------------------------------------------------- times of day and dates


def _cut_clocks(text: str) -> tuple[list[_Clock], str]:
    """The times of day in a text, and the text without them."""
    clocks: list[_Clock] = []

    def cut(found: re.Match[str]) -> str:
        hour, minute, half = int(found[1]), found[2], (found[3] or "").lower()
        if half and hour <= 12:
            hours = frozenset({hour % 12 + 12 * (half == "p")})
        else:
            hours = frozenset({hour, hour + 12} if 0 < hour <= 12 else {hour})
        hours = frozenset(one % 24 for one in hours)
        clocks.append(_Clock(found[0].strip(), found[1] + minute, hours, int(minute or 0)))
        return " "

    for pattern in _CLOCKS:
        text = pattern.sub(cut, text)
    return clocks, text


def _is_same(clock: _Clock, other: _Clock) -> bool:
    """Whether two times may be one; ``other`` may be of whole hours, as in ``halb 8 Uhr``."""
    if clock.minute == other.minute:
        return bool(clock.hours & other.hours)
    next_hours = {(hour + 1) % 24 for hour in clock.hours}
    return not other.minute and bool((clock.hours | next_hours) & other.hours)


def _has_clock(clock: _Clock, text: str, others: list[_Clock], *, strange: bool) -> bool:
    """Whether a text has a time of day, perhaps in words, as for whole hours and five minutes.

    ``others`` are those in the text, which is without them; ``strange`` is whether one of them is
    none of the source's.
    """
    if any(_is_same(clock, other) for other in others) or _contains(clock.digits, text):
        return True
    if not clock.minute and any(
        _contains(str(hour), text) for one in clock.hours for hour in (one, one % 12 or 12)
    ):
        return True
    if strange:
        return False
    return clock.minute % 5 == 0 or _contains(f"{clock.minute:02}", text)


def _has_date(date: re.Match[str], text: str) -> bool:
    """Whether a text has a day, whose month may be a word and whose year may have two digits."""
    days = sorted(int(date[name]) for name in "abcdef" if date[name])
    if not (1 <= days[0] <= 12 and days[1] <= 31):
        return False
    year = (date["year"] or date["first"] or "")[-2:]
    if year and not re.search(rf"(?<!\d)(?:\d\d)?{year}(?!\d)", text):
        return False
    # The greater one is the day, unless both can be: then either may be a word, as numbers below
    # 10 always may.
    given = [number for number in days if number > 12] or days
    return given[0] < 10 or any(_contains(str(number), text) for number in given)
