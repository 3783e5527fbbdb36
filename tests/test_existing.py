"""``--skip-existing``: what is there already, whoever made it."""

from pathlib import Path

import pytest
from command import FAST, TESTS, called
from media_samples import ffmpeg

from dubkit.options import from_keywords
from dubkit.pipeline.existing import remaining

GOOD = ("--translator", f"{TESTS / 'data/translators.py'}:Good")
SRT = "1\n00:00:01,000 --> 00:00:03,000\nHello there.\n"


@pytest.mark.parametrize(
    ("files", "asked", "left"),
    [
        ([], {"subs": True, "to": "es"}, (True, ("es",))),
        (["talk.en.srt"], {"subs": True, "to": "es"}, (False, ("es",))),
        (["talk.spa.forced.srt"], {"to": "es"}, (False, ("es",))),
        (["talk.spa.vtt"], {"to": "es,fr"}, (False, ("fr",))),
        (["talk.pt.srt"], {"to": "pt-BR"}, None),
        (["talk.pt-PT.srt"], {"to": "pt-BR"}, (False, ("pt-BR",))),
        (["talk.es.srt"], {"subs": True, "to": "es"}, (True, ())),
        (["talk.es.srt"], {"subs": True, "to": "es", "tone": "formal"}, (True, ())),
        (["talk.srt"], {"subs": True}, None),
        (["talk.de.srt"], {"subs": True, "language": "en"}, (True, ())),
        (["talks.en.srt", "talk.en.txt"], {"subs": True}, (True, ())),
        (["talk.es.srt"], {"to": "es", "dub": True}, (False, ("es",))),
        (["talk.es.dub.json"], {"to": "es", "dub": True, "subs": True}, (True, ())),
        (["talk.es.dub.json"], {"to": "es,fr", "dub": True}, (False, ("fr",))),
    ],
)
def test_what_is_left_to_make(files, asked, left, talk):
    for name in files:
        (talk.parent / name).write_text(SRT)
    found = remaining(talk, from_keywords(asked))
    assert left == (found and (found.subs, found.to))


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
