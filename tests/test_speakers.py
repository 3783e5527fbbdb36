"""Who speaks when: files of turns, words and cues, and the command's options for it."""

import json

import av
import numpy as np
import pytest
from command import AUSTEN, FAST, assert_refused, called
from dub_samples import HUM
from media_samples import AVC, ffmpeg
from speech_samples import decoded

from dubkit import Cue, InputError, Options, Track, Turn, UsageError, Voice, Word, subtitles
from dubkit.cues.spoken import rename_speakers
from dubkit.options import from_keywords
from dubkit.pipeline.edits import Baseline, merge_edits
from dubkit.speech import diarization
from dubkit_plugins.kokoro.engine import Kokoro

RTTM = """\
;; a comment
SPEAKER film 1 0.00 4.00 <NA> <NA> Anna <NA> <NA>
SPEAKER film 1 4.10 3.90 <NA> <NA> Ben <NA> <NA>
"""
TURNS = [Turn(0.0, 4.0, "Anna"), Turn(4.1, 8.0, "Ben")]


def words(text, start, pace=0.4, gap=0.05):
    found = []
    for word in text.split():
        found.append(Word(start, start + pace - gap, " " + word))
        start += pace
    return tuple(found)


def cue(text, start, **more):
    spoken = words(text, start)
    return Cue(start, spoken[-1].end, text, spoken, **more)


@pytest.mark.parametrize(
    "text",
    [
        RTTM,
        json.dumps([{"start": t.start, "end": t.end, "speaker": t.speaker} for t in TURNS]),
        json.dumps({"segments": [{"start": 0, "end": 4, "speaker": "Anna", "text": "x"},
                                 {"start": 4, "end": 4.05, "text": "nobody"},
                                 {"start": 4.1, "end": 8.0, "speaker": "Ben"}]}),
    ],
)  # fmt: skip
def test_files_of_other_tools(text, tmp_path):
    path = tmp_path / "turns"
    path.write_text(text)
    assert [(t.speaker, round(t.start, 3), round(t.end, 3)) for t in diarization.read(path)] == [
        ("Anna", 0.0, 4.0),
        ("Ben", 4.1, 8.0),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SPEAKER film 1 x 4.00 <NA> <NA> Anna", "line 1"),
        (RTTM + "SPEAKER film 1\n", "line 4"),
        ("once upon a time", "line 1"),
        ('[{"speaker": "A"}]', "turn 1"),
        ('[{"start": 0, "end": "Infinity", "speaker": "A"}]', "turn 1"),
        ("{}", "no list"),
        ("[" * 100_000, "not valid JSON"),
        ("{", "not valid JSON"),
    ],
)
def test_files_that_are_not_turns(text, message, tmp_path):
    path = tmp_path / "turns"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        diarization.read(path)
    with pytest.raises(InputError):
        diarization.read(tmp_path / "missing")


def test_a_cue_of_two_people_is_split_between_them():
    track = Track("en", (cue("Who is there? It is me, of course, as ever.", 2.8),))
    made = diarization.assign_speakers(track, TURNS)
    assert [(c.speaker, c.text) for c in made.cues] == [
        ("Anna", "Who is there?"), ("Ben", "It is me, of course, as ever."),
    ]  # fmt: skip
    assert made.words == track.words
    assert made.cues[0].start == 2.8 and made.cues[1].end == track.cues[0].end


def test_turns_that_are_a_little_off_split_no_sentence():
    track = Track("en", (cue("Who is there?", 2.8), cue("It is me.", 4.0)))
    off = [Turn(0.0, 3.7, "Anna"), Turn(3.7, 8.0, "Ben")]
    made = diarization.assign_speakers(track, off)
    assert [(c.speaker, c.text) for c in made.cues] == [
        ("Anna", "Who is there?"), ("Ben", "It is me."),
    ]  # fmt: skip


def test_a_change_without_a_pause_counts_if_it_is_long():
    track = Track("en", (cue("one two three four five six seven eight nine ten", 2.0),))
    made = diarization.assign_speakers(track, TURNS)
    assert [c.speaker for c in made.cues] == ["Anna", "Ben"]


A, B, C = "Anna", "Ben", "Cara"


@pytest.mark.parametrize(
    ("turns", "overlaps"),
    [
        (TURNS, []),
        ([Turn(0, 4, A), Turn(3, 6, B), Turn(5.9, 8, A)], [(3, 4)]),  # 0.1 s is no overlap
        ([Turn(0, 9, A), Turn(2, 3, B), Turn(2.5, 4, C), Turn(6, 7, A)], [(2, 4)]),
        ([Turn(2, 3, B), Turn(0, 9, A), Turn(5, 12, B)], [(2, 3), (5, 9)]),
        ([Turn(0, 4, A), Turn(2, 6, A)], []),
    ],
)
def test_overlaps_are_where_turns_of_two_people_are(turns, overlaps):
    assert diarization.find_overlaps(turns) == overlaps


def test_cues_during_which_two_people_speak_are_marked_and_written():
    turns = [Turn(0, 10, A), Turn(4, 5, B)]
    track = Track("en", (Cue(0, 4, "One."), Cue(3.9, 5, "Two."), Cue(5, 9, "Three.", overlap=True)))
    made = diarization.mark_overlaps(track, turns)
    assert [cue.overlap for cue in made.cues] == [False, True, False]
    assert diarization.mark_overlaps(track, []) == track
    text = subtitles.render(made, "json")
    assert [one.get("overlap") for one in json.loads(text)["segments"]] == [None, True, None]
    assert [cue.overlap for cue in subtitles.parse(text, "json").cues] == [False, True, False]


def test_what_both_say_at_once_belongs_to_whose_turn_it_is():
    track = Track("en", (cue("one two three four five six", 2.0),))
    for turns in ([Turn(0, 9, A), Turn(2.1, 4.3, B)], [Turn(2.0, 4.3, B), Turn(2.0, 9, A)]):
        assert [c.speaker for c in diarization.assign_speakers(track, turns).cues] == [A]


def test_named_speakers_stay_and_text_without_words_is_assigned_whole():
    track = Track("en", (Cue(0, 2, "Hi.", speaker="Zoe"), Cue(3.8, 7, "Well."), Cue(99, 100, "?")))
    made = diarization.assign_speakers(track, TURNS)
    assert [c.speaker for c in made.cues] == ["Zoe", "Ben", None]
    assert diarization.assign_speakers(track, []) == track


@pytest.mark.parametrize("value", ["0", "-1", "two", "²"])
def test_an_invalid_number_is_refused(value):
    with pytest.raises(UsageError, match="--speakers is"):
        Options(subs=True, speakers=value)


@pytest.fixture
def film(tmp_path):
    video = tmp_path / "film.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=8", "-f", "lavfi", "-i",
           "sine=f=300:d=8", *AVC, video)  # fmt: skip
    srt = tmp_path / "film.en.srt"
    lines = (Cue(0.5, 3, "Who is there?"), Cue(4.5, 7, "It is me."))
    srt.write_text(subtitles.render(Track("en", lines), "srt"))
    turns = tmp_path / "film.rttm"
    turns.write_text(RTTM)
    return video, srt, turns


def test_the_dub_gives_each_speaker_of_a_file_a_voice(film, tmp_path):
    video, srt, turns = film
    ran = called(video, "--subs-from", srt, "--dub", *HUM, "--speakers-from", turns,
                 "--voice", "Ben=low", "--voice", "Anna=high")  # fmt: skip
    assert ran.status == 0, ran
    lines = json.loads((tmp_path / "film.en.dub.json").read_text())["lines"]
    assert [(line["speaker"], line["voice"]) for line in lines] == [
        ("Anna", "high"),
        ("Ben", "low"),
    ]


def test_the_report_and_the_cues_say_where_two_people_speak_at_once(film, tmp_path):
    video, srt, turns = film
    turns.write_text(RTTM + "SPEAKER film 1 5.00 1.00 <NA> <NA> Anna <NA> <NA>\n")
    ran = called(video, "--subs-from", srt, "--dub", *HUM, "--speakers-from", turns,
                 "--format", "json", "--speaker-names", "Anna=Mary")  # fmt: skip
    assert ran.status == 0 and "two people speak at once for 1.0 s" in ran.err, ran
    report = json.loads((tmp_path / "film.en.dub.json").read_text())
    assert [(one["speaker"], one["overlap"]) for one in report["lines"]] == [
        ("Mary", False), ("Ben", True),
    ]  # fmt: skip
    assert report["totals"]["overlapping"] == 1
    ran = called(video, "--subs-from", srt, "--dub", *HUM, "--speakers-from", turns,
                 "--speaker-names", "Anna=Mary,Ben=Mary")  # fmt: skip
    assert ran.status == 0 and "at once" not in ran.err, ran  # who was taken for two is one
    report = json.loads((tmp_path / "film.en.dub.json").read_text())
    assert [one["overlap"] for one in report["lines"]] == [False, False]


def test_subtitles_name_who_speaks_when_asked(film, tmp_path):
    video, srt, turns = film
    ran = called(video, "--subs-from", srt, "--format", "vtt", "--no-video",
                 "--speakers-from", turns)  # fmt: skip
    assert ran.status == 0, ran
    assert "<v Anna>Who is there?" in ran.paths[0].read_text()


def test_a_diarizer_that_fails_only_warns_if_it_was_not_requested(film):
    video, srt, _ = film
    broken = ("-o", "voiceprint.threshold=7")
    ran = called(video, "--subs-from", srt, "--dub", *HUM, *broken)
    assert ran.status == 0 and "who speaks when could not be determined" in ran.err, ran
    assert_refused(called(video, "--subs-from", srt, "--dub", *HUM, *broken, "--speakers", "2"),
                   2, "threshold")  # fmt: skip


def test_an_edit_made_before_anyone_asked_who_speaks_is_kept(film, tmp_path):
    video, srt, turns = film
    srt.unlink()
    assert called(video, "--subs", *FAST).status == 0
    path = tmp_path / "film.dubkit/cues.en.json"
    whole = json.loads(path.read_text())
    whole["segments"][0]["text"] = "An edit of mine."
    path.write_text(json.dumps(whole))
    ran = called(video, "--subs", *FAST, "--format", "vtt", "--speakers-from", turns)
    assert ran.status == 0 and "your edit is in" not in ran.err, ran
    assert "<v Anna>An edit of mine." in ran.paths[0].read_text()


@pytest.mark.slow
def test_two_people_of_a_dialogue_are_distinguished_and_have_a_voice_each(tmp_path):
    she = tmp_path / "she.wav"
    line = "I have never heard of such a thing, and I do not believe a word of it."
    Kokoro().speak(line, she, language="en", voice=Voice("af_heart"), seconds=None, seed=0)
    reader, answer = (decoded(path) for path in (AUSTEN, she))
    pause = np.zeros(8000, np.float32)
    parts = [
        reader[: 8 * 16000],
        pause,
        answer,
        pause,
        reader[8 * 16000 : 16 * 16000],
        pause,
        answer,
    ]
    sound = tmp_path / "talk.wav"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        whole = (np.concatenate(parts) * 32767).clip(-32768, 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(whole[None], format="s16", layout="mono")
        frame.sample_rate = 16000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    cues, start = [], 0.0
    for part, text in zip(
        parts[::2], ("Ele lê.", "Não acredito!", "Ele lê mais.", "Não!"), strict=True
    ):
        cues.append(Cue(start + 0.2, start + len(part) / 16000 - 0.2, text))
        start += len(part) / 16000 + 0.5
    srt = tmp_path / "talk.pt.srt"
    srt.write_text(subtitles.render(Track("pt", tuple(cues)), "srt"))
    ran = called(sound, "--subs-from", srt, "--dub")
    assert ran.status == 0, ran
    lines = json.loads((tmp_path / "talk.pt.dub.json").read_text())["lines"]
    assert [line["speaker"] for line in lines] == ["S1", "S2", "S1", "S2"], lines
    voices = {line["speaker"]: line["voice"] for line in lines}
    assert voices["S1"].startswith("pm_alex") and voices["S2"].startswith("pf_dora")


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("who", "found"),
    [("S1", "S1"), ("1", "S1"), ("01", "S1"), ("12", "S12"), ("2", "2"), ("0", "SPEAKER_00"),
     ("3", None), ("s1", None), ("", None), ("²", None), ("Agent", None)],
)  # fmt: skip
def test_a_speaker_is_found_by_name_or_number(who, found):
    known = ["S1", "S2", "2", "S12", "SPEAKER_00", "A3", "B3", "Agent 4 of 5"]
    assert diarization.find_speaker(who, known) == found


@pytest.mark.parametrize(
    "names",
    ["Mary", "S1=", "=Mary", "S1=Mary: she", "S1=<b>", "S1=" + "x" * 41, ["S1=a\x00b"],
     "S1=Mary,S1=Ann"],
)  # fmt: skip
def test_what_is_no_name_is_refused(names):
    with pytest.raises(UsageError, match="--speaker-names"):
        from_keywords({"subs": True, "speaker_names": names})


def test_labels_in_the_text_get_the_names_too():
    def renamed(text, **names):
        cues = (Cue(0, 1, text, speaker="MARY"), Cue(1, 2, "Hm.", speaker="BO"), Cue(2, 3, "MARY!"))
        return [(c.text, c.speaker) for c in rename_speakers(Track("en", cues), names).cues]

    rest = [("Hm.", "BO"), ("MARY!", None)]
    assert renamed("MARY: So, MARY: am I.", MARY="Ann Lee") == [
        ("Ann Lee: So, MARY: am I.", "Ann Lee"), *rest,
    ]  # fmt: skip
    swapped = renamed("- MARY: Hi.\n- [BO]: Ho.", MARY="BO", BO="MARY")
    assert swapped[:2] == [("- BO: Hi.\n- [MARY]: Ho.", "BO"), ("Hm.", "MARY")]
    marks = renamed("<v.MARY>Hi.</v> <v.BO>Ho.</v>", MARY="Ann Lee")
    assert marks[0] == ("<v.Ann␣Lee>Hi.</v> <v.BO>Ho.</v>", "Ann Lee")
    assert renamed("MARY: Hi.", MARY="MARY", ZOE="Ann")[0] == ("MARY: Hi.", "MARY")


def test_the_names_are_in_the_subtitles_and_the_report_and_have_voices(film, tmp_path):
    video, srt, turns = film
    ran = called(video, "--subs-from", srt, "--dub", *HUM, "--speakers-from", turns,
                 "--speaker-names", "Anna=Mary Lee,Ben=John,3=Zoe", "--speaker-labels",
                 "--voice", "John=low", "--voice", "Anna=high")  # fmt: skip
    assert ran.status == 0, ran
    assert "there is no speaker 3; there is Anna, Ben" in ran.err
    lines = json.loads((tmp_path / "film.en.dub.json").read_text())["lines"]
    assert [(one["speaker"], one["voice"]) for one in lines] == [
        ("Mary Lee", "high"), ("John", "low"),
    ]  # fmt: skip
    ran = called(video, "--subs-from", srt, "--format", "vtt,txt", "--no-video", "--speaker-labels",
                 "--speakers-from", turns, "--speaker-names", "Anna=Mary,Ben=Mary")  # fmt: skip
    assert ran.status == 0 and "there is no speaker" not in ran.err, ran
    assert "Mary: Who is there?" in ran.paths[0].read_text()


HALVES = """
from dataclasses import dataclass
from pathlib import Path
from dubkit import Diarizer, Turn

@dataclass(frozen=True)
class Halves(Diarizer):
    contract = 2

    def diarize(self, audio, *, speakers, progress):
        with Path(__file__).with_name("log").open("a") as log:
            log.write("diarized\\n")
        return [Turn(0, 2.4, "S1"), Turn(2.4, 8, "S2")]
"""


def test_other_names_need_no_other_turns_and_leave_edits_alone(film, tmp_path):
    video, srt, _ = film
    srt.unlink()
    plugin = tmp_path / "halves.py"
    plugin.write_text(HALVES)
    cues = tmp_path / "film.dubkit/cues.en.json"

    def shown(names=""):
        named = ("--speaker-names", names) if names else ()
        ran = called(video, "--subs", "--no-video", "--format", "vtt", *FAST,
                     "--diarizer", f"{plugin}:Halves", *named)  # fmt: skip
        assert ran.status == 0 and "your edit is in" not in ran.err, ran
        assert (tmp_path / "log").read_text() == "diarized\n"
        text = ran.paths[0].read_text("utf-8")
        return [line for line in text.splitlines() if line.startswith("<v")], ran

    assert shown()[0] == ["<v S1>The quick brown fox", "<v S2>jumps, and the lazy dog sleeps."]
    assert shown("1=Mary,S2=John")[0][0] == "<v Mary>The quick brown fox"
    whole = json.loads(cues.read_text("utf-8"))
    assert whole["segments"][0]["speaker"] == "Mary"
    whole["segments"][0]["text"] = "An edit."
    cues.write_text(json.dumps(whole), "utf-8")
    assert shown("S1=Ann,S2=John")[0] == [
        "<v Ann>An edit.",
        "<v John>jumps, and the lazy dog sleeps.",
    ]
    # Edited in the result, and by the diarizer's name in the cue file.
    result = tmp_path / "film.en.vtt"
    result.write_text(result.read_text("utf-8").replace("An edit.", "Another."), "utf-8")
    assert shown("S1=Eve,S2=John")[0][0] == "<v Eve>Another."
    whole = json.loads(cues.read_text("utf-8"))
    whole["segments"][0]["speaker"] = "S2"
    cues.write_text(json.dumps(whole), "utf-8")
    assert shown("S1=Eve,S2=John")[0][0] == "<v John>Another."
    found, ran = shown("S1=S2,S2=S1,Bob=Rob")
    assert found[1] == "<v S1>jumps, and the lazy dog sleeps."
    assert "there is no speaker Bob; there is S1, S2" in ran.err
    assert_refused(called(video, "--subs", "--speaker-names", "Mary"), 2, "WHO=NAME")


def test_an_edited_translation_is_by_who_speaks_now():
    def spoken_by(*names, text="uno"):
        return Track("es", tuple(Cue(k, k + 1, text, speaker=one) for k, one in enumerate(names)))

    before, now = spoken_by("S1", "S2"), spoken_by("Ann", "John")
    edited = spoken_by("S1", "Eve", text="mío")
    merged = merge_edits(Baseline(before, before), edited, Baseline(now, now)).track
    assert [(c.text, c.speaker) for c in merged.cues] == [("mío", "Ann"), ("mío", "Eve")]
