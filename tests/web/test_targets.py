"""Languages as people type them, and what nothing here can make of them."""

import pytest

from dubkit.errors import UsageError
from dubkit.web import targets

ENGINES = {
    "transcribers": {
        "whisper": {"suits": True, "priority": 10, "knows": ["en", "pt"]},
        "slower": {"suits": True, "priority": 5, "knows": ["cy"]},
        "of-gpus": {"suits": False, "priority": 20, "knows": ["cy"]},
        "any": {"suits": True},
    },
    "translators": {
        "ready": {"problem": "", "into": ["pt", "de", "cs"]},
        "paid": {"problem": "there is no key", "into": ["cy", "pt"]},
        "broken": {"problem": "it cannot be imported"},
    },
    "synthesizers": {
        "own": {"problem": "", "voices": {"pt": ["ana"]}, "clones": False},
        "clones": {"problem": "", "voices": {}, "clones": True},
    },
}


@pytest.mark.parametrize(
    ("typed", "tag"),
    [
        ("Portuguese", "pt"), ("português", "pt"), ("Portugues", "pt"), ("portug", "pt"),
        ("german", "de"), ("Deutsch", "de"), ("ALEMÃO", "de"), ("alem", "de"), ("ger", "de"),
        ("pt_br", "pt-BR"), ("zh-hant", "zh-Hant"), ("日本語", "ja"), ("jap", "ja"),
        ("Brazilian Portuguese", "pt-BR"), ("Welsh", "cy"), ("German (de)", "de"),
        ("blorb", None), ("zz", None), ("s", None), ("", None), ("../pt", None), ("\0", None),
        ("--to pt", None), ("sl", "sl"),
    ],
)  # fmt: skip
def test_what_is_typed(typed, tag):
    assert targets.find(typed, "pt") == tag


def test_the_beginning_of_several_names_is_none():
    assert targets.find("sl") == "sl"  # a tag
    assert targets.find("slov") is None
    assert targets.find("slova") == "sk"


def test_each_language_once_and_the_rest_is_refused():
    assert targets.split(["pt", "Portuguese", "blorb", "de"]) == (["pt", "de"], ["blorb"])
    with pytest.raises(UsageError, match="'blorb' is not the name of a language"):
        targets.require(["pt", "blorb"])


def test_how_a_language_is_offered():
    assert targets.label("de") == "German (de)"
    assert targets.label("de", "pt") == "Alemão (de)"
    assert targets.label("pt", "pt") == "Português (pt)"


@pytest.mark.parametrize(
    ("asked", "lacks"),
    [
        ({}, {"cy": "not_translated"}),
        ({"translator": "paid"}, {"de": "not_translated", "cs": "not_translated"}),
        ({"translator": "broken"}, {}),  # nobody knows
        ({"translator": "./file.py:Own"}, {}),
        ({"tts": "own"}, {"cy": "not_translated", "de": "not_spoken", "cs": "not_spoken"}),
        ({"tts": "own", "clone": True}, {"cy": "not_translated", "de": "not_spoken",
                                         "cs": "not_spoken"}),
        ({"tts": "auto", "clone": True}, {"cy": "not_translated"}),
    ],
    ids=str,
)  # fmt: skip
def test_what_nothing_here_can_make(asked, lacks):
    assert targets.lacking(ENGINES, ["pt", "de", "cs", "cy", "xog"], **asked) == lacks
    assert targets.lacking({}, ["cy"], **asked) == {}


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"language": "pt-BR"}, ""),
        ({"language": "en,cy"}, "language"),
        ({"language": "tlh"}, "language"),
        ({"language": "cy", "transcriber": "slower"}, ""),
        ({"language": "tlh", "transcriber": "any"}, ""),  # nobody knows
        ({"language": "tlh", "transcriber": "./file.py:Own"}, ""),
        ({"language": "cy", "subs_from": "film.cy.srt"}, ""),  # which is only read
        ({"language": "en", "to": "pt,cy"}, "to"),
        ({"language": "en", "to": ["pt"], "dub": True}, ""),
        ({"language": "en", "to": 5}, ""),  # which is refused as what it is
        ({"language": "en", "to": "de", "dub": True, "tts": "own"}, "to"),
        ({"to": "cy", "dry_run": True}, ""),
    ],
    ids=str,
)  # fmt: skip
def test_a_job_is_refused_by_the_field_that_names_the_language(asked, field):
    targets.refuse_languages(asked, {})
    try:
        targets.refuse_languages(asked, ENGINES, "pt")
        refused = ""
    except targets.Unavailable as failure:
        refused = failure.field
    assert refused == field
