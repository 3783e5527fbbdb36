"""Which old code page some bytes are in: each page's reading, and how likely it is as a text.

A reading is judged as a text of each language that was written in its page: by how often the
language has such letters, by where its marks and signs stand (an apostrophe in a word, a pound
sign before a number), and by the language that its words are in. The sums are logarithms of
probabilities, so what is wrong in one place counts the same whatever else is right.

This is by hand since files are short and libraries cannot use the language: of Django's
translations, in files of one to three cues and of a hundred, with the language unknown, this reads
98.6 % right, chardet 7.7 reads 89 % (given the language's pages 92 %), and charset-normalizer 3.5
reads 50 % (79 %). The rest is mostly one sign in a page of DOS or the Mac
(``benchmarks/code_pages.py``).
"""

from __future__ import annotations

import functools
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from dubkit import languages
from dubkit.languages import primary

LETTERS: Mapping[str, str] = {
    "any": "éáíóúñüöäàèêçâôîïëãõåæøßìòùûýþðœÿ",
    "af": "êëïéóôèöü", "ast": "óáíúéñü", "az": "əıüşöçğ âîû", "br": "ñùê éèâôüîà", "bs": "čšćžđ",
    "ca": "óàéíèçòúïü ·ŀ", "co": "àèìòù âéï", "cs": "íářčéýžěšůúóňťď öüäô",
    "cy": "ŵâôŷêîïö ûáëéàèü", "da": "æøå éüäöèó", "de": "üäöß éàèç", "en": "éïçñêèöüáâàóôíëäæœåøû",
    "es": "óáíúñéü ªºçöèà", "et": "äõüöžš é", "eu": "ñéüáíóúç", "fi": "äöå éšžü",
    "fo": "áøíðæóúý öåé", "fr": "éèàêçôîâùûïëœ üæÿñö", "fur": "âôîûèçàêìùò é", "ga": "áéíúó",
    "gd": "àìòùè éó", "gl": "óáéíúñ ªºüïç", "hr": "čšćžđ é", "hu": "áéíóöőüúű", "id": "éêèáüñ",
    "is": "áíðóæþúöýé åø", "it": "èàòùéì óîêöü", "la": "æœëï", "lb": "éëäü öèêôâûîç",
    "lt": "šėųįąžčūę éö", "lv": "āēīšļūņķžģč ŗōéö", "ms": "éêèáüñ", "nb": "åøæ éôòèêóäöü",
    "nl": "éëïöü èáóêçíàâäúûôñ", "nn": "åøæ éôòèêóäöü", "oc": "òèçàíéúóáï êôû",
    "pl": "łżąęśóćńź éüöáčš", "pt": "ãçáéíóõúêâàô ªºüñ", "ro": "ăîţâşșț éöü",
    "sk": "áčíýúťéžšľňóôäĺďŕ öü", "sl": "čšž ćđéáöü", "sq": "ëç éöü", "sr-Latn": "čšćžđ",
    "sv": "äöå éüàèáóñç", "tr": "ıişçüğö âîûé", "wa": "åéîôèêçû âëüïö",
    "vi": "đôưáàểếệạêịợậảộốóầỗấặớụíùìềủờọãứữýựỏâởỉơổúòắửừồẫéăỡẩằĩõẽẻũẵèỳỷỹỵẳ"
    "\u0300\u0301\u0303\u0309\u0323",
    "be": "аныркелідтвпсяцмзоуьўчэгбйшфюжхёщ", "bg": "аеиотрнвсдпзклмъябучжгйфцшщюьѝ",
    "mk": "аеотинрдквспмлзујбчгњжцшфќхѓџѕљ", "ru": "оеаинтрслвпкдмуязыьйбчгжфцхюшщэёъ",
    "sr": "аеионртсукпдвмзјлгбњчшљцжћхфђџ", "uk": "онаиевтріксплдумязбйчьгжєцфхюшїщґ",
    "el": "αοετνιρσημπκυςίλδγήέόάχωθφύώβξζψϊϋΐΰ",
    "ar": "اليمترةونفدعبسحقكصأطجخهإذشغضىزثءئظؤآ\u064b\u064c\u064d\u064e\u064f\u0650\u0651\u0652",
    "fa": "اینردهتومبشسکپلفخزگعصجٔحقطچظذغآضئثيكىژأؤة",
    "ur": "ایہرنکےوستملدبپجگںشچعھخفٹحزقطئصڈآڑءغضظثيكىهذ",
    "ps": "اونړهدرپمسلتيبشکیکزغځخښچجګحعفۍېټڅقصڼطډگئ",
    "he": "יותהמלרשנאבקדפסעםחגכןטצזץךף\u05b0\u05b4\u05b7\u05b8\u05b6\u05bc\u05b9\u05b5",
    "yi": "ײװיןאַערטסלגדמבוכהצפקשזתםחךףץ",
    "th": "ารอมก่นเด้งลสัแยบขิไวตพีจปคหทำ์ะืถูชฟใุ็โผณซภญึษธศฉๆฐฝฮ๊ฏฤ๋ฎฆฑฌฬฒฯ",
    "ja": "", "ko": "", "zh-Hans": "", "zh-Hant": "",
}  # fmt: skip
"""The letters beyond ASCII of each language, the most frequent first, and after a space those that
only foreign words have. ``any`` is any language in Latin letters; for Chinese, Japanese and Korean
see :func:`_wide_letter`. The order was counted in the translations of free programs."""

_WESTERN = (
    "en fr de es it pt nl sv da nb nn fi is ca gl eu ga gd af id ms sq lb oc fo br la co ast fur wa"
)
_CENTRAL = "pl cs sk hu sl hr bs sr-Latn ro sq"
_CYRILLIC = "ru uk be bg sr mk"
_ISO, _DOS, _MAC = -1.0, -3.0, -4.0
PAGES: Mapping[str, tuple[float, str]] = {
    "cp1252": (0.0, f"{_WESTERN} cy et any"), "cp1250": (0.0, _CENTRAL), "cp1251": (0.0, _CYRILLIC),
    "cp1253": (0.0, "el"), "cp1254": (-0.5, "tr az"), "cp1255": (0.0, "he yi"),
    "cp1256": (0.0, "ar fa ur ps"), "cp1257": (0.0, "lt lv et"), "cp1258": (0.0, "vi"),
    "cp874": (0.0, "th"), "cp932": (0.0, "ja"), "cp949": (0.0, "ko"), "gb18030": (0.0, "zh-Hans"),
    "big5hkscs": (0.0, "zh-Hant"), "euc_jp": (_ISO, "ja"), "koi8_r": (_ISO, "ru bg"),
    "koi8_u": (_ISO, "uk be"), "cp866": (_DOS, "ru be bg"), "iso8859_5": (_ISO, _CYRILLIC),
    "iso8859_2": (_ISO, _CENTRAL), "iso8859_15": (_ISO, f"{_WESTERN} et"),
    "iso8859_7": (_ISO, "el"), "iso8859_8": (_ISO, "he yi"), "iso8859_6": (_ISO, "ar fa"),
    "iso8859_13": (_ISO, "lt lv et"),
    "iso8859_9": (_ISO, "tr"), "cp852": (_DOS, _CENTRAL), "cp850": (_DOS, _WESTERN),
    "mac_roman": (_MAC, _WESTERN), "cp1125": (_DOS, "uk"),
}  # fmt: skip
"""Code pages, how likely each is before its text is looked at, and the languages of its files."""

_RATES: Mapping[str, float] = {
    "en": 0.005, "id": 0.001, "ms": 0.001, "la": 0.002, "eu": 0.003, "nl": 0.005, "af": 0.01,
    "it": 0.015, "cs": 0.12, "sk": 0.1, "hu": 0.1, "is": 0.1, "tr": 0.12, "az": 0.2, "vi": 0.25,
    "lv": 0.08, "any": 0.01, "br": 0.03, "da": 0.03, "nb": 0.03, "nn": 0.03,
}  # fmt: skip
"""The share of the letters that are beyond ASCII in languages with Latin letters: 0.05 if it is not
given here."""
_FOREIGN_LETTER = math.log(0.05)
_FOREIGN = -6.0
"""A letter of another language, as in a name ..."""
_STRANGE = -9.0
"""... and one that no text should have there."""
_IMPOSSIBLE = -14.0
"""A control character, or a byte that the page does not have."""
_KNOWN = 10.0
"""What a language that is known adds to the readings as that language."""
_ASCII_LETTER = -0.7
"""An ASCII letter in a language that does not use them: a name, or markup."""
_UNKNOWN_WORDS = -8.0
"""For a language whose words are not known."""
_NEAR = 40.0
"""How much worse than the best a reading may be before its words are looked at."""
_OTHER_SCRIPT = 2.0
"""What that loses if it is not the script that the language is usually written in."""
_ENOUGH = 8_000
"""Bytes that are judged at most."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The bytes as one page has them."""

    page: str
    score: float
    """The logarithm of its likelihood, up to a constant."""
    sample: str


def readings(data: bytes, language: str | None = None) -> list[Reading]:
    """The bytes as each page has them, without those that are the same text, the likeliest first.

    ``language`` is the text's, if it is known.
    """
    beyond, others = _lines(data)
    words = _without_markup(others.decode("latin-1"))
    judged = []
    for page, (prior, tags) in PAGES.items():
        sample = _without_markup(beyond.decode(page, "replace"))
        for tag in tags.split():
            score = prior + _letters_score(sample, tag) + _known_score(tag, language)
            judged.append((score, tag, page, sample))
    least = max(score for score, *_ in judged) - _NEAR
    found: dict[str, Reading] = {}
    for score, tag, page, sample in judged:
        if score >= least:
            if not _is_language(tag, language):
                score += _words_score(f"{sample}\n{words}"[:_ENOUGH], tag)
            first = found.setdefault(sample, Reading(page, score, sample))
            found[sample] = replace(first, score=max(first.score, score))
    return sorted(found.values(), key=lambda reading: -reading.score)


def _known_score(tag: str, language: str | None) -> float:
    if not language or not _is_language(tag, language):
        return 0.0
    same = languages.script(tag) == languages.script(language)
    return _KNOWN if same else _KNOWN - _OTHER_SCRIPT


def _is_language(tag: str, language: str | None) -> bool:
    own = primary(language or "")
    return primary(tag) == _ALIASES.get(own, own)


def _lines(data: bytes) -> tuple[bytes, bytes]:
    """The lines that distinguish code pages, those beyond ASCII, and some of the others."""
    beyond: list[bytes] = []
    others: list[bytes] = []
    size = [0, 0]
    for match in re.finditer(rb"[^\r\n]+", data):
        line = match[0][:_ENOUGH]
        plain = line.isascii()
        if size[plain] < _ENOUGH and (not plain or re.search(rb"[A-Za-z]{2}", line)):
            (others if plain else beyond).append(line)
            size[plain] += len(line)
        elif size[0] >= _ENOUGH:
            break
    return b"\n".join(beyond), b"\n".join(others)


def _without_markup(text: str) -> str:
    markup = r"<[^<>\n]*>|\{[^{}\n]*\}|\\[Nnh]|^Dialogue:(?:[^,\n]*,){9}"
    return re.sub(markup, " ", text, flags=re.M)


@functools.lru_cache(maxsize=64)
def _analyze(sample: str) -> tuple[Counter[str], float, int]:
    """The letters beyond ASCII, how well they and all signs stand in their places, and the number
    of ASCII letters."""
    letters: Counter[str] = Counter()
    places, plain = 0.0, 0
    padded = f"\n{sample}\n"
    triples = Counter(zip(padded, padded[1:], padded[2:], strict=False))
    for (before, char, after), count in triples.items():
        if not char.isascii():
            places += count * _place_score(before, char, after)
            if char in "’–—…" and before.isalnum() and after.isalnum():
                letters[char + after.lower()] += count
            if unicodedata.category(char)[0] in "LM":
                letters[char.lower() if len(char.lower()) == 1 else char] += count
        elif char.isalpha():
            plain += count
            if char.isupper() and before.islower() and not before.isascii():
                places -= 4 * count
    places -= 3 * abs(sample.count("«") - sample.count("»"))
    places -= 5 * max(0, sample.count("„") - sample.count("“") - sample.count("”"))
    opening = len(re.findall(r"(?<!\S)[–—]\w", sample))
    places -= 5.5 * max(0, len(re.findall(r"\w[–—] ", sample)) - opening)
    return letters, places, plain


def _letters_score(sample: str, tag: str) -> float:
    """How likely the characters beyond ASCII are in a text of the language, and in their places."""
    letters, places, plain = _analyze(sample)
    if not LETTERS[tag]:
        wide = sum(count * _wide_letter(char, tag) for char, count in letters.items())
        return places + wide + _ASCII_LETTER * plain
    known = _probabilities(tag)
    latin = _is_latin(LETTERS[tag][0])
    score = places + plain * (math.log(1 - _RATES.get(tag, 0.05)) if latin else _ASCII_LETTER)
    for char, count in letters.items():
        if len(char) == 2:
            score += count * _joint_score(char[0], char[1], tag)
        elif char in known:
            score += count * known[char]
        elif latin and char in _probabilities("any"):
            score += count * (_FOREIGN_LETTER + _FOREIGN)
        else:
            score += count * (_FOREIGN_LETTER * latin + _STRANGE)
    return score


def _joint_score(char: str, after: str, tag: str) -> float:
    """How likely an apostrophe or a dash is between two letters."""
    if char == "’":
        return -2.5 if after in _APOSTROPHES.get(tag, "") else -10.0
    return (-4.5 if char == "—" else -8.0) if tag == "en" else -10.0


_VOWELS = "aeiouhyéèêàâáóòíúùîôëœ"
_APOSTROPHES = {
    "en": "stdmrlvenco", "fr": _VOWELS, "it": _VOWELS, "ca": _VOWELS, "oc": _VOWELS,
    "fur": _VOWELS, "wa": _VOWELS + "n", "co": _VOWELS, "lb": _VOWELS, "br": _VOWELS,
    "ga": _VOWELS + "f", "gd": _VOWELS + "s", "ast": _VOWELS + "l", "pt": _VOWELS, "nl": "st",
    "af": "sn", "sq": "uijae", "cy": "rinwm", "de": "s", "sv": "s", "uk": "яюєї", "be": "яюеё",
    "tr": "aeıiudtnylsç", "az": "aeıi", "any": "s",
}  # fmt: skip
"""What follows an apostrophe in a word."""


@functools.cache
def _probabilities(tag: str) -> dict[str, float]:
    """The logarithm of each letter's probability, by its rank."""
    base = math.log(_RATES.get(tag, 0.05)) if _is_latin(LETTERS[tag][0]) else 0.0
    found: dict[str, float] = {}
    for letters, share in zip(LETTERS[tag].split(), (0.97, 0.03), strict=False):
        whole = sum(1 / (rank + 3) for rank in range(len(letters)))
        for rank, char in enumerate(letters):
            found[char] = base + math.log(share / (rank + 3) / whole)
    return found


@functools.lru_cache(maxsize=20_000)
def _wide_letter(char: str, tag: str) -> float:
    """How likely a Chinese, Japanese or Korean character is. Their standards have the common ones
    in a first level."""
    if tag == "ja" and "\u3041" <= char <= "\u30ff":
        return -2.8
    if tag == "ko" and not "\uac00" <= char <= "\ud7a3":
        return -10.0
    if tag in _COMMON and char in _COMMON[tag]:
        return -3.5 if tag == "ko" else -4.0
    page, first, end = _FIRST_LEVELS[tag]
    try:
        code = char.encode(page)
    except UnicodeEncodeError:
        return -11.0
    return -7.5 if len(code) == 2 and first <= code[0] < end else -9.5


_FIRST_LEVELS = {
    "ja": ("euc_jp", 0xB0, 0xD0), "ko": ("euc_kr", 0xB0, 0xC9),
    "zh-Hans": ("gb2312", 0xB0, 0xD8), "zh-Hant": ("big5", 0xA4, 0xC9),
}  # fmt: skip


def _words_score(text: str, tag: str) -> float:
    ranked = _detect(text)
    labels = _LABELS.get(tag, (primary(tag),))
    if not ranked.keys() & set(labels):
        return _UNKNOWN_WORDS
    return math.log(max(1e-9, *(ranked.get(label, 0.0) for label in labels)))


@functools.lru_cache(maxsize=64)
def _detect(text: str) -> dict[str, float]:
    return dict(languages.detect(text))


# A sign that is not on a consonant, and a leading vowel that does not precede one.
_THAI_MISPLACED = re.compile("[^ก-ฮ][ัิ-ฺ]|[^ก-ฮัิ-ู][็-๎]|.[เ-ไ][^ก-ฮ]")
_CJK_PUNCTUATION = re.compile("[\u3000-\u303f\uff01-\uff60・]")


def _place_score(before: str, char: str, after: str) -> float:
    """How likely a character beyond ASCII is between two others, apart from which letter it is."""
    kind = unicodedata.category(char)
    if kind in ("Cc", "Co", "Cn") or char == "\ufffd":
        return _IMPOSSIBLE
    if kind[0] in "LM" and char not in "ªº":
        return _letter_place_score(before, char, after)
    inside = before.isalnum() and after.isalnum()
    apart = before.isspace() and after.isspace()
    opens = not before.isalnum() and not after.isspace()
    closes = not before.isspace() and not after.isalnum()
    number = before.isdigit() or after.isdigit()
    in_word = -13.0
    match char:
        case "’" | "…" | "–" | "—" if inside:
            return 0.0  # _joint_score's
        case "’":
            return (-4.5 if before.isalpha() else -3.5) if closes else -4.5 if opens else -10.0
        case "‘":
            return in_word if inside else -4.0 if opens else -7.0 if closes else -10.0
        case "‚":
            return -8.0 if opens else in_word
        case "“" | "”" | "«" | "»" | "‹" | "›":
            return in_word if inside else -7.0 if apart else -3.5
        case "„":
            return in_word if inside else -3.5 if opens else -11.0
        case "…":
            return -5.5 if apart else -3.5
        case "–" | "—" | "―":
            joined = (before.isalpha() and after == " ") or (before == " " and after.isalpha())
            return -4.5 if joined else -3.5
        case "\xa0":
            return -8.0 if before.isalpha() and after.isalpha() else -4.0
        case "¿" | "¡":
            return -3.5 if opens else in_word
        case "£" | "€" | "¥" | "₪" | "฿":
            return (
                -3.5 if number else in_word if inside else -5.0 if apart and char == "€" else -9.0
            )
        case "¤":
            return in_word
        case "¢" | "‰":
            return -4.0 if before.isdigit() and not after.isalpha() else in_word
        case "°" | "º" | "ª":
            plausible = before.isdigit() or (before in "nNM" and not after.isalpha())
            return -3.5 if plausible else in_word if inside else -9.0
        case "½" | "¼" | "¾":
            return -3.5 if before.isdigit() else in_word if before.isalpha() else -4.5
        case "²" | "³":
            return -4.5 if before.isalnum() and not after.isalnum() else in_word
        case "™" | "®":
            return -4.5 if closes else in_word if inside else -9.0
        case "§":
            return in_word if before.isalnum() or after.isalpha() else -6.0
        case "©" | "№" | "•" | "♪" | "♫":
            return in_word if before.isalpha() or after.isalpha() else -4.0
        case "·":
            return -4.0
        case "×" | "÷" | "±":
            return -4.5 if number or apart else in_word
        case "´":
            return -5.0 if inside else -9.0
    if kind == "Cf":
        return in_word if char == "\xad" else -3.0
    if _CJK_PUNCTUATION.match(char) or kind == "Nd" or char in "،؟؛־׳״":
        return -2.5
    return -9.0 if apart else in_word


def _letter_place_score(before: str, char: str, after: str) -> float:
    score = 0.0
    if char.isupper() and before.islower():
        score -= 6
    if char.isupper() and not before.isalnum() and not after.isalnum() and before != "\n":
        score -= 2
    if char.islower() and before.isupper() and after.isupper() and char != "ß":
        score -= 5
    if ord(char) < 0x2E80 and any(
        near.isalpha() and _is_latin(near) is not _is_latin(char) for near in (before, after)
    ):
        score -= 6
    if "\uff61" <= char <= "\uff9f" or "\ufb00" <= char <= "\ufdff":
        score -= 8
    if "\u0e00" <= char <= "\u0e7f" and _THAI_MISPLACED.match(before + char + after):
        score -= 6
    return score


def _is_latin(char: str) -> bool:
    return ord(char) < 0x250 or 0x300 <= ord(char) < 0x370 or 0x1E00 <= ord(char) < 0x1F00


_COMMON: Mapping[str, str] = {
    "zh-Hans":
    "的一是不了我你他她在有这那个人们来到时大上下为就和说要也会出可以对生能而子得着自之年过发"
    "后作里用道行所然家种事成方多经去法学如都同现当没动面起看定天分还进好小部其些主样理心本前开但"
    "因只从想实吗吧呢啊什么谁怎知给让跟把被它很真再走点",
    "zh-Hant":
    "的一是不了我你他她在有這那個人們來到時大上下為就和說要也會出可以對生能而子得著自之年過發"
    "後作裡裏用道行所然家種事成方多經去法學如都同現當沒動面起看定天分還進好小部其些主樣理心本前開但"
    "因只從想實嗎吧呢啊什麼誰怎知給讓跟把被它很真再走點",
    "ko": "이다는에을가고하지의어나를한아서도그니사기리있은로대자보게요안해인라정네거면만들"
    "오시스일내야것당신죠없우저여무말겠었던제수잖까했",
}  # fmt: skip
_ALIASES = {"no": "nb", "cmn": "zh", "yue": "zh", "wuu": "zh", "arz": "ar", "ary": "ar", "sh": "hr"}
"""Tags that are read as another's here."""
_LABELS = {
    "nb": ("no",), "sr-Latn": ("sr", "hr", "bs"), "zh-Hans": ("zh", "wuu"),
    "zh-Hant": ("zh", "yue", "wuu"), "ar": ("ar", "arz", "ary"), "id": ("id", "ms"),
    "ms": ("ms", "id"),
}  # fmt: skip
"""The labels of :func:`dubkit.languages.detect` for a tag, if they are not the tag itself."""
