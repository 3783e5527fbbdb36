"""``--to`` through the public command: what is written, muxed, kept, told, and asked again."""

import json
import os
import sys
from pathlib import Path

import av
import pytest
from command import FAST, TESTS, assert_refused, called, contents, dubkit, times
from media_samples import AVC, ffmpeg, sample

from dubkit import Cue, Track, subtitles
from dubkit.cues.text import without_marks
from dubkit.media.probe import probe

TRANSLATORS = TESTS / "data/translators.py"


def by(name, *settings):
    options = [part for setting in settings for part in ("-o", f"{name}.{setting}")]
    return ("--translator", f"{TRANSLATORS}:{name}", *options)


GOOD = by("Good")


def spans(track):
    return [(cue.start, cue.end) for cue in track.cues]


SRT = """\
1
00:00:01,000 --> 00:00:03,250
The quick brown fox
jumps over the dog,

2
00:00:03,333 --> 00:00:05,000
and <i>never</i> comes back.

3
00:00:07,000 --> 00:00:09,000
- Who saw it?
- Nobody did.

4
00:00:10,000 --> 00:00:11,000
♪ ♪
"""


@pytest.fixture
def log(tmp_path, monkeypatch):
    path = tmp_path / "translator.log"
    monkeypatch.setenv("TRANSLATOR_LOG", str(path))

    def read(key="ids"):
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [record[key] for record in map(json.loads, lines) if key in record]

    return read


@pytest.fixture
def srt(tmp_path):
    path = tmp_path / "film.en.srt"
    path.write_text(SRT)
    return path


# ---------------------------------------------------------------- a video


def test_both_languages_beside_the_video_and_in_it(talk):
    ran = called(talk, "--subs", "--to", "es", *FAST, *GOOD)
    assert ran.status == 0, ran
    assert [path.name for path in ran.paths] == ["talk.en.srt", "talk.es.srt", "talk.subbed.mp4"]
    english, spanish = (subtitles.read(path) for path in ran.paths[:2])
    assert [cue.start for cue in english.cues] == [cue.start for cue in spanish.cues]
    assert english.text != spanish.text
    first, second = probe(ran.paths[2]).subtitles
    assert (first.language, first.title, first.default) == ("es", "Spanish", True)
    assert (second.language, second.title, second.default) == ("en", "English", False)
    with av.open(str(ran.paths[2])) as container:
        assert [s.metadata["language"] for s in container.streams.subtitles] == ["spa", "eng"]


def test_translations_alone(talk):
    ran = called(talk, "--to", "es,fr,ja", "--no-video", *FAST, *GOOD)
    assert [path.name for path in ran.paths] == [f"talk.{tag}.srt" for tag in ("es", "fr", "ja")]
    assert called("check", ran.paths[2], "--json").json["language"] == "ja"


def test_a_second_run_does_nothing(talk, log):
    command = (talk, "--subs", "--to", "es,fr", *FAST, *GOOD)
    assert called(*command).status == 0
    before = times(talk.parent)
    log()
    ran = called(*command)
    assert ran.status == 0 and "nothing was done" in ran.err
    assert log() == [] and times(talk.parent) == before


def test_a_translator_is_asked_before_the_long_work_begins(talk, tmp_path, monkeypatch):
    monkeypatch.setenv("ENGINE_LOG", str(tmp_path / "engine.log"))
    ran = called(talk, "--subs", "--to", "es", *FAST, *by("Broken", "how=key"))
    assert_refused(ran, 2, "refuses the key", "set another one")
    assert not (tmp_path / "engine.log").exists()


def test_a_direction_that_nobody_has(talk, tmp_path, monkeypatch):
    monkeypatch.setenv("ENGINE_LOG", str(tmp_path / "engine.log"))
    assert_refused(called(talk, "--to", "de", *FAST, *GOOD), 2, "Good does not translate to German")
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        monkeypatch.delenv(name)
    # Argos has nearly all languages, where it is installed.
    monkeypatch.setitem(sys.modules, "argostranslate", None)
    monkeypatch.delitem(sys.modules, "dubkit_plugins.translate.argos", raising=False)
    ran = called(talk, "--to", "cy", *FAST)
    assert_refused(ran, 4, "Welsh", "OPENAI_API_KEY", "OPENAI_BASE_URL", "dubkit[argos]")
    assert not (tmp_path / "engine.log").exists()


def test_the_language_that_it_is_in_already(talk):
    ran = called(talk, "--to", "en,es", "--no-video", *FAST, *GOOD)
    assert ran.status == 0 and "is English already" in ran.err
    assert [path.name for path in ran.paths] == ["talk.es.srt"]
    ran = called(talk, "--to", "en", "--no-video", *FAST, *GOOD)
    assert [path.name for path in ran.paths] == ["talk.en.srt"]


def test_both_languages_in_each_cue(talk):
    ran = called(talk, "--to", "es", "--bilingual", "--no-video", *FAST, *GOOD)
    assert ran.status == 0, ran
    english = "The quick brown fox jumps,"
    texts = [cue.text for cue in subtitles.read(ran.paths[0]).cues]
    assert english in texts[0] and not texts[0].startswith("The quick")
    ran = called(talk, "--to", "es", "--bilingual=original-first", "--no-video", *FAST, *GOOD)
    assert subtitles.read(ran.paths[0]).cues[0].text.startswith(english)
    assert called("--bilingual", talk, "--to", "es", "--no-video", *FAST, *GOOD).status == 0
    ran = called(talk, "--to", "es", "--bilingual", *FAST, *GOOD)
    assert probe(ran.paths[1]).subtitles[0].title == "Spanish + English"


def test_the_translation_is_burned(talk):
    ran = called(talk, "--burn", "--to", "es", *FAST, *GOOD)
    assert ran.status == 0 and [p.name for p in ran.paths] == ["talk.es.srt", "talk.subbed.mp4"]
    assert probe(ran.paths[1]).subtitles == ()
    assert_refused(called(talk, "--burn", "--to", "es,fr", *FAST, *GOOD), 2, "--burn draws one")


def test_a_glossary_a_tone_and_a_context_arrive(talk, tmp_path, log):
    terms = tmp_path / "terms.csv"
    terms.write_text('source,target\n# animals\nfox,zorro\n"dog, lazy",perro\ncow,vaca\n')
    ran = called(talk, "--to", "es", "--glossary", terms, "--tone", "formal", "--context",
                 "A pangram.", "--no-video", *FAST, *GOOD)  # fmt: skip
    assert ran.status == 0 and "zorro" in ran.paths[0].read_text()
    log_lines = log("glossary")
    assert log_lines == [[["fox", "zorro"]]]
    terms.write_text("a,b\nc,d,e\n")
    ran = called(talk, "--to", "es", "--glossary", terms, *FAST, *GOOD)
    assert_refused(ran, 3, "line 2")
    assert_refused(
        called(talk, "--to", "es", "--glossary", "gone.csv", *FAST, *GOOD), 3, "gone.csv"
    )


def test_the_report_and_the_json(talk):
    ran = called(talk, "--to", "es,fr", "--json", *FAST, *GOOD)
    spanish, french = ran.json["results"][0]["translations"]
    assert (spanish["language"], french["language"]) == ("es", "fr")
    assert spanish["translator"] == "Good" and spanish["lines"] == 1 and spanish["failed"] == []
    assert spanish["usage"] == {
        "requests": 1, "input_tokens": 10, "output_tokens": 5, "cost": 0.5}  # fmt: skip
    report = json.loads((talk.parent / "talk.dubkit/report.json").read_text())
    assert report["translations"][0]["usage"]["cost"] == 0.5
    assert "violations" in report["translations"][1]
    shown = called(talk, "--to", "es", "--tone", "x", "--no-video", *FAST, *GOOD)
    assert "es: 1 line by Good, 10 tokens in and 5 out, $0.5000" in shown.err


def test_a_dry_run_calls_nobody_and_writes_nothing(talk, srt, log):
    before = contents(talk.parent)
    ran = called(talk, "--to", "es,fr", "--dry-run", *FAST, *GOOD)
    assert ran.status == 0 and ran.out.count("about") >= 2, ran
    assert "es: about 2 lines by Good" in ran.out and "fr: " in ran.out
    assert contents(talk.parent) == before and log() == [] and log("prepared") == []
    ran = called(srt, "--to", "es", "--dry-run", "--json", *GOOD)
    (estimate,) = ran.json["estimates"]
    assert (estimate["lines"], estimate["cached"], estimate["guessed"]) == (3, 0, False)
    assert estimate["usage"]["requests"] == 1 and log() == []
    called(srt, "--to", "es", *GOOD)
    log()
    ran = called(srt, "--to", "es", "--dry-run", *GOOD)
    assert "3 of them already known, 0 requests" in ran.out and log() == []


# ---------------------------------------------------------------- lines that fail


def test_failed_lines_keep_their_text_and_are_tried_again(srt, tmp_path, log):
    cure = tmp_path / "cure"
    broken = by("Broken", "how=copy", "word=quick", f"cure={cure}")
    command = (srt, "--to", "es", *broken)
    ran = called(*command)
    assert ran.status == 9, ran
    assert "1 of 3 lines could not be translated to Spanish and stays in English" in ran.err
    assert "cue 1, 2" in ran.err and "run the same command again" in ran.err
    track = subtitles.read(ran.paths[0])
    assert track.text.startswith("The quick brown fox jumps over the dog,\nand <i>never</i> comes")
    report = json.loads((tmp_path / "film.en.srt.dubkit/report.json").read_text())
    (failed,) = report["translations"][0]["failed"]
    assert failed["cues"] == [1, 2] and failed["reason"] and "fox" in failed["text"]

    log()
    again = called(*command)  # still broken
    assert {id for ids in log() for id in ids} == {"1"} and "could not be translated" in again.err
    cure.touch()
    again = called(srt, "--to", "es", *by("Broken", "how=copy", "word=quick", f"cure={cure}"))
    assert "could not" not in again.err
    fixed = subtitles.read(again.paths[0])
    assert "quick" not in fixed.text and "could not" not in again.err
    log()
    assert "nothing was done" in called(*command).err and log() == []


def test_a_translation_without_a_line_is_no_success(srt, tmp_path):
    broken = by("Broken", "how=empty", "word=")
    ran = called(srt, "--to", "es,fr", *broken)
    assert ran.status == 8, ran
    assert "nothing was translated to Spanish: it was empty" in ran.err
    assert "nothing was translated to French" in ran.err
    assert [path.name for path in ran.paths] == ["film.es.srt", "film.fr.srt"]
    assert all(subtitles.read(path).text for path in ran.paths)
    (tmp_path / "two.en.srt").write_text(SRT.replace("quick", "slow"))
    ran = called(*tmp_path.glob("*.en.srt"), "--to", "es", *by("Good"), "--force", "--json")
    assert ran.status == 0 and ran.json["errors"] == []


def test_a_dub_without_a_translated_line_is_not_spoken(talk, srt):
    broken = by("Broken", "how=empty", "word=")
    ran = called(talk, "--subs-from", srt, "--to", "es", "--dub", *broken,
                 "--tts", f"{TESTS}/data/synthesizers.py:Hum", "--voice", "low",
                 "--no-verify")  # fmt: skip
    assert ran.status == 8 and "nothing was translated to Spanish" in ran.err, ran
    assert [path.name for path in ran.paths if path.suffix != ".mp4"] == ["talk.es.srt"]
    assert not list(talk.parent.glob("*.dubbed.*"))


def fail(*arguments, **more):
    raise IndexError("it fell over")


@pytest.mark.parametrize(
    ("where", "what"),
    [
        ("dubkit.cues.check.check", "es: not checked against netflix"),
        ("dubkit.pipeline.report.summary", "report.json was not written"),
    ],
)
def test_a_check_or_report_that_fails_costs_nothing(where, what, srt, monkeypatch):
    monkeypatch.setattr(where, fail)
    ran = called(srt, "--to", "es", *GOOD)
    assert ran.status == 0 and "Traceback" not in ran.err, ran
    assert what in ran.err and "IndexError" in ran.err
    assert [path.name for path in ran.paths] == ["film.es.srt"]
    assert subtitles.read(ran.paths[0]).text != subtitles.read(srt).text


def test_a_dub_outlasts_its_report(talk, srt, monkeypatch):
    monkeypatch.setattr("dubkit.dub.report.to_json", fail)
    ran = called(talk, "--subs-from", srt, "--to", "es", "--dub", *GOOD,
                 "--tts", f"{TESTS}/data/synthesizers.py:Hum", "--voice", "low",
                 "--no-verify")  # fmt: skip
    assert ran.status == 0 and "es: the report of the dub was not made" in ran.err, ran
    assert "talk.es.dubbed.mp4" in [path.name for path in ran.paths]


def test_a_line_that_is_too_long_stays_as_it_is(srt, log):
    long = "word " * 2000
    srt.write_text(SRT.replace("Nobody did.", long))
    ran = called(srt, "--to", "es", *GOOD)
    assert ran.status == 9, ran
    assert "it has 9,999 characters, and at most 4,000 are a line" in ran.err
    assert "divide it into several cues" in ran.err
    assert "word word" in subtitles.read(ran.paths[0]).cues[2].text
    assert sorted(id for ids in log() for id in ids) == ["1", "2"]


def test_a_line_mended_by_hand_is_kept(srt, tmp_path, log):
    command = (srt, "--to", "es", *by("Broken", "how=copy", "word=quick"))
    called(*command)
    cues = tmp_path / "film.en.srt.dubkit/cues.es.json"
    whole = json.loads(cues.read_text())
    whole["segments"][0]["text"] = "El zorro rápido salta sobre el perro,"
    cues.write_text(json.dumps(whole))
    log()
    ran = called(*command)
    assert log() == [] and "El zorro rápido salta sobre el" in subtitles.read(ran.paths[0]).text


# ---------------------------------------------------------------- a subtitle file


def test_a_subtitle_file_alone(srt, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = srt.read_bytes()
    ran = called("film.en.srt", "--to", "es", *GOOD)
    assert ran.status == 0 and ran.out == "film.es.srt\n", ran
    source, made = subtitles.read(srt), subtitles.read(tmp_path / "film.es.srt")
    assert spans(made) == spans(source)
    assert all(cue.text.strip() for cue in made.cues)
    assert made.cues[3].text == "♪ ♪"
    first, second = made.cues[2].text.splitlines()
    assert first.startswith("- ") and second.startswith("- ")
    joined = " ".join(cue.text for cue in made.cues[:2])
    assert joined.count("<i>") == joined.count("</i>") == 1
    assert srt.read_bytes() == before


def test_the_suffix_and_the_language_of_the_input_are_followed(tmp_path):
    for name, result in [
        ("a.srt", "a.es.srt"),
        ("b.en.vtt", "b.es.vtt"),
        ("c.en-US.ttml", "c.es.ttml"),
        ("d.eng.sdh.srt", "d.es.sdh.srt"),
        ("d.ass", "d.es.ass"),
    ]:
        path = tmp_path / name
        track = subtitles.parse(SRT, "srt", "en")
        path.write_text(subtitles.render(track, path.suffix[1:]))
        ran = called(path, "--to", "es", *GOOD)
        assert [p.name for p in ran.paths] == [result], ran
        made = subtitles.read(ran.paths[0])
        assert spans(made) == spans(subtitles.read(path))
    ran = called(tmp_path / "a.srt", "--to", "es", "--format", "vtt,txt", *GOOD)
    assert [p.name for p in ran.paths] == ["a.es.vtt", "a.es.txt"]


def test_the_language_is_told_by_the_text(tmp_path):
    path = tmp_path / "film.srt"
    path.write_text(SRT)
    assert "is English already" in called(path, "--to", "en", "--format", "srt", *GOOD).err
    text = "1\n00:00:01,000 --> 00:00:03,000\nJe ne sais pas où il est allé, mais il était là.\n"
    path.write_bytes(text.encode("cp1252"))
    ran = called(path, "--to", "fr", "--format", "vtt", *GOOD)
    assert "is French already" in ran.err and "où il est allé" in ran.paths[0].read_text()


def test_nothing_to_do_with_a_subtitle_file(srt):
    assert_refused(called(srt, "--subs"), 2, "nothing to do", "--to es")
    assert_refused(called(srt, "--to", "es", "--burn", *GOOD), 2, "is a subtitle file, not a video")
    ran = called(srt, "--subs", "--format", "vtt")
    assert [path.name for path in ran.paths] == ["film.en.vtt"]


@pytest.mark.parametrize(
    "line",
    ["00:00:0x,000 --> 00:00:05,000", "00:00:04,000 --> 00:00:zz", "00:00:04,000 -->",
     "00:00:04,000 00:00:05,000"],
)  # fmt: skip
def test_malformed_lines_are_named_and_strict_refuses_them(line, tmp_path):
    path = tmp_path / "x.srt"
    path.write_text(f"1\n00:00:01,000 --> 00:00:02,000\nHi --> there\n\n2\n{line}\nHo\n")
    assert_refused(called(path, "--to", "es", "--strict", *GOOD), 3, "x.srt: line 6")
    ran = called(path, "--to", "es", *GOOD)
    assert ran.status == 0 and "x.srt, line 6" in ran.err
    assert len(subtitles.read(ran.paths[0]).cues) == 2


def test_several_files_and_a_pattern(srt, tmp_path):
    (tmp_path / "two.en.srt").write_text(SRT)
    ran = called(tmp_path / "*.en.srt", "--to", "es", *GOOD)
    assert sorted(path.name for path in ran.paths) == ["film.es.srt", "two.es.srt"]


# ---------------------------------------------------------------- a video's text from elsewhere


def test_text_from_a_file(talk, srt, tmp_path, monkeypatch):
    monkeypatch.setenv("ENGINE_LOG", str(tmp_path / "engine.log"))
    ran = called(talk, "--subs", "--subs-from", srt, "--to", "es", *FAST, *GOOD)
    assert ran.status == 0, ran
    assert [p.name for p in ran.paths] == ["talk.en.srt", "talk.es.srt", "talk.subbed.mp4"]
    assert not (tmp_path / "engine.log").exists()
    source = subtitles.read(srt)
    for path in ran.paths[:2]:
        made = subtitles.read(path)
        assert spans(made) == spans(source)
    assert [s.language for s in probe(ran.paths[2]).subtitles] == ["es", "en"]


def test_the_file_that_the_text_is_from_is_never_written_to(talk):
    srt = talk.with_name("talk.en.srt")
    srt.write_text(SRT)
    ran = called(talk, "--subs", "--subs-from", srt, "--to", "es", "--force", *GOOD)
    assert [p.name for p in ran.paths] == ["talk.es.srt", "talk.subbed.mp4"]
    assert srt.read_text() == SRT


def test_lines_written_by_hand_outlast_a_new_version_of_the_file(srt, tmp_path, log):
    command = (srt, "--to", "es", *GOOD)
    called(*command)
    cues = tmp_path / "film.en.srt.dubkit/cues.es.json"
    whole = json.loads(cues.read_text())
    whole["segments"][0]["text"] = "El zorro"
    cues.write_text(json.dumps(whole))
    srt.write_text(SRT.replace("Nobody did", "Nobody knows"))
    ran = called(*command)
    made = subtitles.read(ran.paths[0])
    assert made.cues[0].text == "El zorro" and "edited" not in ran.err
    before = made.cues[2].text
    srt.write_text(SRT.replace("quick brown fox", "slow brown fox").replace("Who", "Which of us"))
    ran = called(*command)
    made = subtitles.read(ran.paths[0])
    assert made.cues[0].text == "El zorro" and made.cues[2].text != before
    assert "es: cue 1: your edit is kept" in ran.err
    assert not list(cues.parent.glob("*.edited"))


def test_the_text_of_a_file_is_edited_in_the_workspace(talk, srt):
    command = (talk, "--subs", "--subs-from", srt, "--to", "es", "--no-video", *FAST, *GOOD)
    called(*command)
    text = talk.parent / "talk.dubkit/text.en.json"
    whole = json.loads(text.read_text())
    whole["segments"][2]["text"] = "Who was it?"
    text.write_text(json.dumps(whole))
    ran = called(*command)
    english, spanish = map(subtitles.read, ran.paths)
    assert english.cues[2].text == "Who was it?" and "\n" not in spanish.cues[2].text
    assert srt.read_text() == SRT
    # A new version of the file keeps it.
    srt.write_text(SRT.replace("quick", "slow"))
    ran = called(*command)
    english = subtitles.read(ran.paths[0])
    assert english.cues[2].text == "Who was it?" and "slow" in english.cues[0].text


def test_an_edit_of_a_file_that_has_the_results_name_is_written_beside_it(talk):
    srt = talk.with_name("talk.en.srt")
    srt.write_text(SRT)
    command = (talk, "--subs", "--subs-from", srt, "--no-video", *FAST)
    assert called(*command).paths == []
    text = talk.parent / "talk.dubkit/text.en.json"
    text.write_text(text.read_text().replace("quick", "slow"))
    (path,) = called(*command).paths
    assert path.name == "talk.en.edited.srt" and "slow" in path.read_text()
    assert srt.read_text() == SRT


def test_edits_of_an_ass_file_keep_its_looks(tmp_path):
    path = tmp_path / "film.en.ass"
    path.write_text(ASS)
    command = (path, "--to", "es", "--subs", *GOOD)
    called(*command)
    text = tmp_path / "film.en.ass.dubkit/text.en.json"
    text.write_text(text.read_text().replace("went home", "left"))
    ran = called(*command)
    assert [one.name for one in ran.paths] == ["film.en.edited.ass", "film.es.ass"], ran
    content = ran.paths[0].read_text()
    assert "left" in content and "went home" not in content
    for kept in ("Style: Fancy,Georgia,33", r"{\an8\pos(320,40)}", "a note", "The sign"):
        assert kept in content, kept
    assert "went home" in path.read_text()


def test_retime(srt, tmp_path):
    quick = SRT.replace("00:00:10,000 --> 00:00:11,000", "00:00:10,000 --> 00:00:10,200")
    srt.write_text(quick)
    kept = called(srt, "--to", "es", *GOOD)
    assert subtitles.read(kept.paths[0]).cues[-1].end == 10.2
    retimed = called(srt, "--to", "es", "--retime", *GOOD)
    assert subtitles.read(retimed.paths[0]).cues[-1].end > 10.8
    assert called("check", retimed.paths[0]).out.count("min-duration") == 0


def test_embedded_text(talk, srt, tmp_path):
    both = talk.with_name("both.mkv")
    french = tmp_path / "fr.srt"
    french.write_text("1\n00:00:02,000 --> 00:00:04,000\nJe ne sais pas où il est.\n")
    ffmpeg("-i", talk, "-i", srt, "-i", french, "-map", 0, "-map", 1, "-map", 2, "-c", "copy",
           "-metadata:s:s:0", "language=eng", "-metadata:s:s:1", "language=fra", both)  # fmt: skip
    ran = called(both, "--subs-from", "embedded", "--to", "es", "--no-video", *GOOD)
    assert ran.status == 0, ran
    made = subtitles.read(ran.paths[0])
    assert spans(made) == [(c.start, c.end) for c in subtitles.read(srt).cues]
    for choice in ("fr", "2", "fra"):
        ran = called(both, "--subs", "--subs-from", f"embedded:{choice}", "--to", "es",
                     "--no-video", "-o", tmp_path / choice, *GOOD)  # fmt: skip
        assert [p.name for p in ran.paths] == ["both.fr.srt", "both.es.srt"], ran
    refused = called(both, "--subs-from", "embedded:de", "--to", "es", *GOOD)
    assert_refused(refused, 2, "has no subtitle track 'de'")
    assert_refused(called(talk, "--subs-from", "embedded", "--to", "es", *GOOD), 3, "no subtitle")


ASS = r"""[Script Info]
ScriptType: v4.00+
PlayResX: 640
PlayResY: 480

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Fancy,Georgia,33,&H0000FFFF,&H000000FF,&H00000000,&H00000000,0,0,0,0,100,100,0,0,1,2,2,2,10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 1,0:00:01.00,0:00:03.00,Fancy,Ann,0,0,0,,{\an8\pos(320,40)}The sign says {\c&H0000FF&}stop{\r} here.
Dialogue: 0,0:00:01.00,0:00:03.00,Fancy,,0,0,0,,{\p1}m 0 0 l 100 0 100 100 0 100{\p0}
Comment: 0,0:00:00.00,0:00:01.00,Fancy,,0,0,0,,a note
Dialogue: 0,0:00:04.00,0:00:06.00,Fancy,Bob,0,0,0,,And then he went home.
"""  # noqa: E501


def test_ass_keeps_its_looks(talk, tmp_path):
    path = tmp_path / "film.en.ass"
    path.write_text(ASS)
    ran = called(path, "--to", "es", *GOOD)
    text = ran.paths[0].read_text()
    for kept in ("Style: Fancy,Georgia,33", r"{\an8\pos(320,40)}", r"{\p1}m 0 0 l 100 0", "a note",
                 r"{\c&H0000FF&}", "PlayResX: 640", "Fancy,Ann,", "Fancy,Bob,"):  # fmt: skip
        assert kept in text, kept
    assert "The sign" not in text and "went home" not in text
    video = tmp_path / "v.mkv"
    sample(video, *AVC)
    ran = called(video, "--subs-from", path, "--to", "es", *GOOD)
    assert [p.name for p in ran.paths] == ["v.es.ass", "v.subbed.mkv"]
    assert probe(ran.paths[1]).subtitles[0].codec == "ass"


def test_signs_and_dialogue_are_not_one_sentence(tmp_path, log):
    events = [
        (r"0:00:01.00,0:00:03.00,Fancy,,0,0,0,,I have been waiting for you"),
        (r"0:00:02.00,0:00:05.00,Signs,,0,0,0,,{\pos(640,100)}Central Station"),
        (r"0:00:03.10,0:00:05.00,Fancy,,0,0,0,,since the early morning."),
        (r"0:00:05.00,0:00:06.00,OP,,0,0,0,,kimi no na wa"),
        (r"0:00:05.00,0:00:06.00,Fancy,,0,0,0,,Your name is"),
    ]
    path = tmp_path / "film.en.ass"
    head = ASS.partition("Dialogue:")[0]
    path.write_text(head + "".join(f"Dialogue: 0,{event}\n" for event in events))
    assert called(path, "--to", "es", *GOOD).status == 0
    assert log("lines")[0] == [
        "I have been waiting for you since the early morning.",
        *("Central Station", "kimi no na wa", "Your name is"),
    ]


def test_sounds_songs_and_names_stand_alone(tmp_path, log):
    texts = [
        *("[THUNDER RUMBLING]", "JOHN: Where is Mary?", "(phone ringing)", "MARY: I am here,"),
        *("and I am fine.", "♪ way up high ♪", "♪ and over ♪", "<i>Narrator: It was 1984.</i>"),
    ]
    track = Track("en", tuple(Cue(k * 2, k * 2 + 1.9, text) for k, text in enumerate(texts)))
    path = tmp_path / "film.en.srt"
    path.write_text(subtitles.render(track, "srt"))
    ran = called(path, "--to", "es", *GOOD)
    assert [line for lines in log("lines") for line in lines] == [
        *("THUNDER RUMBLING", "Where is Mary?", "phone ringing"),
        *("I am here, and I am fine.", "way up high", "and over", "Narrator: It was 1984."),
    ]
    shown = subtitles.read(ran.paths[0]).cues
    assert shown[0].text.startswith("[") and shown[1].text.startswith("JOHN: ")
    assert shown[5].text.startswith("♪ ") and shown[5].text.endswith(" ♪")


def test_a_model_that_is_set_up_wrongly_is_not_passed_over(srt, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "localhost:8000/v1")
    assert_refused(called(srt, "--to", "pt"), 2, "openai is not ready", "http://")
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    ran = called(srt, "--to", "pt", "-o", "openai.model=gpt-4.1")
    assert_refused(ran, 2, "there is no key for OpenAI")


def test_nothing_to_translate_needs_nobody(tmp_path, log):
    path = tmp_path / "empty.en.srt"
    path.write_text("")
    ran = called(path, "--to", "es", *by("Broken", "how=raise"))
    assert ran.status == 0 and "empty.en.srt has no cues" in ran.err
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\n♪ ♪\n")
    ran = called(path, "--to", "es", *by("Broken", "how=raise"))
    assert subtitles.read(ran.paths[0]).cues[0].text == "♪ ♪" and log() == []


# ---------------------------------------------------------------- languages


def test_right_to_left_and_full_width(srt):
    ran = called(srt, "--to", "ar,ja", *GOOD)
    arabic, japanese = (path.read_text("utf-8") for path in ran.paths)
    line = arabic.splitlines()[2]
    assert line[0] == "\u202b" and line[-1] == "\u202c"
    shown = [without_marks(line) for cue in subtitles.read(ran.paths[1]).cues for line in
             cue.text.splitlines()]  # fmt: skip
    assert all(len(line) <= 16 for line in shown) and len(shown) > 5 and "そして" in japanese
    assert called("check", ran.paths[1], "--json").json["language"] == "ja"


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--subs", "--tone", "x"], ["--tone is for translating", "--to"]),
        (["--subs", "--dry-run"], ["--dry-run is for translating"]),
        (["--to", "nonsense"], ["not a language tag", "use en, es"]),
        (["--to", "es", "--translator", "nobody"], ["no translator named 'nobody'"]),
        (["--to", "es", "-o", "Good.nope=1", *GOOD], ["no setting 'nope'"]),
        (["--to", "es", "--bilingual=sideways", *GOOD], ["sideways"]),
        (["--subs", "--retime"], ["--retime"]),
        (["--to", "es", "--subs-from", "gone.srt", *GOOD], ["gone.srt"]),
    ],
)
def test_options_that_cannot_be(options, words, talk):
    ran = called(talk, *options, *FAST)
    assert ran.status in (2, 3) and "Traceback" not in ran.err
    for word in words:
        assert word in ran.err
    assert not list(talk.parent.glob("*.srt"))


def test_stopped_and_taken_up_again(tmp_path, log, monkeypatch):
    import time

    from command import interrupt, start, wait_for

    path = tmp_path / "long.en.srt"
    cues = (
        f"{k}\n00:{k // 60:02}:{k % 60:02},000 --> 00:{k // 60:02}:{k % 60:02},900\n"
        f"This is the line with number {k}.\n"
        for k in range(1, 61)
    )
    path.write_text("\n".join(cues))
    command = (path, "--to", "es", *by("Good", "pauses=0.2", "parallel=1"))
    child = start(*command)
    journal = tmp_path / "long.en.srt.dubkit/translations.es.jsonl"
    wait_for(lambda: journal.exists() and journal.read_text().count("\n") >= 15)
    ran, took = interrupt(child)
    assert ran.status == 130 and "run the same command to continue" in ran.err and took < 2
    time.sleep(0.1)
    done = journal.read_text().count("\n")
    log()
    assert dubkit(*command).status == 0
    assert sum(map(len, log())) == 60 - done < 60
    assert len(subtitles.read(Path(tmp_path / "long.es.srt")).cues) == 60


def test_what_can_be_made_is_made_without_a_translator(talk):
    """English subtitles, where nothing here translates to Zulu; and the Spanish ones beside."""
    ran = called(talk, "--subs", "--to", "zu", *FAST)
    assert ran.status == 4 and "nothing here translates English to Zulu" in ran.err
    assert [path.name for path in ran.paths] == ["talk.en.srt", "talk.subbed.mp4"]
    assert called(talk, "--subs", "--to", "zu", "--json", *FAST).json["errors"][0]["status"] == 4
    (talk.parent / "talk.en.srt").unlink()
    for nothing_left in (("--to", "zu"), ("--subs", "--to", "zu", "--burn")):
        ran = called(talk, *nothing_left, *FAST)
        assert ran.status == 4 and not ran.paths and not (talk.parent / "talk.en.srt").exists()
