"""What may be wrong with a translation. Pure: a line and its translation in, a sentence out.

A translator is not believed: language models skip lines, answer in another language, lose a number
or say "Sure, here it is". Each fault is told in a sentence that a model can act on and a person can
read. Doubt is decided for the translation: a good line that is refused stays untranslated.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from dubkit import glossary, languages
from dubkit.hooks import Line, TranslationRequest
from dubkit.profiles import primary, width
from dubkit.sentences import without_marks

LONG, LONG_MORE = 2.5, 30
"""A translation is too long beyond so many times the columns of its source, and so many more."""
SHORT, SHORT_FROM = 0.15, 60
"""... and too short under so many, where the source has at least so many columns."""
TELLING = 20
"""Letters from which the language of a text can be told."""
SURE, HARDLY = 0.6, 0.1
"""A text is in another language when that one is at least so likely, and its own at most so."""

_MARK = re.compile(r"</?[ibu]>")
_KEPT = re.compile(
    r"\{\{?\w[\w.]*\}?\}|%\(\w+\)[sd]|%\d*\$?[sd]\b|https?://[^\s<>]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
)
_NUMBER = re.compile(r"\d(?:[\d.,'’٫٬]*\d)?")
_PARTED = r"[.,'’٫٬ \u00a0\u202f]?"
"""What may stand between the digits of a number, by language."""
_LOOP = re.compile(r"(\w.{10,80}?)(?:[\s,.;!]+\1){2,}", re.IGNORECASE)
_ALIKE = (
    {"no", "nb", "nn", "da"}, {"hr", "sr", "bs", "sl", "mk"}, {"id", "ms", "jv"}, {"cs", "sk"},
    {"zh", "yue", "wuu"}, {"es", "gl", "an", "ext", "ca"}, {"pt", "gl"}, {"af", "nl"},
    {"ar", "ary", "arz"}, {"fa", "prs"}, {"he", "hbo", "iw"}, {"uk", "be", "ru"}, {"tr", "az"},
    {"hi", "mr", "ne"}, {"fil", "tl"}, {"ro", "mo"}, {"kk", "ky", "tt", "ba"}, {"de", "lb", "gsw"},
    {"it", "vec", "lij"}, {"fr", "wa", "oc"}, {"bg", "mk"},
)  # fmt: skip
"""Languages that a short text does not tell apart."""
_SCRIPTS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("ru", "uk", "be", "bg", "mk", "kk", "ky", "mn", "tg"), ("CYRILLIC",)),
    **dict.fromkeys(("ar", "fa", "ur", "ps", "sd", "ug"), ("ARABIC",)),
    **dict.fromkeys(("hi", "mr", "ne", "sa"), ("DEVANAGARI",)),
    **dict.fromkeys(("zh", "yue"), ("CJK",)),
    "ja": ("CJK", "HIRAGANA", "KATAKANA"),
    "ko": ("HANGUL", "CJK"),
    "he": ("HEBREW",), "yi": ("HEBREW",), "el": ("GREEK",), "th": ("THAI",), "ka": ("GEORGIAN",),
    "hy": ("ARMENIAN",), "bn": ("BENGALI",), "ta": ("TAMIL",), "te": ("TELUGU",),
    "kn": ("KANNADA",), "ml": ("MALAYALAM",), "gu": ("GUJARATI",),
    "si": ("SINHALA",), "km": ("KHMER",), "lo": ("LAO",), "my": ("MYANMAR",), "am": ("ETHIOPIC",),
}  # fmt: skip
"""The scripts of languages that are not written in Latin letters; names begin with these."""
_SEVERAL = ("sr", "bs", "uz", "az", "ku", "tt", "pa", "tk")
"""Languages that are written in more than one script."""


def faults(
    request: TranslationRequest, texts: Mapping[str, str], follows: Collection[str]
) -> dict[str, str]:
    """What is wrong with the reply ``texts`` to ``request``: a sentence by line id.

    Lines that are not in the result are fine. Ids that nobody asked for are passed over.
    """
    asked = {line.id: line for line in request.lines}
    given = {id: texts[id].strip() for id in asked if id in texts}
    found: dict[str, str] = {}
    for id, line in asked.items():
        if id not in given:
            found[id] = "it was left out"
        elif fault := _fault(line, given[id], request, follows):
            found[id] = fault
    if fault := _shifted(request.lines, given):
        return {id: found.get(id, fault) for id in asked}
    for id in _doubled(asked, given):
        found.setdefault(id, "the same translation was given for another line")
    for id in _foreign({id: text for id, text in given.items() if id not in found}, request):
        found[id] = f"it is not in {languages.name(request.target)}"
    return found


def _fault(
    line: Line, text: str, request: TranslationRequest, follows: Collection[str]
) -> str | None:
    if not any(char.isalnum() for char in without_marks(text)):
        return "it was empty"
    if Counter(_MARK.findall(line.text)) != Counter(_MARK.findall(text)):
        return "the marks <i>, <b>, <u> are not those of the line"
    if garbled := Counter(_KEPT.findall(line.text)) - Counter(_KEPT.findall(text)):
        return f"{', '.join(garbled)} must stay as it is"
    if lost := _lost_numbers(line.text, text):
        return f"the number {', '.join(lost)} is missing"
    if _copied(line.text, text):
        return "it was copied, not translated"
    columns, given = width(line.text), width(text)
    if given > LONG * columns + LONG_MORE:
        return "it is far too long"
    if columns >= SHORT_FROM and given < SHORT * columns:
        return "much of it is missing"
    if _LOOP.search(text) and not _LOOP.search(line.text):
        return "it says the same again and again"
    if "glossary" in follows:
        for term, wanted in glossary.entries_in(line.text, request.glossary):
            if not glossary.holds(text, wanted):
                return f"the glossary says {wanted!r} for {term!r}"
    return None


# ---------------------------------------------------------------- single lines


def _numbers(text: str) -> Counter[str]:
    """The numbers of two and more digits, without what parts their digits. A single digit may
    well be a word in the translation."""
    digits = (re.sub(r"\D", "", number) for number in _NUMBER.findall(_ascii_digits(text)))
    return Counter(number for number in digits if len(number) > 1)


def _ascii_digits(text: str) -> str:
    plain = _KEPT.sub(" ", text)
    return "".join(str(unicodedata.digit(char)) if char.isdigit() else char for char in plain)


def _lost_numbers(source: str, text: str) -> list[str]:
    """Numbers of the source that are not in the translation, however their digits are parted."""
    given = _ascii_digits(text)
    return [
        number
        for number in _numbers(source)
        if not re.search(rf"(?<!\d){_PARTED.join(number)}(?!\d)", given)
    ]


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", without_marks(text))


def _copied(source: str, text: str) -> bool:
    """Whether the line came back as it was, where it is more than names and a word or two."""
    words = _words(source)
    small = sum(word[0].islower() or word.isupper() for word in words if len(word) > 1)
    same = [word.casefold() for word in words] == [word.casefold() for word in _words(text)]
    return same and len(words) >= 3 and small >= 2


# ---------------------------------------------------------------- lines together


def _doubled(asked: Mapping[str, Line], given: Mapping[str, str]) -> list[str]:
    """Lines that share a translation of some words with another line that says something else."""
    first: dict[str, str] = {}
    doubled = []
    for id, text in given.items():
        if len(_words(text)) < 3 and width(text) < 12:
            continue
        other = first.setdefault(text.casefold(), id)
        if _words(asked[other].text.casefold()) != _words(asked[id].text.casefold()):
            doubled += [other, id]
    return doubled


def _shifted(lines: Sequence[Line], given: Mapping[str, str]) -> str:
    """A sentence when the translations clearly belong to the lines before or after their own."""
    count = len(lines)
    texts = [given.get(line.id, "") for line in lines]
    if count < 4:
        return ""

    def fit(shift: int) -> float:
        pairs = [(lines[k], texts[k + shift]) for k in range(count) if 0 <= k + shift < count]
        return sum(_likeness(line.text, text) for line, text in pairs) / len(pairs)

    own = fit(0)
    if max(fit(1), fit(-1)) > max(2 * own, own + 0.5):
        return "the translations stand with the wrong ids, one line off"
    return ""


def _likeness(source: str, text: str) -> float:
    """How much two texts share that translation does not change: numbers, names, ``?`` and ``!``,
    length. Below 0 where they contradict each other."""
    if not text:
        return 0.0
    score = 0.0
    for evidence in (_numbers, _names, _endings):
        ours, theirs = evidence(source), evidence(text)
        score += min(2, (ours & theirs).total()) - 0.5 * min(
            2, ((ours | theirs) - (ours & theirs)).total()
        )
    short, long = sorted((width(source) + 5, width(text) + 5))
    return score + (0.5 if short / long > 0.5 else -0.5)


def _names(text: str) -> Counter[str]:
    return Counter(word for word in set(_words(text)[1:]) if word[0].isupper() and len(word) > 2)


def _endings(text: str) -> Counter[str]:
    marks = {"？": "?", "؟": "?", "！": "!"}
    return Counter(marks.get(char, char) for char in text if char in "?!？！؟")


def _foreign(given: Mapping[str, str], request: TranslationRequest) -> list[str]:
    """The lines that are not in the target language. What is too short to tell is told together."""
    target = primary(request.target)
    alike = {target}.union(*(group for group in _ALIKE if target in group))
    short = {id: text for id, text in given.items() if _letters(text) < TELLING}
    foreign = [id for id, text in given.items() if _misread(text, target)]
    for id, text in given.items():
        if id not in foreign and id not in short and _reads_foreign(text, target, alike):
            foreign.append(id)
    rest = {id: text for id, text in short.items() if id not in foreign}
    whole = ". ".join(rest.values())
    if _letters(whole) >= TELLING and _reads_foreign(whole, target, alike):
        # A word alone may be a name or an interjection, which are no language's own.
        foreign += [id for id, text in rest.items() if len(_words(text)) > 1]
    return foreign


def _letters(text: str) -> int:
    return sum(max(1, width(char)) for char in without_marks(text) if char.isalpha())


def _reads_foreign(text: str, target: str, alike: Collection[str]) -> bool:
    """Whether the words of a text are surely another language's."""
    ranked = languages.detect(without_marks(text))
    odds = dict(ranked)
    if target not in odds:  # the identifier does not know the language
        return False
    own = sum(odds.get(tag, 0.0) for tag in alike)
    return ranked[0][0] not in alike and ranked[0][1] >= SURE and own <= HARDLY


def _misread(text: str, target: str) -> bool:
    """Whether most of a text is in letters that the target language is not written in."""
    letters = [unicodedata.name(char, "") for char in without_marks(text) if char.isalpha()]
    if own := _SCRIPTS.get(target):
        # "OK", "NASA" and "iPhone" are written in Latin letters anywhere.
        if sum(word[0].islower() for word in _words(text)) < 2:
            letters = [name for name in letters if not name.startswith("LATIN")]
        return sum(not name.startswith(own) for name in letters) * 2 > len(letters)
    if target in _SEVERAL:
        return False
    others = tuple(script for scripts in _SCRIPTS.values() for script in scripts)
    return sum(name.startswith(others) for name in letters) * 2 > len(letters)
