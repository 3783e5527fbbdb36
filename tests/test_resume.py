"""A run that was stopped goes on, a finished one does nothing, and nobody's edit is lost."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import (
    AUSTEN,
    ENGINES,
    FAST,
    SLOW,
    alive,
    called,
    children,
    contents,
    dubkit,
    ended,
    interrupt,
    start,
    times,
    wait_for,
)
from media_samples import AVC, beeps, ffmpeg

from dubkit.media.probe import probe

FORMATS = ("--format", "srt,vtt,ass,ttml,json,txt")


def results(folder: Path) -> dict[str, str]:
    """The results, without what is in the workspace."""
    return {name: sha for name, sha in contents(folder).items() if ".dubkit" not in name}


def assert_tidy(folder: Path) -> None:
    """The workspace holds what people may read, and nothing half-done."""
    (work,) = folder.glob("*.dubkit")
    ours = {".lock", ".owner", ".made", ".cues.en.json.made"}
    names = {path.name for path in work.iterdir()} - ours
    assert names == {"state.json", "transcript.json", "cues.en.json", "report.json"}


@pytest.fixture(scope="module")
def undisturbed(small_video, tmp_path_factory):
    """The results of a run that nobody stopped."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert dubkit(small_video, "--subs", *FORMATS, *SLOW, "-o", folder).status == 0
    return results(folder)


def test_killed_several_times_it_goes_on(undisturbed, talk, tmp_path):
    log = tmp_path / "log"
    command = (talk, "--subs", *FORMATS, *SLOW, "-o", tmp_path / "out")
    moments = ("imported", "window 2", "window 6")
    for moment in moments:
        child = start(*command, env={"ENGINE_LOG": log})
        wait_for(lambda: log.exists() and moment in log.read_text(), 60)  # noqa: B023
        assert child.poll() is None
        child.kill()
        child.communicate()
    assert dubkit(*command, env={"ENGINE_LOG": log}).status == 0
    assert results(tmp_path / "out") == undisturbed
    assert_tidy(tmp_path / "out")
    # No window was heard again, but for the one that the kill fell into.
    heard = [line for line in log.read_text().splitlines() if line.startswith("window")]
    assert set(heard) == {f"window {number}" for number in range(8)}
    assert len(heard) <= 8 + len(moments)


STEPS = ".owner state.json transcript.json cues.en.json talk.en.srt talk.subbed.mp4".split()


@pytest.fixture(scope="module")
def fast(small_video, tmp_path_factory):
    """The results of another engine, undisturbed."""
    folder = tmp_path_factory.mktemp("fast")
    assert called(small_video, "--subs", *FAST, "-o", folder).status == 0
    return results(folder)


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_around_each_file_that_appears(name, when, talk, fast):
    """A kill right before or after a file gets its name leaves nothing that looks edited."""
    code = f"""
import os, pathlib, signal, sys
from dubkit.cli.main import main
real = pathlib.Path.replace
def replace(self, target):
    last = pathlib.Path(target).name == {name!r}
    if last and {when!r} == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    done = real(self, target)
    if last:
        os.kill(os.getpid(), signal.SIGKILL)
    return done
pathlib.Path.replace = replace
sys.exit(main(sys.argv[1:]))
"""
    command = [str(talk), "--subs", *FAST]
    killed = subprocess.run([sys.executable, "-c", code, *command], capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed
    ran = called(*command)
    assert ran.status == 0, ran
    assert "edited" not in ran.err
    assert_tidy(talk.parent)
    assert {k: sha for k, sha in results(talk.parent).items() if k != "talk.mp4"} == fast


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """A video that takes some seconds to burn."""
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=640x480:r=25:d=8", *beeps(1, seconds=8), *AVC,
           "-preset", "ultrafast", path)  # fmt: skip
    return path


def test_killed_while_ffmpeg_writes(long, tmp_path):
    assert called(long, "--burn", *FAST, "-o", tmp_path / "whole").status == 0
    child = start(long, "--burn", *FAST, "-o", tmp_path / "out")
    parts = (tmp_path / "out").rglob
    wait_for(lambda: any(part.stat().st_size for part in parts(".*.part")), 60)
    child.kill()
    child.communicate()
    assert not list((tmp_path / "out").glob("*.subbed.*"))
    assert called(long, "--burn", *FAST, "-o", tmp_path / "out").status == 0
    assert results(tmp_path / "out") == results(tmp_path / "whole")
    assert_tidy(tmp_path / "out")


@pytest.mark.slow
def test_the_real_engine_goes_on_after_kills(tmp_path):
    """Some windows of speech, killed each time that something new was written down."""
    long = tmp_path / "long.mp4"
    ffmpeg("-stream_loop", 2, "-i", AUSTEN, "-c", "copy", long)
    engine = ["--transcriber", "faster-whisper"]
    # Few windows at once, so that something is written down several times.
    for setting in ("batch_size=1", "threads=1", "beam_size=1"):
        engine += ["-o", f"faster-whisper.{setting}"]
    assert dubkit(long, "--subs", *FORMATS, *engine, "-o", tmp_path / "whole").status == 0
    command = (long, "--subs", *FORMATS, *engine, "-o", tmp_path / "out")

    def windows() -> list[tuple[float, float]]:
        journals = list(tmp_path.glob("out/long.dubkit/transcribe-*/windows.jsonl"))
        lines = journals[0].read_text().splitlines(keepends=True) if journals else []
        return [tuple(json.loads(line)["window"]) for line in lines if line.endswith("\n")]

    kills, before = 0, 0
    for _ in range(2):
        child = start(*command)
        wait_for(lambda: child.poll() is not None or len(windows()) > before, 120)  # noqa: B023
        if child.poll() is None:
            kills += 1
        child.kill()
        child.communicate()
        before = len(windows())
    assert kills >= 2 and len(set(windows())) == before  # none was heard twice
    assert dubkit(*command).status == 0
    assert results(tmp_path / "out") == results(tmp_path / "whole")
    assert_tidy(tmp_path / "out")


# ---------------------------------------------------------------- a second run


def test_a_second_run_does_nothing(talk, tmp_path):
    log = tmp_path / "log"
    command = (talk, "--subs", *FORMATS, *FAST)
    first = dubkit(*command, env={"ENGINE_LOG": log})
    assert first.status == 0
    assert log.read_text() == "imported\ntranscribed\n"
    before, made = times(talk.parent), contents(talk.parent)
    second = dubkit(*command, env={"ENGINE_LOG": log})
    assert second.status == 0 and second.out == first.out
    assert "nothing was done" in second.err
    # What was said of the work is said again, since it still holds.
    assert "warning: all is a guess" in first.err and "warning: all is a guess" in second.err
    assert times(talk.parent) == before and contents(talk.parent) == made
    assert log.read_text() == "imported\ntranscribed\n"


def test_a_touched_input_is_not_heard_again(talk, tmp_path):
    assert called(talk, "--subs", *FAST).status == 0
    before = times(talk.parent)
    talk.touch()
    assert called(talk, "--subs", *FAST).status == 0
    after = times(talk.parent)
    changed = {name for name in before if after[name] != before[name]}
    assert changed - {"talk.dubkit/state.json"} == {"talk.mp4"}


def test_another_film_of_the_same_name_is_made_again(talk):
    assert called(talk, "--subs", *FAST).status == 0
    video = contents(talk.parent)["talk.subbed.mp4"]
    ffmpeg("-f", "lavfi", "-i", "color=red:s=160x120:r=25:d=4", *beeps(2, seconds=4), *AVC, talk)
    ran = called(talk, "--subs", *FAST)
    assert ran.status == 0 and "Extracting" in ran.err
    assert contents(talk.parent)["talk.subbed.mp4"] != video
    assert probe(ran.paths[1]).duration < 5


@pytest.mark.parametrize(
    "change",
    [
        ("--language", "fr"),
        ("--prompt", "Dear reader"),
        ("--hotwords", "Norland"),
        ("-o", "Fast.text=Other words."),
        ("--device", "cuda"),
    ],
)
def test_what_recognition_depends_on_runs_it_again(change, talk, tmp_path, monkeypatch):
    log = tmp_path / "log"
    monkeypatch.setenv("ENGINE_LOG", str(log))
    assert called(talk, "--subs", "--no-video", *FAST).status == 0
    assert called(talk, "--subs", "--no-video", *FAST, *change).status == 0
    assert log.read_text().count("transcribed") == 2


def test_an_engine_that_was_changed_runs_again(talk, tmp_path):
    engine = Path(shutil.copy(ENGINES, tmp_path / "mine.py"))
    command = (talk, "--subs", "--no-video", "--transcriber", f"{engine}:Fast")
    assert called(*command).status == 0
    engine.write_text(engine.read_text().replace("lazy dog", "lazy cat"))
    assert called(*command).status == 0
    assert "lazy cat" in (talk.parent / "talk.en.srt").read_text()


def test_another_profile_runs_only_from_the_cues_on(talk, tmp_path, monkeypatch):
    log = tmp_path / "log"
    monkeypatch.setenv("ENGINE_LOG", str(log))
    assert called(talk, "--subs", *FAST).status == 0
    work = talk.parent / "talk.dubkit"
    before, srt = times(talk.parent), (talk.parent / "talk.en.srt").read_text()
    ran = called(talk, "--subs", "--profile", "short", *FAST)
    assert ran.status == 0
    assert "Extracting" not in ran.err and "Writing the video" in ran.err
    after = times(talk.parent)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {
        *("talk.en.srt", "talk.subbed.mp4"),
        *(
            f"talk.dubkit/{name}"
            for name in (
                ".cues.en.json.made",
                ".made",
                "cues.en.json",
                "report.json",
                "state.json",
            )
        ),
    }
    assert (talk.parent / "talk.en.srt").read_text() != srt
    assert json.loads((work / "report.json").read_text())["profile"] == "short"
    assert log.read_text().count("imported") == 1
    # And back: the very same.
    assert called(talk, "--subs", *FAST).status == 0
    assert (talk.parent / "talk.en.srt").read_text() == srt


def subtitles_in(video: Path, folder: Path) -> str:
    out = folder / "extracted.srt"
    ffmpeg("-i", video, "-map", "0:s:0", out)
    return out.read_text()


def test_an_edited_cue_flows_into_the_results(talk, tmp_path, monkeypatch):
    log = tmp_path / "log"
    monkeypatch.setenv("ENGINE_LOG", str(log))
    assert called(talk, "--subs", *FAST).status == 0
    cues = talk.parent / "talk.dubkit/cues.en.json"
    edited = cues.read_text().replace("quick", "QUICK")
    cues.write_text(edited)
    ran = called(talk, "--subs", *FAST)
    assert ran.status == 0, ran
    assert cues.read_text() == edited
    assert "QUICK" in ran.paths[0].read_text()
    assert "QUICK" in subtitles_in(ran.paths[1], tmp_path)
    # It stays, however often the command is run and whatever else is asked for.
    ran = called(talk, "--subs", "--format", "srt,vtt", *FAST)
    assert "QUICK" in ran.paths[1].read_text()
    assert cues.read_text() == edited
    assert log.read_text().count("imported") == 1


def test_an_edit_is_kept_when_the_cues_are_cut_again(talk):
    assert called(talk, "--subs", "--no-video", *FAST).status == 0
    work = talk.parent / "talk.dubkit"
    cues = work / "cues.en.json"
    first = cues.read_text().replace("quick", "FIRST")
    cues.write_text(first)
    ran = called(talk, "--subs", "--no-video", "--profile", "short", *FAST)
    assert ran.status == 0 and "cues.en.json was edited" in ran.err
    assert (work / "cues.en.json.edited").read_text() == first
    second = cues.read_text().replace("quick", "SECOND")
    cues.write_text(second)
    ran = called(talk, "--subs", "--no-video", "--profile", "bbc", *FAST)
    assert "your edit is in cues.en.json.edited.2" in ran.err
    assert (work / "cues.en.json.edited").read_text() == first
    assert (work / "cues.en.json.edited.2").read_text() == second


def test_an_edited_transcript_is_cut_again(talk):
    assert called(talk, "--subs", "--no-video", *FAST).status == 0
    transcript = talk.parent / "talk.dubkit/transcript.json"
    transcript.write_text(transcript.read_text().replace(" quick", " EDITED"))
    assert called(talk, "--subs", "--no-video", *FAST).status == 0
    assert "EDITED" in (talk.parent / "talk.en.srt").read_text()


def test_keep_keeps_the_sound(talk):
    assert called(talk, "--subs", "--keep", *FAST).status == 0
    assert (talk.parent / "talk.dubkit/audio.wav").exists()
    assert called(talk, "--subs", *FAST).status == 0
    assert_tidy(talk.parent)


# ---------------------------------------------------------------- two at once


def test_two_runs_at_once(undisturbed, talk, tmp_path):
    log = tmp_path / "log"
    command = (talk, "--subs", *FORMATS, *SLOW, "-o", tmp_path / "out")
    both = [start(*command, env={"ENGINE_LOG": log}) for _ in range(2)]
    ran = [ended(child) for child in both]
    assert [one.status for one in ran] == [0, 0], ran
    assert ran[0].out == ran[1].out
    assert sum("another dubkit is working" in one.err for one in ran) == 1
    assert log.read_text().count("window 3") == 1
    assert results(tmp_path / "out") == undisturbed
    assert_tidy(tmp_path / "out")


# ---------------------------------------------------------------- Ctrl-C


def assert_stopped(ran, seconds):
    assert ran.status == 130, ran
    assert ran.out == "" or "subbed" not in ran.out
    assert "dubkit: stopped; run the same command to continue" in ran.err
    assert "Traceback" not in ran.err
    assert seconds < 1


@pytest.mark.alone
@pytest.mark.parametrize("moment", ["window 1", "window 4"])
def test_ctrl_c_while_the_engine_works(moment, talk, tmp_path):
    log = tmp_path / "log"
    command = (talk, "--subs", *SLOW, "-o", "Slow.seconds=0.3")
    child = start(*command, env={"ENGINE_LOG": log})
    wait_for(lambda: log.exists() and moment in log.read_text())
    assert_stopped(*interrupt(child))
    assert not list(talk.parent.rglob("*.part"))
    assert {path.name for path in talk.parent.iterdir()} == {"talk.mp4", "talk.dubkit"}
    assert dubkit(*command, env={"ENGINE_LOG": log}).status == 0
    assert_tidy(talk.parent)


@pytest.mark.alone
def test_ctrl_c_while_ffmpeg_burns(long, tmp_path):
    child = start(long, "--burn", *FAST, "-o", tmp_path / "out")
    wait_for(lambda: list((tmp_path / "out").rglob(".*.part")))
    wait_for(lambda: children(child.pid))
    time.sleep(0.5)
    started = children(child.pid)
    assert started
    assert_stopped(*interrupt(child))
    wait_for(lambda: not any(alive(pid) for pid in started), 1)
    left = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert not [name for name in left if "part" in name or "subbed" in name], left


@pytest.mark.alone
def test_ctrl_c_while_native_code_does_not_return(talk, tmp_path):
    """Loading a large model keeps Python from noticing the signal for many seconds."""
    engine = tmp_path / "native.py"
    engine.write_text(
        "import ctypes, signal\n"
        "from dubkit import Transcriber\n"
        "class Native(Transcriber):\n"
        "    contract = 2\n"
        "    def transcribe(self, audio, *, work, **_):\n"
        "        (work / 'here').touch()\n"
        "        libc = ctypes.CDLL(None)\n"
        # sleep(3) would be woken by the signal, which work is not.
        "        libc.pthread_sigmask(0, (ctypes.c_ulong * 16)(1 << signal.SIGINT - 1), None)\n"
        "        libc.sleep(20)\n"
    )
    child = start(talk, "--subs", "--transcriber", f"{engine}:Native")
    wait_for(lambda: list(talk.parent.rglob("here")))
    time.sleep(0.2)
    assert_stopped(*interrupt(child))


@pytest.mark.alone
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_other_signals_stop_it_as_ctrl_c_does(number, status, long, tmp_path):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    child = start(long, "--burn", *FAST, "-o", tmp_path / "out", env={"TMPDIR": temporary})
    wait_for(lambda: list((tmp_path / "out").rglob(".*.part")) and list(temporary.iterdir()))
    started = children(child.pid)
    child.send_signal(number)
    ran = ended(child, 30)
    assert ran.status == status and "run the same command to continue" in ran.err, ran
    wait_for(lambda: not any(alive(pid) for pid in started))
    assert not list(temporary.iterdir())
    assert not list((tmp_path / "out").rglob("*.part"))


def test_nohup_is_respected_and_a_second_signal_ends_it_at_once(talk, tmp_path):
    engine = tmp_path / "deaf.py"
    engine.write_text(
        "import time\n"
        "from dubkit import Transcriber\n"
        "class Deaf(Transcriber):\n"
        "    contract = 2\n"
        "    def transcribe(self, audio, *, work, **_):\n"
        "        (work / 'here').touch()\n"
        "        while True:\n"
        "            try:\n"
        "                time.sleep(60)\n"
        "            except BaseException:\n"
        "                (work / 'asked').touch()\n"
    )
    child = start(
        talk, "--subs", "--transcriber", f"{engine}:Deaf",
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )  # fmt: skip
    wait_for(lambda: list(talk.parent.rglob("here")))
    child.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert child.poll() is None and not list(talk.parent.rglob("asked"))
    child.send_signal(signal.SIGTERM)
    wait_for(lambda: list(talk.parent.rglob("asked")))
    time.sleep(0.3)  # the same at once would be the same signal, sent twice
    child.send_signal(signal.SIGINT)
    assert ended(child, 4).status == 130


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("moment", ["loading", "decoding"])
def test_ctrl_c_while_the_real_engine_works(moment, tmp_path):
    long = tmp_path / "long.mp4"
    ffmpeg("-stream_loop", 5, "-i", AUSTEN, "-c", "copy", long)
    child = start(long, "--subs", "--transcriber", "faster-whisper")
    if moment == "loading":
        wait_for(lambda: list(tmp_path.rglob("audio.wav")), 60)
        time.sleep(0.3)
    else:
        wait_for(lambda: list(tmp_path.rglob("windows.jsonl")), 60)
        time.sleep(2)
    assert_stopped(*interrupt(child))
    assert not list(tmp_path.rglob("*.part"))
    assert {path.name for path in tmp_path.iterdir()} == {"long.mp4", "long.dubkit"}


def test_another_folder_starts_from_scratch_unless_the_workspace_is_copied_there(talk, tmp_path):
    def extracts(*more):
        ran = called(talk, "--subs", "--no-video", *FAST, *more)
        assert ran.status == 0 and ran.paths[0].is_file()
        return "Extracting" in ran.err

    assert extracts() and extracts("-o", tmp_path / "a")
    shutil.copytree(talk.with_suffix(".dubkit"), tmp_path / "b/talk.dubkit")
    assert not extracts("-o", tmp_path / "b")
