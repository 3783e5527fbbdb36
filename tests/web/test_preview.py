"""Copies for browsers, made by the real ffmpeg."""

import subprocess
import time

import pytest
from command import AUSTEN, wait_for

from dubkit import InputError, UsageError
from dubkit.media.ffmpeg import ffmpeg_path
from dubkit.media.probe import probe
from dubkit.web import preview
from dubkit.web.limits import Limits
from dubkit.web.preview import Previews, copy_path
from dubkit.web.store import Store, new_token


def ffmpeg(*argv: object) -> None:
    subprocess.run([ffmpeg_path(), "-v", "error", "-y", *map(str, argv)], check=True)


@pytest.fixture
def previews():
    made = Previews()
    yield made
    made.close()


def video(tmp_path, name, *arguments, **limits):
    path = tmp_path / name
    ffmpeg("-i", AUSTEN, *arguments, path)
    return Store(tmp_path / "data", limits=Limits(**limits)).session(new_token()).take(path, name)


def finished(previews, one) -> dict:
    wait_for(lambda: previews.status(one, one.source)["state"] in ("done", "failed"), 60)
    return previews.status(one, one.source)


def codecs(one) -> tuple:
    found = probe(copy_path(one, one.source))
    return [v.codec for v in found.video], [a.codec for a in found.audio], round(found.duration)


def test_playable_streams_are_copied_from_another_container(tmp_path, previews):
    one = video(tmp_path, "talk.mkv", "-c", "copy", "-t", "6")
    before = one.source.read_bytes()
    assert previews.status(one, one.source)["state"] == "none"
    previews.start(one, one.source)
    assert finished(previews, one) == {"state": "done", "share": 1.0}
    assert codecs(one) == (["h264"], ["aac"], 6)
    assert probe(copy_path(one, one.source)).video[0].width == 512
    assert one.source.read_bytes() == before and one.results() == []


def test_others_are_encoded_small(tmp_path, previews):
    one = video(
        tmp_path, "talk.avi", "-t", "4", "-vf", "scale=1280:720", "-c:v", "mpeg4", "-c:a", "ac3"
    )
    previews.start(one, one.source)
    assert finished(previews, one)["state"] == "done"
    assert codecs(one) == (["h264"], ["aac"], 4)
    picture = probe(copy_path(one, one.source)).video[0]
    assert (picture.width, picture.height) == (960, 540)


def test_copied_streams_can_be_encoded_instead(tmp_path, previews):
    one = video(tmp_path, "talk.mkv", "-c", "copy", "-t", "2")
    previews.start(one, one.source)
    finished(previews, one)
    before = copy_path(one, one.source).read_bytes()
    previews.start(one, one.source)  # it exists
    assert previews.status(one, one.source)["state"] == "done"
    previews.start(one, one.source, encode=True)
    assert finished(previews, one)["state"] == "done"
    assert copy_path(one, one.source).read_bytes() != before


def test_audio_alone(tmp_path, previews):
    one = video(tmp_path, "talk.mka", "-vn", "-t", "3", "-c:a", "ac3")
    previews.start(one, one.source)
    assert finished(previews, one)["state"] == "done"
    assert codecs(one) == ([], ["aac"], 3)


def slow(tmp_path):
    """A video whose copy takes a while."""
    short, path = tmp_path / "short.avi", tmp_path / "long.avi"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=640x360:r=30:d=1", "-c:v", "mpeg4", short)
    ffmpeg("-stream_loop", "199", "-i", short, "-c", "copy", path)
    return Store(tmp_path / "data").session(new_token()).take(path, "long.avi")


def left(one) -> list[str]:
    return [path.name for path in one.folder.glob(".*") if path.name != ".about.json"]


@pytest.mark.slow
def test_it_stops_when_it_is_cancelled(tmp_path, previews):
    one = slow(tmp_path)
    previews.start(one, one.source)
    wait_for(lambda: previews.status(one, one.source)["state"] == "running", 20)
    previews.cancel(one, one.source)
    assert previews.status(one, one.source) == {"state": "none", "share": 0.0}
    wait_for(lambda: not left(one), 5)
    # ... or when the video is deleted.
    previews.start(one, one.source)
    out = copy_path(one, one.source)
    wait_for(lambda: previews.status(one, one.source)["share"] > 0, 20)
    conversion = previews._conversions[out]
    one.delete()
    at = time.monotonic()
    wait_for(lambda: out not in previews._conversions, 5)
    assert time.monotonic() - at < 3 and conversion.share < 1 and not out.exists()
    assert not one.folder.exists()


def test_its_size_is_limited(tmp_path, previews, monkeypatch):
    one = video(tmp_path, "talk.mkv", "-c", "copy", "-t", "6")
    monkeypatch.setattr(preview, "MAX_BYTES", 20_000)
    previews.start(one, one.source)
    status = finished(previews, one)
    assert status["state"] == "failed" and "larger than" in status["message"] and status["hint"]
    assert not left(one)
    full = video(tmp_path, "full.mkv", "-c", "copy", "-t", "2", session=200_000)
    full.store.quota.limits = Limits(session=1)
    with pytest.raises(UsageError, match="no room"):
        preview._copy(full, full.source, copy_path(full, full.source), False, lambda share: None)


def test_a_failure_is_reported_without_a_path(tmp_path, previews):
    one = video(tmp_path, "talk.mkv", "-c", "copy", "-t", "2")
    one.source.write_bytes(one.source.read_bytes()[:300])
    previews.start(one, one.source)
    status = finished(previews, one)
    assert status["state"] == "failed" and "talk.mkv" in status["message"]
    assert str(tmp_path) not in status["message"] and not left(one)


def test_a_playlist_in_disguise_reads_no_other_file(tmp_path):
    secret = tmp_path / "secret.mp4"
    ffmpeg("-i", AUSTEN, "-c", "copy", "-t", "1", secret)
    one = video(tmp_path, "talk.mkv", "-c", "copy", "-t", "2")
    one.source.write_text(f"ffconcat version 1.0\nfile {secret}\n")
    out = copy_path(one, one.source)
    with pytest.raises(InputError):
        preview._copy(one, one.source, out, False, lambda share: None)
    # Nor if the probe is bypassed.
    argv = preview.arguments({"video": [["h264"]]}, one.source, tmp_path / "out.mp4", 10**6)
    assert subprocess.run([ffmpeg_path(), *argv], check=False).returncode
