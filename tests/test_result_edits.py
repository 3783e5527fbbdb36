"""A person edits a subtitle file that dubkit wrote: from then on its text is the text."""

import json
from dataclasses import replace

import pytest
from command import FAST, TESTS, called

from dubkit import subtitles
from dubkit.pipeline import result_edits
from dubkit.types import Cue, Track, Word

ENGINES = TESTS / "data/engines.py"
GOOD = ("--translator", f"{TESTS / 'data/translators.py'}:Good")


def edited(path, old, new):
    """The file with a change, as a person saves it: on Windows, say."""
    text = path.read_text("utf-8")
    assert old in text
    content = b"\xef\xbb\xbf" + text.replace(old, new).replace("\n", "\r\n").encode()
    path.write_bytes(content)
    return content


def test_its_text_is_in_the_other_formats_and_the_file_stays(talk):
    (srt,) = called(talk, "--subs", "--no-video", *FAST).paths
    content = edited(srt, "brown", "red")
    ran = called(talk, "--subs", "--format", "srt,vtt,json", *FAST)
    assert ran.status == 0 and "talk.en.srt has been edited: its text is used" in ran.err
    assert srt.read_bytes() == content
    assert all("red fox" in path.read_text("utf-8") for path in ran.paths if path.suffix != ".mp4")
    video = next(path for path in ran.paths if path.suffix == ".mp4")
    assert b"red fox" in video.read_bytes()
    again = called(talk, "--subs", "--format", "srt,vtt,json", *FAST)
    assert again.status == 0 and "edited" not in again.err and srt.read_bytes() == content
    # And once more: the next edit counts, too, also in another of the files.
    vtt = srt.with_suffix(".vtt")
    edited(vtt, "red", "green")
    assert called(talk, "--subs", "--format", "srt,vtt", *FAST).status == 0
    assert "green fox" in srt.read_text("utf-8")


def test_times_cues_and_words(talk):
    (path,) = called(talk, "--subs", "--no-video", "--format", "vtt", *FAST).paths
    kept = talk.parent / "talk.dubkit/cues.en.json"
    before = subtitles.parse(kept.read_text("utf-8"), "json")
    added = "\n01:00.000 --> 01:02.000\nA line of mine.\n"
    path.write_text(path.read_text("utf-8") + added, "utf-8")
    assert called(talk, "--subs", "--no-video", "--format", "vtt", *FAST).status == 0
    after = subtitles.parse(kept.read_text("utf-8"), "json")
    assert after.cues[:-1] == before.cues and before.cues[0].words
    assert (after.cues[-1].start, after.cues[-1].text) == (60.0, "A line of mine.")


def test_cues_that_stay_keep_their_words_and_the_others_their_speaker():
    words = (Word(1, 2, "One"),)
    kept = Track("en", (
        Cue(1, 2, "One", words), Cue(1, 2, "Two", speaker="Ann"), Cue(3, 4, "One", speaker="Bob"),
    ))  # fmt: skip
    edited = Track("en", (
        Cue(1, 2, "One"), Cue(1, 2, "2", speaker="Eve"), Cue(3.1, 4, "1"), Cue(9, 10, "New"),
    ))  # fmt: skip
    plain = replace(kept, cues=tuple(replace(cue, words=(), speaker=None) for cue in kept.cues))
    assert result_edits._merge(kept, plain, edited).cues == (
        kept.cues[0], edited.cues[1], Cue(3.1, 4, "1", speaker="Bob"), edited.cues[3],
    )  # fmt: skip


def test_it_is_what_is_translated(talk):
    (srt,) = called(talk, "--subs", "--no-video", *FAST).paths
    content = edited(srt, "brown", "1999")
    ran = called(talk, "--to", "es", "--no-video", *FAST, *GOOD)
    assert ran.status == 0 and srt.read_bytes() == content, ran
    assert "1999" in ran.paths[0].read_text("utf-8")
    mine = edited(ran.paths[0], "1999", "año 1999")
    ran = called(talk, "--to", "es", *FAST, *GOOD)
    assert ran.status == 0 and ran.paths[0].read_bytes() == mine, ran
    assert "año 1999".encode() in ran.paths[1].read_bytes()


def test_of_a_subtitle_file_too(tmp_path):
    film = tmp_path / "film.en.srt"
    film.write_text("1\n00:00:01,000 --> 00:00:03,000\nThe 12 foxes.\n")
    (spanish,) = called(film, "--to", "es", *GOOD).paths
    content = edited(spanish, "12", "rojo 12")
    ran = called(film, "--to", "es", "--format", "srt,vtt", *GOOD)
    assert ran.status == 0 and spanish.read_bytes() == content
    assert "rojo 12" in ran.paths[1].read_text("utf-8")


@pytest.mark.parametrize("content", [b"1\n00:00:01,000 --> ?\nHello\n", b"\x00\x01\x02", b""])
def test_what_cannot_be_read_stays(content, talk):
    (srt,) = called(talk, "--subs", "--no-video", *FAST).paths
    srt.write_bytes(content)
    ran = called(talk, "--subs", "--no-video", *FAST)
    assert srt.read_bytes() == content and "Traceback" not in ran.err
    assert ran.status == 0 or "--force writes it again" in ran.err
    assert called(talk, "--subs", "--no-video", "--force", *FAST).status == 0
    assert "brown fox" in srt.read_text("utf-8")


def test_two_languages_in_one_file_are_nobody_elses_text(tmp_path):
    film = tmp_path / "film.en.srt"
    film.write_text("1\n00:00:01,000 --> 00:00:03,000\nThe brown fox.\n")
    (both,) = called(film, "--to", "es", "--bilingual", *GOOD).paths
    content = edited(both, "brown", "red")
    ran = called(film, "--to", "es", "--bilingual", *GOOD)
    assert ran.status == 7 and "was edited since" in ran.err and both.read_bytes() == content


def test_a_record_names_no_file_elsewhere(talk, tmp_path):
    (srt,) = called(talk, "--subs", "--no-video", *FAST).paths
    state = talk.parent / "talk.dubkit/state.json"
    whole = json.loads(state.read_text())
    whole["outputs"]["../other.en.srt"] = whole["outputs"]["talk.en.srt"] | {"size": 1}
    state.write_text(json.dumps(whole))
    (talk.parent.parent / "other.en.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nOther.\n")
    ran = called(talk, "--subs", "--no-video", *FAST)
    assert ran.status == 0 and "brown fox" in srt.read_text("utf-8")
