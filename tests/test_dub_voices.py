"""``--clone``, ``--convert``, ``--separate``, ``--one-file``, and lines reworded to fit."""

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import replace

import av
import numpy as np
import pytest
from command import AUSTEN, FAST, TESTS, assert_refused, called
from data.synthesizers import hummed, write
from data.voices import Octave, pitch
from dub_samples import GOOD, HUM, LINES, LOW, UNCHECKED, dub, report_of
from media_samples import AVC, ffmpeg, frames, packets

from dubkit import Cue, Track, subtitles
from dubkit.dub import clip
from dubkit.dub.convert import GIVE_UP, Conversion, convert_clips
from dubkit.dub.lines import Line
from dubkit.files import Made
from dubkit.media.probe import probe
from dubkit.pipeline import references
from dubkit.types import Voice

VOICES = f"{TESTS}/data/voices.py"
MIMIC = ("--tts", f"{VOICES}:Mimic", "--clone", *UNCHECKED)
OCTAVE = (*LOW, "--convert", f"{VOICES}:Octave")
YES = ("--i-have-consent",)


@pytest.fixture
def log(tmp_path, monkeypatch):
    path = tmp_path / "voices.log"
    monkeypatch.setenv("VOICES_LOG", str(path))

    def read(what):
        lines = path.read_text().splitlines() if path.exists() else []
        return [one[1:] for one in map(json.loads, lines) if one[0] == what]

    return read


@pytest.fixture
def talk(tmp_path):
    """Eight seconds in which Fast hears a sentence, over a tone of 300 Hz."""
    video = tmp_path / "talk.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=8", "-f", "lavfi", "-i",
           "sine=f=300:d=8", *AVC, video)  # fmt: skip
    return video


def heard(path):
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("s16", "mono", 48_000)
        found = [
            part.to_ndarray().ravel()
            for frame in [*container.decode(audio=0), None]
            for part in resampler.resample(frame)
        ]
    return np.concatenate(found) / 32768


def strength(path, start, end, low, high):
    """Of what lies between two pitches, dB."""
    sound = heard(path)[int(start * 48_000) : int(end * 48_000)]
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) / len(sound)
    band = spectrum[int(low * len(sound) / 48_000) : int(high * len(sound) / 48_000)]
    return 20 * np.log10(np.sqrt(np.sum(band**2)) + 1e-9)


# ---------------------------------------------------------------- cloning


def test_a_clone_speaks_from_the_speakers_own_clips_and_the_file_says_so(talk, log, tmp_path):
    ran = called(talk, *FAST, "--to", "es", "--dub", *GOOD, *MIMIC, *YES)
    assert ran.status == 0, ran
    spoken = log("spoken")
    assert {(text, language) for _, text, language, _ in spoken} == {
        ("The quick brown fox jumps, and the lazy dog sleeps.", "en")
    }
    assert all(abs(tone - 300) < 3 for *_, tone in spoken)
    report = json.loads((tmp_path / "talk.es.dub.json").read_text())
    assert report["imitates"] and report["consent"] and report["generated_speech"] is True
    assert {line["voice"] for line in report["lines"]} == {"the speaker's own"}
    with av.open(str(tmp_path / "talk.es.dubbed.mp4")) as container:
        assert "imitates" in container.metadata["comment"]
    clip = probe(next((tmp_path / "talk.dubkit/references").glob("*.wav")))
    assert 3 <= clip.duration <= 10


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ("One two|three. Four|five.", "One two three. Four five."),
        # Ten seconds from the first word would end within a sentence.
        ("One two|three.|Four five|six|seven|eight.", "Four five six seven eight."),
        ("One|two|three.|Four|five|six.|Seven|eight|nine|ten|eleven|twelve", "One two three."),
        ("One|two|three|four|five|six|seven", "One two three four five"),
    ],
)  # fmt: skip
def test_clips_are_whole_sentences_if_they_can_be(texts, expected):
    cues = tuple(
        Cue(2.0 * n, 2.0 * n + 1.9, text, speaker="A") for n, text in enumerate(texts.split("|"))
    )
    rng = np.random.default_rng(1)
    audio = rng.normal(0, 0.1, 16_000 * 2 * len(cues)).astype(np.float32)
    found = references._best_passages(audio, Track("en", cues), "A")
    assert found[0].text == expected
    assert all(one.seconds <= 10 for one in found)


def test_clips_are_never_of_two_people_at_once():
    audio = np.random.default_rng(1).normal(0, 0.1, 16_000 * 12).astype(np.float32)
    cues = tuple(
        Cue(2.0 * n, 2.0 * n + 1.9, text, speaker="A", overlap=n in (2, 5))
        for n, text in enumerate("One|two.|Three|four|five.|Six.".split("|"))
    )
    found = references._best_passages(audio, Track("en", cues), "A")
    assert {one.text for one in found} == {"One two.", "four five."}
    assert references.spans_by_speaker(Track("en", cues))["A"][2] == (6.0, 7.9)
    both = Track("en", tuple(replace(cue, overlap=True) for cue in cues))
    assert references._best_passages(audio, both, "A") == []
    assert len(references.spans_by_speaker(both)["A"]) == 6
    assert references.overlap_key(both) and not references.overlap_key(Track("en", cues[:2]))


def test_a_files_words_are_not_taken_for_what_the_clip_says(film, log):
    ran = dub(film, *MIMIC, *YES, *FAST)
    assert ran.status == 0, ran
    assert all(said.startswith("The quick brown fox") for _, said, *_ in log("spoken"))


def test_the_users_word_is_asked_for_once(talk, tmp_path):
    job = (talk, *FAST, "--to", "es", "--dub", *GOOD, *MIMIC)
    assert_refused(called(*job), 2, "permission", "--i-have-consent")
    assert not (tmp_path / "talk.dubkit/transcript.json").exists()  # before any work
    assert called(*job, *YES).status == 0
    assert called(*job).status == 0
    assert called(*job, "--voice", "x").status == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a terminal of Unix")
@pytest.mark.parametrize(("answer", "status"), [(b"y\n", 0), (b"\n", 2)])
def test_a_person_at_a_terminal_is_asked(talk, answer, status, tmp_path):
    import pty

    terminal, end = pty.openpty()
    job = (talk, *FAST, "--to", "es", "--dub", *GOOD, *MIMIC)
    child = subprocess.Popen(
        [sys.executable, "-m", "dubkit", *map(str, job)], stdin=end, stdout=subprocess.PIPE,
        stderr=end, env=os.environ | {"PYTHONPATH": str(TESTS), "COLUMNS": "200"},
    )  # fmt: skip
    os.write(terminal, answer)
    os.close(end)
    told = b""
    with contextlib.suppress(OSError):  # the end, as Linux tells it
        while piece := os.read(terminal, 65536):
            told += piece
    os.close(terminal)
    child.communicate(timeout=60)
    assert child.returncode == status, told
    assert b"Do you have it?" in told


def test_what_could_speak_a_language_is_named_and_nothing_else(tmp_path):
    text = tmp_path / "lines.srt"
    text.write_text("1\n00:00:01,000 --> 00:00:02,000\nx\n")
    dub = (AUSTEN, "--subs-from", text, "--dub", "-o", tmp_path, "--language")
    hints = {tag: called(*dub, tag).err for tag in ("de", "hi", "xh")}
    assert "kokoro" not in hints["de"] and "--clone --tts chatterbox after" in hints["de"]
    assert 'pip install "dubkit[kokoro-espeak]"' in hints["hi"]
    assert "OPENAI_API_KEY" in hints["de"] and "OPENAI_API_KEY" not in hints["xh"]
    assert all("preset" not in hint for hint in hints.values()), hints


def test_a_speaker_that_imitates_nobody_is_told(talk):
    ran = called(talk, *FAST, "--to", "es", "--dub", *GOOD, *HUM, "--clone", *YES)
    assert_refused(ran, 2, "cannot clone a voice")
    ran = called(talk, *FAST, "--to", "es", "--dub", *GOOD, *MIMIC[:2], *YES)
    assert_refused(ran, 2, "--clone")
    ran = called(talk, *FAST, "--to", "es", "--dub", *GOOD, "--clone", *YES)
    assert_refused(ran, 4, "no synthesizer that clones", "dubkit setup")


# ---------------------------------------------------------------- conversion


def test_every_line_goes_through_the_converter_once(film, log):
    ran = dub(film, *OCTAVE, *YES, *FAST)
    assert ran.status == 0, ran
    assert len(log("converted")) == len(LINES)
    clips = list((film[0].parent / "film.dubkit/dub.es").glob("*.ready.wav"))
    assert len(clips) == len(LINES) and all(abs(pitch(path) - 300) < 10 for path in clips)
    assert report_of(film)["converter"] == "Octave"
    assert dub(film, *OCTAVE, *YES, *FAST).status == 0
    assert len(log("converted")) == len(LINES)


def test_the_converters_voice_can_be_named(film, log):
    assert dub(film, *OCTAVE, *YES, "--convert-to", "alto").status == 0
    assert {tuple(one) for one in log("converted")} == {("alto", 0)}
    assert report_of(film)["imitates"] == "alto"
    assert_refused(dub(film, *OCTAVE, *YES, "--convert-to", "Ann=alto"), 2, "no speaker 'Ann'")


def test_a_converter_that_takes_many_is_asked_for_many(film, log):
    many = (*LOW, "--convert", f"{VOICES}:Octaves", *YES, "--convert-to", "alto")
    assert dub(film, *many).status == 0
    assert log("together") == [[2], [2], [2]]  # the seventh alone
    assert len(log("converted")) == len(LINES)
    alone = (*LOW, "--convert", f"{VOICES}:Loner", *YES, "--convert-to", "alto")
    assert dub(film, *alone).status == 0
    assert log("together")[3:] == [[4], [3]] and len(log("converted")) == 2 * len(LINES)


def test_a_converters_server_is_asked_where_a_clip_is_not_converted_yet(tmp_path):
    write(tmp_path / "1.wav", hummed(LINES[0], 150.0))
    line = Line(1, (1,), 0.0, 3.0, LINES[0], "", None, Voice("low"))
    spoken = [(line, clip.measure(tmp_path / "1.wav"))]
    asked = []
    job = Conversion(Octave(), "octave", {}, {None: Voice("alto")}, lambda: asked.append(1))
    for _ in range(2):
        found = convert_clips(job, Made(tmp_path), spoken, lambda line: None)
        assert not found[1].fault and asked == [1]


@pytest.mark.parametrize(
    ("how", "lost", "calls", "status"), [("crash", 1, 1, 9), ("short", len(LINES), GIVE_UP, 8)]
)
def test_a_converter_that_fails_leaves_lines_as_they_were(how, lost, calls, status, film, log):
    broken = (*OCTAVE, "-o", f"Octave.how={how}", *YES, "--convert-to", "alto")
    ran = dub(film, *broken)
    assert ran.status == status and f"{lost} of {len(LINES)} lines" in ran.err, ran
    report = report_of(film)
    assert sum(line["converted"] is False for line in report["lines"]) == lost
    assert all(line["spoken"] for line in report["lines"]) and report["generated_speech"] is True
    assert ("imitates" in report) == (lost < len(LINES)) == ("converter" in report)
    before = len(log("converted"))
    assert before == len(LINES) - lost + calls  # it is given up
    dub(film, *broken)
    assert len(log("converted")) == before + calls  # tried again, and only these


def test_a_dub_of_a_part_keeps_the_clips_of_the_whole(film):
    def clips():
        return {path.name for path in film[0].parent.glob("*.dubkit/dub.*/*.wav")}

    assert dub(film, *LOW).status == 0
    whole = clips()
    assert dub(film, *LOW, "--range", "-2").status == 0
    assert len(whole) >= len(LINES) and whole <= clips()


# ---------------------------------------------------------------- the background


def test_a_separated_background_is_kept_and_not_lowered(film, log):
    source = film[0]
    separated = (*LOW, "--separate", f"{VOICES}:Whistle")
    ran = dub(film, *separated)
    assert ran.status == 0, ran
    out = source.parent / "film.es.dubbed.mp4"
    # As loud under the speech as where nobody speaks; with --separate left out it is 12 dB lower.
    under, beside = strength(out, 0.8, 1.4, 950, 1050), strength(out, 23.2, 23.8, 950, 1050)
    assert under == pytest.approx(beside, abs=1.0)
    assert len(log("separated")) == 1
    background = source.parent / "film.dubkit/background.flac"
    assert background.exists()
    cues = source.parent / "film.dubkit/cues.es.json"
    cues.write_text(cues.read_text().replace("?", "!"))
    assert dub(film, *separated).status == 0 and len(log("separated")) == 1  # kept for edits
    content = background.read_bytes()
    assert dub(film, *separated, "--range", "1-2").status == 0 and len(log("separated")) == 1
    background.write_bytes(content[:-1000])
    assert dub(film, *separated, "--range", "1-2").status == 0 and len(log("separated")) == 2
    assert probe(background).duration == pytest.approx(probe(source).duration, abs=0.1)


@pytest.mark.parametrize("how", ["crash", "short"])
def test_a_separator_that_fails_is_told_and_the_original_lowered(how, film):
    ran = dub(film, *LOW, "--separate", f"{VOICES}:Whistle", "-o", f"Whistle.how={how}")
    assert ran.status == 0 and "could not be removed from the sound" in ran.err, ran
    out = film[0].parent / "film.es.dubbed.mp4"
    low = strength(out, 0.8, 2.6, 950, 1050) - strength(film[0], 0.8, 2.6, 950, 1050)
    assert -17 < low < -9


# ---------------------------------------------------------------- several languages


def test_one_file_has_all_languages(film):
    video, srt = film
    job = (video, "--subs-from", srt, "--to", "es,fr", "--dub", *GOOD, *LOW)
    ran = called(*job, "--one-file")
    assert ran.status == 0, ran
    names = [path.name for path in ran.paths]
    assert names == ["film.es.srt", "film.fr.srt", "film.dubbed.mp4", "film.es.dub.json",
                     "film.fr.dub.json"]  # fmt: skip
    out = probe(ran.paths[2])
    assert [(s.language, s.default) for s in out.audio] == [
        ("es", True), ("fr", False), (None, False)
    ]  # fmt: skip
    assert [s.language for s in out.subtitles] == ["es", "fr", "en"]
    source, made = packets(video), packets(ran.paths[2])
    assert [digest for _, digest in made[0]] == [digest for _, digest in source[0]]
    ran = called(*job)
    assert [path.name for path in ran.paths if path.suffix == ".mp4"] == [
        "film.es.dubbed.mp4", "film.fr.dubbed.mp4"
    ]  # fmt: skip


def test_one_file_of_sound_alone(film, tmp_path):
    sound = tmp_path / "in/alone.wav"
    ffmpeg("-i", film[0], "-vn", "-c:a", "pcm_s16le", sound)
    ran = called(sound, "--subs-from", film[1], "--to", "es,fr", "--dub", *GOOD, *LOW, "--one-file")
    assert ran.status == 0, ran
    out = next(path for path in ran.paths if path.suffix == ".m4a")
    assert [stream.language for stream in probe(out).audio] == ["es", "fr"]


# ---------------------------------------------------------------- length


def wordy(deaf):
    return ("--translator", f"{TESTS}/data/translators.py:Wordy", "-o", f"Wordy.deaf={deaf}")


def test_what_is_too_long_is_said_in_other_words(film):
    video, srt = film
    job = (video, "--subs-from", srt, "--to", "es", "--dub", *LOW, "-o", "Hum.pace=18")
    ran = called(*job, *wordy("no"))
    assert ran.status == 0, ran
    report = report_of(film)
    reworded = [line for line in report["lines"] if line["before"]]
    assert reworded and report["totals"]["reworded"] == len(reworded)
    for line in reworded:
        assert len(line["text"]) < len(line["before"][0]) and "drifts" not in line["steps"]
        assert "reworded" in line["steps"]
    assert report["spent"]["rewording"]["requests"] >= 1
    before = (video.parent / "film.es.dubbed.mp4").read_bytes()
    ran = called(*job, *wordy("no"))
    assert ran.status == 0 and "nothing was done" in ran.err, ran
    assert (video.parent / "film.es.dubbed.mp4").read_bytes() == before


def test_where_there_are_no_other_words_it_drifts_and_is_told(film):
    video, srt = film
    job = (video, "--subs-from", srt, "--to", "es", "--dub", *LOW, "-o", "Hum.pace=18")
    ran = called(*job, *wordy("yes"))
    assert ran.status == 0, ran
    assert not any(line["before"] for line in report_of(film)["lines"])
    assert any("drifts" in line["steps"] for line in report_of(film)["lines"])


# ---------------------------------------------------------------- mouths

PAINTER = """
from dataclasses import dataclass

from lipsync_engines import Painter as Paints

from dubkit import LipSyncer


@dataclass(frozen=True)
class Painter(LipSyncer):
    contract = 2
    how: str = ""

    def lipsync(self, video, audio, out, *, progress):
        if self.how == "crash":
            raise RuntimeError("no mouth today")
        Paints(None).lipsync(video, audio, out, progress=progress)
"""


@pytest.fixture
def portrait(tmp_path):
    """Four seconds of a face, and a line to say."""
    folder = tmp_path / "face"
    folder.mkdir()
    ffmpeg("-i", AUSTEN, "-t", 4, "-vf", "scale=256:256", *AVC, folder / "face.mp4")
    lines = (Cue(0.6, 2.6, "Good morning, everybody."),)
    (folder / "face.en.srt").write_text(subtitles.render(Track("en", lines), "srt"))
    (folder / "painter.py").write_text(PAINTER)
    return folder / "face.mp4", folder / "face.en.srt"


def test_the_mouth_is_redrawn_in_the_dubbed_video(portrait):
    video, srt = portrait
    job = (video, "--subs-from", srt, "--dub", *LOW)
    painter = f"{video.parent / 'painter.py'}:Painter"
    ran = called(*job, "--lipsync", painter)
    assert ran.status == 0, ran
    out = video.parent / "face.en.dubbed.mp4"
    before, after = frames(video), frames(out)
    assert [time for time, _ in after] == pytest.approx([time for time, _ in before], abs=0.001)
    apart = [
        np.abs(was.astype(float) - now) for (_, was), (_, now) in zip(before, after, strict=True)
    ]
    middle = apart[len(apart) // 3]
    assert middle[:55].mean() < 2 and middle[75:88, 102:122].mean() > 15
    assert apart[-1].mean() < 2  # nobody speaks there
    made = probe(out)
    assert made.duration == pytest.approx(probe(video).duration, abs=0.05)
    assert len(made.audio) == 2 and len(made.video) == 1
    report = json.loads((video.parent / "face.en.dub.json").read_text())
    assert [one["state"] for one in report["lipsync"]] == ["redrawn"]
    ran = called(*job, "--lipsync", painter)
    assert "nothing was done" in ran.err, ran


def test_a_lip_syncer_that_fails_leaves_the_picture_and_is_asked_again(portrait):
    video, srt = portrait
    job = (video, "--subs-from", srt, "--dub", *LOW)
    painter = f"{video.parent / 'painter.py'}:Painter"
    ran = called(*job, "--lipsync", painter, "-o", "Painter.how=crash")
    assert ran.status == 8 and "no mouth today" in ran.err, ran
    out = video.parent / "face.en.dubbed.mp4"
    assert [digest for _, digest in packets(out)[0]] == [d for _, d in packets(video)[0]]
    report = json.loads((video.parent / "face.en.dub.json").read_text())
    assert [one["state"] for one in report["lipsync"]] == ["failed"]
    ran = called(*job, "--lipsync", painter, "-o", "Painter.how=crash")
    assert "nothing was done" not in ran.err, ran
    ran = called(video, "--subs-from", srt, "--to", "es,fr", "--dub", *GOOD, *HUM, "--one-file",
                 "--lipsync", painter)  # fmt: skip
    assert_refused(ran, 2, "one picture can speak one language")
