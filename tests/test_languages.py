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
        *((tag, True) for tag in "ar-Arab-EG en-Hebr".split()),
        *((tag, False) for tag in "en ku tr az ur-Latn ar-Latn-EG zh-Hant und".split()),
    ],
)
def test_right_to_left(language: str, right: bool) -> None:
    assert languages.right_to_left(language) is right
