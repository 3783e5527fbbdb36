"""Languages by their tags: BCP-47 inside dubkit, ISO 639-2 in containers, names for people.

Names, codes and likely scripts are those of ``langcodes``, imported when first needed; which
language a text is in is ``py3langid``'s judgement.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .installed import verify_installed

LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
"""What a BCP-47 tag looks like."""

_COMMON = frozenset(
    "af ar bg bn ca cs cy da de el en es et eu fa fi fr gl gu he hi hr hu hy id is it ja ka kk km "
    "kn ko lo lt lv mk ml mn mr ms my nb ne nl no pa pl pt ro ru si sk sl sq sr sv sw ta te th tl "
    "tr uk ur uz vi yue zh".split()
)
_SCRIPTS_NOT_LISTED = {"acm": "Arab", "ajp": "Arab", "hbo": "Hebr"}
_RIGHT_TO_LEFT = frozenset("Adlm Arab Aran Armi Hebr Mand Nkoo Rohg Samr Syrc Thaa".split())


def is_tag(language: object) -> bool:
    """Whether it looks like a BCP-47 tag; tags become parts of file names."""
    return isinstance(language, str) and LANGUAGE.fullmatch(language) is not None


def primary(language: str) -> str:
    """The primary subtag: ``pt`` of ``pt-BR``, ``zh`` of ``zh_Hant``."""
    return language.replace("_", "-").partition("-")[0].lower()


def is_in(tag: str, target: str) -> bool:
    """Whether a text in one language needs no translation to be in the other: Brazilian Portuguese
    is Portuguese, while ``pt-BR`` asks for more than ``pt``."""
    return target in (tag, primary(tag))


def canonical(tag: str) -> str:
    """A BCP-47 tag in its usual case: ``pt-BR`` for ``PT-br``, ``zh-Hant`` for ``ZH-HANT``.

    By hand, as langcodes refuses some of what :func:`is_tag` accepts.
    """
    head, *rest = tag.split("-")
    case = {2: str.upper, 4: str.title}
    return "-".join([head.lower(), *(case.get(len(part), str.lower)(part) for part in rest)])


def understand(text: str) -> str:
    """The tag of a language as people write it: ``pt-BR`` for ``pt_br``, ``pt`` for ``por`` and
    ``Portuguese``; the text itself if it is no language's."""
    tag = text.strip().replace("_", "-")
    if is_tag(tag):
        head, *rest = canonical(tag).split("-")
        return "-".join([_shortest(head), *rest])
    # A word of a letter or two is no name, though the tables have some.
    return (tag_of(tag) if len(tag) > 3 or not tag.isascii() else None) or text


def bcp47(tag: str | None) -> str | None:
    """A container's language tag as BCP-47 (``spa`` -> ``es``); None if it names no language."""
    head, *rest = (tag or "").strip().replace("_", "-").split("-")
    if head.lower() in ("", "und", "unk", "mis", "zxx", "mul"):
        return None
    return "-".join([_shortest(head.lower()), *rest])


def iso639_2(tag: str, *, quicktime: bool = False) -> str:
    """A BCP-47 tag as the three letters that mp4 and Matroska hold; ``und`` if none fit.

    QuickTime's own list mostly has the bibliographic codes, as ffmpeg writes it.
    """
    from langcodes import Language
    from langcodes.tag_parser import LanguageTagError

    try:
        language = Language.get(_shortest(primary(tag)), normalize=False)
        code, bibliographic = language.to_alpha3(), language.to_alpha3("B")
    except (LanguageTagError, LookupError):
        return "und"
    return bibliographic if quicktime and code not in ("ces", "fra", "ron", "slk") else code


@functools.cache
def _shortest(head: str) -> str:
    """Two letters for a language's three, in either list of ISO 639-2, if it has two."""
    if not re.fullmatch("[a-z]{3}", head):
        return head
    from langcodes import Language

    if head == "tgl":  # Filipino for langcodes, but engines know Tagalog
        return "tl"
    short = str(Language.get(head))
    return short if len(short) == 2 else head


@functools.cache
def name(tag: str) -> str:
    """The English name of a language for titles, ``Portuguese`` for ``pt-BR``; the tag itself if it
    has none."""
    from langcodes import Language
    from langcodes.tag_parser import LanguageTagError

    try:
        found = Language.get(_shortest(primary(tag)), normalize=False).language_name()
    except LanguageTagError:
        return tag
    return tag if found.startswith("Unknown language") else found


def tag_of(name: str) -> str | None:
    """The tag of a language by its name in any language, ``de`` for ``german`` and ``Deutsch``;
    None if there is none."""
    import langcodes

    try:
        return str(langcodes.find(name))
    except (LookupError, UnicodeDecodeError):  # the second for "\0", from the table of names
        return None


def in_name(word: str) -> str | None:
    """The tag of a language that a part of a file's name stands for: ``en`` for ``en``, ``eng`` and
    ``English``, ``pt-BR`` for ``pt_BR``; None if it stands for none.

    By a list, as every second abbreviation is a language: ``film.ii.srt`` is the second part, not
    in Sichuan Yi.
    """
    tag = understand(word)
    return tag if is_tag(tag) and primary(tag) in _COMMON else None


@functools.cache
def script(tag: str) -> str | None:
    """The script that a language is written in, by ISO 15924: ``Cyrl`` for ``ru``.

    It is the tag's own (``Latn`` of ``sr-Latn``), else the likeliest; None if that is not known.
    """
    from langcodes import Language
    from langcodes.tag_parser import LanguageTagError

    head, *rest = tag.replace("_", "-").lower().split("-")
    if own := next((part for part in rest if re.fullmatch("[a-z]{4}", part)), None):
        return own.title()
    if head in _SCRIPTS_NOT_LISTED:
        return _SCRIPTS_NOT_LISTED[head]
    region = next((part for part in rest if re.fullmatch("[a-z]{2}", part)), None)
    try:
        likely = Language.get(head).maximize()
        with_region = Language.get(f"{head}-{region}" if region else head).maximize()
    except LanguageTagError:
        return None
    # For a language that is not listed, that is what langcodes gives.
    if head != "en" and (likely.script, likely.territory) == ("Latn", "US"):
        return None
    return with_region.script


def named_script(tag: str) -> str | None:
    """The script that a tag asks for, by its own subtag or by its region: ``Latn`` of ``sr-Latn``,
    ``Hant`` of ``zh-TW``; None for one that leaves it open, as ``sr`` and ``pt-BR`` do."""
    parts = tag.replace("_", "-").split("-")
    if any(re.fullmatch("[A-Za-z]{4}", part) for part in parts[1:]):
        return script(tag)
    own = len(parts) > 1 and (parts[0].lower() == "zh" or script(tag) != script(parts[0]))
    return script(tag) if own else None


@functools.cache
def script_name(tag: str) -> str:
    """The script that a tag asks for, in words: ``simplified characters``; "" if it asks for
    none."""
    from langcodes import Language

    if not (named := named_script(tag)):
        return ""
    if named in ("Hans", "Hant"):
        return f"{'simplified' if named == 'Hans' else 'traditional'} characters"
    return f"{Language.make(script=named).script_name()} letters"


def in_script(text: str, tag: str) -> str:
    """A text in the script that its language's tag asks for, where another can be converted without
    loss: Chinese characters of the other kind, and Cyrillic letters to Latin ones in Serbian,
    Uzbek and their like. Otherwise, and for a tag that asks for none, it is as it was."""
    named, head = named_script(tag), primary(tag)
    if head == "zh" and named in ("Hans", "Hant"):
        return _in_chinese_script(text, named)
    if named == "Latn" and head in _LATIN and not text.isascii():
        return _in_latin(text, head)
    return text


def _in_chinese_script(text: str, wanted: str) -> str:
    simplified, traditional = _convert(text, "t2s"), _convert(text, "s2t")
    if wanted == "Hans":
        return simplified
    # What is traditional already has characters, as 里 and 后, that a conversion would change.
    changes = [
        sum(a != b for a, b in zip(text, other, strict=False))
        for other in (simplified, traditional)
    ]
    return traditional if changes[1] > changes[0] else text


def _convert(text: str, conversion: str) -> str:
    return str(_converter(conversion).convert(text))


@functools.cache
def _converter(conversion: str) -> Any:
    import opencc

    return opencc.OpenCC(conversion)


def _in_latin(text: str, head: str) -> str:
    letters = _LATIN[head]
    converted = []
    for k, char in enumerate(text):
        latin = letters.get(char.lower(), char)
        before = text[k - 1] if k else " "
        if latin == "e" and head == "uz" and (not before.isalpha() or before in "аеёиоуэюяў"):
            latin = "ye"
        if char.isupper() and latin != char:
            around = text[k - 1 : k] + text[k + 1 : k + 2] if k else text[1:2]
            loud = any(other.isupper() for other in around)
            latin = latin.upper() if loud else latin.capitalize()
        converted.append(latin)
    return "".join(converted)


_SERBIAN = dict(
    zip(
        "абвгдђежзијклљмнњопрстћуфхцчџш",
        "a b v g d đ e ž z i j k l lj m n nj o p r s t ć u f h c č dž š".split(),
        strict=True,
    )
)
_UZBEK = dict(
    zip(
        "абвгдеёжзийклмнопрстуфхцчшъьэюяўқғҳ",
        "a b v g d e yo j z i y k l m n o p r s t u f x ts ch sh ʼ _ e yu ya oʻ q gʻ h".split(),
        strict=True,
    )
) | {"ь": ""}
_AZERI = dict(
    zip("абвгғдеәжзиыјкҝлмноөпрстуүфхһчҹш", "abvqğdeəjziıykglmnoöprstuüfxhçcş", strict=True)
)
_LATIN: Mapping[str, Mapping[str, str]] = {
    **dict.fromkeys(("sr", "bs", "cnr", "hr", "sh"), _SERBIAN),
    "uz": _UZBEK,
    "az": _AZERI,
}
"""The Latin letters for Cyrillic ones, by language."""


def right_to_left(language: str) -> bool:
    """Whether a language is written from right to left, in the script that its tag names if any."""
    return script(language) in _RIGHT_TO_LEFT


def detect(text: str) -> list[tuple[str, float]]:
    """The languages that a text may be in, by primary tag, with probabilities, best first.

    By a model over bytes (py3langid), which knows 140 languages and needs a sentence or two; the
    probabilities add up to 1, and are all alike for a text without evidence. Of its labels, ``no``
    is Norwegian in Bokmål and ``zxx`` a text that is in no language.
    """
    ranked: list[tuple[str, float]] = _identifier().rank(text)
    return ranked


@functools.cache
def _identifier() -> Any:
    from py3langid import langid  # a second or so

    verify_installed("py3langid", Path(langid.__file__).parent / langid.MODEL_FILE)
    return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
