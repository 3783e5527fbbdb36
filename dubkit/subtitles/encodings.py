"""Bytes -> text, whatever encoding a file was written in.

A file that declares its encoding is believed: a byte order mark, UTF-8, the zeros of UTF-16, an XML
declaration. For the rest each old code page is tried, and the one wins whose text reads as a
language that was written in that page, so that a page cannot win by mapping the bytes to any
letters.

This stays by hand, since files are often short and their language is often known, which libraries
cannot use. Of 284 files in 73 pairs of language and code page, with the language unknown, this
reads 99 % of those of two or three cues and 99 % of longer ones right; charset-normalizer 3.5 reads
51 % and 74 % (given the language's code pages 92 % and 95 %), chardet 7.7 reads 96 % and 95 %
(``benchmarks/code_pages.py``).
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator, Mapping

from dubkit import languages
from dubkit.errors import InputError
from dubkit.languages import primary

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip

_WESTERN = "fr de es it pt nl en sv da no nn fi is ca gl eu ga gd af id ms sq lb oc fo br cy la"
_CENTRAL = "pl cs sk hu sl hr bs ro sq"
_CYRILLIC = "ru uk be bg sr mk"
_PAGES: Mapping[str, str] = {
    "cp1252": _WESTERN, "cp1250": _CENTRAL, "cp1251": _CYRILLIC, "cp1253": "el", "cp1254": "tr az",
    "cp1255": "he yi", "cp1256": "ar fa ur arz ary ps", "cp1257": "lt lv et", "cp1258": "vi",
    "cp874": "th", "cp932": "ja", "cp949": "ko", "gb18030": "zh wuu", "big5hkscs": "zh yue wuu",
    "euc_jp": "ja", "koi8_r": "ru", "koi8_u": "uk", "cp866": "ru uk be", "iso8859_5": _CYRILLIC,
    "iso8859_2": _CENTRAL, "iso8859_15": _WESTERN, "iso8859_7": "el", "iso8859_8": "he yi",
    "iso8859_6": "ar fa", "iso8859_13": "lt lv et", "cp852": _CENTRAL, "cp850": _WESTERN,
    "mac_roman": _WESTERN, "cp1125": "uk",
}  # fmt: skip
"""Code pages with the languages that were written in them, the most common pages first."""

_ENOUGH = 8_000
"""Characters that are judged at most."""


def decode(data: bytes, language: str | None) -> str:
    """The text of a file's bytes; ``language`` is the text's, if it is known.

    Raises InputError naming the line at which it cannot be decoded.
    """
    marked = data.startswith(codecs.BOM_UTF8)
    data = data.removeprefix(codecs.BOM_UTF8)
    bom = next((name for mark, name in _BOMS if data.startswith(mark)), None)
    if bom is None and b"\x00" in data:
        bom = _wide(data)
    named = bom or _declared(data)
    if named:
        try:
            return data.decode(named)
        except UnicodeDecodeError as error:
            if bom:
                raise _undecodable(data, error, bom) from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if marked or _is_mostly_utf8(data):
            raise _undecodable(data, error, "UTF-8, as the rest is") from error
        return _guess(data, language)
    if "\x1b$" in text or "\x1b(" in text:  # 7-bit Japanese, which is UTF-8 by its bytes
        return _strict(data, "iso2022_jp_ext") or text
    return text


def _undecodable(data: bytes, error: UnicodeDecodeError, what: str) -> InputError:
    line = data[: error.start].count(b"\n") + 1
    return InputError(f"line {line}: not in {what}", "convert it to UTF-8")


def _wide(data: bytes) -> str:
    """UTF-16 without a mark: its digits and spaces have a zero byte, all on the same side."""
    even, odd = data[::2].count(0), data[1::2].count(0)
    for name, zeros, others in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if zeros >= len(data) / 16 and others * 20 <= zeros:
            return name
    line = data[: data.index(b"\x00")].count(b"\n") + 1
    raise InputError(f"line {line}: not text")


def _declared(data: bytes) -> str | None:
    """The encoding in an XML declaration, if it is one for text."""
    declared = re.match(rb"""\s*<\?xml[^>]*\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""", data)
    if declared:
        try:
            name = codecs.lookup(declared[1].decode()).name
            return name if name in _KNOWN else None
        except LookupError:
            return None
    return None


_KNOWN = {codecs.lookup(name).name for name in (*_PAGES, "utf-8", "latin-1", "shift_jis", "big5")}


def _is_mostly_utf8(data: bytes) -> bool:
    """Whether the text is UTF-8 but for a few bytes; no text in an old code page is."""
    text = data.decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    right = sum(not char.isascii() for char in text) - wrong
    return right >= max(4, 5 * wrong)


# ---------------------------------------------------------------- guessing


def _guess(data: bytes, language: str | None) -> str:
    """The text in the likeliest code page, of the language's own if any of them fits."""
    tag = primary(language or "")
    likely = [name for name, tags in _PAGES.items() if tag in tags.split()]
    if language and languages.script(language) == "Hant":
        likely = ["big5hkscs"]
    for pages in ([likely] if likely else []) + [list(_PAGES)]:
        texts = {name: text for name in pages if (text := _strict(data, name)) is not None}
        # The earlier, more common page wins a tie.
        scores = {name: _score(text, name, pages is likely) for name, text in texts.items()}
        best = max(scores, key=lambda name: scores[name], default=None)
        if best and scores[best] > 0.001:
            return texts[best]
    fallback = likely[0] if likely else "cp1252"
    try:
        return data.decode(fallback)
    except UnicodeDecodeError as error:
        raise _undecodable(data, error, f"UTF-8 or {fallback}") from error


def _strict(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _score(text: str, page: str, known: bool) -> float:
    """How much the text looks like one of a page's languages, 0 to 1."""
    sample = _sample(text)
    tags = _PAGES[page].split()
    ranked = dict(languages.detect(sample))
    likelihood = max(ranked.get(tag, 0.0) for tag in tags)
    return (likelihood + 0.05 * known) * _spelling(sample) ** 4 * _frequency(sample, tags)


def _sample(text: str) -> str:
    """The lines that distinguish code pages: those beyond ASCII, without tags and times."""
    lines = (line for line in text.splitlines() if not line.isascii())
    sample = "\n".join(lines)[: 4 * _ENOUGH]
    markup = r"<[^>\n]*>|\{[^}\n]*\}|\\[Nnh]|^Dialogue:(?:[^,\n]*,){9}"
    return re.sub(markup, " ", sample, flags=re.M)[:_ENOUGH]


_PUNCTUATION = set("«»‘’‚‹›“”„…–—¿¡·•€£¥§°ºª№♪♫©®™´\u00a0\u00ad\u200e\u200f\u200b\u2060\ufeff")
_CJK_PUNCTUATION = re.compile("[\u3000-\u303f\uff01-\uff65・]")
# A sign that is not on a consonant, and a leading vowel that does not precede one.
_THAI_MISPLACED = re.compile("[^ก-ฮ][ัิ-ฺ]|[^ก-ฮัิ-ู][็-๎]|.[เ-ไ][^ก-ฮ]")


def _spelling(sample: str) -> float:
    """The share of the characters beyond ASCII that occur in texts, and in such places."""
    wrong, count = 0.0, 0
    for before, char, after in _triples(sample):
        if char.isascii():
            if char.isupper() and before.islower() and not before.isascii():
                wrong += 1
            continue
        count += 1
        kind = unicodedata.category(char)
        if kind[0] in "LM":
            inside = before.isalpha() and char.isupper() and before.islower()
            mixed = any(
                near.isalpha() and _latin(near) is not _latin(char) for near in (before, after)
            )
            half = "\uff66" <= char <= "\uff9f" or "\ufb00" <= char <= "\ufdff" or char in "ªº"
            misplaced = bool(_THAI_MISPLACED.match(before + char + after))
            wrong += inside or half or misplaced or (mixed and ord(char) < 0x2E80)
        elif kind in ("Cc", "Co", "Cn"):
            wrong += 4
        elif char not in _PUNCTUATION and not _CJK_PUNCTUATION.match(char):
            wrong += 1
        elif char == "’" and after.isalpha() and not before.isalpha():
            wrong += 0.5  # rare; a capital alpha of cp1253 looks like this in other pages
        elif before.isalpha() and after.isalpha() and char not in "’·\u00ad":
            wrong += not _CJK_PUNCTUATION.match(char) and ord(before) < 0x2E80
    return max(0.0, 1 - wrong / count) if count else 0.0


def _triples(text: str) -> Iterator[tuple[str, str, str]]:
    return zip(" " + text[:-1], text, text[1:] + " ", strict=True)


def _latin(char: str) -> bool:
    return ord(char) < 0x250 or 0x300 <= ord(char) < 0x370 or 0x1E00 <= ord(char) < 0x1F00


_COMMON: Mapping[str, str] = {
    "zh": "的一是不了我你他她在有这那个人们来到时大上下为就和说要也会出可以对生能而子得着自之年过发"
    "后作里用道行所然家种事成方多经去法学如都同现当没动面起看定天分还进好小部其些主样理心本前开但"
    "因只从想实吗吧呢啊什么谁怎知给让跟把被它很真再走点这個們來時為說會對過發後裡裏種經學現當沒動"
    "還進樣開從實嗎麼誰給讓點",
    "ko": "이다는에을가고하지의어나를한아서도그니사기리있은로대자보게요안해인라정네거면만들"
    "오시스일내야것당신죠없우저여무말겠었던제수잖까했",
}


def _frequency(sample: str, tags: list[str]) -> float:
    """How common its Chinese, Japanese or Korean characters are: in a wrong page they are rare."""
    wide = [char for char in sample if unicodedata.category(char) == "Lo" and ord(char) > 0x2E80]
    if not wide or tags[0] not in ("zh", "ja", "ko"):
        return 1.0
    if tags[0] == "ja":
        share = sum("\u3041" <= char <= "\u30ff" for char in wide) / len(wide) / 0.4
    else:
        share = sum(char in _COMMON[tags[0]] for char in wide) / len(wide) / 0.4
    return min(1.0, share)
