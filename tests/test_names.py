"""What a subtitle file's name says, by the rules of media servers."""

from pathlib import Path

import pytest

from dubkit.subtitles.source import name_parts


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("talk.srt", ("talk", None, "")),
        ("talk.en.srt", ("talk", "en", "")),
        ("talk.eng.srt", ("talk", "en", "")),
        ("talk.pt_BR.vtt", ("talk", "pt-BR", "")),
        ("talk.German.ass", ("talk", "de", "")),
        ("talk.hi.srt", ("talk", "hi", "")),
        ("talk.en.hi.srt", ("talk", "en", ".hi")),
        ("talk.hi.forced.srt", ("talk", "hi", ".forced")),
        ("talk.forced.srt", ("talk", None, ".forced")),
        ("talk.SDH.srt", ("talk", None, ".SDH")),
        ("talk.zh-Hant.cc.vtt", ("talk", "zh-Hant", ".cc")),
        ("talk.default.cze.srt", ("talk", "cs", ".default")),
        ("v1.0.srt", ("v1.0", None, "")),
        ("A.Film.2019.fre.foreign.srt", ("A.Film.2019", "fr", ".foreign")),
        ("en.srt", ("en", None, "")),
        (".srt", (".srt", None, "")),
        ("..en.srt", ("..", "en", "")),
    ],
)
def test_name_parts(name, parts):
    found = name_parts(Path(name))
    assert (found.stem.strip("."), *found[1:]) == (parts[0].strip("."), *parts[1:])
