"""The numbers in a text, in digits or in words, with the scale that follows: ``250万``, ``2.5
million``, ``veinte``, ``quatre-vingts``, ``einundzwanzig``.

How numbers are spelled is CLDR's knowledge, by ``unicode-rbnf`` in some eighty languages. It only
writes them, so a text is read by what it writes for the numbers up to a hundred, for the hundreds
and for the scales, which all others consist of.
"""

from __future__ import annotations

import functools
import itertools
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from dubkit.languages import primary

SCALES = tuple(10**n for n in (2, 3, 4, 5, 6, 7, 8, 9, 12))
"""What multiplies the number before it."""
LONGEST = 40
"""Characters of a word that is looked up."""

_DIGITS = re.compile(r"\d{1,3}(?:[   ]\d{3})+(?![\d])(?:[.,]\d+)?|\d+(?:[.,'’٫٬]\d+)*")
_ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u00ad\u200b-\u200f]")
_WORD = re.compile(rf"[^\W\d_]{{1,{LONGEST}}}")
_BREAKS = re.compile(r"[\s!-/:-@\[-`{-~।،؟。、，！？«»“”…]+")
_GAPS = re.compile(r"[\s_‐-―−-]+")
_CJK = ("zh", "yue", "wuu", "ja")
_UNSPACED = (*_CJK, "ko", "th", "lo", "km", "my")
"""Languages in which a number may stand anywhere in a word."""
_ABBREVIATIONS = {
    10**3: "k tsd тыс тис tys tis mila mil rb rbu tkr хил",
    10**6: "m mio mln mill млн milj mn mi jt mn εκ",
    10**9: "b bn bln mrd mld md mdr млрд milrd δισ",
    10**12: "t tn trl трлн bio",
    10**5: "lakh lakhs lac l लाख লাখ লক্ষ لاکھ ലക്ഷം ಲಕ್ಷ లక్షల లక్ష લાખ ਲੱਖ லட்சம் ලක්ෂ",
    10**7: "crore crores cr करोड़ करोड कोटी কোটি کروڑ കോടി ಕೋಟಿ కోట్ల కోటి કરોડ ਕਰੋੜ கோடி කෝටි",
}
"""Scales as they are abbreviated anywhere; and those of India, of which CLDR lacks some."""
_THOUSANDS = "हजार हज़ार হাজার ہزار ആയിരം ಸಾವಿರ వేల వెయ్యి હજાર ਹਜ਼ਾਰ ஆயிரம் දහස්"
_TENTHS = re.compile(r"(\S)\s?[成割할]")
"""What makes a percentage of a digit: 五成 is 50 %."""
_ALSO = {
    **{tag: {"两": 2, "兩": 2, "〇": 0, "零": 0, "廿": 20, "卅": 30, "ゼロ": 0} for tag in _CJK},
    "ar": {"مئة": 100, "مئتان": 200, "مئتين": 200, "مليار": 10**9, "مليارات": 10**9},
    "ko": {"공": 0, "영": 0, "제로": 0},
    "en": {"oh": 0, "zero": 0, "score": 20},
    "ro": {"șaizeci": 60},
    "vi": {"mươi": 10, "chục": 10, "nghìn": 1000, "ngàn": 1000, "vạn": 10**4, "tư": 4, "rưởi": 5},
    "id": {"ribu": 1000, "juta": 10**6, "miliar": 10**9, "seribu": 1000, "sejuta": 10**6},
    **{tag: {"dalawampu": 20, "dalawampu't": 20, "tatlumpu": 30, "tatlumpu't": 30, "apatnapu": 40,
             "apatnapu't": 40, "limampu": 50, "limampu't": 50, "animnapu": 60, "animnapu't": 60,
             "pitumpu": 70, "pitumpu't": 70, "walumpu": 80, "walumpu't": 80, "siyamnapu": 90,
             "siyamnapu't": 90} for tag in ("fil", "tl")},
    "th": {"ยี่": 2, "เอ็ด": 1},
    "he": {"אלפיים": 2000, "מאתיים": 200, "אלפים": 1000},
    "pt": {"catorze": 14, "quatorze": 14, "dezasseis": 16, "dezanove": 19, "bilhão": 10**9,
           "bilhões": 10**9, "trilhão": 10**12, "trilhões": 10**12},
}  # fmt: skip
"""Words that CLDR does not use."""
_CASES: Mapping[str, Mapping[str, str]] = {
    "ru": {"ь": "и ью", "емь": "ьми", "ьдесят": "идесяти", "емьдесят": "ьмидесяти",
           "сорок": "сорока", "девяносто": "девяноста", "сто": "ста",
           "двести": "двухсот двумстам двухстах", "триста": "трехсот тремстам трехстах",
           "четыреста": "четырехсот четыремстам четырехстах", "ьсот": "исот истам ьюстами истах",
           "емьсот": "ьмисот ьмистам ьмистах", "(два|две)": "двух двум двумя",
           "три": "трех трем тремя", "четыре": "четырех четырем четырьмя"},
    "uk": {"ь": "и ьох ьом ьома", "п'ять": "п'яти п'ятьох п'ятьом", "сім": "семи сьоми сімох",
           "вісім": "восьми вісьмох вісьмом", "десят": "десяти десятьох", "сорок": "сорока",
           "дев'яносто": "дев'яноста", "сто": "ста", "двісті": "двохсот двомстам двохстах",
           "триста": "трьохсот трьомстам", "чотириста": "чотирьохсот чотирьомстам",
           "'ятсот": "'ятисот 'ятистам", "шістсот": "шестисот", "сімсот": "семисот",
           "вісімсот": "восьмисот", "(два|дві)": "двох двом двома", "три": "трьох трьом трьома",
           "чотири": "чотирьох чотирьом"},
    "cs": {"t": "ti", "m": "mi", "sto": "sta", "dve ste": "dvou_set", "dve": "dvou dvema",
           "tri": "tri trem", "ctyri": "ctyr ctyrem"},
    "sk": {"pat": "piatich", "sest": "siestich", "(m|st)": "mich stich", "dsat": "dsiatich",
           "desiat": "desiatich", "sto": "sta", "dvesto": "dvoch_sto", "dve": "dvoch dvom"},
    "ar": {"ون": "ين", "ان": "ين ي", "اثنا عشر": "اثني_عشر", "اثنتا عشرة": "اثنتي_عشرة"},
    "he": {"ה": "ת", "שניים עשר": "שנים_עשר"},
    "et": {"viiskummend": "viiekumne", "uuskummend": "uuekumne", "kummend": "kumne",
           "kumme": "kumne", "kaksteist": "kaheteistkumne", "teist": "teistkumne", "sada": "saja",
           "tuhat": "tuhande"},
}  # fmt: skip
"""The endings of numbers in other cases than the one that CLDR writes, by its ending, as they are
compared; where it is not enough that an ending may follow a word or its stem."""
_AND = {
    "ar": "و", "bg": "и", "cs": "a", "da": "og", "de": "und", "el": "και", "en": "and", "es": "y",
    "fa": "و", "fr": "et", "he": "ו", "hr": "i", "id": "dan", "it": "e", "nb": "og", "nl": "en",
    "no": "og", "pl": "i", "pt": "e", "ro": "si de", "ru": "и", "sk": "a", "sl": "in", "sr": "и i",
    "sv": "och", "tr": "ve", "uk": "і та", "vi": "linh le", "ca": "i", "ms": "dan", "sq": "e",
    "mk": "и", "af": "en", "ur": "اور", "hi": "और",
}  # fmt: skip
"""What may stand between the parts of a number; in Arabic and Hebrew it is written as one word with
the next."""
_POINT = frozenset(
    "point comma coma punto komma virgule virgola virgula vírgula virgül przecinek čárka carka "
    "pilkku κόμμα кома целых целая целые запятая точка запета koma phẩy phay chấm 点 點 점 쩜 จุด "
    "फ़ॉइंट दशमलव فاصلة ممیز נקודה".split()
)
"""What is read out for a decimal point."""
_HALF = frozenset(
    "half halves half-a medio media medios medias mitad demi demie moitié halb halbe halben halber "
    "halbes hälfte anderthalb eineinhalb mezzo mezza metà meio meia metade mig mitja halv halva "
    "halve halvt halvanden halvannen hälften halvdelen helft anderhalve puoli puolet puolitoista "
    "pół połowa połowę połowy półtora półtorej půl polovina polovinu polovica fél másfél "
    "fele felét jumătate μισό μισή μισά μισυ μισός ενάμιση пол половина половину половины полтора "
    "полторы полутора півтора половини пів половиною yarım yarısı buçuk نصف نيم نیم النصف חצי וחצי "
    "מחצית आधा आधी आधे डेढ़ ढाई साढ़े setengah separuh paruh nửa rưỡi ครึ่ง 半 반 절반 pola polovinu "
    "половин половината neteng kalahati".split()
)
_QUARTER = frozenset(
    "quarter quarters cuarto cuartos quart quarts trois-quarts viertel dreiviertel quarto quarti "
    "quartos kvart kwart kwartier ćwierć čtvrt четверть четверти чверть çeyrek ربع ربيع רבע पौने "
    "सवा seperempat 刻 negyed háromnegyed sfert τέταρτο τέταρτα neljännes varttia".split()
)
_DOZEN = frozenset(
    "dozen dozens docena docenas douzaine dutzend dozzina dúzia duzia dotzena dusin dussin dozijn "
    "tusina tuzin tucet tucat duzină ντουζίνα дюжина дюжины дюжину дюжин düzine دزينة תריסר दर्जन "
    "lusin tá ダース 다스 打 โหล".split()
)
"""Words whose number depends on what they are about; in doubt they stand for the number sought."""


@dataclass(frozen=True, slots=True)
class Number:
    """One number in a text."""

    values: frozenset[float]
    """What it may be: ``1.500`` is 1500 or 1.5."""
    digits: tuple[str, ...] = ()
    """The digits in it, as they stand; empty for one in words alone."""
    scaled: bool = False
    """Whether a word or sign multiplies its digits."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The numbers in a text, as far as they can be known."""

    numbers: tuple[Number, ...]
    words: frozenset[str]
    """The words of the text, for what is vague in it."""
    known: bool
    """Whether it is known how the language spells its numbers."""

    def has(self, value: float) -> bool:
        """Whether a number is among them, or may be."""
        if any(_is_close(value, other) for number in self.numbers for other in number.values):
            return True
        whole = re.sub(r"[.0]+$", "", f"{value:f}")
        vague = {
            _HALF: whole.endswith("5") or value in (18, 30, 42, 90),
            _QUARTER: whole.endswith(("25", "75", "15", "45")),
            _DOZEN: value in (6, 18) or value % 12 == 0,
        }
        return any(
            fits and any(_begins_with(word, words) for word in self.words)
            for words, fits in vague.items()
        )


def _begins_with(word: str, words: Collection[str]) -> bool:
    """Whether a word is one of ``words``, perhaps with an ending."""
    return word in words or any(word[:size] in words for size in range(5, len(word)))


def _is_close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-9)


def read(text: str, language: str) -> Reading:
    """The numbers in a text; in digits alone where nothing is known of its language. Never raises
    for odd texts."""
    plain = _plain(text)
    lexicon = _lexicon(primary(language))
    unspaced = primary(language) in _UNSPACED
    chain = frozenset(_AND.get(primary(language), "").split())
    found = frozenset(_BREAKS.split(plain))
    if unspaced:
        found |= {word for word in _VAGUE if word in plain}
    numbers = [*_numbers(list(_items(plain, lexicon, unspaced=unspaced, chain=chain)))]
    tenths = _TENTHS.findall(plain) if unspaced else ()
    numbers += [
        Number(frozenset({10 * lexicon.words.get(digit, _digit(digit))})) for digit in tenths
    ]
    return Reading(tuple(numbers), found, bool(lexicon.words))


def without_numbers(text: str, language: str) -> str:
    """A text as it is compared, with a ``#`` for each number in it, whether that stands in digits
    or in words: ``1995`` is the same as how it is read out."""
    plain = _plain(text)
    lexicon = _lexicon(primary(language))
    unspaced = primary(language) in _UNSPACED
    written: list[str] = []
    at, begins = 0, True
    while at < len(plain):
        digits = _DIGITS.match(plain, at)
        size = len(digits[0]) if digits else 0
        if not digits and (begins or unspaced):
            size, _ = _longest(plain, at, lexicon)
        written.append("#" if size else plain[at])
        begins = bool(size) or not (plain[at].isalnum() or plain[at] == "'")
        at += size or 1
    links = "|".join(map(re.escape, _AND.get(primary(language), "").split()))
    between = rf"(?:[^\w#]*(?:{links})?[^\w#]*)" if links else r"[^\w#]*"
    return re.sub(rf"#(?:{between}#)*", "#", "".join(written))


def _digit(char: str) -> float:
    return float(char) if char.isdecimal() else float("nan")


def _plain(text: str) -> str:
    """A text as it is compared: without accents, capitals, hyphens and other gaps."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    bare = _ACCENTS.sub("", unicodedata.normalize("NFD", folded))
    return _GAPS.sub(" ", unicodedata.normalize("NFC", bare)).replace("ʼ", "'").replace("’", "'")


_HALF, _QUARTER, _DOZEN = (frozenset(map(_plain, words)) for words in (_HALF, _QUARTER, _DOZEN))
_POINT = frozenset(map(_plain, _POINT))
_VAGUE = _HALF | _QUARTER | _DOZEN


# ---------------------------------------------------------------- what a language writes


@dataclass(frozen=True, slots=True)
class _Lexicon:
    """The words for numbers of a language, as they are compared, with their values."""

    words: Mapping[str, float] = field(default_factory=dict)
    """Empty if none are known."""
    stems: Mapping[str, float] = field(default_factory=dict)
    """The same without their last letters, as an ending may be one that CLDR does not give."""


@functools.cache
def _lexicon(language: str) -> _Lexicon:
    from unicode_rbnf import RbnfEngine  # XML, for a fifth of a second

    same = {"no": ("nb", "no"), "tl": ("fil",), "wuu": ("zh",)}.get(language, (language,))
    names = [name for name in RbnfEngine.get_supported_languages() if name.split("_")[0] in same]
    words: dict[str, float] = {}
    unspaced = language in _UNSPACED
    for name in names:
        for word, value in _spelled(RbnfEngine.for_language(name), unspaced=unspaced):
            words.setdefault(word, value)
    if not words:
        return _Lexicon()
    words |= {_plain(word): value for word, value in _ALSO.get(language, {}).items()}
    words |= dict(_declined(words, _CASES.get(language, {}))) | words
    stems: dict[str, float] = {}
    for cut in () if unspaced else (1, 2):
        for word, value in words.items():
            if len(word) - cut >= 4 and word.isalpha():
                stems.setdefault(word[:-cut], value)
    return _Lexicon(words, stems)


def _declined(words: Mapping[str, float], cases: Mapping[str, str]) -> Iterator[tuple[str, float]]:
    """Words in their other cases."""
    for ending, others in cases.items():
        for word, value in words.items():
            if found := re.search(f"{ending}$", word):
                yield from (
                    (word[: found.start()] + other.replace("_", " "), value)
                    for other in others.split()
                )


def _spelled(engine: object, *, unspaced: bool) -> Iterator[tuple[str, float]]:
    """Numbers as an engine writes them, and the words by which it multiplies."""
    ones = {k: _forms(engine, k) for k in range(100)}
    for k, forms in ones.items():
        yield from ((word, k) for word in forms.values())
        yield from ((word, k) for word in _forms(engine, k, ordinal=True).values())
    for k in range(100, 1000, 100):
        yield from ((word, k) for word in _forms(engine, k).values())
    for k in (*range(100, 1000, 100), 1000):  # before another number: cem, but cento e vinte
        for word in _forms(engine, k + 20).values():
            tail = next((one for one in ones[20].values() if word.endswith(f" {one}")), "")
            if tail and (head := re.sub(r" \w{1,3}$", "", word.removesuffix(tail).strip())):
                yield head, k
    for scale in SCALES:
        # Not ten million, which would take the last ten of a hundred and ten million.
        tens = tuple({*ones[10].values(), *_multipliers(engine, 100, ones, unspaced=unspaced)})
        for word in (
            *_forms(engine, scale).values(),
            *_forms(engine, scale, ordinal=True).values(),
        ):
            if scale < 10**4 or not word.startswith(tens):
                yield word, scale
        yield from ((word, scale) for word in _multipliers(engine, scale, ones, unspaced=unspaced))
        for word in _forms(engine, 2 * scale).values():  # a dual
            if not any(word.startswith(two) for two in ones[2].values()):
                yield word, 2 * scale


def _multipliers(
    engine: object, scale: int, ones: Mapping[int, Mapping[str, str]], *, unspaced: bool
) -> set[str]:
    """The words of a scale: ``hundert`` and ``hunderte``, without the number before them."""
    found: Counter[str] = Counter()
    for k in (1, 2, 11):
        rests = set()
        for word in _forms(engine, k * scale).values():
            heads = [one for one in ones[k].values() if word.startswith(one)]
            rests.add(word.removeprefix(max(heads, key=len)) if heads else "")
        found.update(rests)
    # What is written as one word with a number may be another number's end: двад-цать тысяч.
    return {
        rest.strip()
        for rest, count in found.items()
        if rest.strip()
        and (unspaced or rest[0] == " " or count > 1)
        and (unspaced or " " not in rest.strip())
    }


def _forms(engine: object, number: int, *, ordinal: bool = False) -> dict[str, str]:
    """All ways to write a number, by their rules."""
    from unicode_rbnf import FormatPurpose

    purpose = FormatPurpose.ORDINAL if ordinal else FormatPurpose.CARDINAL
    try:
        written: dict[str, str] = engine.format_number(number, purpose).text_by_ruleset  # type: ignore[attr-defined]
    except Exception:  # some languages have no ordinals, or no such number
        return {}
    return {
        rules: plain
        for rules, text in written.items()
        if "digits" not in rules and (plain := _plain(text)) and not re.search(r"\d", plain)
    }


# ---------------------------------------------------------------- what a text has


@dataclass(frozen=True, slots=True)
class _Item:
    """A part of a number."""

    values: frozenset[float]
    digits: str = ""
    point: bool = False
    """Whether it is read out for a decimal point."""
    joined: bool = False
    """Whether it follows the item before without anything else between, but for ``linked``."""
    linked: bool = False
    """Whether an "and" stands before it."""


def _items(
    text: str, lexicon: _Lexicon, *, unspaced: bool, chain: frozenset[str]
) -> Iterator[_Item]:
    """The parts of numbers in a plain text, in order."""
    at = 0
    joined = linked = False
    begins = True
    """Whether a word may begin here."""
    while at < len(text):
        if digits := _DIGITS.match(text, at):
            yield _Item(values_of(digits[0]), digits[0], joined=joined, linked=linked)
            at, joined, linked, begins = digits.end(), True, False, True
            continue
        word = _WORD.match(text, at) if begins else None
        size, value = _longest(text, at, lexicon) if begins or unspaced else (0, 0.0)
        if joined and word and len(word[0]) > size and word[0] in _SHORT:
            size, value = len(word[0]), _SHORT[word[0]]
        if size:
            yield _Item(frozenset({value}), joined=joined, linked=linked)
            at, joined, linked, begins = at + size, True, False, True
            continue
        point = word[0] if word and word[0] in _POINT else text[at] if unspaced else ""
        if joined and point in _POINT:
            yield _Item(frozenset(), point=True, joined=True)
            at, linked, begins = at + len(point), False, True
            continue
        if joined and not linked and word and (link := _link(text, at, word[0], lexicon, chain)):
            at, linked = at + len(link), True
            continue
        if not text[at].isspace():
            joined = linked = False
        begins = not (text[at].isalnum() or text[at] == "'")
        at += 1


def _link(text: str, at: int, word: str, lexicon: _Lexicon, chain: frozenset[str]) -> str:
    """The "and" at the beginning of a word, if it is one or has one before a number."""
    if word in chain:
        return word
    inside = [link for link in chain if word.startswith(link)]
    inside = [link for link in inside if not link.isascii() or text[at - 1].isalpha()]
    return next((link for link in inside if _longest(text, at + len(link), lexicon)[0]), "")


def _longest(text: str, at: int, lexicon: _Lexicon) -> tuple[int, float]:
    """The length and the value of the longest word for a number at a place of a text."""
    found = 0, 0.0
    for size in range(min(LONGEST, len(text) - at), 0, -1):
        value = lexicon.words.get(word := text[at : at + size])
        # A short one may begin any word.
        if value is not None and (size > 2 or not word.isascii() or _ends(text, at + size)):
            return (size, value) if found[0] == 0 or _ends(text, at + size) else found
        value = lexicon.stems.get(word)
        if value and not found[0] and any(_ends(text, at + size + more) for more in range(4)):
            found = size, value
    return found


def _ends(text: str, at: int) -> bool:
    """Whether a word may end at a place of a text."""
    return at >= len(text) or not text[at].isalpha()


_SHORT: Mapping[str, float] = {
    _plain(word): float(scale)
    for scale, words in {**_ABBREVIATIONS, 1000: f"{_ABBREVIATIONS[1000]} {_THOUSANDS}"}.items()
    for word in words.split()
}


def values_of(digits: str) -> frozenset[float]:
    """What digits with separators may mean, in whatever language."""
    if len(digits) > 300:
        return frozenset()
    plain = re.sub(r"[\s'’٬]", "", digits).replace("٫", ".")
    marks = re.findall(r"[.,]", plain)
    parts = re.split(r"[.,]", plain)
    values = set()
    if not marks:
        values.add(float(plain))
    else:
        whole = "".join(parts[:-1])
        if len(set(marks)) == 2 or len(marks) == 1:
            values.add(float(f"{whole}.{parts[-1]}"))
        if len(set(marks)) == 1 and len(parts[-1]) == 3:  # 1.500, 1,00,000
            values.add(float(whole + parts[-1]))
        if len(set(marks)) == 1 and len(parts[-1]) != 3 and len(marks) > 1:
            values.add(float(whole + parts[-1]))
    return frozenset(values)


# ---------------------------------------------------------------- parts to numbers


def _numbers(items: list[_Item]) -> Iterator[Number]:
    """The numbers that parts make; in doubt several."""
    run: list[_Item] = []
    for item in [*items, None]:
        if run and (item is None or not item.joined):
            yield from _run(run)
            run = []
        if item:
            run.append(item)


def _run(items: list[_Item]) -> Iterator[Number]:
    """The numbers in parts that follow one another."""
    stack: list[float] = []
    digits: list[str] = []
    scaled = bare = False
    singles = ""
    done: list[float] = []
    point = next((k for k, item in enumerate(items) if item.point), None)
    if point is not None:
        yield from _decimal(items, point)
        items = [item for item in items if not item.point]

    def finish() -> Iterator[Number]:
        nonlocal stack, digits, scaled, bare
        if stack:
            total = sum(stack)
            done.append(total)
            yield Number(frozenset({total}), tuple(digits), scaled)
        stack, digits, scaled, bare = [], [], False, False

    for k, item in enumerate(items):
        values = sorted(item.values)
        if not values:
            continue
        if len(values) > 1:  # other readings of digits multiply alike
            factor = 1.0
            for other in items[k + 1 : k + 3]:
                value = next(iter(other.values), 0.0)
                if other.digits or value not in SCALES:
                    break
                factor *= value
            for value in values[:-1]:
                yield Number(frozenset({value * factor}), (item.digits,), factor > 1)
        value = values[-1]
        if len(value_text := f"{value:.0f}") == 1 and not item.digits:
            singles += value_text
        else:
            if len(singles) > 1:
                yield Number(frozenset({float(singles)}))
            singles = ""
        if not value and stack and _unit(stack[-1]) >= 100:  # 一百零五
            continue
        if value in SCALES and not item.digits and stack and stack[-1] < value:
            smaller = [part for part in stack if part < value]
            stack = [part for part in stack if part >= value] + [sum(smaller) * value]
            scaled, bare = True, False
        elif not stack:
            stack, bare = [value], bool(item.digits)
        elif not bare and 0 < value < _unit(stack[-1]):
            stack.append(value)
            bare = False
            if item.linked:  # or it is two numbers
                yield Number(frozenset({value}))
                yield Number(frozenset({sum(stack[:-1])}), tuple(digits), scaled)
        else:
            if item.linked and stack[-1] < 10 and value in range(20, 100, 10):  # five and twenty
                yield Number(frozenset({stack[-1] + value}))
            yield from finish()
            stack, bare = [value], bool(item.digits)
        digits += [item.digits] if item.digits else []
    yield from finish()
    if len(singles) > 1:
        yield Number(frozenset({float(singles)}))
    for one, two in itertools.pairwise(done):  # nineteen ninety
        if 10 <= one < 100 and 0 <= two < 100:
            yield Number(frozenset({one * 100 + two}))


def _decimal(items: list[_Item], point: int) -> Iterator[Number]:
    """Two point five, perhaps with a scale after it."""
    before = list(_run(items[:point]))
    fraction, factor = "", 1.0
    for item in items[point + 1 :]:
        value = next(iter(item.values), 0.0)
        if value in SCALES and fraction:
            factor *= value
        else:
            fraction += f"{value:.0f}"
    for number in before:
        for value in number.values:
            if value % 1 == 0 and fraction.isdecimal():
                whole = float(f"{value:.0f}.{fraction}") * factor
                yield Number(frozenset({whole}), number.digits, factor > 1)


def _unit(value: float) -> float:
    """The place of the last digit of a number that is not 0: 100 of 2300."""
    if value % 1 or value <= 0:
        return 0.0
    whole = f"{value:.0f}"
    return float(10 ** (len(whole) - len(whole.rstrip("0"))))
