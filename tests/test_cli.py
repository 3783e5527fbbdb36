"""The command as people use it: what it writes, where, what it prints, and what it leaves alone."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import av
import pytest
from command import AUSTEN, FAST, SLOW, called, contents, dubkit, start
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_samples import AVC, VP8, beeps, ffmpeg, packets, sample

from dubkit import __version__, subtitles
from dubkit.media.probe import probe

TEXT = """
And Mister John Dashwood had then leisure to consider how much there might be prudently in his power
to do for them. He was not an ill disposed young man, unless to be rather cold hearted and rather
selfish is to be ill disposed. Had he married a more a amiable woman, he might have been made still
more respectable than he was: he might even have been made amiable himself.
"""
"""What is spoken in the example (LibriVox, Sense and Sensibility), slips of the tongue included."""


def word_error_rate(text: str) -> float:
    import jiwer
    from whisper_normalizer.english import EnglishTextNormalizer

    normal = EnglishTextNormalizer()
    return jiwer.wer(normal(TEXT), normal(text))


# ---------------------------------------------------------------- the main job


@pytest.mark.slow
def test_the_first_command_of_the_readme(tmp_path):
    video = tmp_path / "austen.mp4"
    video.write_bytes(AUSTEN.read_bytes())
    ran = dubkit(video, "--subs")
    assert ran.status == 0, ran
    srt, subbed = tmp_path / "austen.en.srt", tmp_path / "austen.subbed.mp4"
    assert ran.paths == [srt, subbed]
    assert video.read_bytes() == AUSTEN.read_bytes()

    track = subtitles.read(srt, "en")
    assert word_error_rate(track.text) <= 0.08
    assert track.cues[0].start == pytest.approx(0.7, abs=0.4)
    assert 26 < track.cues[-1].end < 31
    assert dubkit("check", srt).status == 0

    media = probe(subbed)
    (stream,) = media.subtitles
    assert (stream.codec, stream.language, stream.default) == ("mov_text", "en", True)
    assert stream.title == "English"
    with av.open(str(subbed)) as container:
        assert container.streams.subtitles[0].metadata["language"] == "eng"
    before, after = packets(AUSTEN), packets(subbed)
    for index in before:
        assert [digest for _, digest in after[index]] == [digest for _, digest in before[index]]
    extracted = tmp_path / "extracted.srt"
    ffmpeg("-i", subbed, "-map", "0:s:0", extracted)
    assert subtitles.read(extracted).text == track.text


# ---------------------------------------------------------------- results


def test_results_are_beside_the_input(talk):
    before = talk.read_bytes()
    ran = called(talk, "--subs", *FAST)
    assert ran.status == 0
    assert ran.out == f"{talk.parent}/talk.en.srt\n{talk.parent}/talk.subbed.mp4\n"
    assert "quick brown fox" in ran.paths[0].read_text().replace("\n", " ")
    assert {path.name for path in talk.parent.iterdir()} == {
        *("talk.mp4", "talk.en.srt", "talk.subbed.mp4", "talk.dubkit"),
    }
    assert talk.read_bytes() == before


def test_paths_on_stdout_are_as_they_were_given(talk, monkeypatch):
    monkeypatch.chdir(talk.parent)
    assert called("talk.mp4", "--subs", *FAST).out == "talk.en.srt\ntalk.subbed.mp4\n"
    assert called("talk.mp4", "--subs", *FAST, "-o", "out").out.startswith("out/talk.en.srt\n")


def test_a_folder_for_the_results(talk, tmp_path):
    out = tmp_path / "new" / "deep"
    ran = called(talk, "--subs", *FAST, "-o", out)
    assert ran.status == 0 and ran.paths == [out / "talk.en.srt", out / "talk.subbed.mp4"]
    assert [path.name for path in talk.parent.iterdir()] == ["talk.mp4"]


def test_every_format(talk):
    ran = called(talk, "--subs", "--format", "SRT, vtt,ass,ttml,json,txt", *FAST)
    assert ran.status == 0
    names = [path.name for path in ran.paths]
    assert names == [
        *(f"talk.en.{format}" for format in ("srt", "vtt", "ass", "ttml", "json", "txt")),
        "talk.subbed.mp4",
    ]
    texts = {subtitles.read(path, "en").text for path in ran.paths[:5]}
    assert texts == {"The quick brown fox jumps,\nand the lazy dog sleeps."} or len(texts) == 1
    assert "lazy dog sleeps." in ran.paths[5].read_text()


def test_the_json_is_in_whispers_schema(talk):
    ran = called(talk, "--subs", "--no-video", "--format", "json", *FAST)
    whole = json.loads(ran.paths[0].read_text())
    assert whole["language"] == "en" and "quick brown fox" in whole["text"].replace("\n", " ")
    for number, segment in enumerate(whole["segments"]):
        assert segment["id"] == number and segment["start"] < segment["end"] and segment["text"]
        for word in segment["words"]:
            assert set(word) == {"word", "start", "end", "probability"}
    words = [word["word"] for segment in whole["segments"] for word in segment["words"]]
    assert "".join(words) == " The quick brown fox jumps, and the lazy dog sleeps."


def test_no_video(talk):
    ran = called(talk, "--subs", "--no-video", *FAST)
    assert ran.status == 0 and [path.name for path in ran.paths] == ["talk.en.srt"]
    assert not list(talk.parent.glob("*.subbed.*"))


@pytest.mark.parametrize("name", ["talk.mp3", "talk.wav", "talk.flac", "talk.opus", "talk.m4a"])
def test_sound_alone_gives_only_subtitles(name, tmp_path):
    ffmpeg(*beeps(1), tmp_path / name)
    ran = called(tmp_path / name, "--subs", *FAST)
    assert ran.status == 0 and [path.name for path in ran.paths] == ["talk.en.srt"]
    refused = called(tmp_path / name, "--burn", *FAST)
    assert refused.status == 3 and "no picture" in refused.err


@pytest.mark.parametrize(
    ("name", "codecs", "result", "codec"),
    [
        ("x.mov", AVC, "x.subbed.mov", "mov_text"),
        ("x.mkv", AVC, "x.subbed.mkv", "subrip"),
        ("x.webm", VP8, "x.subbed.webm", "webvtt"),
        ("x.avi", ["-c:v", "mpeg4", "-c:a", "libmp3lame"], "x.subbed.mkv", "subrip"),
        ("x.ts", AVC, "x.subbed.mkv", "subrip"),
    ],
)
def test_every_container_gets_its_kind_of_subtitles(name, codecs, result, codec, tmp_path):
    sample(tmp_path / name, *codecs)
    ran = called(tmp_path / name, "--subs", "--language", "pt-BR", *FAST)
    assert ran.status == 0, ran
    assert [path.name for path in ran.paths] == ["x.pt-BR.srt", result]
    (stream,) = probe(ran.paths[1]).subtitles
    assert (stream.codec, stream.language, stream.default) == (codec, "pt", True)
    assert stream.title == "Portuguese [pt-BR]"
    assert ("hold no text subtitles" in ran.err) == (result[-3:] == "mkv" and name != "x.mkv")


def test_mkv_takes_ass_when_asked(tmp_path):
    sample(tmp_path / "x.mkv", *AVC)
    ran = called(tmp_path / "x.mkv", "--subs", "--format", "ass", "--style", "color=red", *FAST)
    assert probe(ran.paths[1]).subtitles[0].codec == "ass"
    assert "&H000000FF" in ran.paths[0].read_text()


def test_burned_subtitles_are_in_the_picture(talk):
    ran = called(talk, "--subs", "--burn", "--style", "size=72,position=top", *FAST)
    assert ran.status == 0, ran
    video = ran.paths[1]
    assert probe(video).subtitles == ()
    with av.open(str(video)) as container:
        picture = next(f for f in container.decode(video=0) if f.time > 1).to_ndarray(format="gray")
    half = picture.shape[0] // 2
    assert picture[:half].max() > 150 and picture[half:].max() < 60


def test_a_burned_video_takes_the_place_of_a_muxed_one_and_back(talk):
    assert called(talk, "--subs", *FAST).status == 0
    muxed = contents(talk.parent)["talk.subbed.mp4"]
    assert called(talk, "--burn", *FAST).status == 0
    assert contents(talk.parent)["talk.subbed.mp4"] != muxed
    assert called(talk, "--subs", *FAST).status == 0
    assert contents(talk.parent)["talk.subbed.mp4"] == muxed


def test_an_audio_track_by_number_and_language(talk, tmp_path):
    two = talk.with_name("two.mkv")
    ffmpeg("-i", talk, *beeps(1), "-map", "0", "-map", "1", "-c:v", "copy",
           "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=spa", two)  # fmt: skip
    kept = {}
    for choice in ("1", "2", "es", "spa"):
        out = tmp_path / choice
        ran = called(two, "--subs", "--keep", "--audio-track", choice, "-o", out, *FAST)
        assert ran.status == 0, ran
        kept[choice] = (out / "two.dubkit/audio.wav").read_bytes()
    assert kept["1"] != kept["2"] == kept["es"] == kept["spa"]


# ---------------------------------------------------------------- files that dubkit did not make


@pytest.mark.parametrize("name", ["talk.en.srt", "talk.subbed.mp4"])
def test_a_file_that_is_not_ours_stays(name, talk):
    path = talk.parent / name
    path.write_text("mine")
    ran = called(talk, "--subs", *FAST)
    assert ran.status == 7
    assert f"{path} exists and was not made by dubkit\n  --force" in ran.err
    assert path.read_text() == "mine"
    # For the video, that is reported before the long work and not after it.
    transcribed = (talk.parent / "talk.dubkit/transcript.json").exists()
    assert transcribed == (name == "talk.en.srt")
    assert called(talk, "--subs", "--force", *FAST).status == 0
    assert path.read_bytes() != b"mine"
    assert called(talk, "--subs", *FAST).status == 0


def test_a_result_that_was_edited_stays(talk):
    """A video, that is: an edited subtitle file is used."""
    assert called(talk, "--subs", *FAST).status == 0
    path = talk.parent / "talk.subbed.mp4"
    path.write_bytes(path.read_bytes() + b"\nmine\n")
    mine = path.read_bytes()
    for change in ([], ["--profile", "short"], ["--language", "en"]):
        ran = called(talk, "--subs", *FAST, *change)
        assert ran.status == 7 and "was edited since" in ran.err, ran
        assert path.read_bytes() == mine
    assert called(talk, "--subs", "--force", *FAST).status == 0
    assert not path.read_bytes().endswith(b"mine\n")


def test_a_touched_or_deleted_result_is_no_edit(talk):
    assert called(talk, "--subs", *FAST).status == 0
    (talk.parent / "talk.en.srt").touch()
    (talk.parent / "talk.subbed.mp4").unlink()
    ran = called(talk, "--subs", *FAST)
    assert ran.status == 0 and all(path.exists() for path in ran.paths)


def test_the_input_is_never_a_result(talk, tmp_path):
    """A film may have the name that its own result would get."""
    film = talk.rename(talk.with_name("a.subbed.mp4"))
    data = film.read_bytes()
    assert called(film, "--subs", "--force", *FAST).status == 0
    twin = film.with_name("a.mp4")
    twin.write_bytes(data)
    ran = called(twin, "--subs", *FAST)
    assert ran.status == 7 and film.read_bytes() == data
    link = film.with_name("b.mp4")
    link.symlink_to(film)
    (film.parent / "b.subbed.mp4").symlink_to(film)
    assert called(link, "--subs", "--force", *FAST).status in (0, 7)
    assert film.read_bytes() == data


def test_an_input_by_another_path_is_the_same(talk, tmp_path):
    assert called(talk, "--subs", "--no-video", *FAST).status == 0
    link = tmp_path / "link"
    link.symlink_to(talk.parent, target_is_directory=True)
    for path in (talk.parent / ".." / talk.parent.name / talk.name, link / talk.name):
        ran = called(path, "--subs", "--no-video", *FAST)
        assert ran.status == 0 and "everything is there already" in ran.err, ran


def test_inputs_of_the_same_name(talk, tmp_path):
    other = talk.with_name("talk.mkv")
    ffmpeg("-i", talk, "-c", "copy", "-t", 3, other)
    ran = called(talk, other, "--subs", *FAST)
    assert ran.status == 1
    assert f"was made from {talk}, another input of the same name" in ran.err
    assert [path.name for path in ran.paths] == ["talk.en.srt", "talk.subbed.mp4"]
    assert called(other, "--subs", *FAST, "-o", tmp_path / "out").status == 0
    # A film that was moved or deleted does not count as another input.
    talk.unlink()
    assert called(other, "--subs", *FAST).status == 0


# ---------------------------------------------------------------- many inputs


def test_folders_patterns_and_many(talk, tmp_path, monkeypatch):
    folder = talk.parent
    (folder / "deep").mkdir()
    for name in ("b.mp4", "deep/c.MP4", "d[1].mp4"):
        (folder / name).write_bytes(talk.read_bytes())
    for name in ("notes.txt", ".hidden.mp4", "broken.subbed.mp4"):
        (folder / name).write_text("no")
    everything = ["b.en.srt", "d[1].en.srt", "c.en.srt", "talk.en.srt"]
    options = ("--subs", "--no-video", *FAST)
    ran = called(folder, *options)
    assert ran.status == 0, ran
    assert sorted(path.name for path in ran.paths) == sorted(everything)
    assert "(1 of 4)" in ran.err and "(4 of 4)" in ran.err
    # The results and the workspaces of the first run are not inputs of the second.
    again = called(folder, *options)
    assert again.out == ran.out
    monkeypatch.chdir(folder)
    assert [path.name for path in called("*.mp4", *options).paths] == [
        *("b.en.srt", "d[1].en.srt", "talk.en.srt"),
    ]
    assert called("d[1].mp4", *options).out == "d[1].en.srt\n"
    assert len(called("**/*", *options).paths) == 4
    assert len(called("talk.mp4", "./talk.mp4", "t*.mp4", *options).paths) == 1


# ---------------------------------------------------------------- odd names


ODD_NAMES = [
    "-dash.mp4", "--subs.mp4", "it's \"quoted\".mp4", "a:b.mp4", "f%03d.mp4", "[b],c;d.mp4",
    "back\\slash.mp4", " space .mp4", "new\nline.mp4", "\N{GRINNING FACE} é.mp4", "http:foo.mp4",
    "concat:a|b.mp4", "pipe:0", "file:x.mp4", "~home.mp4", "$(touch x).mp4", "*.mp4", "a=b.c=d.mp4",
    "..mp4", "a.b.c.mp4", "-o.mp4", "caf\udce9.mp4",
]  # fmt: skip


BURNED = ("it's \"quoted\".mp4", "a:b.mp4", "f%03d.mp4", "[b],c;d.mp4", "back\\slash.mp4",
          "new\nline.mp4", "a=b.c=d.mp4", "caf\udce9.mp4")  # fmt: skip
"""Those that mean something in a filter's arguments."""


@pytest.mark.parametrize(
    ("name", "burn"),
    [*((name, False) for name in ODD_NAMES), *((name, True) for name in BURNED)],
)
def test_any_file_name(name, burn, talk, monkeypatch):
    monkeypatch.chdir(talk.parent)
    talk.rename(talk.with_name(name))
    marks = ["--"] if name.startswith("--") else []
    options = ["--subs", *FAST, *(["--burn", "--crf", "40"] if burn else [])]
    ran = called(*options, *marks, name) if marks else called(name, *options)
    assert ran.status == 0, ran
    stem = Path(name).stem
    left = {os.fsdecode(path.name) for path in talk.parent.iterdir()}
    assert left == {name, f"{stem}.en.srt", f"{stem}.subbed.mp4", f"{stem}.dubkit"}
    video = probe(talk.parent / f"{stem}.subbed.mp4")
    assert len(video.subtitles) == (0 if burn else 1)
    again = called(*options, *marks, name) if marks else called(name, *options)
    assert again.status == 0 and "nothing was done" in again.err


NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20
).filter(lambda name: name not in (".", "..") and not name.startswith("--"))


@given(name=NAMES)
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_name_at_all(name, small_video, tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    path = folder / f"{name}.mp4"
    path.write_bytes(small_video.read_bytes())
    ran = called(path, "--subs", *FAST)
    assert ran.status == 0, ran
    assert {found.name for found in folder.iterdir()} == {
        *(f"{name}.mp4", f"{name}.en.srt", f"{name}.subbed.mp4", f"{name}.dubkit"),
    }


# ---------------------------------------------------------------- what it prints


def test_stdout_has_only_result_paths_and_stderr_a_line_per_step(talk):
    ran = dubkit(talk, "--subs", *FAST)
    assert ran.status == 0
    assert ran.out == f"{talk.parent}/talk.en.srt\n{talk.parent}/talk.subbed.mp4\n"
    assert "\x1b" not in ran.err and "\r" not in ran.err
    lines = ran.err.splitlines()
    assert re.fullmatch(r"Extracting the sound: 0:06 of media in \d+\.\d s.*", lines[0])
    assert lines[1].startswith("Writing the video: 0:0")
    assert lines[2] == "dubkit: warning: all is a guess"
    assert len(lines) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a Unix terminal")
def test_a_terminal_gets_a_bar(talk):
    import pty

    terminal, end = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "dubkit", str(talk), "--subs", *SLOW],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=end,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(end)
    output = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        output += piece
    out, _ = child.communicate()
    os.close(terminal)
    assert child.returncode == 0
    assert out.decode().splitlines()[0].endswith("talk.en.srt")
    text = output.decode()
    assert "━" in text and "Transcribing" in text
    assert re.search(r"0:0\d / 0:0\d \d+\.\dx", text), text


def test_quiet(talk):
    ran = called(talk, "--subs", "-q", *FAST)
    assert (ran.status, ran.err) == (0, "") and len(ran.paths) == 2
    missing = called(talk.with_name("gone.mp4"), "--subs", "-q", *FAST)
    assert missing.status == 3 and "no file" in missing.err


def test_verbose_says_where_the_time_goes(talk):
    ran = called(talk, "--subs", "-v", *FAST)
    for step in ("load", "audio", "transcribe", "cues", "subtitles", "mux", "total"):
        assert re.search(rf"^  {step} +\d+\.\d\d s$", ran.err, re.MULTILINE), step
    assert re.search(r"^    decoder \(all workers\) +0\.50 s$", ran.err, re.MULTILINE)
    assert re.search(r"^  \d+\.\d times real time$", ran.err, re.MULTILINE)


def test_json_is_one_object(talk):
    bad = talk.with_name("bad.mp4")
    bad.write_text("no")
    ran = called(talk, bad, "--subs", "--json", *FAST)
    assert ran.status == 1
    whole = ran.json
    assert set(whole) == {"outputs", "timings", "rtfx", "warnings", "errors", "results"}
    assert whole["outputs"] == [
        str(talk.with_name(f"talk.{end}")) for end in ("en.srt", "subbed.mp4")
    ]
    assert whole["timings"]["total"] > 0 and whole["rtfx"] > 0
    assert whole["warnings"] == ["all is a guess"]
    (error,) = whole["errors"]
    assert error["source"] == str(bad) and error["status"] == 3 and error["kind"] == "InputError"
    assert "not a video" in error["error"] and error["hint"]
    (result,) = whole["results"]
    assert result["language"] == "en" and result["cues"] >= 1


@pytest.mark.parametrize(
    "arguments", [["--subs"], ["x.mp4"], ["x.mp4", "--subs", "--nope"], ["x.mp4", "--subs"]]
)
def test_json_is_one_object_when_all_fails(arguments):
    ran = called(*arguments, "--json")
    assert set(ran.json) == {"outputs", "timings", "rtfx", "warnings", "errors", "results"}
    assert ran.json["outputs"] == [] and ran.json["errors"][0]["status"] == ran.status


def test_the_report_lists_what_is_wrong_with_the_cues(talk):
    text = "extraordinarily " * 12
    ran = called(talk, "--subs", "--no-video", *FAST, "-o", f"Fast.text={text}")
    report = json.loads((talk.parent / "talk.dubkit/report.json").read_text())
    assert report["outputs"] == [str(path) for path in ran.paths]
    assert report["violations"] and report["warnings"]
    assert report["timings"]["total"] > 0


def test_a_closed_standard_output(talk):
    child = start(talk, "--subs", *FAST)
    child.stdout.close()
    child.stdout = None
    ran = child.communicate(timeout=60)
    assert child.returncode == 0 and b"Traceback" not in ran[1]


def test_no_arguments_and_help_and_version():
    ran = called()
    assert ran.status == 2 and "dubkit INPUT... --subs" in ran.err
    assert called("--version").out == f"dubkit {__version__}\n"
    ran = called("--help")
    assert ran.status == 0 and len(ran.out.splitlines()) < 110
    for command in ("check", "plugins", "doctor"):
        assert called(command, "--help").status == 0


def test_ctrl_c_leaves_the_handlers_as_they_were(talk):
    before = signal.getsignal(signal.SIGINT)
    assert called(talk, "--subs", *FAST).status == 0
    assert signal.getsignal(signal.SIGINT) is before
    assert signal.set_wakeup_fd(-1) == -1


# ---------------------------------------------------------------- check, plugins, doctor


def test_check(talk, tmp_path):
    good = called(talk, "--subs", "--no-video", *FAST).paths[0]
    ran = called("check", good)
    assert ran.status == 0, ran
    assert f"{good}: " in ran.out and "0 errors" in ran.out
    bad = tmp_path / "bad.es.srt"
    bad.write_text(f"1\n00:00:01,000 --> 00:00:01,100\n{'x' * 60}\n")
    ran = called("check", bad, "--profile", "bbc")
    assert ran.status == 1 and ran.out.startswith("cue 1: error: ") and "(bbc, es)" in ran.out
    ran = called("check", bad, "--json")
    assert ran.status == 1
    assert ran.json["errors"] == len(
        [v for v in ran.json["violations"] if v["severity"] == "error"]
    )
    assert {"cue", "rule", "severity", "message"} == set(ran.json["violations"][0])
    ran = called("check", bad, good)
    assert ran.status == 1 and f"{bad}: 1 cues" in ran.out and f"{good}: " in ran.out
    ran = called("check", good, bad, "--json")
    files = [json.loads(line)["file"] for line in ran.out.splitlines()]
    assert ran.status == 1 and files == [str(good), str(bad)]


def test_plugins():
    ran = called("plugins")
    assert ran.status == 0
    rows = [line.split() for line in ran.out.splitlines()]
    assert ["transcribers", "faster-whisper", "dubkit", __version__, "ready"] in rows
    listed = {row["name"]: row for row in called("plugins", "--json").json["plugins"]}
    assert listed["distil-whisper"]["kind"] == "transcribers"
    assert called("plugins", "--nope").status == 2


def test_doctor():
    ran = called("doctor")
    assert ran.status == 0, ran
    named = [line.split()[1] for line in ran.out.splitlines() if not line.startswith("      ")]
    for what in ("ffmpeg", "libass", "faster-whisper", "gpu", "models", "fonts", "disk"):
        assert what in named
    checks = called("doctor", "--json").json["checks"]
    assert {check["name"] for check in checks} == set(named)


def test_doctor_says_what_to_type(monkeypatch):
    monkeypatch.setenv("DUBKIT_FFMPEG", "/nowhere/ffmpeg")
    ran = called("doctor")
    assert ran.status == 1
    assert re.search(r"^FAIL  ffmpeg.*\n.*pip install imageio-ffmpeg", ran.out, re.MULTILINE)
