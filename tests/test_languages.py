from __future__ import annotations

import pytest

from dubkit import languages


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("en", "I do not know where he went last night."),
        ("fr", "Je ne sais pas où il est allé hier soir."),
        ("de", "Ich weiß nicht, wohin er gestern Abend gegangen ist."),
        ("ru", "Я не знаю, куда он ушёл вчера вечером."),
        ("ja", "昨日の夜、彼がどこへ行ったのか分からない。"),
        ("zh", "我不知道他昨晚去哪儿了。"),
        ("no", "Jeg vet ikke hvor han gikk i går kveld, men jeg skal spørre ham."),
    ],
)
def test_detect(tag: str, text: str) -> None:
    ranked = languages.detect(text)
    assert ranked[0][0] == tag
    assert sum(share for _, share in ranked) == pytest.approx(1, abs=1e-3)
    assert [share for _, share in ranked] == sorted((s for _, s in ranked), reverse=True)


@pytest.mark.parametrize("text", ["", "?!", "\ud800", "1 2 3", "x" * 100_000])
def test_detect_takes_any_text(text: str) -> None:
    assert len(languages.detect(text)) > 100


@pytest.mark.parametrize(
    ("language", "right"),
    [
        *((tag, True) for tag in "ar he fa ur yi ps sd ug dv ckb iw AR-eg ku-Arab pa_Arab".split()),
        *((tag, True) for tag in "ar-Arab-EG en-Hebr pa-PK ks acm ajp arz hbo".split()),
        *((tag, False) for tag in "en ku tr az ur-Latn ar-Latn-EG zh-Hant und".split()),
    ],
)
def test_right_to_left(language: str, right: bool) -> None:
    assert languages.right_to_left(language) is right


@pytest.mark.parametrize(
    ("tag", "script"),
    [
        ("en", "Latn"), ("ru", "Cyrl"), ("ja", "Jpan"), ("ko", "Kore"), ("zh", "Hans"),
        ("zh-TW", "Hant"), ("zh_Hant", "Hant"), ("sr", "Cyrl"), ("sr-Latn", "Latn"),
        ("uz-AF", "Arab"), ("en-IQ", "Latn"), ("fil", "Latn"), ("iw", "Hebr"),
        ("xx", None), ("qaa", None), ("", None), ("\0", None),
    ],
)  # fmt: skip
def test_script(tag: str, script: str | None) -> None:
    assert languages.script(tag) == script


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("en", "English"), ("pt-BR", "Portuguese"), ("zh-Hant", "Chinese"), ("yue", "Cantonese"),
        ("no", "Norwegian"), ("tl", "Tagalog"), ("az", "Azerbaijani"), ("ger", "German"),
        ("xx", "xx"), ("und", "und"), ("en-", "English"), ("12", "12"), ("\0", "\0"),
    ],
)  # fmt: skip
def test_name(tag: str, name: str) -> None:
    assert languages.name(tag) == name


def test_a_tag_by_its_name() -> None:
    names = ["German", "deutsch", "ESPAÑOL", "Brazilian Portuguese", "Klingon", "xyzzy", "", "\0"]
    found = [languages.tag_of(name) for name in names]
    assert found == ["de", "de", "es", "pt-BR", "tlh", None, None, None]


@pytest.mark.parametrize(
    ("two", "mp4", "quicktime"),
    [("de", "deu", "ger"), ("fr", "fra", "fra"), ("el", "ell", "gre"), ("tl", "tgl", "tgl")],
)
def test_containers_codes_come_back(two: str, mp4: str, quicktime: str) -> None:
    assert languages.iso639_2(two) == mp4
    assert languages.iso639_2(two, quicktime=True) == quicktime
    assert languages.bcp47(mp4) == languages.bcp47(quicktime) == two


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("pt_BR", "pt-BR"), ("EN-us", "en-US"), ("por", "pt"), ("fre", "fr"), ("fra", "fr"),
        ("german", "de"), ("Español", "es"), ("日本語", "ja"), ("Simplified Chinese", "zh-Hans"),
        ("", ""), ("a", "a"), ("x1", "x1"), ("no such", "no such"), ("xx-YY", "xx-YY"),
    ],
)  # fmt: skip
def test_a_language_as_people_write_it(text: str, tag: str) -> None:
    assert languages.understand(text) == tag


@pytest.mark.parametrize("abbreviation", ["sdh", "ii", "vo", "cut", "CC", "forced", "1080p", ""])
def test_an_abbreviation_in_a_files_name_is_no_language(abbreviation: str) -> None:
    assert languages.in_name(abbreviation) is None
    assert (languages.in_name("pt-BR"), languages.in_name("EN")) == ("pt-BR", "en")


@pytest.mark.parametrize(
    ("tag", "named", "words"),
    [
        ("zh-Hans", "Hans", "simplified characters"), ("zh-TW", "Hant", "traditional characters"),
        ("zh_CN", "Hans", "simplified characters"), ("zh", None, ""), ("pt-BR", None, ""),
        ("sr-Latn", "Latn", "Latin letters"), ("sr", None, ""), ("sr-ME", "Latn", "Latin letters"),
        ("uz-Cyrl-UZ", "Cyrl", "Cyrillic letters"), ("pa-PK", "Arab", "Arabic letters"),
        ("en", None, ""), ("", None, ""),
    ],
)  # fmt: skip
def test_the_script_that_a_tag_asks_for(tag: str, named: str | None, words: str) -> None:
    assert languages.named_script(tag) == named
    assert languages.script_name(tag) == words


@pytest.mark.parametrize(
    ("tag", "text", "converted"),
    [
        ("zh-Hans", "我們去體育館，頭髮", "我们去体育馆，头发"),
        ("zh-CN", "今天天气很好", "今天天气很好"),
        ("zh-Hant", "我们去体育馆，头发", "我們去體育館，頭髮"),
        ("zh-TW", "我在後面，皇后在那里", "我在後面，皇后在那里"),
        ("zh", "我們去体育馆", "我們去体育馆"),
        ("sr-Latn", "Љубав и <i>Џез</i>: ЉУБАВ, Њена.", "Ljubav i <i>Džez</i>: LJUBAV, Njena."),
        ("sr-Cyrl", "Ljubav i Microsoft", "Ljubav i Microsoft"),
        ("sr", "Љубав", "Љубав"),
        ("uz-Latn", "Ер юзи, ғўза, чой, поезд", "Yer yuzi, gʻoʻza, choy, poyezd"),
        ("az-Latn", "Ҹәнуб һәјат", "Cənub həyat"),
        ("ru-Latn", "Привет", "Привет"),
    ],
)  # fmt: skip
def test_a_text_in_the_script_of_its_tag(tag: str, text: str, converted: str) -> None:
    assert languages.in_script(text, tag) == converted
