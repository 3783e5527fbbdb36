"""Languages by their tags: BCP-47 inside dubkit, ISO 639-2 in containers, names for people."""

from __future__ import annotations

import functools
import re
from typing import Any


@functools.cache
def _languages() -> dict[str, tuple[str, ...]]:
    entries = (entry.partition(":") for entry in _ISO_639.split())
    return {two: tuple(three.split("/")) for two, _, three in entries}


@functools.cache
def _shortest() -> dict[str, str]:
    return {three: two for two, threes in _languages().items() for three in threes}


def canonical(tag: str) -> str:
    """A BCP-47 tag in its usual case: ``pt-BR`` for ``PT-br``, ``zh-Hant`` for ``ZH-HANT``."""
    head, *rest = tag.split("-")
    case = {2: str.upper, 4: str.title}
    return "-".join([head.lower(), *(case.get(len(part), str.lower)(part) for part in rest)])


def bcp47(tag: str | None) -> str | None:
    """A container's language tag as BCP-47 (``spa`` -> ``es``); None when it says nothing."""
    head, *rest = (tag or "").strip().replace("_", "-").split("-")
    if head.lower() in ("", "und", "unk", "mis", "zxx", "mul"):
        return None
    return "-".join([_shortest().get(head.lower(), head.lower()), *rest])


def iso639_2(tag: str, *, quicktime: bool = False) -> str:
    """A BCP-47 tag as the three letters that mp4 and Matroska hold; ``und`` when none fit.

    QuickTime's own list mostly has the codes for bibliographies, as ffmpeg writes it.
    """
    head = tag.replace("_", "-").partition("-")[0].lower()
    if known := _languages().get(_shortest().get(head, head)):
        return known[-1 if quicktime and known[0] not in ("ces", "fra", "ron", "slk") else 0]
    return head if re.fullmatch("[a-z]{3}", head) else "und"


def name(tag: str) -> str:
    """The English name of a language for titles, ``Spanish`` for ``es``; the tag itself if rare."""
    return _NAMES.get(tag.split("-")[0].lower(), tag)


def tag_of(name: str) -> str | None:
    """The tag of a language by its English name, ``de`` for ``german``; None if it has none."""
    return next((tag for tag, known in _NAMES.items() if known.lower() == name.lower()), None)


def detect(text: str) -> list[tuple[str, float]]:
    """The languages that a text may be in, by primary tag, with probabilities, best first.

    By a model over bytes (py3langid), which knows 140 languages and wants a sentence or two; the
    probabilities add up to 1, and of a text that tells nothing all are alike. Of its labels, ``no``
    is Norwegian in Bokmål and ``zxx`` a text that is in no language.
    """
    ranked: list[tuple[str, float]] = _identifier().rank(text)
    return ranked


@functools.cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # a second or so

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def right_to_left(language: str) -> bool:
    """Whether a language is written from right to left, in the script that its tag names if any."""
    head, *rest = language.replace("_", "-").lower().split("-")
    if script := next((part for part in rest if re.fullmatch("[a-z]{4}", part)), None):
        return script in _RIGHT_TO_LEFT_SCRIPTS
    return head in _RIGHT_TO_LEFT


_RIGHT_TO_LEFT = frozenset(
    "ar arc ary arz apc acm ajp ckb dv fa glk he hbo iw ji lrc mzn nqo pnb prs ps rhg sd sdh skr "
    "syr ug ur yi".split()
)
_RIGHT_TO_LEFT_SCRIPTS = frozenset("adlm arab aran hebr nkoo rohg samr syrc thaa".split())

_NAMES = dict(
    pair.split("=")
    for pair in (
        "af=Afrikaans ar=Arabic bg=Bulgarian bn=Bengali ca=Catalan cs=Czech cy=Welsh da=Danish "
        "de=German el=Greek en=English es=Spanish et=Estonian eu=Basque fa=Persian fi=Finnish "
        "fr=French gl=Galician gu=Gujarati he=Hebrew hi=Hindi hr=Croatian hu=Hungarian hy=Armenian "
        "id=Indonesian is=Icelandic it=Italian ja=Japanese ka=Georgian kk=Kazakh km=Khmer "
        "kn=Kannada ko=Korean lo=Lao lt=Lithuanian lv=Latvian mk=Macedonian ml=Malayalam "
        "mn=Mongolian mr=Marathi ms=Malay my=Burmese nb=Norwegian ne=Nepali nl=Dutch no=Norwegian "
        "pa=Punjabi pl=Polish pt=Portuguese ro=Romanian ru=Russian si=Sinhala sk=Slovak "
        "sl=Slovenian sq=Albanian sr=Serbian sv=Swedish sw=Swahili ta=Tamil te=Telugu th=Thai "
        "tl=Tagalog tr=Turkish uk=Ukrainian ur=Urdu uz=Uzbek vi=Vietnamese yue=Cantonese zh=Chinese"
    ).split()
)

# ISO 639-1, then 639-2 for terminology and, where it differs, for bibliographies.
_ISO_639 = """
aa:aar ab:abk ae:ave af:afr ak:aka am:amh an:arg ar:ara as:asm av:ava ay:aym az:aze ba:bak
be:bel bg:bul bh:bih bi:bis bm:bam bn:ben bo:bod/tib br:bre bs:bos ca:cat ce:che ch:cha co:cos
cr:cre cs:ces/cze cu:chu cv:chv cy:cym/wel da:dan de:deu/ger dv:div dz:dzo ee:ewe el:ell/gre
en:eng eo:epo es:spa et:est eu:eus/baq fa:fas/per ff:ful fi:fin fj:fij fo:fao fr:fra/fre fy:fry
ga:gle gd:gla gl:glg gn:grn gu:guj gv:glv ha:hau he:heb hi:hin ho:hmo hr:hrv ht:hat hu:hun
hy:hye/arm hz:her ia:ina id:ind ie:ile ig:ibo ii:iii ik:ipk io:ido is:isl/ice it:ita iu:iku
ja:jpn jv:jav ka:kat/geo kg:kon ki:kik kj:kua kk:kaz kl:kal km:khm kn:kan ko:kor kr:kau ks:kas
ku:kur kv:kom kw:cor ky:kir la:lat lb:ltz lg:lug li:lim ln:lin lo:lao lt:lit lu:lub lv:lav
mg:mlg mh:mah mi:mri/mao mk:mkd/mac ml:mal mn:mon mr:mar ms:msa/may mt:mlt my:mya/bur na:nau
nb:nob nd:nde ne:nep ng:ndo nl:nld/dut nn:nno no:nor nr:nbl nv:nav ny:nya oc:oci oj:oji om:orm
or:ori os:oss pa:pan pi:pli pl:pol ps:pus pt:por qu:que rm:roh rn:run ro:ron/rum ru:rus rw:kin
sa:san sc:srd sd:snd se:sme sg:sag si:sin sk:slk/slo sl:slv sm:smo sn:sna so:som sq:sqi/alb
sr:srp ss:ssw st:sot su:sun sv:swe sw:swa ta:tam te:tel tg:tgk th:tha ti:tir tk:tuk tl:tgl
tn:tsn to:ton tr:tur ts:tso tt:tat tw:twi ty:tah ug:uig uk:ukr ur:urd uz:uzb ve:ven vi:vie
vo:vol wa:wln wo:wol xh:xho yi:yid yo:yor za:zha zh:zho/chi zu:zul
"""


LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
"""What a BCP-47 tag looks like."""


def is_tag(language: object) -> bool:
    """Whether it looks like a BCP-47 tag; one becomes a part of file names."""
    return isinstance(language, str) and LANGUAGE.fullmatch(language) is not None


def primary(language: str) -> str:
    """The primary subtag: ``pt`` of ``pt-BR``, ``zh`` of ``zh_Hant``."""
    return language.replace("_", "-").partition("-")[0].lower()
