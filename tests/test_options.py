"""Options: every check across fields, and the same from Python as from the command."""

from pathlib import Path

import pytest

from dubkit import Options, UsageError
from dubkit.options import from_keywords


def test_strings_become_what_they_mean():
    options = from_keywords(
        {
            "subs": True,
            "formats": "srt, vtt,",
            "hotwords": "Dashwood , Norland",
            "output_dir": "out",
            "audio_track": 2,
            "settings": {"faster-whisper": {"beam_size": 5, "compute_type": "int8"}},
        }
    )
    assert options.formats == ("srt", "vtt") and options.hotwords == ("Dashwood", "Norland")
    assert options.output_dir == Path("out") and options.audio_track == "2"
    assert options.engine_settings("faster-whisper") == {"beam_size": "5", "compute_type": "int8"}


def test_shortcuts_are_settings_and_settings_win():
    options = from_keywords(
        {"subs": True, "model": "base", "device": "cpu", "settings": {"e": {"model": "tiny"}}}
    )
    assert options.engine_settings("e") == {"model": "tiny", "device": "cpu"}
    assert options.engine_settings("other") == {"model": "base", "device": "cpu"}


@pytest.mark.parametrize("tag", ["en", "pt-BR", "zh-Hant", "yue", "sr-Latn-RS", "es-419"])
def test_language_tags(tag):
    assert Options(subs=True, language=tag).language == tag


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({}, "nothing to do"),
        ({"subs": True, "formats": "mp3"}, "no subtitle format 'mp3'"),
        ({"subs": True, "formats": ()}, "no subtitle format is named"),
        ({"burn": True, "video": False}, "--burn makes a video"),
        ({"subs": True, "crf": 20}, "--crf is for --burn"),
        ({"burn": True, "crf": 52}, "not 52"),
        ({"burn": True, "crf": -1}, "not -1"),
        ({"subs": True, "profile": "hulu"}, "hulu"),
        ({"subs": True, "style": "size=0"}, "size"),
        ({"subs": True, "subtitles": True}, "no option 'subtitles'"),
        *(({"subs": True, "language": tag}, "not a language tag")
          for tag in ("", "e", "english", "en_US", "../en", "en-", "en\n", "日本")),
    ],
)  # fmt: skip
def test_what_cannot_be(wrong, words):
    with pytest.raises(UsageError, match=words) as raised:
        from_keywords(wrong)
    assert raised.value.hint


@pytest.mark.parametrize(
    ("given", "tag"),
    [("EN", "en"), ("pt-br", "pt-BR"), ("zh-HANT", "zh-Hant"), ("es-419", "es-419")],
)
def test_languages_are_written_as_usual(given, tag):
    assert from_keywords({"subs": True, "language": given}).language == tag
