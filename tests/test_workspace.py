"""The workspace by itself: keys, edits, atomic writes, one run at a time."""

import errno
import json
import os
import threading
import time

import pytest

from dubkit.errors import InputError, OutputError
from dubkit.workspace import Workspace, key_of, open_workspace


def writer(text, warnings=()):
    def make(path):
        path.write_text(text)
        return warnings

    return make


def never(path):
    raise AssertionError("it exists already")


def test_a_key_depends_on_each_of_its_parts():
    assert key_of(a=1, b=[2]) == key_of(b=[2], a=1)
    assert len({key_of(a=1), key_of(a="1"), key_of(a=[1]), key_of(b=1), key_of(a=None)}) == 5


def test_a_step_runs_once_per_key(tmp_path):
    with open_workspace(tmp_path / "w") as work:
        path = work.step("x.json", "k", writer("one", ["careful"]))
        assert path.read_text() == "one" and work.warnings == ["careful"]
        assert work.step("x.json", "k", never) == path
        work.step("x.json", "k2", writer("two"))
    with open_workspace(tmp_path / "w") as work:
        assert work.step("x.json", "k2", never).read_text() == "two"
        assert work.warnings_of("x.json") == () and work.warnings == []
        path.unlink()
        work.step("x.json", "k2", writer("three"))
        assert path.read_text() == "three"


def test_warnings_are_repeated_when_nothing_is_made(tmp_path):
    for _ in range(2):
        with open_workspace(tmp_path / "w") as work:
            work.step("x", "k", writer("x", ["a step's"]))
            work.output(tmp_path / "out", "k", writer("o", ["a result's"]), force=False)
            assert work.warnings == ["a step's", "a result's"]


@pytest.mark.parametrize("fails", ["make", "save"])
def test_a_step_that_fails_leaves_nothing(fails, tmp_path, monkeypatch):
    with open_workspace(tmp_path / "w") as work:
        work.step("x", "k", writer("one"))

        def make(path):
            path.write_text("half")
            if fails == "make":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return ()

        if fails == "save":
            monkeypatch.setattr(work, "_save", lambda: never(None))
        with pytest.raises((OutputError, AssertionError)):
            work.step("x", "k2", make)
    assert not list((tmp_path / "w").glob("*.part"))
    with open_workspace(tmp_path / "w") as work:
        assert not work.warnings
        assert work.step("x", "k2", writer("two")).read_text() == "two"
        assert not work.warnings and not list((tmp_path / "w").glob("*.edited"))


def test_an_edit_is_used_under_its_key_and_saved_under_another(tmp_path):
    with open_workspace(tmp_path / "w") as work:
        path = work.step("x", "k", writer("one"))
        for number, name in enumerate(("x.edited", "x.edited.2", "x.edited.3")):
            path.write_text(f"mine {number}")
            assert work.step("x", f"k{number - 1}" if number else "k", never) == path
            work.step("x", f"k{number}", writer("new"))
            assert path.read_text() == "new"
            assert (path.parent / name).read_text() == f"mine {number}"
            assert name in work.warnings[-1]


def test_a_result_of_ours_is_replaced_and_another_is_not(tmp_path):
    out = tmp_path / "talk.srt"
    with open_workspace(tmp_path / "w") as work:
        work.output(out, "k", writer("one"), force=False)
        work.output(out, "k", never, force=False)
        work.output(out, "k2", writer("two"), force=False)
        assert out.read_text() == "two"
        out.write_text("mine")
        with pytest.raises(OutputError, match="was edited since"):
            work.output(out, "k3", never, force=False)
        assert out.read_text() == "mine"
        work.output(out, "k3", writer("three"), force=True)
        assert out.read_text() == "three"
        other = tmp_path / "other.srt"
        other.write_text("theirs")
        with pytest.raises(OutputError, match="not made by dubkit"):
            work.output(other, "k", never, force=False)


def test_what_a_kill_left_is_removed_and_half_done_work_is_not(tmp_path):
    folder = tmp_path / "w"
    with open_workspace(folder) as work:
        journal = work.folder_for("transcribe", "k") / "windows.jsonl"
        journal.write_text("{}")
    with open_workspace(folder) as work:
        part = work.part("result.mp4")
        part.write_text("half")
        work.close = lambda: None  # a kill
    (folder / "mine.part").write_text("not dubkit's")
    assert part.exists()
    with open_workspace(folder) as work:
        assert sorted(path.name for path in folder.iterdir() if ".part" in path.name) == [
            "mine.part", "transcribe-k.parts",
        ]  # fmt: skip
        assert work.folder_for("transcribe", "k") == journal.parent and journal.exists()
        work.folder_for("transcribe", "k2")
        assert not journal.exists()
        work.drop_folders()
        assert not list(folder.glob("*.parts"))


def test_the_source_is_hashed_when_it_changes(tmp_path, monkeypatch):
    source = tmp_path / "talk.mp4"
    source.write_text("one")
    with open_workspace(tmp_path / "w") as work:
        first = work.hash_source(source)
        monkeypatch.setattr("dubkit.files.sha256_of", never)
        assert work.hash_source(source) == first
        monkeypatch.undo()
        source.write_text("two!")
        assert work.hash_source(source) != first
        source.unlink()
        with pytest.raises(InputError, match="cannot be read"):
            work.hash_source(source)


def test_another_source(tmp_path):
    one, two = tmp_path / "talk.mp4", tmp_path / "talk.mkv"
    one.write_text("1")
    two.write_text("2")
    with open_workspace(tmp_path / "w") as work:
        assert work.other_source(one) is None
        work.hash_source(one)
        assert work.other_source(one) is None
        assert work.other_source(two) == one
        one.unlink()
        assert work.other_source(two) is None


def test_names_that_are_not_text(tmp_path):
    source = tmp_path / "caf\udce9.mp4"
    source.write_text("1")
    for _ in range(2):
        with open_workspace(tmp_path / "w\udcff") as work:
            work.hash_source(source)
            work.output(tmp_path / "caf\udce9.srt", "k", writer("x"), force=False)
    json.loads((tmp_path / "w\udcff" / "state.json").read_text("utf-8"))


def test_a_second_run_waits(tmp_path):
    order = []

    def second():
        with open_workspace(tmp_path / "w"):
            order.append("second")

    with open_workspace(tmp_path / "w"):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.3)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_the_lock_is_released_after_a_failure(tmp_path):
    for _ in range(2):
        with pytest.raises(RuntimeError), open_workspace(tmp_path / "w"):
            raise RuntimeError


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OutputError, match="cannot be written"),
        open_workspace(tmp_path / "file" / "w"),
    ):
        pass


def test_it_is_a_plain_object(tmp_path):
    (tmp_path / "w").mkdir()
    assert Workspace(tmp_path / "w").warnings == []
