"""Text normalization: numbers, dates, prices, units, addresses and abbreviations become words.

Numbers are spelled out by the rules of the Unicode CLDR (unicode-rbnf, MIT). What differs between
languages is in :mod:`.normalize_tables`; the rules below are shared by English, Spanish, French,
Italian and Portuguese. Mandarin has rules of its own, Japanese needs only a few signs replaced.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping

from dubkit import primary_language
from dubkit_plugins.number_rules import number_rules

from .normalize_tables import (
    FEMININE_NOUNS,
    KNOWN_WORDS,
    LANGUAGES,
    LETTER_NAMES,
    NUMBERED,
    LanguageRules,
)

ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_ROMAN = r"(?:M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3}))"
_FIGURE = r"\d[\d.,  ’']*\d|\d"


def normalize(text: str, language: str) -> str:
    """``text`` without digits or signs, written as a speaker of the language would read it."""
    primary = primary_language(language)
    text = unicodedata.normalize("NFC", text)
    text = re.sub(r"</?[a-zA-Z][^<>]*>|\{\\[^{}]*\}", "", text)
    text = re.sub("[\u00ad\u200b-\u200f\u202a-\u202e\ufeff♪♫♬#*_~|]+", " ", text)
    text = text.translate(str.maketrans("\u00a0\u202f‘’´`«»„–―", "  ''''“”“——"))
    if rules := LANGUAGES.get(primary):
        text = _write_out(text, primary, rules)
    elif primary == "zh":
        text = _chinese(text)
    elif primary == "ja":
        text = text.replace("%", "パーセント").replace("％", "パーセント").replace("℃", "度")
        text = re.sub(r"\$\s?([\d.,]+)", r"\1ドル", text)
    else:
        text = re.sub(_FIGURE, lambda found: _amount(found[0], primary, ".", "."), text)
    return " ".join(text.split())


def _write_out(text: str, primary: str, rules: LanguageRules) -> str:
    # Dashes and brackets are read as pauses.
    text = re.sub(r"\s+--?\s+|\s*—\s*", " — ", text)
    text = re.sub(r"[\[\](){}]+", ", ", text)
    text = re.sub(r"^[\s,—-]+|[\s,—-]+$", "", text)
    for rule in (_addresses, _abbreviations, _dates, _clocks, _money, _ordinals, _romans, _ranges,
                 _units, _numbers, _letters):  # fmt: skip
        text = rule(text, primary, rules)
    for sign in ("%", "&", "+", "×", "÷", "°"):
        text = text.replace(sign, f" {rules.signs[sign]} ")
    text = re.sub(r"(?<=\w)\s*@\s*(?=\w)", f" {rules.at} ", text)
    text = re.sub(r"(?<=\w)/(?=\w)", " ", text)
    return re.sub(r"\s+([,.;:!?…])", r"\1", re.sub(r",\s*(?=[,.;:!?])", "", text))


def _addresses(text: str, primary: str, rules: LanguageRules) -> str:
    def read(found: re.Match[str]) -> str:
        address = found[0].rstrip(".,;:!?")
        stop = found[0][len(address) :]
        address = re.sub(r"^https?://", "", address).rstrip("/")
        for sign, word in ((".", rules.dot), ("/", rules.slash), ("@", rules.at)):
            address = address.replace(sign, f" {word} ")
        return re.sub(r"[-_?=]", " ", address).replace("www", "W W W") + stop

    return re.sub(
        r"https?://\S+|\bwww\.\S+|[\w.+-]+@[\w-]+\.[\w.]+|\b[\w-]+\.(?:com|org|net|io|edu|gov|br)"
        r"(?:\.\w\w)?(?:/\S*)?\b",
        read, text,
    )  # fmt: skip


def _abbreviations(text: str, primary: str, rules: LanguageRules) -> str:
    for short in sorted(rules.abbreviations, key=len, reverse=True):
        mark = "" if short[-1] in "º°" else r"\."
        follows = r"(?=\s|$|[,;:!?)])"
        if short in NUMBERED:
            follows = r"(?=\s*\d)"
        elif len(short) == 1:
            follows = r"(?=\s+[A-ZÀ-Þ])"
        words = rules.abbreviations[short]
        # A period that also ends the sentence is kept.
        text = re.sub(rf"(?<![\w.]){re.escape(short)}{mark}\s*$", f"{words}.", text)
        text = re.sub(rf"(?<![\w.]){re.escape(short)}{mark}{follows}", words, text)
    if primary == "en":
        text = re.sub(r"(?<=[a-z] )Saint(?=[,.]?(?:$| (?:in|at|and|on|near)\b))", "Street", text)
    # These are as common without a period.
    return re.sub(
        r"\b(Mr|Mrs|Ms|Dr|Sra?|Dra|Mme|Mlle|St)\b(?=\s+[A-ZÀ-Þ])",
        lambda found: rules.abbreviations.get(found[1], found[1]), text,
    )  # fmt: skip


def _date(day: int, month: int, year: str, primary: str, rules: LanguageRules) -> str:
    if day == 1 and rules.first:
        words = rules.first
    else:
        words = _ordinal(day, "en") if primary == "en" else _cardinal(day, primary)
    form = rules.date if year else re.split(r",? (?:de )?\{year", rules.date)[0]
    return form.format(
        day=words, month=rules.months[month - 1], year=_year(int(year), primary) if year else ""
    )


def _dates(text: str, primary: str, rules: LanguageRules) -> str:
    def iso(found: re.Match[str]) -> str:
        year, month, day = found.groups()
        if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
            return found[0]
        return _date(int(day), int(month), year, primary, rules)

    def short(found: re.Match[str]) -> str:
        first, second, year = int(found[1]), int(found[2]), found[3]
        day, month = (second, first) if rules.month_first and first <= 12 else (first, second)
        if not (1 <= month <= 12 and 1 <= day <= 31):
            return found[0]
        return _date(day, month, year, primary, rules)

    text = re.sub(r"\b(\d{4})-(\d\d)-(\d\d)\b", iso, text)
    text = re.sub(r"\b(\d\d?)[/.](\d\d?)[/.](\d{4})\b", short, text)
    names = "|".join(name for month in rules.months for name in (month,))
    text = re.sub(
        r"\b((?:1[5-9]|20)\d\d)\s?[-—]\s?((?:1[5-9]|20)\d\d)\b", rf"\1 {rules.to} \2", text
    )
    if primary == "en":
        text = re.sub(
            rf"\b({names})\s+(\d\d?)(?:st|nd|rd|th)?\b(?!:)",
            lambda found: f"{found[1]} {_ordinal(int(found[2]), 'en')}", text,
        )  # fmt: skip
        text = re.sub(r"\b(1[1-9]\d\d|20\d\d)(s?)\b(?![.,]\d|[%°])",
                      lambda found: _decade(found[1]) if found[2] else _year(int(found[1]), "en"),
                      text)  # fmt: skip
    else:
        text = re.sub(
            rf"\b1(?:º|°|er|ero)?(?= (?:de )?(?:{names})\b)", rules.first, text, flags=re.I
        )
    return text


def _clocks(text: str, primary: str, rules: LanguageRules) -> str:
    def read(found: re.Match[str]) -> str:
        hour, minute = int(found[1]), int(found[2] or 0)
        if hour > 24 or minute > 59:
            return found[0]
        hours = _hours(hour, primary, rules)
        if primary == "en" and not minute:
            return hours + (
                "" if re.match(r"\s*[ap]\.?m", text[found.end() :], re.I) else " o'clock"
            )
        if not minute:
            form = rules.hour if hour != 1 else rules.hour.replace("heures", "heure")
            return form.replace("1 horas", "1 hora").format(h=hours)
        minutes = _cardinal(minute, primary)
        if primary == "en" and minute < 10:
            minutes = f"oh {minutes}"
        form = rules.clock.replace("heures", "heure") if hour == 1 else rules.clock
        return form.format(h=hours, m=minutes)

    text = re.sub(r"\b(\d\d?):(\d\d)(?::\d\d)?(?:\s?h\b)?(?!\d)", read, text)
    if primary in ("fr", "pt"):
        text = re.sub(r"\b(\d\d?)\s?h\s?(\d\d)?\b(?!/)", read, text)
    if primary == "en":
        text = re.sub(r"(?<=\d)(?=[ap]\.?m\b)", " ", text)
        text = re.sub(r"\b([ap])\.?m\b\.?(?=\W|$)", lambda found: f"{found[1].upper()} M", text)
    return text


def _hours(hour: int, primary: str, rules: LanguageRules) -> str:
    if hour == 1 and rules.one_feminine:
        return rules.one_feminine
    return _cardinal(hour, primary, "feminine" if primary == "pt" else "")


def _money(text: str, primary: str, rules: LanguageRules) -> str:
    signs = "|".join(sorted(map(re.escape, rules.money), key=len, reverse=True))

    def read(found: re.Match[str]) -> str:
        sign = found["sign"] or found["after"]
        figure, large = found["before"] or found["amount"], found["large"]
        one, many, small = rules.money[sign]
        if large:
            short = {"k": "thousand", "K": "thousand", "M": "million", "B": "billion"}
            large = short.get(large, large)
            joint = rules.of if not re.fullmatch("mil|mille|mila|thousand", large) else ""
            return " ".join(f"{_number(figure, primary, rules)} {large} {joint} {many}".split())
        whole, _, cents = _plain_figure(figure, rules).partition(".")
        gender = "feminine" if many in ("libras", "livres", "sterline") else "masculine"
        parts = []
        if int(whole or 0) or not int(cents or 0):
            name = one if int(whole or 0) == 1 else many
            round_million = int(whole or 0) >= 10**6 and int(whole) % 10**6 == 0
            joint = f"{rules.of} " if round_million and rules.of else ""
            parts.append(f"{_cardinal(int(whole or 0), primary, gender)} {joint}{name}")
        if int(cents or 0):
            words = _cardinal(int(cents[:2].ljust(2, "0")), primary, "masculine")
            parts.append(f"{words} {small}")
        return f" {rules.and_} ".join(parts)

    number = r"\d(?:[\d.,]*\d)?"
    large = rf"(?:\s?(?P<large>{rules.large})\b)?"
    text = re.sub(
        rf"(?:(?P<sign>(?<!\w)(?:{signs}))\s?(?P<amount>{number})(?P<x>)|(?!))"
        rf"{large}(?P<before>(?!))?(?P<after>(?!))?", read, text,
    )  # fmt: skip
    return re.sub(
        rf"(?<![\w.,])(?P<before>{number}){large}\s?(?P<after>{signs})"
        rf"(?P<sign>(?!))?(?P<amount>(?!))?", read, text,
    )  # fmt: skip


def _ordinals(text: str, primary: str, rules: LanguageRules) -> str:
    def read(found: re.Match[str]) -> str:
        ending = found[2] if found.re.groups > 1 else ""
        number = int(found[1])
        if ending == "°" and text[found.end() : found.end() + 1] in ("C", "F"):
            return found[0]
        if number > 1000:
            return found[0]
        feminine = ending in ("ª", "ère", "nde")
        if primary == "es" and ending == "er":
            return "primer" if number == 1 else "tercer" if number == 3 else _ordinal(number, "es")
        if primary == "fr" and number == 1:
            return "première" if feminine else "premier"
        return _ordinal(number, primary, "feminine" if feminine else "masculine")

    return re.sub(rules.ordinal, read, text)


def _romans(text: str, primary: str, rules: LanguageRules) -> str:
    """Roman numerals: centuries, monarchs, world wars, chapters."""

    def value(number: str) -> int:
        digits = [ROMAN[digit] for digit in number]
        return sum(
            -one if any(later > one for later in digits[n + 1 :]) else one
            for n, one in enumerate(digits)
        )

    text = re.sub(
        rf"\b({rules.century}) ({_ROMAN})\b",
        lambda found: f"{found[1]} {_cardinal(value(found[2]), primary)}" if found[2] else found[0],
        text,
    )
    if primary == "fr":
        text = re.sub(
            r"\b(?=[XVI])(X{0,2}(?:IX|IV|V?I{0,3}))(?:e|ème|er)\b",
            lambda found: _ordinal(value(found[1]), "fr") if found[1] else found[0], text,
        )  # fmt: skip
    if text.isupper():
        return text

    def king(found: re.Match[str]) -> str:
        number = value(found[2])
        if primary == "en":
            wars = found[1] in ("War", "Part", "Chapter", "Volume", "Act", "Type", "Phase")
            words = _cardinal(number, "en") if wars else f"the {_ordinal(number, 'en')}"
        elif primary == "it" or (number <= 10 and primary in ("es", "pt")):
            words = _ordinal(number, primary)
        else:
            words = _cardinal(number, primary)
        return f"{found[1]} {words}"

    return re.sub(rf"\b([A-ZÀ-Þ][a-zà-ÿ]+) (?=[IVXL]{{2,}}\b)({_ROMAN})\b(?!')", king, text)


def _ranges(text: str, primary: str, rules: LanguageRules) -> str:
    def digits(found: re.Match[str]) -> str:
        return ", ".join(
            " ".join(_cardinal(int(digit), primary) for digit in part)
            for part in found[0].split("-")
        )

    # A telephone number is not a range.
    telephone = r"(?:\d{2,4}-)+\d{3,5}-\d{3,4}|\d{3}-\d{4}|9?\d{4}-\d{4}"
    text = re.sub(rf"(?<![\w-])(?!(?:1[5-9]|20)\d\d-)(?:{telephone})(?![\w-])", digits, text)
    text = re.sub(r"(?<=\d)\s?[-—]\s?(?=\d+(?:[.,]\d+)?(?!\d*-))(?<!-\d)", f" {rules.to} ", text)
    return re.sub(r"(?<![\w.,])[-−](?=\d)", f"{rules.minus} ", text)


def _units(text: str, primary: str, rules: LanguageRules) -> str:
    units = "|".join(sorted((re.escape(s) for s in rules.signs), key=len, reverse=True))

    def read(found: re.Match[str]) -> str:
        name = rules.signs[found[2]]
        if found[1] == "1":
            name = _singular(name, primary)
        return f"{found[1]} {name}"

    return re.sub(rf"(?<![\w])({_FIGURE})\s?({units})(?![\w²])", read, text)


def _singular(name: str, primary: str) -> str:
    first, _, rest = name.partition(" ")
    if primary == "it":
        first = {"chilometri": "chilometro", "metri": "metro", "chili": "chilo", "ore": "ora",
                 "grammi": "grammo", "minuti": "minuto", "gradi": "grado",
                 }.get(first, first)  # fmt: skip
    elif first not in ("per", "por", "pour", "hertz", "plus", "más", "mais", "times"):
        first = {"feet": "foot"}.get(first, first.removesuffix("s"))
    return f"{first} {rest}".strip()


def _numbers(text: str, primary: str, rules: LanguageRules) -> str:
    def read(found: re.Match[str]) -> str:
        following = text[found.end() :]
        feminine = primary in FEMININE_NOUNS and re.match(
            rf"\s+{FEMININE_NOUNS[primary]}\b", following
        )
        words = _number(found[0], primary, rules, "feminine" if feminine else "")
        if primary == "es" and re.match(r"\s+[a-záéíóúñ]{3,}", following) and not feminine:
            words = re.sub("veintiuno$", "veintiún", words)
            words = re.sub(r"(?<=\by )uno$|^uno$", "un", words)
        if primary == "it" and words == "uno":
            words = "un" if re.match(r"\s+(?!s[^aeiou]|z|gn|ps)\w", following) else words
        before = " " if text[: found.start()][-1:].isalnum() else ""
        return before + words + (" " if following[:1].isalpha() else "")

    return re.sub(_FIGURE, read, text)


def _number(figure: str, primary: str, rules: LanguageRules, gender: str = "") -> str:
    other = "," if rules.decimal == "." else "."
    return _amount(figure, primary, rules.decimal, rules.point, other, gender)


def _plain_figure(figure: str, rules: LanguageRules) -> str:
    """A figure with a period before its decimals and no separators between thousands."""
    other = "," if rules.decimal == "." else "."
    figure = re.sub(r"[\s’']", "", figure)
    if re.fullmatch(rf"\d{{1,3}}(?:\{other}\d{{3}})+(?:\{rules.decimal}\d+)?", figure):
        figure = figure.replace(other, "")
    elif other in figure and rules.decimal not in figure and figure.count(other) == 1:
        # 3.50 in a language that writes 3,50: a separator that groups no thousands marks decimals.
        return figure
    return figure.replace(rules.decimal, ".")


def _amount(
    figure: str, primary: str, decimal: str, point: str, other: str = ",", gender: str = ""
) -> str:
    compact = re.sub(r"[\s’']", "", figure)
    groups = re.split(r"[\s’']", figure)
    if len(groups) > 1 and not all(len(group) == 3 for group in groups[1:]):
        return " ".join(
            _amount(one, primary, decimal, point, other, gender) for one in groups if one
        )
    if re.fullmatch(rf"\d{{1,3}}(?:\{other}\d{{3}})+(?:\{decimal}\d+)?", compact):
        compact = compact.replace(other, "")
    marks = [mark for mark in compact if mark in ".,"]
    if len(marks) > 1:
        parts = re.split("[.,]", compact)
        return f" {point} ".join(_amount(one, primary, decimal, point) for one in parts if one)
    whole, _, part = compact.replace(",", ".").partition(".")
    if (len(whole) > 1 and whole[0] == "0") or len(whole) > 12:
        words = " ".join(_cardinal(int(digit), primary) for digit in whole)
    else:
        words = _cardinal(int(whole or 0), primary, gender)
    if not part:
        return words
    if primary == "en" or len(part) > 2 or part[0] == "0":
        rest = " ".join(_cardinal(int(digit), primary) for digit in part)
    else:
        rest = _cardinal(int(part), primary)
    return f"{words} {point} {rest}"


def _letters(text: str, primary: str, rules: LanguageRules) -> str:
    """Capitals: shouting is read as words, BBC letter by letter, NATO as a word."""
    # Three in a row, one of them too long to spell out, are not abbreviations.
    text = re.sub(
        r"\b[A-ZÀ-Þ']+(?:[\s,]+[A-ZÀ-Þ']+){2,}\b",
        lambda found: found[0].lower() if re.search(r"[A-ZÀ-Þ]{4}", found[0]) else found[0],
        text,
    )
    capitals = re.findall(r"\b[A-ZÀ-Þ]{2,}\b", text)
    words = re.findall(r"[^\W\d_]+", text)
    if len(capitals) > 1 and 2 * len(capitals) > len(words):
        return text.lower()
    if len(words) == 1 and capitals and len(capitals[0]) > 4:
        return text.lower()

    def read(found: re.Match[str]) -> str:
        word = found[0]
        pronounceable = re.search("[AEIOUÀ-Þ]", word[1:]) and re.search("[^AEIOUÀ-Þ]", word)
        if len(word) > 5 or (len(word) > 3 and pronounceable) or word in KNOWN_WORDS:
            return word if primary == "en" else word.capitalize()
        names = LETTER_NAMES.get(primary)
        return " ".join(names.get(letter, letter) if names else letter for letter in word)

    return re.sub(r"\b(?:[A-Z]\.){2,}(?=\W|$)", lambda found: found[0].replace(".", ""), re.sub(
        r"\b[A-Z]{2,}\b", read,
        re.sub(r"\b(?:[A-Z]\.){2,}", lambda found: found[0].replace(".", ""), text),
    ))  # fmt: skip


def _spell(number: int, primary: str, purpose: str) -> Mapping[str, str]:
    """A number in words, by the CLDR's name for each form."""
    from unicode_rbnf import FormatPurpose

    result = number_rules(primary).format_number(number, FormatPurpose[purpose])
    return dict(result.text_by_ruleset)


def _cardinal(number: int, primary: str, gender: str = "") -> str:
    forms = _spell(number, primary, "CARDINAL")
    words = forms.get(f"spellout-cardinal-{gender}") if gender else None
    words = words or forms.get("spellout-numbering") or next(iter(forms.values()))
    words = words.replace("\u00ad", "").replace("'", " ")
    if primary == "pt" and re.match(r"(?:dois |três )?mil e \w+ e ", words):
        # Brazilians say "dois mil e vinte e quatro", but "mil novecentos e noventa".
        return words if 0 < number % 1000 < 100 else words.replace("mil e ", "mil ", 1)
    return words


def _ordinal(number: int, primary: str, gender: str = "masculine") -> str:
    forms = _spell(number, primary, "ORDINAL")
    words = forms.get(f"spellout-ordinal-{gender}") or forms.get("spellout-ordinal")
    return (words or next(iter(forms.values()))).replace("\u00ad", "")


def _year(number: int, primary: str) -> str:
    if primary != "en":
        return _cardinal(number, primary)
    forms = _spell(number, "en", "YEAR")
    return (forms.get("spellout-numbering-year") or _cardinal(number, "en")).replace("-", " ")


def _decade(year: str) -> str:
    words = _year(int(year), "en")
    return re.sub("y$", "ies", words) if words.endswith("y") else f"{words}s"


_CHINESE: Mapping[str, Callable[[re.Match[str]], str]] = {
    r"(\d{4})(?=年)": lambda found: "".join("零一二三四五六七八九"[int(d)] for d in found[1]),
    r"([\d.,]*\d)\s?[%％]": lambda found: "百分之" + _han(found[1]),
    r"[$＄]\s?([\d.,]*\d)(\s?[万亿]?)": lambda found: _han(found[1]) + found[2] + "美元",
    r"[¥￥]\s?([\d.,]*\d)(\s?[万亿]?)": lambda found: _han(found[1]) + found[2] + "元",
    r"([\d.,]*\d)\s?(?:℃|°C)": lambda found: _han(found[1]) + "摄氏度",
    r"([\d.,]*\d)\s?(?:km|公里)": lambda found: _han(found[1]) + "公里",
    r"([\d.,]*\d)\s?kg": lambda found: _han(found[1]) + "公斤",
    r"(\d\d?):(\d\d)": lambda found: f"{_han(found[1])}点{_han(found[2])}分",
    r"(\d{7,}|0\d+)": lambda found: "".join("零一二三四五六七八九"[int(d)] for d in found[1]),
    r"2(?=[个位名次件本张天年岁])(?<![\d.]2)": lambda found: "两",
    r"([\d.,]*\d)": lambda found: _han(found[1]),
}


def _han(figure: str) -> str:
    whole, _, part = figure.replace(",", "").partition(".")
    words = str(_cardinal(int(whole or 0), "zh"))
    return words + ("点" + "".join("零一二三四五六七八九"[int(d)] for d in part) if part else "")


def _chinese(text: str) -> str:
    for pattern, read in _CHINESE.items():
        text = re.sub(pattern, read, text)
    return text
