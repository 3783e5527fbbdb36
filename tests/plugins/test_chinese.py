"""Chinese is written in one script."""

import pytest

from dubkit import Cue, Word
from dubkit_plugins.whisper.chinese import in_one_script


def cue(*words):
    timed = tuple(Word(i / 2, i / 2 + 0.4, word) for i, word in enumerate(words))
    return Cue(timed[0].start, timed[-1].end, "".join(words), timed)


SIMPLIFIED = cue("今天", "天气", "很好", "。")
TRADITIONAL = cue("我們", "去", "體育館")


@pytest.mark.parametrize(
    ("language", "cues", "texts"),
    [
        ("zh", (*[SIMPLIFIED] * 4, TRADITIONAL), ["今天天气很好。"] * 4 + ["我们去体育馆"]),
        ("zh", (SIMPLIFIED, TRADITIONAL, TRADITIONAL), ["今天天氣很好。"] + ["我們去體育館"] * 2),
        ("zh-Hant", (SIMPLIFIED, SIMPLIFIED), ["今天天氣很好。"] * 2),
        ("zh-TW", (SIMPLIFIED,), ["今天天氣很好。"]),
        ("zh-CN", (TRADITIONAL,), ["我们去体育馆"]),
        ("yue", (TRADITIONAL,), ["我們去體育館"]),
    ],
)
def test_one_script(language, cues, texts):
    found = in_one_script(cues, language)
    assert [one.text for one in found] == texts
    for before, after in zip(cues, found, strict=True):
        assert "".join(word.text for word in after.words) == after.text
        assert [w.start for w in after.words] == [w.start for w in before.words]


def test_a_character_follows_its_word():
    """头发 (hair) and 发现 (find) have different traditional characters, also across words."""
    (found,) = in_one_script([cue("头", "发"), cue("发", "现")][:1], "zh-Hant")
    assert [word.text for word in found.words] == ["頭", "髮"]
    assert in_one_script([], "zh") == ()
