"""Whether a translation is in the language that it should be in, by its letters and its words.

In doubt it is: short texts, names and technical terms say little about their language, and close
relatives cannot be distinguished by one sentence.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping

from dubkit import languages
from dubkit.cues.text import width, without_marks
from dubkit.languages import primary

ENOUGH = 20
"""Letters from which the language of a text can be identified."""
LIKELY, UNLIKELY = 0.6, 0.1
"""A text is in another language if that one is at least this likely, and its own at most this."""

_ALIKE = (
    {"no", "nb", "nn", "da"}, {"hr", "sr", "bs", "sl", "mk"}, {"id", "ms", "jv"}, {"cs", "sk"},
    {"zh", "yue", "wuu"}, {"es", "gl", "an", "ext", "ca"}, {"pt", "gl"}, {"af", "nl"},
    {"ar", "ary", "arz"}, {"fa", "prs"}, {"he", "hbo", "iw"}, {"uk", "be", "ru"}, {"tr", "az"},
    {"hi", "mr", "ne"}, {"fil", "tl"}, {"ro", "mo"}, {"kk", "ky", "tt", "ba"}, {"de", "lb", "gsw"},
    {"it", "vec", "lij"}, {"fr", "wa", "oc"}, {"bg", "mk"},
)  # fmt: skip
"""Languages that cannot be distinguished by a short text."""
_LETTERS: Mapping[str, tuple[str, ...]] = {
    "Arab": ("ARABIC",), "Armn": ("ARMENIAN",), "Beng": ("BENGALI",), "Cyrl": ("CYRILLIC",),
    "Deva": ("DEVANAGARI",), "Ethi": ("ETHIOPIC",), "Geor": ("GEORGIAN",), "Grek": ("GREEK",),
    "Gujr": ("GUJARATI",), "Guru": ("GURMUKHI",), "Hans": ("CJK",), "Hant": ("CJK",),
    "Hebr": ("HEBREW",), "Jpan": ("CJK", "HIRAGANA", "KATAKANA"), "Khmr": ("KHMER",),
    "Knda": ("KANNADA",), "Kore": ("HANGUL", "CJK"), "Laoo": ("LAO",), "Mlym": ("MALAYALAM",),
    "Mymr": ("MYANMAR",), "Orya": ("ORIYA",), "Sinh": ("SINHALA",), "Taml": ("TAMIL",),
    "Telu": ("TELUGU",), "Thaa": ("THAANA",), "Thai": ("THAI",), "Tibt": ("TIBETAN",),
}  # fmt: skip
"""How the Unicode names of the letters of each script but Latin begin, by ISO 15924."""
_SEVERAL = ("sr", "bs", "uz", "az", "ku", "tt", "pa", "tk")
"""Languages written in more than one script."""


def find_wrong_language(
    texts: Mapping[str, str], sources: Mapping[str, str], target: str
) -> list[str]:
    """The ids of translations that are not in ``target``. ``sources`` are what they translate.

    Texts too short to identify are judged together; texts equal to their source are ignored.
    """
    texts = {id: text for id, text in texts.items() if words(text) != words(sources[id])}
    tag = primary(target)
    alike = {tag}.union(*(group for group in _ALIKE if tag in group))
    found = [id for id, text in texts.items() if _wrong_script(text, sources[id], target)]
    romanized = "latn" in target.lower().split("-") and languages.script(tag) in _LETTERS
    if languages.named_script(target) and (romanized or tag in _SEVERAL):
        return found  # Hindi in Latin letters, say, or Uzbek in Cyrillic ones
    short = {id: text for id, text in texts.items() if count_letters(text) < ENOUGH}
    for id, text in texts.items():
        if id not in found and id not in short and is_wrong_language(text, tag, alike):
            found.append(id)
    rest = {id: text for id, text in short.items() if id not in found}
    whole = ". ".join(rest.values())
    if count_letters(whole) >= ENOUGH and is_wrong_language(whole, tag, alike):
        # A single word may be a name or an interjection, which belong to no language.
        found += [id for id, text in rest.items() if len(words(text)) > 1]
    return found


def words(text: str) -> list[str]:
    """The words of a text, without numbers and punctuation."""
    return re.findall(r"[^\W\d_]+", without_marks(text))


def count_letters(text: str) -> int:
    """The number of letters; a full-width one counts as two."""
    return sum(max(1, width(char)) for char in without_marks(text) if char.isalpha())


def is_wrong_language(text: str, target: str, alike: Collection[str] = ()) -> bool:
    """Whether the words of a text clearly belong to a language other than ``target`` and
    ``alike``."""
    ranked = languages.detect(without_marks(text))
    odds = dict(ranked)
    if target not in odds:  # the identifier does not know the language
        return False
    own = sum(odds.get(tag, 0.0) for tag in {target, *alike})
    other, likelihood = ranked[0]
    return other not in {target, *alike} and likelihood >= LIKELY and own <= UNLIKELY


def _wrong_script(text: str, source: str, target: str) -> bool:
    """Whether most of a text is in letters that the target language is not written in.

    Words of the source are ignored: commands, brands and names stay as they are.
    """
    tag = primary(target)
    script = languages.script(target)
    if script is None or (tag in _SEVERAL and not languages.named_script(target)):
        return False
    if own := _LETTERS.get(script):
        given = {word.casefold() for word in words(source)}
        latin = [word for word in words(text) if word.isascii()]
        if any(_name(char).startswith(own) for char in text):
            latin = [word for word in latin if word.casefold() not in given]
        # "OK", "NASA" and "iPhone" are written in Latin letters everywhere.
        some = sum(word[0].islower() for word in latin) > 2
        rest = [word for word in words(text) if not word.isascii()]
        names = [_name(char) for word in (*rest, *(latin if some else ())) for char in word]
        return sum(name.startswith(own) for name in names) * 5 < len(names)
    if script != "Latn":
        return False
    others = tuple(start for starts in _LETTERS.values() for start in starts)
    names = [_name(char) for word in words(text) for char in word]
    return sum(name.startswith(others) for name in names) * 2 > len(names)


def _name(char: str) -> str:
    """The Unicode name of a character, which begins with its script."""
    return unicodedata.name(char, "")
