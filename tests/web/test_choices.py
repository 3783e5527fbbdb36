"""What the form's fields mean together, and how they become options and values again."""

import json

import pytest
from command import AUSTEN

from dubkit import hooks
from dubkit.errors import ConsentNeeded, MissingDependency, UsageError
from dubkit.options import Options, from_keywords
from dubkit.web import fields
from dubkit.web.fields import (
    DEFAULTS,
    GROUPS,
    ROLES,
    form_values,
    irrelevant,
    requested_options,
    voices,
)
from dubkit.web.store import Store, new_token

ENGINES = {
    "synthesizers": {
        "poor": {"problem": "there is no key", "voices": {"pt": ["nobody"]}},
        "kokoro": {"problem": "", "voices": {"pt": ["pf_dora"], "es": ["ef_dora"]}},
        "many": {"problem": "", "voices": {"pt": ["ana", "rui"], "es": ["ana"]}},
    }
}


def values(**given):
    return {**DEFAULTS, **given}


def test_the_form_has_every_option_that_the_page_may_set():
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(DEFAULTS)
    of_the_command = {"output_dir", "skip_existing", "keep", "adopt"}
    of_the_command |= {"takes", "faces", "lipsync_mode"}
    assert set(Options.__dataclass_fields__) - set(DEFAULTS) == of_the_command
    listed = {name for name, value in DEFAULTS.items() if isinstance(value, list)}
    assert listed == {"to", "formats", "voice"}


def test_an_untouched_form_asks_for_subtitles_alone():
    assert requested_options(values()) == {"subs": True}
    assert requested_options(values(to=["pt"], subs=False)) == {"to": ["pt"]}


@pytest.mark.parametrize(
    "given, kept",
    [
        ({"crf": 0}, False),
        ({"crf": 0, "burn": True}, True),
        ({"crf": 0, "burn": True, "to": ["pt", "es"]}, False),
        ({"style": "size=50"}, False),
        ({"style": "size=50", "formats": ["ass"]}, True),
        ({"retime": True}, False),
        ({"retime": True, "subs_from": "embedded:1"}, True),
        ({"glossary": "x.csv"}, False),
        ({"script": "x.txt"}, True),
        ({"script": "x.txt", "subs_from": "embedded:1"}, False),
        ({"tone": "formal", "to": ["pt"]}, True),
        ({"bilingual": "original-first", "to": ["pt"]}, True),
        ({"voice": ["pf_dora"]}, False),
        ({"voice": ["pf_dora"], "dub": True, "to": ["pt"]}, True),
        ({"one_file": True, "dub": True, "to": ["pt"]}, False),
        ({"one_file": True, "dub": True, "to": ["pt", "es"]}, True),
        ({"consent": True, "dub": True, "to": ["pt"]}, False),
        ({"consent": True, "clone": True, "dub": True, "to": ["pt"]}, True),
        ({"convert_to": "x", "dub": True, "to": ["pt"]}, False),
        ({"video": False}, True),
        ({"video": False, "burn": True}, False),
        ({"speakers": "2", "speakers_from": "who.rttm"}, False),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_not_sent_and_the_rest_is(given, kept):
    made = requested_options(values(**given))
    field = next(iter(given))
    assert (field in made) == kept == (field not in irrelevant(values(**given)))
    from_keywords(made)  # nothing that is left is refused


@pytest.mark.parametrize(
    ("kind", "dubbed", "drawn"),
    [("video", True, True), ("sound", True, False), ("text", False, False)],
)
def test_what_a_file_is_decides_too(kind, dubbed, drawn):
    made = requested_options(values(to=["pt"], dub=True, voice=["pf_dora"]), kind)
    assert ("dub" in made) == ("voice" in made) == dubbed
    assert ("burn" in requested_options(values(to=["pt"], burn=True), kind)) == drawn
    assert ("video" in requested_options(values(video=False), kind)) == drawn


def test_options_become_the_form_that_asked_for_them():
    given = values(
        to=["pt", "es"], dub=True, voice=["ana"], one_file=True, tone="formal", speakers="2",
        formats=["srt", "vtt"], hotwords="Ann, Bob", glossary="terms.csv", tts="many",
        settings=json.dumps({"many": {"speed": 1.5}}),
    )  # fmt: skip
    assert form_values(requested_options(given)) == given
    # As a program asked for it.
    of_api = form_values(
        {"to": "pt,es", "bilingual": True, "hotwords": ["Ann", "Bob"], "speakers": 2}
    )
    assert (of_api["to"], of_api["bilingual"]) == (["pt", "es"], "translation-first")
    assert (of_api["hotwords"], of_api["speakers"]) == ("Ann, Bob", "2")


@pytest.mark.parametrize(
    "wrong",
    [{"to": 3}, {"crf": "x"}, {"dub": "yes"}, {"settings": "[1]"}, {"settings": {"a": 1}},
     {"voice": {"a": 1}}, {"tone": {"a": 1}}, {"nothing": 1}, {"subs": None}],
    ids=str,
)  # fmt: skip
def test_what_a_browser_remembers_is_not_trusted(wrong):
    found = form_values(wrong)
    assert set(found) == set(DEFAULTS)
    assert {name: type(value) for name, value in found.items() if name != "crf"} == {
        name: type(value) for name, value in DEFAULTS.items() if name != "crf"
    }
    assert found["crf"] is None


def test_settings_of_an_engine_that_is_not_chosen_are_left_behind():
    both = json.dumps({"kokoro": {"speed": 2}, "many": {"speed": 3}})
    made = requested_options(values(to=["pt"], dub=True, tts="kokoro", settings=both))
    assert made["settings"] == {"kokoro": {"speed": 2}}


def test_voices_are_those_that_speak_all_the_languages():
    assert voices(ENGINES, "auto", ["pt-BR"]) == ["pf_dora"]
    assert voices(ENGINES, "many", ["pt", "es"]) == ["ana"]
    assert voices(ENGINES, "kokoro", ["pt", "es"]) == voices(ENGINES, "kokoro", ["de"]) == []
    assert voices(ENGINES, "kokoro", []) == voices({}, "auto", ["pt"]) == []


def test_what_would_fail_late_is_refused_early():
    dub = {"to": ["pt"], "dub": True}
    with pytest.raises(MissingDependency) as refused:
        fields.refuse_early({**dub, "tts": "poor"}, ENGINES)
    assert "poor is not ready" in refused.value.message and "key" in refused.value.hint
    assert fields.group_of_engine("poor", {**dub, "tts": "poor"}) == "dubbing"
    with pytest.raises(ConsentNeeded) as needed:
        fields.refuse_early({**dub, "clone": True}, ENGINES)
    assert fields.group_of(needed.value.message, needed.value.hint) == "dubbing"
    fields.refuse_early({**dub, "clone": True, "consent": True, "tts": "many"}, ENGINES)
    fields.refuse_early({**dub, "tts": "poor", "settings": {"poor": {"key": 1}}}, ENGINES)


@pytest.mark.parametrize(
    "given, group",
    [
        ({}, "main"),
        ({"dub": True}, "main"),
        ({"subs": True, "crf": 99, "burn": True}, "look"),
        ({"subs": True, "crf": 9}, "look"),
        ({"subs": True, "speakers": "many"}, "who"),
        ({"to": ["pt"], "bilingual": "both"}, "translation"),
        ({"to": ["pt", "es"], "burn": True}, "main"),
        ({"subs": True, "retime": True}, "files"),
        ({"to": ["pt"], "dub": True, "convert_to": ["x"]}, "dubbing"),
    ],
    ids=str,
)
def test_a_refusal_finds_its_group(given, group):
    with pytest.raises(UsageError) as refused:
        Options(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})
    assert fields.group_of(refused.value.message, refused.value.hint) == group


def test_added_files_are_offered_where_they_belong(tmp_path):
    session = Store(tmp_path).session(new_token())
    video = session.take(AUSTEN, "talk.mp4")
    assert fields.files(video) == fields.files(None) == {
        "subs_from": [], "script": [], "glossary": [], "speakers_from": []
    }  # fmt: skip
    video.other.mkdir()
    for name in ("talk.es.srt", "talk.md", "terms.csv", "who.rttm", "who.json"):
        (video.other / name).write_text("x")
    assert fields.files(video) == {
        "subs_from": ["talk.es.srt"], "script": ["talk.es.srt", "talk.md"],
        "glossary": ["terms.csv"],
        "speakers_from": ["who.json", "who.rttm"],
    }  # fmt: skip


def test_every_role_has_a_kind_of_engine():
    assert sorted(ROLES.values()) == sorted(hooks.KINDS)
