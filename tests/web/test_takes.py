"""The lines of a dub for the page, playing and choosing their takes; and the peaks of the audio."""

import json
import shutil
import subprocess
import sys
import threading

import pytest
from command import AUSTEN

from dubkit import Cue, InputError, Track, UsageError
from dubkit.web import takes, waveform
from dubkit.web.store import Store, Video, new_token

LINE = {"line": 2, "cues": [3], "text": "short", "before": ["long and longer"], "slot": [1.0, 2.0],
        "stretch": 1.0, "shift": 0.0, "clip": "0002-bbbb.1000.ready.wav",
        "warnings": []}  # fmt: skip


@pytest.fixture
def video(tmp_path) -> Video:
    """A dubbed video, as the command leaves it."""
    video = Store(tmp_path / "data").session(new_token()).take(AUSTEN, "talk.mp4")
    clips = video.workspace / "dub.pt"
    clips.mkdir(parents=True)
    for name in ("0001-aaaa.1000.ready.wav", "0002-bbbb.wav", "0002-bbbb.1000.ready.wav"):
        (clips / name).write_bytes(name.encode())
    report = "talk.pt.dub.json"
    (video.folder / report).write_text(json.dumps({"lines": [LINE]}))
    (video.workspace / "state.json").write_text(json.dumps({"outputs": {report: {}}}))
    return video


def wanted(video: Video) -> dict:
    return json.loads((video.workspace / "takes.pt.json").read_text())


def test_a_line_and_its_clip(video):
    (line,) = takes.lines(video, "pt")
    assert (line["line"], line["take"], line["takes"]) == (2, 0, [0])
    assert takes.clip(video, "pt", 2, 0).read_bytes() == b"0002-bbbb.1000.ready.wav"
    assert takes.lines(video, "es") == takes.lines(video, "../pt") == []


def test_a_new_take_keeps_the_old_one_to_be_played_and_chosen_again(video):
    takes.choose(video, "pt", 2, None)
    assert wanted(video) == {"long and longer": 3}
    clips = video.workspace / "dub.pt"
    for path in clips.glob("0002-*"):  # as the command does once it has spoken the new one
        path.unlink()
    (clips / "0002-cccc.a1b2.ready.wav").write_bytes(b"new")
    (video.folder / "talk.pt.dub.json").write_text(
        json.dumps({"lines": [{**LINE, "clip": "0002-cccc.a1b2.ready.wav"}]})
    )
    (line,) = takes.lines(video, "pt")
    assert (line["take"], line["takes"]) == (3, [0, 3])
    assert takes.clip(video, "pt", 2, 3).read_bytes() == b"new"
    assert takes.clip(video, "pt", 2, 0).read_bytes() == b"0002-bbbb.1000.ready.wav"
    takes.choose(video, "pt", 2, 0)
    assert wanted(video) == {"long and longer": 0}
    assert (clips / "0002-bbbb.wav").read_bytes() == b"0002-bbbb.wav"
    takes.choose(video, "pt", 2, None)
    assert wanted(video) == {"long and longer": 6}


def test_the_clip_from_before_an_edit_can_be_played(video):
    before = Track("pt", (Cue(1.2, 2.0, "curto"), Cue(3.0, 4.0, "outro")))
    takes.keep_clips(video, before, Track("pt", (before.cues[0], Cue(3.0, 4.0, "novo"))))
    with pytest.raises(InputError, match="no older take"):  # it is another line's time
        takes.clip_before(video, "pt", 2)
    takes.keep_clips(video, before, Track("pt", (Cue(1.2, 2.0, "breve"), before.cues[1])))
    assert takes.clip_before(video, "pt", 2).read_bytes() == b"0002-bbbb.1000.ready.wav"
    (line,) = takes.lines(video, "pt")
    assert line["before"] is False  # its text is the same until it is spoken again
    report = video.folder / "talk.pt.dub.json"
    report.write_text(json.dumps({"lines": [{**LINE, "text": "brief"}]}))
    (line,) = takes.lines(video, "pt")
    assert line["before"] is True


def test_another_voice_for_one_speaker_leaves_the_others_theirs(video):
    said = [("S1", "pf_dora"), ("S2", "pm_alex"), ("S1", "pf_dora"), (None, "pm_santa")]
    lines = [{**LINE, "line": n, "speaker": who, "voice": voice}
             for n, (who, voice) in enumerate(said, 1)]  # fmt: skip
    (video.folder / "talk.pt.dub.json").write_text(json.dumps({"lines": lines}))
    chosen = takes.recast(video, "pt", "S1", "pm_alex")
    assert sorted(chosen) == ["S1=pm_alex", "S2=pm_alex", "pm_santa"]
    with pytest.raises(UsageError):
        takes.recast(video, "pt", "S3", "pm_alex")


def test_takes_that_do_not_exist(video):
    for number, take in ((1, 0), (2, 3), (99, 0)):
        with pytest.raises(InputError):
            takes.clip(video, "pt", number, take)
    with pytest.raises(UsageError, match="no such take"):
        takes.choose(video, "pt", 2, 3)
    ready = video.workspace / "dub.pt" / "0002-bbbb.1000.ready.wav"
    ready.unlink()
    ready.symlink_to("/etc/passwd")
    with pytest.raises(InputError):
        takes.clip(video, "pt", 2, 0)
    report = video.folder / "talk.pt.dub.json"
    for name in ("../../secret.ready.wav", "*.ready.wav", "0002-*.ready.wav", 7, None):
        report.write_text(json.dumps({"lines": [{**LINE, "clip": name}]}))
        with pytest.raises(InputError):
            takes.clip(video, "pt", 2, 0)


def test_peaks_are_where_the_audio_is_and_computed_once(video):
    path = waveform.peaks(video, threading.Event())
    found = path.read_bytes()
    assert len(found) == pytest.approx(28.5 * waveform.PEAKS_PER_SECOND, abs=50)
    assert max(found) > 100 and min(found) < 10
    stamp = path.stat().st_mtime_ns
    assert waveform.peaks(video, threading.Event()).stat().st_mtime_ns == stamp


def test_audio_that_cannot_be_read_is_reported(video):
    video.source.write_bytes(b"#EXTM3U\n/etc/passwd\n")
    with pytest.raises(InputError) as refused:
        waveform.peaks(video, threading.Event())
    assert "passwd" not in str(refused.value)
    assert not list(video.folder.glob(".peaks*"))


def test_a_film_of_hours_takes_little_memory(tmp_path, video):
    """The child's peak memory for twenty minutes is little more than for one."""
    ffmpeg = shutil.which("ffmpeg")
    if not ffmpeg:
        import imageio_ffmpeg

        ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    most = []
    for seconds in (60, 1200):
        film = tmp_path / f"{seconds}.wav"
        argv = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", f"sine=d={seconds}:r=48000", str(film)]
        subprocess.run(argv, check=True)
        script = (
            "import resource, sys; from pathlib import Path; from dubkit.web import waveform; "
            "waveform.main(Path(sys.argv[1]), Path(sys.argv[2])); "
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        out = tmp_path / "peaks"
        ran = subprocess.run(
            [sys.executable, "-c", script, film, out], check=True, capture_output=True, text=True
        )
        assert out.stat().st_size == seconds * waveform.PEAKS_PER_SECOND
        most.append(int(ran.stdout.split()[-1]))
    assert most[1] < most[0] + 30_000, most  # kB; the whole audio would be 115 MB
