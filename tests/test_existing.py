"""``--skip-existing``: what is there already, whoever made it."""

from pathlib import Path

import pytest
from command import FAST, TESTS, called
from media_samples import ffmpeg

from dubkit.options import from_keywords
from dubkit.pipeline.existing import remaining

GOOD = ("--translator", f"{TESTS / 'data/translators.py'}:Good")
SRT = "1\n00:00:01,000 --> 00:00:03,000\nHello there.\n"


ENGLISH = SRT.replace("Hello there.", "Where have you been all day? We were waiting for you.")
SPANISH = SRT.replace("Hello there.", "¿Dónde has estado todo el día? Te estábamos esperando.")
EN, ES = {"language": "en"}, {"language": "es"}


@pytest.mark.parametrize(
    ("files", "asked", "left"),
    [
        # Translations: by the name of a file, or the words of one that names no language.
        ("", {"subs": True, "to": "es"}, (True, ("es",))),
        ("es.srt", {"to": "es"}, None),
        ("spa.forced.srt", {"to": "es"}, (False, ("es",))),
        ("spanish.sdh.ass", {"to": "es"}, None),
        ("spa.vtt", {"to": "es,fr"}, (False, ("fr",))),
        ("pt.srt", {"to": "pt-BR"}, None),
        ("pt-PT.srt", {"to": "pt-BR"}, (False, ("pt-BR",))),
        ("srt=es", {"to": "es"}, None),
        ("srt=en", {"to": "es"}, (False, ("es",))),
        # The language spoken, where it is known: another one's file does not count.
        ("es.srt", {"subs": True, **EN}, (True, ())),
        ("es.srt", {"subs": True, **ES}, None),
        ("de.srt en.vtt", {"subs": True, **EN}, None),
        ("es.srt", {"subs": True, "to": "es", **EN}, (True, ())),
        ("es.srt", {"subs": True, "to": "es", "tone": "formal", **EN}, (True, ())),
        ("es.srt", {"subs": True, "to": "es", "retime": True, **EN}, (True, ())),
        ("es.dub.json", {"subs": True, "to": "es", "dub": True, "retime": True}, (True, ())),
        ("en.srt", {"subs": True, "to": "es", **EN}, (False, ("es",))),
        ("en.srt es.srt", {"subs": True, "to": "es", **EN}, None),
        ("srt=es", {"subs": True, **EN}, (True, ())),
        ("srt=en", {"subs": True, **EN}, None),
        ("srt=?", {"subs": True, **EN}, None),
        # Where it is not: no file that names a language, but one that names none.
        ("es.srt", {"subs": True}, (True, ())),
        ("en.srt", {"subs": True, "to": "es"}, (True, ("es",))),
        ("es.srt", {"subs": True, "to": "es"}, (True, ())),
        ("srt=en", {"subs": True}, None),
        ("srt=?", {"subs": True, "to": "es"}, (False, ("es",))),
        ("srt=es", {"subs": True, "to": "es"}, (True, ())),
        # What is made without --subs.
        ("", {"burn": True}, (True, ())),
        ("en.srt", {"burn": True, **EN}, None),
        # Not of this film, and not subtitles.
        ("s.en.srt en.txt", {"subs": True, **EN}, (True, ())),
        # Dubs, by their reports.
        ("es.srt", {"to": "es", "dub": True}, (False, ("es",))),
        ("es.dub.json", {"to": "es", "dub": True, "subs": True}, (True, ())),
        ("es.dub.json", {"to": "es,fr", "dub": True}, (False, ("fr",))),
    ],
)
def test_what_is_left_to_make(files, asked, left, talk):
    for name in files.split():
        suffix, _, text = name.partition("=")
        content = {"es": SPANISH, "en": ENGLISH}.get(text, SRT)
        begin = "talks" if suffix == "s.en.srt" else "talk"
        (talk.parent / f"{begin}.{suffix}").write_text(content, "utf-8")
    found = remaining(talk, from_keywords(asked))
    assert left == (found and (found.subs, found.to))


def test_the_language_spoken_is_that_of_the_audio_track(talk):
    film = talk.with_name("film.mkv")
    ffmpeg("-i", talk, "-map", "0", "-map", "0:a", "-c", "copy", "-metadata:s:a:0", "language=eng",
           "-metadata:s:a:1", "language=spa", film)  # fmt: skip
    (talk.parent / "film.es.srt").write_text(SRT)
    assert remaining(film, from_keywords({"subs": True}))
    assert remaining(film, from_keywords({"subs": True, "audio_track": "2"})) is None
    text = {"subs": True, "to": "fr", "subs_from": str(talk.parent / "film.es.srt")}
    found = remaining(film, from_keywords(text))
    assert found and not found.subs


def test_the_text_of_a_file_is_left_to_make(talk):
    other = talk.with_name("other.srt")
    other.write_text(ENGLISH)
    (talk.parent / "talk.es.srt").write_text(SPANISH)
    asked = {"subs_from": str(other), "retime": True}
    found = remaining(talk, from_keywords(asked))
    assert found and found.subs and found.retime
    found = remaining(talk, from_keywords({**asked, "subs": True, "to": "es"}))
    assert found and (found.to, found.retime) == ((), True)


def test_the_language_spoken_is_known_once_it_is_transcribed(talk):
    english = talk.with_name("talk.en.srt")
    english.write_text(SRT)
    ran = called(talk, "--subs", "--skip-existing", *FAST)
    assert (ran.status, ran.out) == (0, "") and "talk.mp4 is skipped" in ran.err
    assert english.read_text() == SRT and not talk.with_name("talk.subbed.mp4").exists()
    assert remaining(talk, from_keywords({"subs": True})) is None  # by the transcript
    ran = called(talk, "--subs", "--to", "es", "--skip-existing", "--no-video", *FAST, *GOOD)
    assert [path.name for path in ran.paths] == ["talk.es.srt"] and english.read_text() == SRT


def test_tracks_and_other_folders_count(talk, tmp_path):
    srt = tmp_path / "x.srt"
    srt.write_text(SRT)
    film = talk.with_name("film.mkv")
    ffmpeg("-i", talk, "-i", srt, "-map", "0", "-map", "1", "-c", "copy",
           "-metadata:s:s:0", "language=spa", film)  # fmt: skip
    assert remaining(film, from_keywords({"to": "es"})) is None
    (tmp_path / "out").mkdir()
    (tmp_path / "out/talk.fr.srt").write_text(SRT)
    assert remaining(talk, from_keywords({"to": "fr", "output_dir": tmp_path / "out"})) is None


def test_in_a_batch(talk):
    other = Path(talk.with_name("other.mp4"))
    other.write_bytes(talk.read_bytes())
    (talk.parent / "talk.es.srt").write_text(SRT)
    asked = ("--to", "es", "--no-video", "--skip-existing", *FAST, *GOOD)
    ran = called(talk.parent, *asked)
    assert ran.status == 0 and [path.name for path in ran.paths] == ["other.es.srt"]
    assert "talk.mp4 is skipped" in ran.err
    assert (talk.parent / "talk.es.srt").read_text() == SRT
    assert not (talk.parent / "talk.dubkit").exists()
    assert called(talk, *asked).status == 0
