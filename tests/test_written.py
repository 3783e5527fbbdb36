"""What ffmpeg wrote is looked at, whatever status it ended with."""

import json
import shutil

import pytest
from command import FAST, called
from ffmpeg_samples import KINDS, unreliable
from media_samples import AVC, beeps, ffmpeg, flashes, packets, sample

from dubkit.errors import InputError, MediaError, OutputError
from dubkit.files import sha256_of
from dubkit.media import mux, subtitle_streams
from dubkit.media.integrity import Contents, flaw
from dubkit.media.probe import probe

SRT = "1\n00:00:03,000 --> 00:00:03,500\nIt is a truth\n"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder with a film, the same with subtitles in it, and sound; not to be written to."""
    folder = tmp_path_factory.mktemp("inputs")
    sample(folder / "film.mp4", *AVC)
    (folder / "es.srt").write_text(SRT)
    ffmpeg("-i", folder / "film.mp4", "-i", folder / "es.srt", "-map", 0, "-map", 1,
           "-c", "copy", folder / "film.mkv")  # fmt: skip
    ffmpeg("-i", folder / "film.mp4", folder / "film.wav")
    (folder / "es.ass").write_text("[Events]\nFormat: Start, End, Text\n")
    return folder


def added(inputs, name, out):
    subtitles = [mux.SubtitleFile(inputs / "es.srt", "es", "Spanish")]
    return mux.mux(probe(inputs / name), subtitles, out / f"out{(inputs / name).suffix}")


def extracted(inputs, out):
    media = probe(inputs / "film.mkv")
    return subtitle_streams.extract(media, media.subtitles[0], out / "out.srt")


JOBS = {
    "mp4": lambda inputs, out: added(inputs, "film.mp4", out),
    "mkv": lambda inputs, out: added(inputs, "film.mkv", out),
    "burn": lambda inputs, out: mux.burn(
        probe(inputs / "film.mp4"), inputs / "es.ass", out / "out.mp4"
    ),
    "m4a": lambda inputs, out: mux.write_m4a(
        [mux.AudioFile(inputs / "film.wav", "es", "Spanish")], out / "out.m4a"
    ),
    "srt": extracted,
}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "fails"])
@pytest.mark.parametrize("job", JOBS)
def test_an_ffmpeg_that_ends_with_status_0_without_having_written(
    job, kind, inputs, tmp_path, monkeypatch
):
    if job == "srt" and kind == "half":
        pytest.skip("nothing tells how much text a track should have")
    monkeypatch.setenv("DUBKIT_FFMPEG", str(unreliable(tmp_path, kind)))
    out = tmp_path / "out"
    out.mkdir()
    expected = OutputError if "full" in kind else (MediaError, InputError)
    with pytest.raises(expected) as caught:
        JOBS[job](inputs, out)
    assert ("the disk is full" in caught.value.message) == ("full" in kind)
    assert list(out.iterdir()) == []


def test_a_source_that_promises_more_than_it_has_is_no_fault_of_ffmpeg(tmp_path):
    film, out = tmp_path / "film.mp4", tmp_path / "out.mp4"
    noise = [*flashes(1), *beeps(1), "-vf", "noise=alls=60:allf=t", *AVC]
    ffmpeg(*noise, "-movflags", "+faststart", film)
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    mux.mux(probe(film), [], out)
    assert 50 < len(packets(out)[0]) < 140
    assert probe(out).duration < 5


def test_an_empty_track_is_no_fault_of_ffmpeg_either(inputs, tmp_path):
    film = tmp_path / "film.mkv"
    (tmp_path / "es.srt").touch()
    ffmpeg("-i", inputs / "film.mp4", "-f", "srt", "-i", tmp_path / "es.srt", "-map", 0,
           "-map", 1, "-c", "copy", film)  # fmt: skip
    assert added(tmp_path, "film.mkv", tmp_path) == []
    media = probe(film)
    out = subtitle_streams.extract(media, media.subtitles[0], tmp_path / "out.srt")
    assert out.read_bytes() == b""


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".flac"])
def test_a_file_without_its_last_bytes_is_not_whole(suffix, tmp_path):
    path = tmp_path / f"x{suffix}"
    codecs = {".webm": ["-c:v", "libvpx", "-c:a", "libopus"], ".flac": ["-vn"]}
    ffmpeg(*flashes(1, seconds=2), *beeps(1, seconds=2), *codecs.get(suffix, AVC), path)
    contents = Contents(2, video=suffix != ".flac", audio=1)
    assert flaw(path, contents) == ""
    assert "subtitle tracks" in flaw(path, Contents(2, subtitle=1))
    assert "ends at 2.0 s of 3.0 s" in flaw(path, Contents(3))
    if suffix != ".flac":  # which says in its head only how long it is
        path.write_bytes(path.read_bytes()[:-40])
        assert "cut off" in flaw(path, contents) or "opened" in flaw(path, contents)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_broken_result_of_an_earlier_version_is_made_again(suffix, tmp_path):
    film = sample(tmp_path / f"talk{suffix}", *AVC)
    assert called(film, "--subs", *FAST).status == 0
    result = tmp_path / f"talk.subbed{suffix}"
    whole = result.read_bytes()
    result.write_bytes(whole[: len(whole) // 2])
    # As that version recorded it.
    state = tmp_path / "talk.dubkit/state.json"
    content = json.loads(state.read_text())
    stat = result.stat()
    content["outputs"][result.name] |= {"size": stat.st_size, "sha256": sha256_of(result)}
    state.write_text(json.dumps(content))
    assert called(film, "--subs", *FAST).status == 0
    assert result.read_bytes() == whole


def test_what_is_no_ffmpeg_is_refused_before_the_work(tmp_path, monkeypatch):
    film = sample(tmp_path / "talk.mp4", *AVC)
    monkeypatch.setenv("DUBKIT_FFMPEG", shutil.which("true"))
    ran = called(film, "--subs", *FAST)
    assert ran.status == 4 and "is not ffmpeg" in ran.err, ran
    assert not (tmp_path / "talk.dubkit/transcript.json").exists()
    assert called(film, "--subs", "--no-video", *FAST).status == 0
