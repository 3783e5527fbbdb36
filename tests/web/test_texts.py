"""All that the page says is there, in every language, and said somewhere."""

import re
from pathlib import Path

import pytest

from dubkit.subtitles.style import PRESETS
from dubkit.web import serve
from dubkit.web.fields import FIELDS, GROUPS, LABELS
from dubkit.web.form import text_keys
from dubkit.web.texts import TRANSLATIONS, best, texts

FOLDER = Path(serve.__file__).parent
PUT_TOGETHER = ("state_", "stage_", "key_", "rule_", "style_", "preset_")
SOURCES = [
    FOLDER / "page.py",
    FOLDER / "form.py",
    FOLDER / "targets.py",
    FOLDER / "wording.py",
    *sorted(FOLDER.glob("assets/*.js")),
]


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_the_same_texts_with_the_same_values(language):
    english, other = texts("en"), texts(language)
    assert list(other) == list(english)
    for key, text in other.items():
        assert text.strip()
        values = re.findall(r"\{\w+\}", english[key])
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(values), key


def test_every_text_is_used_and_every_used_text_is_there():
    source = "\n".join(path.read_text("utf-8") for path in SOURCES)
    named = set(re.findall(r"\b(?:t|i18n)\(\s*\"(\w+)\"", source))
    of_fields = {key for one in FIELDS.values() for key in text_keys(one).values()}
    assert {LABELS.get(name, name) for name in FIELDS} - {"settings"} <= of_fields
    assert len(named) > 50 and named <= set(texts("en"))
    # Those of states, stages, keys and the like are put together.
    assert [
        key
        for key in texts("en")
        if f'"{key}"' not in source and not key.startswith(PUT_TOGETHER)
        if key not in of_fields and key not in GROUPS
    ] == []


def test_the_page_offers_the_presets_that_there_are():
    offered = [key.removeprefix("preset_") for key in texts("en") if key.startswith("preset_")]
    assert offered == list(PRESETS)


def test_the_language_of_a_browser():
    assert [best(tag) for tag in ("pt-BR", "zh-Hant", "ES", "de", "")] == [
        "pt", "zh", "es", "en", "en"
    ]  # fmt: skip
