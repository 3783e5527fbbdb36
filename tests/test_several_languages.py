"""A film in which people speak several languages: what is translated, which lines its viewers need,
and what its dub leaves to the original voice."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from command import TESTS, called
from dub_samples import GOOD, LOW, report_of

from dubkit import Cue, Track, Translator, engines, subtitles
from dubkit.cues.foreign import forced_track, languages_spoken, left_to_original
from dubkit.cues.profiles import limits
from dubkit.dub.fit import GAP, Slot, fit
from dubkit.media.audio import FULL, decode_audio
from dubkit.media.probe import probe
from dubkit.pipeline.report import foreign_warnings
from dubkit.translate.translation import TranslationJob, sources, translate

TRANSLATORS = TESTS / "data/translators.py"
GERMAN = f"{TRANSLATORS}:FromGerman"
TEXTS = [
    (None, "We have been waiting here for hours."),
    ("de", "Niemand weiß, wo er geblieben ist,"),
    ("de", "und das seit gestern."),
    (None, "What does he say?"),
    ("es", "Que nadie sabe dónde está."),
    (None, "Then let us go home."),
]


def track(texts=TEXTS, language="en", step=4.0):
    cues = (
        Cue(k * step + 0.5, k * step + 3.2, text, language=tag)
        for k, (tag, text) in enumerate(texts)
    )
    return Track(language, tuple(cues))


def jobs(target, *tags, spec=f"{TRANSLATORS}:Good"):
    engine = engines.load(Translator, spec, {})
    return [
        TranslationJob(target, engine, "Good", {}, limits("netflix", target), source=tag)
        for tag in tags
    ]


def translated(target, *tags, folder, texts=TEXTS, refused=None, **more):
    made = jobs(target, *tags, **more)
    return translate(made, track(texts), Path(folder) / "journal", lambda *_: None, refused)


# ---------------------------------------------------------------- translation


def test_each_sentence_is_translated_from_its_language(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSLATOR_LOG", str(tmp_path / "log"))
    assert sources(track(), "en") == ["de", "es"]
    assert sources(track(), "es") == ["en", "de"] and sources(track(), "pt-BR")[0] == "en"
    made = translated("en", "de", "es", folder=tmp_path)
    asked = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    asked = [(one["source"], one["lines"]) for one in asked if "ids" in one]
    assert asked == [
        ("de", [f"{TEXTS[1][1]} {TEXTS[2][1]}"]),
        ("es", [TEXTS[4][1]]),
    ]
    assert (made.lines, made.failed, made.translator) == (2, (), "Good")
    for cue, (tag, text) in zip(made.track.cues, TEXTS, strict=True):
        assert (cue.text == text) == (tag is None) and cue.language is None
    again = translated("en", "de", "es", folder=tmp_path)
    assert (again.cached, again.track) == (2, made.track)


def test_what_nothing_translates_stays_and_says_what_it_is(tmp_path):
    made = translated("en", "de", folder=tmp_path, refused={"es": "nothing here knows it"})
    assert [cue.language for cue in made.track.cues] == [None, None, None, None, "es", None]
    assert made.track.cues[4].text == TEXTS[4][1] and made.lines == 2
    (failed,) = made.failed
    assert (failed.cues, failed.reason) == ((5,), "nothing here knows it")


def test_whoever_wants_no_translation_is_reminded_of_it():
    assert foreign_warnings(track()) == [
        "2 cues are in German; --to en has them translated",
        "1 cue is in Spanish; --to en has it translated",
    ]
    assert foreign_warnings(track([(None, "We wait.")])) == []


def test_progress_is_of_all_languages(tmp_path):
    seen = []
    translate(jobs("en", "de", "es"), track(), tmp_path / "j", lambda *what: seen.append(what))
    assert seen[0][1] == 0 and seen[-1][1] == seen[-1][2] > 0
    assert all(a[1] <= b[1] and a[2] == b[2] for a, b in pairwise(seen))


# ---------------------------------------------------------------- who needs what


def test_a_viewer_of_the_film_needs_what_is_in_another_language(tmp_path):
    source = track([*TEXTS, ("de", "[lacht]"), ("de", "♪ Der Mond ist aufgegangen ♪")])
    whole = translate(jobs("en", "de", "es"), source, tmp_path / "j", lambda *_: None).track
    needed = forced_track(whole, source, whole)
    assert needed.cues == (*whole.cues[1:3], whole.cues[4], whole.cues[7])
    # Who reads German needs all of a film that is mainly in English.
    german = replace(whole, language="de")
    assert forced_track(german, source, german) is None
    # A text that nobody translated helps nobody; and nothing is left if all is English.
    left = replace(whole, cues=tuple(replace(cue, language="de") for cue in whole.cues))
    assert forced_track(left, source, left) is None
    english = track([(None, text) for _, text in TEXTS])
    assert forced_track(english, english, english) is None
    # A track whose cues are all tagged with another language is no English film.
    foreign = track([("de", text) for _, text in TEXTS])
    assert forced_track(english, foreign, english) is None


def test_a_viewer_of_the_dub_needs_what_it_leaves_in_another_language(tmp_path):
    source = track([*TEXTS, (None, "♪ We all live in a yellow submarine ♪")])
    whole = translate(jobs("es", "en", "de"), source, tmp_path / "j", lambda *_: None).track
    assert left_to_original(whole, source) == {5}
    assert left_to_original(whole, source, dub_all=True) == set()
    needed = forced_track(whole, source, whole, dubbed={1, 2, 3, 4})  # no engine spoke cue 6
    assert needed.cues == (whole.cues[5], whole.cues[6])
    assert forced_track(whole, source, whole, dubbed={1, 2, 3, 4, 6, 7}) is None
    untranslated = replace(whole.cues[0], language="en")
    cues = (untranslated, *whole.cues[1:])
    assert left_to_original(replace(whole, cues=cues), source, dub_all=True) == {1}


def test_split_and_moved_cues_are_those_of_what_is_spoken_then():
    source = track()
    first, second, *rest = source.cues
    halves = [replace(second, end=6.0, language=None), replace(second, start=6.1, language=None)]
    moved = [replace(cue, start=cue.start - 0.4, end=cue.end - 0.4) for cue in rest]
    shown = Track("en", (first, *halves, *moved))
    assert languages_spoken(shown, source) == ["en", "de", "de", "de", "en", "es", "en"]
    assert languages_spoken(Track("en", (Cue(90, 91, "x"),)), source) == ["en"]


# ---------------------------------------------------------------- the command


@pytest.fixture
def mixed(film):
    video, srt = film
    srt.unlink()
    text = video.with_name("words.json")
    text.write_text(subtitles.render(track(), "json"))
    return video, text


def subs(path):
    return subtitles.read(path).cues


def test_the_film_gets_a_whole_track_and_a_forced_one(mixed):
    video, text = mixed
    folder = video.parent
    (folder / "film.en.forced.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nhand-made\n")
    # Somebody's own forced file is no reason to leave out the whole, and is not written over.
    made = called(video, "--subs-from", text, "--to", "en", "--format", "srt", "--skip-existing",
                  *GOOD)  # fmt: skip
    assert made.status == 0 and subs(folder / "film.en.forced.srt")[0].text == "hand-made", made
    assert len(subs(folder / "film.en.srt")) == 6
    made = called(video, "--subs-from", text, "--to", "en", "--format", "srt", *GOOD)
    assert made.status == 7 and "film.en.forced.srt exists" in made.err, made
    (folder / "film.en.forced.srt").unlink()
    made = called(video, "--subs-from", text, "--to", "en", "--format", "srt,vtt", *GOOD)
    assert made.status == 0, made
    whole, forced = subs(folder / "film.en.srt"), subs(folder / "film.en.forced.srt")
    assert len(whole) == 6 and whole[0].text == TEXTS[0][1]
    assert forced == (*whole[1:3], whole[4]) and TEXTS[1][1] not in forced[0].text
    assert len(subs(folder / "film.en.forced.vtt")) == 3
    found = probe(folder / "film.subbed.mp4").subtitles
    assert [(one.language, one.title, one.default, one.forced) for one in found] == [
        ("en", "English", False, False),
        ("en", "English (forced)", True, True),
    ]
    # A text that is edited in the result goes into the film, and into the forced track.
    path = folder / "film.en.srt"
    path.write_text(path.read_text().replace(whole[1].text, "Edited by hand."))
    again = called(video, "--subs-from", text, "--to", "en", "--format", "srt,vtt", *GOOD)
    assert again.status == 0 and subs(path)[1].text == "Edited by hand.", again
    assert subs(folder / "film.en.forced.srt")[0].text == "Edited by hand."
    # The forced file may be drawn on the picture, and is an input then.
    part = called(video, "--subs-from", folder / "film.en.forced.srt", "--to", "en,es", *GOOD)
    assert part.status == 0 and len(subs(folder / "film.en.forced.srt")) == 3, part
    assert len(subs(folder / "film.es.forced.srt")) == 3 and len(subs(path)) == 6
    found = probe(folder / "film.subbed.mp4").subtitles
    assert [one.title for one in found] == ["Spanish (forced)"] and found[0].forced
    # What is there is there.
    kept = called(video, "--subs-from", text, "--language", "en", "--to", "en", "--skip-existing",
                  *GOOD)  # fmt: skip
    assert kept.status == 0 and "is there already" in kept.err


def test_an_edited_forced_file_is_what_the_film_gets(mixed):
    video, text = mixed
    run = (video, "--subs-from", text, "--to", "en", "--format", "srt,vtt", *GOOD)
    assert called(*run).status == 0
    whole, path = video.parent / "film.en.srt", video.parent / "film.en.forced.srt"
    first, second, third = subs(path)
    mine = (replace(first, text="Mine."), Cue(13.0, 14.0, "A sign."), third)  # without the second
    path.write_text(content := subtitles.render(Track("en", mine), "srt"))
    made = called(*run)
    assert made.status == 0 and "film.en.forced.srt has been edited" in made.err, made
    assert path.read_text() == content and subs(path.with_suffix(".vtt")) == mine
    film = video.with_name("film.subbed.mp4").read_bytes()
    assert b"Mine." in film and b"A sign." in film and film.count(second.text.encode()) == 1
    # The whole stays as it is; what is edited there is in both, beside what is in this one.
    assert len(subs(whole)) == 6 and first.text in whole.read_text()
    whole.write_text(whole.read_text().replace(third.text, "Third."))
    made = called(*run)
    assert made.status == 0, made
    assert subs(path) == (*mine[:2], replace(third, text="Third."))


def test_several_targets_in_two_languages_a_cue(mixed):
    video, text = mixed
    made = called(video, "--subs-from", text, "--subs", "--to", "en,es", "--bilingual",
                  "--format", "srt,json", "--no-video", *GOOD)  # fmt: skip
    assert made.status == 0, made
    folder = video.parent
    names = {path.name for path in folder.glob("film.*.srt")}
    assert names == {"film.en.srt", "film.en.forced.srt", "film.es.srt"}
    english, spanish = subs(folder / "film.en.srt"), subs(folder / "film.es.srt")
    assert english[0].text == TEXTS[0][1] and english[4].text.endswith(TEXTS[4][1])
    assert spanish[4].text == TEXTS[4][1] and spanish[0].text.endswith(TEXTS[0][1])
    forced = subs(folder / "film.en.forced.srt")
    assert forced == (*english[1:3], english[4])


def test_a_language_that_nothing_translates_is_reported(mixed):
    video, text = mixed
    made = called(video, "--subs-from", text, "--to", "en", "--no-video", "--format", "vtt",
                  "--translator", GERMAN)  # fmt: skip
    assert made.status == 9, made
    assert "1 of 2 lines could not be translated to English and stays in Spanish" in made.err
    assert f"<lang es>{TEXTS[4][1]}</lang>" in (video.parent / "film.en.vtt").read_text()
    assert len(subs(video.parent / "film.en.forced.vtt")) == 2
    # Another variety of the target is near enough to be read; it is no failure.
    near = [("pt" if tag == "es" else tag, text) for tag, text in TEXTS]
    text.write_text(subtitles.render(track(near), "json"))
    made = called(video, "--subs-from", text, "--to", "pt-BR", "--no-video", "--translator", GERMAN)
    assert made.status == 2 and "English to Portuguese" in made.err, made
    text.write_text(subtitles.render(track(near, "pt-BR"), "json"))
    made = called(video, "--subs-from", text, "--to", "pt-BR", "--no-video", "--translator", GERMAN)
    assert made.status == 0 and len(subs(video.parent / "film.pt-BR.forced.json")) == 2, made
    only = subtitles.render(track([one for one in TEXTS if one[0] != "de"]), "json")
    text.write_text(only)
    made = called(video, "--subs-from", text, "--to", "en", "--no-video", "--translator", GERMAN)
    assert made.status == 2 and "does not translate Spanish to English" in made.err


def test_each_track_of_a_dub_is_where_players_look_for_it(mixed):
    """The first language is the default in sound and text; a song is heard in another language."""
    video, text = mixed
    source = track([*TEXTS[:5], ("de", "♪ Der Mond ist aufgegangen ♪")])
    text.write_text(subtitles.render(source, "json"))
    made = called(video, "--subs-from", text, "--to", "en,es", "--dub", "--one-file", *GOOD, *LOW)
    assert made.status == 0, made
    media = probe(video.with_name("film.dubbed.mp4"))
    assert [one.language for one in media.audio if one.default] == ["en"]
    assert [(one.language, one.default, one.forced) for one in media.subtitles] == [
        ("en", False, False), ("en", True, True), ("es", False, False), ("es", False, True)
    ]  # fmt: skip
    left = [one["text"] for one in report_of(mixed, "es")["lines"] if one["original"]]
    assert left == [TEXTS[4][1]]


def test_what_is_recognized_goes_the_same_way(mixed, tmp_path):
    video, _ = mixed
    plugin = tmp_path / "two.py"
    words = [(cue.language, cue.start, cue.text) for cue in track().cues]
    plugin.write_text(
        "from dubkit import Cue, Track, Transcriber, Transcription, Word\n"
        "class Two(Transcriber):\n"
        "    contract = 2\n"
        "    def check(self):\n"
        "        return []\n"
        "    def transcribe(self, audio, **_):\n"
        f"        found = {words!r}\n"
        "        cues = [Cue(at, at + 2.7, text, tuple(Word(at + k / 3, at + k / 3 + 0.3,\n"
        "                ' ' + word) for k, word in enumerate(text.split())), language=tag)\n"
        "                for tag, at, text in found]\n"
        "        return Transcription(Track('en', tuple(cues)), 'two')\n"
    )
    spoken = ("--transcriber", f"{plugin}:Two", "--no-video", "--json")
    made = called(video, "--to", "en", *spoken, *GOOD)
    assert made.status == 0, made
    (result,) = made.json["results"]
    assert result["language"] == "en" and set(result["languages"]) == {"en", "de", "es"}
    folder = video.parent
    whole, forced = subs(folder / "film.en.srt"), subs(folder / "film.en.forced.srt")
    assert len(forced) == 3 and set(forced) < set(whole)
    # An edit of what was recognized goes through: the tag stays, and so does what it is.
    cues = folder / "film.dubkit/cues.en.json"
    cues.write_text(cues.read_text().replace("gestern", "vorgestern"))
    assert called(video, "--to", "en", *spoken, *GOOD).status == 0
    assert len(subs(folder / "film.en.forced.srt")) == 3
    # A person may also say that a line is in another language, or none.
    edited = json.loads(cues.read_text())
    for one in edited["segments"]:
        one.pop("language", None)
    cues.write_text(json.dumps(edited))
    again = called(video, "--to", "en", *spoken, *GOOD)
    assert again.status == 0 and "is English already" in again.err
    assert not (folder / "film.en.forced.srt").exists() and (folder / "film.en.srt").exists()


def sound(path, number):
    media = probe(path)
    return np.concatenate(list(decode_audio(media, media.audio[number], FULL)))[:, 0]


@pytest.mark.parametrize("everything", [False, True])
def test_a_dub_leaves_its_own_language_to_the_original_voice(mixed, everything):
    video, text = mixed
    options = ("--dub-all",) if everything else ()
    made = called(video, "--subs-from", text, "--to", "en", "--dub", *GOOD, *LOW, *options)
    assert made.status == 0, made
    report = report_of(mixed, "en")
    left = [] if everything else [0.5, 12.5, 20.5]
    assert [one["slot"][0] for one in report["lines"] if one["original"]] == left
    assert report["totals"]["original"] == len(left) and report["totals"]["spoken"] == 5 - len(left)
    dub = sound(video.with_name("film.en.dubbed.mp4"), 0)
    original = sound(video.with_name("film.en.dubbed.mp4"), 1)

    def change(begin, end):
        """In dB: of the tone that is the original's sound."""
        at = slice(int(begin * 48_000), int(end * 48_000))
        waves = np.exp(2j * np.pi * 1000 * np.arange(at.stop - at.start) / 48_000)
        powers = [abs(np.dot(one[at], waves)) for one in (dub, original)]
        return 20 * np.log10(powers[0] / powers[1])

    usual = change(0.0, 0.3) if everything else change(0.6, 3.1)
    assert usual - change(5.0, 6.5) == pytest.approx(12, abs=1)
    for begin, end in ((0.6, 3.1), (12.6, 15.1), (20.6, 21.5)):
        lower = usual - change(begin, end)
        assert lower == pytest.approx(0, abs=0.2) or (everything and lower > 6)


def test_a_line_without_a_translation_keeps_its_voice(film):
    """A voice of another language would mangle it."""
    video, srt = film
    broken = ("--translator", f"{TRANSLATORS}:Broken", "-o", "Broken.how=empty",
              "-o", "Broken.word=ready")  # fmt: skip
    made = called(video, "--subs-from", srt, "--to", "es", "--dub", *broken, *LOW)
    assert made.status == 9 and "stays in English" in made.err, made
    left = [one for one in report_of(film)["lines"] if one["original"]]
    assert [(one["text"], one["spoken"]) for one in left] == [("Are you ready for it?", None)]
    assert "not dubbed" not in made.err  # nobody tried


def test_nothing_is_spoken_over_what_is_kept():
    slots = [Slot(0.0, 2.0, 3.5, "A"), Slot(5.0, 6.0, 1.0, "A"), Slot(9.0, 12.0, 2.0, "B")]
    usual = fit(slots, 20.0)
    assert usual[0].end == pytest.approx(3.5)
    kept = fit(slots, 20.0, [(2.6, 4.9), (10.0, 11.0)])
    assert kept[0].end <= 2.6 - GAP + 0.2 + 1e-6 or "drifts" in kept[0].steps
    assert kept[0].stretch > 1 and kept[1].start >= 4.9
    assert kept[2] == usual[2]  # these speak at once in the original
