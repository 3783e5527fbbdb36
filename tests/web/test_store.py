"""Every path that the server opens for a client: what gets in, what stays out."""

import json
import os
import shutil
import stat
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from command import AUSTEN
from hypothesis import given
from hypothesis import strategies as st

from dubkit import InputError, OutputError, UsageError
from dubkit.web.limits import Limits
from dubkit.web.store import Store, new_token, safe_name

SRT = b"1\n00:00:01,000 --> 00:00:02,000\nHello\n"
OUTSIDE = [
    "../secret.mp4",
    "..",
    "in/../../secret.mp4",
    "/etc/passwd",
    "\\\\server\\share",
    "C:\\Windows\\win.ini",
    "in/..\\..\\secret.mp4",
    "link.mp4",
    "linked/secret.mp4",
    "missing.mp4",
    "a\0b.mp4",
    "",
    "in",
    "notes.txt",
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of videos, with links out of it."""
    root = tmp_path / "root"
    (root / "in").mkdir(parents=True)
    (root / "in/talk.srt").write_bytes(SRT)
    (root / "talk.mp4").write_bytes(AUSTEN.read_bytes())
    (root / "notes.txt").write_text("x")
    (root / ".hidden.mp4").write_text("x")
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(AUSTEN.read_bytes())
    (root / "link.mp4").symlink_to(secret)
    (root / "linked").symlink_to(tmp_path)
    (root / "again.mp4").symlink_to(root / "talk.mp4")
    return root


@pytest.fixture
def store(tmp_path: Path, root: Path) -> Store:
    return Store(tmp_path / "data", root)


@pytest.fixture
def session(store: Store):
    return store.session(new_token())


def sent(session, name: str, content: bytes, beside=None):
    upload = session.receive(name, len(content), beside)
    upload.write(content)
    return upload.finish()


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    "given, made",
    [
        ("talk.mp4", "talk.mp4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\fakepath\\talk.mp4", "talk.mp4"),
        ("-rf.mp4", "rf.mp4"),
        (".about.json", "about.json"),
        ("~root.mp4", "root.mp4"),
        ("a\nb\0c.mp4", "abc.mp4"),
        ("ré 'x' [1]: “y”.mp4", "ré 'x' [1]: “y”.mp4"),
        ("", "video"),
        ("...", "video"),
        ("片" * 100 + ".mp4", "片" * 38 + ".mp4"),
        ("x\u202egpj.mp4", "xgpj.mp4"),
    ],
)
def test_safe_names(given, made):
    assert safe_name(given) == made


@given(st.text())
def test_a_safe_name_is_a_name(name):
    made = safe_name(name)
    assert made and Path(made).name == made and not made.startswith((".", "-", "~"))
    assert len(made.encode()) <= 131 and "\0" not in made and "\\" not in made
    assert safe_name(made) == made


# ---------------------------------------------------------------- uploads


def test_each_upload_is_a_separate_video(session):
    one = sent(session, "talk.mp4", AUSTEN.read_bytes())
    other = sent(session, "talk.mp4", AUSTEN.read_bytes())
    assert one.folder != other.folder
    assert one.source.read_bytes() == AUSTEN.read_bytes()
    assert one.about["kind"] == "video" and 30 < one.about["duration"] < 31
    assert [video.id for video in session.videos()] == [other.id, one.id]


def test_nobody_else_can_read_it(session):
    video = sent(session, "talk.srt", SRT)
    for folder in (video.folder, session.folder, session.folder.parent, session.store.folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "name, content",
    [
        ("talk.mp4", b"no video at all"),
        ("talk.mp4", b""),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n"),
        ("list.mp4", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"),
        ("list.mp4", b"ffconcat version 1.0\nfile /etc/passwd\n"),
        ("talk.srt", b"\xff\xfe\x00"),
        ("page.html", b"<script>alert(1)</script>"),
    ],
)
def test_a_file_that_is_not_media_is_refused_and_not_kept(session, name, content):
    with pytest.raises(InputError) as refused:
        sent(session, name, content)
    assert str(session.store.folder) not in refused.value.message + refused.value.hint
    assert not list(session.folder.iterdir())


def test_an_upload_that_was_cut_off_leaves_nothing(session):
    upload = session.receive("talk.srt", len(SRT))
    upload.write(SRT[:10])
    with pytest.raises(InputError, match="did not arrive whole"):
        upload.finish()
    session.receive("talk.srt", 10).drop()
    assert not list(session.folder.iterdir())


def test_limits(tmp_path):
    session = Store(tmp_path, limits=Limits(upload=100, videos=2, session=260)).session(new_token())
    with pytest.raises(UsageError, match="larger than"):
        session.receive("talk.srt", 101)
    upload = session.receive("talk.srt", None)
    with pytest.raises(UsageError, match="larger than"):
        upload.write(b"x" * 101)
    upload.drop()
    sent(session, "a.srt", SRT * 2)
    with pytest.raises(UsageError, match="larger than"):
        session.receive("b.srt", 80)
    sent(session, "b.srt", SRT)
    with pytest.raises(UsageError, match="2 files already"):
        session.receive("c.srt", 1)


def test_a_full_disk_is_reported(session, monkeypatch):
    upload = session.receive("talk.srt", None)
    monkeypatch.setattr(upload, "path", Path("/dev/full"))
    with pytest.raises(OutputError, match="the disk is full"):
        upload.write(SRT)


@pytest.mark.parametrize("total, spare", [(10**12, 2**30), (10**9, 5 * 10**7)])
def test_uploads_leave_room_for_jobs(tmp_path, monkeypatch, total, spare):
    free = spare + 1000
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=total, free=free))
    store = Store(tmp_path)
    sent(store.session(new_token()), "talk.srt", SRT)
    for size in (1001, 10**9):  # from any session
        with pytest.raises(OutputError, match=r"no room for talk\.mp4: the disk is full"):
            store.session(new_token()).receive("talk.mp4", size)
    upload = store.session(new_token()).receive("talk.mp4", None)
    with pytest.raises(UsageError, match="larger than"):
        upload.write(b"x" * 1001)
    free = spare - 1
    with pytest.raises(OutputError, match="the disk is full"):
        store.session(new_token()).receive("a.srt", None)


def test_files_beside_a_video(session):
    video = sent(session, "talk.mp4", AUSTEN.read_bytes())
    sent(session, "talk.srt", SRT, beside=video)
    sent(session, "terms.csv", b"a,b\n", beside=video)
    assert video.beside("talk.srt") == ".other/talk.srt"
    for name in ("../talk.mp4", "talk.mp4", ".about.json", "nothing.srt", "/etc/passwd"):
        with pytest.raises(InputError):
            video.beside(name)
    with pytest.raises(InputError, match="not a subtitle file"):
        sent(session, "other.mp4", AUSTEN.read_bytes(), beside=video)


# ---------------------------------------------------------------- what belongs to whom


def test_ids_of_another_session_are_unknown(store):
    mine, theirs = store.session(new_token()), store.session(new_token())
    video = sent(theirs, "talk.srt", SRT)
    job = video.new_job()
    for id in (video.id, f"../{theirs.name}/{video.id}", "..", "", "*", video.id.upper()):
        with pytest.raises(InputError):
            mine.video(id)
    for id in (job.name, "*", "", "../*"):
        with pytest.raises(InputError):
            mine.job(id)
    assert mine.videos() == [] and theirs.video(video.id).id == video.id


@pytest.mark.parametrize("token", ["", "short", "../../..", "x" * 44, "*" * 43])
def test_a_cookie_that_is_not_ours(store, token):
    with pytest.raises(UsageError):
        store.session(token)


def test_results_are_what_dubkit_wrote_there(session):
    video = sent(session, "talk.mp4", AUSTEN.read_bytes())
    (video.folder / "talk.en.srt").write_bytes(SRT)
    (video.folder / "talk.fr.srt").symlink_to("/etc/passwd")
    (video.folder / "own.srt").write_bytes(SRT)
    (video.folder / "folder.srt").mkdir()
    video.workspace.mkdir()
    names = ["talk.en.srt", "talk.fr.srt", "gone.srt", "../talk.en.srt", "/etc/passwd"]
    names += ["folder.srt", ".about.json", ".jobs", ""]
    state = {"outputs": {name: {} for name in names}}
    (video.workspace / "state.json").write_text(json.dumps(state))
    assert video.results() == ["talk.en.srt"]
    assert video.result("talk.en.srt").read_bytes() == SRT
    for name in [*names[1:], "own.srt", "talk.mp4"]:
        with pytest.raises(InputError):
            video.result(name)


# ---------------------------------------------------------------- --root


@pytest.mark.parametrize("path", OUTSIDE)
def test_nothing_outside_the_root_can_be_chosen(session, path):
    with pytest.raises((InputError, UsageError)) as refused:
        session.link(path)
    assert str(session.store.root) not in refused.value.message
    assert not session.folder.exists() or not list(session.folder.iterdir())


@pytest.mark.parametrize("path", [path for path in OUTSIDE if path not in ("", "in")])
def test_nothing_outside_the_root_is_listed(store, path):
    with pytest.raises((InputError, UsageError)):
        store.browse(path)


def test_the_root_is_listed_without_links_that_leave_it(store):
    names = [(entry.name, entry.folder) for entry in store.browse()]
    assert names == [("in", True), ("again.mp4", False), ("talk.mp4", False)]
    assert [entry.path for entry in store.browse("in")] == ["in/talk.srt"]


def test_a_file_of_the_root_is_linked_and_stays(session, root):
    video = session.link("again.mp4")
    assert video.about["linked"] and video.source.resolve() == root / "talk.mp4"
    video.delete()
    assert (root / "talk.mp4").exists() and session.videos() == []


def test_an_absolute_path_under_the_root_is_accepted(session, root):
    assert session.link(f" {root / 'talk.mp4'}\n").source.resolve() == root / "talk.mp4"
    for path in (f"{root}/../secret.mp4", f"{root}x/talk.mp4", f"{root}/link.mp4", str(root)):
        with pytest.raises(InputError):
            session.link(path)


def test_a_link_that_was_redirected_is_not_followed(session, root, tmp_path):
    video = session.link("talk.mp4")
    (root / "talk.mp4").unlink()
    (root / "talk.mp4").symlink_to(tmp_path / "secret.mp4")
    with pytest.raises(InputError, match="no longer exists"):
        video.source  # noqa: B018


def test_without_a_root_there_is_nothing_to_choose(tmp_path):
    store = Store(tmp_path / "data")
    with pytest.raises(UsageError, match="no folder to choose from"):
        store.browse()
    with pytest.raises(UsageError):
        store.session(new_token()).link("talk.mp4")


# ---------------------------------------------------------------- age


def test_old_videos_are_deleted_unless_they_are_in_use(store, session):
    old, busy, new = (sent(session, f"{name}.srt", SRT) for name in ("old", "busy", "new"))
    week = time.time() - 8 * 24 * 3600
    for video in (old, busy):
        for path in (video.folder / ".about.json", video.folder):
            os.utime(path, (week, week))
    assert store.sweep({str(busy.folder)}) == 1
    assert {video.name for video in session.videos()} == {"busy.srt", "new.srt"}
    new.delete()
    assert store.sweep(now=time.time() + 9 * 24 * 3600) == 1
    assert not session.folder.exists()


def test_broken_uploads_are_deleted_after_an_hour(store, session):
    session.receive("talk.mp4", None).write(b"x")
    assert store.sweep() == 0 and list(session.folder.iterdir())
    store.sweep(now=time.time() + 3700)
    assert not session.folder.exists()
