"""``dubkit clean``: what it removes, and all that it leaves."""

import os
import shutil
import time
from pathlib import Path

import pytest
from command import FAST, assert_refused, called, contents

from dubkit.cli.clean import _remove, _size, age
from dubkit.errors import InputError, UsageError
from dubkit.system.lease import acquire


@pytest.fixture(scope="module")
def made(tmp_path_factory, small_video):
    """A folder with a video, its results and its workspace; not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    video = Path(shutil.copy(small_video, folder))
    ran = called(video, "--subs", "--no-video", *FAST)
    assert ran.status == 0, ran
    return folder


@pytest.fixture
def place(made, tmp_path):
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "in"))


def test_a_workspace_goes_and_all_else_stays(place):
    (place / "notes.dubkit").mkdir()  # somebody else's, by its content
    (place / "notes.dubkit/notes.txt").write_text("mine")
    (place / "other.dubkit").write_text("a file")
    before = contents(place)
    ran = called("clean", place, "--dry-run")
    assert ran.status == 0 and "1 would be removed" in ran.out, ran
    assert f"{place}/talk.dubkit: " in ran.out
    assert contents(place) == before

    ran = called("clean", place)
    assert_refused_to_ask(ran)
    assert contents(place) == before

    ran = called("clean", place, "--yes")
    assert ran.status == 0, ran
    assert "notes.dubkit: left, this user's dubkit did not make it" in ran.out
    assert not (place / "talk.dubkit").exists()
    kept = {name: one for name, one in before.items() if not name.startswith("talk.dubkit/")}
    assert contents(place) == kept and {"talk.mp4", "talk.en.srt"} <= {*kept}
    assert "nothing to remove" in called("clean", place, "--yes").out


def assert_refused_to_ask(ran):
    assert ran.status == 2 and "--yes" in ran.err, ran


@pytest.mark.parametrize("name", ["talk.mp4", "talk.dubkit"])
def test_a_video_or_its_workspace_is_named(place, name):
    shutil.copytree(place / "talk.dubkit", place / "other.dubkit")
    assert called("clean", place / name, "--yes").status == 0
    assert not (place / "talk.dubkit").exists() and (place / "other.dubkit").exists()


def test_a_subtitle_file_is_not_the_video_of_its_name(place):
    (place / "talk.srt").write_text("")
    assert "nothing to remove" in called("clean", place / "talk.srt", "--dry-run").out
    shutil.copytree(place / "talk.dubkit", place / "talk.srt.dubkit")
    assert called("clean", place / "talk.srt", "--yes").status == 0
    assert not (place / "talk.srt.dubkit").exists() and (place / "talk.dubkit").exists()


def test_places_within_places_are_removed_once(place, monkeypatch):
    monkeypatch.chdir(place)
    ran = called("clean", place, place / "talk.mp4", "talk.dubkit", "--yes")
    assert ran.status == 0 and ran.out.count("talk.dubkit") == 1, ran


def edit(work):
    path = work / "cues.en.json"
    path.write_text(path.read_text().replace("quick", "slow"))


def add_file(work):
    (work / "mine.txt").write_text("mine")


def add_clip(work):
    (work / "dub.es").mkdir()
    (work / "dub.es/mine.wav").write_text("mine")


def link(work):
    (work / "transcript.json").unlink()
    (work / "transcript.json").symlink_to(work.parent / "talk.mp4")


def take_over(work):
    (work / ".owner").write_text('{"id": "x", "owners": {}}')


def damage(work):
    (work / "state.json").write_text("{")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (edit, "cues.en.json was edited by hand"),
        (add_file, "mine.txt is not recorded as made by dubkit"),
        (add_clip, "dub.es/mine.wav is not recorded"),
        (link, "is a link"),
        (take_over, "did not make it"),
        (damage, "not recorded"),
    ],
)
def test_what_is_not_simply_dubkits_is_left(place, change, reason):
    work = place / "talk.dubkit"
    change(work)
    before = contents(place)
    ran = called("clean", place, "--yes")
    assert ran.status == 0 and "left, " in ran.out and reason in ran.out, ran
    assert contents(place) == before


def test_edits_go_only_when_that_is_said(place):
    edit(place / "talk.dubkit")
    assert called("clean", place, "--yes", "--edited").status == 0
    assert not (place / "talk.dubkit").exists()


def test_edits_during_the_question_are_kept(place):
    edit(place / "talk.dubkit")
    before = contents(place)
    with pytest.raises(InputError, match="was edited by hand"):
        _remove(place / "talk.dubkit", edited=False)
    assert contents(place) == before


def test_a_workspace_in_use_is_left(place):
    lease = acquire(place / "talk.dubkit")
    ran = called("clean", place, "--yes")
    lease.release()
    assert "another dubkit is working in it" in ran.out and (place / "talk.dubkit").exists()


def test_a_link_to_a_workspace_is_not_followed(place, tmp_path):
    (tmp_path / "links").mkdir()
    (tmp_path / "links/talk.dubkit").symlink_to(place / "talk.dubkit")
    (tmp_path / "links/folder").symlink_to(place)
    assert "nothing to remove" in called("clean", tmp_path / "links", "--yes").out
    assert_refused(called("clean", tmp_path / "links/talk.dubkit", "--yes"), 3, "is a link")
    assert (place / "talk.dubkit/state.json").exists()


def test_what_was_used_lately_is_left(place):
    assert "it is newer" in called("clean", place, "--older-than", "30d", "--yes").out
    long_ago = time.time() - 31 * 86400
    for path in (place / "talk.dubkit").iterdir():
        os.utime(path, (long_ago, long_ago))
    assert called("clean", place, "--older-than", "30d", "--yes").status == 0
    assert not (place / "talk.dubkit").exists()


def test_caches_are_removed_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache = tmp_path / "dubkit"
    for name in ("voices/a.json", "verified.json", "models/base/model.bin", "ui/video/talk.mp4"):
        (cache / name).parent.mkdir(parents=True, exist_ok=True)
        (cache / name).write_bytes(b"x" * 1500)
    ran = called("clean", "--cache", "--yes")
    assert ran.status == 0 and f"{cache}/voices: 1.5 kB" in ran.out, ran
    assert sorted(one.name for one in cache.iterdir()) == ["models", "ui"]
    assert called("clean", "--models", "--yes").status == 0
    assert sorted(one.name for one in cache.iterdir()) == ["ui"]


def test_ages_and_sizes():
    assert (age("12h"), age("30d"), age("2w")) == (43200, 2592000, 1209600)
    for wrong in ("30", "d", "-3d", "3y"):
        with pytest.raises(UsageError, match="hours, days or weeks"):
            age(wrong)
    assert [_size(n) for n in (0, 999, 1500, 2.5e6, 7e10)] == [
        "0 bytes", "999 bytes", "1.5 kB", "2.5 MB", "70 GB",
    ]  # fmt: skip


def test_a_place_that_is_missing():
    assert_refused(called("clean", "/nowhere"), 3, "there is no /nowhere")
    assert_refused(called("clean", "--older-than", "soon"), 2, "soon")
