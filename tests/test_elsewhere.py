"""What a run on a copy of a workspace has made, taken into it."""

import shutil
from pathlib import Path

import pytest

from dubkit.errors import InputError, OutputError
from dubkit.files import stamp_of
from dubkit.pipeline.elsewhere import HomeWorkspace
from dubkit.workspace import open_as, open_workspace


def writer(text):
    def make(path):
        path.write_text(text)
        return []

    return make


def never(path):
    raise AssertionError("it exists already")


def opened(source):
    return open_as(HomeWorkspace, source.with_suffix(".dubkit"), adopt=False, wait=True)


@pytest.fixture
def copied(tmp_path):
    """A workspace with two artifacts and a result, and a copy of all, after a run on the copy."""
    source = tmp_path / "a.mp4"
    source.write_text("film")
    (tmp_path / "there").mkdir()

    def run(folder, version):
        with open_workspace(folder / "a.dubkit") as work:
            work.hash_source(source)
            work.step("x.json", version, writer(f"x {version}"))
            work.step("y.json", "same", writer("y"))
            work.output(folder / "a.srt", version, writer(f"out {version}"), force=False)

    run(tmp_path, "one")
    shutil.copytree(tmp_path / "a.dubkit", tmp_path / "there/a.dubkit")
    shutil.copy2(tmp_path / "a.srt", tmp_path / "there/a.srt")
    sent = {
        "x.json": stamp_of(tmp_path / "a.dubkit/x.json"),
        "../a.srt": stamp_of(tmp_path / "a.srt"),
    }
    run(tmp_path / "there", "two")
    return source, sent


def take_in(work, source, sent, results=True):
    there = source.parent / "there"
    back = work.part("back")
    back.mkdir()
    for name in ("state.json", "x.json"):
        shutil.copy2(there / "a.dubkit" / name, back / name)
    made = {"a.srt": Path(shutil.copy2(there / "a.srt", back.with_name("made")))}
    work.take_in(back, source, [], made if results else None, sent, force=False)


def test_what_a_copy_has_made_is_taken_in(copied):
    source, sent = copied
    with opened(source) as work:
        take_in(work, source, sent)
    with opened(source) as work:
        assert work.step("x.json", "two", never).read_text() == "x two"
        assert work.step("y.json", "same", never).read_text() == "y"
        work.output(source.with_suffix(".srt"), "two", never, force=False)
    assert source.with_suffix(".srt").read_text() == "out two"
    assert not list(source.parent.rglob("*.part"))


def test_before_its_end_no_result_is_taken_in(copied):
    source, sent = copied
    with opened(source) as work:
        take_in(work, source, sent, results=False)
        work.step("x.json", "two", never)
        work.output(source.with_suffix(".srt"), "one", never, force=False)


def test_what_a_person_edits_while_a_copy_is_worked_on_is_kept(copied):
    source, sent = copied
    (source.with_suffix(".dubkit") / "x.json").write_text("mine")
    source.with_suffix(".srt").write_text("mine, too")
    with opened(source) as work:
        with pytest.raises(OutputError, match=r"a\.srt exists and was edited since"):
            take_in(work, source, sent)
        assert "your edit is in x.json.edited" in work.warnings[0]
    assert (source.with_suffix(".dubkit") / "x.json.edited").read_text() == "mine"
    assert source.with_suffix(".srt").read_text() == "mine, too"


def test_what_was_made_of_another_input_is_not_taken_in(copied):
    source, sent = copied
    source.write_text("another")
    with opened(source) as work:
        with pytest.raises(InputError, match="was changed"):
            take_in(work, source, sent)
        assert work.step("x.json", "one", never).read_text() == "x one"


@pytest.mark.parametrize("moment", ["unlink", "_save", "replace"])
def test_a_kill_while_a_copy_is_taken_in_leaves_nothing_old_under_a_new_key(
    moment, copied, monkeypatch
):
    source, sent = copied

    class Kill(BaseException): ...

    def kill(*arguments, **more):
        raise Kill

    folder = source.with_suffix(".dubkit")
    with pytest.raises(Kill), opened(source) as work:
        real = type(work).take_in

        def armed(*arguments, **more):
            owner = type(work) if moment == "_save" else Path
            if moment == "replace":  # after the record is written
                kept = Path.replace
                monkeypatch.setattr(
                    Path, "replace",
                    lambda one, to: kill() if "back" in str(one) else kept(one, to),
                )  # fmt: skip
            else:
                monkeypatch.setattr(owner, moment, kill)
            return real(work, *arguments, **more)

        work.take_in = armed
        take_in(work, source, sent)
    monkeypatch.undo()
    with opened(source) as work:
        made = []
        work.step("x.json", "two", lambda out: made.append(out.write_text("x two")) or [])
        assert (folder / "x.json").read_text() == "x two" and not list(folder.glob("*.edited"))
        work.output(source.with_suffix(".srt"), "two", writer("out two"), force=False)
