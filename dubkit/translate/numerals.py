"""Whether a translation kept the numbers of its source, however its language writes them."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

_NUMBER = re.compile(r"\d(?:[\d.,'’٫٬]*\d)?")
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)\b", re.IGNORECASE)
_AFTERNOON = re.compile(r"(\d{1,2})([:.]\d\d)?\s*p\.?\s?m\b", re.IGNORECASE)
_SEPARATOR = r"[.,'’٫٬ \u00a0\u202f]?"
"""What may separate the digits of a number, depending on the language."""
_HAN = "〇一二三四五六七八九"
_ROMAN = ((100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"),
          (1, "I"))  # fmt: skip


def find_numbers(text: str) -> Counter[str]:
    """The numbers of two or more digits, without separators. A single digit may well become a word
    in a translation, and so may an ordinal."""
    plain = _ORDINAL.sub(" ", ascii_digits(text))
    digits = (re.sub(r"\D", "", number) for number in _NUMBER.findall(plain))
    return Counter(number for number in digits if len(number) > 1)


def ascii_digits(text: str) -> str:
    """The text with Arabic, Thai and all other digits as 0 to 9."""
    if text.isascii():
        return text
    return "".join(
        str(unicodedata.digit(char)) if char.isdigit() and not char.isascii() else char
        for char in text
    )


def find_lost(source: str, text: str) -> list[str]:
    """The numbers of ``source`` that are not in ``text`` in any form."""
    given = ascii_digits(text)
    afternoon = dict(_afternoon_hours(source))
    return [
        number
        for number in find_numbers(source)
        if not any(_contains(form, given) for form in (*_forms(number), *afternoon.get(number, ())))
    ]


def _contains(form: str, text: str) -> bool:
    if not form[0].isdigit():
        return form in text
    return re.search(rf"(?<!\d){_SEPARATOR.join(form)}(?!\d)", text) is not None


def _forms(number: str) -> Iterator[str]:
    """Ways to write a number: ``20000`` is 2万 in Japanese, ``1990`` the 90s, ``12`` XII."""
    yield number
    for zeros in (3, 4, 6, 8, 9):  # 20 mil, 2万, 3 millones, 1億, 2 billion
        if number.endswith("0" * zeros) and len(number) > zeros:
            yield number[:-zeros]
    if len(number) > 6:  # 1,500,000: 1.5 million, 150万
        yield number.rstrip("0")
    if re.fullmatch("(1[5-9]|20)[0-9]0", number):
        yield number[2:]
    if int(number) < 10_000:
        yield _han(int(number))
    if int(number) < 400:
        yield _roman(int(number))


def _han(number: int) -> str:
    """A number below 10,000 in Chinese characters: 十二, 三百〇五."""
    written = ""
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // unit % 10
        if digit:
            written += ("" if unit == 10 and digit == 1 and not written else _HAN[digit]) + name
    return written or "〇"


def _roman(number: int) -> str:
    written = ""
    for value, letters in _ROMAN:
        written += letters * (number // value)
        number %= value
    return written


def _afternoon_hours(source: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Hours p.m., each with the forms that languages with a 24-hour clock use."""
    for match in _AFTERNOON.finditer(source):
        hour = int(match[1]) % 12 + 12
        minutes = (match[2] or "")[1:]
        yield match[1] + minutes, (f"{hour}{minutes}", f"{hour}:{minutes}", str(hour))
        yield match[1], (str(hour),)
