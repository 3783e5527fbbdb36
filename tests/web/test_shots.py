"""Where a film's shots begin."""

import pytest
from command import AUSTEN
from media_samples import ffmpeg

from dubkit import InputError
from dubkit.web.shots import Shots
from dubkit.web.store import Store, Video, new_token


@pytest.fixture
def take(tmp_path):
    session = Store(tmp_path / "data").session(new_token())

    def taken(path) -> Video:
        return session.take(path, path.name)

    return taken


def test_a_shot_begins_where_the_picture_changes_and_is_found_once(take, tmp_path):
    film = tmp_path / "cut.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=160x120:d=1:r=25", "-f", "lavfi", "-i",
           "color=red:s=160x120:d=1:r=25", "-filter_complex", "[0][1]concat", film)  # fmt: skip
    video = take(film)
    assert Shots().find(video) == pytest.approx([1.0], abs=0.05)
    stamp = (video.folder / ".shots").stat().st_mtime_ns
    assert Shots().find(video) and (video.folder / ".shots").stat().st_mtime_ns == stamp


def test_what_is_closed_or_damaged_is_reported_and_leaves_nothing(take):
    video, shots = take(AUSTEN), Shots()
    shots.close()
    with pytest.raises(InputError, match="stops"):
        shots.find(video)
    video.source.write_bytes(b"#EXTM3U\n/etc/passwd\n")
    with pytest.raises(InputError, match="cannot be read"):
        Shots().find(video)
    assert not list(video.folder.glob(".shots*"))
